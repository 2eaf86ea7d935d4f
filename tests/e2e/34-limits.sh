#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# Limits hold across workers, also under a storm; who waits is served in order.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

pg_start
pg_sql "CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN;
    CREATE ROLE dave LOGIN"
databases="p3 = host=$tmp port=$pg_port dbname=postgres pool_size=3
dbmax = host=$tmp port=$pg_port dbname=postgres pool_size=8 max_db_connections=4
one = host=$tmp port=$pg_port dbname=postgres pool_size=1
clmax = host=$tmp port=$pg_port dbname=postgres max_db_client_connections=2
res = host=$tmp port=$pg_port dbname=postgres pool_size=1 reserve_pool_size=1
keep = host=$tmp port=$pg_port dbname=postgres user=dave pool_size=5 min_pool_size=3"
users_section="[users]
bob = max_user_connections=2 max_user_client_connections=6"
pooler_ini 'max_client_conn = 60' 'reserve_pool_timeout = 1' \
    'default_pool_size = 5'
pooler_start
pooler_env

# most database user clients seconds: the largest number of server connections
# that PostgreSQL sees while so many clients run short transactions
most() {
	local max=0 n end load
	echo 'select pg_sleep(0.002);' >"$tmp/load.sql"
	pgbench -n -h "$tmp" -p "$port" -U "$2" -c "$3" -j 2 -T "$4" \
	    -f "$tmp/load.sql" "$1" >"$tmp/bench.log" 2>&1 &
	load=$!
	while kill -0 $load 2>/dev/null; do
		n=$(pg_sql "select count(*) from pg_stat_activity
		    where usename = '$2'")
		[ "$n" -gt "$max" ] 2>/dev/null && max=$n
		sleep 0.05
	done
	wait $load || max="pgbench failed: $(tail -3 "$tmp/bench.log")"
	# Those that were opened are still there.
	n=$(pg_sql "select count(*) from pg_stat_activity where usename = '$2'")
	[ "$n" -gt "$max" ] 2>/dev/null && max=$n
	echo "$max"
}
# closed database: its servers are, and PostgreSQL knows
closed() {
	console "KILL $1" >/dev/null
	answers "select count(*) from pg_stat_activity
	    where usename = 'alice'" 0
	console "RESUME $1" >/dev/null
}
is "pool_size under a storm of 30 clients" 3 "$(most p3 alice 30 2)"
closed p3
is "max_db_connections" 4 "$(most dbmax alice 30 2)"
closed dbmax
is "max_user_connections: bob has two" 2 "$(most p3 bob 5 1)"

talk <<'DRIVE'
test max_db_client_connections
open a dbname=clmax
open b dbname=clmax
openfail dbname=clmax '*client connections exceeded (max_db_client_connections)*'
a> X
a< EOF
sh 'shows "SHOW DATABASES" "^clmax.*[|]2[|]1[|]0[|]0$"'
open c dbname=clmax

test max_user_client_connections
open a 'dbname=one user=bob'
open b 'dbname=one user=bob'
open c 'dbname=one user=bob'
open e 'dbname=one user=bob'
open f 'dbname=p3 user=bob'
open g 'dbname=p3 user=bob'
openfail 'dbname=one user=bob' '*client connections exceeded (max_user_client_connections)*'
open d 'dbname=one user=alice'

test who waits is served in order
open a dbname=one
open b dbname=one
open c dbname=one
open d dbname=one
a> Q begin
a< C Z:T
b> Q 'create temp sequence if not exists o; select nextval($$o$$)'
sh 'queued one 1'
c> Q 'select nextval($$o$$)'
sh 'queued one 2'
d> Q 'select nextval($$o$$)'
sh 'queued one 3'
a> Q commit
a< C Z:I
b< C T D:1 C Z:I
c< T D:2 C Z:I
d< T D:3 C Z:I

test an idle server is found, whichever worker has it
open a dbname=one
open b dbname=one
open c dbname=one
open d dbname=one
a> Q 'select 1'
a< T D:1 C Z:I
b> Q 'select 2'
b< T D:2 C Z:I
c> Q 'select 3'
c< T D:3 C Z:I
d> Q 'select 4'
d< T D:4 C Z:I

test the reserve is used when somebody has waited long enough
open a dbname=res
open b dbname=res
a> Q begin
a< C Z:T
mark
b> Q 'select 1'
b< T D:1 C Z:I
took 800
a> Q commit
a< C Z:I
DRIVE
succeeds "and the log says so" logged "taking connection from reserve_pool"

# An idle server of another pool gives way when a limit above both is reached.
talk <<'DRIVE'
test max_db_connections: an idle server of another user's pool is evicted
open a 'dbname=dbmax user=alice'
open b 'dbname=dbmax user=alice'
open c 'dbname=dbmax user=alice'
open d 'dbname=dbmax user=alice'
a> Q begin
b> Q begin
c> Q begin
d> Q begin
a< C Z:T
b< C Z:T
c< C Z:T
d< C Z:T
a> Q commit
a< C Z:I
open e 'dbname=dbmax user=bob'
e> Q 'select current_user'
e< T D:bob C Z:I
b> X
c> X
d> X
DRIVE
succeeds "the log says evicted" logged "evicted"

sql 'select 1' keep >/dev/null
three() {
	[ "$(pg_sql "select count(*) from pg_stat_activity
	    where usename = 'dave'")" -ge 3 ]
}
succeeds "min_pool_size: three servers by themselves" until_true 3 three

# Not one client more than max_client_conn, sockets that say nothing included;
# the console gets in all the same.
nobody="sh 'shows \"SHOW LISTS\" \"^used_clients[|]1\$\"'"
talk < <(
	echo "test max_client_conn counts silent sockets"
	echo "$nobody"
	for i in $(seq 2); do echo "raw s$i"; done
	for i in $(seq 57); do echo "open c$i dbname=one"; done
	echo "open x 'dbname=pgbouncer user=admin'"
	echo "x> Q 'show lists'"
	echo "x< T ... 'D:used_clients|60' 'D:login_clients|2' ... C Z:I"
	echo "openfail dbname=one '*no more connections allowed (max_client_conn)*'"
	echo "close s1"
	echo "close s2"
	echo "sh 'shows \"SHOW LISTS\" \"^used_clients[|]59\"'"
	echo "open y dbname=one"
	echo "test max_client_conn"
	echo "$nobody"
	for i in $(seq 60); do echo "open c$i dbname=one"; done
	echo "openfail dbname=one '*no more connections allowed (max_client_conn)*'"
	echo "open x 'dbname=pgbouncer user=admin'"
	echo "x> Q 'show version'"
	echo "x< T D C Z:I"
	echo "x> X"
	echo "x< EOF"
	echo "c1> X"
	echo "c1< EOF"
	echo "sh 'shows \"SHOW LISTS\" \"^used_clients[|]60\"'"
	echo "open y dbname=one"
)

if is_ours; then
	n=$(console "SHOW WORKERS" | wc -l)
	is "there are two workers" 2 "$n"
fi
pooler_stop
done_testing
