# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# One switch with all its daemons in a scratch folder: INI files, start, wait, talk to them, verdict.
# Sourced by the system tests, the bench and quickstart; uses proc.sh.
#
#   BG_BIN        folder of the built programs
#   BG_DIR        scratch folder (set by bg_env_config)
#   BG_SWITCH     name of the switch, and prefix of its topic and groups (default orders)
#   BG_BOOTSTRAP  bootstrap.servers, HOST:PORT or file:/path
#   BG_KAFKA      further lines of the consumers' and bg-switchd's [kafka] section
#   BG_STRATEGY   D (default): a group for each colour; C: takeover, one group, named as the switch
#   BG_HANDOVER   committed (default) or eager;   BG_PARTITIONS  8;   BG_RATE  records/s, 2000
#   BG_INSTANCES  the consumers, an array;   BG_ORDINALS  "green-0:0,1 …" for those with several (C)
#   BG_RELAYED    consumers that bg-switchd reaches by a relay, whose process is NAME-relay: SIGSTOP cuts it
#   BG_HANDLER    of the consumers, null; with exec BG_CONSUMER_INI ends with a [handler:exec] section
#   BG_SWITCH_INI, BG_CONSUMER_INI  further lines of [switch:NAME] and [consumer]
#   BG_HELD       partitions that a colour holds, when there are more topics
# shellcheck disable=SC2034 # VERDICT is a result for the caller
# shellcheck source=tests/lib/proc.sh
. "$(dirname "${BASH_SOURCE[0]}")/proc.sh"

BG_INSTANCES=(blue-0 blue-1 green-0 green-1)
declare -gA BG_URL # of each instance, `switchd` and `producerd`

bg_sock() { echo "$BG_DIR/run/$1.sock"; }

bg_give_url() {
	bg_free_port
	BG_URL[$1]=http://127.0.0.1:$BG_PORT
}

bg_env_config() {
	local i
	BG_DIR=$1
	: "${BG_SWITCH:=orders}" "${BG_STRATEGY:=D}" "${BG_HANDOVER:=committed}" "${BG_PARTITIONS:=8}" "${BG_RATE:=2000}"
	BG_TOPIC=$BG_SWITCH
	mkdir -p "$BG_DIR"/{etc,run,log,ledger,state}
	for i in "${BG_INSTANCES[@]}" switchd producerd; do bg_give_url "$i"; done
	for i in ${BG_RELAYED:-}; do bg_give_url "$i-relay"; done
	bg_write_consumerd >"$BG_DIR/etc/consumerd.ini"
	bg_write_switchd >"$BG_DIR/etc/switchd.ini"
	bg_write_producerd >"$BG_DIR/etc/producerd.ini"
	export BG_SOCKET
	BG_SOCKET=$(bg_sock switchd)
	# For other shells (bats runs each test in one of its own): bg_env_load.
	declare -p BG_DIR BG_SWITCH BG_STRATEGY BG_TOPIC BG_PARTITIONS BG_BOOTSTRAP BG_INSTANCES BG_URL BG_SOCKET |
		sed 's/^declare -\(a\|A\|x\|-\)/declare -g\1/; s/^declare -g-/declare -g/' >"$BG_DIR/env"
}

bg_env_load() {
	# shellcheck disable=SC1091 # made at run time
	. "$1/env"
	export BG_SOCKET
}

# The ordinals of an instance in BG_ORDINALS, one a line; nothing: the number at the end of its name.
bg_ordinals_of() {
	local entry
	for entry in ${BG_ORDINALS:-}; do
		[ "${entry%%:*}" != "$1" ] || tr , '\n' <<<"${entry#*:}"
	done
}

bg_write_consumerd() {
	local i mode=handover
	[ "$BG_STRATEGY" != C ] || mode=takeover
	cat <<-END
		[log]
		level = ${BG_LOG_LEVEL:-info}
		[control]
		socket = $(bg_sock %i)
		[consumer]
		switch = $BG_SWITCH
		mode = $mode
		topics = $BG_TOPIC
		handler = ${BG_HANDLER:-null}
		state-dir = $BG_DIR/state/%i
		${BG_CONSUMER_INI:-}
		[ledger]
		path = $BG_DIR/ledger/%i.jsonl
		[faults]
		enabled = yes
		[controller]
		url = ${BG_URL[switchd]}
		[kafka]
		bootstrap.servers = $BG_BOOTSTRAP
		${BG_KAFKA:-}
	END
	for i in "${BG_INSTANCES[@]}"; do bg_write_instance "$i"; done
}

bg_write_instance() {
	local color=${1%-*} other=blue n
	[ "$color" = green ] || other=green
	printf '%s\n' "[instance:$1]" "http.listen = ${BG_URL[$1]#http://}"
	if [ "$BG_STRATEGY" = C ]; then
		echo "consumer.group = $BG_SWITCH"
	else
		printf '%s\n' "consumer.group = $BG_SWITCH-$color" "peer-group = $BG_SWITCH-$other"
	fi
	for n in $(bg_ordinals_of "$1"); do echo "ordinals = $n"; done
	[ -z "${BG_URL["$1-relay"]:-}" ] || echo "consumer.url = ${BG_URL["$1-relay"]}"
}

bg_write_switchd() {
	local i
	cat <<-END
		[log]
		level = ${BG_LOG_LEVEL:-info}
		[http]
		listen = ${BG_URL[switchd]#http://}
		[control]
		socket = $(bg_sock switchd)
		[store]
		type = file
		dir = $BG_DIR/state/switchd
		[kafka]
		bootstrap.servers = $BG_BOOTSTRAP
		[switch:$BG_SWITCH]
		strategy = $BG_STRATEGY
		handover = $BG_HANDOVER
		topics = $BG_TOPIC
	END
	if [ "$BG_STRATEGY" = C ]; then
		echo "group = $BG_SWITCH"
	else
		printf '%s\n' "blue-group = $BG_SWITCH-blue" "green-group = $BG_SWITCH-green"
	fi
	for i in "${BG_INSTANCES[@]}"; do
		echo "${i%-*}-endpoint = ${BG_URL["$i-relay"]:-${BG_URL[$i]}}"
	done
	[ -z "${BG_SWITCH_INI:-}" ] || echo "$BG_SWITCH_INI"
}

bg_write_producerd() {
	cat <<-END
		[log]
		level = ${BG_LOG_LEVEL:-info}
		[http]
		listen = ${BG_URL[producerd]#http://}
		[control]
		socket = $(bg_sock producerd)
		[producer]
		topic = $BG_TOPIC
		rate = $BG_RATE
		[kafka]
		bootstrap.servers = $BG_BOOTSTRAP
		linger.ms = 1
		acks = all
		reconnect.backoff.max.ms = 1000
	END
}

bg_start_consumer() { bg_spawn "$1" "$BG_BIN/bg-consumerd" -c "$BG_DIR/etc/consumerd.ini" -i "$1"; }
bg_start_relay() {
	bg_spawn "$1-relay" "$BG_BIN/tests/lib/bg-relay" "${BG_URL["$1-relay"]#http://}" "${BG_URL[$1]#http://}"
}
bg_start_switchd() { bg_spawn switchd "$BG_BIN/bg-switchd" -c "$BG_DIR/etc/switchd.ini"; }
bg_start_producer() { bg_spawn producerd "$BG_BIN/bg-producerd" -c "$BG_DIR/etc/producerd.ini"; }

# Start everything and wait until each instance is connected and PAUSED, and holds its share, but in takeover,
# where who is paused is no member. Nobody is active yet.
bg_env_up() {
	local i
	bg_start_producer
	for i in ${BG_RELAYED:-}; do bg_start_relay "$i"; done
	for i in "${BG_INSTANCES[@]}"; do bg_start_consumer "$i"; done
	bg_start_switchd
	if [ "$BG_STRATEGY" = C ]; then
		for i in "${BG_INSTANCES[@]}"; do await 30 bg_ready "$i"; done
	else
		await 30 bg_assigned blue "${BG_HELD:-$BG_PARTITIONS}"
		await 30 bg_assigned green "${BG_HELD:-$BG_PARTITIONS}"
	fi
	await 30 bg_color_is blue PAUSED
	await 30 bg_color_is green PAUSED
	await 10 bg_answers "${BG_URL[switchd]}/v1/switches/$BG_SWITCH"
}

# `bg_env_start DIR`: configured, up, and blue active from the start of the topic.
bg_env_start() {
	bg_env_config "$1"
	bg_env_up
	bg_ctl init blue --from earliest --wait >/dev/null
}

bg_ctl() { "$BG_BIN/bgctl" -s "$BG_SWITCH" "$@"; }

bg_ready() { bg_answers "${BG_URL[$1]}/actuator/health/readiness"; }
bg_answers() { http GET "$1" && [ "$HTTP_STATUS" = 200 ]; }
bg_status() { http GET "${BG_URL[$1]}/lifecycle/status" && [ "$HTTP_STATUS" = 200 ]; }
bg_status_of() { bg_status "$1" && jq -r "$2" <<<"$HTTP_BODY"; }
bg_is() { [ "$(bg_status_of "$1" .state)" = "$2" ]; }

# Processes are what costs here, so a whole question is one curl and one jq:
# `bg_statuses COLOR|all`: the statuses of its instances, one JSON object after the other.
bg_statuses() {
	local i urls=()
	for i in "${BG_INSTANCES[@]}"; do
		[ "$1" != all ] && [ "${i%-*}" != "$1" ] || urls+=("${BG_URL[$i]}/lifecycle/status")
	done
	curl -sSf --max-time 5 "${urls[@]}"
}
# `bg_color_is COLOR STATE`: each instance of the colour.
bg_color_is() { bg_statuses "$1" | jq -se --arg s "$2" 'length > 0 and all(.state == $s)' >/dev/null; }
# `bg_assigned COLOR N`: its instances hold N partitions together, and each has some: before the last one has
# joined, the first holds them all.
bg_assigned() { bg_statuses "$1" | jq -se --argjson n "$2" '[.[].assignment | length] | add == $n and min > 0' >/dev/null; }

# Of the switch as bg-switchd tells it: `bg_switch_of .phase`.
bg_switch_of() { curl -sSf --max-time 5 "${BG_URL[switchd]}/v1/switches/$BG_SWITCH" | jq -r "$1"; }
bg_switch_is() { [ "$(bg_switch_of "$1")" = "$2" ]; }
bg_settled() { bg_switch_of 'select(.phase == "IDLE" or .phase == "SOAKING") | .phase' | grep -q .; }

# In the end exactly one colour is active: the one the record names, all of it, and none of the other. What
# counts is what the instances say themselves.
bg_one_active() {
	local active
	active=$(bg_switch_of 'select(.phase == "IDLE" or .phase == "SOAKING") | .active') || return 1
	[ "$active" = blue ] || [ "$active" = green ] || return 1
	bg_statuses all | jq -se --arg a "$active" --argjson n "${#BG_INSTANCES[@]}" \
		'length == $n and all((.color == $a) == (.state == "ACTIVE") and (.state == "ACTIVE" or .state == "PAUSED"))' >/dev/null
}

bg_records_total() { bg_status_of "$1" .records_total; }
# The colour processes records: its total grows within 5 s.
bg_works() {
	local n first=
	local - && set +T
	local end=$((SECONDS + 5))
	while [ "$SECONDS" -lt "$end" ]; do
		n=$(bg_statuses "$1" | jq -s '[.[].records_total] | add') || return 1
		[ -z "$first" ] || [ "$n" -le "$first" ] || return 0
		[ -n "$first" ] || first=$n
		sleep 0.02
	done
	return 1
}

bg_lag() { bg_switch_of '.lag[.active]'; } # of the active colour
bg_drained() { [ "$(bg_lag)" = 0 ]; }

# `bg_post WHAT [JSON] [QUERY]`: a command to bg-switchd: switch, rollback, init, abort, hold, release.
bg_post() { http POST "${BG_URL[switchd]}/v1/switches/$BG_SWITCH/$1${3:-}" "${2:-{\}}"; }
bg_last() { http GET "${BG_URL[switchd]}/v1/switches/$BG_SWITCH/history?limit=1" && jq -r ".entries[0]$1" <<<"$HTTP_BODY"; }
bg_fault() {
	: >"$BG_DIR/faulted"
	http PUT "${BG_URL[$1]}/fault/$2" "$3" && [ "$HTTP_STATUS" = 200 ]
}

# The producer stops, the active colour finishes what there is.
bg_quiet() {
	: >"$BG_DIR/quiet"
	http POST "${BG_URL[producerd]}/stop" '{}' && [ "$HTTP_STATUS" = 200 ]
	await 30 bg_drained
}

# `verdict DIR [OPTION…]`: bg-verify over the topic and every ledger, as JSON in VERDICT; its exit status.
verdict() {
	local dir=$1 i args=()
	shift
	for i in "$BG_TOPIC" ${BG_TOPIC2:-}; do args+=(--topic "$i"); done
	for i in "${BG_INSTANCES[@]}"; do args+=(--instance "$i"); done
	VERDICT=$("$BG_BIN/bg-verify" --json "$@" --bootstrap "$BG_BOOTSTRAP" "${args[@]}" \
		"$dir"/ledger/*.jsonl)
}
