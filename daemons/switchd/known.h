/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the instances have said of their membership, kept beside the record: a bg-switchd that is started anew while
 * one of them is dead or frozen can still fence it.
 */
#ifndef SW_KNOWN_H
#define SW_KNOWN_H

#include "switchd/switch.h"

/* {url: {"instance","group","assignor","subscription","static_ids","heartbeat_interval_ms","session_timeout_ms"}}; NULL
 * when nobody is ever fenced. The caller owns it. */
struct json_object *sw_known_to_json(const struct sw_switch *sw);
/* Into the instances that are configured now; what is damaged is left out, and said. */
void sw_known_take(struct sw_switch *sw, struct json_object *known);

#endif
