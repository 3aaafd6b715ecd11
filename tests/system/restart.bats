#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# T-4, T-6: restarts and rebalances, in the middle of a switch too.
bats_require_minimum_version 1.5.0
load helper

setup_file() {
	BG_SWITCH_INI='soak = 300 ms' file_env
}

@test "T-4: a rebalance and a paused instance that restarts, in mid-switch" {
	local i to victim
	for ((i = 0; i < 6; i++)); do
		to=$(idle_color)
		victim=$to-$((i % 2))
		[ $((i % 3)) -ne 2 ] || victim=$(other_of "$to")-0
		bg_post switch "{\"to\":\"$to\"}"
		bg_stop "$victim"
		bg_start_consumer "$victim"
		await 30 bg_one_active
		await 10 bg_works "$(active)"
	done
}

@test "a switch while the paused colour is in a rebalance is complete or refused by name" {
	local to
	to=$(idle_color)
	bg_stop "$to-1"
	bg_start_consumer "$to-1"
	await 10 bg_status "$to-1"
	bg_post switch "{\"to\":\"$to\"}" '?wait=1'
	echo "$HTTP_BODY"
	case $(jq -r .outcome <<<"$HTTP_BODY") in
	"done") ;;
	no_go | aborted) jq -e '.error // .message | length > 0' <<<"$HTTP_BODY" ;;
	*) false ;;
	esac
	await 30 bg_one_active
}

# Milliseconds from the last hello of the instance to its being ACTIVE, by its own log.
hello_to_active_ms() {
	local log=$BG_DIR/log/$1.log hello state
	hello=$(grep 'ev=hello' "$log" | tail -n 1 | sed 's/^time=\([^ ]*\) .*/\1/')
	state=$(grep 'ev=state .*-> ACTIVE' "$log" | tail -n 1 | sed 's/^time=\([^ ]*\) .*/\1/')
	echo $(($(date -d "$state" +%s%3N) - $(date -d "$hello" +%s%3N)))
}

@test "T-6: an active consumer that restarts is active again, within 200 ms of its hello" {
	local a i ms all=()
	a=$(active)
	for i in 1 2 3 4 5; do
		bg_stop "$a-0"
		bg_start_consumer "$a-0"
		await 20 bg_one_active
		await 10 bg_works "$a"
		ms=$(hello_to_active_ms "$a-0")
		all+=("$ms")
	done
	echo "hello to active, ms: ${all[*]}"
	[ "$(printf '%s\n' "${all[@]}" | sort -n | sed -n 3p)" -le 200 ]
}

@test "a restarted instance comes back PAUSED and refuses an older epoch" {
	local i
	i=$(idle_color)-0
	bg_stop "$i"
	bg_start_consumer "$i"
	await 10 bg_is "$i" PAUSED
	http POST "${BG_URL[$i]}/lifecycle/resume" '{"epoch":1}'
	assert_eq "HTTP status" "$HTTP_STATUS" 409
	bg_is "$i" PAUSED
}

@test "an environment that says ACTIVE makes nobody active" {
	local i
	i=$(idle_color)-1
	bg_stop "$i"
	KAFKA_CONSUMER_LIFECYCLE_STATE=ACTIVE ACTIVE=1 BG_STATE=ACTIVE bg_start_consumer "$i"
	await 10 bg_is "$i" PAUSED
	await 10 bg_one_active
}

@test "T-12: nothing lost, never both active; orderly restarts repeat nothing" {
	prove 0
}
