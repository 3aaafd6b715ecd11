/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records that a child has, by their number. Numbers grow by one with every record that is given and are
 * never used twice, so the list is in the order of giving. Pure bookkeeping.
 */
#ifndef BG_CONSUMERD_EXEC_TABLE_H
#define BG_CONSUMERD_EXEC_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct exec_slot {
	uint64_t n;
	void *rec; /* the caller's; NULL: the slot is free */
	int64_t given_us;
	uint32_t prev, next; /* by number; index + 1, 0: none */
};

struct exec_table {
	struct exec_slot *slots;
	uint32_t *hash; /* index + 1 of the slot; 0: empty */
	size_t cap, nhash, count;
	uint32_t free, head, tail;
	uint64_t next; /* the number of the next record */
};

void exec_table_init(struct exec_table *t, size_t expected);
void exec_table_free(struct exec_table *t);
/* Put a record in; its number. */
uint64_t exec_table_put(struct exec_table *t, void *rec, int64_t now_us);
/* Take the record with number n out; NULL: it is not there. */
void *exec_table_take(struct exec_table *t, uint64_t n);
/*
 * Take the lowest of *first..last out, and set *first behind it; NULL: none is there. Costs no more for a wide range
 * than for what is there.
 */
void *exec_table_take_range(struct exec_table *t, uint64_t *first, uint64_t last);
/* The oldest; NULL: the table is empty. */
const struct exec_slot *exec_table_oldest(const struct exec_table *t);

#endif
