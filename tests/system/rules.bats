#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# One test for each rule of the protocol and each truth of the design, on running daemons. The commands of
# the first nine go to the instances directly, bg-switchd being stopped; that it finds its way afterwards,
# with epochs it did not give, is a test of rule 1 as well (heal waits for it).
bats_require_minimum_version 1.5.0
load helper

setup_file() {
	kafka_topic "$BG_BOOTSTRAP" rules-idle 4
	BG_CONSUMER_INI='topics = rules-idle' BG_HELD=12 BG_KAFKA='session.timeout.ms = 6000' \
		BG_SWITCH_INI=$'topics = rules-idle\nsoak = 300 ms\ndrain-timeout = 2 s' file_env
	# An epoch that has lower ones.
	switch_done green
}

@test "rule 1: the epoch. Lower is stale, the other side is a conflict, the same again is the same answer" {
	local first
	alone
	order "$A-0" pause "\"epoch\":$((E - 1))"
	assert_http 409 stale_epoch
	assert_eq "its epoch" "$(jq -r .epoch <<<"$HTTP_BODY")" "$E"
	order "$A-0" pause "\"epoch\":$E"
	assert_http 409 epoch_conflict
	assert_eq "its epoch" "$(jq -r .epoch <<<"$HTTP_BODY")" "$E"
	bg_is "$A-0" ACTIVE
	order "$A-0" pause "\"epoch\":$((E + 1))"
	assert_http 200
	first=$(jq -cS '.offsets, .epoch, .state' <<<"$HTTP_BODY")
	order "$A-0" pause "\"epoch\":$((E + 1))"
	assert_http 200
	assert_eq "the same answer" "$(jq -cS '.offsets, .epoch, .state' <<<"$HTTP_BODY")" "$first"
	order "$A-0" resume "\"epoch\":$((E + 1))"
	assert_http 409 epoch_conflict
}

@test "rule 1: an ACTIVE instance takes a resume of a higher epoch and goes on" {
	alone
	order "$A-1" resume "\"epoch\":$((E + 1))"
	assert_http 200
	bg_is "$A-1" ACTIVE
	assert_eq "its epoch" "$(epoch_of "$A-1")" $((E + 1))
}

@test "rule 2: start paused, and without a state file take no resume but by incarnation" {
	alone
	bg_kill "$I-0"
	rm -f "$BG_DIR/state/$I-0"/*
	bg_start_consumer "$I-0"
	await 15 bg_is "$I-0" PAUSED
	order "$I-0" resume "\"epoch\":$((E + 1))"
	assert_http 409 wrong_target
	order "$I-0" resume "\"epoch\":$((E + 1)),\"incarnation\":\"0000000000000000\""
	assert_http 409 wrong_target
	bg_is "$I-0" PAUSED
	order "$I-0" pause "\"epoch\":$((E + 1))"
	assert_http 200
}

committed_metadata() { kafka_admin "$BG_BOOTSTRAP" offsets "$1" "$BG_SWITCH"; }
group_empty() { kafka_admin "$BG_BOOTSTRAP" describe-group "$1" | grep -q 'members 0$'; }

@test "rule 3: every commit carries the epoch" {
	local out
	await 10 bg_works "$(active)"
	out=$(committed_metadata "$BG_SWITCH-$(active)")
	echo "$out"
	assert_eq "partitions with metadata" "$(grep -cE 'bg1;e=[0-9]+;c=(blue|green);f=[0-9]+' <<<"$out")" 8
}

@test "rule 3: a higher epoch in the broker's memory stops a command that comes late" {
	local p
	alone
	bg_stop "$I-0" "$I-1"
	await 20 group_empty "$BG_SWITCH-$I"
	for p in 0 1 2 3 4 5 6 7; do
		kafka_admin "$BG_BOOTSTRAP" commit "$BG_SWITCH-$I" "$BG_SWITCH" "$p" 0 "bg1;e=$((E + 50));c=$I;f=$((E + 50))"
	done
	bg_start_consumer "$I-0"
	bg_start_consumer "$I-1"
	await 20 bg_assigned "$I" 12
	order "$I-0" resume "\"epoch\":$((E + 1)),\"incarnation\":\"$(bg_status_of "$I-0" .incarnation)\",\"offsets\":{}"
	assert_http 409 stale_epoch
	bg_is "$I-0" PAUSED
}

@test "rule 4: PAUSED is a proof" {
	local answered offs n
	await 10 bg_works "$(active)"
	alone
	order "$A-0" pause "\"epoch\":$((E + 1))"
	assert_http 200
	jq -e '.state == "PAUSED" and .in_flight == 0 and .committed == true' <<<"$HTTP_BODY"
	offs=$(jq -r ".offsets[\"$BG_SWITCH\"][] | \"\\(.[0]) \\(.[1])\"" <<<"$HTTP_BODY" | sort -n)
	n=$(grep -c '"o":' "$BG_DIR/ledger/$A-0.jsonl")
	# What was acknowledged is what the broker has, partition by partition.
	while read -r p o; do
		committed_metadata "$BG_SWITCH-$A" | grep -qE "^(.* )?$p +$o( |\$)" || {
			echo "partition $p: the answer says $o, the broker: $(committed_metadata "$BG_SWITCH-$A")"
			return 1
		}
	done <<<"$offs"
	await 5 bg_works "$A" # the other instance goes on
	assert_eq "records after PAUSED" "$(grep -c '"o":' "$BG_DIR/ledger/$A-0.jsonl")" "$n"
}

@test "rule 5: pause first, resume second" {
	local n
	for n in 1 2 3; do
		switch_done "$(idle_color)"
		jq -e '.from as $from | ([.instances[] | select(.color == $from) | .pause_answered_us] | max) <=
			([.instances[] | select(.color != $from) | .resume_sent_us] | min)' <<<"$HTTP_BODY"
		await 5 bg_works "$(active)"
	done
}

@test "rule 6: the hand-over is complete: idle partitions too, each with its epoch" {
	local all n
	alone
	order "$A-0" pause "\"epoch\":$((E + 1))"
	all=$HTTP_BODY
	order "$A-1" pause "\"epoch\":$((E + 1))"
	all+=$HTTP_BODY
	# What an instance held earlier it may name as well; together they name every partition.
	n=$(jq -s '[.[].offsets | to_entries[] | .key as $t | .value[] | [$t, .[0]]] | unique | length' <<<"$all")
	assert_eq "partitions named" "$n" 12
	jq -se '[.[].offsets[][]] | all(length == 3)' <<<"$all"
}

@test "rule 7: offsets never rewind" {
	local i zero
	alone
	await 10 bg_works "$A"
	zero=$(jq -nc --arg t "$BG_SWITCH" '{($t): [range(8) | [., 0, 1]]}')
	for i in 0 1; do
		order "$A-$i" resume "\"epoch\":$E,\"offsets\":$zero"
		assert_http 200
		order "$A-$i" resume "\"epoch\":$((E + 1)),\"offsets\":$zero"
		assert_http 200
		jq -e --arg t "$BG_SWITCH" '[.assignment // [] | .[] | select(.topic == $t) | .position] | all(. > 0)' <<<"$HTTP_BODY"
	done
	await 10 bg_works "$A"
}

@test "rule 7: without offsets a partition starts only where the commit carries this epoch" {
	alone
	order "$A-0" pause "\"epoch\":$((E + 1))"
	order "$A-1" pause "\"epoch\":$((E + 1))"
	order "$I-0" resume "\"epoch\":$((E + 1))"
	assert_http 409 offsets_required
	bg_is "$I-0" PAUSED
}

@test "rule 8: a late layer loses" {
	alone
	# What a sidecar with an old record, or one without epochs, would say.
	order "$I-0" resume "\"epoch\":$((E - 1))"
	assert_http 409
	order "$I-0" resume ''
	assert_http 409 epoch_required
	order "$A-0" pause "\"epoch\":$((E - 1))"
	assert_http 409 stale_epoch
	bg_is "$I-0" PAUSED
	bg_is "$A-0" ACTIVE
}

@test "rule 8: from the intent on, the record wants both colours PAUSED until the pause is proved" {
	local a
	a=$(active)
	bg_fault "$a-0" hang '{"hang":true}'
	bg_post switch "{\"to\":\"$(other_of "$a")\"}"
	assert_http 202
	await 20 bg_switch_is '"\(.phase) \(.record.desired | [.blue, .green] | unique | join(","))"' 'PAUSING PAUSED'
	bg_fault "$a-0" hang '{"hang":false}'
	await 10 bg_one_active
}

@test "rule 9: an instance whose loop stood still hands out nothing before a commit is acknowledged" {
	local a line
	a=$(active)-0
	await 10 bg_works "$(active)"
	bg_signal STOP "$a"
	sleep 2.5 # the stall itself
	line=$(wc -l <"$BG_DIR/ledger/$a.jsonl")
	bg_signal CONT "$a"
	await 10 grew "$BG_DIR/ledger/$a.jsonl" "$((line + 20))"
	# The first event after the stall that is not a record taken before it is a commit and its acknowledgement.
	tail -n "+$((line + 1))" "$BG_DIR/ledger/$a.jsonl" | head -n 200 |
		jq -sre 'map(.ev // "record") | index("record") as $r | index("commit_ok") as $c | $c != null and ($r == null or $c < $r)'
}
grew() { [ "$(wc -l <"$1")" -gt "$2" ]; }
