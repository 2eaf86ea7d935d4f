#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Clients that wait for a restore wait as long as homelabctl lives, whatever
# the pooler's hold_timeout is, whoever breaks its session, and although the
# pooler is restarted; they are failed when it dies.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/arlib.sh
. "$(dirname "$0")/arlib.sh"
# shellcheck source=tests/e2e/ctllib.sh
. "$(dirname "$0")/ctllib.sh"

cluster_start
pooler_ini "hold_timeout = 6"
pooler_start
pg_sql "CREATE TABLE t AS SELECT generate_series(1, 500) i" >/dev/null
ctl_ini
ctl db backup full
is "a backup" 0 "$rc"

# Restores begin, and PostgreSQL starts only when $tmp/go is there.
ctl_ini "start_command = while [ ! -e $tmp/go ]; do sleep 0.1; done; \
$pgctl -W -l $tmp/data.log -o '-p $pg_port' start"
restore_begin() {
	rm -f "$tmp/go"
	ctl_start db restore latest --yes "$@"
	until_true 20 grep -q Starting "$tmp/ctl.err"
}
client_begin() {
	through "SELECT count(*) FROM t" >"$tmp/client.out" &
	client=$!
}

# --- longer than hold_timeout -------------------------------------------------

restore_begin
client_begin
sleep 8
is "after more than hold_timeout the client still waits" yes \
    "$(gone $client || echo yes)"
# The session of homelabctl, the oldest on the console, is ended by somebody.
session=$(console 'SHOW CLIENTS' | awk -F'|' '
    $2 == "pgbouncer" { print $NF; exit }')
is "homelabctl's session is ended" "" "$(console "KILL_CLIENT $session")"
sleep 8
is "which fails nobody either" yes "$(gone $client || echo yes)"
is "hold_timeout was not reached" 0 \
    "$(grep -c 'longer than hold_timeout' "$tmp/pooler.log")"
is "HOLD is logged once" 1 "$(grep -c 'HOLD.* command issued' "$tmp/pooler.log")"
touch "$tmp/go"
wait $ctl_pid
is "the restore succeeds" 0 $?
wait $client
is "and the client, which never noticed, has its rows" 500 \
    "$(cat "$tmp/client.out")"

# --- the pooler is restarted in the middle ------------------------------------

restore_begin
pooler_stop
until_true 10 grep -q 'cannot be told' "$tmp/ctl.err"
like "that the pooler is away is said" "*pooler cannot be told to hold on*" \
    "$(cat "$tmp/ctl.err")"
pooler_start
until_true 10 holding yes
is "the new pooler holds, too" 0 $?
like "which is said" "*answers again and holds*" "$(cat "$tmp/ctl.err")"
client_begin
touch "$tmp/go"
wait $ctl_pid
is "the restore succeeds nevertheless" 0 $?
wait $client
is "a client of the new pooler waited" 500 "$(cat "$tmp/client.out")"
until_true 5 holding no
is "nobody is held at the end" 0 $?

# --- the pooler goes away for good --------------------------------------------

restore_begin
pooler_stop
touch "$tmp/go"
wait $ctl_pid
is "a restore that cannot release is an error: cannot connect" 9 $?
like "it says that the restore is done, and what to type" \
    "*restore is done and PostgreSQL is writable*-c RELEASE*" \
    "$(cat "$tmp/ctl.err")"
pooler_start
is "a pooler that starts then serves" 500 "$(through 'SELECT count(*) FROM t')"

# --- homelabctl dies ------------------------------------------------------------

restore_begin
client_begin
kill -9 $ctl_pid
wait $ctl_pid 2>/dev/null
wait $client
like "its clients are failed" "*longer than hold_timeout*" \
    "$(cat "$tmp/client.out")"
# The shell that waits for the file is still there: it starts PostgreSQL.
touch "$tmp/go"
until_true 20 pg_sql "SELECT 1"
like "nobody is let onto the server" "*longer than hold_timeout*" \
    "$(through 'SELECT 1')"
ctl_ini
ctl db restore latest --yes --delta
is "the next restore succeeds" 0 "$rc"
is "and lets clients on" 500 "$(through 'SELECT count(*) FROM t')"
done_testing
