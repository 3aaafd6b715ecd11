/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/cmd.h"

#include <inttypes.h>
#include <string.h>

#include "bgctl/client.h"
#include "bgctl/out.h"
#include "common/json.h"
#include "common/mem.h"

static void row(struct out_table *t, struct json_object *e)
{
	char time[24], gap[24], took[24];
	const char *by = bg_json_str(e, "by", ""), *reason = bg_json_str(e, "reason", "");
	const char *kind = bg_json_str(e, "kind", "switch");
	bool plain = strcmp(kind, "switch") == 0; /* nearly all are: the colour is enough */

	out_cell(t, "%s", out_time(time, bg_json_str(e, "started", NULL)));
	out_cell(t, "%" PRId64, bg_json_int(e, "epoch", 0));
	out_cell(t, "%s%s%s", plain ? "" : kind, plain ? "" : " ", bg_json_str(e, "to", "-"));
	out_cell(t, "%s", bg_json_str(e, "outcome", "-"));
	out_cell(t, "%s", out_ms(gap, bg_json_int(e, "gap_us", -1)));
	out_cell(t, "%s", out_ms(took, bg_json_int(e, "duration_us", -1)));
	out_cell(t, "%s%s%s", by, *reason ? ": " : "", reason);
}

int cmd_history(struct ctl *c)
{
	static const char *const titles[] = {"started (UTC)", ">epoch",   "to",     "outcome",
					     ">gap ms",       ">took ms", "by: why"};
	_cleanup_free_ char *tail = bg_xasprintf("/history?limit=%" PRId64, c->limit < 0 ? 20 : c->limit);
	_cleanup_answer_ struct ctl_answer a = {0};
	struct json_object *l;
	struct out_table *t;
	int rc = ctl_ask(c, "GET", tail, NULL, 30000, &a);

	if (rc)
		return rc;
	if (c->json) {
		out_json(c, a.json);
		return CTL_DONE;
	}
	l = bg_json_get(a.json, "entries");
	if (!json_object_is_type(l, json_type_array) || json_object_array_length(l) == 0) {
		fputs("no switch yet\n", c->out);
		return CTL_DONE;
	}
	t = out_table_new(titles, 7, 6);
	for (size_t i = 0; i < json_object_array_length(l); i++)
		row(t, json_object_array_get_idx(l, i));
	out_table_end(t, c);
	return CTL_DONE;
}
