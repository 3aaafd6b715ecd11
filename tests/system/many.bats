#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many switches under load, by either hand-over.
bats_require_minimum_version 1.5.0
# alone: it measures time
load helper

setup_file() {
	BG_SWITCH_INI='soak = 1 s' file_env
}

@test "committed: 110 switches under load" {
	many $((110 * ${BG_REPEAT:-1}))
}

@test "eager: 110 switches under load" {
	set_handover eager
	many $((110 * ${BG_REPEAT:-1}))
}

@test "T-12: 220 switches: lost 0, duplicated 0, dual-active 0" {
	prove 0
	jq -e '.switches >= 200' <<<"$VERDICT"
	jq -r '.gap_ms | "# gap p50 \(.p50) ms, p90 \(.p90) ms, p99 \(.p99) ms, max \(.max) ms"' <<<"$VERDICT" >&3
}
