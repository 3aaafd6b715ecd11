/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by source.c, rebalance.c and flow.c only. */
#ifndef BG_CONSUMERD_SOURCE_INT_H
#define BG_CONSUMERD_SOURCE_INT_H

#include "consumerd/source.h"

#define CON_OLD_HANDLES 4

struct con_source {
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	struct bg_kq *kq;
	uint64_t generation;
	bool joined, subscribed, fatal;
	rd_kafka_t *old[CON_OLD_HANDLES]; /* replaced, with records still in the handler */
	int64_t replaced_us;
	int64_t rejoin_us; /* partitions were let go and the group is joined anew since; 0: it is not */
	struct bg_timer *replace_timer;
	struct bg_backoff backoff;
	/* A revoke that waits for the handler or the commit. */
	rd_kafka_topic_partition_list_t *revoking;
	struct bg_timer *revoke_timer;
	bool revoke_commit;
};

void con_source_fatal(struct con *c);

#endif
