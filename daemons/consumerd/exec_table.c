/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/exec_table.h"

#include <string.h>

#include "common/mem.h"

/* Fibonacci hashing: consecutive numbers are spread evenly, in runs that are short. Side by side they would make one
 * long run, and each taking out would walk along it. */
static size_t home(const struct exec_table *t, uint64_t n)
{
	return (size_t)(n * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (t->nhash - 1);
}

static void hash_add(struct exec_table *t, uint32_t slot)
{
	size_t i = home(t, t->slots[slot - 1].n);

	while (t->hash[i])
		i = (i + 1) & (t->nhash - 1);
	t->hash[i] = slot;
}

/* Where n is, or where the search for it ends. */
static size_t hash_at(const struct exec_table *t, uint64_t n)
{
	size_t i = home(t, n);

	while (t->hash[i] && t->slots[t->hash[i] - 1].n != n)
		i = (i + 1) & (t->nhash - 1);
	return i;
}

/* Close the gap: who was pushed on past it by a collision comes back. */
static void hash_drop(struct exec_table *t, size_t gap)
{
	size_t i = gap;

	t->hash[gap] = 0;
	for (;;) {
		size_t want;

		i = (i + 1) & (t->nhash - 1);
		if (!t->hash[i])
			return;
		want = home(t, t->slots[t->hash[i] - 1].n);
		if (((i - want) & (t->nhash - 1)) < ((i - gap) & (t->nhash - 1)))
			continue;
		t->hash[gap] = t->hash[i];
		t->hash[i] = 0;
		gap = i;
	}
}

static void grow(struct exec_table *t)
{
	size_t cap = t->cap ? t->cap * 2 : 64;

	t->slots = bg_xrealloc(t->slots, cap * sizeof *t->slots);
	for (size_t i = cap; i > t->cap; i--) {
		t->slots[i - 1] = (struct exec_slot){.next = t->free};
		t->free = (uint32_t)i;
	}
	t->cap = cap;
	free(t->hash);
	t->nhash = cap * 2;
	t->hash = bg_xcalloc(t->nhash, sizeof *t->hash);
	for (uint32_t s = t->head; s; s = t->slots[s - 1].next)
		hash_add(t, s);
}

void exec_table_init(struct exec_table *t, size_t expected)
{
	memset(t, 0, sizeof *t);
	t->next = 1;
	do
		grow(t);
	while (t->cap < expected);
}

void exec_table_free(struct exec_table *t)
{
	free(t->slots);
	free(t->hash);
	memset(t, 0, sizeof *t);
}

uint64_t exec_table_put(struct exec_table *t, void *rec, int64_t now_us)
{
	struct exec_slot *s;
	uint32_t no;

	if (!t->free)
		grow(t);
	no = t->free;
	s = &t->slots[no - 1];
	t->free = s->next;
	*s = (struct exec_slot){.n = t->next++, .rec = rec, .given_us = now_us, .prev = t->tail};
	if (t->tail)
		t->slots[t->tail - 1].next = no;
	else
		t->head = no;
	t->tail = no;
	t->count++;
	hash_add(t, no);
	if (!t->unsent)
		t->unsent = no;
	return s->n;
}

void exec_table_stream(struct exec_table *t)
{
	t->sent = t->whole = 0;
}

void exec_table_queued(struct exec_table *t, size_t unsent)
{
	t->slots[t->tail - 1].end = t->sent + unsent;
}

void exec_table_sent(struct exec_table *t, size_t bytes, int64_t now_us)
{
	t->sent += bytes;
	while (t->unsent && t->slots[t->unsent - 1].end <= t->sent) {
		t->whole = t->slots[t->unsent - 1].end;
		t->slots[t->unsent - 1].given_us = now_us;
		t->unsent = t->slots[t->unsent - 1].next;
	}
}

uint64_t exec_table_known(const struct exec_table *t)
{
	return (t->unsent ? t->slots[t->unsent - 1].n : t->next) - 1;
}

struct exec_slot *exec_table_unsent(const struct exec_table *t)
{
	return t->unsent ? &t->slots[t->unsent - 1] : NULL;
}

struct exec_slot *exec_table_behind(const struct exec_table *t, const struct exec_slot *s)
{
	return s->next ? &t->slots[s->next - 1] : NULL;
}

static void *take_at(struct exec_table *t, size_t at)
{
	uint32_t no = t->hash[at];
	struct exec_slot *s = &t->slots[no - 1];
	void *rec = s->rec;

	hash_drop(t, at);
	if (t->unsent == no)
		t->unsent = s->next;
	if (s->prev)
		t->slots[s->prev - 1].next = s->next;
	else
		t->head = s->next;
	if (s->next)
		t->slots[s->next - 1].prev = s->prev;
	else
		t->tail = s->prev;
	*s = (struct exec_slot){.next = t->free};
	t->free = no;
	t->count--;
	return rec;
}

void *exec_table_take(struct exec_table *t, uint64_t n)
{
	size_t at = hash_at(t, n);

	return t->hash[at] ? take_at(t, at) : NULL;
}

void *exec_table_take_range(struct exec_table *t, uint64_t *first, uint64_t last)
{
	uint64_t n = *first;
	size_t at = hash_at(t, n);
	uint32_t s;

	if (n > last)
		return NULL;
	if (!t->hash[at]) {
		for (s = t->head; s && t->slots[s - 1].n < n; s = t->slots[s - 1].next)
			;
		if (!s || t->slots[s - 1].n > last)
			return NULL;
		n = t->slots[s - 1].n;
		at = hash_at(t, n);
	}
	*first = n + 1;
	return take_at(t, at);
}

const struct exec_slot *exec_table_oldest(const struct exec_table *t)
{
	return t->head ? &t->slots[t->head - 1] : NULL;
}
