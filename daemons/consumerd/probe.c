/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/probe.h"

#include "common/log.h"
#include "common/mem.h"
#include "consumerd/source.h"

#define PROBE_MS 500

struct target {
	struct con_part *part; /* parts live as long as the instance; read on the loop only */
	rd_kafka_topic_t *rkt; /* a reference of its own */
	int32_t partition;
	int64_t offset;
	uint32_t assign_no;
	uint64_t generation; /* of the handle */
	rd_kafka_resp_err_t err;
};

struct job {
	struct con *c;
	size_t n;
	struct target v[];
};

static struct {
	struct bg_timer *timer;
	struct bg_backoff backoff;
	bool running, freed;
} m;

static void work(void *arg)
{
	struct job *j = arg;

	for (size_t i = 0; i < j->n; i++)
		j->v[i].err = rd_kafka_seek(j->v[i].rkt, j->v[i].partition, j->v[i].offset, PROBE_MS);
}

/* One that fetches from where it was assigned (start.c's guess was right) needs no seek. */
static bool wants_probe(const struct con_part *p)
{
	return p->assigned && p->fresh && !p->revoking && (p->needs_seek || p->kpaused) && con_part_handle(p);
}

static void done(void *arg)
{
	struct job *j = arg;
	struct con *c = j->c;
	bool again = false;

	m.running = false;
	for (size_t i = 0; i < j->n; i++) {
		struct target *t = &j->v[i];

		rd_kafka_topic_destroy(t->rkt);
		if (m.freed || !t->part->assigned)
			continue;
		if (t->err || t->part->assign_no != t->assign_no ||
		    con_part_generation(t->part) != t->generation) {
			again = true;
			continue;
		}
		t->part->fresh = false;
		if (t->part->needs_seek)
			con_source_seek(c, t->part);
	}
	/* Those that became fresh meanwhile. */
	for (size_t i = 0; !m.freed && i < c->parts.n; i++)
		again |= wants_probe(c->parts.v[i]);
	free(j);
	if (m.freed)
		return;
	con_source_reap(c);
	if (again)
		con_probe_later(c);
	else
		bg_backoff_reset(&m.backoff);
}

static void on_timer(void *arg)
{
	struct con *c = arg;

	/* A seek that failed, a fetcher that could not be revived, are tried again too. */
	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];

		if (p->assigned && p->dead)
			con_source_revive(c, p);
		else if (p->assigned && p->needs_seek && !p->fresh)
			con_source_seek(c, p);
	}
	con_probe(c);
}

void con_probe_init(struct con *c)
{
	m.freed = false;
	m.backoff = (struct bg_backoff){.min_us = 5000, .max_us = 500000};
	m.timer = bg_timer_new(c->loop, on_timer, c);
}

void con_probe_free(struct con *c)
{
	(void)c;
	m.freed = true;
	bg_timer_free(m.timer);
	m.timer = NULL;
}

bool con_probe_busy(void)
{
	return m.running;
}

void con_probe_later(struct con *c)
{
	(void)c;
	if (m.timer && !bg_timer_pending(m.timer))
		bg_timer_start(m.timer, bg_backoff_next(&m.backoff));
}

static struct job *make_job(struct con *c)
{
	struct job *j = bg_xcalloc(1, sizeof *j + c->parts.n * sizeof j->v[0]);

	j->c = c;
	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];

		if (!wants_probe(p) || p->dead)
			continue;
		j->v[j->n++] = (struct target){.part = p,
					       .rkt = rd_kafka_topic_new(con_part_handle(p), p->topic, NULL),
					       .generation = con_part_generation(p),
					       .partition = p->partition,
					       .offset = BG_MAX(p->fetch_next, 0),
					       .assign_no = p->assign_no};
	}
	return j;
}

void con_probe(struct con *c)
{
	struct job *j;

	if (m.running)
		return; /* the one that runs looks for more when it is done */
	j = make_job(c);
	m.running = j->n > 0;
	if (j->n && !bg_worker_submit(c->worker, "probe new partitions", work, done, j, 0))
		return;
	if (j->n)
		con_probe_later(c);
	m.running = false;
	for (size_t i = 0; i < j->n; i++)
		rd_kafka_topic_destroy(j->v[i].rkt);
	free(j);
}
