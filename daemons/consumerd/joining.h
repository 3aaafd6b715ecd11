/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a handle joining its group? A member that keeps its partitions through a rebalance is told of it by no callback,
 * yet it must not commit then: Kafka takes the requests of a connection one after the other, so a commit that is sent
 * behind a JoinGroup waits for the end of the join and arrives with a generation that is over. It is refused, and
 * librdkafka 2.0.2 gives up all partitions as lost: what was acknowledged since the last commit is done again by their
 * next owner. Seen from the requests that librdkafka sends: JoinGroup, until SyncGroup is answered.
 */
#ifndef BG_CONSUMERD_JOINING_H
#define BG_CONSUMERD_JOINING_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

/* Watch the handle that is made of conf; `generation` is its number (con_source_generation). */
void con_joining_watch(rd_kafka_conf_t *conf, uint64_t generation);
/* False after a minute at the latest. */
bool con_joining(uint64_t generation);

/* One request of the handle, or the answer to one; from any thread. For the watch, and for tests. */
void con_joining_sent(uint64_t generation, int16_t api);
void con_joining_answered(uint64_t generation, int16_t api);

#endif
