#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Who may include whom: common/ knows no program, programs do not know each
# other, the pure modules know no input and output, no modules include each
# other in a circle, the pooler has layers (pooler-layers), and each
# third-party library has one includer.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

# includes files...: "file header" for each #include
includes() {
	grep -HE '^[ 	]*#[ 	]*include' "$@" 2>/dev/null |
	    sed -E 's/^([^:]*):[ 	]*#[ 	]*include[ 	]*[<"]([^>"]*)[>"].*/\1 \2/'
}

sources=$(ls common/*.[ch] pooler/*.[ch] archiver/*.[ch] homelabctl/*.[ch] \
    2>/dev/null)
# shellcheck disable=SC2086
all=$(includes $sources)

check "common includes no program's header" "$(awk '
	$1 ~ /^common\// && $2 ~ /^(pooler|archiver|homelabctl)\//' <<<"$all")"
check "programs do not include each other" "$(awk '
	$1 !~ /^common\// && $2 ~ /^(pooler|archiver|homelabctl)\// {
		split($1, a, "/"); split($2, b, "/")
		if (a[1] != b[1]) print
	}' <<<"$all")"

# A module's rank; it may include what ranks lower or stands beside it in the
# same rank where the rank allows it (the pure modules build on each other).
rank='
BEGIN {
	r["base"] = 0
	n = split("err log buf list slab text", m); for (i = 1; i <= n; i++) r[m[i]] = 1
	n = split("deadline hash strmap crc32c base64 digest saslprep wire " \
	    "scram frame opt opt_impl optdoc opt_show wire_put json", m)
	for (i = 1; i <= n; i++) r[m[i]] = 2
}
function module(f) { sub(/^common\//, "", f); sub(/\.[a-z]+$/, "", f); return f }
function rank(f,  x) { x = module(f); return x in r ? r[x] : 3 }'
check "common's layers: nothing includes upward" "$(awk "$rank"'
	$1 ~ /^common\// && $2 ~ /^common\// &&
	$2 !~ /\.def$/ && rank($2) > rank($1)' <<<"$all")"
# log writes and reads the clock; crc32c looks at the processor once.
check "pure modules: no loop, no sockets, no clock" "$(awk "$rank"'
	$1 ~ /^common\// && rank($1) < 3 && module($1) !~ /^(log|crc32c)$/ &&
	$2 ~ /^(uv|sys\/socket|sys\/epoll|netinet\/.*|netdb|poll|pthread|time|sys\/time)(\.h)?$/
	' <<<"$all")"

# Which module a file belongs to: x.c and x.h are x, and so is what the two
# keep in files of their own (x_impl.h, and those listed).
modules='
function module_of(f,  d, b) {
	d = f; sub(/\/.*/, "", d)
	b = f; sub(/^[^\/]*\//, "", b); sub(/\.[a-z]+$/, "", b)
	sub(/_impl$/, "", b)
	if (d == "pooler" && b ~ /^(client|server|config)_/)
		sub(/_.*/, "", b)
	if (d == "pooler" && b ~ /^admin_(ops|pools|show|sockets|stats)$/)
		b = "admin"
	if (d == "common" && b ~ /^(poller_.*|opt_show|wire_put|tls_context)$/)
		sub(/_.*/, "", b)
	if (d == "archiver" && b ~ /^(settings_check|unpack_plan)$/)
		sub(/_.*/, "", b)
	return d "/" b
}'
edges=$(awk "$modules"'
	$2 ~ /^(common|pooler|archiver|homelabctl)\/.*\.h$/ {
		a = module_of($1); b = module_of($2)
		if (a != b) print a, b
	}' <<<"$all" | sort -u)
# Client and server drive each other: one layer, see pooler-layers.
check "modules include each other in no circle" "$(
	sed -E 's,pooler/(client|server)\b,pooler/client+server,g' <<<"$edges" |
	    awk '$1 != $2' | tsort 2>&1 >/dev/null)"
# A line of tests/lint/pooler-layers is a layer; higher numbers see lower.
check "the pooler's layers: nothing includes upward" "$(awk '
	FNR == NR {
		if ($0 ~ /^#/) next
		if ($0 !~ / # ./) print "pooler-layers: no reason: " $1
		layer++
		for (i = 2; i <= NF && $i != "#"; i++) at["pooler/" $i] = layer
		next
	}
	$1 !~ /^pooler\// { next }
	!($1 in at) { print $1 ": in no layer"; next }
	$2 !~ /^pooler\// { next }
	!($2 in at) { print $2 ": in no layer"; next }
	at[$2] > at[$1] || (at[$2] == at[$1] && at[$1] > 1 &&
	    ($1 " " $2) !~ /^pooler\/(client pooler\/server|server pooler\/client)$/) {
		print $1 " includes " $2
	}' tests/lint/pooler-layers - <<<"$edges")"

# third "header pattern" files that may include it...
third() {
	local pattern=$1
	shift
	check "$pattern: only $*" "$(awk -v p="$pattern" -v ok=" $* " '
		$2 ~ p && index(ok, " " $1 " ") == 0' <<<"$all")"
}
uv="common/loop.c common/loop.h common/poller.c common/poller.h"
third '^uv\.h$' $uv common/ctlserver.c common/ctlserver.h pooler/main.c \
    pooler/pooler.c pooler/worker.c archiver/daemon.c common/err.c
# One file for each use: sha256 and md5 are what PostgreSQL's manifest and S3's
# Content-MD5 prescribe.
third '^openssl/' common/tls.c common/tls_context.c common/tls_impl.h \
    common/scram.c common/random.c common/digest.c common/sha256.c \
    archiver/md5.c
third '^liburing\.h$' common/poller_ring.c
third '^sys/epoll\.h$' common/poller_epoll.c common/poller_uring.c \
    common/poller_uring_recv.c
third '^ini\.h$' common/conf.c
third '^libpq-fe\.h$' common/pgquery.c
third '^libs3\.h$' archiver/s3client.c
third '^lz4' archiver/filter_lz4.c archiver/filter_block.c
third '^xxhash\.h$' common/digest.c
third '^jansson\.h$' common/json.c
third '^(idna|stringprep)\.h$' common/saslprep.c
third '^check\.h$' tests/unit/unit.h

for f in common pooler archiver homelabctl; do
	bad=
	for c in "$f"/*.c; do
		[ -e "${c%.c}.h" ] || continue
		first=$(includes "$c" | awk 'NR == 1 { print $2 }')
		second=$(includes "$c" | awk 'NR == 2 { print $2 }')
		[ "$first" = common/base.h ] && [ "$second" = "${c%.c}.h" ] ||
			bad+="$c: base.h, then ${c%.c}.h"$'\n'
	done
	[ -d "$f" ] && check "$f: each .c includes base.h, then its own header" \
	    "$bad"
done
done_testing
