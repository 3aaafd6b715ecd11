/* SPDX-License-Identifier: Apache-2.0 */
/* What librdkafka 2.0.2 offers only as blocking calls: metadata, and the start and end of a log. */
#include "config.h"
#include "common/kafka_aux.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"

/* A thread is not held for the whole of a long deadline while no broker answers; doubles with each attempt. */
#define FIRST_ATTEMPT_US 2000000
#define OFFSETS_START    (-2) /* the "timestamps" of ListOffsets */
#define OFFSETS_END      (-1)

/* Everything the thread touches. Filled in and read on the loop, before and after. */
struct aux_job {
	struct bg_aux *aux;
	struct aux_handle *h;
	rd_kafka_t *rk;
	uint64_t call;
	enum aux_kind kind;
	char **topics;
	size_t ntopics;
	struct bg_offs parts; /* in */
	int64_t end_us;

	struct bg_offs result;
	rd_kafka_resp_err_t rc;
	char where[200];   /* what rc is about */
	struct bg_err err; /* of health, when rc is 0 */
	int brokers, under, leaderless;
};

static int left_ms(const struct aux_job *j)
{
	int64_t ms = (j->end_us - bg_now_us()) / 1000;

	return (int)BG_MAX(BG_MIN(ms, 3600000), 1);
}

static void fail(struct aux_job *j, rd_kafka_resp_err_t rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void fail(struct aux_job *j, rd_kafka_resp_err_t rc, const char *fmt, ...)
{
	va_list ap;

	if (j->rc)
		return;
	j->rc = rc;
	va_start(ap, fmt);
	vsnprintf(j->where, sizeof(j->where), fmt, ap);
	va_end(ap);
}

/* ---- metadata ---- */

static void health_partition(struct aux_job *j, const char *topic,
			     const struct rd_kafka_metadata_partition *p)
{
	if (p->leader < 0) {
		if (!j->leaderless)
			bg_err_set(&j->err, -EIO, "no_leader", "topic %s [%d] has no leader", topic,
				   (int)p->id);
		j->leaderless++;
	} else if (p->isr_cnt < p->replica_cnt) {
		if (!j->under && !j->leaderless)
			bg_err_set(&j->err, -EIO, "under_replicated",
				   "topic %s [%d]: %d of %d replicas are in sync", topic, (int)p->id,
				   p->isr_cnt, p->replica_cnt);
		j->under++;
	}
}

static void take_topic(struct aux_job *j, const struct rd_kafka_metadata_topic *t)
{
	/* A topic some of whose partitions have no leader is reported as a fault of the topic at times. */
	if (t->err && t->err != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) {
		fail(j, t->err, "topic %s", t->topic);
		return;
	}
	if (t->partition_cnt == 0) {
		fail(j, t->err ? t->err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "topic %s", t->topic);
		return;
	}
	for (int i = 0; i < t->partition_cnt; i++)
		if (j->kind == AUX_HEALTH)
			health_partition(j, t->topic, &t->partitions[i]);
		else
			bg_offs_at(&j->result, t->topic, t->partitions[i].id);
}

/* topic NULL: the brokers only. */
static void ask_metadata(struct aux_job *j, const char *topic)
{
	const struct rd_kafka_metadata *md;
	rd_kafka_topic_t *rkt = topic ? rd_kafka_topic_new(j->rk, topic, NULL) : NULL;
	rd_kafka_resp_err_t rc;

	if (topic && !rkt) {
		fail(j, rd_kafka_last_error(), "topic %s", topic);
		return;
	}
	rc = rd_kafka_metadata(j->rk, 0, rkt, &md, left_ms(j));
	if (rkt)
		rd_kafka_topic_destroy(rkt);
	if (rc) {
		fail(j, rc, "%s%s", topic ? "topic " : "the brokers", topic ? topic : "");
		return;
	}
	j->brokers = md->broker_cnt;
	for (int i = 0; topic && i < md->topic_cnt; i++)
		take_topic(j, &md->topics[i]);
	rd_kafka_metadata_destroy(md);
}

/* ---- log ranges ---- */

static void ask_ends(struct aux_job *j, int64_t which)
{
	rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new((int)j->parts.n);
	rd_kafka_resp_err_t rc;

	for (size_t i = 0; i < j->parts.n; i++)
		rd_kafka_topic_partition_list_add(l, j->parts.v[i].topic, j->parts.v[i].partition)->offset =
			which;
	rc = rd_kafka_offsets_for_times(j->rk, l, left_ms(j));
	if (rc)
		fail(j, rc, "topic %s", j->parts.v[0].topic);
	for (int i = 0; i < l->cnt && !j->rc; i++) {
		const rd_kafka_topic_partition_t *tp = &l->elems[i];
		struct bg_off *o = bg_offs_at(&j->result, tp->topic, tp->partition);

		if (tp->err)
			fail(j, tp->err, "%s [%d]", tp->topic, (int)tp->partition);
		else if (which == OFFSETS_START)
			o->offset = tp->offset;
		else
			o->floor = tp->offset;
	}
	rd_kafka_topic_partition_list_destroy(l);
}

static void job_run(void *arg)
{
	struct aux_job *j = arg;

	if (j->kind == AUX_RANGES) {
		/* Start first: an end asked for later is never below it. */
		ask_ends(j, OFFSETS_START);
		if (!j->rc)
			ask_ends(j, OFFSETS_END);
		return;
	}
	if (j->ntopics == 0)
		ask_metadata(j, NULL);
	for (size_t i = 0; i < j->ntopics && !j->rc; i++)
		ask_metadata(j, j->topics[i]);
}

/* ---- on the loop ---- */

static void job_free(struct aux_job *j)
{
	for (size_t i = 0; i < j->ntopics; i++)
		free(j->topics[i]);
	free(j->topics);
	bg_offs_free(&j->parts);
	bg_offs_free(&j->result);
	free(j);
}

static void job_deliver(struct aux_job *j, struct aux_call *c)
{
	if (j->rc)
		aux_call_attempt_failed(c, j->rc, "%s", j->where);
	else if (j->kind == AUX_HEALTH)
		aux_call_health(c, j->err.code[0] ? &j->err : NULL, j->brokers, j->under, j->leaderless);
	else
		aux_call_succeed(c, &j->result);
}

static void job_done(void *arg)
{
	struct aux_job *j = arg;
	struct bg_aux *a = j->aux;

	a->jobs--;
	if (!a->freed) {
		struct aux_call *c = aux_call_find(a, j->call);

		if (c)
			job_deliver(j, c);
	}
	if (!a->freed)
		aux_job_next(a);
	aux_handle_unref(j->h);
	aux_unref(a);
	job_free(j);
}

static void job_submit(struct aux_call *c)
{
	struct bg_aux *a = c->aux;
	struct aux_job *j = bg_xcalloc(1, sizeof(*j));
	int64_t patience = (int64_t)FIRST_ATTEMPT_US << BG_MIN(c->attempts, 5);

	c->waits_job = false;
	c->attempts++;
	c->h = aux_handle_ref(a->cur);
	*j = (struct aux_job){.aux = a,
			      .call = c->id,
			      .kind = c->kind,
			      .end_us = BG_MIN(c->end_us, bg_now_us() + patience),
			      .ntopics = c->ntopics};
	j->h = aux_handle_ref(a->cur);
	j->rk = j->h->rk;
	j->topics = bg_xcalloc(c->ntopics + 1, sizeof(char *));
	for (size_t i = 0; i < c->ntopics; i++)
		j->topics[i] = bg_xstrdup(c->topics[i]);
	bg_offs_copy(&j->parts, &c->parts);
	if (!bg_worker_submit(a->worker, "asking Kafka", job_run, job_done, j, 0)) {
		aux_ref(a);
		a->jobs++;
		return;
	}
	aux_handle_unref(j->h);
	job_free(j);
	aux_call_attempt_failed(c, RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE, "the worker's queue is full");
}

void aux_job_start(struct aux_call *c)
{
	if (c->aux->jobs < AUX_JOBS_MAX)
		job_submit(c);
	else
		c->waits_job = true;
}

void aux_job_next(struct bg_aux *a)
{
	struct aux_call *c;

	TAILQ_FOREACH(c, &a->calls, link)
	{
		if (c->waits_job && a->jobs < AUX_JOBS_MAX) {
			job_submit(c);
			return;
		}
	}
}
