#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Searches the models exhaustively: run.sh [ci|nightly], or run.sh trace MODEL VARIANT for the steps that
# lead to the violation. One line a variant; the last one is "N passed, N failed".
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here

usage() {
	echo "usage: run.sh [ci|nightly] | run.sh trace MODEL VARIANT" >&2
	exit 2
}

# Reads variants.txt: the rows of this mode, without comments.
rows() {
	local mode=$1
	awk -F'|' -v mode="$mode" '
		/^[[:space:]]*(#|$)/ { next }
		{ for (i = 1; i <= NF; i++) gsub(/^[[:space:]]+|[[:space:]]+$/, "", $i) }
		$1 == "both" || $1 == mode { print $2 "|" $3 "|" $4 "|" $5 "|" $6 "|" $7 }
	' "$here/variants.txt"
}

# Makes pan in the current folder. live: acceptance cycles under weak fairness, else safety only.
build() {
	local kind=$1 model=$2 defs=$3 mem=$4 expect=$5
	local -a flags=(-w -DNOREDUCE -DCOLLAPSE -DVECTORSZ=1024 "-DMEMLIM=$mem")
	# A violation is found soon, and the tables are small: compiling would take longer than searching.
	[ "$expect" = violated ] || [ "$model" = tables ] && flags+=(-O0) || flags+=(-O1)
	[ "$kind" = live ] && flags+=(-DNFAIR=3) || flags+=(-DSAFETY)
	# shellcheck disable=SC2086 # the switches are words
	"${CC:-gcc}" -E -P -x c -I "$here/../../daemons" -I "$here" $defs "$here/$model.pml" >model.pml
	spin -a model.pml >spin.log 2>&1 || {
		cat spin.log >&2
		return 1
	}
	"${CC:-gcc}" "${flags[@]}" -o pan pan.c
}

# What pan.log says: pass, violated, truncated, broken, or unmet: a row of a table was not reached.
verdict() {
	local log=$1
	if grep -q 'pan: reached -DMEMLIM\|out of memory\|max search depth too small\|pan: aborting\|resources exhausted' "$log"; then
		echo truncated
	elif grep -q 'assertion violated - invalid array index\|division by zero' "$log"; then
		echo broken
	elif grep -q "state [0-9]*, \"printf('row " "$log"; then
		echo unmet
	elif grep -q 'errors: 0$' "$log"; then
		echo pass
	elif grep -q 'assertion violated\|acceptance cycle' "$log"; then
		echo violated
	else
		echo broken
	fi
}

# One row: builds, searches, prints the line; the exit status says whether it was as expected.
one() {
	local kind model variant expect bounds switches
	IFS='|' read -r kind model variant expect bounds switches <<<"$1"
	local dir start found states depth ms
	dir=$(mktemp -d "${TMPDIR:-/tmp}/bg-model.XXXXXX")
	# shellcheck disable=SC2064 # now, not then
	trap "rm -rf '$dir'" EXIT
	cd "$dir"
	start=$(date +%s%N)
	local -a search=(-m200000)
	[ "$kind" = live ] && search+=(-a -f) || search+=(-E)
	if build "$kind" "$model" "$bounds $switches" "$BG_MODEL_MEMORY" "$expect" >build.log 2>&1; then
		./pan "${search[@]}" >pan.log 2>&1 || true
		found=$(verdict pan.log)
	else
		cat build.log >&2
		: >pan.log
		found=broken
	fi
	ms=$((($(date +%s%N) - start) / 1000000))
	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log | tail -1)
	depth=$(sed -n 's/.*depth reached \([0-9]*\).*/\1/p' pan.log | tail -1)
	local ok="ok"
	[ "$found" = "$expect" ] || ok="NOT"
	printf '%-3s %-10s %-40s %-9s %-9s %9s %6s %4d.%d s  %s\n' "$ok" "$model" "$variant" "$expect" "$found" \
		"${states:--}" "${depth:--}" $((ms / 1000)) $((ms % 1000 / 100)) "$bounds"
	[ "$ok" = ok ]
}

trace() {
	local row dir
	row=$(rows nightly | awk -F'|' -v m="$1" -v v="$2" '$2 == m && $3 == v' | head -1)
	[ -n "$row" ] || {
		echo "run.sh: no variant '$2' of model '$1' in variants.txt" >&2
		exit 2
	}
	local kind model variant expect bounds switches
	IFS='|' read -r kind model variant expect bounds switches <<<"$row"
	dir=$(mktemp -d "${TMPDIR:-/tmp}/bg-model.XXXXXX")
	# shellcheck disable=SC2064
	trap "rm -rf '$dir'" EXIT
	cd "$dir"
	build "$kind" "$model" "$bounds $switches" "$BG_MODEL_MEMORY" "$expect"
	local -a search=(-m200000)
	# -i: a short trace is worth the time
	[ "$kind" = live ] && search+=(-a -f) || search+=(-E -i)
	./pan "${search[@]}" >pan.log 2>&1 || true
	echo "$model, $variant ($bounds $switches): $(verdict pan.log)"
	spin -t -T model.pml | grep -v '^[[:space:]]*[A-Za-z_]*\(\[[0-9]\]\)\?\(\.[a-z]*\)\? = ' || true
}

main() {
	local mode=${1:-ci} jobs passed total
	case $mode in
	ci | nightly) [ $# -le 1 ] || usage ;;
	trace)
		[ $# -eq 3 ] || usage
		trace "$2" "$3"
		return
		;;
	*) usage ;;
	esac
	jobs=$(nproc)
	[ "$jobs" -le 2 ] || jobs=2
	local out
	out=$(mktemp "${TMPDIR:-/tmp}/bg-model.XXXXXX")
	# shellcheck disable=SC2064
	trap "rm -f '$out'" EXIT
	printf '%-3s %-10s %-40s %-9s %-9s %9s %6s %8s  %s\n' "" model variant expected found states depth seconds bounds
	total=$(rows "$mode" | wc -l)
	# A row that is not as expected ends its job with a status; the others go on.
	rows "$mode" | xargs -d '\n' -P "$jobs" -I ROW "${BASH_SOURCE[0]}" --one ROW | tee "$out" || true
	passed=$(grep -c '^ok ' "$out" || true)
	echo "$passed passed, $((total - passed)) failed"
	[ "$passed" -eq "$total" ]
}

# Two jobs in CI stay below 4 GB together.
if [ "${1:-ci}" = nightly ]; then
	export BG_MODEL_MEMORY=${BG_MODEL_MEMORY:-8000}
else
	export BG_MODEL_MEMORY=${BG_MODEL_MEMORY:-1900}
fi
if [ "${1:-}" = --one ]; then
	one "$2"
else
	main "$@"
fi
