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

# Milliseconds from the start of a restarted process until it is ACTIVE again are mostly the join; what is
# promised is 200 ms after its hello, which the log of bg-switchd and its own log show.
@test "T-6: an active consumer that restarts is active again, within 200 ms of its hello" {
	local a i us
	for i in 1 2 3; do
		a=$(active)
		bg_stop "$a-0"
		bg_start_consumer "$a-0"
		await 20 bg_one_active
		await 10 bg_works "$a"
	done
	us=$(hello_to_active_us "$a-0")
	echo "hello to active: $us us"
	[ "$us" -le 200000 ]
}

# From the ledger (state PAUSED -> ACTIVE) and the log (hello answered).
hello_to_active_us() {
	grep -c . "$BG_DIR/log/$1.log" >/dev/null
	"$BG_SRC/tests/lib/hello-to-active.sh" "$BG_DIR/log/$1.log"
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
