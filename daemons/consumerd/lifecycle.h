/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pure part of an instance's life: the state table and the epoch rules (protocol 1.1, 1.2). No I/O,
 * no clock; what to do is returned, never done here.
 */
#ifndef BG_CONSUMERD_LIFECYCLE_H
#define BG_CONSUMERD_LIFECYCLE_H

#include <stdbool.h>
#include <stdint.h>

enum con_state {
#define BG_LC_STATE(name) CON_##name,
#include "consumerd/lifecycle.def"
#undef BG_LC_STATE
	CON_STATES
};
enum con_event {
#define BG_LC_EVENT(name) CON_EV_##name,
#include "consumerd/lifecycle.def"
#undef BG_LC_EVENT
	CON_EVENTS
};
enum con_action {
#define BG_LC_ACTION(name) CON_DO_##name,
#include "consumerd/lifecycle.def"
#undef BG_LC_ACTION
	CON_ACTIONS
};

const char *con_state_name(enum con_state s); /* its own name, "RESUMING" too */
const char *con_state_wire(enum con_state s); /* as protocol.md says: RESUMING is PAUSED outside */
const char *con_event_name(enum con_event e);
const char *con_action_name(enum con_action a);

/* The cell: the next state and what to do. */
enum con_state con_lc_next(enum con_state s, enum con_event e, enum con_action *ret_action);

/* Which side of a switch this colour has at an epoch. */
enum con_side { CON_SIDE_NONE, CON_SIDE_PAUSED, CON_SIDE_ACTIVE };

/* What is known of epochs. `epoch` and `side` are durable; the rest is of this process. */
struct con_epochs {
	int64_t epoch; /* the highest accepted; 0: none ever */
	enum con_side side;
	int64_t durable; /* the epoch that is on disk with its side */
	enum con_side durable_side;
	int64_t floor;    /* from commit metadata, when the state file was not there */
	bool floor_known; /* false: it still has to be read */
	bool needs_name;  /* no state file, no command carried out yet: a resume must name the incarnation */
};

enum con_verdict {
	CON_OK,             /* a new epoch, or the first command of this one */
	CON_SAME,           /* this epoch and side were accepted before */
	CON_STALE,          /* 409 stale_epoch */
	CON_CONFLICT,       /* 409 epoch_conflict */
	CON_WRONG_TARGET,   /* 409 wrong_target: the incarnation is needed, or is another's */
	CON_UNKNOWN,        /* 503 epoch_unknown */
	CON_EPOCH_REQUIRED, /* 409 epoch_required */
};

/* The highest epoch known here: accepted or floor. */
int64_t con_epochs_highest(const struct con_epochs *e);

/*
 * Judge a command that puts this instance on `side` at `epoch` (0: the command had none). `named`: 1 it
 * names our incarnation, 0 it names none, -1 it names another's. `require_epoch`: false lets a resume
 * without epoch pass always. `fenced_epoch`: while FENCED the epoch it was fenced at, which is stale for a resume; else 0.
 * Changes nothing.
 */
enum con_verdict con_epochs_judge(const struct con_epochs *e, enum con_side side, int64_t epoch, int named,
				  bool require_epoch, int64_t fenced_epoch);
/* Note an accepted command. Returns true when it must be made durable before it is acted upon. */
bool con_epochs_accept(struct con_epochs *e, enum con_side side, int64_t epoch);

#endif
