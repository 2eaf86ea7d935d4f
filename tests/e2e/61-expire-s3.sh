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
like "after the grace" "*remove backup ${labels[1]}*WAL segments removed*" \
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
out=$(ar backup --type=full --repo1-s3-key-secret=wrong)
is "wrong credentials" 1 $?
out=$(ar backup --type=full --repo1-s3-bucket=missing-bucket)
is "a bucket that is not there" 49 $?

done_testing
