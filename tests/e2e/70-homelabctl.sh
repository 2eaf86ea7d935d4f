#!/bin/bash
# SPDX-License-Identifier: MIT
#
# homelabctl: status, backup, list, check, and a restore to a moment while
# clients stay connected through the pooler; what it says when things fail.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/arlib.sh
. "$(dirname "$0")/arlib.sh"

# shellcheck source=tests/e2e/ctllib.sh
. "$(dirname "$0")/ctllib.sh"
cluster_start
pooler_ini
pooler_start
ctl_ini

# --- what is typed ---------------------------------------------------------

ctl db statsu
is "a wrong word is a usage error" 2 "$rc"
like "and the nearest one is named" "*did you mean: homelabctl db status*" \
    "$err"
ctl db restore
is "a missing label is a usage error" 2 "$rc"
ctl db status --yes
is "an option of another verb is a usage error" 2 "$rc"
like "and its verb is named" "*does not take --yes*homelabctl db restore*" \
    "$err"
ctl db status --nagios --config="$tmp/nowhere.ini"
is "for Nagios our own troubles are UNKNOWN" "3 HOMELAB UNKNOWN" \
    "$rc ${out%% - *}"
ctl db status --config="$tmp/nowhere.ini"
is "a configuration that is not there" 5 "$rc"
like "is named, with what to do" "*nowhere.ini*next: --config names*" "$err"
ctl -h db restore
like "the help of a verb begins with examples" "Examples:*--yes*" "$out"

# --- before there is a backup ------------------------------------------------

ctl db status
is "no backup is critical" 4 "$rc"
like "and says what to type" "*CRIT*Next*homelabctl db backup full" "$out"
ctl db restore latest --yes
is "nothing to restore: not found" 5 "$rc"
ctl db status --nagios
is "for Nagios, no backup is critical, too" 2 "$rc"
like "and the line says why" \
    "HOMELAB CRITICAL - PostgreSQL *, backups: there is no backup*|*" "$out"

# --- backup, list, status ------------------------------------------------------

pg_sql "CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 5000) i"
sum=$(pg_sql "SELECT count(*) || md5(string_agg(md5, '' ORDER BY i)) FROM t")
ctl db backup full
is "backup succeeds" 0 "$rc"
like "and says its label" "*backup *F is complete*" "$out"
ctl db list-backups --json
is "list-backups lists one" 1 "$(json 'len(j["backups"])')"
label=$(json 'j["backups"][0]["label"]')
ctl db list-backups
like "as text, too" "LABEL*$label*repo1" "$out"
ctl db check
is "check succeeds" 0 "$rc"
ctl db status --json
is "now all is well" "0 OK None" "$rc $(json '"%s %s" % (j["overall"], j["next"])')"
is "the last backup is known" "$label" "$(json 'j["backups"]["last"]')"
ctl db status
like "no colour where there is no terminal" "Overall*OK*PostgreSQL*Pooler*" "$out"

ctl db status --nagios
is "for Nagios it is OK" 0 "$rc"
is "which is one line with performance data" 1 "$(grep -c \
    "^HOMELAB OK - PostgreSQL .*, last backup $label .* | connections=.* backup_age=[0-9]*s;90000;;0 backup_size=[0-9]*B;;;0\$" \
    <<<"$out")"
is "no escape sequences" 0 "$(grep -c $'\033' <<<"$out")"

# --- confirmation ---------------------------------------------------------------

ctl db restore latest
is "without a terminal and --yes nothing happens" 7 "$rc"
like "and the flag is named" "*add --yes*" "$err"
ctl db restore latest --time 2026-01-01
is "a time without a zone is a usage error" 2 "$rc"
ctl db restore 20010101-010101F --yes
is "an unknown label is not found" 5 "$rc"

# --- a restore that cannot begin changes nothing -------------------------------

ctl_ini "stop_command = false"
ctl db restore latest --yes
is "a stop that fails is an error" 1 "$rc"
like "it says that nothing was changed" "*Nothing was changed*" "$err"
is "and the clients go on" 5000 "$(through 'SELECT count(*) FROM t')"

ctl_ini "stop_command = true"
ctl db restore latest --yes
is "a stop_command that does not stop is an error" 1 "$rc"
like "which says so" "*still runs in $tmp/data as process *next: *" "$err"
is "and the clients go on" 5000 "$(through 'SELECT count(*) FROM t')"

# --- a restore to a moment, clients connected ------------------------------------

ctl_ini
sleep 1.1
moment=$(pg_sql "SELECT now()")
sleep 1.1
pg_sql "DROP TABLE t"
pg_sql "SELECT pg_switch_wal()" >/dev/null
psql -XAtq -h "$tmp" -p "$port" -U postgres -d postgres >"$tmp/client.out" \
    2>&1 <<-SQL &
	SELECT 'before';
	\! touch $tmp/client.ready; while [ ! -e $tmp/go ]; do sleep 0.1; done
	SELECT count(*) FROM t;
SQL
client=$!
until_true 10 test -e "$tmp/client.ready"
"$CTL" --config="$tmp/ctl.ini" db restore latest --time "$moment" --yes \
    >"$tmp/ctl.out" 2>"$tmp/ctl.err" </dev/null &
restore=$!
until_true 10 grep -q Stopping "$tmp/ctl.err"
touch "$tmp/go"
wait $restore
is "the restore succeeds" 0 $?
like "it says where the old directory is" "*data.before-*" \
    "$(cat "$tmp/ctl.out")"
wait $client
is "a client that was connected waited, and sees the rows" "before 5000" \
    "$(tr '\n' ' ' <"$tmp/client.out" | sed 's/ $//')"
is "the rows are those from before" "$sum" "$(pg_sql \
    "SELECT count(*) || md5(string_agg(md5, '' ORDER BY i)) FROM t")"
is "the old directory is there" 1 "$(ls -d "$tmp"/data.before-* | wc -l)"
is "PostgreSQL is writable" "" "$(through 'CREATE TABLE after (i int)')"
ctl db status --json
is "on a new timeline" 2 "$(json 'j["postgresql"]["timeline"]')"

# --- a restore that fails in the middle ------------------------------------------

ctl_ini "start_command = false"
# As if another restore had begun in the same second.
for i in {0..180}; do
	taken=$tmp/data.before-$(date -u -d "$i seconds" +%Y%m%d-%H%M%S)
	mkdir -p "$taken" && touch "$taken/file"
done
ctl db restore latest --yes
is "a start that fails is an error" 1 "$rc"
like "a directory of that name stays as it is" \
    "*The old data directory is now*data.before-*-2.*" "$err"
like "it says how it stands" "*did not finish*To try again*--delta*" "$err"
like "and how to go back" "*To go back*data.before-*RELEASE*" "$err"
is "the clients are still held" yes "$(console 'SHOW STATE' |
    sed -n 's/^holding|//p')"
ctl_ini
ctl db status
is "status calls that critical" 4 "$rc"
ctl db restore latest --yes --delta
is "trying again as it said succeeds" 0 "$rc"
is "and lets the clients go" 5000 "$(through 'SELECT count(*) FROM t')"
ctl db restore latest --yes --no-pooler --time "$(date -u -d +1hour \
    '+%F %T+00')"
is "a moment that is still to come is refused" 2 "$rc"

# --- somebody is away ---------------------------------------------------------------

pooler_stop
ctl db status
is "no pooler is critical" 4 "$rc"
like "and named" "*Pooler*CRIT*" "$out"
ctl db restore latest --yes
is "a restore without the pooler cannot begin" 9 "$rc"
is "and has not" 5000 "$(pg_sql 'SELECT count(*) FROM t')"
done_testing
