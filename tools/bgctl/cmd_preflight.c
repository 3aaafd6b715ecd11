/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/cmd.h"

#include "bgctl/client.h"
#include "bgctl/out.h"
#include "bgctl/wait.h"
#include "common/json.h"
#include "common/mem.h"

int cmd_preflight(struct ctl *c)
{
	_cleanup_answer_ struct ctl_answer a = {0};
	bool go;
	int rc = ctl_ask(c, "GET", "/preflight", NULL, 60000, &a);

	if (rc)
		return rc;
	go = bg_json_bool(a.json, "go", false);
	if (c->json) {
		out_json(c, a.json);
	} else {
		ctl_print_rules(c, bg_json_get(a.json, "rules"), true);
		out_word(c, go ? "go" : "no-go");
		fputc('\n', c->out);
	}
	return go ? CTL_DONE : CTL_NO_GO;
}
