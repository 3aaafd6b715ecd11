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
#include "consumerd/joining.h"
#include "consumerd/loss.h"
#include "consumerd/probe.h"
#include "consumerd/rebalance.h"
#include "consumerd/regroup.h"
#include "consumerd/source_int.h"
#include "consumerd/spare.h"

#define POLL_BUDGET 2000 /* records taken in one turn: the loop stays responsive */
#define RUN_MAX     64   /* records that wait for the rest of their run */
#define FULL_US     500000

/* A message that is an error: of a partition, or of the handle. */
static void on_error_message(struct con_seat *s, rd_kafka_message_t *msg)
{
	struct con *c = s->c;
	struct con_part *p;

	switch (msg->err) {
	case RD_KAFKA_RESP_ERR__PARTITION_EOF:
		break;
	case RD_KAFKA_RESP_ERR__FATAL:
		con_seat_fatal(s);
		break;
	case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
	case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
		p = msg->rkt ? con_part_find(&c->parts, rd_kafka_topic_name(msg->rkt), msg->partition) : NULL;
		if (!p || !p->assigned || p->seat != s)
			break;
		if (p->kpaused || (msg->offset >= 0 && msg->offset != p->fetch_next)) {
			/* Of an order that was overtaken, but the fetcher is dead all the same. */
			con_source_revive(c, p);
			break;
		}
		/* Fetched ahead of the start's decision: start.c asks again where it matters. */
		p->failed = true;
		if (c->state != CON_RESUMING)
			con_loss_notice(c, p);
		break;
	default:
		con_error(c, "kafka_error", "%s", rd_kafka_message_errstr(msg));
	}
	rd_kafka_message_destroy(msg);
}

/*
 * One record, into its partition. Those of one partition come in runs, and a run goes on to the handler
 * together: `run` is the partition whose records wait for that.
 */
static void on_record(struct con_seat *s, rd_kafka_message_t *msg, struct con_part **run)
{
	struct con *c = s->c;
	struct con_part *p = con_part_find(&c->parts, rd_kafka_topic_name(msg->rkt), msg->partition);

	if (!p || !p->assigned || p->seat != s || p->kpaused) {
		/* Came between two orders of ours: it will be fetched again from fetch_next. */
		rd_kafka_message_destroy(msg);
		return;
	}
	switch (con_part_receive(&c->parts, p, msg)) {
	case CON_TAKEN:
		p->fresh = false; /* its fetcher is there */
		if (*run && *run != p)
			con_dispatch_part(c, *run);
		*run = p;
		if (p->npend >= RUN_MAX)
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

/*
 * The handler as a whole has no room and enough is waiting for it: what is behind stays in librdkafka's queue.
 * (Pausing the partitions instead would throw away all that was fetched ahead, to fetch it again.) Not for long:
 * the group's news come through the same queue, so after FULL_US it is read on, and partitions are paused.
 */
static bool leave_it(struct con_seat *s)
{
	int64_t now;

	if (!con_dispatch_full(s->c)) {
		s->full_us = 0;
		return false;
	}
	now = bg_now_us();
	if (!s->full_us)
		s->full_us = now;
	return now - s->full_us < FULL_US;
}

void con_source_go_on(struct con *c)
{
	for (size_t i = 0; c->source && i < c->source->n; i++) {
		struct con_seat *s = &c->source->seats[i];

		if (!s->full_us || con_dispatch_full(c))
			continue;
		s->full_us = 0;
		if (s->h)
			bg_kq_kick(s->h->kq);
	}
}

void con_source_poll(void *arg)
{
	struct con_handle *h = arg;
	struct con_seat *s = h->seat;
	struct con *c = s->c;
	struct con_part *run = NULL;
	rd_kafka_message_t *msg;
	int n = 0;

	if (s->h == h && leave_it(s))
		return; /* con_source_go_on, or in a second the timer of the queue */
	h->polling = true;
	while (n < POLL_BUDGET) {
		msg = rd_kafka_consumer_poll(h->rk, 0);
		if (!msg)
			break;
		n++;
		if (s->h != h)
			rd_kafka_message_destroy(msg);
		else if (msg->err)
			on_error_message(s, msg);
		else
			on_record(s, msg, &run);
	}
	if (run)
		con_dispatch_part(c, run);
	con_dispatch_flush(c);
	h->polling = false;
	if (n >= POLL_BUDGET && h->kq)
		bg_kq_kick(h->kq);
}

struct con_seat *con_seat_of(const struct con *c, const rd_kafka_t *rk)
{
	for (size_t i = 0; c->source && i < c->source->n; i++) {
		struct con_seat *s = &c->source->seats[i];

		if (s->h && s->h->rk == rk)
			return s;
	}
	return NULL;
}

/* librdkafka's own errors. In the consumer's poll, on the loop. */
void con_source_on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
	struct con *c = opaque;
	struct con_seat *s = con_seat_of(c, rk);

	if (!s)
		return;
	if (err == RD_KAFKA_RESP_ERR__FATAL) {
		con_seat_fatal(s);
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
void con_seat_fatal(struct con_seat *s)
{
	char text[256] = "";
	rd_kafka_resp_err_t err = rd_kafka_fatal_error(s->h->rk, text, sizeof text);

	if (s->fatal)
		return;
	if (!con_seat_loses_quietly(s))
		con_error(s->c, "fenced", "the broker refused this member (%s): %s", rd_kafka_err2name(err),
			  text);
	con_seat_fenced(s, err == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID ? "identity_in_use" : "fatal_error");
}

bool con_seat_loses_quietly(const struct con_seat *s)
{
	const struct con *c = s->c;

	return c->cfg.mode == CON_TAKEOVER && (c->state == CON_PAUSED || c->state == CON_STARTING ||
					       (c->state == CON_RESUMING && !c->source->taken));
}

static void fenced_now(void *arg)
{
	struct con *c = arg;
	bool any = false;

	for (size_t i = 0; c->source && i < c->source->n; i++) {
		struct con_seat *s = &c->source->seats[i];

		if (!s->h || !s->fatal)
			continue;
		if (!con_seat_loses_quietly(s)) {
			any = true;
			continue;
		}
		bg_log(BG_INFO, "identity", "%s was taken over", s->static_id);
		con_handle_end(c, con_handle_detach(s));
		if (!con_working(c))
			con_let_go(c);
		con_spare_later(c, 0);
		con_commands_check_drained(c);
		con_changed(c);
	}
	if (!any) {
		if (!con_working(c))
			con_let_go(c); /* also where the seat has been given another handle meanwhile */
		return;
	}
	bg_strlcpy(c->cause, c->source->cause, sizeof c->cause);
	con_event(c, CON_EV_FENCED, c->cause);
}

/*
 * From the next turn of the loop: we are called from inside librdkafka, and the handle cannot go under its
 * feet. Until then nothing is handed out.
 */
void con_seat_fenced(struct con_seat *s, const char *cause)
{
	struct con *c = s->c;

	if (!s->h || s->fatal)
		return;
	s->fatal = true;
	c->identities_lost++;
	c->held = true;
	bg_strlcpy(c->source->cause, cause, sizeof c->source->cause);
	bg_loop_defer(c->loop, fenced_now, c);
}

static void replace_now(void *arg)
{
	struct con_seat *s = arg;
	struct con *c = s->c;
	struct bg_err err = BG_ERR_INIT;
	struct con_handle *h;

	if (s->h)
		return;
	h = con_handle_new(s, &err);
	if (!h) {
		con_error(c, err.code, "%s", err.msg);
		bg_timer_start(s->replace_timer, bg_backoff_next(&s->backoff));
		return;
	}
	con_handle_seat(s, h);
	for (size_t i = 0; i < c->source->n; i++)
		if (!c->source->seats[i].h)
			return;
	con_event(c, CON_EV_REPLACED, "a new handle is there");
}

int con_source_start(struct con *c, struct bg_err *err)
{
	struct con_source *src = bg_xcalloc(1, sizeof *src);

	c->source = src;
	con_probe_init(c);
	con_spare_init(c);
	con_regroup_init(c);
	src->n = c->cfg.nordinals;
	src->seats = bg_xcalloc(src->n, sizeof *src->seats);
	for (size_t i = 0; i < src->n; i++) {
		struct con_seat *s = &src->seats[i];
		struct con_handle *h;

		s->c = c;
		s->index = i;
		s->static_id = c->cfg.static_ids[i];
		s->backoff = (struct bg_backoff){.min_us = 100000, .max_us = 30000000};
		s->replace_timer = bg_timer_new(c->loop, replace_now, s);
		s->commits = con_commit_new(s);
		h = con_handle_new(s, err);
		if (!h)
			return -EIO;
		if (c->cfg.mode == CON_TAKEOVER)
			s->spare = h;
		else
			con_handle_seat(s, h);
	}
	return 0;
}

static void left_one(void *arg)
{
	struct con *c = arg;

	if (!--c->source->leaving)
		c->source->left(c->source->left_arg);
}

void con_source_stop(struct con *c, void (*done)(void *arg), void *arg)
{
	struct con_source *src = c->source;

	src->left = done;
	src->left_arg = arg;
	src->leaving = 1;
	for (size_t i = 0; i < src->n; i++) {
		struct con_seat *s = &src->seats[i];
		bool close_first = !s->fatal;
		struct con_handle *h;

		bg_timer_stop(s->replace_timer);
		h = con_handle_detach(s);
		src->leaving += (h != NULL) + (s->spare != NULL);
		if (h)
			con_handle_leave(c, h, close_first, left_one, c);
		if (s->spare)
			con_handle_leave(c, bg_steal_ptr(&s->spare), false, left_one, c);
	}
	bg_loop_defer(c->loop, left_one, c);
}

void con_source_free(struct con *c)
{
	if (!c->source)
		return;
	con_probe_free(c);
	con_spare_free(c);
	con_regroup_free(c);
	con_handle_forget_old(c);
	for (size_t i = 0; i < c->source->n; i++) {
		bg_timer_free(c->source->seats[i].replace_timer);
		con_commit_free(c->source->seats[i].commits);
	}
	free(c->source->seats);
	free(c->source);
	c->source = NULL;
}

static void replace_later(void *arg)
{
	struct con *c = arg;
	bool any = false;

	for (size_t i = 0; c->source && i < c->source->n; i++) {
		struct con_seat *s = &c->source->seats[i];
		struct con_handle *h = s->fatal ? con_handle_detach(s) : NULL;

		if (!h)
			continue;
		any = true;
		s->replaced_us = bg_now_us();
		con_handle_end(c, h);
		if (c->cfg.mode == CON_TAKEOVER) {
			con_spare_later(c, 0); /* it joins when it is resumed, never by itself */
			continue;
		}
		/* Not at once: two hosts with the same identity would otherwise throw each other out without end. */
		bg_timer_start(s->replace_timer, bg_backoff_next(&s->backoff));
	}
	if (any)
		con_commands_check_drained(c); /* a pause that came meanwhile waits for nothing any more */
}

/* In the next turn: we may be inside of librdkafka's callbacks. */
void con_source_replace(struct con *c)
{
	for (size_t i = 0; i < c->source->n; i++)
		c->source->seats[i].fatal = true;
	con_source_drop_fatal(c);
}

void con_source_drop_fatal(struct con *c)
{
	bg_loop_defer(c->loop, replace_later, c);
}

bool con_subscribe(struct con *c, rd_kafka_t *rk, const char *const *names, size_t n)
{
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new((int)n);
	rd_kafka_resp_err_t err;

	for (size_t i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(topics, names[i], RD_KAFKA_PARTITION_UA);
	err = rd_kafka_subscribe(rk, topics);
	rd_kafka_topic_partition_list_destroy(topics);
	if (err)
		con_error(c, "subscribe", "cannot subscribe: %s", rd_kafka_err2str(err));
	return !err;
}

bool con_seat_subscribe(struct con_seat *s, const char *const *names, size_t n)
{
	bool ok = con_subscribe(s->c, s->h->rk, names, n);

	if (ok)
		s->h->subscribed = true;
	return ok;
}

static void join(struct con_seat *s)
{
	if (s->h && !s->subscribed)
		s->subscribed = con_seat_subscribe(s, s->c->cfg.topics, s->c->cfg.ntopics);
}

void con_source_join(struct con *c)
{
	if (c->cfg.mode == CON_TAKEOVER)
		return;
	for (size_t i = 0; i < c->source->n; i++)
		join(&c->source->seats[i]);
}

bool con_source_joined(const struct con *c)
{
	for (size_t i = 0; c->source && i < c->source->n; i++)
		if (!c->source->seats[i].h || !c->source->seats[i].joined)
			return false;
	return c->source != NULL;
}

/* Between letting partitions go and the next assignment, and while the group is joined, a commit would carry the old
 * generation; the broker's refusal makes librdkafka give up all partitions as lost. Bounded. */
bool con_seat_rejoining(const struct con_seat *s)
{
	if (s->h && con_joining(s->h->generation))
		return true;
	return s->rejoin_us && bg_now_us() - s->rejoin_us < 10000000;
}

rd_kafka_t *con_seat_rk(const struct con_seat *s)
{
	return s && s->h ? s->h->rk : NULL;
}

rd_kafka_t *con_part_handle(const struct con_part *p)
{
	return con_seat_rk(p->seat);
}

uint64_t con_part_generation(const struct con_part *p)
{
	return p->seat && p->seat->h ? p->seat->h->generation : 0;
}

uint64_t con_source_generation(const struct con *c)
{
	return c->source->generation;
}

bool con_source_rejoining(const struct con *c)
{
	for (size_t i = 0; i < c->source->n; i++)
		if (con_seat_rejoining(&c->source->seats[i]))
			return true;
	return false;
}
