#!/bin/bash
# SPDX-License-Identifier: MIT
# What PostgreSQL makes of archive-get: recovery, crash recovery with the
# repository away, and a standby whose repository is down.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/arlib.sh"

archiver_ini archive-timeout=60s archive-get-timeout=15s
pg_init "$tmp/data"
archive_settings
pg_start
claim
pg_sql "create table t (x int); insert into t values (1)" >/dev/null
base_backup
is "a base backup" 0 $?
pg_sql "insert into t select generate_series(2, 1000)" >/dev/null
last=$(switch_wal)
until_true 20 archived "$last"
is "its WAL is archived" 0 $?

# recover dir signal: a copy of the base that fetches its WAL
recover() {
	cp -r "$tmp/base" "$1"
	: >"$1/$2"
	sed -i '/^archive_mode/d' "$1/postgresql.conf"
	cat >>"$1/postgresql.conf" <<-CONF
	archive_mode = off
	recovery_target_timeline = 'latest'
	restore_command = '$ARCHIVER --config=$tmp/archiver.ini --stanza=main archive-get %f "%p"'
	CONF
}

recover "$tmp/restored" recovery.signal
other_port=
pg_start other_port "$tmp/restored"
in_recovery() {
	psql -XAtq -h "$tmp" -p "$other_port" -U postgres -d postgres \
	    -c "select pg_is_in_recovery()" 2>&1
}
ended() {
	[ "$(in_recovery)" = f ]
}
until_true 30 ended
is "recovery ends where the archive ends" 0 $?
is "with all rows" 1000 "$(psql -XAtq -h "$tmp" -p "$other_port" -U postgres \
    -d postgres -c "select count(*) from t")"
pg_stop fast "$tmp/restored"

# The same with the repository away: it must not end early.
mv "$tmp/repo" "$tmp/away"
recover "$tmp/stuck" recovery.signal
free_port stuck_port
"$bin/pg_ctl" -D "$tmp/stuck" -w -t 300 -l "$tmp/stuck.log" \
    -o "-p $stuck_port" start >/dev/null 2>&1
is "recovery without the repository does not start" 1 $?
like "and says why" "*repository directory*is not there*" \
    "$(cat "$tmp/stuck.log")"
case $(cat "$tmp/stuck.log") in
*"archive recovery complete"*) not_ok "nor does it end recovery" ;;
*) ok "nor does it end recovery" ;;
esac
rm -rf "$tmp/repo"
mv "$tmp/away" "$tmp/repo"
"$bin/pg_ctl" -D "$tmp/stuck" -w -t 300 -l "$tmp/stuck.log" \
    -o "-p $stuck_port" start >/dev/null 2>&1
is "and goes on when the repository is back" 0 $?
data_dirs+=("$tmp/stuck")
pg_stop fast "$tmp/stuck"

# A standby goes back to its stream.
recover "$tmp/standby" standby.signal
cat >>"$tmp/standby/postgresql.conf" <<CONF
primary_conninfo = 'host=$tmp port=$pg_port user=postgres'
CONF
other_port=
pg_start other_port "$tmp/standby"
rows() {
	psql -XAtq -h "$tmp" -p "$other_port" -U postgres -d postgres \
	    -c "select count(*) from t" 2>&1
}
caught_up() {
	[ "$(rows)" = "$1" ]
}
until_true 30 caught_up 1000
is "a standby reads the archive" 0 $?
mv "$tmp/repo" "$tmp/away"
# The stream breaks, the archive is asked in vain, and the stream is back.
pg_sql "select pg_terminate_backend(pid) from pg_stat_replication" >/dev/null
pg_sql "insert into t values (1001)" >/dev/null
until_true 40 caught_up 1001
is "and streams on while its repository is down" 0 $?
rm -rf "$tmp/repo"
mv "$tmp/away" "$tmp/repo"
done_testing
