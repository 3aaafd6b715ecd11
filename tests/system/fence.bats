#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# An instance of from that does not answer (frozen, dead, cut off) is no obstacle: bg-switchd takes its static
# id, waits the fence-grace, and its own acknowledged commit is the proof. blue-0 is reached by a relay that can
# be cut. An instance has one partition, one record of which is in the handler, and each is committed at once, so
# that repeats can be counted.
bats_require_minimum_version 1.5.0
load helper

DRAIN_MS=800 HEARTBEAT_MS=1000 SESSION_MS=6000 GRACE_MS=1500 # as below; the grace is the heartbeat interval + 500 ms

setup_file() {
	BG_STRATEGY=C BG_RELAYED=blue-0 BG_RATE=500 BG_PARTITIONS=2 \
		BG_CONSUMER_INI=$'max-in-flight = 1\ncommit-interval = 10 ms' \
		BG_KAFKA=$'session.timeout.ms = 6000\nheartbeat.interval.ms = 1000' \
		BG_SWITCH_INI=$'on-unresponsive = fence\ndrain-timeout = 800 ms\nprepare-timeout = 500 ms\nresume-timeout = 1 s\nsoak = 300 ms' file_env
}

# heal, and the way to blue-0 is open.
setup() {
	local - && set +T
	bg_env_load "$(file_dir)"
	bg_signal CONT blue-0-relay
	heal
}

ledger() { echo "$BG_DIR/ledger/$1.jsonl"; }
lines() { wc -l <"$(ledger "$1")"; }
records_since() { tail -n "+$(($2 + 1))" "$(ledger "$1")" | grep -c '"o":' || true; }
events_since() { tail -n "+$(($2 + 1))" "$(ledger "$1")" | grep -c "\"ev\":\"$3\"" || true; }

# The instance has a record in its handler, records in its queue, and what it did before is committed.
one_in_handler() {
	[ "$(bg_status_of "$1" .in_flight)" = 1 ] && tail -n 1 "$(ledger "$1")" | grep -q '"ev":"commit_ok"'
}
hold_one() {
	bg_fault "$1" processing-delay "{\"delay_ms\":${2:-1500}}"
	await 20 one_in_handler "$1"
}

# `fenced_switch COLOR`: done, by fencing; how long it took is in TOOK_MS.
fenced_switch() {
	local start
	start=$(now_ms)
	switch_done "$1"
	TOOK_MS=$(($(now_ms) - start))
	echo "took $TOOK_MS ms: $(jq -c '[.steps[] | .phase]' <<<"$HTTP_BODY")"
	jq -e '[.steps[].phase] | contains(["FENCING"])' <<<"$HTTP_BODY"
	assert_eq active "$(active)" "$1"
	bg_color_is "$1" ACTIVE
}
# The critical path: from the pause to the first resume's answer.
path_ms() { jq '(.resume.answered_us - .pause.sent_us) / 1000 | floor' <<<"$HTTP_BODY"; }

@test "from is frozen with a record in its handler: fenced; woken, it hands out nothing more" {
	local before ms
	make_active blue
	hold_one blue-0
	bg_signal STOP blue-0
	before=$(lines blue-0)
	fenced_switch green
	ms=$(path_ms)
	echo "# drain $DRAIN_MS ms + grace $GRACE_MS ms: resumed after $ms ms" >&3
	[ "$ms" -ge $((DRAIN_MS + GRACE_MS)) ]
	[ "$ms" -lt $((DRAIN_MS + GRACE_MS + 2000)) ]
	await 5 bg_works green
	bg_signal CONT blue-0
	await 20 bg_one_active
	assert_eq "commits that were acknowledged" "$(events_since blue-0 "$before" commit_ok)" 0
	[ "$(records_since blue-0 "$before")" -le 1 ]
	echo "refused: $(events_since blue-0 "$before" commit_refused)"
}

@test "the record that was in the handler is the only repeat, and is counted" {
	prove 1 1
}

@test "frozen for longer than the stall guard, not longer than the fence-grace: still not a record more" {
	local before
	make_active blue
	hold_one blue-0 300
	bg_signal STOP blue-0
	before=$(lines blue-0)
	bg_post switch '{"to":"green"}'
	assert_http 202
	await 5 bg_switch_is .phase FENCING
	bg_signal CONT blue-0
	await 20 bg_one_active
	assert_eq active "$(active)" green
	[ "$(records_since blue-0 "$before")" -le 1 ]
	assert_eq "commits that were acknowledged" "$(events_since blue-0 "$before" commit_ok)" 0
}

@test "frozen for longer than its session: woken, it does not join by itself, and throws nobody out" {
	local joins
	make_active blue
	bg_signal STOP blue-0
	fenced_switch green
	sleep $((SESSION_MS / 1000 - TOOK_MS / 1000 + 1)) # librdkafka's own measure, from the last heartbeat on
	joins=$(group_joins "$BG_SWITCH-0")
	bg_signal CONT blue-0
	await 20 bg_one_active
	sleep 1 # what would come by itself comes within a heartbeat
	bg_color_is green ACTIVE
	assert_eq joins "$(group_joins "$BG_SWITCH-0")" "$joins"
	await 5 bg_works green
}

@test "both instances of from are frozen" {
	make_active blue
	hold_one blue-0
	hold_one blue-1
	bg_signal STOP blue-0 blue-1
	fenced_switch green
	await 5 bg_works green
	bg_signal CONT blue-0 blue-1
	await 20 bg_one_active
}

@test "from is dead before the switch" {
	make_active blue
	bg_kill blue-0 blue-1
	fenced_switch green
	await 5 bg_works green
	bg_start_consumer blue-0
	bg_start_consumer blue-1
	await 20 bg_one_active
	assert_eq active "$(active)" green
}

@test "one instance of from is killed in the middle of the switch" {
	make_active blue
	bg_fault blue-0 hang '{"hang":true}'
	await 20 one_in_handler blue-0
	bg_post switch '{"to":"green"}'
	assert_http 202
	await 20 bg_is blue-0 DRAINING
	bg_kill blue-0
	await 20 bg_settled
	assert_eq active "$(active)" green
	bg_start_consumer blue-0
	await 20 bg_one_active
	assert_eq active "$(active)" green
	await 5 bg_works green
}

@test "from is cut off but works on: the fence-grace waits until it has heard of it" {
	local before
	make_active blue
	await 5 bg_works blue
	bg_signal STOP blue-0-relay
	fenced_switch green
	before=$(lines blue-0)
	await 5 bg_works green
	assert_eq "records of blue-0 since" "$(records_since blue-0 "$before")" 0
	bg_is blue-0 FENCED
	bg_signal CONT blue-0-relay
	await 20 bg_one_active
	assert_eq active "$(active)" green
}

@test "one of two instances takes over, the other freezes: it is fenced, and from is active again" {
	local before
	make_active blue
	before=$(lines green-0)
	between green
	bg_signal STOP green-1
	bg_signal CONT switchd
	await 10 went_active green-0 "$before"
	await 20 bg_settled
	assert_eq active "$(active)" blue
	await 5 bg_works blue
	bg_signal CONT green-1
	await 20 bg_one_active
	assert_eq active "$(active)" blue
}

@test "T-12: nothing lost, never both active but for the record that was in a handler; repeats are in flight" {
	# In a handler at a freeze: 1 + 1 + 2. What was killed may repeat what it did in the last 10 ms and a round
	# trip; what was cut off, what it did until its next heartbeat.
	prove 1500 4
}

@test "without fence (abort): the switch is aborted and from goes on" {
	sed -i 's/^on-unresponsive = .*/on-unresponsive = abort/' "$BG_DIR/etc/switchd.ini"
	bg_stop switchd
	bg_start_switchd
	heal
	make_active blue
	bg_fault blue-0 hang '{"hang":true}'
	bg_post switch '{"to":"green"}' '?wait=1'
	assert_eq "outcome of $HTTP_BODY" "$(jq -r .outcome <<<"$HTTP_BODY")" aborted
	bg_color_is green PAUSED
	bg_fault blue-0 hang '{"hang":false}'
	await 10 bg_one_active
	assert_eq active "$(active)" blue
	await 5 bg_works blue
	bg_signal STOP blue-0
	bg_post switch '{"to":"green"}' '?wait=1'
	assert_match "outcome of $HTTP_BODY" "$(jq -r .outcome <<<"$HTTP_BODY")" 'no_go|aborted'
	bg_color_is green PAUSED
	bg_signal CONT blue-0
	await 10 bg_one_active
	assert_eq active "$(active)" blue
	sed -i 's/^on-unresponsive = .*/on-unresponsive = fence/' "$BG_DIR/etc/switchd.ini"
	bg_stop switchd
	bg_start_switchd
}

@test "fence-grace = 0: the gap is shorter, and what both did at once is measured" {
	local ms
	prove 2500 6
	echo 'fence-grace = 0 ms' >>"$BG_DIR/etc/switchd.ini"
	bg_stop switchd
	bg_start_switchd
	heal
	make_active blue
	await 5 bg_works blue
	bg_signal STOP blue-0-relay
	fenced_switch green
	ms=$(path_ms)
	[ "$ms" -lt $((DRAIN_MS + GRACE_MS)) ]
	await 5 bg_is blue-0 FENCED
	bg_signal CONT blue-0-relay
	await 20 bg_one_active
	bg_quiet
	verdict "$BG_DIR" || true
	jq -r '"# fence-grace 0: resumed after '"$ms"' ms, dual-active \(.dual_active_ms) ms, \(.dual_active_records) records, lost \(.lost), duplicated \(.duplicated) (in flight \(.in_flight))"' <<<"$VERDICT" >&3
	jq -e '.lost == 0 and .epochs_used_by_both == 0 and .commits_ahead == 0' <<<"$VERDICT"
	jq -e --argjson limit $((HEARTBEAT_MS + 500)) '.switch_list[-1].dual_active_ms <= $limit' <<<"$VERDICT"
}
