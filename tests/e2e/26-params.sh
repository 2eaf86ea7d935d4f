#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# Parameters that belong to a client follow it from server to server; those
# that the pooler does not track are refused, unless they are to be ignored.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

pg_start
pg_sql "create role alice superuser login;
    create schema one; create schema two;
    create table one.t (i) as select 1; create table two.t (i) as select 2"
databases="* = host=$tmp port=$pg_port pool_size=1"
pooler_ini 'track_extra_parameters = IntervalStyle, extra_float_digits' \
    'ignore_startup_parameters = geqo' 'max_prepared_statements = 10'
pooler_start
pooler_env

drive <<'SCRIPT'
: two clients on one server
a open application_name=app-a
b open application_name=app-b
a exec show application_name
= app-a
b exec show application_name
= app-b
a params show application_name
= app-a
a exec set datestyle = 'SQL, DMY'; set timezone = 'Asia/Tokyo'
= SET / SET
b exec select date '2026-12-31', current_setting('timezone')
! 31/12/2026*
a exec select date '2026-12-31', current_setting('timezone')
= 31/12/2026|Asia/Tokyo
a status TimeZone
= Asia/Tokyo
b status DateStyle
~ ISO*
a exec set intervalstyle = 'iso_8601'
b exec select interval '1 day'
= 1 day
a exec select interval '1 day'
= P1D
a exec set client_encoding = 'LATIN1'
b exec show client_encoding
= UTF8
a exec show client_encoding
= LATIN1
b exec set application_name = 'it''s "b"'
a exec show application_name
= app-a
b exec show application_name
= it's "b"
: rolled back
a exec begin; set application_name = 'never'; rollback
= BEGIN / SET / ROLLBACK
b exec show application_name
= it's "b"
a exec show application_name
= app-a
: within a transaction
a exec begin; set local application_name = 'local'
a exec show application_name
= local
a exec commit
b exec select 1
a exec show application_name
= app-a
: options
c open options='-c intervalstyle=sql_standard'
c exec select interval '1 day'
= 1 0:00:00
d open options='-c geqo=off -c datestyle=German'
d exec show datestyle
~ German*
e open options='-c work_mem=1MB'
= refused unsupported startup parameter in options: work_mem
e open options=--datestyle=Postgres
e exec show datestyle
~ Postgres*
f open options='-d 5'
~ refused unsupported options startup parameter: only '-c config=val' and '--config=val' are allowed
a exec show datestyle
= SQL, DMY
SCRIPT

# search_path is reported from PostgreSQL 18 on: before, it cannot be tracked.
if [ "$PG" -ge 18 ]; then
	pooler_stop
	pooler_ini 'track_extra_parameters = search_path'
	pooler_start
	drive <<-'SCRIPT'
	: search_path
	a open options='-c search_path=one'
	b open
	b exec set search_path = two, public
	a exec select i from t
	= 1
	b exec select i from t
	= 2
	SCRIPT
else
	skip 'search_path' "PostgreSQL $PG does not report it"
fi
pooler_stop
done_testing
