/* SPDX-License-Identifier: Apache-2.0 */
/* Rule 3's reading: the committed offsets, with metadata, of the own group and the peer group. */
#ifndef BG_CONSUMERD_READING_H
#define BG_CONSUMERD_READING_H

#include "consumerd/con.h"

#define CON_READ_DEADLINE_US 2000000

/* The committed offsets of both groups, read side by side. */
struct con_reading {
	struct con *c;
	uint64_t gen;
	int waiting;
	bool failed;
	struct bg_err err;
	struct bg_offs own, peer;
	void (*done)(struct con_reading *r); /* it may look and take; the reading is freed after it */
};

/* Read both side by side (plain mode: the own one); done is called once, later. `gen` is the caller's. */
void con_read_commits(struct con *c, uint64_t gen, void (*done)(struct con_reading *r));
/* The highest epoch or floor that any of the commits carries. */
int64_t con_reading_floor(const struct con_reading *r);

#endif
