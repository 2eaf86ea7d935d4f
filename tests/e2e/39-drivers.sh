#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Drivers in transaction mode with prepared statements: psycopg 2 and 3 and
# node-postgres, several clients on two servers that take turns.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

pg_start
databases="two = host=$tmp port=$pg_port dbname=postgres user=postgres pool_size=2 min_pool_size=2"
pooler_ini 'server_round_robin = 1' 'ignore_startup_parameters = extra_float_digits'
pooler_start
pooler_env
export PGDATABASE=two

# The scripts print one line for each check, "ok" or what was wrong.
report() {
	local name=$1 line n=0
	while IFS= read -r line; do
		case $line in
		"ok "*) ok "$name: ${line#ok }" ;;
		*) not_ok "$name" "$line" "$(head -20)" ;;
		esac
		n=$((n + 1))
	done
	[ $n -gt 0 ] || not_ok "$name: it said nothing" "$(cat "$tmp/why")"
}

if /usr/bin/python3 -c 'import psycopg2' 2>/dev/null; then
	report "psycopg2" < <(timeout 600 /usr/bin/python3 \
	    "$top/tests/e2e/drive_psycopg2.py" 2>"$tmp/why")
else
	skip "psycopg2" "not installed"
fi
if dir=$(psycopg_dir 2>"$tmp/why") &&
    PYTHONPATH=$dir python3 -c 'import psycopg' 2>/dev/null; then
	report "psycopg 3" < <(PYTHONPATH=$dir timeout 600 python3 \
	    "$top/tests/e2e/drive_psycopg3.py" 2>"$tmp/why")
else
	skip "psycopg 3" "$(tail -1 "$tmp/why") (needs pip)"
fi
if command -v node >/dev/null && dir=$(node_modules 2>"$tmp/why"); then
	report "node-postgres" < <(NODE_PATH=$dir timeout 600 node \
	    "$top/tests/e2e/drive_node.js" 2>"$tmp/why")
else
	skip "node-postgres" "$(tail -1 "$tmp/why") (needs node and npm)"
fi
pooler_stop
done_testing
