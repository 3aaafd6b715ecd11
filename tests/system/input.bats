#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Bad input of every kind: a clear error each time, and the daemon goes on.
bats_require_minimum_version 1.5.0
load helper

setup_file() {
	file_env
}

# `refused DAEMON WORD`: the INI text on standard input is refused by -t: an exit status that is no signal,
# and a message that names the file and says WORD.
refused() {
	local ini=$BATS_TEST_TMPDIR/bad.ini
	cat >"$ini"
	run timeout 20 "$BG_BIN/$1" -t -c "$ini" -i blue-0
	echo "$1: status $status: ${output:0:400}"
	[ "$status" -ne 0 ] && [ "$status" -lt 124 ] && [[ ${output:0:4000} == *bad.ini* ]] && [[ ${output:0:4000} == *$2* ]]
}
good() { sed "s#$BG_DIR/state#$BATS_TEST_TMPDIR/state#" "$BG_DIR/etc/$1.ini"; }

@test "INI: an unknown key is refused with file, line and the nearest known one" {
	refused bg-consumerd 'topics' < <(good consumerd | sed 's/^topics = /topisc = /')
	assert_match "file:line" "$output" 'bad\.ini:[0-9]+: \[consumer\] topisc'
	refused bg-switchd 'drain-timeout' < <(
		good switchd
		echo 'drain-timout = 3 s'
	)
	refused bg-producerd 'rate' < <(good producerd | sed 's/^rate = /rte = /')
}

@test "INI: a wrong type, a bare number, a value out of range" {
	refused bg-switchd 'drain-timeout' < <(
		good switchd
		echo 'drain-timeout = 10'
	)
	refused bg-switchd 'drain-timeout' < <(
		good switchd
		echo 'drain-timeout = ten s'
	)
	refused bg-switchd 'drain-timeout' < <(
		good switchd
		echo 'drain-timeout = 99 h'
	)
	refused bg-switchd 'handover' < <(good switchd | sed 's/^handover = .*/handover = lazy/')
	refused bg-producerd 'rate' < <(good producerd | sed 's/^rate = .*/rate = many/')
}

@test "INI: a missing section, an empty file, a missing file" {
	refused bg-switchd 'switch' < <(good switchd | sed '/^\[switch:/,$d')
	refused bg-consumerd '' </dev/null
	refused bg-switchd '' </dev/null
	run "$BG_BIN/bg-switchd" -t -c /nowhere/switchd.ini
	[ "$status" -ne 0 ]
	assert_match "names the file" "$output" /nowhere/switchd.ini
}

@test "INI: a binary file and a line of 10 MB" {
	local d
	for d in bg-consumerd bg-switchd bg-producerd; do
		refused "$d" '' < <(head -c 200000 /dev/urandom)
		refused "$d" '' < <(
			printf '[log]\nlevel = '
			head -c 10485760 /dev/zero | tr '\0' x
			echo
		)
	done
}

@test "INI: a property that librdkafka does not know" {
	refused bg-consumerd 'no.such.property' < <(good consumerd | sed 's/^bootstrap.servers/no.such.property = 1\n&/')
}

@test "names with odd characters" {
	local name
	for name in 'blue/0' '../blue-0' 'blue 0' 'blå-0' 'blue-0;x' '' 'purple-0'; do
		run timeout 20 "$BG_BIN/bg-consumerd" -t -c "$BG_DIR/etc/consumerd.ini" -i "$name"
		echo "$name: $status $output"
		[ "$status" -ne 0 ] && [ "$status" -lt 124 ]
	done
	for name in '%2e%2e%2fetc' 'a%00b' '%f0%9f%92%a9' 'a b'; do
		http GET "${BG_URL[switchd]}/v1/switches/${name// /%20}"
		assert_match "status for $name" "$HTTP_STATUS" '^40[04]$'
	done
	run bg_ctl -s '../x' status
	[ "$status" -ne 0 ] && [ "$status" -lt 124 ]
}

each_daemon() { echo blue-0 switchd producerd; }
all_alive() {
	local d
	for d in $(each_daemon); do bg_alive "$d" && bg_answers "${BG_URL[$d]}/metrics" || return 1; done
}

@test "HTTP: wrong method, unknown path" {
	local d
	for d in $(each_daemon); do
		http GET "${BG_URL[$d]}/no/such/path"
		assert_http 404
		jq -e '.error and .message' <<<"$HTTP_BODY"
		http DELETE "${BG_URL[$d]}/metrics" '' -D "$BATS_TEST_TMPDIR/headers"
		assert_http 405
		grep -qi '^Allow:.*GET' "$BATS_TEST_TMPDIR/headers"
	done
	http PROPFIND "${BG_URL["blue-0"]}/lifecycle/status"
	assert_match "an unknown method" "$HTTP_STATUS" '^(405|501)$'
	all_alive
}

@test "JSON: broken, deep, huge, of wrong types" {
	local url=${BG_URL["blue-0"]}/lifecycle/pause e
	e=$(bg_status_of blue-0 .epoch)
	http POST "$url" '{"epoch":'
	assert_http 400
	http POST "$url" '[1,2]'
	assert_http 400
	http POST "$url" '{"epoch":"seven"}'
	assert_http 400
	assert_match "names the member" "$HTTP_BODY" epoch
	http POST "$url" '{"epoch":-1}'
	assert_http 400
	http POST "$url" '{"epoch":99999999999999999999999}'
	assert_http 400
	http POST "$url" '{"epoch":7,"deadline_ms":"1 s"}'
	assert_http 400
	head -c 100000 /dev/zero | tr '\0' '[' >"$BATS_TEST_TMPDIR/deep"
	http POST "$url" "" -H 'Content-Type: application/json' --data-binary "@$BATS_TEST_TMPDIR/deep"
	assert_http 400
	head -c 3000000 /dev/zero | tr '\0' ' ' >"$BATS_TEST_TMPDIR/huge"
	http POST "$url" "" -H 'Content-Type: application/json' --data-binary "@$BATS_TEST_TMPDIR/huge"
	assert_eq "too large" "$HTTP_STATUS" 413
	http POST "${BG_URL[switchd]}/v1/switches/$BG_SWITCH/switch" '{"to":"purple"}'
	assert_http 400
	http POST "${BG_URL[switchd]}/v1/switches/$BG_SWITCH/switch" '{"to":7}'
	assert_http 400
	http POST "${BG_URL[switchd]}/v1/switches/$BG_SWITCH/switch" '{}'
	assert_http 400
	assert_match "names the member" "$HTTP_BODY" to
	http PUT "${BG_URL[producerd]}/rate" '{"rate":"fast"}'
	assert_match "a rate that is none" "$HTTP_STATUS" '^4'
	assert_eq "epoch" "$(bg_status_of blue-0 .epoch)" "$e"
	bg_one_active
	all_alive
}

@test "HTTP: what a web page in a browser could send is refused" {
	local url=${BG_URL[switchd]}/v1/switches/$BG_SWITCH/switch e
	e=$(epoch)
	http POST "$url" '' -H 'Content-Type: text/plain' -d "{\"to\":\"$(idle_color)\"}"
	assert_match "status" "$HTTP_STATUS" '^(403|415)$'
	http POST "$url" "{\"to\":\"$(idle_color)\"}" -H 'Host: evil.example'
	assert_http 403
	assert_eq epoch "$(epoch)" "$e"
}

host_port() { echo "${BG_URL[$1]#http://}" | tr ':' ' '; }
# `raw DAEMON TEXT`: bytes on a connection, and the first line of what comes back within 5 s.
raw() {
	local host port fd line=
	read -r host port < <(host_port "$1")
	exec {fd}<>"/dev/tcp/$host/$port"
	printf '%b' "$2" >&"$fd" || true
	IFS= read -r -t 5 line <&"$fd" || true
	exec {fd}>&-
	echo "$line"
}

@test "HTTP: no length, a length that lies, bytes that are no HTTP" {
	local d
	for d in $(each_daemon); do
		raw "$d" 'POST /lifecycle/pause HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\r\n'
		raw "$d" 'POST /lifecycle/pause HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n{}'
		raw "$d" 'POST /lifecycle/pause HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n{}'
		raw "$d" 'GET  HTTP/9.9\r\n\r\n'
		raw "$d" '\000\001\002\377\376\r\n\r\n'
		raw "$d" "GET /$(head -c 20000 /dev/zero | tr '\0' a) HTTP/1.1\r\nHost: localhost\r\n\r\n"
	done
	all_alive
	bg_one_active
}

# One byte a second, until the daemon closes the connection; seconds it took.
drip() {
	local host port fd i rc text='POST /lifecycle/pause HTTP/1.1 Host: localhost'
	read -r host port < <(host_port "$1")
	exec {fd}<>"/dev/tcp/$host/$port"
	for ((i = 0; i < 40; i++)); do
		printf '%s' "${text:$i:1}" >&"$fd" || break
		rc=0
		IFS= read -r -t 1 _ <&"$fd" || rc=$?
		[ "$rc" -gt 128 ] || break # over 128: the second passed; else an answer, or the connection's end
	done
	exec {fd}>&-
	echo "$i"
}

@test "HTTP: one byte a second does not hold a connection for ever" {
	local d
	trap '' PIPE
	for d in $(each_daemon); do
		drip "$d" >"$BATS_TEST_TMPDIR/drip-$d" 3>&- &
	done
	switch_done "$(idle_color)" # nobody else notices
	wait
	for d in $(each_daemon); do
		echo "$d: $(cat "$BATS_TEST_TMPDIR/drip-$d") s"
		[ "$(cat "$BATS_TEST_TMPDIR/drip-$d")" -ge 2 ] && [ "$(cat "$BATS_TEST_TMPDIR/drip-$d")" -le 25 ]
	done
	all_alive
}

@test "HTTP: 1,000 idle connections, and a switch beside them" {
	local host port fd i fds=()
	ulimit -n 4096
	for d in blue-0 switchd; do
		read -r host port < <(host_port "$d")
		for ((i = 0; i < 1000; i++)); do
			exec {fd}<>"/dev/tcp/$host/$port"
			fds+=("$fd")
		done
	done
	switch_done "$(idle_color)"
	for fd in "${fds[@]}"; do exec {fd}>&-; done
	await 15 bg_one_active
	all_alive
}

@test "faults are refused where they are not enabled" {
	local port
	sed 's/^enabled = yes/enabled = no/; s#^url = .*#url = http://127.0.0.1:9#' "$BG_DIR/etc/consumerd.ini" >"$BATS_TEST_TMPDIR/c.ini"
	bg_stop green-0
	bg_spawn green-0 "$BG_BIN/bg-consumerd" -c "$BATS_TEST_TMPDIR/c.ini" -i green-0
	await 10 bg_status green-0
	http PUT "${BG_URL["green-0"]}/fault/hang" '{"hang":true}'
	assert_http 403 faults_disabled
	bg_stop green-0
}

@test "shadow is not supported, and says so" {
	http POST "${BG_URL["$(idle_color)-0"]}/lifecycle/shadow" '{"epoch":99}'
	assert_http 501 not_supported
}

@test "after all that: nothing lost, nothing twice, never both active" {
	prove 0
}
