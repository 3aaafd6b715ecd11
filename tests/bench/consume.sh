#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# How fast bg-consumerd takes records, beside bare programs with the same properties (bare_consume.c), from a
# topic of a real Kafka that is full already; 8 partitions, values of 100 bytes and 1 KiB:
#
#   null       beside a bare poll loop
#   exec       beside a bare json-c pipe to the same child (echo_child.c)
#   exec-raw   the same child with raw framing, beside the same json-c pipe; `by_json`: by our own JSON
#
# Raw framing was meant to be 3 times our JSON. Our JSON is written and read by hand, and is itself 4 times the
# json-c pipe: 3 times that is more than null, which does nothing with a record. So raw is held to 3 times the
# json-c pipe, and never below our JSON.
#
# They take turns; the clock leaves out the first and the last tenth of the records (of ours: between two
# samples of its status, five a second), the medians are compared.
#
#	consume.sh [-n TURNS] [-H null|exec]	turns of each (3); only rows of this handler
#
# Prints a table, then as the last line one JSON object. Exit status 1: null below 0.9 of its peer, exec below
# 0.7, exec-raw below 3 times the json-c pipe or below our JSON.
# shellcheck source=tests/bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

N=3
ONLY=
RUNS=0
# bg-consumerd's own defaults, and what both are given.
PROPERTIES=(socket.nagle.disable=true queued.min.messages=10000000 queued.max.messages.kbytes=2097151)

# `peer RECORDS [CHILD]`: "records/s cpu-us-a-record"
peer() {
	local out x=()
	for out in "${PROPERTIES[@]}"; do x+=(-X "$out"); done
	RUNS=$((RUNS + 1))
	[ $# -lt 2 ] || x+=(-c "$2")
	out=$("$BENCH/bare-consume" -b "$BG_BOOTSTRAP" -t "$BG_TOPIC" -g "peer-$BG_TOPIC-$BASHPID-$RUNS" -n "$1" "${x[@]}")
	awk -F'[= ]' '{printf "%d %.3f\n", $2 * 1e6 / $4, $6 / $2}' <<<"$out"
}

# `write_ini GROUP [LINE…]`: lines go into the INI's end, sections and all.
write_ini() {
	cat <<-END
		[log]
		level = warn
		[http]
		listen = none
		[control]
		socket = $WORK/consumerd.sock
		[consumer]
		switch = bench
		mode = plain
		initial-offset = earliest
		topics = $BG_TOPIC
		group = $1
		handler = ${2:-null}
		state-dir = $WORK/state
		[kafka]
		bootstrap.servers = $BG_BOOTSTRAP
	END
	printf '%s\n' "${PROPERTIES[@]}" | sed 's/=/ = /'
	shift 2
	printf '%s\n' "$@"
}

# The processor is what is short here, and looking on must not cost much of it: one curl asks five times a second.
consumed() { tail -c 4096 "$WORK/samples" | grep -o '"records_total":[0-9]*' | tail -n 1 | awk -F: -v n="$1" '{exit !($2 >= n)}'; }

# `ours RECORDS HANDLER [INI-LINE…]`: "records/s cpu-us-a-record"
ours() {
	local records=$1 curl cpu wait
	shift
	RUNS=$((RUNS + 1))
	rm -rf "$WORK/state"
	write_ini "ours-$BG_TOPIC-$BASHPID-$RUNS" "$@" >"$WORK/consumerd.ini"
	bg_spawn consumerd "$BG_BIN/bg-consumerd" -c "$WORK/consumerd.ini" -i blue-0
	await 10 bg_answers "unix:$WORK/consumerd.sock:/lifecycle/status"
	curl -sS --unix-socket "$WORK/consumerd.sock" --rate 5/s -o - 'http://localhost/lifecycle/status?n=[1-1200]' >"$WORK/samples" 2>/dev/null &
	curl=$!
	for ((wait = 0; wait < 240; wait++)); do
		! consumed "$records" || break
		sleep 0.5
	done
	consumed "$records"
	cpu=$(cpu_ms "$(bg_pid consumerd)")
	kill "$curl"
	wait "$curl" 2>/dev/null || true
	bg_stop consumerd
	# a sample that the kill cut short is no JSON: lines, not a stream
	sed 's/}{/}\n{/g' "$WORK/samples" | jq -R 'fromjson? | [.records_total, .mono_us]' | jq -rs --argjson n "$records" --argjson cpu "$cpu" '
		(map(select(.[0] >= $n / 10)) | first) as $a | (map(select(.[0] < $n)) | last) as $b |
		"\(($b[0] - $a[0]) * 1e6 / ($b[1] - $a[1]) | floor) \($cpu * 1000 / $n)"'
}

# `turns RECORDS HANDLER LINES PEER-CHILD`: medians into OURS, PEER, OURS_CPU, PEER_CPU
turns() {
	local records=$1 handler=$2 i o=() p=() oc=() pc=() rate cpu peer_args=("$1")
	[ -z "${4:-}" ] || peer_args+=("$4")
	for ((i = 0; i < 2 * N; i++)); do # ours, peer, peer, ours, …
		if ((i % 4 == 0 || i % 4 == 3)); then
			read -r rate cpu < <(ours "$records" "$handler" "$3")
			o+=("$rate") oc+=("$cpu")
		elif [ "$4" != none ]; then
			read -r rate cpu < <(peer "${peer_args[@]}")
			p+=("$rate") pc+=("$cpu")
		fi
	done
	OURS=$(median "${o[@]}") OURS_CPU=$(median "${oc[@]}")
	PEER=$(median "${p[@]:-0}") PEER_CPU=$(median "${pc[@]:-0}")
}

# `row NAME HANDLER SIZE LIMIT [JSON-RATE]`
row() {
	bench_row "$(jq -cn --arg name "$1" --arg handler "$2" --argjson size "$3" --argjson o "$OURS" --argjson p "$PEER" \
		--argjson oc "$OURS_CPU" --argjson pc "$PEER_CPU" --argjson json "${5:-null}" \
		'{name: $name, handler: $handler, ours: $o, peer: $p, unit: "records/s", size: $size, ours_cpu_us: $oc, peer_cpu_us: $pc}
			+ if $json then {by_json: ($o / $json * 1000 | round / 1000)} else {} end')" "$4"
}

# `fill SIZE RECORDS`: a topic that holds them.
fill() {
	BG_TOPIC=consume-$1
	kafka_topic "$BG_BOOTSTRAP" "$BG_TOPIC" 8
	"$BENCH/bare-produce" -b "$BG_BOOTSTRAP" -t "$BG_TOPIC" -s "$1" -n "$2" -X linger.ms=20 >/dev/null
}

measure() {
	local size=$1 name=$2 records=$3 json_rate json_c json_c_cpu child="exec $BENCH/echo-child"
	fill "$size" "$records"
	if wanted null; then
		turns "$records" null '' ''
		row "consume $name, null" null "$size" '.ratio >= 0.9'
	fi
	if wanted exec; then
		turns "$((records / 2))" exec "$(handler json "$BENCH/echo-child")" "$child"
		row "consume $name, exec" exec "$size" '.ratio >= 0.7'
		json_rate=$OURS json_c=$PEER json_c_cpu=$PEER_CPU
		turns "$records" exec "$(handler raw "$BENCH/echo-child -r")" none
		PEER=$json_c PEER_CPU=$json_c_cpu
		row "consume $name, exec-raw" exec-raw "$size" '.ratio >= 3 and .by_json >= 1' "$json_rate"
	fi
}

wanted() { [ -z "$ONLY" ] || [ "$ONLY" = "$1" ]; }

handler() { printf '[handler:exec]\ncommand = %s\nformat = %s\n' "$2" "$1"; }

main() {
	while getopts n:H: opt; do
		case $opt in
		n) N=$OPTARG ;;
		H) ONLY=$OPTARG ;;
		*) exit 2 ;;
		esac
	done
	bench_kafka
	BG_DIR=$WORK
	bench_head "bg-consumerd beside bare programs"
	measure 100 "100 B" 4000000
	measure 1024 "1 KiB" 1500000
	bench_end consume
}

main "$@"
