#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# As crash.bats, in takeover: bg-switchd and the consumers killed at any step of a switch.
bats_require_minimum_version 1.5.0
load helper
load crash

setup_file() {
	BG_STRATEGY=C BG_KAFKA='session.timeout.ms = 6000' \
		BG_SWITCH_INI=$'drain-timeout = 1 s\nresume-timeout = 2 s\nsoak = 300 ms' file_env
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
	kill_consumers 12
}

@test "kill -9 of all four consumers and bg-switchd" {
	local i
	bg_kill "${BG_INSTANCES[@]}" switchd
	for i in "${BG_INSTANCES[@]}"; do bg_start_consumer "$i"; done
	bg_start_switchd
	await 30 bg_one_active
	await 10 bg_works "$(active)"
	group_has 2
}

@test "T-12: nothing is lost, never were both active, and what is twice was in flight" {
	# Each kill of an active consumer may repeat what it had done since its last commit.
	prove 30000
}
