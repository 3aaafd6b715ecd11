#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# K-10: the log deletes records before they are processed. They are counted exactly, and nothing is skipped silently.
bats_require_minimum_version 1.5.0
load helper

setup_file() {
	BG_KAFKA='session.timeout.ms = 10000' BG_CONSUMER_INI='mirror-interval = 300 ms' BG_SWITCH_INI='soak = 300 ms' \
		file_env
}

policy() {
	sed -i '/^on-data-loss/d' "$BG_DIR/etc/consumerd.ini"
	sed -i "/^\[consumer\]/a on-data-loss = $1" "$BG_DIR/etc/consumerd.ini"
	local i
	for i in "${BG_INSTANCES[@]}"; do http POST "${BG_URL[$i]}/v1/reload" '{}' && assert_http 200; done
}
# The active colour stands still while the log runs away from it: all but the last 20 records are deleted.
overtake() {
	local a p high
	a=$(active)
	bg_signal STOP "$a-0" "$a-1"
	sleep 2 # the stall: some hundred records a partition
	kafka_admin "$BG_BOOTSTRAP" ends "$BG_SWITCH" >"$BG_DIR/ends"
	while read -r p _ high; do
		kafka_admin "$BG_BOOTSTRAP" delete-records "$BG_SWITCH" "$p" "$((high - 20))"
	done <"$BG_DIR/ends"
	bg_signal CONT "$a-0" "$a-1"
}
told() { bg_statuses all | jq -s '[.[].records_lost_total] | add'; }
# What is in nobody's ledger, below the last offset that is: by partition, the holes' offsets.
holes() {
	cat "$BG_DIR"/ledger/*.jsonl | sed -n 's/.*"p":\([0-9]*\),"o":\([0-9]*\)[,}].*/\1 \2 &/p' | grep -v '"ev":' | cut -d ' ' -f 1,2 |
		sort -u -k 1,1n -k 2,2n | awk '$1 != p {p = $1; next_o = 0} {n += $2 - next_o; next_o = $2 + 1} END {print n + 0}'
}
told_all() { [ "$(told)" -gt "$1" ] && [ "$(told)" -eq "$(holes)" ]; }
in_ledgers() { cat "$BG_DIR"/ledger/*.jsonl | grep '"ev":"skip"' | jq -s 'map(.last - .o + 1) | add // 0'; }

@test "before anything was deleted, nothing is told to be lost" {
	await 10 bg_works "$(active)"
	assert_eq told "$(told)" 0
	assert_eq holes "$(holes)" 0
}

@test "fail: the instance stops, and says which records are lost" {
	local a i
	a=$(active)
	overtake
	await 20 bg_color_is "$a" FAILED
	for i in 0 1; do
		bg_status "$a-$i"
		jq -e '.cause == "offset_out_of_range" and .records_lost_total > 0' <<<"$HTTP_BODY"
		grep -E 'ev=data_loss msg="'"$BG_SWITCH"' \[[0-7]\]: [0-9]+ records, offsets [0-9]+ to [0-9]+, were deleted' "$BG_DIR/log/$a-$i.log"
		grep -q 'with on-data-loss = skip it goes on at offset' "$BG_DIR/log/$a-$i.log"
	done
	# A person decides: counted, and on.
	policy skip
	await 20 bg_color_is "$a" ACTIVE
	await 10 bg_works "$a"
	await 10 told_all 0
	assert_eq "what the ledgers say" "$(in_ledgers)" "$(told)"
}

@test "skip: it goes on by itself where the log begins, and the number is exact" {
	local a before
	a=$(active)
	before=$(told)
	overtake
	await 10 bg_works "$a"
	await 20 told_all "$before"
	bg_color_is "$a" ACTIVE
	assert_eq "what the ledgers say" "$(in_ledgers)" "$(told)"
	http GET "${BG_URL["$a-0"]}/metrics"
	grep -E '^bg_consumer_records_lost_total\{.*reason="retention".*\} [1-9]' <<<"$HTTP_BODY"
	switch_done "$(other_of "$a")"
	await 10 bg_works "$(active)"
}

@test "skip: a start in the hole goes on where the log begins, counted" {
	local a before p high
	a=$(active)
	before=$(in_ledgers)
	bg_stop "$a-0" "$a-1"
	sleep 1
	kafka_admin "$BG_BOOTSTRAP" ends "$BG_SWITCH" >"$BG_DIR/ends"
	while read -r p _ high; do
		kafka_admin "$BG_BOOTSTRAP" delete-records "$BG_SWITCH" "$p" "$high"
	done <"$BG_DIR/ends"
	bg_start_consumer "$a-0"
	bg_start_consumer "$a-1"
	await 30 bg_one_active
	await 10 bg_works "$a"
	await 10 ledgers_tell_more "$before"
}
ledgers_tell_more() { [ "$(in_ledgers)" -gt "$1" ] && [ "$(in_ledgers)" -eq "$(holes)" ]; }

@test "the prover agrees: lost is what was told, and nothing else" {
	local told
	bg_quiet
	verdict "$BG_DIR" || true
	told=$(in_ledgers)
	echo "verdict: $(jq -c 'del(.switch_list, .partitions, .ledgers)' <<<"$VERDICT")"
	jq -e --argjson n "$told" '.lost == $n and .skipped == $n and .duplicated == 0 and .dual_active_ms == 0 and .commits_ahead == 0' <<<"$VERDICT"
}
