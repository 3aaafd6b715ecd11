#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# kill -9 of bg-switchd at each of its failpoints, and of consumers at any moment. In the end exactly one
# colour is active, nothing is lost, and what is twice is only what was in flight.
bats_require_minimum_version 1.5.0
load helper
load crash

setup_file() {
	BG_SWITCH_INI=$'drain-timeout = 2 s\nresume-timeout = 2 s\nsoak = 300 ms' file_env
}

@test "kill -9 of bg-switchd at each step of a switch" {
	die_forward
}

@test "kill -9 of bg-switchd at each step of the way back" {
	die_back
}

@test "no failpoint was left out" {
	died_everywhere
}

@test "until here nobody but bg-switchd was killed: nothing is lost, nothing twice" {
	prove 0
}

@test "kill -9 of any consumer at any moment of a switch" {
	kill_consumers 16
}

@test "kill -9 of all four consumers and bg-switchd" {
	bg_kill "${BG_INSTANCES[@]}" switchd
	local i
	for i in "${BG_INSTANCES[@]}"; do bg_start_consumer "$i"; done
	bg_start_switchd
	await 30 bg_one_active
	await 10 bg_works "$(active)"
}

@test "T-12: nothing is lost, never were both active, and what is twice was in flight" {
	# Each kill of an active consumer may repeat what it had done since its last commit.
	prove 40000
}
