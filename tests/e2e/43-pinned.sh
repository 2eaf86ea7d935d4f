#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# HOLD, PAUSE, KILL and the like with clients that keep their servers (sessions,
# transactions, COPY, a batch without its Sync), that wait, that leave; and with
# several consoles that contradict one another, at last by lot and in a storm.
# PINNED_CLIENTS, PINNED_SECONDS, PINNED_SEED: more by hand.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

is_ours || skip_all "PgBouncer has no HOLD"
clients=${PINNED_CLIENTS:-30} seconds=${PINNED_SECONDS:-6}
seed=${PINNED_SEED:-1}
pg_start
pg_sql 'create role alice superuser login;
    create table t (line text);
    create table storm (client int, value int);
    create table storm_copy (line text)'
server="host=$tmp port=$pg_port dbname=postgres"
databases="postgres = $server pool_size=8
trans = $server pool_size=3
sess = $server pool_size=3 pool_mode=session
other = $server pool_size=3"
pooler_ini 'query_wait_notify = 0' 'hold_timeout = 600' 'server_login_retry = 0' \
    "max_client_conn = $((clients * 3 + 100))" 'query_wait_timeout = 50' \
    'server_idle_timeout = 600'
pooler_start
pooler_env
console='dbname=pgbouncer user=pgbouncer'
used() {
	console 'SHOW MEM' | awk -F'|' '
		$1 ~ /client|cancel|wait/ { print $1, $3 }'
}
for db in postgres trans sess other; do
	sql 'select 1' $db >/dev/null
done
before=$(used)
held="sh 'shows \"SHOW STATE\" \"^holding.yes\"'"
paused="sh 'shows \"SHOW STATE\" \"^paused.yes\"'"

talk <<TALK
test a session keeps HOLD waiting until it ends
open s dbname=sess
open h '$console'
s> Q 'create temp table mine (i int); listen x'
s< C C Z:I
h> Q 'hold 600'
$held
silent h 200
s> Q 'select count(*) from mine'
s< T D:0 C Z:I
silent h 100
close s
h< C:HOLD Z:I
h> Q release
h< C:RELEASE Z:I

test a session that stays is ended at the deadline
open s dbname=sess
open i dbname=sess
open h '$console'
s> Q 'select 1'
s< T D:1 C Z:I
h> Q 'hold 1'
s< E:57P01:* EOF
h< C:HOLD Z:I
i> Q 'select 2'
silent i 100
h> Q release
h< C:RELEASE Z:I
i< T D:2 C Z:I

test COPY in goes on to its end
open a dbname=trans
open h '$console'
a> Q 'copy t from stdin'
a< G
a> d 'one\\n'
h> Q 'hold 600'
$held
a> d 'two\\n'
silent h 200
a> c
a< 'C:COPY 2' Z:I
h< C:HOLD Z:I
a> Q 'select count(*) from t'
silent a 100
h> Q release
h< C:RELEASE Z:I
a< T D:2 C Z:I

test COPY in at the deadline: nothing of it stays
open a dbname=trans
open b dbname=trans
open h '$console'
a> Q 'copy t from stdin'
a< G
a> d 'three\\n'
h> Q 'hold 1'
a< E:57P01:* EOF
h< C:HOLD Z:I
h> Q release
h< C:RELEASE Z:I
b> Q 'select count(*) from t'
b< T D:2 C Z:I

test COPY out that nobody reads, at the deadline
open a dbname=trans
open h '$console'
a> Q 'copy (select repeat(\\'x\\', 1000) from generate_series(1,300000)) to stdout'
a< H d
h> Q 'hold 1'
h< C:HOLD Z:I
close a
h> Q release
h< C:RELEASE Z:I

test a batch without its Sync goes on to it
open a dbname=trans
open h '$console'
a> P '' 'select 5' ; B '' ; E ; H
a< 1 2 D:5 C
h> Q 'hold 600'
$held
silent h 200
a> B '' ; E ; S
a< 2 D:5 C Z:I
h< C:HOLD Z:I
h> Q release
h< C:RELEASE Z:I

test who leaves while he is held leaves no trace
open a dbname=trans
open b dbname=trans
open c dbname=trans
open h '$console'
h> Q 'hold 1'
h< C:HOLD Z:I
a> Q 'select 1'
b> P '' 'select 2' ; B '' ; E ; S
c> Q 'select 3'
sh 'queued trans 3'
cancel a
a< E:57014:* Z:I
reset b
sh 'queued trans 1'
a> Q 'select 4'
h> Q release
h< C:RELEASE Z:I
c< T D:3 C Z:I
a< T D:4 C Z:I

test whose server is still being tested at the deadline goes on waiting
open a dbname=trans
open h '$console'
a> Q 'select 1'
a< T D:1 C Z:I
h> Q 'SET server_check_delay = 0'
h< C Z:I
h> Q 'SET server_check_query = \'select pg_sleep(600)\''
h< C Z:I
a> Q 'select 2'
sh sleeping
h> Q 'hold 1'
h< C:HOLD Z:I
h> Q 'SET server_check_query = \'select 1\''
h< C Z:I
silent a 100
h> Q release
h< C:RELEASE Z:I
a< T D:2 C Z:I

test one console holds, another releases
open a dbname=trans
open h '$console'
open g '$console'
a> Q begin
a< C Z:T
h> Q 'hold 600'
$held
g> Q release
g< C:RELEASE Z:I
h< 'E:57014:released before all servers were' Z:I
a> Q commit
a< C Z:I

test one console pauses, another resumes
open a dbname=trans
open h '$console'
open g '$console'
a> Q begin
a< C Z:T
h> Q pause
$paused
g> Q 'pause trans'
g< 'E:08P01:already paused' Z:I
g> Q 'resume trans'
g< 'E:08P01:database trans is not paused' Z:I
g> Q resume
g< C:RESUME Z:I
h< 'E:57014:the pause was ended*' Z:I
a> Q 'commit; select 1'
a< C T D:1 C Z:I

test PAUSE, HOLD and KILL: each must be ended by its own word
open a dbname=trans
open c dbname=trans
open d dbname=other
open h '$console'
open g '$console'
a> Q begin
a< C Z:T
h> Q 'hold 600'
$held
c> Q 'select 3'
sh 'queued trans 1'
g> Q 'pause other'
g< C:PAUSE Z:I
g> Q 'kill trans'
g< C:KILL Z:I
a< E:08P01:* EOF
c< E:08P01:* EOF
h< C:HOLD Z:I
d> Q 'select 5'
g> Q reconnect
g< C:RECONNECT Z:I
g> Q reload
g< C:RELOAD Z:I
g> Q wait_close
g< C:WAIT_CLOSE Z:I
open e dbname=trans
e> Q 'select 4'
g> Q release
g< C:RELEASE Z:I
silent e 200
silent d 50
g> Q 'resume trans'
g< C:RESUME Z:I
e< T D:4 C Z:I
silent d 100
g> Q 'resume other'
g< C:RESUME Z:I
d< T D:5 C Z:I

test a session is resumed with what it had
open s dbname=sess
open h '$console'
s> Q 'create temp table mine (i int)'
s< C Z:I
h> Q 'pause sess'
sh 'shows "SHOW DATABASES" "^sess.*\\|1\\|0\\|"'
s> Q 'select count(*) from mine'
s< T D:0 C Z:I
cancel h
h< E:57014:* Z:I
h> Q 'resume sess'
h< C:RESUME Z:I
s> Q 'select count(*) from mine'
s< T D:0 C Z:I

test what does not exist says so
open h '$console'
h> Q suspend
h< E:08P01:* Z:I
TALK

# Three who contradict one another, while many do everything.
ulimit -n $((clients * 4 + 500)) 2>/dev/null
"$B/e2e/storm" "$clients" "$seconds" "$seed" rough >"$tmp/storm.out" 2>&1 &
storm=$!
pids+=("$storm")
commander() {
	local words=(PAUSE RESUME 'PAUSE postgres' 'RESUME postgres' 'HOLD 0'
	    'HOLD 1' RELEASE RELEASE RESUME 'KILL postgres' 'RESUME postgres'
	    RECONNECT RELOAD 'DISABLE postgres' 'ENABLE postgres' WAIT_CLOSE
	    'SHOW CLIENTS' 'SHOW SERVERS' 'RESUME postgres')
	RANDOM=$1
	while ! [ -e "$tmp/enough" ]; do
		timeout 1 psql -Xq -h "$tmp" -p "$port" -U pgbouncer \
		    -d pgbouncer -c "${words[RANDOM % ${#words[@]}]}"
		echo said >>"$tmp/said"
	done >/dev/null 2>&1
}
for i in 1 2 3; do
	commander $((seed * 10 + i)) &
	commanders[i]=$!
done
sleep "$seconds"
touch "$tmp/enough"
wait "${commanders[@]}"
for word in RELEASE RESUME 'RESUME postgres' 'ENABLE postgres'; do
	console "$word" >/dev/null
done
wait "$storm"
is "$clients clients for $seconds s under three commanders" 0 $?
grep -v '^FATAL' "$tmp/storm.out" | sed 's/^/# /'
echo "# $(wc -l <"$tmp/said") commands"
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
is 'all works on' '1 1 1 1' "$(echo $(for db in postgres trans sess other; do
	sql 'select 1' $db; done))"
pooler_stop
done_testing
