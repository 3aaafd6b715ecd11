/* SPDX-License-Identifier: Apache-2.0 */
/* The commands. Adding one: a file cmd_NAME.c, a line here, a row in the table of cmd.c. */
#ifndef BGCTL_CMD_H
#define BGCTL_CMD_H

#include "bgctl/ctl.h"

int cmd_abort(struct ctl *c);
int cmd_doctor(struct ctl *c);
int cmd_history(struct ctl *c);
int cmd_freeze(struct ctl *c);
int cmd_hold(struct ctl *c);
int cmd_init(struct ctl *c);
int cmd_instances(struct ctl *c);
int cmd_preflight(struct ctl *c);
int cmd_release(struct ctl *c);
int cmd_restore(struct ctl *c);
int cmd_rollback(struct ctl *c);
int cmd_schedule(struct ctl *c);
int cmd_snapshots(struct ctl *c);
int cmd_status(struct ctl *c);
int cmd_switch(struct ctl *c);
int cmd_tail(struct ctl *c);
int cmd_thaw(struct ctl *c);
int cmd_unschedule(struct ctl *c);
int cmd_version(struct ctl *c);

/* The whole program. Returns the exit status. */
int bgctl_main(int argc, char **argv, FILE *out, FILE *err);

#endif
