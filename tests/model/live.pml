/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Liveness: two colours of one instance, no offsets, commands that arrive when they are sent (what is
 * lost is sent again), and a bounded number of troubles.
 * Concern: design 2.4 and rule 1's "never repeats": a switch, an abort, a killed controller, a killed
 * instance, a promised epoch that no record knows of, a handler that hangs for good; whatever comes, in
 * the end exactly one colour is active, for ever.
 *
 * Searched for acceptance cycles under weak fairness: an instance and the controller go on as long as they
 * can. A deadline of a step may pass (ABORTS times), and must pass when the other side hangs.
 *
 * Bounds (-D): SWITCHES asked for, ABORTS by a deadline, KILLS of instances, CRASHES of the controller,
 * HANGS of a handler, LAST epoch: the safe variant asserts that it is never reached.
 */
/*
 * What happens without a sentence:
 *
 * REPEAT_409: epoch 2 was promised (prepare) and the controller killed before its intent; green, killed and started
 *   again, answers 409 stale_epoch to resume@1, for ever.
 * ABORT_PAUSES_BOTH: green hangs, the switch is aborted, and green is paused again at 3: no proof ever comes. (Where
 *   it does come, the resume at the epoch of the pause is a conflict, and so on at every next epoch.)
 * NO_TURN: on the way back blue, which had been resumed, hangs: its proof never comes, and green waits for
 *   ever, though blue could go on. switch.def is so: BACK_PAUSING, DEADLINE, LATER, AGAIN.
 */
#include "common.pml"

#ifndef SWITCHES
#define SWITCHES 1
#endif
#ifndef ABORTS
#define ABORTS 1
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef HANGS
#define HANGS 1
#endif
#ifndef LAST
#define LAST 12
#endif

typedef Inst {
	mtype st;
	byte ep;
	bit side;
	bit hung; /* its handler never gives the record back */
};

Inst I[2];
byte rE = 1; /* the record: epoch, who is to be active at it, whether it is */
bit to = GREEN;
bit rDone = 1;
bit back; /* the way back: only `to` of the switch that failed is paused */
bit proof;
byte switches;
byte aborts;
byte kills;
byte crashes;
byte hangs;
bit tick;
hidden byte seen;

#define FROM (1 - to)
#define ACTIVE(c) (I[c].st == S_ACTIVE)
#define HIGHEST MAX(rE, MAX(I[0].ep, I[1].ep))

ltl settles { <>[] (ACTIVE(BLUE) != ACTIVE(GREEN)) }

inline intent()
{
	seen = HIGHEST;
	assert(seen < LAST);
	rE = seen + 1;
	rDone = 0;
	proof = 0;
	printf("ctl: intent %d, to %d\n", rE, to)
}

proctype Instance(bit c)
{
	do
	:: atomic { I[c].st == S_DRAINING && !I[c].hung -> lc(I[c].st, E_DRAINED); printf("%d: PAUSED@%d\n", c, I[c].ep) }
	:: atomic { I[c].st == S_RESUMING -> lc(I[c].st, E_STARTED); printf("%d: ACTIVE@%d\n", c, I[c].ep) }
	:: atomic { I[c].st == S_STARTING -> lc(I[c].st, E_CONNECTED) }
	od
}

/* What may go wrong, or need not. */
proctype Troubles()
{
	do
	:: atomic { kills < KILLS -> kills++; I[BLUE].st = S_STARTING; I[BLUE].hung = 0; printf("0: killed\n") }
	:: atomic { kills < KILLS -> kills++; I[GREEN].st = S_STARTING; I[GREEN].hung = 0; printf("1: killed\n") }
	:: atomic { hangs < HANGS && ACTIVE(BLUE) -> hangs++; I[BLUE].hung = 1; printf("0: hangs\n") }
	:: atomic { hangs < HANGS && ACTIVE(GREEN) -> hangs++; I[GREEN].hung = 1; printf("1: hangs\n") }
	/* A prepare was sent and the controller killed before its intent: the epoch is used up, the record doesn't know. */
	:: atomic {
		crashes < CRASHES && rDone && switches < SWITCHES ->
		crashes++;
		switches++; /* and nobody asks again */
		I[BLUE].ep = rE + 1;
		I[BLUE].side = (to == GREEN);
		if
		:: I[GREEN].ep = rE + 1; I[GREEN].side = (to == BLUE)
		:: skip
		fi;
		printf("ctl: promises %d, then is killed\n", rE + 1)
	}
	:: atomic { crashes < CRASHES && proof -> crashes++; proof = 0; printf("ctl: killed\n") }
	:: break
	od
}

#define PAUSE_REFUSED(c) (I[c].ep > rE || (I[c].ep == rE && I[c].side == SIDE_ACTIVE))
#define RESUME_REFUSED(c) (I[c].ep > rE || (I[c].ep == rE && I[c].side == SIDE_PAUSED))
#define IS_PAUSED(c) (I[c].ep == rE && I[c].side == SIDE_PAUSED && I[c].st == S_PAUSED)
#define UNTOLD(c) (I[c].ep < rE || (I[c].ep == rE && I[c].side == SIDE_PAUSED && (ACTIVE(c) || I[c].st == S_RESUMING)))

/*
 * The way back needs the proof of the one that was to be active. If that one hangs, nothing but going
 * forward again helps: it goes on at its own position, at a newer epoch.
 */
#ifdef NO_TURN
#define MAY_TURN !back
#else
#define MAY_TURN 1
#endif
#ifdef ABORT_PAUSES_BOTH
#define ALL_PAUSED (IS_PAUSED(FROM) && (!back || IS_PAUSED(to)))
#else
#define ALL_PAUSED IS_PAUSED(FROM)
#endif

inline pause(c)
{
	I[c].ep = rE;
	I[c].side = SIDE_PAUSED;
	lc(I[c].st, E_PAUSE);
	printf("%d: pause@%d -> %e\n", c, rE, I[c].st)
}

proctype Controller()
{
	do
	:: atomic { rDone && switches < SWITCHES -> switches++; to = 1 - to; back = 0; intent() }
	:: atomic { !rDone && !proof && !PAUSE_REFUSED(FROM) && UNTOLD(FROM) -> pause(FROM) }
#ifdef ABORT_PAUSES_BOTH
	:: atomic { !rDone && !proof && back && !PAUSE_REFUSED(to) && UNTOLD(to) -> pause(to) }
#endif
	:: atomic { !rDone && !proof && ALL_PAUSED -> proof = 1 }
	:: atomic {
		(proof || rDone) && !RESUME_REFUSED(to) && !ACTIVE(to) && I[to].st != S_RESUMING &&
		(I[to].st != S_STARTING) ->
		I[to].ep = rE;
		I[to].side = SIDE_ACTIVE;
		lc(I[to].st, E_RESUME);
		printf("%d: resume@%d -> %e\n", to, rE, I[to].st)
	}
	/* it is at work already: the same call makes it go on at the new epoch */
	:: atomic {
		proof && ACTIVE(to) && I[to].ep < rE ->
		I[to].ep = rE;
		I[to].side = SIDE_ACTIVE;
		lc(I[to].st, E_RESUME);
		printf("%d: resume@%d -> %e\n", to, rE, I[to].st)
	}
	:: atomic { proof && !rDone && ACTIVE(to) && I[to].ep == rE -> rDone = 1; proof = 0; printf("ctl: %d is active\n", to) }
#ifndef REPEAT_409
	/* 409: never repeat; the same to at an epoch above all that was answered */
	:: atomic { !rDone && !proof && PAUSE_REFUSED(FROM) -> intent() }
	:: atomic { (proof || (rDone && !ACTIVE(to))) && RESUME_REFUSED(to) -> intent() }
#endif
	/* The deadline: back to where it came from. It must pass where a handler hangs. */
	:: atomic { !rDone && !back && aborts < ABORTS -> aborts++; to = 1 - to; back = 1; intent() }
	:: atomic {
		!rDone && MAY_TURN && !proof && I[FROM].st == S_DRAINING && I[FROM].hung ->
		to = 1 - to;
		back = 1 - back;
		intent()
	}
	od
}

/* Time goes on also where nobody can do anything: a dead end is an endless run like any other. */
proctype Clock()
{
	do
	:: tick = 1 - tick
	od
}

init {
	atomic {
		I[GREEN].st = S_ACTIVE;
		I[GREEN].ep = 1;
		I[GREEN].side = SIDE_ACTIVE;
		I[BLUE].st = S_PAUSED;
		I[BLUE].ep = 1;
		run Instance(BLUE);
		run Instance(GREEN);
		run Troubles();
		run Clock();
		run Controller()
	}
}
