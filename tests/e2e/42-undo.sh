#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# Pipelines in which an error undoes what later messages rely on: the answers
# are PostgreSQL's own (each script passes on a direct connection as well).

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

pg_start
pg_sql 'create role alice superuser login; create table t (i int)'

scripts() {
	talk <<'TALK'
test a Parse fails, and its name is closed behind the Sync
open a
a> P s 'selec' ; S ; C S s ; S
a< E:42601:* Z:I 3 Z:I

test a name is free again when its Parse was dropped by an error
open a
a> B nobody ; P s 'select 1' ; S ; P s 'select 2' ; S ; B s ; E ; S
a< E:26000:* Z:I 1 Z:I 2 D:2 C Z:I

test a name is still there when its Close was dropped by an error
open a
a> P s 'select 1' ; S ; B nobody ; C S s ; S ; B s ; E ; S
a< 1 Z:I E:26000:* Z:I 2 D:1 C Z:I

test the unnamed statement outlives a dropped Parse and Close of it
open a
a> P '' 'select 1' ; S
a< 1 Z:I
a> B nobody ; P '' 'select 2' ; C S '' ; S ; B '' ; E ; S
a< E:26000:* Z:I 2 D:1 C Z:I

test it does not outlive its own failed Parse
open a
a> P '' 'select 1' ; S ; P '' 'selec' ; S ; B '' ; E ; S
a< 1 Z:I E:42601:* Z:I E:26000:* Z:I

test a name that a failed batch closed and gave away: the next batch has it
open a
a> P s 'select 1' ; S
a< 1 Z:I
a> P '' 'selec' ; C S s ; P s 'select 2' ; S ; D S s ; B s ; E ; S
a< E:42601:* Z:I t T 2 D:1 C Z:I

test a name that a failed batch closed is not free
open a
a> P s 'select 1' ; S
a< 1 Z:I
a> P '' 'selec' ; C S s ; S ; P s 'select 2' ; S ; B s ; E ; S
a< E:42601:* Z:I E:42P05:* Z:I 2 D:1 C Z:I

test what a failed batch closed is closed by the next
open a
a> P s 'select 1' ; S
a< 1 Z:I
a> P '' 'selec' ; C S s ; P s 'select 2' ; S ; C S s ; S ; P s 'select 3' ; B s ; E ; S
a< E:42601:* Z:I 3 Z:I 1 2 D:3 C Z:I

test two failed batches, then one that does not
open a
a> P s 'select 1' ; S
a< 1 Z:I
a> P '' 'selec' ; C S s ; S ; P '' 'selec' ; C S s ; P s 'select 2' ; S ; B s ; E ; S
a< E:42601:* Z:I E:42601:* Z:I 2 D:1 C Z:I

test a failed batch needed a statement first, on a server that lacks it
open a
open b
a> Q begin
a< C Z:T
b> Q begin
b< C Z:T
a> Q commit
a< C Z:I
b> Q commit
b< C Z:I
a> P s 'select 1' ; P s2 'select 2' ; S
a< 1 1 Z:I
a> P x 'selec' ; B s ; E ; S ; B s ; E ; S ; P s3 'select 1' ; B s3 ; E ; S
a< E:42601:* Z:I 2 D:1 C Z:I 1 2 D:1 C Z:I
a> P x 'selec' ; B s2 ; E ; S ; P s4 'select 2' ; B s4 ; E ; S
a< E:42601:* Z:I 1 2 D:2 C Z:I

test a name is parsed again: what else is wrong with it comes first
open a
a> P s 'select 1' ; S
a< 1 Z:I
a> P s 'selec' ; S ; P s 'select 2' ; S ; B s ; E ; S
a< E:42601:* Z:I 'E:42P05:prepared statement "s" already exists' Z:I 2 D:1 C Z:I
a> Q begin ; Q selec ; P s 'select 2' ; S ; Q rollback
a< C Z:T E:42601:* Z:E E:25P02:* Z:E C Z:I

test nothing is parsed in a failed transaction, not even what a server knows
open a
a> P s 'select 1' ; S
a< 1 Z:I
a> Q begin ; Q selec ; P s2 'select 1' ; S ; Q rollback
a< C Z:T E:42601:* Z:E E:25P02:* Z:E C Z:I
a> Q begin ; Q selec
a< C Z:T E:42601:* Z:E
a> P s2 'select 1' ; S ; Q rollback ; B s ; E ; P s2 'select 1' ; B s2 ; E ; S
a< E:25P02:* Z:E C Z:I 2 D:1 C 1 2 D:1 C Z:I

test DEALLOCATE ALL leaves the unnamed statement alone
open a
a> P '' 'deallocate all' ; B ; E ; S ; Q begin ; P x 'deallocate all' ; B x ; E ; S
a< 1 2 C Z:I C Z:T 1 2 C Z:T
a> P '' 'set timezone to utc' ; P x 'deallocate all' ; B x ; E ; E nobody ; S ; D S '' ; S ; Q rollback
a< 1 1 2 C E:34000:* Z:E t n Z:E C Z:I

test in a failed transaction the unnamed statement is still known
open a
a> Q begin ; P '' 'set timezone to utc' ; E nobody ; S ; D S '' ; S ; Q rollback
a< C Z:T 1 E:34000:* Z:E t n Z:E C Z:I

test what was asked before Terminate is done and answered
open a
a> Q 'insert into t select 77 from pg_sleep(0.1)' ; P '' 'select 1' ; B '' ; E ; S ; X
a< 'C:INSERT 0 1' Z:I 1 2 D:1 C Z:I EOF
open b
b> Q 'delete from t where i = 77'
b< 'C:DELETE 1' Z:I

test the unnamed statement behind a failed batch is never a stranger's
open a
open b
a> P '' 'select 1' ; S
a< 1 Z:I
b> P '' 'select 99' ; S
b< 1 Z:I
b> P '' 'select 99' ; S
b< 1 Z:I
a> B nobody ; P '' 'select 2' ; S ; B '' ; E ; S
a< E:26000:* Z:I 2 D:1 C Z:I
b> P '' 'select 99' ; S
b< 1 Z:I
b> P '' 'select 99' ; S
b< 1 Z:I
a> B nobody ; P '' 'select 2' ; S ; D S '' ; B '' ; E ; S
a< E:26000:* Z:I t T 2 D:1 C Z:I
b> B nobody ; C S '' ; S ; B '' ; E ; S
b< E:26000:* Z:I 2 D:99 C Z:I

test DEALLOCATE ALL in the extended protocol
open a
a> P s 'select 1' ; P d 'deallocate all' ; S
a< 1 1 Z:I
a> B d ; E ; P s 'select 2' ; B s ; E ; S
a< 2 'C:DEALLOCATE ALL' 1 2 D:2 C Z:I
a> B d ; E ; S
a< E:26000:* Z:I

test DISCARD ALL and a known statement in one write
open a
a> P s 'select 5' ; S
a< 1 Z:I
a> Q 'discard all' ; P s 'select 5' ; B s ; E ; S
a< 'C:DISCARD ALL' Z:I 1 2 D:5 C Z:I

test three statements where two fit, undone in the middle
open a
a> P s1 'select 1' ; P s2 'select 2' ; S
a< 1 1 Z:I
a> B nobody ; P s3 'select 3' ; S ; B s1 ; E ; S ; B s2 ; E ; S
a< E:26000:* Z:I 2 D:1 C Z:I 2 D:2 C Z:I

test CopyFail ahead of CopyInResponse, then Sync
open a
a> P '' 'copy t from stdin' ; B '' ; E ; f enough ; S
a< 1 2 G E:57014:* Z:I
a> Q 'select 1'
a< T D:1 C Z:I

test Terminate right behind a query: the query is done
open a
open b
a> Q 'insert into t values (42)' ; X
a< ... EOF
sh 'answers "select count(*) from t where i = 42" 1'
b> Q 'select i from t'
b< T D:42 C Z:I
b> Q 'truncate t'
b< C Z:I
TALK
}

for max in 2 200; do
	echo "# max_prepared_statements = $max"
	pooler_ini "max_prepared_statements = $max" 'server_round_robin = 1' \
	    'default_pool_size = 2'
	pooler_start
	pooler_env
	scripts
	pooler_stop
done
echo '# PostgreSQL itself'
PGHOST=127.0.0.1 PGPORT=$pg_port scripts
done_testing
