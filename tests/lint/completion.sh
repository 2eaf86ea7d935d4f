#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What bash offers for words that are being typed.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck source=etc/completion/homelabctl
. etc/completion/homelabctl
# shellcheck source=etc/completion/homelab-archiver
. etc/completion/homelab-archiver
homelabctl() {
	printf '%s\n' 'LABEL  TYPE' '20261120-020000F  full'
}

# offers "words, the last one unfinished" "wanted, joined by blanks"
offers() {
	local got
	read -r -a COMP_WORDS <<<"$1"
	[[ $1 != *' ' ]] || COMP_WORDS+=("")
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	"_${COMP_WORDS[0]//-/_}"
	got=${COMPREPLY[*]-}
	check "completion: $1" "$([ "$got" = "$2" ] ||
	    echo "wanted \"$2\", got \"$got\"")"
}
offers "homelabctl " "db"
offers "homelabctl db s" "status"
offers "homelabctl db " "backup check list-backups restore status"
offers "homelabctl db backup " "full"
offers "homelabctl db restore " "20261120-020000F latest"
offers "homelabctl db restore l" "latest"
offers "homelabctl db restore latest " ""
offers "homelabctl db status --n" "--no-color --nagios"
offers "homelabctl db restore latest --t" "--time="
offers "homelabctl db status --t" ""
offers "homelabctl --config = etc/homelab/pooler.ini db st" "status"
offers "homelabctl --config = etc/homelab/pooler." \
    "etc/homelab/pooler.ini etc/homelab/pooler.ini.in"
offers "homelab-archiver arch" "archive-push archive-get"
offers "homelab-archiver --stanza = main ver" "verify"
offers "homelab-archiver backup " ""
offers "homelab-archiver --compress-t" "--compress-type="
offers "homelab-archiver --compress-type =" "lz4 none"
offers "homelab-archiver restore --target-action = pr" "promote"
offers "homelab-archiver --repo1-s3-tr" "--repo1-s3-transport="
offers "homelab-archiver --repo2-type = p" "posix"
done_testing
