/* SPDX-License-Identifier: Apache-2.0 */
/* Pause flags and positions of partitions: the part of source.h that tells librdkafka to stop and to go. */
#include "config.h"

#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "consumerd/probe.h"
#include "consumerd/rebalance.h"
#include "consumerd/source_int.h"

static rd_kafka_topic_partition_list_t *list_add(rd_kafka_topic_partition_list_t *l, const struct con_part *p)
{
	if (!l)
		l = rd_kafka_topic_partition_list_new(8);
	rd_kafka_topic_partition_list_add(l, p->topic, p->partition);
	return l;
}

static void tell(struct con *c, rd_kafka_topic_partition_list_t *l, bool pause)
{
	rd_kafka_resp_err_t err;

	if (!l)
		return;
	err = pause ? rd_kafka_pause_partitions(c->source->rk, l)
		    : rd_kafka_resume_partitions(c->source->rk, l);
	if (err)
		con_error(c, "flow", "cannot %s: %s", pause ? "pause" : "resume", rd_kafka_err2str(err));
	rd_kafka_topic_partition_list_destroy(l);
}

/*
 * Fetch from fetch_next. A seek is asynchronous and says nothing when it is dropped, which happens before the
 * fetcher of a new assignment has started: a fresh partition waits for its probe.
 */
static void go_to(struct con *c, struct con_part *p)
{
	rd_kafka_resp_err_t err;

	if (!p->rkt || p->fetch_next < 0)
		return;
	p->needs_seek = true;
	if (p->fresh) {
		con_probe(c);
		return;
	}
	err = rd_kafka_seek(p->rkt, p->partition, p->fetch_next, 0);
	if (!err) {
		p->needs_seek = false;
		return;
	}
	con_error(c, "flow", "cannot seek %s [%d] to %lld: %s", p->topic, p->partition,
		  (long long)p->fetch_next, rd_kafka_err2str(err));
	con_probe_later(c);
}

void con_source_seek(struct con *c, struct con_part *p)
{
	if (c->source->rk && !p->kpaused)
		go_to(c, p);
}

/* After "offset out of range" no seek revives a fetcher: the partition is assigned anew, at fetch_next. */
void con_source_revive(struct con *c, struct con_part *p)
{
	rd_kafka_t *rk = c->source->rk;
	rd_kafka_topic_partition_list_t *l;

	if (!rk || !p->assigned)
		return;
	p->fresh = p->needs_seek = p->dead = true;
	p->assign_no++;
	if (c->source->revoking) {
		/* An unassign now would be taken for our answer to the revoke, while its records are in the handler. */
		con_probe_later(c);
		return;
	}
	p->dead = false;
	l = rd_kafka_topic_partition_list_new(8);
	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *q = c->parts.v[i];

		if (q == p || (q->assigned && !con_cooperative(rk)))
			rd_kafka_topic_partition_list_add(l, q->topic, q->partition)->offset =
				BG_MAX(q->fetch_next, 0);
	}
	if (con_cooperative(rk))
		con_assign(rk, l, true);
	con_assign(rk, l, false);
	rd_kafka_topic_partition_list_destroy(l);
	con_probe(c);
}

void con_source_pause(struct con *c, struct con_part *p, unsigned reason)
{
	p->why |= reason;
	if (p->kpaused || !p->assigned || !c->source->rk)
		return;
	p->kpaused = true;
	tell(c, list_add(NULL, p), true);
}

void con_source_pause_all(struct con *c, unsigned reason)
{
	rd_kafka_topic_partition_list_t *l = NULL;

	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];

		if (!p->assigned)
			continue;
		p->why |= reason;
		if (!p->kpaused) {
			p->kpaused = true;
			l = list_add(l, p);
		}
	}
	if (c->source->rk)
		tell(c, l, true);
	else if (l)
		rd_kafka_topic_partition_list_destroy(l);
}

/* Resume alone does not wake the fetcher (up to 1 s): always followed by a seek (facts 4). */
void con_source_unpause(struct con *c, struct con_part *p, unsigned reason)
{
	p->why &= ~reason;
	if (p->why || !p->kpaused || !p->assigned || !c->source->rk)
		return;
	p->kpaused = false;
	tell(c, list_add(NULL, p), false);
	go_to(c, p);
}

void con_source_unpause_all(struct con *c, unsigned reason)
{
	rd_kafka_topic_partition_list_t *l = NULL;

	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];

		if (!p->assigned)
			continue;
		p->why &= ~reason;
		if (!p->why && p->kpaused)
			l = list_add(l, p);
	}
	if (!l || !c->source->rk) {
		if (l)
			rd_kafka_topic_partition_list_destroy(l);
		return;
	}
	tell(c, l, false);
	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];

		if (p->assigned && !p->why && p->kpaused) {
			p->kpaused = false;
			go_to(c, p);
		}
	}
}
