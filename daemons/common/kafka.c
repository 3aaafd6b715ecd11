/* SPDX-License-Identifier: Apache-2.0 */
/* A Kafka handle's begin, and its end: that can block for ever, so it is the worker's business. */
#include "config.h"
#include "common/kafka.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "common/mem.h"

#define CLOSE_POLL_MS 100

int64_t bg_kafka_destroy_limit_us = 15000000;

struct destroy {
	rd_kafka_t *rk;
	bool close_first;
	void (*done)(void *arg);
	void *arg;
};

rd_kafka_t *bg_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct bg_err *err)
{
	char text[400] = "";
	rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof(text));
	rd_kafka_error_t *e;

	if (!rk) {
		rd_kafka_conf_destroy(conf);
		bg_err_set(err, -EINVAL, "kafka_error", "cannot make a Kafka handle: %s", text);
		return NULL;
	}
	e = rd_kafka_sasl_background_callbacks_enable(rk);
	if (e)
		rd_kafka_error_destroy(e); /* nothing to refresh */
	return rk;
}

/* The rebalance that a close brings. The owner's callback is not for this thread. */
static void give_back(rd_kafka_t *rk, rd_kafka_event_t *ev)
{
	rd_kafka_error_t *e = NULL;

	if (rd_kafka_event_type(ev) != RD_KAFKA_EVENT_REBALANCE)
		return;
	if (!strcmp(rd_kafka_rebalance_protocol(rk), "COOPERATIVE") &&
	    rd_kafka_event_error(ev) == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS)
		e = rd_kafka_incremental_unassign(rk, rd_kafka_event_topic_partition_list(ev));
	else
		rd_kafka_assign(rk, NULL);
	if (e)
		rd_kafka_error_destroy(e);
}

/*
 * rd_kafka_consumer_close would call the rebalance callback from here, and with it touch what the loop owns;
 * with a queue of our own the rebalance comes as an event instead.
 */
static void close_consumer(rd_kafka_t *rk)
{
	rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
	rd_kafka_error_t *e = rd_kafka_consumer_close_queue(rk, q);

	if (e) {
		/* Without a group there is none to leave; after a fatal error the group has left us. */
		if (rd_kafka_error_code(e) != RD_KAFKA_RESP_ERR__UNKNOWN_GROUP && !rd_kafka_error_is_fatal(e))
			bg_log(BG_WARN, "kafka_close", "%s: leaving the group failed: %s", rd_kafka_name(rk),
			       rd_kafka_error_string(e));
		rd_kafka_error_destroy(e);
	} else {
		while (!rd_kafka_consumer_closed(rk)) {
			rd_kafka_event_t *ev = rd_kafka_queue_poll(q, CLOSE_POLL_MS);

			if (ev) {
				give_back(rk, ev);
				rd_kafka_event_destroy(ev);
			}
		}
	}
	rd_kafka_queue_destroy(q);
}

static void destroy_run(void *arg)
{
	struct destroy *d = arg;

	if (d->close_first && rd_kafka_type(d->rk) == RD_KAFKA_CONSUMER)
		close_consumer(d->rk);
	rd_kafka_destroy_flags(d->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

static void destroy_done(void *arg)
{
	struct destroy d = *(struct destroy *)arg;

	free(arg);
	if (d.done)
		d.done(d.arg);
}

void bg_kafka_destroy(struct bg_worker *w, rd_kafka_t *rk, bool close_first, void (*done)(void *arg),
		      void *arg)
{
	struct destroy *d = bg_xmalloc(sizeof(*d));

	*d = (struct destroy){.rk = rk, .close_first = close_first, .done = done, .arg = arg};
	if (!bg_worker_submit(w, "destroying a Kafka handle", destroy_run, destroy_done, d,
			      bg_kafka_destroy_limit_us))
		return;
	bg_log(BG_ERROR, "kafka_destroy", "%s: the worker's queue is full, the handle is left behind",
	       rd_kafka_name(rk));
	destroy_done(d);
}

bool bg_kafka_half_joined(rd_kafka_t *rk)
{
	return rd_kafka_version() < 0x02030000 && strcmp(rd_kafka_rebalance_protocol(rk), "NONE") != 0;
}
