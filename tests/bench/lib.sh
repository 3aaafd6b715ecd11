# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the benches share: Kafka, rows, the end. Sourced by them; BG_BUILD and BG_SYSTEM_DIR as in gap.sh.
set -euo pipefail

BG_SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# shellcheck source=tests/lib/env.sh
. "$BG_SRC/tests/lib/env.sh"
# shellcheck source=tests/lib/kafka.sh
. "$BG_SRC/tests/lib/kafka.sh"

BG_BIN=${BG_BUILD:?the folder of the built programs}
BG_TESTADMIN=$BG_BIN/tests/lib/bg-testadmin
# shellcheck disable=SC2034 # for those that source this
BENCH=$BG_BIN/tests/bench
WORK=${BG_SYSTEM_DIR:-$(mktemp -d "${TMPDIR:-/tmp}/bg-bench.XXXXXX")}
ROWS=()
RC=0

bench_clean_up() {
	local rc=$?
	trap - EXIT
	[ -z "${FLOOR_PID:-}" ] || kill "$FLOOR_PID" 2>/dev/null || true
	[ -z "${BG_DIR:-}" ] || bg_stop_all || true
	[ ! -d "$WORK/kafka" ] || kafka_stop "$WORK/kafka" || true
	exit "$rc"
}

# A broker of one's own, in BG_BOOTSTRAP; KEY=VALUE go into its properties. All is stopped at the end.
# shellcheck disable=SC2120 # not every bench has properties
bench_kafka() {
	trap bench_clean_up EXIT
	trap 'exit 130' INT TERM
	mkdir -p "$WORK"
	kafka_start "$WORK/kafka" 1 "$@"
	BG_BOOTSTRAP=$(cat "$WORK/kafka/bootstrap")
}

# `bench_row JSON RULE`: a row with at least name, ours, peer, unit; `ratio` is added, and `limit`, which is
# RULE as text. RULE is a jq condition on the row; a row that breaks it fails the bench. With a third argument
# nothing is printed of a row that keeps it.
bench_row() {
	local row
	row=$(jq -c --arg limit "$2" 'def r: . * 1000 | round / 1000;
		.ratio = (if .peer == null or .peer == 0 then null else .ours / .peer | r end) | .limit = $limit' <<<"$1")
	ROWS+=("$row")
	[ $# -gt 2 ] || jq -r '[.name, (.ours | tostring), (.peer // "-" | tostring), .unit, (.ratio // "-" | tostring)] | @tsv' <<<"$row" |
		awk -F'\t' '{printf "%-40s %12s %12s %-12s %7s\n", $1, $2, $3, $4, $5}'
	if ! jq -e "$2" <<<"$row" >/dev/null; then
		echo "    ^ not within: $2"
		RC=1
	fi
}

bench_head() { printf '%-40s %12s %12s %-12s %7s\n' "$1" ours peer unit ratio; }

# The last line, and the exit status.
bench_end() {
	jq -cn --arg bench "$1" '{bench: $bench, rows: $ARGS.positional}' --jsonargs "${ROWS[@]}"
	return "$RC"
}

# `median NUMBER…`
median() { printf '%s\n' "$@" | sort -g | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

# CPU time of a process, all threads, in milliseconds.
cpu_ms() { awk -v hz="$(getconf CLK_TCK)" '{sub(/.*\) /, ""); print int(($12 + $13) * 1000 / hz)}' "/proc/$1/stat"; }
# Anonymous memory of a process in KiB, and its open descriptors.
anon_kb() { awk '/^RssAnon:/ {print $2}' "/proc/$1/status"; }
fd_count() { find "/proc/$1/fd" -mindepth 1 2>/dev/null | wc -l; }
