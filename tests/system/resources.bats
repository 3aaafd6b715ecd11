#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What runs out: room on the disk, under each file that a daemon keeps, and descriptors. Nothing is lost, it is said,
# and it goes on by itself when there is room again. (Idle connections: input.bats.)
bats_require_minimum_version 1.5.0
load helper

# Disks of their own, small enough to be filled in a moment.
disks() { echo "$(file_dir)/state/switchd" "$(file_dir)/state/green-0" "$(file_dir)/ledger"; }

setup_file() {
	local d
	for d in $(disks); do
		mkdir -p "$d"
		mount -t tmpfs -o size=16m none "$d"
	done
	BG_INSTANCES=(blue-0 green-0)
	BG_RATE=500 BG_SWITCH_INI=$'drain-timeout = 3 s\nsoak = 300 ms' file_env
}

teardown_file() {
	local d rc=0
	file_end || rc=1
	for d in $(disks); do
		[ "$d" = "$BG_DIR/ledger" ] || ! mountpoint -q "$d" || umount -l "$d"
	done
	# The ledgers are looked at when a test has failed.
	cp -r "$BG_DIR/ledger" "$BG_DIR/ledger.kept" && umount -l "$BG_DIR/ledger"
	return "$rc"
}

setup() {
	local - && set +T
	bg_env_load "$(file_dir)"
	make_room "$BG_DIR/state/switchd" "$BG_DIR/state/green-0" "$BG_DIR/ledger"
	heal
}

fill() { dd if=/dev/zero of="$1/fill" bs=4k status=none 2>/dev/null || true; }
make_room() {
	local d
	for d in "$@"; do rm -f "$d/fill"; done
}
said() { tail -n +"$2" "$BG_DIR/log/$1.log" | grep -q "$3"; } # NAME FROM-LINE PATTERN
lines() { wc -l <"$BG_DIR/log/$1.log"; }

@test "full disk under the record: the intent is refused, nobody is moved; with room it switches" {
	local from
	make_active blue
	from=$(lines switchd)
	fill "$BG_DIR/state/switchd"
	bg_post switch '{"to":"green"}' '?wait=1'
	echo "$HTTP_STATUS $HTTP_BODY"
	[ "$(jq -r .outcome <<<"$HTTP_BODY")" != "done" ]
	grep -q 'No space left' <<<"$HTTP_BODY"
	said switchd "$from" 'No space left'
	bg_color_is blue ACTIVE
	bg_works blue
	make_room "$BG_DIR/state/switchd"
	await 20 bg_one_active
	switch_done green
}

@test "a disk that fills while it switches: snapshot and history come when there is room" {
	local to e
	to=$(idle_color)
	fill "$BG_DIR/state/switchd"
	# One page: enough to replace the record, but not to write the snapshot beside it, too.
	truncate -s -4096 "$BG_DIR/state/switchd/fill"
	bg_post switch "{\"to\":\"$to\"}"
	assert_http 202
	await 20 bg_settled
	make_room "$BG_DIR/state/switchd"
	await 20 bg_one_active
	e=$(epoch)
	await 10 test -s "$BG_DIR/state/switchd/$BG_SWITCH/record.json"
	await 10 grep -q "\"epoch\":$e" "$BG_DIR/state/switchd/$BG_SWITCH/record.json"
	switch_done "$(idle_color)"
	await 10 test -s "$BG_DIR/state/switchd/$BG_SWITCH/snapshots/$(epoch).json"
}

waits_for_room() { bg_switch_of .degraded | grep -q 'green-0: .*No space left'; }

@test "full disk under an instance's state: it takes no epoch that it cannot keep, and says why" {
	make_active blue
	fill "$BG_DIR/state/green-0"
	bg_post switch '{"to":"green"}'
	assert_http 202
	await 10 waits_for_room
	# Green has given no proof, so the switch back waits for it; blue has never stopped.
	bg_color_is blue ACTIVE
	bg_works blue
	make_room "$BG_DIR/state/green-0"
	await 20 bg_one_active
	assert_eq active "$(active)" blue
	switch_done green
}

lag_grows() { [ "$(bg_lag)" -gt 500 ]; }
total() { bg_statuses "$1" | jq -s '[.[].records_total] | add'; }

@test "full disk under the ledger: no record is acknowledged, none is lost; with room it goes on" {
	local from before
	make_active blue
	from=$(lines blue-0)
	fill "$BG_DIR/ledger"
	await 20 lag_grows
	before=$(total blue)
	said blue-0 "$from" 'No space left'
	sleep 2 # nothing is to happen
	assert_eq "records acknowledged without room for their lines" "$(total blue)" "$before"
	[ $(($(lines blue-0) - from)) -lt 100 ]
	make_room "$BG_DIR/ledger"
	await 20 bg_drained
	switch_done green
}

cpu_ticks() { awk '{print $14 + $15}' "/proc/$(bg_pid "$1")/stat"; }
highest_fd() { find "/proc/$(bg_pid "$1")/fd" -type l -printf '%f\n' | sort -n | tail -n 1; }
# The limit of a running process, soft and hard, as it is in `prlimit -o SOFT,HARD`.
limit() { prlimit --pid "$(bg_pid "$1")" --nofile="$2"; }

@test "no descriptors left: no spinning, no flood in the log; answers again when there are some" {
	local d host port fd i fds ticks from was
	for d in blue-0 switchd producerd; do
		IFS=: read -r host port <<<"${BG_URL[$d]#http://}"
		was=$(prlimit --pid "$(bg_pid "$d")" --nofile --noheadings --raw -o SOFT,HARD | tr ' ' :)
		from=$(lines "$d")
		limit "$d" "$(($(highest_fd "$d") + 3)):${was#*:}"
		fds=()
		for ((i = 0; i < 40; i++)); do
			exec {fd}<>"/dev/tcp/$host/$port"
			printf 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n' >&"$fd"
			fds+=("$fd")
		done
		ticks=$(cpu_ticks "$d")
		sleep 2 # what it does meanwhile is measured
		ticks=$(($(cpu_ticks "$d") - ticks))
		echo "$d: $ticks ticks of 200, $(($(lines "$d") - from)) lines"
		[ "$ticks" -lt 60 ]
		[ $(($(lines "$d") - from)) -lt 15 ]
		limit "$d" "$was"
		for fd in "${fds[@]}"; do exec {fd}>&-; done
		await 10 bg_answers "${BG_URL[$d]}/metrics"
	done
	await 10 bg_one_active
	switch_done "$(idle_color)"
}

@test "after all that: nothing lost, nothing twice, never both active" {
	prove 0
}
