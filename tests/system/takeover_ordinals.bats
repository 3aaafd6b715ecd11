#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Colours that differ in takeover: in the number of their instances, which is fine, for one instance may hold
# several ordinals; in their ordinals or topics, which is a no-go that names both.
bats_require_minimum_version 1.5.0
load helper
load ordinals

setup_file() {
	BG_INSTANCES=(blue-0 blue-1 green-0)
	kafka_topic "$BG_BOOTSTRAP" takeover_ordinals-more 3
	BG_STRATEGY=C BG_ORDINALS=green-0:0,1 \
		BG_KAFKA=$'session.timeout.ms = 3000\nheartbeat.interval.ms = 500' \
		BG_SWITCH_INI=$'drain-timeout = 2 s\nresume-timeout = 10 s\nsoak = 300 ms' file_env
}

@test "two instances of blue, one of green with both ordinals: to and fro, without a rebalance" {
	local i generations shares
	make_active blue
	await 20 group_has 2
	generations=$(group_generations)
	shares=$(group_shares)
	for i in 1 2 3; do
		switch_done green
		await 5 bg_works green
		assert_eq "green-0 holds" "$(bg_status_of green-0 '.assignment | length')" 8
		assert_eq "its ids" "$(bg_status_of green-0 '.group_instance_ids | join(" ")')" "$BG_SWITCH-0 $BG_SWITCH-1"
		switch_done blue
		await 5 bg_works blue
	done
	assert_eq "rebalances" "$(group_generations)" "$generations"
	assert_eq "who holds what" "$(group_shares)" "$shares"
}

@test "rule 4: the pause answer of an instance with two ordinals names the partitions of both" {
	make_active green
	alone
	order green-0 pause "\"epoch\":$((E + 1))"
	assert_http 200
	jq -e --arg t "$BG_SWITCH" '.committed and .in_flight == 0 and (.offsets[$t] | map(.[0]) | sort) == [range(8)]' <<<"$HTTP_BODY"
}

@test "an instance with two ordinals is killed: it comes back with both" {
	make_active green
	bg_kill green-0
	bg_start_consumer green-0
	await 20 bg_one_active
	assert_eq active "$(active)" green
	await 10 bg_works green
	await 10 bg_assigned green 8
}

@test "until here nothing was lost, and twice was only what was in flight at the kill" {
	prove 10000
}

@test "different ordinals: a no-go that names both sides" {
	make_active blue
	green_with 'ordinals = 0'
	no_go ordinals "blue [^;]*$BG_SWITCH-0, $BG_SWITCH-1" "green [^;]*$BG_SWITCH-0"
	green_with
	switch_done green
	switch_done blue
}

@test "different topics: a no-go that names both sides" {
	make_active blue
	green_with 'ordinals = 0' 'ordinals = 1' "consumer.topics = $BG_TOPIC" "consumer.topics = $BG_TOPIC-more"
	no_go topics "$BG_TOPIC-more" green blue
}

@test "T-12: nothing lost, never both active" {
	prove 10000
}
