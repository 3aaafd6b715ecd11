#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bg-switchd's own side of fencing: killed at each step of it, and `to` that hangs on the way back.
bats_require_minimum_version 1.5.0
load helper

setup_file() {
	BG_STRATEGY=C BG_RATE=500 BG_CONSUMER_INI='commit-interval = 10 ms' \
		BG_KAFKA=$'session.timeout.ms = 6000\nheartbeat.interval.ms = 500' \
		BG_SWITCH_INI=$'on-unresponsive = fence\ndrain-timeout = 800 ms\nprepare-timeout = 500 ms\nresume-timeout = 1 s\nsoak = 300 ms' file_env
}

fence_points() {
	grep -rhoE 'BG_FAILPOINT\("[^"]+"\)' "$BG_SRC/daemons/switchd" | sed 's/.*"\(.*\)".*/\1/' | grep -E "$1" | sort -u
}

# `dies_at FAILPOINT`: it kills itself there, once.
dies_at() {
	rm -f "$BG_DIR/died-$1"
	echo "$1=once-kill:$BG_DIR/died-$1"
}

# Whatever it came to, one colour is active, all of it, when the frozen one is awake.
whole_again() {
	bg_start_switchd
	await 20 bg_settled
	bg_signal CONT "$1"
	await 20 bg_one_active
	await 10 bg_works "$(active)"
}

@test "kill -9 of bg-switchd at each step of a fencing" {
	local fp frozen n=0
	for fp in $(fence_points '\.fence\.'); do
		echo "# at $fp"
		switchd_with "$(dies_at "$fp")"
		frozen=$(active)-0
		bg_signal STOP "$frozen"
		bg_post switch "{\"to\":\"$(idle_color)\"}"
		await 15 bg_gone switchd
		whole_again "$frozen"
		assert_eq "active after $fp" "$(active)" "$(other_of "${frozen%-*}")"
		n=$((n + 1))
	done
	[ "$n" -ge 5 ]
}

# Green is frozen when it is to be resumed: blue was paused, and is to have its ids back.
hangs_on_the_way_back() {
	bg_post switch '{"to":"green"}'
	assert_http 202
	await 10 bg_stopped switchd
	bg_signal STOP green-0
	bg_signal CONT switchd
}

@test "to hangs, and is fenced on the way back" {
	local e
	make_active blue
	switchd_with "$BETWEEN"
	e=$(epoch)
	hangs_on_the_way_back
	await 20 bg_settled
	assert_eq active "$(active)" blue
	[ "$(epoch)" -gt "$e" ]
	assert_eq outcome "$(bg_last .outcome)" rolled_back
	assert_eq "who was fenced" "$(bg_last '.fencing.ids[].instance')" green-0
	await 10 bg_works blue
	bg_signal CONT green-0
	await 20 bg_one_active
}

@test "kill -9 of bg-switchd while it fences on the way back" {
	local fp n=0
	for fp in $(fence_points 'back_fence'); do
		echo "# at $fp"
		make_active blue
		switchd_with "$BETWEEN,$(dies_at "$fp")"
		hangs_on_the_way_back
		await 15 bg_gone switchd
		whole_again green-0
		assert_eq "active after $fp" "$(active)" blue
		n=$((n + 1))
	done
	[ "$n" -ge 2 ]
}

@test "nothing is lost, never were both active, and what is twice was in flight" {
	# What a frozen one did since its last commit.
	prove 2000
}
