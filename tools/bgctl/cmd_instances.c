/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/cmd.h"

#include "bgctl/instances.h"

#include <inttypes.h>

#include "bgctl/client.h"
#include "bgctl/out.h"
#include "common/json.h"
#include "common/mem.h"

/* A number that may be unknown. */
static void number(struct out_table *t, struct json_object *o, const char *name)
{
	int64_t v = bg_json_int(o, name, -1);

	if (v < 0)
		out_cell(t, "-");
	else
		out_cell(t, "%" PRId64, v);
}

static void row(struct out_table *t, struct json_object *i, enum ctl_columns columns)
{
	bool reachable = bg_json_bool(i, "reachable", true);
	const char *trouble = bg_json_str(i, "trouble", NULL);

	out_cell(t, "%s", bg_json_str(i, "instance", "-"));
	out_cell(t, "%s", bg_json_str(i, "color", "-"));
	out_cell(t, "%s", reachable ? bg_json_str(i, "state", "-") : "silent");
	number(t, i, "epoch");
	number(t, i, "partitions");
	number(t, i, "lag");
	if (columns == CTL_PLACES) {
		out_cell(t, "%s%s%s", bg_json_str(i, "url", ""), trouble ? " " : "", trouble ? trouble : "");
		return;
	}
	number(t, i, "in_flight");
	number(t, i, columns == CTL_RATES ? "records_per_s" : "records_total");
	number(t, i, "errors_total");
}

void ctl_print_instances(struct ctl *c, struct json_object *sw, enum ctl_columns columns)
{
	static const char *const counts[] = {"instance", "colour",     "state",    ">epoch", ">parts",
					     ">lag",     ">in flight", ">records", ">errors"};
	static const char *const rates[] = {"instance", "colour",     "state",      ">epoch", ">parts",
					    ">lag",     ">in flight", ">records/s", ">errors"};
	static const char *const places[] = {"instance", "colour", "state",         ">epoch",
					     ">parts",   ">lag",   "where, trouble"};
	struct json_object *l = bg_json_get(sw, "instances");
	size_t n = json_object_is_type(l, json_type_array) ? json_object_array_length(l) : 0;
	struct out_table *t;

	if (n == 0) {
		fputs("no instances\n", c->out);
		return;
	}
	t = columns == CTL_PLACES ? out_table_new(places, 7, 6)
				  : out_table_new(columns == CTL_RATES ? rates : counts, 9, 0);
	for (size_t i = 0; i < n; i++)
		row(t, json_object_array_get_idx(l, i), columns);
	out_table_end(t, c);
}

int cmd_instances(struct ctl *c)
{
	_cleanup_json_ struct json_object *sw = NULL;
	int rc = ctl_get_switch(c, &sw);

	if (rc)
		return rc;
	if (c->json && bg_json_get(sw, "instances"))
		out_json(c, bg_json_get(sw, "instances"));
	else
		ctl_print_instances(c, sw, CTL_PLACES);
	return CTL_DONE;
}
