#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Partitions idle, without a commit, added while it runs; offsets the log no longer holds.
bats_require_minimum_version 1.5.0
load helper

setup_file() {
	kafka_topic "$BG_BOOTSTRAP" partitions-idle 3
	BG_PARTITIONS=4 BG_CONSUMER_INI='topics = partitions-idle' BG_HELD=7 \
		BG_KAFKA='topic.metadata.refresh.interval.ms = 1000' \
		BG_SWITCH_INI=$'topics = partitions-idle\nsoak = 300 ms' file_env
}

@test "idle partitions are handed over, and their first record is processed once" {
	local p
	switch_done green
	switch_done blue
	jq -e '[.partitions[] | select(.topic == "partitions-idle")] | length == 3' <<<"$HTTP_BODY"
	for p in 0 1 2; do kafka_admin "$BG_BOOTSTRAP" produce partitions-idle "$p" key "first of $p"; done
	await 10 ledger_has 3
	switch_done green
	await 5 bg_works green
	ledger_has 3
}
ledger_has() { [ "$(cat "$BG_DIR"/ledger/*.jsonl | grep -c '"tp":"partitions-idle".*"o":')" -eq "$1" ]; }

@test "partitions added during the run are worked on by the active colour and handed over" {
	kafka_admin "$BG_BOOTSTRAP" add-partitions "$BG_SWITCH" 8
	await 30 bg_assigned blue 11
	await 30 bg_assigned green 11
	await 30 worked_on 7
	switch_done "$(idle_color)"
	jq -e --arg t "$BG_SWITCH" '[.partitions[] | select(.topic == $t)] | length == 8' <<<"$HTTP_BODY"
	await 10 bg_works "$(active)"
}
worked_on() { grep -qs "\"tp\":\"$BG_SWITCH\",\"p\":$1," "$BG_DIR"/ledger/*.jsonl; }

@test "a resume to an offset that the log no longer holds is refused, and nothing starts" {
	local a i e far
	a=$(active)
	i=$(other_of "$a")
	bg_stop switchd
	e=$(bg_status_of "$a-0" .epoch)
	http POST "${BG_URL["$i-0"]}/lifecycle/prepare" "{\"epoch\":$((e + 1)),\"active\":\"$i\"}"
	assert_http 200
	far=$(jq -nc --arg t "$BG_SWITCH" --argjson e "$((e + 1))" '{($t): [range(8) | [., 99999999999, $e]], "partitions-idle": [range(3) | [., 0, $e]]}')
	http POST "${BG_URL["$i-0"]}/lifecycle/resume" "{\"epoch\":$((e + 1)),\"offsets\":$far}"
	assert_http 422 offset_out_of_range
	jq -e '.topic and (.partition != null) and (.low != null) and (.high != null)' <<<"$HTTP_BODY"
	bg_is "$i-0" PAUSED
}

@test "T-12: nothing lost, nothing twice, never both active" {
	BG_TOPIC2=partitions-idle prove 0
}
