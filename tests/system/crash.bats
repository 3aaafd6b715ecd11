#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# kill -9 of bg-switchd at each of its failpoints, and of consumers at any moment. In the end exactly one
# colour is active, nothing is lost, and what is twice is only what was in flight.
bats_require_minimum_version 1.5.0
load helper

setup_file() {
	BG_SWITCH_INI=$'drain-timeout = 2 s\nresume-timeout = 2 s\nsoak = 300 ms' file_env
}

# All but those of fencing, which strategy D does not know: fence_basic.bats dies at them.
failpoints() {
	grep -rhoE 'BG_FAILPOINT\("[^"]+"\)' "$BG_SRC/daemons/switchd" | sed 's/.*"\(.*\)".*/\1/' | grep -v fence | sort -u
}

# A bg-switchd that kills itself, once, at the failpoint.
switchd_dying_at() {
	bg_stop switchd
	rm -f "$BG_DIR/died-$1"
	BG_FAIL="$1=once-kill:$BG_DIR/died-$1" bg_start_switchd
	await 10 bg_one_active
}

# Waits until bg-switchd has died at the failpoint or the switch has ended without coming by it.
died_or_ended() { bg_gone switchd || bg_settled; }

# `die_at FAILPOINT`: asks for a switch, sees bg-switchd die, starts it again. Whatever the switch came to,
# exactly one colour is active afterwards, and it works.
die_at() {
	local to
	to=$(idle_color)
	bg_post switch "{\"to\":\"$to\"}" || true
	await 15 died_or_ended
	[ "$2" = no ] || await 5 bg_gone switchd || {
		echo "it did not come by $1"
		return 1
	}
	bg_alive switchd || bg_start_switchd
	await 30 bg_one_active
	await 10 bg_works "$(active)"
}

@test "kill -9 of bg-switchd at each step of a switch" {
	local fp n=0
	for fp in $(failpoints); do
		case $fp in *back*) continue ;; esac
		echo "# at $fp"
		switchd_dying_at "$fp"
		die_at "$fp" no
		[ ! -e "$BG_DIR/died-$fp" ] || n=$((n + 1))
	done
	echo "died at $n failpoints"
	[ "$n" -ge 6 ]
}

@test "kill -9 of bg-switchd at each step of the way back" {
	local fp
	for fp in $(failpoints); do
		[ ! -e "$BG_DIR/died-$fp" ] || continue # a switch comes by it
		echo "# at $fp"
		switchd_dying_at "$fp"
		bg_fault "$(active)-0" hang '{"hang":true}'
		bg_post switch "{\"to\":\"$(idle_color)\"}" || true
		await 20 died_or_ended
		no_faults blue-0
		no_faults green-0
		bg_alive switchd || bg_start_switchd
		await 30 bg_one_active
	done
}

@test "no failpoint was left out" {
	local fp rc=0
	for fp in $(failpoints); do
		[ -e "$BG_DIR/died-$fp" ] || {
			echo "nothing died at $fp"
			rc=1
		}
	done
	return "$rc"
}

@test "until here nobody but bg-switchd was killed: nothing is lost, nothing twice" {
	prove 0
}

@test "kill -9 of any consumer at any moment of a switch" {
	local i name
	for ((i = 0; i < 16; i++)); do
		name=${BG_INSTANCES[$((i % 4))]}
		bg_post switch "{\"to\":\"$(idle_color)\"}"
		sleep "0.0$((RANDOM % 60))" # the moment is the point: no event to wait for
		bg_kill "$name"
		bg_start_consumer "$name"
		await 30 bg_one_active
		await 10 bg_works "$(active)"
	done
}

@test "kill -9 of all four consumers and bg-switchd" {
	bg_kill "${BG_INSTANCES[@]}" switchd
	local i
	for i in "${BG_INSTANCES[@]}"; do bg_start_consumer "$i"; done
	bg_start_switchd
	await 30 bg_one_active
	await 10 bg_works "$(active)"
}

@test "T-12: nothing is lost, never were both active, and what is twice was in flight" {
	# Each kill of an active consumer may repeat what it had done since its last commit.
	prove 40000
}
