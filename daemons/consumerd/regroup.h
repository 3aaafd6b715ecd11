/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takeover: partitions that were added just before the join. The broker gives a static id its old share without a
 * rebalance, and librdkafka knew the new number of partitions when it joined, so that it sees no change later: they
 * would be nobody's until the group rebalances for some other reason. So it is made to: by a member without a static id
 * that joins and leaves again. What moves meanwhile moves as in a scale-out.
 */
#ifndef BG_CONSUMERD_REGROUP_H
#define BG_CONSUMERD_REGROUP_H

#include "consumerd/con.h"

void con_regroup_init(struct con *c);
/* The aux handle and the worker must still be there. */
void con_regroup_free(struct con *c);
/* A start with handed offsets is over: look, two heartbeats from now, once, whether they name every partition. */
void con_regroup_look(struct con *c);

#endif
