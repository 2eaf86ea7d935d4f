#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# TLS that is refused, cut or changed in the middle, by servers and by clients
# (tlsliars.py says how), bytes in clear text where nobody may put any, key
# updates without end; a server's TLS settings change while it logs in or is
# asked to cancel.
# TLS_SECONDS, TLS_SEED: more by hand.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

is_ours || skip_all "for our own pooler"
command -v python3 >/dev/null || skip_all "no python3"
seconds=${TLS_SECONDS:-5} seed=${TLS_SEED:-1}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout "$tmp/tls.key" -out "$tmp/tls.crt" 2>/dev/null
chmod 600 "$tmp/tls.key"
pg_init "$tmp/data"
cat >>"$tmp/data/postgresql.conf" <<-CONF
	ssl = on
	listen_addresses = 'localhost'
	ssl_key_file = '$tmp/tls.key'
	ssl_cert_file = '$tmp/tls.crt'
CONF
pg_start
pg_sql 'create role alice superuser login'
free_port liar_port
free_port hang_port
free_port behind_port
databases="postgres = host=localhost port=$pg_port pool_size=5
session = host=localhost port=$pg_port dbname=postgres pool_size=3 pool_mode=session
tlsliars = host=localhost port=$liar_port pool_size=4
hangs = host=localhost port=$hang_port pool_size=1
behind = host=localhost port=$behind_port pool_size=1"
pooler_ini 'client_tls_sslmode = allow' "client_tls_key_file = $tmp/tls.key" \
    "client_tls_cert_file = $tmp/tls.crt" 'server_tls_sslmode = verify-full' \
    "server_tls_ca_file = $tmp/tls.crt" 'server_login_retry = 0' \
    'server_connect_timeout = 3' 'max_client_conn = 200' \
    'query_wait_timeout = 60' 'client_login_timeout = 60' \
    'tcp_socket_buffer = 8192'
pooler_start
pooler_env

used() {
	console 'SHOW MEM' | awk -F'|' '
		$1 ~ /client|cancel|wait/ { print $1, $3 }'
}
resident() {
	awk '/^VmRSS/ { print $2 }' "/proc/$pooler_pid/status"
}
open_files() {
	ls "/proc/$pooler_pid/fd" | wc -l
}
liars() {
	timeout 600 python3 "$top/tests/e2e/tlsliars.py" "$@" 2>&1
}

is 'all is well before' 1 "$(sql 'select 1')"
before=$(used) files=$(open_files)

# Both sides at once; the honest server's clients are among them.
liars server "$liar_port" "$tmp/tls.crt" "$tmp/tls.key" $((seconds + 65)) \
    "$seed" >"$tmp/server.out" &
liar=$!
pids+=("$liar")
liars ask "$port" "$seconds" "$seed" >"$tmp/ask.out" &
ask=$!
out=$(liars client "$port" "$seconds" "$seed")
is 'clients whose TLS breaks' 0 $?
echo "$out"
wait "$ask"
is 'clients of servers whose TLS breaks' 0 $?
cat "$tmp/ask.out"
process "$liar" && kill "$liar"
wait "$liar" 2>/dev/null
is 'no server was told anything in clear text' '' "$(cat "$tmp/server.out")"
pools() {
	console 'SHOW POOLS' | awk -F'|' '$1 ~ /liars|postgres/ {
		n += $3 + $4 + $5 + $6 + $7 + $8 + $9 + $13 } END { print n + 0 }'
}
settled() {
	[ "$(pools)" = 0 ] && [ "$(used)" = "$before" ] &&
	    [ "$(open_files)" -le $((files + 30)) ]
}
until_true 20 settled
is 'slabs are back' "$before" "$(used)"
between 'descriptors are back (but servers)' 1 $((files + 30)) "$(open_files)"
is 'the honest server is served' 1 "$(sql 'select 1')"
for what in 'received unencrypted data after SSL response' \
    'bad sslreq answer' 'server refused SSL' 'TLS handshake error'; do
	succeeds "the log has: $what" logged "$what"
done

# Key updates are answered, but not without end. (What the kernel keeps for who
# does not read is little here.)
memory=$(resident)
for how in early late; do
	out=$(timeout 600 "$B/e2e/tlsstorm" "$port" $how 2>&1)
	is "a storm of key updates, $how" 0 $?
	echo "# $how: $out"
done
if [ -n "${SLOW:-}" ]; then
	skip 'memory did not grow' 'a sanitizer keeps what is freed'
else
	between 'memory did not grow (KiB)' 1 $((memory + 16384)) "$(resident)"
fi
is 'who reads is answered' answered \
    "$(timeout 600 "$B/e2e/tlsstorm" "$port" polite 2>&1)"
is 'TLS 1.2 is not negotiated anew' 'renegotiation: refused' \
    "$(timeout 600 "$B/e2e/tlsstorm" "$port" renegotiate 2>&1)"

# The server's name is checked for a cancel, too, and on the terms of the
# connection whose query it is.
cat >"$tmp/tls" <<-SH
#!/bin/sh
psql -Xq -h $tmp -p $port -U pgbouncer -d pgbouncer \
    -c "SET server_tls_sslmode = '\$1'" >/dev/null
SH
cat >"$tmp/asked" <<-SH
#!/bin/sh
for i in \$(seq 1200); do
	[ ! -e $tmp/\$1.asked ] || exit 0
	sleep 0.05
done
exit 1
SH
chmod +x "$tmp/tls" "$tmp/asked"
liars hang "$hang_port" "$tmp/tls.crt" "$tmp/tls.key" "$tmp/go" \
    >"$tmp/hang.out" &
pids+=($!)
liars behind "$behind_port" >"$tmp/behind.out" &
pids+=($!)
hangs() {
	process "$pooler_pid"
}
talk <<-TALK
	test a cancel over TLS whose name is verified
	open a dbname=postgres
	a> Q 'select pg_sleep(600)'
	sh sleeping
	cancel a
	a< T E:57014:* Z:I
	a> Q 'select 1'
	a< T D:1 C Z:I

	test TLS is switched off while a session goes on
	open a dbname=session
	a> Q 'select ssl from pg_stat_ssl where pid = pg_backend_pid()'
	a< T D:t C Z:I
	sh '$tmp/tls disable'
	a> Q 'select pg_sleep(600)'
	sh sleeping
	cancel a
	a< T E:57014:* Z:I
	sh '$tmp/tls verify-full'
	a> Q 'select ssl from pg_stat_ssl where pid = pg_backend_pid()'
	a< T D:t C Z:I

	test TLS is switched off while a server is asked for it
	raw h
	h! '\x00\x00\x00\x23\x00\x03\x00\x00user\x00alice\x00database\x00hangs\x00\x00'
	sh '$tmp/asked go'
	sh '$tmp/tls disable'
	sh 'touch $tmp/go'
	h< R
	sh '$tmp/tls verify-full'
	open a dbname=postgres
	a> Q 'select 2'
	a< T D:2 C Z:I

	test what comes with the end of a server's login is not lost
	sh '$tmp/tls disable'
	open a dbname=behind
	a> Q 'select 3'
	a< T 'D:select 3' C Z:I
	a> Q 'select 4'
	a< T 'D:select 4' C Z:I
	sh '$tmp/tls verify-full'
TALK
succeeds 'the pooler lives' hangs
pooler_stop
done_testing
