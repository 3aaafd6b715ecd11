/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/cmd.h"

#include "bgctl/body.h"
#include "bgctl/schedule.h"
#include "bgctl/wait.h"
#include "common/json.h"

int cmd_switch(struct ctl *c)
{
	struct json_object *body;
	int rc = ctl_need_color(c, c->args[0]);

	if (rc)
		return rc;
	body = ctl_body(c);
	bg_json_add_str(body, "to", c->args[0]);
	if (c->at_us)
		return ctl_schedule(c, body);
	if (c->dry_run)
		return ctl_dry_run(c, "/switch", body, "a switch to");
	return ctl_command(c, "/switch", body, "switch");
}
