#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What each file must have: the licence line, clean blanks, a unit test; and
# what none may have.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

files=$(project_files)
code=$(grep -E '\.(c|h|def|sh|py|js|in)$|(^|/)Makefile$|^\.ci/run$' <<<"$files")

bad=
for f in $code; do
	head -3 "$f" | grep -q 'SPDX-License-Identifier: MIT' ||
	    case $f in *.in) ;; *) bad+="$f"$'\n' ;; esac
done
check "each source has its licence line" "$bad"

# shellcheck disable=SC2086
check "no blanks at line ends" "$(grep -nE '[ 	]+$' $code | head -20)"
c=$(grep -E '\.[ch]$' <<<"$code")
# shellcheck disable=SC2086
check "C is indented by tabs" "$(grep -nE '^ {8}' $c | head -20)"
bad=
for f in $c; do
	bad+=$(expand "$f" | awk -v f="$f" 'length($0) > 100 {
		print f ":" NR ": " length($0) " columns" }')
done
check "no line above 100 columns" "$bad"
# shellcheck disable=SC2086
check "files end in a newline" "$(for f in $code; do
	[ -s "$f" ] && [ -n "$(tail -c1 "$f")" ] && echo "$f"; done)"

# Sources that have no unit test of their own, each with the reason.
exempt() {
	case $1 in
	*/main.c) return 0 ;;			# argv and exit only
	common/opt_show.c | common/wire_put.c) return 1 ;;
	esac
	[ -e tests/lint/no-unit-test ] && awk -v f="$1" '
		$1 == f { found = 1 } END { exit !found }' tests/lint/no-unit-test
}
bad=
for f in common/*.c pooler/*.c archiver/*.c homelabctl/*.c; do
	[ -e "$f" ] || continue
	exempt "$f" && continue
	[ -e "tests/unit/$(basename "$f" .c)_test.c" ] || bad+="$f"$'\n'
done
check "each .c has a unit test" "$bad"
bad=
if [ -e tests/lint/no-unit-test ]; then
	while read -r f reason; do
		case $f in '#'* | '') continue ;; esac
		[ -e "$f" ] || bad+="$f: no such file"$'\n'
		[ -n "$reason" ] || bad+="$f: no reason"$'\n'
		[ -e "tests/unit/$(basename "$f" .c)_test.c" ] &&
		    bad+="$f: has a test now"$'\n'
	done <tests/lint/no-unit-test
fi
check "the exceptions are still true" "$bad"

# shellcheck disable=SC2086
check "no path of somebody's machine" "$(grep -nE \
    '(/home/[a-z]+|/Users/|/root/|/work/)[a-zA-Z]' $code |
    grep -v '^tests/lint/tree.sh:' | head)"
# shellcheck disable=SC2086
check "no exit() but in main" "$(grep -nE '(^|[^_a-z])(exit|abort)\(' \
    common/*.c pooler/*.c archiver/*.c homelabctl/*.c 2>/dev/null |
    grep -vE '/main\.c:|: \*|/\*' | head)"
# shellcheck disable=SC2086
check "no function that cannot be used safely" "$(grep -nE \
    '(^|[^_a-z])(strcpy|strcat|sprintf|gets|strtok|atoi|atol|alloca)\(' \
    common/*.c pooler/*.c archiver/*.c homelabctl/*.c 2>/dev/null |
    grep -v ' \* ' | head)"
done_testing
