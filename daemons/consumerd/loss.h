/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records that the log deleted before they were processed (K-10). The hole lies between the position and the start of
 * the log. It is never skipped in silence: its offsets are counted, logged and written into the ledger. on-data-loss
 * says what comes then: fail (the instance is FAILED) or skip (it goes on at the start of the log).
 */
#ifndef BG_CONSUMERD_LOSS_H
#define BG_CONSUMERD_LOSS_H

#include "consumerd/con.h"

enum con_loss_kind {
	CON_LOSS_NONE,   /* the position is in the log: the fetcher is to be revived */
	CON_LOSS_HOLE,   /* the log begins behind the position */
	CON_LOSS_BEYOND, /* the log ends before the position: it was truncated, or the topic was made anew */
};

void con_loss_init(struct con *c);
void con_loss_free(struct con *c);
/* The broker says that the next offset of a partition at work is not in the log. */
void con_loss_notice(struct con *c, struct con_part *p);
/* The offsets from..to-1 are lost: count them, once, and say so. */
void con_loss_count(struct con *c, struct con_part *p, int64_t from, int64_t to);
/* on-data-loss may be another: who has failed for a hole goes on. */
void con_loss_tune(struct con *c);

/* Pure. */
enum con_loss_kind con_loss_judge(int64_t next, int64_t low, int64_t high);

#endif
