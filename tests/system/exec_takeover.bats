#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# K-1 in takeover: the programs of exec.bats change hands with the static ids. (All of exec.bats runs with BG_STRATEGY=C, too.)
bats_require_minimum_version 1.5.0
load helper
load exec

setup_file() { BG_STRATEGY=C exec_setup; }

@test "takeover under load: Python and Node to shell and back" {
	exec_switches 1
}

@test "takeover, exec: nothing lost, nothing twice, never both active" {
	prove 0
}
