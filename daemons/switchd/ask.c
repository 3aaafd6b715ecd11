/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/ask.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "switchd/handover.h"

struct sw_ask {
	struct sw_ask *next;
	struct sw_switch *sw;
	const void *owner; /* NULL: cancelled */
	bg_offs_fn fn;
	bg_health_fn health;
	bg_members_fn members;
	void *arg;
};

static void aux_committed(void *k, const char *group, const struct bg_offs *parts, int64_t deadline_us,
			  bg_offs_fn fn, void *arg)
{
	bg_aux_committed(k, group, parts, deadline_us, fn, arg);
}

static void aux_partitions(void *k, const char *const *topics, size_t n, int64_t deadline_us, bg_offs_fn fn,
			   void *arg)
{
	bg_aux_partitions(k, topics, n, deadline_us, fn, arg);
}

static void aux_ranges(void *k, const struct bg_offs *parts, int64_t deadline_us, bg_offs_fn fn, void *arg)
{
	bg_aux_ranges(k, parts, deadline_us, fn, arg);
}

static void aux_health(void *k, const char *const *topics, size_t n, int64_t deadline_us, bg_health_fn fn,
		       void *arg)
{
	bg_aux_health(k, topics, n, deadline_us, fn, arg);
}

static void aux_members(void *k, const char *group, int64_t deadline_us, bg_members_fn fn, void *arg)
{
	bg_aux_members(k, group, deadline_us, fn, arg);
}

const struct sw_kafka_ops sw_kafka_aux = {aux_committed, aux_partitions, aux_ranges, aux_health, aux_members};

static struct sw_ask *ask_new(struct sw_switch *sw, const void *owner, void *arg)
{
	struct sw_ask *a = bg_xcalloc(1, sizeof(*a));

	a->sw = sw;
	a->owner = owner;
	a->arg = arg;
	a->next = sw->asks;
	sw->asks = a;
	return a;
}

static void ask_free(struct sw_ask *a)
{
	for (struct sw_ask **p = &a->sw->asks; *p; p = &(*p)->next) {
		if (*p == a) {
			*p = a->next;
			break;
		}
	}
	free(a);
}

static void on_offs(void *arg, const struct bg_err *err, const struct bg_offs *offs)
{
	struct sw_ask a = *(struct sw_ask *)arg;

	ask_free(arg);
	if (a.owner)
		a.fn(a.arg, err, offs);
}

static void on_health(void *arg, const struct bg_err *err, int brokers, int under, int leaderless)
{
	struct sw_ask a = *(struct sw_ask *)arg;

	ask_free(arg);
	if (a.owner)
		a.health(a.arg, err, brokers, under, leaderless);
}

static void on_members(void *arg, const struct bg_err *err, const struct bg_member *v, size_t n)
{
	struct sw_ask a = *(struct sw_ask *)arg;

	ask_free(arg);
	if (a.owner)
		a.members(a.arg, err, v, n);
}

void sw_ask_committed(struct sw_switch *sw, const void *owner, const char *group, const struct bg_offs *parts,
		      int64_t deadline_us, bg_offs_fn fn, void *arg)
{
	struct sw_ask *a = ask_new(sw, owner, arg);

	a->fn = fn;
	sw->dm->kafka->committed(sw->kafka_arg, group, parts, deadline_us, on_offs, a);
}

void sw_ask_partitions(struct sw_switch *sw, const void *owner, int64_t deadline_us, bg_offs_fn fn, void *arg)
{
	struct sw_ask *a = ask_new(sw, owner, arg);

	a->fn = fn;
	sw->dm->kafka->partitions(sw->kafka_arg, (const char *const *)sw->cfg->topics, sw->cfg->n_topics,
				  deadline_us, on_offs, a);
}

void sw_ask_ranges(struct sw_switch *sw, const void *owner, const struct bg_offs *parts, int64_t deadline_us,
		   bg_offs_fn fn, void *arg)
{
	struct sw_ask *a = ask_new(sw, owner, arg);

	a->fn = fn;
	sw->dm->kafka->ranges(sw->kafka_arg, parts, deadline_us, on_offs, a);
}

void sw_ask_health(struct sw_switch *sw, const void *owner, int64_t deadline_us, bg_health_fn fn, void *arg)
{
	struct sw_ask *a = ask_new(sw, owner, arg);

	a->health = fn;
	sw->dm->kafka->health(sw->kafka_arg, (const char *const *)sw->cfg->topics, sw->cfg->n_topics,
			      deadline_us, on_health, a);
}

void sw_ask_members(struct sw_switch *sw, const void *owner, const char *group, int64_t deadline_us,
		    bg_members_fn fn, void *arg)
{
	struct sw_ask *a = ask_new(sw, owner, arg);

	a->members = fn;
	sw->dm->kafka->members(sw->kafka_arg, group, deadline_us, on_members, a);
}

void sw_ask_cancel(struct sw_switch *sw, const void *owner)
{
	for (struct sw_ask *a = sw->asks; a; a = a->next)
		if (a->owner == owner)
			a->owner = NULL;
}

void sw_ask_free_all(struct sw_switch *sw)
{
	while (sw->asks)
		ask_free(sw->asks);
}
