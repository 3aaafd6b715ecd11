/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/cmd.h"

#include "bgctl/body.h"
#include "bgctl/wait.h"

int cmd_rollback(struct ctl *c)
{
	return ctl_command(c, "/rollback", ctl_body(c), "rollback");
}
