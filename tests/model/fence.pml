/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takeover (strategy C) and fencing: both colours share the group and the static id, one instance each,
 * one partition. A paused colour is not a member.
 * Concern: rules 3, 5, 9 and the state FENCED, when instances freeze and wake up late, when joins are
 * slow, and when the controller takes the id of one that doesn't answer.
 *
 * The broker knows one owner of the id: the last to join. It refuses the commits of any other, and tells
 * it so at its next heartbeat; until then the old one works on. A freeze lasts longer than the stall guard
 * and may last longer than the fence-grace; one that is not frozen has had its heartbeat within the grace.
 * Everything else is late as in handover.pml.
 *
 * Bounds (-D): MAXE epochs (at the first green is active), MAXREC records, FREEZES, FENCES (takings of
 * the id by the controller), KILLS (with the state file).
 *
 * Asserted: no record is handed out under an epoch below one that the other colour has handed out under,
 * nor while the other has one in the handler, unless it was fenced with it; none lost, none again, but for
 * those that were in flight at a kill or a fencing; the committed mark never falls; nobody hands out who
 * has not owned the id since its activation.
 */
/*
 * What happens without a sentence:
 *
 * NO_META_READ: blue doesn't answer, is fenced at 3, green is active at 3; then the late resume@2 reaches blue: it
 *   joins, which fences green, and hands out. READ_ONCE: the same with blue's join on its way meanwhile.
 * NO_STALL_GUARD: green freezes with a record in its handler, is fenced, wakes up after the grace and hands out the
 *   next one before its first heartbeat; blue processes that one again.
 * FENCED_OWN: green is fenced at 1, a late resume@1 makes it join anew; it fences blue@2, and its late commit
 *   of epoch 1 lands while blue has begun.
 * NO_PROVING_COMMIT: during the grace green is killed and started, a late resume@1 makes it join and take the id
 *   back: the controller, which doesn't ask, resumes blue.
 * NO_GRACE: green, taken the id of, hands out until its heartbeat; blue begins (fence-grace = 0).
 * OLD_HANDLE: green, paused@2 and fenced as a paused one without being told, is resumed@3 on the way back, on the
 *   handle of before: it hands out without owning the id.
 * SIDECAR_ACTIVE: the intent at 3 to green is written, blue has not been paused at 3 yet: `active` says green, its
 *   sidecar resumes it at 3, beside blue@2.
 */
#include "common.pml"

#ifndef MAXE
#define MAXE 3
#endif
#ifndef MAXREC
#define MAXREC 2
#endif
#ifndef FREEZES
#define FREEZES 1
#endif
#ifndef FENCES
#define FENCES 1
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifdef EAGER
#define IS_EAGER 1
#else
#define IS_EAGER 0
#endif

#define NOBODY 2
#define CONTROLLER 3

#define READ 0  /* rule 3 is to be read before joining */
#define JOIN 1  /* it was read */
#define WAIT 2  /* the join is on its way */
#define AGAIN 3 /* joined; rule 3 is to be read again before the first record */

typedef Inst {
	mtype st;
	byte ep;
	bit side;
	byte k;   /* own position; 0: none */
	bit h;    /* a record is in the handler */
	byte rq;  /* while RESUMING: the request's mark, and how far it is */
	byte stage;
	bit mem;  /* it takes itself for the owner */
	bit join; /* a join is on its way */
	byte cw;  /* a commit on its way */
	bit frozen;
	bit woken; /* stall guard: no record and no command before a commit was acknowledged */
	bit out;   /* ghost: fenced with the record in its handler */
	bit had;   /* ghost: it has owned the id since its activation began */
};

Inst I[2];
byte owner = GREEN;
byte gk = MARK(1, 0);
byte gf = 1;

byte rE = 1;
bit rDone = 1;
bit toof[MAXE + 1];
bit doneof[MAXE + 1];
bit actof[MAXE + 1];
byte R[MAXE + 1]; /* the first resume of an epoch: its mark */
bit proof;        /* the controller's memory */
byte ak;
byte fs; /* fencing: 1 the id is taken, 2 and the grace has passed */

byte freezes;
byte fences;
byte kills;
byte done;
byte keep;
byte handed[2];
hidden byte b;
hidden byte e;
hidden byte aim;

#define META MAX(EPOCH(gk), gf)
#define WORKING(c) (I[c].st == S_ACTIVE || I[c].st == S_DRAINING)
#define READY(c) (!I[c].frozen && !I[c].woken)
#define TO toof[rE]
#define FROM (1 - toof[rE])

inline fenced(c)
{
	I[c].mem = 0;
	I[c].cw = 0;
	I[c].stage = READ;
	if
	:: WORKING(c) || I[c].st == S_RESUMING -> lc(I[c].st, E_FENCED); I[c].rq = 0; printf("%d: FENCED\n", c)
	:: else
	fi
}

inline take_pause(c)
{
	I[c].ep = e;
	I[c].side = SIDE_PAUSED;
	lc(I[c].st, E_PAUSE);
	I[c].rq = 0;
	I[c].stage = READ;
	printf("%d: pause@%d -> %e\n", c, e, I[c].st)
}

#ifdef FENCED_OWN
#define IS_FENCED(c) 0
#else
#define IS_FENCED(c) (I[c].st == S_FENCED)
#endif

inline take_resume(c, mark)
{
	if
	:: e == I[c].ep && (I[c].side == SIDE_PAUSED || I[c].st == S_ACTIVE || I[c].st == S_RESUMING || IS_FENCED(c)) -> skip
	:: else ->
		I[c].ep = e;
		I[c].side = SIDE_ACTIVE;
		lc(I[c].st, E_RESUME);
		printf("%d: resume@%d mark %d,%d -> %e\n", c, e, EPOCH(mark), OFF(mark), I[c].st);
		if
		:: act == A_BEGIN ->
			I[c].rq = mark;
			I[c].stage = READ;
			I[c].had = (owner == c);
#ifdef OLD_HANDLE
			if
			:: I[c].mem -> I[c].stage = AGAIN
			:: else
			fi
#endif
		:: act == A_ADOPT && I[c].mem ->
			/* goes on where it is, if that is the best; else it waits for the record that is out */
			b = MAX(I[c].k, MAX(mark, gk));
			if
			:: OFF(b) == OFF(I[c].k) || !I[c].h -> I[c].k = MARK(e, OFF(b))
			:: else -> I[c].st = S_RESUMING; I[c].rq = mark; I[c].stage = READ
			fi
		:: act == A_ADOPT && !I[c].mem ->
			/* fenced, then paused, then resumed: it has no handle to go on with, and starts anew */
			I[c].st = S_RESUMING;
			I[c].rq = mark;
			I[c].stage = READ
		:: else
		fi
	fi
}

inline refuse(c)
{
	printf("%d: rule 3 refuses, metadata knows %d\n", c, META);
	lc(I[c].st, E_REFUSED);
	I[c].rq = 0;
	I[c].stage = READ;
	I[c].mem = 0
}

#ifdef NO_META_READ
#define STALE(c) 0
#else
#define STALE(c) (META > I[c].ep)
#endif
#ifdef READ_ONCE
#define STALE_AGAIN(c) 0
#else
#define STALE_AGAIN(c) STALE(c)
#endif

/* Also what is fenced or killed with a record in the handler, or before its commit, may be repeated from the commit. */
inline excuse(c)
{
	if
	:: I[c].h || I[c].k > gk -> keep = MIN(keep, OFF(gk))
	:: else
	fi;
	I[c].out = I[c].h
}

#define CAN(c, x) ((x) <= rE && (x) >= I[c].ep)
#define PICK(c, active) \
	if \
	:: CAN(c, 1) && (toof[1] == c) == (active) -> e = 1 \
	:: MAXE >= 2 && CAN(c, 2) && (toof[2] == c) == (active) -> e = 2 \
	:: MAXE >= 3 && CAN(c, MIN(3, MAXE)) && (toof[MIN(3, MAXE)] == c) == (active) -> e = 3 \
	:: MAXE >= 4 && CAN(c, MAXE) && (toof[MAXE] == c) == (active) -> e = MAXE \
	:: else -> e = 0 \
	fi

proctype Instance(bit c)
{
	do
	:: atomic {
		READY(c) ->
		PICK(c, 0);
		if
		:: e && !(e == I[c].ep && I[c].side == SIDE_ACTIVE) -> take_pause(c)
		:: else
		fi
	}
	:: atomic {
		READY(c) ->
		PICK(c, 1);
		if
		:: e && R[e] -> take_resume(c, R[e])
		:: else
		fi
	}
	/* its sidecar, without offsets */
	:: atomic {
		READY(c) ->
		PICK(c, 1);
		if
		:: e && doneof[e] -> take_resume(c, 0)
		:: else
		fi
	}
#ifdef SIDECAR_ACTIVE
	:: atomic { READY(c) && I[c].ep <= rE && actof[rE] == c -> e = rE; take_resume(c, 0) }
#endif
	/* the start */
	:: atomic {
		I[c].st == S_RESUMING && READY(c) && I[c].stage == READ && !I[c].h ->
		if
		:: STALE(c) -> refuse(c)
		:: else -> I[c].stage = JOIN
		fi
	}
	:: atomic { I[c].st == S_RESUMING && READY(c) && I[c].stage == JOIN && !I[c].join -> I[c].join = 1; I[c].stage = WAIT }
	:: atomic {
		I[c].join ->
		I[c].join = 0;
		I[c].cw = 0;
		owner = c;
		I[c].had = 1;
		printf("%d: owns the id\n", c);
		/* a handle that nobody waits for any more is thrown away */
		if
		:: I[c].st == S_RESUMING && I[c].stage == WAIT -> I[c].stage = AGAIN; I[c].mem = 1
		:: else -> I[c].mem = 0
		fi
	}
	:: atomic {
		I[c].st == S_RESUMING && READY(c) && I[c].stage == AGAIN ->
		if
		:: STALE_AGAIN(c) -> refuse(c)
		:: else ->
			b = MAX(I[c].rq, MAX(I[c].k, gk));
			I[c].k = MARK(I[c].ep, OFF(b));
			I[c].rq = 0;
			I[c].stage = READ;
			lc(I[c].st, E_STARTED);
			printf("%d: starts at %d under %d\n", c, OFF(b), I[c].ep)
		fi
	}
	:: atomic {
		I[c].st == S_ACTIVE && READY(c) && I[c].mem && !I[c].h && OFF(I[c].k) < MAXREC ->
		printf("%d: record %d to the handler under %d\n", c, OFF(I[c].k), EPOCH(I[c].k));
		assert(!I[OTHER(c)].h || I[OTHER(c)].out);
		assert(EPOCH(I[c].k) > handed[OTHER(c)]);
		assert(I[c].had);
		assert(OFF(I[c].k) <= done);
		assert(OFF(I[c].k) >= keep);
		I[c].h = 1;
		handed[c] = MAX(handed[c], EPOCH(I[c].k))
	}
	:: atomic {
		I[c].h && !I[c].frozen ->
		I[c].h = 0;
		I[c].k++;
		done = MAX(done, OFF(I[c].k));
		if
		:: !I[c].out && EPOCH(I[c].k) >= handed[OTHER(c)] -> keep = MAX(keep, OFF(I[c].k))
		:: else
		fi;
		I[c].out = 0
	}
	:: atomic {
		I[c].st == S_DRAINING && READY(c) && !I[c].h && (IS_EAGER || !I[c].mem || (I[c].cw == 0 && I[c].k <= gk)) ->
		lc(I[c].st, E_DRAINED);
		printf("%d: PAUSED@%d at %d,%d\n", c, I[c].ep, EPOCH(I[c].k), OFF(I[c].k))
	}
	:: atomic {
		I[c].mem && !I[c].frozen && I[c].cw == 0 && I[c].k > gk && (WORKING(c) || I[c].st == S_PAUSED) ->
		I[c].cw = I[c].k
	}
	:: atomic {
		I[c].cw ->
		if
		:: owner == c ->
			assert(I[c].cw >= gk);
			gk = I[c].cw;
			gf = MAX(gf, MAX(EPOCH(gk), I[c].ep));
			I[c].cw = 0;
			printf("%d: commit lands: %d,%d\n", c, EPOCH(gk), OFF(gk))
		:: owner != c && !I[c].frozen -> printf("%d: commit refused\n", c); excuse(c); fenced(c)
		fi
	}
	/* the next heartbeat */
	:: atomic { I[c].mem && owner != c && !I[c].frozen -> excuse(c); fenced(c) }
	:: atomic { freezes < FREEZES && !I[c].frozen -> freezes++; I[c].frozen = 1; printf("%d: freezes\n", c) }
	:: atomic {
		I[c].frozen ->
		I[c].frozen = 0;
		printf("%d: wakes up\n", c);
#ifndef NO_STALL_GUARD
		I[c].woken = 1
#endif
	}
	/* The stall guard: a commit first; one that has no positions joins anew, and reads again. */
	:: atomic {
		I[c].woken ->
		I[c].woken = 0;
		if
		:: WORKING(c) && owner == c -> printf("%d: still owns the id\n", c)
		:: WORKING(c) && owner != c -> excuse(c); fenced(c)
		:: else -> I[c].stage = READ; I[c].mem = 0
		fi
	}
	:: atomic {
		kills < KILLS ->
		kills++;
		if
		:: I[c].cw && owner == c -> gk = I[c].cw; gf = MAX(gf, I[c].ep)
		:: 1
		fi;
		excuse(c);
		I[c].out = 0;
		I[c].h = 0;
		I[c].k = 0;
		I[c].rq = 0;
		I[c].stage = READ;
		I[c].mem = 0;
		I[c].join = 0;
		I[c].cw = 0;
		I[c].frozen = 0;
		I[c].woken = 0;
		I[c].st = S_STARTING;
		lc(I[c].st, E_CONNECTED);
		printf("%d: killed, has its state file\n", c)
	}
	od
}

inline intent(x, to)
{
	actof[x] = actof[rE];
	rE = x;
	toof[rE] = to;
	rDone = 0;
	proof = 0;
	ak = 0;
	fs = 0;
	printf("ctl: intent %d, to %d\n", rE, to)
}

proctype Controller()
{
	do
	:: atomic { rE < MAXE -> e = rE + 1; aim = 1 - TO; intent(e, aim) }
	:: atomic { proof || ak || fs -> proof = 0; ak = 0; fs = 0 }
	:: atomic {
		!rDone && !proof && !I[FROM].frozen && I[FROM].st == S_PAUSED && I[FROM].ep == rE &&
		I[FROM].side == SIDE_PAUSED ->
		proof = 1;
		ak = I[FROM].k
	}
	/* It doesn't answer: its id is taken, */
	:: atomic {
		!rDone && !proof && fs == 0 && fences < FENCES ->
		fences++;
		fs = 1;
		owner = CONTROLLER;
		printf("ctl: takes the id\n")
	}
	/* the grace passes, in which one that is not frozen has its heartbeat, */
	:: atomic {
		fs == 1 && (I[FROM].frozen || !I[FROM].mem || owner == FROM) -> fs = 2;
		printf("ctl: the grace is over\n")
	}
#ifdef NO_GRACE
	:: atomic { fs == 1 -> fs = 2 }
#endif
	/* and then a commit is acknowledged that leaves the offsets and says f. */
	:: atomic {
		fs == 2 ->
		fs = 0;
		if
#ifndef NO_PROVING_COMMIT
		:: owner != CONTROLLER -> printf("ctl: the proving commit is refused\n")
		:: owner == CONTROLLER ->
			gf = MAX(gf, rE);
#else
		:: 1 ->
#endif
			proof = 1;
			e = FROM;
			excuse(e);
			printf("ctl: %d is fenced\n", FROM)
		fi
	}
	:: atomic {
		(proof || rDone) && R[rE] == 0 -> R[rE] = MAX(ak, gk);
		printf("ctl: resume@%d with %d,%d\n", rE, EPOCH(R[rE]), OFF(R[rE]))
	}
	:: atomic {
		(proof || rDone) && R[rE] && READY(TO) && I[TO].ep <= rE ->
		b = MAX(ak, gk);
		e = rE;
		aim = TO;
		take_resume(aim, b)
	}
	:: atomic {
		!rDone && proof && I[TO].st == S_ACTIVE && I[TO].ep == rE && EPOCH(gk) == rE ->
		rDone = 1;
		proof = 0;
		ak = 0;
		fs = 0;
		doneof[rE] = 1;
		actof[rE] = TO;
		printf("ctl: %d is active at %d\n", TO, rE)
	}
	/* FENCED at the record's epoch: never repeat, same to at the next epoch, the other is paused at it */
	:: atomic { I[TO].st == S_FENCED && I[TO].ep == rE && rE < MAXE -> e = rE + 1; aim = TO; intent(e, aim) }
	od
}

init {
	atomic {
		toof[1] = GREEN;
		doneof[1] = 1;
		actof[1] = GREEN;
		R[1] = MARK(1, 0);
		I[GREEN].st = S_ACTIVE;
		I[GREEN].ep = 1;
		I[GREEN].side = SIDE_ACTIVE;
		I[GREEN].k = MARK(1, 0);
		I[GREEN].mem = 1;
		I[GREEN].had = 1;
		I[BLUE].st = S_PAUSED;
		I[BLUE].ep = 1;
		run Instance(BLUE);
		run Instance(GREEN);
		run Controller()
	}
}
