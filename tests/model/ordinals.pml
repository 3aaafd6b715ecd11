/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takeover where the colours differ in size: blue is one instance that holds two ordinals, a handle and a
 * static id each; green is two instances with one ordinal each. No offsets.
 * Concern: what is proved or refused on one handle says nothing of the other (rules 5 and 9, spare handle).
 *
 * Epochs: 1 blue is active, 2 green, 3 blue (the way back, also of a half-done takeover), 4 green.
 * Bounds (-D): MAXE epochs, FREEZES of blue, FENCES (fencings by the controller, of all ids).
 *
 * Asserted: nobody hands out under an epoch below one that the other colour has handed out under, nor on a
 * handle that has not owned its id since the activation.
 *
 * What happens without a sentence:
 *
 * FENCE_ONE: blue freezes, the controller takes and proves id 0 only; blue wakes up, is refused on handle 0, and works
 *   on with handle 1 beside green@2. (FENCED of an instance is all of its handles or none: here each for itself.)
 * HANDLE_ONE: green-0 has taken over id 0, green-1 has not; on the way back blue's commit on handle 1 is acknowledged, and
 *   it takes that for both handles.
 *
 * That the stall guard commits on every handle, not on one, is covered by fencing all ids of an instance.
 */
#ifndef MAXE
#define MAXE 4
#endif
#ifndef FREEZES
#define FREEZES 1
#endif
#ifndef FENCES
#define FENCES 1
#endif
#define BLUE 0
#define GREEN 1
#define CONTROLLER 2
#define TO(e) (1 - (e) % 2)

byte rE = 1;
bit proof[2]; /* of the instances of from: blue is 0 */
byte sent[MAXE + 1]; /* resumes of this epoch may arrive */
byte fenced;         /* ids that were taken and proved */
byte fences;
byte freezes;
byte owner[2];
byte handed[2];
/* blue */
byte bep = 1;
bit bactive = 1;
bit mem[2];
bit had[2];
bit frozen;
bit woken;
/* green-0, green-1 */
byte gep[2];
bit gactive[2];
bit gmem[2];

#define READY (!frozen && !woken)

#define BLUE_HANDS_OUT(i) \
	:: atomic { bactive && READY && mem[i] -> \
		printf("blue: hands out on handle %d under %d\n", i, bep); \
		assert(bep > handed[GREEN]); \
		assert(had[i]); \
		handed[BLUE] = bep } \
	:: atomic { mem[i] && !frozen && owner[i] != BLUE -> mem[i] = 0; printf("blue: handle %d is fenced\n", i) } \
	/* the start: a handle of before only where a commit on it was acknowledged */ \
	:: atomic { bactive && READY && !mem[i] && bep > handed[GREEN] && bep == rE && join[i] -> \
		join[i] = 0; owner[i] = BLUE; mem[i] = 1; had[i] = 1; printf("blue: joins with handle %d\n", i) }

bit join[2];

#ifdef HANDLE_ONE
#define KEEPS(i) (owner[0] == BLUE || owner[1] == BLUE)
#else
#define KEEPS(i) (owner[i] == BLUE)
#endif

proctype Blue()
{
	do
	:: atomic { READY && rE >= 2 && bep < 2 -> bep = 2; bactive = 0; printf("blue: PAUSED@2\n") }
	:: atomic { READY && MAXE >= 4 && rE >= 4 && bep < 4 -> bep = 4; bactive = 0; printf("blue: PAUSED@4\n") }
	:: atomic {
		READY && sent[3] && bep < 3 ->
		bep = 3;
		bactive = 1;
		had[0] = (owner[0] == BLUE);
		had[1] = (owner[1] == BLUE);
		mem[0] = mem[0] && KEEPS(0);
		mem[1] = mem[1] && KEEPS(1);
		join[0] = !mem[0];
		join[1] = !mem[1];
		printf("blue: resume@3, keeps handles %d %d\n", mem[0], mem[1])
	}
	BLUE_HANDS_OUT(0)
	BLUE_HANDS_OUT(1)
	:: atomic { freezes < FREEZES && !frozen -> freezes++; frozen = 1; printf("blue: freezes\n") }
	:: atomic { frozen -> frozen = 0; woken = 1; printf("blue: wakes up\n") }
	/* the stall guard: a commit on every handle */
	:: atomic {
		woken ->
		woken = 0;
		mem[0] = mem[0] && owner[0] == BLUE;
		mem[1] = mem[1] && owner[1] == BLUE
	}
	od
}

#define GREEN_ACTS(i) \
	:: atomic { rE >= 3 && gep[i] < 3 -> gep[i] = 3; gactive[i] = 0; printf("green-%d: PAUSED@3\n", i) } \
	:: atomic { sent[2] && gep[i] < 2 -> gep[i] = 2; gactive[i] = 1; gmem[i] = 1; owner[i] = GREEN; printf("green-%d: takes over@2\n", i) } \
	:: atomic { MAXE >= 4 && sent[MAXE] && gep[i] < MAXE && TO(MAXE) == GREEN -> \
		gep[i] = MAXE; gactive[i] = 1; gmem[i] = 1; owner[i] = GREEN; printf("green-%d: takes over@%d\n", i, MAXE) } \
	:: atomic { gmem[i] && owner[i] != GREEN -> gmem[i] = 0; printf("green-%d: is fenced\n", i) } \
	:: atomic { gactive[i] && gmem[i] -> \
		printf("green-%d: hands out under %d\n", i, gep[i]); \
		assert(gep[i] > handed[BLUE]); \
		handed[GREEN] = gep[i] }

proctype Green()
{
	do
	GREEN_ACTS(0)
	GREEN_ACTS(1)
	od
}

#ifdef FENCE_ONE
#define GRACE (frozen || (!mem[0] || owner[0] == BLUE))
#define PROVED (owner[0] == CONTROLLER)
#else
#define GRACE (frozen || ((!mem[0] || owner[0] == BLUE) && (!mem[1] || owner[1] == BLUE)))
#define PROVED (owner[0] == CONTROLLER && owner[1] == CONTROLLER)
#endif

proctype Controller()
{
	do
	:: atomic { rE < MAXE -> rE++; proof[0] = 0; proof[1] = 0; fenced = 0; printf("ctl: intent %d\n", rE) }
	:: atomic { TO(rE) == GREEN && bep == rE && !bactive && READY -> proof[0] = 1; proof[1] = 1 }
	:: atomic { TO(rE) == BLUE && gep[0] == rE && !gactive[0] -> proof[0] = 1 }
	:: atomic { TO(rE) == BLUE && gep[1] == rE && !gactive[1] -> proof[1] = 1 }
	:: atomic {
		TO(rE) == GREEN && fences < FENCES && !proof[0] && fenced == 0 ->
		fences++;
		fenced = 1;
		owner[0] = CONTROLLER;
#ifndef FENCE_ONE
		owner[1] = CONTROLLER;
#endif
		printf("ctl: takes the ids\n")
	}
	:: atomic { fenced == 1 && GRACE -> fenced = 2; printf("ctl: the grace is over\n") }
	:: atomic {
		fenced == 2 ->
		fenced = 0;
		if
		:: PROVED -> proof[0] = 1; proof[1] = 1; printf("ctl: blue is fenced\n")
		:: else
		fi
	}
	:: atomic { rE > 1 && proof[0] && proof[1] && !sent[rE] -> sent[rE] = 1; printf("ctl: resume@%d\n", rE) }
	od
}

init {
	atomic {
		mem[0] = 1;
		mem[1] = 1;
		had[0] = 1;
		had[1] = 1;
		gep[0] = 1;
		gep[1] = 1;
		run Blue();
		run Green();
		run Controller()
	}
}
