/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dual-active, precisely: F(e) is the time of the first record of epoch e (given or processed). A record of
 * the other colour, of an epoch below e, later than F(e), was processed while two colours were active; the
 * time of it is from F(e) to the last such record. Two colours at one epoch are the same fault: the time is
 * where their incarnations' intervals of work overlap (epoch 0, plain mode, knows only this).
 */
#include "config.h"
#include "bg-verify/switches.h"

#include <stdlib.h>
#include <string.h>

#include "bg-verify/state.h"
#include "common/mem.h"

static void stale_record(struct vf_judge *j, const struct vf_event *ev, uint32_t part, struct vf_epoch *newer,
			 bool record)
{
	const struct vf_side *side = &newer->side[bg_color_other(ev->line->color)];
	struct vf_range *r = j->stale.n ? &j->stale.v[j->stale.n - 1] : NULL;
	uint32_t inc = j->src[ev->source].inc - 1;

	if (ev->t <= side->first_t)
		return;
	if (!vf_surely_after(j, ev->t, ev->boot, side->first_t, side->first_boot)) {
		newer->undecided += record;
		j->undecided += record;
		return;
	}
	newer->dual_last = newer->dual ? BG_MAX(newer->dual_last, ev->t) : ev->t;
	newer->dual_first = side->first_t;
	newer->dual = true;
	newer->dual_records += record;
	j->stale_records += record;
	if (!record)
		return;
	if (r && r->a == inc && r->part == part && r->epoch == ev->line->epoch &&
	    r->last + 1 == ev->line->offset) {
		r->last++;
		r->count++;
		return;
	}
	vf_ranges_add(&j->stale, &(struct vf_range){.part = part,
						    .first = ev->line->offset,
						    .last = ev->line->offset,
						    .count = 1,
						    .t = ev->t,
						    .a = inc,
						    .seq = newer->epoch,
						    .epoch = ev->line->epoch,
						    .lineno = ev->lineno});
}

void vf_activity(struct vf_judge *j, const struct vf_event *ev, uint32_t part, bool record)
{
	const struct vf_line *l = ev->line;
	enum bg_color other = bg_color_other(l->color);
	struct vf_epoch *e = vf_epoch_at(j, l->epoch);
	struct vf_side *s = &e->side[l->color];

	if (!s->used) {
		s->used = true;
		s->first_t = s->last_t = ev->t;
		s->first_boot = s->last_boot = ev->boot;
		j->top[l->color] = BG_MAX(j->top[l->color], l->epoch);
	}
	s->records += record;
	if (record && ev->t > s->last_t) {
		s->last_t = ev->t;
		s->last_boot = ev->boot;
	}
	if (j->top[other] > l->epoch) {
		struct vf_epoch *newer = vf_epoch_above(j, l->epoch, other);

		if (newer)
			stale_record(j, ev, part, newer, record);
	}
}

/*
 * Judged by the epoch that each offset carries, and by when the commit was sent: an eager hand-over lets the
 * acknowledgement come late, and a paused colour mirrors the other's offsets with the other's epochs.
 */
void vf_stale_commit(struct vf_judge *j, const struct vf_event *ev, uint32_t inc)
{
	const struct bg_offs *offs = &ev->line->offs;
	const struct vf_inc *x = &j->incs[inc];
	enum bg_color other = bg_color_other(x->color);

	if (!x->has_color || (x->has_state && !x->working))
		return;
	for (size_t i = 0; i < offs->n; i++) {
		const struct bg_off *o = &offs->v[i];
		uint32_t part =
			vf_part_find(j, &j->src[ev->source], o->topic, strlen(o->topic), o->partition);
		uint32_t ip = vf_ip_of(j, inc, part);
		int64_t sent = j->ips[ip].sent_t;
		struct vf_epoch *e, *newer;

		if (o->epoch <= 0 || j->top[other] <= o->epoch)
			continue;
		e = vf_epoch_at(j, o->epoch);
		if (e->side[other].used && !e->side[x->color].used)
			continue;
		newer = vf_epoch_above(j, o->epoch, other);
		if (!newer || !vf_surely_after(j, sent < 0 ? ev->t : sent, ev->boot,
					       newer->side[other].first_t, newer->side[other].first_boot))
			continue;
		j->stale_commits++;
		vf_ranges_add(&j->stale, &(struct vf_range){.part = part,
							    .first = o->offset,
							    .last = o->offset,
							    .t = ev->t,
							    .a = inc,
							    .seq = newer->epoch,
							    .epoch = o->epoch,
							    .lineno = ev->lineno});
		return;
	}
}

struct span {
	int64_t from, to;
	enum bg_color color;
};

static int span_cmp(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return (x->from > y->from) - (x->from < y->from);
}

/* Time in which spans of both colours overlap. */
static int64_t overlap(struct span *v, size_t n)
{
	int64_t end[2] = {INT64_MIN, INT64_MIN}, covered = INT64_MIN, sum = 0;

	qsort(v, n, sizeof(*v), span_cmp);
	for (size_t i = 0; i < n; i++) {
		enum bg_color c = v[i].color;
		int64_t from = BG_MAX(v[i].from, covered), to = BG_MIN(v[i].to, end[bg_color_other(c)]);

		if (to > from) {
			sum += to - from;
			covered = to;
		}
		end[c] = BG_MAX(end[c], v[i].to);
	}
	return sum;
}

/* Both colours worked at one epoch: where their incarnations' intervals overlap. */
static int64_t same_epoch_overlap(struct vf_judge *j, const struct vf_epoch *e)
{
	struct span *v = bg_xcalloc(j->n_incs ? j->n_incs : 1, sizeof(*v));
	size_t n = 0;
	int64_t sum;

	for (size_t i = 0; i < j->n_incs; i++)
		v[i] = (struct span){INT64_MAX, INT64_MIN, j->incs[i].color};
	for (size_t i = 0; i < j->n_slots; i++) {
		const struct vf_slot *s = &j->slots[i];

		if (s->epoch != e->epoch || s->first_t < 0)
			continue;
		v[s->inc].from = BG_MIN(v[s->inc].from, s->first_t);
		v[s->inc].to = BG_MAX(v[s->inc].to, s->last_t);
	}
	for (size_t i = 0; i < j->n_incs; i++)
		if (v[i].from <= v[i].to)
			v[n++] = v[i];
	sum = overlap(v, n);
	free(v);
	return sum;
}

static int slot_cmp(const void *a, const void *b)
{
	const struct vf_slot *x = *(const struct vf_slot *const *)a, *y = *(const struct vf_slot *const *)b;

	return x->epoch != y->epoch ? (x->epoch > y->epoch) - (x->epoch < y->epoch)
				    : (x->part > y->part) - (x->part < y->part);
}

/* Gap of each partition that both sides worked in: `last` is when `from` was last at it. */
static void partition_gaps(struct vf_judge *j, struct vf_switch *w, struct vf_slot *const *v, size_t n,
			   const int64_t *last[2])
{
	w->gaps_at = j->n_gaps;
	w->worst = -1;
	for (size_t i = 0; i < n;) {
		uint32_t part = v[i]->part;
		int64_t first = INT64_MAX, gap;

		for (; i < n && v[i]->part == part; i++)
			if (j->incs[v[i]->inc].color == w->to && v[i]->first_t >= 0)
				first = BG_MIN(first, v[i]->first_t);
		if (first == INT64_MAX || last[w->from][part] == INT64_MIN)
			continue;
		gap = BG_MAX(first - last[w->from][part], 0);
		j->gaps = bg_xgrow(j->gaps, &j->cap_gaps, j->n_gaps + 1, sizeof(*j->gaps));
		j->gaps[j->n_gaps++] = (struct vf_gap){part, gap};
		if (gap > w->worst) {
			w->worst = gap;
			w->worst_part = part;
		}
	}
	w->gaps_n = j->n_gaps - w->gaps_at;
}

static struct vf_switch *switch_add(struct vf_judge *j, const struct vf_epoch *e, const struct vf_epoch *prev,
				    enum bg_color from, enum bg_color to)
{
	struct vf_switch *w;
	const struct vf_side *a = &prev->side[from], *b = &e->side[to];

	j->switches = bg_xgrow(j->switches, &j->cap_switches, j->n_switches + 1, sizeof(*j->switches));
	w = &j->switches[j->n_switches++];
	memset(w, 0, sizeof(*w));
	w->epoch = e->epoch;
	w->prev_epoch = prev->epoch;
	w->from = from;
	w->to = to;
	w->gap_known = a->records > 0 && b->used;
	w->gap = w->gap_known ? BG_MAX(b->first_t - a->last_t, 0) : -1;
	w->two_clocks = a->last_boot != b->first_boot;
	w->dual_records = e->dual_records;
	w->dual = e->dual ? e->dual_last - e->dual_first : 0;
	j->n_changes += from != to;
	return w;
}

/* Who worked at it; the later one when, wrongly, both did. */
static int epoch_color(const struct vf_epoch *e)
{
	if (e->side[BG_BLUE].used && e->side[BG_GREEN].used)
		return e->side[BG_BLUE].first_t > e->side[BG_GREEN].first_t ? BG_BLUE : BG_GREEN;
	return e->side[BG_BLUE].used ? BG_BLUE : e->side[BG_GREEN].used ? BG_GREEN : -1;
}

static void list_switches(struct vf_judge *j)
{
	struct vf_slot **v = bg_xcalloc(j->n_slots ? j->n_slots : 1, sizeof(struct vf_slot *));
	size_t np = j->n_parts ? j->n_parts : 1, at = 0, n;
	int64_t *last = bg_xmalloc(2 * np * sizeof(*last));
	const int64_t *lasts[2] = {last, last + np};
	const struct vf_epoch *prev = NULL;

	for (size_t i = 0; i < 2 * np; i++)
		last[i] = INT64_MIN;
	for (size_t i = 0; i < j->n_slots; i++)
		v[i] = &j->slots[i];
	qsort(v, j->n_slots, sizeof(struct vf_slot *), slot_cmp);
	for (size_t k = 0; k < j->n_epochs; k++) {
		const struct vf_epoch *e = &j->epochs[k];
		int to = epoch_color(e);

		for (n = at; n < j->n_slots && v[n]->epoch == e->epoch;)
			n++;
		if (to >= 0 && prev) {
			struct vf_switch *w =
				switch_add(j, e, prev, (enum bg_color)epoch_color(prev), (enum bg_color)to);

			partition_gaps(j, w, v + at, n - at, lasts);
		}
		for (; at < n; at++) {
			int64_t *l = &last[(j->incs[v[at]->inc].color == BG_BLUE ? 0 : np) + v[at]->part];

			if (v[at]->records > 0)
				*l = BG_MAX(*l, v[at]->last_t);
		}
		if (to >= 0)
			prev = e;
	}
	free(v);
	free(last);
}

static int ns_cmp(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static struct vf_pct percentiles(int64_t *v, size_t n)
{
	struct vf_pct p = {-1, -1, -1, -1};

	if (n == 0)
		return p;
	qsort(v, n, sizeof(*v), ns_cmp);
	p.p50 = v[(n * 50 + 99) / 100 - 1];
	p.p90 = v[(n * 90 + 99) / 100 - 1];
	p.p99 = v[(n * 99 + 99) / 100 - 1];
	p.max = v[n - 1];
	return p;
}

static void summarise(struct vf_judge *j)
{
	int64_t *gap = bg_xcalloc(j->n_switches ? j->n_switches : 1, sizeof(*gap));
	int64_t *worst = bg_xcalloc(j->n_switches ? j->n_switches : 1, sizeof(*worst));
	size_t ng = 0, nw = 0;

	for (size_t i = 0; i < j->n_switches; i++) {
		const struct vf_switch *w = &j->switches[i];

		if (w->from != w->to && w->gap_known)
			gap[ng++] = w->gap;
		if (w->from != w->to && w->worst >= 0)
			worst[nw++] = w->worst;
	}
	j->gap = percentiles(gap, ng);
	j->worst = percentiles(worst, nw);
	free(gap);
	free(worst);
}

/* Epochs that were used, but of which no ledger tells: then no verdict on two active colours is possible. */
static void missing_ledgers(struct vf_judge *j)
{
	int64_t lowest = INT64_MAX;
	size_t with_lines = 0;
	bool color[2] = {false, false};

	for (size_t i = 0; i < j->n_epochs; i++) {
		const struct vf_epoch *e = &j->epochs[i];

		if (e->lines)
			lowest = BG_MIN(lowest, e->epoch);
		with_lines += e->lines && e->epoch > 0;
	}
	for (size_t i = 0; i < j->n_incs; i++)
		if (j->incs[i].has_color)
			color[j->incs[i].color] = true;
	for (int c = 0; c < 2 && with_lines > 1; c++)
		if (!color[c])
			vf_error(
				j->notes,
				"missing colour: %zu epochs are in the ledgers, but no ledger of a %s instance was given",
				with_lines, bg_color_name((enum bg_color)c));
	for (size_t i = 0; i < j->n_epochs; i++) {
		const struct vf_epoch *e = &j->epochs[i];

		if (e->mentioned && !e->lines && e->epoch > lowest)
			vf_error(
				j->notes,
				"missing ledger: offsets of epoch %lld were committed, but no ledger has a line of it",
				(long long)e->epoch);
		for (int c = 0; c < 2; c++)
			if (e->side[c].active && !e->side[c].used)
				vf_warn(j->notes, "epoch %lld: %s was active and processed nothing",
					(long long)e->epoch, bg_color_name((enum bg_color)c));
	}
	for (const char *const *p = j->opts.instances; p && *p; p++) {
		bool found = false;

		for (size_t i = 0; i < j->n_incs && !found; i++)
			found = strcmp(j->incs[i].name, *p) == 0;
		if (!found)
			vf_error(j->notes, "missing ledger: none of instance %s was given", *p);
	}
}

void vf_switches_finish(struct vf_judge *j)
{
	list_switches(j);
	for (size_t i = 0; i < j->n_epochs; i++) {
		struct vf_epoch *e = &j->epochs[i];
		int64_t same = 0;

		if (e->side[BG_BLUE].used && e->side[BG_GREEN].used) {
			same = same_epoch_overlap(j, e);
			/* Without epochs (plain mode) turns are normal, only an overlap is a fault. */
			e->conflict = e->epoch > 0 || same > 0;
			j->conflicts += e->conflict;
		}
		j->dual_records += e->dual_records;
		j->duals += e->dual;
		j->dual_ns += same + (e->dual ? e->dual_last - e->dual_first : 0);
	}
	summarise(j);
	missing_ledgers(j);
}
