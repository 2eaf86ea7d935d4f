#!/bin/bash
# SPDX-License-Identifier: MIT
# archive-push and archive-get on a directory, with the daemon and without.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/arlib.sh"

archiver_ini archive-timeout=60s archive-get-timeout=15s
pg_init "$tmp/data"
archive_settings
pg_start

# --- without a daemon ---
first=$(switch_wal)
status archiver archive-push "pg_wal/$first"
is "a repository that is not there" 49 "$rc"
mkdir "$tmp/repo"
status archiver archive-push "pg_wal/$first"
is "an unclaimed stanza is refused" 44 "$rc"
like "and says what to type" "*stanza-create*" "$out"
claim
until_true 15 archived "$first"
is "archive_command goes on by itself" 0 $?
status archiver archive-push "pg_wal/$first"
is "the same segment again is success" 0 "$rc"
is "and is stored once" 1 \
    "$(find "$tmp/repo" -name "$first-*" | wc -l)"
status archiver archive-get "$first" pg_wal/RECOVERYXLOG
is "archive-get delivers" 0 "$rc"
succeeds "the same bytes" cmp "$tmp/data/pg_wal/$first" \
    "$tmp/data/pg_wal/RECOVERYXLOG"
rm -f "$tmp/data/pg_wal/RECOVERYXLOG"
status archiver archive-get 0000000100000000000000F0 pg_wal/RECOVERYXLOG
is "a segment that nobody has: exit 1" 1 "$rc"
is "without a word" "" "$out"
is "and no file is left" 0 \
    "$(find "$tmp/data/pg_wal" -name 'RECOVERYXLOG*' | wc -l)"
status archiver archive-get 00000002.history pg_wal/RECOVERYHISTORY
is "a missing history file: exit 1" 1 "$rc"

# --- what must not be archived ---
cp "$tmp/data/pg_wal/$first" "$tmp/data/pg_wal/0000000100000000000000AA"
status archiver archive-push pg_wal/0000000100000000000000AA
is "a renamed segment is refused" 29 "$rc"
like "with its real address" "*holds the WAL of address*" "$out"
rm "$tmp/data/pg_wal/0000000100000000000000AA"
cp "$tmp/data/pg_wal/$first" "$tmp/saved"
printf 'other' | dd of="$tmp/data/pg_wal/$first" bs=1 seek=9000 conv=notrunc \
    2>/dev/null
status archiver archive-push "pg_wal/$first"
is "other content under a known name is refused" 45 "$rc"
like "naming both digests" "*digest * there, * here*" "$out"
cp "$tmp/saved" "$tmp/data/pg_wal/$first"
printf '\1' | dd of="$tmp/data/pg_wal/$first" bs=1 seek=24 conv=notrunc \
    2>/dev/null
status archiver archive-push "pg_wal/$first"
is "a segment of another cluster is refused" 44 "$rc"
cp "$tmp/saved" "$tmp/data/pg_wal/$first"
status archiver archive-push pg_wal/nonsense
is "a missing file is no signal and below 126" 55 "$rc"
status archiver archive-push
is "no argument: wrong usage" 2 "$rc"

# --- a damaged and an unreachable repository ---
object=$(find "$tmp/repo" -name "$first-*")
cp "$object" "$tmp/object"
printf '\125' | dd of="$object" bs=1 seek=5000 conv=notrunc 2>/dev/null
status archiver --archive-get-timeout=6s archive-get "$first" pg_wal/RECOVERYXLOG
is "a flipped byte is never 'not found'" 126 "$rc"
like "it is reported" "*is damaged*" "$out"
mkdir "$tmp/repo2" && claim "$tmp/repo2"
status archiver "--repo2-path=$tmp/repo2" archive-push "pg_wal/$first"
status archiver "--repo2-path=$tmp/repo2" archive-get "$first" \
    pg_wal/RECOVERYXLOG
is "the second repository's good copy is taken" 0 "$rc"
succeeds "and is right" cmp "$tmp/saved" "$tmp/data/pg_wal/RECOVERYXLOG"
rm -f "$tmp/data/pg_wal/RECOVERYXLOG"
cp "$tmp/object" "$object"
mv "$tmp/repo" "$tmp/away"
status archiver --archive-get-timeout=6s archive-get "$first" pg_wal/RECOVERYXLOG
is "a repository that is not mounted is not 'not found'" 126 "$rc"
: >"$tmp/data/standby.signal"
status archiver --archive-get-timeout=6s archive-get "$first" pg_wal/RECOVERYXLOG
is "but on a standby it is exit 1" 1 "$rc"
like "with a warning" "*leaving it to its stream*" "$out"
rm "$tmp/data/standby.signal"
chmod 500 "$tmp"
status archiver archive-push "pg_wal/$first"
between "push to it fails below 126" 1 125 "$rc"
chmod 700 "$tmp"
status archiver "--repo2-path=$tmp/repo2" --repo1-required=n archive-push \
    "pg_wal/$first"
is "a repository that is not required may be away" 0 "$rc"
rm -rf "$tmp/repo"
mv "$tmp/away" "$tmp/repo"
status archiver --repo1-pathh=x archive-push "pg_wal/$first"
is "an unknown option is an error" 32 "$rc"
echo "nonsense = 1" >>"$tmp/archiver.ini"
status archiver archive-push "pg_wal/$first"
like "with file and line" "*archiver.ini:*: unknown option*" "$out"
archiver_ini archive-timeout=60s archive-get-timeout=15s
status archiver --pg1-host=x archive-push "pg_wal/$first"
like "remote hosts are refused with a hint" "*one homelab-archiver on each*" \
    "$out"

# --- a full disk ---
mkdir "$tmp/small"
if unshare -Urm mount -t tmpfs -o size=1m none "$tmp/small" 2>/dev/null; then
	# shellcheck disable=SC2016
	status env T="$tmp" A="$ARCHIVER" W="$first" I="$(system_id)-$PG" \
	    unshare -Urm sh -c 'mount -t tmpfs -o size=1m none "$T/small" &&
	    mkdir -p "$T/small/repo/main/id" && : >"$T/small/repo/main/id/$I" &&
	    cd "$T/data" && "$A" "--config=$T/archiver.ini" --stanza=main \
	    "--repo1-path=$T/small/repo" --compress-type=none \
	    archive-push "pg_wal/$W"; rc=$?
	    find "$T/small" -name ".tmp-*" -o -name "$W-*" | sed "s/^/LEFT /"
	    exit $rc'
	is "a full disk is an error" 64 "$rc"
	like "that says so" "*No space left on device*" "$out"
	case $out in
	*LEFT*) not_ok "and leaves nothing" "$out" ;;
	*) ok "and leaves nothing" ;;
	esac
else
	skip "a full disk" "no tmpfs of our own"
fi

# --- with the daemon ---
serve_start
is "the daemon starts" 0 $?
status archiver serve
is "a second daemon is refused" 50 "$rc"
like "naming the holder" "*held by serve, process $serve_pid*" "$out"
n=$(switch_wal)
until_true 15 archived "$n"
is "archive_command through the daemon" 0 $?
status archiver archive-push "pg_wal/$n"
is "push through the daemon" 0 "$rc"
status archiver archive-get "$n" pg_wal/RECOVERYXLOG
is "get through the daemon" 0 "$rc"
succeeds "the same bytes" cmp "$tmp/data/pg_wal/$n" \
    "$tmp/data/pg_wal/RECOVERYXLOG"
rm -f "$tmp/data/pg_wal/RECOVERYXLOG"
status archiver archive-get 0000000100000000000000F0 pg_wal/RECOVERYXLOG
is "its 'not found' is exit 1, too" 1 "$rc"
printf 'no frame of ours at all' >"$tmp/rubbish"
if command -v nc >/dev/null; then
	nc -q 1 -U "$tmp/archiver.sock" <"$tmp/rubbish" >/dev/null 2>&1
fi
status archiver archive-push "pg_wal/$n"
is "rubbish on its socket does no harm" 0 "$rc"
# Ahead: the status file alone makes the daemon store a segment.
pg_sql "alter system set archive_command = 'false'" >/dev/null
pg_sql "select pg_reload_conf()" >/dev/null
n=$(switch_wal)
stored() {
	find "$tmp/repo" -name "$1-*" | grep -q .
}
until_true 10 stored "$n"
is "it uploads what is ready before it is asked" 0 $?
pg_sql "alter system reset archive_command" >/dev/null
pg_sql "select pg_reload_conf()" >/dev/null
until_true 70 archived "$n"
is "and PostgreSQL is told so" 0 $?
kill -STOP "$serve_pid"
status archiver archive-push "pg_wal/$n"
is "a daemon that hangs is bypassed" 0 "$rc"
like "with a warning" "*working without it*" "$out"
status archiver archive-get "$n" pg_wal/RECOVERYXLOG
is "in get as well" 0 "$rc"
status archiver info
is "and in the verbs of the administrator" 0 "$rc"
like "which answer" "*working without it*stanza: main*" "$out"
kill -CONT "$serve_pid"
sleep 0.5
succeeds "which the daemon's late answer does not touch" \
    cmp "$tmp/data/pg_wal/$n" "$tmp/data/pg_wal/RECOVERYXLOG"
rm -f "$tmp/data/pg_wal/RECOVERYXLOG"
kill -TERM "$serve_pid"
until_true 10 gone "$serve_pid"
is "SIGTERM ends it" 0 $?
is "and its socket is gone" 0 "$(find "$tmp" -name archiver.sock | wc -l)"
status archiver archive-push "pg_wal/$n"
is "without it, push works on" 0 "$rc"
done_testing
