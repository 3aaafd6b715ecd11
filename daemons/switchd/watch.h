/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A long poll of GET /lifecycle/status is kept open to every instance, so that states are known as they change; beyond
 * 256 instances in turns (watch.c).
 */
#ifndef SW_WATCH_H
#define SW_WATCH_H

#include "switchd/switch.h"

void sw_watch_start(struct sw_switch *sw);
void sw_watch_stop(struct sw_switch *sw);
void sw_watch_kick(struct sw_inst *i); /* ask at once: it has said hello */

#endif
