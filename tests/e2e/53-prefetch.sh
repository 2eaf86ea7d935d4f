#!/bin/bash
# SPDX-License-Identifier: MIT
# The ring of segments that the daemon fetches ahead of recovery, and all
# that may happen to it: it may make a recovery faster, never fail it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/arlib.sh"

ring_ini() {
	archiver_ini archive-timeout=60s archive-get-timeout=15s \
	    "${1:-spool-path = $tmp/spool}" "archive-get-queue-max = 8MiB"
}
ring_ini
pg_init "$tmp/data" --wal-segsize=1
archive_settings
echo "wal_keep_size = 100MB" >>"$tmp/data/postgresql.conf"
pg_start
mkdir "$tmp/repo"
claim
serve_start
base_backup || { echo "Bail out! no base backup"; exit 1; }
pg_sql "create table t as select g as x, repeat('x', 500) as y
    from generate_series(1, 60000) g" >/dev/null
last=$(switch_wal)
until_true 60 archived "$last"
is "the WAL behind a base backup is archived" 0 $?
in_archive() {
	mapfile -t names < <(find "$tmp/repo/main/wal" -type f -printf '%f\n' |
	    sed -n 's/^\([0-9A-F]\{24\}\)-.*/\1/p' | sort)
}
in_archive
between "in many segments" 30 100 "${#names[@]}"

# serve_end: its last words are $fetched, $handed and $unused
serve_end() {
	kill -TERM "$serve_pid"
	until_true 10 gone "$serve_pid"
	words=$(grep "segments fetched ahead" "$tmp/serve.log" | tail -1 |
	    grep -oE '[0-9]+ (segments|handed|not)')
	# shellcheck disable=SC2086
	read -r fetched _ handed _ unused _ <<<"$(echo $words)"
}

# recover dir: a copy of the base that fetches its WAL, promoted at the end
recover() {
	cp -r "$tmp/base" "$1"
	: >"$1/recovery.signal"
	sed -i '/^archive_mode/d' "$1/postgresql.conf"
	cat >>"$1/postgresql.conf" <<-CONF
	archive_mode = off
	recovery_target_timeline = 'latest'
	restore_command = '$ARCHIVER --config=$tmp/archiver.ini --stanza=main archive-get %f "%p"'
	CONF
	other_port=
	pg_start other_port "$1"
	until_true 60 ended
}
other_sql() {
	psql -XAtq -h "$tmp" -p "$other_port" -U postgres -d postgres -c "$1" 2>&1
}
ended() {
	[ "$(other_sql "select pg_is_in_recovery()")" = f ]
}
# get name: in the data directory of a cluster that is down
get() {
	rm -f "$tmp/data/pg_wal/RECOVERYXLOG"
	status archiver archive-get "$1" pg_wal/RECOVERYXLOG
}
# got name: the right bytes
got() {
	[ "$rc" = 0 ] && cmp "$tmp/data/pg_wal/$1" \
	    "$tmp/data/pg_wal/RECOVERYXLOG"
}

# --- a recovery ---
recover "$tmp/restored"
is "recovery through the ring ends where the archive ends" 0 $?
is "with all rows" 60000 "$(other_sql "select count(*) from t")"
serve_end
between "segments were fetched ahead" 5 200 "$fetched"
between "and most of these were asked for" $((fetched / 2 - 8)) "$fetched" \
    "$handed"
is "the spool directory holds no file" 0 "$(find "$tmp/spool" -type f | wc -l)"
pg_stop fast "$tmp/restored"
pg_stop
in_archive	# the last one was archived just now

# --- what may happen to it ---
# on_disk: the number of the spool file's descriptor in the daemon
on_disk() {
	find "/proc/$serve_pid/fd" -lname "$tmp/spool/main/ring-*" | head -1
}
filled() {
	local fd
	fd=$(on_disk) && [ -n "$fd" ] && [ "$(stat -Lc %s "$fd")" -gt \
	    $((2 << 20)) ]
}
: >"$tmp/spool/main/ring-rubbish"
: >"$tmp/serve.log"
serve_start
get "${names[0]}"
succeeds "the first segment comes from the repository" got "${names[0]}"
is "a leftover of a killed daemon is gone" 0 \
    "$(find "$tmp/spool" -type f | wc -l)"
get "${names[1]}"
get "${names[2]}"
until_true 10 filled
is "the next ones are in the spool" 0 $?
# All bytes of the spool change. A segment that is written into it just then
# is not damaged: the next one is, or the one behind it.
fd=$(on_disk)
for i in 3 4 5 6 7 8; do
	size=$(stat -Lc %s "$fd")
	tr '\0' '\125' </dev/zero | head -c "$size" >"$tmp/noise"
	dd if="$tmp/noise" of="$fd" bs=1M conv=notrunc 2>/dev/null
	get "${names[$i]}"
	got "${names[$i]}" || break
	grep -q 'the spool file is damaged' "$tmp/serve.log" && break
	sleep 1
done
succeeds "a damaged spool is not handed out" got "${names[$i]}"
like "and the log says so" "*${names[$i]} was fetched ahead, and is fetched \
again: the spool file is damaged*" "$(cat "$tmp/serve.log")"

# The store goes: what is here is delivered, the rest is never 'not there'.
get "${names[10]}"
get "${names[11]}"
get "${names[12]}"
last_hit=12 n=0
mv "$tmp/repo" "$tmp/away"
for i in 13 14 15 16 17 18 19 20 21 22; do
	get "${names[$i]}"
	[ "$rc" = 0 ] || break
	got "${names[$i]}" || n=$((n + 1))
	last_hit=$i
done
is "without the store nothing wrong is delivered" 0 "$n"
is "and the end of the ring is not the end of WAL" 126 "$rc"
mv "$tmp/away" "$tmp/repo"
get "${names[$((last_hit + 1))]}"
succeeds "with the store it goes on" got "${names[$((last_hit + 1))]}"

# A standby that waits at the end of the archive.
last=${names[-1]}
next=$(printf '%s%08X' "${last:0:16}" $((16#${last:16} + 1)))
next2=$(printf '%s%08X' "${last:0:16}" $((16#${last:16} + 2)))
get "$last"
for i in 1 2 3; do
	get "$next"
	is "the end: exit 1, time $i" 1 "$rc"
done
object=$(find "$tmp/repo" -name "$last-*")
cp "$object" "$tmp/object"
# Under other names it is another segment for the test only.
for n in "$next" "$next2"; do
	cp "$tmp/object" "$(dirname "$object")/$n-${object##*-}"
done
get "$next"
is "what has come meanwhile is found at once" 0 "$rc"
get "$next2"
is "and the next one" 0 "$rc"
rm "$(dirname "$object")/$next-${object##*-}" \
    "$(dirname "$object")/$next2-${object##*-}"
get "$next"
is "and 'not there' is always today's answer" 1 "$rc"

# kill -9 while it fetches, and a new daemon.
get "${names[20]}"
get "${names[21]}"
get "${names[22]}"
kill -9 "$serve_pid"
wait "$serve_pid" 2>/dev/null
get "${names[23]}"
succeeds "a killed daemon: the program fetches alone" got "${names[23]}"
is "and nothing is left in the spool" 0 "$(find "$tmp/spool" -type f | wc -l)"
serve_start
for i in 24 25 26 27; do
	get "${names[$i]}"
	got "${names[$i]}" || break
done
is "a new daemon goes on" 27 "$i"
serve_end

# --- no spool at all ---
: >"$tmp/file"
ring_ini "spool-path = $tmp/file"
: >"$tmp/serve.log"
serve_start
for i in 1 2 3 4; do
	get "${names[$i]}"
	got "${names[$i]}" || break
done
is "without a spool every segment comes from the repository" 4 "$i"
serve_end
is "and the log says so once" 1 \
    "$(grep -c "WAL is not fetched ahead" "$tmp/serve.log")"

# --- a full spool ---
mkdir "$tmp/small"
ring_ini "spool-path = $tmp/small/spool"
if unshare -Urm mount -t tmpfs -o size=2m none "$tmp/small" 2>/dev/null; then
	: >"$tmp/serve.log"
	# shellcheck disable=SC2016
	T=$tmp A=$ARCHIVER unshare -Urm sh -c 'mount -t tmpfs -o size=2m none \
	    "$T/small" && exec "$A" "--config=$T/archiver.ini" serve' \
	    >>"$tmp/serve.log" 2>&1 &
	serve_pid=$!
	pids+=("$serve_pid")
	until_true 10 test -S "$tmp/archiver.sock"
	for i in 1 2 3 4 5 6 7 8; do
		get "${names[$i]}"
		got "${names[$i]}" || break
	done
	is "a full spool fails nothing" 8 "$i"
	serve_end
	like "and the log says so" "*No space left on device*" \
	    "$(cat "$tmp/serve.log")"
else
	skip "a full spool" "no tmpfs of our own"
fi
done_testing
