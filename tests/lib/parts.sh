# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The parts of tests/run but for the checks. Sourced by it; uses its result, attempt, RUN_DIR, here.
# shellcheck disable=SC2034,SC2154 # variables shared with tests/run
set -euo pipefail

BG_JOBS=$(nproc)

part_deps() {
	attempt "deps: Debian packages" bg_deps_install "${BG_DEPS_BUILD[@]}" "${BG_DEPS_CHECKS[@]}" \
		"${BG_DEPS_UNIT[@]}" "${BG_DEPS_SANITIZE[@]}" "${BG_DEPS_FUZZ[@]}" "${BG_DEPS_MODEL[@]}" "${BG_DEPS_SYSTEM[@]}"
}

# `need_tree`: SRC is there. `need_build NAME`: so is that build. Both are tests when they do something.
need_tree() {
	OUTCOME=0
	[ -z "${SRC:-}" ] || return 0
	SRC=$RUN_DIR/src
	attempt "build: tree and configure" bg_copy_tree "$here" "$SRC"
}

need_build() {
	local name=$1
	shift
	need_tree
	passed || return 0
	case " ${BUILT:-} " in *" $name "*) return 0 ;; esac # OUTCOME is need_tree's
	attempt "build: $name ($*)" bg_configure_and_make "$SRC" "$RUN_DIR/build-$name" "$@"
	passed || return 0
	BUILT="${BUILT:-} $name"
}
need_plain() { need_build plain --enable-werror; }
need_failpoints() { need_build failpoints --enable-werror --enable-failpoints; }

part_build() {
	attempt "build: packages" bg_deps_install "${BG_DEPS_BUILD[@]}" "${BG_DEPS_UNIT[@]}"
	passed || return 0
	need_plain
	need_failpoints
	attempt "build: the release has no failpoints in it" no_failpoints
	attempt "build: hardened (PIE, RELRO, now, stack protector)" hardened
}

no_failpoints() {
	local p n=0
	for p in bg-consumerd bg-switchd bg-producerd; do
		if grep -q BG_FAIL "$RUN_DIR/build-plain/$p"; then
			echo "$p of the plain build knows BG_FAIL"
			return 1
		fi
		grep -q BG_FAIL "$RUN_DIR/build-failpoints/$p" && n=$((n + 1))
	done
	[ "$n" -gt 0 ]
}

hardened() {
	local p f
	for p in bg-consumerd bg-switchd bg-producerd bgctl bg-verify bg-devbroker; do
		f=$RUN_DIR/build-plain/$p
		echo "$p"
		readelf -hW "$f" | grep 'Type:.*DYN'
		readelf -lW "$f" | grep GNU_RELRO
		readelf -dW "$f" | grep -E 'BIND_NOW|Flags:.*NOW'
		readelf -sW "$f" | grep -c __stack_chk_fail
	done
}

# Automake runs the cmocka programs; what counts is each test in them. `count_cmocka LABEL DIR`.
count_cmocka() {
	local label=$1 dir=$2 trs log name ok bad
	for trs in "$dir"/tests/unit/*.trs; do
		[ -e "$trs" ] || {
			result fail "$label: no test program ran"
			return 1
		}
		log=${trs%.trs}.log
		name="$label: $(basename "$trs" .trs)"
		ok=$(grep -aoP '\[\s+PASSED\s+\] \K\d+(?= test)' "$log" | awk '{n+=$1} END {print n+0}') || true
		bad=$(grep -aoP '\[\s+FAILED\s+\] \K\d+(?= test)' "$log" | awk '{n+=$1} END {print n+0}') || true
		if grep -q '^:global-test-result: PASS' "$trs" && [ "$ok" -gt 0 ] && [ "$bad" -eq 0 ]; then
			echo "ok      $name ($ok tests)"
			PASSED=$((PASSED + ok))
		else
			PASSED=$((PASSED + ok))
			FAILED=$((FAILED + (bad > 1 ? bad - 1 : 0)))
			result fail "$name ($bad of $((ok + bad)) tests, $(sed -n 's/^:global-test-result: //p' "$trs"))" "$log"
		fi
	done
}

make_check() {
	local dir=$1
	cd "$dir"
	rm -f tests/unit/*.trs
	make -k -j"$BG_JOBS" check
}

run_unit() {
	local label=$1 dir=$2 log rc=0
	log=$RUN_DIR/log/$label-make-check.log
	(make_check "$dir") >"$log" 2>&1 </dev/null || rc=$?
	count_cmocka "$label" "$dir" || rc=1
	# A program that does not compile leaves no result of its own.
	if [ "$rc" -ne 0 ] && ! grep -qs 'test-result: [FEX]' "$dir"/tests/unit/*.trs; then
		result fail "$label: make check" "$log"
	fi
}

part_unit() {
	attempt "unit: packages" bg_deps_install "${BG_DEPS_BUILD[@]}" "${BG_DEPS_UNIT[@]}"
	passed || return 0
	need_plain
	passed || return 0
	run_unit unit "$RUN_DIR/build-plain"
}

# Runs a script that ends with `N passed, N failed`, shows its ok/FAILED lines and adds its figures to ours.
counted() {
	local name=$1 log rc=0 last
	shift
	log=$RUN_DIR/log/${name//[^A-Za-z0-9._-]/_}.log
	"$@" >"$log" 2>&1 </dev/null || rc=$?
	grep -aE '^(ok|not ok|FAILED) ' "$log" | sed 's/^not ok/FAILED/' || true
	last=$(grep -aoE '[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1) || true
	if [ -z "$last" ]; then
		result fail "$name: it did not end with 'N passed, N failed' (exit status $rc)" "$log"
		return 0
	fi
	PASSED=$((PASSED + ${last%% *}))
	last=${last#*, }
	FAILED=$((FAILED + ${last%% *}))
	if [ "$rc" -ne 0 ] || [ "${last%% *}" -gt 0 ]; then
		[ "${last%% *}" -gt 0 ] || result fail "$name: exit status $rc"
		tail -n 60 "$log" | sed 's/^/        | /'
	fi
}

part_model() {
	attempt "model: packages" bg_deps_install gcc libc6-dev "${BG_DEPS_MODEL[@]}"
	passed || return 0
	need_tree
	passed || return 0
	counted model "$SRC/tests/model/run.sh" ci
}

part_system() {
	local files=() f
	attempt "system: packages" bg_deps_install "${BG_DEPS_BUILD[@]}" "${BG_DEPS_SYSTEM[@]}"
	passed || return 0
	need_failpoints
	passed || return 0
	for f in ${BG_FILES:-}; do files+=("$SRC/tests/system/${f%.bats}.bats"); done
	if [ ${#files[@]} -gt 0 ]; then
		run_bats system "$RUN_DIR/build-failpoints" "${files[@]}"
		return 0
	fi
	two_lanes
	mapfile -t files < <(grep -lE "$ALONE" "$SRC"/tests/system/*.bats)
	run_bats system "$RUN_DIR/build-failpoints" "${files[@]}"
}

# A file that measures time says so in a line of its own, and runs when nothing else does.
ALONE='^# alone: '

# Most of a system test is waiting, so two files run side by side, each lane with a Kafka of its own. The files are
# dealt out by their number of tests, the largest first. The second lane's lines are shown when both are over.
# shellcheck disable=SC2030,SC2031 # the second lane counts for itself, and says it by a file
two_lanes() {
	local f n one=() two=() n1=0 n2=0 counts lane
	while read -r n f; do
		if [ "$n1" -le "$n2" ]; then
			one+=("$f") n1=$((n1 + n))
		else
			two+=("$f") n2=$((n2 + n))
		fi
	done < <(
		for f in "$SRC"/tests/system/*.bats; do
			grep -qE "$ALONE" "$f" || echo "$(grep -c '^@test' "$f") $f"
		done | sort -rn
	)
	rm -f "$RUN_DIR/lane-2.counts"
	(
		PASSED=0 FAILED=0
		run_bats system-2 "$RUN_DIR/build-failpoints" "${two[@]}"
		echo "$PASSED $FAILED" >"$RUN_DIR/lane-2.counts"
	) >"$RUN_DIR/log/lane-2.out" 2>&1 &
	lane=$! # a process substitution, as in run_bats, sets it too
	run_bats system-1 "$RUN_DIR/build-failpoints" "${one[@]}"
	wait "$lane" || true
	cat "$RUN_DIR/log/lane-2.out"
	if counts=$(cat "$RUN_DIR/lane-2.counts" 2>/dev/null); then
		PASSED=$((PASSED + ${counts% *}))
		FAILED=$((FAILED + ${counts#* }))
	else
		result fail "system-2: the lane did not come to its end" "$RUN_DIR/log/lane-2.out"
	fi
}

# `run_bats LABEL BUILD [OPTION…] FILE…`: bats in TAP, its scratch folder is named as the label; a skipped test counts
# as failed, for here nothing may be missing.
run_bats() {
	local line before=$FAILED
	BATS_LABEL=$1 BATS_SEEN=0 BATS_PLANNED=0
	export BG_BUILD=$2 BG_SRC=$SRC BG_SYSTEM_DIR=$RUN_DIR/$1
	shift 2
	rm -rf "$BG_SYSTEM_DIR"
	mkdir -p "$BG_SYSTEM_DIR"
	while IFS= read -r line; do
		tap_line "$line"
	done < <(
		rc=0
		bats --formatter tap --timing "$@" 2>"$RUN_DIR/log/bats-$BATS_LABEL.stderr" </dev/null || rc=$?
		echo "bats-status $rc"
	)
	if [ "$BATS_PLANNED" -eq 0 ] || [ "$BATS_SEEN" -ne "$BATS_PLANNED" ]; then
		result fail "$BATS_LABEL: $BATS_SEEN of $BATS_PLANNED planned tests ended" "$RUN_DIR/log/bats-$BATS_LABEL.stderr"
	fi
	[ "$FAILED" -gt "$before" ] || rm -rf "$BG_SYSTEM_DIR"
}

BATS_LABEL=system
BATS_SEEN=0
BATS_PLANNED=0
tap_line() {
	local line=$1
	printf '%s\n' "$line" >>"$RUN_DIR/log/bats-$BATS_LABEL.tap"
	case $line in
	1..*) BATS_PLANNED=${line#1..} ;;
	"ok "*"# skip"*) result fail "$BATS_LABEL: ${line#ok * } (skipped)" && BATS_SEEN=$((BATS_SEEN + 1)) ;;
	"ok "*) result ok "$BATS_LABEL: ${line#ok * }" && BATS_SEEN=$((BATS_SEEN + 1)) ;;
	"not ok "*) result fail "$BATS_LABEL: ${line#not ok * }" && BATS_SEEN=$((BATS_SEEN + 1)) ;;
	"bats-status 0") ;;
	"bats-status "*) [ "$FAILED" -gt 0 ] || result fail "$BATS_LABEL: bats ended with ${line#bats-status }" ;;
	"#"*) echo "        | ${line#\#}" ;;
	esac
}

BG_BENCHES=(gap produce consume fanout memory long)
part_bench() {
	local which=${1:-gap} rc=0
	[ $# -eq 0 ] || shift
	case " ${BG_BENCHES[*]} " in
	*" $which "*) ;;
	*)
		result fail "bench: unknown bench '$which' (there is: ${BG_BENCHES[*]})"
		return 0
		;;
	esac
	attempt "bench: packages" bg_deps_install "${BG_DEPS_BUILD[@]}" "${BG_DEPS_SYSTEM[@]}"
	passed || return 0
	need_plain
	passed || return 0
	rm -rf "$RUN_DIR/bench"
	# The table and the JSON line are the product of a bench, so they are shown as they come.
	BG_BUILD=$RUN_DIR/build-plain BG_SRC=$SRC BG_SYSTEM_DIR=$RUN_DIR/bench "$SRC/tests/bench/$which.sh" "$@" </dev/null |
		tee "$RUN_DIR/log/bench-$which.log" || rc=$?
	LAST_LINE=$(grep -a '^{"bench"' "$RUN_DIR/log/bench-$which.log" | tail -n 1) || true
	if [ "$rc" -eq 0 ]; then result ok "bench: $which"; else result fail "bench: $which (exit status $rc)"; fi
}

engine_storm() {
	make -C "$RUN_DIR/build-plain" -j"$BG_JOBS" tests/unit/test_switch_storm
	BG_STORM_SEEDS=${BG_STORM_SEEDS:-1000} "$RUN_DIR/build-plain/tests/unit/test_switch_storm"
}

part_nightly() {
	attempt "nightly: packages" bg_deps_install "${BG_DEPS_BUILD[@]}" "${BG_DEPS_MODEL[@]}" "${BG_DEPS_SANITIZE[@]}" \
		"${BG_DEPS_SYSTEM[@]}"
	passed || return 0
	need_tree
	passed || return 0
	counted model-nightly "$SRC/tests/model/run.sh" nightly
	BG_FUZZ_SECONDS=${BG_FUZZ_SECONDS:-60} BG_FUZZ_SEED=${BG_FUZZ_SEED:-0} BG_FUZZ_CORPUS=$BG_CACHE/fuzz part_fuzz
	BG_FAILCALLS=all part_failcalls
	need_plain
	if passed; then
		attempt "nightly: a storm over bg-switchd's engine" engine_storm
		counted storm env BG_BUILD="$RUN_DIR/build-plain" BG_SYSTEM_DIR="$RUN_DIR/storm" "$SRC/tests/system/storm.sh"
		valgrind_system
	fi
	BG_REPEAT=${BG_REPEAT:-10} part_system
	local b
	for b in "${BG_BENCHES[@]}"; do part_bench "$b"; done
}
