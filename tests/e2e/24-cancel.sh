#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# Cancel requests: of a running query, of a client that waits for a server,
# of one that does nothing; never of the next owner's query.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

pg_start
pg_sql 'create role alice superuser login'
databases="one = host=$tmp port=$pg_port dbname=postgres pool_size=1
postgres = host=127.0.0.1 port=$pg_port"
pooler_ini
pooler_start
pooler_env

drive <<'SCRIPT'
: a running query
a open
a send select pg_sleep(60)
sh sleeping
a cancel
a get
= 57014 canceling statement due to user request
a exec select 'next'
= next
: in a transaction
a exec begin
a send select pg_sleep(60)
sh sleeping
a cancel
a get
= 57014 canceling statement due to user request
a exec rollback
= ROLLBACK
: a client that does nothing
a cancel
a exec select 'not cancelled'
= not cancelled
: a client that is queued
a open dbname=one
b open dbname=one
a exec begin
b send select 'b'
b quiet 200
= quiet
sh queued one 1
b cancel
b get
= 57014 canceling statement due to user request
a exec select 'a was left alone'
= a was left alone
a exec commit
= COMMIT
SCRIPT
drive <<'SCRIPT'
: the next owner
a open dbname=one
b open dbname=one
a exec select 'a had the server'
= a had the server
b send select pg_sleep(0.7), 'b was not cancelled'
wait 200
a cancel
b get
= |b was not cancelled
a send select pg_sleep(60), 'a'
sh sleeping
b send select pg_sleep(60), 'b'
sh queued one 1
b cancel
b get
= 57014 canceling statement due to user request
a quiet 200
= quiet
a cancel
a get
= 57014 canceling statement due to user request
b exec select 'b goes on'
= b goes on
SCRIPT
# Cancels at every moment of short queries: each answer is the client's own.
for i in $(seq 40); do
	echo "a send select $i, pg_sleep(0.01)"
	echo "wait $((i % 15))"
	echo "a cancel"
	echo "a get"
	echo "b exec select 'b$i', pg_sleep(0.005)"
	echo "= b$i|"
	echo "a exec select 'a$i'"
	echo "= a$i"
done | { echo ": races"; echo "a open dbname=one"; echo "b open dbname=one"
    cat; } >"$tmp/script"
drive <"$tmp/script"

# A key that nobody has: no answer, and nothing is harmed.
exec 9<>"/dev/tcp/127.0.0.1/$port"
printf '\0\0\0\020\004\322\026\056\001\002\003\004\005\006\007\010' >&9
is 'a wrong key is not answered' '' "$(timeout 60 cat <&9)"
exec 9>&-
is 'the pooler works on' 1 "$(sql 'select 1')"
pooler_stop
done_testing
