#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# SIGHUP, SIGTERM, SIGUSR1, and metrics.
bats_require_minimum_version 1.5.0
load helper

setup_file() {
	BG_CONSUMER_INI='drain-timeout = 2 s' file_env
}

log_has() { tail -n "+$2" "$BG_DIR/log/$1.log" | grep -qiE "$3"; }
log_lines() { wc -l <"$BG_DIR/log/$1.log"; }

@test "SIGHUP takes what may change, without touching the state of the switch" {
	local n e
	n=$(log_lines switchd)
	e=$(epoch)
	sed -i '/^drain-timeout/d' "$BG_DIR/etc/switchd.ini"
	sed -i 's/^strategy = D/&\ndrain-timeout = 7 s/' "$BG_DIR/etc/switchd.ini"
	bg_signal HUP switchd
	await 5 log_has switchd "$n" 'drain-timeout'
	assert_eq epoch "$(epoch)" "$e"
	bg_one_active
}

@test "SIGHUP: a key that needs a restart is named" {
	local n
	n=$(log_lines switchd)
	sed -i 's/^blue-group = .*/blue-group = another/' "$BG_DIR/etc/switchd.ini"
	bg_signal HUP switchd
	await 5 log_has switchd "$n" 'restart.*blue-group|blue-group.*restart'
	sed -i "s/^blue-group = .*/blue-group = $BG_SWITCH-blue/" "$BG_DIR/etc/switchd.ini"
	bg_signal HUP switchd
	switch_done "$(idle_color)"
}

@test "SIGHUP: a file that is wrong is refused whole, and the daemon goes on" {
	local name n
	for name in switchd blue-0 producerd; do
		local ini=$BG_DIR/etc/consumerd.ini
		case $name in switchd | producerd) ini=$BG_DIR/etc/$name.ini ;; esac
		cp "$ini" "$ini.good"
		printf '\n[log]\nlevle = debug\n' >>"$ini"
		n=$(log_lines "$name")
		bg_signal HUP "$name"
		await 5 log_has "$name" "$n" 'levle'
		mv "$ini.good" "$ini"
		bg_alive "$name"
	done
	bg_one_active
}

@test "SIGTERM: a consumer drains, commits and leaves with status 0; another one takes its place" {
	local a
	a=$(active)-0
	bg_stop "$a"
	bg_start_consumer "$a"
	await 20 bg_is "$a" ACTIVE
	bg_stop "$a"
}

@test "SIGTERM: bg-switchd and bg-producerd end with status 0" {
	bg_stop switchd producerd
	bg_start_switchd
	await 10 bg_one_active
	bg_stop switchd
	bg_start_producer
	await 10 bg_answers "${BG_URL[producerd]}/readyz"
	bg_stop producerd
}

# A daemon that dies at its stop, and one that dies in between and is started again, fail the file: bg_stop sees it.
@test "a daemon that ends otherwise than with status 0 is seen, and its log is shown" {
	local BG_DIR=$BATS_TEST_TMPDIR
	bg_spawn bad bash -c 'trap "echo out of order; kill -SEGV \$\$" TERM; echo ready; while :; do sleep 0.05; done'
	await 5 grep -q ready "$BG_DIR/log/bad.log"
	run bg_stop bad
	assert_eq "exit status" "$status" 1
	assert_match message "$output" '^bad \(bash, process [0-9]+\) ended by signal 11 \(SIGSEGV\); the last lines of [^ ]*/log/bad.log:.*out of order'
	bg_spawn bad sleep 60
	bg_kill bad
	bg_stop bad
	bg_spawn bad sleep 60
	bg_stop bad
	run bg_stop_all
	assert_eq "exit status" "$status" 1
	assert_match message "$output" 'SIGSEGV'
	rm "$BG_DIR"/run/{ends,bad.pid}
	bg_stop_all
	echo '==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x1' >>"$BG_DIR/log/bad.log"
	run bg_stop_all
	assert_eq "exit status" "$status" 1
	assert_match message "$output" 'heap-use-after-free'
}

@test "SIGTERM with a handler that hangs: it leaves within the stop time-out" {
	local a
	a=$(active)-1
	bg_fault "$a" hang '{"hang":true}'
	bg_signal TERM "$a"
	await 10 bg_gone "$a" # drain-timeout (2 s), and at the most 5 s to leave the group
}

@test "SIGUSR1 writes the status to the log" {
	local name n
	for name in "${BG_INSTANCES[@]}" switchd producerd; do
		n=$(log_lines "$name")
		bg_signal USR1 "$name"
		await 5 log_has "$name" "$((n + 1))" 'status'
	done
}

@test "metrics of every daemon are valid to promtool" {
	local name out
	for name in "${BG_INSTANCES[@]}" switchd producerd; do
		http GET "${BG_URL[$name]}/metrics"
		assert_http 200
		out=$(promtool check metrics <<<"$HTTP_BODY" 2>&1 | grep -v kafka_consumer_lag_sum) || true
		assert_eq "promtool on $name" "$out" ""
	done
}

@test "health: a paused instance is healthy and ready" {
	local i path
	i=$(idle_color)-0
	for path in /health /actuator/health/liveness /actuator/health/readiness; do
		http GET "${BG_URL[$i]}$path"
		assert_http 200
	done
}

@test "T-12: nothing lost, nothing twice, never both active" {
	prove 0
}
