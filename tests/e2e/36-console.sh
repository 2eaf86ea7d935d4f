#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# The admin console: who may in, every SHOW with its exact columns, and what
# each command does to clients and servers.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

pg_start
databases="one = host=$tmp port=$pg_port dbname=postgres user=postgres pool_size=1
two = host=$tmp port=$pg_port dbname=postgres user=postgres pool_size=2
hosts = host=127.0.0.1,127.0.0.1 port=$pg_port dbname=postgres user=postgres"
users_section="[users]
bob = pool_mode=session max_user_connections=7"
pooler_ini
pooler_start
pooler_env

# columns "SHOW x": names, joined by blanks
columns() {
	psql -XAq -F ' ' -h "$tmp" -p "$port" -U pgbouncer -d pgbouncer \
	    -c "$1" 2>&1 | head -1
}

stats='server_assignment_count xact_count query_count bytes_received bytes_sent xact_time query_time wait_time'
counts='client_parse_count server_parse_count bind_count client_login_count'
prefixed() {
	local w
	for w in $2; do printf ' %s%s' "$1" "$w"; done
}
sockets='type user database replication state addr port local_addr local_port connect_time request_time wait wait_us close_needed ptr link remote_pid tls application_name prepared_statements id'
sql 'select 1' one >/dev/null

while read -r what names; do
	is "SHOW $what: columns" "$names" "$(columns "SHOW $what")"
done <<LIST
STATS database$(prefixed total_ "server_assignment_count xact_count query_count received sent xact_time query_time wait_time $counts")$(prefixed avg_ "server_assignment_count xact_count query_count recv sent xact_time query_time wait_time $counts")
STATS_TOTALS database $stats $counts
STATS_AVERAGES database $stats$(prefixed avg_ "$counts")
TOTALS name value
CLIENTS $sockets
SERVERS $sockets
SOCKETS $sockets recv_pos pkt_pos pkt_remain send_pos send_remain pkt_avail send_avail
ACTIVE_SOCKETS $sockets recv_pos pkt_pos pkt_remain send_pos send_remain pkt_avail send_avail
POOLS database user cl_active cl_waiting cl_active_cancel_req cl_waiting_cancel_req sv_active sv_active_cancel sv_being_canceled sv_idle sv_used sv_tested sv_login maxwait maxwait_us pool_mode load_balance_hosts
LISTS list items
USERS name pool_size reserve_pool_size pool_mode max_user_connections current_connections max_user_client_connections current_client_connections
DATABASES name host port database force_user pool_size min_pool_size reserve_pool_size server_lifetime pool_mode load_balance_hosts max_connections current_connections max_client_connections current_client_connections paused disabled
CONFIG key value default changeable
MEM name size used free memtotal
VERSION version
STATE key value
PEERS peer_id host port pool_size
PEER_POOLS peer_id cl_active_cancel_req cl_waiting_cancel_req sv_active_cancel sv_login
DNS_HOSTS hostname ttl addrs
DNS_ZONES zonename serial count
LIST

is "SHOW LISTS: rows" "databases users peers pools peer_pools free_clients used_clients login_clients free_servers used_servers dns_names dns_zones dns_queries dns_pending" \
    "$(console 'SHOW LISTS' | cut -d'|' -f1 | tr '\n' ' ' | sed 's/ $//')"
is "SHOW TOTALS: rows" 24 "$(console 'SHOW TOTALS' | wc -l)"
is "SHOW STATE" "active|yes paused|no" \
    "$(console 'SHOW STATE' | grep -v '^holding|' | tr '\n' ' ' | sed 's/ $//')"
like "SHOW VERSION" "PgBouncer 1.*" "$(console 'SHOW VERSION')"
is "which is --version's first line" "$("$POOLER" --version | head -1)" \
    "$(console 'SHOW VERSION')"
like "SHOW HELP" "*Console usage*SHOW HELP*" "$(console 'SHOW HELP')"
is "lower case, semicolon, blanks" "$(console 'SHOW VERSION')" \
    "$(console '  show   version ;')"
is "DATABASES: a row" "one|$tmp|$pg_port|postgres|postgres|1" \
    "$(console 'SHOW DATABASES' | grep '^one|' | cut -d'|' -f1-6)"
is "DATABASES: hosts in a list" "127.0.0.1,127.0.0.1|round-robin" \
    "$(column 'SHOW DATABASES' host hosts)|$(column 'SHOW DATABASES' load_balance_hosts hosts)"
is "USERS: what was configured" "session|7" \
    "$(column 'SHOW USERS' pool_mode bob)|$(column 'SHOW USERS' max_user_connections bob)"
is "CONFIG: octal, time, changeable" "511|7|no" \
    "$(column 'SHOW CONFIG' value unix_socket_mode)|$(console 'SET query_wait_timeout = 7' >/dev/null
    column 'SHOW CONFIG' value query_wait_timeout)|$(column 'SHOW CONFIG' changeable listen_port)"

console 'SET query_wait_timeout = 120' >/dev/null

before=$(column 'SHOW STATS_TOTALS' xact_count one)
for _ in 1 2 3; do sql 'begin; select 1; commit' one >/dev/null; done
is_counted() {
	[ "$(column 'SHOW STATS_TOTALS' xact_count one)" = $((before + 3)) ]
}
succeeds "STATS: transactions are counted" until_true 5 is_counted
between "STATS: bytes too" 1 1000000 \
    "$(column 'SHOW STATS_TOTALS' bytes_received one)"

talk <<'DRIVE'
test who may see and who may command
open a 'dbname=pgbouncer user=admin'
a> Q 'show pools'
a< T D ... C:SHOW Z:I
open s 'dbname=pgbouncer user=stats'
s> Q 'show databases'
s< T D ... C:SHOW Z:I
s> Q 'pause'
s< 'E:08P01:admin access needed' Z:I
s> Q 'set query_timeout = 3'
s< 'E:08P01:admin access needed' Z:I
openfail 'dbname=pgbouncer user=alice' '*not allowed*'

test what is not understood
open a 'dbname=pgbouncer user=admin'
a> Q 'show nonsense'
a< 'E:08P01:invalid command \'show nonsense\', use SHOW HELP;' Z:I
a> Q 'frobnicate'
a< E:08P01:*use?SHOW?HELP* Z:I
a> Q 'set no_such_key = 1'
a< 'E:08P01:SET failed' Z:I
a> Q 'pause nowhere'
a< 'E:08P01:no such database: nowhere' Z:I
a> Q 'resume one'
a< 'E:08P01:database one is not paused' Z:I
a> Q 'resume'
a< 'E:08P01:pooler is not paused' Z:I
a> Q 'disable'
a< 'E:08P01:a database is required' Z:I
a> Q 'pause pgbouncer'
a< 'E:08P01:cannot pause admin db: pgbouncer' Z:I
a> Q 'kill_client 123456789'
a< 'E:08P01:client not found' Z:I

test the extended protocol is refused
open a 'dbname=pgbouncer user=admin'
a> P '' 'show pools' ; S
a< 'E:08P01:extended query protocol not supported by admin console' ...  EOF

test drivers' settings are answered
open a 'dbname=pgbouncer user=admin'
a> Q 'set client_encoding = \'utf8\''
a< 'N:00000:SET ignored' C:SET Z:I
a> Q 'show client_encoding'
a< T D:UTF-8 C:SHOW Z:I
a> Q 'set extra_float_digits = 3'
a< C:SET* Z:I

test PAUSE waits for transactions, clients wait for RESUME
open x 'dbname=pgbouncer user=admin'
open a dbname=one
open b dbname=two
a> Q begin
a< C Z:T
x> Q pause
silent x 300
b> Q 'select 2'
silent b 300
a> Q commit
a< C Z:I
x< C:PAUSE Z:I
a> Q 'select 1'
silent a 300
x> Q 'show state'
x< T D:active* D:paused|yes ... C Z:I
x> Q 'pause'
x< 'E:08P01:already paused' Z:I
x> Q resume
x< C:RESUME Z:I
a< T D:1 C Z:I
b< T D:2 C Z:I

test PAUSE of one database lets the others go on
open x 'dbname=pgbouncer user=admin'
open a dbname=one
open b dbname=two
x> Q 'pause one'
x< C:PAUSE Z:I
a> Q 'select 1'
b> Q 'select 2'
b< T D:2 C Z:I
silent a 200
x> Q 'resume one'
x< C:RESUME Z:I
a< T D:1 C Z:I

test KILL cuts the clients and leaves the database paused
open x 'dbname=pgbouncer user=admin'
open a dbname=one
a> Q 'select 1'
a< T D:1 C Z:I
x> Q 'kill one'
x< C:KILL Z:I
a< 'E:08P01:database removed' EOF
open b dbname=two
b> Q 'select 2'
b< T D:2 C Z:I
x> Q 'resume one'
x< C:RESUME Z:I
open c dbname=one
c> Q 'select 3'
c< T D:3 C Z:I

test DISABLE refuses new clients, ENABLE takes them again
open x 'dbname=pgbouncer user=admin'
open a dbname=one
x> Q 'disable one'
x< C:DISABLE Z:I
openfail dbname=one '*database "one" is disabled*'
a> Q 'select 1'
a< T D:1 C Z:I
x> Q 'enable one'
x< C:ENABLE Z:I
open b dbname=one

test RECONNECT replaces servers when they are free
open x 'dbname=pgbouncer user=admin'
open a dbname=one
a> Q 'select pg_backend_pid()'
a< T D C Z:I
let p1 a
x> Q 'reconnect one'
x< C:RECONNECT Z:I
x> Q 'wait_close one'
x< C:WAIT_CLOSE Z:I
a> Q 'select pg_backend_pid()'
a< T D C Z:I
let p2 a
differ ${p1} ${p2}
DRIVE

# PgBouncer 1.26.1 answers this PAUSE at once, with a transaction running.
if is_ours; then
	talk <<-'DRIVE'
	test Ctrl-C on a waiting PAUSE resumes
	open x 'dbname=pgbouncer user=admin'
	open a dbname=two
	a> Q begin
	a< C Z:T
	x> Q pause
	sh 'shows "SHOW STATE" "^paused[|]yes"'
	cancel x
	x< ...  Z:I
	a> Q commit
	a< C Z:I
	open b dbname=one
	b> Q 'select 1'
	b< T D:1 C Z:I
	DRIVE
fi

# An id and its client; writing to one that is gone is no reason to die.
trap '' PIPE
exec 8> >(psql -XAtq -h "$tmp" -p "$port" -U alice \
    "dbname=two application_name=victim" >"$tmp/victim.out" 2>&1)
echo 'select 1;' >&8
here() {
	console 'SHOW CLIENTS' | grep -q victim
}
until_true 5 here
id=$(console 'SHOW CLIENTS' | awk -F'|' '/victim/ { print $NF }')
is "KILL_CLIENT" "" "$(console "KILL_CLIENT $id")"
echo 'select 2;' >&8 2>/dev/null
exec 8>&-
fell() {
	grep -q 'admin forced disconnect' "$tmp/victim.out"
}
succeeds "the client is told why" until_true 5 fell
# Until those of before have left.
alone() {
	[ "$(console 'SHOW CLIENTS' |
	    awk -F'|' '$3 == "pgbouncer" { print $5 }')" = idle ]
}
succeeds "states in SHOW CLIENTS" until_true 5 alone
for text in "PAUSE command issued" "RESUME command issued" \
    "PAUSE 'one' command issued" "KILL 'one' command issued" \
    "RECONNECT 'one' command issued"; do
	succeeds "log: $text" logged "$text"
done
pooler_stop
done_testing
