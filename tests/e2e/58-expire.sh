#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Retention: tombstones first, deletion after the grace, WAL kept for what is
# left; orphans of dead backups; another cluster's stanza.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/arlib.sh
. "$(dirname "$0")/arlib.sh"

if [ "$STORE" != posix ]; then
	skip_all "looks into the directory of the repository"
fi
cluster_start "expire-auto=n" "repo1-retention-full=2"
pg_sql "CREATE TABLE t AS SELECT 1 AS i" >/dev/null
backups() { ar info | grep -c 'full backup'; }
first_wal() {
	find "$tmp/repo/main/wal" -path '*/00000001/*' -type f -printf '%f\n' |
	    sort | head -1 | cut -c1-24
}
for i in 1 2 3; do
	like "backup $i" "*is complete*" "$(ar backup --type=full)"
	labels[i]=$(newest)
	starts[i]=$(ar info | sed -n 's/^ *wal start.stop: \([0-9A-F]*\) .*/\1/p' |
	    tail -1)
done
is "three backups" 3 "$(backups)"

out=$(ar expire --dry-run)
like "a dry run says what it would do" "*expire backup ${labels[1]}*" "$out"
is "and does nothing" 3 "$(backups)"
ar expire >"$tmp/expire.log"
is "the oldest is out of the list at once" 2 "$(backups)"
succeeds "with a tombstone" test -e "$tmp/repo/main/backup/${labels[1]}/tombstone"
succeeds "and its packs still there" \
    test -d "$tmp/repo/main/backup/${labels[1]}"
is "as is its WAL, but what is older" "${starts[1]}" "$(first_wal)"
like "it can no longer be restored" "*is expired*" \
    "$(restored new --set="${labels[1]}")"
ar expire --expire-grace=0 >"$tmp/expire.log"
is "after the grace it is gone" "" \
    "$(find "$tmp/repo/main/backup/${labels[1]}" -type f 2>/dev/null)"
is "WAL begins where the oldest backup left does" "${starts[2]}" \
    "$(first_wal)"
is "two are left" 2 "$(backups)"
succeeds "and are whole" ar verify
out=$(ar expire --expire-grace=0)
is "nothing is left to do" "" "$out"

# --- writers that were killed ------------------------------------------------------
left=$(dirname "$(find "$tmp/repo/main/wal" -path '*/00000001/*' -type f |
    head -1)")
echo old >"$left/.tmp-00000000000000aa"
touch -d '2 days ago' "$left/.tmp-00000000000000aa"
echo new >"$left/.tmp-00000000000000bb"
out=$(ar verify)
is "leftovers of killed writers are no faults" 0 $?
like "but are told" "*2 files that killed writers left*" "$out"
out=$(ar expire --dry-run)
like "expire names the old one" "*killed writer left:*/.tmp-*aa*" "$out"
is "and not the young one" 0 "$(grep -c 'tmp-.*bb' <<<"$out")"
succeeds "a dry run removes nothing" test -e "$left/.tmp-00000000000000aa"
ar expire >"$tmp/expire.log"
succeeds "expire removes it" test ! -e "$left/.tmp-00000000000000aa"
succeeds "and no other" test -e "$left/.tmp-00000000000000bb"
out=$(ar expire --expire-grace=0)
like "which goes after the grace" "*killed writer left:*/.tmp-*bb*" "$out"

# --- a backup that died ---------------------------------------------------------
# archive_command neither fails nor ends: nobody gives up waiting for it.
pg_sql "ALTER SYSTEM SET archive_command =
    'until [ -e $tmp/archive ]; do sleep 0.1; done; false'" >/dev/null
pg_sql "SELECT pg_reload_conf()" >/dev/null
"$ARCHIVER" --config="$ini" --stanza=main backup --type=full \
    >"$tmp/killed.log" 2>&1 &
victim=$!
intent() {
	find "$tmp/repo/main/backup" -name 'intent-*' -newer "$tmp/expire.log"
}
has_intent() { [ -n "$(intent)" ]; }
until_true 20 has_intent
kill -9 "$victim"
wait "$victim" 2>/dev/null
is "a backup that waits for WAL is killed" 137 $?
died=$(intent | head -1)
ar expire >"$tmp/expire2.log"
succeeds "a young unfinished backup is left alone" test -e "$died"
out=$(ar expire --expire-grace=0)
like "an old one is removed" "*what an unfinished backup left*" "$out"
succeeds "all of it" test ! -e "$died"
out=$(ar backup --type=full --archive-timeout=1s)
is "a backup whose WAL does not arrive fails" 124 $?
like "and says why" "*did not reach the repository within 1s*archive_command*" \
    "$out"
pg_sql "ALTER SYSTEM RESET archive_command" >/dev/null
pg_sql "SELECT pg_reload_conf()" >/dev/null
touch "$tmp/archive"
like "the archive works again" "*reached*" "$(ar check)"
is "the others are not touched" 2 "$(backups)"
like "backup after that" "*is complete*" "$(ar backup --type=full --expire-auto)"
is "expire-auto keeps two" 2 "$(backups)"
want=$(rows t)
pg_stop fast
like "the newest restores" "backup $(newest) is restored*" "$(restored new)"
recover new
is "rows" "$want" "$(rows t)"
pg_stop fast "$tmp/new"

# --- info for programs ------------------------------------------------------------
json=$(ar info --output=json)
if command -v python3 >/dev/null; then
	is "info --output=json" "main 2 0 full" "$(printf %s "$json" | python3 -c '
import json, sys
s = json.load(sys.stdin)[0]
print(s["name"], len(s["backup"]), s["status"]["code"], s["backup"][0]["type"])')"
fi

# --- another cluster ---------------------------------------------------------------
pg_init "$tmp/clone"
sed "s|^pg1-path=.*|pg1-path=$tmp/clone|" "$ini" >"$tmp/clone.ini"
clone() { "$ARCHIVER" --config="$tmp/clone.ini" --stanza=main "$@" 2>&1; }
out=$(clone stanza-create)
is "another cluster cannot have the stanza" 44 $?
like "and is told why" "*belongs to another cluster*stanza-upgrade*" "$out"
pg_start pg_port "$tmp/clone"
out=$(clone check)
like "its check says what is wrong first" "*archive_mode is off*" "$out"
like "nor can it back up into it" "*belongs to another cluster*" \
    "$(clone backup --type=full)"
like "stanza-upgrade lets it in" "*is ready in repo1*" "$(clone stanza-upgrade)"
like "info shows both" "*db (current)*db (prior)*" "$(ar info)"

done_testing
