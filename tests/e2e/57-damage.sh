#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What is damaged is found: in the cluster, in the repository; and a backup
# or restore that is killed leaves nothing that could be taken for a whole.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/arlib.sh
. "$(dirname "$0")/arlib.sh"

if [ "$STORE" != posix ]; then
	skip_all "looks into the directory of the repository"
fi
cluster_start "process-max=2"
pgbench -h "$tmp" -p "$pg_port" -U postgres -i -q -s 20 postgres \
    >"$tmp/pgbench.log" 2>&1
want=$(rows pgbench_accounts)
segments() { find "$tmp/repo/main/wal" -path '*/00000001/*' -type f | sort; }

# --- a bad page in the cluster ----------------------------------------------
like "backup" "*is complete*" "$(ar backup --type=full)"
path=$(pg_sql "SELECT pg_relation_filepath('pgbench_accounts')")
pg_stop fast
cp "$tmp/data/$path" "$tmp/good"
printf 'x' | dd of="$tmp/data/$path" bs=1 seek=$((8192 * 33 + 5000)) \
    conv=notrunc 2>/dev/null
pg_start pg_port "$tmp/data"
out=$(ar backup --type=full)
like "a page that rotted is no reason to stop" "*is complete*" "$out"
like "but it is said" "*WARNING: 1 page with a wrong checksum*" "$out"
like "and info goes on saying it" "*error(s) detected during backup*" \
    "$(ar info)"
pg_stop fast
cp "$tmp/good" "$tmp/data/$path"
pg_start pg_port "$tmp/data"

# --- killed in the middle -------------------------------------------------------
# From its first pack on no WAL is archived, so that it cannot end.
before=$(ar info | grep -c 'full backup')
has_pack() {
	find "$tmp/repo/main/backup" -newer "$tmp/mark" -path '*/data/*' \
	    -not -name '.*' | grep -q .
}
{
	printf '#!/bin/bash\ntmp=%q\n' "$tmp"
	declare -f has_pack
	echo 'while has_pack && [ ! -e "$tmp/archive" ]; do sleep 0.1; done'
	echo "exec '$ARCHIVER' '--config=$ini' --stanza=main archive-push \"\$1\""
} >"$tmp/slow.sh"
chmod 755 "$tmp/slow.sh"
touch "$tmp/mark"
pg_sql "ALTER SYSTEM SET archive_command = '$tmp/slow.sh %p'" >/dev/null
pg_sql "SELECT pg_reload_conf()" >/dev/null
"$ARCHIVER" --config="$ini" --stanza=main backup --type=full \
    --process-max=1 --compress-type=none >"$tmp/killed.log" 2>&1 &
victim=$!
until_true 60 has_pack
kill -9 "$victim"
wait "$victim" 2>/dev/null
is "a backup is killed in the middle" 137 $?
pg_sql "ALTER SYSTEM RESET archive_command" >/dev/null
pg_sql "SELECT pg_reload_conf()" >/dev/null
touch "$tmp/archive"
is "a backup that was killed is not listed" "$before" \
    "$(ar info | grep -c 'full backup')"
like "the next one runs" "*is complete*" "$(ar backup --type=full)"
label=$(newest)
pg_stop fast

# On a busy machine it may have ended before it is killed: then once more.
for i in 1 2 3 4 5 6 7 8 9; do
	rm -rf "$tmp/new"
	"$ARCHIVER" --config="$ini" --stanza=main restore \
	    --pg1-path="$tmp/new" --set="$label" >"$tmp/killed.log" 2>&1 &
	victim=$!
	until_true 20 test -d "$tmp/new/base"
	sleep "$(printf '0.%02d' $((17 - i)))"
	kill -9 "$victim"
	wait "$victim" 2>/dev/null
	[ $? = 137 ] && break
done
succeeds "a restore that was killed has no pg_control" \
    test ! -e "$tmp/new/global/pg_control"
like "it is not taken for an empty directory" "*is not empty*" \
    "$(restored new --set="$label")"
like "delta goes on from there" "backup $label is restored*kept*" \
    "$(restored new --set="$label" --delta)"
recover new
is "and the rows are right" "$want" "$(rows pgbench_accounts)"
pg_stop fast "$tmp/new"

# --- damage in the repository ------------------------------------------------------
out=$(ar verify --expire-grace=0)
is "verify finds no fault" 0 $?
like "and says what the killed backup left" \
    "*NOTE backup *never ended: * pack* without a manifest*removed by expire*" \
    "$out"
pack=$(find "$tmp/repo/main/backup/$label" -path '*/data/*' -size +1M | head -1)
flip() {
	local byte
	byte=$(dd if="$1" bs=1 skip="$2" count=1 2>/dev/null | od -An -tu1)
	# shellcheck disable=SC2059
	printf "\\$(printf %03o $((byte ^ 4)))" |
	    dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}
chmod u+w "$pack"
flip "$pack" 300000
out=$(ar verify)
is "verify: a flipped bit in a pack" 26 $?
like "names the file" "*FAULT backup $label, *are damaged in the repo*" "$out"
out=$(restored broken --set="$label")
is "restore stops at it" 26 $?
like "and says where" "*are damaged in the repository (pack *" "$out"
succeeds "without a pg_control" test ! -e "$tmp/broken/global/pg_control"
flip "$pack" 300000
succeeds "whole again" ar verify

wal=$(segments | tail -1)
chmod u+w "$wal"
flip "$wal" 200
out=$(ar verify)
is "verify: a flipped bit in a WAL object" 26 $?
like "names it" "*FAULT main/wal/*/$(basename "$wal")*" "$out"
flip "$wal" 200
manifest=$(find "$tmp/repo/main/backup/$label" -name 'manifest-*')
chmod u+w "$manifest"
flip "$manifest" 400
out=$(ar verify)
is "verify: a flipped bit in a manifest" 26 $?
like "a restore of it says so" "*cannot read main/backup/$label/manifest-*" \
    "$(restored broken2 --set="$label")"
flip "$manifest" 400
mv "$manifest" "$tmp/manifest"
out=$(ar verify --expire-grace=0)
is "verify: a manifest that is lost" 26 $?
like "names the backup" "*FAULT backup $label, run *manifest is lost*" "$out"
like "expire does not take it for a backup that died" \
    "*keep a backup whose manifest is lost: main/backup/$label/*" \
    "$(ar expire --expire-grace=0)"
mv "$tmp/manifest" "$manifest"
mv "$pack" "$pack.away"
like "verify: a pack that is missing" "*FAULT backup $label, *" "$(ar verify)"
mv "$pack.away" "$pack"
# What no file's run covers: a pack's header, and the claim of the stanza.
flip "$pack" 5
out=$(ar verify)
is "verify: a flipped bit in a pack's header" 26 $?
like "names the pack" "*FAULT main/backup/$label/*/data/*" "$out"
flip "$pack" 5
claim=$(find "$tmp/repo/main/id" -type f)
chmod u+w "$claim"
flip "$claim" 100
out=$(ar verify)
is "verify: a flipped bit in a claim" 26 $?
like "names the claim" "*FAULT main/id/*" "$out"
flip "$claim" 100
mv "$claim" "$tmp/claim"
out=$(ar verify 2>&1)
is "verify: a stanza that is gone" 55 $?
like "does not call it sound" "*NOT VERIFIED*" "$out"
mv "$tmp/claim" "$claim"

gap=$(segments | tail -2 | head -1)
mv "$gap" "$tmp/gap"
like "verify: a gap in the WAL" "*: 1 segment missing before*" "$(ar verify)"
mv "$tmp/gap" "$gap"
succeeds "whole again" ar verify

done_testing
