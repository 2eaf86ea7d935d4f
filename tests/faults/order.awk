# SPDX-License-Identifier: MIT
#
# order - whether a trace of sysfault acknowledged only what is durable.
#
# usage: awk -v root=DIRECTORY [-v silent=1] -f order.awk trace
#
# A kill loses nothing that is in the page cache, a power cut does; so the
# order of calls is looked at. Below root: a file is synced after its last
# write and before it gets its name, and the directory of a new name is synced
# before "exit 0" or before anything is sent to a socket (silent: what is sent
# are questions, no promise). Prints a line for each breach.

function dir_of(path) {
	sub(/\/[^\/]*$/, "", path)
	return path
}

function ours(path) {
	return index(path, root "/") == 1 || path == root
}

function breach(text) {
	print text " (line " NR ": " $0 ")"
}

# Everything that was promised is durable, or it is a breach.
function promise(  p) {
	for (p in unsynced)
		breach(p " is acknowledged and not synced")
	for (p in unnamed)
		breach("the name " p " is acknowledged, its directory not synced")
	delete unsynced
	delete unnamed
}

function forget(path) {
	delete unsynced[path]
	delete unnamed[path]
}

function named(from, to) {
	if (!ours(to))
		return
	if (from in unsynced) {
		breach(to " gets its name before its bytes are synced")
		forget(from)
	}
	unnamed[to] = 1
}

$1 == "exit" {
	if ($2 == 0)
		promise()
	next
}

{ done = $NF ~ /^[0-9]+$/ }
$3 ~ /^(sendto|sendmsg)$/ && $4 ~ /^socket:/ {
	if (!silent)
		promise()
	next
}
!done || !ours($4) && !ours($5) { next }
$3 ~ /^(open|openat)$/ { unsynced[$4] = 1; unnamed[$4] = 1 }
$3 ~ /^(write|writev|pwrite|pwritev|ftruncate|fallocate)$/ { unsynced[$4] = 1 }
$3 ~ /^(fsync|fdatasync)$/ {
	delete unsynced[$4]
	for (p in unnamed) {
		if (dir_of(p) == $4)
			delete unnamed[p]
	}
}
$3 == "syncfs" { delete unsynced; delete unnamed }
$3 ~ /^mkdir/ { unnamed[$4] = 1 }
$3 ~ /^(link|linkat)$/ { named($4, $5) }
$3 ~ /^rename/ { named($4, $5); forget($4) }
$3 ~ /^(unlink|unlinkat|rmdir)$/ { forget($4) }
