#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The pooler beside PgBouncer: same PostgreSQL, same ini, transaction mode,
# twenty server connections. Run by bench/run.sh.
#
# tx		processor time per transaction: pgbench -S, three query modes,
#		20/100/1000 clients, both legs over Unix sockets or TCP
# latency	of a transaction with 1000 clients
# login		connections per second of processor time
# memory	resident bytes per idle client, plain and TLS
# copy		a COPY of 1 GiB to a client that is quick

# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"

# name, worker threads, io_backend
contenders='pgbouncer - -
epoll 1 epoll
io_uring 1 io_uring
epoll/2 2 epoll
io_uring/2 2 io_uring'
one_worker=(pgbouncer epoll io_uring)
everybody=(pgbouncer epoll io_uring epoll/2 io_uring/2)
declare -A pid_of port_of

# start name [lines for the ini]: a contender; pid_of and port_of know it
start() {
	local name=$1 workers io file program listen
	shift
	read -r workers io < <(awk -v n="$name" '$1 == n { print $2, $3 }' \
	    <<<"$contenders")
	free_port listen
	file=$tmp/${name//\//-}.ini
	{
		cat <<-INI
		[databases]
		unix = host=$tmp port=$pg_port dbname=postgres pool_size=20
		tcp = host=127.0.0.1 port=$pg_port dbname=postgres pool_size=20
		[pgbouncer]
		listen_addr = 127.0.0.1
		listen_port = $listen
		unix_socket_dir = $tmp
		auth_type = trust
		auth_file = $tmp/users
		admin_users = postgres
		pool_mode = transaction
		max_client_conn = 3000
		max_prepared_statements = 200
		logfile = $file.log
		log_connections = 0
		log_disconnections = 0
		INI
		if [ "$name" = pgbouncer ]; then
			program=$(pgbouncer_bin)
		else
			program=$B/homelab-pooler
			echo "worker_threads = $workers"
			echo "io_backend = $io"
		fi
		printf '%s\n' "$@"
	} >"$file"
	"$program" -q "$file" </dev/null >>"$file.out" 2>&1 &
	pid_of[$name]=$!
	port_of[$name]=$listen
	pids+=("$!")
	until_true 20 psql -XAtq -h "$tmp" -p "$listen" -U postgres -d unix \
	    -c 'select 1' || {
		tail -n 3 "$file.log" "$file.out"
		echo "bench: $name does not start" >&2
		exit 1
	}
}

# stop name
stop() {
	kill -9 "${pid_of[$1]}" 2>/dev/null
	wait "${pid_of[$1]}" 2>/dev/null
}

# Transactions that a contender has served.
served() {
	psql -XAtq -h "$tmp" -p "${port_of[$1]}" -U postgres -d pgbouncer \
	    -c 'show stats_totals' | awk -F'|' '{ n += $3 } END { print n + 0 }'
}

# host_of leg
host_of() {
	if [ "$1" = tcp ]; then echo 127.0.0.1; else echo "$tmp"; fi
}

# load name mode clients leg: pgbench in the background, all connected
load() {
	local name=$1 clients=$3 before
	before=$(served "$name")
	pgbench -n -S -M "$2" -c "$clients" -j 2 -T 3600 -h "$(host_of "$4")" \
	    -p "${port_of[$name]}" -U postgres "$4" >"$tmp/pgbench.out" 2>&1 &
	load_pid=$!
	until_true 60 is_loaded "$name" $((before + 2 * clients)) || {
		cat "$tmp/pgbench.out"
		echo "bench: pgbench does not run" >&2
		exit 1
	}
}
is_loaded() {
	[ "$(served "$1")" -ge "$2" ]
}
unload() {
	kill "$load_pid" 2>/dev/null
	wait "$load_pid" 2>/dev/null
}

# tx_once name mode clients leg: notes the processor time per transaction
tx_once() {
	local name=$1 n0 c0 n1 c1
	load "$@"
	n0=$(served "$name") c0=$(cpu_us "${pid_of[$name]}")
	sleep "$seconds"
	n1=$(served "$name") c1=$(cpu_us "${pid_of[$name]}")
	unload
	note tx "$2, $3 clients, $4" "$name" "CPU us" \
	    "$(div $((c1 - c0)) $((n1 - n0)))"
}

bench_tx() {
	local mode clients leg name round
	begin tx
	for mode in ${BENCH_MODES:-simple extended prepared}; do
	for clients in ${BENCH_CLIENTS:-20 100 1000}; do
	for leg in ${BENCH_LEGS:-unix tcp}; do
	for ((round = 0; round < rounds; round++)); do
	for name in "${everybody[@]}"; do
		# Two workers differ between modes as one does.
		[[ $name != */2 || $mode != extended ]] || continue
		tx_once "$name" "$mode" "$clients" "$leg"
	done; done; done; done; done
	show tx pgbouncer "Processor time of the pooler per transaction"
}

# latency_once name leg
latency_once() {
	local name=$1
	rm -f "$tmp"/lat.*
	(cd "$tmp" && pgbench -n -S -c 1000 -j 2 -T $((seconds + 2)) -l \
	    --log-prefix=lat -h "$(host_of "$2")" -p "${port_of[$name]}" \
	    -U postgres "$2" >"$tmp/pgbench.out" 2>&1) || {
		tail -n 3 "$tmp/pgbench.out"
		return
	}
	# The first second is connecting. The third column is microseconds.
	cat "$tmp"/lat.* | awk 'NR == 1 || $5 < t { t = $5 } { a[NR] = $0 }
	    END { for (i = 1; i <= NR; i++) { split(a[i], f, " ")
		if (f[5] > t) print f[3] } }' | sort -n >"$tmp/lat"
	awk '{ a[NR] = $1 } END { print a[int(NR * .5) + 1] / 1000,
	    a[int(NR * .99) + 1] / 1000, a[NR] / 1000 }' "$tmp/lat" |
	    while read -r p50 p99 max; do
		note latency "1000 clients, $2" "$name" "p50 ms" "$p50"
		note latency "1000 clients, $2" "$name" "p99 ms" "$p99"
		note latency "1000 clients, $2" "$name" "max ms" "$max"
	    done
}

bench_latency() {
	local name round
	begin latency
	for ((round = 0; round < rounds; round++)); do
		for name in "${everybody[@]}"; do
			latency_once "$name" unix
		done
	done
	show latency pgbouncer "Latency of pgbench -S, 1000 clients"
}

# login_once name row user: pgbench -C, a connection for each transaction
login_once() {
	local name=$1 c0 c1 n
	c0=$(cpu_us "${pid_of[$name]}")
	n=$(PGPASSWORD=secret pgbench -n -C -S -c 20 -j 2 -T $((seconds + 1)) \
	    -h "$tmp" -p "${port_of[$name]}" -U "$3" unix 2>&1 |
	    sed -n 's/.*actually processed: \([0-9]*\).*/\1/p')
	c1=$(cpu_us "${pid_of[$name]}")
	note login "$2" "$name" "per CPU second" \
	    "$(div "$((n * 1000000))" $((c1 - c0)) 0)"
}

bench_login() {
	local name round
	begin login
	for ((round = 0; round < rounds; round++)); do
		for name in "${one_worker[@]}"; do
			login_once "$name" "trust, and one query" postgres
		done
	done
	for name in "${one_worker[@]}"; do
		stop "$name"
		start "$name" "auth_type = scram-sha-256"
	done
	for ((round = 0; round < rounds; round++)); do
		for name in "${one_worker[@]}"; do
			login_once "$name" "SCRAM, and one query" scram
		done
	done
	show login pgbouncer "Logins over Unix sockets"
	restart
}

# memory_once name row "connection string": 1000 clients that only sit there
memory_once() {
	local name=$1 before
	before=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/${pid_of[$name]}/status")
	echo '\sleep 3600 s' >"$tmp/sleep.sql"
	pgbench -n -f "$tmp/sleep.sql" -c 1000 -j 1 -T 3600 \
	    "$3 port=${port_of[$name]} user=postgres" >/dev/null 2>&1 &
	load_pid=$!
	until_true 60 has_clients "$name" 1000 ||
	    echo "bench: $name does not take 1000 clients" >&2
	note memory "$2" "$name" "KiB a client" "$(div "$(($(awk \
	    '$1 == "VmRSS:" { print $2 }' "/proc/${pid_of[$name]}/status") -
	    before))" 1000)"
	unload
}
has_clients() {
	local n
	n=$(psql -XAtq -h "$tmp" -p "${port_of[$1]}" -U postgres -d pgbouncer \
	    -c 'show lists' | sed -n 's/^used_clients|//p')
	[ "${n:-0}" -ge "$2" ]
}

bench_memory() {
	local name round
	begin memory
	for ((round = 0; round < rounds; round++)); do
		for name in "${one_worker[@]}"; do
			stop "$name"
			start "$name" "client_tls_sslmode = allow" \
			    "client_tls_cert_file = $tmp/tls.crt" \
			    "client_tls_key_file = $tmp/tls.key"
			memory_once "$name" "idle, Unix" "host=$tmp dbname=unix"
			stop "$name"
			start "$name" "client_tls_sslmode = allow" \
			    "client_tls_cert_file = $tmp/tls.crt" \
			    "client_tls_key_file = $tmp/tls.key"
			memory_once "$name" "idle, TLS" \
			    "host=127.0.0.1 dbname=unix sslmode=require"
		done
	done
	show memory pgbouncer "Resident memory of 1000 idle clients"
	restart
}

# copy_once name
copy_once() {
	local name=$1 c0 c1 t0 t1 peak
	local query="copy (select repeat('x', 8191) from generate_series(1, 131072)) to stdout"
	c0=$(cpu_us "${pid_of[$name]}") t0=$(now_us)
	psql -XAtq -h "$tmp" -p "${port_of[$name]}" -U postgres -d unix \
	    -c "$query" >/dev/null
	c1=$(cpu_us "${pid_of[$name]}") t1=$(now_us)
	peak=$(awk '$1 == "VmHWM:" { print $2 }' "/proc/${pid_of[$name]}/status")
	note copy "COPY TO, 1 GiB, Unix" "$name" "GB/s" \
	    "$(div 1073741824 $(((t1 - t0) * 1000)))"
	note copy "COPY TO, 1 GiB, Unix" "$name" "CPU s/GB" \
	    "$(div $((c1 - c0)) 1073741)"
	note copy "COPY TO, 1 GiB, Unix" "$name" "peak MB" \
	    "$(div "$peak" 1000)"
}

bench_copy() {
	local name round
	begin copy
	for name in "${one_worker[@]}"; do
		stop "$name"
		start "$name"
	done
	for ((round = 0; round < rounds; round++)); do
		for name in "${one_worker[@]}"; do
			copy_once "$name"
		done
	done
	show copy pgbouncer "A large COPY"
}

restart() {
	local name
	for name in "${one_worker[@]}"; do
		stop "$name"
		start "$name"
	done
}

export PGPASSWORD=x
pg_init "$tmp/data"
# Each contender keeps its pools; with the tests' 60 some found no server.
echo "max_connections = 400" >>"$tmp/data/postgresql.conf"
pg_start
pg_sql "set password_encryption = 'scram-sha-256';
    create role scram login superuser password 'secret'" >/dev/null
pgbench -i -q -s 10 -h "$tmp" -p "$pg_port" -U postgres postgres \
    >/dev/null 2>&1
printf '"postgres" "x"\n"scram" "%s"\n' "$(pg_sql \
    "select rolpassword from pg_authid where rolname = 'scram'")" >"$tmp/users"
openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=localhost \
    -keyout "$tmp/tls.key" -out "$tmp/tls.crt" 2>/dev/null
for name in "${everybody[@]}"; do
	start "$name"
done
echo "$("$(pgbouncer_bin)" --version | head -1);" \
    "homelab-pooler: io_backend, /2 = two workers;" \
    "PostgreSQL $("$bin/postgres" --version | sed 's/.* //'), $(nproc) CPUs"
for row in "$@"; do
	"bench_$row"
done
