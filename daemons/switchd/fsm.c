/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/fsm.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

static const char *const state_names[] = {
#define BG_SW_STATE(name) [SW_##name] = #name,
#include "switchd/switch.def"
#undef BG_SW_STATE
};

static const char *const event_names[] = {
#define BG_SW_EVENT(name) [SW_EV_##name] = #name,
#include "switchd/switch.def"
#undef BG_SW_EVENT
};

static const char *const action_names[] = {
#define BG_SW_ACTION(name) [SW_ACT_##name] = #name,
#include "switchd/switch.def"
#undef BG_SW_ACTION
};

static const struct sw_cell table[SW_STATES][SW_EVENTS] = {
#define BG_SW(state, event, nxt, act) [SW_##state][SW_EV_##event] = {SW_##nxt, SW_ACT_##act},
#include "switchd/switch.def"
#undef BG_SW
};

struct sw_cell sw_fsm_next(enum sw_state state, enum sw_event event)
{
	assert(state < SW_STATES && event < SW_EVENTS);
	return table[state][event];
}

const char *sw_state_name(enum sw_state s)
{
	return s < SW_STATES ? state_names[s] : "?";
}

const char *sw_phase_name(enum sw_state s)
{
	return sw_state_back(s) ? "ABORTING" : sw_state_name(s);
}

const char *sw_event_name(enum sw_event e)
{
	return e < SW_EVENTS ? event_names[e] : "?";
}

const char *sw_action_name(enum sw_action a)
{
	return a < SW_ACTIONS ? action_names[a] : "?";
}

bool sw_phase_parse(const char *s, enum sw_state *ret)
{
	if (!s)
		return false;
	if (strcmp(s, "ABORTING") == 0) {
		*ret = SW_BACK_INTENT;
		return true;
	}
	for (unsigned i = 0; i < SW_STATES; i++) {
		if (!sw_state_back((enum sw_state)i) && strcmp(s, state_names[i]) == 0) {
			*ret = (enum sw_state)i;
			return true;
		}
	}
	return false;
}

bool sw_state_back(enum sw_state s)
{
	return s == SW_BACK_INTENT || s == SW_BACK_PAUSING || s == SW_BACK_FENCING || s == SW_BACK_TRANSFER ||
	       s == SW_BACK_RESUMING;
}

bool sw_state_busy(enum sw_state s)
{
	return s != SW_UNKNOWN && s != SW_IDLE && s != SW_SOAKING && s != SW_NEEDS_PERSON;
}
