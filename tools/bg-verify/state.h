/* SPDX-License-Identifier: Apache-2.0 */
/* The judge's tables: who, where, when. All return indexes or pointers that are valid until the next insert. */
#ifndef BG_VERIFY_STATE_H
#define BG_VERIFY_STATE_H

#include "bg-verify/judge.h"

#define VF_CACHE 1024

struct vf_source_state {
	uint32_t inc;                  /* + 1; 0: none yet */
	uint32_t part_cache[VF_CACHE]; /* index + 1, by partition number */
	uint32_t slot_cache[VF_CACHE]; /* slot + 1, by partition index */
	bool mixed_said;
};

struct vf_index *vf_index_new(void);
void vf_index_free(struct vf_index *x);
/* The value of (kind, a, b, c), or a new one: *fresh is then true and the value is `next`. */
uint32_t vf_index_at(struct vf_index *x, uint64_t a, uint64_t b, uint32_t next, bool *fresh);

uint32_t vf_part_find(struct vf_judge *j, struct vf_source_state *s, const char *topic, size_t len,
		      int32_t p);
/* The incarnation of this event; a line of another instance than the ledger's is an error once. */
uint32_t vf_inc_of(struct vf_judge *j, const struct vf_event *ev);
uint32_t vf_slot_of(struct vf_judge *j, struct vf_source_state *s, uint32_t inc, uint32_t part,
		    int64_t epoch);
uint32_t vf_ip_of(struct vf_judge *j, uint32_t inc, uint32_t part);
struct vf_epoch *vf_epoch_at(struct vf_judge *j, int64_t epoch);
/* The first epoch above `epoch` at which `color` processed; NULL: none. */
struct vf_epoch *vf_epoch_above(struct vf_judge *j, int64_t epoch, enum bg_color color);
/* Keep a range; NULL when the list is full (counted). */
struct vf_range *vf_ranges_add(struct vf_ranges *r, const struct vf_range *v);
/* Within one clock, or more than the clock error apart. */
bool vf_surely_after(const struct vf_judge *j, int64_t t, int boot, int64_t t0, int boot0);

#endif
