/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/choose.h"

void con_ranges_set(struct con *c, const struct bg_offs *ranges)
{
	for (size_t i = 0; i < ranges->n; i++) {
		struct bg_off *o = bg_offs_at(&c->ranges, ranges->v[i].topic, ranges->v[i].partition);

		o->offset = ranges->v[i].offset;
		o->floor = ranges->v[i].floor;
		o->epoch = bg_now_us(); /* when: the log may have grown since */
	}
}

/* Is it in the log? The end may have moved since the ranges were read, by at most a record a microsecond. */
static void check_range(const struct con *c, const struct con_part *p, struct con_choice *ch)
{
	const struct bg_off *r = bg_offs_find(&c->ranges, p->topic, p->partition);
	int64_t growth;

	if (!r)
		return;
	growth = bg_now_us() - r->epoch;
	ch->low = r->offset;
	ch->high = r->floor;
	if (ch->offset < r->offset && c->tun.skip_lost) {
		ch->lost_from = ch->offset;
		ch->offset = r->offset;
	} else if (ch->offset < r->offset)
		ch->verdict = CON_CHOICE_RANGE;
	else if (ch->offset > r->floor + growth)
		ch->verdict = CON_CHOICE_RANGES;
}

static struct con_choice choose_plain(const struct con *c, const struct con_part *p,
				      const struct bg_offs *own)
{
	const struct bg_off *o = bg_offs_find(own, p->topic, p->partition);
	const struct bg_off *r = bg_offs_find(&c->ranges, p->topic, p->partition);
	struct con_choice ch = {.verdict = CON_CHOICE_OK, .lost_from = -1};

	if (p->started || p->position >= 0) {
		ch.offset = p->position;
		ch.own = p->started;
	} else if (o && o->offset >= 0) {
		ch.offset = o->offset;
	} else if (c->cfg.initial_offset == 'f') {
		ch.verdict = CON_CHOICE_NONE;
	} else if (!r) {
		ch.verdict = CON_CHOICE_RANGES;
	} else {
		ch.offset = c->cfg.initial_offset == 'e' ? r->offset : r->floor;
	}
	return ch;
}

struct con_choice con_choose(const struct con *c, const struct con_part *p, int64_t epoch,
			     const struct bg_offs *own, bool adopt)
{
	const struct bg_off *o = bg_offs_find(own, p->topic, p->partition);
	const struct bg_off *h = bg_offs_find(&c->handed, p->topic, p->partition);
	struct con_choice ch = {.verdict = CON_CHOICE_OK,
				.offset = p->position,
				.epoch = p->epoch,
				.own = true,
				.lost_from = -1};
	bool allowed = (adopt && p->started) || (h && h->offset >= 0) ||
		       (p->position >= 0 && p->started && p->epoch == epoch);

	if (c->cfg.mode == CON_PLAIN)
		return choose_plain(c, p, own);
	/* A mirrored commit is never of this epoch. Without an epoch ever, the own commit is all there is. In takeover
	 * the one group's commit is the truth, whoever made it. */
	if (o && o->offset >= 0 &&
	    (c->cfg.mode == CON_TAKEOVER || (!o->mirrored && (o->epoch == epoch || !epoch))))
		allowed = true;
	if (o && bg_off_better(o->offset, o->epoch, ch.offset, ch.epoch)) {
		ch.offset = o->offset;
		ch.epoch = o->epoch;
		ch.own = false;
	}
	if (h && bg_off_better(h->offset, h->epoch, ch.offset, ch.epoch)) {
		ch.offset = h->offset;
		ch.epoch = h->epoch;
		ch.own = false;
	}
	if (!allowed || ch.offset < 0) {
		ch.verdict = CON_CHOICE_NONE;
		return ch;
	}
	/* Its own position counts as own only while it works from there; else it is placed like any other. */
	if (ch.own && !adopt && !p->out_head)
		ch.own = false;
	if (!ch.own)
		check_range(c, p, &ch);
	return ch;
}

int64_t con_best_known(const struct con *c, const struct con_part *p)
{
	const struct bg_off *h = bg_offs_find(&c->handed, p->topic, p->partition);

	return h && bg_off_better(h->offset, h->epoch, p->position, p->epoch) ? h->offset : p->position;
}
