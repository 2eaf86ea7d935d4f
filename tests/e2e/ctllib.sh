# SPDX-License-Identifier: MIT
#
# ctllib - what homelabctl's end-to-end tests share; sourced after arlib.sh.
#
#	CTL	the program under test
#
# The server is cluster_start()'s, the pooler pooler_start()'s.

CTL=${CTL:-$B/homelabctl}
[ "$STORE" = posix ] || skip_all "homelabctl does not see the store"
pgctl="$bin/pg_ctl -D $tmp/data"

# ctl_ini [more lines]: the configuration; a key that comes twice is the last
ctl_ini() {
	cat >"$tmp/ctl.ini" <<-INI
	[homelabctl]
	postgres_socket_dir = $tmp
	postgres_port = $pg_port
	postgres_user = postgres
	data_directory = $tmp/data
	stop_command = $pgctl -m fast stop || ! $pgctl status
	start_command = $pgctl -W -l $tmp/data.log -o '-p $pg_port' start
	pooler_socket_dir = $tmp
	pooler_port = ${port:-6432}
	archiver_program = $ARCHIVER
	archiver_config = $ini
	archiver_socket = $tmp/archiver.sock
	stanza = main
	recovery_timeout = 600s
	INI
	printf '%s\n' "$@" >>"$tmp/ctl.ini"
}

# ctl words...: output in $out and $err, exit status in $rc
ctl() {
	out=$("$CTL" --config="$tmp/ctl.ini" "$@" 2>"$tmp/ctl.err" </dev/null)
	rc=$?
	err=$(cat "$tmp/ctl.err")
}
# ctl_start words...: in the background; its id in $ctl_pid
ctl_start() {
	: >"$tmp/ctl.err"
	"$CTL" --config="$tmp/ctl.ini" "$@" >"$tmp/ctl.out" 2>"$tmp/ctl.err" \
	    </dev/null &
	ctl_pid=$!
}
through() {
	psql -XAtq -h "$tmp" -p "$port" -U postgres -d postgres -c "$1" 2>&1
}
# What the last ctl --json printed, by a Python expression on j.
json() {
	python3 -c 'import json,sys
j = json.load(sys.stdin)
print(eval(sys.argv[1]))' "$1" <<<"$out"
}
holding() {
	[ "$(console 'SHOW STATE' | sed -n 's/^holding|//p')" = "$1" ]
}
