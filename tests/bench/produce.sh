#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# How fast bg-producerd sends, beside a bare produce loop with the same properties (bare_produce.c): values of
# 100 bytes and 1 KiB, as fast as the queue takes them, real Kafka, 8 partitions. They take turns; each
# counts the acknowledgements of some seconds after a warm-up, the medians are compared.
#
#	produce.sh [-n TURNS] [-d SECONDS]	turns of each (3), measured seconds of a turn (4)
#
# Prints a table, then as the last line one JSON object. Exit status 1: below 0.9 of the bare loop.
# shellcheck source=tests/bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

N=3
SECONDS_EACH=4
# bg-producerd's own defaults, and what both are given.
PROPERTIES=(socket.nagle.disable=true acks=all enable.idempotence=true linger.ms=5)

peer() {
	local out x=()
	for out in "${PROPERTIES[@]}"; do x+=(-X "$out"); done
	out=$("$BENCH/bare-produce" -b "$BG_BOOTSTRAP" -t "$BG_TOPIC" -s "$1" -d "$SECONDS_EACH" "${x[@]}")
	awk -F'[= ]' '{printf "%d %.3f\n", $2 * 1e6 / $4, $6 / $2}' <<<"$out"
}

write_ini() {
	cat <<-END
		[log]
		level = warn
		[http]
		listen = none
		[control]
		socket = $WORK/producerd.sock
		[producer]
		topic = $BG_TOPIC
		rate = 0
		numbering = none
		keys = 0
		partitioning = round-robin
		payload-size = $1 B
		[kafka]
		bootstrap.servers = $BG_BOOTSTRAP
	END
	printf '%s\n' "${PROPERTIES[@]}" | sed 's/=/ = /'
}

# acknowledged, time and CPU of bg-producerd now
sample() {
	http GET "unix:$WORK/producerd.sock:/status"
	jq -r '"\(.acked_total) \(.mono_us)"' <<<"$HTTP_BODY"
	cpu_ms "$(bg_pid producerd)"
}

ours() {
	local a b
	write_ini "$1" >"$WORK/producerd.ini"
	bg_spawn producerd "$BG_BIN/bg-producerd" -c "$WORK/producerd.ini"
	await 10 bg_answers "unix:$WORK/producerd.sock:/readyz"
	sleep 1
	a=$(sample)
	sleep "$SECONDS_EACH"
	b=$(sample)
	bg_signal KILL producerd # what is still queued is nobody's business
	await 10 bg_gone producerd
	# shellcheck disable=SC2086 # six numbers
	printf '%s ' $a $b | awk '{printf "%d %.3f\n", ($4 - $1) * 1e6 / ($5 - $2), ($6 - $3) * 1000 / ($4 - $1)}'
}

measure() {
	local name=$1 size=$2 i o=() p=() oc=() pc=() rate cpu
	BG_TOPIC=produce-$size
	kafka_topic "$BG_BOOTSTRAP" "$BG_TOPIC" 8 retention.bytes=100000000 segment.bytes=50000000
	for ((i = 0; i < 2 * N; i++)); do # ours, peer, peer, ours, …
		if ((i % 4 == 0 || i % 4 == 3)); then
			read -r rate cpu < <(ours "$size")
			o+=("$rate")
			oc+=("$cpu")
		else
			read -r rate cpu < <(peer "$size")
			p+=("$rate")
			pc+=("$cpu")
		fi
	done
	bench_row "$(jq -cn --arg name "$name" --argjson size "$size" --argjson o "$(median "${o[@]}")" --argjson p "$(median "${p[@]}")" \
		--argjson oc "$(median "${oc[@]}")" --argjson pc "$(median "${pc[@]}")" \
		'{name: $name, ours: $o, peer: $p, unit: "records/s", size: $size, ours_cpu_us: $oc, peer_cpu_us: $pc}')" '.ratio >= 0.9'
}

main() {
	while getopts n:d: opt; do
		case $opt in
		n) N=$OPTARG ;;
		d) SECONDS_EACH=$OPTARG ;;
		*) exit 2 ;;
		esac
	done
	bench_kafka
	BG_DIR=$WORK
	bench_head "bg-producerd beside a bare produce loop"
	measure "produce 100 B" 100
	measure "produce 1 KiB" 1024
	bench_end produce
}

main "$@"
