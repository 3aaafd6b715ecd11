/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/cmd.h"

#include "bgctl/body.h"
#include "bgctl/client.h"
#include "bgctl/out.h"
#include "bgctl/schedule.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/units.h"

void ctl_print_freeze(struct ctl *c, struct json_object *f)
{
	const char *window = bg_json_str(f, "window", NULL), *until = bg_json_str(f, "until", NULL);
	_cleanup_buf_ struct bg_buf b = {0};
	char t[24];

	if (until)
		bg_buf_printf(&b, "frozen until %s UTC, ", out_time(t, until));
	else
		bg_buf_puts(&b, window ? "frozen for longer than a year, " : "frozen until `bgctl thaw`, ");
	if (window)
		bg_buf_printf(&b, "by the window %s (%s)", window, bg_json_str(f, "zone", "local"));
	else
		bg_buf_printf(&b, "by %s: %s", bg_json_str(f, "by", "?"), bg_json_str(f, "reason", ""));
	out_wrapped(c->out, b.s, 0, 2);
	fputc('\n', c->out);
}

void ctl_print_plans(struct ctl *c, struct json_object *sw)
{
	struct json_object *f = bg_json_get(sw, "freeze"), *s = bg_json_get(sw, "schedule");

	if (f)
		ctl_print_freeze(c, f);
	if (s) {
		fputs("scheduled: ", c->out);
		ctl_print_schedule(c, s);
	}
}

static int set(struct ctl *c, const char *tail, struct json_object *body)
{
	_cleanup_json_ struct json_object *b = body;
	_cleanup_answer_ struct ctl_answer a = {0};
	int rc = ctl_ask(c, "POST", tail, b, 30000, &a);

	if (rc)
		return rc;
	if (c->json) {
		out_json(c, a.json);
		return CTL_DONE;
	}
	out_clean(c->out, c->name);
	fputs(" is ", c->out);
	if (bg_json_bool(a.json, "frozen", false))
		ctl_print_freeze(c, bg_json_get(a.json, "freeze"));
	else
		fputs("not frozen: switches may begin\n", c->out);
	return CTL_DONE;
}

int cmd_freeze(struct ctl *c)
{
	struct json_object *body;
	char t[32];

	if (!c->reason || !*c->reason) {
		fprintf(c->err, "bgctl: freeze needs --reason: whoever meets it should know why\n");
		return CTL_USAGE;
	}
	body = ctl_body(c);
	if (c->at_us)
		bg_json_add_str(body, "until", bg_format_time(t, sizeof(t), c->at_us));
	return set(c, "/freeze", body);
}

int cmd_thaw(struct ctl *c)
{
	return set(c, "/thaw", ctl_body(c));
}
