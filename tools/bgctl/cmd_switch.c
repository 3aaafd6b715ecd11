/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/cmd.h"

#include <string.h>

#include "bgctl/body.h"
#include "bgctl/client.h"
#include "bgctl/out.h"
#include "bgctl/wait.h"
#include "common/json.h"
#include "common/mem.h"

static int dry_run(struct ctl *c, struct json_object *body)
{
	_cleanup_json_ struct json_object *b = body;
	_cleanup_free_ char *path = NULL;
	_cleanup_answer_ struct ctl_answer a = {0};
	int rc = ctl_need_name(c);

	if (rc)
		return rc;
	bg_json_add_bool(b, "dry_run", true);
	path = ctl_path(c, "/switch");
	ctl_call(c, "POST", path, b, 60000, &a);
	rc = ctl_check(c, &a);
	if (rc)
		return rc;
	if (c->json) {
		out_json(c, a.json);
		return ctl_outcome_exit(a.json);
	}
	ctl_print_rules(c, bg_json_get(a.json, "rules"), true);
	rc = ctl_outcome_exit(a.json);
	out_word(c, rc == CTL_DONE ? "go" : "no-go");
	fprintf(c->out, ": a switch to %s would %sstart; nothing was changed\n", c->args[0],
		rc == CTL_DONE ? "" : "not ");
	return rc;
}

int cmd_switch(struct ctl *c)
{
	struct json_object *body;
	int rc = ctl_need_color(c, c->args[0]);

	if (rc)
		return rc;
	body = ctl_body(c);
	bg_json_add_str(body, "to", c->args[0]);
	if (c->dry_run)
		return dry_run(c, body);
	return ctl_command(c, "/switch", body, "switch");
}
