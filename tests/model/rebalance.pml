/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hand-over with two instances a colour and two partitions, while the groups rebalance (cooperative): a
 * partition is asked back from its owner, let go, and given to either instance, at any moment between
 * pause and resume too.
 * Concern: rules 4, 5, 6, 7 where "the instance" is two and "what it holds" moves.
 *
 * Epochs alternate: blue is active at the odd ones, green at the even ones; what is asked for at an even
 * epoch that didn't come about is an abort at the odd one after it. The controller may forget its memory
 * at any moment. A commit or a mirror write that was on its way when its partition was given away is
 * refused by the broker (generation).
 *
 * Bounds (-D): MAXE epochs, MAXREC records a partition, MOVES partitions asked back, KILLS kills (with
 * the state file; the member is static, so its partitions stay, or go by session time-out: a move).
 *
 * Asserted: as in handover.pml, for each partition; and no partition has records in two handlers.
 */
/*
 * What happens without a sentence:
 *
 * ONE_PROOF: 1 has answered PAUSED@2, 0 not; green begins, and 0 goes on under 1.
 * REVOKE_AT_ONCE: 3 lets partition 1 go with record 0 in its handler; 2 is given the partition and record 0.
 * REVOKE_DRAINED: the same after the record is out, but before its commit: 2 starts at the old commit.
 * LATE_HANDED: 3 has processed and committed record 0 and gets the partition back: it starts as handed over.
 * LATE_OWN: 0 gets partition 0 back after 1 has worked on it: it starts where it was itself.
 * LATE_OLDER: 0 is resumed@3 on the way back and starts partition 0 at 3; it moves to 1, which nobody has told
 *   of 3 yet: it would commit under 1 what is at 3 already. It must leave it alone until its own resume.
 * TO_GROUP_ONLY: 0 has processed record 0, answers PAUSED, is killed; the controller, killed too, asks green's
 *   group only.
 * NO_HANDED: eager: nobody held partition 0 when the resume was answered, so it was not committed at 2; the
 *   record says done; 2 gets the partition, is killed, and is told to start where the commits say: blue's late
 *   commit is still on its way. So what was handed over must be durable when the record says done.
 * MIRROR_UNFENCED: a mirror write of a partition that was let go would land on the commit of its new owner, if
 *   the broker did not refuse it by its generation and no resume waited for it.
 *
 * Not needed alone: naming let-go partitions in a pause answer, and looking at their records (in_flight counts
 * orphans): both are covered by letting go only what is drained and committed, and are needed when that is
 * given up by a time-out or a lost assignment.
 */
#include "common.pml"

#ifndef MAXE
#define MAXE 2
#endif
#ifndef MAXREC
#define MAXREC 1
#endif
#ifndef MOVES
#define MOVES 2
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifdef EAGER
#define IS_EAGER 1
#else
#define IS_EAGER 0
#endif
#ifdef MIRROR
#define MIRRORS 1
#else
#define MIRRORS 0
#endif

#define NOBODY 4
#define COLOR(i) ((i) / 2)
#define TO(e) (1 - (e) % 2) /* blue at odd, green at even epochs */

typedef Inst {
	mtype st;
	byte ep;
	byte k[2];  /* position of a partition, now or when it was last held; 0: unknown */
	bit on[2]; /* started at this activation */
	bit h[2];   /* a record of it is in the handler */
	byte rq[2]; /* offsets handed over at this epoch */
};
typedef Group {
	byte owner[2]; /* instance, or NOBODY */
	bit back[2];   /* it was asked back from its owner */
	byte k[2];
	bit m[2];
	byte cw[2]; /* the owner's commit on its way */
	byte mw[2]; /* the owner's mirror write on its way */
};
typedef Request {
	byte k[2];
};

Inst I[4];
Group G[2];
byte rE = 1;
bit rDone = 1;
Request R[MAXE + 1]; /* the first resume of an epoch: it may arrive from now on */
bit pr[2];           /* the controller's memory: who has answered PAUSED at rE, */
byte ak[2];          /* and the best that was named */
byte moves;
byte kills;
byte done[2];
byte keep[2];
byte handed[2]; /* highest epoch that a colour has handed out under */
hidden byte b;
hidden byte j;
hidden byte u0;
hidden byte u1;

#define SIDE(i, e) (TO(e) == COLOR(i))
#define HANDLER(i) (I[i].h[0] || I[i].h[1])
#define OWNS(i, p) (G[COLOR(i)].owner[p] == (i))
#define DIRTY(i, p) (OWNS(i, p) && I[i].k[p] && I[i].k[p] != G[COLOR(i)].k[p] && I[i].k[p] > G[COLOR(i)].k[p])

#ifdef HELD_HANDLER
/* Only partitions that are held count: a record of one that was let go is not seen. */
#define EMPTY(i) (!(OWNS(i, 0) && I[i].h[0]) && !(OWNS(i, 1) && I[i].h[1]))
#else
#define EMPTY(i) (!HANDLER(i))
#endif
#define PROVED(i) (EMPTY(i) && (IS_EAGER || (!DIRTY(i, 0) && !DIRTY(i, 1) && !(OWNS(i, 0) && G[COLOR(i)].cw[0]) && !(OWNS(i, 1) && G[COLOR(i)].cw[1]))))

inline start(i, p)
{
#ifdef LATE_HANDED
	b = (I[i].rq[p] -> I[i].rq[p] : MAX(I[i].k[p], G[COLOR(i)].k[p]));
#else
#ifdef LATE_OWN
	b = (I[i].k[p] -> MAX(I[i].k[p], I[i].rq[p]) : MAX(I[i].rq[p], G[COLOR(i)].k[p]));
#else
	b = MAX(I[i].rq[p], MAX(I[i].k[p], G[COLOR(i)].k[p]));
#endif
#endif
	if
	/* Nothing was handed and the commit is not of this epoch: it stays where it is, and is named. */
	:: I[i].rq[p] == 0 && (EPOCH(G[COLOR(i)].k[p]) != I[i].ep || G[COLOR(i)].m[p]) && EPOCH(I[i].k[p]) != I[i].ep -> skip
	:: else ->
		I[i].k[p] = MARK(I[i].ep, OFF(b));
		I[i].on[p] = 1;
		printf("%d: partition %d starts at %d under %d\n", i, p, OFF(b), I[i].ep)
	fi
}

inline take_pause(i, e)
{
	I[i].ep = e;
	I[i].rq[0] = 0;
	I[i].rq[1] = 0;
	lc(I[i].st, E_PAUSE);
	printf("%d: pause@%d -> %e\n", i, e, I[i].st)
}

inline take_resume(i, e, k0, k1)
{
	if
	:: e == I[i].ep && I[i].st == S_ACTIVE -> skip
	:: else ->
		if
		:: I[i].ep != e -> I[i].rq[0] = 0; I[i].rq[1] = 0
		:: else
		fi;
		I[i].ep = e;
		I[i].rq[0] = MAX(I[i].rq[0], k0);
		I[i].rq[1] = MAX(I[i].rq[1], k1);
		lc(I[i].st, E_RESUME);
		printf("%d: resume@%d marks %d,%d %d,%d -> %e\n", i, e, EPOCH(k0), OFF(k0), EPOCH(k1), OFF(k1), I[i].st);
		if
		:: act == A_ADOPT ->
			if
			:: I[i].on[0] -> I[i].k[0] = MARK(e, OFF(I[i].k[0]))
			:: else
			fi;
			if
			:: I[i].on[1] -> I[i].k[1] = MARK(e, OFF(I[i].k[1]))
			:: else
			fi
		:: else
		fi
	fi
}

inline hand_out(i, p)
{
	printf("%d: record %d of partition %d to the handler under %d\n", i, OFF(I[i].k[p]), p, EPOCH(I[i].k[p]));
	j = 2 * (1 - COLOR(i));
	assert(!HANDLER(j) && !HANDLER(j + 1)); /* dual-active */
	assert(EPOCH(I[i].k[p]) > handed[1 - COLOR(i)]); /* dual-active: an older activation goes on */
	/* rule 3: not under an epoch below the commit's */
	assert(EPOCH(I[i].k[p]) >= EPOCH(G[COLOR(i)].k[p]));
	j = i ^ 1;
	assert(!I[j].h[p]);                /* twice in one colour */
	assert(OFF(I[i].k[p]) <= done[p]); /* lost */
	assert(OFF(I[i].k[p]) >= keep[p]); /* again */
	I[i].h[p] = 1;
	handed[COLOR(i)] = MAX(handed[COLOR(i)], EPOCH(I[i].k[p]))
}

/* Its partitions' writes still land, or never will; what is nowhere committed may be repeated. */
inline killed_part(i, p)
{
	if
	:: OWNS(i, p) ->
		if
		:: G[COLOR(i)].cw[p] -> G[COLOR(i)].k[p] = G[COLOR(i)].cw[p]; G[COLOR(i)].m[p] = 0
		:: 1
		fi;
		G[COLOR(i)].cw[p] = 0;
		G[COLOR(i)].mw[p] = 0
	:: else
	fi;
	b = MAX(G[0].k[p], G[1].k[p]);
	if
	:: I[i].h[p] || I[i].k[p] > b -> keep[p] = MIN(keep[p], OFF(b))
	:: else
	fi;
	I[i].h[p] = 0;
	I[i].k[p] = 0;
	I[i].on[p] = 0;
	I[i].rq[p] = 0
}

#ifdef REVOKE_AT_ONCE
#define MAY_LET_GO(i, p) 1
#else
#ifdef REVOKE_DRAINED
#define MAY_LET_GO(i, p) (!I[i].h[p])
#else
#define MAY_LET_GO(i, p) (!I[i].h[p] && !DIRTY(i, p) && G[COLOR(i)].cw[p] == 0)
#endif
#endif
/* One that still works at an older epoch doesn't take up what was committed at a newer one. */
#ifdef LATE_OLDER
#define MAY_START(i, p) (I[i].st == S_ACTIVE)
#else
#define MAY_START(i, p) (I[i].st == S_ACTIVE && EPOCH(G[COLOR(i)].k[p]) <= I[i].ep)
#endif

#define PARTITION(i, p) \
	:: atomic { MAY_START(i, p) && OWNS(i, p) && !I[i].on[p] && !I[i].h[p] && !G[COLOR(i)].back[p] -> start(i, p) } \
	:: atomic { \
		I[i].st == S_ACTIVE && OWNS(i, p) && I[i].on[p] && !G[COLOR(i)].back[p] && !I[i].h[p] && \
		OFF(I[i].k[p]) < MAXREC -> \
		hand_out(i, p) \
	} \
	:: atomic { \
		I[i].h[p] -> \
		I[i].h[p] = 0; \
		I[i].k[p]++; \
		done[p] = MAX(done[p], OFF(I[i].k[p])); \
		keep[p] = MAX(keep[p], OFF(I[i].k[p])) \
	} \
	:: atomic { \
		DIRTY(i, p) && G[COLOR(i)].cw[p] == 0 && (I[i].on[p] || I[i].st != S_ACTIVE) -> \
		G[COLOR(i)].cw[p] = I[i].k[p] \
	} \
	:: atomic { \
		OWNS(i, p) && G[COLOR(i)].cw[p] -> \
		assert(G[COLOR(i)].cw[p] >= G[COLOR(i)].k[p]); \
		G[COLOR(i)].k[p] = G[COLOR(i)].cw[p]; \
		G[COLOR(i)].m[p] = 0; \
		G[COLOR(i)].cw[p] = 0; \
		printf("%d: commit of partition %d lands: %d,%d\n", i, p, EPOCH(G[COLOR(i)].k[p]), OFF(G[COLOR(i)].k[p])) \
	} \
	/* asked back: the record goes out of the handler first, and its offset into the commit */ \
	:: atomic { \
		OWNS(i, p) && G[COLOR(i)].back[p] && MAY_LET_GO(i, p) -> \
		G[COLOR(i)].owner[p] = NOBODY; \
		G[COLOR(i)].back[p] = 0; \
		G[COLOR(i)].cw[p] = 0; \
		MIRROR_REFUSED(i, p) \
		I[i].on[p] = 0; \
		printf("%d: lets partition %d go\n", i, p) \
	} \
	:: atomic { \
		MIRRORS && OWNS(i, p) && I[i].st == S_PAUSED && !G[COLOR(i)].back[p] && G[COLOR(i)].mw[p] == 0 && \
		G[COLOR(i)].cw[p] == 0 && !DIRTY(i, p) && G[1 - COLOR(i)].k[p] > G[COLOR(i)].k[p] -> \
		G[COLOR(i)].mw[p] = G[1 - COLOR(i)].k[p] \
	}

#ifdef MIRROR_UNFENCED
#define MIRROR_REFUSED(i, p)
#else
#define MIRROR_REFUSED(i, p) G[COLOR(i)].mw[p] = 0;
#endif
#define MIRROR_SETTLED(i) ((!OWNS(i, 0) || G[COLOR(i)].mw[0] == 0) && (!OWNS(i, 1) || G[COLOR(i)].mw[1] == 0))
#ifdef MIRROR_UNFENCED
#undef MIRROR_SETTLED
#define MIRROR_SETTLED(i) 1
#endif

hidden byte e;

#define CAN(i, x, side) ((x) <= rE && (x) >= I[i].ep && SIDE(i, x) == (side))

proctype Instance(byte i)
{
	do
	:: atomic {
		CAN(i, rE, SIDE_PAUSED) && I[i].ep < rE -> e = rE;
		take_pause(i, e)
	}
#if MAXE > 2
	/* the pause of an epoch before */
	:: atomic {
		rE > 2 && CAN(i, rE - 1, SIDE_PAUSED) && I[i].ep < rE - 1 -> e = rE - 1;
		take_pause(i, e)
	}
	:: atomic {
		rE > 2 && CAN(i, rE - 1, SIDE_ACTIVE) && R[rE - 1].k[0] -> e = rE - 1;
		u0 = R[e].k[0];
		u1 = R[e].k[1];
		take_resume(i, e, u0, u1)
	}
#endif
	:: atomic { CAN(i, rE, SIDE_ACTIVE) && R[rE].k[0] -> e = rE; u0 = R[e].k[0]; u1 = R[e].k[1]; take_resume(i, e, u0, u1) }
	:: atomic {
		I[i].st == S_RESUMING && !HANDLER(i) && MIRROR_SETTLED(i) ->
		I[i].on[0] = 0;
		I[i].on[1] = 0;
		if
		:: OWNS(i, 0) && !G[COLOR(i)].back[0] -> start(i, 0)
		:: else
		fi;
		if
		:: OWNS(i, 1) && !G[COLOR(i)].back[1] -> start(i, 1)
		:: else
		fi;
		lc(I[i].st, E_STARTED)
	}
	:: atomic {
		I[i].st == S_DRAINING && PROVED(i) ->
		lc(I[i].st, E_DRAINED);
		printf("%d: PAUSED@%d at %d,%d %d,%d\n", i, I[i].ep, EPOCH(I[i].k[0]), OFF(I[i].k[0]), EPOCH(I[i].k[1]), OFF(I[i].k[1]))
	}
	PARTITION(i, 0)
	PARTITION(i, 1)
	:: atomic {
		kills < KILLS ->
		kills++;
		printf("%d: killed, has its state file\n", i);
		killed_part(i, 0);
		killed_part(i, 1);
		I[i].st = S_STARTING;
		lc(I[i].st, E_CONNECTED)
	}
	od
}

/* The group coordinators: a partition is asked back, or its owner is gone; one without owner is given. */
#define COORDINATE(g, p) \
	:: atomic { moves < MOVES && G[g].owner[p] != NOBODY && !G[g].back[p] -> G[g].back[p] = 1; moves++; \
		printf("group %d: asks %d for partition %d back\n", g, G[g].owner[p], p) } \
	:: atomic { G[g].owner[p] == NOBODY -> \
		if \
		:: G[g].owner[p] = 2 * g \
		:: G[g].owner[p] = 2 * g + 1 \
		fi; \
		printf("group %d: partition %d to %d\n", g, p, G[g].owner[p]) } \
	:: atomic { MIRRORS && G[g].mw[p] -> MIRROR_FALLS(g, p) G[g].k[p] = G[g].mw[p]; G[g].m[p] = 1; G[g].mw[p] = 0; \
		printf("group %d: mirror write of partition %d lands: %d,%d\n", g, p, EPOCH(G[g].k[p]), OFF(G[g].k[p])) }
#define MIRROR_FALLS(g, p) assert(G[g].mw[p] >= G[g].k[p]);

proctype Coordinators()
{
	do
	COORDINATE(BLUE, 0)
	COORDINATE(BLUE, 1)
	COORDINATE(GREEN, 0)
	COORDINATE(GREEN, 1)
	od
}

#ifdef HELD_ONLY
#define NAMED(i, p) (OWNS(i, p) -> I[i].k[p] : 0)
#else
#define NAMED(i, p) I[i].k[p]
#endif
/* What was handed over at this epoch is kept durably when the record says that it is done. */
#ifdef NO_HANDED
#define HANDED(p) 0
#else
#define HANDED(p) (rDone -> R[rE].k[p] : 0)
#endif
#ifdef TO_GROUP_ONLY
#define COMMITTED(p) G[TO(rE)].k[p]
#else
#define COMMITTED(p) MAX(G[0].k[p], G[1].k[p])
#endif
#define UNION(p) MAX(MAX(ak[p], HANDED(p)), COMMITTED(p))
#ifdef ONE_PROOF
#define ALL_PROVED (pr[0] || pr[1])
#else
#define ALL_PROVED (pr[0] && pr[1])
#endif
#define MAY_RESUME (rDone || ALL_PROVED)
#define FROM0 (2 * (1 - TO(rE)))
#define TO0 (2 * TO(rE))
#define HELD_STARTED(g, p) (G[g].owner[p] == NOBODY || EPOCH(G[g].k[p]) == rE)

#define ANSWER(n) \
	:: atomic { \
		!rDone && !pr[n] && I[FROM0 + n].st == S_PAUSED && I[FROM0 + n].ep == rE -> \
		pr[n] = 1; \
		j = FROM0 + n; \
		ak[0] = MAX(ak[0], NAMED(j, 0)); \
		ak[1] = MAX(ak[1], NAMED(j, 1)) \
	}

proctype Controller()
{
	do
	:: atomic {
		rE < MAXE ->
		rE++;
		rDone = 0;
		pr[0] = 0;
		pr[1] = 0;
		ak[0] = 0;
		ak[1] = 0;
		printf("ctl: intent %d, to %d\n", rE, TO(rE))
	}
	:: atomic { pr[0] || pr[1] -> pr[0] = 0; pr[1] = 0; ak[0] = 0; ak[1] = 0 }
	ANSWER(0)
	ANSWER(1)
	:: atomic {
		MAY_RESUME && R[rE].k[0] == 0 ->
		R[rE].k[0] = UNION(0);
		R[rE].k[1] = UNION(1);
		printf("ctl: resume@%d with %d,%d %d,%d\n", rE, EPOCH(R[rE].k[0]), OFF(R[rE].k[0]), EPOCH(R[rE].k[1]), OFF(R[rE].k[1]))
	}
	/* later ones of the same epoch arrive at once */
	:: atomic { MAY_RESUME && R[rE].k[0] && I[TO0].ep <= rE -> j = TO0; e = rE; u0 = UNION(0); u1 = UNION(1); take_resume(j, e, u0, u1) }
	:: atomic { MAY_RESUME && R[rE].k[0] && I[TO0 + 1].ep <= rE -> j = TO0 + 1; e = rE; u0 = UNION(0); u1 = UNION(1); take_resume(j, e, u0, u1) }
	:: atomic {
		!rDone && MAY_RESUME && I[TO0].st == S_ACTIVE && I[TO0].ep == rE && I[TO0 + 1].st == S_ACTIVE &&
		I[TO0 + 1].ep == rE && HELD_STARTED(TO(rE), 0) && HELD_STARTED(TO(rE), 1) ->
		rDone = 1;
		pr[0] = 0;
		pr[1] = 0;
		ak[0] = 0;
		ak[1] = 0;
		printf("ctl: %d is active at %d\n", TO(rE), rE)
	}
	od
}

init {
	atomic {
		I[0].st = S_ACTIVE;
		I[1].st = S_ACTIVE;
		I[2].st = S_PAUSED;
		I[3].st = S_PAUSED;
		I[0].ep = 1;
		I[1].ep = 1;
		I[2].ep = 1;
		I[3].ep = 1;
		I[0].k[0] = MARK(1, 0);
		I[0].on[0] = 1;
		I[0].rq[0] = MARK(1, 0);
		I[0].rq[1] = MARK(1, 0);
		I[1].rq[0] = MARK(1, 0);
		I[1].rq[1] = MARK(1, 0);
		I[1].k[1] = MARK(1, 0);
		I[1].on[1] = 1;
		G[BLUE].owner[1] = 1;
		G[GREEN].owner[0] = 2;
		G[GREEN].owner[1] = 3;
		G[BLUE].k[0] = MARK(1, 0);
		G[BLUE].k[1] = MARK(1, 0);
		G[GREEN].k[0] = MARK(1, 0);
		G[GREEN].k[1] = MARK(1, 0);
		G[GREEN].m[0] = 1;
		G[GREEN].m[1] = 1;
		R[1].k[0] = MARK(1, 0);
		R[1].k[1] = MARK(1, 0);
		run Instance(0);
		run Instance(1);
		run Instance(2);
		run Instance(3);
		run Coordinators();
		run Controller()
	}
}
