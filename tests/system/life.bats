#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# K-14, strategy D: rolling restarts, scale-out and scale-in of the active colour under load, a broker that is gone.
bats_require_minimum_version 1.5.0
load life

setup_file() { life_setup D; }

@test "rolling restart of the active colour, one drained at a time" {
	life_rolling_restart
}

@test "rolling restart of the paused colour, and a switch to it" {
	life_rolling_restart_paused
}

@test "scale-in, two switches, scale-out: who was not there is given its state and its share" {
	life_scale_in_and_out
}

@test "T-12: nothing lost, nothing twice, never both active" {
	prove 0
}

@test "all brokers are gone for 20 s and come back: it goes on by itself" {
	life_outage 20
}

@test "a switch right after the broker returns" {
	life_switch_after_outage
}

@test "T-12: nothing lost, never both active, after the outages too" {
	prove 20000
}
