/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/cmd.h"

#include "bgctl/hold.h"

int cmd_release(struct ctl *c)
{
	return ctl_set_hold(c, "/release");
}
