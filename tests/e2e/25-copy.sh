#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# COPY both ways, ended by either side; and a row set and a COPY that are far
# larger than the memory the pooler may use.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

pg_start
pg_sql 'create role alice superuser login; create table t (i int primary key)'
databases="* = host=$tmp port=$pg_port pool_size=1"
pooler_ini
pooler_start
pooler_env

drive <<'SCRIPT'
: COPY FROM STDIN
a open
b open
a copy 100000 copy t from stdin
= COPY 100000
b exec select count(*), sum(i) from t
= 100000|5000050000
a copy 10 copy t from stdin
~ 23505 duplicate key value*
b exec select count(*) from t
= 100000
a copyfail copy t from stdin
~ 57014 COPY from stdin failed: the client gave up
b exec select count(*) from t
= 100000
a copy 5 copy nowhere from stdin
= 42P01 relation "nowhere" does not exist
a exec begin; truncate t
a copy 3 copy t from stdin
= COPY 3
a exec commit
b exec select count(*) from t
= 3
: COPY TO STDOUT
a exec copy (select generate_series(1, 50000)) to stdout
= 50000 lines / COPY 50000
b exec copy (select 1 / (3 - i) from generate_series(1, 5) i) to stdout
~ *22012 division by zero
b exec select 'next'
= next
: a client that goes away in the middle
a send copy (select repeat('x', 10000) from generate_series(1, 100000)) to stdout
wait 100
a drop
b exec select 'the server is free'
= the server is free
SCRIPT

# Resident memory in kB, the largest so far.
high_water() {
	awk '$1 == "VmHWM:" { print $2 }' "/proc/$pooler_pid/status"
}
mb=1024
[ -z "${SLOW:-}" ] || mb=128
before=$(high_water)
rows=$((mb * 16))
query="select repeat(chr(65 + i % 26), 65536) from generate_series(1, $rows) i"
drive <<SCRIPT
: $mb MB
a open
a stream $query
= $rows rows $((mb * 1048576)) bytes
SCRIPT
# A reader that begins late: the server is held back meanwhile.
is "$mb MB by COPY, to a slow reader" $((mb * 1048576 + rows)) "$(
    sql "copy ($query) to stdout" | { sleep 2; wc -c; })"
pg_sql 'create unlogged table sink (a text)'
pg_sql "copy ($query) to stdout" | sql 'copy sink from stdin'
is "$mb MB back in, by COPY" $rows "$(pg_sql 'select count(*) from sink')"
after=$(high_water)
echo "# resident at most: $after kB, before the large ones $before kB"
[ -n "${SLOW:-}" ] || between "memory stays bounded (kB)" 0 32768 "$after"
pooler_stop
done_testing
