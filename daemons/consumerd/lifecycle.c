/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/lifecycle.h"

static const char *const state_names[CON_STATES] = {
#define BG_LC_STATE(name) [CON_##name] = #name,
#include "consumerd/lifecycle.def"
#undef BG_LC_STATE
};

static const char *const event_names[CON_EVENTS] = {
#define BG_LC_EVENT(name) [CON_EV_##name] = #name,
#include "consumerd/lifecycle.def"
#undef BG_LC_EVENT
};

static const char *const action_names[CON_ACTIONS] = {
#define BG_LC_ACTION(name) [CON_DO_##name] = #name,
#include "consumerd/lifecycle.def"
#undef BG_LC_ACTION
};

struct cell {
	uint8_t next, action, filled;
};

static const struct cell table[CON_STATES][CON_EVENTS] = {
#define BG_LC(s, e, n, a) [CON_##s][CON_EV_##e] = {CON_##n, CON_DO_##a, 1},
#include "consumerd/lifecycle.def"
#undef BG_LC
};

/* As many rows as cells; that none is there twice is the unit test's part. */
enum {
	ROWS = 0
#define BG_LC(s, e, n, a) +1
#include "consumerd/lifecycle.def"
#undef BG_LC
};
_Static_assert((int)ROWS == (int)CON_STATES * (int)CON_EVENTS, "lifecycle.def has an empty cell");

const char *con_state_name(enum con_state s)
{
	return state_names[s];
}

const char *con_state_wire(enum con_state s)
{
	return s == CON_RESUMING ? state_names[CON_PAUSED] : state_names[s];
}

const char *con_event_name(enum con_event e)
{
	return event_names[e];
}

const char *con_action_name(enum con_action a)
{
	return action_names[a];
}

enum con_state con_lc_next(enum con_state s, enum con_event e, enum con_action *ret_action)
{
	const struct cell *c = &table[s][e];

	*ret_action = c->action;
	return c->next;
}

int64_t con_epochs_highest(const struct con_epochs *e)
{
	return e->epoch > e->floor ? e->epoch : e->floor;
}

enum con_verdict con_epochs_judge(const struct con_epochs *e, enum con_side side, int64_t epoch, int named,
				  bool require_epoch, int64_t fenced_epoch)
{
	bool resume = side == CON_SIDE_ACTIVE;

	if (named < 0)
		return CON_WRONG_TARGET;
	if (!epoch) {
		/* A pause without epoch is local and always taken. */
		if (!resume || !require_epoch)
			return CON_OK;
		if (!e->floor_known)
			return CON_UNKNOWN;
		return con_epochs_highest(e) ? CON_EPOCH_REQUIRED : CON_OK;
	}
	if (epoch < con_epochs_highest(e))
		return CON_STALE;
	if (resume) {
		/* Without the state file nobody knows what was accepted: the floor, and the name of this very process. */
		if (!e->floor_known)
			return CON_UNKNOWN;
		if (e->needs_name && named != 1)
			return CON_WRONG_TARGET;
		if (fenced_epoch && epoch <= fenced_epoch)
			return CON_STALE;
	}
	if (epoch == e->epoch)
		return e->side == side ? CON_SAME : CON_CONFLICT;
	return CON_OK;
}

bool con_epochs_accept(struct con_epochs *e, enum con_side side, int64_t epoch)
{
	if (!epoch)
		return false;
	e->epoch = epoch;
	e->side = side;
	return e->durable != epoch || e->durable_side != side;
}
