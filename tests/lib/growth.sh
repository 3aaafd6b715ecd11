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

# `growth_sample SWITCHES`: `NAME KIB DESCRIPTORS` a line: the least of a sample after each of so many switches.
# Least, for memory goes up and down: bg-switchd changes its Kafka handle every now and then, and has two meanwhile.
growth_sample() {
	local name pid kb i
	local -A least=() fds=()
	for ((i = 0; i < $1; i++)); do
		growth_switches 1
		for name in $(bg_names); do
			pid=$(bg_pid "$name")
			kb=$(awk '/^RssAnon:/ {print $2}' "/proc/$pid/status")
			[ "${least[$name]:-$kb}" -lt "$kb" ] || least[$name]=$kb
			kb=$(find "/proc/$pid/fd" -mindepth 1 | wc -l)
			[ "${fds[$name]:-$kb}" -lt "$kb" ] || fds[$name]=$kb
		done
	done
	for name in $(bg_names); do echo "$name ${least[$name]} ${fds[$name]}"; done
}
