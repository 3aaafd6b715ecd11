#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bgctl as its user has it: tail, status --watch, doctor, snapshots, restore, completion. A Kafka of its own, for it
# is taken away in between.
bats_require_minimum_version 1.5.0
load helper

setup_file() {
	kafka_start "$(file_dir)/kafka"
	BG_BOOTSTRAP=$(cat "$(file_dir)/kafka/bootstrap")
	BG_KAFKA=$'reconnect.backoff.max.ms = 500' BG_RATE=500 BG_SWITCH_INI='reconcile-interval = 1 s' file_env
}

# `follow NAME COMMAND…`: bgctl in the background; what it prints is in $BG_DIR/log/NAME.log.
follow() {
	local name=$1
	shift
	rm -f "$BG_DIR/log/$name.log"
	bg_spawn "$name" "$BG_BIN/bgctl" -s "$BG_SWITCH" "$@"
}
# `told NAME`: it follows by now: a hold and its release have been printed. They are made until they are.
told() {
	printed "$1" released || {
		bg_post hold
		bg_post release
		return 1
	}
}
# `printed_more NAME WHAT N`: on more than N lines.
printed_more() { [ "$(grep -c -- "$2" "$BG_DIR/log/$1.log")" -gt "$3" ]; }
printed() { grep -q -- "$2" "$BG_DIR/log/$1.log"; }

doctor() { run --separate-stderr bg_ctl doctor --config-dir "$BG_DIR/etc" "$@"; }
# `finds CHECK WHAT DO`: the last `doctor --json` has a bad one of this check, which says so, and what to do.
finds() {
	jq -e --arg c "$1" --arg w "$2" --arg d "$3" \
		'.findings | any(.check == $c and .verdict == "bad" and (.what | contains($w)) and ((.do // "") | contains($d)) and .means != null)' \
		<<<"$output" >/dev/null || {
		jq -c '.findings[] | select(.verdict == "bad")' <<<"$output"
		return 1
	}
}
doctor_finds() {
	doctor --json
	[ "$status" = 1 ] && finds "$@"
}

@test "tail sees a switch's phases in order, and a restart of bg-switchd loses none" {
	local to phases
	follow tail tail --json --since 0
	await 10 printed tail '"event":"phase"'
	to=$(idle_color)
	switch_done "$to"
	await 10 printed tail '"phase":"SOAKING"'
	bg_stop switchd
	await 10 printed tail '"reason":"shutting_down"'
	bg_start_switchd
	await 10 bg_one_active
	await 10 printed tail 'connected again'
	switch_done "$(other_of "$to")"
	await 10 bg_one_active
	bg_signal INT tail
	await 5 bg_gone tail
	grep '^{' "$BG_DIR/log/tail.log" >"$BATS_TEST_TMPDIR/events"
	for to in "$to" "$(other_of "$to")"; do
		phases=$(jq -r --arg t "$to" 'select(.event == "phase" and .to == $t and .kind == "switch") | .phase' "$BATS_TEST_TMPDIR/events" | uniq | paste -sd ' ')
		assert_match "phases to $to" "$phases" 'PREFLIGHT INTENT PREPARING PAUSING TRANSFER RESUMING VERIFYING SOAKING'
		jq -se --arg t "$to" 'any(.event == "end" and .to == $t and .outcome == "done" and .gap_us > 0)' "$BATS_TEST_TMPDIR/events"
	done
	# Ids grow, over the restart too, and instances are told.
	jq -se '[.[] | .event_id // empty] | . == sort and . == unique and length > 20' "$BATS_TEST_TMPDIR/events"
	jq -se 'any(.event == "instance" and .state == "ACTIVE" and .old == "PAUSED")' "$BATS_TEST_TMPDIR/events"
}

@test "tail ends by SIGINT with status 0, and its lines are for people" {
	follow lines tail
	await 10 told lines
	bg_post hold
	bg_post release
	await 10 printed_more lines released 1
	bg_signal INT lines
	await 5 bg_gone lines
	grep -E "^[0-9-]{5} [0-9:.]{12}  $BG_SWITCH  held: nothing moves" "$BG_DIR/log/lines.log"
	run timeout --preserve-status -s INT 1 "$BG_BIN/bgctl" tail
	assert_eq "exit status" "$status" 0
	run "$BG_BIN/bgctl" --socket "$BG_DIR/run/none.sock" tail
	assert_eq "exit status" "$status" 4
}

@test "a reload leaves streams alone, but a new token ends them, and says so" {
	local n
	follow reload tail
	await 10 told reload
	n=$(grep -c released "$BG_DIR/log/reload.log")
	bg_signal HUP switchd
	bg_post hold
	bg_post release
	await 10 printed_more reload released "$n"
	run ! printed reload 'lost'
	(umask 077 && echo a-token-of-this-test-long-enough >"$BG_DIR/etc/token")
	sed -i "s#^\[http\]#&\ntoken-file = $BG_DIR/etc/token#" "$BG_DIR/etc/switchd.ini"
	bg_signal HUP switchd
	await 10 printed reload 'closed: the token was changed by a reload'
	await 10 printed reload 'connected again' # by the Unix socket, which asks for none
	sed -i '/^token-file = /d' "$BG_DIR/etc/switchd.ini"
	bg_signal HUP switchd
	bg_signal INT reload
	await 5 bg_gone reload
	reads() { bg_post release && [ "$HTTP_STATUS" = 200 ]; }
	await 5 reads
}

@test "the events are server-sent events to anybody" {
	run curl -sSN --max-time 1 -D "$BATS_TEST_TMPDIR/head" "${BG_URL[switchd]}/v1/events?since=0&switch=$BG_SWITCH"
	grep -qi '^content-type: text/event-stream' "$BATS_TEST_TMPDIR/head"
	assert_match "an event" "$output" 'id: [0-9]+'
	http GET "${BG_URL[switchd]}/v1/events?switch=none"
	assert_http 404 unknown_switch
}

@test "status --watch prints changes where there is no terminal" {
	local to
	to=$(idle_color)
	follow watch status --watch --interval 200ms
	await 10 printed watch "active $(active)"
	switch_done "$to"
	await 10 printed watch "active $to"
	bg_signal INT watch
	await 5 bg_gone watch
	printed watch "$to 2 ACTIVE"
	[ "$(wc -l <"$BG_DIR/log/watch.log")" -le 30 ]
}

@test "status --watch on a terminal: drawn, with records/s, and the terminal given back" {
	local typescript=$BATS_TEST_TMPDIR/typescript
	NO_COLOR=1 TERM=xterm timeout 20 script -qec "stty cols 80 rows 30; timeout --foreground --preserve-status -s INT 4 $BG_BIN/bgctl -s $BG_SWITCH status --watch; echo status \$?; stty -a" "$typescript" </dev/null >/dev/null
	grep -q $'\e\[?1049h' "$typescript"
	grep -q $'\e\[?25h\e\[?1049l' "$typescript"
	grep -q 'records/s' "$typescript"
	grep -q 'status 0' "$typescript"
	grep -qE '(^|[ ;])icanon' "$typescript"
	grep -qE ' echo( |$)' "$typescript"
	# A rate of about what is produced: some hundreds a second on two instances.
	grep -aoE "$(active)-[01] .*ACTIVE.*" "$typescript" | awk '$8 ~ /^[0-9]+$/ && $8 > 50 && $8 < 2000 {ok = 1} END {exit !ok}'
}

@test "doctor: a healthy world is OK" {
	bg_healthy() { doctor && [ "$status" = 0 ]; }
	await 15 bg_healthy
	doctor
	echo "$output"
	assert_eq "exit status" "$status" 0
	assert_match "the end" "$output" 'OK: nothing to mend'
	# A long path is broken within its column: here it is read as one.
	assert_match files "$(tr -d ' \n' <<<"$output")" 'switchd.inipasses'
	assert_match brokers "$output" '1 broker answers'
	[ "$(awk 'length > 80' <<<"$output")" = "" ]
}

@test "doctor: an instance that was killed is named, with the command that starts it" {
	local who # not `i`: bats' run changes that
	who=$(idle_color)-1
	bg_kill "$who"
	await 10 doctor_finds reachable "$who" "systemctl restart bg-consumerd@$who"
	doctor --json
	finds daemons "$who.sock: nobody listens" "systemctl restart bg-consumerd@$who"
}

@test "doctor: an instance that was fenced is named" {
	local who
	who=$(active)-0
	bg_spawn outsider "$BG_BIN/tests/lib/bg-outsider" -b "$BG_BOOTSTRAP" -g "$BG_SWITCH-$(active)" \
		-i "$BG_SWITCH-$who" -t "$BG_TOPIC"
	await 15 doctor_finds states "$who is FENCED" 'find who has it'
	bg_stop outsider
	bg_kill "$who"
}

@test "doctor: the broker is down" {
	kafka_kill "$BG_DIR/kafka"
	await 20 doctor_finds brokers 'the brokers' 'bootstrap.servers'
	kafka_restart "$BG_DIR/kafka"
	await 60 bg_one_active
	await 30 bg_works "$(active)"
}

@test "doctor: bg-switchd is down: status 4, and the host is looked at all the same" {
	bg_kill switchd
	doctor --json
	assert_eq "exit status" "$status" 4
	finds daemons 'switchd.sock: nobody listens' 'systemctl restart bg-switchd'
	finds interface 'cannot reach bg-switchd' 'systemctl start bg-switchd'
	jq -e '.findings | any(.check == "files" and .verdict == "ok")' <<<"$output"
	doctor --json --socket "${BG_URL[switchd]}"
	assert_eq "exit status" "$status" 4
	# An INI file that does not pass.
	cp "$BG_DIR/etc/switchd.ini" "$BATS_TEST_TMPDIR"
	echo 'soak = 60' >>"$BG_DIR/etc/switchd.ini"
	doctor --json
	cp "$BATS_TEST_TMPDIR/switchd.ini" "$BG_DIR/etc"
	finds files 'soak' 'bg-switchd -t -c'
}

# `completes WORDS…`: COMPREPLY for the last word, in one line.
completes() {
	bash -c 'PATH=$1:$PATH; . "$2"; shift 2; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _bgctl; echo "${COMPREPLY[*]}"' \
		_ "$BG_BIN" "$BG_SRC/tools/bash-completion/completions/bgctl" "$@"
}

@test "bash completion: commands, options, colours, and what only the daemon knows" {
	local e took
	await 20 bg_one_active
	assert_match commands "$(completes bgctl '')" 'init .*status .*switch .*tail .*doctor'
	assert_eq commands "$(completes bgctl sw)" switch
	assert_eq "the commands' own options" "$(completes bgctl history --l)" --limit
	assert_eq "not those of others" "$(completes bgctl history --wa)" ""
	assert_eq colours "$(completes bgctl switch '')" "blue green"
	assert_eq from "$(completes bgctl init blue --from '')" "group: earliest latest committed"
	assert_eq "from, with =" "$(completes bgctl init blue --from = e)" earliest
	assert_eq switches "$(completes bgctl -s '')" "$BG_SWITCH"
	assert_eq "switches of another daemon" "$(completes bgctl --socket "${BG_URL[switchd]}" -s '')" "$BG_SWITCH"
	e=$(bg_ctl snapshots --json | jq -r '.snapshots[0].epoch')
	assert_match epochs "$(completes bgctl restore '')" "(^| )$e( |\$)"
	# A daemon that does not answer is not waited for.
	bg_signal STOP switchd
	took=$(now_ms)
	assert_eq "names of a daemon that hangs" "$(completes bgctl -s '')" ""
	took=$(($(now_ms) - took))
	bg_signal CONT switchd
	[ "$took" -lt 3000 ]
	# As a shell has it: by `complete`.
	assert_eq "the function" "$(bash -c '. "$1"; complete -p bgctl' _ "$BG_SRC/tools/bash-completion/completions/bgctl")" "complete -F _bgctl bgctl"
}

@test "snapshots are listed, with time and colour" {
	local e
	switch_done "$(idle_color)"
	await 10 bg_one_active
	run --separate-stderr bg_ctl snapshots
	echo "$output"
	assert_eq "exit status" "$status" 0
	e=$(epoch)
	grep -E "^ *$e  [0-9-]{5} [0-9:]{8}  $(active) +8" <<<"$output"
	run bg_ctl snapshots "$e"
	assert_match "its offsets" "$output" "$BG_TOPIC +0 +[0-9]+"
	run bg_ctl snapshots 999999
	assert_eq "exit status" "$status" 2
}

@test "after all that: nothing lost, nothing twice but what was in flight, never both active" {
	prove 20000
}

# Last, for it gives records again on purpose.
@test "restore: the other colour begins at the snapshot, exactly" {
	local e from to n before after
	[ -e "$BG_DIR/quiet" ] && http POST "${BG_URL[producerd]}/start" '{}'
	rm -f "$BG_DIR/quiet"
	switch_done "$(idle_color)"
	e=$(epoch)
	await 10 bg_works "$(active)"
	bg_quiet
	from=$(active)
	to=$(idle_color)
	run --separate-stderr bg_ctl restore "$e"
	assert_eq "without --yes" "$status" 2
	run --separate-stderr bg_ctl restore "$e" --dry-run
	echo "$output"
	assert_eq "dry run" "$status" 0
	n=$(grep -oE 'about [0-9]+ records' <<<"$output" | grep -oE '[0-9]+')
	[ "$n" -gt 0 ]
	before=$(bg_statuses "$to" | jq -s '[.[].records_total] | add')
	run --separate-stderr bg_ctl restore "$e" --yes --wait --reason "the handler was wrong"
	echo "$output"
	assert_eq "exit status" "$status" 0
	assert_eq active "$(active)" "$to"
	given() { [ "$(bg_statuses "$to" | jq -s '[.[].records_total] | add')" -ge $((before + n)) ]; }
	await 20 given
	await 20 bg_drained
	after=$(bg_statuses "$to" | jq -s '[.[].records_total] | add')
	assert_eq "records given again" $((after - before)) "$n"
	assert_eq restored "$(bg_last .restored)" "$e"
	# And back: the place is taken along, nothing is given once more.
	before=$(bg_statuses "$from" | jq -s '[.[].records_total] | add')
	switch_done "$from"
	await 10 bg_drained
	assert_eq "given after the switch back" "$(bg_statuses "$from" | jq -s '[.[].records_total] | add')" "$before"
}
