# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The part `checks` of tests/run: what can be said of the code without running a switch.
set -euo pipefail

part_checks() {
	attempt "checks: packages" bg_deps_install "${BG_DEPS_BUILD[@]}" "${BG_DEPS_CHECKS[@]}"
	passed || return 0
	need_tree
	passed || return 0
	attempt "checks: clang-format" check_clang_format
	attempt "checks: shellcheck" check_shellcheck
	attempt "checks: shfmt" check_shfmt
	attempt "checks: every file names its licence" check_spdx
	attempt "checks: no file of 500 lines or more" check_file_size
	attempt "checks: no function of 60 lines or more" check_function_size
	attempt "checks: no path of a developer's machine" check_machine_paths
	attempt "checks: nothing left to be written later" check_leftovers
	attempt "checks: man pages are well formed" check_man_lint
	attempt "checks: clang builds it with -Werror" clang_build
	need_plain
	passed || return 0
	attempt "checks: man pages name every key, and no other" check_man_keys
	attempt "checks: bgctl.1 names every command and option, and no other" check_man_commands
	attempt "checks: every example in etc/ passes -t" check_examples
	attempt "checks: make distcheck" distcheck
}

# All C files; all shell files (by name or first line). Relative to SRC, which the caller is in.
c_files() { find . -name '*.[ch]' -o -name '*.def' | sort; }
shell_files() {
	{
		find . -name '*.sh' -o -name '*.bash' -o -name '*.bats'
		find . -type f ! -name '*.*' -size -256k -exec sh -c 'head -c 64 "$1" | head -n 1 | grep -q "^#!.*sh\$"' _ {} \; -print
		find ./.ci -type f
		find ./tools/bash-completion -type f
	} | grep -vE '^\./(build-aux|autom4te\.cache|m4|configure|config\.)' | sort -u
}

check_clang_format() {
	cd "$SRC"
	c_files | grep '\.[ch]$' | xargs -r clang-format --dry-run -Werror
}

check_shellcheck() {
	cd "$SRC"
	shell_files | grep -v '\.bats$' | xargs -r shellcheck -x -P SCRIPTDIR -P .
	# In a test, a function called by `run` or `await` looks unreachable, and what helper.bash reads, unused.
	shell_files | grep '\.bats$' | xargs -r shellcheck -x -P SCRIPTDIR -P . -e SC2317,SC2034
}

check_shfmt() {
	cd "$SRC"
	shell_files | grep -v '\.bats$' | xargs -r shfmt -d
	shell_files | grep '\.bats$' | xargs -r shfmt -ln bats -d
}

# What autoreconf made is not ours.
own_files() {
	find . -type f | grep -vE '^\./(build-aux|autom4te\.cache|m4)/|^\./(configure~?|aclocal\.m4|config\.h\.in~?|Makefile\.in)$'
}

check_spdx() {
	local f bad=0
	cd "$SRC"
	while IFS= read -r f; do
		case $f in
		./LICENSE | ./NEWS | *.md | *.json | *.csv | */corpus/* | ./.gitignore) continue ;;
		esac
		head -n 5 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || {
			echo "$f: no SPDX line in its first five lines"
			bad=1
		}
	done < <(own_files)
	return "$bad"
}

# Unit tests may be twice as long, for their tables are data.
check_file_size() {
	cd "$SRC"
	{ c_files && shell_files; } | xargs wc -l | awk '
		$2 != "total" && $1 >= ($2 ~ /^\.\/tests\/unit\// ? 1000 : 500) {print $2 ": " $1 " lines"; bad = 1}
		END {exit bad}'
}

# clang-format puts a function's braces in column one; shfmt puts its end there.
check_function_size() {
	cd "$SRC"
	# shellcheck disable=SC2046 # our file names have no spaces
	awk 'FNR == 1 {start = 0}
		FILENAME ~ /\.[ch]$/ && /^\{/ {start = FNR; name = prev}
		FILENAME !~ /\.[ch]$/ && /^([A-Za-z_0-9]+\(\)|@test .*) \{$/ {start = FNR; name = $0}
		/^\}/ {
			if (start && FNR - start + 1 >= (FILENAME ~ /^\.\/tests\/unit\// ? 150 : 60)) {
				printf "%s:%d: %d lines: %s\n", FILENAME, start, FNR - start + 1, name
				bad = 1
			}
			start = 0
		}
		{prev = $0}
		END {exit bad}' $(c_files) $(shell_files)
}

check_machine_paths() {
	cd "$SRC"
	! own_files | xargs grep -nE '(^|[^A-Za-z0-9_.])/(wor[k]|roo[t]|hom[e]/[a-z]+)(/|\b)'
}

check_leftovers() {
	cd "$SRC"
	! own_files | xargs grep -nwE 'TOD[O]|FIXM[E]|XX[X]|HAC[K]'
}

check_man_lint() {
	local f bad=0 out
	cd "$SRC"
	for f in man/*.[1-8]; do
		out=$(mandoc -T lint -W warning "$f" 2>&1 | grep -vE 'STYLE|missing date|cannot parse date|unterminated|outdated') || continue
		[ -z "$out" ] || {
			printf '%s\n' "$out"
			bad=1
		}
	done
	return "$bad"
}

clang_build() {
	local dir=$RUN_DIR/build-clang
	mkdir -p "$dir"
	cd "$dir"
	[ -f Makefile ] || "$SRC/configure" -q CC=clang --enable-werror --enable-failpoints CFLAGS='-g -O1'
	# check_PROGRAMS are built too, but not run: only the warnings matter here.
	make -j"$BG_JOBS" all
	make -j"$BG_JOBS" check TESTS=
}

# The keys that a page describes, as `SECTION<tab>KEY`: a key stands at the head of a tagged paragraph (.TP,
# further ones by .TQ) under a heading (.SS or .SH) that names its section in brackets.
man_keys() {
	sed -e 's/\\f[A-Z]//g' -e 's/\\-/-/g' -e 's/"//g' "$1" | awk '
		/^\.S[SH] / {
			section = ""
			if (match($0, /\[[a-z:*A-Z-]+\]/)) section = substr($0, RSTART + 1, RLENGTH - 2)
			sub(/:(NAME|\*)$/, ":*", section)
		}
		/^\.T[PQ]/ {head = 1; next}
		head && section != "" {print section "\t" (($1 ~ /^\.[BI]/) ? $2 : $1)}
		{head = 0}'
}

check_man_keys() {
	local d page bad=0 work=$RUN_DIR/man
	mkdir -p "$work"
	cd "$SRC"
	for d in bg-consumerd bg-producerd bg-switchd; do
		"$RUN_DIR/build-plain/$d" --help-config | cut -f 1,2 | sort -u >"$work/$d.table"
		for page in "man/$d.8" "man/$d.ini.5" "man/${d#bg-}.ini.5"; do
			[ ! -e "$page" ] || man_keys "$page"
		done >"$work/$d.pages"
		# Sections that all daemons share may be described once; each daemon has its share of them.
		[ ! -e man/bg-ini.5 ] || man_keys man/bg-ini.5 | grep -Fxf "$work/$d.table" >>"$work/$d.pages" || true
		sort -u -o "$work/$d.pages" "$work/$d.pages"
		grep -q . "$work/$d.table" || bad=1
		diff "$work/$d.table" "$work/$d.pages" >"$work/$d.diff" || bad=1
		sed -n -e "s/^</$d: not in the man page:/p" -e "s/^>/$d: in the man page only:/p" "$work/$d.diff"
	done
	return "$bad"
}

# Heads of a section of bgctl.1 in plain text, macros taken away.
man_heads() {
	sed -e 's/\\f[A-Z]//g' -e 's/\\-/-/g' -e 's/"//g' man/bgctl.1 | awk -v want="$1" '
		/^\.SH / {inside = ($2 == want)}
		/^\.T[PQ]/ {head = 1; next}
		head && inside {sub(/^\.[BIR]+ /, ""); print}
		{head = 0}'
}

check_man_commands() {
	local c work=$RUN_DIR/man bad=0 bgctl=$RUN_DIR/build-plain/bgctl
	mkdir -p "$work"
	cd "$SRC"
	"$bgctl" --help | sed -nE 's/^  ([a-z]+)( [^ ]+)? {2,}[^ ].*/\1/p' | sort -u >"$work/bgctl.commands"
	{
		"$bgctl" --help
		while IFS= read -r c; do "$bgctl" "$c" --help; done <"$work/bgctl.commands"
	} | sed -nE 's/^  (-[a-zA-Z], )?(--[a-z-]+).*/\2/p' | sort -u >"$work/bgctl.options"
	man_heads COMMANDS | sed -E 's/ *, +/\n/g' | sed -nE 's/^([a-z]+).*/\1/p' | sort -u >"$work/bgctl.man-commands"
	man_heads OPTIONS | grep -oE -- '--[a-z-]+' | sort -u >"$work/bgctl.man-options"
	grep -q . "$work/bgctl.commands" && grep -q . "$work/bgctl.options" || bad=1
	diff "$work/bgctl.commands" "$work/bgctl.man-commands" || bad=1
	diff "$work/bgctl.options" "$work/bgctl.man-options" || bad=1
	return "$bad"
}

check_examples() {
	local f d bad=0
	for f in "$SRC"/etc/*.ini; do
		d=bg-$(basename "$f" .ini)
		d=${d%%.*}
		"$RUN_DIR/build-plain/$d" -t -c "$f" -i blue-0 || {
			echo "$f: $d -t refuses it"
			bad=1
		}
	done
	return "$bad"
}

# The unit tests run in a part of their own; here they are only compiled, from what the tarball holds.
distcheck() {
	cd "$RUN_DIR/build-plain"
	make -j"$BG_JOBS" distcheck TESTS=
}
