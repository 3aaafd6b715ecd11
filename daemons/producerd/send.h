/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records into a topic by librdkafka's producer, on the loop. Partitions are chosen by the caller, so their
 * number is fetched first and again every topic.metadata.refresh.interval.ms. Survives everything: brokers
 * down (records wait in the queue until delivery.timeout.ms), a topic that comes later, and fatal errors of
 * the idempotent producer (the handle is replaced).
 */
#ifndef BG_PRODUCERD_SEND_H
#define BG_PRODUCERD_SEND_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/err.h"
#include "common/loop.h"
#include "common/worker.h"
#include "producerd/numbering.h"
#include "producerd/stats.h"

struct prod_send;

enum prod_put {
	PROD_PUT_OK,      /* accepted: a delivery report will count it in the stats */
	PROD_PUT_FULL,    /* the queue is full: `changed` is called when there is room */
	PROD_PUT_LATER,   /* partitions are not known (any more): `changed` is called when they are */
	PROD_PUT_REFUSED, /* will never do, such as a record that is too large; counted in the stats */
};

struct prod_send_opts {
	struct bg_loop *loop;
	struct bg_worker *worker;
	rd_kafka_conf_t *conf; /* taken, also on failure */
	const char *topic;     /* copied */
	struct prod_stats *stats;
	void (*changed)(void *arg); /* room, partitions, connection: look again; never from inside a call */
	void *arg;
};

int prod_send_new(const struct prod_send_opts *o, struct prod_send **ret, struct bg_err *err);
/* Only after prod_send_close has called done, or when nothing ran yet. NULL is fine. */
void prod_send_free(struct prod_send *s);
int32_t prod_send_partitions(const struct prod_send *s); /* 0: not known yet */
bool prod_send_connected(const struct prod_send *s);     /* partitions known and a broker was there last */
int64_t prod_send_queued(const struct prod_send *s);     /* accepted, and no delivery report yet */
rd_kafka_t *prod_send_handle(struct prod_send *s);       /* tests; NULL while it is being replaced */
/* Partition by the key's murmur2 hash, as Java's producer does; in turn when key.data is NULL. Only when
 * partitions are known. */
int32_t prod_send_choose(struct prod_send *s, struct prod_bytes key);
/* headers (may be NULL) stay the caller's unless the answer is OK. Key and value are copied. */
enum prod_put prod_send_put(struct prod_send *s, int32_t partition, struct prod_bytes key,
			    struct prod_bytes value, rd_kafka_headers_t *headers);
/* Give what is queued up to timeout_us, count the rest by error, then end. done is called once, on the loop. */
void prod_send_close(struct prod_send *s, int64_t timeout_us, void (*done)(void *arg), void *arg);

#endif
