/* SPDX-License-Identifier: Apache-2.0 */
/* Pause flags and positions of partitions: the part of source.h that tells librdkafka to stop and to go. */
#include "config.h"

#include <string.h>

#include "common/log.h"
#include "common/mem.h"
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

/* Seek alone: asynchronous with time-out 0. A partition that has no fetcher yet is assigned anew at the offset. */
static void seek_now(struct con *c, struct con_part *p)
{
	rd_kafka_resp_err_t err;

	if (!p->rkt || p->fetch_next < 0)
		return;
	err = rd_kafka_seek(p->rkt, p->partition, p->fetch_next, 0);
	if (!err)
		p->needs_seek = false;
	else
		con_error(c, "flow", "cannot seek %s [%d] to %lld: %s", p->topic, p->partition,
			  (long long)p->fetch_next, rd_kafka_err2str(err));
}

void con_source_seek(struct con *c, struct con_part *p)
{
	if (c->source->rk && !p->kpaused)
		seek_now(c, p);
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
	seek_now(c, p);
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
			seek_now(c, p);
		}
	}
}
