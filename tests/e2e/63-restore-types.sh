#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Restores that do not recover to a target: standby, preserve, none; and
# clones that go on archiving into the stanza of their source.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/arlib.sh
. "$(dirname "$0")/arlib.sh"

cluster_start
pg_sql "CREATE TABLE t (i int); INSERT INTO t VALUES (1)" >/dev/null
like "a backup" "*is complete*" "$(ar backup --type=full)"
label=$(newest)
main_port=$pg_port
free_port other_port
numbers="SELECT string_agg(i::text, '' ORDER BY i) FROM t"

# on_other command...: with the second server's port
on_other() {
	local pg_port=$other_port
	"$@"
}
has_numbers() { [ "$(pg_sql "$numbers")" = "$1" ]; }

# --- standby --------------------------------------------------------------------
like "restore --type=standby" "backup $label is restored*" \
    "$(restored standby --type=standby)"
succeeds "has a standby.signal" test -e "$tmp/standby/standby.signal"
on_other recover standby recovery
pg_sql "INSERT INTO t VALUES (2)" >/dev/null
like "the primary goes on" "*reached*" "$(ar check)"
succeeds "the standby follows by the archive" \
    on_other until_true 30 has_numbers 12
is "and stays a standby" t "$(on_other pg_sql 'SELECT pg_is_in_recovery()')"
out=$(ar backup --type=full --pg1-path="$tmp/standby" --pg1-port="$other_port")
is "no backup from a standby yet" 67 $?
like "which says so, and what to do" \
    "*not supported yet*HINT: run the backup on the primary*" "$out"

# --- preserve -------------------------------------------------------------------
pg_stop fast "$tmp/standby"
echo "recovery_min_apply_delay = '1ms'" >>"$tmp/standby/postgresql.auto.conf"
cp "$tmp/standby/postgresql.auto.conf" "$tmp/auto.conf"
pg_sql "INSERT INTO t VALUES (3)" >/dev/null
like "a second backup" "*is complete*" "$(ar backup --type=full)"
second=$(newest)
like "restore --type=preserve --delta over the standby" \
    "backup $second is restored*kept*" \
    "$(restored standby --type=preserve --delta)"
is "its settings are as they were" "" \
    "$(diff "$tmp/auto.conf" "$tmp/standby/postgresql.auto.conf" 2>&1)"
succeeds "and its standby.signal" test -e "$tmp/standby/standby.signal"
on_other recover standby recovery
succeeds "a standby again, of the new backup" \
    on_other until_true 30 has_numbers 123
pg_stop fast "$tmp/standby"
like "into an empty directory: as the backup has it" "backup * is restored*" \
    "$(restored fresh --type=preserve)"
succeeds "no signal file" test ! -e "$tmp/fresh/recovery.signal"
is "no settings of ours" 0 \
    "$(grep -c restore_command "$tmp/fresh/postgresql.auto.conf")"
like "settings that would be lost are refused" "*writes no settings*" \
    "$(restored fresh2 --type=preserve --archive-mode=off)"

# --- none -----------------------------------------------------------------------
pg_stop fast
out=$(restored none --type=none --archive-mode=off)
like "restore --type=none names the WAL it needs" \
    "*put the WAL segments from * to at least * into pg_wal*" "$out"
succeeds "no signal file" test ! -e "$tmp/none/recovery.signal"
first=$(sed -n 's/^put the WAL segments from \([0-9A-F]*\) .*/\1/p' <<<"$out")
fetch() {
	(cd "$tmp/none" && "$ARCHIVER" --config="$ini" --stanza=main \
	    archive-get "$1" "pg_wal/$1")
}
segment=$((16#${first:16}))
while fetch "$(printf '%s%08X' "${first:0:16}" "$segment")" \
    >/dev/null 2>&1; do
	segment=$((segment + 1))
done
recover none
is "recovered as after a crash" 123 "$(pg_sql "$numbers")"
is "on the same timeline" 1 \
    "$(pg_sql "SELECT timeline_id FROM pg_control_checkpoint()")"
pg_stop fast "$tmp/none"

# --- a clone that archives: a copy of the directory --------------------------------
cp -a "$tmp/data" "$tmp/clone"
sed "s|^pg1-path=.*|pg1-path=$tmp/clone|" "$ini" >"$tmp/clone.ini"
sed -i "s|--config=$ini|--config=$tmp/clone.ini|" "$tmp/clone/postgresql.conf"
pg_start main_port "$tmp/data"
pg_sql "INSERT INTO t VALUES (4)" >/dev/null
like "the source archives" "*reached*" "$(ar check)"
on_other recover clone
on_other pg_sql "INSERT INTO t VALUES (5); SELECT pg_switch_wal()" >/dev/null
has_failed() {
	[ "$(pg_sql 'SELECT failed_count > 0 FROM pg_stat_archiver')" = t ]
}
succeeds "its clone cannot, under the same names" \
    on_other until_true 30 has_failed
name=$(on_other pg_sql "SELECT last_failed_wal FROM pg_stat_archiver")
out=$("$ARCHIVER" --config="$tmp/clone.ini" --stanza=main archive-push \
    "$tmp/clone/pg_wal/$name" 2>&1)
is "it is told" 45 $?
like "with both contents" \
    "*$name is in repo1 already with other content: digest * there, * here*" \
    "$out"
pg_stop immediate "$tmp/clone"
pg_sql "INSERT INTO t VALUES (6)" >/dev/null
like "the source goes on" "*reached*" "$(ar check)"
pg_stop fast
like "and is what is restored" "backup $second is restored*" \
    "$(restored after --archive-mode=off)"
recover after
is "with all of its rows and none of the clone's" 12346 "$(pg_sql "$numbers")"
pg_stop fast "$tmp/after"
if [ "$STORE" = posix ]; then
	succeeds "nothing is damaged" ar verify
fi

# --- a clone after PITR: its own timeline --------------------------------------------
like "a clone by restore" "backup $label is restored*" \
    "$(restored pitr --set="$label" --type=immediate --target-action=promote)"
recover pitr
pg_sql "INSERT INTO t VALUES (7)" >/dev/null
sed "s|^pg1-path=.*|pg1-path=$tmp/pitr|" "$ini" >"$tmp/pitr.ini"
like "archives beside its source, on timeline 2" "*00000002*reached*" \
    "$("$ARCHIVER" --config="$tmp/pitr.ini" --stanza=main check 2>&1)"
pg_stop fast "$tmp/pitr"
pg_start main_port "$tmp/data"
pg_sql "INSERT INTO t VALUES (8)" >/dev/null
like "the source still archives on timeline 1" "*00000001*reached*" \
    "$(ar check)"
pg_stop fast
# restored_rows name want options...
restored_rows() {
	local name=$1 want=$2
	shift 2
	restored "$name" --archive-mode=off "$@" >"$tmp/out" 2>&1 || {
		not_ok "$name" "$(cat "$tmp/out")"
		return
	}
	recover "$name" || return
	is "$name" "$want" "$(pg_sql "$numbers")"
	pg_stop fast "$tmp/$name"
}
restored_rows "timeline-two" 17 --set="$label"
restored_rows "timeline-one" 123468 --target-timeline=current

# --- another cluster ------------------------------------------------------------------
pg_init "$tmp/foreign"
out=$(restored foreign --delta)
is "--delta over another cluster: refused" 44 $?
like "names both" "*belongs to cluster *, the backup is of cluster *" "$out"
succeeds "which is untouched" test -e "$tmp/foreign/global/pg_control"
like "--force means it" "backup * is restored*" \
    "$(restored foreign --force --target-timeline=current)"
out=$("$ARCHIVER" --config="$ini" --stanza=elsewhere restore \
    --pg1-path="$tmp/wrong" 2>&1)
is "a stanza without backups: refused" 55 $?
succeeds "and nothing is made" test ! -e "$tmp/wrong"

done_testing
