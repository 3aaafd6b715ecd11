/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BGCTL_INSTANCES_H
#define BGCTL_INSTANCES_H

#include "bgctl/ctl.h"

/* The table of instances of a switch; with_url: where each is, and what troubles it. */
void ctl_print_instances(struct ctl *c, struct json_object *sw, bool with_url);

#endif
