/* SPDX-License-Identifier: Apache-2.0 */
/* The soak watches and counts: errors of the new colour, seconds in which both colours were seen active. */
#ifndef SW_SOAK_H
#define SW_SOAK_H

#include "switchd/switch.h"

void sw_soak_look_at(const struct sw_inst *i); /* its state changed */
void sw_soak_count(struct sw_inst *i);         /* fresh numbers */
int64_t
sw_soak_errors(const struct sw_switch *sw); /* of the active colour, since the soak began; 0: unknown */
int64_t sw_soak_dual_us(const struct sw_switch *sw);
/* Lag of a colour by its statuses; -1: no instance says. */
int64_t sw_color_lag(const struct sw_switch *sw, enum bg_color c);
/* Partitions that no reachable instance of the active colour holds; 0 while nothing is active. */
/* Does a reachable instance of the colour hold the partition? */
bool sw_held(const struct sw_switch *sw, enum bg_color c, const char *topic, int32_t partition);
size_t sw_stalled(const struct sw_switch *sw);

#endif
