/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/loss.h"

#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "consumerd/choose.h"
#include "consumerd/ledger.h"
#include "consumerd/source.h"

#define ASK_US   2000000
#define CALM_US  5000000 /* no trouble for so long: the next is looked into at once */
#define DRAIN_US 20000   /* is what was received before the hole processed? */

static struct {
	struct bg_timer *timer;
	struct bg_backoff backoff;
	bool asking;
	bool failed; /* FAILED, for a hole */
	int64_t noticed_us;
} m = {.backoff = {.min_us = 1000, .max_us = 2000000}};

enum con_loss_kind con_loss_judge(int64_t next, int64_t low, int64_t high)
{
	if (next < low)
		return CON_LOSS_HOLE;
	return next > high ? CON_LOSS_BEYOND : CON_LOSS_NONE;
}

void con_loss_count(struct con *c, struct con_part *p, int64_t from, int64_t to)
{
	from = BG_MAX(from, p->lost_to);
	if (to <= from)
		return; /* counted before */
	p->lost_to = to;
	c->lost_total += (uint64_t)(to - from);
	con_error(
		c, "data_loss",
		"%s [%d]: %lld records, offsets %lld to %lld, were deleted by the log before they were processed",
		p->topic, p->partition, (long long)(to - from), (long long)from, (long long)to - 1);
	con_ledger_skip(c, p, from, to - 1, "retention");
	con_changed(c);
}

/* It cannot go on; the action of the event stops all partitions, and the switch goes back. */
static void fail(struct con *c, struct con_part *p, bool hole)
{
	p->hole = false;
	m.failed = hole;
	bg_strlcpy(c->cause, "offset_out_of_range", sizeof c->cause);
	con_source_pause(c, p, CON_WHY_FAULT);
	con_event(c, CON_EV_BROKEN, "offset out of range");
}

/* From the start of the log on. */
static void skip(struct con *c, struct con_part *p, int64_t low)
{
	p->hole = p->failed = false;
	con_part_confirm(p, low, p->epoch);
	p->fetch_next = low;
	con_source_revive(c, p);
}

/* False: look again soon. */
static bool settle(struct con *c, struct con_part *p, const struct bg_off *range)
{
	int64_t low = range->offset, high = range->floor;

	switch (con_loss_judge(p->fetch_next, low, high)) {
	case CON_LOSS_HOLE:
		/*
		 * First what was received before the hole. A stop drops it, and the log has it no more: it would be
		 * neither processed nor counted, for the hole is counted from behind it.
		 */
		if (p->pend_head || p->out_head)
			return false;
		con_loss_count(c, p, p->fetch_next, low);
		if (c->tun.skip_lost) {
			skip(c, p, low);
			return true;
		}
		bg_log(BG_ERROR, "data_loss",
		       "%s [%d]: not going on; with on-data-loss = skip it goes on at offset %lld", p->topic,
		       p->partition, (long long)low);
		fail(c, p, true);
		return true;
	case CON_LOSS_BEYOND:
		con_error(
			c, "offset_out_of_range",
			"%s [%d]: the log ends at %lld, before offset %lld: it was truncated, or the topic was made anew",
			p->topic, p->partition, (long long)high, (long long)p->fetch_next);
		fail(c, p, false);
		return true;
	case CON_LOSS_NONE:
		p->hole = p->failed = false;
		con_source_revive(c, p);
		return true;
	}
	return true;
}

static bool concerned(const struct con *c, const struct con_part *p)
{
	return p->hole && p->assigned && !p->revoking && p->started && c->state == CON_ACTIVE;
}

static void ranges_read(void *arg, const struct bg_err *err, const struct bg_offs *offs)
{
	struct con *c = arg;
	bool again = err != NULL;

	m.asking = false;
	if (err)
		con_error(c, err->code, "an offset is out of range, and the log cannot be asked: %s",
			  err->msg);
	else
		con_ranges_set(c, offs);
	for (size_t i = 0; !err && i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];
		const struct bg_off *range = bg_offs_find(offs, p->topic, p->partition);

		/* Whoever stopped meanwhile places it anew at its next start. */
		if (!concerned(c, p))
			p->hole = false;
		else if (!range || !settle(c, p, range))
			again = true;
	}
	if (again && m.timer)
		bg_timer_start(m.timer, err ? bg_backoff_next(&m.backoff) : DRAIN_US);
}

static void look(void *arg)
{
	struct con *c = arg;
	_cleanup_offs_ struct bg_offs parts = BG_OFFS_INIT;

	for (size_t i = 0; i < c->parts.n; i++)
		if (concerned(c, c->parts.v[i]))
			bg_offs_at(&parts, c->parts.v[i]->topic, c->parts.v[i]->partition);
	if (m.asking || !parts.n)
		return;
	m.asking = true;
	bg_aux_ranges(c->aux, &parts, ASK_US, ranges_read, c);
}

void con_loss_notice(struct con *c, struct con_part *p)
{
	int64_t now = bg_now_us();

	p->hole = p->failed = true;
	con_changed(c);
	if (now - m.noticed_us > CALM_US)
		bg_backoff_reset(&m.backoff);
	m.noticed_us = now;
	if (!bg_timer_pending(m.timer))
		bg_timer_start(m.timer, bg_backoff_next(&m.backoff));
}

void con_loss_tune(struct con *c)
{
	bool go_on = m.failed && c->tun.skip_lost && c->state == CON_FAILED;

	m.failed = m.failed && c->state == CON_FAILED && !go_on;
	if (go_on)
		con_event(c, CON_EV_RESUME, "on-data-loss = skip");
}

void con_loss_init(struct con *c)
{
	m.timer = bg_timer_new(c->loop, look, c);
}

void con_loss_free(struct con *c)
{
	(void)c;
	bg_timer_free(m.timer);
	m.timer = NULL;
}
