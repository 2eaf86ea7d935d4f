#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# Many clients on few servers, doing everything at once (storm.c says what).
# Nothing is lost, nobody gets another's answer, and in the end servers and
# slabs are back to what they were.
# STORM_CLIENTS, STORM_SECONDS, STORM_SEED: 1000 and 60 by hand.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

clients=${STORM_CLIENTS:-200} seconds=${STORM_SECONDS:-10} seed=${STORM_SEED:-1}
ulimit -n $((clients * 3 + 500)) 2>/dev/null
pg_start
pg_sql 'create role alice superuser login;
    create table storm (client int, value int);
    create table storm_copy (line text)'
databases="postgres = host=$tmp port=$pg_port pool_size=25"
pooler_ini "max_client_conn = $((clients + 100))" 'default_pool_size = 25' \
    'max_prepared_statements = 20' 'server_idle_timeout = 600' \
    'query_wait_timeout = 50'
pooler_start
pooler_env

# What is in use: clients, servers between 0 and 25, slab objects by name.
used() {
	console 'SHOW MEM' | awk -F'|' '
		$1 ~ /client|cancel|wait/ { print $1, $3 }'
}
sql 'select 1' >/dev/null
before=$(used)
figures=$("$B/e2e/storm" "$clients" "$seconds" "$seed" 2>&1)
is "$clients clients for $seconds s" 0 $?
printf "%s\n" "$figures" | sed "s/^/# /"
busy() {
	[ "$(pg_sql "select count(*) from pg_stat_activity where
	    usename = 'alice' and state <> 'idle'")" != 0 ]
}
idle() {
	! busy
}
until_true 20 idle
is 'no server is left with work' 0 "$(pg_sql "select count(*)
    from pg_stat_activity where usename = 'alice' and state <> 'idle'")"
between 'no more servers than the pool has' 1 25 "$(pg_sql "select count(*)
    from pg_stat_activity where usename = 'alice'")"
pools() {
	console 'SHOW POOLS' | awk -F'|' '$1 == "postgres" {
		clients += $3 + $4 + $5 + $6; busy += $7 + $8 + $9 + $13
	} END { print clients + 0, busy + 0 }'
}
settled() {
	[ "$(pools)" = "0 0" ] && [ "$(used)" = "$before" ]
}
until_true 20 settled
is 'clients, busy servers: none' '0 0' "$(pools)"
is 'slabs are back' "$before" "$(used)"
is 'rows came one by one' "$(pg_sql 'select count(*) from storm_copy')" \
    "$(pg_sql 'select count(distinct line) from storm_copy')"
is 'the pooler works on' 1 "$(sql 'select 1')"
pooler_stop
done_testing
