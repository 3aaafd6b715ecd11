#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Strategy C: one group, whose static members the colours are in turn. The scenarios T-1 to T-3, and what of
# the protocol's rules is different in takeover. What the broker did is read from outside.
bats_require_minimum_version 1.5.0
load helper
load scenarios

setup_file() {
	BG_STRATEGY=C BG_KAFKA='session.timeout.ms = 10000' \
		BG_SWITCH_INI=$'drain-timeout = 3 s\nresume-timeout = 2 s\nsoak = 1 s' file_env
}

ids() { group_shares | cut -d ' ' -f 1 | paste -sd ' '; }
# Every partition's commit moves on: "PARTITION OFFSET" of now, and later.
committed() { group_commits | cut -d ' ' -f 1,2; }
all_moved() {
	join <(sort <<<"$1") <(committed | sort) | awk '$3 > $2 {n++} END {exit n != 8}'
}

@test "a paused colour is no member of the group, and no partition is stalled" {
	local before
	make_active blue
	group_has 2
	assert_eq "static ids" "$(ids)" "$BG_SWITCH-0 $BG_SWITCH-1"
	bg_assigned blue 8
	assert_eq "partitions that green holds" "$(bg_statuses green | jq -s '[.[].assignment | length] | add')" 0
	before=$(committed)
	await 5 all_moved "$before"
}

@test "T-1: a switch to green under load: the same ids hold the same partitions, without a rebalance" {
	local shares generations
	make_active blue
	shares=$(group_shares)
	generations=$(group_generations)
	scenario_under_load
	group_has 2
	assert_eq "who holds what" "$(group_shares)" "$shares"
	assert_eq "rebalances" "$(group_generations)" "$generations"
}

times_taken_over() { cat "$BG_DIR/log/$1"-?.log | grep -c 'was taken over'; }

# When the old side had heard of it all the same, before the rollback was done, that round counts for nothing.
@test "T-2: immediate rollback, before the old side's heartbeat has told it anything" {
	local i from generations told early=0
	generations=$(group_generations)
	for ((i = 0; i < 15 && early < 3; i++)); do
		from=$(active)
		told=$(times_taken_over "$from") || true
		switch_done "$(other_of "$from")"
		bg_post rollback '{}' '?wait=1'
		assert_http 200
		assert_eq "outcome of $HTTP_BODY" "$(jq -r .outcome <<<"$HTTP_BODY")" "done"
		[ "$(times_taken_over "$from")" != "$told" ] || early=$((early + 1))
		assert_eq active "$(active)" "$from"
		await 5 bg_works "$from"
	done
	assert_eq "rollbacks before the heartbeat" "$early" 3
	assert_eq "rebalances" "$(group_generations)" "$generations"
}

@test "T-3: a switch under lag loses nothing of the lag" {
	scenario_under_lag
}

@test "the pause of a colour that is left behind is no FENCED: it lost its ids in the normal course" {
	switch_done "$(idle_color)"
	switch_done "$(idle_color)"
	sleep 3.5 # the heartbeat by which the left handles hear of it
	bg_color_is "$(idle_color)" PAUSED
	bg_color_is "$(active)" ACTIVE
	run grep -h FENCED "$BG_DIR"/ledger/*.jsonl
	assert_eq "states" "$output" ""
}

@test "rule 3: every commit carries the epoch and the colour that is active" {
	local a e
	a=$(active)
	e=$(epoch)
	await 10 committed_under "$e" "$a"
	switch_done "$(other_of "$a")"
	await 10 committed_under "$(epoch)" "$(other_of "$a")"
	[ "$(epoch)" -gt "$e" ]
}
committed_under() { [ "$(group_commits | grep -cE " bg1;e=$1;c=$2;f=[0-9]+")" = 8 ]; }

# `freeze_at FAILPOINT`: a resume is read, and before it is carried out the instance freezes. Meanwhile the other
# colour is made active at a higher epoch; then it is woken. Its answer is in HTTP_BODY.
frozen() { grep -q '^State:.T' "/proc/$(bg_pid "$1")/status"; }
freeze_at() {
	local out=$BG_DIR/late-resume
	bg_stop "$I-0"
	BG_FAIL="$1=stop" bg_start_consumer "$I-0"
	await 15 bg_ready "$I-0"
	order "$A-0" pause "\"epoch\":$((E + 1))"
	order "$A-1" pause "\"epoch\":$((E + 1))"
	LINES_BEFORE=$(wc -l <"$BG_DIR/ledger/$I-0.jsonl")
	curl -sS --max-time 20 -w '\n%{http_code}' -H 'Content-Type: application/json' -d "{\"epoch\":$((E + 1))}" \
		"${BG_URL["$I-0"]}/lifecycle/resume" >"$out" 3>&- &
	LATE=$!
	await 5 frozen "$I-0"
	order "$A-0" resume "\"epoch\":$((E + 2))"
	assert_http 200
	order "$A-1" resume "\"epoch\":$((E + 2))"
	assert_http 200
	JOINS=$(group_joins "$BG_SWITCH-0")
}
wake() {
	bg_signal CONT "$I-0"
	wait "$LATE" || true
	HTTP_STATUS=$(tail -n 1 "$BG_DIR/late-resume")
	HTTP_BODY=$(head -n -1 "$BG_DIR/late-resume")
	LATE_STATE=$(bg_status_of "$I-0" .state)
	bg_kill "$I-0" # it would freeze again
}
# Woken, it handed out nothing and committed nothing.
did_nothing() {
	assert_http 409 stale_epoch
	assert_eq "its state" "$LATE_STATE" PAUSED
	tail -n "+$((LINES_BEFORE + 1))" "$BG_DIR/ledger/$I-0.jsonl" | {
		! grep -E '"o":|"ev":"(in|commit|commit_ok|commit_refused)"'
	}
}
# Nor did it take an id from anybody.
took_nothing() {
	did_nothing
	assert_eq "joins" "$(group_joins "$BG_SWITCH-0")" "$JOINS"
	bg_color_is "$A" ACTIVE
	await 5 bg_works "$A"
}

@test "rule 3: a resume read before a freeze and carried out after it: no join, no record, no commit" {
	alone
	freeze_at consumer.durable.after
	wake
	took_nothing
}

@test "rule 9: the same, frozen for longer than the stall guard" {
	alone
	freeze_at consumer.durable.after
	sleep 1.5 # the stall itself
	wake
	took_nothing
}

@test "rule 4: in eager takeover the late commit of from may be refused, and that is no error" {
	local i errors
	errors=$(bg_statuses all | jq -s '[.[].errors_total] | add')
	set_handover eager
	for ((i = 0; i < 10; i++)); do
		switch_done "$(idle_color)"
		await 5 bg_works "$(active)"
	done
	set_handover committed
	echo "refused: $(cat "$BG_DIR"/ledger/*.jsonl | grep -c commit_refused)"
	assert_eq "errors" "$(bg_statuses all | jq -s '[.[].errors_total] | add')" "$errors"
	bg_color_is "$(idle_color)" PAUSED
}

@test "rule 7: a resume without offsets starts at the commit, of whatever epoch" {
	local n
	alone
	for n in 0 1; do
		order "$A-$n" pause "\"epoch\":$((E + 1))"
		assert_http 200
	done
	for n in 0 1; do
		order "$I-$n" resume "\"epoch\":$((E + 1))"
		assert_http 200
	done
	await 5 bg_works "$I"
}

@test "rule 7: offsets never rewind" {
	local i zero
	alone
	zero=$(jq -nc --arg t "$BG_SWITCH" '{($t): [range(8) | [., 0, 1]]}')
	for i in 0 1; do
		order "$A-$i" resume "\"epoch\":$E,\"offsets\":$zero"
		assert_http 200
		order "$A-$i" resume "\"epoch\":$((E + 1)),\"offsets\":$zero"
		assert_http 200
	done
	await 10 bg_works "$A"
	for i in 0 1; do order "$A-$i" pause "\"epoch\":$((E + 2))"; done
	for i in 0 1; do
		order "$I-$i" resume "\"epoch\":$((E + 2)),\"offsets\":$zero"
		assert_http 200
	done
	await 10 bg_works "$I"
}

grew() { [ "$(wc -l <"$1")" -gt "$2" ]; }

@test "rule 9: an active instance whose loop stood still commits first, and goes on" {
	local a line joins
	a=$(active)-0
	await 10 bg_works "$(active)"
	joins=$(group_joins "$BG_SWITCH-0")
	bg_signal STOP "$a"
	sleep 2.5 # the stall itself
	line=$(wc -l <"$BG_DIR/ledger/$a.jsonl")
	bg_signal CONT "$a"
	await 10 grew "$BG_DIR/ledger/$a.jsonl" "$((line + 20))"
	tail -n "+$((line + 1))" "$BG_DIR/ledger/$a.jsonl" | head -n 200 |
		jq -sre 'map(.ev // "record") | index("record") as $r | index("commit_ok") as $c | $c != null and ($r == null or $c < $r)'
	bg_is "$a" ACTIVE
	assert_eq joins "$(group_joins "$BG_SWITCH-0")" "$joins"
}

@test "a handler that hangs: the switch is aborted, from goes on with its handle and its ids" {
	local joins
	make_active blue
	joins=$(group_joins "$BG_SWITCH-1")
	bg_fault blue-0 hang '{"hang":true}'
	bg_post switch '{"to":"green"}'
	assert_http 202
	await 10 bg_settled
	assert_eq "outcome" "$(bg_last .outcome)" aborted
	bg_color_is green PAUSED
	bg_fault blue-0 hang '{"hang":false}'
	await 10 bg_one_active
	assert_eq active "$(active)" blue
	await 10 bg_drained
	group_has 2
}

@test "one of two instances takes over, the other does not: from is active again, nothing twice" {
	local before
	make_active blue
	before=$(wc -l <"$BG_DIR/ledger/green-0.jsonl")
	between green
	bg_signal STOP green-1
	bg_signal CONT switchd
	await 10 went_active green-0 "$before"
	await 10 bg_switch_is .phase ABORTING
	bg_signal CONT green-1
	await 20 bg_one_active
	assert_eq active "$(active)" blue
	assert_match outcome "$(bg_last .outcome)" 'aborted|rolled_back'
	await 10 bg_works blue
	group_has 2
}

@test "T-12: of all this, nothing was lost, nothing was twice, never were both active" {
	prove 0
	jq -r '.gap_ms | "# gap p50 \(.p50) ms, p90 \(.p90) ms, max \(.max) ms"' <<<"$VERDICT" >&3
}

@test "rule 3: frozen behind its first reading: it joins, reads again, and leaves without a record and without a commit" {
	alone
	freeze_at consumer.join.before
	wake
	did_nothing
	bg_is "$A-1" ACTIVE
	await 5 bg_works "$A"
	# Whom it threw out is active again by itself, once the id is free.
	bg_start_consumer "$I-0"
	bg_start_switchd
	await 30 bg_one_active
	assert_eq active "$(active)" "$A"
}

@test "nothing lost, never both active; twice is what was in flight at the theft" {
	prove 8000
}
