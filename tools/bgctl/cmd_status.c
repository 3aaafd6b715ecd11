/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/cmd.h"

#include <inttypes.h>
#include <string.h>

#include "bgctl/client.h"
#include "bgctl/instances.h"
#include "bgctl/out.h"
#include "bgctl/schedule.h"
#include "bgctl/status.h"
#include "bgctl/wait.h"
#include "common/json.h"
#include "common/mem.h"

static void lag(struct ctl *c, struct json_object *sw, const char *color)
{
	int64_t n = bg_json_int(bg_json_get(sw, "lag"), color, -1);

	if (n < 0)
		fprintf(c->out, "%s ?", color);
	else
		fprintf(c->out, "%s %" PRId64, color, n);
}

/* What is seen of the new colour while it soaks, and what comes of it. */
static void soak(struct ctl *c, struct json_object *s)
{
	const char *rule = bg_json_str(s, "rule", NULL), *until = bg_json_str(s, "until", NULL);
	_cleanup_free_ char *text = NULL;
	char t[24];

	if (!bg_json_str(s, "sees", NULL))
		return;
	text = bg_xasprintf("%s%s%s: %s%s%s%s", until ? "soaks until " : "watched",
			    until ? out_time(t, until) : "", until ? " UTC" : "", bg_json_str(s, "sees", ""),
			    rule ? "; not well: " : "", rule ? rule : "",
			    bg_json_bool(s, "auto_rollback", true) ? "" : "; auto-rollback is off");
	out_wrapped(c->out, text, 0, 2);
	fputc('\n', c->out);
}

static void head(struct ctl *c, struct json_object *sw)
{
	struct json_object *rollback = bg_json_get(sw, "rollback");
	char until[24];

	fputs("switch ", c->out);
	out_clean(c->out, bg_json_str(sw, "switch", "?"));
	fprintf(c->out, "   strategy %.8s %.12s   epoch %" PRId64 "\nactive ",
		bg_json_str(sw, "strategy", "?"), bg_json_str(sw, "handover", ""),
		bg_json_int(sw, "epoch", 0));
	out_word(c, bg_json_str(sw, "active", "none"));
	fputs("   phase ", c->out);
	out_word(c, bg_json_str(sw, "phase", "?"));
	fputs("   lag ", c->out);
	lag(c, sw, "blue");
	fputs(", ", c->out);
	lag(c, sw, "green");
	fputc('\n', c->out);
	if (bg_json_bool(sw, "hold", false))
		fputs("held: nothing moves until `bgctl release`\n", c->out);
	ctl_print_plans(c, sw);
	if (bg_json_str(sw, "degraded", NULL)) {
		_cleanup_free_ char *t = bg_xasprintf("degraded: %s", bg_json_str(sw, "degraded", ""));

		out_wrapped(c->out, t, 0, 2);
		fputc('\n', c->out);
	}
	if (strcmp(bg_json_str(sw, "phase", ""), "UNKNOWN") == 0 || !bg_json_str(sw, "active", NULL))
		fputs("next: `bgctl init blue --from group:G|earliest|latest|committed`\n", c->out);
	soak(c, bg_json_get(sw, "soak"));
	if (bg_json_bool(rollback, "allowed", false))
		fprintf(c->out, "rollback to %.16s until %s UTC\n", bg_json_str(rollback, "to", "?"),
			out_time(until, bg_json_str(rollback, "until", NULL)));
}

static void running(struct ctl *c, struct json_object *r)
{
	char ms[24];

	if (!r)
		return;
	fprintf(c->out, "\nrunning: %.16s to ", bg_json_str(r, "kind", "switch"));
	out_word(c, bg_json_str(r, "to", "?"));
	fputs(", ", c->out);
	out_word(c, bg_json_str(r, "phase", "?"));
	fprintf(c->out, ", for %s ms, id ", out_ms(ms, bg_json_int(r, "elapsed_us", -1)));
	out_clean(c->out, bg_json_str(r, "id", "?"));
	fputc('\n', c->out);
}

static void list(struct ctl *c, struct json_object *all)
{
	static const char *const titles[] = {"switch", "strategy", "active",    ">epoch",
					     "phase",  "hold",     ">lag blue", ">lag green"};
	struct out_table *t = out_table_new(titles, 8, 0);

	for (size_t i = 0; i < json_object_array_length(all); i++) {
		struct json_object *s = json_object_array_get_idx(all, i), *l = bg_json_get(s, "lag");

		out_cell(t, "%s", bg_json_str(s, "switch", "?"));
		out_cell(t, "%s", bg_json_str(s, "strategy", "?"));
		out_cell(t, "%s", bg_json_str(s, "active", "none"));
		out_cell(t, "%" PRId64, bg_json_int(s, "epoch", 0));
		out_cell(t, "%s", bg_json_str(s, "phase", "?"));
		out_cell(t, "%s", bg_json_bool(s, "hold", false) ? "held" : "-");
		out_cell(t, "%" PRId64, bg_json_int(l, "blue", 0));
		out_cell(t, "%" PRId64, bg_json_int(l, "green", 0));
	}
	out_table_end(t, c);
}

void ctl_print_list(struct ctl *c, struct json_object *all)
{
	if (json_object_array_length(all) == 0)
		fputs("no switch is configured\n", c->out);
	else
		list(c, all);
}

void ctl_print_status(struct ctl *c, struct json_object *sw, enum ctl_columns columns)
{
	struct json_object *last = bg_json_get(sw, "last");

	head(c, sw);
	running(c, bg_json_get(sw, "running"));
	fputc('\n', c->out);
	ctl_print_instances(c, sw, columns);
	if (last) {
		char started[24];

		fprintf(c->out, "\nlast %.16s, %s UTC\n  ", bg_json_str(last, "kind", "switch"),
			out_time(started, bg_json_str(last, "started", NULL)));
		ctl_print_end(c, last);
	}
}

/* Several switches and no -s: all of them in one table. Returns false when there is exactly one (then c->name is set). */
static bool listed(struct ctl *c, int *rc)
{
	_cleanup_answer_ struct ctl_answer a = {0};
	struct json_object *l;
	size_t n;

	ctl_call(c, "GET", "/v1/switches", NULL, 10000, &a);
	*rc = ctl_check(c, &a);
	if (*rc)
		return true;
	l = bg_json_get(a.json, "switches");
	n = json_object_is_type(l, json_type_array) ? json_object_array_length(l) : 0;
	if (n == 1) {
		c->name_found = bg_xstrdup(bg_json_str(json_object_array_get_idx(l, 0), "switch", ""));
		c->name = c->name_found;
		return false;
	}
	if (c->json)
		out_json(c, a.json);
	else
		ctl_print_list(c, l);
	return true;
}

int cmd_status(struct ctl *c)
{
	_cleanup_json_ struct json_object *sw = NULL;
	int rc = 0;

	if (c->watch)
		return ctl_watch(c);
	if (c->interval_us) {
		fprintf(c->err, "bgctl: --interval goes with --watch; see bgctl status --help\n");
		return CTL_USAGE;
	}
	if (!c->name && listed(c, &rc))
		return rc;
	rc = ctl_get_switch(c, &sw);
	if (rc)
		return rc;
	if (c->json) {
		out_json(c, sw);
		return CTL_DONE;
	}
	ctl_print_status(c, sw, CTL_COUNTS);
	return CTL_DONE;
}
