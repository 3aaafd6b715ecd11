/* SPDX-License-Identifier: Apache-2.0 */
/* What happens, told as it happens: to the log and to listeners of GET /v1/events. */
#ifndef SW_EVENTS_H
#define SW_EVENTS_H

#include "common/http_server.h"
#include "switchd/switch.h"

struct sw_events *sw_events_new(struct bg_loop *l);
void sw_events_free(struct sw_events *e);
void sw_events_listen(struct sw_events *e, struct bg_http_req *req); /* takes the request */
/* Told in the next turn of the loop, in order. */
void sw_events_phase(struct sw_switch *sw, enum sw_state old, enum sw_state next, enum sw_event ev);
void sw_events_instance(const struct sw_inst *i);
void sw_events_end(struct sw_switch *sw); /* sw->last */

#endif
