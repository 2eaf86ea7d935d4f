#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# Many clients on few servers, doing everything at once (storm.c says what).
# Nothing is lost, nobody gets another's answer, and in the end servers and
# slabs are back to what they were. Then the same while servers and clients are
# killed, pools paused, held and reconnected, and clients behave badly.
# STORM_CLIENTS, STORM_SECONDS, STORM_SEED: 1000 and 60 by hand, 5000 for the
# second part (ROUGH_CLIENTS, ROUGH_SECONDS).

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

clients=${STORM_CLIENTS:-200} seconds=${STORM_SECONDS:-10} seed=${STORM_SEED:-1}
rough=${ROUGH_CLIENTS:-$clients} rough_seconds=${ROUGH_SECONDS:-$seconds}
most=$((clients > rough ? clients : rough))
ulimit -n $((most * 3 + 500)) 2>/dev/null
pg_start
pg_sql 'create role alice superuser login;
    create table storm (client int, value int);
    create table storm_copy (line text)'
databases="postgres = host=$tmp port=$pg_port pool_size=25"
pooler_ini "max_client_conn = $((most * 2 + 100))" 'default_pool_size = 25' \
    'max_prepared_statements = 20' 'server_idle_timeout = 600' \
    'query_wait_timeout = 50' 'server_login_retry = 1' 'hold_timeout = 20'
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

# Again, and now nobody is safe.
resident() {
	awk '/^VmRSS/ { print $2 }' "/proc/$pooler_pid/status"
}
pg_sql 'truncate storm, storm_copy'
"$B/e2e/storm" "$rough" "$rough_seconds" "$seed" rough >"$tmp/rough.out" \
    2>&1 &
storm=$!
pids+=("$storm")
slowest=0 rounds=0
timed() {
	local before=$SECONDS
	"$@" >>"$tmp/rough.console" 2>&1
	[ $((SECONDS - before)) -le $slowest ] ||
	    slowest=$((SECONDS - before))
}
while ! gone "$storm"; do
	rounds=$((rounds + 1))
	pg_sql "select pg_terminate_backend(pid) from (select pid
	    from pg_stat_activity where usename = 'alice'
	    order by random() limit 3) x" >/dev/null
	case $((rounds % 7)) in
	0) timed console 'RELOAD' ;;
	1) timed console 'RECONNECT postgres' ;;
	2) timed timeout 2 psql -Xq -h "$tmp" -p "$port" -U pgbouncer \
	    -d pgbouncer -c 'PAUSE postgres'
	   console 'RESUME postgres' >/dev/null ;;
	3) timed console 'HOLD postgres 1'
	   sleep 0.3
	   timed console 'RELEASE postgres' ;;
	4) timed console 'KILL postgres'
	   console 'RESUME postgres' >/dev/null ;;
	5) timed console 'SHOW CLIENTS' ;;
	6) timed console 'SHOW POOLS' ;;
	esac
	sleep 0.5
done
console 'RESUME postgres' >/dev/null
wait "$storm"
is "$rough clients for $rough_seconds s, everything killed at some time" 0 $?
grep -v '^FATAL' "$tmp/rough.out" | sed 's/^/# /'
echo "# $rounds rounds, slowest command $slowest s"
until_true 30 idle
is 'no server is left with work after that' 0 "$(pg_sql "select count(*)
    from pg_stat_activity where usename = 'alice' and state <> 'idle'")"
until_true 30 settled
is 'clients, busy servers: none again' '0 0' "$(pools)"
is 'slabs are back again' "$before" "$(used)"
is 'all still works' 1 "$(sql 'select 1')"
echo "# resident: $(resident) KiB"
pooler_stop
done_testing
