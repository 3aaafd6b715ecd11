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

/* Frees the list. */
static void tell(struct con *c, rd_kafka_t *rk, rd_kafka_topic_partition_list_t *l, bool pause)
{
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;

	if (!l)
		return;
	if (rk)
		err = pause ? rd_kafka_pause_partitions(rk, l) : rd_kafka_resume_partitions(rk, l);
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
	if (con_part_handle(p) && !p->kpaused)
		go_to(c, p);
}

/* After "offset out of range" no seek revives a fetcher: the partition is assigned anew, at fetch_next. */
void con_source_revive(struct con *c, struct con_part *p)
{
	rd_kafka_t *rk = con_part_handle(p);
	rd_kafka_topic_partition_list_t *l;

	if (!rk || !p->assigned)
		return;
	p->fresh = p->needs_seek = p->dead = true;
	p->assign_no++;
	if (p->seat->revoking) {
		/* An unassign now would be taken for our answer to the revoke, while its records are in the handler. */
		con_probe_later(c);
		return;
	}
	p->dead = false;
	l = rd_kafka_topic_partition_list_new(8);
	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *q = c->parts.v[i];

		if (q == p || (q->assigned && q->seat == p->seat && !con_cooperative(rk)))
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
	if (p->kpaused || !p->assigned || !con_part_handle(p))
		return;
	p->kpaused = true;
	tell(c, con_part_handle(p), list_add(NULL, p), true);
}

static void pause_seat(struct con *c, const struct con_seat *s, unsigned reason)
{
	rd_kafka_topic_partition_list_t *l = NULL;

	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];

		if (!p->assigned || p->seat != s)
			continue;
		p->why |= reason;
		if (!p->kpaused) {
			p->kpaused = true;
			l = list_add(l, p);
		}
	}
	tell(c, con_seat_rk(s), l, true);
}

void con_source_pause_all(struct con *c, unsigned reason)
{
	for (size_t i = 0; i < c->source->n; i++)
		pause_seat(c, &c->source->seats[i], reason);
	con_source_go_on(
		c); /* what was left in a queue is nobody's now, and would hide news: no edge, no wake-up */
}

/* Resume alone does not wake the fetcher (up to 1 s): always followed by a seek (facts 4). */
void con_source_unpause(struct con *c, struct con_part *p, unsigned reason)
{
	p->why &= ~reason;
	if (p->why || !p->kpaused || !p->assigned || !con_part_handle(p))
		return;
	p->kpaused = false;
	tell(c, con_part_handle(p), list_add(NULL, p), false);
	go_to(c, p);
}

static void unpause_seat(struct con *c, const struct con_seat *s, unsigned reason)
{
	rd_kafka_topic_partition_list_t *l = NULL;

	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];

		if (!p->assigned || p->seat != s)
			continue;
		p->why &= ~reason;
		if (!p->why && p->kpaused && s->h)
			l = list_add(l, p);
	}
	if (!l)
		return;
	tell(c, con_seat_rk(s), l, false);
	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];

		if (p->assigned && p->seat == s && !p->why && p->kpaused) {
			p->kpaused = false;
			go_to(c, p);
		}
	}
}

void con_source_unpause_all(struct con *c, unsigned reason)
{
	for (size_t i = 0; i < c->source->n; i++)
		unpause_seat(c, &c->source->seats[i], reason);
}
