/* SPDX-License-Identifier: Apache-2.0 */
/* The events of bg-switchd, line by line as they happen. */
#include "config.h"
#include "bgctl/cmd.h"

#include <inttypes.h>
#include <string.h>

#include "bgctl/follow.h"
#include "bgctl/out.h"
#include "bgctl/schedule.h"
#include "bgctl/wait.h"
#include "common/json.h"
#include "common/mem.h"

struct tail {
	struct ctl *c;
	int64_t shown;
};

/* "11-24 17:01:02.345  orders  " */
static void stamp(struct ctl *c, struct json_object *o)
{
	const char *time = bg_json_str(o, "time", ""), *name = bg_json_str(o, "switch", "-");

	if (strlen(time) >= 23 && time[10] == 'T')
		fprintf(c->out, "%.5s %.12s  ", time + 5, time + 11);
	else
		fprintf(c->out, "%-18s  ", "-");
	out_clean(c->out, name);
	fputs("  ", c->out);
}

static void phase(struct ctl *c, struct json_object *o)
{
	const char *from = bg_json_str(o, "from", NULL), *to = bg_json_str(o, "to", NULL);

	out_word(c, bg_json_str(o, "phase", "?"));
	fprintf(c->out, "  epoch %" PRId64, bg_json_int(o, "epoch", 0));
	if (bg_json_str(o, "id", NULL)) {
		fputs("  ", c->out);
		if (from) {
			out_word(c, from);
			fputs(" -> ", c->out);
		}
		out_word(c, to ? to : "?");
		fprintf(c->out, "  +%.1f ms", (double)bg_json_int(o, "at_us", 0) / 1000.0);
	} else if (bg_json_str(o, "active", NULL)) {
		fputs("  active ", c->out);
		out_word(c, bg_json_str(o, "active", "?"));
	}
	fputc('\n', c->out);
}

static void instance(struct ctl *c, struct json_object *o)
{
	const char *trouble = bg_json_str(o, "trouble", NULL);
	bool reachable = bg_json_bool(o, "reachable", true);
	const char *state = bg_json_str(o, "state", "?"), *old = bg_json_str(o, "old", state);

	out_clean(c->out, bg_json_str(o, "instance", "?"));
	fputs("  ", c->out);
	out_word(c, reachable ? state : "silent");
	if (reachable && strcmp(state, old) != 0) {
		fputs(", was ", c->out);
		out_word(c, old);
	}
	fprintf(c->out, ", epoch %" PRId64, bg_json_int(o, "epoch", 0));
	if (trouble) {
		fputs(": ", c->out);
		out_clean(c->out, trouble);
	}
	fputc('\n', c->out);
}

static void end(struct ctl *c, struct json_object *o)
{
	out_clean(c->out, bg_json_str(o, "kind", "switch"));
	fputs(" is over, ", c->out);
	ctl_print_end(c, o);
}

static void hold(struct ctl *c, struct json_object *o)
{
	fputs(bg_json_bool(o, "hold", false) ? "held: nothing moves until `bgctl release`\n" : "released\n",
	      c->out);
}

static void degraded(struct ctl *c, struct json_object *o)
{
	const char *why = bg_json_str(o, "degraded", NULL);

	fputs(why ? "degraded: " : "no longer degraded", c->out);
	out_clean(c->out, why ? why : "");
	fputc('\n', c->out);
}

static void soak(struct ctl *c, struct json_object *o)
{
	const char *rule = bg_json_str(o, "rule", NULL), *msg = bg_json_str(o, "message", NULL);

	fputs("soak: ", c->out);
	out_word(c, bg_json_str(o, "verdict", "?"));
	if (rule && !strstr(msg ? msg : "", rule)) {
		fputs(", ", c->out);
		out_clean(c->out, rule);
	}
	if (msg) {
		fputs(": ", c->out);
		out_clean(c->out, msg);
	}
	fputc('\n', c->out);
}

static void freeze(struct ctl *c, struct json_object *o)
{
	if (bg_json_bool(o, "frozen", false))
		ctl_print_freeze(c, bg_json_get(o, "freeze"));
	else
		fputs("no longer frozen\n", c->out);
}

static void schedule(struct ctl *c, struct json_object *o)
{
	const char *why = bg_json_str(o, "why", NULL);

	fprintf(c->out, "schedule %.16s: ", bg_json_str(o, "what", "?"));
	ctl_print_schedule(c, bg_json_get(o, "schedule"));
	if (why) {
		fputs("  ", c->out);
		out_clean(c->out, why);
		fputc('\n', c->out);
	}
}

static void other(struct ctl *c, const struct ctl_event *e)
{
	const char *reason = bg_json_str(e->data, "reason", NULL),
		   *msg = bg_json_str(e->data, "message", NULL);

	fputs("-- ", c->out);
	out_clean(c->out, e->type);
	if (reason || msg) {
		fputs(": ", c->out);
		out_clean(c->out, msg ? msg : reason);
	}
	fputc('\n', c->out);
}

static const struct {
	const char *type;
	void (*show)(struct ctl *c, struct json_object *o);
} shows[] = {
	{"phase", phase},       {"instance", instance}, {"end", end},       {"hold", hold},
	{"degraded", degraded}, {"soak", soak},         {"freeze", freeze}, {"schedule", schedule},
};

static void show(struct ctl *c, const struct ctl_event *e)
{
	for (size_t i = 0; e->data && i < BG_ARRAY_SIZE(shows); i++) {
		if (strcmp(shows[i].type, e->type) == 0) {
			stamp(c, e->data);
			shows[i].show(c, e->data);
			return;
		}
	}
	other(c, e);
}

/* One line of JSON: the data, and in front what kind of event it is, and its id. */
static void show_json(struct ctl *c, const struct ctl_event *e)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();

	bg_json_add_str(o, "event", e->type);
	if (e->id >= 0)
		bg_json_add_int(o, "event_id", e->id);
	if (e->data) {
		json_object_object_foreach(e->data, key, value) bg_json_add(o, key, json_object_get(value));
	} else {
		bg_json_add_str(o, "text", e->text);
	}
	fprintf(c->out, "%s\n", bg_json_text(o));
}

static int on_event(void *arg, const struct ctl_event *e)
{
	struct tail *t = arg;

	if (t->c->json)
		show_json(t->c, e);
	else
		show(t->c, e);
	if (fflush(t->c->out) != 0)
		return CTL_FAILED;
	return t->c->limit >= 0 && ++t->shown >= t->c->limit ? CTL_DONE : -1;
}

static void on_connection(void *arg, const char *why)
{
	struct tail *t = arg;

	if (why)
		fprintf(t->c->err, "bgctl: the connection is lost (%s): trying again\n", why);
	else
		fprintf(t->c->err, "bgctl: connected again\n");
}

int cmd_tail(struct ctl *c)
{
	struct tail t = {.c = c};
	struct ctl_follow f = {.event = on_event, .connection = on_connection, .keys = -1, .arg = &t};

	return ctl_follow(c, &f);
}
