#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The scenarios T-1, T-2, T-3, and what bg-switchd and bgctl answer to whom asks.
bats_require_minimum_version 1.5.0
# alone: it measures time
load helper
load scenarios

setup_file() {
	BG_SWITCH_INI=$'drain-timeout = 3 s\nsoak = 2 s' file_env
}

@test "T-1: a switch to green under load" {
	scenario_under_load
}

@test "T-2: immediate rollback" {
	make_active green
	switch_done blue
	switch_done green
	run --separate-stderr bg_ctl rollback --wait
	assert_eq "exit status" "$status" 0
	assert_eq active "$(active)" blue
	await 5 bg_works blue
	assert_eq kind "$(bg_last .kind)" rollback
}

@test "T-3: a switch under lag loses nothing of the lag" {
	scenario_under_lag
}

@test "a switch to the active colour is done at once, and nothing moves" {
	local e
	make_active blue
	e=$(epoch)
	bg_post switch '{"to":"blue"}' '?wait=1'
	assert_http 200
	assert_eq outcome "$(jq -r .outcome <<<"$HTTP_BODY")" "done"
	assert_eq epoch "$(epoch)" "$e"
	run bg_ctl switch blue --wait
	assert_eq "exit status" "$status" 0
	assert_eq epoch "$(epoch)" "$e"
}

@test "two switches at once: one runs, the other is told busy with the id of the running one" {
	local id
	make_active blue
	bg_fault blue-0 processing-delay '{"delay_ms":1000}'
	bg_post switch '{"to":"green"}'
	assert_http 202
	id=$(jq -r .id <<<"$HTTP_BODY")
	bg_post switch '{"to":"blue"}'
	assert_http 409 busy
	assert_eq "id of the running one" "$(jq -r .id <<<"$HTTP_BODY")" "$id"
	await 10 bg_one_active
	assert_eq active "$(active)" green
}

@test "a repeated POST with the same expect_epoch starts nothing twice" {
	local e id body
	make_active blue
	e=$(epoch)
	body="{\"to\":\"green\",\"expect_epoch\":$e}"
	bg_post switch "$body"
	assert_http 202
	id=$(jq -r .id <<<"$HTTP_BODY")
	bg_post switch "$body"
	assert_eq "same id" "$(jq -r .id <<<"$HTTP_BODY")" "$id"
	await 10 bg_one_active
	e=$(epoch)
	bg_post switch "$body"
	assert_eq "same id, when it has ended" "$(jq -r .id <<<"$HTTP_BODY")" "$id"
	bg_post switch "$body" '?wait=1'
	assert_eq "its end" "$(jq -r .outcome <<<"$HTTP_BODY")" "done"
	assert_eq epoch "$(epoch)" "$e"
}

@test "another expect_epoch is refused, and named" {
	local e
	e=$(epoch)
	bg_post switch "{\"to\":\"$(idle_color)\",\"expect_epoch\":$((e + 5))}"
	assert_http 409 epoch_changed
	assert_eq epoch "$(jq -r .epoch <<<"$HTTP_BODY")" "$e"
	assert_eq "epoch of the record" "$(epoch)" "$e"
}

@test "a dry run says go and changes nothing" {
	local e to
	to=$(idle_color)
	e=$(epoch)
	run --separate-stderr bg_ctl switch "$to" --dry-run
	echo "$output"
	assert_eq "exit status" "$status" 0
	assert_eq epoch "$(epoch)" "$e"
	bg_color_is "$to" PAUSED
}

@test "a no-go says which rule failed and changes nothing; exit status 3" {
	local e
	make_active blue
	e=$(epoch)
	bg_stop green-1
	run bg_ctl switch green --wait
	echo "$output"
	assert_eq "exit status" "$status" 3
	assert_match "what it says" "$output" green-1
	assert_eq epoch "$(epoch)" "$e"
	assert_eq active "$(active)" blue
	bg_color_is blue ACTIVE
}

@test "hold: nothing moves until release" {
	make_active blue
	run bg_ctl hold
	assert_eq "exit status of hold" "$status" 0
	bg_post switch '{"to":"green"}' '?wait=1'
	assert_http 409 held
	bg_color_is blue ACTIVE
	run bg_ctl release
	assert_eq "exit status of release" "$status" 0
	switch_done green
}

@test "a handler that hangs: 202, DRAINING, and the switch is aborted with from active at its own position" {
	make_active blue
	bg_fault blue-0 hang '{"hang":true}'
	bg_post switch '{"to":"green"}'
	assert_http 202
	await 3 bg_is blue-0 DRAINING
	http POST "${BG_URL["blue-0"]}/lifecycle/pause" "{\"epoch\":$(epoch),\"deadline_ms\":100}"
	assert_http 202
	assert_eq state "$(jq -r .state <<<"$HTTP_BODY")" DRAINING
	await 10 bg_settled
	assert_eq "outcome" "$(bg_last .outcome)" aborted
	assert_eq "exit status in the history" "$(bg_last .exit)" 5
	bg_color_is green PAUSED
	bg_fault blue-0 hang '{"hang":false}'
	await 10 bg_one_active
	assert_eq active "$(active)" blue
	await 10 bg_drained
}

@test "abort while it drains: from is active again" {
	make_active blue
	bg_fault blue-0 hang '{"hang":true}'
	bg_post switch '{"to":"green"}'
	assert_http 202
	await 3 bg_is blue-0 DRAINING
	run bg_ctl abort
	bg_fault blue-0 hang '{"hang":false}'
	await 10 bg_one_active
	assert_eq outcome "$(bg_last .outcome)" aborted
	assert_eq active "$(active)" blue
}

@test "the history says where the milliseconds went" {
	make_active blue
	switch_done green
	jq -e '.gap_us > 0 and .pause.answered_us >= .pause.sent_us and .resume.answered_us >= .resume.sent_us
		and (.instances | length) == 4 and (.partitions | length) == 8' <<<"$HTTP_BODY"
	jq -e '[.instances[] | select(.color == "blue") | .drain_us, .commit_us] | all(. != null)' <<<"$HTTP_BODY"
	jq -e '[.instances[] | select(.color == "green") | .position_us] | all(. != null)' <<<"$HTTP_BODY"
	jq -e '[.steps[].phase] | contains(["PAUSING", "TRANSFER", "RESUMING"])' <<<"$HTTP_BODY"
}

@test "events: every change of phase as it happens" {
	local to
	to=$(idle_color)
	curl -sN --max-time 5 "${BG_URL[switchd]}/v1/events" >"$BG_DIR/events" 3>&- &
	await 2 test -e "$BG_DIR/events"
	await 5 bg_one_active
	switch_done "$to"
	await 3 grep -q '^event: end' "$BG_DIR/events"
	grep -q '"phase": *"PAUSING"' "$BG_DIR/events"
	grep -q '"phase": *"RESUMING"' "$BG_DIR/events"
}

@test "exit statuses of bgctl: 2 usage, 4 daemon not there" {
	run bg_ctl no-such-command
	assert_eq "usage" "$status" 2
	run bg_ctl switch purple
	assert_eq "usage" "$status" 2
	run env BG_SOCKET=/nowhere/x.sock "$BG_BIN/bgctl" status
	assert_eq "not there" "$status" 4
}

@test "bg-switchd --once becomes the client of the daemon that holds the lock" {
	local to
	to=$(idle_color)
	run "$BG_BIN/bg-switchd" -c "$BG_DIR/etc/switchd.ini" --once --target "$to"
	echo "$output"
	assert_eq "exit status" "$status" 0
	assert_eq active "$(active)" "$to"
}

@test "bg-switchd --once without a daemon: the same switch, the same exit status" {
	local to
	to=$(idle_color)
	bg_stop switchd
	run "$BG_BIN/bg-switchd" -c "$BG_DIR/etc/switchd.ini" --once --target "$to"
	echo "$output"
	assert_eq "exit status" "$status" 0
	bg_start_switchd
	await 10 bg_one_active
	assert_eq active "$(active)" "$to"
}

@test "T-12: of all this, nothing was lost, nothing was twice, never were both active" {
	prove 0
}
