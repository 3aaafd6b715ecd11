#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# T-5 in strategy C with fencing: a new colour that hangs or is dead is left all the same, for the broker refuses it.
bats_require_minimum_version 1.5.0
load helper
load soak

setup_file() {
	BG_STRATEGY=C BG_RATE=500 BG_CONSUMER_INI='commit-interval = 10 ms' \
		BG_KAFKA=$'session.timeout.ms = 6000\nheartbeat.interval.ms = 500' \
		BG_SWITCH_INI="$SOAK_KEYS"$'\non-unresponsive = fence\ndrain-timeout = 800 ms\nprepare-timeout = 500 ms\nresume-timeout = 1 s' file_env
}

fenced() { jq -r '[.fencing.ids[].instance] | sort | join(" ")' <<<"$ENTRY"; }

@test "T-5: green hangs for good: fenced, and rolled back by itself" {
	to_green
	bg_fault green-0 hang '{"hang":true}'
	bg_fault green-1 hang '{"hang":true}'
	await 15 went_back
	says_why no-progress 'has done nothing for 1 s'
	assert_eq "who was fenced" "$(fenced)" "green-0 green-1"
	await 5 bg_works blue
	# What hung in them never ends.
	bg_kill green-0 green-1
}

@test "T-5: one of green is killed: fenced, and rolled back by itself" {
	to_green
	bg_kill green-1
	await 15 went_back
	says_why gone 'green-1 is not at work for 1 s'
	assert_eq "who was fenced" "$(fenced)" green-1
	await 5 bg_works blue
	bg_start_consumer green-1
	await 20 bg_one_active
}

@test "T-5: errors of green: rolled back by itself, nobody is fenced" {
	to_green
	bg_fault green-0 error-rate '{"rate":0.5}'
	bg_fault green-1 error-rate '{"rate":0.5}'
	await 10 went_back
	says_why error-rate 'of the records failed'
	assert_eq "who was fenced" "$(jq -r .fencing <<<"$ENTRY")" null
}

@test "nothing was lost, nothing was twice but what was in flight, never were both active" {
	prove 2000
}
