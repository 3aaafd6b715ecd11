#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Programs behind the exec handler (K-1): blue runs the examples in Python and Node, green the one in shell and a
# program with faults, on green-1. Switches under load, programs killed and hanging, both ways to meet a deadline.
bats_require_minimum_version 1.5.0
load helper
load exec

setup_file() { exec_setup; }
setup() {
	rm -f "$(file_dir)"/faults/*
	local - && set +T
	heal
}

fault() { : >"$BG_DIR/faults/$1"; }
child_of() { bg_status_of "$1" .handler.pid; }
restarts_of() { bg_status_of "$1" .handler.restarts; }
has_restarted() { [ "$(restarts_of "$1")" -gt "$2" ] && [ "$(bg_status_of "$1" .handler.running)" = true ]; }
metric_of() { curl -sSf "${BG_URL[$1]}/metrics" | awk -v m="$2" 'index($1, m "{") == 1 {print $2}'; }
gone() { ! kill -0 "$1" 2>/dev/null; }
has_records() { [ "$(bg_status_of "$1" .handler.in_child)" -gt 0 ]; }
has_done_more() { [ "$(bg_records_total "$1")" -gt "$2" ]; }
grows() { await 10 has_done_more "$1" "$(bg_records_total "$1")"; }

@test "switches under load: Python and Node to shell and back" {
	exec_switches 3
}

@test "what a program says on standard error is in the log, at a bounded rate" {
	make_active blue
	await 10 grep -q 'ev=child msg="exec [0-9]' "$BG_DIR/log/blue-0.log"
	await 10 grep -q 'lines left out: more than 20 a second' "$BG_DIR/log/blue-0.log"
	[ "$(metric_of blue-0 bg_consumer_exec_stderr_dropped_lines_total)" -gt 0 ]
}

@test "a program is killed: started again, and its records are given again" {
	local i n
	make_active blue
	for i in blue-0 blue-1; do
		n=$(restarts_of "$i")
		kill -9 "$(child_of "$i")"
		await 10 has_restarted "$i" "$n"
		grows "$i"
	done
	grep -q 'was ended by signal 9' "$BG_DIR/log/blue-0.log"
}

@test "a pause waits for the records that a slow program has" {
	make_active green
	fault slow.green-1
	await 10 has_records green-1
	switch_done blue
	jq -e '[.. | .drain_us? // empty] | max > 1000' <<<"$HTTP_BODY"
	assert_eq "in the child" "$(bg_status_of green-1 .handler.in_child)" 0
}

@test "a program hangs, on-deadline = abort: the switch is aborted, answer-timeout ends the hang" {
	local n
	make_active green
	n=$(restarts_of green-1)
	fault hang.green-1
	await 10 has_records green-1
	bg_post switch '{"to":"blue"}' '?wait=1'
	assert_eq "outcome of $HTTP_BODY" "$(jq -r .outcome <<<"$HTTP_BODY")" aborted
	rm "$BG_DIR/faults/hang.green-1"
	await 10 has_restarted green-1 "$n"
	grep -q 'within answer-timeout' "$BG_DIR/log/green-1.log"
	await 10 bg_one_active
	assert_eq active "$(active)" green
	grows green-1
}

@test "a program hangs, on-deadline = abandon: the switch is done, the repeats are counted" {
	local n
	make_active green
	sed -i 's/^on-deadline = abort/on-deadline = abandon/' "$BG_DIR/etc/consumerd.ini"
	bg_signal HUP green-1
	await 5 grep -q 'ev=reload' "$BG_DIR/log/green-1.log"
	n=$(restarts_of green-1)
	fault keep.green-1
	await 10 has_records green-1
	switch_done blue
	bg_works blue
	await 10 has_restarted green-1 "$n"
	grep -q 'go back to the lowest record that is not done' "$BG_DIR/log/green-1.log"
	[ "$(metric_of green-1 bg_consumer_records_repeated_total)" -gt 0 ]
	grep -q '"ev":"abandon"' "$BG_DIR/ledger/green-1.jsonl"
	assert_eq "in flight" "$(bg_status_of green-1 .in_flight)" 0
}

@test "a stop ends the program; a daemon that is killed takes its program along" {
	local pid
	make_active blue
	pid=$(child_of blue-1)
	bg_stop blue-1
	gone "$pid"
	bg_start_consumer blue-1
	await 20 bg_one_active
	pid=$(child_of blue-0)
	bg_kill blue-0
	await 5 gone "$pid"
	bg_start_consumer blue-0
	await 20 bg_one_active
	bg_works blue
}

@test "a program that is not there is an error of the configuration test" {
	sed 's#^command = .*#command = /no/such/program#' "$BG_DIR/etc/consumerd.ini" >"$BG_DIR/etc/none.ini"
	run "$BG_BIN/bg-consumerd" -t -c "$BG_DIR/etc/none.ini" -i blue-0
	assert_eq "exit status" "$status" 2
	assert_match output "$output" 'none.ini:[0-9]+: \[handler:exec\] command: /no/such/program: No such file'
}

@test "exec: nothing lost, never both active, twice only what was said or in flight" {
	prove 3000
}
