#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Two repositories rot at random places: every restore is right to the byte,
# or refused; with one of them sound it is always right.
#
#	ROT_ROUNDS	how many (default 6)
#	ROT_SEED	of the first round (default 1)

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/arlib.sh
. "$(dirname "$0")/arlib.sh"

if [ "$STORE" != posix ]; then
	skip_all "looks into the directories of the repositories"
fi
rounds=${ROT_ROUNDS:-6}
seed=${ROT_SEED:-1}
cluster_start "process-max=3" "repo1-path=$tmp/repo" \
    "repo2-path=$tmp/repo2" "backup-repos=all"
pgbench -h "$tmp" -p "$pg_port" -U postgres -i -q -s 3 postgres \
    >"$tmp/pgbench.log" 2>&1
like "a backup into both" "*is complete*in repo1 and repo2*" \
    "$(ar backup --type=full)"
pg_stop fast
like "restored while all is well" "backup * is restored*" \
    "$(restored good --type=immediate)"
cp -a "$tmp/repo" "$tmp/repo.good"
cp -a "$tmp/repo2" "$tmp/repo2.good"

# rot repository: one kind of damage to one object of the backup
rot() {
	local objects object size at bytes
	mapfile -t objects < <(find "$tmp/$1/main/backup" -type f | sort)
	object=${objects[RANDOM % ${#objects[@]}]}
	size=$(stat -c %s "$object")
	at=$(((RANDOM * 32768 + RANDOM) % size))
	chmod u+w "$object"
	case $((RANDOM % 6)) in
	0) rm "$object" ;;
	1) truncate -s "$at" "$object" ;;
	2) # a block of zeros, as a bad sector leaves it
		dd if=/dev/zero of="$object" bs=1 seek="$at" \
		    count=$((size - at < 4096 ? size - at : 4096)) \
		    conv=notrunc 2>/dev/null ;;
	*) # some bytes
		for bytes in 1 2 3; do
			printf '%b' "\\x$(printf %02x $((RANDOM % 256)))" |
			    dd of="$object" bs=1 seek="$at" conv=notrunc \
			    2>/dev/null
			at=$(((at * 7 + bytes) % size))
		done ;;
	esac
	echo "${object#"$tmp"/} at $at of $size" >>"$tmp/rotten"
}
make_good() {
	rm -rf "$tmp/repo" "$tmp/repo2"
	cp -a "$tmp/repo.good" "$tmp/repo"
	cp -a "$tmp/repo2.good" "$tmp/repo2"
	: >"$tmp/rotten"
}

right=0 refused=0 wrong=""
# round seed which-repositories...: damages them, restores, judges
round() {
	local n=$1 i r status out
	shift
	RANDOM=$n
	make_good
	for r in "$@"; do
		for ((i = RANDOM % 12; i >= 0; i--)); do
			rot "$r"
		done
	done
	rm -rf "$tmp/rot"
	out=$(restored rot --type=immediate)
	status=$?
	if [ $status -eq 0 ]; then
		if [ -n "$(diff -r "$tmp/good" "$tmp/rot" 2>&1)" ]; then
			wrong+="seed $n ($*): not equal: $(cat "$tmp/rotten")
"
		fi
		right=$((right + 1))
		return
	fi
	refused=$((refused + 1))
	if [ $# -lt 2 ]; then
		wrong+="seed $n ($*): refused: $out $(cat "$tmp/rotten")
"
	elif [ $status -gt 125 ] || [ -e "$tmp/rot/global/pg_control" ]; then
		wrong+="seed $n ($*): status $status, $out
"
	fi
}

for ((k = seed; k < seed + rounds; k++)); do
	case $((k % 4)) in
	0) round "$k" repo ;;
	1) round "$k" repo2 ;;
	*) round "$k" repo repo2 ;;
	esac
done
echo "# $rounds rounds from seed $seed: $right right, $refused refused"
is "right or refused" "" "$wrong"
is "all judged" "$rounds" $((right + refused))

done_testing
