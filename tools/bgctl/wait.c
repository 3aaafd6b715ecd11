/* SPDX-License-Identifier: Apache-2.0 */
/* A switch from the outside: asked for, followed step by step, and its end. */
#include "config.h"
#include "bgctl/wait.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "bgctl/client.h"
#include "bgctl/out.h"
#include "common/json.h"
#include "common/mem.h"

#define POLL_MS    20    /* when the daemon does not hold the question */
#define HOLD_MS    1000  /* how long it may */
#define LOST_MS    15000 /* a daemon that restarts in mid-switch is waited for so long */
#define UNKNOWN_MS 3000  /* the switch is neither running nor ended */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void sleep_ms(int64_t ms)
{
	struct timespec ts = {ms / 1000, (ms % 1000) * 1000000};

	nanosleep(&ts, NULL);
}

/* A step's time: "at_us", or "at_ms" as a number. */
static double step_ms(struct json_object *step)
{
	struct json_object *ms = bg_json_get(step, "at_ms");

	if (ms)
		return json_object_get_double(ms);
	return (double)bg_json_int(step, "at_us", 0) / 1000.0;
}

/* Print the steps from number *shown on. */
static void print_steps(struct ctl *c, struct json_object *of, size_t *shown)
{
	struct json_object *steps = bg_json_get(of, "steps");
	size_t n = json_object_is_type(steps, json_type_array) ? json_object_array_length(steps) : 0;

	for (; *shown < n; (*shown)++) {
		struct json_object *s = json_object_array_get_idx(steps, *shown);
		const char *text = bg_json_str(s, "text", NULL);

		if (!c->json) {
			fprintf(c->out, "%9.1f ms  ", step_ms(s));
			out_word(c, bg_json_str(s, "phase", "?"));
			if (text) {
				fputs("  ", c->out);
				out_clean(c->out, text);
			}
			fputc('\n', c->out);
		}
	}
	fflush(c->out);
}

static bool is_id(struct json_object *o, const char *id)
{
	return o && strcmp(bg_json_str(o, "id", ""), id) == 0;
}

/* The ended switch of that id in the history; NULL: not there. The caller owns it. */
static struct json_object *in_history(struct ctl *c, const char *id)
{
	_cleanup_free_ char *path = ctl_path(c, "/history?limit=50");
	_cleanup_answer_ struct ctl_answer a;
	struct json_object *l;

	ctl_call(c, "GET", path, NULL, 10000, &a);
	l = a.status == 200 ? bg_json_get(a.json, "entries") : NULL;
	for (size_t i = 0; json_object_is_type(l, json_type_array) && i < json_object_array_length(l); i++)
		if (is_id(json_object_array_get_idx(l, i), id))
			return json_object_get(json_object_array_get_idx(l, i));
	return NULL;
}

void ctl_print_rules(struct ctl *c, struct json_object *rules, bool all)
{
	static const char *const titles[] = {"rule", "verdict", "what"};
	struct out_table *t;
	size_t n = json_object_is_type(rules, json_type_array) ? json_object_array_length(rules) : 0,
	       shown = 0;

	t = out_table_new(titles, 3, 2);
	for (size_t i = 0; i < n; i++) {
		struct json_object *r = json_object_array_get_idx(rules, i);
		const char *verdict = bg_json_str(r, "verdict", "?");

		if (!all && strcmp(verdict, "go") == 0)
			continue;
		out_cell(t, "%s", bg_json_str(r, "rule", "?"));
		out_cell(t, "%s", strcmp(verdict, "no_go") == 0 ? "no-go" : verdict);
		out_cell(t, "%s", bg_json_str(r, "message", ""));
		shown++;
	}
	if (shown)
		out_table_end(t, c);
	else
		free(t);
}

static void print_direction(struct ctl *c, struct json_object *e)
{
	const char *from = bg_json_str(e, "from", NULL), *to = bg_json_str(e, "to", NULL);

	if (from) {
		out_word(c, from);
		fputs(" -> ", c->out);
	}
	if (to)
		out_word(c, to);
}

int ctl_print_end(struct ctl *c, struct json_object *e)
{
	const char *outcome = bg_json_str(e, "outcome", "?"), *error = bg_json_str(e, "error", NULL);
	const char *message = bg_json_str(e, "message", NULL);
	int64_t gap = bg_json_int(e, "gap_us", -1), worst = bg_json_int(e, "worst_gap_us", -1);
	int64_t took = bg_json_int(e, "duration_us", -1), epoch = bg_json_int(e, "epoch", -1);
	char ms[24];

	if (c->json) {
		out_json(c, e);
		return ctl_outcome_exit(e);
	}
	out_word(c, outcome);
	fputs(": ", c->out);
	print_direction(c, e);
	if (epoch >= 0)
		fprintf(c->out, "%s%" PRId64, bg_json_str(e, "to", NULL) ? ", epoch " : "epoch ", epoch);
	if (gap >= 0)
		fprintf(c->out, ", gap %s ms", out_ms(ms, gap));
	if (worst >= 0)
		fprintf(c->out, " (worst %s)", out_ms(ms, worst));
	if (took >= 0)
		fprintf(c->out, ", took %s ms", out_ms(ms, took));
	fputc('\n', c->out);
	if (message || error) {
		fputs("  ", c->out);
		out_clean(c->out, error ? error : message);
		fputc('\n', c->out);
	}
	if (strcmp(outcome, "no_go") == 0)
		ctl_print_rules(c, bg_json_get(e, "preflight"), false);
	if (strcmp(outcome, "needs_person") == 0)
		fputs("  next: look at `bgctl status` and `bgctl history`\n", c->out);
	return ctl_outcome_exit(e);
}

struct wait {
	const char *id;
	size_t shown;
	int64_t seq, lost_since, unknown_since;
};

/* Nobody is held by a switch that cannot get on; it is tried on and on all the same. */
static int stuck(struct ctl *c, struct json_object *sw, struct json_object *running)
{
	const char *why = bg_json_str(sw, "degraded", bg_json_str(running, "trouble", "no reason is said"));

	if (c->json) {
		out_json(c, running);
		return CTL_PERSON;
	}
	fputs("not over: ", c->out);
	print_direction(c, running);
	fputs(", ", c->out);
	out_word(c, bg_json_str(running, "phase", "?"));
	fputs("\n  ", c->out);
	out_clean(c->out, why);
	fputs("\n  next: look at `bgctl status`; bg-switchd tries on until that is mended\n", c->out);
	return CTL_PERSON;
}

/* One look. -1: it goes on; else the exit status. */
static int look(struct ctl *c, struct wait *w)
{
	_cleanup_free_ char *tail =
		w->seq >= 0 ? bg_xasprintf("?since=%" PRId64 "&wait_ms=%d", w->seq, HOLD_MS) : NULL;
	_cleanup_free_ char *path = ctl_path(c, tail ? tail : "");
	_cleanup_answer_ struct ctl_answer a;
	_cleanup_json_ struct json_object *old = NULL;
	struct json_object *running, *last;
	int64_t asked = now_ms();

	ctl_call(c, "GET", path, NULL, HOLD_MS + 10000, &a);
	if (a.status == 0 || a.status >= 500) {
		w->lost_since = w->lost_since ? w->lost_since : asked;
		if (now_ms() - w->lost_since > LOST_MS)
			return ctl_check(c, &a);
		sleep_ms(200);
		return -1;
	}
	w->lost_since = 0;
	if (a.status != 200)
		return ctl_check(c, &a);
	running = bg_json_get(a.json, "running");
	last = bg_json_get(a.json, "last");
	w->seq = bg_json_int(a.json, "seq", -1);
	if (is_id(running, w->id)) {
		print_steps(c, running, &w->shown);
		w->unknown_since = 0;
		if (bg_json_bool(running, "stuck", false))
			return stuck(c, a.json, running);
	} else if (is_id(last, w->id) || (old = in_history(c, w->id))) {
		last = old ? old : last;
		print_steps(c, last, &w->shown);
		return ctl_print_end(c, last);
	} else {
		w->unknown_since = w->unknown_since ? w->unknown_since : asked;
		if (now_ms() - w->unknown_since > UNKNOWN_MS) {
			fprintf(c->err,
				"bgctl: the daemon no longer knows switch %s\n  next: `bgctl status`\n",
				w->id);
			return CTL_FAILED;
		}
	}
	/* A held question paces itself; an answer that came at once without being held does not. */
	if (w->seq < 0 || now_ms() - asked < POLL_MS)
		sleep_ms(POLL_MS);
	return -1;
}

int ctl_wait(struct ctl *c, const char *id)
{
	struct wait w = {.id = id, .seq = -1};
	int rc;

	do
		rc = look(c, &w);
	while (rc < 0);
	return rc;
}

int ctl_command(struct ctl *c, const char *tail, struct json_object *body, const char *what)
{
	_cleanup_json_ struct json_object *b = body;
	_cleanup_answer_ struct ctl_answer a = {0};
	const char *id;
	int rc = ctl_ask(c, "POST", tail, b, 30000, &a);

	if (rc)
		return rc;
	id = bg_json_str(a.json, "id", NULL);
	if (a.status == 202 && c->wait && id)
		return ctl_wait(c, id);
	if (bg_json_str(a.json, "outcome", NULL) && a.status == 200)
		return ctl_print_end(c, a.json);
	if (c->json) {
		out_json(c, a.json);
		return CTL_DONE;
	}
	fprintf(c->out, "%s of ", what);
	out_clean(c->out, c->name);
	fprintf(c->out, " accepted: ");
	if (bg_json_str(a.json, "to", NULL)) {
		fputs("to ", c->out);
		out_word(c, bg_json_str(a.json, "to", ""));
		fputs(", ", c->out);
	}
	fprintf(c->out, "epoch %" PRId64 ", id ", bg_json_int(a.json, "epoch", 0));
	out_clean(c->out, id ? id : "-");
	fprintf(c->out, "\n  next: `bgctl status`, or ask with --wait\n");
	return CTL_DONE;
}

int ctl_dry_run(struct ctl *c, const char *tail, struct json_object *body, const char *what)
{
	_cleanup_json_ struct json_object *b = body;
	_cleanup_answer_ struct ctl_answer a = {0};
	int rc;

	bg_json_add_bool(b, "dry_run", true);
	rc = ctl_ask(c, "POST", tail, b, 60000, &a);
	if (rc)
		return rc;
	if (c->json) {
		out_json(c, a.json);
		return ctl_outcome_exit(a.json);
	}
	ctl_print_rules(c, bg_json_get(a.json, "rules"), true);
	rc = ctl_outcome_exit(a.json);
	out_word(c, rc == CTL_DONE ? "go" : "no-go");
	fprintf(c->out, ": %s %s would %sstart; nothing was changed\n", what, c->args[0],
		rc == CTL_DONE ? "" : "not ");
	return rc;
}
