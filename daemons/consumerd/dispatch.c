/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/dispatch.h"

#include <string.h>

#include "common/http_client.h"
#include "common/log.h"
#include "common/mem.h"
#include "consumerd/commands.h"
#include "consumerd/faults.h"
#include "consumerd/handler.h"
#include "consumerd/ledger.h"
#include "consumerd/meters.h"
#include "consumerd/source.h"

/* Records received and not handed out: a partition that has more is paused, and goes on below a half. */
#define PEND_HIGH 5000
#define PEND_BYTES                                                                                           \
	((size_t)64 << 20) /* the same of all together, for those that have more than their least */
#define PEND_LEAST  ((size_t)1 << 20)
#define FLUSH_EVERY 512 /* records that are done and not acknowledged in one turn */

static struct {
	struct con_rec **done; /* by the handler, not acknowledged yet */
	size_t ndone, cap;
	bool scheduled, more, settling; /* a flush, a further round, a settling is on its way */
	size_t turn;                    /* the partition that begins the next round */
	struct bg_timer *retry;
	int64_t retry_at_us;
} m;

static void give(struct con *c, struct con_rec *r)
{
	if (con_faults_on(c))
		con_faults_give(c, r);
	else
		c->handler->give(c, r);
}

static enum con_room room(struct con *c)
{
	return c->handler->room ? c->handler->room(c) : CON_ROOM_FREE;
}

static void note_first(struct con *c, struct con_part *p, int64_t now)
{
	p->first_us = now;
	p->told_first = true;
	con_changed(c);
}

/*
 * The next record that may be given: one that failed before any new one; also in a drain, which it holds up. The limit
 * counts from the lowest not acknowledged on, so that one record that hangs does not let the others pile up behind it.
 */
static struct con_rec *next_of(struct con *c, struct con_part *p, int limit, int64_t now)
{
	struct con_rec *r;

	if (p->again) {
		if (p->why & (CON_WHY_RETRY | CON_WHY_REFUSED) || c->held || c->cut ||
		    (c->state != CON_ACTIVE && c->state != CON_DRAINING) || room(c) != CON_ROOM_FREE)
			return NULL;
		return con_part_again(p, now);
	}
	if (!p->pend_head || p->nring >= limit || p->why & ~(unsigned)CON_WHY_PRESSURE || !p->started ||
	    !con_may_hand_out(c) || room(c) != CON_ROOM_FREE)
		return NULL;
	r = con_part_hand_out(&c->parts, p, now);
	if (!p->told_first)
		note_first(c, p, now);
	p->last_us = now;
	return r;
}

/* Is more waiting than a divisor'th of what may? */
static bool waits_much(const struct con *c, const struct con_part *p, unsigned divisor)
{
	return p->npend > PEND_HIGH / (int)divisor ||
	       (p->pend_bytes > PEND_LEAST / divisor && c->parts.pend_bytes > PEND_BYTES / divisor);
}

void con_dispatch_part(struct con *c, struct con_part *p)
{
	int limit = con_faults_on(c) ? 1 : c->tun.max_in_flight;
	int64_t now = bg_now_us(); /* of the whole run: reading the clock is a good part of a record's cost */

	while (p->again || p->pend_head) {
		struct con_rec *r;

		/* Rule 9 looks here too: a freeze between two records must not let the second out. */
		if (bg_loop_check_stall(c->loop))
			break;
		r = next_of(c, p, limit, now);
		if (!r)
			break;
		give(c, r);
		if (m.ndone >= FLUSH_EVERY)
			con_dispatch_flush(c);
	}
	if (!(p->why & CON_WHY_PRESSURE) && waits_much(c, p, 1))
		con_source_pause(c, p, CON_WHY_PRESSURE);
	else if (p->why & CON_WHY_PRESSURE && !waits_much(c, p, 2))
		con_source_unpause(c, p, CON_WHY_PRESSURE);
}

/* Each round begins behind the partition that filled the handler in the last one, so that none starves. */
void con_dispatch_all(struct con *c)
{
	size_t first = c->parts.n ? m.turn % c->parts.n : 0;
	bool full = false;

	for (size_t i = 0; i < c->parts.n; i++) {
		size_t at = (first + i) % c->parts.n;

		if (c->parts.v[at]->assigned)
			con_dispatch_part(c, c->parts.v[at]);
		if (!full && room(c) != CON_ROOM_FREE) {
			full = true;
			m.turn = at + 1;
		}
	}
	con_dispatch_flush(c);
	con_source_go_on(c);
}

bool con_dispatch_full(struct con *c)
{
	int waiting = 0;

	if (room(c) == CON_ROOM_FREE)
		return false;
	for (size_t i = 0; i < c->parts.n; i++)
		if (c->parts.v[i]->assigned && !c->parts.v[i]->kpaused)
			waiting += c->parts.v[i]->npend;
	return waiting > PEND_HIGH / 2 || c->parts.pend_bytes > PEND_BYTES / 2;
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

static void retry(void *arg);

/* The timer is for the earliest of all that wait. */
static void retry_in(struct con *c, int64_t us)
{
	int64_t at = bg_now_us() + us;

	if (!m.retry)
		m.retry = bg_timer_new(c->loop, retry, c);
	if (bg_timer_pending(m.retry) && m.retry_at_us <= at)
		return;
	m.retry_at_us = at;
	bg_timer_start(m.retry, us);
}

static void retry(void *arg)
{
	struct con *c = arg;
	int64_t now = bg_now_us(), next = INT64_MAX;

	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];

		if (!(p->why & CON_WHY_RETRY))
			continue;
		if (p->retry_us <= now)
			con_source_unpause(c, p, CON_WHY_RETRY);
		else
			next = BG_MIN(next, p->retry_us);
	}
	if (next < INT64_MAX)
		retry_in(c, next - now);
	con_dispatch_all(c);
}

/* ---- records that come back undone ---- */

static void settle_now(void *arg)
{
	struct con *c = arg;

	m.settling = false;
	con_dispatch_settle(c, false);
}

static void settle_later(struct con *c)
{
	if (!m.settling)
		bg_loop_defer(c->loop, settle_now, c);
	m.settling = true;
}

static void undone(struct con *c)
{
	settle_later(c);
	con_source_try_revoke(c);
	/* A record that went back is out of the handler: a drain may end, with the position before it. */
	con_commands_check_drained(c);
}

/* It failed. Those behind it in its partition wait: the partition gives nothing until the back-off is over. */
static void failed(struct con *c, struct con_rec *r, const char *error)
{
	struct bg_backoff backoff = {
		.min_us = 50000, .max_us = 5000000, .tries = r->attempts > 0 ? r->attempts - 1 : 0};
	struct con_part *p = r->part;

	c->errors_total++;
	con_error(c, "handler", "%s [%d] offset %lld, attempt %d: %s", p->topic, p->partition,
		  (long long)r->offset, r->attempts, error);
	if (r->orphan) {
		con_rec_ack(&c->parts, r);
	} else {
		int64_t wait = bg_backoff_next(&backoff);

		p->why |= CON_WHY_RETRY;
		p->retry_us = bg_now_us() + wait;
		if (!con_rec_back(&c->parts, r))
			con_rec_again(p, r); /* not the only one out: it keeps its place */
		retry_in(c, wait);
	}
	undone(c);
}

void con_refused(struct con *c, struct con_rec *r, const char *error)
{
	struct con_part *p = r->part;

	c->errors_total++;
	con_error(c, "refused",
		  "%s [%d] offset %lld: the handler refuses it for good, the partition waits: %s", p->topic,
		  p->partition, (long long)r->offset, error);
	if (r->orphan) {
		con_rec_ack(&c->parts, r);
	} else {
		con_source_pause(c, p, CON_WHY_REFUSED);
		if (!con_rec_back(&c->parts, r))
			con_rec_again(p, r);
		con_changed(c);
	}
	undone(c);
}

void con_dispatch_renewed(struct con *c)
{
	for (size_t i = 0; i < c->parts.n; i++)
		if (c->parts.v[i]->why & CON_WHY_REFUSED)
			con_source_unpause(c, c->parts.v[i], CON_WHY_REFUSED);
}

void con_lost(struct con *c, struct con_rec *r)
{
	if (r->orphan)
		con_rec_ack(&c->parts, r);
	else
		con_rec_again(r->part, r);
}

void con_lost_end(struct con *c)
{
	undone(c);
}

void con_dispatch_settle(struct con *c, bool all)
{
	struct bg_offs back = BG_OFFS_INIT;
	bool down = all || room(c) == CON_ROOM_DOWN;
	size_t repeats = 0;

	con_dispatch_flush(c);
	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];

		if (c->state == CON_DRAINING && !p->nout)
			con_source_unpause(c, p, CON_WHY_REFUSED); /* whoever goes on tries it again */
		if (!p->nagain || p->nagain != p->nout || !(down || p->why & CON_WHY_REFUSED) ||
		    !(c->state == CON_DRAINING || p->revoking))
			continue;
		bg_offs_set(&back, p->topic, p->partition, p->acked, p->epoch);
		repeats += con_part_rewind(&c->parts, p);
		con_source_unpause(c, p, CON_WHY_REFUSED);
	}
	if (back.n) {
		con_ledger_offsets(c, "abandon", &back, c->state == CON_DRAINING ? "drain" : "revoke");
		bg_log(BG_NOTICE, "abandoned",
		       "%zu partitions go back to the lowest record that is not done; %zu done ones behind it will come again",
		       back.n, repeats);
		con_meters_repeats(c, repeats);
		con_changed(c);
		con_source_try_revoke(c);
		con_commands_check_drained(c);
	}
	bg_offs_free(&back);
}

void con_done(struct con *c, struct con_rec *r, const char *error)
{
	if (error) {
		failed(c, r, error);
		return;
	}
	if (c->ledger)
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
	bool more = false, again = false;
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
	for (size_t i = 0; i < c->parts.n && !(more && again); i++) {
		again |= c->parts.v[i]->again != NULL;
		more |= again || c->parts.v[i]->pend_head;
	}
	if (more && !m.more && (con_may_hand_out(c) || c->state == CON_DRAINING)) {
		m.more = true;
		bg_loop_defer(c->loop, dispatch_later, c);
	}
	if (again)
		settle_later(c); /* what was done now may have been the last that was waited for */
	con_source_try_revoke(c);
	con_commands_check_drained(c);
}

void con_dispatch_free(void)
{
	free(m.done);
	bg_timer_free(m.retry);
	memset(&m, 0, sizeof m);
}
