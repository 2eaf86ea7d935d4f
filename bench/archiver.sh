#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The archiver beside pgBackRest, tuned: lz4, two processes, bundles, blocks,
# start-fast. Both back up the same cluster of about 1 GiB. Run by
# bench/run.sh.
#
# backup	full backup, restore, delta restore of an unchanged directory,
#		verify: seconds of wall and processor time per GiB. The peer's
#		verify compares checksums of the bytes as they are stored; ours
#		expands them and compares what a restore would write
# wal		the server's segments, archived by archive_command
# push		one archive-push of a segment that is not there yet
# recovery	replay of the same segments from the archive
# s3		backup and wal once more, on S3: a MinIO each, ours without
#		TLS through libs3, the peer's with TLS, which it insists on

# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"

peer=$(pgbackrest_bin)
segments=${BENCH_SEGMENTS:-200}
store=directory
gib=1

# ---- the two, on the present store ----

ours() {
	"$B/homelab-archiver" --config="$tmp/$store-ours.ini" --stanza=main \
	    --log-level-console=warn "$@"
}
theirs() {
	"$peer" --config="$tmp/$store-theirs.conf" --stanza=main \
	    --log-level-console=warn "$@"
}

configure() {
	local s3_ours='' s3_theirs=''
	if [ "$store" = s3 ]; then
		s3_ours="repo1-type = s3
		repo1-path = /ours
		repo1-s3-endpoint = http://127.0.0.1:$plain_port
		repo1-s3-bucket = bench
		repo1-s3-region = us-east-1
		repo1-s3-key = homelab
		repo1-s3-key-secret = homelab-secret"
		s3_theirs="repo1-type=s3
		repo1-path=/theirs
		repo1-s3-endpoint=127.0.0.1:$tls_port
		repo1-s3-uri-style=path
		repo1-storage-verify-tls=n
		repo1-s3-bucket=bench
		repo1-s3-region=us-east-1
		repo1-s3-key=homelab
		repo1-s3-key-secret=homelab-secret"
	fi
	mkdir -p "$tmp/lock"
	sed 's/^[ 	]*//' >"$tmp/$store-ours.ini" <<-INI
	[global]
	lock-path = $tmp/lock
	socket-path = $tmp/$store.sock
	start-fast = y
	process-max = 2
	${s3_ours:-repo1-path = $tmp/ours}
	[main]
	pg1-path = $tmp/data
	pg1-port = $pg_port
	pg1-socket-path = $tmp
	pg1-user = postgres
	INI
	sed 's/^[ 	]*//' >"$tmp/$store-theirs.conf" <<-INI
	[global]
	lock-path=$tmp/lock-theirs
	log-path=$tmp
	log-level-file=off
	spool-path=$tmp/spool
	start-fast=y
	process-max=2
	compress-type=lz4
	repo1-bundle=y
	repo1-block=y
	archive-async=${async:-n}
	${s3_theirs:-repo1-path=$tmp/theirs}
	[main]
	pg1-path=$tmp/data
	pg1-port=$pg_port
	pg1-socket-path=$tmp
	pg1-user=postgres
	INI
}

# ---- rows ----

# timed row contender command...: notes wall and processor time per GiB
timed() {
	local row=$1 name=$2 t
	shift 2
	sync
	t=$( { TIMEFORMAT='%R %U %S'; time "$@" >"$tmp/out" 2>&1; } 2>&1) ||
	    true
	if grep -qE '^(ERROR|P00 +ERROR|FATAL)|ERROR:' "$tmp/out"; then
		echo "bench: $name, $row:" >&2
		tail -n 3 "$tmp/out" >&2
		return
	fi
	note "backup-$store" "$row" "$name" "wall s/GiB" \
	    "$(awk -v g="$gib" '{ print $1 / g }' <<<"$t")"
	note "backup-$store" "$row" "$name" "CPU s/GiB" \
	    "$(awk -v g="$gib" '{ print ($2 + $3) / g }' <<<"$t")"
}

# use contender: its archive_command, by a file that the command reads
use() {
	local command
	case $1 in
	none) command=false ;;
	ours*) command="$B/homelab-archiver --config=$tmp/$store-ours.ini --stanza=main archive-push %p" ;;
	theirs*) command="$peer --config=$tmp/$store-theirs.conf --stanza=main archive-push %p" ;;
	esac
	pg_sql "alter system set archive_command = '$command'" >/dev/null
	pg_sql 'select pg_reload_conf()' >/dev/null
}

bench_backup() {
	local round
	begin "backup-$store"
	for ((round = 0; round < rounds; round++)); do
		use ours
		timed "full backup" homelab-archiver ours backup --type=full
		use theirs
		timed "full backup" pgBackRest theirs backup --type=full
		use none
		rm -rf "$tmp/r1" "$tmp/r2"
		mkdir -m 700 "$tmp/r1" "$tmp/r2"
		timed "restore" homelab-archiver ours restore \
		    --pg1-path="$tmp/r1"
		timed "restore" pgBackRest theirs restore --pg1-path="$tmp/r2"
		timed "delta, nothing changed" homelab-archiver ours restore \
		    --delta --pg1-path="$tmp/r1"
		timed "delta, nothing changed" pgBackRest theirs restore \
		    --delta --pg1-path="$tmp/r2"
		timed "verify" homelab-archiver ours verify
		timed "verify" pgBackRest theirs verify
	done
	rm -rf "$tmp/r1" "$tmp/r2"
	show "backup-$store" pgBackRest \
	    "Backup on $store, $gib GiB, two processes each"
}

# Ends a segment of real changes, until there are enough.
make_segments() {
	[ -z "${made:-}" ] || return 0
	made=1
	use none
	pg_sql 'checkpoint' >/dev/null
	until [ "$(ls "$tmp"/data/pg_wal/archive_status | grep -c ready)" -ge \
	    "$segments" ]; do
		pg_sql "update pgbench_accounts set abalance = abalance + 1
		    where aid % 7 = (random() * 6)::int" >/dev/null
	done
	pg_sql 'select pg_switch_wal()' >/dev/null
	mkdir -p "$tmp/names"
	ls "$tmp/data/pg_wal/archive_status" | sed -n 's/\.ready$//p' |
	    head -n "$segments" >"$tmp/names/all"
}

# forget_wal contender: its archive has none of the segments
forget_wal() {
	case $1-$store in
	ours*-directory) rm -rf "$tmp"/ours/main/wal/*/0* ;;
	theirs*-directory) rm -rf "$tmp"/theirs/archive/main/*/0* ;;
	ours*-s3) rm -rf "$tmp"/s3-plain/bench/ours/main/wal/*/0* ;;
	theirs*-s3) rm -rf "$tmp"/s3-tls/bench/theirs/archive/main/*/0* ;;
	esac
	rm -rf "$tmp/spool"
}

# to_archive: the server's list says that none is archived
to_archive() {
	(
		cd "$tmp/data/pg_wal/archive_status" || exit
		rm -f ./*.done ./*.ready
		sed 's/$/.ready/' "$tmp/names/all" | xargs touch
	)
}
all_archived() {
	! compgen -G "$tmp/data/pg_wal/archive_status/*.ready" >/dev/null
}

# serving: our daemon for this store
serve_begin() {
	"$B/homelab-archiver" --config="$tmp/$store-ours.ini" serve \
	    >>"$tmp/serve.log" 2>&1 &
	serve_pid=$!
	pids+=("$serve_pid")
	until_true 10 test -S "$tmp/$store.sock"
}
serve_end() {
	kill "$serve_pid" 2>/dev/null
	wait "$serve_pid" 2>/dev/null
}

# wal_once contender label
wal_once() {
	local t0 t1 c0 c1 trees=("$reap_pid")
	use none
	forget_wal "$1"
	async=n
	[ "$1" != theirs-async ] || async=y
	configure
	if [ "$1" = ours-daemon ]; then
		serve_begin
		trees+=("$serve_pid")
	fi
	to_archive
	c0=$(tree_us "${trees[@]}") t0=$(now_us)
	use "$1"
	until_true 300 all_archived ||
		echo "bench: $2 does not archive" >&2
	t1=$(now_us)
	use none
	# Helpers that are on their way out count, too.
	sleep 0.5
	c1=$(tree_us "${trees[@]}")
	note "wal-$store" "$segments segments" "$2" "per second" \
	    "$(div "$((segments * 1000000))" $((t1 - t0)))"
	note "wal-$store" "$segments segments" "$2" "CPU ms each" \
	    "$(div $((c1 - c0)) $((segments * 1000)))"
	[ "$1" != ours-daemon ] || serve_end
}

bench_wal() {
	local round
	make_segments
	begin "wal-$store"
	for ((round = 0; round < rounds; round++)); do
		wal_once theirs-async "pgBackRest async"
		wal_once theirs "pgBackRest"
		wal_once ours "no daemon"
		wal_once ours-daemon "with daemon"
	done
	async=n
	configure
	show "wal-$store" "pgBackRest async" "Archiving on $store, by the server"
}

# push_once label command...: one segment, alone
push_once() {
	local label=$1 t
	shift
	t=$( { TIMEFORMAT='%R %U %S'; (cd "$tmp/data" && time "$@" \
	    "pg_wal/$(sed -n "$nth"p "$tmp/names/all")" >/dev/null 2>&1); } 2>&1)
	note push "archive-push" "$label" "wall ms" \
	    "$(awk '{ print $1 * 1000 }' <<<"$t")"
	note push "archive-push" "$label" "own CPU ms" \
	    "$(awk '{ print ($2 + $3) * 1000 }' <<<"$t")"
}

bench_push() {
	local nth
	make_segments
	begin push
	use none
	configure
	forget_wal ours
	forget_wal theirs
	rm -f "$tmp"/data/pg_wal/archive_status/*.ready
	for ((nth = 1; nth <= 9; nth++)); do
		push_once pgBackRest theirs archive-push
		push_once "no daemon" ours archive-push
	done
	serve_begin
	for ((nth = 11; nth <= 19; nth++)); do
		push_once "with daemon" ours archive-push
	done
	serve_end
	show push pgBackRest "One archive-push on $store (nine of them)"
}

# recover_once contender label: a restored copy replays all segments
recover_once() {
	local dir=$tmp/recovered c0 c1 t0 t1 trees pid
	async=n
	[ "$1" != theirs-async ] || async=y
	configure
	rm -rf "$dir"
	mkdir -m 700 "$dir"
	if [ "$1" = ours-daemon ]; then
		ours restore --pg1-path="$dir" >"$tmp/out" 2>&1
		serve_begin
	else
		theirs restore --pg1-path="$dir" >"$tmp/out" 2>&1
	fi || { tail -n 3 "$tmp/out"; return; }
	echo "archive_mode = off" >>"$dir/postgresql.auto.conf"
	c0=0
	[ "$1" != ours-daemon ] || c0=$(tree_us "$serve_pid")
	t0=$(now_us)
	"$B/bench/reap" "$bin/postgres" -D "$dir" -p "$other_port" \
	    >"$dir.log" 2>&1 &
	pid=$!
	pids+=("$pid")
	data_dirs+=("$dir")
	until_true 300 grep -q 'archive recovery complete' "$dir.log" ||
	    tail -n 5 "$dir.log"
	t1=$(now_us)
	trees=("$pid")
	[ "$1" != ours-daemon ] || trees+=("$serve_pid")
	c1=$(tree_us "${trees[@]}")
	note recovery "start to writable" "$2" "segments" \
	    "$(grep -c 'restored log file' "$dir.log")"
	note recovery "start to writable" "$2" "wall s" \
	    "$(div $((t1 - t0)) 1000000)"
	note recovery "start to writable" "$2" "CPU s, all" \
	    "$(div $((c1 - c0)) 1000000)"
	pg_stop immediate "$dir"
	wait "$pid" 2>/dev/null
	[ "$1" != ours-daemon ] || serve_end
}

bench_recovery() {
	local round one first
	begin recovery
	made='' # Segments behind the backups that are restored.
	first=$(pg_sql 'select pg_walfile_name(pg_current_wal_lsn())')
	use ours
	ours backup --type=full >"$tmp/out" 2>&1 || tail -n 3 "$tmp/out"
	use theirs
	theirs backup --type=full >"$tmp/out" 2>&1 || tail -n 3 "$tmp/out"
	make_segments
	# Both get all of them: no gap where the other one made its backup.
	ls "$tmp/data/pg_wal/archive_status" |
	    sed -nE 's/^([0-9A-F]{24})\.(ready|done)$/\1/p' | sort -u |
	    awk -v first="$first" '$1 >= first' >"$tmp/names/all"
	for one in ours-daemon theirs-async; do
		async=y
		configure
		[ "$one" != ours-daemon ] || serve_begin
		# The reload wakes the server's archiver, so it comes last.
		use none
		to_archive
		use "$one"
		until_true 300 all_archived
		[ "$one" != ours-daemon ] || serve_end
	done
	use none
	for ((round = 0; round < rounds; round++)); do
		recover_once theirs-async "pgBackRest async"
		recover_once ours-daemon "with daemon"
	done
	show recovery "pgBackRest async" "Recovery from $store"
}

# minio variable directory [options]: a server of its own
minio() {
	local program listen var=$1 dir=$2
	shift 2
	program=$(minio_bin) || return 1
	free_port listen
	mkdir -p "$dir/bench"
	MINIO_ROOT_USER=homelab MINIO_ROOT_PASSWORD=homelab-secret HOME=$tmp \
	    MINIO_BROWSER=off "$program" server --quiet --address \
	    "127.0.0.1:$listen" "$@" "$dir" >"$tmp/minio.log" 2>&1 &
	pids+=("$!")
	printf -v "$var" %s "$listen"
	until_true 30 bash -c "exec 3<>/dev/tcp/127.0.0.1/$listen"
}

bench_s3() {
	mkdir -p "$tmp/certs"
	openssl req -x509 -newkey rsa:2048 -nodes -days 9 \
	    -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 \
	    -keyout "$tmp/certs/private.key" -out "$tmp/certs/public.crt" \
	    2>/dev/null
	minio plain_port "$tmp/s3-plain" &&
	    minio tls_port "$tmp/s3-tls" --certs-dir "$tmp/certs" || {
		echo "bench: no MinIO, no S3 rows" >&2
		return
	}
	sleep 1
	store=s3
	configure
	ours stanza-create >"$tmp/out" 2>&1 || tail -n 3 "$tmp/out"
	theirs stanza-create >"$tmp/out" 2>&1 || tail -n 3 "$tmp/out"
	bench_backup
	bench_wal
	store=directory
}

# ---- one cluster for all ----

free_port pg_port
free_port other_port
pg_init "$tmp/data" -k
cat >>"$tmp/data/postgresql.conf" <<-CONF
archive_mode = on
archive_command = 'false'
wal_keep_size = 16GB
max_wal_size = 16GB
checkpoint_timeout = 1h
shared_buffers = 512MB
autovacuum = off
CONF
# Under the reaper, so that all that archive_command starts is accounted.
"$B/bench/reap" "$bin/postgres" -D "$tmp/data" -p "$pg_port" \
    >"$tmp/data.log" 2>&1 &
reap_pid=$!
pids+=("$reap_pid")
data_dirs+=("$tmp/data")
until_true 30 pg_isready -q -h "$tmp" -p "$pg_port"
pgbench -i -q -s "${BENCH_SCALE:-70}" -h "$tmp" -p "$pg_port" -U postgres \
    postgres >/dev/null 2>&1
pg_sql 'checkpoint' >/dev/null
gib=$(pg_sql "select round(sum(pg_database_size(oid)) / 1073741824, 3)
    from pg_database")
configure
use ours
ours stanza-create >"$tmp/out" 2>&1 || tail -n 3 "$tmp/out"
use theirs
theirs stanza-create >"$tmp/out" 2>&1 || tail -n 3 "$tmp/out"
rm -f "$tmp"/data/pg_wal/archive_status/*.ready
echo "$("$peer" version); homelab-archiver;" \
    "PostgreSQL $("$bin/postgres" --version | sed 's/.*) //'), $(nproc) CPUs"
for row in "$@"; do
	"bench_$row"
done
