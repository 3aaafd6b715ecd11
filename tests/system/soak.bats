#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# T-5: the new colour fails after the switch, and bg-switchd goes back by itself, in strategy D. In soak_fence.bats
# strategy C, where one that is dead or hangs can be left too.
bats_require_minimum_version 1.5.0
load helper
load soak

setup_file() {
	BG_RATE=1000 BG_CONSUMER_INI='commit-interval = 10 ms' BG_SWITCH_INI="$SOAK_KEYS"$'\ndrain-timeout = 3 s\nmax-error-rate = 100' file_env
}

@test "T-5: errors of green after the switch: rolled back by itself" {
	local tail
	to_green
	"$BG_BIN/bgctl" -s "$BG_SWITCH" tail >"$BG_DIR/tail" 2>&1 3>&- & # not bg_ctl: the pid would be a subshell's
	tail=$!
	bg_fault green-0 error-rate '{"rate":0.5}'
	bg_fault green-1 error-rate '{"rate":0.5}'
	await 10 went_back
	says_why error-rate 'of the records failed'
	assert_eq "what it is called" "$(jq -r '.kind + " " + .by' <<<"$ENTRY")" "rollback bg-switchd"
	await 5 bg_works blue
	bg_color_is green PAUSED
	jq -e '.gap_us > 0 and ([.steps[].phase] | index("PAUSING") < index("RESUMING"))' <<<"$ENTRY"
	curl -sSf "${BG_URL[switchd]}/metrics" | grep '^bg_switch_auto_rollbacks_total{.*reason="error-rate".* 1$'
	await 3 grep -q 'soak: rollback, error-rate: ' "$BG_DIR/tail"
	kill "$tail"
}

@test "T-5: no second time: blue fails as well, and stays" {
	local e
	e=$(epoch)
	bg_switch_is .soak.judged false
	bg_fault blue-0 error-rate '{"rate":0.5}'
	bg_fault blue-1 error-rate '{"rate":0.5}'
	await 5 has_errors blue 300
	assert_eq epoch "$(epoch)" "$e"
	assert_eq active "$(active)" blue
}

@test "T-5: green hangs: rolled back as soon as its records are out" {
	to_green
	bg_fault green-0 hang '{"hang":true}'
	await 10 bg_is green-0 DRAINING
	bg_fault green-0 hang '{"hang":false}'
	await 10 went_back
	says_why no-progress 'green-0 has done nothing for 1 s'
	await 5 bg_works blue
}

lag_over() { [ "$(bg_lag)" -gt "$1" ]; }

@test "a backlog that is worked off is no reason, even over soak-max-lag" {
	local e
	make_active blue
	bg_fault blue-0 processing-delay '{"delay_ms":20}'
	bg_fault blue-1 processing-delay '{"delay_ms":20}'
	await 20 lag_over 1500
	switch_done green
	e=$(epoch)
	bg_switch_is .soak.judged true
	await 20 bg_drained
	bg_switch_of .soak
	assert_eq rule "$(bg_switch_of .soak.rule)" null
	assert_eq health "$(bg_switch_of .health)" OK
	assert_eq "epoch and active" "$(epoch) $(active)" "$e green"
}

@test "green is killed: in strategy D nothing proves that it is paused; it stays, and says so" {
	to_green
	bg_kill green-1
	await 10 degraded_by 'gone: green-1 is not at work for 1 s.*not rolled back: from-reachable'
	assert_eq active "$(active)" green
	# A restarted bg-switchd goes on judging, from the record alone.
	bg_stop switchd
	bg_start_switchd
	await 10 degraded_by 'gone: .* is not at work for 1 s' # it has never said its name to this process
	# It is back: active again within its hello, or gone back from at last, for now it can be paused.
	bg_start_consumer green-1
	await 20 bg_switch_is .health OK
	await 20 bg_one_active
	if [ "$(active)" = green ]; then
		bg_switch_is .soak.judged true
	else
		jq -e '.kind == "rollback" and .automatic and .rule == "gone" and .outcome == "done"' <<<"$(bg_last .)"
	fi
}

@test "nothing was lost, nothing was twice but what was in flight, never were both active" {
	prove 2000
}
