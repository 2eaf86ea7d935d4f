#!/bin/bash
# SPDX-License-Identifier: MIT
# archive-push and archive-get on S3: what works, and each way to fail.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/arlib.sh"

minio_start || skip_all "no S3 server: $(tail -1 "$tmp/minio.why" 2>/dev/null)"
bucket=homelab-$$-$RANDOM

# s3 method path: with SigV4, which our store does not have
s3() {
	curl -s -o "$tmp/s3.out" -w '%{http_code}' -X "$1" --user \
	    "$s3_key:$s3_secret" --aws-sigv4 aws:amz:us-east-1:s3 \
	    -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' \
	    "http://$s3_endpoint/$2"
}
options=("repo1-type = s3" "repo1-path = /pg" "repo1-s3-bucket = $bucket"
    "repo1-s3-endpoint = http://$s3_endpoint" "repo1-s3-key = $s3_key"
    "repo1-s3-key-secret = $s3_secret")
archiver_ini archive-timeout=60s archive-get-timeout=15s "${options[@]}"
pg_init "$tmp/data"
archive_settings
pg_start

w=$(switch_wal)
status archiver archive-push "pg_wal/$w"
is "bucket missing" 49 "$rc"
like "it says so" "*bucket $bucket does not exist*HINT: create it*" "$out"
status archiver archive-get "$w" pg_wal/RECOVERYXLOG
is "and is not taken for 'not found'" 126 "$rc"
is "the bucket is made" 200 "$(s3 PUT "$bucket")"
status archiver archive-push "pg_wal/$w"
is "unclaimed" 44 "$rc"
is "the claim is made" 200 \
    "$(s3 PUT "$bucket/pg/main/id/$(system_id)-$PG")"
status archiver archive-push "pg_wal/$w"
is "push" 0 "$rc"
status archiver archive-push "pg_wal/$w"
is "push again" 0 "$rc"
status archiver archive-get "$w" pg_wal/RECOVERYXLOG
is "get" 0 "$rc"
succeeds "the same bytes" cmp "$tmp/data/pg_wal/$w" \
    "$tmp/data/pg_wal/RECOVERYXLOG"
rm -f "$tmp/data/pg_wal/RECOVERYXLOG"
status archiver archive-get 0000000100000000000000F0 pg_wal/RECOVERYXLOG
is "not there: exit 1" 1 "$rc"
until_true 70 archived "$w"
is "archive_command" 0 $?

status archiver --repo1-s3-key-secret=wrong archive-push "pg_wal/$w"
between "wrong credentials fail below 126" 1 125 "$rc"
like "and say so" "*refuses the credentials*HINT: check repo1-s3-key*" "$out"
case $out in
*wrong*"$s3_secret"* | *"$s3_secret"*) not_ok "no secret is shown" ;;
*) ok "no secret is shown" ;;
esac
status archiver --repo1-s3-key-secret=wrong archive-get "$w" \
    pg_wal/RECOVERYXLOG
is "wrong credentials are not 'not found'" 126 "$rc"
status archiver --repo1-s3-endpoint=http://127.0.0.1:1 archive-push \
    "pg_wal/$w"
is "a closed port" 49 "$rc"
like "is named" "*cannot connect to 127.0.0.1:1*" "$out"
status archiver "--repo1-s3-endpoint=https://$s3_endpoint" archive-push \
    "pg_wal/$w"
is "https is refused" 32 "$rc"

# A store that accepts and never answers.
python3 -c '
import socket, sys, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(9)
print(s.getsockname()[1], flush=True)
time.sleep(3600)' >"$tmp/mute.port" &
pids+=($!)
until_true 10 test -s "$tmp/mute.port"
mute=http://127.0.0.1:$(cat "$tmp/mute.port")
begin=$SECONDS
status archiver "--repo1-s3-endpoint=$mute" --archive-timeout=2s archive-push \
    "pg_wal/$w"
is "a store that never answers" 124 "$rc"
between "ends in time" 1 100 $((SECONDS - begin))
begin=$SECONDS
status archiver "--repo1-s3-endpoint=$mute" --archive-get-timeout=2s \
    archive-get "$w" pg_wal/RECOVERYXLOG
is "for get it is no end of the WAL" 126 "$rc"
between "and ends in time" 1 100 $((SECONDS - begin))

serve_start
n=$(switch_wal)
until_true 30 archived "$n"
is "through the daemon" 0 $?
status archiver archive-get "$n" pg_wal/RECOVERYXLOG
is "and back" 0 "$rc"
succeeds "the same bytes" cmp "$tmp/data/pg_wal/$n" \
    "$tmp/data/pg_wal/RECOVERYXLOG"
done_testing
