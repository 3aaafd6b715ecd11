#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# bg-switchd with 1,000 instances. They are stand-ins (fleet.c: one process, a port each) that hold a topic
# of 1,000 partitions on bg-devbroker; strategy D. Measured: how long it takes until all 1,000 have answered their
# pause, beside curl's multi interface doing the same POSTs (bare_fanout.c); how the critical path, from the
# first pause sent to the last resume answered, grows from 100 to 1,000; memory and idle CPU of bg-switchd.
#
# The critical path was meant to grow by less than 1 ms per 100 instances. The floor (floor_fanout.c: epoll, no
# library, no parsing) measures in the same run what the kernel and the stand-ins alone need for the pauses. Where that
# is 1 ms or more nobody can do it, and the limit is a multiple of the floor, so that what gets worse is still seen.
#
#	fanout.sh [-n SWITCHES] [-i SECONDS]	switches of each size (9); seconds of idling (20)
#
# Prints a table, then as the last line one JSON object. Exit status 1: a pause of 1,000 takes 0.5 s or more, the
# critical path grows by more than that limit, 32 MiB of anonymous memory, or 1 % of a core when idle.
# shellcheck source=tests/bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

N=9
IDLE=20
PARTITIONS=1000
GREEN=8

write_ini() {
	cat <<-END
		[log]
		level = warn
		[http]
		listen = none
		[control]
		socket = $BG_DIR/switchd.sock
		[store]
		type = file
		dir = $BG_DIR/state
		[kafka]
		bootstrap.servers = file:$WORK/broker.address
		[switch:fleet]
		strategy = D
		topics = fleet
		blue-group = fleet-blue
		green-group = fleet-green
		soak = 0 s
	END
	sed 's/ /-endpoint = /' "$BG_DIR/urls"
}

start_fleet() {
	local line
	coproc FLEET { exec "$BENCH/fleet" -s fleet -t fleet -p "$PARTITIONS" "blue:$1" "green:$GREEN"; }
	while IFS= read -r -t 30 line <&"${FLEET[0]}" && [ "$line" != ready ]; do
		echo "$line"
	done >"$BG_DIR/urls"
}
stop_fleet() {
	eval "exec ${FLEET[1]}>&-" # the end of its input
	wait "$FLEET_PID" || true
}

post() { http POST "unix:$BG_DIR/switchd.sock:/v1/switches/fleet/$1?wait=1" "$2"; }
idle() { http GET "unix:$BG_DIR/switchd.sock:/v1/switches/fleet" && jq -e '.phase == "IDLE"' <<<"$HTTP_BODY"; }
all_there() { http GET "unix:$BG_DIR/switchd.sock:/v1/switches/fleet" && jq -e --argjson n "$1" '[.instances[] | select(.state == "PAUSED")] | length == $n' <<<"$HTTP_BODY"; }
outcome() { [ "$(jq -r .outcome <<<"$HTTP_BODY")" = "done" ] || { printf '%.2000s\n' "$HTTP_BODY" >&2 && return 1; }; }

# `switches BLUE`: there and back N times; medians in us into PAUSE (all of blue), PATH_OUT and PATH_BACK.
switches() {
	local i pause=() out=() back=()
	for ((i = 0; i < N; i++)); do
		post switch '{"to":"green"}' && outcome
		pause+=("$(jq .pause.answered_us <<<"$HTTP_BODY")")
		out+=("$(jq .resume.answered_us <<<"$HTTP_BODY")")
		await 10 idle
		post switch '{"to":"blue"}' && outcome
		back+=("$(jq .resume.answered_us <<<"$HTTP_BODY")")
		await 10 idle
	done
	PAUSE=$(median "${pause[@]}") PATH_OUT=$(median "${out[@]}") PATH_BACK=$(median "${back[@]}")
}

# `size BLUE`: a fleet and a bg-switchd of their own, up and with blue active.
size() {
	BG_DIR=$WORK/$1
	mkdir -p "$BG_DIR"
	start_fleet "$1"
	write_ini >"$BG_DIR/switchd.ini"
	bg_spawn switchd "$BG_BIN/bg-switchd" -c "$BG_DIR/switchd.ini"
	await 20 bg_answers "unix:$BG_DIR/switchd.sock:/v1/switches/fleet"
	await 30 all_there "$(($1 + GREEN))"
	post init '{"active":"blue","from":"earliest"}' && outcome
	await 10 idle
}

# `bare PROGRAM COUNT`: the median time in us that it takes to pause a fleet of its own.
bare() {
	local us
	BG_DIR=$WORK/$1-$2
	mkdir -p "$BG_DIR"
	start_fleet "$2"
	mapfile -t us < <(sed -n 's/^blue //p' "$BG_DIR/urls" | "$BENCH/$1" -s fleet -n "$N" | sed 's/^us=//')
	stop_fleet
	median "${us[@]}"
}

row() { bench_row "$(jq -cn --arg name "$1" --arg unit "$2" --argjson o "$3" --argjson p "${4:-null}" --argjson more "${6:-null}" '{name: $name, ours: $o, peer: $p, unit: $unit} + $more')" "$5"; }
# `per_hundred SMALL LARGE`: times of 100 and of 1,000 instances.
per_hundred() { echo "$((($2 - $1) / 9))"; }

main() {
	local pid cpu small peer floor growth
	while getopts n:i: opt; do
		case $opt in
		n) N=$OPTARG ;;
		i) IDLE=$OPTARG ;;
		*) exit 2 ;;
		esac
	done
	trap bench_clean_up EXIT
	trap 'exit 130' INT TERM
	mkdir -p "$WORK"
	BG_DIR=$WORK
	ulimit -n "$(ulimit -Hn)"
	bg_spawn broker "$BG_BIN/bg-devbroker" --topic "fleet:$PARTITIONS" --address-file "$WORK/broker.address"
	await 10 test -s "$WORK/broker.address"
	bench_head "bg-switchd and 1,000 instances"
	peer=$(bare bare-fanout 1000)
	growth=$(per_hundred "$(bare bare-fanout 100)" "$peer")
	floor=$(per_hundred "$(bare floor-fanout 100)" "$(bare floor-fanout 1000)")
	size 100
	switches
	small=$PATH_OUT
	bg_stop switchd
	stop_fleet
	size 1000
	switches
	pid=$(bg_pid switchd)
	cpu=$(cpu_ms "$pid")
	sleep "$IDLE"
	cpu=$(($(cpu_ms "$pid") - cpu))
	row "pause of 1,000 instances" ms "$((PAUSE / 1000))" "$((peer / 1000))" '.ours < 500'
	row "critical path, more per 100 instances" us "$(per_hundred "$small" "$PATH_OUT")" "$growth" \
		'.ours < 1000 or (.floor_us >= 1000 and .ours < 6 * .floor_us)' "{\"floor_us\": $floor}"
	printf '%-40s %12s %12s %-12s %7s\n' "    the floor of it: pauses by epoll alone" "$floor" - us -
	row "critical path back: resume of 1,000" ms "$((PATH_BACK / 1000))" '' '.ours < 500'
	row "anonymous memory, 1,000 endpoints" KiB "$(anon_kb "$pid")" '' '.ours < 32768'
	row "idle CPU, 1,000 endpoints" "% of a core" "$(awk -v c="$cpu" -v s="$IDLE" 'BEGIN {print c / s / 10}')" '' '.ours < 1'
	bg_stop switchd
	stop_fleet
	BG_DIR=$WORK
	bench_end fanout
}

main "$@"
