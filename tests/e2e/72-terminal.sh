#!/bin/bash
# SPDX-License-Identifier: MIT
#
# homelabctl on a terminal: colours, progress bars that fit, the question
# before a restore, and Ctrl-C in the middle of everything.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/arlib.sh
. "$(dirname "$0")/arlib.sh"
# shellcheck source=tests/e2e/ctllib.sh
. "$(dirname "$0")/ctllib.sh"

cluster_start
pooler_ini "hold_timeout = 20"
pooler_start
pg_sql "CREATE TABLE t AS SELECT generate_series(1, 300000) i" >/dev/null
"$ARCHIVER" --config="$ini" serve </dev/null >"$tmp/daemon.log" 2>&1 &
daemon=$!
pids+=("$daemon")
until_true 20 test -S "$tmp/archiver.sock"
ctl_ini

# on_terminal columns [NAME=VALUE]... -- words: steps from stdin; sets seen, rc
on_terminal() {
	local columns=$1 settings=()
	shift
	while [ "$1" != -- ]; do
		settings+=("$1")
		shift
	done
	shift
	seen=$(env TERM=xterm ${settings[@]+"${settings[@]}"} \
	    "$top/tests/e2e/terminal.py" "$columns" \
	    "$CTL" --config="$tmp/ctl.ini" "$@")
	rc=$?
}
escape=$'\033'

# --- bars and colours ---------------------------------------------------------

on_terminal 100 -- db backup full </dev/null
is "a backup on a terminal" 0 "$rc"
like "has a progress bar" "*$escape\[K*\[*\] *%  * of *" "$seen"
like "which is wiped away before the result" \
    "*"$'\r'"$escape\[Kbackup *F is complete*" "$seen"
on_terminal 24 -- db backup full </dev/null
longest=$(tr '\r' '\n' <<<"$seen" | grep '%' | sed "s/$escape\[K//g" |
    awk '{ if (length > n) n = length } END { print n + 0 }')
between "on a narrow terminal it fits" 1 23 "$longest"
on_terminal 100 TERM=dumb -- db backup full </dev/null
is "on a dumb one there is none" 0 "$(grep -c "$escape" <<<"$seen")"
ctl db backup full
is "nor where stderr is no terminal" "0 0" \
    "$(grep -c '%' <<<"$err") $(grep -c '%' <<<"$out")"
on_terminal 100 -- db status </dev/null
like "db status has colours" "*$escape\[32mOK*" "$seen"
on_terminal 100 NO_COLOR=1 -- db status </dev/null
is "not with NO_COLOR" 0 "$(grep -c "$escape" <<<"$seen")"
on_terminal 100 -- db status --no-color </dev/null
is "nor with --no-color" 0 "$(grep -c "$escape" <<<"$seen")"
on_terminal 100 TERM=dumb -- db status </dev/null
is "nor on a dumb terminal" 0 "$(grep -c "$escape" <<<"$seen")"

# --- the question ------------------------------------------------------------

ctl db list-backups --json
label=$(json 'j["backups"][0]["label"]')
on_terminal 100 -- db restore latest <<-'STEPS'
	expect Type the label
	send yes\r
STEPS
is "a wrong answer does not restore" 7 "$rc"
like "and says so" "*Not confirmed; nothing was done*" "$seen"
on_terminal 100 -- db restore latest <<-'STEPS'
	expect Type the label
	send \x03
STEPS
is "Ctrl-C at the question ends it" 130 "$rc"
is "and PostgreSQL runs as before" 300000 "$(through 'SELECT count(*) FROM t')"
on_terminal 100 -- db restore "$label" <<-STEPS
	expect Type the label
	send $label\\r
	expect Restoring
STEPS
is "the label typed restores" 0 "$rc"
like "and shows how far it is" "*restoring  *%*is writable*" "$seen"

# --- Ctrl-C during a backup ----------------------------------------------------

# Its WAL is not archived, so it is under way until somebody ends it.
pg_sql "ALTER SYSTEM SET archive_command =
    'until [ -e $tmp/archive ]; do sleep 0.1; done; false'" >/dev/null
pg_sql "SELECT pg_reload_conf()" >/dev/null
backing_up='SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '"'homelab-archiver%'"
on_terminal 100 -- db backup full <<-STEPS
	expect Backing up
	run for i in \$(seq 1200); do psql -XAtq -h $tmp -p $pg_port -U postgres -c "$backing_up" postgres | grep -q '[1-9]' && break; sleep 0.1; done
	send \\x03
STEPS
is "Ctrl-C during a backup" 130 "$rc"
like "says how things are and what to type" \
    "*The backup was interrupted.*next: homelabctl db backup full*" "$seen"
none_backing_up() {
	[ "$(pg_sql "$backing_up")" = 0 ]
}
succeeds "the daemon has stopped, too" until_true 20 none_backing_up
pg_sql "ALTER SYSTEM RESET archive_command" >/dev/null
pg_sql "SELECT pg_reload_conf()" >/dev/null
touch "$tmp/archive"
ctl db backup full
is "the next backup succeeds" 0 "$rc"

# --- Ctrl-C during a restore --------------------------------------------------

# Transactions do not end, so HOLD waits.
through "BEGIN; SELECT pg_sleep(900)" >"$tmp/sleeper.out" &
sleeper=$!
is_asleep() {
	[ "$(pg_sql "SELECT count(*) FROM pg_stat_activity
	    WHERE wait_event = 'PgSleep'")" = 1 ]
}
until_true 10 is_asleep
on_terminal 100 -- db restore latest --yes <<-'STEPS'
	expect Holding
	send \x03
STEPS
is "Ctrl-C while the clients are being held" 130 "$rc"
like "changes nothing" "*Nothing was changed*" "$seen"
until_true 5 holding no
is "and lets the clients go" 0 $?
pg_sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE query LIKE '%pg_sleep(900)%' AND pid <> pg_backend_pid()" >/dev/null
wait $sleeper

ctl_ini "stop_command = exec sleep 900"
on_terminal 100 -- db restore latest --yes <<-'STEPS'
	expect Stopping
	send \x03
STEPS
is "Ctrl-C while the server is being stopped" 130 "$rc"
like "changes nothing" "*Nothing was changed*" "$seen"
is "and clients go on" 300000 "$(through 'SELECT count(*) FROM t')"
ctl_start db restore latest --yes
until_true 20 grep -q Stopping "$tmp/ctl.err"
kill -TERM $ctl_pid
wait $ctl_pid
is "SIGTERM is passed on to the command, and does the same" 130 $?
like "with the same words" "*Nothing was changed*" "$(cat "$tmp/ctl.err")"
is "clients go on" 300000 "$(through 'SELECT count(*) FROM t')"

# A daemon that is stopped keeps the restore from going on.
ctl_ini "stop_command = ($pgctl -m fast stop || ! $pgctl status) && kill -STOP $daemon"
on_terminal 100 -- db restore latest --yes <<-'STEPS'
	expect Restoring
	send \x03
STEPS
kill -CONT $daemon
is "Ctrl-C while files are being restored" 130 "$rc"
like "says what is where and what to type" \
    "*was interrupted*old data directory is*To try again*--delta*To go back*" \
    "$seen"
is "the clients are still held" yes "$(holding yes && echo yes)"
ctl_ini
# What it said, word for word.
again=$(tr -d '\r' <<<"$seen" | sed -n 's/^  homelabctl \(.*--delta\)$/\1/p')
like "the command to try again is whole" "--config=* db restore *F --delta" \
    "$again"
# shellcheck disable=SC2086
"$CTL" $again --yes >"$tmp/ctl.out" 2>&1 </dev/null
is "and succeeds" 0 $?
is "clients go on" 300000 "$(through 'SELECT count(*) FROM t')"

ctl_ini "start_command = trap '' INT; sleep 100"
on_terminal 100 -- db restore latest --yes <<-'STEPS'
	expect Starting
	send \x03
	expect Interrupted; a second time
	send \x03
STEPS
# (Its last words may be lost: the end of the session hangs the terminal up.)
is "a second Ctrl-C ends it although the command does not end" 130 "$rc"
ctl_ini
ctl db restore latest --yes --delta
is "and the next restore succeeds" 0 "$rc"

# --- whoever reads goes away --------------------------------------------------

"$CTL" --config="$tmp/ctl.ini" db list-backups | head -1 >"$tmp/head.out"
is "a reader that has enough is no error" 0 "${PIPESTATUS[0]}"
like "and has its line" "LABEL*" "$(cat "$tmp/head.out")"
"$CTL" --config="$tmp/ctl.ini" db status >/dev/full 2>"$tmp/ctl.err"
is "results that cannot be written are an error" 1 $?
like "with the reason" "*cannot write the result: No space left*" \
    "$(cat "$tmp/ctl.err")"
"$CTL" --config="$tmp/ctl.ini" db status >&- 2>"$tmp/ctl.err"
is "so is a stdout that is closed" 1 $?
like "with the reason" "*cannot write the result: Bad file descriptor*" \
    "$(cat "$tmp/ctl.err")"
"$CTL" --config="$tmp/ctl.ini" db restore latest --yes 2>&1 >/dev/null |
    head -1 >"$tmp/head.out"
is "a restore whose messages nobody reads goes on" "0 300000" \
    "${PIPESTATUS[0]} $(through 'SELECT count(*) FROM t')"
done_testing
