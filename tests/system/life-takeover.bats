#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# K-14, strategy C: rolling restarts, scale-out and scale-in, partitions added, a broker that is gone; one group.
bats_require_minimum_version 1.5.0
load life

setup_file() { life_setup C; }

@test "takeover: rolling restart of the active colour, one drained at a time" {
	life_rolling_restart
}

@test "takeover: rolling restart of the paused colour, and a switch to it" {
	life_rolling_restart_paused
}

@test "takeover: scale-in, two switches, scale-out: who was not there is given its state and its share" {
	life_scale_in_and_out
}

@test "takeover: partitions added during the run are worked on, from their first record, and handed over" {
	local a
	a=$(active)
	kafka_admin "$BG_BOOTSTRAP" add-partitions "$BG_SWITCH" 12
	await 30 all_held "$a" 12
	await 30 worked_on 11
	switch_done "$(other_of "$a")"
	jq -e '.partitions | length == 12' <<<"$HTTP_BODY"
	await 10 all_held "$(active)" 12
	await 10 bg_works "$(active)"
}
worked_on() { grep -qs "\"tp\":\"$BG_SWITCH\",\"p\":$1," "$BG_DIR"/ledger/*.jsonl; }

@test "takeover: T-12: nothing lost, nothing twice, never both active" {
	prove 0
}

@test "takeover: all brokers are gone for longer than a session, and come back: it goes on by itself" {
	life_outage 6
}

@test "takeover: a switch right after the broker returns" {
	life_switch_after_outage
}

@test "takeover: T-12: nothing lost, never both active, after the outages too" {
	prove 20000
}
