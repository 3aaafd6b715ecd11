/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two tables themselves, lifecycle.def and switch.def (-DSWITCH), in an environment that sends every
 * event at any moment, held only to what the code that sends it makes sure of.
 * Concern: what must be true of the tables whatever comes, and that every row is met: a row that was not
 * is named by run.sh.
 *
 * lifecycle: records are handed out in ACTIVE only and leave the handler at any time. Asserted: a pause is
 * answered only with an empty handler; work begins (GO) only after a BEGIN that nothing has cancelled
 * since, and goes on (ADOPT) only from ACTIVE and DRAINING; nobody comes to ACTIVE in another way; FENCED
 * is left by a command only.
 *
 * switch: asserted: nobody is told anything before the intent is durable; RESUME needs the proof of the
 * other colour at this very intent, and so does RESUME_FROM; on the way back only PAUSE_TO pauses.
 */
#ifndef SWITCH
#include "common.pml"

mtype st = S_STARTING;
bit h;     /* a record is in the handler */
bit begun; /* a start is under way */
hidden mtype old;

#define SENT_CONNECTED 1
#define SENT_PAUSE 1
#define SENT_RESUME 1
/*
 * What answers a pause has to look at the records in flight: the table alone brings one that was fenced
 * with a record in its handler over RESUMING to PAUSED (FENCED, RESUME; then PAUSE or REFUSED).
 * -DTABLE_ALONE: nobody looks but the one who sends DRAINED.
 */
#ifdef PROVE_BLIND
#define SENT_DRAINED 1
#else
#define SENT_DRAINED (!h)
#endif
#if defined(PROVE_BLIND) || defined(TABLE_ALONE)
#define ANSWERED 1
#else
#define ANSWERED (!h)
#endif
#define SENT_STARTED (!h)
#define SENT_REFUSED 1
#define SENT_FENCED 1
#define SENT_REPLACED 1
#define SENT_BROKEN 1

inline step(ev, next, what)
{
	old = st;
	st = next;
	if
	:: (what == A_PROVE || (what == A_CANCEL && ev == E_PAUSE)) && ANSWERED -> assert(!h)
	:: what == A_BEGIN -> begun = 1
	:: what == A_GO -> assert(begun && old == S_RESUMING); begun = 0
	:: what == A_ADOPT -> assert(old == S_ACTIVE || old == S_DRAINING)
	:: what == A_CANCEL || what == A_DRAIN || what == A_REPLACE || what == A_HALT -> begun = 0
	:: else
	fi;
	assert(next != S_ACTIVE || old == S_ACTIVE || what == A_GO || what == A_ADOPT);
	assert(old != S_FENCED || next == S_FENCED || ev == E_PAUSE || ev == E_RESUME)
}

active proctype Machine()
{
	do
#define BG_LC(s, e, n, a) :: atomic { st == S_##s && SENT_##e -> step(E_##e, S_##n, A_##a); printf("row %e %e\n", S_##s, E_##e) }
#include "consumerd/lifecycle.def"
#undef BG_LC
	:: atomic { st == S_ACTIVE -> h = 1 }
	:: atomic { h -> h = 0 }
	od
}

#else

mtype = {
#define BG_SW_STATE(n) W_##n
#include "switchd/switch.def"
#undef BG_SW_STATE
#define BG_SW_EVENT(n) V_##n
#include "switchd/switch.def"
#undef BG_SW_EVENT
#define BG_SW_ACTION(n) D_##n
#include "switchd/switch.def"
#undef BG_SW_ACTION
}

mtype st = W_UNKNOWN;
bit written; /* the intent is durable */
bit back;    /* and it is one of the way back */
bit proved;  /* the other colour is PAUSED at it */
hidden mtype old;

#define IS_BACK(s) (s == W_BACK_INTENT || s == W_BACK_PAUSING || s == W_BACK_FENCING || s == W_BACK_TRANSFER || s == W_BACK_RESUMING)

inline step(ev, next, what)
{
	old = st;
	st = next;
	if
	:: (old == W_INTENT || old == W_BACK_INTENT) && ev == V_OK -> written = 1
	/* after a start the record says it */
	:: ev == V_FORWARD && old == W_UNKNOWN -> written = 1; back = 0; proved = 0
	:: ev == V_BACKWARD && old == W_UNKNOWN -> written = 1; back = 1; proved = 0
	:: (old == W_PAUSING || old == W_BACK_PAUSING) && ev == V_OK -> proved = 1
	/* those that answered are paused, the broker refuses the others */
	:: (old == W_FENCING || old == W_BACK_FENCING) && ev == V_OK -> proved = 1
	:: else
	fi;
	if
	:: what == D_INTEND -> written = 0; back = 0; proved = 0
	:: what == D_INTEND_BACK -> written = 0; back = 1; proved = 0
	:: what == D_PREPARE || what == D_PAUSE -> assert(written && !back)
	/* nobody is fenced who was not asked first */
	:: what == D_FENCE -> assert(written && !back && (old == W_PAUSING || old == W_FENCING))
	:: what == D_FENCE_TO -> assert(written && back && (old == W_BACK_PAUSING || old == W_BACK_FENCING))
	:: what == D_PAUSE_TO -> assert(written && back)
	:: what == D_RESUME -> assert(written && !back && proved)
	:: what == D_RESUME_FROM -> assert(written && back && proved)
	:: what == D_VERIFY -> assert(proved)
	:: else
	fi;
	assert(IS_BACK(next) == (back && (IS_BACK(old) || what == D_INTEND_BACK || what == D_PAUSE_TO) && next != W_IDLE && next != W_NEEDS_PERSON));
	if
	:: next == W_IDLE || next == W_UNKNOWN || next == W_NEEDS_PERSON || next == W_SOAKING -> written = 0; back = 0; proved = 0
	:: else
	fi
}

active proctype Machine()
{
	do
#define BG_SW(s, e, n, a) :: atomic { st == W_##s -> step(V_##e, W_##n, D_##a); printf("row %e %e\n", W_##s, V_##e) }
#include "switchd/switch.def"
#undef BG_SW
	od
}
#endif
