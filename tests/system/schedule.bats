#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Switches that begin by themselves, and freezes: under load, over a kill of bg-switchd, with the prover's verdict.
bats_require_minimum_version 1.5.0
load helper

setup_file() {
	BG_SWITCH_INI=$'drain-timeout = 3 s\nsoak = 500 ms\nschedule-late = 30 s' file_env
}

# `windows LINE…`: the freeze keys of the configuration, by a reload.
windows() {
	local line
	sed -i '/^freeze/d' "$BG_DIR/etc/switchd.ini"
	for line in "$@"; do
		sed -i "s#^schedule-late = .*#&\n$line#" "$BG_DIR/etc/switchd.ini"
	done
	bg_signal HUP switchd
}
history_of() { bg_ctl history --json | jq -c --arg id "$1" '[.entries[] | select(.id == $id)]'; }
# It has ended: its entry, once.
ended() { [ "$(history_of "$1" | jq length)" = 1 ]; }
entry_of() { history_of "$1" | jq -r ".[0]$2"; }
# `scheduled ARGUMENTS…`: by bgctl; its id.
scheduled() { bg_ctl switch "$@" --json | jq -er .id; }

@test "a scheduled switch is carried out once, over a kill -9 of bg-switchd before its time" {
	local to before id
	to=$(idle_color)
	before=$(epoch)
	id=$(scheduled "$to" --in 4s --reason "at night")
	run --separate-stderr bg_ctl switch "$to" --in 1h
	assert_eq "a second one: $output" "$status" 3
	bg_kill switchd
	bg_start_switchd
	await 15 ended "$id"
	assert_eq outcome "$(entry_of "$id" .outcome)" "done"
	assert_eq reason "$(entry_of "$id" .reason)" "at night"
	assert_eq active "$(active)" "$to"
	assert_eq epoch "$(epoch)" $((before + 1))
	await 10 bg_works "$to"
	# And not once more.
	bg_kill switchd
	bg_start_switchd
	await 20 bg_one_active
	assert_eq epoch "$(epoch)" $((before + 1))
	assert_match schedule "$(bg_ctl schedule)" 'nothing is scheduled'
}

@test "killed when it has begun, before the intent: carried out once after all" {
	local to before id
	to=$(idle_color)
	before=$(epoch)
	bg_stop switchd
	BG_FAIL="switch.intent.before=once-kill:$BATS_TEST_TMPDIR/begun" bg_start_switchd
	await 20 bg_one_active
	id=$(scheduled "$to" --in 1s)
	await 10 bg_gone switchd
	bg_start_switchd
	await 15 ended "$id"
	[ -e "$BATS_TEST_TMPDIR/begun" ]
	assert_eq outcome "$(entry_of "$id" .outcome)" "done"
	assert_eq active "$(active)" "$to"
	assert_eq epoch "$(epoch)" $((before + 1))
}

@test "down at its time, and for too long: dropped, and said" {
	local to before id
	to=$(idle_color)
	before=$(epoch)
	OVER=$(($(now_ms) + 4500))
	id=$(scheduled "$to" --in 3s)
	bg_stop switchd
	sed -i 's/^schedule-late = .*/schedule-late = 1 s/' "$BG_DIR/etc/switchd.ini"
	its_time_is_over() { [ "$(now_ms)" -gt "$OVER" ]; }
	await 8 its_time_is_over
	bg_start_switchd
	await 10 ended "$id"
	assert_eq outcome "$(entry_of "$id" .outcome)" dropped
	assert_match error "$(entry_of "$id" .error)" 'schedule-late is 1 s'
	assert_eq epoch "$(epoch)" "$before"
	sed -i 's/^schedule-late = .*/schedule-late = 30 s/' "$BG_DIR/etc/switchd.ini"
	bg_signal HUP switchd
}

@test "not after somebody else's switch" {
	local to id
	to=$(idle_color)
	id=$(scheduled "$to" --in 1h)
	switch_done "$to"
	await 5 ended "$id"
	assert_eq outcome "$(entry_of "$id" .outcome)" dropped
	assert_match error "$(entry_of "$id" .error)" '^the epoch is'
}

@test "in a freeze window: status 3, nothing moves; a scheduled one is a no-go; a rollback goes; force goes" {
	local from to before id
	from=$(active)
	to=$(idle_color)
	windows 'freeze-zone = UTC' 'freeze = daily 00:00-24:00'
	frozen() { bg_ctl status | grep -q '^frozen'; }
	await 5 frozen
	before=$(epoch)
	run --separate-stderr bg_ctl switch "$to" --wait
	echo "$output"
	assert_eq "exit status" "$status" 3
	assert_match "the rule" "$output" 'daily 00:00-24:00'
	run --separate-stderr bg_ctl preflight
	assert_eq "exit status of preflight" "$status" 3
	run --separate-stderr bg_ctl switch "$to" --dry-run
	assert_eq "exit status of a dry run" "$status" 3
	id=$(scheduled "$to" --in 1s)
	await 10 ended "$id"
	assert_eq outcome "$(entry_of "$id" .outcome)" no_go
	assert_eq epoch "$(epoch)" "$before"
	bg_color_is "$from" ACTIVE
	run --separate-stderr bg_ctl rollback --wait
	assert_eq "a rollback: $output" "$status" 0
	assert_eq active "$(active)" "$to"
	await 10 bg_works "$to"
	run --separate-stderr bg_ctl switch "$from" --wait --force
	assert_eq "forced: $output" "$status" 0
	await 10 bg_works "$from"
	windows
	thawed() { ! frozen; }
	await 5 thawed
}

@test "bgctl freeze outlives a kill -9, thaw ends it" {
	local to
	to=$(idle_color)
	run --separate-stderr bg_ctl freeze
	assert_eq "without a reason" "$status" 2
	bg_ctl freeze --for 1h --reason "the sale"
	bg_kill switchd
	bg_start_switchd
	await 20 bg_one_active
	run --separate-stderr bg_ctl switch "$to" --wait
	echo "$output"
	assert_eq "exit status" "$status" 3
	assert_match why "$output" 'the sale'
	bg_ctl thaw
	run --separate-stderr bg_ctl switch "$to" --wait
	assert_eq "exit status" "$status" 0
	await 10 bg_works "$to"
}

@test "after all that: nothing lost, nothing twice, never both active" {
	prove
}
