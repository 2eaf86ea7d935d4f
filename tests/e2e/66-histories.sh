#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Restore equals source: random histories (history.c) with full backups made
# while they run, crashes and new timelines, and restores to random points.
# All rows are compared. A failing seed is kept: add it to $kept.
#
# HISTORIES=N	how many (default 2), with the seeds SEED, SEED+1, ...
# SEED=N	the first one (default 1)
# STORE=s3	on MinIO
# HISTORY_KEEP=DIR	keep the directories of those that fail, with each
#		statement in work.log

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/arlib.sh
. "$(dirname "$0")/arlib.sh"

kept=""
first=${SEED:-1}
last=$((first + ${HISTORIES:-2} - 1))

# lot N: sets $drawn to a number below N, decided by the seed. (Not by
# $(lot N): a subshell's draws are lost, the next one gets the same.)
lot() {
	drawn=$((RANDOM % $1))
}

# In a subshell, which becomes it.
history_env() {
	PGHOST=$tmp PGPORT=$pg_port PGUSER=postgres \
	    HISTORY_LOG=${HISTORY_KEEP:+$tmp/work.log} exec "$B/e2e/history" "$@"
}

# make_cluster: small segments, so that a history has many
make_cluster() {
	pg_init "$tmp/data" --wal-segsize=1 "$(
	    [ $((seed % 2)) = 0 ] && echo -k || echo --data-checksums)"
	cat >>"$tmp/data/postgresql.conf" <<-CONF
	max_prepared_transactions = 20
	wal_keep_size = 0
	min_wal_size = 2MB
	max_wal_size = 16MB
	shared_buffers = 4MB
	autovacuum_naptime = 1
	CONF
	archiver_ini process-max=2 "compress-type=$(
	    [ $((seed % 3)) = 0 ] && echo none || echo lz4)"
	archive_settings
	pg_start pg_port "$tmp/data"
	ar stanza-create >"$tmp/out" || not_ok "stanza-create" "$(cat "$tmp/out")"
}

# back_up: one full backup; its label goes to the points when it has ended
back_up() {
	local out
	out=$(ar backup --type=full) || {
		echo "$out" >>"$tmp/failed"
		return
	}
	sed -n 's/^.*backup \([0-9]*-[0-9]*F\) is complete.*/backup \1/p' \
	    <<<"$out" >>"$tmp/points"
}

# crash directory: the server dies, and comes back
crash() {
	pg_kill "$1"
	pg_start pg_port "$1"
}

# chapter directory: work, with a backup or a crash in the middle of it
chapter() {
	local worker other=
	lot 120
	history_env work "$RANDOM" $((40 + drawn)) "$tmp/ts" "$tmp/points" \
	    2>>"$tmp/work.log" &
	worker=$!
	pids+=("$worker")
	lot 9
	sleep "0.$drawn"
	lot 4
	case $drawn in
	0) crash "$1" ;;
	1) ;;
	*) back_up & other=$! ;;
	esac
	wait "$worker" || echo "work: $(tail -3 "$tmp/work.log")" \
	    >>"$tmp/failed"
	unset "pids[-1]"
	[ -z "$other" ] || wait "$other"
}

# pick_point: a random one behind a backup; sets kind timeline label sum value
pick_point() {
	local count line
	count=$(grep -c '^point [^ ]* [^ ]* 2' "$tmp/points")
	[ "$count" -gt 0 ] || return
	lot "$count"
	line=$(grep '^point [^ ]* [^ ]* 2' "$tmp/points" |
	    sed -n "$((drawn + 1))p")
	read -r _ kind timeline label sum value <<<"$line"
}

# go_back directory [options]: restores to the point into it. A tablespace
# younger than the backup is made by recovery at its old place, which must be
# empty then: PostgreSQL takes what it finds for its own.
go_back() {
	local dir=$1
	shift
	rm -rf "$tmp"/ts/*/PG_*
	ar restore --pg1-path="$dir" --type="$kind" --target="$value" \
	    --target-timeline="$timeline" --set="$label" \
	    --target-action=promote --tablespace-map-all="$dir-ts" "$@" \
	    >"$tmp/out" 2>&1 || {
		echo "restore to $kind $value of $label: $(cat "$tmp/out")" \
		    >>"$tmp/failed"
		return 1
	}
}

# A limit of PostgreSQL's: a transaction prepared in the segment in which the
# timeline changed is looked for in the old timeline's file, which recovery
# never asks for. Such a history ends early.
two_phase_limit='requested WAL segment .* has already been removed'

# came_up directory: it is writable, or will never be
came_up() {
	is_in_state f && return
	! "$bin/pg_ctl" -D "$1" status && grep -q 'FATAL\|PANIC' "$1.log"
}

# came_back directory: it recovers, and has the rows of then
came_back() {
	local got
	rm -f "$1.log"
	"$bin/pg_ctl" -D "$1" -W -l "$1.log" -o "-p $pg_port" start \
	    >/dev/null 2>&1
	data_dirs+=("$1")
	until_true 600 came_up "$1"
	is_in_state f || {
		if grep -q "$two_phase_limit" "$1.log"; then
			echo "a prepared transaction" >"$tmp/limit"
			return 1
		fi
		echo "recovery to $kind $value of $label: $(tail -5 "$1.log")" \
		    >>"$tmp/failed"
		return 1
	}
	got=$(history_env sum 2>&1)
	[ "$got" = "$sum" ] || {
		echo "$kind $value (timeline $timeline, $label): $got instead" \
		    "of $sum" >>"$tmp/failed"
		return 1
	}
}

# new_branch: the cluster goes back in time and lives on, elsewhere
new_branch() {
	pick_point || return
	pg_stop fast "$primary"
	primary=$tmp/branch$1
	go_back "$primary" || return
	sed -i "s|^pg1-path=.*|pg1-path=$primary|" "$ini"
	came_back "$primary" || return
	# Backups made after the point are none of this branch's.
	echo "backup $label" >>"$tmp/points"
}

# one_history seed
one_history() {
	local i name delta
	seed=$1
	RANDOM=$seed
	rm -rf "$tmp/limit" "$tmp/data" "$tmp"/branch* "$tmp"/back* "$tmp/ts" "$tmp/repo" \
	    "$tmp/lock" "$tmp/minio/homelab/pg"
	: >"$tmp/failed"
	: >"$tmp/points"
	mkdir -p "$tmp/ts"
	primary=$tmp/data
	make_cluster
	(history_env work "$RANDOM" 30 "$tmp/ts" "$tmp/points" 2>"$tmp/work.log")
	back_up
	for i in 1 2 3; do
		chapter "$primary"
		lot 2
		[ "$i" = 3 ] || [ "$drawn" = 1 ] || new_branch "$i"
		[ ! -s "$tmp/failed" ] && [ ! -e "$tmp/limit" ] || break
	done
	if [ -e "$tmp/limit" ]; then
		ok "history $seed: ended early by $(cat "$tmp/limit")"
		return
	fi
	ar check >"$tmp/out" || echo "check: $(cat "$tmp/out")" >>"$tmp/failed"
	pg_stop fast "$primary"
	points=$(grep -c ^point "$tmp/points")
	for i in 1 2 3; do
		[ ! -s "$tmp/failed" ] && [ ! -e "$tmp/limit" ] || break
		pick_point || break
		name=$tmp/back delta=--delta
		lot 2
		[ "$drawn" = 1 ] || rm -rf "$name" "$name-ts"
		[ -d "$name" ] || delta=
		go_back "$name" --archive-mode=off $delta && came_back "$name"
		pg_stop fast "$name"
	done
	if [ -s "$tmp/failed" ]; then
		not_ok "history $seed (PostgreSQL $PG)" "$(cat "$tmp/failed")"
		[ -z "${HISTORY_KEEP:-}" ] ||
		    cp -r "$tmp" "$HISTORY_KEEP/$seed-$PG-$RANDOM"
	else
		ok "history $seed: $points points, $(grep -c ^backup \
		    "$tmp/points") backups$([ ! -e "$tmp/limit" ] ||
		    echo ", ended early by $(cat "$tmp/limit")")"
	fi
}

free_port pg_port
for s in $kept $(seq "$first" "$last"); do
	one_history "$s"
done

done_testing
