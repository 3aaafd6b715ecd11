/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/cmd.h"

#include "bgctl/body.h"
#include "bgctl/wait.h"
#include "common/json.h"

int cmd_init(struct ctl *c)
{
	struct json_object *body;
	int rc = ctl_need_color(c, c->args[0]);

	if (rc)
		return rc;
	if (!c->from) {
		fprintf(c->err, "bgctl: init: --from is missing: group:G, earliest, latest or committed\n");
		return CTL_USAGE;
	}
	body = ctl_body(c);
	bg_json_add_str(body, "active", c->args[0]);
	bg_json_add_str(body, "from", c->from);
	return ctl_command(c, "/init", body, "init");
}
