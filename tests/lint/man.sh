#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What can be typed stands in a manual: each verb, and each option that a
# verb's --help tells of, from the tables that the programs are made from.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

# verbs file: the first word of each VERB() line
verbs() {
	sed -n 's/^VERB("\([^"]*\)".*/\1/p' "$1"
}

# missing page word...: those that no item or flag of the page has
missing() {
	local page=$1 word
	shift
	for word; do
		grep -qE "(Fl -|Fl -no-|Ic |Cm )$word( |,|\$)" "$page" ||
		    echo "$word"
	done
}

page=man/homelab-archiver.1.in
check "homelab-archiver(1) has an item for each verb" "$(
	for v in $(verbs archiver/verbs.def); do
		grep -qE "^\.It Cm $v( |\$)" $page || echo "$v"
	done)"
# The options' strings: what stands in quotes between arguments and help.
options=$(tr -d '\n' <archiver/verbs.def | sed 's/VERB(/\n&/g' |
    sed -n 's/^VERB("[^"]*", [^"]*"[^"]*",[[:blank:]]*\(.*\),[[:blank:]]*"[^"]*")$/\1/p' |
    tr -c 'a-z-' '\n' | grep . | sort -u)
check "verbs have options" "$([ "$(wc -w <<<"$options")" -gt 20 ] ||
    echo "only found: $options")"
# shellcheck disable=SC2086
check "homelab-archiver(1) names each option of a verb" \
    "$(missing $page $options)"
page=man/homelabctl.1.in
check "homelabctl(1) has an item for each command" "$(
	verbs homelabctl/verbs.def | while read -r v; do
		grep -qE "^\.It (Cm|Ic) $v( |\$)" $page || echo "$v"
	done)"

check "homelabctl(1) has an item for each option" "$(
	sed -n 's/^.*{ "\([a-z-]*\)", [a-z]*_argument, .*/\1/p' \
	    homelabctl/main.c | while read -r o; do
		grep -qE "^\.It .*Fl -$o( |\$)" $page || echo "$o"
	done)"

done_testing
