#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# Pool modes, the simple and the extended protocol, pipelines, errors in each
# position of a batch, tracked parameters.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

pg_start
databases="* = host=$tmp port=$pg_port
one = host=$tmp port=$pg_port dbname=postgres user=postgres pool_size=1
tcp = host=127.0.0.1 port=$pg_port dbname=postgres user=postgres
sess = host=$tmp port=$pg_port dbname=postgres user=postgres pool_mode=session pool_size=1
stmt = host=$tmp port=$pg_port dbname=postgres user=postgres pool_mode=statement pool_size=1
new1 = host=$tmp port=$pg_port dbname=postgres user=postgres
two = host=$tmp port=$pg_port dbname=postgres user=postgres pool_size=2 min_pool_size=2"
pg_sql "CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN;
    CREATE TABLE t (i int); GRANT ALL ON t TO public"
pooler_ini
pooler_start
pooler_env

talk <<'DRIVE'
test simple queries, several in one message, an empty one
open a
a> Q 'select 1 as one'
a< T:one D:1 'C:SELECT 1' Z:I
a> Q 'select 1; select 2'
a< T D:1 'C:SELECT 1' T D:2 'C:SELECT 1' Z:I
a> Q ''
a< I Z:I

test an error leaves the connection usable
open a
a> Q 'select 1/0'
a< 'E:22012:division by zero' Z:I
a> Q 'select 1'
a< T D:1 C Z:I

test a failed transaction keeps its server until it ends
open a dbname=one
open b dbname=one
a> Q begin
a< C:BEGIN Z:T
a> Q 'select nonsense'
a< E:42703:* Z:E
b> Q 'select 2'
silent b 200
a> Q 'select 1'
a< E:25P02:* Z:E
silent b 200
a> Q rollback
a< C:ROLLBACK Z:I
b< T D:2 C Z:I

test transaction mode: two clients share one server, one transaction each
open a dbname=one
open b dbname=one
a> Q 'begin; select pg_backend_pid()'
a< C T D C Z:T
b> Q 'select pg_backend_pid()'
silent b 200
a> Q commit
a< C:COMMIT Z:I
b< T D C Z:I

test session mode: the server stays until the client leaves
open a dbname=sess
a> Q 'create temp table mine (i int)'
a< C Z:I
open b dbname=sess
b> Q 'select 1'
silent b 300
a> Q 'select count(*) from mine'
a< T D:0 C Z:I
a> X
b< ... Z:I
b> Q 'select * from mine'
b< E:42P01:* Z:I

test statement mode: a transaction block is refused
open a dbname=stmt
a> Q 'select 1'
a< T D:1 C Z:I
a> Q begin
a< ... 'E:08P01:transaction blocks not allowed in statement pooling mode' EOF

test extended protocol in one batch
open a
a> P '' 'select $1::int + 1' ; B '' 41 ; D P ; E ; S
a< 1 2 T D:42 'C:SELECT 1' Z:I

test a portal read in pieces within a transaction
open a
a> Q begin
a< C Z:T
a> P '' 'select generate_series(1,5)' ; B@p '' ; E p 2 ; S
a< 1 2 D:1 D:2 s Z:T
a> E p 2 ; S
a< D:3 D:4 s Z:T
a> E p ; S
a< D:5 'C:SELECT *' Z:T
a> Q commit
a< C Z:I

test Flush gives the answers before Sync
open a
a> P '' 'select 7' ; B '' ; H
a< 1 2
a> E ; H
a< D:7 C
silent a 100
a> S
a< Z:I

test pipelines: many Syncs in one write are answered in order
open a
a> P '' 'select 1' ; B '' ; E ; S ; P '' 'select 2' ; B '' ; E ; S ; P '' 'select 3' ; B '' ; E ; S
a< 1 2 D:1 C Z:I 1 2 D:2 C Z:I 1 2 D:3 C Z:I

test pipelines: simple queries one behind the other
open a
a> Q 'select 1' ; Q 'select 2' ; Q 'select 1/0' ; Q 'select 4'
a< T D:1 C Z:I T D:2 C Z:I E:22012:* Z:I T D:4 C Z:I

test pipelines: simple and extended mixed
open a
a> Q 'select 1' ; P '' 'select 2' ; B '' ; E ; S ; Q 'select 3'
a< T D:1 C Z:I 1 2 D:2 C Z:I T D:3 C Z:I

test an error in Parse: the rest up to Sync is passed over, the next batch runs
open a
a> P '' 'selec' ; B '' ; E ; S ; P '' 'select 2' ; B '' ; E ; S
a< E:42601:* Z:I 1 2 D:2 C Z:I

test an error in Bind
open a
a> P '' 'select $1::int' ; B '' x ; D P ; E ; S ; P '' 'select 2' ; B '' ; E ; S
a< 1 E:22P02:* Z:I 1 2 D:2 C Z:I

test an error in Execute
open a
a> P '' 'select 1/(random() * $1)::int' ; B '' 0 ; D P ; E ; P '' 'select 9' ; S ; P '' 'select 2' ; B '' ; E ; S
a< 1 2 T E:22012:* Z:I 1 2 D:2 C Z:I

test an error in Describe of a portal that is not there
open a
a> D P nobody ; S ; Q 'select 1'
a< E:34000:* Z:I T D:1 C Z:I

test Sync alone, and twice
open a
a> S
a< Z:I
a> S ; S
a< Z:I Z:I

test a transaction inside a pipeline holds the server to its end
open a dbname=one
open b dbname=one
a> P '' begin ; B '' ; E ; P '' 'select 1' ; B '' ; E ; S
a< 1 2 C:BEGIN 1 2 D:1 C Z:T
b> Q 'select 2'
silent b 150
a> P '' commit ; B '' ; E ; S
a< 1 2 C:COMMIT Z:I
b< T D:2 C Z:I

test an error in a pipelined transaction ends it where it says so
open a
a> P '' begin ; B '' ; E ; S ; P '' 'select 1/0' ; B '' ; E ; S ; P '' 'select 1' ; B '' ; E ; S ; P '' rollback ; B '' ; E ; S
a< 1 2 C:BEGIN Z:T 1 E:22012:* Z:E E:25P02:* Z:E 1 2 C:ROLLBACK Z:I

test servers over TCP
open a dbname=tcp
a> Q 'select inet_server_port() is not null'
a< T D:t C Z:I

test clients over TCP
open a host=127.0.0.1
a> Q 'select 1'
a< T D:1 C Z:I

test large values both ways
open a
a> Q 'select length(repeat($$x$$, 1000000)), repeat($$y$$, 300000)'
a< T D C Z:I
a> P '' 'select length($1::text)' ; B '' 'abc' ; E ; S
a< 1 2 D:3 C Z:I

test tracked parameters follow the client, not the server
open a 'dbname=one application_name=first'
open b 'dbname=one application_name=second'
a> Q 'show application_name'
a< T D:first C Z:I
b> Q 'show application_name'
b< T D:second C Z:I
a> Q 'set datestyle = \'German, DMY\''
a< C:SET Z:I
a> Q 'select date $$2026-11-21$$'
a< T D:21.11.2026 C Z:I
b> Q 'select date $$2026-11-21$$'
b< T D:2026-11-21 C Z:I
a> Q 'show application_name; select date $$2026-11-21$$'
a< T D:first C T D:21.11.2026 C Z:I

test ParameterStatus reaches the client that sets
open a
a> Q 'set application_name = \'renamed\''
a< C:SET S:application_name=renamed Z:I

test a startup parameter of the connection reaches the server
open a 'dbname=one options=-cDateStyle=SQL,DMY'
a> Q 'show datestyle'
a< T 'D:SQL, DMY' C Z:I

test a client that leaves in the middle of a transaction rolls it back
open a dbname=one
a> Q 'begin; insert into t values (99)'
a< C C Z:T
reset a
open b dbname=one
b> Q 'select count(*) from t where i = 99'
b< T D:0 C Z:I

test a client that leaves in the middle of a batch without Sync
open a dbname=one
a> P '' 'select 1' ; B '' ; E ; H
a< 1 2 D:1 C
reset a
open b dbname=one
b> Q 'select 1'
b< T D:1 C Z:I

test Terminate within a transaction rolls it back
open a dbname=one
a> Q 'begin; insert into t values (98)'
a< C C Z:T
a> X
a< EOF
open b dbname=one
b> Q 'select count(*) from t where i = 98'
b< T D:0 C Z:I

test a query behind the start-up packet, before any answer
raw a
a! '\x00\x00\x00\x26\x00\x03\x00\x00user\x00alice\x00database\x00postgres\x00\x00Q\x00\x00\x00\x0dselect 1\x00'
a< R ... Z:I T D:1 C Z:I
a> Q 'select 2'
a< T D:2 C Z:I

test the same where the pool has no server yet
raw a
a! '\x00\x00\x00\x22\x00\x03\x00\x00user\x00alice\x00database\x00new1\x00\x00Q\x00\x00\x00\x0dselect 1\x00'
a< R ... Z:I T D:1 C Z:I
a> Q 'select 2'
a< T D:2 C Z:I

test notices and function calls pass
open a
a> Q 'do $$begin raise notice $x$hello$x$; end$$'
a< N:00000:hello C:DO Z:I
DRIVE

# LIFO keeps one server hot; round robin uses both. Each worker takes turns
# among the servers it holds, so this wants one worker.
pooler_stop
workers=1
pooler_ini
pooler_start
until_true 20 eval '[ "$(column "SHOW POOLS" sv_idle two)" = 2 ]'
a=$(for _ in 1 2 3 4 5 6; do sql 'select pg_backend_pid()' two; done | sort -u |
    wc -l)
is "last in, first out: one client alone always gets the same server" 1 "$a"
console "SET server_round_robin = 1" >/dev/null
a=$(for _ in 1 2 3 4 5 6; do sql 'select pg_backend_pid()' two; done | sort -u |
    wc -l)
is "round robin: it gets both" 2 "$a"

for mode in simple extended prepared; do
	out=$(pgbench -h "$tmp" -p "$port" -U postgres -i -q postgres 2>&1 &&
	    pgbench -n -h "$tmp" -p "$port" -U postgres -M $mode -c 8 -j 2 \
	    -T "$((3 - ${SLOW:-0}))" postgres 2>&1)
	like "pgbench -M $mode" "*number of failed transactions: 0 (0.000%)*" \
	    "$out"
done
pooler_stop
done_testing
