#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The process: command line, start-up errors with file and line, signals,
# reload, shutdown modes, the log's form.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

pg_start
databases="one = host=$tmp port=$pg_port dbname=postgres user=postgres pool_size=1"
pooler_ini
pooler_env

# runs arguments...: the exit status, then what was printed
runs() {
	timeout 120 "$POOLER" "$@" >"$tmp/run.out" 2>&1 </dev/null
	echo "$? $(cat "$tmp/run.out")"
}
like "-h" "0 *Usage:*\[OPTION\]... CONFIG_FILE*--version*" "$(runs -h)"
like "--help" "0 *Usage:*" "$(runs --help)"
like "-V" "0 PgBouncer 1.*" "$(runs -V)"
like "no file" "1 *no configuration file specified*--help*" "$(runs)"
like "unknown option" '1 *Try "*--help" for more information.' "$(runs --nonsense)"
like "a file that is not there" "1 *nowhere.ini*No such file*cannot load config file*" \
    "$(runs "$tmp/nowhere.ini")"

# broken "name" "glob of the message" "lines of the ini"
broken() {
	printf '%s\n' "$3" >"$tmp/broken.ini"
	like "ini: $1" "1 *$2*" "$(runs "$tmp/broken.ini")"
}
main=$(printf '[pgbouncer]\nlisten_port = %s\nunix_socket_dir = %s\nauth_type = trust' \
    "$port" "$tmp")
broken "a key nobody knows" "unknown parameter: pgbouncer/no_such_key*" \
    "$main"$'\nno_such_key = 1'
broken "with the line's number" "broken.ini:5*" "$main"$'\nno_such_key = 1'
broken "a value that is no number" \
    'invalid value "many" for parameter max_client_conn in configuration (*broken.ini:5)*' \
    "$main"$'\nmax_client_conn = many'
broken "a section nobody knows" "section*nonsense*" "[nonsense]"$'\n'"$main"
broken "a line without sense" "syntax error in configuration (*broken.ini:5)*" \
    "$main"$'\nwhat is this'
broken "a connection parameter nobody knows" \
    "unrecognized connection parameter: nosuch*" \
    "[databases]"$'\nx = host=localhost nosuch=1\n'"$main"
broken "a reserved name" 'database name "pgbouncer" is reserved*' \
    "[databases]"$'\npgbouncer = host=localhost\n'"$main"
broken "no main section" "main section missing*" "[databases]"
broken "nowhere to listen" "nowhere to listen on*" \
    $'[pgbouncer]\nlisten_addr =\nunix_socket_dir =\nauth_type = trust'
broken "an include that is not there" "*not-there.ini*" \
    "%include $tmp/not-there.ini"$'\n'"$main"
broken "TLS without a key" \
    "To allow TLS connections from clients, client_tls_key_file and client_tls_cert_file must be set.*" \
    "$main"$'\nclient_tls_sslmode = require'

pooler_start
log=$(cat "$tmp/pooler.log")
like "log: process up" "*process up: PgBouncer 1.*" "$log"
like "log: listening" "*listening on 127.0.0.1:$port*" "$log"
like "log: a line's form" "20??-??-?? ??:??:??.??? * \[$pooler_pid\] LOG *" \
    "$(grep 'process up' "$tmp/pooler.log")"
is "the pid file" "$pooler_pid" "$(cat "$tmp/pooler.pid")"
like "a second one on the same socket" "1 *unix socket is in use, cannot continue*" \
    "$(runs "$tmp/pooler.ini")"
like "the first goes on" 1 "$(sql 'select 1' one)"

sql 'select 1' one >/dev/null
like "log: login" "*one/alice@unix*login attempt: db=one user=alice tls=no replication=no*" \
    "$(cat "$tmp/pooler.log")"
like "log: new connection" "*one/postgres@*new connection to server*" \
    "$(cat "$tmp/pooler.log")"
like "log: the end of a client" \
    "*one/alice@unix*closing because: client close request (age=*s)*" \
    "$(cat "$tmp/pooler.log")"
psql -XAtq -h "$tmp" -p "$port" -U alice -d nowhere -c 'select 1' \
    >"$tmp/psql.out" 2>&1
like "unknown database" "*FATAL:*no such database: nowhere*" \
    "$(cat "$tmp/psql.out")"
succeeds "and the log says so" logged "pooler error: no such database: nowhere"

# --- reload ------------------------------------------------------------------

has() {
	[ "$(column 'SHOW CONFIG' value "$1")" = "$2" ]
}
sed -i 's/^\[pgbouncer\]/new = host=nowhere.invalid\n&\nquery_timeout = 77/' \
    "$tmp/pooler.ini"
kill -HUP "$pooler_pid"
succeeds "SIGHUP reloads" until_true 5 has query_timeout 77
succeeds "log: SIGHUP" logged "got SIGHUP, re-reading config"
is "a new database is there" new "$(column 'SHOW DATABASES' name new)"
sed -i 's/^query_timeout.*//; s/^new = .*//' "$tmp/pooler.ini"
console RELOAD >/dev/null
succeeds "RELOAD: a removed line is the default again" has query_timeout 0
is "a removed database is gone" "" "$(column 'SHOW DATABASES' name new)"
cp "$tmp/pooler.ini" "$tmp/good.ini"
sed -i 's/^one = .*/& nosuch=3/; s/^\[pgbouncer\]/&\nquery_timeout = 55/' \
    "$tmp/pooler.ini"
like "RELOAD of a broken file is an error" "*RELOAD failed, see logs*" \
    "$(console RELOAD)"
if is_ours; then
	succeeds "and changes nothing at all" has query_timeout 0
fi
is "clients go on" 1 "$(sql 'select 1' one)"
cp "$tmp/good.ini" "$tmp/pooler.ini"
is "the mended file loads" "" "$(console RELOAD)"

# --- signals -------------------------------------------------------------------

state() {
	[ "$(column 'SHOW STATE' value "$1")" = "$2" ]
}
kill -USR1 "$pooler_pid"
succeeds "SIGUSR1 pauses" until_true 5 state paused yes
kill -USR2 "$pooler_pid"
succeeds "SIGUSR2 resumes" until_true 5 state paused no
succeeds "log: SIGUSR1" logged "got SIGUSR1, pausing all activity"
succeeds "log: SIGUSR2" logged "got SIGUSR2, continuing from PAUSE"

# ends "name" most-seconds: the process ends with status 0 in time
ends() {
	local rc
	if until_true "$2" gone "$pooler_pid"; then
		wait "$pooler_pid"
		rc=$?
		is "$1: exit status" 0 $rc
		is "$1: no pid file, no socket" "" \
		    "$(ls "$tmp/pooler.pid" "$tmp/.s.PGSQL.$port" 2>/dev/null)"
	else
		not_ok "$1: the process goes on"
		stop_pid "$pooler_pid"
		ok "$1"
	fi
}

# Until nobody listens on TCP any more.
cat >"$tmp/bin/deaf" <<-SH
#!/bin/bash
for ((i = 0; i < 1200; i++)); do
	(: <>/dev/tcp/127.0.0.1/$port) 2>/dev/null || exit 0
	sleep 0.05
done
exit 1
SH
chmod 755 "$tmp/bin/deaf"
export pooler_pid
talk <<'DRIVE'
test SIGTERM: clients go on, nobody else comes in
open a dbname=one
a> Q 'select 1'
a< T D:1 C Z:I
sh 'kill -TERM $pooler_pid; deaf'
openfail 'dbname=one host=127.0.0.1' '*refused*'
openfail 'dbname=one' '*pooler is shutting down*'
a> Q 'select 2'
a< T D:2 C Z:I
sh 'kill -0 $pooler_pid'
a> X
a< EOF
DRIVE
ends "SIGTERM, the last client left" 3
succeeds "log: SIGTERM" logged "got SIGTERM, shutting down, waiting for all clients disconnect"

pooler_start
export pooler_pid
talk <<'DRIVE'
test SIGINT: transactions end, idle clients do not hold it
open a dbname=one
a> Q begin
a< C Z:T
sh 'kill -INT $pooler_pid; deaf; sleep 0.3'
sh 'kill -0 $pooler_pid'
a> Q commit
a< C Z:I
DRIVE
ends "SIGINT" 3

pooler_start
export pooler_pid
talk <<'DRIVE'
test SIGTERM twice is at once
open a dbname=one
a> Q begin
a< C Z:T
sh 'kill -TERM $pooler_pid; deaf; kill -TERM $pooler_pid'
a< ... EOF
DRIVE
ends "SIGTERM twice" 3

pooler_start
kill -QUIT "$pooler_pid"
ends "SIGQUIT" 2

pooler_start
console SHUTDOWN >/dev/null
ends "SHUTDOWN" 2

pooler_start
export pooler_pid
talk <<'DRIVE'
test SHUTDOWN WAIT_FOR_CLIENTS
open x 'dbname=pgbouncer user=admin'
open a dbname=one
x> Q 'shutdown wait_for_clients'
x< C:SHUTDOWN Z:I
a> Q 'select 1'
a< T D:1 C Z:I
x> Q resume
x< 'E:08P01:pooler is shutting down' Z:I
x> X
a> X
a< EOF
DRIVE
ends "SHUTDOWN WAIT_FOR_CLIENTS" 3

# --- as a daemon ---------------------------------------------------------------

"$POOLER" -d "$tmp/pooler.ini" </dev/null >"$tmp/daemon.out" 2>&1
is "-d returns at once" 0 $?
up() {
	pooler_pid=$(cat "$tmp/pooler.pid") && [ -n "$pooler_pid" ] &&
	    [ "$(sql 'select 1' one)" = 1 ]
}
succeeds "and serves" until_true 10 up
pooler_pid=$(cat "$tmp/pooler.pid")
is "it says nothing more" "" "$(cat "$tmp/daemon.out")"
kill -QUIT "$pooler_pid"
succeeds "and ends" until_true 5 gone "$pooler_pid"
echo 4194303 >"$tmp/pooler.pid"
pooler_start
is "a stale pid file is no obstacle" "$pooler_pid" "$(cat "$tmp/pooler.pid")"
pooler_stop
done_testing
