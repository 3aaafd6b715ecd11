# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What soak.bats and soak_fence.bats share: times that are short enough for a test.

# shellcheck disable=SC2034 # for the .bats
SOAK_KEYS='soak = 60 s
soak-gone = 1 s
soak-no-progress = 1 s
soak-lag-growing = 4 s
soak-max-lag = 1000'

# Green is active, and judged.
to_green() {
	make_active blue
	switch_done green
	await 5 bg_works green
	bg_switch_is .soak.judged true
}

# The last that ended is an automatic rollback to blue; its entry is in ENTRY.
went_back() {
	ENTRY=$(bg_last '')
	jq -e '.automatic and .outcome == "done" and .to == "blue"' <<<"$ENTRY"
}

# `says_why RULE TEXT`: in ENTRY; blue is active.
says_why() {
	jq -r '"# rolled back by \(.rule): gap \(.gap_us / 1000) ms (pause \((.pause.answered_us // 0) / 1000) ms); \(.reason)"' <<<"$ENTRY" >&3
	assert_eq rule "$(jq -r .rule <<<"$ENTRY")" "$1"
	assert_match reason "$(jq -r .reason <<<"$ENTRY")" "^$1: .*$2"
	assert_eq active "$(active)" blue
}

# `has_errors COLOR N`: its handlers have failed so often.
has_errors() { [ "$(bg_statuses "$1" | jq -s '[.[].errors_total] | add')" -ge "$2" ]; }

degraded_by() { bg_switch_of .degraded | grep -q "$1"; }
