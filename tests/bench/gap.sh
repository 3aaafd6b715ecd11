#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The gap of a switch, strategies D and C, beside the floor: bg-switchd and a program that does only the
# librdkafka calls (floor.c) take turns, switch by switch, on the same topic under the same load. Real Kafka,
# 8 partitions, 2 instances a colour, 2,000 records/s. The gap runs, for both, from the start of the pause to
# the first record on the other side.
#
#	gap.sh [-n SWITCHES] [-s D|C]	of each kind and hand-over (200); only this strategy
#
# Prints a table, then as the last line one JSON object. Exit status 1: slower than p50 <= 1.5 * floor + 1 ms
# or p90 <= 2 * floor + 2 ms, or a record lost, twice, or two colours active.
# BG_BUILD: the built programs.   BG_SYSTEM_DIR: scratch folder.
# shellcheck source=tests/bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

N=200
STRATEGIES='D C'
VERDICT=

# The floor program, with its orders and answers on pipes.
start_floor() {
	local mode=handover line
	[ "$BG_STRATEGY" = D ] || mode=takeover
	coproc FLOOR { exec "$BENCH/floor" -b "$BG_BOOTSTRAP" -t "$BG_TOPIC" -g "$BG_SWITCH-floor" -m "$mode"; }
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

# `measure STRATEGY HANDOVER`
measure() {
	local i to=green
	BG_STRATEGY=$1
	BG_HANDOVER=$2
	BG_SWITCH=gap-${1,}-$2
	BG_SWITCH_INI='soak = 1 s'
	kafka_topic "$BG_BOOTSTRAP" "$BG_SWITCH" 8
	bg_env_start "$WORK/$BG_SWITCH"
	await 10 bg_works blue
	start_floor
	for ((i = 0; i < N; i++)); do
		one_round "$2" "$to"
		if [ "$to" = green ]; then to=blue; else to=green; fi
	done
	eval "exec ${FLOOR[1]}>&-" # the end of its input
	wait "$FLOOR_PID" || true
	FLOOR_PID=
	bg_quiet
	verdict "$BG_DIR" || true
	bg_stop_all
	add_row "$1" "$2"
}

# Percentiles of both, and where ours goes: of the history entries, the parts that the instances measured.
figures() {
	local d=$BG_DIR
	jq -r 'select(.outcome == "done") | .gap_us // empty' "$d/ours.jsonl" >"$d/ours.us"
	jq -r 'select(.outcome == "done") | .worst_gap_us // empty' "$d/ours.jsonl" >"$d/worst.us"
	sed -n 's/^gap_us=\([0-9]*\) .*/\1/p' "$d/floor.txt" >"$d/floor.us"
	jq -cn --argjson n "$(wc -l <"$d/ours.us")" \
		--argjson p50 "$(percentile "$d/ours.us" 50)" --argjson p90 "$(percentile "$d/ours.us" 90)" \
		--argjson p99 "$(percentile "$d/ours.us" 99)" --argjson max "$(percentile "$d/ours.us" 100)" \
		--argjson worst "$(percentile "$d/worst.us" 100)" --argjson f50 "$(percentile "$d/floor.us" 50)" \
		--argjson f90 "$(percentile "$d/floor.us" 90)" --argjson fmax "$(percentile "$d/floor.us" 100)" \
		'{n: $n, p50_ms: $p50, p90_ms: $p90, p99_ms: $p99, max_ms: $max, worst_ms: $worst,
		  floor_p50_ms: $f50, floor_p90_ms: $f90, floor_max_ms: $fmax}'
}

add_row() {
	local row
	row=$(figures | jq -c --arg strategy "$1" --arg handover "$2" --argjson wanted "$N" \
		--argjson v "$(jq -c '{lost, duplicated, dual_active_ms}' <<<"$VERDICT")" '
		def r: . * 1000 | round / 1000;
		{name: "gap \($strategy) \($handover)", ours: .p50_ms, peer: .floor_p50_ms, unit: "ms p50",
		 strategy: $strategy, handover: $handover, wanted: $wanted} + . +
		{ratio_p50: (.p50_ms / .floor_p50_ms | r), ratio_p90: (.p90_ms / .floor_p90_ms | r),
		 lost: $v.lost, duplicated: $v.duplicated, dual_active_ms: ($v.dual_active_ms | if . == 0 then 0 else . end)}')
	jq -r '[.strategy, .handover, .n, .p50_ms, .p90_ms, .p99_ms, .max_ms, .worst_ms, .floor_p50_ms, .floor_p90_ms, .floor_max_ms] | @tsv' <<<"$row" |
		awk -F'\t' '{printf "%-8s %-10s %5d %8s %8s %8s %8s %8s %9s %9s %9s\n", $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11}'
	bench_row "$row" '.n == .wanted and .p50_ms <= 1.5 * .floor_p50_ms + 1 and .p90_ms <= 2 * .floor_p90_ms + 2 and .lost == 0 and .duplicated == 0 and .dual_active_ms == 0' quiet
}

main() {
	local s
	while getopts n:s: opt; do
		case $opt in
		n) N=$OPTARG ;;
		s) STRATEGIES=$OPTARG ;;
		*) exit 2 ;;
		esac
	done
	case $N in
	'' | *[!0-9]* | 0*)
		echo "gap.sh: -n needs a whole number from 1" >&2
		exit 2
		;;
	esac
	bench_kafka
	echo "gap in ms, from the start of the pause to the first record on the other side; worst: of all partitions"
	printf '%-8s %-10s %5s %8s %8s %8s %8s %8s %9s %9s %9s\n' strategy handover n p50 p90 p99 max worst \
		floor-p50 floor-p90 floor-max
	for s in $STRATEGIES; do
		measure "$s" committed
		measure "$s" eager
	done
	echo "reference of strategy C elsewhere: 1,040 ms a switch, half of the partitions stalled on the paused side"
	bench_end gap
}

main "$@"
