#!/bin/bash
# SPDX-License-Identifier: MIT
# One daemon: two clusters at once, one of them without its repository; a
# reload that is right, wrong, and under load; progress on a terminal.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/arlib.sh"

# write_ini [lines of stanza main]: two stanzas, a repository for each. In one
# step: a get that runs beside it reads the old file or the new one.
write_ini() {
	{
		cat <<-INI
		[global]
		lock-path = $tmp/lock
		socket-path = $tmp/archiver.sock
		spool-path = $tmp/spool
		archive-get-timeout = 20s
		start-fast = y
		pg1-socket-path = $tmp
		pg1-user = postgres
		[main]
		repo1-path = $tmp/repo
		pg1-path = $tmp/data
		pg1-port = $pg_port
		INI
		printf '%s\n' "$@"
		cat <<-INI
		[other]
		repo1-path = $tmp/repo2
		pg1-path = $tmp/data2
		pg1-port = $port2
		INI
	} >"$tmp/archiver.ini.new"
	mv "$tmp/archiver.ini.new" "$tmp/archiver.ini"
}
# ar stanza verb...: in the data directory, as PostgreSQL runs it
ar() {
	local stanza=$1 dir=$tmp/data
	shift
	[ "$stanza" = main ] || dir=$tmp/data2
	(cd "$dir" && "$ARCHIVER" "--config=$tmp/archiver.ini" \
	    "--stanza=$stanza" "$@")
}
# cluster stanza directory port-variable
cluster() {
	pg_init "$2" --wal-segsize=1
	cat >>"$2/postgresql.conf" <<-CONF
	archive_mode = on
	archive_command = '$ARCHIVER --config=$tmp/archiver.ini --stanza=$1 archive-push %p'
	wal_keep_size = 500MB
	CONF
	pg_start "$3" "$2"
}
sql2() {
	psql -XAtq -h "$tmp" -p "$port2" -U postgres -d postgres -c "$1" 2>&1
}
# load psql-function: writes about 12 segments, and ends the last one
load() {
	"$1" "create table if not exists t (x int, y text);
	    insert into t select g, repeat('x', 500)
	    from generate_series(1, 20000) g" >/dev/null
	"$1" "select pg_walfile_name(pg_current_wal_insert_lsn())"
	"$1" "select pg_switch_wal()" >/dev/null
}
# done_in directory name
done_in() {
	[ -e "$1/pg_wal/archive_status/$2.done" ]
}

free_port pg_port
free_port port2
mkdir "$tmp/repo" "$tmp/repo2"
write_ini
serve_start
is "the daemon starts before its clusters" 0 $?
cluster main "$tmp/data" pg_port
cluster other "$tmp/data2" port2
ar main stanza-create >/dev/null && ar other stanza-create >/dev/null
is "both stanzas are created through it" 0 $?

# --- both at once ---
load pg_sql >"$tmp/one" &
two=$(load sql2)
wait $!
one=$(cat "$tmp/one")
until_true 60 done_in "$tmp/data" "$one"
is "the first cluster's WAL is archived" 0 $?
until_true 60 done_in "$tmp/data2" "$two"
is "and the second one's" 0 $?
is "each in its own repository" "main other" \
    "$(echo "$(ls "$tmp/repo") $(ls "$tmp/repo2")")"

# names repository stanza: the segments that are archived
names() {
	find "$1/$2/wal" -type f -printf '%f\n' |
	    sed -n 's/^\([0-9A-F]\{24\}\)-.*/\1/p' | sort
}
# get_all stanza repository: prints how many came right, and how many not
get_all() {
	local n dir=$tmp/data right=0 wrong=0
	[ "$1" = main ] || dir=$tmp/data2
	for n in $(names "$2" "$1"); do
		if ar "$1" archive-get "$n" pg_wal/RECOVERYXLOG 2>/dev/null &&
		    cmp -s "$dir/pg_wal/$n" "$dir/pg_wal/RECOVERYXLOG"; then
			right=$((right + 1))
		else
			wrong=$((wrong + 1))
		fi
	done
	rm -f "$dir/pg_wal/RECOVERYXLOG"
	echo "$right $wrong"
}
get_all main "$tmp/repo" >"$tmp/got" &
got2=$(get_all other "$tmp/repo2")
wait $!
is "both fetch at once, the first" "$(names "$tmp/repo" main | wc -l) 0" \
    "$(cat "$tmp/got")"
is "and the second" "$(names "$tmp/repo2" other | wc -l) 0" "$got2"

# --- one without its repository ---
mv "$tmp/repo2" "$tmp/away"
two=$(load sql2)
one=$(load pg_sql)
until_true 60 done_in "$tmp/data" "$one"
is "the other's repository is away: WAL is archived" 0 $?
succeeds "and the other's is not" test ! -e \
    "$tmp/data2/pg_wal/archive_status/$two.done"
(cd "$tmp/data2" && ! "$ARCHIVER" "--config=$tmp/archiver.ini" --stanza=other \
    archive-get "$two" pg_wal/RECOVERYXLOG >"$tmp/other.out" 2>&1) &
is "what is fetched comes right" "$(names "$tmp/repo" main | wc -l) 0" \
    "$(get_all main "$tmp/repo")"
wait $!
like "the other one's says why not" "*repository directory*is not there*" \
    "$(cat "$tmp/other.out")"
mv "$tmp/away" "$tmp/repo2"
until_true 90 done_in "$tmp/data2" "$two"
is "with its repository the other catches up" 0 $?

# --- reload ---
# reload pattern: SIGHUP, then the log must say this
reload() {
	: >"$tmp/serve.log"
	kill -HUP "$serve_pid"
	until_true 10 said "$1"
}
said() {
	# shellcheck disable=SC2254
	case $(cat "$tmp/serve.log") in $1) ;; *) return 1 ;; esac
}
reload "*nothing has changed in*"
is "SIGHUP without a change says so" 0 $?
write_ini "archive-timeout = 21s"
reload "*reload: stanza main: archive-timeout: 1m -> 21s*"
is "a change is named" 0 $?
succeeds "and is none of the other stanza's" sh -c \
    "! grep -q 'stanza other' '$tmp/serve.log'"
write_ini "archive-timeout = soon"
reload "*ERROR*reload: *archiver.ini:13: *soon*nothing was changed*"
is "a file that is wrong changes nothing" 0 $?
one=$(load pg_sql)
# The program alone would refuse the file; the daemon knows the former one.
until_true 60 done_in "$tmp/data" "$one"
is "and WAL is archived on" 0 $?
sed -i "s,^socket-path.*,socket-path = $tmp/new.sock,;/archive-timeout/d" \
    "$tmp/archiver.ini"
reload "*socket-path has changed and has to wait for a restart*"
is "what needs a restart is named" 0 $?
write_ini
mkdir "$tmp/repo3"
printf '[third]\nrepo1-path = %s\n' "$tmp/repo3" >>"$tmp/archiver.ini"
reload "*stanza third: new*"
is "a stanza is added" 0 $?
write_ini
reload "*stanza third: not served any more*"
is "and removed" 0 $?

# Under load, with real changes each time.
more_reloads() {
	[ "$(grep -c "reload:" "$tmp/serve.log")" -gt "$1" ]
}
: >"$tmp/serve.log"
load pg_sql >"$tmp/one" &
loader=$!
get_all other "$tmp/repo2" >"$tmp/got" &
getter=$!
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	write_ini "process-max = $((i % 3 + 1))"
	lines=$(grep -c "reload:" "$tmp/serve.log")
	kill -HUP "$serve_pid"
	until_true 20 more_reloads "$lines"
done
wait "$loader" "$getter"
until_true 60 done_in "$tmp/data" "$(cat "$tmp/one")"
is "a reload under load loses no push" 0 $?
like "and fails no get" "* 0" "$(cat "$tmp/got")"
between "it did reload" 10 20 "$(grep -c "process-max:" "$tmp/serve.log")"
succeeds "the daemon holds its locks still" sh -c \
    "! '$ARCHIVER' --config='$tmp/archiver.ini' serve 2>&1 |
    grep -q listens"
is "and has not opened files without end" 0 \
    "$(($(find /proc/"$serve_pid"/fd | wc -l) > 60))"

# --- progress ---
if command -v script >/dev/null; then
	out=$(cd "$tmp/data" && script -qec "$ARCHIVER \
	    --config=$tmp/archiver.ini --stanza=main --type=full backup" \
	    /dev/null </dev/null)
	like "a backup by the daemon draws a bar" \
	    "*checking the archive*is complete*" "$out"
	out=$(cd "$tmp/data" && "$ARCHIVER" "--config=$tmp/archiver.ini" \
	    --stanza=main --type=full backup 2>&1)
	like "but not without a terminal" "backup *is complete*" "$out"
	case $out in
	*$'\r'*) not_ok "nor anything else" "$out" ;;
	*) ok "nor anything else" ;;
	esac
	kill -TERM "$serve_pid"
	until_true 20 gone "$serve_pid"
	out=$(cd "$tmp/data" && script -qec "$ARCHIVER \
	    --config=$tmp/archiver.ini --stanza=main --type=full backup" \
	    /dev/null </dev/null)
	like "and so does the program alone" \
	    "*checking the archive*is complete*" "$out"
else
	skip "progress" "no script(1)"
fi
done_testing
