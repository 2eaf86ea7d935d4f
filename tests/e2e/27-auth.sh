#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# Logins through the pooler: each auth_type, secrets of each kind, auth_query,
# SCRAM keys passed through to the server, and what strangers are told.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

pg_start
cat >"$tmp/data/pg_hba.conf" <<-HBA
	local	all	all		trust
	host	all	clear	127.0.0.1/32	password
	host	all	md	127.0.0.1/32	md5
	host	all	forced	127.0.0.1/32	trust
	host	all	all	127.0.0.1/32	scram-sha-256
HBA
pg_sql "create role clear login password 'pw'; create role scram login password 'pw';
    create role plain login password 'pw'; create role forced login;
    create role asks superuser login password 'pw';
    create role looked_up login password 'pw';
    create role expired login password 'pw' valid until '2001-01-01';
    set password_encryption = md5; create role md login password 'pw'"
pg_sql 'select pg_reload_conf()' >/dev/null
secret() {
	pg_sql "select rolpassword from pg_authid where rolname = '$1'"
}
cat >"$tmp/userlist.txt" <<-LIST
	"clear" "pw"
	"plain" "pw"
	"md" "$(secret md)"
	"scram" "$(secret scram)"
	"asks" "pw"
	"admin" "adminpw"
LIST
databases="forced = host=127.0.0.1 port=$pg_port dbname=postgres user=forced
other = host=127.0.0.1 port=$pg_port dbname=postgres user=plain password=pw
asked = host=127.0.0.1 port=$pg_port dbname=postgres auth_user=asks
gone = host=127.0.0.1 port=$pg_port dbname=no_such_database
postgres = host=127.0.0.1 port=$pg_port"
failed='password authentication failed'
no_sasl='SASL authentication failed'

# login "name" wanted user password [database]
login() {
	is "$1" "$2" "$(PGPASSWORD=$4 psql -XAtq -h 127.0.0.1 -p "$port" \
	    -U "$3" -d "${5:-postgres}" -c 'select current_user' 2>&1 |
	    sed 's/.*FATAL:  //' | head -1)"
}
with() {
	echo "# auth_type $1"
	pooler_ini "auth_type = $1" 'server_login_retry = 1'
	pooler_start
}

with trust
login 'a user of the file' clear clear no-password-is-asked
login 'a user who is unknown' '"trust" authentication failed' nobody x
login 'another database' 'no such database: missing' clear x missing
login 'a database the server does not have' \
    'database "no_such_database" does not exist' clear x gone
login 'a forced user' forced clear x forced
pooler_stop

with plain
login 'a password' clear clear pw
login 'wrong' "$failed" clear wrong
login 'unknown' "$failed" nobody pw
login 'an md5 secret, and the server asks md5' md md pw
login 'wrong for an md5 secret' "$failed" md wrong
login 'wrong for a SCRAM secret' "$failed" scram wrong
if is_ours; then
	# PgBouncer takes the setting and reads no file.
	echo '"plain" "pw"' >"$tmp/other.txt"
	is 'SET auth_file' '' "$(console "SET auth_file = '$tmp/other.txt'")"
	login 'who is in that file' plain plain pw
	login 'who is not' "$failed" clear pw
	like 'SET auth_file: no such file' '*SET failed*' \
	    "$(console "SET auth_file = '$tmp/missing.txt'")"
	succeeds 'and the log says so' logged \
	    "could not open auth_file $tmp/missing.txt"
	login 'the users are those of before' plain plain pw
	console RELOAD >/dev/null
	login 'RELOAD: the configured file again' clear clear pw
fi
pooler_stop

with md5
login 'a plain secret' clear clear pw
login 'wrong' "$failed" clear wrong
login 'unknown' "$failed" nobody pw
login 'unknown database, known user' 'no such database: missing' clear pw \
    missing
login 'unknown database, wrong password' "$failed" clear wrong missing
login 'an md5 secret' md md pw
login 'SCRAM for a SCRAM secret' scram scram pw
pooler_stop

with scram-sha-256
login 'a plain secret' clear clear pw
login 'plain secret, the server asks SCRAM' plain plain pw
login 'a SCRAM secret, keys passed through' scram scram pw
login 'again, from the pool' scram scram pw
login 'wrong' "$no_sasl" scram wrong
login 'unknown' "$no_sasl" nobody pw
login 'an md5 secret' "$no_sasl" md pw
login 'as another user' plain scram pw other
login 'auth_query' looked_up looked_up pw asked
login 'auth_query, wrong' "$no_sasl" looked_up wrong asked
# PgBouncer tells strangers who is known; ours does not.
unknown=$no_sasl
is_ours || unknown='no such user'
login 'auth_query, unknown' "$unknown" nobody pw asked
login 'auth_query, no longer valid' "$no_sasl" expired pw asked
pg_sql "alter role looked_up password 'new'"
login 'auth_query, the new password' looked_up looked_up new asked
login 'auth_query, the old one' "$no_sasl" looked_up pw asked
pooler_stop

with any
login 'any user, forced' forced whoever x forced
login 'any user, not forced' 'bouncer config error' whoever x postgres
pooler_stop

# A password that the server does not take any more.
cat >>"$tmp/userlist.txt" <<<'"stale" "old"'
pg_sql "create role stale login password 'new'"
with trust
login 'the server refuses' 'password authentication failed for user "stale"' \
    stale x
succeeds 'and the log says so' logged \
    'server login failed: FATAL password authentication failed for user "stale"'
pooler_stop
is 'no secret is in the log' '' "$(grep -E 'SCRAM-SHA|md5[0-9a-f]{32}' \
    "$tmp/pooler.log")"
done_testing
