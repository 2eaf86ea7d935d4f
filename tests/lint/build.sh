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

# Every function and table that a header offers has a user in the programs.
# What only its own file uses is static, unless a test looks at it; what only
# tests use stands in only-tests, with the reason.
object() {
	case $1 in
	homelabctl/*) echo "build/ctl/$(basename "$1" .c).o" ;;
	*) echo "build/${1%.c}.o" ;;
	esac
}
idle_symbols() {
	local f objects=
	for f in common/*.c pooler/*.c archiver/*.c homelabctl/*.c; do
		[ -e "$(object "$f")" ] || return
		objects+=" $(object "$f")"
	done
	# shellcheck disable=SC2086
	nm -A $objects | awk '
		{ split($1, a, ":") }
		$(NF - 1) ~ /^[TDBRC]$/ { defined[$NF] = a[1] }
		$(NF - 1) == "U" { used[$NF] = 1 }
		END { for (s in defined) if (!(s in used)) print s, defined[s] }'
}
bad=
while read -r symbol o; do
	[ "$symbol" = main ] || grep -qw "$symbol" man/*.c && continue
	f=${o#build/} f=${f%.o}.c f=${f/#ctl/homelabctl}
	if grep -qE "^$symbol[ 	]" tests/lint/only-tests; then
		continue
	elif [ "$(grep -cw "$symbol" "$f")" -lt 2 ]; then
		bad+="$f: nobody uses $symbol"$'\n'
	elif ! grep -rqw "$symbol" --include='*.[ch]' tests bench; then
		bad+="$f: $symbol could be static"$'\n'
	fi
done < <(idle_symbols)
check "nothing is offered that nobody uses" "$bad"
check "only-tests names what is there" "$(while read -r symbol reason; do
	case $symbol in '#'* | '') continue ;; esac
	[ -n "$reason" ] || echo "$symbol: no reason"
	grep -qw "$symbol" common/*.h pooler/*.h archiver/*.h homelabctl/*.h ||
	    echo "$symbol: nowhere"
done <tests/lint/only-tests)"

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
