#!/bin/bash
# SPDX-License-Identifier: MIT
#
# demo - the main job once, on a private PostgreSQL: pooled, archived, backed
# up, damaged, and restored to the second before while clients stay
# connected. Called by make demo; KEEP=1 leaves everything running.
#
# usage: demo.sh			installs, builds, runs
#	 demo.sh run directory		the job itself, not as root
#
# Everything is under build/demo. As root that is a link into /tmp, because
# PostgreSQL refuses root, and the user postgres may not enter this tree; also
# where the tree's path is too long for sockets, or has blanks in it.
set -u

top=$(cd "$(dirname "$0")/.." && pwd)
LC_ALL=C
export LC_ALL
unset PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE PGSERVICE PGSSLMODE

say() {
	printf '\n# %s\n' "$*"
}
die() {
	printf '\ndemo: %s\n' "$1" >&2
	exit 1
}

# Where the demo can be: not every path will do for sockets and commands.
needs_link() {
	[ "$(id -u)" = 0 ] || [ ${#top} -gt 60 ] ||
	    [[ $top == *[^A-Za-z0-9._/-]* ]]
}

prepare() {
	local old
	cd "$top" || exit 1
	mkdir -p build
	exec 8>build/demo.lock
	flock -n 8 || die "another make demo is at work in this tree"
	# Ctrl-C ends the job; then there is something to be removed.
	trap : INT
	say "Installing what is missing, then building"
	tests/deps.sh build test || exit 1
	make -s -j"$(nproc)" all || exit 1
	old=$(readlink build/demo || echo "$top/build/demo")
	if [ -e "$old/stop.sh" ]; then
		say "Stopping what the last demo left running"
		as_user "$(stat -c %U "$old/stop.sh")" bash "$old/stop.sh"
	fi
	rm -rf "$old" build/demo
	user=$(id -un)
	[ "$(id -u)" != 0 ] || user=postgres
	if needs_link; then
		dir=$(mktemp -d /tmp/homelab-demo.XXXXXX)
		ln -s "$dir" build/demo
	else
		dir=$top/build/demo
		mkdir -p "$dir"
	fi
	mkdir "$dir/bin"
	cp build/homelab-pooler build/homelab-archiver \
	    build/homelab-archiver-engine.so build/homelabctl tests/demo.sh \
	    "$dir/bin/"
	[ "$(id -u)" != 0 ] || chown -R "$user" "$dir"
	chmod 755 "$dir"
	cd / && as_user "$user" env KEEP="${KEEP:-}" \
	    bash "$dir/bin/demo.sh" run "$dir" 8>&-
	status=$?
	if [ $status -eq 130 ]; then
		rm -rf "$dir" "$top/build/demo"
		say "Interrupted: stopped and removed."
	elif [ $status -ne 0 ]; then
		echo "demo: failed; the logs are in $dir" >&2
	elif [ -z "${KEEP:-}" ]; then
		rm -rf "$dir" "$top/build/demo"
	fi
	exit $status
}
as_user() {
	local user=$1
	shift
	if [ "$(id -un)" = "$user" ]; then
		"$@"
	else
		setpriv --reuid="$user" --regid="$(id -g "$user")" \
		    --init-groups -- "$@"
	fi
}

# free_port variable: one that nobody listens on
free_port() {
	local p
	while :; do
		p=$((20000 + RANDOM % 12000))
		grep -q "$(printf ':%04X ' $p)" /proc/net/tcp /proc/net/tcp6 \
		    2>/dev/null || break
	done
	printf -v "$1" %s "$p"
}

configure() {
	cat >"$dir/archiver.ini" <<-INI
	[global]
	repo1-path=$dir/repo
	lock-path=$dir/lock
	socket-path=$dir/archiver.sock
	start-fast=y

	[demo]
	pg1-path=$dir/data
	pg1-port=$pg_port
	pg1-socket-path=$dir
	pg1-user=postgres
	INI
	cat >"$dir/pooler.ini" <<-INI
	[databases]
	* = host=$dir port=$pg_port

	[pgbouncer]
	listen_addr = 127.0.0.1
	listen_port = $port
	unix_socket_dir = $dir
	auth_type = trust
	auth_file = $dir/users.txt
	pool_mode = transaction
	default_pool_size = 10
	max_client_conn = 500
	log_connections = 0
	log_disconnections = 0
	logfile = $dir/pooler.log
	pidfile = $dir/pooler.pid
	INI
	echo '"postgres" ""' >"$dir/users.txt"
	cat >"$dir/homelabctl.ini" <<-INI
	[homelabctl]
	postgres_socket_dir = $dir
	postgres_port = $pg_port
	postgres_user = postgres
	data_directory = $dir/data
	stop_command = $pg_ctl -m fast stop >/dev/null
	start_command = $pg_ctl -W -l $dir/postgresql.log start >/dev/null
	pooler_socket_dir = $dir
	pooler_port = $port
	archiver_program = $dir/bin/homelab-archiver
	archiver_config = $dir/archiver.ini
	archiver_socket = $dir/archiver.sock
	stanza = demo
	INI
	# How to end it all, for KEEP=1 and for ourselves.
	cat >"$dir/stop.sh" <<-SH
	kill -QUIT \$(cat $dir/pooler.pid) 2>/dev/null
	kill \$(cat $dir/archiver.pid) 2>/dev/null
	# pg_ctl would refuse root.
	kill -QUIT \$(head -1 $dir/data/postmaster.pid) 2>/dev/null
	for i in {1..100}; do
		[ -e $dir/data/postmaster.pid ] || break
		sleep 0.1
	done
	rm -f $dir/stop.sh
	SH
}

start_server() {
	"$bin/initdb" -D "$dir/data" -U postgres -A trust -k -E UTF8 \
	    --locale=C -N >"$dir/initdb.log" 2>&1 ||
	    die "initdb failed: $dir/initdb.log"
	cat >>"$dir/data/postgresql.conf" <<-CONF
	port = $pg_port
	listen_addresses = ''
	unix_socket_directories = '$dir'
	archive_mode = on
	archive_command = '$archiver archive-push %p'
	archive_timeout = 60
	CONF
	mkdir -p "$dir/lock"
	$pg_ctl -w -l "$dir/postgresql.log" start >/dev/null ||
	    die "PostgreSQL does not start: $dir/postgresql.log"
}

start_platform() {
	$archiver stanza-create || die "stanza-create failed"
	"$dir/bin/homelab-archiver" --config="$dir/archiver.ini" serve \
	    </dev/null >"$dir/archiver.log" 2>&1 &
	echo $! >"$dir/archiver.pid"
	"$dir/bin/homelab-pooler" -q -d "$dir/pooler.ini" ||
	    die "the pooler does not start: $dir/pooler.log"
}

# load seconds: clients that must not notice anything. Not -M prepared:
# pgbench's threads then wait for one client while others hold the servers.
load() {
	pgbench -h 127.0.0.1 -p "$port" -U postgres -n -c 20 -j 2 -T "$1" \
	    -M extended demo >"$dir/pgbench.log" 2>&1 &
	load=$!
}
sql() {
	psql -XAtq -h 127.0.0.1 -p "$port" -U postgres -d demo -c "$1"
}
ctl() {
	local word
	printf '$ homelabctl'
	for word; do
		[[ $word != *' '* ]] || word="'$word'"
		printf ' %s' "$word"
	done
	printf '\n'
	"$dir/bin/homelabctl" --config="$dir/homelabctl.ini" "$@"
}

run() {
	dir=$1
	bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
	PATH=$bin:$PATH
	pg_ctl="$bin/pg_ctl -D $dir/data"
	archiver="$dir/bin/homelab-archiver --config=$dir/archiver.ini --stanza=demo"
	load=
	free_port pg_port
	free_port port
	configure
	trap '[ -z "$load" ] || kill "$load" 2>/dev/null; bash "$dir/stop.sh"' EXIT
	trap 'exit 130' INT TERM HUP

	say "A private PostgreSQL that archives, its archiver daemon, its pooler"
	start_server
	start_platform
	createdb -h 127.0.0.1 -p "$port" -U postgres demo || die createdb
	pgbench -h 127.0.0.1 -p "$port" -U postgres -i -q -s 10 demo \
	    >"$dir/init.log" 2>&1 || die "pgbench -i: $dir/init.log"

	say "20 clients write through the pooler; WAL goes to the repository"
	load 30
	sleep 3
	say "A full backup while they write"
	ctl db backup full || die "backup failed"
	ctl db list-backups
	sleep 2

	say "Somebody drops a table"
	sql "CREATE TABLE precious AS SELECT i, md5(i::text)
	    FROM generate_series(1, 100000) i" || die create
	before=$(sql "SELECT count(*) || ' rows, digest ' ||
	    md5(string_agg(md5, '' ORDER BY i)) FROM precious")
	sleep 1.1
	moment=$(sql "SELECT to_char(now() AT TIME ZONE 'UTC',
	    'YYYY-MM-DD HH24:MI:SS.US+00')")
	sleep 1.1
	printf '$ psql -c "DROP TABLE precious"\n'
	sql "DROP TABLE precious"
	sql "SELECT count(*) FROM precious" 2>&1 | head -1

	say "Back to the second before, while the 20 clients stay connected"
	ctl db restore latest --time "$moment" --yes || die "restore failed"
	after=$(sql "SELECT count(*) || ' rows, digest ' ||
	    md5(string_agg(md5, '' ORDER BY i)) FROM precious")
	say "The rows"
	printf 'before: %s\nafter:  %s\n' "$before" "$after"
	[ "$before" = "$after" ] || die "they are not the same"

	say "The clients"
	wait "$load" || die "pgbench failed: $(tail -5 "$dir/pgbench.log")"
	grep -E '^number of (clients|transactions|failed)' "$dir/pgbench.log"

	say "The platform"
	ctl db status || true
	trap - EXIT
	if [ -n "${KEEP:-}" ]; then
		cat <<-TEXT

		# It is left running, KEEP=1. Try:
		psql -h 127.0.0.1 -p $port -U postgres demo
		psql -h $dir -p $port -U pgbouncer pgbouncer -c 'SHOW POOLS'
		$dir/bin/homelabctl --config=$dir/homelabctl.ini db status
		# To end it:
		bash $dir/stop.sh
		TEXT
	else
		bash "$dir/stop.sh"
		say "Stopped and removed. make demo KEEP=1 leaves it running."
	fi
}

case ${1:-} in
run) run "$2" ;;
*) prepare ;;
esac
