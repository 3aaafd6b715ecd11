# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 of bg-switchd at each of its failpoints, for either strategy. Loaded after helper.
# shellcheck source=tests/system/helper.bash

failpoints() {
	grep -rhoE 'BG_FAILPOINT\("[^"]+"\)' "$BG_SRC/daemons/switchd" | sed 's/.*"\(.*\)".*/\1/' | sort -u
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

# A switch that ends well is killed at each failpoint it comes by.
die_forward() {
	local fp n=0
	for fp in $(failpoints); do
		case $fp in *back* | *fence*) continue ;; esac
		echo "# at $fp"
		switchd_dying_at "$fp"
		die_at "$fp" no
		[ ! -e "$BG_DIR/died-$fp" ] || n=$((n + 1))
	done
	echo "died at $n failpoints"
	[ "$n" -ge 6 ]
}

# One that is aborted because a handler hangs, at those that are left.
die_back() {
	local fp
	for fp in $(failpoints); do
		case $fp in *fence*) continue ;; esac
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

# Those of fencing have a test of their own.
died_everywhere() {
	local fp rc=0
	for fp in $(failpoints); do
		case $fp in *fence*) continue ;; esac
		[ -e "$BG_DIR/died-$fp" ] || {
			echo "nothing died at $fp"
			rc=1
		}
	done
	return "$rc"
}

# `kill_consumers N`: one after the other, at any moment of a switch.
kill_consumers() {
	local i name
	for ((i = 0; i < $1; i++)); do
		name=${BG_INSTANCES[$((i % ${#BG_INSTANCES[@]}))]}
		bg_post switch "{\"to\":\"$(idle_color)\"}"
		sleep "0.0$((RANDOM % 60))" # the moment is the point: no event to wait for
		bg_kill "$name"
		bg_start_consumer "$name"
		await 30 bg_one_active
		await 10 bg_works "$(active)"
	done
}
