#!/bin/bash
# SPDX-License-Identifier: MIT
#
# restore, killed and failed at its system calls: PostgreSQL refuses what was
# left, or it is whole; a second restore succeeds and makes the same tree.

# shellcheck source=tests/faults/lib.sh
. "$(dirname "$0")/lib.sh"

faults_cluster "archive-timeout=2m" "io-timeout=1m" "process-max=1" \
    "expire-auto=n"
mkdir "$tmp/space"
pg_sql "create tablespace space location '$tmp/space'" >/dev/null
pg_sql "create table t tablespace space as
    select i, md5(i::text) from generate_series(1, 2000) i" >/dev/null
want=$(rows t)
like "a backup" "*is complete*" "$(ar backup --type=full)"
whole=$(newest)
few_files
like "another, of a few files" "*is complete*" "$(ar backup --type=full)"
pg_stop fast
options=(--process-max=1 "--tablespace-map=space=$tmp/new.space")

# What a restore makes; two settings files say when.
tree() {
	(cd "$1" && find . -type f ! -name backup_manifest \
	    ! -name postgresql.auto.conf ! -name "*homelab*" -print0 | sort -z |
	    xargs -0 md5sum && find . -type d -o -type l | sort)
}
like "without a fault" "*is restored*" "$(restored new "${options[@]}")"
tree "$tmp/new" >"$tmp/tree"
cp -a "$tmp/new" "$tmp/whole"
cp -a "$tmp/new.space" "$tmp/whole.space"

clear() {
	rm -rf "$tmp/new" "$tmp/new.space"
}
# An older state of a cluster, some of it right.
older() {
	clear
	cp -a "$tmp/whole" "$tmp/new"
	cp -a "$tmp/whole.space" "$tmp/new.space"
	rm -f "$tmp/new/recovery.signal"
	printf 'older' | dd of="$tmp/new/global/1262" conv=notrunc 2>/dev/null
	echo older >"$tmp/new/global/pg_filenode.map"
	echo mine >"$tmp/new/extra"
}
restore() {
	fault_ar "$1" "$2" restore --pg1-path="$tmp/new" "${options[@]}"
}
delta() {
	fault_ar "$1" "$2" restore --pg1-path="$tmp/new" --delta "${options[@]}"
}
older
tree "$tmp/new" >"$tmp/tree.older"
same_as() {
	tree "$tmp/new" >"$tmp/tree.new"
	cmp -s "$tmp/tree.new" "$1"
}
differs() {
	diff "$tmp/tree.new" "$tmp/tree" | head -4
}
# Looks at pg_control first: without it no PostgreSQL starts. With it all is
# as restored, or nothing was touched.
restore_ended() {
	local again=()
	said_well
	if [ -e "$tmp/new/global/pg_control" ]; then
		same_as "$tmp/tree" || { [ "$rc" != 0 ] &&
		    same_as "$tmp/tree.older"; } ||
			broken "it would start, and is not whole: $(differs)"
	elif [ "$rc" = 0 ]; then
		broken "exit 0 without pg_control"
	fi
	if [ "$rc" = 0 ]; then
		breaches=$(in_order "$tmp/trace" "$tmp/new" silent)
		[ -z "$breaches" ] || broken "${breaches:0:400}"
	fi
	[ ! -d "$tmp/new" ] || [ -z "$(ls -A "$tmp/new" "$tmp/new.space" \
	    2>/dev/null | grep -v :)" ] || again=(--delta)
	restored new "${options[@]}" "${again[@]}" >"$tmp/again.out" ||
		broken "the second restore: $(cat "$tmp/again.out")"
	same_as "$tmp/tree" || broken "the second restore differs: $(differs)"
}

sweep "restore, killed" kill clear restore restore_ended
is "restore: everything synced, pg_control last" "" \
    "$(in_order "$trace" "$tmp/new" silent | head -5)"
last=$(grep -nE " (rename|link)[a-z0-9]* .*/global/pg_control " "$trace" |
    tail -1 | cut -d: -f1)
is "nothing is written behind pg_control" "" \
    "$(tail -n "+$((last + 1))" "$trace" | grep -E ' (p?write|openat|rename) ')"
sweep "restore --delta, killed" kill older delta restore_ended
is "restore --delta: the old pg_control is gone for good first" "" \
    "$(awk -v root="$tmp/new" '
	$3 == "unlink" && $4 == root "/global/pg_control" { gone = 1; next }
	$3 == "fsync" && $4 == root "/global" && gone { exit }
	gone && index($4, root "/") == 1 { print; exit }' "$trace")"
sweep "restore, failing" "ENOSPC EIO EINTR short" clear restore restore_ended
sweep "restore --delta, failing" "ENOSPC EIO EINTR short" older delta \
    restore_ended

# PostgreSQL's own word for "refuses".
clear
restore $(($(counted "$trace") - 3)) kill
is "killed shortly before the end" 137 "$rc"
"$bin/pg_ctl" -D "$tmp/new" -w -t 300 -l "$tmp/refused.log" -o "-p $pg_port" \
    start >/dev/null 2>&1
is "PostgreSQL does not start" 1 "$?"
like "for want of pg_control" "*could not find the database system*" \
    "$(cat "$tmp/refused.log" "$tmp/new.log" 2>/dev/null)"
like "restored over it, all of it" "*is restored*" \
    "$(restored new "${options[@]}" --delta --set="$whole")"
recover new
is "it starts and has the rows" "$want" "$(rows t)"
echo "# $points_tried points"
done_testing
