/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hand-over (strategy D): two colours of one instance, each with a group of its own, one partition.
 * Concern: who may be active (rules 1, 2, 4, 5, 8) and where it starts (rules 3, 6, 7, mirroring).
 *
 * The network delivers every command that was ever sent at any time, any number of times, or never: a
 * command is not a message but a fact (an intent at e was written, so its pause may arrive from now on).
 * Writes to the broker land late, and in any order between commit and mirror. An instance is killed at
 * any moment, with or without its state file; the controller forgets its memory at any moment and
 * goes on from its record. A switch, an abort, a rollback and a retry are all the same to it: an intent
 * at a higher epoch.
 *
 * Bounds (-D): MAXE epochs (the first is 1: green active, blue paused), MAXREC records, KILLS instances
 * killed. EAGER: pause and resume answer as in an eager hand-over. DEPOSED: a leader that lost its
 * place without knowing it answers hellos by a resume of an older epoch.
 *
 * Asserted: no record is handed out while the other colour has one in the handler, nor under an epoch
 * below one that has handed out (dual-active); none is handed out above what was processed (lost), nor
 * below it (again), but for those that were lost with a kill; the committed mark of a group never falls.
 */
/*
 * What happens without a sentence (`run.sh trace handover NAME` shows the steps):
 *
 * NO_DURABLE: green answers PAUSED@4, is killed before 4 is on its disk, wakes up with epoch 1, takes the
 *   late resume@1 and hands out beside blue@4.
 * NO_INCARNATION: green is PAUSED@2, is killed and loses its state file; the commits know of 1 only, so the
 *   late resume@1 passes; blue@2 has begun and its first commit is still on its way.
 * PAUSE_KNOWS: as the contract was first read: any command makes the name needless. Green without its state
 *   file takes a late pause@2, which is not below what the commits know, then the late resume@3 without
 *   a name, while blue is active at 4. So only a resume that named the process ends the need.
 * NO_FLOOR with NO_META_READ: each covers the other: the floor is read at the start, rule 3 before the first
 *   record. Without both, a deposed leader names the process in a resume@1, and it works beside blue@4.
 * deposed leader, proof without f: the same with both rules in place: an instance that answers PAUSED@4
 *   without having committed anything at 4 leaves no trace of 4 at the broker. PROOF_F: the proof includes
 *   that a commit of the group says f=4 (a re-commit of what is there; off the gap, in prepare). Not
 *   needed where a lock makes two leaders impossible (the file store).
 * PAUSED_BUSY: green answers PAUSED with record 0 in its handler; blue begins.
 * RESUME_FIRST: blue@4 begins while green, not told yet, has a record in its handler.
 * SIDECAR_ACTIVE with NO_OFFSETS_REQUIRED: after an abort to green@3 a new intent to blue@4 is written, `active`
 *   still says green: its sidecar resumes green@4, which nobody has told of 4 yet, and blue@2, resumed by
 *   a late command, works beside it. With `offsets_required` the sidecar's resume is refused, as no commit is
 *   of epoch 4; in takeover, where any epoch will do, it fails alone (fence.pml).
 * TO_GROUP_ONLY: blue@2 processes record 0, commits it, is paused@3 and killed; green asks its own group only,
 *   where record 0 is still to be done. (Of from's group only: covered by the own commit in rule 7.)
 * REQUEST_WINS: green is killed at 3 after it committed record 1; the resume@3 that arrives again starts it
 *   at record 0.
 * MIRROR_LATE: a mirror write of (2,0) is on its way when green is resumed@3; it lands on the commit (3,2).
 * MIRROR_OWN_EPOCH: green mirrors blue's old offset 0 stamped with its own epoch 2; it beats (1,1), and
 *   record 0 is processed again.
 * MIRROR_EARLY: eager: blue is PAUSED@3 with its commit (2,0) on its way and begins to mirror: the commit lands on
 *   the mirror (or the other way round), and the group's mark falls.
 * EAGER_200: green is resumed@3 at 1, answers 200 before that is committed, and is killed; its eager commit at 2
 *   died with it: it starts at 0 again, though the start had been confirmed.
 */
#include "common.pml"

#ifndef MAXE
#define MAXE 4
#endif
#ifndef MAXREC
#define MAXREC 2
#endif
#ifndef KILLS
#define KILLS 2
#endif
#ifdef LOSE
#define LOSABLE 1
#else
#define LOSABLE (I[c].ep == 0)
#endif
#ifdef MIRROR
#define MIRRORS 1
#else
#define MIRRORS 0
#endif
#ifdef NO_OFFSETS
#define STEP 0
#else
#define STEP 1
#endif
#ifdef EAGER
#define IS_EAGER 1
#else
#define IS_EAGER 0
#endif

typedef Inst {
	mtype st;
	byte ep;     /* the highest epoch accepted, and the own side at it */
	bit side;
	byte floor;  /* from commit metadata, when the state file was gone */
	bit unknown; /* the floor could not be read yet */
	bit fresh;   /* no state file: a resume must name the incarnation */
	byte inc;    /* incarnation */
	byte k;      /* own position; 0: not active since the start */
	bit h;       /* a record is in the handler */
	byte rq;     /* while RESUMING: the request's mark and epoch */
	byte we;
	byte cw;     /* a commit on its way to the broker, and its f */
	byte cwf;
	byte mw;     /* a mirror write on its way, and its f */
	byte mwf;
#ifdef NO_DURABLE
	byte dep; /* what the state file says: written when there is time */
	bit dside;
#endif
};
typedef Group {
	byte k; /* committed mark */
	byte f;
	bit m; /* mirrored */
};
typedef Request { /* the first resume sent at an epoch: its mark, and incarnation + 1 or 0 for none */
	byte k;
	byte n;
};

Inst I[2];
Group G[2];

/* The record of truth, with all its versions: a late reader has an old one. */
byte rE = 1;
bit rDone = 1;
bit toof[MAXE + 1];   /* who is to be active at an epoch */
bit doneof[MAXE + 1]; /* desired says ACTIVE for it */
bit actof[MAXE + 1];  /* `active` while that switch runs */
Request R[MAXE + 1];
/* The controller's memory */
bit proof;
byte ak; /* mark of the pause answer */

byte kills;
/* Ghosts, read by the assertions only */
byte done;    /* records processed */
byte keep;    /* below it nothing may be processed again */
byte handed;  /* highest epoch that has handed out */
byte secured; /* start of the last resume that was answered 200 */
byte gs;      /* start of the last resume */
hidden byte b;

#define HIGHEST(c) MAX(I[c].ep, I[c].floor)
#define META MAX(MAX(EPOCH(G[0].k), EPOCH(G[1].k)), MAX(G[0].f, G[1].f))
#define PROVED(c) (I[c].cw == 0 && (I[c].k == 0 || (G[c].k == I[c].k && !G[c].m && G[c].f >= I[c].ep)))

inline take_pause(c, e)
{
	if
	:: e < HIGHEST(c) || (e == I[c].ep && I[c].side == SIDE_ACTIVE) -> skip /* 409 */
	:: else ->
		I[c].ep = e;
		I[c].side = SIDE_PAUSED;
#ifdef PAUSE_KNOWS
		I[c].fresh = 0;
#endif
		lc(I[c].st, E_PAUSE);
		if
		:: act == A_CANCEL -> I[c].rq = 0; I[c].we = 0
		:: else -> skip
		fi;
#ifdef PAUSED_BUSY
		if
		:: I[c].st == S_DRAINING -> lc(I[c].st, E_DRAINED)
		:: else -> skip
		fi;
#endif
		printf("%d: pause@%d -> %e\n", c, e, I[c].st)
	fi
}

#ifdef NO_INCARNATION
#define WRONG_TARGET(c, n) 0
#else
#define WRONG_TARGET(c, n) ((n && n != I[c].inc + 1) || (I[c].fresh && !n))
#endif
#ifdef NO_OFFSETS_REQUIRED
#define OFFSETS_REQUIRED(c, e, rk) (rk == 0 && G[c].k == 0)
#else
#define OFFSETS_REQUIRED(c, e, rk) (rk == 0 && I[c].st != S_ACTIVE && I[c].st != S_DRAINING && \
				    (EPOCH(G[c].k) != e || G[c].m))
#endif

/* rk: the request's mark, 0 without offsets; n: the incarnation it names + 1, 0 for none */
inline take_resume(c, e, rk, n)
{
	if
	:: WRONG_TARGET(c, n) || I[c].unknown || e < HIGHEST(c) -> skip
	:: else ->
		if
		:: e == I[c].ep && (I[c].side == SIDE_PAUSED || I[c].st == S_ACTIVE) -> skip
		:: e == I[c].ep && I[c].st == S_RESUMING && rk <= I[c].rq -> skip
		:: OFFSETS_REQUIRED(c, e, rk) -> skip
		:: else ->
			I[c].ep = e;
			I[c].side = SIDE_ACTIVE;
			I[c].fresh = 0;
			lc(I[c].st, E_RESUME);
			if
			:: act == A_BEGIN -> I[c].rq = MAX(I[c].rq, rk); I[c].we = e
			:: act == A_ADOPT ->
				/* It was never proved paused, so nobody else went on: its own position is the best. */
				b = MAX(I[c].k, MAX(rk, G[c].k));
				assert(OFF(b) == OFF(I[c].k));
				I[c].k = MARK(e, OFF(b))
			:: else -> skip
			fi;
			printf("%d: resume@%d mark %d,%d name %d -> %e\n", c, e, EPOCH(rk), OFF(rk), n, I[c].st)
		fi
	fi
}

inline settle(c)
{
	if
#ifndef NO_META_READ
	:: META > I[c].we ->
		I[c].floor = META;
		lc(I[c].st, E_REFUSED);
		printf("%d: rule 3 refuses, metadata knows %d\n", c, I[c].floor)
#endif
	:: else ->
#ifdef REQUEST_WINS
		b = (I[c].rq -> I[c].rq : MAX(I[c].k, G[c].k));
#else
		b = MAX(I[c].rq, MAX(I[c].k, G[c].k));
#endif
		I[c].k = MARK(I[c].we, OFF(b));
		gs = OFF(b);
		lc(I[c].st, E_STARTED);
		printf("%d: starts at %d under %d\n", c, gs, I[c].we)
	fi;
	I[c].rq = 0;
	I[c].we = 0
}

inline hand_out(c)
{
	printf("%d: record %d to the handler under %d\n", c, OFF(I[c].k), EPOCH(I[c].k));
	assert(!I[OTHER(c)].h);             /* dual-active */
	assert(EPOCH(I[c].k) >= handed);    /* dual-active: an older activation goes on */
	assert(OFF(I[c].k) <= done);        /* lost */
	assert(OFF(I[c].k) >= keep);        /* again */
	I[c].h = 1;
	handed = EPOCH(I[c].k)
}

/* A kill with a record in the handler, or with a position that is nowhere committed, allows repeats from the best commit. */
inline killed(c)
{
	if
	:: I[c].cw -> G[c].k = I[c].cw; G[c].f = MAX(G[c].f, I[c].cwf); G[c].m = 0; printf("%d: its commit still lands\n", c)
	:: skip
	fi;
	if
	:: I[c].mw -> G[c].k = I[c].mw; G[c].f = MAX(G[c].f, I[c].mwf); G[c].m = 1; printf("%d: its mirror write still lands\n", c)
	:: skip
	fi;
	b = MAX(G[0].k, G[1].k);
	if
	:: I[c].h || I[c].k > b -> keep = MIN(keep, MAX(OFF(b), secured))
	:: else -> skip
	fi;
	I[c].st = S_STARTING;
	I[c].h = 0;
	I[c].k = 0;
	I[c].rq = 0;
	I[c].we = 0;
	I[c].cw = 0;
	I[c].cwf = 0;
	I[c].mw = 0;
	I[c].mwf = 0;
	I[c].inc++;
	kills++;
	if
	:: I[c].ep ->
		printf("%d: killed, has its state file\n", c);
#ifdef NO_DURABLE
		I[c].ep = I[c].dep;
		I[c].side = I[c].dside;
#endif
		lc(I[c].st, E_CONNECTED)
	:: LOSABLE ->
		printf("%d: killed, its state file is gone\n", c);
		I[c].ep = 0;
		I[c].side = SIDE_PAUSED;
		I[c].floor = 0;
		I[c].fresh = 1;
		I[c].unknown = 1
	fi
}

#ifdef MIRROR_OWN_EPOCH
#define MIRRORED(c) MARK(I[c].ep, OFF(G[OTHER(c)].k))
#else
#define MIRRORED(c) G[OTHER(c)].k
#endif
/* Not before the own last commit is acknowledged: one of both would land on the other (found by this model). */
#ifdef MIRROR_EARLY
#define MIRROR_BEGINS(c)
#else
#define MIRROR_BEGINS(c) && I[c].cw == 0 && I[c].k <= G[c].k
#endif
#ifdef MIRROR_LATE
#define MIRROR_SETTLED(c) 1
#else
#define MIRROR_SETTLED(c) (I[c].mw == 0)
#endif


/* Variables of one atomic step only */
hidden byte e;
hidden byte rk;
hidden byte n;

#define CAN_PAUSE(c, x) ((x) <= rE && toof[x] != c && (x) >= HIGHEST(c))
#define CAN_RESUME(c, x) ((x) <= rE && toof[x] == c && (x) >= HIGHEST(c) && !I[c].unknown)

#ifdef PREPARE
byte prom[5]; /* an epoch that was promised, to this colour + 1 */
#define CAN_PREPARE(c, x) (prom[x] && (x) > HIGHEST(c))
#endif

proctype Instance(bit c)
{
	do
	/* A command arrives: any that was ever sent. One that is too old changes nothing and is left out. */
	:: atomic {
		CAN_PAUSE(c, 1) || CAN_PAUSE(c, 2) || CAN_PAUSE(c, 3) || CAN_PAUSE(c, 4) ->
		if
		:: CAN_PAUSE(c, 1) -> e = 1
		:: CAN_PAUSE(c, 2) -> e = 2
		:: CAN_PAUSE(c, 3) -> e = 3
		:: CAN_PAUSE(c, 4) -> e = 4
		fi;
		take_pause(c, e)
	}
	:: atomic {
		CAN_RESUME(c, 1) || CAN_RESUME(c, 2) || CAN_RESUME(c, 3) || CAN_RESUME(c, 4) ->
		if
		:: CAN_RESUME(c, 1) -> e = 1
		:: CAN_RESUME(c, 2) -> e = 2
		:: CAN_RESUME(c, 3) -> e = 3
		:: CAN_RESUME(c, 4) -> e = 4
		fi;
		rk = R[e].k;
		n = R[e].n;
		if
		:: rk -> take_resume(c, e, rk, n)
		:: else
		fi
	}
	/* Its sidecar read the record, now or long ago: desired, no offsets, no name. */
	:: atomic {
		CAN_RESUME(c, 1) || CAN_RESUME(c, 2) || CAN_RESUME(c, 3) || CAN_RESUME(c, 4) ->
		if
		:: CAN_RESUME(c, 1) -> e = 1
		:: CAN_RESUME(c, 2) -> e = 2
		:: CAN_RESUME(c, 3) -> e = 3
		:: CAN_RESUME(c, 4) -> e = 4
		fi;
		if
		:: doneof[e] -> take_resume(c, e, 0, 0)
		:: else
		fi
	}
#ifdef SIDECAR_ACTIVE
	:: atomic {
		rE >= HIGHEST(c) && actof[rE] == c && !I[c].unknown -> e = rE;
		take_resume(c, e, 0, 0)
	}
#endif
#ifdef DEPOSED
	/* A leader that was deposed and doesn't know it answers the hello from its old record, by name. */
	:: atomic {
		CAN_RESUME(c, 1) || CAN_RESUME(c, 2) || CAN_RESUME(c, 3) ->
		if
		:: CAN_RESUME(c, 1) -> e = 1
		:: CAN_RESUME(c, 2) -> e = 2
		:: CAN_RESUME(c, 3) -> e = 3
		fi;
		if
		:: doneof[e] -> rk = MAX(G[0].k, G[1].k); n = I[c].inc + 1; take_resume(c, e, rk, n)
		:: else
		fi
	}
#endif
	:: atomic { I[c].st == S_RESUMING && !I[c].h && MIRROR_SETTLED(c) -> settle(c) }
	:: atomic { I[c].st == S_ACTIVE && !I[c].h && OFF(I[c].k) < MAXREC -> hand_out(c) }
	:: atomic {
		I[c].h ->
		I[c].h = 0;
		I[c].k = I[c].k + STEP;
		done = MAX(done, OFF(I[c].k));
		keep = MAX(keep, OFF(I[c].k))
	}
	:: atomic {
		I[c].st == S_DRAINING && !I[c].h && (IS_EAGER || PROVED(c)) ->
		lc(I[c].st, E_DRAINED);
		printf("%d: PAUSED@%d at %d,%d\n", c, I[c].ep, EPOCH(I[c].k), OFF(I[c].k))
	}
	/* Commits: of the lowest record not acknowledged; while draining also to say f. */
	:: atomic {
		I[c].cw == 0 && I[c].k &&
		((I[c].st == S_ACTIVE && (I[c].k != G[c].k || G[c].m)) ||
		 (I[c].st == S_DRAINING && !PROVED(c)) || (I[c].st == S_PAUSED && I[c].k > G[c].k)) ->
		I[c].cw = I[c].k;
		I[c].cwf = I[c].ep
	}
	:: atomic {
		I[c].cw ->
		assert(I[c].cw >= G[c].k); /* a committed mark never falls */
		G[c].k = I[c].cw;
		G[c].f = MAX(G[c].f, I[c].cwf);
		G[c].m = 0;
		printf("%d: commit lands: %d,%d\n", c, EPOCH(G[c].k), OFF(G[c].k));
		I[c].cw = 0;
		I[c].cwf = 0
	}
	:: atomic {
		MIRRORS && I[c].st == S_PAUSED && I[c].mw == 0 && MIRRORED(c) > G[c].k MIRROR_BEGINS(c) ->
		I[c].mw = MIRRORED(c);
		I[c].mwf = I[c].ep
	}
	:: atomic {
		I[c].mw ->
		assert(I[c].mw >= G[c].k);
		G[c].k = I[c].mw;
		G[c].f = MAX(G[c].f, I[c].mwf);
		G[c].m = 1;
		printf("%d: mirror write lands: %d,%d\n", c, EPOCH(G[c].k), OFF(G[c].k));
		I[c].mw = 0;
		I[c].mwf = 0
	}
	:: atomic {
		I[c].unknown ->
		I[c].unknown = 0;
#ifndef NO_FLOOR
		I[c].floor = META;
#endif
		if
		:: I[c].st == S_STARTING -> lc(I[c].st, E_CONNECTED)
		:: else
		fi
	}
#ifdef PREPARE
	/* prepare: epoch and side are noted, nothing else happens */
	:: atomic {
		CAN_PREPARE(c, 2) || CAN_PREPARE(c, 3) || CAN_PREPARE(c, 4) ->
		if
		:: CAN_PREPARE(c, 2) -> e = 2
		:: CAN_PREPARE(c, 3) -> e = 3
		:: CAN_PREPARE(c, 4) -> e = 4
		fi;
		I[c].ep = e;
		I[c].side = (prom[e] == 1 + c);
		printf("%d: prepare@%d side %d\n", c, e, I[c].side)
	}
#endif
#ifdef PROOF_F
	:: atomic { G[c].k && G[c].f < I[c].ep -> G[c].f = I[c].ep }
#endif
	:: atomic { kills < KILLS -> killed(c) }
#ifdef NO_DURABLE
	:: atomic { I[c].dep != I[c].ep || I[c].dside != I[c].side -> I[c].dep = I[c].ep; I[c].dside = I[c].side }
#endif
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
	printf("ctl: intent %d, to %d\n", rE, to)
}

#define TO toof[rE]
#define FROM OTHER(toof[rE])

#ifdef PROOF_F
#define F_PROVED (G[FROM].f >= rE || !G[FROM].k)
#else
#define F_PROVED 1
#endif
#ifdef RESUME_FIRST
#define MAY_RESUME 1
#else
#define MAY_RESUME (proof || rDone)
#endif
#ifdef TO_GROUP_ONLY
#define COMMITTED G[TO].k
#else
#define COMMITTED MAX(G[0].k, G[1].k)
#endif
#ifdef EAGER_200
#define START_COMMITTED 1
#else
#define START_COMMITTED (EPOCH(G[TO].k) == rE && !G[TO].m)
#endif

proctype Controller()
{
	bit t;
	do
	/* a switch, an abort, a rollback: the other colour at the next epoch */
	:: atomic { rE < MAXE -> e = rE + 1; t = 1 - TO; intent(e, t); t = 0 }
	/* It is killed: what it had in memory is gone. */
	:: atomic { proof || ak -> proof = 0; ak = 0 }
	/* the pause answer */
	:: atomic {
		!rDone && !proof && I[FROM].st == S_PAUSED && I[FROM].ep == rE && I[FROM].side == SIDE_PAUSED && F_PROVED ->
		proof = 1;
		ak = I[FROM].k
	}
	/*
	 * A resume is sent. The first of an epoch may arrive at any time from now on; a later one, whose
	 * marks can only be better, arrives at once.
	 */
	:: atomic {
		MAY_RESUME ->
		rk = MAX(ak, COMMITTED);
		n = (I[TO].fresh -> I[TO].inc + 1 : 0);
		if
		:: R[rE].k == 0 -> R[rE].k = rk; R[rE].n = n
		:: R[rE].k && CAN_RESUME(TO, rE) -> e = rE; t = TO; take_resume(t, e, rk, n); t = 0
		:: else
		fi
	}
	/* the resume's 200 */
	:: atomic {
		!rDone && MAY_RESUME && I[TO].st == S_ACTIVE && I[TO].ep == rE && START_COMMITTED ->
		rDone = 1;
		proof = 0;
		ak = 0;
		doneof[rE] = 1;
		actof[rE] = TO;
		secured = MAX(secured, gs);
		gs = 0;
		printf("ctl: %d is active at %d\n", TO, rE)
	}
#ifdef PREPARE
	/* Promised before the intent; killed in between, another may be asked for the same epoch. */
	:: atomic { rE < MAXE && !prom[rE + 1] -> prom[rE + 1] = 1 + (1 - TO) }
	:: atomic {
		!rDone && rE < MAXE && ((I[FROM].ep == rE && I[FROM].side == SIDE_ACTIVE) || (I[TO].ep == rE && I[TO].side == SIDE_PAUSED)) ->
		e = rE + 1; t = TO; intent(e, t); t = 0
	}
#endif
	/* 409, or an epoch above ours in an answer: never repeat, the same to at the next epoch */
	:: atomic {
		HIGHEST(BLUE) > rE && HIGHEST(BLUE) < MAXE -> e = HIGHEST(BLUE) + 1; t = TO; intent(e, t); t = 0
	}
	:: atomic {
		HIGHEST(GREEN) > rE && HIGHEST(GREEN) < MAXE -> e = HIGHEST(GREEN) + 1; t = TO; intent(e, t); t = 0
	}
	od
}

init {
	atomic {
		toof[1] = GREEN;
		doneof[1] = 1;
		actof[1] = GREEN;
		I[GREEN].st = S_ACTIVE;
		I[GREEN].ep = 1;
		I[GREEN].side = SIDE_ACTIVE;
		I[GREEN].k = MARK(1, 0);
		I[BLUE].st = S_PAUSED;
		I[BLUE].ep = 1;
		G[GREEN].k = MARK(1, 0);
		G[GREEN].f = 1;
#ifdef DEPOSED
		G[BLUE].k = MARK(1, 0);
		G[BLUE].f = 1;
		G[BLUE].m = 1;
#endif
#ifdef NO_DURABLE
		I[GREEN].dep = 1;
		I[GREEN].dside = SIDE_ACTIVE;
		I[BLUE].dep = 1;
#endif
		run Instance(BLUE);
		run Instance(GREEN);
		run Controller()
	}
}
