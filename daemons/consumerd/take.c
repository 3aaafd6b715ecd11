/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takeover: when a seat becomes a member and when it stops being one.
 *
 *   PAUSED, no member ── resume, rule 3 ──► joins with the spare ──► ACTIVE ── pause ──► paused member
 *        ▲                                                                                   │
 *        ├── the other colour joins with our id: fenced at the next heartbeat, in silence ───┤
 *        └── nobody does within three heartbeats: lets go ───────────────────────────────────┘
 *
 * A paused member keeps beating at first, so that whoever takes over, or we ourselves after an abort, gets the
 * partitions by a plain join, without a rebalance. That holds for a resume that was cancelled after its join too: the
 * other colour comes for the same id. But not for long: the partitions stand still until somebody comes, which for an
 * id that the other colour does not have is never. After it has let go, the broker keeps the id's partitions for the
 * session time-out even so, and then gives them to members that live. A join that is cancelled on its way is given up
 * at once: it would fence whoever was resumed meanwhile.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "consumerd/commands.h"
#include "consumerd/commit.h"
#include "consumerd/dispatch.h"
#include "consumerd/probe.h"
#include "consumerd/source_int.h"
#include "consumerd/spare.h"
#include "consumerd/start.h"

#define SPARE_AFTER_US 200000 /* a new spare is made when the switch is over */
#define BEATS          3      /* of a paused member that nobody takes over */

static bool is_topic(const struct con *c, const char *name)
{
	for (size_t i = 0; i < c->cfg.ntopics; i++)
		if (!strcmp(c->cfg.topics[i], name))
			return true;
	return false;
}

static void join(struct con_seat *s)
{
	struct con *c = s->c;
	const char *first = c->cfg.ntopics > 1 ? c->cfg.topics[0] : NULL;

	s->partly = false;
	/* Some topic to begin with that is not the whole: the old side's, or one of several. */
	for (size_t i = 0; c->resubscribe && i < c->handed.n; i++)
		if (!is_topic(c, c->handed.v[i].topic))
			first = c->handed.v[i].topic;
	s->partly = c->resubscribe && first;
	s->subscribed = s->partly ? con_seat_subscribe(s, &first, 1)
				  : con_seat_subscribe(s, c->cfg.topics, c->cfg.ntopics);
}

void con_source_resubscribe(struct con *c)
{
	c->resubscribe = false;
	for (size_t i = 0; i < c->source->n; i++) {
		struct con_seat *s = &c->source->seats[i];

		if (!s->h || !s->partly || !s->joined)
			continue;
		s->partly = false;
		bg_log(BG_NOTICE, "resubscribe", "%s makes the group share out its topics anew",
		       s->static_id);
		con_seat_subscribe(s, c->cfg.topics, c->cfg.ntopics);
	}
}

static void lost_now(void *arg)
{
	struct con *c = arg;
	bool any = false;

	for (size_t i = 0; c->source && i < c->source->n; i++) {
		struct con_seat *s = &c->source->seats[i];

		if (!s->h || !s->lost)
			continue;
		any = true;
		bg_log(BG_NOTICE, "lost",
		       "%s is no member any more: it joins anew when it is told to, or works", s->static_id);
		con_handle_end(c, con_handle_detach(s));
	}
	if (!any)
		return;
	con_spare_later(c, 0);
	if (c->state == CON_ACTIVE)
		con_start_rejoin(c);
	else
		con_start_again(c);
	con_commands_check_drained(c);
	con_changed(c);
}

void con_seat_lost(struct con_seat *s)
{
	struct con *c = s->c;

	if (c->state == CON_DRAINING) {
		con_seat_fenced(s, "membership_lost"); /* the proof of the pause cannot come any more */
		return;
	}
	s->lost = true;
	bg_loop_defer(c->loop, lost_now, c);
}

bool con_source_take(struct con *c)
{
	struct con_source *src = c->source;

	for (size_t i = 0; i < src->n; i++) {
		struct con_seat *s = &src->seats[i];
		struct bg_err err = BG_ERR_INIT;
		struct con_handle *h = con_spare_take(s, &err);

		if (!h) {
			con_error(c, err.code, "%s cannot join: %s", s->static_id, err.msg);
			return false;
		}
		con_handle_end(c, con_handle_detach(s));
		con_handle_seat(s, h);
		join(s);
		c->joins++;
	}
	src->taken = true;
	con_spare_later(c, SPARE_AFTER_US);
	return true;
}

void con_source_untake(struct con *c)
{
	c->source->taken = false;
}

bool con_source_taken(const struct con *c)
{
	for (size_t i = 0; i < c->source->n; i++)
		if (!c->source->seats[i].h || c->source->seats[i].fatal)
			return false;
	return c->source->taken;
}

void con_source_cancel(struct con *c)
{
	bool any = false;

	if (c->cfg.mode != CON_TAKEOVER)
		return;
	for (size_t i = 0; i < c->source->n; i++) {
		struct con_seat *s = &c->source->seats[i];

		if (s->h && s->subscribed && !s->joined)
			any = s->fatal = true;
	}
	if (any)
		con_source_drop_fatal(c);
}

/* The fence-grace is a heartbeat and 500 ms: longer than that nobody may have stood still without noticing. */
int64_t con_source_stall_guard_us(const struct con *c)
{
	if (c->cfg.mode != CON_TAKEOVER)
		return c->tun.stall_guard_us;
	return BG_MIN(c->tun.stall_guard_us, con_source_heartbeat_ms(c) * 1000 + 250000);
}

/*
 * Who is cut off from the broker, but does not stand still, does not hear that he is fenced: whoever fences waits for
 * his heartbeat only. So a commit that is not acknowledged for a third of a heartbeat stops the handing out. With the
 * thirds between two commits and between two looks that is a heartbeat at most, whatever commit-interval is.
 */
int64_t con_source_commit_interval_us(const struct con *c)
{
	if (c->cfg.mode != CON_TAKEOVER)
		return c->tun.commit_interval_us;
	return BG_MIN(c->tun.commit_interval_us, BG_MAX(con_source_heartbeat_ms(c) * 1000 / 3, 10000));
}

static void look_for_cut(struct con *c)
{
	bool cut = con_working(c) && con_commit_waiting_us(c) > con_source_heartbeat_ms(c) * 1000 / 3;

	if (cut == c->cut)
		return;
	if (cut)
		con_error(c, "cut_off",
			  "the broker does not confirm commits: nothing is handed out until it does");
	c->cut = cut;
	con_changed(c);
	if (!cut)
		con_dispatch_all(c);
}

static void let_go(struct con *c)
{
	int64_t us = con_source_heartbeat_ms(c) * 1000 * BEATS;
	bool any = false;

	if (c->state != CON_PAUSED || bg_now_us() - c->since_us < us || c->parts.in_flight ||
	    con_commit_proof_pending(c))
		return;
	for (size_t i = 0; i < c->source->n; i++)
		if (c->source->seats[i].h)
			any = c->source->seats[i].fatal = true;
	if (!any)
		return;
	bg_log(BG_INFO, "lets_go", "nobody has taken over for three heartbeats: no member any more");
	con_source_drop_fatal(c);
}

void con_source_tick(struct con *c)
{
	if (c->cfg.mode != CON_TAKEOVER)
		return;
	look_for_cut(c);
	let_go(c);
}

bool con_source_busy(const struct con *c)
{
	(void)c;
	return con_probe_busy() || con_spare_busy();
}

size_t con_source_members(const struct con *c)
{
	size_t n = 0;

	for (size_t i = 0; c->source && i < c->source->n; i++)
		n += c->source->seats[i].h && c->source->seats[i].joined;
	return n;
}

bool con_source_warm(const struct con *c)
{
	return c->cfg.mode == CON_TAKEOVER ? con_spare_warm(c) : con_source_joined(c);
}

int64_t con_source_heartbeat_ms(const struct con *c)
{
	return c->source ? c->source->heartbeat_ms : 0;
}

int64_t con_source_session_ms(const struct con *c)
{
	return c->source ? c->source->session_ms : 0;
}
