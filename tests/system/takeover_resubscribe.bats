#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# --resubscribe, the way out where the colours of a takeover differ: the group shares out its topics anew.
bats_require_minimum_version 1.5.0
load helper
load ordinals

setup_file() {
	BG_INSTANCES=(blue-0 blue-1 green-0)
	kafka_topic "$BG_BOOTSTRAP" takeover_resubscribe-more 3
	BG_STRATEGY=C BG_ORDINALS=green-0:0,1 \
		BG_KAFKA=$'session.timeout.ms = 3000\nheartbeat.interval.ms = 500' \
		BG_SWITCH_INI=$'drain-timeout = 2 s\nresume-timeout = 10 s\nsoak = 300 ms' file_env
}

more_worked_on() { [ "$(cat "$BG_DIR"/ledger/*.jsonl | grep -c "\"tp\":\"$BG_TOPIC-more\".*\"o\":")" -eq 3 ]; }

resubscribe_to() {
	run bg_ctl switch "$1" --wait --resubscribe
	echo "$output"
	assert_eq "exit status" "$status" 0
}

@test "fewer ordinals: the ids that are left over are waited out, and nothing is lost" {
	make_active blue
	green_with 'ordinals = 0'
	resubscribe_to green
	await 30 bg_assigned green 8
	await 10 group_has 1
	await 10 bg_works green
	resubscribe_to blue
	await 20 group_has 2
	await 20 bg_assigned blue 8
	await 10 bg_works blue
	green_with
	switch_done green
	switch_done blue
}

@test "a further topic: green works on it, and blue when it has it too" {
	local p i
	for p in 0 1 2; do kafka_admin "$BG_BOOTSTRAP" produce "$BG_TOPIC-more" "$p" key "of $p"; done
	make_active blue
	# The switch hands it over from here on.
	printf '%s\n' "topics = $BG_TOPIC-more" 'initial-offset = earliest' >>"$BG_DIR/etc/switchd.ini"
	bg_stop switchd
	bg_start_switchd
	await 20 bg_settled
	green_with 'ordinals = 0' 'ordinals = 1' "consumer.topics = $BG_TOPIC" "consumer.topics = $BG_TOPIC-more"
	resubscribe_to green
	await 20 bg_assigned green 11
	await 20 more_worked_on
	await 10 bg_works green
	no_go topics "$BG_TOPIC-more"
	sed -i "s/^topics = $BG_TOPIC\$/&\ntopics = $BG_TOPIC-more/" "$BG_DIR/etc/consumerd.ini"
	for i in blue-0 blue-1; do
		bg_stop "$i"
		bg_start_consumer "$i"
		await 10 bg_ready "$i"
	done
	switch_done blue
	await 20 bg_assigned blue 11
	await 10 bg_works blue
	more_worked_on
}

@test "T-12: nothing lost, nothing twice, never both active" {
	BG_TOPIC2=$BG_TOPIC-more prove 0
}
