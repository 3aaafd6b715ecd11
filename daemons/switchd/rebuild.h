/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the record of truth is gone (W-13): epoch = 1 + the highest of hellos, statuses and commit metadata;
 * exactly one colour ACTIVE is adopted; otherwise UNKNOWN, which moves nobody until `init`.
 */
#ifndef SW_REBUILD_H
#define SW_REBUILD_H

#include "switchd/switch.h"

/* Pure: the colour to adopt, or SW_NO_COLOR and why not. */
int sw_rebuild_choose(const struct sw_switch *sw, const char **ret_why);
void sw_rebuild_look(struct sw_switch *sw); /* an instance changed */
void sw_rebuild_stop(struct sw_switch *sw);

#endif
