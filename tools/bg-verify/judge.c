/* SPDX-License-Identifier: Apache-2.0 */
/* The ledgers' part of the judgement: events in order of time. */
#include "config.h"
#include "bg-verify/judge.h"

#include <string.h>

#include "bg-verify/state.h"
#include "bg-verify/switches.h"
#include "bg-verify/topic_judge.h"
#include "common/mem.h"

const char *const vf_dup_names[VF_DUP_CLASSES] = {"same incarnation", "same epoch", "same colour",
						  "across colours"};
const char *const vf_why_names[] = {"never processed", "given to a handler, never acknowledged",
				    "deleted from the log before it was processed", "told by the consumer"};

struct vf_judge *vf_judge_new(const struct vf_opts *opts, size_t nledgers, struct vf_notes *notes)
{
	struct vf_judge *j = bg_xcalloc(1, sizeof(*j));

	j->opts = *opts;
	j->notes = notes;
	j->index = vf_index_new();
	j->n_src = nledgers;
	j->src = bg_xcalloc(nledgers ? nledgers : 1, sizeof(*j->src));
	j->top[0] = j->top[1] = -1;
	j->nboots = 1;
	return j;
}

static bool state_is(struct vf_str s, const char *name)
{
	return s.len == strlen(name) && memcmp(s.s, name, s.len) == 0;
}

/* Move the frontier over everything that was processed. */
static void advance(struct vf_part *q)
{
	if (q->base >= 0)
		q->frontier = vf_map_next(&q->map, q->frontier, VF_M_DONE, 0, INT64_MAX);
}

static void see_offset(struct vf_part *q, int64_t offset)
{
	if (q->base < 0)
		q->base = q->frontier = offset;
}

static enum vf_dup_class dup_class(const struct vf_judge *j, const struct vf_slot *a, const struct vf_slot *b)
{
	if (a->inc == b->inc)
		return VF_DUP_INCARNATION;
	if (j->incs[a->inc].color != j->incs[b->inc].color)
		return VF_DUP_ACROSS;
	return a->epoch == b->epoch ? VF_DUP_EPOCH : VF_DUP_COLOR;
}

/* A record that slot `first` had processed was processed again by slot `again`. */
static void repeat(struct vf_judge *j, uint32_t first, uint32_t again, uint32_t *entry,
		   const struct vf_event *ev)
{
	struct vf_slot *a = &j->slots[first], *b = &j->slots[again];
	enum vf_dup_class cls = dup_class(j, a, b);
	int64_t back = j->ips[a->ip].back;
	bool told = back >= 0 && ev->line->offset >= back;
	bool open = !told && ev->line->offset >= j->ips[a->ip].acked && cls != VF_DUP_INCARNATION;
	struct vf_range *r = b->dup_range ? &j->dups.v[b->dup_range - 1] : NULL;

	if (!(*entry & VF_M_DUP))
		j->dup_distinct++;
	*entry |= VF_M_DUP;
	if (open && a->dup_open++ == 0) {
		a->dup_open_t = ev->t;
		a->taken = j->ips[a->ip].refused;
	}
	if (told)
		a->dup_told[cls]++;
	else
		a->dup_by_class[open][cls]++;
	if (r && r->a == first && r->open == open && r->told == told && r->last + 1 == ev->line->offset) {
		r->last++;
		r->count++;
		return;
	}
	r = vf_ranges_add(&j->dups, &(struct vf_range){.part = b->part,
						       .first = ev->line->offset,
						       .last = ev->line->offset,
						       .count = 1,
						       .t = ev->t,
						       .a = first,
						       .b = again,
						       .kind = cls,
						       .open = open,
						       .told = told});
	b->dup_range = r ? j->dups.n : 0;
}

static void out_of_order(struct vf_judge *j, uint32_t part, uint32_t slot, const struct vf_event *ev)
{
	j->reordered++;
	vf_ranges_add(&j->reorders, &(struct vf_range){.part = part,
						       .first = ev->line->offset,
						       .last = ev->line->offset,
						       .count = 1,
						       .t = ev->t,
						       .a = slot,
						       .lineno = ev->lineno});
}

static void on_record(struct vf_judge *j, const struct vf_event *ev)
{
	struct vf_source_state *s = &j->src[ev->source];
	const struct vf_line *l = ev->line;
	uint32_t inc = vf_inc_of(j, ev);
	uint32_t part = vf_part_find(j, s, l->topic.s, l->topic.len, l->partition);
	uint32_t no = vf_slot_of(j, s, inc, part, l->epoch), *entry;
	struct vf_slot *x = &j->slots[no];
	struct vf_part *q = &j->parts[part];

	vf_activity(j, ev, part, true);
	see_offset(q, l->offset);
	if (x->first_t < 0)
		x->first_t = ev->t;
	x->last_t = ev->t;
	x->records++;
	q->processings++;
	entry = vf_map_at(&q->map, l->offset);
	if (*entry & VF_M_SLOT) {
		repeat(j, (*entry & VF_M_SLOT) - 1, no, entry, ev);
	} else {
		q->processed++;
		*entry |= (no + 1) & VF_M_SLOT;
		/* With an asynchronous handler acknowledgements come as they come: there `in` is the order. */
		if (l->offset < x->last_o && x->last_in < 0)
			out_of_order(j, part, no, ev);
	}
	x->last_o = BG_MAX(x->last_o, l->offset);
	q->min_done = q->min_done < 0 ? l->offset : BG_MIN(q->min_done, l->offset);
	q->max_done = BG_MAX(q->max_done, l->offset);
	if (l->offset == q->frontier)
		advance(q);
}

static void on_in(struct vf_judge *j, const struct vf_event *ev)
{
	struct vf_source_state *s = &j->src[ev->source];
	const struct vf_line *l = ev->line;
	uint32_t inc = vf_inc_of(j, ev);
	uint32_t part = vf_part_find(j, s, l->topic.s, l->topic.len, l->partition);
	uint32_t no = vf_slot_of(j, s, inc, part, l->epoch);
	struct vf_slot *x = &j->slots[no];
	uint32_t *entry = vf_map_at(&j->parts[part].map, l->offset);

	vf_activity(j, ev, part, false);
	see_offset(&j->parts[part], l->offset);
	if (x->first_t < 0)
		x->first_t = x->last_t = ev->t;
	/* A second time is a retry or a repeat, which is no new order. */
	if (l->offset < x->last_in && !(*entry & (VF_M_IN | VF_M_DONE)))
		out_of_order(j, part, no, ev);
	if ((*entry & (VF_M_IN | VF_M_DONE)) == VF_M_IN)
		j->given_again++;
	*entry |= VF_M_IN;
	x->last_in = BG_MAX(x->last_in, l->offset);
}

static void count_reason(struct vf_judge *j, struct vf_str r)
{
	if (r.len == 0)
		r = (struct vf_str){"no reason given", 15};
	for (size_t i = 0; i < j->n_reasons; i++)
		if (strlen(j->reasons[i].text) == r.len && memcmp(j->reasons[i].text, r.s, r.len) == 0) {
			j->reasons[i].n++;
			return;
		}
	if (j->n_reasons >= 100) { /* reasons are few words; what is beyond is foreign */
		j->reasons[99].n++;
		return;
	}
	j->reasons = bg_xgrow(j->reasons, &j->cap_reasons, j->n_reasons + 1, sizeof(*j->reasons));
	j->reasons[j->n_reasons++] = (struct vf_reason){bg_xstrndup(r.s, r.len), 1};
}

/* What the consumer itself gave up for lost, as opposed to refused or sent to a dead-letter topic. */
static bool is_loss(struct vf_str r)
{
	return (r.len >= 9 && memcmp(r.s, "retention", 9) == 0) ||
	       (r.len >= 4 && memcmp(r.s, "lost", 4) == 0);
}

static void skip_one(struct vf_judge *j, uint32_t part, int64_t offset, struct vf_str reason)
{
	struct vf_part *q = &j->parts[part];
	uint32_t *entry = vf_map_at(&q->map, offset);

	if (!(*entry & VF_M_SKIP)) {
		q->skipped++;
		j->skipped++;
		count_reason(j, reason);
		if (is_loss(reason) && !(*entry & VF_M_SLOT))
			vf_lose(j, part, offset, 1, VF_TOLD, 0, -1);
	}
	*entry |= VF_M_SKIP;
}

static void on_skip(struct vf_judge *j, const struct vf_event *ev)
{
	const struct vf_line *l = ev->line;
	uint32_t part = vf_part_find(j, &j->src[ev->source], l->topic.s, l->topic.len, l->partition);
	struct vf_part *q = &j->parts[part];

	vf_inc_of(j, ev);
	see_offset(q, l->offset);
	for (int64_t o = l->offset; o <= l->last; o++)
		skip_one(j, part, o, l->reason);
	if (l->offset <= q->frontier)
		advance(q);
}

/* Report the holes in first..last-1 that are still not processed, and go on behind them: each hole once. */
static void report_ahead(struct vf_judge *j, const struct vf_range *r)
{
	struct vf_part *q = &j->parts[r->part];
	int64_t end = r->last, at = BG_MAX(q->frontier, r->first);
	bool any = false;

	while ((at = vf_map_next(&q->map, at, VF_M_DONE, 0, end)) < end) {
		int64_t stop = vf_map_next(&q->map, at, VF_M_DONE, 1, end);
		struct vf_range hole = *r;

		hole.first = at;
		hole.last = stop - 1;
		hole.count = stop - at;
		vf_ranges_add(&j->ahead, &hole);
		j->ahead_n += hole.count;
		any = true;
		at = stop;
	}
	j->ahead_commits += any;
	q->frontier = BG_MAX(q->frontier, end);
	advance(q);
}

/* Commits that looked ahead while a record of another clock could still come before them. */
static void settle_pending(struct vf_judge *j, bool all)
{
	size_t n = 0;

	if (j->n_pending == 0)
		return;
	while (n < j->n_pending && (all || j->pending[n].t + j->opts.clock_error_ns < j->now))
		report_ahead(j, &j->pending[n++]);
	memmove(j->pending, j->pending + n, (j->n_pending - n) * sizeof(*j->pending));
	j->n_pending -= n;
}

static void commit_one(struct vf_judge *j, const struct vf_event *ev, uint32_t inc, const struct bg_off *o)
{
	uint32_t part = vf_part_find(j, &j->src[ev->source], o->topic, strlen(o->topic), o->partition);
	uint32_t ip_no = vf_ip_of(j, inc, part); /* may move ips */
	struct vf_ip *ip = &j->ips[ip_no];
	struct vf_part *q = &j->parts[part];
	struct vf_range r = {.part = part,
			     .last = o->offset,
			     .t = ev->t,
			     .a = inc,
			     .epoch = o->epoch,
			     .lineno = ev->lineno};

	ip->acked = BG_MAX(ip->acked, o->offset);
	ip->refused = false;
	if (o->offset > ip->back)
		ip->back = -1;
	see_offset(q, o->offset);
	q->first_commit = q->first_commit < 0 ? o->offset : BG_MIN(q->first_commit, o->offset);
	q->max_commit = BG_MAX(q->max_commit, o->offset);
	r.first = q->frontier;
	if (o->offset <= q->frontier)
		return;
	if (j->nboots == 1) {
		report_ahead(j, &r);
		return;
	}
	j->pending = bg_xgrow(j->pending, &j->cap_pending, j->n_pending + 1, sizeof(*j->pending));
	j->pending[j->n_pending++] = r;
}

static void on_commit(struct vf_judge *j, const struct vf_event *ev)
{
	uint32_t inc = vf_inc_of(j, ev);
	const struct bg_offs *offs = &ev->line->offs;

	for (size_t i = 0; i < offs->n; i++) {
		const struct bg_off *o = &offs->v[i];

		if (o->epoch > 0)
			vf_epoch_at(j, o->epoch)->mentioned = true;
		if (ev->line->kind == VF_COMMIT || ev->line->kind == VF_COMMIT_REFUSED) {
			uint32_t part = vf_part_find(j, &j->src[ev->source], o->topic, strlen(o->topic),
						     o->partition);
			uint32_t ip = vf_ip_of(j, inc, part);

			if (ev->line->kind == VF_COMMIT)
				j->ips[ip].sent_t = ev->t;
			else
				j->ips[ip].refused = true;
		} else if (ev->line->kind == VF_COMMIT_OK) {
			commit_one(j, ev, inc, o);
		}
	}
	if (ev->line->kind == VF_COMMIT_OK)
		vf_stale_commit(j, ev, inc);
}

static void on_abandon(struct vf_judge *j, const struct vf_event *ev)
{
	uint32_t inc = vf_inc_of(j, ev);

	for (size_t i = 0; i < ev->line->offs.n; i++) {
		const struct bg_off *o = &ev->line->offs.v[i];
		uint32_t part =
			vf_part_find(j, &j->src[ev->source], o->topic, strlen(o->topic), o->partition);
		uint32_t ip = vf_ip_of(j, inc, part);

		j->ips[ip].back = o->offset;
	}
}

/*
 * What a fenced one had processed last and committed to nobody is its in-flight: also what was repeated before it
 * noticed (it was frozen, or cut off), and whether or not its own commit still was refused.
 */
static void on_fenced(struct vf_judge *j, uint32_t inc)
{
	int64_t epoch = -1;

	for (size_t i = 0; i < j->n_slots; i++)
		if (j->slots[i].inc == inc)
			epoch = BG_MAX(epoch, j->slots[i].epoch);
	for (size_t i = 0; i < j->n_slots; i++) {
		struct vf_slot *a = &j->slots[i];

		if (a->inc != inc || a->epoch != epoch)
			continue;
		a->taken = a->taken || a->dup_open > 0;
		j->ips[a->ip].refused = true;
	}
}

static void on_state(struct vf_judge *j, const struct vf_event *ev)
{
	uint32_t inc = vf_inc_of(j, ev);
	struct vf_inc *x = &j->incs[inc];
	struct vf_str to = ev->line->to;

	x->has_state = true;
	/* FENCED is no clean end: what it had acknowledged to nobody comes again elsewhere. */
	x->working = state_is(to, "ACTIVE") || state_is(to, "DRAINING") || state_is(to, "FENCED");
	if (state_is(to, "FENCED"))
		on_fenced(j, inc);
	if (state_is(to, "ACTIVE") && ev->line->epoch >= 0 && x->has_color)
		vf_epoch_at(j, ev->line->epoch)->side[x->color].active = true;
}

void vf_judge_event(struct vf_judge *j, const struct vf_event *ev)
{
	const struct vf_line *l = ev->line;

	j->now = BG_MAX(j->now, ev->t);
	settle_pending(j, false);
	if (l->epoch >= 0) {
		struct vf_epoch *e = vf_epoch_at(j, l->epoch);

		e->lines = true;
		if (l->has_color)
			e->side[l->color].lines = true;
	}
	switch (l->kind) {
	case VF_RECORD:
		on_record(j, ev);
		break;
	case VF_IN:
		on_in(j, ev);
		break;
	case VF_SKIP:
		on_skip(j, ev);
		break;
	case VF_COMMIT:
	case VF_COMMIT_OK:
	case VF_COMMIT_REFUSED:
		on_commit(j, ev);
		break;
	case VF_ABANDON:
		on_abandon(j, ev);
		break;
	case VF_STATE:
		on_state(j, ev);
		break;
	case VF_START:
	case VF_OTHER:
		vf_inc_of(j, ev);
		break;
	}
}

void vf_judge_ledgers_done(struct vf_judge *j)
{
	settle_pending(j, true);
}

void vf_judge_free(struct vf_judge *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->n_parts; i++) {
		struct vf_part *q = &j->parts[i];

		for (size_t k = 0; k < q->n_numbers; k++) {
			vf_map_free(&q->numbers[k].seen);
			vf_map_free(&q->numbers[k].done);
		}
		free(q->numbers);
		vf_map_free(&q->map);
		free(q->topic);
	}
	for (size_t i = 0; i < j->n_incs; i++)
		free(j->incs[i].name);
	for (size_t i = 0; i < j->n_reasons; i++)
		free(j->reasons[i].text);
	free(j->parts);
	free(j->incs);
	free(j->slots);
	free(j->ips);
	free(j->epochs);
	vf_index_free(j->index);
	free(j->src);
	free(j->pending);
	free(j->reasons);
	free(j->lost.v);
	free(j->dups.v);
	free(j->reorders.v);
	free(j->ahead.v);
	free(j->stale.v);
	free(j->switches);
	free(j->gaps);
	free(j);
}
