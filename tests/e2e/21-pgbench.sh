#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# pgbench in its three protocols through one and two workers, over a Unix
# socket and over TCP: the balances must add up at the end.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

pg_start
pgbench -i -q -h "$tmp" -p "$pg_port" -U postgres postgres >/dev/null 2>&1
pg_sql 'create role alice superuser login'
transactions=60
[ -z "${SLOW:-}" ] || transactions=20

balances() {
	pg_sql 'select (select sum(abalance) from pgbench_accounts) =
	    (select sum(bbalance) from pgbench_branches)
	    and (select sum(delta) from pgbench_history) =
	    (select sum(tbalance) from pgbench_tellers),
	    (select count(*) from pgbench_history)'
}

n=0
for workers in 1 2; do
	pooler_ini 'default_pool_size = 5' 'max_prepared_statements = 20'
	pooler_start
	for host in "$tmp" 127.0.0.1; do
		for protocol in simple extended; do
			succeeds "$workers workers, $host, $protocol" \
			    pgbench -n -h "$host" -p "$port" -U alice \
			    -M $protocol -c 20 -j 2 -t $transactions postgres
			n=$((n + 20 * transactions))
			is "balances add up" "t|$n" "$(balances)"
		done
		# pgbench waits while it prepares, and keeps its other clients
		# from ending their transactions: no more clients than servers.
		succeeds "$workers workers, $host, prepared" \
		    pgbench -n -h "$host" -p "$port" -U alice \
		    -M prepared -c 5 -j 2 -t $transactions postgres
		n=$((n + 5 * transactions))
		is "balances add up" "t|$n" "$(balances)"
		succeeds "$workers workers, $host, prepared, 20 on 5" \
		    pgbench -n -S -h "$host" -p "$port" -U alice \
		    -M prepared -c 20 -j 2 -t $transactions postgres
	done
	between "no more servers than the pool's size" 1 5 "$(pg_sql "select
	    count(*) from pg_stat_activity where usename = 'alice'")"
	succeeds "a connection for each transaction" pgbench -n -C -S \
	    -h "$tmp" -p "$port" -U alice -c 4 -j 2 -t 25 postgres
	pooler_stop
done
done_testing
