# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Building out of the tree. Sourced by quickstart and tests/run.
set -euo pipefail

# `bg_copy_tree FROM TO`: the sources, with configure made. They are copied first, so that nothing is ever
# made in the checkout, two builds do not meet, and nothing that lies about ignored in it can help a build.
bg_copy_tree() {
	local from=$1 to=$2
	rm -rf "$to"
	mkdir -p "$to"
	if git -C "$from" -c safe.directory='*' rev-parse --git-dir >/dev/null 2>&1; then
		git -C "$from" -c safe.directory='*' ls-files -z -co --exclude-standard |
			(cd "$from" && while IFS= read -r -d '' f; do [ ! -e "$f" ] || printf '%s\0' "$f"; done) |
			tar -C "$from" --null -T - -cf - | tar -C "$to" -xf -
	else
		tar -C "$from" --exclude=./.git --exclude=./build -cf - . | tar -C "$to" -xf -
	fi
	[ -x "$to/configure" ] || (cd "$to" && autoreconf -fi)
}

# `bg_configure_and_make SRC DIR [OPTION…]`; BG_TARGETS: make these only.
bg_configure_and_make() {
	local src=$1 dir=$2
	shift 2
	mkdir -p "$dir"
	cd "$dir"
	[ -f Makefile ] || "$src/configure" -q "$@"
	# shellcheck disable=SC2086 # a list of words
	make -j"$(nproc)" ${BG_TARGETS:-}
}
