/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an instance comes to work at an epoch: rule 3 (the commits of both groups are read), rule 7 (where
 * each partition starts), then the first record. Fetching begins while the commits are read; nothing is
 * handed out before they were.
 */
#ifndef BG_CONSUMERD_START_H
#define BG_CONSUMERD_START_H

#include "consumerd/con.h"

struct con_start_result {
	int status; /* HTTP status of a resume that was refused; 0: still under way */
	char word[32], msg[256];
	/* offset_out_of_range */
	char topic[250];
	int32_t partition;
	int64_t low, high;
};

/* Action BEGIN: settle everything for the accepted epoch with c->handed. Replaces one under way. */
void con_start_begin(struct con *c);
/* Action ADOPT: the same for an instance that works on; its own positions stay where they are the best. */
void con_start_adopt(struct con *c);
/* Takeover: a member that works has lost its membership. It joins anew, behind rule 3, and goes on where it was. */
void con_start_rejoin(struct con *c);
/* Action GO: stamp, hand out, commit the start. */
void con_start_go(struct con *c);
/* Action CANCEL: forget it; fetched records are dropped, partitions paused. */
void con_start_cancel(struct con *c);
/* The group gave partitions: start them if the instance works, else learn what is known of them. */
void con_start_assigned(struct con *c);
/* Takeover: where a partition that is just assigned will very probably start; -1: not known, or no start under way. */
int64_t con_start_ahead(const struct con *c, const struct con_part *p);
/* After a stall while a start was under way: everything read before counts for nothing. */
void con_start_stalled(struct con *c);
/* Read and settle anew: something has changed while a start was under way. */
void con_start_again(struct con *c);
/* A record left the handler: a partition that must move may be free now. */
void con_start_check_moves(struct con *c);
bool con_start_under_way(const struct con *c);
/* Why the last start was refused. */
const struct con_start_result *con_start_refused(const struct con *c);
/* Rule 2: read the floor of both groups (state file gone); until c->ep.floor_known. */
void con_start_read_floor(struct con *c);
void con_start_free(struct con *c);

#endif
