#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many switches in a row under load, in one run: nothing grows. The long one, 10,000 switches, is
# `tests/run bench long`.
bats_require_minimum_version 1.5.0
load helper
# shellcheck source=tests/lib/growth.sh
. "$BG_SRC/tests/lib/growth.sh"

setup_file() {
	BG_STRATEGY=C BG_RATE=500 BG_SWITCH_INI='soak = 0 s' file_env
}

@test "two hundred takeovers in a row: nothing lost, twice or at once; no memory or descriptors more" {
	local name kb fds kb0 fds0
	make_active blue
	growth_switches 80
	growth_sample 20 >"$BG_DIR/before"
	growth_switches 80
	growth_sample 20 >"$BG_DIR/after"
	grep . "$BG_DIR/before" "$BG_DIR/after"
	while read -r name kb fds; do
		read -r _ kb0 fds0 < <(grep "^$name " "$BG_DIR/before")
		# a tenth and 1 MiB: what an allocator keeps differs from moment to moment
		[ "$kb" -le $((kb0 + kb0 / 10 + 1024)) ]
		[ "$fds" -le $((fds0 + 4)) ]
	done <"$BG_DIR/after"
	assert_eq "switches that ended well" "$GROWTH_DONE" 200
	prove
}
