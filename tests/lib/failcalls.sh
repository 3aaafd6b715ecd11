#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Lets each call of the C library that a daemon makes fail in turn (bg-failcall.c), and looks at what becomes of it:
#
#   tests/lib/failcalls.sh BIN WORK ci|all
#
# BIN is the folder of a build, WORK a scratch folder. A scenario is run once to count the calls, then once for each
# of them (ci: for a fixed sample). Whatever fails, the daemon must end by itself with a message and a status, or go
# on and end when it is told; never by a signal, never hang, never with a descriptor more than without the failure.
# Then it is started again, unharmed: no state file may be torn, and no epoch that it has answered may be forgotten.
# Prints one line for each call (all its turns), and ends with `N passed, N failed`.
set -euo pipefail

BIN=$1
WORK=$2
MODE=$3
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
BG_DIR=$WORK
# shellcheck source=tests/lib/proc.sh
. "$HERE/proc.sh"

LANES=${BG_LANES:-6} # most of the time is waiting
declare -A ERRNO=([ENOSPC]=28 [EMFILE]=24 [EIO]=5 [EAGAIN]=11 [EPERM]=1 [ECONNABORTED]=103 [EACCES]=13
	[ECONNREFUSED]=111 [ENOMEM]=12 [EADDRINUSE]=98 [ECONNRESET]=104)
# The likeliest errors of each; of several the turn takes one after the other.
declare -A OF=([open]="EMFILE EACCES" [fopen]="EMFILE" [read]="EIO" [pread]="EIO" [write]="ENOSPC EIO" [pwrite]="ENOSPC"
	[writev]="ECONNRESET EAGAIN" [fsync]="EIO" [fdatasync]="EIO ENOSPC" [rename]="ENOSPC EIO" [mkdir]="EACCES ENOSPC"
	[flock]="ENOMEM" [fstat]="EIO" [ftruncate]="EIO" [close]="EIO" [socket]="EMFILE" [socketpair]="EMFILE" [bind]="EADDRINUSE"
	[listen]="EADDRINUSE" [accept4]="EMFILE ECONNABORTED" [connect]="ECONNREFUSED" [setsockopt]="EPERM" [send]="ECONNRESET"
	[recv]="ECONNRESET EAGAIN" [epoll_create1]="EMFILE" [epoll_ctl]="ENOMEM ENOSPC" [eventfd]="EMFILE" [timerfd_create]="EMFILE"
	[pipe2]="EMFILE" [getrandom]="EPERM" [pthread_create]="EAGAIN" [fork]="EAGAIN" [posix_spawn]="EAGAIN" [getrlimit]="EPERM")

# ---- one daemon, in the folder of a lane

# `launch LANE DAEMON SPEC`: with the library, and this call to fail (- for none, nothing at all for no library).
launch() {
	local dir=$1 daemon=$2 spec=${3:-} env=() fd
	rm -f "$dir/calls" "$dir/rc"
	[ -z "$spec" ] || env=(LD_PRELOAD="$BIN/tests/lib/bg-failcall.so" BG_FAILCALL_LOG="$dir/calls" BG_FAILCALL="$spec")
	(
		rc=0
		# What it did not open itself is not counted.
		for fd in /proc/self/fd/*; do
			fd=${fd##*/}
			[ "$fd" -le 2 ] || eval "exec $fd>&-"
		done 2>/dev/null
		env "${env[@]}" "$BIN/$daemon" -c "$dir/$daemon.ini" -i blue-0 </dev/null >"$dir/out" 2>&1 &
		echo $! >"$dir/pid"
		wait $! || rc=$?
		echo "$rc" >"$dir/rc"
	) 2>/dev/null &
	await 5 [ -s "$dir/pid" ]
}
ended() { [ -s "$1/rc" ]; }

ask() { # DIR METHOD PATH [JSON]
	curl -s -o /dev/null -w '%{http_code}' --max-time 8 --unix-socket "$1/sock" -X "$2" ${4:+-d "$4"} "http://localhost$3" || true
}
ready_or_ended() { ended "$1" || [ "$(ask "$1" GET "$2")" = 200 ]; }

# What /proc says of its descriptors: files and pipes by name; sockets only by their number, a few more are no leak.
descriptors() {
	local dir=$1 pid
	pid=$(cat "$dir/pid")
	# Connections that have just been closed are gone in a moment.
	sleep 0.1
	find "/proc/$pid/fd" -type l -printf '%l\n' 2>/dev/null | sed -e "s:$dir::" -e 's/\[[0-9]*\]//' -e 's/ (deleted)//' | sort | uniq -c |
		sed 's/^ *//'
}
more_descriptors() { # BEFORE AFTER: lines of what there is more
	awk 'NR == FNR {had[$2] = $1; next}
		{slack = $2 ~ /^socket/ ? 4 : 0; if ($1 > had[$2] + slack) print $1 " of " $2 ", without the failure " had[$2] + 0}' "$1" "$2"
}

# Once more when there are more: a file may just be written.
look_at_descriptors() {
	local dir=$1 known=$WORK/fds.$2 i
	for i in 1 2 3; do
		descriptors "$dir" >"$dir/fds"
		[ -e "$known" ] || return 0
		more_descriptors "$known" "$dir/fds" >"$dir/more"
		[ -s "$dir/more" ] || return 0
		sleep 0.3
	done
}

# SIGTERM, then its status in rc; one that does not end is killed, and that is a failure.
finish() {
	local dir=$1 pid
	pid=$(cat "$dir/pid")
	ended "$dir" || kill -TERM "$pid" 2>/dev/null || true
	await 20 ended "$dir" 2>/dev/null && return 0
	kill -KILL "$pid" 2>/dev/null || true
	await 5 ended "$dir"
	echo "it did not end within 20 s of SIGTERM"
	return 1
}

whole() { # each state file is as its header says, none was set aside as damaged, none is half written
	local f head
	for f in "$1"/state/*.json "$1"/state/*/*.json; do
		[ -e "$f" ] || continue
		head=$(head -n 1 "$f")
		if [ "${head##* len=}" != "$(tail -n +2 "$f" | wc -c)" ] || ! tail -n +2 "$f" | jq -e . >/dev/null; then
			echo "$f is torn"
			return 1
		fi
	done
	! find "$1/state" -name '*damaged*' | grep .
}

# ---- scenarios: `steps_NAME DIR` uses the daemon and leaves the epoch that it has answered in DIR/epoch

steps_test() { :; }
steps_consumer() {
	local dir=$1 s
	await 8 ready_or_ended "$dir" /actuator/health/readiness || true
	for s in 'prepare {"epoch":5,"active":"blue"}' 'pause {"epoch":5}' 'resume {"epoch":6,"deadline_ms":50,"offsets":{"t":[[0,0,0]]}}' \
		'pause {"epoch":7,"deadline_ms":500}'; do
		ended "$dir" || case $(ask "$dir" POST "/lifecycle/${s%% *}" "${s#* }") in
		200 | 202) grep -o '"epoch":[0-9]*' <<<"$s" | cut -d: -f2 >"$dir/epoch" ;;
		esac
	done
	ask "$dir" GET /lifecycle/status >/dev/null
	ask "$dir" GET /metrics >/dev/null
}
# Mode plain: it works from its start (the mock's first join takes 3 s), writes its ledger and its log.
steps_worker() {
	local dir=$1
	await 8 ready_or_ended "$dir" /actuator/health/readiness || true
	ended "$dir" || await 5 [ -s "$dir/ledger" ] 2>/dev/null || true
	sleep 0.5
}
steps_switchd() {
	local dir=$1
	await 8 ready_or_ended "$dir" /readyz || true
	ask "$dir" POST /v1/switches/o/init '{"active":"blue","from":"earliest"}' >/dev/null
	ask "$dir" GET /v1/switches/o >/dev/null
	ask "$dir" GET /v1/switches/o/history >/dev/null
	ask "$dir" POST /v1/switches/o/hold '{}' >/dev/null
	ask "$dir" GET /metrics >/dev/null
}

daemon_of() { if [ "$1" = switchd ]; then echo bg-switchd; else echo bg-consumerd; fi; }

fresh() {
	rm -rf "$1/state" "$1/ledger" "$1/records" "$1/epoch" "$1/sock" "$1/pid"
	mkdir -p "$1/state"
}

# `turn DIR SCENARIO SPEC`: one run with this call failed; what is wrong on stdout.
turn() {
	local dir=$1 what=$2 spec=$3 rc
	fresh "$dir"
	launch "$dir" "$(daemon_of "$what")" "$spec"
	"steps_$what" "$dir"
	rm -f "$dir/more"
	ended "$dir" || look_at_descriptors "$dir" "$what"
	finish "$dir" || return 1
	rc=$(cat "$dir/rc")
	if [ "$rc" -ge 128 ]; then
		echo "ended by signal $((rc - 128))"
		return 1
	fi
	if [ "$rc" -ne 0 ] && ! [ -s "$dir/out" ]; then
		echo "ended with status $rc and no word"
		return 1
	fi
	[ "$spec" != - ] || return 0
	if [ "$rc" -eq 0 ] && [ -s "$dir/more" ]; then
		cat "$dir/more"
		return 1
	fi
	whole "$dir" && again "$dir" "$what"
}

# Unharmed now: it starts, and knows the epoch that it has answered.
again() {
	local dir=$1 what=$2 epoch
	[ "$what" = consumer ] || [ "$what" = switchd ] || return 0
	launch "$dir" "$(daemon_of "$what")"
	if [ "$what" = consumer ]; then
		await 8 ready_or_ended "$dir" /actuator/health/readiness 2>/dev/null || true
		epoch=$(curl -s --max-time 5 --unix-socket "$dir/sock" http://localhost/lifecycle/status | jq -r .epoch) || true
	else
		await 8 ready_or_ended "$dir" /readyz 2>/dev/null || true
		epoch=0
	fi
	ended "$dir" && {
		echo "does not start any more: $(tail -n 3 "$dir/out")"
		return 1
	}
	finish "$dir" || return 1
	[ "${epoch:--1}" -ge "$(cat "$dir/epoch" 2>/dev/null || echo 0)" ] || {
		echo "has answered epoch $(cat "$dir/epoch"), started again it says $epoch"
		return 1
	}
	whole "$dir"
}

# ---- the work

write_inis() {
	local dir=$1 n=$2
	mkdir -p "$dir"
	cat >"$dir/common" <<-END
		[log]
		level = notice
		[http]
		listen = none
		[control]
		socket = $dir/sock
		[kafka]
		bootstrap.servers = file:$WORK/broker
	END
	{
		cat "$dir/common"
		printf '%s\n' 'fetch.wait.max.ms = 10' '[consumer]' 'switch = o' 'topics = t' "state-dir = $dir/state"
		if [ "$3" = worker ]; then
			printf '%s\n' 'mode = plain' 'initial-offset = earliest' "group = w$n" 'handler = log' '[handler:log]' \
				"path = $dir/records" '[ledger]' "path = $dir/ledger"
		else
			printf '%s\n' "group = b$n" "peer-group = g$n" 'handler = null' '[controller]' 'url = http://127.0.0.1:1'
		fi
	} >"$dir/bg-consumerd.ini"
	{
		cat "$dir/common"
		printf '%s\n' '[store]' "dir = $dir/state" '[switch:o]' 'topics = t' "blue-group = b$n" "green-group = g$n" \
			"blue-endpoint = unix:$dir/none" 'green-endpoint = http://127.0.0.1:1' 'prepare-timeout = 300 ms'
	} >"$dir/bg-switchd.ini"
}

# Turns 1..N of a call; in ci every so many, so that no call has more than eight of them.
turns_of() {
	local n=$1 step=1 most=8
	[ "$2" != worker ] || most=1
	[ "$MODE" = all ] || step=$(((n + most - 1) / most))
	seq 1 "$step" "$n"
}

plan() { # SCENARIO: lines `SCENARIO CALL TURN ERRNO-NAME`
	local what=$1 word call n k errs
	while read -r word call n; do
		[ "$word" = count ] || continue
		read -ra errs <<<"${OF[$call]}"
		for k in $(turns_of "$n" "$what"); do echo "$what $call $k ${errs[$((k % ${#errs[@]}))]}"; done
	done <"$WORK/calls.$what"
}

lane() { # N: every LANES-th line of the plan
	local n=$1 what call k e said spec dir
	while read -r what call k e; do
		dir=$WORK/lane$n
		write_inis "$dir" "$n$RANDOM" "$what"
		spec=$call:$k:${ERRNO[$e]}
		if said=$(turn "$dir" "$what" "$spec" 2>&1); then
			echo "ok $what $call"
		else
			echo "bad $what $call turn $k ($e): $said"
			tail -n 15 "$dir/out" | sed 's/^/  | /'
		fi
	done < <(awk -v n="$n" -v of="$LANES" 'NR % of == n' "$WORK/plan") >"$WORK/result.$n"
}

count() { # SCENARIO
	local dir=$WORK/count.$1
	write_inis "$dir" "c$1" "$1"
	turn "$dir" "$1" -
	cp "$dir/calls" "$WORK/calls.$1"
	cp "$dir/fds" "$WORK/fds.$1"
}

main() {
	local s n bad=0 good=0 line
	rm -rf "$WORK"
	mkdir -p "$WORK"
	bg_spawn broker "$BIN/bg-devbroker" --topic t:2 --address-file "$WORK/broker"
	trap 'bg_stop broker' EXIT
	await 10 [ -s "$WORK/broker" ]
	for s in consumer switchd worker; do count "$s"; done
	for s in consumer switchd worker; do plan "$s"; done >"$WORK/plan"
	for n in $(seq 0 $((LANES - 1))); do lane "$n" & done
	wait
	while read -r line; do
		n=$(grep -c "^ok $line\$" "$WORK"/result.* -h | awk '{n += $1} END {print n}')
		if grep -hq "^bad $line " "$WORK"/result.*; then
			echo "not ok $line"
			grep -hA15 "^bad $line " "$WORK"/result.* | grep -E "^bad $line |^  \|"
			bad=$((bad + 1))
		else
			echo "ok $line ($n turns)"
			good=$((good + 1))
		fi
	done < <(cut -d' ' -f1,2 "$WORK/plan" | sort -u)
	echo "$(wc -l <"$WORK/plan") calls were failed"
	echo "$good passed, $bad failed"
	[ "$bad" -eq 0 ]
}

main
