#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Installs what building and testing need, on Debian 12 and 13.
# usage: deps.sh [build] [test]		both when none is named
#
# Says each missing package and its purpose, then calls apt-get as root or
# through sudo. Ends at once, without a word, when nothing is missing. Without
# root and sudo it prints the command to type and exits 1.
set -u

build_packages() {
	cat <<-'LIST'
	build-essential	compiler, make
	pkg-config	finds libpq and Check
	libuv1-dev	event loops
	liburing-dev	io_uring for the pooler's sockets
	libssl-dev	TLS, SCRAM
	libidn-dev	SASLprep of passwords
	libinih-dev	ini files
	libpq-dev	SQL connections of the archiver and homelabctl
	libs3-dev	S3
	liblz4-dev	compression
	libxxhash-dev	digests
	libjansson-dev	JSON
	LIST
}

# psql and pgbench come with the server's packages; node and npm are asked for
# only where there are none, because Debian's conflict with other sources.
test_packages() {
	cat <<-'LIST'
	check	unit tests
	postgresql	servers to test against, psql, pgbench
	openssl	test certificates
	procps	ps
	mandoc	checks the manuals
	python3	runs psycopg
	python3-psycopg2	a driver that is tested through the pooler
	socat	talks raw bytes to sockets
	LIST
	command -v node >/dev/null || echo "nodejs	runs node-postgres"
	command -v npm >/dev/null || echo "npm	fetches node-postgres"
}

installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = \
	    installed ]
}

[ $# -gt 0 ] || set -- build test
missing=()
for set in "$@"; do
	while IFS=$'\t' read -r package why; do
		installed "$package" && continue
		missing+=("$package")
		printf 'deps: %-18s is missing: %s\n' "$package" "$why"
	done < <("${set}_packages")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "deps: this is not Debian: install the like of the above" >&2
	exit 1
elif [ "$(id -u)" = 0 ]; then
	as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
	as_root=(sudo -n)
else
	echo "deps: not root, and no sudo without a password. Type as root:" >&2
	echo "    apt-get install ${missing[*]}" >&2
	exit 1
fi

apt() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
	    --no-install-recommends "$@" </dev/null
}

# postgresql-common would start a cluster of its own: the tests want none.
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
	"${as_root[@]}" mkdir -p /etc/postgresql-common
	echo 'create_main_cluster = false' |
	    "${as_root[@]}" tee /etc/postgresql-common/createcluster.conf \
	    >/dev/null
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! apt install "${missing[@]}" >"$log" 2>&1; then
	# The lists are old or were never fetched.
	echo "deps: apt-get update"
	if ! { apt update && apt install "${missing[@]}"; } >"$log" 2>&1; then
		tail -20 "$log" >&2
		echo "deps: apt-get failed; its last words are above" >&2
		exit 1
	fi
fi
echo "deps: installed ${#missing[@]} packages"
