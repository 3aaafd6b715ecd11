/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second warm handle: its calls from begin to end, and the handle itself.
 *
 *   bg_aux_* -> call (deadline timer) -> attempt: admin request | worker job
 *                 ^                          |
 *                 +---- back-off, may pass --+-- answer or lasting error -> callback
 *
 * librdkafka 2.0.2 asks once who a group's coordinator is and does not ask again for admin requests when that
 * broker says that it is not (any more): with such an answer the handle is replaced by a new one.
 */
#include "config.h"
#include "common/kafka_aux.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "common/mem.h"

#define WARM_US         10000000 /* far below the brokers' connections.max.idle.ms */
#define WARM_LIMIT_US   5000000
#define ROTATE_US       1000000 /* at most one new handle in this time */
#define DEFAULT_GROUP   "kafka-bluegreen-aux"
#define DRAIN_AT_A_TIME 256

/* ---- handles ---- */

void aux_ref(struct bg_aux *a)
{
	a->refs++;
}

void aux_unref(struct bg_aux *a)
{
	if (--a->refs > 0)
		return;
	rd_kafka_conf_destroy(a->conf);
	free(a);
}

static void on_queue(void *arg);

static struct aux_handle *handle_new(struct bg_aux *a, struct bg_err *err)
{
	rd_kafka_t *rk = bg_kafka_new(RD_KAFKA_CONSUMER, rd_kafka_conf_dup(a->conf), err);
	struct aux_handle *h;

	if (!rk)
		return NULL;
	h = bg_xcalloc(1, sizeof(*h));
	*h = (struct aux_handle){.aux = a, .rk = rk, .worker = a->worker, .refs = 1};
	/* All that nobody asked for lands in the same queue, where it is dropped instead of piling up. */
	rd_kafka_poll_set_consumer(rk);
	h->q = rd_kafka_queue_get_consumer(rk);
	h->kq = bg_kq_new(a->loop, h->q, on_queue, h);
	return h;
}

struct aux_handle *aux_handle_ref(struct aux_handle *h)
{
	h->refs++;
	return h;
}

void aux_handle_unref(struct aux_handle *h)
{
	if (--h->refs > 0)
		return;
	bg_kq_free(h->kq);
	rd_kafka_queue_destroy(h->q);
	bg_kafka_destroy(h->worker, h->rk, false, NULL, NULL);
	free(h);
}

static void on_queue(void *arg)
{
	struct aux_handle *h = aux_handle_ref(arg);
	struct bg_aux *a = h->aux;
	rd_kafka_event_t *ev;
	int n = 0;

	aux_ref(a);
	while (!a->freed && n++ < DRAIN_AT_A_TIME && (ev = rd_kafka_queue_poll(h->q, 0))) {
		switch (rd_kafka_event_type(ev)) {
		case RD_KAFKA_EVENT_LISTCONSUMERGROUPOFFSETS_RESULT:
		case RD_KAFKA_EVENT_ALTERCONSUMERGROUPOFFSETS_RESULT:
		case RD_KAFKA_EVENT_DESCRIBECONSUMERGROUPS_RESULT:
			aux_admin_result(h, ev);
			continue;
		case RD_KAFKA_EVENT_ERROR:
			if (rd_kafka_event_error(ev) == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
				h->down = true;
			break;
		default:
			break;
		}
		rd_kafka_event_destroy(ev);
	}
	if (n > DRAIN_AT_A_TIME && !a->freed)
		bg_kq_kick(h->kq);
	aux_unref(a);
	aux_handle_unref(h);
}

/* The old handle goes when its last call has ended. */
bool aux_rotate(struct bg_aux *a, const char *why)
{
	int64_t now = bg_now_us();
	struct aux_handle *h;
	struct bg_err err;

	if (now - a->rotated_us < ROTATE_US)
		return false;
	a->rotated_us = now;
	h = handle_new(a, &err);
	if (!h) {
		bg_log(BG_WARN, "kafka_aux", "%s, but: %s", why, err.msg);
		return false;
	}
	bg_log(BG_DEBUG, "kafka_aux", "%s: the handle for offsets is made anew", why);
	h->down = a->cur->down;
	aux_handle_unref(a->cur);
	a->cur = h;
	return true;
}

/* ---- keeping warm ---- */

static void warm_group(struct bg_aux *a, const struct aux_group *g)
{
	struct aux_call *c;

	if (a->ncalls >= AUX_CALLS_MAX / 2)
		return; /* busy is warm */
	c = aux_call_new(a, AUX_COMMITTED, WARM_LIMIT_US, NULL);
	c->internal = true;
	c->group = bg_xstrdup(g->group);
	bg_offs_at(&c->parts, g->topic, g->partition);
	aux_call_go(c);
}

static void on_warm(void *arg)
{
	struct bg_aux *a = arg;

	/* See kafka_aux_admin.c: what may not time out goes with its handle. */
	if (a->cur->abandoned > 0)
		aux_rotate(a, "a request was not answered");
	for (size_t i = 0; i < a->ngroups; i++)
		warm_group(a, &a->groups[i]);
}

/* NULL when it is known already, or there are too many. */
static struct aux_group *remember_group(struct bg_aux *a, const char *group, const char *topic,
					int32_t partition)
{
	struct aux_group *g;

	for (size_t i = 0; i < a->ngroups; i++)
		if (!strcmp(a->groups[i].group, group))
			return NULL;
	if (a->ngroups == AUX_GROUPS_MAX)
		return NULL;
	g = &a->groups[a->ngroups++];
	*g = (struct aux_group){
		.group = bg_xstrdup(group), .topic = bg_xstrdup(topic), .partition = partition};
	return g;
}

void bg_aux_warm(struct bg_aux *a, const char *group, const char *topic)
{
	struct aux_group *g = remember_group(a, group, topic, 0);

	if (g)
		warm_group(a, g);
}

/* ---- the interface ---- */

struct bg_aux *bg_aux_new(struct bg_loop *l, struct bg_worker *w, rd_kafka_conf_t *conf, struct bg_err *err)
{
	struct bg_aux *a = bg_xcalloc(1, sizeof(*a));
	char value[512] = "", text[128];
	size_t size = sizeof(value);

	*a = (struct bg_aux){.loop = l, .worker = w, .conf = conf, .refs = 1};
	a->rotated_us = -ROTATE_US;
	TAILQ_INIT(&a->calls);
	if (rd_kafka_conf_get(conf, "group.id", value, &size) != RD_KAFKA_CONF_OK || !*value)
		rd_kafka_conf_set(conf, "group.id", DEFAULT_GROUP, text, sizeof(text));
	rd_kafka_conf_set(conf, "enable.auto.commit", "false", text, sizeof(text));
	rd_kafka_conf_set(conf, "allow.auto.create.topics", "false", text, sizeof(text));
	rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_ERROR);
	a->cur = handle_new(a, err);
	if (!a->cur) {
		aux_unref(a);
		return NULL;
	}
	a->warm = bg_timer_new(l, on_warm, a);
	bg_timer_every(a->warm, WARM_US);
	return a;
}

void bg_aux_free(struct bg_aux *a)
{
	struct aux_call *c;

	if (!a)
		return;
	a->freed = true;
	while ((c = TAILQ_FIRST(&a->calls))) {
		aux_call_detach(c);
		aux_call_free(c);
	}
	bg_timer_free(a->warm);
	for (size_t i = 0; i < a->ngroups; i++) {
		free(a->groups[i].group);
		free(a->groups[i].topic);
	}
	aux_handle_unref(a->cur);
	aux_unref(a);
}

rd_kafka_t *bg_aux_handle(struct bg_aux *a)
{
	return a->cur->rk;
}

void bg_aux_committed(struct bg_aux *a, const char *group, const struct bg_offs *parts, int64_t deadline_us,
		      bg_offs_fn fn, void *arg)
{
	struct aux_call *c = aux_call_new(a, AUX_COMMITTED, deadline_us, arg);

	c->fn = fn;
	c->group = bg_xstrdup(group);
	bg_offs_copy(&c->parts, parts);
	if (parts->n)
		remember_group(a, group, parts->v[0].topic, parts->v[0].partition);
	aux_call_go(c);
}

void bg_aux_alter(struct bg_aux *a, const char *group, const struct bg_offs *offs, int64_t deadline_us,
		  bg_offs_fn fn, void *arg)
{
	struct aux_call *c = aux_call_new(a, AUX_ALTER, deadline_us, arg);

	c->fn = fn;
	c->group = bg_xstrdup(group);
	for (size_t i = 0; i < offs->n; i++)
		if (offs->v[i].offset >= 0) {
			struct bg_off *o = bg_offs_at(&c->parts, offs->v[i].topic, offs->v[i].partition);
			char *topic = o->topic;

			*o = offs->v[i];
			o->topic = topic;
		}
	aux_call_go(c);
}

void bg_aux_ranges(struct bg_aux *a, const struct bg_offs *parts, int64_t deadline_us, bg_offs_fn fn,
		   void *arg)
{
	struct aux_call *c = aux_call_new(a, AUX_RANGES, deadline_us, arg);

	c->fn = fn;
	bg_offs_copy(&c->parts, parts);
	aux_call_go(c);
}

static void set_topics(struct aux_call *c, const char *const *topics, size_t n)
{
	c->topics = bg_xcalloc(n ? n : 1, sizeof(char *));
	for (size_t i = 0; i < n; i++)
		c->topics[i] = bg_xstrdup(topics[i]);
	c->ntopics = n;
}

void bg_aux_partitions(struct bg_aux *a, const char *const *topics, size_t n, int64_t deadline_us,
		       bg_offs_fn fn, void *arg)
{
	struct aux_call *c = aux_call_new(a, AUX_PARTITIONS, deadline_us, arg);

	c->fn = fn;
	set_topics(c, topics, n);
	aux_call_go(c);
}

void bg_aux_members(struct bg_aux *a, const char *group, int64_t deadline_us, bg_members_fn fn, void *arg)
{
	struct aux_call *c = aux_call_new(a, AUX_MEMBERS, deadline_us, arg);

	c->members_fn = fn;
	c->group = bg_xstrdup(group);
	aux_call_go(c);
}

void bg_aux_health(struct bg_aux *a, const char *const *topics, size_t n, int64_t deadline_us,
		   bg_health_fn fn, void *arg)
{
	struct aux_call *c = aux_call_new(a, AUX_HEALTH, deadline_us, arg);

	c->health_fn = fn;
	set_topics(c, topics, n);
	aux_call_go(c);
}
