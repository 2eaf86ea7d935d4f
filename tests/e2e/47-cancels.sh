#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# Storms of cancel requests (cancels.py says which): nobody's query but the
# one meant is hit, no query of the pooler's own, and nothing is left over.
# Then requests that PostgreSQL takes too late.
# CANCEL_CLIENTS, CANCEL_SECONDS, CANCEL_SEED: more by hand.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

is_ours || skip_all "PgBouncer cancels what comes next, too"
command -v python3 >/dev/null || skip_all "no python3"
clients=${CANCEL_CLIENTS:-60} seconds=${CANCEL_SECONDS:-5}
seed=${CANCEL_SEED:-1}
[ -z "${SLOW:-}" ] || clients=${CANCEL_CLIENTS:-24}
ulimit -n $((clients * 40 + 500)) 2>/dev/null
pg_init "$tmp/data"
cat >>"$tmp/data/postgresql.conf" <<-CONF
	log_connections = on
CONF
pg_start
pg_sql 'create role alice superuser login'
server="host=$tmp port=$pg_port dbname=postgres"
databases="one = $server pool_size=3
tested = $server pool_size=2
session = $server pool_size=$clients pool_mode=session max_db_connections=20
late = $server pool_size=1"
# Each change of hands costs a check and, by the names of the clients, a SET.
pooler_ini "max_client_conn = $((clients * 20))" 'server_check_delay = 0' \
    'server_check_query = select pg_sleep(0.005) /*check*/' \
    'server_reset_query = DISCARD ALL' 'query_wait_timeout = 110' \
    'server_idle_timeout = 600'
pooler_start
pooler_env

used() {
	console 'SHOW MEM' | awk -F'|' '
		$1 ~ /client|cancel|wait/ { print $1, $3 }'
}
open_files() {
	ls "/proc/$pooler_pid/fd" | wc -l
}
pools() {
	console 'SHOW POOLS' | awk -F'|' '$1 != "pgbouncer" {
		n += $3 + $4 + $5 + $6 + $7 + $8 + $9 + $13 } END { print n + 0 }'
}
settled() {
	[ "$(pools)" = 0 ] && [ "$(used)" = "$before" ] &&
	    [ "$(open_files)" -le $((files + 30)) ]
}
# after "words": all is as it was
after() {
	until_true 20 settled
	is "$1: slabs are back" "$before" "$(used)"
	is "$1: no client, no busy server" 0 "$(pools)"
	between "$1: descriptors are back (but servers)" 1 $((files + 30)) \
	    "$(open_files)"
	# What was cancelled, by PostgreSQL's own words.
	is "$1: only what may be was cancelled" '' \
	    "$(grep -A1 'canceling statement due to user' "$tmp/data.log" |
	    grep 'STATEMENT' | grep -v '/\*may\*/' | head -3)"
}
cancels() {
	timeout 600 python3 "$top/tests/e2e/cancels.py" "$tmp" "$port" "$@" 2>&1
}
for db in one tested session; do
	sql 'select 1' $db >/dev/null
done
before=$(used) files=$(open_files)
figures=$(cancels "$seconds" "$seed" "$clients")
is "$clients clients for $seconds s, who come and go" 0 $?
echo "$figures"
after 'a storm'
figures=$(cancels "$seconds" "$((seed + 1))" "$clients" full)
is "$clients clients for $seconds s, and max_client_conn is reached" 0 $?
echo "$figures"
console "SET max_client_conn = $((clients * 20))" >/dev/null
after 'a full house'
console "SET server_check_query = 'select 1'" >/dev/null
console "SET server_check_delay = 30" >/dev/null

# However many ask for it, PostgreSQL is asked by one connection at a time; the
# postmaster, who is stopped meanwhile, would otherwise find one for each.
postmaster=$(head -1 "$tmp/data/postmaster.pid")
connections() {
	grep -c 'connection received' "$tmp/data.log"
}
sql 'select 1' one >/dev/null
had=$(connections)
figures=$(cancels pile "$postmaster" 100)
is 'a hundred requests for one query' 0 $?
echo "$figures"
between 'are carried by few connections' 1 6 $(($(connections) - had))
after 'a pile'

# PostgreSQL takes the request when nobody waits for it any more: whoever has
# come next must not be hit. (The postmaster is stopped: the query ends, its
# cancel does not.)
console 'SET cancel_wait_timeout = 1' >/dev/null
cat >"$tmp/till" <<-SH
#!/bin/sh
sleep 0.3
kill -CONT $postmaster
SH
chmod +x "$tmp/till"
talk <<-TALK
	test a cancel that comes after its time-out hits nobody
	open a dbname=late
	open b dbname=late
	a> Q 'select pg_sleep(2) /*may*/'
	sh sleeping
	sh 'kill -STOP $postmaster'
	cancel a
	a< T D C Z:I
	b> Q 'select pg_sleep(1), 7'
	sh '$tmp/till'
	b< T D:*|7 C Z:I
	a> Q 'select 8'
	a< T D:8 C Z:I
TALK
kill -CONT "$postmaster"
after 'a late one'
pooler_stop
done_testing
