/* SPDX-License-Identifier: Apache-2.0 */
/* What happens, told as it happens: to the log and to those who follow GET /v1/events (stream.h). */
#ifndef SW_EVENTS_H
#define SW_EVENTS_H

#include "switchd/switch.h"

struct sw_stream;
struct json_object;

struct sw_events *sw_events_new(struct bg_loop *l);
void sw_events_free(struct sw_events *e);
struct sw_stream *sw_events_stream(struct sw_events *e);
/* The end of the process is near: tell what waits, and the followers that it ends; their server ends the streams. */
void sw_events_stop(struct sw_events *e);
/* Told in the next turn of the loop, in order. */
void sw_events_phase(struct sw_switch *sw, enum sw_state old, enum sw_state next, enum sw_event ev);
void sw_events_instance(struct sw_inst *i);
void sw_events_end(struct sw_switch *sw);  /* sw->last */
void sw_events_hold(struct sw_switch *sw); /* sw->rec.hold has changed */
/* What is thought of the colour that soaks: "rollback", "stays", "well". The rule, a name, or NULL; message copied. */
void sw_events_soak(struct sw_switch *sw, const char *verdict, const char *rule, const char *message);
/* Any other event: its name (a literal), and its members (taken). */
void sw_events_tell(struct sw_switch *sw, const char *type, struct json_object *members);
void sw_events_look(struct sw_switch *sw); /* has sw->degraded changed since it was told last? Cheap */

#endif
