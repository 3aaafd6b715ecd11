/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/cmd.h"

#include "bgctl/hold.h"

#include "bgctl/body.h"
#include "bgctl/client.h"
#include "bgctl/out.h"
#include "common/json.h"
#include "common/mem.h"

int ctl_set_hold(struct ctl *c, const char *tail)
{
	_cleanup_json_ struct json_object *body = ctl_body(c);
	_cleanup_answer_ struct ctl_answer a = {0};
	int rc = ctl_ask(c, "POST", tail, body, 10000, &a);

	if (rc)
		return rc;
	if (c->json) {
		out_json(c, a.json);
		return CTL_DONE;
	}
	out_clean(c->out, c->name);
	fputs(bg_json_bool(a.json, "hold", false) ? " is held: nothing moves until `bgctl release`\n"
						  : " is released: switches are allowed again\n",
	      c->out);
	return CTL_DONE;
}

int cmd_hold(struct ctl *c)
{
	return ctl_set_hold(c, "/hold");
}
