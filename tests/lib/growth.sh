# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Many switches in a row, and what the daemons of a scratch folder hold. Sourced by the bench `long` and by
# tests/system/endurance.bats, after env.sh.

GROWTH_DONE=0 # switches that ended well
GROWTH_TO=green

# `growth_switches N`: there and back under load, by one curl each; stops at the first that does not end well.
growth_switches() {
	local i
	for ((i = 0; i < $1; i++)); do
		bg_post switch "{\"to\":\"$GROWTH_TO\"}" '?wait=1'
		case $HTTP_BODY in
		*'"outcome":"done"'*) GROWTH_DONE=$((GROWTH_DONE + 1)) ;;
		*)
			printf 'switch %d to %s: %.500s\n' "$i" "$GROWTH_TO" "$HTTP_BODY" >&2
			return 1
			;;
		esac
		if [ "$GROWTH_TO" = green ]; then GROWTH_TO=blue; else GROWTH_TO=green; fi
	done
}

# `NAME KIB DESCRIPTORS` a line: anonymous memory, the least of some samples, for a switch has just ended.
growth_sample() {
	local name pid kb min i
	for name in $(bg_names); do
		pid=$(bg_pid "$name")
		min=
		for i in 1 2 3 4 5; do
			kb=$(awk '/^RssAnon:/ {print $2}' "/proc/$pid/status")
			[ -n "$min" ] && [ "$min" -le "$kb" ] || min=$kb
			[ "$i" = 5 ] || sleep 0.1
		done
		echo "$name $min $(find "/proc/$pid/fd" -mindepth 1 | wc -l)"
	done
}
