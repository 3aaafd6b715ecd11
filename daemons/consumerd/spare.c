/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/spare.h"

#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "consumerd/source_int.h"

#define KEEP_WARM_US 60000000 /* brokers close idle connections after minutes */
#define LATELY_US    5000000  /* for a prepare: the switch comes now */
#define WARM_MS      2000     /* each of the calls that warm */
#define MAX_WAITERS  16

struct waiter {
	void (*fn)(void *arg);
	void *arg;
};

/* One at a time: they block, and the worker's threads are few. */
struct job {
	struct con *c;
	struct con_handle *h;
	rd_kafka_topic_partition_list_t *parts;
	const char *what;
	rd_kafka_resp_err_t err;
};

static struct {
	struct bg_timer *timer;
	struct bg_backoff backoff;
	bool running, freed;
	struct waiter waiters[MAX_WAITERS];
	size_t nwaiters;
} m;

static bool is_warm(const struct con_handle *h, int64_t age_us)
{
	return h && h->warmed_us && bg_now_us() - h->warmed_us < age_us;
}

/* The topics' metadata, by objects of the topics: those that librdkafka knows are kept fresh by itself. */
static rd_kafka_resp_err_t know_topics(const struct job *j)
{
	const struct con_config *g = &j->c->cfg;
	const struct rd_kafka_metadata *md;
	rd_kafka_topic_t **t = bg_xcalloc(g->ntopics, sizeof *t);
	rd_kafka_resp_err_t err;

	for (size_t i = 0; i < g->ntopics; i++)
		t[i] = rd_kafka_topic_new(j->h->rk, g->topics[i], NULL);
	err = rd_kafka_metadata(j->h->rk, 0, NULL, &md, WARM_MS);
	if (!err)
		rd_kafka_metadata_destroy(md);
	for (size_t i = 0; i < g->ntopics; i++)
		if (t[i])
			rd_kafka_topic_destroy(t[i]);
	free(t);
	return err;
}

/* On the worker. The lists' results are of no interest: the connections that the questions need are. */
static void warm(void *arg)
{
	struct job *j = arg;

	j->what = "metadata";
	j->err = know_topics(j);
	if (!j->err) {
		j->what = "coordinator";
		j->err = rd_kafka_committed(j->h->rk, j->parts, WARM_MS);
	}
	for (int i = 0; i < j->parts->cnt; i++)
		j->parts->elems[i].offset = -1; /* the end of the log, asked of each leader */
	if (!j->err) {
		j->what = "leaders";
		j->err = rd_kafka_offsets_for_times(j->h->rk, j->parts, WARM_MS);
	}
}

static void tell_waiters(void)
{
	struct waiter copy[MAX_WAITERS];
	size_t n = m.nwaiters;

	memcpy(copy, m.waiters, n * sizeof copy[0]);
	m.nwaiters = 0;
	for (size_t i = 0; i < n; i++)
		copy[i].fn(copy[i].arg);
}

static void warmed(void *arg)
{
	struct job *j = arg;
	struct con *c = j->c;
	bool failed = j->err != RD_KAFKA_RESP_ERR_NO_ERROR;

	m.running = j->h->busy = false;
	if (!failed)
		j->h->warmed_us = bg_now_us();
	else if (!m.freed)
		bg_log(BG_INFO, "spare", "warming a spare handle (%s): %s", j->what,
		       rd_kafka_err2str(j->err));
	rd_kafka_topic_partition_list_destroy(j->parts);
	free(j);
	if (m.freed)
		return;
	con_source_reap(c); /* it may have been used up and thrown away meanwhile */
	if (!failed) {
		bg_backoff_reset(&m.backoff);
		con_spare_later(c, 0);
		return;
	}
	tell_waiters();
	con_spare_later(c, bg_backoff_next(&m.backoff));
}

static bool warm_one(struct con *c, struct con_handle *h)
{
	struct job *j = bg_xcalloc(1, sizeof *j);

	j->c = c;
	j->h = h;
	j->parts = rd_kafka_topic_partition_list_new((int)c->all.n);
	for (size_t i = 0; i < c->all.n; i++)
		rd_kafka_topic_partition_list_add(j->parts, c->all.v[i].topic, c->all.v[i].partition);
	m.running = h->busy = true;
	if (!bg_worker_submit(c->worker, "warming a spare handle", warm, warmed, j, 0))
		return true;
	m.running = h->busy = false;
	rd_kafka_topic_partition_list_destroy(j->parts);
	free(j);
	return false;
}

/* Make what is missing; warm the first that is not. */
static void on_timer(void *arg)
{
	struct con *c = arg;
	struct con_handle *cold = NULL;
	struct bg_err err = BG_ERR_INIT;
	int64_t age = m.nwaiters ? LATELY_US : KEEP_WARM_US;

	if (m.running || c->stopping)
		return;
	for (size_t i = 0; i < c->source->n; i++) {
		struct con_seat *s = &c->source->seats[i];

		if (!s->spare)
			s->spare = con_handle_new(s, &err);
		if (!s->spare) {
			con_error(c, err.code, "a spare handle: %s", err.msg);
			tell_waiters();
			con_spare_later(c, bg_backoff_next(&m.backoff));
			return;
		}
		if (!cold && !is_warm(s->spare, age))
			cold = s->spare;
	}
	if (cold && c->all.n) {
		if (!warm_one(c, cold))
			con_spare_later(c, bg_backoff_next(&m.backoff));
		return;
	}
	tell_waiters();
	if (c->all.n)
		con_spare_later(c, KEEP_WARM_US / 2);
}

void con_spare_init(struct con *c)
{
	m.freed = m.running = false;
	m.nwaiters = 0;
	m.backoff = (struct bg_backoff){.min_us = 100000, .max_us = 30000000};
	m.timer = bg_timer_new(c->loop, on_timer, c);
}

void con_spare_free(struct con *c)
{
	(void)c;
	m.freed = true;
	tell_waiters();
	bg_timer_free(m.timer);
	m.timer = NULL;
}

void con_spare_later(struct con *c, int64_t us)
{
	if (c->cfg.mode == CON_TAKEOVER && m.timer)
		bg_timer_start(m.timer, us);
}

struct con_handle *con_spare_take(struct con_seat *s, struct bg_err *err)
{
	struct con_handle *h = bg_steal_ptr(&s->spare);

	if (!is_warm(h, 2 * (int64_t)KEEP_WARM_US))
		bg_log(BG_INFO, "spare", "%s joins with a cold handle", s->static_id);
	return h ? h : con_handle_new(s, err);
}

bool con_spare_warm(const struct con *c)
{
	if (!c->source)
		return false;
	for (size_t i = 0; i < c->source->n; i++)
		if (!is_warm(c->source->seats[i].spare, 2 * (int64_t)KEEP_WARM_US))
			return false;
	return true;
}

void con_spare_refresh(struct con *c, void (*done)(void *arg), void *arg)
{
	if (m.nwaiters == MAX_WAITERS) {
		bg_loop_defer(c->loop, done, arg);
		return;
	}
	m.waiters[m.nwaiters++] = (struct waiter){done, arg};
	con_spare_later(c, 0);
}

bool con_spare_busy(void)
{
	return m.running;
}
