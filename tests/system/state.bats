#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# State files deleted or damaged: every daemon comes back to the truth by itself, or says that it cannot.
bats_require_minimum_version 1.5.0
load helper

setup_file() {
	BG_SWITCH_INI='soak = 300 ms' file_env
}

# The one state file of an instance.
state_file() { find "$BG_DIR/state/$1" -type f -name state.json | head -n 1; }

# `restart_with INSTANCE COMMAND…`: killed, its state file treated with the command, started.
restart_with() {
	local name=$1
	shift
	bg_kill "$name"
	"$@" "$(state_file "$name")"
	bg_start_consumer "$name"
	await 20 bg_one_active
	await 10 bg_works "$(active)"
}
flip_a_byte() { printf '\377' | dd of="$1" bs=1 seek=9 conv=notrunc status=none; }
cut_short() { truncate -s -3 "$1"; }
empty() { : >"$1"; }

@test "a consumer's state file is gone: active and paused ones" {
	[ -n "$(state_file blue-0)" ]
	restart_with "$(active)-0" rm
	restart_with "$(idle_color)-0" rm
	switch_done "$(idle_color)"
}

@test "a consumer's state file is damaged: refused, kept aside, said" {
	local how name
	for how in flip_a_byte cut_short empty; do
		name=$(active)-1
		restart_with "$name" "$how"
		grep -qi 'state' "$BG_DIR/log/$name.log"
	done
	switch_done "$(idle_color)"
}

@test "all state files of all consumers are gone" {
	local i
	bg_kill "${BG_INSTANCES[@]}"
	for i in "${BG_INSTANCES[@]}"; do rm -f "$(state_file "$i")"; done
	for i in "${BG_INSTANCES[@]}"; do bg_start_consumer "$i"; done
	await 30 bg_one_active
	switch_done "$(idle_color)"
}

@test "without its state file an instance takes a resume only by its incarnation, and none below the floor" {
	local i e
	i=$(idle_color)-0
	e=$(epoch)
	bg_stop switchd
	bg_kill "$i"
	rm -f "$(state_file "$i")"
	bg_start_consumer "$i"
	await 10 bg_is "$i" PAUSED
	http POST "${BG_URL[$i]}/lifecycle/resume" "{\"epoch\":$((e - 1))}"
	assert_eq "HTTP status of $HTTP_BODY" "$HTTP_STATUS" 409
	http POST "${BG_URL[$i]}/lifecycle/resume" "{\"epoch\":$((e + 3))}"
	assert_http 409 wrong_target
	bg_is "$i" PAUSED
}

@test "the record of truth is gone: rebuilt from the instances, nobody is moved" {
	local a e
	a=$(active)
	e=$(epoch)
	bg_kill switchd
	rm -f "$BG_DIR/state/switchd/$BG_SWITCH/record.json"
	bg_start_switchd
	await 20 bg_one_active
	assert_eq active "$(active)" "$a"
	[ "$(epoch)" -ge "$e" ]
	switch_done "$(other_of "$a")"
}

@test "the record of truth is damaged: refused, kept aside, rebuilt" {
	local a f
	a=$(active)
	f=$BG_DIR/state/switchd/$BG_SWITCH/record.json
	bg_kill switchd
	truncate -s 20 "$f"
	bg_start_switchd
	await 20 bg_one_active
	assert_eq active "$(active)" "$a"
	# Whether somebody had frozen it is not known any more: a person has to look.
	bg_post switch "{\"to\":\"$(other_of "$a")\"}" '?wait=1'
	assert_eq outcome "$(jq -r .outcome <<<"$HTTP_BODY")" no_go
	assert_match error "$(jq -r .error <<<"$HTTP_BODY")" '^freeze: .*was damaged'
	bg_ctl thaw
	switch_done "$(other_of "$a")"
}

@test "record and instances' states are all gone: UNKNOWN or the truth, but never a guess" {
	local i
	bg_kill switchd "${BG_INSTANCES[@]}"
	rm -rf "$BG_DIR/state/switchd/$BG_SWITCH"
	for i in "${BG_INSTANCES[@]}"; do rm -f "$(state_file "$i")"; done
	for i in "${BG_INSTANCES[@]}"; do bg_start_consumer "$i"; done
	bg_start_switchd
	await 20 bg_switch_is .phase UNKNOWN
	await 20 bg_statuses all
	bg_color_is blue PAUSED
	bg_color_is green PAUSED
	run bg_ctl init blue --from committed
	echo "$output"
	assert_eq "exit status" "$status" 0
	await 20 bg_one_active
	await 10 bg_works blue
}

@test "T-12: nothing lost, never both active" {
	prove 60000
}
