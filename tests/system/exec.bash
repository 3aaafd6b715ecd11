# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Programs behind the exec handler, for either strategy: loaded after helper by exec.bats (D) and exec_takeover.bats (C).
# shellcheck source=tests/system/helper.bash

# shellcheck disable=SC2089,SC2090 # lines of an INI file
exec_setup() {
	mkdir -p "$(file_dir)/faults"
	export BG_HANDLER=exec BG_RATE=1000 BG_SWITCH_INI='drain-timeout = 2 s'
	BG_CONSUMER_INI="max-in-flight = 200
		[handler:exec]
		command = sh $BG_SRC/tests/system/exec_run.sh
		environment = BG_EXEC_DIR=$(file_dir)/faults
		restart-backoff = 20 ms
		answer-timeout = 4 s
		on-deadline = abort
		stderr-rate = 20"
	BG_CONSUMER_INI=${BG_CONSUMER_INI//$'\t'/}
	export BG_CONSUMER_INI
	file_env
}

# To green and back, as often as is said.
exec_switches() {
	local i
	for ((i = 0; i < $1; i++)); do
		switch_done green
		bg_works green
		switch_done blue
		bg_works blue
	done
	for i in "${BG_INSTANCES[@]}"; do assert_eq "restarts of $i" "$(bg_status_of "$i" .handler.restarts)" 0; done
}
