/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bg-verify/state.h"

#include <string.h>

#include "common/mem.h"

struct cell {
	uint64_t a, b;
	uint32_t v; /* + 1; 0: empty */
};
struct vf_index {
	struct cell *v;
	size_t n, size; /* size: a power of two */
};

struct vf_index *vf_index_new(void)
{
	struct vf_index *x = bg_xcalloc(1, sizeof(*x));

	x->size = 1024;
	x->v = bg_xcalloc(x->size, sizeof(*x->v));
	return x;
}

void vf_index_free(struct vf_index *x)
{
	if (x)
		free(x->v);
	free(x);
}

static struct cell *cell_at(struct cell *v, size_t size, uint64_t a, uint64_t b)
{
	uint64_t h = (a * 0x9e3779b97f4a7c15u) ^ (b * 0xc2b2ae3d27d4eb4fu);

	h ^= h >> 29;
	for (size_t i = (size_t)h & (size - 1);; i = (i + 1) & (size - 1))
		if (v[i].v == 0 || (v[i].a == a && v[i].b == b))
			return &v[i];
}

static void index_grow(struct vf_index *x)
{
	struct cell *v = bg_xcalloc(x->size * 2, sizeof(*v));

	for (size_t i = 0; i < x->size; i++)
		if (x->v[i].v)
			*cell_at(v, x->size * 2, x->v[i].a, x->v[i].b) = x->v[i];
	free(x->v);
	x->v = v;
	x->size *= 2;
}

uint32_t vf_index_at(struct vf_index *x, uint64_t a, uint64_t b, uint32_t next, bool *fresh)
{
	struct cell *c;

	if (x->n * 2 >= x->size)
		index_grow(x);
	c = cell_at(x->v, x->size, a, b);
	*fresh = c->v == 0;
	if (*fresh) {
		*c = (struct cell){a, b, next + 1};
		x->n++;
	}
	return c->v - 1;
}

static bool part_is(const struct vf_part *q, const char *topic, size_t len, int32_t p)
{
	return q->p == p && strncmp(q->topic, topic, len) == 0 && q->topic[len] == '\0';
}

uint32_t vf_part_find(struct vf_judge *j, struct vf_source_state *s, const char *topic, size_t len, int32_t p)
{
	uint32_t *hint = s ? &s->part_cache[(uint32_t)p % VF_CACHE] : NULL;
	bool known_topic = false;
	struct vf_part *q;

	if (hint && *hint && part_is(&j->parts[*hint - 1], topic, len, p))
		return *hint - 1;
	for (size_t i = 0; i < j->n_parts; i++) {
		if (part_is(&j->parts[i], topic, len, p)) {
			if (hint)
				*hint = (uint32_t)i + 1;
			return (uint32_t)i;
		}
		known_topic = known_topic || part_is(&j->parts[i], topic, len, j->parts[i].p);
	}
	j->parts = bg_xgrow(j->parts, &j->cap_parts, j->n_parts + 1, sizeof(*j->parts));
	q = &j->parts[j->n_parts];
	memset(q, 0, sizeof(*q));
	q->topic = bg_xstrndup(topic, len);
	q->p = p;
	q->base = q->min_done = q->max_done = q->first_commit = q->max_commit = q->run_first = q->run_last =
		-1;
	if (hint)
		*hint = (uint32_t)j->n_parts + 1;
	if (!known_topic && j->on_topic)
		j->on_topic(j->on_topic_arg, q->topic);
	return (uint32_t)j->n_parts++;
}

static uint32_t inc_new(struct vf_judge *j, const struct vf_event *ev)
{
	struct vf_inc *x;

	j->incs = bg_xgrow(j->incs, &j->cap_incs, j->n_incs + 1, sizeof(*j->incs));
	x = &j->incs[j->n_incs];
	memset(x, 0, sizeof(*x));
	x->source = ev->source;
	x->boot = ev->boot;
	x->name = bg_xstrndup(ev->line->instance.s ? ev->line->instance.s : "", ev->line->instance.len);
	x->color = ev->line->color;
	x->has_color = ev->line->has_color;
	x->last_t = ev->t;
	return (uint32_t)j->n_incs++;
}

uint32_t vf_inc_of(struct vf_judge *j, const struct vf_event *ev)
{
	struct vf_source_state *s = &j->src[ev->source];
	const struct vf_line *l = ev->line;
	struct vf_inc *x;

	if (l->kind == VF_START || s->inc == 0) {
		if (s->inc)
			j->incs[s->inc - 1].restarted = true;
		s->inc = inc_new(j, ev) + 1;
		memset(s->slot_cache, 0, sizeof(s->slot_cache));
		return s->inc - 1;
	}
	x = &j->incs[s->inc - 1];
	if (x->name[0] == '\0' && l->instance.len > 0) {
		free(x->name);
		x->name = bg_xstrndup(l->instance.s, l->instance.len);
	}
	if (!x->has_color && l->has_color) {
		x->color = l->color;
		x->has_color = true;
	}
	if (((l->instance.len > 0 &&
	      (strlen(x->name) != l->instance.len || memcmp(x->name, l->instance.s, l->instance.len))) ||
	     (l->has_color && l->color != x->color)) &&
	    !s->mixed_said) {
		s->mixed_said = true;
		vf_error(
			j->notes,
			"line %lld of the ledger of %s (%s) is one of %.*s (%s): a ledger holds one instance, give "
			"each by itself",
			(long long)ev->lineno, x->name, bg_color_name(x->color), (int)l->instance.len,
			l->instance.s ? l->instance.s : "", bg_color_name(l->color));
	}
	if (ev->t > x->last_t)
		x->last_t = ev->t;
	return s->inc - 1;
}

uint32_t vf_ip_of(struct vf_judge *j, uint32_t inc, uint32_t part)
{
	bool fresh;
	uint32_t ip =
		vf_index_at(j->index, (uint64_t)inc << 32 | part, UINT64_MAX, (uint32_t)j->n_ips, &fresh);

	if (fresh) {
		j->ips = bg_xgrow(j->ips, &j->cap_ips, j->n_ips + 1, sizeof(*j->ips));
		j->ips[j->n_ips++] = (struct vf_ip){-1, -1, -1, false};
	}
	return ip;
}

uint32_t vf_slot_of(struct vf_judge *j, struct vf_source_state *s, uint32_t inc, uint32_t part, int64_t epoch)
{
	uint32_t *hint = &s->slot_cache[part % VF_CACHE], no;
	struct vf_slot *x;
	bool fresh;

	if (*hint) {
		x = &j->slots[*hint - 1];
		if (x->inc == inc && x->part == part && x->epoch == epoch)
			return *hint - 1;
	}
	no = vf_index_at(j->index, (uint64_t)inc << 32 | part, (uint64_t)epoch, (uint32_t)j->n_slots, &fresh);
	if (fresh) {
		j->slots = bg_xgrow(j->slots, &j->cap_slots, j->n_slots + 1, sizeof(*j->slots));
		x = &j->slots[j->n_slots++];
		memset(x, 0, sizeof(*x));
		x->inc = inc;
		x->part = part;
		x->ip = vf_ip_of(j, inc, part);
		x->epoch = epoch;
		x->last_o = x->last_in = x->first_t = x->dup_open_t = -1;
	}
	*hint = no + 1;
	return no;
}

struct vf_epoch *vf_epoch_at(struct vf_judge *j, int64_t epoch)
{
	size_t lo = 0, hi = j->n_epochs;

	if (j->last_epoch < j->n_epochs && j->epochs[j->last_epoch].epoch == epoch)
		return &j->epochs[j->last_epoch];
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (j->epochs[mid].epoch < epoch)
			lo = mid + 1;
		else
			hi = mid;
	}
	j->last_epoch = lo;
	if (lo < j->n_epochs && j->epochs[lo].epoch == epoch)
		return &j->epochs[lo];
	j->epochs = bg_xgrow(j->epochs, &j->cap_epochs, j->n_epochs + 1, sizeof(*j->epochs));
	memmove(&j->epochs[lo + 1], &j->epochs[lo], (j->n_epochs - lo) * sizeof(*j->epochs));
	memset(&j->epochs[lo], 0, sizeof(j->epochs[lo]));
	j->epochs[lo].epoch = epoch;
	j->n_epochs++;
	return &j->epochs[lo];
}

struct vf_epoch *vf_epoch_above(struct vf_judge *j, int64_t epoch, enum bg_color color)
{
	struct vf_epoch *e = vf_epoch_at(j, epoch), *end = j->epochs + j->n_epochs;

	for (e++; e < end; e++)
		if (e->side[color].used)
			return e;
	return NULL;
}

struct vf_range *vf_ranges_add(struct vf_ranges *r, const struct vf_range *v)
{
	if (r->n >= VF_LIST_KEPT) {
		r->dropped++;
		return NULL;
	}
	r->v = bg_xgrow(r->v, &r->cap, r->n + 1, sizeof(*r->v));
	r->v[r->n] = *v;
	return &r->v[r->n++];
}

bool vf_surely_after(const struct vf_judge *j, int64_t t, int boot, int64_t t0, int boot0)
{
	return t - t0 > (boot == boot0 ? 0 : j->opts.clock_error_ns);
}
