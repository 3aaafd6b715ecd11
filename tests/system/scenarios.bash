# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The scenarios that any strategy must pass: loaded after helper by switch.bats (D) and takeover.bats (C).
# shellcheck source=tests/system/helper.bash

# T-1: to green under load, as an operator does it.
# shellcheck disable=SC2154 # run sets them
scenario_under_load() {
	local before
	make_active blue
	before=$(epoch)
	run --separate-stderr bg_ctl switch green --wait
	echo "$output"
	assert_eq "exit status" "$status" 0
	assert_eq active "$(active)" green
	[ "$(epoch)" -gt "$before" ]
	bg_color_is green ACTIVE
	bg_color_is blue PAUSED
	await 5 bg_works green
}

# T-3: with records that wait.
lag_over() { [ "$(bg_lag)" -gt "$1" ]; }
scenario_under_lag() {
	make_active blue
	bg_fault blue-0 processing-delay '{"delay_ms":5}'
	bg_fault blue-1 processing-delay '{"delay_ms":5}'
	await 20 lag_over 2000
	switch_done green
	await 20 bg_drained
}
