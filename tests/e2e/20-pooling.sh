#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# The three pool modes: what is shared between clients, what is kept, and when
# a server is released.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

pg_start
databases="tx = host=$tmp port=$pg_port dbname=postgres pool_size=1
se = host=127.0.0.1 port=$pg_port dbname=postgres pool_mode=session pool_size=1
st = host=$tmp port=$pg_port dbname=postgres pool_mode=statement pool_size=1"
pg_sql 'create role alice superuser login; create table t (i int)'
pooler_ini 'query_wait_timeout = 20' 'server_reset_query = DISCARD ALL' \
    'max_prepared_statements = 0'
pooler_start
pooler_env

drive <<'SCRIPT'
: transaction mode
a open dbname=tx
b open dbname=tx
a exec select 1; select 2, 'x'; select 3 where false
= 1 / 2|x / no rows
a exec begin
= BEGIN
b send select 'later'
b quiet 300
= quiet
a exec insert into t values (1)
= INSERT 0 1
a exec commit
= COMMIT
b get
= later
a exec select * from nowhere
= 42P01 relation "nowhere" does not exist
a exec begin; select 1/0
= BEGIN / 22012 division by zero
a exec select 1
= 25P02 current transaction is aborted, commands ignored until end of transaction block
b send select 'after the rollback'
b quiet 200
= quiet
a exec rollback
= ROLLBACK
b get
= after the rollback
a exec
= empty
a exec select count(*) from generate_series(1, 100000)
= 100000
a exec select g from generate_series(1, 100000) g
= rows 100000
a params select $1::int + $2::int ^20 ^22
= 42
a params select $1::int / 0 ^1
= 22012 division by zero
a params select $1::text ^still here
= still here
a close
b close
: session mode
a open dbname=se
b open dbname=se
a exec create temp table mine (i int); set statement_timeout = '7s'
= CREATE TABLE / SET
b send select 'mine is yours'
b quiet 300
= quiet
a exec select count(*) from mine
= 0
a exec show statement_timeout
= 7s
a close
b get
= mine is yours
: session mode, after the reset query
b exec show statement_timeout
= 0
b exec select to_regclass('mine') is null
= t
b close
: statement mode
a open dbname=st
a exec select 1
= 1
a exec begin
~ *08P01 transaction blocks not allowed in statement pooling mode*
SCRIPT

is 'one server for each pool' 1 "$(pg_sql "select count(*) from pg_stat_activity
    where datname = 'postgres' and usename = 'alice'
    and client_addr is not null")"
pooler_stop
done_testing
