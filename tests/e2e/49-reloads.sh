#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# RELOAD in the middle of everything: sizes, limits, databases, ways to log
# in, certificates come and go under load (storm.c looks at each answer), files
# that are wrong change nothing at all, and a new password holds for clients
# that are logged in.
# RELOAD_CLIENTS, RELOAD_SECONDS, RELOAD_SEED: more by hand.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

is_ours || skip_all "for our own pooler"
clients=${RELOAD_CLIENTS:-40} seconds=${RELOAD_SECONDS:-6}
seed=${RELOAD_SEED:-1}
for i in 1 2; do
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -days 2 -subj "/CN=number$i" -keyout "$tmp/tls$i.key" \
	    -out "$tmp/tls$i.crt" 2>/dev/null
	chmod 600 "$tmp/tls$i.key"
done
pg_start
pg_sql 'create role alice superuser login;
    create table storm (client int, value int);
    create table storm_copy (line text)'
server="host=$tmp port=$pg_port"
# ini lines...: the file, with what differs from the usual one in front
ini() {
	databases=${ini_databases:-"postgres = $server pool_size=20"}
	pooler_ini "max_client_conn = $((clients * 3 + 100))" \
	    'query_wait_timeout = 50' 'server_login_retry = 0' \
	    'server_idle_timeout = 600' 'client_tls_sslmode = allow' \
	    "client_tls_key_file = $tmp/tls.key" \
	    "client_tls_cert_file = $tmp/tls.crt" "$@"
}
certificate() {
	cp "$tmp/tls$1.key" "$tmp/tls.key"
	cp "$tmp/tls$1.crt" "$tmp/tls.crt"
}
certificate 1
ini
pooler_start
pooler_env

used() {
	console 'SHOW MEM' | awk -F'|' '
		$1 ~ /client|cancel|wait/ { print $1, $3 }'
}
setting() {
	console 'SHOW CONFIG' | awk -F'|' -v k="$1" '$1 == k { print $2 }'
}
everything() {
	console 'SHOW CONFIG'
	console 'SHOW DATABASES' | cut -d'|' -f1-5,9-
	console 'SHOW USERS'
}
servers() {
	pg_sql "select count(*) from pg_stat_activity where usename = 'alice'"
}

# --- under load -------------------------------------------------------------

sql 'select 1' >/dev/null
before=$(used)
"$B/e2e/storm" "$clients" "$seconds" "$seed" rough >"$tmp/storm.out" 2>&1 &
storm=$!
pids+=("$storm")
rounds=0 refused=0 told=0
# reloads wanted: RELOAD's answer must be such a one
reloads() {
	rounds=$((rounds + 1))
	case $(console RELOAD) in
	*ERROR*) [ "$1" = no ] || { told=$((told + 1)); } ;;
	*) [ "$1" = yes ] || refused=$((refused + 1)) ;;
	esac
}
end=$((SECONDS + seconds))
while [ $SECONDS -lt $end ]; do
	case $((rounds % 16)) in
	0) ini_databases="postgres = $server pool_size=1" ini ;;
	1) ini_databases="postgres = $server pool_size=20" ini ;;
	2) ini_databases="postgres = $server pool_size=0" ini ;;
	3) ini 'max_db_connections = 2' ;;
	4) ini 'max_user_connections = 1' ;;
	5) ini_databases="other = $server" ini ;;
	6) ini ;;
	7) ini 'auth_type = scram-sha-256' ;;
	8) ini; certificate 2 ;;
	9) ini 'max_prepared_statements = 1' ;;
	10) ini 'max_prepared_statements = 0' 'pool_mode = session' ;;
	11) ini 'worker_threads = 5' 'listen_addr = 127.0.0.1, ::1' \
	    "unix_socket_dir = $tmp/nowhere" 'track_extra_parameters = search_path' ;;
	12) ini_databases="* = $server pool_size=3" ini 'server_fast_close = 1' ;;
	13) ini 'max_client_conn = 5' 'default_pool_size = nonsense' ;;
	14) ini 'client_tls_cert_file = /nowhere' ;;
	15) ini 'client_idle_timeout = 1' 'idle_transaction_timeout = 1'
	    certificate 1 ;;
	esac
	case $((rounds % 16)) in
	13 | 14) reloads no ;;
	*) reloads yes ;;
	esac
	sleep 0.$((RANDOM % 3))
done
is 'a wrong file was never taken' 0 "$refused"
is 'a right one always' 0 "$told"
certificate 1
ini
is 'the usual one again' '' "$(console RELOAD)"
wait "$storm"
is "$clients clients for $seconds s, everything reloaded" 0 $?
grep -v '^FATAL' "$tmp/storm.out" | sed 's/^/# /'
echo "# $rounds times"
pools() {
	console 'SHOW POOLS' | awk -F'|' '$1 != "pgbouncer" {
		n += $3 + $4 + $5 + $6 + $7 + $8 + $9 + $13 } END { print n + 0 }'
}
settled() {
	[ "$(pools)" = 0 ] && [ "$(used)" = "$before" ]
}
until_true 20 settled
is 'no client, no busy server' 0 "$(pools)"
is 'slabs are back' "$before" "$(used)"
is 'all works on' 1 "$(sql 'select 1')"
is 'sockets and threads are what they were' "2 127.0.0.1 $tmp" \
    "$(setting worker_threads) $(setting listen_addr) $(setting unix_socket_dir)"

# --- one by one -------------------------------------------------------------

# Twenty servers in use, then one is allowed: they go as they become free.
pgbench -n -h "$tmp" -p "$port" -U alice -c 20 -t 3 -f <(
	echo 'select pg_sleep(0.05);') postgres >/dev/null 2>&1
ini_databases="postgres = $server pool_size=1" ini
console RELOAD >/dev/null
few() {
	[ "$(servers)" -le 1 ]
}
succeeds 'pool_size 20, then 1: one server is left' until_true 20 few
pgbench -n -h "$tmp" -p "$port" -U alice -c 20 -t 3 -f <(
	echo 'select pg_sleep(0.01);') postgres >/dev/null 2>&1
is 'and stays the only one' 1 "$(servers)"
ini
console RELOAD >/dev/null

# Limits below what is in use: nobody is thrown out, nobody new comes in.
talk <<-TALK
	test max_db_connections falls below what is in use
	open a
	open b
	open c
	a> Q begin
	b> Q begin
	a< C Z:T
	b< C Z:T
	sh 'psql -Xqt -h $tmp -p $port -U pgbouncer -d pgbouncer -c "SET max_db_connections = 1" >/dev/null'
	c> Q 'select 3'
	silent c 300
	a> Q commit
	a< C Z:I
	b> Q 'select 2'
	b< T D:2 C Z:T
	b> Q commit
	b< C Z:I
	c< T D:3 C Z:I
	sh 'psql -Xqt -h $tmp -p $port -U pgbouncer -d pgbouncer -c "SET max_db_connections = 0" >/dev/null'
TALK

# All or nothing.
was=$(everything)
cp "$tmp/userlist.txt" "$tmp/userlist.good"
echo '"eve" "evepw"' >>"$tmp/userlist.txt"
for wrong in 'pool_mode = sometimes' 'max_client_conn = many' \
    'client_tls_protocols = tlsv9' '[databases]' 'auth_file = /nowhere/at/all' \
    'logfile = /nowhere/at/all'; do
	ini 'default_pool_size = 7' "$wrong"
	[ "$wrong" != '[databases]' ] || echo 'x = nonsense=1' >>"$tmp/pooler.ini"
	case $wrong in *auth_file*) continue ;; esac
	like "wrong: $wrong" '*RELOAD failed*' "$(console RELOAD)"
	is '... and nothing has changed' "$was" "$(everything)"
done
cp "$tmp/userlist.good" "$tmp/userlist.txt"
ini
console RELOAD >/dev/null

# Certificates: who is in stays in, who comes sees the new one.
subject() {
	openssl s_client -starttls postgres -connect "127.0.0.1:$port" \
	    </dev/null 2>/dev/null | sed -n 's/^subject=.*number/number/p'
}
is 'the first certificate' number1 "$(subject)"
cat >"$tmp/swap" <<-SH
#!/bin/sh
cp $tmp/tls2.key $tmp/tls.key
cp $tmp/tls2.crt $tmp/tls.crt
psql -Xqt -h $tmp -p $port -U pgbouncer -d pgbouncer -c RELOAD >/dev/null
SH
chmod +x "$tmp/swap"
is 'a session over TLS goes on under another one' '1 2' "$(psql -XAtq \
    "host=127.0.0.1 port=$port user=alice dbname=postgres sslmode=require" \
    <<-SQL | xargs
	select 1;
	\\! $tmp/swap
	select 2;
SQL
)"
is 'then the second' number2 "$(subject)"

# --- passwords ----------------------------------------------------------------

pg_sql "create role carol login password 'first';
    create role asks superuser login password 'asks1';
    create role dave login password 'davepw'"
echo "host all all 127.0.0.1/32 scram-sha-256" >"$tmp/data/pg_hba.conf"
echo "local all all trust" >>"$tmp/data/pg_hba.conf"
pg_sql 'select pg_reload_conf()' >/dev/null
printf '"%s" "%s"\n' carol first asks asks1 >"$tmp/userlist.txt"
server="host=127.0.0.1 port=$pg_port"
ini_databases="postgres = $server auth_user=asks
forced = $server dbname=postgres user=carol password=first"
ini 'auth_type = plain' 'server_login_retry = 1' 'server_lifetime = 3600'
console RELOAD >/dev/null
login() {
	PGPASSWORD=$2 psql -XAtq "host=127.0.0.1 port=$port user=$1
	    dbname=${3:-postgres}" -c 'select current_user' 2>&1 | tail -1
}
is 'carol' carol "$(login carol first)"
is 'dave, by auth_query' dave "$(login dave davepw)"
is 'somebody as carol' carol "$(login asks asks1 forced)"
# For pgtalk: the password changes here and there, all servers are replaced.
cat >"$tmp/change" <<-SH
#!/bin/sh
psql -Xq -h $tmp -p $pg_port -U postgres -c "alter role carol password 'second'" \\
    -c "alter role asks password 'asks2'" >/dev/null
printf '"%s" "%s"\\n' carol second asks asks2 admin adminpw >$tmp/userlist.txt
sed -i 's/password=first/password=second/' $tmp/pooler.ini
psql -Xqt -h $tmp -p $port -U pgbouncer -d pgbouncer -c RELOAD \\
    -c RECONNECT >/dev/null
SH
chmod +x "$tmp/change"
talk <<-TALK
	test clients that are logged in get servers by the new password
	open a 'host=127.0.0.1 sslmode=disable user=carol password=first dbname=postgres'
	open f 'host=127.0.0.1 sslmode=disable user=asks password=asks1 dbname=forced'
	sh '$tmp/change'
	a> Q 'select current_user'
	a< T D:carol C Z:I
	f> Q 'select current_user'
	f< T D:carol C Z:I
	openfail 'host=127.0.0.1 sslmode=disable user=carol password=first dbname=postgres' '*auth*failed*'
TALK
is 'carol, by the new one' carol "$(login carol second)"
is 'dave, by the new one of who asks for him' dave "$(login dave davepw)"
sed -i /carol/d "$tmp/userlist.txt"
sed -i 's/ auth_user=asks//' "$tmp/pooler.ini"
console RELOAD >/dev/null
like 'carol is no user any more' '*failed*' "$(login carol second)"
pooler_stop
done_testing
