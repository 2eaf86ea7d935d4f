#!/bin/bash
# SPDX-License-Identifier: MIT
# root
#
# homelabctl as root, with servers that belong to somebody else: it asks and
# works as that user, and no file becomes root's. And as an ordinary user who
# may not: clear errors.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/arlib.sh
. "$(dirname "$0")/arlib.sh"
[ "$(id -u)" = 0 ] || skip_all "this test must be root"

# The servers and psql run as SERVER_USER, by programs of the same names.
mkdir "$tmp/as"
as() {
	local user=$1
	shift
	setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups "$@"
}
for program in "$bin/initdb" "$bin/pg_ctl" "$client_bin/psql" \
    "$client_bin/pg_isready" "$B/homelab-pooler"; do
	cat >"$tmp/as/${program##*/}" <<-SH
	#!/bin/sh
	cd /
	exec setpriv --reuid=$SERVER_USER --regid=$(id -g "$SERVER_USER") \\
	    --clear-groups $program "\$@"
	SH
done
chmod 755 "$tmp" "$tmp/as" "$tmp"/as/*
chown "$SERVER_USER" "$tmp"
bin=$tmp/as PATH=$tmp/as:$PATH POOLER=$tmp/as/homelab-pooler
# shellcheck source=tests/e2e/ctllib.sh
. "$(dirname "$0")/ctllib.sh"

# Files under these that are not the server's: none.
foreign() {
	find "$@" ! -user "$SERVER_USER" 2>/dev/null | head -3
}

pg_init "$tmp/data" -k
free_port pg_port
archiver_ini
chown -R "$SERVER_USER" "$tmp/lock"
archive_settings
# The server believes the kernel only: root is no role of it.
echo "local all all peer map=m" >"$tmp/data/pg_hba.conf"
echo "m $SERVER_USER postgres" >"$tmp/data/pg_ident.conf"
pg_start
is "stanza-create by root" 0 "$(ar stanza-create >"$tmp/out" && echo $? ||
    cat "$tmp/out")"
is "leaves the repository to the server's user" "" "$(foreign "$tmp/repo")"
pooler_ini
chown "$SERVER_USER" "$tmp"/*.txt "$tmp"/*.ini
pooler_start
pg_sql "CREATE TABLE t AS SELECT generate_series(1, 500) i" >/dev/null
ctl_ini "system_user = $SERVER_USER"

# --- without the daemon ---------------------------------------------------------

ctl db backup full
is "backup by root, without the daemon" 0 "$rc"
is "the repository is the server's" "" "$(foreign "$tmp/repo" "$tmp/lock")"
ctl db status
is "status by root" "0 " "$rc $err"
like "asks the server as its user" "*PostgreSQL*OK*primary*Pooler*OK*" "$out"
ctl db restore latest --yes
is "restore by root" "0 " "$rc $(tail -3 "$tmp/data.log" | grep -v LOG)"
is "all files are the server's" "" "$(foreign "$tmp/data")"
is "and nobody else's to read" 700 "$(stat -c %a "$tmp/data")"
is "the rows are there" 500 "$(through 'SELECT count(*) FROM t')"
is "files that the archiver made meanwhile, too" "" \
    "$(foreign "$tmp/repo" "$tmp/lock")"

# Root of a container that may not change its user: it would leave root's files.
setpriv --bounding-set=-setuid,-setgid "$ARCHIVER" --config="$ini" \
    --stanza=main expire >"$tmp/out" 2>&1
is "root that cannot become the owner does nothing" 41 "$?"
like "it says so" "*cannot become user $SERVER_USER: *" "$(cat "$tmp/out")"

# --- with it -----------------------------------------------------------------------

as "$SERVER_USER" "$ARCHIVER" --config="$ini" serve </dev/null \
    >"$tmp/daemon.log" 2>&1 &
daemon=$!
pids+=("$daemon")
until_true 20 test -S "$tmp/archiver.sock"
ctl db backup full
is "backup by root, by the daemon" 0 "$rc"
ctl db restore latest --yes
is "restore by root, by the daemon" 0 "$rc"
is "all files are the server's" "" \
    "$(foreign "$tmp/data" "$tmp/repo" "$tmp/lock")"
ctl db restore latest --yes --delta
is "restore --delta by root" 0 "$rc"
is "all files are the server's still" "" "$(foreign "$tmp/data")"
is "the rows are there" 500 "$(through 'SELECT count(*) FROM t')"
ctl_ini "system_user = nosuchuser"
ctl db restore latest --yes
is "a system_user that does not exist" 1 "$rc"
like "is named" "*system_user: there is no user nosuchuser*" "$err"
is "and nothing was changed" 500 "$(through 'SELECT count(*) FROM t')"

# --- an ordinary user ------------------------------------------------------------

ctl_ini
chmod 644 "$ini" "$tmp/ctl.ini"
# words...: as nobody
nobody() {
	out=$(as nobody "$CTL" --config="$tmp/ctl.ini" "$@" 2>"$tmp/ctl.err" \
	    </dev/null)
	rc=$?
	err=$(cat "$tmp/ctl.err")
}
nobody db status
is "status by somebody who may not ask: critical" 4 "$rc"
like "it says why, for each" "*PostgreSQL*CRIT*Peer authentication failed*Pooler*CRIT*" \
    "$out"
nobody db backup full
like "backup: whose file it is" \
    "1 *Permission denied*this runs as user nobody*belongs to *" "$rc $err"
nobody db restore latest --yes
like "restore" "9 *no backup can be seen: *ermission denied*next: *" \
    "$rc $err"
is "changed nothing" 500 "$(through 'SELECT count(*) FROM t')"
done_testing
