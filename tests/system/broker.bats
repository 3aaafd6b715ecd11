#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The broker goes away: in the middle of a switch, and for a while. A Kafka of its own.
bats_require_minimum_version 1.5.0
load helper

setup_file() {
	kafka_start "$(file_dir)/kafka"
	BG_BOOTSTRAP=$(cat "$(file_dir)/kafka/bootstrap")
	BG_SWITCH_INI=$'drain-timeout = 3 s\nresume-timeout = 3 s' BG_KAFKA=$'reconnect.backoff.max.ms = 1000' file_env
}

@test "the broker is killed in mid-switch and comes back" {
	local i
	for i in 1 2 3; do
		bg_post switch "{\"to\":\"$(idle_color)\"}"
		kafka_kill "$BG_DIR/kafka"
		kafka_restart "$BG_DIR/kafka"
		await 60 bg_one_active
		await 30 bg_works "$(active)"
	done
}

@test "the broker is frozen in mid-switch and wakes" {
	bg_post switch "{\"to\":\"$(idle_color)\"}"
	kafka_signal "$BG_DIR/kafka" STOP
	sleep 5 # longer than either time-out of the switch
	kafka_signal "$BG_DIR/kafka" CONT
	await 60 bg_one_active
	await 30 bg_works "$(active)"
}

@test "paused stays paused through an outage, and the active colour goes on by itself" {
	local a
	a=$(active)
	kafka_kill "$BG_DIR/kafka"
	bg_color_is "$(other_of "$a")" PAUSED
	kafka_restart "$BG_DIR/kafka"
	await 60 bg_works "$a"
	await 10 bg_one_active
	assert_eq active "$(active)" "$a"
	switch_done "$(other_of "$a")"
}

@test "T-12: nothing lost, never both active" {
	prove 20000
}
