#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# One, two or three statements on each server, and many clients with more
# (statements.py): each statement is pushed out all the time, also while it is
# in use, and nobody gets another's.
# CACHE_CLIENTS, CACHE_SECONDS, CACHE_SEED: more by hand.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

is_ours || skip_all "for our own pooler"
command -v python3 >/dev/null || skip_all "no python3"
clients=${CACHE_CLIENTS:-40} seconds=${CACHE_SECONDS:-5}
seed=${CACHE_SEED:-1}
pg_start
pg_sql 'create role alice superuser login'
pooler_ini 'default_pool_size = 4' 'max_prepared_statements = 1' \
    "max_client_conn = $((clients * 2 + 20))" 'server_round_robin = 1'
pooler_start
used() {
	console 'SHOW MEM' | awk -F'|' '
		$1 ~ /client|cancel|wait/ { print $1, $3 }'
}
sql 'select 1' >/dev/null
before=$(used)
pooler_env
talk <<-TALK
	test a statement that was wrong is not remembered when it is pushed out
	open a
	a> P s1 'selec' ; S ; P '' 'select 1/0' ; B '' ; E ; P s2 'select 2' ; S
	a< E:42601:* Z:I 1 E:22012:* Z:I
	a> P s3 'selec' ; S ; P s2 'select 2' ; B s2 ; E ; S
	a< E:42601:* Z:I 1 2 D:2 C Z:I
TALK
out=$(timeout 600 python3 "$top/tests/e2e/statements.py" "$tmp" "$port" \
    "$seconds" "$seed" "$clients" 2>&1)
is "$clients clients for $seconds s" 0 $?
echo "$out"
settled() {
	[ "$(used)" = "$before" ] && [ "$(console 'SHOW POOLS' | awk -F'|' '
	    $1 == "postgres" { print $3 + $4 + $7 + $8 + $9 + $13 }')" = 0 ]
}
succeeds 'no client, no busy server' until_true 20 settled
is 'slabs are back' "$before" "$(used)"
is 'all works on' 1 "$(sql 'select 1')"
pooler_stop
done_testing
