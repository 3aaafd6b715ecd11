#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A host misconfigured with a static id that is in use. Whoever joins last has it; ours does not fight for it:
# FENCED, cause identity_in_use, the switch is DEGRADED and names both; when the usurper is gone, it is active
# again by itself, at a new epoch.
bats_require_minimum_version 1.5.0
load helper

setup_file() {
	BG_STRATEGY=C BG_RATE=500 BG_KAFKA=$'session.timeout.ms = 6000\nheartbeat.interval.ms = 500' \
		BG_SWITCH_INI=$'drain-timeout = 2 s\nsoak = 300 ms\nreconcile-interval = 1 s' file_env
}

teardown() {
	bg_gone usurper || bg_kill usurper
	[ "${BATS_TEST_COMPLETED:-}" = 1 ] || bg_report
}

usurp_by_outsider() {
	bg_spawn usurper "$BG_BIN/tests/lib/bg-outsider" -b "$BG_BOOTSTRAP" -g "$BG_SWITCH" -t "$BG_TOPIC" \
		-i "$BG_SWITCH-0" -X session.timeout.ms=2000 -X heartbeat.interval.ms=500 "$@"
}
fenced_by_identity() { bg_status "$1" && jq -e '.state == "FENCED" and .cause == "identity_in_use"' <<<"$HTTP_BODY"; }
degraded() { bg_switch_is .health DEGRADED; }
# `names INSTANCE PATTERN`: ours, and whom the broker or a hello names in its place.
names() {
	local said
	said=$(bg_switch_of ".identity_in_use[] | select(.instance == \"$1\") | .usurper | tostring")
	echo "the usurper of $1: $said"
	[[ $said =~ $2 ]]
}

# In words, both hosts.
said_degraded() { bg_switch_of .degraded | grep blue-0 | grep -q "127\.0\.0\.1"; }

# `no_ping_pong SECONDS`: the usurper being there, nobody of ours joins again and again.
no_ping_pong() {
	local joins fenced
	joins=$(group_joins "$BG_SWITCH-0")
	fenced=$(cat "$BG_DIR"/ledger/*.jsonl | grep -c '"to":"FENCED"')
	sleep "$1" # what does not happen cannot be awaited
	joins=$(($(group_joins "$BG_SWITCH-0") - joins))
	fenced=$(($(cat "$BG_DIR"/ledger/*.jsonl | grep -c '"to":"FENCED"') - fenced))
	echo "# in $1 s: joins $joins, FENCED $fenced" >&3
	[ "$joins" -le 1 ] && [ "$fenced" -le 1 ]
}

@test "an outsider with the id of an active instance: FENCED, DEGRADED, no ping-pong, and back by itself" {
	local e
	make_active blue
	e=$(epoch)
	usurp_by_outsider
	await 10 fenced_by_identity blue-0
	await 10 degraded
	# (The broker keeps the client id and host of the first member that had the static id.)
	await 10 names blue-0 '127\.0\.0\.1'
	await 10 said_degraded
	bg_is blue-1 ACTIVE
	await 10 bg_works blue
	no_ping_pong 10
	bg_is blue-1 ACTIVE
	bg_stop usurper
	await 30 bg_one_active
	assert_eq active "$(active)" blue
	[ "$(epoch)" -gt "$e" ]
	run degraded
	assert_eq "DEGRADED still" "$status" 1
	await 10 bg_works blue
	await 20 bg_drained
}

@test "an outsider that joins anew as often as it is fenced" {
	make_active blue
	usurp_by_outsider --again
	await 10 fenced_by_identity blue-0
	no_ping_pong 5
	bg_stop usurper
	await 30 bg_one_active
	await 20 bg_drained
}

@test "while the identity is in use, a resume at the same epoch is stale" {
	local e
	make_active blue
	usurp_by_outsider
	await 10 fenced_by_identity blue-0
	e=$(epoch_of blue-0)
	order blue-0 resume "\"epoch\":$e"
	assert_http 409 stale_epoch
	bg_stop usurper
	await 30 bg_one_active
}

@test "nothing lost, never both active; repeats are what was in flight at the thefts" {
	# What blue-0 did since its last commit (1 s) until its next heartbeat, three times. It has just begun again: the
	# switch is what shows that it holds its partitions, for a lag says nothing of those it does not hold yet.
	switch_done "$(idle_color)"
	prove 3000
}

# A second bg-consumerd that believes to be blue-0: another host, with a state, an address and a ledger of its own.
second_host() {
	bg_give_url usurper
	sed -e "s|^socket = .*|socket = $BG_DIR/run/usurper.sock|; s|^state-dir = .*|state-dir = $BG_DIR/state/usurper|" \
		-e "s|^path = .*/ledger/.*|path = $BG_DIR/ledger/usurper.jsonl|" \
		-e "s|^http.listen = ${BG_URL["blue-0"]#http://}\$|http.listen = ${BG_URL[usurper]#http://}|" \
		"$BG_DIR/etc/consumerd.ini" >"$BG_DIR/etc/usurper.ini"
	bg_spawn usurper "$BG_BIN/bg-consumerd" -c "$BG_DIR/etc/usurper.ini" -i blue-0
	await 10 bg_ready usurper
}

@test "a second host with the same id starts paused and takes nothing from anybody" {
	local joins
	make_active blue
	joins=$(group_joins "$BG_SWITCH-0")
	second_host
	await 10 bg_is usurper PAUSED
	await 10 bg_works blue
	bg_stop usurper
	bg_color_is blue ACTIVE
	assert_eq joins "$(group_joins "$BG_SWITCH-0")" "$joins"
}

@test "a second host with the same id that somebody made active: no ping-pong, and back when it is gone" {
	local e
	make_active blue
	second_host
	e=$(epoch)
	order usurper resume "\"epoch\":$((e + 1)),\"incarnation\":\"$(bg_status_of usurper .incarnation)\""
	assert_http 200
	await 10 fenced_by_identity blue-0
	await 10 degraded
	await 10 names blue-0 '127\.0\.0\.1'
	await 10 said_degraded
	# The stranger's own address, from the hello that was refused.
	assert_eq endpoint "$(bg_switch_of '.identity_in_use[0].usurper.endpoint')" "${BG_URL[usurper]}"
	no_ping_pong 5
	bg_stop usurper
	await 40 bg_one_active
	[ "$(epoch)" -gt $((e + 1)) ]
	await 10 bg_works "$(active)"
	switch_done "$(idle_color)"
}

@test "T-12: nothing lost, never both active; two hosts of one id repeat each other until the heartbeat" {
	bg_quiet
	verdict "$BG_DIR" || true
	jq -c '{lost, duplicated, in_flight, dual_active_ms}' <<<"$VERDICT"
	jq -e '.lost == 0 and .dual_active_ms == 0 and .commits_ahead == 0 and .duplicated < 2000' <<<"$VERDICT"
}
