# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The part `fuzz` of tests/run. Sourced by it; uses its result, attempt, RUN_DIR, here.
# shellcheck disable=SC2154 # variables shared with tests/run
set -euo pipefail

need_fuzzing() {
	BG_TARGETS=fuzz-targets need_build fuzzing --enable-fuzzing CC=clang CFLAGS='-g -O1'
}

# Each target on its corpus: 5 s in CI and always the same seed, so that what breaks it is a change; longer and
# another seed in nightly, where what was found is kept for the next night.
part_fuzz() {
	local t targets=() running=0 seconds=${BG_FUZZ_SECONDS:-5}
	attempt "fuzz: packages" bg_deps_install "${BG_DEPS_BUILD[@]}" "${BG_DEPS_FUZZ[@]}"
	passed || return 0
	need_fuzzing
	passed || return 0
	mapfile -t targets < <(make -s -C "$RUN_DIR/build-fuzzing" fuzz-list | tr ' ' '\n' | sed -n 's:^tests/fuzz/fuzz_::p')
	if [ ${#targets[@]} -lt 2 ]; then
		result fail "fuzz: there is no list of targets"
		return 0
	fi
	for t in "${targets[@]}"; do
		fuzz_one "$t" "$seconds" &
		running=$((running + 1))
		[ "$running" -lt "$BG_JOBS" ] || {
			wait -n || true
			running=$((running - 1))
		}
	done
	wait
	for t in "${targets[@]}"; do fuzz_outcome "$t"; done
}

# Its exit status goes to fuzz/TARGET.rc, what it says to log/fuzz-TARGET.log, an input that broke it beside it.
fuzz_one() {
	local t=$1 seconds=$2 rc=0 seed=${BG_FUZZ_SEED:-1} work=${BG_FUZZ_CORPUS:-$RUN_DIR/fuzz}/$1
	local given=$SRC/tests/fuzz/corpus/$t
	mkdir -p "$work" "$RUN_DIR/fuzz"
	[ -n "${BG_FUZZ_CORPUS:-}" ] || rm -f "$work"/*
	if [ -d "$given" ]; then
		timeout -k 10 $((seconds + 120)) "$RUN_DIR/build-fuzzing/tests/fuzz/fuzz_$t" -max_total_time="$seconds" \
			-seed="$seed" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
			-artifact_prefix="$RUN_DIR/log/fuzz-$t-" "$work" "$given" || rc=$?
	else
		echo "there is no corpus $given"
		rc=1
	fi >"$RUN_DIR/log/fuzz-$t.log" 2>&1 </dev/null
	echo "$rc" >"$RUN_DIR/fuzz/$t.rc"
}

fuzz_outcome() {
	local t=$1 log=$RUN_DIR/log/fuzz-$1.log runs
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	if [ "$(cat "$RUN_DIR/fuzz/$t.rc")" = 0 ] && [ "${runs:-0}" -gt 0 ]; then
		result ok "fuzz: $t ($runs inputs)"
		return
	fi
	result fail "fuzz: $t; the input is kept: $(ls "$RUN_DIR/log/fuzz-$t"-* 2>/dev/null || echo none)" "$log"
}
