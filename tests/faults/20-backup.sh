#!/bin/bash
# SPDX-License-Identifier: MIT
#
# backup, killed and failed at its system calls: it is whole or it does not
# exist, the next one succeeds, expire removes what was left.

# shellcheck source=tests/faults/lib.sh
. "$(dirname "$0")/lib.sh"

# A point takes seconds: labels are whole seconds.
[ "$FAULTS" = all ] || FAULTS=$(((FAULTS + 1) / 2))
faults_cluster "archive-timeout=2m" "io-timeout=1m" "process-max=1" \
    "expire-auto=n" "repo1-retention-full=1"
like "a backup to begin with" "*is complete*" "$(ar backup --type=full)"

nothing() { :; }
backup() {
	known=$(ar info | grep -c 'full backup')
	fault_ar "$1" "$2" backup --type=full
}
complete() {
	ar info | grep -c 'full backup'
}
backup_ended() {
	local n
	said_well
	n=$(complete)
	if [ "$rc" = 0 ]; then
		[ "$n" = $((known + 1)) ] || broken "exit 0 and no backup"
		breaches=$(in_order "$tmp/trace" "$tmp/repo")
		[ -z "$breaches" ] || broken "$breaches"
	fi
	# Killed behind its manifest it is there and nobody was told.
	between_ok "$known" $((known + 1)) "$n" ||
		broken "$known backups became $n"
	ar verify >"$tmp/verify.out" || broken "verify: $(cat "$tmp/verify.out")"
	ar backup --type=full >"$tmp/again.out" ||
		broken "the next backup: $(cat "$tmp/again.out")"
	ar expire --expire-grace=0 >"$tmp/expire.out" &&
	    ar expire --expire-grace=0 >"$tmp/expire.out" ||
		broken "expire: $(cat "$tmp/expire.out")"
	[ "$(complete)" = 1 ] || broken "$(complete) backups after expire"
	left=$(garbage)
	[ -z "$left" ] || broken "left: $left"
	ar verify >"$tmp/verify.out" ||
		broken "verify at the end: $(cat "$tmp/verify.out")"
}
between_ok() {
	[ "$3" -ge "$1" ] && [ "$3" -le "$2" ]
}

sweep "backup, killed" kill nothing backup backup_ended
if [ "$STORE" = posix ]; then
	is "backup: everything synced before it is acknowledged" "" \
	    "$(in_order "$trace" "$tmp/repo")"
fi
sweep "backup, failing" "ENOSPC EIO EINTR short" nothing backup backup_ended

# What all of it led to can be restored.
pg_sql "create table t as select i from generate_series(1, 1000) i" >/dev/null
want=$(rows t)
like "the last backup" "*is complete*" "$(ar backup --type=full)"
pg_stop fast
like "restores" "*is restored*" "$(restored new)"
recover new
is "with the same rows" "$want" "$(rows t)"
pg_stop fast "$tmp/new"
echo "# $points_tried points"
done_testing
