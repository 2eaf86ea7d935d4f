#!/bin/bash
# SPDX-License-Identifier: MIT
# serial
# sanitizers
#
# Each deadline, and that it does not come early. A mark stands before what
# starts the clock, so that a slow machine can only make it later; how late is
# not looked at. Short ones are set when what comes before is done.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

pg_start
free_port nobody
pg_sql "CREATE ROLE bob LOGIN; CREATE ROLE carol LOGIN"
databases="one = host=$tmp port=$pg_port dbname=postgres user=postgres pool_size=1
many = host=$tmp port=$pg_port dbname=postgres user=postgres pool_size=3
own = host=$tmp port=$pg_port dbname=postgres
down = host=127.0.0.1 port=$nobody dbname=postgres user=postgres query_wait_timeout=1
w = host=$tmp port=$pg_port dbname=postgres user=postgres pool_size=1 min_pool_size=1 query_wait_timeout=3"
users_section="[users]
bob = query_timeout=1
postgres =
carol = idle_transaction_timeout=1"
cat >"$tmp/userlist.txt" <<-LIST
"alice" ""
"bob" ""
"carol" ""
"postgres" ""
LIST
pooler_ini 'query_wait_notify = 0' 'server_login_retry = 1'
pooler_start
pooler_env
cat >"$tmp/bin/setting" <<-SH
#!/bin/sh
psql -Xq -h $tmp -p $port -U admin -d pgbouncer -c "SET \$1" >/dev/null
SH
chmod +x "$tmp/bin/setting"
has_one() {
	[ "$(column 'SHOW POOLS' sv_idle "w|postgres")" = 1 ]
}
until_true 20 has_one

talk <<'DRIVE'
test query_wait_timeout
open a dbname=one
open b dbname=one
a> Q begin
a< C Z:T
sh 'setting query_wait_timeout=1'
mark
b> Q 'select 1'
b< E:08P01:query_wait_timeout EOF
took 900
sh 'setting query_wait_timeout=120'
a> Q commit
a< C Z:I

test query_wait_timeout of a database
open a dbname=w
open b dbname=w
a> Q begin
a< C Z:T
mark
b> Q 'select 1'
b< E:08P01:query_wait_timeout EOF
took 2800

test query_timeout of a user
open a 'dbname=own user=bob'
mark
a> Q 'select pg_sleep(60)'
a< ... E:08P01:*query?timeout* EOF
took 900

test idle_transaction_timeout of a user
open a 'dbname=own user=carol'
mark
a> Q begin
a< C Z:T
a< E:08P01:*idle?transaction?timeout* EOF
took 900
open b 'dbname=own user=carol'
b> Q 'begin; select pg_sleep(1.5); commit'
b< C T D C C Z:I

test client_login_timeout: a socket that says nothing
sh 'setting client_login_timeout=2'
mark
raw x
x< ... EOF
took 1800
sh 'setting client_login_timeout=60'

test server down: the client is told
open a 'dbname=one'
openfail 'dbname=down connect_timeout=120' '*'
a> Q 'select 1'
a< T D:1 C Z:I
DRIVE

set_() {
	console "SET $1" >/dev/null
}
talk <<'DRIVE'
test a new time-out holds for those who are idle or wait already
open i dbname=many
i> Q 'select 1'
i< T D:1 C Z:I
open b 'dbname=many user=alice'
b> Q begin
b< C Z:T
mark
sh 'setting client_idle_timeout=1'
i< E:08P01:client_idle_timeout EOF
took 900
sh 'setting client_idle_timeout=0'
sh 'setting transaction_timeout=1'
b< ... E:08P01:*transaction?timeout* EOF
sh 'setting transaction_timeout=0'
DRIVE
talk <<'DRIVE'
test client_idle_timeout spares who is in a transaction
open a dbname=many
a> Q begin
a< C Z:T
open b dbname=many
mark
sh 'setting client_idle_timeout=1'
b< E:08P01:client_idle_timeout EOF
took 900
silent a 500
a> Q 'commit'
a< C Z:I
DRIVE
set_ "client_idle_timeout = 0"
set_ "transaction_timeout = 5"
talk <<'DRIVE'
test transaction_timeout counts from the first query
open a dbname=many
mark
a> Q begin
a< C Z:T
sleep 200
a> Q 'select 1'
a< T D:1 C Z:T
a< ... E:08P01:*transaction?timeout* EOF
took 4900
DRIVE
set_ "transaction_timeout = 0"
set_ "query_wait_notify = 1"
talk <<'DRIVE'
test query_wait_notify: one notice a wait
open a dbname=one
open b dbname=one
a> Q begin
a< C Z:T
b> Q 'select 1'
b< 'N:00000:No server connection available in postgres backend, client being queued'
silent b 1200
a> Q commit
a< C Z:I
b< T D:1 C Z:I
DRIVE
set_ "server_idle_timeout = 1"
sql 'select 1' many >/dev/null
closed() {
	[ "$(column 'SHOW POOLS' sv_idle 'many|postgres')" = 0 ]
}
succeeds "server_idle_timeout closes idle servers" until_true 20 closed
succeeds "and says so" logged "server idle timeout"
set_ "server_idle_timeout = 600"
set_ "server_lifetime = 1"
a=$(sql 'select pg_backend_pid()' many)
another() {
	[ "$(sql 'select pg_backend_pid()' many)" != "$a" ]
}
succeeds "server_lifetime: another server after it" until_true 3 another
succeeds "and says so" logged "server lifetime over"
pooler_stop
done_testing
