#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# Random clients on PostgreSQL itself and through the pooler: the answers are
# the same, message by message (tests/attack/differ.c says how). First the
# scripts that once differed, then new ones.
# DIFFER_SCRIPTS, DIFFER_SEED, DIFFER_JOBS: how many, from which seed on, and
# how many processes side by side; 20000 and more by hand. DIFFER_PREPARED: the
# values of max_prepared_statements, each for an equal share of the scripts.
# DIFFER_SETTINGS: other settings of the pooler, with semicolons between them;
# DIFFER_NARROW=1 where its pools have fewer than three servers.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

IFS=';' read -r -a settings <<<"${DIFFER_SETTINGS:-}"
scripts=${DIFFER_SCRIPTS:-300} seed=${DIFFER_SEED:-1} jobs=${DIFFER_JOBS:-2}
read -ra prepared <<<"${DIFFER_PREPARED:-4 1 2 3}"
[ -z "${SLOW:-}" ] || scripts=${DIFFER_SCRIPTS:-60}
pg_start
pg_sql 'create role alice superuser login'
for ((i = 0; i < jobs; i++)); do
	pg_sql "create database differ$i"
	# A warning when it parses: who knows a statement does not parse it.
	pg_sql "alter database differ$i set escape_string_warning = off"
	pg_sql 'create table t (a int, b text)' "differ$i"
done
# Few servers that take turns, few statements on each, several workers.
pooler_ini 'default_pool_size = 3' 'server_round_robin = 1' \
    'max_prepared_statements = 4' 'max_client_conn = 100' \
    'query_wait_notify = 0' ${settings[@]+"${settings[@]}"}
pooler_start

differ() {
	timeout 3600 "$B/e2e/differ" ${DIFFER_NARROW:+-n} "$tmp" "$pg_port" \
	    "$tmp" "$port" "$@"
}
kept=("$top"/tests/attack/kept/*.script)
if [ -e "${kept[0]}" ]; then
	for script in "${kept[@]}"; do
		out=$(differ differ0 "$script" 2>&1)
		status=$?
		is "kept: $(basename "$script" .script)" 0 $status
		[[ $out == *" 0 differ" ]] || printf '%s\n' "$out"
	done
fi

each=$((scripts / jobs / ${#prepared[@]}))
for n in "${prepared[@]}"; do
	console "SET max_prepared_statements = $n" >/dev/null
	for ((i = 0; i < jobs; i++)); do
		differ "differ$i" $((seed + i * each)) $each \
		    >"$tmp/differ$i.out" 2>&1 &
		drivers[i]=$!
	done
	for ((i = 0; i < jobs; i++)); do
		wait "${drivers[$i]}"
		is "$each scripts from seed $((seed + i * each)) on, $n statements" \
		    0 $?
		sed '/^#/!s/^/#	/' "$tmp/differ$i.out"
	done
	seed=$((seed + jobs * each))
done
pools() {
	console 'SHOW POOLS' | awk -F'|' '$1 ~ /^differ/ {
		clients += $3 + $4 + $5 + $6; busy += $7 + $8 + $9 + $13
	} END { print clients + 0, busy + 0 }'
}
settled() {
	[ "$(pools)" = "0 0" ]
}
until_true 20 settled
is 'clients, busy servers: none' '0 0' "$(pools)"
pooler_stop
done_testing
