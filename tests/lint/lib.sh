# SPDX-License-Identifier: MIT
#
# lib - for the lint scripts: each check is one TAP line; sourced by bash.

set -u
LC_ALL=C
export LC_ALL
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
tests_run=0 tests_failed=0

# check "name" "complaints": it passes when there are none
check() {
	tests_run=$((tests_run + 1))
	if [ -z "$2" ]; then
		echo "ok $tests_run - $1"
	else
		tests_failed=$((tests_failed + 1))
		echo "not ok $tests_run - $1"
		printf '%s\n' "$2" | sed 's/^/# /'
	fi
}

done_testing() {
	echo "1..$tests_run"
	[ $tests_failed -eq 0 ]
	exit
}

# The project's own files: what git has, or everything in a tarball.
project_files() {
	if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		git ls-files --cached --others --exclude-standard
	else
		find . -type f -not -path './build*' | sed 's,^\./,,'
	fi
}
