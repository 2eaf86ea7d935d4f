#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Retention and verification on an S3 server.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
STORE=s3
# shellcheck source=tests/e2e/arlib.sh
. "$(dirname "$0")/arlib.sh"

cluster_start "expire-auto=n" "repo1-retention-full=1"
for i in 1 2; do
	like "backup $i" "*is complete*" "$(ar backup --type=full)"
	labels[i]=$(newest)
done
succeeds "verify" ar verify
like "expire" "*expire backup ${labels[1]}*" "$(ar expire)"
is "one is listed" 1 "$(ar info | grep -c 'full backup')"
like "after the grace" "*remove backup ${labels[1]}*WAL segment*removed*" \
    "$(ar expire --expire-grace=0)"
is "nothing is left to do" "" "$(ar expire --expire-grace=0)"
succeeds "the other one is whole" ar verify
kill -STOP "$minio_pid"
out=$(ar info --io-timeout=1s)
like "a store that does not answer: info says so" "*status: error (*" "$out"
out=$(ar restore --pg1-path="$tmp/new" --io-timeout=1s)
rc=$?
kill -CONT "$minio_pid"
is "a restore from it times out" 124 $rc
succeeds "and touches nothing" test ! -e "$tmp/new"

# --- each of S3's refusals: exit status, and what to do -----------------------------
refused() {	# name status pattern option
	out=$(ar check "$4")
	is "$1" "$2" $?
	like "$1: what to do" "$3" "$out"
}
refused "a wrong secret" 105 \
    "*refuses the credentials*HINT: check repo1-s3-key *" \
    --repo1-s3-key-secret=wrong
refused "a wrong key" 105 \
    "*refuses the credentials*HINT: check repo1-s3-key *" \
    --repo1-s3-key=nobody
refused "a bucket that is not there" 49 \
    "*bucket missing-bucket does not exist*HINT: create it, or*" \
    --repo1-s3-bucket=missing-bucket
refused "a name without an address" 49 \
    "*cannot connect to nowhere.invalid*HINT: *repo1-s3-endpoint*DNS*" \
    --repo1-s3-endpoint=http://nowhere.invalid:9000
free_port port
refused "nobody on the port" 49 \
    "*cannot connect to 127.0.0.1:$port*HINT: is the S3 server running*" \
    "--repo1-s3-endpoint=http://127.0.0.1:$port"
refused "https" 32 "*repo1-s3-endpoint*HINT: https is not supported yet*" \
    --repo1-s3-endpoint=https://127.0.0.1:9000
out=$(ar backup --type=full --repo1-s3-key-secret=wrong)
is "a backup with wrong credentials" 105 $?
out=$(cd "$tmp/data" && ar archive-get 0000000100000000000000F0 pg_wal/x \
    --repo1-s3-key-secret=wrong --archive-get-timeout=1s)
is "archive-get: a refusal is no authoritative no" 126 $?
like "archive-get says why" "*refuses the credentials*" "$out"
kill -9 "$minio_pid"
out=$(ar backup --type=full)
is "a server that died" 49 $?
like "says so" "*nobody answers there*HINT: is the S3 server running*" "$out"

done_testing
