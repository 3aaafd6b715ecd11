/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/cmd.h"

#include "bgctl/body.h"
#include "bgctl/wait.h"

int cmd_abort(struct ctl *c)
{
	return ctl_command(c, "/abort", ctl_body(c), "abort");
}
