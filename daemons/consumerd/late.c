/* SPDX-License-Identifier: Apache-2.0 */
/* What happens outside of a command: partitions that the group gives to an instance at work, and the epoch floor. */
#include "config.h"

#include "common/log.h"
#include "common/mem.h"
#include "consumerd/choose.h"
#include "consumerd/commit.h"
#include "consumerd/dispatch.h"
#include "consumerd/reading.h"
#include "consumerd/source.h"
#include "consumerd/start.h"
#include "consumerd/start_int.h"

static struct {
	struct bg_timer *retry;
	struct bg_backoff backoff;
} m = {.backoff = {.min_us = 50000, .max_us = 2000000}};

static void ask_again(void)
{
	if (!bg_timer_pending(m.retry))
		bg_timer_start(m.retry, bg_backoff_next(&m.backoff));
}

/* Start the partitions that an instance at work was given since. */
static void start_late(struct con *c, const struct bg_offs *own)
{
	bool any = false, left = false;

	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];
		struct con_choice ch;

		if (!p->assigned || p->started || p->revoking)
			continue;
		ch = con_choose(c, p, c->work_epoch, own, false);
		if (ch.verdict == CON_CHOICE_RANGES) {
			ask_again(); /* the ends are read now and then */
			left = true;
		}
		if (ch.verdict != CON_CHOICE_OK) {
			if (!(p->why & CON_WHY_NO_OFFSET))
				con_error(c, "offset_needed",
					  "%s [%d] was given to us, and nothing says where it starts",
					  p->topic, p->partition);
			con_source_pause(c, p, CON_WHY_NO_OFFSET);
			continue;
		}
		con_part_drop_pending(&c->parts, p);
		p->fetch_next = ch.offset;
		con_start_part(c, p, &ch, c->work_epoch);
		any = true;
	}
	if (!left)
		bg_backoff_reset(&m.backoff);
	if (any)
		con_commit_request(c, false, NULL, NULL);
	con_changed(c);
	con_dispatch_all(c);
}

static void relearn(void *arg);

static void learned(struct con_reading *r)
{
	struct con *c = r->c;
	if (r->failed) {
		con_error(c, r->err.code, "cannot read the commits of new partitions: %s", r->err.msg);
		ask_again();
		return;
	}
	if (con_start_under_way(c))
		return; /* it reads for itself */
	for (size_t i = 0; i < r->own.n; i++) {
		const struct bg_off *o = &r->own.v[i];
		struct con_part *p = con_part_find(&c->parts, o->topic, o->partition);

		if (!p || !p->assigned || o->offset < 0 || (p->started && con_working(c)))
			continue;
		if (o->mirrored) {
			/* How far the other colour came: no position of ours, and no commit of ours. */
			con_part_set_mirrored(p, o->offset, o->epoch, o->color);
			continue;
		}
		p->committed = o->offset;
		p->committed_epoch = o->epoch;
		con_part_learn(p, o->offset, o->epoch);
	}
	if (c->state != CON_ACTIVE)
		return;
	if (c->cfg.mode != CON_PLAIN && con_reading_floor(r) > c->work_epoch) {
		/* Rule 3: a switch is under way, or was and we did not hear. What is new here is not begun. */
		bg_log(BG_NOTICE, "later",
		       "the commits know of epoch %lld, we work at %lld: new partitions wait",
		       (long long)con_reading_floor(r), (long long)c->work_epoch);
		ask_again();
		return;
	}
	start_late(c, &r->own);
}

static void floor_read(struct con_reading *r)
{
	struct con *c = r->c;

	if (c->ep.floor_known)
		return;
	if (r->failed) {
		con_error(c, r->err.code, "cannot read the epoch from the commits: %s", r->err.msg);
		bg_timer_start(m.retry, bg_backoff_next(&m.backoff));
		return;
	}
	c->ep.floor = BG_MAX(c->ep.floor, con_reading_floor(r));
	c->ep.floor_known = true;
	bg_log(BG_INFO, "floor", "the highest epoch in the commits is %lld", (long long)c->ep.floor);
	con_connected(c);
}

static void relearn(void *arg)
{
	struct con *c = arg;

	con_read_commits(c, 0, c->ep.floor_known ? learned : floor_read);
}

void con_start_assigned(struct con *c)
{
	if (!m.retry)
		m.retry = bg_timer_new(c->loop, relearn, c);
	if (con_start_under_way(c))
		con_start_again(c);
	else
		con_read_commits(c, 0, learned);
}

void con_start_read_floor(struct con *c)
{
	if (!m.retry)
		m.retry = bg_timer_new(c->loop, relearn, c);
	con_read_commits(c, 0, floor_read);
}

void con_late_free(void)
{
	bg_timer_free(m.retry);
	m.retry = NULL;
}
