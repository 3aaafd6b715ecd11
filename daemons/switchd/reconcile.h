/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the record demands is sent to whoever differs from it, while no switch is under way: pause at the
 * record's epoch to those that should be paused, resume with the snapshot's offsets to the active ones.
 */
#ifndef SW_RECONCILE_H
#define SW_RECONCILE_H

#include "switchd/switch.h"

enum sw_wish {
	SW_WISH_NONE,
	SW_WISH_PAUSE,
	SW_WISH_RESUME,
	SW_WISH_ASSERT, /* a newer epoch, or FENCED: no repetition, a new intent (rule 1) */
};

/* Pure: what the record demands of an instance in this state. now_us: bg_now_us. */
enum sw_wish sw_reconcile_wish(const struct sw_switch *sw, const struct sw_inst *i, int64_t now_us);
void sw_reconcile_one(struct sw_inst *i);
/* A switch begins: what is under way is at an epoch that will be old. */
void sw_reconcile_quiet(struct sw_switch *sw);
/* It has started anew: whatever was asked of the process before is moot. */
void sw_reconcile_afresh(struct sw_inst *i);
void sw_reconcile_all(struct sw_switch *sw);
void sw_reconcile_start(struct sw_switch *sw); /* every reconcile-interval */
void sw_reconcile_stop(struct sw_switch *sw);

#endif
