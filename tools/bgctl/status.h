/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BGCTL_STATUS_H
#define BGCTL_STATUS_H

#include "bgctl/instances.h"

/* A switch, whole (cmd_status.c). */
void ctl_print_status(struct ctl *c, struct json_object *sw, enum ctl_columns columns);
/* All of them, a line each; an array. */
void ctl_print_list(struct ctl *c, struct json_object *all);
/* `bgctl status --watch` (watch.c). Returns the exit status. */
int ctl_watch(struct ctl *c);

#endif
