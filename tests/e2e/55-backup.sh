#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A full backup under load and its way back: rows, tablespaces, PostgreSQL's
# own checks; delta and force; what is refused.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/arlib.sh
. "$(dirname "$0")/arlib.sh"

cluster_start
mkdir "$tmp/space"
pg_sql "CREATE TABLESPACE fast LOCATION '$tmp/space'" >/dev/null
pg_sql "CREATE TABLE moved TABLESPACE fast AS
    SELECT i, md5(i::text) AS t FROM generate_series(1, 20000) i" >/dev/null
# A server without this setting does not recover with such a tablespace.
pg_sql "ALTER SYSTEM SET allow_in_place_tablespaces = on" >/dev/null
pg_sql "SELECT pg_reload_conf()" >/dev/null
is_set() { [ "$(pg_sql 'SHOW allow_in_place_tablespaces')" = on ]; }
until_true 10 is_set
pg_sql "CREATE TABLESPACE inside LOCATION ''" >/dev/null
pg_sql "CREATE TABLE kept TABLESPACE inside AS SELECT 7 AS i" >/dev/null
pg_sql "CREATE UNLOGGED TABLE lost AS SELECT 1 AS i" >/dev/null
pgbench -h "$tmp" -p "$pg_port" -U postgres -i -q -s 5 postgres \
    >"$tmp/pgbench.log" 2>&1

like "check" "WAL segment * reached the repository*" "$(ar check)"

# --- under load -------------------------------------------------------------
pgbench -h "$tmp" -p "$pg_port" -U postgres -n -c 2 -T 600 postgres \
    >>"$tmp/pgbench.log" 2>&1 &
load=$!
pids+=("$load")
sleep 1
like "backup under load" "*backup *F is complete: *" "$(ar backup --type=full)"
label=$(newest)
like "info names it" "????????-??????F" "$label"
kill "$load"
wait "$load" 2>/dev/null
# A transaction of its last moment may still be on its way.
no_load() {
	[ "$(pg_sql "SELECT count(*) FROM pg_stat_activity
	    WHERE application_name = 'pgbench'")" = 0 ]
}
until_true 20 no_load
pg_sql "INSERT INTO moved VALUES (0, 'after the backup')" >/dev/null
want=$(rows moved)
history=$(rows pgbench_history)
like "the last WAL is archived" "*reached the repository*" "$(ar check)"
unlogged=$(pg_sql "SELECT pg_relation_filepath('lost')")

# --- refusals ----------------------------------------------------------------
like "a running server is not overwritten" "*PostgreSQL is running in*" \
    "$(ar restore)"
pg_stop fast
out=$(ar restore)
is "nor is a directory that is not empty" 40 $?
like "which says what to do" "*is not empty*--delta*--force*" "$out"
mkdir "$tmp/photos"
touch "$tmp/photos/me.jpg"
like "photos are safe even from --force" \
    "*does not look like a data directory*" "$(restored photos --force)"
succeeds "and still there" test -e "$tmp/photos/me.jpg"
like "an unknown backup" "*there is no backup 20200101-000000F*" \
    "$(restored new --set=20200101-000000F)"
like "the tablespace's place is taken" "*where a tablespace belongs*" \
    "$(restored new)"

# --- restore -------------------------------------------------------------------
like "restore" "backup $label is restored into *" \
    "$(restored new --tablespace-map=fast="$tmp/space2")"
if [ -x "$client_bin/pg_verifybackup" ] && [ "$PG" = "$(pg_debian)" ]; then
	succeeds "pg_verifybackup" \
	    "$client_bin/pg_verifybackup" -n "$tmp/new"
fi
succeeds "the unlogged table's rows are not in the backup" \
    test ! -e "$tmp/new/$unlogged"
is "the tablespace moved" "$tmp/space2" \
    "$(readlink "$tmp/new/pg_tblspc/"[0-9]* | head -1)"
recover new
is "rows" "$want" "$(rows moved)"
is "rows in place" "1|$(echo -n '(7)' | md5sum | cut -d' ' -f1)" \
    "$(rows kept)"
is "history" "$history" "$(rows pgbench_history)"
is "balances agree" t "$(pg_sql "SELECT (SELECT sum(abalance) FROM
    pgbench_accounts) = (SELECT coalesce(sum(delta), 0) FROM
    pgbench_history)")"
is "the unlogged table is empty" "0|" "$(rows lost)"
pg_sql "CREATE EXTENSION IF NOT EXISTS amcheck" >/dev/null
succeeds "pg_amcheck" "$client_bin/pg_amcheck" -h "$tmp" -p "$pg_port" \
    -U postgres --heapallindexed postgres
pg_stop fast "$tmp/new"
if [ -x "$bin/pg_checksums" ]; then
	succeeds "pg_checksums" "$bin/pg_checksums" -c -D "$tmp/new"
fi

# --- delta and force ------------------------------------------------------------
file=$(find "$tmp/new/base" -size +500k -name '[0-9]*' | head -1)
printf 'xxxx' | dd of="$file" bs=1 seek=100000 conv=notrunc 2>/dev/null
touch "$tmp/new/base/9999999"
out=$(restored new --delta --tablespace-map=fast="$tmp/space2")
like "delta keeps what is right" "*MiB of them kept*" "$out"
succeeds "delta repairs and removes" test ! -e "$tmp/new/base/9999999"
recover new
is "rows after delta" "$want" "$(rows moved)"
pg_stop fast "$tmp/new"
like "force" "backup * is restored*" \
    "$(restored new --force --tablespace-map-all="$tmp/spaces")"
recover new
is "rows after force" "$want" "$(rows moved)"
is "tablespace-map-all" "$tmp/spaces/fast" \
    "$(readlink "$tmp/new/pg_tblspc/"[0-9]* | head -1)"
pg_stop fast "$tmp/new"

# --- without backup_label nothing starts ----------------------------------------
like "another copy" "backup * is restored*" \
    "$(restored bare --tablespace-map-all="$tmp/spaces2")"
rm "$tmp/bare/backup_label" "$tmp/bare/recovery.signal"
"$bin/pg_ctl" -D "$tmp/bare" -w -t 300 -l "$tmp/bare.log" \
    -o "-p $pg_port" start >/dev/null 2>&1
is "without its backup_label a restored cluster does not start" 1 $?

done_testing
