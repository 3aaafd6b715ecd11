/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine of a switch: a pure table of state x event (switch.def). It does no I/O and knows no adapter;
 * run.c carries out the actions.
 */
#ifndef SW_FSM_H
#define SW_FSM_H

#include <stdbool.h>

enum sw_state {
#define BG_SW_STATE(name) SW_##name,
#include "switchd/switch.def"
#undef BG_SW_STATE
	SW_STATES
};

enum sw_event {
#define BG_SW_EVENT(name) SW_EV_##name,
#include "switchd/switch.def"
#undef BG_SW_EVENT
	SW_EVENTS
};

enum sw_action {
#define BG_SW_ACTION(name) SW_ACT_##name,
#include "switchd/switch.def"
#undef BG_SW_ACTION
	SW_ACTIONS
};

struct sw_cell {
	enum sw_state next;
	enum sw_action action;
};

struct sw_cell sw_fsm_next(enum sw_state state, enum sw_event event);
const char *sw_state_name(enum sw_state s); /* "BACK_PAUSING" */
/* What people and records see: the BACK_ states are ABORTING. */
const char *sw_phase_name(enum sw_state s);
const char *sw_event_name(enum sw_event e);
const char *sw_action_name(enum sw_action a);
/* A phase of a record as a state: ABORTING gives BACK_INTENT. False: no such phase. */
bool sw_phase_parse(const char *s, enum sw_state *ret);
/* Between PREFLIGHT and VERIFYING, or on the way back: a second request is refused as busy. */
bool sw_state_busy(enum sw_state s);
bool sw_state_back(enum sw_state s);

#endif
