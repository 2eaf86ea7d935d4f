# SPDX-License-Identifier: MIT
#
# lib - what the fault tests share; sourced first. It brings e2e/lib.sh and
# e2e/arlib.sh along: STORE=posix or s3, the stanza is main, $tmp/data.
#
#	FAULTS=N	how many points of each sweep are tried (default 4);
#			all: each of them
#	SEED=N		which points, when not all (default: by chance, shown)
#
# A sweep runs something once to count its state-changing system calls, then
# again and again with a fault at one of them, and gives one result: ok, or
# the points at which a promise was broken.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=tests/e2e/arlib.sh
. "$(dirname "$0")/../e2e/arlib.sh"

SYSFAULT=$B/faults/sysfault
FAULTS=${FAULTS:-4}
SEED=${SEED:-$RANDOM}
RANDOM=$SEED
points_tried=0
echo "# seed $SEED, points $FAULTS"

"$SYSFAULT" true || skip_all "no ptrace and seccomp here"

# points total: the numbers to try, the first and the last always among them
points() {
	local total=$1 n
	if [ "$FAULTS" = all ] || [ "$total" -le "$FAULTS" ]; then
		seq "$total"
		return
	fi
	{
		echo 1
		echo "$total"
		for ((n = 2; n < FAULTS; n++)); do
			echo $((2 + RANDOM % (total - 2)))
		done
	} | sort -nu
}

# pairs total actions: "point:action", each action at each point; of a sample
# of points, or of very many, one action each
pairs() {
	local point list
	read -ra list <<<"$2"
	for point in $(points "$1"); do
		if [ "$FAULTS" = all ] && [ "$1" -lt 1000 ]; then
			printf "$point:%s\n" "${list[@]}"
		else
			echo "$point:${list[RANDOM % ${#list[@]}]}"
		fi
	done
}

# counted file: how many calls a trace has
counted() {
	grep -c '^[0-9]' "$1"
}

# where file N: what the N-th call of a trace was
where() {
	sed -n "s/^$2 [0-9]* //p" "$1" | sed "s|$tmp|.|g" | cut -c1-120
}

# broken text: a promise was; collected for the sweep's result
broken() {
	complaints+="at call $point ($action, $(where "$trace" "$point")): $1"$'\n'
}

# sweep "name" actions before run check
#	before		makes everything as it was (a function)
#	run N action	with a fault at call N; N 0: none, writes $trace
#	check		looks at $rc and what was left, calls broken()
# Functions see $point and $action.
sweep() {
	local name=$1 actions=$2 before=$3 run=$4 check=$5 total tried=0 pair
	local complaints="" action=count point=0
	trace=$tmp/trace.$((tests_run + 1))
	$before
	$run 0 count
	total=$(counted "$trace")
	if [ "$rc" != 0 ] || [ "$total" = 0 ]; then
		not_ok "$name" "without a fault: exit $rc, $total calls" \
		    "$(tail -5 "$tmp/run.out")"
		return
	fi
	for pair in $(pairs "$total" "$actions"); do
		point=${pair%:*} action=${pair#*:}
		$before
		$run "$point" "$action"
		$check
		tried=$((tried + 1))
		[ ${#complaints} -lt 3000 ] || break
	done
	points_tried=$((points_tried + tried))
	if [ -z "$complaints" ]; then
		ok "$name: $tried points of $total calls"
	else
		not_ok "$name: $tried points of $total calls" "$complaints"
	fi
}

# fault N action command...: sets $rc, the output is in $tmp/run.out
fault() {
	local n=$1 action=$2
	shift 2
	if [ "$action" = count ]; then
		"$SYSFAULT" -t "$trace" "$@" >"$tmp/run.out" 2>&1
	else
		"$SYSFAULT" -n "$n" -a "$action" -t "$tmp/trace" "$@" \
		    >"$tmp/run.out" 2>&1
	fi
	rc=$?
}

# fault_ar N action verb...: the archiver, without a daemon
fault_ar() {
	local n=$1 action=$2
	shift 2
	fault "$n" "$action" "$ARCHIVER" --config="$ini" --stanza=main "$@"
}

# A failure is said, and is no signal but our own; `most` is the highest
# exit status that it may have.
said_well() {
	local most=${1:-125}
	if [ "$action" = kill ]; then
		[ "$rc" = 137 ] || [ "$rc" = 0 ] || [ "$rc" -le "$most" ] ||
			broken "exit $rc"
		return
	fi
	[ "$rc" -le "$most" ] || broken "exit $rc: $(tail -2 "$tmp/run.out")"
	[ "$rc" = 0 ] || [ -s "$tmp/run.out" ] || broken "exit $rc, no word"
	! grep -qiE 'Sanitizer|Assertion|runtime error' "$tmp/run.out" ||
		broken "$(tail -3 "$tmp/run.out")"
}

# in_order file root [silent]: what an acknowledged trace promised to have
# synced; silent: what it sends is no promise
in_order() {
	awk -v root="$2" -v silent="${3:+1}" -f "$top/tests/faults/order.awk" "$1"
}

# garbage: keys that belong to no backup that is complete, and to no WAL
garbage() {
	objects | awk -F/ '
		$2 == "backup" && $4 ~ /^manifest-/ {
			run[$3] = substr($4, 10)
			next
		}
		{ keys[NR] = $0; label[NR] = $2 == "backup" ? $3 : ""; its[NR] = $4 }
		$1 != "main" || /\/\./ { print; next }
		$2 != "id" && $2 != "wal" && $2 != "backup" { print }
		END {
			for (i in keys)
				if (label[i] != "" && its[i] != run[label[i]] &&
				    its[i] != "tombstone")
					print keys[i]
		}' | sort -u
}

# objects: the keys in the repository, one a line, whatever their names
objects() {
	case $STORE in
	posix) (cd "$tmp/repo" && find . -type f | sed 's|^\./||') ;;
	s3) (cd "$tmp/minio/homelab/pg" 2>/dev/null &&
	    find . -name xl.meta | sed 's|^\./||; s|/xl.meta$||') ;;
	esac | sort
}

# faults_cluster [lines for the global section]: small, with checksums,
# segments of 1 MiB, one database; it archives, and its stanza is there
faults_cluster() {
	free_port pg_port
	pg_init "$tmp/data" -k --wal-segsize=1
	archiver_ini "spool-path=$tmp/spool" "$@"
	sed -i '/^archive-timeout=30s$/d' "$ini"
	mkdir -p "$tmp/spool"
	archive_settings
	pg_start pg_port "$tmp/data"
	ar stanza-create >"$tmp/stanza.out" || {
		cat "$tmp/stanza.out"
		echo "Bail out! stanza-create"
		exit 1
	}
	# Less to copy: what is tested has one file as well as a thousand.
	psql -XAtq -h "$tmp" -p "$pg_port" -U postgres -d postgres \
	    -c "ALTER DATABASE template0 IS_TEMPLATE false" \
	    -c "DROP DATABASE template0" \
	    -c "ALTER DATABASE template1 IS_TEMPLATE false" \
	    -c "DROP DATABASE template1" >"$tmp/drop.out" 2>&1
}

# From here on backups leave out most of the relations: of each kind a few
# files make the same calls as hundreds, so that each call can be tried.
few_files() {
	(cd "$tmp/data" && find base global -type f -name '[1-9]*' | sort |
	    awk '{
		kind = $0
		sub(/[0-9]+(_|$)/, "", kind)
		if (++seen[kind] > 3 && $0 != "global/1262")
			print "exclude=" $0
	    }') >"$tmp/exclude"
	sed -i "/^\[global\]\$/r $tmp/exclude" "$ini"
}

# Ends a segment that has something in it, and prints its name.
next_segment() {
	pg_sql "select pg_walfile_name(pg_current_wal_insert_lsn())"
	pg_sql "create table if not exists filler (x int, t text);
	    insert into filler select i, md5(i::text)
		from generate_series(1, 500) i;
	    select pg_switch_wal()" >/dev/null
}

archived() {
	[ -e "$tmp/data/pg_wal/archive_status/$1.done" ]
}

# --- a repository as it was, again and again ---------------------------------

case $STORE in
posix) place=$tmp/repo ;;
s3) place=$tmp/minio/homelab ;;
esac

# snapshot name: keeps the repository; with name: makes it so again. Nobody
# writes into an object, so links will do.
snapshot() {
	rm -rf "$tmp/snapshot.$1"
	cp -al "$place" "$tmp/snapshot.$1"
}
with() {
	rm -rf "$place"
	cp -al "$tmp/snapshot.$1" "$place"
}

# keep_segment: archives a segment, sets $segment, and keeps it in a pg_wal of
# its own, $tmp/kept, as PostgreSQL had it. Snapshots: "with" it, "without".
keep_segment() {
	segment=$(next_segment)
	next_segment >/dev/null
	until_true 30 archived "$segment"
	mkdir -p "$tmp/kept/pg_wal" "$tmp/kept/global"
	cp "$tmp/data/global/pg_control" "$tmp/kept/global/"
	ar archive-get "$segment" "$tmp/data/pg_wal/RECOVERYXLOG" || {
		echo "Bail out! $segment is not there"
		exit 1
	}
	mv "$tmp/data/pg_wal/RECOVERYXLOG" "$tmp/kept/pg_wal/$segment"
}

# Afterwards, when nobody archives any more.
snapshot_segment() {
	snapshot with
	find "$place" -path "*/wal/*" -name "$segment-*" -prune \
	    -exec rm -rf {} +
	find "$place" -type d -empty -delete
	snapshot without
}

# holds: the repository has the segment, byte for byte
holds() {
	rm -f "$tmp/kept/pg_wal/HELD"
	(cd "$tmp/kept" && ar archive-get "$segment" pg_wal/HELD) \
	    >"$tmp/get.out" && cmp -s "$tmp/kept/pg_wal/$segment" \
	    "$tmp/kept/pg_wal/HELD"
}
