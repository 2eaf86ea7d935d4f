#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Recovery to a time, a transaction, an LSN, a restore point, the end of the
# backup; across a switch of timelines; targets that cannot be.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/arlib.sh
. "$(dirname "$0")/arlib.sh"

cluster_start
pg_sql "CREATE TABLE t (i int)" >/dev/null
like "first backup" "*is complete*" "$(ar backup --type=full)"
first=$(newest)
now() { pg_sql "SELECT clock_timestamp() AT TIME ZONE 'UTC' || '+00'"; }

pg_sql "INSERT INTO t VALUES (1)" >/dev/null
t1=$(now)
sleep 0.2
x2=$(pg_sql "BEGIN; INSERT INTO t VALUES (2); SELECT txid_current(); COMMIT")
pg_sql "INSERT INTO t VALUES (3)" >/dev/null
l3=$(pg_sql "SELECT pg_current_wal_insert_lsn()")
pg_sql "INSERT INTO t VALUES (4)" >/dev/null
pg_sql "SELECT pg_create_restore_point('before the drop')" >/dev/null
t4=$(now)
sleep 0.2
pg_sql "DROP TABLE t" >/dev/null
like "all WAL is archived" "*reached*" "$(ar check)"
like "second backup" "*is complete*" "$(ar backup --type=full)"
second=$(newest)
pg_stop fast

# pitr name wanted-rows options...: restores, recovers, compares, stops
pitr() {
	local name=$1 want=$2 out
	shift 2
	out=$(restored "$name" --archive-mode=off "$@") || {
		not_ok "$name" "$out"
		return
	}
	recover "$name" || return
	is "$name" "$want" "$(pg_sql "SELECT coalesce(string_agg(i::text, ''
	    ORDER BY i), 'none') FROM t")"
	pg_stop fast "$tmp/$name"
}

pitr time 1 --type=time --target="$t1" --target-action=promote
pitr xid 12 --type=xid --target="$x2" --target-action=promote \
    --set="$first"
pitr xid-exclusive 1 --type=xid --target="$x2" --target-exclusive \
    --target-action=promote --set="$first"
pitr lsn 123 --type=lsn --target="$l3" --target-action=promote
pitr name 1234 --type=name --target="before the drop" --set="$first" \
    --target-action=promote
pitr immediate none --type=immediate --target-action=promote --set="$first"

# --- which backup is taken ---------------------------------------------------
like "a time takes the newest backup that ended before it" \
    "backup $first is restored*" \
    "$(restored choose1 --type=time --target="$t4")"
like "no target takes the newest" "backup $second is restored*" \
    "$(restored choose2)"
like "an LSN before the second backup takes the first" \
    "backup $first is restored*" \
    "$(restored choose3 --type=lsn --target="$l3")"
like "pause: the target is reached and PostgreSQL waits" "backup * is *" \
    "$(restored paused --type=time --target="$t1")"
is_paused() { [ "$(pg_sql 'SELECT pg_is_wal_replay_paused()')" = t ]; }
recover paused recovery && is "paused at the target" 1 \
    "$(until_true 20 is_paused && pg_sql 'SELECT count(*) FROM t')"
pg_stop immediate "$tmp/paused"

# --- across a timeline ---------------------------------------------------------
# One that archives while it is promoted: timeline 2 in the repository.
like "a cluster for timeline 2" "backup $first is restored*" \
    "$(restored two --type=time --target="$t1" --target-action=promote)"
sed "s|^pg1-path=.*|pg1-path=$tmp/two|" "$ini" >"$tmp/two.ini"
recover two
pg_sql "INSERT INTO t VALUES (20)" >/dev/null
t20=$(now)
sleep 0.2
pg_sql "INSERT INTO t VALUES (30)" >/dev/null
like "the promoted cluster archives on its timeline" "*00000002*reached*" \
    "$("$ARCHIVER" --config="$tmp/two.ini" --stanza=main check 2>&1)"
pg_stop fast "$tmp/two"
pitr timeline 120 --type=time --target="$t20" --set="$first" \
    --target-action=promote
pitr "timeline-one" 123 --type=lsn --target="$l3" --target-timeline=1 \
    --target-action=promote

# --- targets that cannot be -----------------------------------------------------
out=$(restored wrong --type=time --target="2020-01-01 00:00:00+00")
is "a time before all backups: not found" 55 $?
like "and what there is" "*no backup ended before*the oldest is $first*" \
    "$out"
like "a backup made after the newest timeline had left: refused" \
    "*does not lead to*" "$(restored wrong --set="$second")"
like "a time without a zone" "*is not a time with a zone*" \
    "$(restored wrong --type=time --target="2026-01-01 00:00:00")"
like "a target without a type" "*the type of the restore has none*" \
    "$(restored wrong --target=5)"
like "a type without a target" "*needs a target*" \
    "$(restored wrong --type=xid)"
like "nonsense for an LSN" "*is not an LSN*" \
    "$(restored wrong --type=lsn --target=x)"
like "a backup that is too new" "*after the recovery target*" \
    "$(restored wrong --type=time --target="$t1" --set="$second")"
succeeds "none of these touched the directory" test ! -e "$tmp/wrong"
like "a target that never comes" "backup * is restored*" \
    "$(restored never --type=name --target=nonsense --target-timeline=1)"
"$bin/pg_ctl" -D "$tmp/never" -w -t 300 -l "$tmp/never.log" \
    -o "-p $pg_port" start >/dev/null 2>&1
until_true 20 grep -q 'before configured recovery target was reached' \
    "$tmp/never.log"
is "PostgreSQL stops instead of promoting" 0 $?

done_testing
