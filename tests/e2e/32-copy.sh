#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# COPY both ways and results that are larger than memory may grow.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

pg_start
databases="one = host=$tmp port=$pg_port dbname=postgres user=postgres pool_size=1"
pg_sql "CREATE TABLE c (a int, b text)"
pooler_ini
pooler_start
pooler_env

talk <<'DRIVE'
test COPY in
open a dbname=one
a> Q 'copy c from stdin'
a< G
a> d '1\tone\n2\ttwo\n' ; d '3\tthree\n' ; c
a< 'C:COPY 3' Z:I

test COPY out
open a dbname=one
a> Q 'copy (select a from c order by a) to stdout'
a< H 'd:1\n' 'd:2\n' 'd:3\n' c 'C:COPY 3' Z:I

test COPY in that the client fails
open a dbname=one
a> Q 'copy c from stdin'
a< G
a> d '9\tnine\n' ; f 'changed my mind'
a< 'E:57014:*changed my mind*' Z:I
a> Q 'select count(*) from c where a = 9'
a< T D:0 C Z:I

test COPY in that the server fails, while data is still coming
open a dbname=one
a> Q 'copy c from stdin'
a< G
a> d 'rubbish\tx\n' ; d '1\ty\n' ; d '2\tz\n' ; c
a< E:22P02:* Z:I
a> Q 'select 1'
a< T D:1 C Z:I

test COPY in by the extended protocol
open a dbname=one
a> P '' 'copy c from stdin' ; B '' ; E ; S
a< 1 2 G
a> d '4\tfour\n' ; c ; S
a< 'C:COPY 1' Z:I
a> Q 'select 1'
a< T D:1 C Z:I

test COPY out by the extended protocol
open a dbname=one
a> P '' 'copy (select 1) to stdout' ; B '' ; E ; S
a< 1 2 H 'd:1\n' c 'C:COPY 1' Z:I

test a server in COPY belongs to its client until it is over
open a dbname=one
open b dbname=one
a> Q 'copy c from stdin'
a< G
b> Q 'select 1'
silent b 200
a> d '5\tfive\n' ; c
a< 'C:COPY 1' Z:I
b< T D:1 C Z:I

test a client that leaves in COPY in: nothing is kept
open a dbname=one
a> Q 'copy c from stdin'
a< G
a> d '77\tgone\n'
reset a
open b dbname=one
b> Q 'select count(*) from c where a = 77'
b< T D:0 C Z:I

test a client that leaves in COPY out
open a dbname=one
a> Q 'copy (select generate_series(1,1000000)) to stdout'
a< H d d
reset a
open b dbname=one
b> Q 'select 1'
b< T D:1 C Z:I

test a COPY that fails before it reads anything: its Sync is answered
open a dbname=one
a> Q 'create table guarded (a int)'
a< C Z:I
a> Q 'create function no() returns trigger language plpgsql as $$ begin raise exception $no$no$no$; end $$'
a< C Z:I
a> Q 'create trigger no before insert on guarded execute function no()'
a< C Z:I
a> P '' 'copy guarded from stdin' ; B '' ; E ; S
a< 1 2 G 'E:P0001:no' Z:I
a> d '1\n' ; c ; S
a< Z:I
a> P '' 'copy guarded from stdin' ; B '' ; E ; S ; d '1\n' ; c ; S
a< 1 2 G 'E:P0001:no' Z:I Z:I
a> Q 'select 1'
a< T D:1 C Z:I

test Sync between the data is ignored
open a dbname=one
a> Q 'copy c from stdin'
a< G
a> d '80\teighty\n' ; S ; d '81\tx\n' ; S ; S ; c
a< 'C:COPY 2' Z:I
a> Q 'select 1'
a< T D:1 C Z:I

test Sync between the data of a COPY that has failed is answered
open a dbname=one
open b dbname=one
a> Q 'copy c from stdin'
a< G
b> Q 'select 41'
a> d 'rubbish\n' ; S ; S ; d '1\ty\n' ; S ; c
a< E:22P02:* Z:I Z:I Z:I Z:I
b< T D:41 C Z:I
a> Q 'select 42'
a< T D:42 C Z:I

test the same, and some before it
open a dbname=one
open b dbname=one
a> Q 'copy c from stdin'
a< G
b> Q 'select 41'
a> S ; d '82\tx\n' ; S ; S ; d 'rubbish\n' ; S ; d '1\ty\n' ; c ; Q 'select 40'
a< E:22P02:* Z:I Z:I T D:40 C Z:I
b< T D:41 C Z:I
a> Q 'select 42'
a< T D:42 C Z:I

test the same in an extended batch: the Sync ends it
open a dbname=one
open b dbname=one
a> P '' 'copy c from stdin' ; B '' ; E ; S
a< 1 2 G
b> Q 'select 41'
a> d '83\tx\n' ; S ; d 'rubbish\n' ; S ; P '' 'select 40' ; B '' ; E ; S
a< E:22P02:* Z:I 1 2 D:40 C Z:I
b< T D:41 C Z:I
a> Q 'select 42'
a< T D:42 C Z:I

test the same in an extended batch: no Sync is behind the error
open a dbname=one
open b dbname=one
a> P '' 'copy c from stdin' ; B '' ; E ; S
a< 1 2 G
b> Q 'select 41'
a> d '84\tx\n' ; S ; S ; d 'rubbish\n' ; P '' 'select 40' ; B '' ; E ; S
a< E:22P02:* Z:I
b< T D:41 C Z:I
a> Q 'select 42'
a< T D:42 C Z:I

test the same in a transaction, to which a Sync changes nothing
open a dbname=one
a> Q begin
a< C Z:T
a> P '' 'copy c from stdin' ; B '' ; E ; S
a< 1 2 G
a> d '84\tx\n' ; S ; d 'rubbish\n' ; Q 'select 40' ; H ; S
a< E:22P02:* Z:E
a> Q rollback
a< C Z:I

test a query behind a Sync in the middle of a COPY ends it
open a dbname=one
a> Q 'copy c from stdin'
a< G
a> d '88\tx\n' ; S ; Q 'select 40'
a< E:*:*'unexpected message type 0x51 during COPY'* ...
open b dbname=one
b> Q 'select count(*) from c where a = 88'
b< T D:0 C Z:I

test all of it at once, the answers still to come
open a dbname=one
open b dbname=one
a> P '' 'copy c from stdin' ; B '' ; E ; S ; d 'rubbish\n' ; S ; c ; S
b> Q 'select 41'
a< 1 2 G E:22P02:* Z:I Z:I
b< T D:41 C Z:I
a> Q 'copy c from stdin' ; S ; d '85\tx\n' ; S ; c ; S
a< G 'C:COPY 1' Z:I Z:I
a> Q 'copy c from stdin' ; S ; d 'rubbish' ; d '\tx\n' ; S ; S ; f no ; S
a< G E:22P02:* Z:I Z:I Z:I Z:I
a> Q 'copy c from stdin; copy c from stdin' ; d '86\tx\n' ; c ; S ; d '87\tx\n' ; c ; S
a< G 'C:COPY 1' G 'C:COPY 1' Z:I Z:I
a> Q 'select 42'
a< T D:42 C Z:I

test a query behind that
open a dbname=one
a> P '' 'copy c from stdin' ; B '' ; E ; d 'rubbish\n' ; S ; Q 'select 40'
a< 1 2 G E:22P02:* Z:I T D:40 C Z:I
a> P '' 'copy c from stdin' ; B '' ; E ; S ; d '89\tx\n' ; S ; d 'rubbish\n' ; P '' 'select 40' ; B '' ; E ; S
a< 1 2 G E:22P02:* Z:I
a> P '' 'copy c from stdin' ; B '' ; E ; S ; d '89\tx\n' ; S ; c ; S ; P '' 'select 40' ; B '' ; E ; S
a< 1 2 G 'C:COPY 1' Z:I 1 2 D:40 C Z:I
a> P '' 'select 39' ; B '' ; E ; d late ; S ; P '' 'select 40' ; B '' ; E ; S
a< 1 2 D:39 C Z:I 1 2 D:40 C Z:I
a> Q 'select 42'
a< T D:42 C Z:I

test it leaves with Syncs in the failed COPY: the next client gets its own
open a dbname=one
open b dbname=one
a> Q 'copy c from stdin'
a< G
b> Q 'select 41'
a> d 'rubbish\n' ; S ; S ; S ; X
b< T D:41 C Z:I
open a dbname=one
a> Q 'copy c from stdin' ; d 'rubbish\n' ; S ; S
reset a
b> Q 'select 42'
b< T D:42 C Z:I

test COPY data in pieces of one byte
open a dbname=one
a> Q 'copy c from stdin'
a< G
a> d 6 ; d '\t' ; d s ; d i ; d x ; d '\n' ; c
a< 'C:COPY 1' Z:I
DRIVE

# PgBouncer closes the server, ours ends the COPY and keeps it.
if is_ours; then
	talk <<-'DRIVE'
	test a client that leaves between two COPYs of one query
	open a dbname=one
	open b dbname=one
	b> Q 'select pg_backend_pid()'
	b< T D C Z:I
	let pid b
	a> Q 'copy c from stdin; copy c from stdin'
	a< G
	a> d '78\tgone\n' ; c ; X
	b> Q 'select count(*) from c where a = 78'
	b< T D:0 C Z:I
	b> Q 'select pg_backend_pid()'
	b< T D:${pid} C Z:I

	test a client that leaves behind the data of one COPY, ahead of the next
	open a dbname=one
	open b dbname=one
	b> Q 'select pg_backend_pid()'
	b< T D C Z:I
	let pid b
	a> P '' 'copy c from stdin' ; B '' ; E ; S
	a< 1 2 G
	a> d '79\tgone\n' ; c ; S ; B '' ; E ; S ; X
	b> Q 'select count(*) from c where a = 79'
	b< T D C Z:I
	b> Q 'select pg_backend_pid()'
	b< T D:${pid} C Z:I
	DRIVE
fi

# A large result, and a client that does not read it for a while: the pooler
# must stop reading from the server and not collect it.
rss() {
	awk '/^VmHWM/ { print $2 }' "/proc/$pooler_pid/status"
}
mb=1000
[ -n "${SLOW:-}" ] && mb=100
before=$(rss)
export PGTALK_WAIT_MS=600000
talk <<DRIVE
test a result of $mb MB arrives whole
open a dbname=one
a> Q 'select repeat(\$\$x\$\$, 10000) from generate_series(1,$((mb * 100)))'
a< T D=$((mb * 100)) C Z:I

test a client that reads late gets everything
open a dbname=one
a> Q 'select repeat(\$\$x\$\$, 10000) from generate_series(1,$((mb * 20)))'
sleep 1500
a< T D=$((mb * 20)) C Z:I

test one value of 64 MB
open a dbname=one
a> Q 'select repeat(\$\$x\$\$, 64000000)'
a< T D=1 C Z:I
DRIVE
out=$(psql -XAtq -h "$tmp" -p "$port" -U alice one -c "\copy (select repeat('y', 10000) from generate_series(1,$((mb * 20)))) to '$tmp/big'" 2>&1)
is "COPY out of $((mb / 5)) MB" "" "$out"
is "each byte of it" $((mb * 20 * 10001)) "$(stat -c %s "$tmp/big")"
pg_sql "CREATE UNLOGGED TABLE big (t text)"
out=$(psql -XAtq -h "$tmp" -p "$port" -U alice one -c "\copy big from '$tmp/big'" \
    -c "select count(*), sum(length(t)) from big" 2>&1)
is "COPY in of $((mb / 5)) MB" "$((mb * 20))|$((mb * 20 * 10000))" "$out"
after=$(rss)
# Sanitizers keep freed memory in quarantine: only the plain build is measured.
if [ -z "${SLOW:-}" ]; then
	between "memory is bounded: it grew by $((after - before)) kB" \
	    0 16384 $((after - before))
fi
pooler_stop
done_testing
