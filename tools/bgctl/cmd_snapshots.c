/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/cmd.h"

#include <inttypes.h>

#include "bgctl/body.h"
#include "bgctl/client.h"
#include "bgctl/out.h"
#include "bgctl/wait.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/units.h"

static size_t length(struct json_object *l)
{
	return json_object_is_type(l, json_type_array) ? json_object_array_length(l) : 0;
}

/* ---- the list */

static void print_list(struct ctl *c, struct json_object *l)
{
	static const char *const titles[] = {">epoch", "time (UTC)", "active", ">partitions", "switch id"};
	struct out_table *t;

	if (length(l) == 0) {
		fputs("no snapshot yet\n", c->out);
		return;
	}
	t = out_table_new(titles, 5, 4);
	for (size_t i = 0; i < length(l); i++) {
		struct json_object *s = json_object_array_get_idx(l, i);
		const char *damaged = bg_json_str(s, "damaged", NULL);
		int64_t n = bg_json_int(s, "partitions", -1);
		char time[24];

		out_cell(t, "%" PRId64, bg_json_int(s, "epoch", 0));
		out_cell(t, "%s", out_time(time, bg_json_str(s, "time", NULL)));
		out_cell(t, "%s", bg_json_str(s, "active", "-"));
		if (n < 0)
			out_cell(t, "-");
		else
			out_cell(t, "%" PRId64, n);
		out_cell(t, "%s%s", damaged ? "damaged: " : "",
			 damaged ? damaged : bg_json_str(s, "id", "-"));
	}
	out_table_end(t, c);
}

/* ---- one, with its offsets */

static int64_t number(struct json_object *entry, size_t i)
{
	return i < length(entry) ? json_object_get_int64(json_object_array_get_idx(entry, i)) : -1;
}

static void print_one(struct ctl *c, struct json_object *s)
{
	static const char *const titles[] = {"topic", ">partition", ">offset", ">epoch"};
	struct json_object *offs = bg_json_get(s, "offsets");
	struct out_table *t = out_table_new(titles, 4, 0);
	char time[24];

	fprintf(c->out, "snapshot of epoch %" PRId64 ", %s UTC, active ", bg_json_int(s, "epoch", 0),
		out_time(time, bg_json_str(s, "time", NULL)));
	out_word(c, bg_json_str(s, "active", "-"));
	fputs("\n\n", c->out);
	if (json_object_is_type(offs, json_type_object)) {
		json_object_object_foreach(offs, topic, list)
		{
			for (size_t i = 0; i < length(list); i++) {
				struct json_object *e = json_object_array_get_idx(list, i);

				out_cell(t, "%s", topic);
				out_cell(t, "%" PRId64, number(e, 0));
				out_cell(t, "%" PRId64, number(e, 1));
				out_cell(t, "%" PRId64, number(e, 2));
			}
		}
	}
	out_table_end(t, c);
}

/* The epoch that is the argument. 0, or an exit status (said why). */
static int epoch_of(struct ctl *c, int64_t *ret)
{
	if (bg_parse_int(c->args[0], ret, NULL) == 0 && *ret > 0)
		return 0;
	fprintf(c->err, "bgctl: \"");
	out_clean(c->err, c->args[0]);
	fprintf(c->err, "\" is no epoch of a snapshot; `bgctl snapshots` lists them\n");
	return CTL_USAGE;
}

int cmd_snapshots(struct ctl *c)
{
	_cleanup_free_ char *tail = NULL;
	_cleanup_answer_ struct ctl_answer a = {0};
	int64_t epoch = 0;
	int rc = c->nargs ? epoch_of(c, &epoch) : 0;

	if (rc)
		return rc;
	tail = epoch ? bg_xasprintf("/snapshots/%" PRId64, epoch)
		     : bg_xasprintf("/snapshots?limit=%" PRId64, c->limit < 0 ? 20 : c->limit);
	rc = ctl_ask(c, "GET", tail, NULL, 30000, &a);
	if (rc)
		return rc;
	if (c->json)
		out_json(c, a.json);
	else if (epoch)
		print_one(c, a.json);
	else
		print_list(c, bg_json_get(a.json, "snapshots"));
	return CTL_DONE;
}

/* ---- restore */

int cmd_restore(struct ctl *c)
{
	_cleanup_json_ struct json_object *sw = NULL;
	_cleanup_free_ char *tail = NULL;
	struct json_object *body;
	int64_t epoch;
	int rc = epoch_of(c, &epoch);

	if (rc)
		return rc;
	if (!c->yes && !c->dry_run && c->expect_epoch < 0) {
		fprintf(c->err,
			"bgctl: restore gives records again that were processed: --dry-run says how many;\n"
			"  --yes, or --expect-epoch N, does it\n");
		return CTL_USAGE;
	}
	if (c->expect_epoch < 0) {
		rc = ctl_get_switch(c, &sw);
		if (rc)
			return rc;
		c->expect_epoch = bg_json_int(sw, "epoch", 0);
	}
	body = ctl_body(c);
	tail = bg_xasprintf("/snapshots/%" PRId64 "/restore", epoch);
	return c->dry_run ? ctl_dry_run(c, tail, body, "the restore of snapshot")
			  : ctl_command(c, tail, body, "restore");
}
