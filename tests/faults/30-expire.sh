#!/bin/bash
# SPDX-License-Identifier: MIT
#
# expire, killed and failed at its system calls: what is kept stays whole, a
# second expire ends the work, nothing is left.

# shellcheck source=tests/faults/lib.sh
. "$(dirname "$0")/lib.sh"

faults_cluster "archive-timeout=2m" "io-timeout=1m" "process-max=1" \
    "expire-auto=n" "repo1-retention-full=1"

# Two backups and one that died; the first has its tombstone.
backup=("$ARCHIVER" "--config=$ini" --stanza=main backup --type=full)
"$SYSFAULT" -o link,sendto -t "$tmp/trace" "${backup[@]}" >"$tmp/backup.out" 2>&1
first=$(newest)
next_segment >/dev/null
"$SYSFAULT" -o link,sendto -n $(($(counted "$tmp/trace") - 3)) \
    "${backup[@]}" >"$tmp/killed.out" 2>&1
is "a backup is killed before its manifest" 137 $?
ar backup --type=full >"$tmp/backup.out"
kept=$(newest)
pg_stop fast
snapshot untouched
ar expire >"$tmp/expire.out"
isnt_empty() { [ -n "$(garbage)" ]; }
succeeds "there is something to expire" isnt_empty
snapshot entombed
untouched() { with untouched; }
entombed() { with entombed; }

expire() {
	fault_ar "$1" "$2" expire --expire-grace=0
}
# On the local file system what is gone is gone; nothing promises more.
expire_ended() {
	said_well
	ar verify >"$tmp/verify.out" || broken "verify: $(cat "$tmp/verify.out")"
	[ "$(newest)" = "$kept" ] || broken "$kept is gone: $(ar info)"
	for _ in 1 2; do
		ar expire --expire-grace=0 >"$tmp/again.out" ||
			broken "the next expire: $(cat "$tmp/again.out")"
	done
	left=$(garbage)
	[ -z "$left" ] || broken "left: $left"
	! ar info | grep -q "$first" || broken "$first is still there"
	ar verify >"$tmp/verify.out" ||
		broken "verify at the end: $(cat "$tmp/verify.out")"
}

sweep "expire's first run, killed" kill untouched expire expire_ended
sweep "expire's second run, killed" kill entombed expire expire_ended
sweep "expire's first run, failing" "ENOSPC EIO EINTR short" untouched \
    expire expire_ended
sweep "expire's second run, failing" "ENOSPC EIO EINTR short" entombed \
    expire expire_ended
like "what is kept restores" "*is restored*" "$(restored new)"
recover new
is "and has its rows" "500|*" "$(rows filler | sed 's/|.*/|*/')"
echo "# $points_tried points"
done_testing
