#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# Servers that lie: messages that have no place where they come, too long, cut,
# by the thousand, twice (liars.py has the list). Clients of an honest server,
# on the same workers, get their own answers all the while; afterwards nothing
# is left over.
# LIARS_SECONDS, LIARS_SEED: more by hand.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

is_ours || skip_all "for our own pooler"
command -v python3 >/dev/null || skip_all "no python3"
seconds=${LIARS_SECONDS:-8} seed=${LIARS_SEED:-1}
pg_start
pg_sql 'create role alice superuser login;
    create table storm (client int, value int);
    create table storm_copy (line text)'
free_port liar_port
databases="postgres = host=$tmp port=$pg_port pool_size=5
liar = host=127.0.0.1 port=$liar_port pool_size=4
liars = host=127.0.0.1 port=$liar_port pool_size=4 pool_mode=session connect_query='select 1'"
pooler_ini 'max_client_conn = 100' 'server_login_retry = 0' \
    'max_prepared_statements = 2' 'server_check_delay = 0' \
    "server_check_query = select 1" 'server_connect_timeout = 2' \
    'query_wait_timeout = 10' 'cancel_wait_timeout = 2' \
    'cancel_drain_timeout = 2' 'server_reset_query = DISCARD ALL' \
    'track_extra_parameters = search_path'
pooler_start
pooler_env

resident() {
	awk '/^VmRSS/ { print $2 }' "/proc/$pooler_pid/status"
}
used() {
	console 'SHOW MEM' | awk -F'|' '
		$1 ~ /client|cancel|wait/ { print $1, $3 }'
}
sql 'select 1' >/dev/null
before=$(used)
python3 "$top/tests/e2e/liars.py" "$liar_port" "$port" "$seconds" "$seed" \
    >"$tmp/liars.out" 2>&1 &
liars=$!
pids+=("$liars")
out=$("$B/e2e/storm" 10 "$seconds" "$seed" 2>&1)
is "honest server: 10 clients for $seconds s" 0 $?
printf '%s\n' "$out" | sed 's/^/# /'
wait "$liars"
is 'the liars came to their end' 0 $?
cat "$tmp/liars.out"
settled() {
	[ "$(console 'SHOW POOLS' | awk -F'|' '$1 ~ /liar|postgres/ {
		n += $3 + $4 + $5 + $6 + $7 + $8 + $9 + $13
	} END { print n + 0 }')" = 0 ] && [ "$(used)" = "$before" ]
}
succeeds 'no client, no busy server is left' until_true 30 settled
is 'slabs are back' "$before" "$(used)"
is 'the honest server is served' 1 "$(sql 'select 1')"
echo "# resident: $(resident) KiB"
pooler_stop
done_testing
