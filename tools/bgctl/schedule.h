/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BGCTL_SCHEDULE_H
#define BGCTL_SCHEDULE_H

#include "bgctl/ctl.h"

/* Ask for the switch of body (taken) at c->at_us, or for the dry run of it. Returns the exit status. */
int ctl_schedule(struct ctl *c, struct json_object *body);
/* A line each: "to green at …, by alice: why", "frozen until …". */
void ctl_print_schedule(struct ctl *c, struct json_object *schedule);
void ctl_print_freeze(struct ctl *c, struct json_object *freeze);
/* Those that a switch has. */
void ctl_print_plans(struct ctl *c, struct json_object *sw);

#endif
