#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# HOLD and RELEASE: transactions in flight end or are ended, everybody else
# waits without a time-out, and nobody is let on by mistake.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

is_ours || skip_all "PgBouncer has no HOLD"
pg_start
pg_sql 'create role alice login; create role bob login'
databases="one = host=$tmp port=$pg_port dbname=postgres pool_size=2
many = host=$tmp port=$pg_port dbname=postgres pool_size=4"
pooler_ini 'query_wait_notify = 0' 'hold_timeout = 600' 'server_login_retry = 1'
pooler_start
pooler_env

# For pgtalk's sh: a console command in one word, and settings.
cat >"$tmp/do" <<-SH
#!/bin/sh
psql -Xq -h $tmp -p $port -U pgbouncer -d pgbouncer -c "\$1" >/dev/null
SH
# Until PostgreSQL has no connection of the pooler's.
cat >"$tmp/alone" <<-SH
#!/bin/sh
for i in \$(seq 1200); do
	n=\$(psql -XAtq -h $tmp -p $pg_port -U postgres -c "select count(*)
	    from pg_stat_activity where usename in ('alice', 'bob')")
	[ "\$n" = 0 ] && exit 0
	sleep 0.1
done
exit 1
SH
cat >"$tmp/restart" <<-SH
#!/bin/sh
$bin/pg_ctl -D $tmp/data -w -t 300 -m fast restart -l $tmp/data.log \\
    -o '-p $pg_port' >/dev/null
SH
# Until the query of b has come to PostgreSQL, where it may have ended since.
cat >"$tmp/began" <<-SH
#!/bin/sh
exec answers "select count(*) from pg_stat_activity
    where query = 'select pg_sleep(0.7), 2'" 1
SH
chmod +x "$tmp/do" "$tmp/alone" "$tmp/restart" "$tmp/began"
console='dbname=pgbouncer user=pgbouncer'

talk <<TALK
test transactions go on to their end, then HOLD answers
open a dbname=one
open b dbname=one
open c dbname=one
open h '$console'
a> Q begin
a< C Z:T
b> Q 'select pg_sleep(0.7), 2'
sh '$tmp/began'
h> Q hold
sh 'shows "SHOW STATE" "^holding.yes"'
c> Q 'select 3'
b< T D:*|2 C Z:I
a> Q 'select 1'
a< T D:1 C Z:T
silent h 200
silent c 50
a> Q commit
a< C Z:I
h< C:HOLD Z:I
sh '$tmp/alone'
a> Q 'select 4'
silent a 200
silent c 50
h> Q 'show state'
h< T ... 'D:holding|yes' ... C Z:I
h> Q release
h< C:RELEASE Z:I
a< T D:4 C Z:I
c< T D:3 C Z:I
h> Q 'show state'
h< T ... 'D:holding|no' ... C Z:I

test the deadline: 57P01 for idle and busy transactions, no one else
open a dbname=one
open b dbname=one
open c dbname=one
open h '$console'
a> Q begin
a< C Z:T
b> Q 'select pg_sleep(600)'
sh sleeping
mark
h> Q 'hold 1'
c> Q 'select 3'
a< E:57P01:* EOF
b< E:57P01:* EOF
took 900
h< C:HOLD Z:I
sh '$tmp/alone'
silent c 50
h> Q release
h< C:RELEASE Z:I
c< T D:3 C Z:I

test PostgreSQL is restarted under waiting clients
open a dbname=one
open c dbname=one
open h '$console'
a> P s 'select 5' ; S
a< 1 Z:I
h> Q 'hold 1'
h< C:HOLD Z:I
c> Q 'select 3'
sh '$tmp/restart'
open d dbname=one
d> Q 'select 4'
silent c 50
h> Q release
h< C:RELEASE Z:I
c< T D:3 C Z:I
d< T D:4 C Z:I
a> B s ; E ; S
a< 2 D:5 C Z:I

test time-outs of those who wait stand still, and go on afterwards
open c dbname=one
open i dbname=one
open h '$console'
c> Q 'select 1'
c< T D:1 C Z:I
h> Q 'hold 1'
h< C:HOLD Z:I
sh '$tmp/do "SET query_wait_timeout = 1"'
sh '$tmp/do "SET client_idle_timeout = 1"'
sh '$tmp/do "SET client_login_timeout = 1"'
c> Q 'select 3'
raw x
x! '\x00\x00\x00\x1f\x00\x03\x00\x00user\x00bob\x00database\x00one\x00\x00'
silent c 2500
silent i 50
x< R
silent x 50
sh '$tmp/do "SET query_wait_timeout = 120"'
sh '$tmp/do "SET client_login_timeout = 60"'
h> Q release
h< C:RELEASE Z:I
c< T D:3 C Z:I
x< ... Z:I
i< E:08P01:client_idle_timeout EOF
sh '$tmp/do "SET client_idle_timeout = 0"'

test HOLD again: hold_timeout begins anew, the deadline is another
open a dbname=one
open c dbname=one
open g '$console'
open h '$console'
sh '$tmp/do "SET hold_timeout = 8"'
a> Q begin
a< C Z:T
mark
h> Q 'hold 60'
c> Q 'select 3'
silent h 4500
g> Q 'hold 60'
silent g 4500
sh '$tmp/do "HOLD 0"'
a< E:57P01:* EOF
h< C:HOLD Z:I
g< C:HOLD Z:I
silent c 4500
took 13000
h> Q release
h< C:RELEASE Z:I
c< T D:3 C Z:I

test hold_timeout: whose console died are failed, not let on
open c dbname=one
open d dbname=one
open i dbname=one
open h '$console'
sh '$tmp/do "SET hold_timeout = 2"'
mark
h> Q 'hold 1'
h< C:HOLD Z:I
c> Q 'select 3'
reset h
c< E:57P03:*hold_timeout* EOF
took 1900
d> Q 'select 4'
d< E:57P03:*hold_timeout* EOF
silent i 500
sh '$tmp/do RELEASE'
i> Q 'select 5'
i< T D:5 C Z:I
sh '$tmp/do "SET hold_timeout = 600"'

test Ctrl-C on the console ends its waiting, not the hold
open a dbname=one
open c dbname=one
open h '$console'
a> Q begin
a< C Z:T
h> Q 'hold 60'
sh 'shows "SHOW STATE" "^holding.yes"'
cancel h
h< E:57014:* Z:I
c> Q 'select 3'
silent c 300
a> Q commit
a< C Z:I
h> Q release
h< C:RELEASE Z:I
c< T D:3 C Z:I

test RELOAD during HOLD
open c dbname=one
open h '$console'
h> Q hold
h< C:HOLD Z:I
c> Q 'select 3'
h> Q reload
h< C:RELOAD Z:I
silent c 300
h> Q 'show state'
h< T ... 'D:holding|yes' ... C Z:I
h> Q release
h< C:RELEASE Z:I
c< T D:3 C Z:I

test PAUSE and HOLD: either is enough
open c dbname=one
open h '$console'
h> Q pause
h< C:PAUSE Z:I
h> Q hold
h< C:HOLD Z:I
c> Q 'select 3'
h> Q release
h< C:RELEASE Z:I
silent c 300
h> Q hold
h< C:HOLD Z:I
h> Q resume
h< C:RESUME Z:I
silent c 300
h> Q release
h< C:RELEASE Z:I
c< T D:3 C Z:I

test what is refused
open h '$console'
open s 'dbname=pgbouncer user=stats'
h> Q release
h< 'E:08P01:pooler is not holding' Z:I
h> Q 'hold soon'
h< 'E:08P01:invalid number of seconds: soon' Z:I
h> Q 'release one'
h< E:08P01:invalid* Z:I
s> Q hold
s< 'E:08P01:admin access needed' Z:I
TALK

# Clients of both workers: many silent sockets fill up the first one, so that
# clients are dealt to the second, until the first is known to be idle.
talk < <(
	echo "test clients of both workers"
	for i in $(seq 28); do echo "raw r$i"; done
	for i in 1 2; do echo "open t$i dbname=many"; done
	for i in $(seq 10); do echo "open c$i dbname=many"; done
	echo "sleep 700"
	for i in 3 4; do echo "open t$i dbname=many"; done
	for i in $(seq 11 20); do echo "open c$i dbname=many"; done
	for i in $(seq 4); do
		echo "t$i> Q begin"
		echo "t$i< C Z:T"
	done
	echo "open h '$console'"
	echo "h> Q 'hold 1'"
	for i in $(seq 20); do echo "c$i> Q 'select $i'"; done
	for i in $(seq 4); do echo "t$i< E:57P01:* EOF"; done
	echo "h< C:HOLD Z:I"
	echo "sh '$tmp/alone'"
	for i in $(seq 20); do echo "silent c$i 10"; done
	echo "h> Q 'show workers'"
	echo "h< T D=2 C Z:I"
	echo "h> Q release"
	echo "h< C:RELEASE Z:I"
	for i in $(seq 20); do echo "c$i< T D:$i C Z:I"; done
)
settled() {
	[ "$(console 'SHOW POOLS' | awk -F'|' '$1 == "many" {
	    print $3 + $4 "," $7 + $8 + $9 + $13 }')" = 0,0 ]
}
succeeds "and all is quiet in the end" until_true 20 settled
pooler_stop
done_testing
