/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sparse array of 32-bit values by offset: who processed what. 4 bytes a record where offsets are dense;
 * wild offsets of a damaged ledger cost one page each, not the distance.
 */
#ifndef BG_VERIFY_MAP_H
#define BG_VERIFY_MAP_H

#include <stddef.h>
#include <stdint.h>

struct vf_page;
struct vf_map {
	struct vf_page **v; /* sorted by page number */
	size_t n, cap, last;
};

uint32_t vf_map_get(struct vf_map *m, int64_t i); /* 0 where nothing was set */
uint32_t *vf_map_at(struct vf_map *m, int64_t i); /* makes the page; valid until the map is freed */
/* The smallest j >= i whose value has a bit of `mask` set (want = 1) or none of it (want = 0); at most `limit`. */
int64_t vf_map_next(struct vf_map *m, int64_t i, uint32_t mask, int want, int64_t limit);
/* How many in first..limit-1 have a bit of `mask`. */
int64_t vf_map_count(struct vf_map *m, int64_t first, int64_t limit, uint32_t mask);
void vf_map_free(struct vf_map *m);

#endif
