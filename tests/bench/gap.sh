#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The gap of a switch, strategy D, beside the floor: bg-switchd and a program that does only the librdkafka
# calls (floor.c) take turns, switch by switch, on the same topic under the same load. Real Kafka, 8
# partitions, 2 instances a colour, 2,000 records/s. The gap runs, for both, from the start of the pause to
# the first record on the other side.
#
#	gap.sh [-n SWITCHES]		of each kind and hand-over (200)
#
# Prints a table, then as the last line one JSON object. Exit status 1: slower than p50 <= 1.5 * floor + 1 ms
# or p90 <= 2 * floor + 2 ms, or a record lost, twice, or two colours active.
# BG_BUILD: the built programs.   BG_SYSTEM_DIR: scratch folder.
set -euo pipefail

BG_SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# shellcheck source=tests/lib/env.sh
. "$BG_SRC/tests/lib/env.sh"
# shellcheck source=tests/lib/kafka.sh
. "$BG_SRC/tests/lib/kafka.sh"

N=200
BG_BIN=${BG_BUILD:?the folder of the built programs}
BG_TESTADMIN=$BG_BIN/tests/lib/bg-testadmin
WORK=${BG_SYSTEM_DIR:-$(mktemp -d "${TMPDIR:-/tmp}/bg-gap.XXXXXX")}
ROWS=()
VERDICT=
RC=0

clean_up() {
	local rc=$?
	trap - EXIT
	[ -z "${FLOOR_PID:-}" ] || kill "$FLOOR_PID" 2>/dev/null || true
	[ -z "${BG_DIR:-}" ] || bg_stop_all || true
	[ ! -d "$WORK/kafka" ] || kafka_stop "$WORK/kafka" || true
	exit "$rc"
}

# The floor program, with its orders and answers on pipes.
start_floor() {
	coproc FLOOR { exec "$BG_BIN/tests/bench/floor" -b "$BG_BOOTSTRAP" -t "$BG_TOPIC" -g "$BG_SWITCH-floor"; }
	local line
	IFS= read -r -t 60 line <&"${FLOOR[0]}"
	[ "$line" = ready ]
}

# One switch by the floor, one by bg-switchd; raw results into files.
one_round() {
	local handover=$1 to=$2 line
	echo "$handover" >&"${FLOOR[1]}"
	IFS= read -r -t 60 line <&"${FLOOR[0]}"
	echo "$line" >>"$BG_DIR/floor.txt"
	bg_post switch "{\"to\":\"$to\"}" '?wait=1'
	printf '%s\n' "$HTTP_BODY" >>"$BG_DIR/ours.jsonl"
	# Records flow on both sides again before the next round: at 2,000/s, a hundred of them.
	sleep 0.05
}

# `percentile FILE P`: of numbers in microseconds, one a line; in ms.
percentile() { sort -n "$1" | awk -v p="$2" '{v[NR] = $1} END {i = int((NR * p + 99) / 100); if (i < 1) i = 1; printf "%.3f", v[i] / 1000}'; }

measure() {
	local handover=$1 i to=green
	BG_SWITCH=gap-$handover
	BG_HANDOVER=$handover
	BG_SWITCH_INI='soak = 1 s'
	kafka_topic "$BG_BOOTSTRAP" "$BG_SWITCH" 8
	bg_env_start "$WORK/$handover"
	await 10 bg_works blue
	start_floor
	for ((i = 0; i < N; i++)); do
		one_round "$handover" "$to"
		if [ "$to" = green ]; then to=blue; else to=green; fi
	done
	eval "exec ${FLOOR[1]}>&-" # the end of its input
	wait "$FLOOR_PID" || true
	FLOOR_PID=
	bg_quiet
	verdict "$BG_DIR" || true
	bg_stop_all
	add_row "$handover"
}

add_row() {
	local handover=$1 d=$BG_DIR row
	jq -r 'select(.outcome == "done") | .gap_us // empty' "$d/ours.jsonl" >"$d/ours.us"
	jq -r 'select(.outcome == "done") | .worst_gap_us // empty' "$d/ours.jsonl" >"$d/worst.us"
	sed -n 's/^gap_us=\([0-9]*\) .*/\1/p' "$d/floor.txt" >"$d/floor.us"
	row=$(jq -cn --arg handover "$handover" --argjson n "$(wc -l <"$d/ours.us")" \
		--argjson p50 "$(percentile "$d/ours.us" 50)" --argjson p90 "$(percentile "$d/ours.us" 90)" \
		--argjson p99 "$(percentile "$d/ours.us" 99)" --argjson f50 "$(percentile "$d/floor.us" 50)" \
		--argjson f90 "$(percentile "$d/floor.us" 90)" --argjson v "$(jq -c '{lost, duplicated, dual_active_ms}' <<<"$VERDICT")" '
		def r: . * 1000 | round / 1000;
		{strategy: "D", handover: $handover, n: $n, p50_ms: $p50, p90_ms: $p90, p99_ms: $p99,
		 floor_p50_ms: $f50, floor_p90_ms: $f90, ratio_p50: ($p50 / $f50 | r), ratio_p90: ($p90 / $f90 | r),
		 lost: $v.lost, duplicated: $v.duplicated, dual_active_ms: ($v.dual_active_ms | if . == 0 then 0 else . end)}')
	ROWS+=("$row")
	printf 'D        %-10s %5d %8s %8s %8s %8s %8s %9s %9s %9s\n' "$handover" "$(wc -l <"$d/ours.us")" \
		"$(percentile "$d/ours.us" 50)" "$(percentile "$d/ours.us" 90)" "$(percentile "$d/ours.us" 99)" \
		"$(percentile "$d/ours.us" 100)" "$(percentile "$d/worst.us" 100)" \
		"$(percentile "$d/floor.us" 50)" "$(percentile "$d/floor.us" 90)" "$(percentile "$d/floor.us" 100)"
	jq -e --argjson n "$N" '.n == $n and .p50_ms <= 1.5 * .floor_p50_ms + 1 and .p90_ms <= 2 * .floor_p90_ms + 2
		and .lost == 0 and .duplicated == 0 and .dual_active_ms == 0' <<<"$row" >/dev/null || {
		echo "         ^ not within p50 <= 1.5 * floor + 1 ms, p90 <= 2 * floor + 2 ms, $N done, nothing lost or twice"
		RC=1
	}
}

main() {
	while getopts n: opt; do
		case $opt in
		n) N=$OPTARG ;;
		*) exit 2 ;;
		esac
	done
	case $N in
	'' | *[!0-9]* | 0*)
		echo "gap.sh: -n needs a whole number from 1" >&2
		exit 2
		;;
	esac
	trap clean_up EXIT
	trap 'exit 130' INT TERM
	mkdir -p "$WORK"
	kafka_start "$WORK/kafka"
	BG_BOOTSTRAP=$(cat "$WORK/kafka/bootstrap")
	echo "gap in ms, from the start of the pause to the first record on the other side; worst: of all partitions"
	printf '%-8s %-10s %5s %8s %8s %8s %8s %8s %9s %9s %9s\n' strategy handover n p50 p90 p99 max worst \
		floor-p50 floor-p90 floor-max
	measure committed
	measure eager
	jq -cn '{bench: "gap", rows: $ARGS.positional}' --jsonargs "${ROWS[@]}"
	return "$RC"
}

main "$@"
