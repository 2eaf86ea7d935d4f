# SPDX-License-Identifier: MIT
#
# lib - what pooler.sh and archiver.sh share; sourced by bash. Clusters,
# ports, poolers and their end come from the tests' own library.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tests/e2e/lib.sh"

rounds=${BENCH_ROUNDS:-3}
seconds=${BENCH_SECONDS:-1}
results=$top/build/bench
mkdir -p "$results"
ulimit -n "$(ulimit -Hn)"

# note table row contender metric value: one line of $results/<table>.tsv
note() {
	printf '%s\t%s\t%s\t%s\n' "$2" "$3" "$4" "$5" >>"$results/$1.tsv"
}
begin() {
	printf 'row\tcontender\tmetric\tvalue\n' >"$results/$1.tsv"
}

# div a b [digits]: a / b, or nothing
div() {
	awk -v a="$1" -v b="$2" -v d="${3:-3}" \
	    'BEGIN { if (b > 0) printf "%.*f\n", d, a / b }'
}

# cpu_us pid...: processor time of all their threads so far, microseconds
cpu_us() {
	local p
	for p in "$@"; do
		cat "/proc/$p/stat" 2>/dev/null
	done | sed 's/.*) //' | awk -v hz="$(getconf CLK_TCK)" \
	    '{ n += $12 + $13 } END { printf "%d\n", n * 1000000 / hz }'
}

# tree_us pid...: the same with all children, living and waited for
tree_us() {
	ps -A -o pid=,ppid= | awk -v roots="$*" '
	{ kids[$2] = kids[$2] " " $1 }
	function walk(p,  a, i, n) {
		print p
		n = split(kids[p], a, " ")
		for (i = 1; i <= n; i++) walk(a[i])
	}
	END { n = split(roots, r, " "); for (i = 1; i <= n; i++) walk(r[i]) }' |
	    while read -r p; do cat "/proc/$p/stat" 2>/dev/null; done |
	    sed 's/.*) //' | awk -v hz="$(getconf CLK_TCK)" \
	    '{ n += $12 + $13 + $14 + $15 }
	     END { printf "%d\n", n * 1000000 / hz }'
}

now_us() {
	local t=$EPOCHREALTIME
	echo $((${t%.*} * 1000000 + 10#${t#*.}))
}

# show table peer "title": medians, and their ratios to the peer's. One line
# for each row and metric, one column for each contender.
show() {
	echo
	echo "$3"
	echo "(median of $rounds; in brackets the ratio to $2;" \
	    "load average $(cut -d' ' -f1-3 /proc/loadavg))"
	awk -F'\t' -v peer="$2" '
	NR == 1 { next }
	{
		k = $1 "\t" $3
		if (!(k in seen)) { seen[k] = 1; order[++rows] = k }
		if (!($2 in who)) { who[$2] = 1; col[++cols] = $2 }
		n[k, $2]++
		v[k, $2, n[k, $2]] = $4
	}
	function median(k, c,  i, j, t, m, a) {
		m = n[k, c]
		if (m == 0) return ""
		for (i = 1; i <= m; i++) a[i] = v[k, c, i] + 0
		for (i = 2; i <= m; i++)
			for (j = i; j > 1 && a[j - 1] > a[j]; j--) {
				t = a[j]; a[j] = a[j - 1]; a[j - 1] = t
			}
		return m % 2 ? a[(m + 1) / 2] : (a[m / 2] + a[m / 2 + 1]) / 2
	}
	function text(x) {
		return x >= 1000 ? sprintf("%.0f", x) : sprintf("%.3g", x)
	}
	END {
		printf "%-34s %-16s", "", ""
		for (c = 1; c <= cols; c++) printf " %16s", col[c]
		printf "\n"
		for (r = 1; r <= rows; r++) {
			split(order[r], name, "\t")
			printf "%-34s %-16s", name[1], name[2]
			base = median(order[r], peer)
			for (c = 1; c <= cols; c++) {
				m = median(order[r], col[c])
				if (m == "") s = "-"
				else if (col[c] == peer || base == "" || base == 0) s = text(m)
				else s = text(m) sprintf(" (%.2f)", m / base)
				printf " %16s", s
			}
			printf "\n"
		}
	}' "$results/$1.tsv"
}
