#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Every command of the README. Blocks ```sh are taken out in order and run as one script, in a copy of the
# tree, against a real Kafka; blocks ```console show what ./quickstart and ./tests/run look like, which are
# tests of their own; ```ini and ```python blocks are written to the file named in their first line.
bats_require_minimum_version 1.5.0
# shellcheck source=tests/lib/proc.sh
. "$BG_SRC/tests/lib/proc.sh"
# shellcheck source=tests/lib/kafka.sh
. "$BG_SRC/tests/lib/kafka.sh"

setup_file() {
	export BG_DIR=$BG_SYSTEM_DIR/readme
	mkdir -p "$BG_DIR"
}
teardown_file() {
	[ ! -s "$BG_DIR/pids" ] || xargs kill <"$BG_DIR/pids" 2>/dev/null || true
}

# The blocks of a language, one after the other.
blocks() { awk -v want="\`\`\`$1" '$0 == want {on = 1; next} /^```/ {on = 0} on' "$BG_SRC/README.md"; }

# Each ini and python block into the file that its first line (`# /etc/…/NAME.ini`) names, below $1.
write_files() {
	local line out=
	while IFS= read -r line; do
		case $line in
		'# /'*.ini | '# /'*.py)
			out=$1/$(basename "$line")
			: >"$out"
			;;
		*) [ -z "$out" ] || printf '%s\n' "$line" >>"$out" ;;
		esac
	done < <(blocks ini && blocks python)
}

@test "the INI files of the README pass the configuration test" {
	local f daemon
	write_files "$BG_DIR"
	for f in own consumerd consumerd-c switchd switchd-c producerd; do
		[ -s "$BG_DIR/$f.ini" ]
		daemon=bg-${f%-c}
		[ "$f" != own ] || daemon=bg-consumerd
		run "$BG_BIN/$daemon" -t -c "$BG_DIR/$f.ini" -i blue-0
		echo "$f: $output"
		[ "$status" -eq 0 ]
	done
}

# A machine-wide installation in a test: the same text with its folders, broker and ports replaced.
moved() {
	sed -e "s#/opt/orders#$BG_DIR#g" -e "s#/etc/kafka-bluegreen#$BG_DIR#g" -e "s#/var/lib/kafka-bluegreen#$BG_DIR/state#g" \
		-e "s#/run/kafka-bluegreen#$BG_DIR/run#g" -e "s#127\.0\.0\.1:9092#$BG_BOOTSTRAP#g" \
		-e "s#127\.0\.0\.1:8080#127.0.0.1:$1#g; s#127\.0\.0\.1:8180#127.0.0.1:$2#g" \
		-e "s#127\.0\.0\.1:8081#127.0.0.1:$3#g; s#127\.0\.0\.1:8084#127.0.0.1:$4#g"
}

@test "every command of the README works, in order" {
	local ports=() i f rc=0
	for i in 1 2 3 4; do
		bg_free_port
		ports+=("$BG_PORT")
	done
	mkdir -p "$BG_DIR/state" "$BG_DIR/run"
	write_files "$BG_DIR"
	for f in "$BG_DIR"/*.ini; do
		moved "${ports[@]}" <"$f" >"$f.moved"
		mv "$f.moved" "$f"
	done
	kafka_topic "$BG_BOOTSTRAP" orders 8
	kafka_admin "$BG_BOOTSTRAP" produce orders 0 key 'for the program'
	{
		echo 'set -euo pipefail'
		echo "trap 'jobs -p >$BG_DIR/pids' EXIT"
		echo "export PATH=$BG_BIN:\$PATH BG_SOCKET=$BG_DIR/run/switchd.sock"
		blocks sh | moved "${ports[@]}"
	} >"$BG_DIR/commands.sh"
	# The daemons keep what they write to, so that is a file and no pipe that somebody waits for.
	timeout 120 bash -x "$BG_DIR/commands.sh" >"$BG_DIR/out" 2>&1 3>&- || rc=$?
	cat "$BG_DIR/out"
	[ "$rc" -eq 0 ]
	grep -q 'ev=child msg="orders 0 for the program"' "$BG_DIR/out"
}
