/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mirrored commits (design 5): a paused hand-over instance carries the other colour's committed offsets into its own
 * group every few seconds, so that lag monitors and autoscalers see the truth, retention cannot strand it, and every
 * fallback costs seconds. A mirrored commit keeps its epoch and is marked m=1: it is never "of this epoch" (rule 7).
 *
 *   PAUSED ── interval ──► read both groups ──► still PAUSED? ──► commit what is newer ──► acknowledged
 *                                                                       │
 *   a resume waits here, else the write would land on its own commit ◄──┘
 */
#ifndef BG_CONSUMERD_MIRROR_H
#define BG_CONSUMERD_MIRROR_H

#include "consumerd/con.h"

void con_mirror_init(struct con *c);
void con_mirror_free(struct con *c);
/* mirror-interval may have changed. */
void con_mirror_tune(struct con *c);

/*
 * Pure: what of `peer` (the other group's commits) is to be written over `own` (the own group's), for partitions that
 * are held, and not on their way to another member. Newer than the own commit and than the own position: the higher
 * epoch, then the higher offset. Nothing of a partition whose own position is not committed yet.
 */
void con_mirror_select(struct con *c, const struct bg_offs *own, const struct bg_offs *peer,
		       struct bg_offs *ret);

/*
 * Is a mirror write on its way? Asked by a start that waits for its end: con_start_again is called then. A write that
 * is not answered within 2 s costs the handle: the new member's join makes the broker refuse the old one's write.
 */
bool con_mirror_busy(struct con *c);
int64_t con_mirror_total(const struct con *c);        /* commits mirrored, one for each partition */
int64_t con_mirror_last_real_us(const struct con *c); /* when the last ones were acknowledged; 0: never */

#endif
