#!/bin/bash
# SPDX-License-Identifier: MIT
#
# kill -9 of PostgreSQL while it archives and while it is backed up, and of
# archive_command itself, again and again: no segment that was acknowledged is
# lost, and all of the WAL leads to the rows that were committed.

# shellcheck source=tests/faults/lib.sh
. "$(dirname "$0")/lib.sh"

ROUNDS=${ROUNDS:-2}
faults_cluster "archive-timeout=2m" "io-timeout=1m" "process-max=2" \
    "expire-auto=n"
# Each archive_command dies or fails at a call of its own.
cat >"$tmp/unlucky" <<-SH
	#!/bin/bash
	n=\$((RANDOM % 24)) actions=(kill ENOSPC EIO EINTR short)
	exec "$SYSFAULT" -n \$n -a \${actions[RANDOM % 5]} "$ARCHIVER" \\
	    --config="$ini" --stanza=main archive-push "\$1"
SH
chmod 755 "$tmp/unlucky"
plain=$(pg_sql "show archive_command")
pg_sql "create table t (i int primary key)" >/dev/null
like "a full backup to recover from" "*is complete*" "$(ar backup --type=full)"

# 137 would end PostgreSQL's archiver, which is started again.
pg_sql "alter system set archive_command = '$tmp/unlucky %p'" >/dev/null
pg_sql "select pg_reload_conf()" >/dev/null
committed=0 acknowledged=()
for ((round = 0; round < ROUNDS; round++)); do
	for _ in 1 2 3; do
		committed=$((committed + 1))
		pg_sql "insert into t values ($committed); select pg_switch_wal()" \
		    >/dev/null
	done
	# Killed behind pg_backup_stop() it waits for WAL that cannot come.
	"$ARCHIVER" --config="$ini" --stanza=main backup --type=full \
	    --archive-timeout=5s >"$tmp/backup.out" 2>&1 &
	backup=$!
	sleep "0.$((RANDOM % 9))"
	pg_kill
	wait "$backup"
	rc=$?
	between "round $round: the backup ends by itself" 0 125 "$rc"
	for name in "$tmp/data/pg_wal/archive_status/"*.done; do
		[ -e "$name" ] && acknowledged+=("$(basename "$name" .done)")
	done
	pg_start
done
pg_sql "alter system set archive_command = '$plain'" >/dev/null
pg_sql "select pg_reload_conf()" >/dev/null
last=$(next_segment)
until_true 70 archived "$last"
is "archiving catches up" 0 $?

lost=""
for name in $(printf '%s\n' "${acknowledged[@]}" | sort -u); do
	(cd "$tmp/data" && ar archive-get "$name" pg_wal/GOT) >"$tmp/get.out" ||
		lost+="$name: $(cat "$tmp/get.out")"$'\n'
	# PostgreSQL still has most of them: they are the same bytes.
	[ ! -e "$tmp/data/pg_wal/$name" ] || [ -n "$lost" ] ||
		cmp -s "$tmp/data/pg_wal/$name" "$tmp/data/pg_wal/GOT" ||
		lost+="$name differs"$'\n'
	rm -f "$tmp/data/pg_wal/GOT"
done
echo "# $(printf "%s\n" "${acknowledged[@]}" | sort -u | wc -l) were acknowledged"
is "what PostgreSQL was told is archived is there" "" "$lost"
succeeds "the repository verifies" ar verify
like "the next backup" "*is complete*" "$(ar backup --type=full)"
first=$(ar info | sed -n 's/^ *full backup: //p' | head -1)
pg_stop fast
like "the first backup" "*is restored*" "$(restored new --set="$first")"
recover new
is "leads to every row that was committed" "$committed|$committed" \
    "$(pg_sql "select count(*), max(i) from t")"
done_testing
