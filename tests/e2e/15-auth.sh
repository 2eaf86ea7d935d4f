#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The pooler's modules (auth, scram, tls, wire) against real peers: as a client
# of PostgreSQL, and as a server for psql; trust, clear text, md5, SCRAM, and
# TLS under them. The pooler itself is not needed.
# sanitizers
. "$(dirname "$0")/lib.sh"

probe=$B/e2e/authprobe
[ -x "$probe" ] || skip_all "no $probe"

# expect "name" "line" arguments of authprobe...
expect() {
	local title=$1 line=$2
	shift 2
	is "$title" "$line" "$("$probe" "$@" 2>&1)"
}

# serve "name" "line" "psql's parameters" password arguments of authprobe...
# psql finds nobody who answers queries: that it got that far is enough.
serve() {
	local title=$1 line=$2 conninfo=$3 password=$4 got
	shift 4
	"$probe" -l "$@" >"$tmp/ready" 2>&1 &
	{
		read -r got && [ "$got" = ready ] &&
		    PGPASSWORD=$password PGSSLCERT=$tmp/none \
		    psql -X -c '' "host=localhost hostaddr=127.0.0.1
		    port=$own dbname=x connect_timeout=10 $conninfo" \
		    >/dev/null 2>"$tmp/psql.log"
		read -r got
	} <"$tmp/ready"
	wait $!
	is "$title" "$line" "$got"
}

# direct "name" "line" options of s_client... (psql knows it from 17 on)
direct() {
	local title=$1 line=$2 got
	shift 2
	"$probe" -l -k "$key" -e "$cert" "$own" trust al '' >"$tmp/ready" 2>&1 &
	{
		read -r got && openssl s_client -connect "127.0.0.1:$own" \
		    "$@" </dev/null >/dev/null 2>&1
		read -r got
	} <"$tmp/ready"
	wait $!
	is "$title" "$line" "$got"
}

pg_init "$tmp/data"
key=$tmp/data/server.key cert=$tmp/data/server.crt
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 \
    -subj /CN=db -addext subjectAltName=DNS:localhost -keyout "$key" \
    -out "$cert" 2>/dev/null
chmod 600 "$key"
echo 'ssl = on' >>"$tmp/data/postgresql.conf"
cat >"$tmp/data/pg_hba.conf" <<HBA
local	all	postgres		trust
host	all	u_trust	127.0.0.1/32	trust
host	all	u_clear	127.0.0.1/32	password
host	all	u_md5	127.0.0.1/32	md5
host	all	u_both	127.0.0.1/32	md5
hostssl	all	u_scram	127.0.0.1/32	scram-sha-256
host	all	u_scram	127.0.0.1/32	scram-sha-256
HBA
pg_start
free_port own
mkfifo "$tmp/ready"

pg_sql "set client_min_messages = error; set password_encryption = md5;
    create user u_trust; create user u_md5 password 'pw';
    set password_encryption = 'scram-sha-256';
    create user u_clear password 'pw'; create user u_both password 'pw';
    create user u_scram password 'pw'"
md5=$(pg_sql "select rolpassword from pg_authid where rolname = 'u_md5'")
scram=$(pg_sql "select rolpassword from pg_authid where rolname = 'u_scram'")
both=$(pg_sql "select rolpassword from pg_authid where rolname = 'u_both'")
wrong='refused: server login failed: wrong password type'
nobody='server: 28P01 password authentication failed for user'

expect 'trust' 'ok - 0' 127.0.0.1 "$pg_port" u_trust ''
expect 'trust over a Unix socket' 'ok - 0' "$tmp" "$pg_port" postgres ''
expect 'clear text' 'ok - 3 0' 127.0.0.1 "$pg_port" u_clear pw
expect 'clear text, wrong' "$nobody \"u_clear\"" \
    127.0.0.1 "$pg_port" u_clear no
expect 'md5 from a password' 'ok - 5 0' 127.0.0.1 "$pg_port" u_md5 pw
expect 'md5 from its hash' 'ok - 5 0' 127.0.0.1 "$pg_port" u_md5 "$md5"
expect 'md5, wrong' "$nobody \"u_md5\"" 127.0.0.1 "$pg_port" u_md5 no
expect 'md5 asked, SCRAM secret' \
    "$wrong (cannot do MD5 authentication: wrong password type)" \
    127.0.0.1 "$pg_port" u_md5 "$scram"
expect 'SCRAM from a password' 'ok - 10 11 12 0' 127.0.0.1 "$pg_port" u_scram pw
expect 'SCRAM under the md5 method' 'ok - 10 11 12 0' \
    127.0.0.1 "$pg_port" u_both pw
expect 'SCRAM, wrong' "$nobody \"u_scram\"" 127.0.0.1 "$pg_port" u_scram no
expect 'SCRAM with keys of a client' 'ok - 10 11 12 0' \
    127.0.0.1 "$pg_port" u_scram "$scram" pw
expect 'SCRAM with keys of another secret' "$nobody \"u_scram\"" \
    127.0.0.1 "$pg_port" u_scram "$both" pw
expect 'SCRAM with a secret only' "$wrong (cannot do SCRAM authentication:\
 password is SCRAM secret but client authentication did not provide SCRAM\
 keys)" 127.0.0.1 "$pg_port" u_scram "$scram"
expect 'SCRAM with an md5 secret' \
    "$wrong (cannot do SCRAM authentication: wrong password type)" \
    127.0.0.1 "$pg_port" u_scram "$md5"
expect 'SCRAM without a password' "$nobody \"u_scram\"" \
    127.0.0.1 "$pg_port" u_scram ''
expect 'unknown user' "server: 28000 no pg_hba.conf entry for host\
 \"127.0.0.1\", user \"u_nobody\", database \"postgres\", no encryption" \
    127.0.0.1 "$pg_port" u_nobody pw
expect 'SCRAM under TLS' 'ok TLSv1.3/TLS_AES_256_GCM_SHA384 10 11 12 0' \
    -t none 127.0.0.1 "$pg_port" u_scram pw
expect 'verify-ca' 'ok TLSv1.3/TLS_AES_256_GCM_SHA384 0' \
    -t ca -c "$cert" 127.0.0.1 "$pg_port" u_trust ''
expect 'verify-full' 'ok TLSv1.3/TLS_AES_256_GCM_SHA384 0' \
    -t full -c "$cert" localhost "$pg_port" u_trust ''
expect 'verify-full, another name' "refused: handshake failed: certificate\
 verify failed: IP address mismatch" \
    -t full -c "$cert" 127.0.0.1 "$pg_port" u_trust ''
expect 'verify-ca, unknown issuer' "refused: handshake failed: certificate\
 verify failed: self-signed certificate" \
    -t ca 127.0.0.1 "$pg_port" u_trust ''

pw_failed='password authentication failed'
serve 'psql, trust' 'ok - 0' 'user=al' '' "$own" trust al ''
serve 'psql, trust, unknown' \
    'refused: "trust" authentication failed ()' 'user=al' '' \
    "$own" trust al -
serve 'psql, clear text' 'ok - 3 0' 'user=al' pw "$own" plain al pw
serve 'psql, clear text, SCRAM secret' 'ok - 3 0' \
    'user=al' pw "$own" plain al "$scram"
serve 'psql, clear text, wrong' "refused: $pw_failed ()" \
    'user=al' no "$own" plain al "$scram"
serve 'psql, md5' 'ok - 5 0' 'user=u_md5' pw "$own" md5 u_md5 "$md5"
serve 'psql, md5, plain secret' 'ok - 5 0' 'user=al' pw "$own" md5 al pw
serve 'psql, md5, wrong' "refused: $pw_failed ()" \
    'user=u_md5' no "$own" md5 u_md5 "$md5"
serve 'psql, md5 and a SCRAM secret' 'ok - 10 11 12 0' \
    'user=al' pw "$own" md5 al "$scram"
serve 'psql, SCRAM' 'ok - 10 11 12 0' 'user=al' pw "$own" scram al "$scram"
serve 'psql, SCRAM, plain secret' 'ok - 10 11 12 0' \
    'user=al' 'Größe ²' "$own" scram al 'Größe 2'
serve 'psql, SCRAM, wrong' "refused: SASL authentication failed ($pw_failed)" \
    'user=al' no "$own" scram al "$scram"
grep -q 'SASL authentication failed' "$tmp/psql.log" && got=told || got=not
is 'psql is told so' told "$got"
serve 'psql, SCRAM, unknown' "refused: SASL authentication failed ($pw_failed)" \
    'user=al' pw "$own" scram al -
grep -q 'SASL authentication failed' "$tmp/psql.log" && got=told || got=not
is 'psql is told the same' told "$got"
serve 'psql, TLS' 'ok TLSv1.3/TLS_AES_256_GCM_SHA384 10 11 12 0' \
    "user=al sslmode=verify-full sslrootcert=$cert" pw \
    -k "$key" -e "$cert" \
    "$own" scram al "$scram"
serve 'psql, TLS, no certificate' \
    'refused: handshake failed: peer did not return a certificate' \
    "user=al sslmode=require" '' \
    -k "$key" -e "$cert" \
    -c "$cert" "$own" trust al ''
serve 'psql, TLS, certificate' \
    'ok TLSv1.3/TLS_AES_256_GCM_SHA384 0 localhost' \
    "user=al sslmode=require sslkey=$key
    sslcert=$cert" '' \
    -k "$key" -e "$cert" \
    -c "$cert" "$own" trust al ''

direct 'direct TLS' 'direct TLS, ALPN' -alpn postgresql
direct 'direct TLS, one of several' 'direct TLS, ALPN' -alpn h2,postgresql
direct 'direct TLS, no ALPN' 'direct TLS, no ALPN'
direct 'direct TLS, another protocol' \
    'refused: handshake failed: no application protocol' -alpn h2

# A server complains about a session that was cut, not about one that ended.
grep -q 'unexpected eof' "$tmp/data.log" && got=cut || got=ended
is 'sessions end properly' ended "$got"
done_testing
