# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The parts `sanitize` (ASan, UBSan, valgrind), `tsan` and `failcalls` of tests/run. Sourced by it; uses its result, attempt,
# RUN_DIR, here. A daemon's report goes to a file of its own (log_path): its exit status may be looked at by nobody.
# shellcheck disable=SC2154 # variables shared with tests/run
set -euo pipefail

# Unit tests that also run under valgrind: those of the code that takes bytes and memory apart.
BG_VALGRIND=(test_conf test_json test_statefile test_offsets test_units)
# Unit tests under ThreadSanitizer: those that have threads. (Not test_daemon: it holds signals back until the next
# call that it watches, so one that comes just before epoll_wait waits for ever.)
BG_TSAN=(test_worker test_loop test_log test_kafka_queue test_kafka_aux test_engine test_consumer_mock
	test_consumer_seats test_switch_run test_store_file test_http_server)

# `mixed_build NAME FROM PROGRAM…`: everything of the plain build, but these programs of the build FROM.
mixed_build() {
	local dir=$RUN_DIR/$1 from=$RUN_DIR/$2 p
	shift 2
	rm -rf "$dir"
	mkdir -p "$dir/tests"
	for p in "$RUN_DIR"/build-plain/bg*; do
		[ ! -f "$p" ] || ln -s "$p" "$dir/"
	done
	ln -s "$RUN_DIR/build-plain/tests/lib" "$dir/tests/lib"
	for p in "$@"; do ln -sfn "$from/$p" "$dir/$p"; done
}

# No report was written under this name, and the daemons have ended: what is found at exit is found.
no_reports() {
	local f bad=0
	for f in "$RUN_DIR/log/$1".*; do
		[ -s "$f" ] || continue
		echo "$f:"
		cat "$f"
		bad=1
	done
	return "$bad"
}

part_sanitize() {
	local t
	attempt "sanitize: packages" bg_deps_install "${BG_DEPS_BUILD[@]}" "${BG_DEPS_SANITIZE[@]}" "${BG_DEPS_SYSTEM[@]}"
	passed || return 0
	# Without -Werror: instrumented code makes gcc warn of what cannot happen.
	need_build sanitizers --enable-sanitizers CFLAGS='-g -O1'
	passed || return 0
	export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1
	run_unit sanitize "$RUN_DIR/build-sanitizers"
	unset ASAN_OPTIONS UBSAN_OPTIONS
	need_plain
	passed || return 0
	for t in "${BG_VALGRIND[@]}"; do
		attempt "valgrind: $t" under_valgrind "$t"
	done
	sanitize_system
}

# A few switches with the daemons under ASan and UBSan; at their end no leak.
sanitize_system() {
	mixed_build mixed-asan build-sanitizers bg-consumerd bg-switchd bg-producerd bgctl
	rm -f "$RUN_DIR/log/asan".*
	export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:log_path=$RUN_DIR/log/asan
	export UBSAN_OPTIONS=print_stacktrace=1:log_path=$RUN_DIR/log/asan LSAN_OPTIONS=suppressions=$SRC/tests/lib/lsan.supp:print_suppressions=0
	run_bats asan "$RUN_DIR/mixed-asan" --filter 'T-1|T-2|a no-go|a handler that hangs' "$SRC/tests/system/switch.bats"
	unset ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS
	attempt "sanitize: no daemon has a report or a leak" no_reports asan
}

under_valgrind() {
	cd "$RUN_DIR/build-plain"
	make "tests/unit/$1"
	top_srcdir=$SRC top_builddir=$PWD valgrind -q --error-exitcode=99 --leak-check=full \
		--errors-for-leak-kinds=definite --child-silent-after-fork=yes "tests/unit/$1"
}

# Nightly: a switch with the daemons under valgrind, which sees what ASan does not: bytes that were never set.
valgrind_system() {
	local p dir=$RUN_DIR/mixed-valgrind
	mixed_build mixed-valgrind build-plain
	rm -f "$RUN_DIR/log/memcheck".*
	for p in bg-consumerd bg-switchd; do
		rm "$dir/$p"
		cat >"$dir/$p" <<-END
			#!/bin/sh
			exec valgrind -q --leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite \\
				--suppressions=$SRC/tests/lib/valgrind.supp --log-file=$RUN_DIR/log/memcheck.%p $RUN_DIR/build-plain/$p "\$@"
		END
		chmod 755 "$dir/$p"
	done
	BG_RATE=100 run_bats valgrind-system "$dir" --filter 'T-1:|T-12' "$SRC/tests/system/switch.bats"
	attempt "valgrind: no daemon has a report or a leak" no_reports memcheck
}

# ---- tsan

need_tsan() {
	BG_TARGETS="bg-consumerd bg-switchd ${BG_TSAN[*]/#/tests/unit/}" \
		need_build tsan --enable-sanitizers=thread CFLAGS='-g -O1'
}

part_tsan() {
	attempt "tsan: packages" bg_deps_install "${BG_DEPS_BUILD[@]}" "${BG_DEPS_SANITIZE[@]}" "${BG_DEPS_SYSTEM[@]}"
	passed || return 0
	need_tsan
	passed || return 0
	rm -f "$RUN_DIR/log/tsan".*
	export TSAN_OPTIONS="exitcode=66 second_deadlock_stack=1 log_path=$RUN_DIR/log/tsan suppressions=$SRC/tests/lib/tsan.supp"
	attempt "tsan: a race is seen" tsan_sees
	tsan_unit "$RUN_DIR/build-tsan"
	need_plain
	if passed; then
		mixed_build mixed-tsan build-tsan bg-consumerd bg-switchd
		run_bats tsan-system "$RUN_DIR/mixed-tsan" --filter 'T-1|T-2' "$SRC/tests/system/switch.bats"
	fi
	unset TSAN_OPTIONS
	attempt "tsan: no program has a report" no_reports tsan
}

# Without this, a sanitizer that is off would pass for code without races.
tsan_sees() {
	local rc=0 dir=$RUN_DIR/tsan-sees
	mkdir -p "$dir"
	cat >"$dir/race.c" <<-'END'
		#include <pthread.h>
		static int n;
		static void *add(void *arg)
		{
			n++;
			return arg;
		}
		int main(void)
		{
			pthread_t t;
			pthread_create(&t, 0, add, 0);
			n++;
			return pthread_join(t, 0);
		}
	END
	gcc -g -fsanitize=thread -o "$dir/race" "$dir/race.c"
	TSAN_OPTIONS="$TSAN_OPTIONS log_path=$dir/report" "$dir/race" || rc=$?
	[ "$rc" -eq 66 ] && cat "$dir"/report.*
}

tsan_unit() {
	local dir=$1 log=$RUN_DIR/log/tsan-check.log
	rm -f "$dir"/tests/unit/*.trs
	make -k -j"$BG_JOBS" -C "$dir" check-TESTS TESTS="${BG_TSAN[*]/#/tests/unit/}" >"$log" 2>&1 </dev/null || true
	count_cmocka tsan "$dir" || true
}

# ---- failcalls

part_failcalls() {
	attempt "failcalls: packages" bg_deps_install "${BG_DEPS_BUILD[@]}" "${BG_DEPS_SYSTEM[@]}"
	passed || return 0
	need_plain
	passed || return 0
	counted failcalls "$SRC/tests/lib/failcalls.sh" "$RUN_DIR/build-plain" "$RUN_DIR/failcalls" "${BG_FAILCALLS:-ci}"
}
