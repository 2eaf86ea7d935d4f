#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# What goes wrong: rubbish on the socket, a server that dies, lies or is not
# there. The pooler says so and goes on.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

pg_start
free_port nobody
databases="one = host=$tmp port=$pg_port dbname=postgres user=postgres pool_size=1
two = host=$tmp port=$pg_port dbname=postgres user=postgres pool_size=2
nodb = host=$tmp port=$pg_port dbname=missing user=postgres
norole = host=$tmp port=$pg_port dbname=postgres user=missing
fresh = host=$tmp port=$pg_port dbname=postgres user=postgres
down = host=127.0.0.1 port=$nobody dbname=postgres user=postgres"
pooler_ini 'server_login_retry = 1' 'client_login_timeout = 15' \
    'max_client_conn = 200'
pooler_start
pooler_env
alive() {
	is "$1: the pooler goes on" 1 "$(sql 'select 1' one)"
}

talk <<'DRIVE'
test rubbish instead of a startup packet
raw x
x! '\xff\xff\xff\xff\xff\xff\xff\xff'
x< ... EOF

test a startup packet of two gigabytes
raw x
x! '\x7f\xff\xff\xff\x00\x03\x00\x00user\x00alice\x00\x00'
x< ... EOF

test a length shorter than itself
raw x
x! '\x00\x00\x00\x03'
x< ... EOF

test HTTP
raw x
x! 'GET / HTTP/1.1\n\n\n\n'
x< ... EOF

test protocol 2
raw x
x! '\x00\x00\x00\x08\x00\x02\x00\x00'
x< 'E:08P01:old V2 protocol not supported' EOF

test no user
raw x
x! '\x00\x00\x00\x13\x00\x03\x00\x00database\x00x\x00\x00'
x< E:08P01:* EOF

test startup without its last byte
raw x
x! '\x00\x00\x00\x13\x00\x03\x00\x00user\x00alice\x00'
x< E:08P01:* EOF

test a query before the startup packet
raw x
x! 'Q\x00\x00\x00\x0dselect 1\x00'
x< ... EOF

test a password before the startup packet
raw x
x! 'p\x00\x00\x00\x08abc\x00'
x< ... EOF

test a startup packet in pieces of one byte is fine
raw x
x! '\x00'
sleep 20
x! '\x00\x00'
sleep 20
x! '\x21\x00\x03\x00\x00us'
sleep 20
x! 'er\x00alice\x00data'
sleep 20
x! 'base\x00two\x00\x00'
x< R:0 ... Z:I

test protocol 3.2 is negotiated down
raw x
x! '\x00\x00\x00\x21\x00\x03\x00\x02user\x00alice\x00database\x00two\x00\x00'
x< v R:0 ... Z:I

test SSLRequest without TLS gets N, GSSENCRequest too, then the login
raw x
x! '\x00\x00\x00\x08\x04\xd2\x16\x2f'
sleep 50
raw y
y! '\x00\x00\x00\x08\x04\xd2\x16\x30'

test a message nobody knows
open a dbname=one
a! '~\x00\x00\x00\x04'
a< ... EOF

test a message of negative length
open a dbname=one
a! 'Q\xff\xff\xff\xf0'
a< ... EOF

test a message of length zero
open a dbname=one
a! 'Q\x00\x00\x00\x00'
a< ... EOF

test a second startup packet after the login
open a dbname=one
a! '\x00\x00\x00\x21\x00\x03\x00\x00user\x00alice\x00database\x00two\x00\x00'
a< ... EOF

test Parse with a text that does not end
open a dbname=one
a! 'P\x00\x00\x00\x0anoendx'
a! 'S\x00\x00\x00\x04'
a< ... E ...  EOF

test Bind cut in its counts
open a dbname=one
a> P s 'select 1' ; S
a< 1 Z:I
a! 'B\x00\x00\x00\x09\x00s\x00\x00\x05'
a! 'S\x00\x00\x00\x04'
a< E:08P01:*

test half a message, then nothing, then gone
open a dbname=one
a! 'Q\x00\x00\x10\x00select'
sleep 100
reset a
open b dbname=one
b> Q 'select 1'
b< T D:1 C Z:I

test half a message at the end of a batch, then gone
open a dbname=one
a> P '' 'select 1' ; B ''
a! 'E\x00\x00'
sleep 100
reset a
open b dbname=one
b> Q 'select 1'
b< T D:1 C Z:I

test a startup parameter nobody supports
openfail 'dbname=one options=-cnonsense=1' '*unsupported startup parameter in options: nonsense*'
openfail 'dbname=one options=--=1' '*'
openfail 'dbname=one options=-c=' '*'

test a cancel request of the wrong length
raw x
x! '\x00\x00\x00\x0c\x04\xd2\x16\x2e\x00\x00\x00\x01'
x< ... EOF
DRIVE
alive "rubbish"

# Random bytes, in the login and behind it.
for i in $(seq 30); do
	head -c $((i * 37)) /dev/urandom |
	    timeout 5 socat -t 0.1 - "UNIX-CONNECT:$tmp/.s.PGSQL.$port" \
	    >/dev/null 2>&1
done
alive "30 times random bytes"
hundred() {
	local i fds=()
	for i in $(seq 100); do
		exec {fd}<>"/dev/tcp/127.0.0.1/$port" && fds+=("$fd")
	done
	sql 'select 1' one
	for fd in "${fds[@]}"; do
		exec {fd}>&-
	done
}
is "100 connections that say nothing hold nobody up" 1 "$(hundred)"

talk <<'DRIVE'
test the server has no such database
openfail dbname=nodb '*database "missing" does not exist*'

test the server has no such role
openfail dbname=norole '*role "missing" does not exist*'

test nobody listens there
openfail dbname=down '*'

test a server process is killed in the middle of a query
open a dbname=one
open k dbname=two
a> Q 'select pg_backend_pid()'
a< T D C Z:I
let pid a
a> Q 'select pg_sleep(60)'
sh sleeping
k> Q 'select pg_terminate_backend(${pid})'
k< T D:t C Z:I
a< ... E ... EOF

test a server process is killed in a transaction, the client is told
open a dbname=one
open k dbname=two
a> Q 'begin; select pg_backend_pid()'
a< C T D C Z:T
let pid a
k> Q 'select pg_terminate_backend(${pid})'
k< T D:t C Z:I
a< E ... EOF

test a server process is killed while it is idle: nobody notices
open a dbname=one
open k dbname=two
a> Q 'select pg_backend_pid()'
a< T D C Z:I
let pid a
k> Q 'select pg_terminate_backend(${pid})'
k< T D:t C Z:I
sh 'shows -v "SHOW SERVERS" "[|]${pid}[|]"'
a> Q 'select 2'
a< T D:2 C Z:I
DRIVE
# The client's message comes first, and cannot be sent any more: the client
# still hears why.
cat >"$tmp/terminate" <<-SH
	psql -XAtqc "select pg_terminate_backend(\$1)" \\
	    -h "$tmp" -p "$pg_port" -U postgres postgres >/dev/null
	while kill -0 \$1 2>/dev/null; do sleep 0.01; done
SH
# Each of its threads stands still when this returns.
cat >"$tmp/halt" <<-SH
	kill -STOP \$1
	while grep -h '^State' /proc/\$1/task/*/status | grep -qv stopped; do
		sleep 0.01
	done
SH
talk <<DRIVE
test a server process is killed just before its client asks for more
open a dbname=one
a> Q 'begin; select pg_backend_pid()'
a< C T D C Z:T
let pid a
sh 'sh $tmp/halt $pooler_pid'
a> Q 'select 1'
sh 'sh $tmp/terminate \${pid}'
sh 'kill -CONT $pooler_pid'
a< 'E:57P01:terminating connection*' EOF
DRIVE
# A connection that is dead and does not say so, seen by the check.
console 'SET server_connect_timeout = 1' >/dev/null
console "SET server_check_query = 'select 1'" >/dev/null
console 'SET server_check_delay = 0' >/dev/null
talk <<'DRIVE'
test a server that does not answer the check: another one is taken
open a dbname=two
a> Q 'select pg_backend_pid()'
a< T D C Z:I
let pid a
sh 'kill -STOP ${pid}'
a> Q 'select 17'
a< T D:17 C Z:I
sh 'kill -CONT ${pid}'
DRIVE
console 'SET server_connect_timeout = 15' >/dev/null
# The first client of a pool, whose first server is checked meanwhile.
console "SET server_check_query = 'select pg_sleep(0.5)'" >/dev/null
is 'a client that was welcomed before its server was checked' 18 \
    "$(timeout 120 psql -XAtq -h "$tmp" -p "$port" -U alice fresh \
    -c 'select 18' 2>&1)"
console 'SET server_check_query = <empty>' >/dev/null
console 'SET server_check_delay = 30' >/dev/null
succeeds "log: server conn crashed? or the server's own words" \
    grep -qE 'server conn crashed|terminating connection' "$tmp/pooler.log"

# The whole server is killed and comes back.
talk < <(cat <<DRIVE
test PostgreSQL is killed under a running query
open a dbname=one
open b dbname=two
b> Q 'select 1'
b< T D:1 C Z:I
a> Q 'select pg_sleep(60)'
sh sleeping
sh 'kill -9 $(head -1 "$tmp/data/postmaster.pid")'
DRIVE
)
until_true 10 pg_left "$tmp/data"
rm -f "$tmp/data/postmaster.pid" "$tmp/.s.PGSQL.$pg_port"*
console "SET query_wait_timeout = 4" >/dev/null
out=$(timeout 120 psql -XAtq -h "$tmp" -p "$port" -U alice one -c 'select 1' 2>&1)
is "the server is down: an error, not a hang" 2 $?
like "which says why" "*FATAL*query_wait_timeout*" "$out"
console "SET query_wait_timeout = 120" >/dev/null
pg_start
back() {
	[ "$(timeout 30 psql -XAtq -h "$tmp" -p "$port" -U alice one -c \
	    'select 1' 2>&1)" = 1 ]
}
succeeds "PostgreSQL comes back: so do we" until_true 15 back
is "no client is left waiting" 0 "$(column 'SHOW POOLS' cl_waiting 'one|postgres')"

# A client sends half a million messages that no server ever sees while its
# query runs: what has to be remembered of them is bounded.
rss() {
	awk '/^VmHWM/ { print $2 }' "/proc/$pooler_pid/status"
}
printf 'C\0\0\0\007Sx\0' >"$tmp/flood"
for _ in $(seq 19); do
	cat "$tmp/flood" "$tmp/flood" >"$tmp/twice"
	mv "$tmp/twice" "$tmp/flood"
done
before=$(rss)
exec 9<>"/dev/tcp/127.0.0.1/$port"
{
	printf '\0\0\0\041\0\003\0\0user\0alice\0database\0one\0\0'
	printf 'Q\0\0\0\027select pg_sleep(2)\0'
	cat "$tmp/flood"
	printf 'S\0\0\0\004X\0\0\0\004'
} >&9 &
flood=$!
answers=$(timeout 600 cat <&9 | tr -dc 3 | wc -c)
exec 9>&-
wait $flood
between "half a million Closes behind a slow query are answered" \
    $((1 << 19)) $(((1 << 19) + 200)) "$answers"
if is_ours && [ -z "${SLOW:-}" ]; then
	between "and their memory is bounded: $(($(rss) - before)) kB" 0 32768 \
	    $(($(rss) - before))
fi

# A server that is none: it accepts and says nothing, or something strange.
console "SET server_connect_timeout = 1" >/dev/null
fake_start() {
	free_port fake_port
	socat "TCP-LISTEN:$fake_port,bind=127.0.0.1,fork,reuseaddr" "$1" &
	fake_pid=$!
	pids+=("$fake_pid")
	until_true 5 eval '(: </dev/tcp/127.0.0.1/$fake_port)'
	sed -i "/^fake /d; s/^one = /fake = host=127.0.0.1 port=$fake_port dbname=x user=postgres\n&/" \
	    "$tmp/pooler.ini"
	console RELOAD >/dev/null
	console "SET server_connect_timeout = 1" >/dev/null
}
fake() {
	fake_start "$1"
	# No login can end well, so none is given long.
	console "SET client_login_timeout = 3" >/dev/null
	timeout 120 psql -XAtq -h "$tmp" -p "$port" -U alice fake -c 'select 1' \
	    >"$tmp/fake.out" 2>&1
	echo $? >"$tmp/fake.rc"
	stop_pid "$fake_pid"
}
fake "SYSTEM:sleep 30"
is "a server that never answers: the client is told" 2 "$(cat "$tmp/fake.rc")"
succeeds "log: connect timeout" logged "connect timeout"
fake "SYSTEM:echo hello; sleep 5"
is "a server that speaks something else" 2 "$(cat "$tmp/fake.rc")"
fake "SYSTEM:printf 'R\\\\377\\\\377\\\\377\\\\377aaaa'; sleep 5"
is "a server that sends an immense message" 2 "$(cat "$tmp/fake.rc")"
fake "SYSTEM:true"
is "a server that hangs up" 2 "$(cat "$tmp/fake.rc")"

# One that says that it goes, and keeps its socket: PostgreSQL's processes end
# a little later, too. It is given to nobody in between.
cat >"$tmp/leaver.sh" <<'END'
#!/bin/sh
head -c 8 >/dev/null
printf N
head -c 8 >/dev/null
printf 'R\000\000\000\010\000\000\000\000Z\000\000\000\005I'
sleep 1
printf 'E\000\000\000\043SFATAL\000VFATAL\000C57P01\000Mthe end\000\000'
sleep 60
END
chmod 755 "$tmp/leaver.sh"
fake_start "EXEC:$tmp/leaver.sh"
psql -XAtq -h "$tmp" -p "$port" -U alice fake -c '\q'
has_left() {
	logged "when not linked: FATAL the end" &&
	    [ -z "$(console "SHOW SERVERS" | grep fake)" ]
}
if is_ours; then
	until_true 30 has_left
	is "an idle server that says it goes is closed at once" 0 $?
fi
stop_pid "$fake_pid"
alive "strange servers"
pooler_stop
done_testing
