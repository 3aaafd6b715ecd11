/* SPDX-License-Identifier: Apache-2.0 */
/* The birth and the end of a seat's handle. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/mem.h"
#include "consumerd/commit.h"
#include "consumerd/dispatch.h"
#include "consumerd/joining.h"
#include "consumerd/probe.h"
#include "consumerd/rebalance.h"
#include "consumerd/source_int.h"

rd_kafka_conf_t *con_member_conf(const struct con *c)
{
	char text[256];
	rd_kafka_conf_t *conf =
		bg_kafka_conf(c->d->conf, "group.id", c->cfg.group, "enable.auto.commit", "false",
			      "enable.auto.offset.store", "false", "auto.offset.reset", "error",
			      "enable.partition.eof", "false", NULL);

	if (c->cfg.mode != CON_PLAIN)
		rd_kafka_conf_set(conf, "partition.assignment.strategy", "cooperative-sticky", text,
				  sizeof text);
	return conf;
}

static rd_kafka_conf_t *handle_conf(struct con_seat *s, uint64_t generation)
{
	struct con *c = s->c;
	char text[256];
	rd_kafka_conf_t *conf = con_member_conf(c);

	if (c->cfg.mode != CON_PLAIN)
		rd_kafka_conf_set(conf, "group.instance.id", s->static_id, text, sizeof text);
	rd_kafka_conf_set_opaque(conf, c);
	rd_kafka_conf_set_rebalance_cb(conf, con_on_rebalance);
	rd_kafka_conf_set_error_cb(conf, con_source_on_error);
	con_joining_watch(conf, generation);
	return conf;
}

static int64_t property(rd_kafka_t *rk, const char *name)
{
	char text[32];
	size_t size = sizeof text;

	return rd_kafka_conf_get(rd_kafka_conf(rk), name, text, &size) ? 0 : atoll(text);
}

struct con_handle *con_handle_new(struct con_seat *s, struct bg_err *err)
{
	struct con *c = s->c;
	uint64_t generation = ++c->source->generation;
	rd_kafka_t *rk = bg_kafka_new(RD_KAFKA_CONSUMER, handle_conf(s, generation), err);
	struct con_handle *h;

	if (!rk)
		return NULL;
	/* Kept here: there are moments when no seat has a handle, and fencing is timed by the answer. */
	c->source->heartbeat_ms = property(rk, "heartbeat.interval.ms");
	c->source->session_ms = property(rk, "session.timeout.ms");
	h = bg_xcalloc(1, sizeof *h);
	h->seat = s;
	h->rk = rk;
	h->generation = generation;
	rd_kafka_poll_set_consumer(rk);
	h->queue = rd_kafka_queue_get_consumer(rk);
	h->kq = bg_kq_new(c->loop, h->queue, con_source_poll, h);
	return h;
}

void con_handle_seat(struct con_seat *s, struct con_handle *h)
{
	s->h = h;
	s->fatal = s->lost = s->joined = s->subscribed = false;
	s->rejoin_us = 0;
	con_commit_attach(s->commits, h->rk);
}

struct con_handle *con_handle_detach(struct con_seat *s)
{
	struct con *c = s->c;
	struct con_handle *h = s->h;

	if (!h)
		return NULL;
	con_dispatch_flush(c); /* what the handler has done is no orphan */
	con_commit_detach(s->commits);
	con_rebalance_forget(s);
	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];

		if (p->seat != s)
			continue;
		if (p->assigned)
			con_part_take_away(&c->parts, p);
		con_part_unseat(p);
	}
	s->h = NULL;
	s->joined = s->subscribed = false;
	s->rejoin_us = 0;
	return h;
}

/* Everything but the handle, which is returned. */
static rd_kafka_t *strip(struct con_handle *h)
{
	rd_kafka_t *rk = h->rk;

	bg_kq_free(h->kq);
	if (h->queue)
		rd_kafka_queue_destroy(h->queue);
	free(h);
	return rk;
}

/* It lives on until its first assignment; where that never comes, because it was fenced meanwhile, it is left behind. */
static bool would_abort(const struct con_handle *h)
{
	return h->subscribed && !h->assigned && bg_kafka_half_joined(h->rk);
}

/* Destroying a handle blocks while a record of it is held, or the worker uses it. */
static bool is_free(const struct con *c, const struct con_handle *h)
{
	return !h->busy && !h->polling && !would_abort(h) && !c->parts.norphans && !con_probe_busy();
}

void con_handle_end(struct con *c, struct con_handle *h)
{
	struct con_source *src = c->source;
	bool full = src->nold >= CON_OLD_HANDLES * src->n;

	if (!h)
		return;
	/* A join that was not answered yet is given up: afterwards its answer counts for nothing. */
	if (h->subscribed && !h->assigned && !would_abort(h))
		rd_kafka_unsubscribe(h->rk);
	if (is_free(c, h) || (full && !h->busy && !h->polling && !would_abort(h))) {
		bg_kafka_destroy(c->worker, strip(h), false, NULL, NULL);
		return;
	}
	/* Nobody polls it from here on, but for the assignment that it waits for. */
	if (!would_abort(h)) {
		bg_kq_free(bg_steal_ptr(&h->kq));
		rd_kafka_queue_destroy(bg_steal_ptr(&h->queue));
	}
	h->next = src->old;
	src->old = h;
	src->nold++;
}

void con_handle_leave(struct con *c, struct con_handle *h, bool close_first, void (*done)(void *arg),
		      void *arg)
{
	if (would_abort(h)) {
		bg_loop_defer(c->loop, done, arg); /* the process ends, and it with it */
		return;
	}
	bg_kafka_destroy(c->worker, strip(h), close_first, done, arg);
}

static void reap_later(void *arg)
{
	con_source_reap(arg);
}

void con_handle_assigned(struct con *c, const rd_kafka_t *rk)
{
	for (struct con_handle *h = c->source ? c->source->old : NULL; h; h = h->next)
		if (h->rk == rk && !h->assigned) {
			h->assigned = true;
			bg_loop_defer(c->loop, reap_later, c); /* we are inside of it */
		}
}

void con_source_reap(struct con *c)
{
	struct con_source *src = c->source;
	struct con_handle **at;

	if (!src)
		return;
	for (at = &src->old; *at;) {
		struct con_handle *h = *at;

		if (!is_free(c, h)) {
			at = &h->next;
			continue;
		}
		*at = h->next;
		src->nold--;
		bg_kafka_destroy(c->worker, strip(h), false, NULL, NULL);
	}
}

void con_handle_forget_old(struct con *c)
{
	while (c->source->old) {
		struct con_handle *h = c->source->old;

		c->source->old = h->next;
		if (!h->busy) /* else the worker's answer still looks at it */
			strip(h);
	}
}
