#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What is always true (design), one test each.
bats_require_minimum_version 1.5.0
load helper

setup_file() {
	BG_SWITCH_INI=$'soak = 300 ms\ndrain-timeout = 1500 ms' file_env
}

@test "truth 1: never two colours active; no time-out makes one of them active" {
	local a
	make_active blue
	a=$(bg_status_of green-0 .records_total)
	bg_fault blue-1 hang '{"hang":true}'
	bg_post switch '{"to":"green"}' '?wait=1'
	assert_eq outcome "$(jq -r .outcome <<<"$HTTP_BODY")" aborted
	assert_eq "records of green" "$(bg_status_of green-0 .records_total)" "$a"
	bg_color_is green PAUSED
}

@test "truth 2: only the intent must be on disk; snapshot and history are beside" {
	local dir=$BG_DIR/state/switchd/$BG_SWITCH/snapshots e i
	e=$(epoch)
	for ((i = 1; i <= 5; i++)); do mkdir -p "$dir/$((e + i)).json/in-the-way"; done
	switch_done "$(idle_color)"
	await 5 bg_works "$(active)"
	await 5 grep -q store_failed "$BG_DIR/log/switchd.log"
	find "$dir" -name in-the-way -exec rm -rf {} +
	find "$dir" -type d -name '*.json' -exec rmdir {} +
}

@test "truth 3: the gap is the two round trips and nothing else" {
	local i idle=()
	for i in 1 2 3 4 5 6 7 8 9; do
		switch_done "$(idle_color)"
		idle+=("$(jq '.resume.sent_us - .pause.answered_us' <<<"$HTTP_BODY")")
		await 5 bg_works "$(active)"
	done
	echo "between the last pause answer and the first resume, us: ${idle[*]}"
	[ "$(printf '%s\n' "${idle[@]}" | sort -n | sed -n 5p)" -lt 3000 ]
}

@test "truth 4: recovery goes forward, at the epoch of the intent or a newer one" {
	local e
	make_active blue
	e=$(epoch)
	switchd_with switch.pause.before=kill
	bg_post switch '{"to":"green"}'
	await 20 bg_gone switchd
	bg_start_switchd
	await 20 bg_one_active
	assert_eq active "$(active)" green
	[ "$(epoch)" -gt "$e" ]
}

@test "truth 5: a restart of any daemon at any moment ends in a state that is true again, by itself" {
	local name a
	for name in "${BG_INSTANCES[@]}" switchd; do
		a=$(active)
		bg_stop "$name"
		case $name in
		switchd) bg_start_switchd ;;
		*) bg_start_consumer "$name" ;;
		esac
		await 30 bg_one_active
		assert_eq "active after the restart of $name" "$(active)" "$a"
	done
}

errors_seen() { [ "$(bg_status_of "$1" .errors_total)" -gt 0 ]; }

@test "truth 6: nothing is skipped silently: what fails is tried again, counted and told" {
	local a
	a=$(active)
	bg_fault "$a-0" error-rate '{"rate":0.2}'
	await 10 errors_seen "$a-0"
	bg_fault "$a-0" error-rate '{"rate":0}'
	await 20 bg_drained
}

@test "T-12: of all this, nothing was lost, nothing was twice, never were both active" {
	prove 0
}
