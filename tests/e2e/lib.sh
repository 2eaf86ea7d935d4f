# SPDX-License-Identifier: MIT
#
# lib - what every end-to-end test begins with; sourced by bash.
#
# Results are TAP lines, the plan comes last (done_testing), so a script that
# dies in the middle is seen. Everything lives under $tmp; every process that
# these functions start is stopped by its id when the script ends, however it
# ends. Ports are reserved by files, so scripts can run at the same time.
#
# From the environment:
#	B	the build directory (build, build-asan, build-tsan)
#	POOLER	the pooler under test; a PgBouncer passes the same tests
#	IO_BACKEND	epoll or io_uring, for the pooler's sockets
#	PG	the PostgreSQL major (default: Debian's)
#
# PostgreSQL and the pooler refuse to run as root. As root, run a script by
# tests/run.sh, which does it as another user.

set -u
LC_ALL=C
export LC_ALL
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
B=${B:-build}
case $B in /*) ;; *) B=$top/$B ;; esac
POOLER=${POOLER:-$B/homelab-pooler}
unset PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE PGSERVICE PGSSLMODE

# shellcheck source=tests/cache.sh
. "$top/tests/cache.sh"

if [ "$(id -u)" = 0 ] && [ -z "${SERVER_USER:-}" ]; then
	echo "Bail out! as root, type: tests/run.sh $0"
	exit 1
fi

tmp=$(mktemp -d "${TMPDIR:-/tmp}/homelab-test.XXXXXX")
PG=${PG:-$(pg_debian)}
bin=$(pg_bin "$PG") || { echo "Bail out! no PostgreSQL $PG"; exit 1; }
# psql and pgbench are in Debian's package only.
client_bin=/usr/lib/postgresql/$(pg_debian)/bin
PATH=$client_bin:/usr/sbin:$PATH
tests_run=0 tests_failed=0
pids=() data_dirs=() ports=()

# --- results ---------------------------------------------------------------

ok() {
	tests_run=$((tests_run + 1))
	echo "ok $tests_run - $1"
}

not_ok() {
	tests_run=$((tests_run + 1))
	tests_failed=$((tests_failed + 1))
	echo "not ok $tests_run - $1"
	shift
	[ $# -eq 0 ] || printf '%s\n' "$@" | sed 's/^/# /'
}

skip() {
	tests_run=$((tests_run + 1))
	echo "ok $tests_run - $1 # SKIP $2"
}

# is "name" "wanted" "got"
is() {
	if [ "$3" = "$2" ]; then
		ok "$1"
	else
		not_ok "$1" "wanted: $2" "got:    $3"
	fi
}

# like "name" "glob" "got"
like() {
	# shellcheck disable=SC2254
	case $3 in
	$2) ok "$1" ;;
	*) not_ok "$1" "wanted: $2" "got:    $3" ;;
	esac
}

# between "name" least most got: whole numbers
between() {
	if [ -n "$4" ] && [ "$4" -ge "$2" ] 2>/dev/null && [ "$4" -le "$3" ]
	then
		ok "$1"
	else
		not_ok "$1" "wanted: $2 to $3" "got:    $4"
	fi
}

# succeeds "name" command...
succeeds() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then
		ok "$name"
	else
		not_ok "$name" "exit $?: $*" "$out"
	fi
}

done_testing() {
	[ ! -s "$tmp/pooler.out" ] || pooler_check
	echo "1..$tests_run"
	[ $tests_failed -eq 0 ]
	exit
}

skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

# until_true seconds command...: 0 as soon as it succeeds. The seconds are those
# of an idle machine; a busy one gets ten times as many, or two minutes. The
# command is run again and again: a $(...) among its words is not.
until_true() {
	local end=$((SECONDS + ($1 > 12 ? 10 * $1 : 120)))
	shift
	until "$@" >/dev/null 2>&1; do
		if [ $SECONDS -ge $end ]; then
			echo "# waited in vain for: $*" >&2
			return 1
		fi
		sleep 0.05
	done
}

# Runs a pgdrive script from stdin; each of its tests is one of ours.
drive() {
	local line
	while IFS= read -r line; do
		case $line in
		"ok - "*) ok "${line#ok - }" ;;
		"not ok - "*) not_ok "${line#not ok - }" ;;
		*) printf '%s\n' "$line" ;;
		esac
	done < <("$B/e2e/pgdrive" "$@" 2>&1
		[ $? -lt 2 ] || echo "not ok - pgdrive ended with an error")
}

# --- processes and ports -----------------------------------------------------

# The ports to choose from: none that the kernel gives to who connects.
port_range() {
	local low high
	port_first=10240 port_count=20480
	read -r low high 2>/dev/null </proc/sys/net/ipv4/ip_local_port_range ||
		return 0
	if [ "$low" -ge 14336 ]; then
		port_count=$((low - port_first))
	elif [ "$high" -le 61440 ]; then
		port_first=$((high + 1)) port_count=$((65535 - high))
	fi
}
port_range

# free_port variable: one nobody listens on, reserved until the script ends
free_port() {
	local p hex
	while :; do
		p=$((port_first + (RANDOM * 32768 + RANDOM) % port_count))
		hex=$(printf ':%04X ' $p)
		grep -q "$hex" /proc/net/tcp /proc/net/tcp6 2>/dev/null &&
		    continue
		(set -C; echo $$ >"/tmp/homelab-port.$p") 2>/dev/null && break
	done
	ports+=("$p")
	printf -v "$1" %s "$p"
}

# process pid: sets $state and $parent; fails if there is none
process() {
	local line
	read -r line 2>/dev/null <"/proc/$1/stat" || return 1
	read -r state parent line <<<"${line##*) }"
}

# A child of ours: stopped now. One that ended long ago is left alone: its id
# may be somebody else's by now.
stop_pid() {
	if process "$1" && [ "$parent" = $$ ]; then
		kill -9 "$1" 2>/dev/null
	fi
	wait "$1" 2>/dev/null
	return 0
}

# gone pid: it has ended, whether or not anybody has asked how. (Who lost his
# parent may stay a zombie for good where process 1 does not care.)
gone() {
	! process "$1" || [ "$state" = Z ] || [ "$state" = X ]
}

cleanup() {
	local p
	for p in ${pids[@]+"${pids[@]}"}; do
		stop_pid "$p"
	done
	for p in ${data_dirs[@]+"${data_dirs[@]}"}; do
		pg_stop immediate "$p"
	done
	for p in ${ports[@]+"${ports[@]}"}; do
		rm -f "/tmp/homelab-port.$p"
	done
	if [ $tests_failed -gt 0 ] && [ -n "${KEEP_LOGS:-}" ]; then
		mkdir -p "$KEEP_LOGS"
		cp "$tmp"/*.log "$KEEP_LOGS/" 2>/dev/null
	fi
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

# --- PostgreSQL --------------------------------------------------------------

# pg_init directory [options of initdb]: a cluster of the user postgres
pg_init() {
	local dir=$1
	shift
	"$bin/initdb" -D "$dir" -A trust -U postgres -E UTF8 --locale=C -N \
	    "$@" >"$tmp/initdb.log" 2>&1 || {
		cat "$tmp/initdb.log"
		echo "Bail out! initdb"
		exit 1
	}
	cat >>"$dir/postgresql.conf" <<-CONF
	listen_addresses = '127.0.0.1'
	unix_socket_directories = '$tmp'
	fsync = off
	max_connections = 60
	logging_collector = off
	log_line_prefix = '%m [%p] %q%u@%d '
	CONF
}

# pg_start [port variable] [directory]: default pg_port, $tmp/data
pg_start() {
	local var=${1:-pg_port} dir=${2:-$tmp/data}
	[ -n "${!var:-}" ] || free_port "$var"
	[ -d "$dir" ] || pg_init "$dir"
	"$bin/pg_ctl" -D "$dir" -w -t 300 -l "$dir.log" \
	    -o "-p ${!var}" start >/dev/null 2>&1 || {
		tail -20 "$dir.log"
		echo "Bail out! PostgreSQL does not start"
		exit 1
	}
	data_dirs+=("$dir")
}

# pg_stop [fast|immediate|smart] [directory]
pg_stop() {
	"$bin/pg_ctl" -D "${2:-$tmp/data}" -w -t 300 -m "${1:-fast}" stop \
	    >/dev/null 2>&1
}

# kill -9 to the postmaster; its children follow by themselves.
pg_kill() {
	local dir=${1:-$tmp/data} socket
	socket=$(sed -n '4h; 5 { G; s,\(.*\)\n\(.*\),\1/.s.PGSQL.\2,p }' \
	    "$dir/postmaster.pid")
	kill -9 "$(head -1 "$dir/postmaster.pid")"
	until_true 10 pg_left "$dir"
	# A process that nobody has waited for yet seems to hold them still.
	rm -f "$dir/postmaster.pid" "$socket.lock"
}
# pg_left directory: no process of PostgreSQL works in it any more. The
# archiver stays for as long as its archive_command does, and holds the shared
# memory: with it no other can start.
pg_left() {
	local p
	for p in /proc/[0-9]*; do
		[ "$p/cwd" -ef "$1" ] && [ "$(cat "$p/comm" 2>/dev/null)" = \
		    postgres ] && return 1
	done
	return 0
}

# pg_sql "text" [database] [user]: straight to the server
pg_sql() {
	psql -XAtq -h "$tmp" -p "$pg_port" -U "${3:-postgres}" \
	    -d "${2:-postgres}" -c "$1" 2>&1
}

# --- pooler ------------------------------------------------------------------

is_ours() {
	case $POOLER in *homelab-pooler*) return 0 ;; esac
	return 1
}

# pooler_ini [more lines for section pgbouncer]: writes $tmp/pooler.ini
# Databases, users and the auth file come from $databases, $users_section and
# $tmp/userlist.txt when they are set.
pooler_ini() {
	[ -n "${port:-}" ] || free_port port
	[ -e "$tmp/userlist.txt" ] || cat >"$tmp/userlist.txt" <<-LIST
	"postgres" ""
	"alice" "alicepw"
	"bob" "bobpw"
	LIST
	{
		echo "[databases]"
		printf '%s\n' "${databases:-"* = host=$tmp port=$pg_port"}"
		printf '%s\n' "${users_section:-}"
		cat <<-INI
		[pgbouncer]
		listen_addr = 127.0.0.1
		listen_port = $port
		unix_socket_dir = $tmp
		auth_type = trust
		auth_file = $tmp/userlist.txt
		admin_users = admin
		stats_users = stats
		pool_mode = transaction
		logfile = $tmp/pooler.log
		pidfile = $tmp/pooler.pid
		INI
		if is_ours; then
			echo "worker_threads = ${workers:-2}"
			echo "io_backend = ${IO_BACKEND:-auto}"
		fi
		printf '%s\n' "$@"
	} >"$tmp/pooler.ini"
	grep -q '"admin"' "$tmp/userlist.txt" || printf '%s\n' \
	    '"admin" "adminpw"' '"stats" "statspw"' >>"$tmp/userlist.txt"
}

# pooler_start [options]: with $tmp/pooler.ini; ready when this returns
pooler_start() {
	"$POOLER" -q "$@" "$tmp/pooler.ini" </dev/null >>"$tmp/pooler.out" \
	    2>&1 &
	pooler_pid=$!
	pids+=("$pooler_pid")
	until_true 20 pooler_ready && ! gone "$pooler_pid" || {
		cat "$tmp/pooler.out" "$tmp/pooler.log" 2>&1 | tail -9 |
		    sed 's/^/# /'
		echo "Bail out! the pooler does not start"
		exit 1
	}
}
pooler_ready() {
	gone "$pooler_pid" && return 0
	pg_isready -q -h "$tmp" -p "$port" -U pgbouncer -d pgbouncer
}

# pooler_stop: at once. A sanitizer's report makes the test fail.
pooler_stop() {
	kill -QUIT "$pooler_pid" 2>/dev/null
	until_true 10 gone "$pooler_pid" || kill -9 "$pooler_pid"
	wait "$pooler_pid" 2>/dev/null
	pooler_check
}
pooler_check() {
	if grep -qE 'Sanitizer|runtime error:|Assertion' "$tmp/pooler.out"; then
		not_ok "the pooler's own checks" "$(head -60 "$tmp/pooler.out")"
		: >"$tmp/pooler.out"
	fi
}

# console "command" [psql's options]: as the administrator, unaligned
console() {
	local text=$1
	shift
	psql -XAtq -h "$tmp" -p "$port" -U pgbouncer -d pgbouncer "$@" \
	    -c "$text" 2>&1
}

# column "SHOW x" name [row's first columns, joined by |]: one value
column() {
	psql -XAq -h "$tmp" -p "$port" -U pgbouncer -d pgbouncer -c "$1" |
	    awk -F'|' -v want="$2" -v key="${3:-}" '
		NR == 1 { for (i = 1; i <= NF; i++) if ($i == want) c = i; next }
		/^\([0-9]+ rows?\)$/ { next }
		key == "" || index($0 "|", key "|") == 1 { print $c; exit }'
}

# sql "text" [database] [user]: through the pooler's Unix socket
sql() {
	psql -XAtq -h "$tmp" -p "$port" -U "${3:-alice}" -d "${2:-postgres}" \
	    -c "$1" 2>&1
}

# conn "conninfo": through the pooler's Unix socket, for pgdrive's open
# (settings in the environment, so that scripts stay short)
pooler_env() {
	export PGHOST=$tmp PGPORT=$port PGUSER=alice PGDATABASE=postgres
	waiting_programs
}

# For the scripts of pgtalk and pgdrive, by their verb sh: each waits until
# something is so, where a sleep would only hope for it.
#	shows [-v] "SHOW x" REGEX	a row of the console's answer is such
#					a one; -v: none is
#	answers SQL WANTED	PostgreSQL's own answer
#	sleeping [N]		so many backends are within pg_sleep()
#	queued DATABASE N	so many clients wait for a server, or more
waiting_programs() {
	mkdir -p "$tmp/bin"
	cat >"$tmp/bin/shows" <<-SH
	#!/bin/bash
	want=0
	[ "\$1" != -v ] || { want=1; shift; }
	for ((i = 0; i < 1200; i++)); do
		out=\$(psql -XAtq -h $tmp -p $port -U pgbouncer -d pgbouncer \
		    -c "\$1") && { grep -qE "\$2" <<<"\$out"
			[ \$? != \$want ] || exit 0; }
		sleep 0.05
	done
	echo "# \$*: never, but: \$out"
	exit 1
	SH
	cat >"$tmp/bin/answers" <<-SH
	#!/bin/bash
	for ((i = 0; i < 1200; i++)); do
		out=\$(psql -XAtq -h $tmp -p ${pg_port:-0} -U postgres \
		    -d postgres -c "\$1" 2>&1)
		[ "\$out" != "\$2" ] || exit 0
		sleep 0.05
	done
	echo "# \$*: never, but: \$out"
	exit 1
	SH
	cat >"$tmp/bin/sleeping" <<-SH
	#!/bin/sh
	exec "$tmp/bin/answers" "select count(*) >= \${1:-1}
	    from pg_stat_activity where wait_event = 'PgSleep'" t
	SH
	cat >"$tmp/bin/queued" <<-SH
	#!/bin/sh
	exec "$tmp/bin/shows" 'SHOW POOLS' \
	    "^\$1\|[^|]*\|[^|]*\|([\$2-9]|[1-9][0-9])"
	SH
	chmod 755 "$tmp/bin"/*
	case $PATH in "$tmp/bin:"*) ;; *) PATH=$tmp/bin:$PATH ;; esac
}

# What is said on a socket may be there before it is in the log.
logged() {
	until_true 5 grep -qF -- "$1" "$tmp/pooler.log"
}

# --- MinIO -------------------------------------------------------------------

# minio_start: sets s3_endpoint (host:port), s3_key, s3_secret; fails where
# there is no MinIO. HOMELAB_S3=host:port,key,secret names another store.
minio_start() {
	local program
	if [ -n "${HOMELAB_S3:-}" ]; then
		IFS=, read -r s3_endpoint s3_key s3_secret <<<"$HOMELAB_S3"
		return 0
	fi
	program=$(minio_bin 2>"$tmp/minio.why") || return 1
	free_port minio_port
	s3_endpoint=127.0.0.1:$minio_port s3_key=homelab s3_secret=homelab-secret
	MINIO_ROOT_USER=$s3_key MINIO_ROOT_PASSWORD=$s3_secret \
	    HOME=$tmp MINIO_BROWSER=off "$program" server --quiet \
	    --address "$s3_endpoint" "$tmp/minio" >"$tmp/minio.log" 2>&1 &
	minio_pid=$!
	pids+=("$minio_pid")
	until_true 30 minio_ready
}
minio_ready() {
	local line=
	exec 9<>"/dev/tcp/127.0.0.1/$minio_port" || return 1
	printf 'GET /minio/health/live HTTP/1.0\r\nHost: minio\r\n\r\n' >&9
	read -r -t 10 line <&9
	exec 9>&-
	[[ $line == *" 200 "* ]]
}

# --- drivers -----------------------------------------------------------------

# Runs a pgtalk script from stdin; each of its tests is one of ours.
talk() {
	local line
	while IFS= read -r line; do
		case $line in
		"ok - "*) ok "${line#ok - }" ;;
		"not ok - "*) not_ok "${line#not ok - }" ;;
		*) printf '%s\n' "$line" ;;
		esac
	done < <("$B/e2e/pgtalk" 2>&1 || echo "not ok - pgtalk ended badly")
}
