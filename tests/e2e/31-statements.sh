#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# Prepared statements in transaction mode: named and unnamed ones on whichever
# server the client gets, and each error path of the request queue.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

pg_start
databases="two = host=$tmp port=$pg_port dbname=postgres user=postgres pool_size=2 min_pool_size=2
one = host=$tmp port=$pg_port dbname=postgres user=postgres pool_size=1
small = host=$tmp port=$pg_port dbname=postgres user=postgres pool_size=1"
pooler_ini 'server_round_robin = 1' 'max_prepared_statements = 50'
pooler_start
pooler_env
# Both servers of the pool are there before the first test.
until_true 5 eval '[ "$(column "SHOW POOLS" sv_idle two)" = 2 ]'

# How we differ from PgBouncer on purpose (contract, end of section 19).
if is_ours; then
	unknown='E:26000:* Z:I' duplicate='E:42P05:* Z:I'
else
	unknown="'E:08P01:prepared statement did not exist' EOF"
	duplicate="'E:08P01:prepared statement name is already in use' EOF"
fi

talk <<DRIVE
test a named statement works on both servers
open a dbname=two
a> P s 'select \$1::int * 2, pg_backend_pid()' ; S
a< 1 Z:I
a> B s 1 ; E ; S
a< 2 D:2|* C Z:I
let r1 a
a> B s 1 ; E ; S
a< 2 D:2|* C Z:I
let r2 a
a> B s 3 ; E ; S
a< 2 D:6|* C Z:I
differ \${r1} \${r2}

test Describe of a statement gives types and columns
open a dbname=two
a> P s2 'select \$1::int as a, \$2::text as b' ; D S s2 ; S
a< 1 t:23,25 T:a,b Z:I
a> D S s2 ; S
a< t:23,25 T:a,b Z:I
a> D S s2 ; S
a< t:23,25 T:a,b Z:I

test two clients use one name for different texts
open a dbname=two
open b dbname=two
a> P same 'select 1' ; S
a< 1 Z:I
b> P same 'select 2' ; S
b< 1 Z:I
a> B same ; E ; S
a< 2 D:1 C Z:I
b> B same ; E ; S
b< 2 D:2 C Z:I
a> B same ; E ; S
a< 2 D:1 C Z:I
b> B same ; E ; S
b< 2 D:2 C Z:I

test two clients share a text under different names
open a dbname=one
open b dbname=one
a> P na 'select 42' ; B na ; E ; S
a< 1 2 D:42 C Z:I
b> P nb 'select 42' ; B nb ; E ; S
b< 1 2 D:42 C Z:I

test parameter types are a part of what a statement is
open a dbname=one
open b dbname=one
a> P t 'select \$1' 23 ; D S t ; S
a< 1 t:23 T Z:I
b> P t 'select \$1' 25 ; D S t ; S
b< 1 t:25 T Z:I

test Close, then the name is free
open a dbname=two
a> P s 'select 1' ; C S s ; P s 'select 2' ; B s ; E ; S
a< 1 3 1 2 D:2 C Z:I
a> C S s ; S
a< 3 Z:I
a> C S neverwas ; S
a< 3 Z:I

test a statement that is closed is gone
open a dbname=two
a> P s 'select 1' ; S
a< 1 Z:I
a> C S s ; S
a< 3 Z:I
a> B s ; E ; S
a< $unknown

test an unknown name in Bind
open a dbname=two
a> B nobody ; E ; S
a< $unknown

test an unknown name in Describe
open a dbname=two
a> D S nobody ; S
a< $unknown

test a name used twice
open a dbname=two
a> P s 'select 1' ; S
a< 1 Z:I
a> P s 'select 2' ; S
a< $duplicate

test Parse of a text that the server has already, first in a pipeline
open a dbname=one
open b dbname=one
a> P p 'select 11' ; S
a< 1 Z:I
b> P p 'select 11' ; B p ; E ; S
b< 1 2 D:11 C Z:I
b> P q 'select 11' ; P r 'select 12' ; B q ; E ; B r ; E ; S
b< 1 1 2 D:11 C 2 D:12 C Z:I

test an answer that is ours keeps its place between the server's
open a dbname=one
a> P c1 'select 21' ; P c2 'select 22' ; S
a< 1 1 Z:I
a> B c1 ; E ; C S c1 ; B c2 ; E ; C S c2 ; P '' 'select 23' ; B '' ; E ; S
a< 2 D:21 C 3 2 D:22 C 3 1 2 D:23 C Z:I

test a pipeline of batches, each with an error in its middle
open a dbname=two
a> P e1 'select 1' ; B e1 ; E ; S ; B e1 zu viele ; E ; S ; B e1 ; E ; S
a< 1 2 D:1 C Z:I E:08P01:* Z:I 2 D:1 C Z:I

test a statement made in a transaction that is rolled back lives on
open a dbname=one
a> Q begin
a< C Z:T
a> P rb 'select 77' ; B rb ; E ; S
a< 1 2 D:77 C Z:T
a> Q rollback
a< C Z:I
a> B rb ; E ; S
a< 2 D:77 C Z:I

test a statement that must be prepared anew within a failed transaction
open a dbname=two
a> P ft 'select 88' ; S
a< 1 Z:I
a> Q begin
a< C Z:T
a> Q 'select 1/0'
a< E Z:E
a> B ft ; E ; S
a< E:25P02:* Z:E
a> Q rollback
a< C Z:I
a> B ft ; E ; S
a< 2 D:88 C Z:I
a> B ft ; E ; S
a< 2 D:88 C Z:I

test DEALLOCATE ALL clears the client's names
open a dbname=one
a> P da 'select 1' ; S
a< 1 Z:I
a> Q 'deallocate all'
a< 'C:DEALLOCATE ALL' Z:I
a> P da 'select 2' ; B da ; E ; S
a< 1 2 D:2 C Z:I

test DISCARD ALL too
open a dbname=one
a> P dd 'select 1' ; S
a< 1 Z:I
a> Q 'discard all'
a< 'C:DISCARD ALL' Z:I
a> P dd 'select 3' ; B dd ; E ; S
a< 1 2 D:3 C Z:I
DRIVE

# More statements than a server may keep: the oldest are closed there, and
# come back when they are used.
talk < <(
	echo "test more statements than max_prepared_statements"
	echo "open a dbname=small"
	for i in $(seq 120); do
		printf "a> P s%d 'select %d' ; S\na< 1 Z:I\n" "$i" "$i"
	done
	for i in 1 60 120 1 2 119; do
		printf "a> B s%d ; E ; S\na< 2 D:%d C Z:I\n" "$i" "$i"
	done
	echo "a> Q 'select count(*) <= 50 from pg_prepared_statements'"
	echo "a< T D:t C Z:I"
)

talk < <(
	echo "test all of them in one pipeline"
	echo "open a dbname=small"
	printf "a>"
	for i in $(seq 120); do
		printf " P l%d 'select %d' ; B l%d ; E ;" "$i" "$i" "$i"
	done
	printf " S\na<"
	for i in $(seq 120); do
		printf " 1 2 D:%d C" "$i"
	done
	echo " Z:I"
)

talk < <(
	text=$(head -c 20000 /dev/zero | tr '\0' x)
	echo "test Parse and Bind that are larger than any buffer"
	echo "open a dbname=two"
	printf "a> P big 'select length(\$1::text) + length(\$\$%s\$\$)' ; S\n" \
	    "$text"
	echo "a< 1 Z:I"
	for _ in 1 2 3; do
		printf "a> B big '%s' ; E ; S\n" "$text"
		echo "a< 2 D:40000 C Z:I"
	done
)

# Where PgBouncer 1.26.1 was seen to fail: it keeps the name of a Parse that
# failed, loses the answer to a Parse before a Flush, and runs for the unnamed
# statement whatever the server was given last. Only ours is held to these.
if is_ours; then
	talk <<-'DRIVE'
	test Parse that fails is not remembered
	open a dbname=one
	a> P bad 'selec 1' ; B bad ; E ; S
	a< E:42601:* Z:I
	a> P bad 'select 5' ; B bad ; E ; S
	a< 1 2 D:5 C Z:I

	test a Parse behind an error is dropped: its name stays free
	open a dbname=one
	a> P x1 'select 1/(random() * 0)::int' ; B x1 ; E ; P x2 'select 7' ; S
	a< 1 2 E:22012:* Z:I
	a> P x2 'select 8' ; B x2 ; E ; S
	a< 1 2 D:8 C Z:I

	test a Close behind an error is dropped: the statement lives
	open a dbname=one
	a> P k 'select 6' ; S
	a< 1 Z:I
	a> P bad 'selec' ; C S k ; S
	a< E:42601:* Z:I
	a> B k ; E ; S
	a< 2 D:6 C Z:I

	test Flush after an answer that is ours
	open a dbname=one
	open b dbname=one
	a> P f1 'select 31' ; S
	a< 1 Z:I
	b> P f1 'select 31' ; H
	b< 1
	b> B f1 ; H
	b< 2
	b> E ; S
	b< D:31 C Z:I

	test the unnamed statement survives Sync on one server
	open a dbname=one
	open b dbname=one
	a> P '' 'select 1' ; S
	a< 1 Z:I
	b> P '' 'select 2' ; S
	b< 1 Z:I
	a> B '' ; E ; S
	a< 2 D:1 C Z:I
	b> B '' ; E ; S
	b< 2 D:2 C Z:I

	test the unnamed statement survives Sync with round robin and two servers
	open a dbname=two
	open b dbname=two
	a> P '' 'select 1, $1::int' ; D S '' ; S
	a< 1 t:23 T Z:I
	b> P '' 'select 2' ; S
	b< 1 Z:I
	a> B '' 5 ; E ; S
	a< 2 D:1|5 C Z:I
	a> B '' 6 ; E ; S
	a< 2 D:1|6 C Z:I
	b> B '' ; E ; S
	b< 2 D:2 C Z:I
	b> B '' ; E ; S
	b< 2 D:2 C Z:I
	a> D S '' ; S
	a< t:23 T Z:I

	test a failed Parse leaves no unnamed statement
	open a dbname=two
	open b dbname=two
	b> P '' 'select 2' ; S
	b< 1 Z:I
	a> P '' 'selec' ; S
	a< E:42601:* Z:I
	a> B '' ; E ; S
	a< E:26000:* Z:I

	test a simple query ends the unnamed statement, as in PostgreSQL
	open a dbname=one
	a> P '' 'select 1' ; S
	a< 1 Z:I
	a> Q 'select 3'
	a< T D:3 C Z:I
	a> B '' ; E ; S
	a< E:26000:* Z:I
	DRIVE
	succeeds "the log names an unknown statement" logged \
	    "prepared statement did not exist"
fi

console "SET max_prepared_statements = 0" >/dev/null
talk <<'DRIVE'
test with max_prepared_statements = 0 names pass through
open a dbname=small
a> Q begin
a< C Z:T
a> P raw1 'select 1' ; S
a< 1 Z:T
a> Q 'select name from pg_prepared_statements where name = \'raw1\''
a< T D:raw1 C Z:T
a> Q 'deallocate raw1; commit'
a< C C Z:I
DRIVE
pooler_stop
done_testing
