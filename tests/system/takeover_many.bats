#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Two hundred takeovers under load, by either hand-over: the group is never rebalanced.
bats_require_minimum_version 1.5.0
load helper

setup_file() {
	BG_STRATEGY=C BG_SWITCH_INI='soak = 1 s' file_env
	await 20 group_has 2
	group_generations >"$BG_DIR/generations"
}

@test "committed: 100 takeovers under load" {
	many $((100 * ${BG_REPEAT:-1}))
}

@test "eager: 100 takeovers under load" {
	set_handover eager
	many $((100 * ${BG_REPEAT:-1}))
}

@test "the group was not rebalanced once" {
	group_has 2
	assert_eq rebalances "$(group_generations)" "$(cat "$BG_DIR/generations")"
}

@test "T-12: 200 takeovers: lost 0, duplicated 0, dual-active 0" {
	prove 0
	jq -e '.switches >= 200' <<<"$VERDICT"
	jq -r '.gap_ms | "# gap p50 \(.p50) ms, p90 \(.p90) ms, p99 \(.p99) ms, max \(.max) ms"' <<<"$VERDICT" >&3
}
