/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/source.h"

#include <errno.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "consumerd/commands.h"
#include "consumerd/commit.h"
#include "consumerd/dispatch.h"
#include "consumerd/probe.h"
#include "consumerd/rebalance.h"
#include "consumerd/source_int.h"

#define POLL_BUDGET 2000 /* records taken in one turn: the loop stays responsive */

/* A message that is an error: of a partition, or of the handle. */
static void on_error_message(struct con *c, rd_kafka_message_t *msg)
{
	struct con_part *p;

	switch (msg->err) {
	case RD_KAFKA_RESP_ERR__PARTITION_EOF:
		break;
	case RD_KAFKA_RESP_ERR__FATAL:
		con_source_fatal(c);
		break;
	case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
	case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
		p = msg->rkt ? con_part_find(&c->parts, rd_kafka_topic_name(msg->rkt), msg->partition) : NULL;
		if (!p || !p->assigned)
			break;
		if (p->kpaused || (msg->offset >= 0 && msg->offset != p->fetch_next)) {
			/* Of an order that was overtaken, but the fetcher is dead all the same. */
			con_source_revive(c, p);
			break;
		}
		p->failed = true;
		/* Fetched ahead of the start's decision: start.c asks again where it matters. */
		if (c->state == CON_RESUMING)
			break;
		snprintf(c->cause, sizeof c->cause, "offset_out_of_range");
		con_error(c, "offset_out_of_range", "%s [%d]: offset %lld is not in the log any more: %s",
			  p->topic, p->partition, (long long)p->fetch_next, rd_kafka_message_errstr(msg));
		con_source_pause(c, p, CON_WHY_FAULT);
		con_event(c, CON_EV_BROKEN, "offset out of range");
		break;
	default:
		con_error(c, "kafka_error", "%s", rd_kafka_message_errstr(msg));
	}
	rd_kafka_message_destroy(msg);
}

/* One record: into its partition, and on to the handler if that may be. */
static void on_record(struct con *c, rd_kafka_message_t *msg)
{
	struct con_part *p = con_part_find(&c->parts, rd_kafka_topic_name(msg->rkt), msg->partition);

	if (!p || !p->assigned || p->kpaused) {
		/* Came between two orders of ours: it will be fetched again from fetch_next. */
		rd_kafka_message_destroy(msg);
		return;
	}
	switch (con_part_receive(&c->parts, p, msg)) {
	case CON_TAKEN:
		con_dispatch_part(c, p);
		break;
	case CON_GAP:
		bg_log(BG_INFO, "gap", "%s [%d]: expected offset %lld, got %lld: asking again", p->topic,
		       p->partition, (long long)p->gap_at, (long long)p->gap_to);
		con_source_seek(c, p);
		break;
	case CON_OLD:
		break;
	}
}

static void poll_queue(void *arg)
{
	struct con *c = arg;
	struct con_source *s = c->source;
	rd_kafka_message_t *msg;
	int n = 0;

	while (s->rk && n < POLL_BUDGET) {
		uint64_t generation = s->generation;

		msg = rd_kafka_consumer_poll(s->rk, 0);
		if (!msg)
			break;
		n++;
		if (generation != s->generation) {
			rd_kafka_message_destroy(msg);
			continue;
		}
		if (msg->err)
			on_error_message(c, msg);
		else
			on_record(c, msg);
	}
	con_dispatch_flush(c);
	if (s->rk && n >= POLL_BUDGET)
		bg_kq_kick(s->kq);
}

/* librdkafka's own errors. In the consumer's poll, on the loop. */
static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
	struct con *c = opaque;

	if (!c->source || rk != c->source->rk)
		return;
	if (err == RD_KAFKA_RESP_ERR__FATAL) {
		con_source_fatal(c);
		return;
	}
	if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && c->connected) {
		c->connected = false;
		con_error(c, "brokers_down", "all brokers are down: %s", reason);
		con_changed(c);
		return;
	}
	bg_log(BG_INFO, "kafka", "%s: %s", rd_kafka_err2name(err), reason);
}

/* The handle is dead: somebody else has our identity, or librdkafka gave up. */
void con_source_fatal(struct con *c)
{
	char text[256] = "";
	rd_kafka_resp_err_t err = rd_kafka_fatal_error(c->source->rk, text, sizeof text);

	con_error(c, "fenced", "the broker refused this member (%s): %s", rd_kafka_err2name(err), text);
	con_source_fenced(c, err == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID ? "identity_in_use" : "fatal_error");
}

static void fenced_now(void *arg)
{
	struct con *c = arg;

	if (c->source && c->source->rk && c->source->fatal)
		con_event(c, CON_EV_FENCED, c->cause);
}

/*
 * From the next turn of the loop: we are called from inside librdkafka, and the handle cannot go under its
 * feet. Until then nothing is handed out.
 */
void con_source_fenced(struct con *c, const char *cause)
{
	if (!c->source->rk || c->source->fatal)
		return;
	c->source->fatal = true;
	c->held = true;
	bg_strlcpy(c->cause, cause, sizeof c->cause);
	bg_loop_defer(c->loop, fenced_now, c);
}

static int make_handle(struct con *c, struct bg_err *err)
{
	struct con_source *s = c->source;
	char text[256];
	rd_kafka_conf_t *conf;

	conf = bg_kafka_conf(c->d->conf, "group.id", c->cfg.group, "enable.auto.commit", "false",
			     "enable.auto.offset.store", "false", "auto.offset.reset", "error",
			     "enable.partition.eof", "false", NULL);
	if (c->cfg.mode == CON_HANDOVER) {
		rd_kafka_conf_set(conf, "group.instance.id", c->cfg.static_id, text, sizeof text);
		rd_kafka_conf_set(conf, "partition.assignment.strategy", "cooperative-sticky", text,
				  sizeof text);
	}
	rd_kafka_conf_set_opaque(conf, c);
	rd_kafka_conf_set_rebalance_cb(conf, con_on_rebalance);
	rd_kafka_conf_set_error_cb(conf, on_error);
	s->rk = bg_kafka_new(RD_KAFKA_CONSUMER, conf, err);
	if (!s->rk)
		return -EIO;
	s->generation++;
	s->fatal = s->joined = s->subscribed = false;
	rd_kafka_poll_set_consumer(s->rk);
	s->queue = rd_kafka_queue_get_consumer(s->rk);
	s->kq = bg_kq_new(c->loop, s->queue, poll_queue, c);
	con_commit_attach(c, s->rk);
	return 0;
}

/* Let go of the handle's objects; the handle itself is returned for the worker. */
static rd_kafka_t *detach_handle(struct con *c)
{
	struct con_source *s = c->source;
	rd_kafka_t *rk = s->rk;

	if (!rk)
		return NULL;
	con_dispatch_flush(c); /* what the handler has done is no orphan */
	con_commit_detach(c);
	bg_kq_free(s->kq);
	rd_kafka_queue_destroy(s->queue);
	con_rebalance_forget(c);
	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];

		if (p->rkt)
			rd_kafka_topic_destroy(p->rkt);
		p->rkt = NULL;
		p->kpaused = false;
		if (p->assigned)
			con_part_take_away(&c->parts, p);
	}
	s->kq = NULL;
	s->queue = NULL;
	s->rk = NULL;
	s->joined = false;
	s->rejoin_us = 0;
	return rk;
}

static void replace_now(void *arg)
{
	struct con *c = arg;
	struct bg_err err = BG_ERR_INIT;

	if (c->source->rk)
		return;
	if (make_handle(c, &err)) {
		con_error(c, err.code, "%s", err.msg);
		bg_timer_start(c->source->replace_timer, bg_backoff_next(&c->source->backoff));
		return;
	}
	con_event(c, CON_EV_REPLACED, "a new handle is there");
}

int con_source_start(struct con *c, struct bg_err *err)
{
	c->source = bg_xcalloc(1, sizeof *c->source);
	c->source->backoff = (struct bg_backoff){.min_us = 100000, .max_us = 30000000};
	con_probe_init(c);
	c->source->replace_timer = bg_timer_new(c->loop, replace_now, c);
	return make_handle(c, err);
}

void con_source_stop(struct con *c, void (*done)(void *arg), void *arg)
{
	rd_kafka_t *rk;

	bg_timer_stop(c->source->replace_timer);
	rk = detach_handle(c);
	if (rk)
		bg_kafka_destroy(c->worker, rk, !c->source->fatal, done, arg);
	else
		bg_loop_defer(c->loop, done, arg);
}

void con_source_free(struct con *c)
{
	if (!c->source)
		return;
	con_probe_free(c);
	bg_timer_free(c->source->replace_timer);
	free(c->source);
	c->source = NULL;
}

static void replace_later(void *arg)
{
	struct con *c = arg;
	struct con_source *s = c->source;
	rd_kafka_t *rk = s ? detach_handle(c) : NULL;

	if (!rk)
		return;
	s->replaced_us = bg_now_us();
	for (int i = 0; rk && (c->parts.norphans || con_probe_busy()) && i < CON_OLD_HANDLES; i++)
		if (!s->old[i])
			s->old[i] = bg_steal_ptr(&rk);
	if (rk)
		bg_kafka_destroy(c->worker, rk, false, NULL, NULL);
	/* Not at once: two hosts with the same identity would otherwise throw each other out without end. */
	bg_timer_start(s->replace_timer, bg_backoff_next(&s->backoff));
	con_commands_check_drained(c); /* a pause that came meanwhile waits for nothing any more */
}

/* In the next turn: we may be inside of librdkafka's callbacks. */
void con_source_replace(struct con *c)
{
	if (!c->source->rk)
		return;
	c->source->fatal = true;
	bg_loop_defer(c->loop, replace_later, c);
}

/* Destroying a handle blocks while a record of it is held. */
void con_source_reap(struct con *c)
{
	struct con_source *s = c->source;

	if (!s || c->parts.norphans || con_probe_busy())
		return;
	for (int i = 0; i < CON_OLD_HANDLES; i++)
		if (s->old[i])
			bg_kafka_destroy(c->worker, bg_steal_ptr(&s->old[i]), false, NULL, NULL);
}

void con_source_join(struct con *c)
{
	struct con_source *s = c->source;
	rd_kafka_topic_partition_list_t *topics;
	rd_kafka_resp_err_t err;

	if (!s->rk || s->subscribed)
		return;
	topics = rd_kafka_topic_partition_list_new((int)c->cfg.ntopics);
	for (size_t i = 0; i < c->cfg.ntopics; i++)
		rd_kafka_topic_partition_list_add(topics, c->cfg.topics[i], RD_KAFKA_PARTITION_UA);
	err = rd_kafka_subscribe(s->rk, topics);
	rd_kafka_topic_partition_list_destroy(topics);
	if (err)
		con_error(c, "subscribe", "cannot subscribe: %s", rd_kafka_err2str(err));
	else
		s->subscribed = true;
}

bool con_source_joined(const struct con *c)
{
	return c->source && c->source->rk && c->source->joined;
}

bool con_source_rejoining(const struct con *c)
{
	return c->source->rejoin_us && bg_now_us() - c->source->rejoin_us < 10000000;
}

rd_kafka_t *con_source_handle(const struct con *c)
{
	return c->source ? c->source->rk : NULL;
}

uint64_t con_source_generation(const struct con *c)
{
	return c->source->generation;
}
