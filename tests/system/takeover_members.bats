#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Takeover while the group itself moves: three instances a colour, of which one joins, a stranger comes and
# goes, partitions are added; and with one of three that takes over and then must give back.
bats_require_minimum_version 1.5.0
load helper

setup_file() {
	BG_INSTANCES=(blue-0 blue-1 blue-2 green-0 green-1 green-2)
	BG_STRATEGY=C BG_KAFKA=$'session.timeout.ms = 3000\nheartbeat.interval.ms = 500\ntopic.metadata.refresh.interval.ms = 1000' \
		BG_SWITCH_INI=$'drain-timeout = 2 s\nresume-timeout = 2 s\nsoak = 300 ms' file_env
}

teardown() {
	bg_gone outsider || bg_kill outsider
	[ "${BATS_TEST_COMPLETED:-}" = 1 ] || bg_report
}

# A switch that may be refused or undone, but then says why; exactly one colour is active afterwards.
switch_ended() {
	local outcome
	bg_post switch "{\"to\":\"$1\"}" '?wait=1'
	echo "$HTTP_BODY"
	outcome=$(jq -r '.outcome // .error' <<<"$HTTP_BODY")
	case $outcome in
	"done") ;;
	no_go | aborted | rolled_back) jq -e '[.reason, .error, .message] | any(. != null and . != "")' <<<"$HTTP_BODY" ;;
	*) return 1 ;;
	esac
	await 30 bg_one_active
	await 10 bg_works "$(active)"
}

@test "a switch while a third member joins" {
	local a i
	for i in 1 2; do
		a=$(active)
		bg_kill "$a-2"
		await 20 group_has 2
		bg_start_consumer "$a-2"
		await 10 bg_is "$a-2" ACTIVE
		switch_ended "$(other_of "$a")"
		await 20 group_has 3
	done
	switch_done "$(idle_color)"
}

@test "a switch asked for at the very moment that a third member is started" {
	local a
	a=$(active)
	bg_kill "$a-2"
	await 20 group_has 2
	bg_start_consumer "$a-2"
	switch_ended "$(other_of "$a")"
	await 20 group_has 3
}

outsider() {
	bg_spawn outsider "$BG_BIN/tests/lib/bg-outsider" -b "$BG_BOOTSTRAP" -g "$BG_SWITCH" -t "$BG_TOPIC" \
		-X session.timeout.ms=3000 -X heartbeat.interval.ms=500 "$@"
}
rebalancing() { [ "$(group_generations)" -gt "$1" ] || ! group | grep -q 'state Stable'; }

@test "a switch during a rebalance: a stranger joins the group, and leaves it" {
	local g
	g=$(group_generations)
	outsider -i stranger
	await 10 rebalancing "$g"
	switch_ended "$(idle_color)"
	g=$(group_generations)
	bg_kill outsider
	await 10 rebalancing "$g"
	switch_ended "$(idle_color)"
	await 20 group_has 3
	await 10 bg_assigned "$(active)" 8
	switch_done "$(idle_color)"
}

worked_on() { grep -qs "\"tp\":\"$BG_SWITCH\",\"p\":$1," "$BG_DIR"/ledger/*.jsonl; }

@test "a switch with partitions added in the middle of it, and one after it" {
	local a
	a=$(active)
	bg_fault "$a-0" processing-delay '{"delay_ms":400}'
	bg_post switch "{\"to\":\"$(other_of "$a")\"}"
	assert_http 202
	kafka_admin "$BG_BOOTSTRAP" add-partitions "$BG_SWITCH" 12
	await 20 bg_one_active
	no_faults "$a-0"
	await 20 bg_assigned "$(active)" 12
	await 20 worked_on 11
	switch_done "$(idle_color)"
	jq -e --arg t "$BG_SWITCH" '[.partitions[] | select(.topic == $t)] | length == 12' <<<"$HTTP_BODY"
	await 10 bg_assigned "$(active)" 12
	await 10 bg_works "$(active)"
}

# Who is idle has a spare handle that has heard of the partitions; its aux handle does not count.
learnt() { grep -q "rdkafka#consumer.*partition count changed from $2 to $3" "$BG_DIR/log/$1.log"; }

@test "partitions that come between the pause and the join are not nobody's" {
	local from to i
	from=$(active)
	to=$(other_of "$from")
	# Who is paused does not look at its topics again, so that it does not make the group rebalance.
	sed 's/^\(topic.metadata.refresh.interval.ms\) = .*/\1 = 300000/' "$BG_DIR/etc/consumerd.ini" >"$BG_DIR/etc/slow.ini"
	for i in 0 1 2; do
		bg_stop "$from-$i"
		bg_spawn "$from-$i" "$BG_BIN/bg-consumerd" -c "$BG_DIR/etc/slow.ini" -i "$from-$i"
	done
	await 20 bg_color_is "$from" ACTIVE
	await 20 bg_assigned "$from" 12
	between "$to"
	kafka_admin "$BG_BOOTSTRAP" add-partitions "$BG_SWITCH" 16
	for i in 0 1 2; do await 10 learnt "$to-$i" 12 16; done
	bg_signal CONT switchd
	await 20 bg_one_active
	assert_eq active "$(active)" "$to"
	await 20 grep -q ev=regroup "$BG_DIR"/log/"$to"-*.log
	await 20 bg_assigned "$to" 16
	await 20 worked_on 15
	await 20 group_has 3
}

@test "two of three take over, the third is killed: from is active again" {
	local before from to
	from=$(active)
	to=$(other_of "$from")
	before=$(wc -l <"$BG_DIR/ledger/$to-0.jsonl")
	between "$to"
	bg_kill "$to-2"
	bg_signal CONT switchd
	await 10 went_active "$to-0" "$before"
	await 10 bg_switch_is .phase ABORTING
	bg_start_consumer "$to-2"
	await 20 bg_one_active
	assert_eq active "$(active)" "$from"
	await 10 bg_works "$from"
	await 20 group_has 3
}

@test "T-12: of all this, nothing was lost, never were both active, and what is twice was in flight" {
	# Killed were three active instances; a stranger took partitions from all of them, twice.
	prove 20000
}
