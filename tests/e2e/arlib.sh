# SPDX-License-Identifier: MIT
#
# arlib - what the archiver's end-to-end tests share; sourced after lib.sh.
#
#	ARCHIVER	the archiver under test
#	STORE		posix (default) or s3
#
# The stanza is called "main". The data directory is $tmp/data, restored
# ones are $tmp/<name>; the repository is $tmp/repo or a bucket of MinIO.
# Verbs of people are run by `ar`, those of PostgreSQL by `archiver`.

ARCHIVER=${ARCHIVER:-$B/homelab-archiver}
STORE=${STORE:-posix}
ini=$tmp/archiver.ini
# Its own environment would keep the daemon from being asked.
for name in $(compgen -e | grep -E '^(HOMELAB_ARCHIVER_|PGBACKREST_)'); do
	unset "$name"
done

# A bucket of MinIO; skips the script where there is no MinIO. MinIO takes a
# directory in its data for a bucket.
if [ "$STORE" = s3 ]; then
	mkdir -p "$tmp/minio/homelab"
	minio_start || skip_all "no S3 server: $(tail -1 "$tmp/minio.why")"
fi
s3_lines() {
	echo "repo$1-type=s3"
	echo "repo$1-path=/pg"
	echo "repo$1-s3-endpoint=http://$s3_endpoint"
	echo "repo$1-s3-bucket=homelab"
	echo "repo$1-s3-region=us-east-1"
	echo "repo$1-s3-key=$s3_key"
	echo "repo$1-s3-key-secret=$s3_secret"
}

# ar verb [options]: the archiver, output and messages together
ar() {
	"$ARCHIVER" --config="$ini" --stanza=main "$@" 2>&1
}

# archiver_ini [lines for the global section]: they stand for the default
# lines of the same key, those of a repository for the repository.
archiver_ini() {
	local line
	{
		echo "[global]"
		for line in "lock-path=$tmp/lock" "archive-timeout=180s" \
		    "socket-path=$tmp/archiver.sock" "start-fast=y"; do
			has_key "${line%%=*}" "$@" || echo "$line"
		done
		if ! has_key "repo[0-9]*-\(path\|type\)" "$@"; then
			case $STORE in
			posix) echo "repo1-path=$tmp/repo" ;;
			s3) s3_lines 1 ;;
			esac
		fi
		[ $# -eq 0 ] || printf '%s\n' "$@"
		echo "[main]"
		echo "pg1-path=$tmp/data"
		[ -z "${pg_port:-}" ] || echo "pg1-port=$pg_port"
		echo "pg1-socket-path=$tmp"
		echo "pg1-user=postgres"
	} >"$ini"
	mkdir -p "$tmp/lock"
}
# has_key pattern line...: whether one of the lines sets it
has_key() {
	local key=$1
	shift
	printf '%s\n' "$@" | grep -q "^$key *="
}

# The archive settings for the cluster in $tmp/data, before it starts.
archive_settings() {
	cat >>"${1:-$tmp/data}/postgresql.conf" <<-CONF
	archive_mode = on
	archive_command = '$ARCHIVER --config=$ini --stanza=main archive-push %p'
	CONF
}

# A cluster with checksums that archives, and its stanza.
cluster_start() {
	free_port pg_port
	pg_init "$tmp/data" -k
	archiver_ini "$@"
	archive_settings
	echo "archive_timeout = 60" >>"$tmp/data/postgresql.conf"
	pg_start pg_port "$tmp/data"
	ar stanza-create >"$tmp/stanza.out" || {
		cat "$tmp/stanza.out"
		echo "Bail out! stanza-create"
		exit 1
	}
}

# restored name [options of restore]: restores into $tmp/<name>
restored() {
	local dir=$tmp/$1
	shift
	ar restore --pg1-path="$dir" "$@"
}

# recover name [recovery]: starts a restored directory and waits until it is
# writable (recovery: until it answers). Its port is $pg_port, so that the
# original must be stopped.
recover() {
	local dir=$tmp/$1 want=f
	[ "${2:-}" = recovery ] && want=t
	"$bin/pg_ctl" -D "$dir" -W -l "$dir.log" -o "-p $pg_port" start \
	    >/dev/null 2>&1
	data_dirs+=("$dir")
	until_true 60 is_in_state "$want" || {
		not_ok "$1 recovers" "$(tail -20 "$dir.log")"
		return 1
	}
}
is_in_state() {
	[ "$(pg_sql 'SELECT pg_is_in_recovery()')" = "$1" ]
}

# base_backup: of the running cluster, without its WAL, into $tmp/base. By the
# server's functions: Debian's pg_basebackup refuses newer servers.
base_backup() {
	local start="pg_backup_start('base', true)"
	local stop="pg_backup_stop(false)"
	if [ "$PG" -lt 15 ]; then
		start="pg_start_backup('base', true, false)"
		stop="pg_stop_backup(false)"
	fi
	psql -XAtq -v ON_ERROR_STOP=1 -h "$tmp" -p "$pg_port" -U postgres \
	    -d postgres >/dev/null <<-SQL || return 1
	SELECT $start;
	\! cp -r $tmp/data $tmp/base
	SELECT labelfile FROM $stop \g $tmp/base/backup_label
	SQL
	rm -rf "$tmp"/base/pg_wal/* "$tmp"/base/postmaster.*
}

# One digest over the rows of a table.
rows() {
	pg_sql "SELECT count(*), md5(string_agg(t::text, ',' ORDER BY t::text))
	    FROM $1 t"
}

# The label of the newest backup.
newest() {
	ar info | sed -n 's/^ *full backup: //p' | tail -1
}

# --- PostgreSQL's verbs, and the daemon ------------------------------------------

# archiver verb...: in the data directory, as PostgreSQL runs it
archiver() {
	(cd "${data:-$tmp/data}" && "$ARCHIVER" "--config=$ini" \
	    --stanza=main "$@")
}

# status command...: sets $out (both outputs) and $rc
status() {
	out=$("$@" 2>&1)
	rc=$?
}

serve_start() {
	"$ARCHIVER" "--config=$ini" serve >>"$tmp/serve.log" 2>&1 &
	serve_pid=$!
	pids+=("$serve_pid")
	until_true 10 test -S "$tmp/archiver.sock"
}

# Ends a segment and prints its name.
switch_wal() {
	local name
	name=$(pg_sql "select pg_walfile_name(pg_current_wal_insert_lsn())")
	pg_sql "create table if not exists filler (x int);
	    insert into filler select generate_series(1, 1000);
	    select pg_switch_wal()" >/dev/null
	echo "$name"
}

# archived name: whether PostgreSQL thinks so
archived() {
	[ -e "$tmp/data/pg_wal/archive_status/$1.done" ]
}

system_id() {
	pg_sql "select system_identifier from pg_control_system()"
}

# claim [repository]: as stanza-create does
claim() {
	mkdir -p "${1:-$tmp/repo}/main/id" &&
	    : >"${1:-$tmp/repo}/main/id/$(system_id)-${PG}"
}
