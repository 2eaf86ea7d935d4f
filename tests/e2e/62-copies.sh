#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Two repositories with the same backup: whatever is damaged or missing in
# one of them is taken from the other, and nothing wrong is ever restored.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/arlib.sh
. "$(dirname "$0")/arlib.sh"

if [ "$STORE" != posix ]; then
	skip_all "looks into the directories of the repositories"
fi
cluster_start "process-max=2" "repo1-path=$tmp/repo" \
    "repo2-path=$tmp/repo2" "backup-repos=all"
pgbench -h "$tmp" -p "$pg_port" -U postgres -i -q -s 10 postgres \
    >"$tmp/pgbench.log" 2>&1

# --- one backup, two copies --------------------------------------------------
like "a backup into all" "*is complete*in repo1 and repo2, WAL*" \
    "$(ar backup --type=full)"
label=$(newest)
is "the copies are equal to the byte" "" \
    "$(diff -r -x 'intent-*' "$tmp/repo/main/backup" \
    "$tmp/repo2/main/backup" 2>&1)"
succeeds "both verify" ar verify
pg_sql "CREATE TABLE after_backup AS SELECT 1 AS i" >/dev/null
like "all WAL is archived" "*reached*" "$(ar check)"
want=$(rows pgbench_accounts)
pg_stop fast
like "restored from the first" "*restored*, from repo1*" "$(restored good)"
out=$(ar info)
is "info: one stanza" 1 "$(grep -c '^stanza:' <<<"$out")"
is "one backup" 1 "$(grep -c 'full backup:' <<<"$out")"
like "with a line for each repository" \
    "*repo1: backup set size:*repo2: backup set size:*" "$out"
out=$(ar info --output=json)
like "JSON: an entry for each" \
    "*\"repo-key\":1}*\"repo-key\":2}*\"label\":\"$label\"*" "$out"
like "nobody holds a lock" '*"lock":{"archive":{"held":false},"backup":{"held":false},"restore":{"held":false}}*' \
    "$out"
exec 8>>"$tmp/lock/main-backup.lock"
flock 8
like "somebody holds one: text" "*status: ok (backup/expire running)*" \
    "$(ar info)"
like "and JSON, which says who" '*"backup":{"held":true,"holder":"*"}*' \
    "$(ar info --output=json)"
exec 8>&-
# What changes from restore to restore is written by PostgreSQL or names it.
same() {
	diff -r -x postmaster.opts "$tmp/good" "$tmp/$1" 2>&1
}

flip() {
	local byte
	chmod u+w "$1"
	byte=$(dd if="$1" bs=1 skip="$2" count=1 2>/dev/null | od -An -tu1)
	# shellcheck disable=SC2059
	printf "\\$(printf %03o $((byte ^ 4)))" |
	    dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}
packs() { find "$tmp/$1/main/backup/$label" -path '*/data/*' | sort; }
manifest() { find "$tmp/$1/main/backup/$label" -name 'manifest-*'; }

# --- damage in the first ------------------------------------------------------
for pack in $(packs repo); do
	flip "$pack" $(($(stat -c %s "$pack") / 2))
done
out=$(restored flipped)
is "a flipped bit in every pack of repo1" 0 $?
like "is said, with the object" \
    "*repo1: main/backup/$label/*/data/[0-9]* cannot be used: *" "$out"
like "and counted" "*WARNING: [1-9]* pieces were damaged*repo1*" "$out"
is "everything is right" "" "$(same flipped)"
if [ -x "$client_bin/pg_verifybackup" ] && [ "$PG" = "$(pg_debian)" ]; then
	succeeds "pg_verifybackup" \
	    "$client_bin/pg_verifybackup" -n "$tmp/flipped"
fi
is "--repo=1 alone refuses" 26 "$(restored alone --repo=1 >/dev/null; echo $?)"
for pack in $(packs repo); do
	mv "$pack" "$pack.away"
done
out=$(restored missing)
is "no pack is left in repo1" 0 $?
like "which is said" "*data/0 cannot be used: *" "$out"
is "everything is right" "" "$(same missing)"
# A map is read before the runs that it names.
out=$(restored missing --delta)
like "delta: the maps come from repo2" "*restored*kept*" "$out"
is "everything is right" "" "$(same missing)"

# --- the manifest ---------------------------------------------------------------
flip "$(manifest repo)" 400
out=$(restored bad_manifest)
is "a flipped bit in the manifest, too" 0 $?
like "is said" "*repo1: cannot read main/backup/$label/manifest-*" "$out"
is "everything is right" "" "$(same bad_manifest)"
for pack in $(packs repo); do
	mv "$pack" "${pack%.away}"
done
rm "$(manifest repo)"
out=$(restored no_manifest --archive-mode=off)
is "no manifest in repo1" 0 $?
like "is said" "*repo1: the manifest of backup $label is missing*" "$out"
is "everything is right" "> archive_mode = 'off'" \
    "$(same no_manifest | grep '^[<>OB]')"
mv "$tmp/repo" "$tmp/repo.away"
like "no repo1 at all" "*restored*, from repo2*" \
    "$(restored no_repo --type=immediate)"
mv "$tmp/repo.away" "$tmp/repo"

# --- recovery reads WAL from both --------------------------------------------------
for wal in $(find "$tmp/repo/main/wal" -path '*/00000001/*' -type f | sort); do
	flip "$wal" 150
done
recover no_manifest
is "rows, with all WAL of repo1 damaged" "$want" "$(rows pgbench_accounts)"
is "to the end of the WAL" 1 "$(pg_sql "SELECT i FROM after_backup")"
pg_stop fast "$tmp/no_manifest"

# --- damaged in both ----------------------------------------------------------------
cp "$(manifest repo2)" "$(manifest repo2 | sed 's/repo2/repo/')"
# The packs of repo1 still have their flipped bits: the same place in repo2.
for pack in $(packs repo2); do
	flip "$pack" $(($(stat -c %s "$pack") / 2))
done
out=$(restored both)
is "the same place in both: refused" 26 $?
succeeds "without a pg_control" test ! -e "$tmp/both/global/pg_control"
pg_start pg_port "$tmp/data"
like "a second backup, in repo2 only" "*is complete*in repo2, WAL*" \
    "$(ar backup --type=full --repo=2)"
second=$(newest)
pg_stop fast
out=$(restored both --set="$label" --force)
like "the hint names the other backup" \
    "*is damaged*HINT: *--repo=2 --set=$second*" "$out"
like "without --set the newest is taken, wherever it is" \
    "backup $second is restored*from repo2*" "$(restored newest)"
rm "$tmp/repo2/main/backup/$second/"manifest-*
flip "$(manifest repo)" 300
flip "$(manifest repo2)" 300
out=$(restored none)
is "no manifest that can be read" 26 $?
like "says which" "*cannot read main/backup/$label/manifest-*" "$out"
succeeds "and touches nothing" test ! -e "$tmp/none"

# --- two clusters under one name ------------------------------------------------------
rm -rf "$tmp/repo2/main"
mkdir -p "$tmp/repo2/main/id" "$tmp/repo2/main/backup"
cp "$tmp/repo/main/id/"* "$tmp/repo2/main/id/4711-$PG"
out=$(restored foreign)
is "repositories of different clusters: refused" 44 $?
like "names both" "*cluster [0-9]* in repo1 and to cluster 4711 in repo2*" \
    "$out"

done_testing
