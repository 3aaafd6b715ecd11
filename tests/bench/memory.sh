#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What a paused bg-consumerd costs: anonymous memory and CPU of two standby instances, strategies D and C, while
# the other colour works at 2,000 records/s on a real Kafka. The peer is the one at work.
#
#	memory.sh [-i SECONDS]		seconds of looking on (20)
#
# Prints a table, then as the last line one JSON object. Exit status 1: 8 MiB of anonymous memory or more, or 1 %
# of a core.
# shellcheck source=tests/bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

IDLE=20

row() { bench_row "$(jq -cn --arg name "$1" --arg unit "$2" --argjson o "$3" --argjson p "$4" '{name: $name, ours: $o, peer: $p, unit: $unit}')" "$5"; }
cpu_of() { awk -v a="$1" -v b="$2" -v s="$IDLE" 'BEGIN {print (b - a) / s / 10}'; }

measure() {
	local paused active p a
	BG_STRATEGY=$1 BG_SWITCH=memory-${1,} BG_SWITCH_INI='soak = 1 s'
	kafka_topic "$BG_BOOTSTRAP" "$BG_SWITCH" 8
	bg_env_start "$WORK/$BG_SWITCH"
	await 10 bg_works blue
	bg_ctl switch green --wait >/dev/null
	bg_ctl switch blue --wait >/dev/null # green has worked, and waits again
	await 10 bg_works blue
	paused=$(bg_pid green-0) active=$(bg_pid blue-0)
	p=$(cpu_ms "$paused") a=$(cpu_ms "$active")
	sleep "$IDLE"
	row "memory $1, anonymous, paused" KiB "$(anon_kb "$paused")" "$(anon_kb "$active")" '.ours < 8192'
	row "memory $1, CPU, paused" "% of a core" "$(cpu_of "$p" "$(cpu_ms "$paused")")" "$(cpu_of "$a" "$(cpu_ms "$active")")" '.ours < 1'
	bg_stop_all
}

main() {
	while getopts i: opt; do
		case $opt in
		i) IDLE=$OPTARG ;;
		*) exit 2 ;;
		esac
	done
	bench_kafka
	bench_head "a standby"
	measure D
	measure C
	bench_end memory
}

main "$@"
