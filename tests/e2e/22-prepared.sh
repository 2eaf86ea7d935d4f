#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# Prepared statements in transaction mode: each client has its own names, no
# matter which server it gets, with two that fit on a server and with plenty.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

pg_start
pg_sql 'create role alice superuser login'
pooler_env_of() {
	pooler_ini "max_prepared_statements = $1" "server_round_robin = $2" \
	    'default_pool_size = 2' 'server_idle_timeout = 0'
	pooler_start
	pooler_env
}

clients() {
	drive <<'SCRIPT'
: two clients, one name, two queries
a open
b open
a prepare s select 'a', $1::int
= done
b prepare s select 'b', $1::text
= done
a run s ^1
= a|1
b run s ^two
= b|two
# Both servers now have work, so each statement meets each server.
a exec begin
b exec begin
a run s ^3
= a|3
b run s ^four
= b|four
b exec commit
b send begin; select pg_sleep(0.05)
b get
b run s ^five
= b|five
a exec commit
b exec commit
a run s ^6
= a|6
b run s ^seven
= b|seven
: errors keep the client
a prepare s select 2
= 42P05 prepared statement "s" already exists
a run s ^8
= a|8
a run nobody
= 26000 prepared statement "nobody" does not exist
a describe nobody
= 26000 prepared statement "nobody" does not exist
a run s ^9
= a|9
a prepare bad selekt
~ 42601 syntax error*
a run bad
= 26000 prepared statement "bad" does not exist
a prepare bad select 'good now'
= done
a run bad
= good now
a exec begin
a run nobody
= 26000 prepared statement "nobody" does not exist
a exec select 1
~ 25P02*
a exec rollback
= ROLLBACK
: more statements than a server may have
a prepare s1 select 1
a prepare s2 select 2
a prepare s3 select 3
a prepare s4 select 4
a run s1
= 1
a run s2
= 2
a run s3
= 3
a run s4
= 4
b prepare s1 select 'one'
b run s1
= one
a run s1
= 1
a run s ^10
= a|10
b run s ^eleven
= b|eleven
: DEALLOCATE and DISCARD ALL forget
b exec deallocate all
= DEALLOCATE ALL
b run s ^12
= 26000 prepared statement "s" does not exist
b prepare s select 'new'
= done
b run s
= new
a run s ^13
= a|13
a exec discard all
= DISCARD ALL
a run s ^14
= 26000 prepared statement "s" does not exist
a prepare s select 'again'
a run s
= again
b run s
= new
: the unnamed statement
a params select $1::int ^1
= 1
b params select $1::int ^2
= 2
a params select 'a' || $1 ^3
= a3
b params select 'b' || $1 ^4
= b4
SCRIPT
}

for round_robin in 0 1; do
	for most in 2 100; do
		pooler_env_of $most $round_robin
		echo "# max_prepared_statements $most, round robin $round_robin"
		clients
		between "no server holds more than $most" 0 $most "$(
			psql -XAtq -h "$tmp" -p "$port" -U alice -d postgres \
			    -c 'select count(*) from pg_prepared_statements')"
		pooler_stop
	done
done
done_testing
