#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Measures the programs side by side with their peers, and prints ratios.
# usage: run.sh [row]...		default: pooler archiver
#
# Rows: pooler (= tx latency login memory copy) and archiver (= backup wal
# push recovery, on a directory and on S3); see bench/pooler.sh and
# bench/archiver.sh. Contenders take turns within each round, a figure is the
# median of the rounds, processor time is what the kernel has accounted to the
# processes. Raw values are in build/bench/*.tsv. The load average stands at
# each table: on a machine that does other work believe the ratios, and not
# the figures.
#
# BENCH_ROUNDS=3 BENCH_SECONDS=1	how often, and how long each time
# BENCH_SCALE=70			pgbench's scale for backups: 70 is 1 GiB
# BENCH_SEGMENTS=200			segments that are archived and replayed
#
# Needs PostgreSQL and pgbench (tests/deps.sh); fetches PgBouncer, pgBackRest
# and MinIO once, into ~/.cache/homelab (tests/cache.sh). PostgreSQL refuses
# root: as root, a copy of the programs runs as user postgres.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
# shellcheck source=tests/cache.sh
. tests/cache.sh
[ $# -gt 0 ] || set -- pooler archiver
out=$top/build/bench
mkdir -p "$out"

pooler=() archiver=()
for row in "$@"; do
	case $row in
	pooler) pooler=(tx latency login memory copy) ;;
	archiver) archiver=(backup wal push recovery s3) ;;
	tx | latency | login | memory | copy) pooler+=("$row") ;;
	backup | wal | push | recovery | s3) archiver+=("$row") ;;
	*) echo "bench: no row called $row" >&2; exit 2 ;;
	esac
done
if [ ${#pooler[@]} -gt 0 ]; then
	pgbouncer_bin >/dev/null || exit 1
fi
if [ ${#archiver[@]} -gt 0 ]; then
	pgbackrest_bin >/dev/null || exit 1
fi
if [[ " ${archiver[*]} " == *" s3 "* ]]; then
	minio_bin >/dev/null || echo "bench: no MinIO, so no S3 rows" >&2
fi

user=() home=$top
if [ "$(id -u)" = 0 ]; then
	run_dir=$(mktemp -d /tmp/homelab-bench.XXXXXX)
	trap 'rm -rf "$run_dir"' EXIT
	home=$run_dir/tree
	mkdir -p "$home/build/bench" "$run_dir/home" "$run_dir/tmp" \
	    "$run_dir/cache"
	cp -r tests bench "$home/"
	cp build/bench/reap "$home/build/bench/" 2>/dev/null
	find build -maxdepth 1 -type f -perm -u+x -exec cp -t "$home/build" {} +
	for part in pgbouncer pgbackrest bin postgresql; do
		[ ! -e "$cache/$part" ] ||
		    cp -r --reflink=auto "$cache/$part" "$run_dir/cache/"
	done
	chown -R postgres "$run_dir"
	chmod 755 "$run_dir"
	user=(setpriv --reuid=postgres "--regid=$(id -g postgres)"
	    --clear-groups env "HOME=$run_dir/home" "TMPDIR=$run_dir/tmp"
	    "HOMELAB_CACHE=$run_dir/cache")
fi

status=0
for part in pooler archiver; do
	declare -n rows=$part
	[ ${#rows[@]} -gt 0 ] || continue
	(cd "$home" && "${user[@]}" "bench/$part.sh" "${rows[@]}") || status=1
	[ "$home" = "$top" ] || cp "$home"/build/bench/*.tsv "$out/" 2>/dev/null
done
exit $status
