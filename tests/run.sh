#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Runs tests and adds them up.
# usage: run.sh [suite|script]...
#
# Suites: lint, unit, e2e (plain build), faults (a sample of the sweeps of
# tests/faults; FAULTS=all tries each point), asan (unit tests and the pooler's
# end-to-end tests under ASan and UBSan), tsan (the pooler's under TSan). A
# script is a path under tests. Programs must be built before. One line is
# printed for each program; the output of those that fail is kept under
# build/test-logs, its tail shown. The last line is `N passed, N failed`.
#
# PG=14,15,18	majors for the end-to-end tests (default: Debian's)
# POOLER=pgbouncer	the same tests on a real PgBouncer (fetched when needed)
# IO_BACKEND=io_uring	the pooler's tests over that back end (or epoll)
# JOBS=N	scripts at a time (default: the number of processors)
# TMPDIR=/dev/shm	where there is memory to spare and the disk is busy
#
# PostgreSQL refuses to run as root. As root everything is copied to a
# temporary directory and runs there as user postgres (or nobody), but for the
# scripts that say "# root": they start the servers as SERVER_USER.
set -u

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
# shellcheck source=tests/cache.sh
. tests/cache.sh
jobs_max=${JOBS:-$(nproc)}
logs=$top/build/test-logs
passed=0 failed=0 skipped=0
run_dir=$(mktemp -d "${TMPDIR:-/tmp}/homelab-run.XXXXXX")
running=()
preparing=
user=()
home=$top

finish() {
	local p
	for p in ${running[@]+"${running[@]}"}; do
		kill "$p" 2>/dev/null
	done
	[ -z "$preparing" ] || kill -- "-$preparing" 2>/dev/null
	wait
	rm -rf "$run_dir"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

# As root: a copy that another user can read, and the way to become him.
stage() {
	local name b
	name=postgres
	id postgres >/dev/null 2>&1 || name=nobody
	chmod 755 "$run_dir"
	home=$run_dir/tree
	mkdir -p "$home" "$run_dir/home" "$run_dir/tmp"
	cp -r tests etc "$home/" 2>/dev/null
	for b in build build-asan build-tsan; do
		[ -d $b ] || continue
		mkdir -p "$home/$b"
		find $b -maxdepth 1 -type f -perm -u+x \
		    -exec cp -t "$home/$b" {} +
		[ -d $b/e2e ] && cp -r $b/e2e "$home/$b/"
		[ -d $b/faults ] && cp -r $b/faults "$home/$b/"
	done
	if [ -d "$cache" ]; then
		cp -r --reflink=auto "$cache" "$run_dir/cache"
	fi
	export HOMELAB_CACHE=$run_dir/cache
	POOLER=${POOLER/#"$cache"/$run_dir/cache}
	chown -R "$name" "$run_dir"
	user=(setpriv "--reuid=$name" "--regid=$(id -g "$name")" --clear-groups
	    env "HOME=$run_dir/home" "TMPDIR=$run_dir/tmp")
}

# MinIO is made ready beside the first tests: where it must be built that takes
# minutes, once, and no script's time.
prepare() {
	cd "$home" || exit 1
	# shellcheck disable=SC2016
	setsid "${user[@]}" bash -c '. tests/cache.sh
	    minio_bin >"$1" 2>"$1.why" </dev/null || rm "$1"' - \
	    "$run_dir/minio" &
	preparing=$!
	cd "$top" || exit 1
}
# Before the first script that needs it.
prepared() {
	[ -n "$preparing" ] || return 0
	wait "$preparing"
	preparing=
	if [ ! -e "$run_dir/minio" ]; then
		NO_MINIO=$(tail -1 "$run_dir/minio.why")
		export NO_MINIO=${NO_MINIO:-MinIO: none}
	elif [ ${#user[@]} -gt 0 ] && [ -z "${MINIO:-}" ] &&
	    [ ! -e "$cache/bin/minio" ]; then
		# For the next time.
		mkdir -p "$cache/bin" &&
		    cp "$(cat "$run_dir/minio")" "$cache/bin/minio.new" &&
		    mv "$cache/bin/minio.new" "$cache/bin/minio"
	fi
}
needs_minio() {
	case $1 in *-s3.sh) return 0 ;; esac
	grep -qE 'minio_start|^STORE=s3' "$1"
}

# report name log status seconds: counts the TAP lines or Check's summary in a
# log
report() {
	local name=$1 log=$2 status=$3 p f s plan seen tag=""
	if [[ $name == unit* ]]; then
		read -r p f < <(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' \
		    "$log" | awk '{ n += $1; b += $2 + $3 } END { print n - b, b + 0 }')
		s=0 seen=$((p + f)) plan=$seen
		[ $seen -gt 0 ] || status=1
	else
		s=$(grep -cE '^ok .*# SKIP' "$log")
		p=$(($(grep -cE '^ok ' "$log") - s))
		f=$(grep -cE '^not ok ' "$log")
		plan=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$log" | tail -1)
		seen=$((p + f + s))
		if grep -q '^1\.\.0 # SKIP' "$log"; then
			s=1 tag=" ($(sed -n 's/^1\.\.0 # SKIP //p' "$log"))"
			plan=$seen
		fi
	fi
	# Neither counted as failed nor ended well: it died.
	if [ "${plan:-none}" != "$seen" ] ||
	    { [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; }; then
		f=$((f + 1))
		tag=" (died, status $status)"
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	if [ "$f" -gt 0 ]; then
		mkdir -p "$logs"
		cp "$log" "$logs/${name//[ \/]/_}.log"
		printf 'FAIL  %-44s %3d passed, %d failed%s\n' "$name" "$p" \
		    "$f" "$tag"
		{
			grep -E -A6 '^not ok|^Bail out|:[FE]:' "$log" |
			    head -40
			echo "..."
			tail -5 "$log"
		} | sed 's/^/      | /'
		echo "      | all of it: build/test-logs/${name//[ \/]/_}.log"
	else
		# Who takes long is told: it is what the suite waits for.
		printf 'ok    %-44s %3d passed%s%s%s\n' "$name" "$p" \
		    "$([ "$s" -gt 0 ] && echo ", $s skipped")" \
		    "$([ "$4" -ge 20 ] && echo " in $4 s")" "$tag"
		# No failure, but time lost, or a test that sees less.
		grep '^# waited in vain' "$log" | sed 's/^/      | /'
	fi
}

# start name command...: in the background, its log in the run's directory
start() {
	local name=$1 log
	shift
	log=$run_dir/${#names[@]}.log
	names+=("$name") files+=("$log")
	(
		cd "$home" || exit 1
		SECONDS=0
		timeout -k 10 "${TEST_TIMEOUT:-1800}" "$@" </dev/null \
		    >"$log" 2>&1 &
		# It has a process group of its own: no Ctrl-C reaches it.
		trap 'kill $!; wait $!; exit' TERM
		wait $!
		echo "$? $SECONDS" >"$log.rc"
	) &
	running[${#names[@]} - 1]=$!
}

# Waits until fewer than $1 run, and reports those that ended.
settle() {
	local i live status took
	while :; do
		live=()
		for i in "${!running[@]}"; do
			if [ ! -e "${files[$i]}.rc" ] &&
			    kill -0 "${running[$i]}" 2>/dev/null; then
				live[i]=${running[$i]}
			fi
		done
		for i in "${!running[@]}"; do
			[ -n "${live[$i]:-}" ] && continue
			wait "${running[$i]}" 2>/dev/null
			status=255 took=0
			[ ! -e "${files[$i]}.rc" ] ||
			    read -r status took <"${files[$i]}.rc"
			report "${names[$i]}" "${files[$i]}" "$status" "$took"
			unset "running[$i]"
		done
		[ "${#running[@]}" -lt "$1" ] && return
		sleep 0.1
	done
}

names=() files=()
run() {
	start "$@"
	settle "$jobs_max"
}

# A test whose first lines say "# serial" measures time: nothing beside it.
run_script() {
	local suffix=$1 script=$2 name
	shift 2
	name=$(basename "$script" .sh)$suffix
	! needs_minio "$script" || prepared
	# A test whose first lines say "# root" wants to be root, if we are.
	if [ ${#user[@]} -gt 0 ] && head -20 "$script" | grep -q '^# root'; then
		local user=(env "TMPDIR=$run_dir/tmp" "HOME=$run_dir/home"
		    "SERVER_USER=${user[1]#--reuid=}")
	fi
	if head -20 "$script" | grep -q '^# serial'; then
		settle 1
		start "$name" "${user[@]}" env "$@" \
		    ${POOLER:+"POOLER=$POOLER"} "$script"
		settle 1
	else
		run "$name" "${user[@]}" env "$@" \
		    ${POOLER:+"POOLER=$POOLER"} "$script"
	fi
}

suite_lint() {
	local script
	for script in tests/lint/*.sh; do
		[ -x "$script" ] || continue
		home=$top run \
		    "lint/$(basename "$script" .sh)" "$script"
	done
}

unit_tests() {
	local t name
	for t in "$1"/unit/*_test; do
		[ -x "$t" ] && home=$top run "unit/$(basename "$t")$2" \
		    env $san_options "$t"
	done
	# The fuzzers, each on its own inputs (tests/fuzz/replay.c).
	for t in "$1"/fuzz/*_fuzz; do
		name=$(basename "$t")
		[ -x "$t" ] && home=$top run "fuzz/$name$2" \
		    env $san_options "$t" "tests/fuzz/corpus/$name"
	done
}

# Each of the majors runs on all scripts.
suite_e2e() {
	local major script
	for major in ${PG//,/ }; do
		for script in tests/e2e/[0-9]*.sh; do
			run_script " (PG $major)" "$script" PG="$major"
		done
	done
}

suite_faults() {
	local script
	for script in tests/faults/[0-9]*.sh; do
		run_script "" "$script" PG="${PG%%,*}"
	done
}

san_options=
suite_asan() {
	san_options="ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
	unit_tests build-asan " ASan"
	sanitized build-asan " ASan"
}

suite_tsan() {
	san_options="TSAN_OPTIONS=second_deadlock_stack=1:suppressions=$home/tests/tsan.supp"
	sanitized build-tsan " TSan"
}

# The pooler's scripts, with another build; the long ones run shorter.
sanitized() {
	local script
	for script in tests/e2e/[0-9]*.sh; do
		grep -q '^# sanitizers' "$script" || continue
		# shellcheck disable=SC2086
		run_script "$2" "$script" B="$1" PG="${PG%%,*}" SLOW=1 \
		    $san_options
	done
}

rm -rf "$logs"
PG=${PG:-$(pg_debian)}
POOLER=${POOLER:-}
if [ "$POOLER" = pgbouncer ]; then
	POOLER=$(pgbouncer_bin) || exit 1
fi
[ $# -gt 0 ] || set -- lint unit e2e
for major in ${PG//,/ }; do
	pg_bin "$major" >/dev/null || exit 1
done
[ "$(id -u)" = 0 ] && stage
case " $* " in
*" e2e "* | *" faults "* | *-s3.sh* | *50-store.sh* | *64-two-repos.sh*) prepare ;;
esac
for what in "$@"; do
	case $what in
	lint) suite_lint ;;
	unit) unit_tests build "" ;;
	e2e | faults | asan | tsan) "suite_$what" ;;
	*.sh) for major in ${PG//,/ }; do
		run_script " (PG $major)" "$what" PG="$major" ${B:+"B=$B"}
	      done ;;
	*) echo "run.sh: no suite called $what" >&2; exit 2 ;;
	esac
done
settle 1
[ $skipped -eq 0 ] || echo "$skipped skipped: what they need is not here"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
