# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034 # BG_PORT, HTTP_STATUS, HTTP_BODY are results for the caller
# Processes of a scratch folder, waiting for events, and HTTP. Sourced by the system tests, the bench and
# quickstart. BG_DIR is the scratch folder: BG_DIR/run/NAME.pid, BG_DIR/log/NAME.log; BG_DIR/run/ends has a line for
# each that has ended, BG_DIR/run/killed one for each that was to die by SIGKILL.

# `bg_spawn NAME COMMAND…`: start it in the background, without our descriptors (bats waits for those).
# No shell of ours has to reap it: it has a parent of its own, which notes how it ends.
bg_spawn() {
	local - && set +TE
	mkdir -p "$BG_DIR/run" "$BG_DIR/log"
	: "$(
		for fd in /proc/self/fd/*; do
			fd=${fd##*/}
			[ "$fd" -le 2 ] || eval "exec $fd>&-"
		done 2>/dev/null
		set -m # in a process group of its own, which the terminal's signals do not reach
		bg_parent "$@" </dev/null 2>>"$BG_DIR/log/$1.log" &
	)"
}

# The parent of one process: "NAME PID STATUS PROGRAM" in the end, the status as a shell says it.
bg_parent() {
	local name=$1 pid rc=0
	set +m
	shift
	setsid "$@" >&2 &
	pid=$!
	echo "$pid" >"$BG_DIR/run/$name.pid"
	[[ ${BG_FAIL:-} != *kill* ]] || echo "$name $pid" >>"$BG_DIR/run/killed"
	exec >&- 2>&- # what bg_spawn waits for
	wait "$pid" || rc=$?
	echo "$name $pid $rc ${1##*/}" >>"$BG_DIR/run/ends"
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
		[ "$signal" != KILL ] || echo "$name $(bg_pid "$name")" >>"$BG_DIR/run/killed"
		bg_gone "$name" || kill -s "$signal" "$(bg_pid "$name")" 2>/dev/null || true
	done
}

bg_kill() {
	local name
	bg_signal KILL "$@"
	for name in "$@"; do await 5 bg_gone "$name"; done
}

# `bg_stop NAME…`: SIGTERM, and SIGKILL (and failure) for what has not ended after 20 s. Failure too for who ends
# otherwise than bg_ended_well says.
bg_stop() {
	local name rc=0
	bg_end "$@" || rc=1
	for name in "$@"; do bg_ended_well < <(bg_end_of "$name") || rc=1; done
	return "$rc"
}
bg_end() {
	local name rc=0
	bg_signal CONT "$@"
	bg_signal TERM "$@"
	for name in "$@"; do
		if ! await 20 bg_gone "$name" 2>/dev/null; then
			echo "$name did not end within 20 s of SIGTERM" >&2
			bg_kill "$name"
			rc=1
		fi
		await 5 bg_end_noted "$name" || rc=1
	done
	return "$rc"
}

# The line of its end; of one that is alive, or never was, none.
bg_end_of() { grep -s "^$1 $(bg_pid "$1") " "$BG_DIR/run/ends"; }
bg_end_noted() { bg_end_of "$1" || [ ! -e "$BG_DIR/run/$1.pid" ]; }

# Those whose every end must be in order; other programs may be ended by the SIGTERM of bg_stop.
BG_DAEMONS='bg-consumerd bg-switchd bg-producerd bg-devbroker'

# `bg_expect_end NAME STATUS`: the process that has this name now may end with this status, for the test is about that.
bg_expect_end() { echo "$1 $(bg_pid "$1") $2" >>"$BG_DIR/run/expected"; }

# Standard input has lines of BG_DIR/run/ends. Each must be of status 0, or of a SIGKILL that was ours, or expected.
bg_ended_well() {
	local name pid status program how rc=0
	while read -r name pid status program; do
		case $status in
		0) continue ;;
		137) ! grep -qsx "$name $pid" "$BG_DIR/run/killed" || continue ;;
		143) case " $BG_DAEMONS " in *" $program "*) ;; *) continue ;; esac ;;
		esac
		! grep -qsx "$name $pid $status" "$BG_DIR/run/expected" || continue
		how="with status $status"
		[ "$status" -le 128 ] || how="by signal $((status - 128)) (SIG$(kill -l "$status"))"
		echo "$name ($program, process $pid) ended $how; the last lines of $BG_DIR/log/$name.log:"
		tail -n 15 "$BG_DIR/log/$name.log" | sed 's/^/  | /'
		rc=1
	done >&2
	return "$rc"
}

# No process of this scratch folder said that a sanitizer found something.
bg_no_reports() {
	local lines
	lines=$(grep -sE -A 12 'ERROR: [A-Za-z]+Sanitizer|WARNING: ThreadSanitizer|: runtime error: |\*\*\* stack smashing' "$BG_DIR"/log/*.log) ||
		return 0
	printf 'a sanitizer has reported:\n%s\n' "$lines" >&2
	return 1
}

# All that was started in this scratch folder.
bg_names() {
	local f
	for f in "$BG_DIR"/run/*.pid; do
		[ ! -e "$f" ] || basename "$f" .pid
	done
}
# Stopped, the throw-away broker last, for the others still have to send and commit; and whoever ended before must
# have ended well too.
bg_stop_all() {
	local names rc=0
	mapfile -t names < <(bg_names | grep -vx devbroker)
	[ ${#names[@]} -eq 0 ] || bg_end "${names[@]}" || rc=1
	[ ! -e "$BG_DIR/run/devbroker.pid" ] || bg_end devbroker || rc=1
	[ ! -e "$BG_DIR/run/ends" ] || bg_ended_well <"$BG_DIR/run/ends" || rc=1
	bg_no_reports || rc=1
	return "$rc"
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
