#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# K-13: the paused colour's group follows the other one's commits, and nobody starts by a mirrored commit.
bats_require_minimum_version 1.5.0
load helper

setup_file() {
	BG_CONSUMER_INI=$'mirror-interval = 300 ms\ncommit-interval = 200 ms' BG_KAFKA='session.timeout.ms = 6000' \
		BG_SWITCH_INI='soak = 300 ms' file_env
}

# What an outsider sees in Kafka: "PARTITION OFFSET METADATA" a line.
commits_in() { kafka_admin "$BG_BOOTSTRAP" offsets "$BG_SWITCH-$1" "$BG_SWITCH"; }
sum_of() { commits_in "$1" | awk '{s += $2} END {print s}'; }
# `mirrors COLOR EPOCH OTHER`: every commit of COLOR's group is OTHER's, of EPOCH, and says so.
mirrors() { [ "$(commits_in "$1" | grep -cE " bg1;e=$2;c=$3;f=[0-9]+;m=1$")" -eq 8 ]; }
# `owns COLOR EPOCH`: none of them is a mirrored one.
owns() { [ "$(commits_in "$1" | grep -cE " bg1;e=$2;c=$1;f=[0-9]+$")" -eq 8 ]; }
passed_by() { [ "$(sum_of "$1")" -ge "$2" ]; }

@test "while blue works, green's group follows, with blue's epoch and m=1" {
	local i sum
	make_active blue
	await 5 mirrors green "$(epoch)" blue
	for i in 1 2 3; do
		sum=$(sum_of blue)
		await 3 passed_by green "$sum"
	done
	owns blue "$(epoch)"
}

@test "lag monitors see how far the work has come" {
	local behind
	make_active blue
	await 5 mirrors green "$(epoch)" blue
	behind=$(($(kafka_admin "$BG_BOOTSTRAP" ends "$BG_SWITCH" | awk '{s += $3} END {print s}') - $(sum_of green)))
	echo "green's group is $behind behind the ends"
	[ "$behind" -lt 10000 ] # five seconds of the producer's
	await 10 bg_statuses_lag green 10000
	bg_statuses green | jq -se 'all(.mirrored_commits_total > 0 and .last_mirror != null)'
	bg_statuses blue | jq -se 'all(.assignment | all(.mirrored == null))'
	http GET "${BG_URL["green-0"]}/metrics"
	grep -E '^bg_consumer_mirrored_commits_total\{.*\} [1-9]' <<<"$HTTP_BODY"
	grep -E '^bg_consumer_last_mirror_timestamp_seconds\{.*\} [1-9]' <<<"$HTTP_BODY"
}
bg_statuses_lag() { bg_statuses "$1" | jq -se --argjson n "$2" '[.[].assignment[].lag] | add < $n' >/dev/null; }

@test "to and fro: nothing rewinds, the start is a commit of its own, and the other group follows" {
	local i to
	for ((i = 0; i < 8; i++)); do
		to=$(idle_color)
		switch_done "$to"
		await 5 owns "$to" "$(epoch)"
		await 5 mirrors "$(other_of "$to")" "$(epoch)" "$to"
	done
}

@test "a pause at a later epoch proves itself without bringing old offsets back" {
	local a i e n sum
	a=$(active)
	i=$(other_of "$a")
	e=$(epoch)
	await 5 mirrors "$i" "$e" "$a"
	bg_stop switchd
	for n in 0 1; do
		http POST "${BG_URL["$i-$n"]}/lifecycle/pause" "{\"epoch\":$((e + 1))}"
		assert_http 200
	done
	sum=$(sum_of "$i")
	commits_in "$i"
	mirrors "$i" "$e" "$a"
	# Who was active before tells the broker of the new epoch, all the same.
	[ "$(commits_in "$i" | grep -c "f=$((e + 1));m=1$")" -eq 8 ] || await 5 floor_is "$i" "$((e + 1))"
	await 5 passed_by "$i" "$((sum + 1))"
}
floor_is() { [ "$(commits_in "$1" | grep -c "f=$2;m=1$")" -eq 8 ]; }

@test "a state file is lost: no mirrored commit lets the paused colour start, at its own epoch neither" {
	local a i e n inc zero
	a=$(active)
	i=$(other_of "$a")
	e=$(epoch)
	await 5 mirrors "$i" "$e" "$a"
	bg_stop switchd
	bg_kill "$i-0" "$i-1"
	rm -f "$BG_DIR/state/$i-0"/* "$BG_DIR/state/$i-1"/*
	bg_start_consumer "$i-0"
	bg_start_consumer "$i-1"
	await 20 bg_assigned "$i" 8
	await 20 bg_color_is "$i" PAUSED
	assert_eq "its epoch, by the commits" "$(bg_status_of "$i-0" .epoch)" "$e"
	inc=$(bg_status_of "$i-0" .incarnation)
	http POST "${BG_URL["$i-0"]}/lifecycle/resume" "{\"epoch\":$e,\"incarnation\":\"$inc\"}"
	assert_http 409 offsets_required
	http POST "${BG_URL["$i-0"]}/lifecycle/resume" "{\"epoch\":$((e + 1)),\"incarnation\":\"$inc\"}"
	assert_http 409 offsets_required
	bg_is "$i-0" PAUSED
	# Handed offsets of long ago, it starts where the mirrored ones are: nothing is done again.
	for n in 0 1; do
		http POST "${BG_URL["$a-$n"]}/lifecycle/pause" "{\"epoch\":$((e + 1))}"
		assert_http 200
	done
	await 5 passed_by "$i" "$(sum_of "$a")"
	zero=$(jq -nc --arg t "$BG_SWITCH" '{($t): [range(8) | [., 0, 1]]}')
	for n in 0 1; do
		inc=$(bg_status_of "$i-$n" .incarnation)
		http POST "${BG_URL["$i-$n"]}/lifecycle/resume" "{\"epoch\":$((e + 1)),\"incarnation\":\"$inc\",\"offsets\":$zero}"
		assert_http 200
	done
	await 10 bg_works "$i"
}

@test "T-12: nothing lost, nothing twice, never both active" {
	prove 0
}

@test "retention that passes the paused colour does not strand it" {
	local p o
	make_active blue
	await 5 mirrors green "$(epoch)" blue
	bg_kill green-0 green-1
	rm -f "$BG_DIR/state/green-0"/* "$BG_DIR/state/green-1"/*
	bg_start_consumer green-0
	bg_start_consumer green-1
	await 20 bg_assigned green 8
	await 5 mirrors green "$(epoch)" blue
	while read -r p o _; do
		kafka_admin "$BG_BOOTSTRAP" delete-records "$BG_SWITCH" "$p" "$o"
	done < <(commits_in green)
	# Its group is inside of what is left.
	join <(kafka_admin "$BG_BOOTSTRAP" ends "$BG_SWITCH" | sort) <(commits_in green | sort) |
		awk '{if ($4 < $2) {print "partition " $1 " starts at " $2 ", the commit is " $4; bad = 1}} END {exit bad}'
	switch_done green
	await 5 bg_works green
	# What was deleted had been processed: of what is left, nothing is lost or twice.
	bg_quiet
	verdict "$BG_DIR" || true
	jq -e '.lost == 0 and .duplicated == 0 and .in_flight == 0 and .dual_active_ms == 0 and .records.judged > 0' <<<"$VERDICT"
}
