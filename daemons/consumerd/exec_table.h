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
	uint64_t end;        /* where its bytes end in the stream to the child; exec_table_queued */
	uint32_t prev, next; /* by number; index + 1, 0: none */
};

struct exec_table {
	struct exec_slot *slots;
	uint32_t *hash; /* index + 1 of the slot; 0: empty */
	size_t cap, nhash, count;
	uint32_t free, head, tail;
	/* The stream to the child: bytes that went out, those of whole records, and the oldest record that is not among them. */
	uint64_t sent, whole;
	uint32_t unsent; /* 0: all have gone out */
	uint64_t next;   /* the number of the next record */
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
/* A stream begins, for a new child. */
void exec_table_stream(struct exec_table *t);
/* With the record that was put in last, so many bytes have not gone out. */
void exec_table_queued(struct exec_table *t, size_t unsent);
/* So many more bytes went out. From now on the records that they complete are with the child: given_us. */
void exec_table_sent(struct exec_table *t, size_t bytes, int64_t now_us);
/* The highest number that the child can know; 0: none. */
uint64_t exec_table_known(const struct exec_table *t);
/* Of the records that have not gone out whole the oldest; the one that was put in behind another. NULL: there is none. */
struct exec_slot *exec_table_unsent(const struct exec_table *t);
struct exec_slot *exec_table_behind(const struct exec_table *t, const struct exec_slot *s);
/* The oldest; NULL: the table is empty. */
const struct exec_slot *exec_table_oldest(const struct exec_table *t);

#endif
