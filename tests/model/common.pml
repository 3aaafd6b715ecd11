/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the models share: the names of the colours, marks, and the instance's table of states, which is
 * the one the daemon is compiled from (daemons/consumerd/lifecycle.def).
 */
#define BLUE 0
#define GREEN 1
#define OTHER(c) (1 - (c))
#define MAX(a, b) ((a) > (b) -> (a) : (b))
#define MIN(a, b) ((a) < (b) -> (a) : (b))

/*
 * A mark is an offset with the epoch under which it was reached, in one byte, so that the comparison of
 * rules 6 and 7 (the higher epoch wins, then the higher offset) is the comparison of two numbers.
 * 0: none; the first epoch is 1, so that no real mark is 0.
 */
#define MARK(e, o) ((e) * 8 + (o))
#define EPOCH(k) ((k) / 8)
#define OFF(k) ((k) % 8)

#define SIDE_PAUSED 0
#define SIDE_ACTIVE 1

mtype = {
#define BG_LC_STATE(n) S_##n
#include "consumerd/lifecycle.def"
#undef BG_LC_STATE
#define BG_LC_EVENT(n) E_##n
#include "consumerd/lifecycle.def"
#undef BG_LC_EVENT
#define BG_LC_ACTION(n) A_##n
#include "consumerd/lifecycle.def"
#undef BG_LC_ACTION
}

hidden byte act; /* what the last LC_STEP says is to be done */

/* The cell of the table, as sums of which one term is not 0: ev is constant, so that gcc folds all else. */
inline lc(x, ev)
{
	act = (0
#define BG_LC(s, e, n, a) + (((x) == S_##s) && ((ev) == E_##e)) * A_##a
#include "consumerd/lifecycle.def"
#undef BG_LC
	);
	x = (0
#define BG_LC(s, e, n, a) + (((x) == S_##s) && ((ev) == E_##e)) * S_##n
#include "consumerd/lifecycle.def"
#undef BG_LC
	);
}
