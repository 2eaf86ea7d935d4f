#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# Cancel requests: of a running query, of a queued client, never of the next
# owner's query.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

pg_start
databases="one = host=$tmp port=$pg_port dbname=postgres user=postgres pool_size=1
two = host=$tmp port=$pg_port dbname=postgres user=postgres pool_size=2"
pooler_ini
pooler_start
pooler_env

# What happens to a queued client that cancels: PgBouncer drops the request,
# the client goes on waiting. Ours answers it at once, as PostgreSQL would.
talk <<'DRIVE'
test a running query is cancelled
open a dbname=one
a> Q 'select pg_sleep(30)'
sh sleeping
cancel a
a< T E:57014:* Z:I
a> Q 'select 1'
a< T D:1 C Z:I

test a query of the extended protocol is cancelled, the batch ends at Sync
open a dbname=one
a> P '' 'select pg_sleep(30)' ; B '' ; E ; S ; Q 'select 2'
sh sleeping
cancel a
a< 1 2 E:57014:* Z:I T D:2 C Z:I

test a query in a transaction is cancelled, the transaction fails
open a dbname=one
a> Q begin
a< C Z:T
a> Q 'select pg_sleep(30)'
sh sleeping
cancel a
a< T E:57014:* Z:E
a> Q rollback
a< C Z:I

test a cancel of an idle client harms nobody
open a dbname=one
open b dbname=one
a> Q 'select 1'
a< T D:1 C Z:I
b> Q 'select pg_sleep(0.7)'
sleep 100
cancel a
cancel a
b< T D C Z:I

test a cancel in the middle of a transaction, nothing running, does nothing
open a dbname=one
a> Q begin
a< C Z:T
cancel a
sleep 300
a> Q 'select 1; commit'
a< T D:1 C C Z:I

test the wrong key cancels nobody
open a dbname=one
a> Q 'select pg_sleep(0.7)'
raw x
x! '\x00\x00\x00\x10\x04\xd2\x16\x2e\x00\x00\x00\x01\x00\x00\x00\x02'
x< EOF
a< T D C Z:I

test COPY out is cancelled
open a dbname=one
a> Q 'copy (select generate_series(1,100000000)) to stdout'
a< H d
cancel a
a< ... E:57014:* Z:I

test twenty cancels of one query
open a dbname=two
a> Q 'select pg_sleep(30)'
sh sleeping
cancel a
cancel a
cancel a
cancel a
cancel a
cancel a
a< T E:57014:* Z:I
a> Q 'select pg_sleep(0.3)'
a< T D C Z:I
DRIVE
if is_ours; then
	talk <<-'DRIVE'
	test a queued client is cancelled where it stands, the owner is not
	open a dbname=one
	open b dbname=one
	a> Q 'select pg_sleep(60), 1'
	sh sleeping
	b> Q 'select 2'
	sh 'queued one 1'
	cancel b
	b< E:57014:* Z:I
	b> Q 'select 3'
	silent a 200
	cancel a
	a< T E:57014:* Z:I
	b< T D:3 C Z:I
	DRIVE
else
	talk <<-'DRIVE'
	test a cancel of a queued client does not reach the owner
	open a dbname=one
	open b dbname=one
	a> Q 'select pg_sleep(1), 1'
	sleep 100
	b> Q 'select 2'
	cancel b
	a< T D:*|1 C Z:I
	b< T D:2 C Z:I
	DRIVE
fi

# Many short queries, each cancelled as it ends: whoever has the server next
# must never be hit. The neighbour counts; the canceller does not care.
talk < <(
	echo "test late cancels never hit the next owner"
	echo "open a dbname=one"
	echo "open b dbname=one"
	for i in $(seq 60); do
		echo "a> Q 'select pg_sleep(0.00$((i % 10)))'"
		echo "b> Q 'select pg_sleep(0.01), $i'"
		[ $((i % 3)) = 0 ] && echo "sleep 3"
		echo "cancel a"
		echo "b< T D:*|$i C Z:I"
		echo "a< ... Z:I"
	done
)

# Queries of ours that go ahead of the client's must not be hit, and the
# cancel must not be lost: the check query takes seconds here, and the client
# is answered in the midst of it; the backend is stopped while it has our SET
# and the client's query before it.
if is_ours; then
	# check seconds query: for pgtalk's sh
	cat >"$tmp/check" <<-SH
	#!/bin/sh
	psql -Xq -h $tmp -p $port -U pgbouncer -d pgbouncer \\
	    -c "SET server_check_delay = \$1" \\
	    -c "SET server_check_query = '\$2'" >/dev/null
	SH
	chmod +x "$tmp/check"
	talk <<-DRIVE
	test a cancel during the check query does not wait for its end
	open a dbname=one
	open b dbname=one
	a> Q 'select 1'
	a< T D:1 C Z:I
	sh '$tmp/check 0 "select pg_sleep(3)"'
	a> Q 'select 2'
	sh sleeping
	cancel a
	a< E:57014:* Z:I
	sh sleeping
	a> Q 'select 3' ; Q 'select 4'
	b> Q 'select 5'
	a< T D:3 C Z:I T D:4 C Z:I
	b< T D:5 C Z:I
	sh '$tmp/check 30 "select 1"'
	a> Q 'select 6'
	a< T D:6 C Z:I

	test a cancel behind our SET waits for the client's own
	open a 'dbname=one application_name=a'
	open b 'dbname=one application_name=b'
	a> Q 'select pg_backend_pid()'
	a< T D C Z:I
	let pid a
	b> Q 'select 1'
	b< T D:1 C Z:I
	sh 'kill -STOP \${pid}'
	mark
	a> Q 'select pg_sleep(60)'
	sh 'shows "SHOW SERVERS" "^S.[^|]*.one.[^|]*.active"'
	sh '(sleep 0.6; kill -CONT \${pid}) >/dev/null 2>&1 &'
	cancel a
	a< T E:57014:* Z:I
	took 300
	a> Q 'show application_name'
	a< T D:a C Z:I
	DRIVE
fi

# A client that vanishes in the middle of a query: the query must not go on.
talk <<-'DRIVE'
test a client vanishes with its query running
open a dbname=two
a> Q 'select 4711, pg_sleep(600)'
sh sleeping
reset a
sleep 200
DRIVE
if is_ours; then
	running() {
		pg_sql "select count(*) from pg_stat_activity
		    where state = 'active' and query like '%4711, pg_sl%'
		    and pid <> pg_backend_pid()" | grep -qx 0
	}
	succeeds "its query is cancelled" until_true 5 running
fi
if is_ours; then
	# A cancel that comes when the query is over would hit our ROLLBACK.
	talk < <(
		echo "test clients vanish in transactions, the server is kept"
		echo "open b dbname=one"
		echo "b> Q 'select pg_backend_pid()'"
		echo "b< T D C Z:I"
		echo "let pid b"
		for i in $(seq 30); do
			echo "open a dbname=one"
			echo "a> Q 'begin; select pg_sleep(0.00$((i % 10)))'"
			echo "sleep $((i % 10))"
			echo "close a"
		done
		echo "b> Q 'select pg_backend_pid()'"
		# shellcheck disable=SC2016
		echo 'b< T D:${pid} C Z:I'
	)
	is "no ROLLBACK of ours was hit" '' \
	    "$(grep 'STATEMENT:  ROLLBACK' "$tmp/data.log")"
fi
none_left() {
	[ "$(column 'SHOW POOLS' cl_waiting_cancel_req 'two|postgres')" = 0 ]
}
succeeds "nothing is left over" until_true 5 none_left
pooler_stop
done_testing
