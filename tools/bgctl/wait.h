/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BGCTL_WAIT_H
#define BGCTL_WAIT_H

#include "bgctl/ctl.h"

/* Print the steps of switch `id` as they come, until it has ended, and how. Returns the exit status. */
int ctl_wait(struct ctl *c, const char *id);
/* How a switch ended, in a line or two. Returns the exit status. */
int ctl_print_end(struct ctl *c, struct json_object *entry);
/* POST to …/{name}TAIL with body (taken), then as --wait and --json say. what: "switch", for the message. */
int ctl_command(struct ctl *c, const char *tail, struct json_object *body, const char *what);
/* The same, as a dry run: what the preflight says. what: "a switch to", which the argument follows. */
int ctl_dry_run(struct ctl *c, const char *tail, struct json_object *body, const char *what);
/* The rules of a preflight that are not plain go, or all. */
void ctl_print_rules(struct ctl *c, struct json_object *rules, bool all);

#endif
