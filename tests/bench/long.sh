#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# 10,000 switches in one run under load, strategies D and C in turn: no daemon may grow in anonymous memory or
# descriptors, and the prover must find nothing lost, nothing twice and never two colours active. What counts is
# the end against the state after a fifth of the switches, each the least over a hundredth of them.
#
#	long.sh [-n SWITCHES] [-s D|C]	(10000, half of them of each strategy; only this one)
#
# Prints a table, then as the last line one JSON object. Exit status 1: a daemon's memory has grown by more than a
# tenth and 1 MiB, its descriptors by more than 4, a switch has not ended well, or the verdict is not 0/0/0.
# shellcheck source=tests/bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/lib/growth.sh
. "$BG_SRC/tests/lib/growth.sh"

N=10000
STRATEGIES='D C'

measure() {
	local n=$2 around name kb fds row v
	BG_STRATEGY=$1 BG_SWITCH=long-${1,} BG_SWITCH_INI='soak = 0 s' BG_RATE=500 BG_LOG_LEVEL=warn
	kafka_topic "$BG_BOOTSTRAP" "$BG_SWITCH" 8
	bg_env_start "$WORK/$BG_SWITCH"
	await 10 bg_works blue
	GROWTH_DONE=0 around=$((n / 100))
	growth_switches $((n / 5 - around))
	growth_sample "$around" >"$BG_DIR/before"
	growth_switches $((n - n / 5 - around))
	growth_sample "$around" >"$BG_DIR/after"
	while read -r name kb fds; do
		read -r _ kb0 fds0 < <(grep "^$name " "$BG_DIR/before")
		row=$(jq -cn --arg name "long $1, $name" --argjson o "$kb" --argjson p "$kb0" --argjson f "$fds" --argjson f0 "$fds0" \
			'{name: $name, ours: $o, peer: $p, unit: "KiB", fds: $f, fds_before: $f0}')
		bench_row "$row" '.ours <= 1.1 * .peer + 1024 and .fds <= .fds_before + 4'
	done <"$BG_DIR/after"
	bg_quiet
	verdict "$BG_DIR" || true
	v=$(jq -c '{lost, duplicated, dual_active_ms, in_flight}' <<<"$VERDICT")
	row=$(jq -cn --arg name "long $1, switches done" --argjson o "$GROWTH_DONE" --argjson p "$n" --argjson v "$v" \
		'{name: $name, ours: $o, peer: $p, unit: "switches"} + $v')
	bench_row "$row" '.ours == .peer and .lost == 0 and .duplicated == 0 and .dual_active_ms == 0'
	bg_stop_all
}

main() {
	local s of
	while getopts n:s: opt; do
		case $opt in
		n) N=$OPTARG ;;
		s) STRATEGIES=$OPTARG ;;
		*) exit 2 ;;
		esac
	done
	read -ra of <<<"$STRATEGIES"
	bench_kafka
	bench_head "switches without end (peer: after a fifth of them)"
	for s in "${of[@]}"; do measure "$s" $((N / ${#of[@]})); done
	bench_end long
}

main "$@"
