# SPDX-License-Identifier: MIT
#
# archiver-lib - what the archiver's end-to-end tests share; sourced after
# lib.sh. One cluster ($tmp/data), one stanza (main), files under $tmp.

ARCHIVER=$B/homelab-archiver
# Its own environment would keep the daemon from being asked.
for name in $(compgen -e | grep -E '^(HOMELAB_ARCHIVER_|PGBACKREST_)'); do
	unset "$name"
done

# archiver_ini [file] [lines of section global]: a directory by default
archiver_ini() {
	local file=${1:-$tmp/archiver.ini}
	shift
	{
		echo "[global]"
		echo "lock-path = $tmp/lock"
		echo "socket-path = $tmp/archiver.sock"
		echo "archive-timeout = 8s"
		echo "archive-get-timeout = 3s"
		if [ $# -gt 0 ]; then
			printf '%s\n' "$@"
		else
			echo "repo1-path = $tmp/repo"
		fi
		echo "[main]"
		echo "pg1-path = $tmp/data"
	} >"$file"
}

# archiver verb...: in the data directory, as PostgreSQL runs it
archiver() {
	(cd "${data:-$tmp/data}" && "$ARCHIVER" "--config=${ini:-$tmp/archiver.ini}" \
	    --stanza=main "$@")
}

# status command...: sets $out (both outputs) and $rc
status() {
	out=$("$@" 2>&1)
	rc=$?
}

serve_start() {
	"$ARCHIVER" "--config=$tmp/archiver.ini" serve >>"$tmp/serve.log" 2>&1 &
	serve_pid=$!
	pids+=("$serve_pid")
	until_true 10 test -S "$tmp/archiver.sock"
}

# archiving_on: the command of a new cluster
archiving_on() {
	cat >>"$tmp/data/postgresql.conf" <<-CONF
	archive_mode = on
	archive_command = '$ARCHIVER --config=$tmp/archiver.ini --stanza=main archive-push %p'
	CONF
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
