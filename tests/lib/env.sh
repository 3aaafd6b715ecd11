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
#   BG_HANDOVER   committed (default) or eager;   BG_PARTITIONS  8;   BG_RATE  records/s, 2000
#   BG_SWITCH_INI, BG_CONSUMER_INI  further lines of [switch:NAME] and [consumer]
#   BG_HELD       partitions that a colour holds, when there are more topics
# shellcheck disable=SC2034 # VERDICT is a result for the caller
# shellcheck source=tests/lib/proc.sh
. "$(dirname "${BASH_SOURCE[0]}")/proc.sh"

BG_INSTANCES=(blue-0 blue-1 green-0 green-1)
declare -gA BG_URL # of each instance, `switchd` and `producerd`

bg_sock() { echo "$BG_DIR/run/$1.sock"; }

bg_env_config() {
	local i
	BG_DIR=$1
	: "${BG_SWITCH:=orders}" "${BG_HANDOVER:=committed}" "${BG_PARTITIONS:=8}" "${BG_RATE:=2000}"
	BG_TOPIC=$BG_SWITCH
	mkdir -p "$BG_DIR"/{etc,run,log,ledger,state}
	for i in "${BG_INSTANCES[@]}" switchd producerd; do
		bg_free_port
		BG_URL[$i]=http://127.0.0.1:$BG_PORT
	done
	bg_write_consumerd >"$BG_DIR/etc/consumerd.ini"
	bg_write_switchd >"$BG_DIR/etc/switchd.ini"
	bg_write_producerd >"$BG_DIR/etc/producerd.ini"
	export BG_SOCKET
	BG_SOCKET=$(bg_sock switchd)
	# For other shells (bats runs each test in one of its own): bg_env_load.
	declare -p BG_DIR BG_SWITCH BG_TOPIC BG_PARTITIONS BG_BOOTSTRAP BG_URL BG_SOCKET |
		sed 's/^declare -\(A\|x\|-\)/declare -g\1/; s/^declare -g-/declare -g/' >"$BG_DIR/env"
}

bg_env_load() {
	# shellcheck disable=SC1091 # made at run time
	. "$1/env"
	export BG_SOCKET
}

bg_write_consumerd() {
	local i color other
	cat <<-END
		[log]
		level = ${BG_LOG_LEVEL:-info}
		[control]
		socket = $(bg_sock %i)
		[consumer]
		switch = $BG_SWITCH
		mode = handover
		topics = $BG_TOPIC
		handler = null
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
	for i in "${BG_INSTANCES[@]}"; do
		color=${i%-*}
		other=blue
		[ "$color" = green ] || other=green
		cat <<-END
			[instance:$i]
			http.listen = ${BG_URL[$i]#http://}
			consumer.group = $BG_SWITCH-$color
			peer-group = $BG_SWITCH-$other
		END
	done
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
		strategy = D
		handover = $BG_HANDOVER
		topics = $BG_TOPIC
		blue-group = $BG_SWITCH-blue
		green-group = $BG_SWITCH-green
	END
	for i in "${BG_INSTANCES[@]}"; do
		echo "${i%-*}-endpoint = ${BG_URL[$i]}"
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
	END
}

bg_start_consumer() { bg_spawn "$1" "$BG_BIN/bg-consumerd" -c "$BG_DIR/etc/consumerd.ini" -i "$1"; }
bg_start_switchd() { bg_spawn switchd "$BG_BIN/bg-switchd" -c "$BG_DIR/etc/switchd.ini"; }
bg_start_producer() { bg_spawn producerd "$BG_BIN/bg-producerd" -c "$BG_DIR/etc/producerd.ini"; }

# Start everything and wait until each instance is connected and holds its share, PAUSED. Nobody is active yet.
bg_env_up() {
	local i
	bg_start_producer
	for i in "${BG_INSTANCES[@]}"; do bg_start_consumer "$i"; done
	bg_start_switchd
	await 30 bg_assigned blue "${BG_HELD:-$BG_PARTITIONS}"
	await 30 bg_assigned green "${BG_HELD:-$BG_PARTITIONS}"
	await 10 bg_answers "${BG_URL[switchd]}/v1/switches/$BG_SWITCH"
}

# `bg_env_start DIR`: configured, up, and blue active from the start of the topic.
bg_env_start() {
	bg_env_config "$1"
	bg_env_up
	bg_ctl init blue --from earliest >/dev/null
}

bg_ctl() { "$BG_BIN/bgctl" -s "$BG_SWITCH" "$@"; }

bg_answers() { http GET "$1" && [ "$HTTP_STATUS" = 200 ]; }
bg_status() { http GET "${BG_URL[$1]}/lifecycle/status" && [ "$HTTP_STATUS" = 200 ]; }
bg_status_of() { bg_status "$1" && jq -r "$2" <<<"$HTTP_BODY"; }
bg_is() { [ "$(bg_status_of "$1" .state)" = "$2" ]; }
# `bg_color_is COLOR STATE`: each instance of the colour.
bg_color_is() {
	local i
	for i in "${BG_INSTANCES[@]}"; do
		[ "${i%-*}" != "$1" ] || bg_is "$i" "$2" || return 1
	done
}
# Partitions that the colour's instances hold together.
bg_assigned() {
	local i n=0 k
	for i in "${BG_INSTANCES[@]}"; do
		[ "${i%-*}" = "$1" ] || continue
		k=$(bg_status_of "$i" '.assignment | length') || return 1
		n=$((n + k))
	done
	[ "$n" -eq "$2" ]
}

# Of the switch as bg-switchd tells it: `bg_switch_of .phase`.
bg_switch_of() { http GET "${BG_URL[switchd]}/v1/switches/$BG_SWITCH" && [ "$HTTP_STATUS" = 200 ] && jq -r "$1" <<<"$HTTP_BODY"; }
bg_switch_is() { [ "$(bg_switch_of "$1")" = "$2" ]; }
bg_settled() { case $(bg_switch_of .phase) in IDLE | SOAKING) ;; *) return 1 ;; esac }

# In the end exactly one colour is active: the one the record names, all of it, and none of the other.
bg_one_active() {
	local active other=blue
	bg_settled || return 1
	active=$(bg_switch_of .active)
	[ "$active" = blue ] || [ "$active" = green ] || return 1
	[ "$active" = green ] || other=green
	bg_color_is "$active" ACTIVE && bg_color_is "$other" PAUSED
}

bg_records_total() { bg_status_of "$1" .records_total; }
# The colour processes records: its total grows.
bg_works() {
	local i a=0 b=0
	for i in "${BG_INSTANCES[@]}"; do [ "${i%-*}" != "$1" ] || a=$((a + $(bg_records_total "$i"))); done
	sleep 0.1
	for i in "${BG_INSTANCES[@]}"; do [ "${i%-*}" != "$1" ] || b=$((b + $(bg_records_total "$i"))); done
	[ "$b" -gt "$a" ]
}

bg_lag() { bg_switch_of '.lag[.active]'; } # of the active colour
bg_drained() { [ "$(bg_lag)" = 0 ]; }

# `bg_post WHAT [JSON] [QUERY]`: a command to bg-switchd: switch, rollback, init, abort, hold, release.
bg_post() { http POST "${BG_URL[switchd]}/v1/switches/$BG_SWITCH/$1${3:-}" "${2:-{\}}"; }
bg_last() { http GET "${BG_URL[switchd]}/v1/switches/$BG_SWITCH/history?limit=1" && jq -r ".entries[0]$1" <<<"$HTTP_BODY"; }
bg_fault() { http PUT "${BG_URL[$1]}/fault/$2" "$3" && [ "$HTTP_STATUS" = 200 ]; }

# The producer stops, the active colour finishes what there is.
bg_quiet() {
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
