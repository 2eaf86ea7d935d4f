#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A directory and S3 (or a second directory where there is no MinIO) as one
# archive: pushed to both, one of them away, restored from either.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/arlib.sh
. "$(dirname "$0")/arlib.sh"

if [ "$STORE" != posix ]; then
	skip_all "is about both kinds"
fi
mkdir -p "$tmp/minio/homelab"
if [ -z "${HOMELAB_S3:-}" ] && minio_start; then
	second=s3
	mapfile -t repo2 < <(s3_lines 2)
else
	second=directory
	repo2=("repo2-path=$tmp/second/repo")
	mkdir "$tmp/second"
fi
# What both forms of the second repository understand.
leave() {
	if [ "$second" = s3 ]; then
		kill "$minio_pid"
		wait "$minio_pid" 2>/dev/null
	else
		mv "$tmp/second" "$tmp/second.away"
	fi
}
come_back() {
	if [ "$second" = s3 ]; then
		MINIO_ROOT_USER=$s3_key MINIO_ROOT_PASSWORD=$s3_secret \
		    HOME=$tmp MINIO_BROWSER=off "$(minio_bin)" server --quiet \
		    --address "$s3_endpoint" "$tmp/minio" \
		    >>"$tmp/minio.log" 2>&1 &
		minio_pid=$!
		pids+=("$minio_pid")
		until_true 30 minio_ready
	else
		mv "$tmp/second.away" "$tmp/second"
	fi
}
# with_ini optional|required|first|second: writes $ini
with_ini() {
	local lines=("io-timeout=5s" "archive-get-timeout=15s"
	    "backup-repos=all")
	[ "$1" = second ] || lines+=("repo1-path=$tmp/repo")
	[ "$1" = first ] || lines+=("${repo2[@]}")
	[ "$1" = optional ] && lines+=("repo2-required=n")
	archiver_ini "${lines[@]}"
}
echo "# the second repository is: $second"

cluster_start "repo1-path=$tmp/repo" "${repo2[@]}"
with_ini required
pg_sql "CREATE TABLE t AS SELECT i, md5(i::text) FROM
    generate_series(1, 50000) i" >/dev/null
like "WAL reaches both" "*reached all repositories*" "$(ar check)"
like "a backup reaches both" "*is complete*in repo1 and repo2, WAL*" \
    "$(ar backup --type=full)"
label=$(newest)
like "both verify" "*repo1: 1 backup (*0 faults*repo2: 1 backup (*0 faults*" \
    "$(ar verify)"

# --- the second is away and required -------------------------------------------
leave
pg_sql "INSERT INTO t VALUES (0, 'x')" >/dev/null
name=$(pg_sql "SELECT pg_walfile_name(pg_switch_wal())")
# Not by PostgreSQL, which pauses for a minute after three failures.
push() {
	(cd "$tmp/data" && "$ARCHIVER" --config="$ini" --stanza=main \
	    archive-push "pg_wal/$name" 2>&1)
}
out=$(push)
is "required: a segment is not done" 49 $?
like "names the repository" "*repo2*" "$out"
succeeds "PostgreSQL keeps it" \
    test -e "$tmp/data/pg_wal/archive_status/$name.ready"
out=$(ar backup --type=full --no-archive-check)
is "required: no backup" 1 $(($? > 0))
like "names the repository" "*repo2*" "$out"
like "the list is still there, and says what is wrong" \
    "*status: mixed*repo1: ok*repo2: error*full backup: $label*" "$(ar info)"

# --- away and optional -----------------------------------------------------------
with_ini optional
out=$(push)
is "optional: the segment is done" 0 $?
like "with a warning" "*repo2*" "$out"
out=$(ar backup --type=full)
is "optional: a backup" 0 $?
like "in the other" "*is complete*in repo1, WAL*" "$out"
like "with a warning" "*WARNING: repo2, which is not required, was left out:*" \
    "$out"
only_first=$(newest)
pg_sql "INSERT INTO t VALUES (-1, 'last')" >/dev/null
want=$(rows t)
pg_sql "SELECT pg_switch_wal()" >/dev/null
pg_stop fast
out=$(restored from_first)
is "restored although the second is away" 0 $?
like "which is said" "*repo2 is left out: *backup $only_first is restored*" \
    "$out"
out=$(cd "$tmp/from_first" && "$ARCHIVER" --config="$ini" --stanza=main \
    archive-get 0000000100000000000000FF pg_wal/RECOVERYXLOG 2>&1)
is "WAL that the first lacks: not known while the second is away" 126 $?
like "which says what to do" "*HINT: no other repository has it; if repo2 is \
gone for good, take it out*" "$out"
with_ini first
recover from_first
is "recovered from the first alone" "$want" "$(rows t)"
pg_stop fast "$tmp/from_first"

# --- the first is away ------------------------------------------------------------
come_back
with_ini optional
mv "$tmp/repo" "$tmp/repo.away"
touch "$tmp/repo"
out=$(restored from_second --type=immediate --target-action=promote)
is "restored although the first is away" 0 $?
like "from the second, which is said" \
    "*repo1 is left out: *backup $label is restored*from repo2*" "$out"
with_ini second
recover from_second
is "recovered from the second alone" 50000 "$(pg_sql "SELECT count(*) FROM t")"
pg_stop fast "$tmp/from_second"
rm "$tmp/repo"
mv "$tmp/repo.away" "$tmp/repo"
with_ini optional
succeeds "the first verifies" ar verify --repo=1

done_testing
