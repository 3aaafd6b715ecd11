# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Loaded by every .bats file. Each file has a switch of its own (topic, groups, four consumers, bg-switchd,
# producer) on the suite's Kafka, started in setup_file by `file_env`; every test begins by healing it, so
# that a failed test does not fail the next one.
# shellcheck source=tests/lib/env.sh
. "$BG_SRC/tests/lib/env.sh"
# shellcheck source=tests/lib/kafka.sh
. "$BG_SRC/tests/lib/kafka.sh"

# The scratch folder of this file.
file_dir() { echo "$BG_SYSTEM_DIR/$(basename "$BATS_TEST_FILENAME" .bats)"; }

# `file_env`: BG_* variables as in env.sh choose what it is. Blue is active when it returns.
file_env() {
	local - && set +T
	BG_SWITCH=${BG_SWITCH:-$(basename "$BATS_TEST_FILENAME" .bats)}
	kafka_topic "$BG_BOOTSTRAP" "$BG_SWITCH" "${BG_PARTITIONS:-8}" replication="${BG_REPLICATION:-1}"
	bg_env_start "$(file_dir)" || {
		bg_report
		return 1
	}
}

# All ends, the file's own Kafka too if it has one; and every daemon that it ever started must have ended well.
file_end() {
	local rc=0
	BG_DIR=$(file_dir)
	bg_stop_all || rc=1
	[ ! -d "$BG_DIR/kafka" ] || kafka_kill "$BG_DIR/kafka"
	return "$rc"
}
teardown_file() { file_end; }

# `switchd_with ACTIONS`: a bg-switchd with these failpoints; heal ends it.
switchd_with() {
	bg_stop switchd
	: >"$BG_DIR/failpoints"
	BG_FAIL=$1 bg_start_switchd
	await 10 bg_one_active
}
# Between the pause, which is proved, and the resume bg-switchd stops itself: so nothing depends on how long a pause
# takes, or how fast the machine is. `between COLOR`: a switch to it has come that far; `bg_signal CONT switchd` goes on.
BETWEEN=switch.transfer.before=stop
between() {
	switchd_with "$BETWEEN"
	bg_post switch "{\"to\":\"$1\"}"
	assert_http 202
	await 20 bg_stopped switchd
}

# `went_active INSTANCE LINES`: it became ACTIVE after its ledger had so many lines.
went_active() { tail -n "+$(($2 + 1))" "$BG_DIR/ledger/$1.jsonl" | grep -q '"to":"ACTIVE"'; }

# Everything runs, no fault is on, one colour is active.
heal() {
	local i
	bg_env_load "$(file_dir)"
	if [ -e "$BG_DIR/failpoints" ]; then
		bg_stop switchd
		rm -f "$BG_DIR/failpoints"
	fi
	for i in "${BG_INSTANCES[@]}"; do
		bg_signal CONT "$i"
		bg_alive "$i" || bg_start_consumer "$i"
	done
	bg_alive switchd || bg_start_switchd
	bg_alive producerd || bg_start_producer
	if [ -e "$BG_DIR/quiet" ]; then
		await 20 bg_answers "${BG_URL[producerd]}/status"
		http POST "${BG_URL[producerd]}/start" '{}' && rm -f "$BG_DIR/quiet"
	fi
	if [ -e "$BG_DIR/faulted" ]; then
		await 20 bg_statuses all
		for i in "${BG_INSTANCES[@]}"; do no_faults "$i"; done
		rm -f "$BG_DIR/faulted"
	fi
	await 40 bg_one_active
}
setup() {
	local - && set +T # see await
	heal
}

no_faults() {
	curl -sSf -X PUT -H 'Content-Type: application/json' -d '{"delay_ms":0}' "${BG_URL[$1]}/fault/processing-delay" \
		--next -sSf -X PUT -H 'Content-Type: application/json' -d '{"rate":0}' "${BG_URL[$1]}/fault/error-rate" \
		--next -sSf -X PUT -H 'Content-Type: application/json' -d '{"hang":false}' "${BG_URL[$1]}/fault/hang"
}

# What the daemons said lately, and how they are; shown for a failed test only.
bg_report() {
	local i f
	echo "--- switch: $(bg_switch_of 'del(.record,.last)' 2>&1 | jq -c . 2>&1)"
	for i in "${BG_INSTANCES[@]}"; do
		echo "--- $i: $(bg_status "$i" 2>&1 && jq -c 'del(.assignment)' <<<"$HTTP_BODY")"
	done
	for f in "$BG_DIR"/log/*.log; do
		echo "--- $f"
		tail -n "${BG_REPORT_LINES:-15}" "$f"
	done
	return 0
}
teardown() {
	[ "${BATS_TEST_COMPLETED:-}" = 1 ] || bg_report
}

# assert_eq WHAT GOT EXPECTED
assert_eq() {
	[ "$2" = "$3" ] || {
		echo "$1: got '$2', expected '$3'"
		return 1
	}
}
assert_match() {
	[[ $2 =~ $3 ]] || {
		echo "$1: got '$2', expected it to match '$3'"
		return 1
	}
}
# assert_http STATUS [WORD]: of the last `http`; WORD is the error word.
assert_http() {
	local word
	assert_eq "HTTP status of $HTTP_BODY" "$HTTP_STATUS" "$1" || return 1
	[ $# -eq 1 ] || {
		word=$(jq -r '.error' <<<"$HTTP_BODY")
		assert_eq "error word of $HTTP_BODY" "$word" "$2"
	}
}

# Strategy C has one group. As the broker tells of it, from outside:
group() { kafka_admin "$BG_BOOTSTRAP" describe-group "$BG_SWITCH"; }
# It is at rest with so many members.
group_has() { group | grep -q "state Stable .* members $1\$"; }
# "STATIC-ID TOPIC:PARTITION,…" a line: who holds what.
group_shares() { group | sed -n 's/^member .* instance=\([^ ]*\) assigned=\(.*\)/\1 \2/p' | sort; }
# "PARTITION OFFSET METADATA" a line.
group_commits() { kafka_admin "$BG_BOOTSTRAP" offsets "$BG_SWITCH" "${1:-$BG_TOPIC}"; }
# How often the broker has rebalanced it.
group_generations() { cat "${BG_BROKERS:-$BG_SYSTEM_DIR/kafka}"/node-*/log | grep -c "Stabilized group $BG_SWITCH generation"; }
# How often somebody has taken over the static id.
group_joins() { cat "${BG_BROKERS:-$BG_SYSTEM_DIR/kafka}"/node-*/log | grep -c "groupInstanceId=$1 and unknown member id joins group $BG_SWITCH "; }

# `order INSTANCE pause|resume|prepare JSON-MEMBERS`: to the instance itself, by itself.
order() { http POST "${BG_URL[$1]}/lifecycle/$2" "{$3}"; }
epoch_of() { bg_status_of "$1" .epoch; }
# bg-switchd is stopped, so that a test can be the controller: A is the active colour, I the idle one, E the
# epoch. That bg-switchd finds its way afterwards, with epochs it did not give, `heal` waits for.
# shellcheck disable=SC2034 # results for the caller
alone() {
	A=$(active)
	I=$(other_of "$A")
	bg_stop switchd
	E=$(epoch_of "$A-0")
}

active() { bg_switch_of .active; }
other_of() { if [ "$1" = blue ]; then echo green; else echo blue; fi; }
idle_color() { other_of "$(active)"; }
epoch() { bg_switch_of .epoch; }

# `switch_done COLOR`: a switch by HTTP that must end well; its history entry is in HTTP_BODY.
switch_done() {
	bg_post switch "{\"to\":\"$1\"}" '?wait=1'
	assert_http 200 && assert_eq "outcome of $HTTP_BODY" "$(jq -r .outcome <<<"$HTTP_BODY")" "done"
}
# `many N`: to and fro, each as soon as the active colour has had records.
many() {
	local i to
	to=$(idle_color)
	for ((i = 0; i < $1; i++)); do
		switch_done "$to"
		await 5 bg_works "$to"
		to=$(other_of "$to")
	done
}

# `set_handover committed|eager`: by a reload.
set_handover() {
	sed -i "s/^handover = .*/handover = $1/" "$BG_DIR/etc/switchd.ini"
	bg_signal HUP switchd
	await 5 bg_switch_is .handover "$1"
}
# The colour is made active, whatever was.
make_active() {
	[ "$(active)" = "$1" ] || switch_done "$1"
	await 10 bg_works "$1"
}

# `prove [IN-FLIGHT [OVERLAP]]`: producer off, drained, and the prover's verdict over the whole file so far. Twice may be
# only what was in flight in an instance when it was killed, frozen or cut off, and only where that was done:
# IN-FLIGHT is a bound on the number of such records, by default none. OVERLAP is the number of records that were
# in a handler when their instance was frozen and then fenced: whoever thaws ends them, and nothing can prevent it.
prove() {
	local over
	local - && set +T
	bg_quiet
	verdict "$BG_DIR" || true
	echo "verdict: $(jq -c 'del(.switch_list, .partitions, .ledgers)' <<<"$VERDICT")"
	jq -r '"# \(.records.judged) records, \(.switches) switches: lost \(.lost), duplicated \(.duplicated) (in flight \(.in_flight)), dual-active \(.dual_active_ms) ms"
		+ if .dual_active_records > 0 then ", \(.dual_active_records) records" else "" end' <<<"$VERDICT" >&3
	assert_eq lost "$(jq -r .lost <<<"$VERDICT")" 0
	jq -e '.epochs_used_by_both == 0 and .commits_ahead == 0' <<<"$VERDICT"
	jq -e --argjson n "${2:-0}" '.dual_active_records <= $n and (.dual_active_ms == 0 or $n > 0)' <<<"$VERDICT"
	over=$(jq -r .duplicated <<<"$VERDICT")
	[ "$over" -le "${2:-0}" ] || {
		echo "duplicated, and not in flight: $over, allowed ${2:-0}"
		return 1
	}
	over=$((over + $(jq -r .in_flight <<<"$VERDICT")))
	[ "$over" -le "${1:-0}" ] || {
		echo "duplicated or in flight: $over, allowed ${1:-0}"
		return 1
	}
	jq -e '.records.processed > 0 and .records.processed == .records.judged and (.errors | length) == 0' <<<"$VERDICT"
}
