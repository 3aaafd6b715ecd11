/* SPDX-License-Identifier: Apache-2.0 */
/* The offsets that were handed over at an epoch: a snapshot of their own, with its hash in the record. */
#ifndef SW_SNAPSHOT_H
#define SW_SNAPSHOT_H

#include "switchd/switch.h"

void sw_sha256_hex(const char *text, char ret[65]);
/* Write it, and name it in sw->rec (which the caller saves). fn (may be NULL) gets sw as its argument. */
void sw_snapshot_save(struct sw_switch *sw, int64_t epoch, int active, const char *id,
		      const struct bg_offs *offs, sw_persist_fn fn);

/*
 * Partitions that an active instance was given since the hand-over, and that nobody has an offset of, start by
 * policy: those newer than the last activation at their earliest. The offsets join what was handed over, and
 * are sent by the reconciliation.
 */
void sw_newcomers_look(struct sw_switch *sw); /* a status has come */
void sw_newcomers_stop(struct sw_switch *sw);

#endif
