#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# quickstart as a newcomer runs it: built from nothing, twice side by side, left running, broken off.
bats_require_minimum_version 1.5.0
# alone: it builds, and has three minutes
# shellcheck source=tests/lib/proc.sh
. "$BG_SRC/tests/lib/proc.sh"

VERDICT_LINE='^lost 0, duplicated 0, dual-active 0 ms, gap p50 [0-9]+(\.[0-9]+)? ms$'

setup() {
	export TMPDIR=$BATS_TEST_TMPDIR
}
teardown() {
	[ -z "${KEPT:-}" ] || "$BG_SRC/quickstart" --stop "$KEPT"
}
# Processes whose command line names the folder.
processes_in() { pgrep -fc -- "$1" || true; }

@test "quickstart builds, switches, proves, and stops what it started" {
	local t0=$SECONDS
	unset BG_BUILD
	run "$BG_SRC/quickstart"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ ${lines[-1]} =~ $VERDICT_LINE ]]
	[ $((SECONDS - t0)) -lt 180 ]
	[ "$(processes_in "$TMPDIR/bg-quickstart")" -eq 0 ]
	run compgen -G "$TMPDIR/bg-quickstart*"
	[ "$status" -ne 0 ]
}

@test "two quickstarts side by side" {
	local a b rc=0
	"$BG_SRC/quickstart" --switches 4 >"$TMPDIR/a.out" 2>&1 3>&- &
	a=$!
	"$BG_SRC/quickstart" --switches 4 >"$TMPDIR/b.out" 2>&1 3>&- &
	b=$!
	wait "$a" || rc=1
	wait "$b" || rc=1
	cat "$TMPDIR/a.out" "$TMPDIR/b.out"
	[ "$rc" -eq 0 ]
	[[ $(tail -n 1 "$TMPDIR/a.out") =~ $VERDICT_LINE ]]
	[[ $(tail -n 1 "$TMPDIR/b.out") =~ $VERDICT_LINE ]]
}

@test "quickstart --keep leaves it running, and the commands that it prints work" {
	run "$BG_SRC/quickstart" --keep --switches 2
	echo "$output"
	[ "$status" -eq 0 ]
	[[ ${lines[-1]} =~ $VERDICT_LINE ]]
	KEPT=$(sed -n 's/.*quickstart --stop \(\/.*\)$/\1/p' <<<"$output")
	[ -d "$KEPT" ]
	# Every printed command but the last two lines (kill, --stop), as typed.
	sed -n '/What to try next/,/^lost/p' <<<"$output" | grep -E '^ +(export|bgctl|curl)' >"$TMPDIR/commands"
	[ "$(wc -l <"$TMPDIR/commands")" -ge 6 ]
	run bash -e -x "$TMPDIR/commands"
	echo "$output"
	[ "$status" -eq 0 ]
	run "$BG_SRC/quickstart" --stop "$KEPT"
	[ "$status" -eq 0 ]
	[ "$(processes_in "$KEPT")" -eq 0 ]
	[ ! -e "$KEPT" ]
	KEPT=
}

started() { ls "$TMPDIR"/bg-quickstart.*/run/switchd.pid; }

@test "quickstart broken off by SIGTERM stops what it started" {
	local pid
	"$BG_SRC/quickstart" >"$TMPDIR/out" 2>&1 3>&- &
	pid=$!
	await 60 started
	kill -TERM "$pid"
	wait "$pid" || true
	[ "$(processes_in "$TMPDIR/bg-quickstart")" -eq 0 ]
}

@test "quickstart: wrong arguments are status 2" {
	run "$BG_SRC/quickstart" --frobnicate
	[ "$status" -eq 2 ]
	run "$BG_SRC/quickstart" --switches none
	[ "$status" -eq 2 ]
	run "$BG_SRC/quickstart" --stop /nowhere
	[ "$status" -eq 2 ]
}
