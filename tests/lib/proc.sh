# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034 # BG_PORT, HTTP_STATUS, HTTP_BODY are results for the caller
# Processes of a scratch folder, waiting for events, and HTTP. Sourced by the system tests, the bench and
# quickstart. BG_DIR is the scratch folder: BG_DIR/run/NAME.pid, BG_DIR/log/NAME.log.

# `bg_spawn NAME COMMAND…`: start it in the background, without our descriptors (bats waits for those).
# The process is nobody's child, so that no shell has to reap it.
bg_spawn() {
	local name=$1
	local - && set +T
	shift
	mkdir -p "$BG_DIR/run" "$BG_DIR/log"
	(
		local fd
		for fd in /proc/self/fd/*; do
			fd=${fd##*/}
			[ "$fd" -le 2 ] || eval "exec $fd>&-"
		done 2>/dev/null
		setsid "$@" </dev/null >>"$BG_DIR/log/$name.log" 2>&1 &
		echo $! >"$BG_DIR/run/$name.pid"
	)
}

bg_pid() { cat "$BG_DIR/run/$1.pid" 2>/dev/null; }

# The letter of its state, as in ps: R, S, T (stopped), Z …; nothing when it is gone.
bg_process_state() {
	local pid
	pid=$(bg_pid "$1") || return 1
	sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$pid/status" 2>/dev/null
}

# A zombie is not alive, though kill -0 would say so.
bg_alive() {
	local state
	state=$(bg_process_state "$1") || return 1
	[ -n "$state" ] && [ "$state" != Z ]
}
bg_gone() { ! bg_alive "$1"; }
bg_stopped() { [ "$(bg_process_state "$1")" = T ]; }

# `bg_signal SIGNAL NAME…`; a process that is gone is no error.
bg_signal() {
	local signal=$1 name
	shift
	for name in "$@"; do
		bg_gone "$name" || kill -s "$signal" "$(bg_pid "$name")" 2>/dev/null || true
	done
}

bg_kill() {
	local name
	bg_signal KILL "$@"
	for name in "$@"; do await 5 bg_gone "$name"; done
}

# `bg_stop NAME…`: SIGTERM, and SIGKILL (and failure) for what has not ended after 20 s.
bg_stop() {
	local name rc=0
	bg_signal CONT "$@"
	bg_signal TERM "$@"
	for name in "$@"; do
		await 20 bg_gone "$name" 2>/dev/null && continue
		echo "$name did not end within 20 s of SIGTERM" >&2
		bg_kill "$name"
		rc=1
	done
	return "$rc"
}

# All that was started in this scratch folder.
bg_names() {
	local f
	for f in "$BG_DIR"/run/*.pid; do
		[ ! -e "$f" ] || basename "$f" .pid
	done
}
bg_stop_all() {
	local names
	mapfile -t names < <(bg_names)
	[ ${#names[@]} -eq 0 ] || bg_stop "${names[@]}"
}

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

# `await SECONDS COMMAND…`: until the command succeeds, asked again every 50 ms; its own messages are dropped.
# (Without functrace, for bats would run a trap of its own before every command here: a millisecond each.)
await() {
	local seconds=$1 end
	local - && set +T
	end=$(($(now_ms) + seconds * 1000))
	shift
	until "$@" >/dev/null 2>&1; do
		if [ "$(now_ms)" -ge "$end" ]; then
			echo "not within $seconds s: $*" >&2
			return 1
		fi
		sleep 0.05
	done
}

# `http METHOD URL [JSON] [CURL-OPTION…]`: HTTP_STATUS and HTTP_BODY. URL may be unix:/PATH:/where.
HTTP_STATUS=
HTTP_BODY=
http() {
	local - && set +T
	local method=$1 url=$2 json=${3:-} out args=()
	shift $(($# < 3 ? $# : 3))
	case $url in
	unix:*)
		url=${url#unix:}
		args+=(--unix-socket "${url%%:*}")
		url=http://localhost${url#*:}
		;;
	esac
	[ -z "$json" ] || args+=(-H 'Content-Type: application/json' -d "$json")
	out=$(curl -sS --max-time "${HTTP_MAX:-70}" -X "$method" -w '\n%{http_code}' "${args[@]}" "$@" "$url") || {
		HTTP_STATUS=000
		HTTP_BODY=$out
		return 1
	}
	HTTP_STATUS=${out##*$'\n'}
	HTTP_BODY=${out%$'\n'*}
}

# A port that nobody has now, below those the kernel gives to clients, and that this shell has not named before.
BG_PORTS_TAKEN=' '
bg_free_port() {
	local port i
	for ((i = 0; i < 500; i++)); do
		port=$((10000 + (RANDOM * 32768 + RANDOM) % 22000))
		case $BG_PORTS_TAKEN in *" $port "*) continue ;; esac
		if ! (exec 8<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			BG_PORTS_TAKEN+="$port "
			BG_PORT=$port
			return 0
		fi
	done
	echo "no free port found" >&2
	return 1
}
