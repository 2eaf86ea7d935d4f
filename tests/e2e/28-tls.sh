#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# TLS to the pooler and from it to the server: what is asked for is what is
# had, certificates are checked as sslmode says, both sides at once.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# certificate name subject [ca]: name.key and name.crt, signed by the ca
certificate() {
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -subj "/CN=$2" -keyout "$tmp/$1.key" -out "$tmp/$1.csr" 2>/dev/null
	if [ $# -eq 2 ]; then
		openssl x509 -req -days 2 -in "$tmp/$1.csr" \
		    -signkey "$tmp/$1.key" -out "$tmp/$1.crt" 2>/dev/null
	else
		openssl x509 -req -days 2 -in "$tmp/$1.csr" -CA "$tmp/$3.crt" \
		    -CAkey "$tmp/$3.key" -CAcreateserial -extfile \
		    <(echo "subjectAltName=DNS:$2") \
		    -out "$tmp/$1.crt" 2>/dev/null
	fi
	chmod 600 "$tmp/$1.key"
}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -days 2 -subj /CN=ca -keyout "$tmp/ca.key" -out "$tmp/ca.crt" 2>/dev/null
certificate localhost localhost ca
certificate alice alice ca
certificate bob bob ca
certificate elsewhere elsewhere ca
certificate stranger alice

pg_init "$tmp/data"
cp "$tmp/localhost.key" "$tmp/localhost.crt" "$tmp/data/"
cat >>"$tmp/data/postgresql.conf" <<-CONF
	ssl = on
	listen_addresses = 'localhost'
	ssl_key_file = 'localhost.key'
	ssl_cert_file = 'localhost.crt'
	ssl_ca_file = '$tmp/ca.crt'
CONF
pg_start
pg_sql 'create role alice superuser login; create role bob login'

# login "name" wanted "conninfo": its user and whether the server's side is
# encrypted, or the error
login() {
	like "$1" "$2" "$(psql -XAtq "host=localhost hostaddr=127.0.0.1
	    port=$port dbname=postgres user=alice sslcert=$tmp/none $3" -c "select
	    current_user, ssl from pg_stat_ssl where pid = pg_backend_pid()" \
	    2>&1 | sed 's/^psql: error: //; s/.*FATAL:  //' | head -1)"
}
restart() {
	[ -z "${pooler_pid:-}" ] || pooler_stop
	pooler_ini "client_tls_key_file = $tmp/localhost.key" \
	    "client_tls_cert_file = $tmp/localhost.crt" \
	    "client_tls_ca_file = $tmp/ca.crt" 'server_login_retry = 1' "$@"
	pooler_start
}
by_alice="sslcert=$tmp/alice.crt sslkey=$tmp/alice.key"

databases="postgres = host=127.0.0.1 port=$pg_port"
restart 'client_tls_sslmode = disable' 'server_tls_sslmode = disable'
login 'disable: none asked for' 'alice|f' sslmode=prefer
login 'disable: TLS asked for' '*does not support SSL*' sslmode=require

restart 'client_tls_sslmode = allow' 'server_tls_sslmode = prefer'
login 'allow: without' 'alice|t' sslmode=disable
login 'allow: with' 'alice|t' "sslmode=verify-full sslrootcert=$tmp/ca.crt"

# direct options of s_client...: the answer to the start-up packet of a client
# that starts TLS at once (psql can from 17 on)
direct() {
	printf '\0\0\0\046\0\003\0\0user\0alice\0database\0postgres\0\0X\0\0\0\4' |
	    timeout 120 openssl s_client -quiet -connect "127.0.0.1:$port" "$@" \
	    2>/dev/null | head -c 9 | od -An -tx1 | tr -d ' \n'
}
login_ok=520000000800000000
is 'direct TLS with ALPN' $login_ok "$(direct -alpn postgresql)"
is 'direct TLS, one of several protocols' $login_ok \
    "$(direct -alpn h2,postgresql)"
is 'direct TLS with another protocol' '' "$(direct -alpn h2)"
if is_ours; then
	# PgBouncer lets it in; PostgreSQL does not.
	is 'direct TLS without ALPN' '' "$(direct)"
	succeeds 'and the log says why' logged \
	    'closing because: direct TLS without ALPN protocol "postgresql"'
fi

restart 'client_tls_sslmode = require' 'server_tls_sslmode = require'
login 'require: without' 'SSL required' sslmode=disable
login 'require: with' 'alice|t' sslmode=require
login 'require: another name' '*does not match host name*' \
    "sslmode=verify-full sslrootcert=$tmp/ca.crt host=elsewhere"
sql 'select 1' >/dev/null
is 'require: a Unix socket needs none' 1 "$(sql 'select 1')"

restart 'client_tls_sslmode = verify-ca' 'server_tls_sslmode = verify-ca' \
    "server_tls_ca_file = $tmp/ca.crt"
login 'verify-ca: a certificate' 'alice|t' "sslmode=require $by_alice"
login 'verify-ca: none' '*certificate required*' sslmode=require
login 'verify-ca: of a stranger' '*unknown ca*' \
    "sslmode=require sslcert=$tmp/stranger.crt sslkey=$tmp/stranger.key"

databases="postgres = host=localhost port=$pg_port"
restart 'client_tls_sslmode = verify-full' 'server_tls_sslmode = verify-full' \
    "server_tls_ca_file = $tmp/ca.crt"
login 'verify-full: a certificate' 'alice|t' "sslmode=require $by_alice"
login 'verify-full: none' '*certificate required*' sslmode=require

databases="postgres = host=127.0.0.1 port=$pg_port"
restart 'client_tls_sslmode = prefer' 'server_tls_sslmode = verify-full' \
    "server_tls_ca_file = $tmp/ca.crt" 'query_wait_timeout = 2' \
    'client_login_timeout = 2'
login 'verify-full: the server has another name' '*' sslmode=disable
succeeds 'and the log says why' until_true 5 grep -qE \
    'TLS handshake (error|failed): .*(name|certificate|IP)' "$tmp/pooler.log"

databases="postgres = host=127.0.0.1 port=$pg_port"
restart 'client_tls_sslmode = prefer' 'server_tls_sslmode = verify-ca' \
    "server_tls_ca_file = $tmp/alice.crt" 'query_wait_timeout = 2' \
    'client_login_timeout = 2'
login 'verify-ca: an unknown issuer' '*' sslmode=disable
succeeds 'and the log says why' until_true 5 grep -qE 'TLS handshake (error|failed): ' \
    "$tmp/pooler.log"

restart 'client_tls_sslmode = require' 'server_tls_sslmode = require'
pgbench -i -q -h "$tmp" -p "$pg_port" -U postgres postgres >/dev/null 2>&1
succeeds 'pgbench, TLS on both sides' env PGSSLMODE=require pgbench -n -S \
    -h 127.0.0.1 -p "$port" -U alice -M prepared -c 10 -j 2 -t 50 postgres
is 'much, TLS on both sides' 20971520 "$(PGSSLMODE=require psql -XAtq \
    -h 127.0.0.1 -p "$port" -U alice -d postgres \
    -c "copy (select repeat('x', 1048575) from generate_series(1, 20)) to stdout" |
    wc -c)"
pooler_stop
is 'sessions end properly' '' "$(grep 'unexpected eof while' \
    "$tmp/pooler.log" "$tmp/data.log")"
done_testing
