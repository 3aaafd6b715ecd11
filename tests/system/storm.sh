#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A random storm over one switch on a real Kafka, under load: switches, rollbacks, aborts, holds; instances and
# bg-switchd frozen, woken, killed, stopped and started, at any moment and several at once. Every few acts all is made
# whole again: within a minute one colour is active wholly, and works. In the end the prover judges all of it.
#
#	storm.sh [-s SEED] [-t SECONDS] [-n SWITCH-STRATEGY…]	(a seed by chance, 180 s each, strategies C and D)
#
# The same seed begins with the same acts, though not at the same microsecond. Needs BG_BUILD, the folder of the built
# programs; BG_SYSTEM_DIR is where it works. Ends with `N passed, N failed`.
set -euo pipefail

BG_SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# shellcheck source=tests/lib/env.sh
. "$BG_SRC/tests/lib/env.sh"
# shellcheck source=tests/lib/kafka.sh
. "$BG_SRC/tests/lib/kafka.sh"
BG_BIN=${BG_BUILD:?the folder of the built programs}
BG_TESTADMIN=$BG_BIN/tests/lib/bg-testadmin
WORK=${BG_SYSTEM_DIR:-$(mktemp -d "${TMPDIR:-/tmp}/bg-storm.XXXXXX")}

SEED=$((RANDOM * 32768 + RANDOM)) LENGTH=180 STRATEGIES='C D'
PASSED=0 FAILED=0
HELD=8          # records that an instance may have in its handler
ROUND=15        # acts until all is made whole
declare -A WAKE # when whom to wake or to start again, in ms

outcome() {
	if [ "$1" = ok ]; then PASSED=$((PASSED + 1)); else FAILED=$((FAILED + 1)); fi
	echo "$1 $2"
}

clean_up() {
	local rc=$?
	trap - EXIT
	[ -z "${BG_DIR:-}" ] || bg_stop_all || true
	[ ! -d "$WORK/kafka" ] || kafka_stop "$WORK/kafka" || true
	exit "$rc"
}

chance() { [ $((RANDOM % 100)) -lt "$1" ]; }
any_instance() { echo "${BG_INSTANCES[RANDOM % ${#BG_INSTANCES[@]}]}"; }
say() { printf '# %(%H:%M:%S)T.%03d %s\n' -1 $((10#${EPOCHREALTIME#*.} / 1000)) "$*"; }

start() {
	if [ "$1" = switchd ]; then bg_start_switchd; else bg_start_consumer "$1"; fi
}

# A daemon that is gone, though nobody ended it, has crashed.
still_there() {
	local i
	for i in "${BG_INSTANCES[@]}" switchd; do
		[ -n "${WAKE[$i]:-}" ] || bg_alive "$i" || {
			say "$i has died by itself"
			CRASHED+=" $i"
			WAKE[$i]=0
		}
	done
}

# Those whose time has come; with `all`, everybody.
wake() {
	local i now
	now=$(now_ms)
	for i in "${!WAKE[@]}"; do
		[ "${1:-}" = all ] || [ "${WAKE[$i]}" -le "$now" ] || continue
		unset "WAKE[$i]"
		if bg_alive "$i"; then bg_signal CONT "$i"; else start "$i"; fi
		say "$i is back"
	done
}

# `hit NAME`: it is frozen, killed or stopped, for a while.
hit() {
	local i=$1 how ms=$((RANDOM % 600))
	[ -z "${WAKE[$i]:-}" ] || return 0
	case $((RANDOM % 6)) in
	0 | 1 | 2) how=STOP ;;
	3) how=TERM ;;
	*) how=KILL ;;
	esac
	! chance 30 || ms=$((ms * 6))
	say "$how $i, for $ms ms"
	[ "$how" != STOP ] || [ "$i" = switchd ] || FROZEN=$((FROZEN + 1))
	bg_signal "$how" "$i"
	[ "$how" = STOP ] || await 20 bg_gone "$i" || {
		CRASHED+=" $i (did not end)"
		bg_kill "$i"
	}
	WAKE[$i]=$(($(now_ms) + ms))
}

# Whole again for a moment, so that the next switch is not refused for who is away.
everybody() {
	wake all
	await 5 bg_settled 2>/dev/null || true
}
other() {
	local active
	active=$(active_now)
	if [ "$active" = blue ]; then echo green; else echo blue; fi
}
active_now() { curl -sS --max-time 1 "${BG_URL[switchd]}/v1/switches/$BG_SWITCH" 2>/dev/null | jq -r .active; }

# What a person may ask of bg-switchd; its answer is not waited for longer than a moment.
ask() {
	say "$1 ${2:-}"
	HTTP_MAX=1 bg_post "$1" "${2:-{\}}" 2>/dev/null || return 0
	[ "$HTTP_STATUS" = 202 ] || say "   $HTTP_STATUS ${HTTP_BODY:0:160}"
}
# A switch lasts some milliseconds: what is to meet one in its middle must be near.
ask_switch() {
	local force=false
	! chance 30 || force=true
	ask switch "{\"to\":\"$(other)\",\"force\":$force}"
	[ "$HTTP_STATUS" = 202 ] && chance 60 || return 0
	sleep "0.$((RANDOM % 2))$((RANDOM % 10))$((RANDOM % 10))"
	case $((RANDOM % 8)) in
	0) ask abort ;;
	1 | 2) hit switchd ;;
	*) hit "$(any_instance)" ;;
	esac
}
act() {
	case $((RANDOM % 20)) in
	0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9) ask_switch ;;
	10) ask rollback ;;
	11) ask abort ;;
	12)
		ask hold
		chance 20 || ask release
		;;
	13 | 14) ask release ;;
	15 | 16 | 17) hit "$(any_instance)" ;;
	18) hit switchd ;;
	19) everybody ;;
	esac
}

whole() {
	wake all
	await 20 bg_answers "${BG_URL[switchd]}/v1/switches/$BG_SWITCH" || return 1
	ask release
	await 60 bg_one_active || return 1
	await 20 bg_works "$(bg_switch_of .active)"
}

# Some drain at once, others take their time.
DELAYS=(2 2 20 100)
slow_handlers() {
	local i
	for i in "${BG_INSTANCES[@]}"; do
		bg_fault "$i" processing-delay "{\"delay_ms\":${1:-${DELAYS[RANDOM % ${#DELAYS[@]}]}}}" || return 1
	done
}

blow() {
	local end=$((SECONDS + LENGTH)) n
	while [ "$SECONDS" -lt "$end" ]; do
		await 20 slow_handlers || return 1
		for ((n = 0; n < ROUND; n++)); do
			still_there
			wake
			act
			sleep "0.$((RANDOM % 3))$((RANDOM % 10))" # the moment is the point: no event to wait for
			ROUNDS=$((ROUNDS + 1))
		done
		say "-- whole again?"
		whole || return 1
		say "-- $(bg_switch_of '"\(.active) at epoch \(.epoch)"')"
	done
}

judge() {
	await 20 slow_handlers 0 || return 1
	bg_quiet || return 1
	verdict "$BG_DIR" || true
	jq -c 'del(.switch_list, .partitions, .ledgers, .duplicate_ranges)' <<<"$VERDICT"
	# A record that was in the handler of a frozen instance when it was fenced is ended by whoever thaws: nothing can
	# prevent that.
	jq -e --argjson n "$((FENCES * FROZEN * HELD))" '.lost == 0 and .epochs_used_by_both == 0 and .commits_ahead == 0
		and .duplicated <= $n and .dual_active_records <= $n and (.dual_active_ms == 0 or $n > 0)
		and .records.processed > 0 and .records.processed == .records.judged and (.errors | length) == 0' \
		<<<"$VERDICT" >/dev/null
}

storm() {
	local name="storm of strategy $1, seed $SEED" rc=ok
	local more=$'drain-timeout = 1 s\nprepare-timeout = 1 s\nresume-timeout = 3 s\nsoak = 300 ms\nreconcile-interval = 1 s'
	RANDOM=$SEED FROZEN=0 FENCES=0 ROUNDS=0 CRASHED='' WAKE=()
	BG_STRATEGY=$1 BG_SWITCH=storm-${1,} BG_RATE=200 BG_PARTITIONS=4
	BG_CONSUMER_INI="max-in-flight = $HELD"$'\ncommit-interval = 20 ms'
	BG_KAFKA=$'session.timeout.ms = 6000\nheartbeat.interval.ms = 1000'
	BG_SWITCH_INI=$more
	[ "$1" != C ] || {
		BG_SWITCH_INI+=$'\non-unresponsive = fence'
		FENCES=1
	}
	kafka_topic "$BG_BOOTSTRAP" "$BG_SWITCH" "$BG_PARTITIONS"
	bg_env_config "$WORK/$BG_SWITCH"
	bg_env_up
	bg_ctl init blue --from earliest --wait || true # on a machine that is busy it may take bg-switchd another try
	await 60 bg_one_active
	await 20 bg_works blue
	if blow; then outcome ok "$name: $ROUNDS acts, one colour active after each round"; else
		outcome FAILED "$name: no colour is active wholly within a minute, or it does not work"
		bg_switch_of 'del(.last)' || true
		bg_statuses all | jq -c 'del(.assignment)' || true
		rc=FAILED
	fi
	[ -z "$CRASHED" ] || rc=FAILED
	outcome "$([ -z "$CRASHED" ] && echo ok || echo FAILED)" "$name: nothing crashed or hung:$CRASHED"
	if judge; then outcome ok "$name: the prover's verdict"; else
		outcome FAILED "$name: the prover's verdict"
		rc=FAILED
	fi
	bg_stop_all || outcome FAILED "$name: all end when told to"
	[ "$rc" = FAILED ] || rm -rf "$BG_DIR"
}

main() {
	local s
	while getopts s:t:n: opt; do
		case $opt in
		s) SEED=$OPTARG ;;
		t) LENGTH=$OPTARG ;;
		n) STRATEGIES=$OPTARG ;;
		*) exit 2 ;;
		esac
	done
	trap clean_up EXIT
	trap 'exit 130' INT TERM
	mkdir -p "$WORK"
	kafka_start "$WORK/kafka"
	BG_BOOTSTRAP=$(cat "$WORK/kafka/bootstrap")
	for s in $STRATEGIES; do storm "$s"; done
	echo "$PASSED passed, $FAILED failed"
	[ "$FAILED" -eq 0 ]
}

main "$@"
