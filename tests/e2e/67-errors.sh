#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What goes wrong around the archiver, and that each error says what to do
# next: exit status, message, hint.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/arlib.sh
. "$(dirname "$0")/arlib.sh"

[ "$STORE" = posix ] || skip_all "about directories"
[ "$(id -u)" != 0 ] || skip_all "root may do everything"
me=$(id -un)
cluster_start

# --- WAL that does not arrive: not waited for longer than makes sense ----------
pg_sql "ALTER SYSTEM SET archive_command = 'false'" >/dev/null
pg_sql "SELECT pg_reload_conf()" >/dev/null
# Three failures end the wait when PostgreSQL's pause of a minute is longer than
# what is left of it.
out=$(ar backup --type=full --archive-timeout=59s)
is "a backup while archive_command fails" 68 $?
like "counts the failures" "*is not archived: archive_command failed *" "$out"
like "and says where to look" "*HINT: *PostgreSQL's log*" "$out"
is "what it had stored is gone" "" "$(find "$tmp/repo/main/backup" -type f)"
out=$(ar check --archive-timeout=59s)
is "so does check" 68 $?
pg_sql "ALTER SYSTEM RESET archive_command" >/dev/null
pg_sql "SELECT pg_reload_conf()" >/dev/null
succeeds "and is content afterwards" ar check

# --- a repository that may not be written ---------------------------------------
find "$tmp/repo" -type d -exec chmod a-w {} +
out=$(ar check)
is "check: a repository that may not be written" 41 $?
like "says who and whose" "*cannot use $tmp/repo: Permission denied*HINT: \
this runs as user $me, and $tmp/repo belongs to $me, mode 550*" "$out"
out=$(ar backup --type=full)
is "a backup into it" 41 $?
like "says who and whose, too" "*Permission denied*HINT: this runs as user*" \
    "$out"
find "$tmp/repo" -type d -exec chmod u+w {} +
chmod 0 "$tmp/repo"
out=$(ar info)
like "info: a repository that may not be read" \
    "*status: error (*Permission denied*" "$out"
chmod 750 "$tmp/repo"

# --- a full disk, as far as the file system tells ---------------------------------
# A file system of our own, in which the cluster is seen, too.
if unshare -Urm mount -t tmpfs -o size=4m none "$tmp/lock" 2>/dev/null; then
	mkdir -p "$tmp/small"
	full() {
		unshare -Urm sh -c 'mount -t tmpfs -o size=4m none "$1" &&
		    cp -r "$2/." "$1" && shift 2 && exec "$@"' sh \
		    "$tmp/small" "$tmp/repo/" "$ARCHIVER" "--config=$ini" \
		    --stanza=main "--repo1-path=$tmp/small" "$@" 2>&1
	}
	out=$(full check)
	is "check: no room for a segment" 64 $?
	like "says how much there is" \
	    "*file system of $tmp/small has * left, and 16.0 MiB are needed*" \
	    "$out"
	like "and what to do" "*HINT: make room on*expire removes*" "$out"
	began=$SECONDS
	out=$(full backup --type=full --archive-timeout=10m)
	is "a backup onto a full disk" 64 $?
	between "does not wait for its WAL" 0 300 $((SECONDS - began))
else
	skip "a full disk" "no tmpfs of our own"
fi

# --- a server that takes connections and says nothing ------------------------------
postmaster=$(head -1 "$tmp/data/postmaster.pid")
kill -STOP "$postmaster"
out=$(timeout 300 "$ARCHIVER" --config="$ini" --stanza=main --db-timeout=1s \
    check 2>&1)
is "PostgreSQL is silent" 124 $?
like "says for how long" "*did not answer the connection within 1s*" "$out"
# Who asked the daemon goes away: it waits no longer, whether for the login or
# for an answer, and does not wait for PostgreSQL to hear of it either.
in_daemon() {
	"$ARCHIVER" --config="$ini" --stanza=main "$@" >"$tmp/given-up" 2>&1 &
	asking=$!
}
locked() { grep -q . "$tmp/lock"/*backup* 2>/dev/null; }
served() { grep -qF -- "$1" "$tmp/serve.log"; }
serve_start
rm -f "$tmp/lock"/*backup*
in_daemon backup --type=full
until_true 20 locked
kill "$asking"
wait "$asking" 2>/dev/null
succeeds "a login that is not waited for" \
    until_true 20 served "backup: connection to PostgreSQL cancelled"
kill -CONT "$postmaster"
checkpointer=$(pg_sql "select pid from pg_stat_activity
    where backend_type = 'checkpointer'")
kill -STOP "$checkpointer"
in_daemon backup --type=full
starts() {
	pg_sql "select query from pg_stat_activity where state = 'active'" |
	    grep -q '^SELECT lsn, .*backup'
}
until_true 20 starts
kill -STOP "$postmaster"
kill "$asking"
wait "$asking" 2>/dev/null
succeeds "a query that is not waited for" \
    until_true 20 served "cannot start the backup: query cancelled"
kill -CONT "$postmaster" "$checkpointer"
stop_pid "$serve_pid"
unset "pids[-1]"
succeeds "PostgreSQL goes on" ar check

# --- help --------------------------------------------------------------------------
out=$("$ARCHIVER" restore --help)
is "restore --help" 0 $?
like "tells what it takes" "usage: homelab-archiver*restore*--tablespace-map*" \
    "$out"
is "help restore is the same" "$out" "$("$ARCHIVER" help restore)"
is "as is --stanza=x restore -h" "$out" "$("$ARCHIVER" --stanza=x restore -h)"
out=$("$ARCHIVER" help bogus 2>&1)
is "help for what is no verb" 2 $?
like "says so" "*there is no verb \"bogus\"*HINT: *homelab-archiver help*" "$out"

# --- what is not there, or not meant ------------------------------------------------
for verb in expire verify; do
	out=$("$ARCHIVER" --config="$ini" --stanza=typo $verb 2>&1)
	is "$verb: a stanza that is not there" 55 $?
	like "$verb says what to do" \
	    "*stanza typo does not exist in $tmp/repo*HINT: *stanza-create*" "$out"
done
for verb in backup restore check stanza-create stanza-upgrade; do
	out=$("$ARCHIVER" --config="$ini" --stanza=typo $verb 2>&1)
	is "$verb: a stanza without a section" 32 $?
	like "$verb: names it" "*HINT: $ini has no section \[typo\]*" "$out"
done
for verb in backup expire verify check restore stanza-upgrade; do
	out=$(ar $verb --repo1-path="$tmp/gone/repo")
	is "$verb: a repository that is not mounted" 49 $?
	like "$verb: says so" "*$tmp/gone/repo is not there*HINT: *mounted*" \
	    "$out"
done
out=$(ar stanza-create --repo1-path="$tmp/gone/repo")
like "stanza-create says how to make it" "*HINT: *install -d *$tmp/gone/repo*" \
    "$out"
out=$("$ARCHIVER" --config="$tmp/no.ini" --stanza=main info 2>&1)
is "no such configuration" 55 $?
like "says how it is named" "*HINT: --config*" "$out"
cp "$ini" "$tmp/secret.ini"
chmod 0 "$tmp/secret.ini"
out=$("$ARCHIVER" --config="$tmp/secret.ini" --stanza=main info 2>&1)
is "a configuration that may not be read" 41 $?
like "says whose it is" "*HINT: this runs as user $me*mode 000*" "$out"
out=$(ar backup full)
is "backup full: a word too many" 2 $?
like "says what was meant" "*HINT: *--type=full*" "$out"
out=$(ar info nonsense)
is "info takes no words" 2 $?
out=$("$ARCHIVER" --config="$ini" --stanza=../x info 2>&1)
is "a stanza with a path in its name" 32 $?

done_testing
