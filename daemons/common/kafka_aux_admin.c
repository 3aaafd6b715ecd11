/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing a group's offsets from outside: admin requests, which librdkafka sends to the group's
 * coordinator and answers on our queue.
 *
 * Two faults of librdkafka 2.0.2 give this its shape. It gives up looking for a coordinator after three tries
 * and then waits in silence; so an attempt gets less time than the call, and is made again. And when a request
 * times out while its coordinator is looked for, and that is found later, an assertion ends the process; so no
 * request ever times out there: it gets an hour, we stop waiting for it, and the handle, with all it still has
 * in its belly, is replaced long before.
 */
#include "config.h"
#include "common/kafka_aux.h"

#include <stdlib.h>
#include <string.h>
#include "common/epoch.h"
#include "common/mem.h"

#define FIRST_ATTEMPT_US 1000000
#define REQUEST_MS       3600000 /* the most there is */

static rd_kafka_AdminOptions_t *options_of(const struct aux_call *c, rd_kafka_t *rk)
{
	rd_kafka_AdminOptions_t *o = rd_kafka_AdminOptions_new(
		rk, c->kind == AUX_ALTER     ? RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS
		    : c->kind == AUX_MEMBERS ? RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS
					     : RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
	char text[128];

	rd_kafka_AdminOptions_set_request_timeout(o, REQUEST_MS, text, sizeof(text));
	rd_kafka_AdminOptions_set_opaque(o, (void *)(uintptr_t)c->id);
	/*
	 * Stable offsets are not asked for: Kafka 4 carries such a read out as a write, behind every commit in
	 * flight and its linger (5 ms measured, 0.7 ms without). What the rules need is what was acknowledged.
	 * Offsets of open transactions are another matter: who consumes in transactions asks his own handle.
	 */
	return o;
}

static rd_kafka_topic_partition_list_t *list_of(const struct aux_call *c)
{
	rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new((int)c->parts.n);

	for (size_t i = 0; i < c->parts.n; i++) {
		const struct bg_off *o = &c->parts.v[i];
		rd_kafka_topic_partition_t *tp = rd_kafka_topic_partition_list_add(l, o->topic, o->partition);
		struct bg_meta m = {
			.epoch = o->epoch, .floor = BG_MAX(o->floor, o->epoch), .mirrored = o->mirrored};
		char text[BG_META_MAX];

		if (c->kind != AUX_ALTER)
			continue;
		bg_strlcpy(m.color, o->color, sizeof(m.color));
		tp->offset = o->offset;
		tp->metadata_size = (size_t)bg_meta_format(text, &m);
		tp->metadata = bg_xstrdup(text); /* the list frees it */
	}
	return l;
}

void aux_admin_start(struct aux_call *c)
{
	struct aux_handle *h = aux_handle_ref(c->aux->cur);
	rd_kafka_topic_partition_list_t *l = list_of(c);
	rd_kafka_AdminOptions_t *o;

	bg_timer_start(c->retry, (int64_t)FIRST_ATTEMPT_US << BG_MIN(c->attempts, 4));
	c->attempts++;
	c->id = ++c->aux->next_id;
	c->h = h;
	o = options_of(c, h->rk);
	if (c->kind == AUX_MEMBERS) {
		aux_members_start(c, o);
	} else if (c->kind == AUX_ALTER) {
		rd_kafka_AlterConsumerGroupOffsets_t *req =
			rd_kafka_AlterConsumerGroupOffsets_new(c->group, l);

		rd_kafka_AlterConsumerGroupOffsets(h->rk, &req, 1, o, h->q);
		rd_kafka_AlterConsumerGroupOffsets_destroy(req);
	} else {
		rd_kafka_ListConsumerGroupOffsets_t *req = rd_kafka_ListConsumerGroupOffsets_new(c->group, l);

		rd_kafka_ListConsumerGroupOffsets(h->rk, &req, 1, o, h->q);
		rd_kafka_ListConsumerGroupOffsets_destroy(req);
	}
	rd_kafka_AdminOptions_destroy(o);
	rd_kafka_topic_partition_list_destroy(l);
}

/* The group result of either kind of answer; NULL: none. */
static const rd_kafka_group_result_t *group_result(rd_kafka_event_t *ev)
{
	const rd_kafka_ListConsumerGroupOffsets_result_t *list;
	const rd_kafka_AlterConsumerGroupOffsets_result_t *alter;
	const rd_kafka_group_result_t **r = NULL;
	size_t n = 0;

	list = rd_kafka_event_ListConsumerGroupOffsets_result(ev);
	alter = rd_kafka_event_AlterConsumerGroupOffsets_result(ev);
	if (list)
		r = rd_kafka_ListConsumerGroupOffsets_result_groups(list, &n);
	else if (alter)
		r = rd_kafka_AlterConsumerGroupOffsets_result_groups(alter, &n);
	return n == 1 ? r[0] : NULL;
}

static void collect(const rd_kafka_topic_partition_t *tp, struct bg_offs *offs)
{
	struct bg_off *o = bg_offs_at(offs, tp->topic, tp->partition);
	struct bg_meta m;

	if (tp->offset < 0)
		return;
	o->offset = tp->offset;
	if (!bg_meta_parse(tp->metadata, tp->metadata_size, &m))
		return;
	o->epoch = m.epoch;
	o->floor = m.floor;
	o->mirrored = m.mirrored;
	bg_strlcpy(o->color, m.color, sizeof(o->color));
}

static void take_partitions(struct aux_call *c, const rd_kafka_topic_partition_list_t *l)
{
	_cleanup_offs_ struct bg_offs offs = BG_OFFS_INIT;

	/* Asked for means answered, whatever the broker leaves out. */
	for (size_t i = 0; i < c->parts.n; i++)
		bg_offs_at(&offs, c->parts.v[i].topic, c->parts.v[i].partition);
	for (int i = 0; i < l->cnt; i++) {
		const rd_kafka_topic_partition_t *tp = &l->elems[i];

		if (tp->err) {
			aux_call_attempt_failed(c, tp->err, "group %s, %s [%d]", c->group, tp->topic,
						(int)tp->partition);
			return;
		}
		collect(tp, &offs);
	}
	aux_call_succeed(c, &offs);
}

static void take_result(struct aux_call *c, rd_kafka_event_t *ev)
{
	const rd_kafka_topic_partition_list_t *l;
	const rd_kafka_group_result_t *r;
	const rd_kafka_error_t *e;
	rd_kafka_resp_err_t rc = rd_kafka_event_error(ev);

	if (rc) {
		aux_call_attempt_failed(c, rc, "group %s", c->group);
		return;
	}
	if (c->kind == AUX_MEMBERS) {
		aux_members_take(c, ev);
		return;
	}
	r = group_result(ev);
	e = r ? rd_kafka_group_result_error(r) : NULL;
	if (e) {
		aux_call_attempt_failed(c, rd_kafka_error_code(e), "group %s", c->group);
		return;
	}
	l = r ? rd_kafka_group_result_partitions(r) : NULL;
	if (!l) {
		aux_call_attempt_failed(c, RD_KAFKA_RESP_ERR__BAD_MSG,
					"group %s: an answer without partitions", c->group);
		return;
	}
	take_partitions(c, l);
}

void aux_admin_result(struct aux_handle *h, rd_kafka_event_t *ev)
{
	struct aux_call *c = aux_call_find(h->aux, (uint64_t)(uintptr_t)rd_kafka_event_opaque(ev));

	if (c && c->h == h) {
		bg_timer_stop(c->retry);
		take_result(c, ev);
	} else {
		h->abandoned--;
	}
	rd_kafka_event_destroy(ev);
}

void aux_admin_abandon(struct aux_call *c)
{
	c->h->abandoned++;
	aux_handle_unref(c->h);
	c->h = NULL;
}
