/* SPDX-License-Identifier: Apache-2.0 */
/* Partitions given and taken by the group. */
#ifndef BG_CONSUMERD_REBALANCE_H
#define BG_CONSUMERD_REBALANCE_H

#include "consumerd/con.h"

/* librdkafka's rebalance callback: opaque is the struct con. */
void con_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *parts,
		      void *opaque);
bool con_cooperative(rd_kafka_t *rk);
/* (Incremental) assign or unassign, as the group's protocol wants it. */
void con_assign(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *parts, bool revoke);
/* The seat's handle goes away: a waiting revoke is void. */
struct con_seat;
void con_rebalance_forget(struct con_seat *s);

#endif
