#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# Strangers: floods of everything that is not a proper login (flood.c says
# what), logins by the hundred beyond max_client_conn, cancel requests with
# random keys. Who is logged in is served all the while, and afterwards
# memory, slabs and descriptors are what they were. No secret is in the log,
# however much of it is asked for.
# FLOOD_SOCKETS, FLOOD_SECONDS, FLOOD_SEED: more by hand.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

sockets=${FLOOD_SOCKETS:-150} seconds=${FLOOD_SECONDS:-6}
seed=${FLOOD_SEED:-1}
[ -z "${SLOW:-}" ] || sockets=${FLOOD_SOCKETS:-80}
limit=$((sockets + 200))
ulimit -n $((sockets * 3 + 2000)) 2>/dev/null

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -days 2 -subj /CN=localhost -keyout "$tmp/tls.key" -out "$tmp/tls.crt" \
    2>/dev/null
pg_start
cat >"$tmp/data/pg_hba.conf" <<-HBA
	local	all	all		trust
	host	all	all	127.0.0.1/32	scram-sha-256
HBA
pg_sql "create role alice superuser login password 'Alice-Secret-1';
    create role bob superuser login password 'Bob-Secret-2';
    create role dave login password 'Dave-Secret-4';
    create role asks superuser login password 'Asks-Secret-5';
    set password_encryption = md5;
    create role carol login password 'Carol-Secret-3'"
pg_sql 'select pg_reload_conf()' >/dev/null
secret() {
	pg_sql "select rolpassword from pg_authid where rolname = '$1'"
}
cat >"$tmp/userlist.txt" <<-LIST
	"alice" "$(secret alice)"
	"bob" "Bob-Secret-2"
	"carol" "$(secret carol)"
	"asks" "Asks-Secret-5"
	"admin" "Admin-Secret-6"
LIST
databases="postgres = host=127.0.0.1 port=$pg_port auth_user=asks
forced = host=127.0.0.1 port=$pg_port dbname=postgres user=dave password=Dave-Secret-4"
pooler_ini 'auth_type = scram-sha-256' "max_client_conn = $limit" \
    'client_login_timeout = 8' 'default_pool_size = 5' \
    'client_tls_sslmode = allow' "client_tls_key_file = $tmp/tls.key" \
    "client_tls_cert_file = $tmp/tls.crt"
if is_ours; then
	pooler_start -v -v -v
else
	pooler_start
fi

# login user password [database]
login() {
	PGPASSWORD=$2 psql -XAtq "host=127.0.0.1 port=$port user=$1
	    dbname=${3:-postgres}" -c 'select 1' 2>&1 | tail -1
}
is 'alice, by SCRAM' 1 "$(login alice Alice-Secret-1)"
is 'bob, by a password in the file' 1 "$(login bob Bob-Secret-2)"
is 'dave, by auth_query' 1 "$(login dave Dave-Secret-4)"
is 'bob, by TLS' 1 "$(PGSSLMODE=require login bob Bob-Secret-2)"
like 'a wrong password' '*authentication failed*' \
    "$(login bob Wrong-Secret-7)"
is 'a password that the server is told' 1 "$(login bob Bob-Secret-2 forced)"

export PGPASSWORD=Alice-Secret-1
used() {
	console 'SHOW MEM' | awk -F'|' '
		$1 ~ /client|cancel|wait/ { print $1, $3 }'
}
resident() {
	awk '/^VmRSS/ { print $2 }' "/proc/$pooler_pid/status"
}
open_files() {
	ls "/proc/$pooler_pid/fd" | wc -l
}
# One flood first, the largest: what it takes once and keeps is not a leak.
"$B/e2e/flood" "$port" $((limit + 100)) 2 "$seed" 60 >/dev/null 2>&1
quiet() {
	[ "$(console 'SHOW CLIENTS' | grep -c .)" -le 1 ]
}
until_true 30 quiet
memory=$(resident) files=$(open_files) slabs=$(used)

# Those who are in: each transaction is answered, by the one it asked.
psql -XAtq -h "$tmp" -p "$pg_port" -U postgres -c \
    'create table good (i int)' >/dev/null
echo 'begin; insert into good values (1); commit;' >"$tmp/good.sql"
pgbench -n -h 127.0.0.1 -p "$port" -U alice -c 4 -T $((seconds + 4)) \
    -f "$tmp/good.sql" postgres >"$tmp/pgbench.out" 2>&1 &
bench=$!
pids+=("$bench")
flooded=$("$B/e2e/flood" "$port" "$sockets" "$seconds" "$seed" 60 2>&1)
is "$sockets strangers at a time, for $seconds s: all turned away" 0 $?
echo "# $flooded"
wait "$bench"
is 'those who were in worked on' 0 $?
done_=$(sed -n 's/.*actually processed: \([0-9]*\).*/\1/p' "$tmp/pgbench.out")
is 'and each of their transactions counts' "$done_" \
    "$(pg_sql 'select count(*) from good')"
sed -n 's/^latency average/# latency average/p' "$tmp/pgbench.out"

# More of them than there is room for: the others are told so, and nobody who
# is in loses his place.
{
	echo "test those who are in stay, those who are too many are refused"
	for ((i = 0; i < 10; i++)); do
		echo "open o$i 'host=127.0.0.1 user=alice sslmode=disable'"
	done
	echo "sh '\"$B/e2e/flood\" $port $((limit + 100)) 2 $seed 60 >$tmp/beyond 2>&1'"
	# Ten who are in and ten who say nothing: no place is left.
	echo "sh '$tmp/places 20'"
	for ((i = 0; i < 10; i++)); do
		echo "raw s$i"
	done
	echo "openfail 'host=127.0.0.1 user=alice' '*no more connections allowed (max_client_conn)*'"
	for ((i = 0; i < 10; i++)); do
		echo "o$i> Q 'select $i'"
		echo "o$i< T D:$i C Z:I"
	done
	echo "sh '$tmp/places $limit'"
} >"$tmp/logins.talk"
cat >"$tmp/places" <<-SH
#!/bin/sh
psql -Xq -h $tmp -p $port -U pgbouncer -d pgbouncer \
    -c "SET max_client_conn = \$1" >/dev/null
SH
chmod +x "$tmp/places"
pooler_env
talk <"$tmp/logins.talk"
room() {
	[ "$(login alice Alice-Secret-1)" = 1 ]
}
succeeds 'and then there is room again' until_true 20 room

until_true 30 quiet
back() {
	[ "$(used)" = "$slabs" ] && [ "$(open_files)" -le $((files + 5)) ]
}
until_true 30 back
is 'slabs are back' "$slabs" "$(used)"
between 'descriptors are back (but servers)' 1 $((files + 5)) "$(open_files)"
if [ -n "${SLOW:-}" ]; then
	skip 'memory is back' 'a sanitizer keeps what is freed'
else
	between 'memory is back (KiB)' 1 $((memory + 16384)) "$(resident)"
fi

# Nothing that would let somebody in was written down.
for user in alice carol dave; do
	s=$(secret $user)
	secrets+=("$s" "${s##*:}")
	[ "$user" = carol ] || secrets+=("$(cut -d: -f2 <<<"${s#*\$*\$}")")
done
secrets+=(Alice-Secret Bob-Secret Carol-Secret Dave-Secret Asks-Secret
    Admin-Secret Wrong-Secret "$(sed -n 2p "$tmp/tls.key")")
console "SET auth_query = 'select ''a'', ''Query-Secret-8'''" >/dev/null
found=
for s in "${secrets[@]}"; do
	[ ${#s} -ge 8 ] || found="$found [empty: $s]"
	! grep -qF -- "$s" "$tmp/pooler.log" "$tmp/pooler.out" ||
	    found="$found [$s]"
done
is "none of ${#secrets[@]} secrets is in the log" '' "$found"
between 'which was asked for everything' 500 100000000 \
    "$(grep -c . "$tmp/pooler.log")"
for s in Dave-Secret-4 Bob-Secret-2; do
	like 'nor on the console' '' "$(for what in DATABASES USERS CONFIG \
	    CLIENTS SERVERS POOLS; do console "SHOW $what"; done |
	    grep -F "$s")"
done
pooler_stop
done_testing
