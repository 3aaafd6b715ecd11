#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The group's coordinator moves: the broker that leads its partition of __consumer_offsets is stopped, between
# two takeovers and in the middle of one. Three brokers of its own.
bats_require_minimum_version 1.5.0
load helper

setup_file() {
	export BG_BROKERS
	BG_BROKERS=$(file_dir)/kafka
	kafka_start "$BG_BROKERS" 3
	BG_BOOTSTRAP=$(cat "$BG_BROKERS/bootstrap")
	BG_REPLICATION=3 BG_STRATEGY=C BG_KAFKA=$'session.timeout.ms = 10000\nreconnect.backoff.max.ms = 500' \
		BG_SWITCH_INI=$'drain-timeout = 3 s\nresume-timeout = 3 s\nsoak = 300 ms' file_env
}

coordinator() { group | sed -n 's/.* coordinator \([0-9]*\) .*/\1/p'; }
moved_from() { [ -n "$(coordinator)" ] && [ "$(coordinator)" != "$1" ]; }
replicas_whole() { bg_post switch "{\"to\":\"$(idle_color)\",\"dry_run\":true}" && [ "$HTTP_STATUS" = 200 ] && jq -e '.go != false and .outcome != "no_go"' <<<"$HTTP_BODY"; }

@test "the coordinator moves between two takeovers; with a broker down one is a no-go, and by force it is done" {
	local c to
	switch_done "$(idle_color)"
	to=$(idle_color)
	c=$(coordinator)
	kafka_stop "$BG_BROKERS" "$c"
	await 20 moved_from "$c"
	await 20 bg_works "$(active)"
	bg_one_active
	run bg_ctl switch "$to" --wait
	echo "$output"
	assert_eq "exit status" "$status" 3
	run bg_ctl switch "$to" --wait --force
	echo "$output"
	assert_eq "exit status" "$status" 0
	await 10 bg_works "$to"
	kafka_restart "$BG_BROKERS" "$c"
	await 30 replicas_whole
	switch_done "$(idle_color)"
	await 10 group_has 2
}

@test "the coordinator's broker is killed in the middle of a takeover" {
	local a c
	a=$(active)
	c=$(coordinator)
	bg_fault "$a-0" hang '{"hang":true}'
	bg_post switch "{\"to\":\"$(other_of "$a")\"}"
	assert_http 202
	await 20 bg_is "$a-0" DRAINING
	kafka_kill "$BG_BROKERS" "$c"
	bg_fault "$a-0" hang '{"hang":false}'
	await 60 bg_one_active
	echo "outcome: $(bg_last .outcome), $(bg_last .error)"
	await 30 bg_works "$(active)"
	kafka_restart "$BG_BROKERS" "$c"
	await 30 replicas_whole
	await 20 group_has 2
	switch_done "$(idle_color)"
}

@test "T-12: nothing lost, never both active" {
	prove 10000
}
