# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A long day of a switch (K-14), for either strategy: loaded by life.bats (D) and life-takeover.bats (C).
load helper

# Three instances a colour, on a Kafka of their own that is killed and brought back.
life_setup() {
	local dir
	dir=$(file_dir)
	kafka_start "$dir/kafka"
	BG_BOOTSTRAP=$(cat "$dir/kafka/bootstrap")
	BG_STRATEGY=$1
	BG_INSTANCES=(blue-0 blue-1 blue-2 green-0 green-1 green-2)
	BG_SWITCH_INI=$'soak = 300 ms\ndrain-timeout = 3 s\nresume-timeout = 3 s' BG_CONSUMER_INI='mirror-interval = 1 s' \
		BG_KAFKA=$'session.timeout.ms = 5000\nheartbeat.interval.ms = 1500\nreconnect.backoff.max.ms = 1000\ntopic.metadata.refresh.interval.ms = 1000' \
		file_env
}

# "INSTANCE TOPIC/PARTITION…" a line.
shares() { bg_statuses "$1" | jq -sr '.[] | "\(.instance) \([.assignment[] | "\(.topic)/\(.partition)"] | sort | join(" "))"' | sort; }
shares_are() { [ "$(shares "$1")" = "$2" ]; }
left_the_group() { [ "$(grep -c 'ev=stopped' "$BG_DIR/log/$1.log")" -gt "$2" ]; }

# One at a time, drained: its partitions wait for it, the others' are not touched.
life_rolling_restart() {
	local i n a held
	a=$(active)
	await 10 bg_works "$a"
	held=$(shares "$a")
	for i in "$a-0" "$a-1" "$a-2"; do
		n=$(grep -c 'ev=stopped' "$BG_DIR/log/$i.log") || true
		bg_stop "$i"
		left_the_group "$i" "$n"
		bg_start_consumer "$i"
		await 20 bg_one_active
		await 10 shares_are "$a" "$held"
		await 10 bg_works "$a"
	done
}

life_rolling_restart_paused() {
	local i a
	a=$(active)
	for i in 0 1 2; do
		bg_stop "$(other_of "$a")-$i"
		bg_start_consumer "$(other_of "$a")-$i"
		await 20 bg_one_active
	done
	assert_eq active "$(active)" "$a"
	switch_done "$(other_of "$a")"
	await 10 bg_works "$(active)"
}

# `endpoints INSTANCE…`: bg-switchd is told anew which instances there are.
endpoints() {
	local i
	sed -i '/-endpoint = /d' "$BG_DIR/etc/switchd.ini"
	for i in "$@"; do echo "${i%-*}-endpoint = ${BG_URL[$i]}"; done >>"$BG_DIR/etc/switchd.ini"
	bg_stop switchd
	bg_start_switchd
	await 10 bg_answers "${BG_URL[switchd]}/v1/switches/$BG_SWITCH"
}
# `all_held COLOR [PARTITIONS]`: those in BG_INSTANCES hold them, each some.
all_held() { bg_assigned "$1" "${2:-8}"; }

life_scale_in_and_out() {
	local a gone
	a=$(active)
	gone=("$a-2")
	# In takeover both colours have the same ordinals; in hand-over they may differ in size.
	[ "$BG_STRATEGY" != C ] || gone+=("$(other_of "$a")-2")
	local i left=()
	for i in "${BG_INSTANCES[@]}"; do
		[[ " ${gone[*]} " == *" $i "* ]] || left+=("$i")
	done
	local BG_INSTANCES=("${left[@]}")
	bg_stop "${gone[@]}"
	endpoints "${left[@]}"
	# A static member stays one until its session ends; then the others have its partitions.
	await 20 all_held "$a"
	await 20 bg_one_active
	await 10 bg_works "$a"
	# The switches that it is not there for.
	switch_done "$(other_of "$a")"
	await 10 bg_works "$(other_of "$a")"
	switch_done "$a"
	await 10 bg_works "$a"
	# Out again: on a new host, with nothing of its own.
	for i in "${gone[@]}"; do rm -f "$BG_DIR/state/$i"/*; done
	BG_INSTANCES=("${left[@]}" "${gone[@]}")
	endpoints "${BG_INSTANCES[@]}"
	for i in "${gone[@]}"; do bg_start_consumer "$i"; done
	# A switch in the middle of its join: complete, or refused by name; the commits are not refused (joining.c).
	await 10 bg_status "${gone[0]}"
	switch_or_say_why "$(other_of "$a")" "while a member joins"
	await 30 is_made_active "$a"
	await 30 all_held "$a"
	await 30 bg_one_active
	assert_eq "the newcomer's epoch" "$(bg_status_of "${gone[0]}" .epoch)" "$(epoch)"
	await 10 works_alone "${gone[0]}"
	switch_done "$(other_of "$a")"
	await 10 bg_works "$(other_of "$a")"
}
is_made_active() { [ "$(active)" = "$1" ] || switch_done "$1"; }
works_alone() { [ "$(bg_records_total "$1")" -gt 0 ]; }

# `life_outage SECONDS`: the only broker is gone for longer than a session lasts.
life_outage() {
	local a i
	a=$(active)
	await 10 bg_works "$a"
	kafka_kill "$BG_DIR/kafka"
	sleep "$1" # the outage itself
	for i in "${BG_INSTANCES[@]}"; do bg_answers "${BG_URL[$i]}/health"; done
	bg_color_is "$(other_of "$a")" PAUSED
	kafka_restart "$BG_DIR/kafka"
	await 30 bg_works "$a"
	await 20 bg_one_active
	await 20 all_held "$a" "$(partitions_now)"
	assert_eq active "$(active)" "$a"
	switch_done "$(other_of "$a")"
	await 10 bg_works "$(active)"
}
partitions_now() { kafka_admin "$BG_BOOTSTRAP" ends "$BG_SWITCH" | wc -l; }

# `switch_or_say_why COLOR WHEN`: in the end one colour is active, whatever came of it.
switch_or_say_why() {
	local out
	bg_post switch "{\"to\":\"$1\"}" '?wait=1'
	out=$(jq -r .outcome <<<"$HTTP_BODY")
	echo "# $2: $out" >&3
	case $out in
	"done") ;;
	no_go | aborted | rolled_back) jq -e '(.error // .message // .why) | tostring | length > 0' <<<"$HTTP_BODY" ;;
	*) echo "$HTTP_BODY" && false ;;
	esac
	await 40 bg_one_active
}

life_switch_after_outage() {
	kafka_kill "$BG_DIR/kafka"
	kafka_restart "$BG_DIR/kafka"
	switch_or_say_why "$(idle_color)" "right after the broker's return"
	await 20 bg_works "$(active)"
	await 20 switch_done "$(idle_color)"
	await 10 bg_works "$(active)"
}
