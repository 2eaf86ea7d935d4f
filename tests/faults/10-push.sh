#!/bin/bash
# SPDX-License-Identifier: MIT
#
# archive-push and archive-get, killed and failed at each of their system
# calls: what was acknowledged is there, the next run succeeds, nothing but
# objects is left.

# shellcheck source=tests/faults/lib.sh
. "$(dirname "$0")/lib.sh"

faults_cluster "archive-timeout=2m" "archive-get-timeout=2m" "io-timeout=1m" \
    "repo1-retention-full=1"
like "a backup, for expire to measure by" "*is complete*" \
    "$(ar backup --type=full)"
keep_segment
pg_stop fast
snapshot_segment
without_segment() { with without; }
with_segment() {
	with with
	rm -f "$tmp/kept/pg_wal/"[GH]*
}
# Only in a fresh stanza are directories made.
empty_place() {
	rm -rf "$place"
	mkdir "$place"
	(cd "$tmp/snapshot.with" && cp -al --parents "$([ "$STORE" = posix ] ||
	    echo pg/)main/id" "$place")
}

push_ended() {
	said_well
	if [ "$rc" = 0 ]; then
		holds || broken "acknowledged, and not there: $(cat "$tmp/get.out")"
		breaches=$(in_order "$tmp/trace" "$tmp/repo")
		[ -z "$breaches" ] || broken "$breaches"
	fi
	ar archive-push "$tmp/kept/pg_wal/$segment" >"$tmp/again.out" ||
		broken "the next push: $(cat "$tmp/again.out")"
	holds || broken "after the next push: $(cat "$tmp/get.out")"
	ar expire --expire-grace=0 >"$tmp/expire.out" ||
		broken "expire: $(cat "$tmp/expire.out")"
	left=$(garbage)
	[ -z "$left" ] || broken "left: $left"
	ar verify >"$tmp/verify.out" ||
		broken "verify: $(cat "$tmp/verify.out")"
}
push() {
	fault_ar "$1" "$2" archive-push "$tmp/kept/pg_wal/$segment"
}

sweep "push into a fresh stanza, killed" kill empty_place push push_ended
sweep "push, killed" kill without_segment push push_ended
sweep "push, failing" "ENOSPC EIO EINTR short" without_segment push push_ended
if [ "$STORE" = posix ]; then
	is "push: written, synced, named, synced, then acknowledged" "" \
	    "$(in_order "$trace" "$tmp/repo")"
	grep -v fsync "$trace" >"$tmp/doctored"
	like "which a trace without its fsyncs is not" "*before its bytes*" \
	    "$(in_order "$tmp/doctored" "$tmp/repo")"
fi

# --- archive-get -----------------------------------------------------------
get_ended() {
	said_well 126
	[ "$rc" != 1 ] || broken "'not there' (exit 1) for what is there"
	if [ "$rc" = 0 ]; then
		cmp -s "$tmp/kept/pg_wal/$segment" "$tmp/kept/pg_wal/GOT" ||
			broken "delivered, and wrong"
	else
		[ ! -e "$tmp/kept/pg_wal/GOT" ] || broken "failed, and left GOT"
	fi
	if [ "$action" != kill ]; then
		left=$(find "$tmp/kept/pg_wal" -name 'GOT?*')
		[ -z "$left" ] || broken "left $left"
	fi
	holds || broken "the next get: $(cat "$tmp/get.out")"
}
get() {
	fault_ar "$1" "$2" archive-get "$segment" "$tmp/kept/pg_wal/GOT"
}
sweep "get, killed" kill with_segment get get_ended
sweep "get, failing" "ENOSPC EIO EINTR short" with_segment get get_ended

echo "# $points_tried points"
done_testing
