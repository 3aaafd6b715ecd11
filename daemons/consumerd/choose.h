/* SPDX-License-Identifier: Apache-2.0 */
/* Rule 7, pure: where a partition starts. */
#ifndef BG_CONSUMERD_CHOOSE_H
#define BG_CONSUMERD_CHOOSE_H

#include "consumerd/con.h"

enum con_choice_verdict {
	CON_CHOICE_OK,
	CON_CHOICE_NONE,   /* nothing says where: offsets_required */
	CON_CHOICE_RANGE,  /* outside of the log */
	CON_CHOICE_RANGES, /* perhaps outside, or the policy needs the ends: read the ranges, then ask again */
};

struct con_choice {
	enum con_choice_verdict verdict;
	int64_t offset, epoch;
	bool own; /* its own position: goes on where it is */
	int64_t low, high;
	int64_t lost_from; /* on-data-loss = skip: the log has deleted from here up to `offset`; -1: nothing */
};

/*
 * The best of the partition's own position, the own group's commit (`own`) and c->handed; the higher epoch
 * wins, then the higher offset. Allowed only where something is of `epoch` or was handed; `adopt`: an
 * instance at work goes on from its own position. Plain mode: the commit, else the policy.
 */
struct con_choice con_choose(const struct con *c, const struct con_part *p, int64_t epoch,
			     const struct bg_offs *own, bool adopt);
/* The best offset known without asking anybody: handed, or the own position; -1: none. Where fetching may begin. */
int64_t con_best_known(const struct con *c, const struct con_part *p);
/* New log ranges were read (low in .offset, high in .floor). */
void con_ranges_set(struct con *c, const struct bg_offs *ranges);

#endif
