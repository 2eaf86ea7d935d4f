# SPDX-License-Identifier: MIT
#
# arlib - what the archiver's end-to-end tests share; sourced after lib.sh.
#
#	ARCHIVER	the archiver under test
#	STORE		posix (default) or s3
#
# The stanza is called "main". The data directory is $tmp/data, restored
# ones are $tmp/<name>; the repository is $tmp/repo or a bucket of MinIO.

ARCHIVER=${ARCHIVER:-$B/homelab-archiver}
STORE=${STORE:-posix}
ini=$tmp/archiver.ini

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

# archiver_ini [lines for the global section]
archiver_ini() {
	{
		echo "[global]"
		echo "lock-path=$tmp/lock"
		echo "socket-path=$tmp/archiver.sock"
		echo "archive-timeout=30s"
		echo "start-fast=y"
		case $STORE in
		posix) echo "repo1-path=$tmp/repo" ;;
		s3) s3_lines 1 ;;
		esac
		printf '%s\n' "$@"
		echo "[main]"
		echo "pg1-path=$tmp/data"
		echo "pg1-port=$pg_port"
		echo "pg1-socket-path=$tmp"
		echo "pg1-user=postgres"
	} >"$ini"
	mkdir -p "$tmp/lock"
}

# The archive settings for the cluster in $tmp/data, before it starts.
archive_settings() {
	cat >>"${1:-$tmp/data}/postgresql.conf" <<-CONF
	archive_mode = on
	archive_command = '$ARCHIVER --config=$ini --stanza=main archive-push %p'
	archive_timeout = 60
	CONF
}

# A cluster with checksums that archives, and its stanza.
cluster_start() {
	free_port pg_port
	pg_init "$tmp/data" -k
	archiver_ini "$@"
	archive_settings
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

# One digest over the rows of a table.
rows() {
	pg_sql "SELECT count(*), md5(string_agg(t::text, ',' ORDER BY t::text))
	    FROM $1 t"
}

# The label of the newest backup.
newest() {
	ar info | sed -n 's/^ *full backup: //p' | tail -1
}
