#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What is built: headers that stand alone, programs that link no more than
# they should, generated files that are up to date, manuals without mistakes.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

quiet_make() {
	make -s "$@" 2>&1 | grep -v '^make' | head -30
}
check "each header compiles alone" "$(quiet_make hdrcheck)"

# links program what it may link, as a pattern: libc and the loader always
links() {
	[ -e "build/$1" ] || return 0
	check "$1 links only $2" "$(objdump -p "build/$1" |
	    awk '$1 == "NEEDED" { print $2 }' |
	    grep -vE "^(libc|ld-linux.*)\.so|^($2)\.so" )"
}
links homelab-pooler 'libuv|liburing|libssl|libcrypto|libidn|libinih|libxxhash|libpthread|libm'
links homelab-archiver 'libdl|libpthread'
links homelabctl 'libinih|libpq|libjansson|libssl|libcrypto'

if [ -e build/mangen ]; then
	check "generated files are up to date" "$(quiet_make gen-check)"
	if command -v mandoc >/dev/null; then
		check "manuals are without mistakes" "$(quiet_make man-check)"
	fi
fi
done_testing
