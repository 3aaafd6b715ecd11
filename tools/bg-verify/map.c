/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bg-verify/map.h"

#include <stdbool.h>
#include <string.h>

#include "common/mem.h"

#define PAGE_BITS 10
#define PAGE_SIZE (1 << PAGE_BITS)

struct vf_page {
	int64_t no;
	uint32_t v[PAGE_SIZE];
};

/* Index of the first page whose number is at least `no`. Neighbours of the last one are the usual case. */
static size_t page_index(struct vf_map *m, int64_t no)
{
	size_t lo = 0, hi = m->n;

	for (size_t i = m->last; i < m->n && i <= m->last + 1; i++)
		if (m->v[i]->no == no)
			return m->last = i;
	if (m->n > 0 && m->v[m->n - 1]->no < no)
		return m->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (m->v[mid]->no < no)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uint32_t vf_map_get(struct vf_map *m, int64_t i)
{
	size_t at = page_index(m, i >> PAGE_BITS);

	if (at == m->n || m->v[at]->no != i >> PAGE_BITS)
		return 0;
	m->last = at;
	return m->v[at]->v[i & (PAGE_SIZE - 1)];
}

uint32_t *vf_map_at(struct vf_map *m, int64_t i)
{
	int64_t no = i >> PAGE_BITS;
	size_t at = page_index(m, no);

	if (at == m->n || m->v[at]->no != no) {
		struct vf_page *p = bg_xcalloc(1, sizeof(*p));

		p->no = no;
		m->v = bg_xgrow(m->v, &m->cap, m->n + 1, sizeof(*m->v));
		memmove(&m->v[at + 1], &m->v[at], (m->n - at) * sizeof(*m->v));
		m->v[at] = p;
		m->n++;
	}
	m->last = at;
	return &m->v[at]->v[i & (PAGE_SIZE - 1)];
}

int64_t vf_map_next(struct vf_map *m, int64_t i, uint32_t mask, int want, int64_t limit)
{
	while (i < limit) {
		size_t at = page_index(m, i >> PAGE_BITS);
		bool there = at < m->n && m->v[at]->no == i >> PAGE_BITS;

		if (!there && !want)
			return i;
		if (!there) { /* jump to the next page there is */
			if (at == m->n)
				return limit;
			i = m->v[at]->no << PAGE_BITS;
			continue;
		}
		m->last = at;
		do {
			if (!(m->v[at]->v[i & (PAGE_SIZE - 1)] & mask) == !want)
				return i < limit ? i : limit;
		} while (++i & (PAGE_SIZE - 1));
	}
	return limit;
}

int64_t vf_map_count(struct vf_map *m, int64_t first, int64_t limit, uint32_t mask)
{
	int64_t n = 0;

	for (size_t at = page_index(m, first >> PAGE_BITS); at < m->n; at++) {
		int64_t base = m->v[at]->no << PAGE_BITS;

		if (base >= limit)
			break;
		for (int k = 0; k < PAGE_SIZE; k++)
			n += base + k >= first && base + k < limit && (m->v[at]->v[k] & mask);
	}
	return n;
}

void vf_map_free(struct vf_map *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->v[i]);
	free(m->v);
	*m = (struct vf_map){0};
}
