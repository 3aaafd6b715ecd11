/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/dispatch.h"

#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "consumerd/commands.h"
#include "consumerd/faults.h"
#include "consumerd/handler.h"
#include "consumerd/ledger.h"
#include "consumerd/meters.h"
#include "consumerd/source.h"

#define PEND_HIGH                                                                                            \
	5000 /* records received and not handed out, per partition: pause above, go on below a half */
#define FLUSH_EVERY 512 /* records that are done and not acknowledged in one turn */

static struct {
	struct con_rec **done; /* by the handler, not acknowledged yet */
	size_t ndone, cap;
	bool scheduled, more; /* a flush, a further round of handing out, is on its way */
	struct bg_timer *retry;
	struct bg_backoff backoff;
} m = {.backoff = {.min_us = 50000, .max_us = 5000000}};

static void give(struct con *c, struct con_rec *r)
{
	if (con_faults_on(c))
		con_faults_give(c, r);
	else
		c->handler->give(c, r);
}

static void note_first(struct con *c, struct con_part *p, int64_t now)
{
	p->first_us = now;
	p->told_first = true;
	con_changed(c);
}

void con_dispatch_part(struct con *c, struct con_part *p)
{
	int limit = con_faults_on(c) ? 1 : c->tun.max_in_flight;

	if (!con_may_hand_out(c) || !p->started || p->why & ~(unsigned)CON_WHY_PRESSURE)
		goto pressure;
	/* Rule 9 looks here too: a freeze between two records must not let the second out. */
	while (p->pend_head && p->nout < limit && !bg_loop_check_stall(c->loop) && con_may_hand_out(c)) {
		int64_t now = bg_now_us();
		struct con_rec *r = con_part_hand_out(&c->parts, p, now);

		if (!p->told_first)
			note_first(c, p, now);
		p->last_us = now;
		give(c, r);
		if (m.ndone >= FLUSH_EVERY)
			con_dispatch_flush(c);
		if (p->why & ~(unsigned)CON_WHY_PRESSURE)
			break;
	}
pressure:
	if (p->npend > PEND_HIGH && !(p->why & CON_WHY_PRESSURE))
		con_source_pause(c, p, CON_WHY_PRESSURE);
	else if (p->npend < PEND_HIGH / 2 && p->why & CON_WHY_PRESSURE)
		con_source_unpause(c, p, CON_WHY_PRESSURE);
}

void con_dispatch_all(struct con *c)
{
	for (size_t i = 0; i < c->parts.n; i++)
		if (c->parts.v[i]->assigned)
			con_dispatch_part(c, c->parts.v[i]);
	con_dispatch_flush(c);
}

static void flush_later(void *arg)
{
	m.scheduled = false;
	con_dispatch_flush(arg);
}

static void dispatch_later(void *arg)
{
	m.more = false;
	con_dispatch_all(arg);
}

/* The first one that failed; true: there are more, which come with the next try (giving may change the list). */
static bool give_failed_again(struct con *c, struct con_part *p)
{
	struct con_rec *first = NULL;
	int n = 0;

	for (struct con_rec *r = p->out_head; r; r = r->next)
		if (r->failed && ++n == 1)
			first = r;
	if (first) {
		first->failed = false;
		first->attempts++;
		give(c, first);
	}
	return n > 1;
}

static void retry(void *arg);

static void retry_in(struct con *c, int64_t us)
{
	if (!m.retry)
		m.retry = bg_timer_new(c->loop, retry, c);
	if (!bg_timer_pending(m.retry))
		bg_timer_start(m.retry, us);
}

static void retry(void *arg)
{
	struct con *c = arg;
	bool later = false;

	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];

		if (!(p->why & CON_WHY_RETRY))
			continue;
		if (!con_may_hand_out(c) && c->state != CON_DRAINING) {
			later = true;
			continue;
		}
		con_source_unpause(c, p, CON_WHY_RETRY);
		if (give_failed_again(c, p)) {
			p->why |= CON_WHY_RETRY;
			later = true;
		}
	}
	if (later)
		retry_in(c, 50000);
	con_dispatch_all(c);
}

/* It failed. Those behind it in its partition wait: the partition gives nothing until the back-off is over. */
static void failed(struct con *c, struct con_rec *r, const char *error)
{
	struct con_part *p = r->part;

	c->errors_total++;
	con_error(c, "handler", "%s [%d] offset %lld, attempt %d: %s", p->topic, p->partition,
		  (long long)r->offset, r->attempts, error);
	if (r->orphan) {
		con_rec_ack(&c->parts, r);
	} else {
		m.backoff.tries = r->attempts > 0 ? r->attempts - 1 : 0;
		p->why |= CON_WHY_RETRY;
		if (!con_rec_back(&c->parts, r))
			r->failed = true; /* not the only one out: it keeps its place */
		retry_in(c, bg_backoff_next(&m.backoff));
	}
	con_source_try_revoke(c);
	/* A record that went back is out of the handler: a drain may end, with the position before it. */
	con_commands_check_drained(c);
}

void con_done(struct con *c, struct con_rec *r, const char *error)
{
	if (error) {
		failed(c, r, error);
		return;
	}
	con_ledger_record(c, r, bg_now_us());
	m.done = bg_xgrow(m.done, &m.cap, m.ndone + 1, sizeof *m.done);
	m.done[m.ndone++] = r;
	if (!m.scheduled) {
		m.scheduled = true;
		bg_loop_defer(c->loop, flush_later, c);
	}
}

void con_dispatch_flush(struct con *c)
{
	bool more = false;
	int64_t now;

	if (!m.ndone)
		return;
	if (!c->handler->flush(c) || !con_ledger_flush(c)) {
		/* Not acknowledged, so not committed: it is tried again when there may be room on the disk. */
		retry_in(c, 200000);
		return;
	}
	now = bg_now_us();
	for (size_t i = 0; i < m.ndone; i++) {
		struct con_rec *r = m.done[i];

		c->records_total++;
		c->bytes_total += r->msg->len + r->msg->key_len;
		r->part->records++;
		r->part->bytes += r->msg->len + r->msg->key_len;
		con_meters_latency(c, now - r->given_us);
		con_rec_ack(&c->parts, r);
	}
	m.ndone = 0;
	for (size_t i = 0; i < c->parts.n && !more; i++)
		more = c->parts.v[i]->pend_head != NULL;
	if (more && !m.more && con_may_hand_out(c)) {
		m.more = true;
		bg_loop_defer(c->loop, dispatch_later, c);
	}
	con_source_try_revoke(c);
	con_commands_check_drained(c);
}

void con_dispatch_free(void)
{
	free(m.done);
	bg_timer_free(m.retry);
	memset(&m, 0, sizeof m);
}
