#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The daemon, killed and failed at its system calls while it works for a verb:
# push and get fall back and finish, the others say what happened; the next
# run succeeds.

# shellcheck source=tests/faults/lib.sh
. "$(dirname "$0")/lib.sh"

[ "$FAULTS" = all ] || FAULTS=$(((FAULTS + 1) / 2))
faults_cluster "archive-timeout=2m" "archive-get-timeout=2m" \
    "io-timeout=1m" "process-max=1" "expire-auto=n" "repo1-retention-full=1"
keep_segment
few_files
ar backup --type=full >"$tmp/backup.out"
ar backup --type=full >"$tmp/backup.out"
kept=$(newest)
pg_stop fast
snapshot_segment

# daemon N action: under sysfault, which counts once the socket is there
daemon() {
	local options=(-n "$1" -a "$2" -t "$tmp/trace")
	[ "$2" != count ] || options=(-t "$trace")
	rm -f "$tmp/archiver.sock" "$tmp/armed"
	"$SYSFAULT" "${options[@]}" -u "$ARCHIVER" "--config=$ini" serve \
	    >"$tmp/armed" 2>"$tmp/serve.log" &
	daemon_pid=$!
	pids+=("$daemon_pid")
	until_true 20 test -S "$tmp/archiver.sock"
	kill -USR1 "$daemon_pid"
	until_true 20 grep -q armed "$tmp/armed" ||
		broken "the daemon does not start"
}
daemon_stop() {
	kill -TERM "$daemon_pid" 2>/dev/null
	until_true 30 gone "$daemon_pid" || {
		broken "the daemon does not stop"
		kill -9 "$daemon_pid"
	}
	wait "$daemon_pid" 2>/dev/null
	daemon_rc=$?
	unset "pids[-1]"
	case $daemon_rc in
	0 | 137) ;;
	*) broken "the daemon ended with $daemon_rc: $(tail -3 "$tmp/serve.log")" ;;
	esac
}
# asked N action verb...: of the daemon, in $tmp/kept as PostgreSQL would
asked() {
	daemon "$1" "$2"
	shift 2
	(cd "$tmp/kept" && ar "$@") >"$tmp/run.out"
	rc=$?
	daemon_stop
}
said() {
	[ "$rc" -le 126 ] || broken "exit $rc"
	[ "$rc" = 0 ] || [ -s "$tmp/run.out" ] || broken "exit $rc, no word"
}

without_segment() { with without; }
with_segment() { with with; }
push() { asked "$1" "$2" archive-push "pg_wal/$segment"; }
get() {
	rm -f "$tmp/kept/pg_wal/"[GH]*
	asked "$1" "$2" archive-get "$segment" pg_wal/GOT
}
expire() { asked "$1" "$2" expire --expire-grace=0; }
restore() {
	rm -rf "$tmp/new"
	asked "$1" "$2" restore --pg1-path="$tmp/new"
}

push_ended() {
	said
	[ "$action" != kill ] || [ "$rc" = 0 ] ||
		broken "the daemon is gone, and push failed: $(cat "$tmp/run.out")"
	[ "$rc" != 0 ] || holds || broken "acknowledged, and not there"
	(cd "$tmp/kept" && ar archive-push "pg_wal/$segment") \
	    >"$tmp/again.out" || broken "the next push: $(cat "$tmp/again.out")"
	holds || broken "after the next push: $(cat "$tmp/get.out")"
}
get_ended() {
	said
	[ "$action" != kill ] || [ "$rc" = 0 ] ||
		broken "the daemon is gone, and get failed: $(cat "$tmp/run.out")"
	[ "$rc" != 1 ] || broken "'not there' for what is there"
	[ "$rc" != 0 ] || cmp -s "$tmp/kept/pg_wal/GOT" \
	    "$tmp/kept/pg_wal/$segment" || broken "delivered, and wrong"
}
expire_ended() {
	said
	ar verify >"$tmp/verify.out" || broken "verify: $(cat "$tmp/verify.out")"
	[ "$(newest)" = "$kept" ] || broken "$kept is gone"
	ar expire --expire-grace=0 >"$tmp/again.out" &&
	    ar expire --expire-grace=0 >"$tmp/again.out" ||
		broken "the next expire: $(cat "$tmp/again.out")"
	[ -z "$(garbage)" ] || broken "left: $(garbage)"
}
whole() {
	"$bin/pg_verifybackup" -n "$tmp/new" >"$tmp/verify.out" 2>&1
}
# Behind pg_control there is only a sync of its directory, and the answer.
restore_ended() {
	local again=()
	said
	[ ! -e "$tmp/new/global/pg_control" ] || whole ||
		broken "exit $rc, it would start, and is not whole"
	[ -z "$(ls -A "$tmp/new" 2>/dev/null)" ] || again=(--delta)
	restored new "${again[@]}" >"$tmp/again.out" ||
		broken "the second restore: $(cat "$tmp/again.out")"
	whole || broken "the second restore: $(cat "$tmp/verify.out")"
}

all="ENOSPC EIO EINTR short"
sweep "the daemon is killed: push" kill without_segment push push_ended
is "it acknowledges only what is synced" "" "$(in_order "$trace" "$tmp/repo")"
sweep "the daemon is killed: get" kill with_segment get get_ended
sweep "the daemon is killed: expire" kill with_segment expire expire_ended
sweep "the daemon is killed: restore" kill with_segment restore restore_ended
sweep "the daemon's calls fail: push" "$all" without_segment push push_ended
sweep "the daemon's calls fail: get" "$all" with_segment get get_ended
sweep "the daemon's calls fail: expire" "$all" with_segment expire expire_ended
sweep "the daemon's calls fail: restore" "$all" with_segment restore \
    restore_ended

# --- backup: PostgreSQL archives through the same daemon ------------------------
with with
pg_start
nothing() { :; }
backup() {
	known=$(ar info | grep -c 'full backup')
	asked "$1" "$2" backup --type=full
}
backup_ended() {
	local n
	said
	n=$(ar info | grep -c 'full backup')
	[ "$rc" != 0 ] || [ "$n" = $((known + 1)) ] ||
		broken "exit 0, $known backups became $n"
	ar backup --type=full >"$tmp/again.out" ||
		broken "the next backup: $(cat "$tmp/again.out")"
	ar expire --expire-grace=0 >"$tmp/expire.out" &&
	    ar expire --expire-grace=0 >"$tmp/expire.out" ||
		broken "expire: $(cat "$tmp/expire.out")"
	[ -z "$(garbage)" ] || broken "left: $(garbage)"
	ar verify >"$tmp/verify.out" || broken "verify: $(cat "$tmp/verify.out")"
}
sweep "the daemon is killed: backup" kill nothing backup backup_ended
sweep "the daemon's calls fail: backup" "$all" nothing backup backup_ended

# --- verbs that wait while it dies ------------------------------------------------
pg_sql "alter system set archive_command = 'false'" >/dev/null
pg_sql "select pg_reload_conf()" >/dev/null
with without
serve_start() {
	"$ARCHIVER" "--config=$ini" serve >"$tmp/serve.log" 2>&1 &
	serve_pid=$!
	pids+=("$serve_pid")
	until_true 20 test -S "$tmp/archiver.sock"
}
serve_start
kill -STOP "$serve_pid"
waiting=()
for i in 1 2 3 4; do
	(cd "$tmp/kept" && ar archive-push "pg_wal/$segment" >"$tmp/push.$i") &
	waiting+=($!)
	(cd "$tmp/kept" && ar archive-get "$segment" "pg_wal/GOT.$i" \
	    >"$tmp/get.$i") &
	getting+=($!)
done
sleep 0.3
kill -9 "$serve_pid"
for i in 1 2 3 4; do
	wait "${waiting[i - 1]}"
	is "push $i, waiting when the daemon was killed" 0 $?
done
succeeds "the segment is there" holds
for i in 1 2 3 4; do
	wait "${getting[i - 1]}"
	rc=$?
	case $rc in
	0) cmp -s "$tmp/kept/pg_wal/$segment" "$tmp/kept/pg_wal/GOT.$i" ;;
	1) true ;;	# it asked before the push had ended
	*) false ;;
	esac
	is "get $i ends, with the segment or an honest no" 0 $?
done
echo "# $points_tried points"
done_testing
