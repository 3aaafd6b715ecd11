#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Mode takeover by direct commands, bg-switchd being stopped: blue is one instance that holds two ordinals, green is
# two instances with one each. What an instance does as a member of the group, whoever commands it.
bats_require_minimum_version 1.5.0
load helper

setup_file() {
	BG_INSTANCES=(blue-0 green-0 green-1)
	BG_STRATEGY=C BG_ORDINALS='blue-0:0,1' BG_SWITCH_INI=$'soak = 300 ms\ndrain-timeout = 2 s' \
		BG_KAFKA=$'session.timeout.ms = 6000\nheartbeat.interval.ms = 1000' file_env
	# A process that has no state of its own takes only a resume by its name: all have been active once.
	switch_done green
	switch_done blue
}

# `order INSTANCE pause|resume|prepare JSON-MEMBERS`: to the instance itself.
order() { http POST "${BG_URL[$1]}/lifecycle/$2" "{$3}"; }
ok() { order "$@" && assert_http 200; }
epoch_of() { bg_status_of "$1" .epoch; }
held() { bg_status_of "$1" '[.assignment[] | select(.started) | .partition] | length'; }
# Blue is active, bg-switchd is out, E is the epoch.
alone() {
	make_active blue
	bg_stop switchd
	E=$(epoch_of blue-0)
	await 10 has_members 2
	await 10 quiet_since
}
has_members() { group | grep -q " members $1\$"; }
# It has been told, by its next heartbeat, that its id was taken over.
no_member() { [ "$(bg_status_of "$1" .joined)" = false ]; }
holds() { [ "$(held "$1")" = "$2" ]; }
# The spares of all are warm again.
quiet_since() {
	local i
	for i in "${BG_INSTANCES[@]}"; do
		[ "$(bg_status_of "$i" .warm)" = true ] || return 1
	done
}
# Green takes over at the epoch given; the answer of green-0 in ANSWER0.
green_takes() {
	order green-0 resume "\"epoch\":$1,\"deadline_ms\":5000" && assert_http 200 && ANSWER0=$HTTP_BODY
	order green-1 resume "\"epoch\":$1,\"deadline_ms\":5000" && assert_http 200
	bg_is green-0 ACTIVE && bg_is green-1 ACTIVE
}

@test "who is paused since its start is no member, holds nothing, and is warm" {
	alone
	await 10 no_member green-0
	ok green-0 prepare "\"epoch\":$((E + 1)),\"active\":\"green\""
	jq -e --arg g "$BG_SWITCH" --arg i "$BG_SWITCH-0" '.mode == "takeover" and .group == $g and .joined == false and
		.warm == true and .assignment == [] and .ordinals == [0] and .static_ids == [$i] and
		.group_instance_id == $i and .assignor == "cooperative-sticky" and .heartbeat_interval_ms == 1000 and
		.session_timeout_ms == 6000 and .subscription == [$g]' <<<"$HTTP_BODY"
	bg_status blue-0
	jq -e --arg s "$BG_SWITCH" '.ordinals == [0, 1] and .group_instance_ids == [$s + "-0", $s + "-1"] and
		(.assignment | length) == 8 and .joined' <<<"$HTTP_BODY"
}

@test "two ordinals of one instance: its pause names every partition, its commits say f; two instances take over without a rebalance" {
	local n g
	alone
	g=$(group_generations)
	ok blue-0 pause "\"epoch\":$((E + 1))"
	jq -e '.committed and ([.offsets[][][0]] | sort) == [range(8)]' <<<"$HTTP_BODY"
	n=$(group_commits | grep -c "e=$E;c=blue;f=$((E + 1))")
	assert_eq "commits with f" "$n" 8
	green_takes $((E + 1))
	assert_eq "generations" "$(group_generations)" "$g"
	holds green-0 4 && holds green-1 4
	jq -e '.position_us < 500000' <<<"$ANSWER0"
	await 10 bg_works green
	# The old one hears it at its next heartbeat, and it is nothing to speak of.
	await 10 bg_status_is blue-0 '.joined == false'
	bg_status blue-0
	jq -e '.state == "PAUSED" and .cause == null and .assignment == []' <<<"$HTTP_BODY"
}
bg_status_is() { [ "$(bg_status_of "$1" "$2")" = true ]; }

@test "an abort: who was paused joins with a fresh handle, and works on" {
	alone
	ok blue-0 pause "\"epoch\":$((E + 1))"
	ok blue-0 resume "\"epoch\":$((E + 2))"
	holds blue-0 8
	await 10 bg_works blue
	sleep 2 # two heartbeats: its own old handle was refused, which is no event
	bg_is blue-0 ACTIVE
}

@test "a rollback before the old side's heartbeat" {
	alone
	for i in 1 3 5; do
		ok blue-0 pause "\"epoch\":$((E + i))"
		green_takes $((E + i))
		ok green-0 pause "\"epoch\":$((E + i + 1))"
		ok green-1 pause "\"epoch\":$((E + i + 1))"
		ok blue-0 resume "\"epoch\":$((E + i + 1))"
	done
	await 10 bg_works blue
}

@test "rule 3: a late resume is refused before it has thrown anybody out" {
	alone
	ok blue-0 pause "\"epoch\":$((E + 1))"
	ok blue-0 resume "\"epoch\":$((E + 2))"
	order green-0 resume "\"epoch\":$((E + 1))"
	assert_http 409 stale_epoch
	bg_is green-0 PAUSED
	sleep 1.5
	bg_is blue-0 ACTIVE
	bg_works blue
}

@test "a paused member that nobody takes over lets go" {
	alone
	ok blue-0 pause "\"epoch\":$((E + 1))"
	bg_status_is blue-0 '.joined'
	await 10 bg_status_is blue-0 '.joined == false'
	await 20 has_members 0
	# The same pause, the same answer; and the way back is a join like any other.
	ok blue-0 pause "\"epoch\":$((E + 1))"
	jq -e '([.offsets[][][0]] | sort) == [range(8)]' <<<"$HTTP_BODY"
	ok blue-0 resume "\"epoch\":$((E + 2)),\"deadline_ms\":20000"
	await 10 holds blue-0 8
}

@test "a resume that is cancelled on its way lets nobody down" {
	alone
	ok blue-0 pause "\"epoch\":$((E + 1))"
	for i in 1 2 3 4 5 6; do
		order green-0 resume "\"epoch\":$((E + 2 * i - 1)),\"deadline_ms\":$((i * 2))"
		ok green-0 pause "\"epoch\":$((E + 2 * i))"
	done
	ok green-1 pause "\"epoch\":$((E + 13))"
	ok blue-0 resume "\"epoch\":$((E + 13)),\"deadline_ms\":10000"
	await 10 holds blue-0 8
	sleep 1.5
	bg_is blue-0 ACTIVE
}

@test "nothing lost, nothing twice, never both active" { prove; }

# Below, nobody has paused or fenced the old side, so that both work for a moment: no verdict.
@test "an identity in use: FENCED, said so, no ping-pong; only a higher epoch ends it" {
	local g
	alone
	green_takes $((E + 1)) # nobody has paused blue: what a misconfigured host does
	await 10 bg_is blue-0 FENCED
	bg_status blue-0
	jq -e '.cause == "identity_in_use" and .assignment == [] and .joined == false' <<<"$HTTP_BODY"
	order blue-0 resume "\"epoch\":$E"
	assert_http 409 stale_epoch
	sleep 2
	bg_is blue-0 FENCED
	bg_is green-0 ACTIVE && bg_is green-1 ACTIVE
	ok blue-0 pause "\"epoch\":$((E + 1))"
	ok green-0 pause "\"epoch\":$((E + 2))"
	ok green-1 pause "\"epoch\":$((E + 2))"
	ok blue-0 resume "\"epoch\":$((E + 2))"
	await 10 bg_works blue
}

@test "a frozen owner wakes up after a takeover: its first commit is refused, and it hands out nothing more" {
	local before
	alone
	bg_signal STOP blue-0
	green_takes $((E + 1))
	sleep 1.5
	bg_signal CONT blue-0
	await 5 bg_is blue-0 FENCED
	before=$(bg_records_total blue-0)
	sleep 1
	assert_eq "records of the fenced one" "$(bg_records_total blue-0)" "$before"
}
