#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# What PgBouncer's own tests found that ours had not looked at: the limits of
# clients on the console, servers that are replaced while they are in use, TLS
# that is changed by one SET after another.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# certificate name: name.key and name.crt, its own authority
certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
	    -keyout "$tmp/$1.key" -out "$tmp/$1.crt" 2>/dev/null
}
certificate one
certificate two

pg_init "$tmp/data"
printf 'local all carol scram-sha-256\nlocal all all trust\nhost all all 127.0.0.1/32 trust\n' \
    >"$tmp/data/pg_hba.conf"
pg_start
pg_sql "create role alice superuser login; create role bob login;
    create role carol login password 'right'" >/dev/null
databases="one = host=$tmp port=$pg_port dbname=postgres
session = host=$tmp port=$pg_port dbname=postgres pool_mode=session
again = host=$tmp port=$pg_port dbname=postgres pool_mode=session
badfirst = host=no.such.host.invalid,127.0.0.1 port=$pg_port dbname=postgres load_balance_hosts=disable
forced = host=$tmp port=$pg_port dbname=postgres user=carol password=right pool_size=1"
users_section="[users]
stats = max_user_client_connections=2"
pooler_ini "max_db_client_connections = 3" "server_login_retry = 1" \
    "query_wait_timeout = 100"
pooler_start
pooler_env

# session name command...: a psql that stays; say name "text" talks to it
declare -A session_in session_out
session() {
	local name=$1
	shift
	{
		coproc S { psql -XAtq -p "$port" "$@" 2>&1; }
	} 2>/dev/null	# "coproc still exists"
	pids+=("$S_PID")
	# shellcheck disable=SC1083
	eval "exec {session_in[$name]}>&${S[1]} {session_out[$name]}<&${S[0]}
	    ${S[1]}>&- ${S[0]}<&-"
}
say() {
	local line
	echo "$2;" >&"${session_in[$1]}"
	read -r -t 60 line <&"${session_out[$1]}"
	echo "$line"
}
bye() {
	eval "exec ${session_in[$1]}>&- ${session_out[$1]}<&-"
}

# --- limits of clients ---
console_as() {
	psql -XAtq -h 127.0.0.1 -p "$port" -U "$1" -d pgbouncer \
	    -c 'SHOW VERSION' 2>&1
}
is "the console shows its limit" 3 \
    "$(column "SHOW DATABASES" max_client_connections pgbouncer)"
for i in 1 2; do
	session "stats$i" -h 127.0.0.1 -U stats -d pgbouncer
	say "stats$i" 'SHOW VERSION' >/dev/null
done
like "a user for statistics is one of max_user_client_connections" \
    "*(max_user_client_connections)*" "$(console_as stats)"
like "an administrator is not counted out" "PgBouncer*" "$(console_as admin)"
bye stats1
bye stats2

# --- what a login costs, and a host that has no address ---
sql 'select 1' again >/dev/null
sql 'select 1' again >/dev/null
is "a login is no assignment of a server" 2 \
    "$(column "SHOW STATS_TOTALS" server_assignment_count again)"
is "nor are two servers opened for one client" 1 \
    "$(console "SHOW SERVERS" | grep -c '|again|')"
is "after a host without an address comes the next" 1 \
    "$(sql 'select 1' badfirst)"

# --- servers that are replaced ---
session busy -d one
say busy 'begin; select 2' >/dev/null
session idle -d session
say idle 'select 1' >/dev/null
console RECONNECT >/dev/null
is "RECONNECT leaves a session alone" 3 "$(say idle 'select 3')"
is "and a transaction" 4 "$(say busy 'select 4')"
say busy 'commit; select 5' >/dev/null
until_true 20 logged "closing because: close_needed"
is "which is replaced at its end" 0 $?
console "SET server_fast_close = 1" >/dev/null
console RECONNECT >/dev/null
until_true 20 logged "closing because: database configuration changed"
is "server_fast_close ends a session between its transactions" 0 $?
like "whose client is told" "*database configuration changed*" \
    "$(say idle 'select 6'; cat <&"${session_out[idle]}")"
bye idle
bye busy

# --- a password that has changed ---
session holder -d forced
say holder 'begin; select 1' >/dev/null
pg_sql "alter role carol password 'wrong'" >/dev/null
is "a login needs no server where one has answered before" 1 \
    "$(say holder 'select 1')"
console RECONNECT >/dev/null
console "SET default_pool_size = 2" >/dev/null
sed -i 's/pool_size=1$/pool_size=2/' "$tmp/pooler.ini"
console RELOAD >/dev/null
started=$SECONDS
like "a new login is told at once, not when the old server is free" \
    "*password authentication failed*" "$(sql 'select 1' forced bob)"
between "not after query_wait_timeout" 0 60 $((SECONDS - started))
bye holder

# --- TLS, piece by piece ---
tls() {
	psql -XAtq "host=localhost hostaddr=127.0.0.1 port=$port user=alice
	    dbname=one sslmode=verify-full sslrootcert=$tmp/$1.crt" \
	    -c 'select 1' 2>&1
}
console "SET client_tls_key_file = '$tmp/one.key'" >/dev/null
console "SET client_tls_cert_file = '$tmp/one.crt'" >/dev/null
console "SET client_tls_sslmode = require" >/dev/null
is "a certificate by SET" 1 "$(tls one)"
like "the key of another is not in force yet" "*still using old*" \
    "$(console "SET client_tls_key_file = '$tmp/two.key'")"
is "the former pair is" 1 "$(tls one)"
console "SET client_tls_cert_file = '$tmp/two.crt'" >/dev/null
is "with its certificate it is" 1 "$(tls two)"
like "and the former is not any more" "*certificate verify failed*" \
    "$(tls one)"

sql 'select 1' one >/dev/null
before=$(grep -c "database configuration changed" "$tmp/pooler.log")
echo "server_tls_sslmode = disable" >>"$tmp/pooler.ini"
console RELOAD >/dev/null
replaced() {
	[ "$(grep -c "database configuration changed" "$tmp/pooler.log")" \
	    -gt "$before" ]
}
until_true 20 replaced
is "idle servers of another sslmode are replaced" 0 $?

pooler_stop
done_testing
