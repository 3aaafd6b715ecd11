/* SPDX-License-Identifier: Apache-2.0 */
/* Switches that begin by themselves. */
#include "config.h"
#include "bgctl/cmd.h"

#include <inttypes.h>
#include <string.h>

#include "bgctl/body.h"
#include "bgctl/client.h"
#include "bgctl/out.h"
#include "bgctl/schedule.h"
#include "bgctl/wait.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/units.h"

void ctl_print_schedule(struct ctl *c, struct json_object *s)
{
	const char *reason = bg_json_str(s, "reason", NULL);
	char at[24];

	fputs("to ", c->out);
	out_word(c, bg_json_str(s, "to", "?"));
	fprintf(c->out, " at %s UTC, by ", out_time(at, bg_json_str(s, "at", NULL)));
	out_clean(c->out, bg_json_str(s, "by", "?"));
	if (reason) {
		fputs(": ", c->out);
		out_clean(c->out, reason);
	}
	fputc('\n', c->out);
}

int ctl_schedule(struct ctl *c, struct json_object *body)
{
	_cleanup_json_ struct json_object *b = body;
	_cleanup_answer_ struct ctl_answer a = {0};
	char t[32];
	int rc;

	if (c->wait) {
		fprintf(c->err,
			"bgctl: --wait does not go with --at or --in: `bgctl tail` shows it when it comes\n");
		return CTL_USAGE;
	}
	bg_json_add_str(b, "at", bg_format_time(t, sizeof(t), c->at_us));
	if (c->dry_run)
		return ctl_dry_run(c, "/switch", bg_steal_ptr(&b), "a switch to");
	rc = ctl_ask(c, "POST", "/switch", b, 30000, &a);
	if (rc)
		return rc;
	if (bg_json_str(a.json, "outcome", NULL))
		return ctl_print_end(c, a.json);
	if (c->json) {
		out_json(c, a.json);
		return CTL_DONE;
	}
	fputs("switch of ", c->out);
	out_clean(c->out, c->name);
	fputs(" scheduled: ", c->out);
	ctl_print_schedule(c, a.json);
	if (bg_json_str(a.json, "warning", NULL)) {
		fputs("  warning: it will be ", c->out);
		out_clean(c->out, bg_json_str(a.json, "warning", ""));
		fputs(bg_json_bool(a.json, "force", false) ? " (--force passes over it)\n" : ": a no-go\n",
		      c->out);
	}
	fputs("  next: `bgctl schedule`; `bgctl unschedule` removes it\n", c->out);
	return CTL_DONE;
}

/* All, or that of -s. Returns how many. */
static int list(struct ctl *c, struct json_object *all, bool print)
{
	static const char *const titles[] = {"switch", "at (UTC)", "to", ">epoch", "by: why"};
	struct out_table *t = print ? out_table_new(titles, 5, 4) : NULL;
	int n = 0;

	for (size_t i = 0; all && i < json_object_array_length(all); i++) {
		struct json_object *sw = json_object_array_get_idx(all, i);
		struct json_object *s = bg_json_get(sw, "schedule");
		const char *name = bg_json_str(sw, "switch", "?"), *reason = bg_json_str(s, "reason", "");
		char at[24];

		if (!s || (c->name && strcmp(c->name, name) != 0))
			continue;
		n++;
		if (!t)
			continue;
		out_cell(t, "%s", name);
		out_cell(t, "%s", out_time(at, bg_json_str(s, "at", NULL)));
		out_cell(t, "%s%s", bg_json_str(s, "to", "?"),
			 bg_json_bool(s, "force", false) ? ", forced" : "");
		out_cell(t, "%" PRId64, bg_json_int(s, "expect_epoch", 0));
		out_cell(t, "%s%s%s", bg_json_str(s, "by", "-"), *reason ? ": " : "", reason);
	}
	if (t)
		out_table_end(t, c);
	return n;
}

static struct json_object *as_json(struct ctl *c, struct json_object *all)
{
	struct json_object *o = json_object_new_object(), *l = json_object_new_array();

	for (size_t i = 0; all && i < json_object_array_length(all); i++) {
		struct json_object *sw = json_object_array_get_idx(all, i), *one;
		const char *name = bg_json_str(sw, "switch", "?");

		if (!bg_json_get(sw, "schedule") || (c->name && strcmp(c->name, name) != 0))
			continue;
		one = json_object_new_object();
		bg_json_add_str(one, "switch", name);
		json_object_object_foreach(bg_json_get(sw, "schedule"), key, value)
			bg_json_add(one, key, json_object_get(value));
		json_object_array_add(l, one);
	}
	bg_json_add(o, "schedules", l);
	return o;
}

int cmd_schedule(struct ctl *c)
{
	_cleanup_answer_ struct ctl_answer a = {0};
	_cleanup_json_ struct json_object *o = NULL;
	struct json_object *all;
	int rc;

	ctl_call(c, "GET", "/v1/switches", NULL, 10000, &a);
	rc = ctl_check(c, &a);
	if (rc)
		return rc;
	all = bg_json_get(a.json, "switches");
	if (!json_object_is_type(all, json_type_array))
		all = NULL;
	if (c->json) {
		o = as_json(c, all);
		out_json(c, o);
	} else if (list(c, all, false) == 0) {
		fputs("nothing is scheduled\n", c->out);
	} else {
		list(c, all, true);
	}
	return CTL_DONE;
}

int cmd_unschedule(struct ctl *c)
{
	_cleanup_json_ struct json_object *body = ctl_body(c);
	_cleanup_answer_ struct ctl_answer a = {0};
	int rc = ctl_ask(c, "POST", "/unschedule", body, 30000, &a);

	if (rc)
		return rc;
	if (c->json) {
		out_json(c, a.json);
		return CTL_DONE;
	}
	fputs("removed: ", c->out);
	ctl_print_schedule(c, bg_json_get(a.json, "removed"));
	return CTL_DONE;
}
