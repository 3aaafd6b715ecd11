/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `bgctl status --watch`: the status, asked for again with every event and at least every interval. On a terminal it
 * is drawn in its place; elsewhere what has changed is a line.
 */
#include "config.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bgctl/client.h"
#include "bgctl/follow.h"
#include "bgctl/out.h"
#include "bgctl/screen.h"
#include "bgctl/status.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/units.h"

#define TICK_MS 50   /* at most so often, however many events there are */
#define ASK_MS  2000 /* SIGINT is not heard meanwhile */
#define RATE_MS 500  /* between two statuses that a rate is made of */
#define PEOPLE  "q or ^C ends"

struct watch {
	struct ctl *c;
	struct screen screen;
	bool terminal, dirty;
	int64_t interval_ms, asked_at;
	char lost[160];           /* why there is no connection; "": there is one */
	struct json_object *doc;  /* the last one: a switch, or {"switches"} */
	struct json_object *base; /* what was counted of each instance */
	char *line;               /* the last one printed, where there is no terminal */
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static size_t length(struct json_object *l)
{
	return json_object_is_type(l, json_type_array) ? json_object_array_length(l) : 0;
}

/* ---- records per second */

/*
 * Of an instance, between two statuses that bg-switchd has had of it, which are older than its answer to us ("seen_ms_ago")
 * and seldom as frequent as we ask. {"records","incarnation","at_ms","rate"} is what is kept; a new process counts anew.
 */
static struct json_object *counted(struct json_object *i, struct json_object *before, int64_t now)
{
	int64_t seen = bg_json_int(i, "seen_ms_ago", 0), at = now - seen;
	int64_t ms = at - bg_json_int(before, "at_ms", at);
	int64_t n = bg_json_int(i, "records_total", 0) - bg_json_int(before, "records", 0);
	bool same = before &&
		    strcmp(bg_json_str(i, "incarnation", ""), bg_json_str(before, "incarnation", "")) == 0;
	struct json_object *o;

	if (same && ms < RATE_MS)
		return json_object_get(before);
	o = json_object_new_object();
	bg_json_add_int(o, "records", bg_json_int(i, "records_total", 0));
	bg_json_add_str(o, "incarnation", bg_json_str(i, "incarnation", ""));
	bg_json_add_int(o, "at_ms", at);
	bg_json_add_int(o, "rate", same && n >= 0 ? n * 1000 / ms : -1);
	return o;
}

/* Put "records_per_s" into every instance. */
static void add_rates(struct watch *w)
{
	struct json_object *l = bg_json_get(w->doc, "instances"), *base = json_object_new_object();
	int64_t now = now_ms();

	for (size_t k = 0; k < length(l); k++) {
		struct json_object *i = json_object_array_get_idx(l, k), *c;
		const char *name = bg_json_str(i, "instance", "-");

		c = counted(i, bg_json_get(w->base, name), now);
		if (bg_json_int(c, "rate", -1) >= 0 && bg_json_bool(i, "reachable", true))
			bg_json_add_int(i, "records_per_s", bg_json_int(c, "rate", 0));
		bg_json_add(base, name, c);
	}
	json_object_put(w->base);
	w->base = base;
}

/* ---- showing */

static void title(struct watch *w)
{
	char now[32], every[32];

	bg_format_time(now, sizeof(now), (int64_t)time(NULL) * 1000000);
	bg_format_duration(every, sizeof(every), w->interval_ms * 1000);
	fprintf(w->c->out, "%.8s UTC   every %s and event; " PEOPLE "\n", now + 11, every);
	if (w->lost[0]) {
		_cleanup_free_ char *t = bg_xasprintf("no connection, this is old: %s", w->lost);

		out_wrapped(w->c->out, t, 0, 2);
		fputc('\n', w->c->out);
	}
	fputc('\n', w->c->out);
}

static bool draw(struct watch *w)
{
	FILE *real = w->c->out;
	char *text = NULL;
	size_t n = 0;
	bool ok;

	w->c->out = open_memstream(&text, &n);
	if (!w->c->out)
		abort(); /* no memory */
	title(w);
	if (bg_json_get(w->doc, "switches"))
		ctl_print_list(w->c, bg_json_get(w->doc, "switches"));
	else if (w->doc)
		ctl_print_status(w->c, w->doc, CTL_RATES);
	fclose(w->c->out);
	w->c->out = real;
	ok = screen_draw(&w->screen, text);
	free(text);
	return ok;
}

/* "2 ACTIVE, 1 silent" */
static void add_counts(struct bg_buf *b, struct json_object *instances, const char *color)
{
	static const char *const states[] = {"ACTIVE", "DRAINING", "PAUSED",  "SHADOW", "STARTING",
					     "FENCED", "FAILED",   "UNKNOWN", "silent"};
	const char *sep = " ";

	bg_buf_printf(b, "  %s", color);
	for (size_t s = 0; s < BG_ARRAY_SIZE(states); s++) {
		size_t n = 0;

		for (size_t k = 0; k < length(instances); k++) {
			struct json_object *i = json_object_array_get_idx(instances, k);
			const char *state =
				bg_json_bool(i, "reachable", true) ? bg_json_str(i, "state", "") : "silent";

			n += strcmp(bg_json_str(i, "color", ""), color) == 0 && strcmp(state, states[s]) == 0;
		}
		if (n) {
			bg_buf_printf(b, "%s%zu %s", sep, n, states[s]);
			sep = ", ";
		}
	}
}

static void summary(struct bg_buf *b, struct json_object *sw)
{
	const char *degraded = bg_json_str(sw, "degraded", NULL);

	bg_buf_printf(b, "%s  %s  active %s  epoch %" PRId64 "%s", bg_json_str(sw, "switch", "?"),
		      bg_json_str(sw, "phase", "?"), bg_json_str(sw, "active", "none"),
		      bg_json_int(sw, "epoch", 0), bg_json_bool(sw, "hold", false) ? "  held" : "");
	if (bg_json_get(sw, "instances")) {
		add_counts(b, bg_json_get(sw, "instances"), "blue");
		add_counts(b, bg_json_get(sw, "instances"), "green");
	}
	if (degraded)
		bg_buf_printf(b, "  degraded: %s", degraded);
}

/* Where there is no terminal: a line, when it says something new. */
static bool print_change(struct watch *w)
{
	struct json_object *l = bg_json_get(w->doc, "switches");
	_cleanup_buf_ struct bg_buf b = {0};
	char now[32];

	if (!w->doc)
		return true;
	for (size_t k = 0; k < length(l); k++) {
		bg_buf_puts(&b, k ? " | " : "");
		summary(&b, json_object_array_get_idx(l, k));
	}
	if (!l)
		summary(&b, w->doc);
	if (w->lost[0])
		bg_buf_printf(&b, "  (no connection: %s)", w->lost);
	if (!b.len || (w->line && strcmp(w->line, b.s) == 0))
		return true;
	free(w->line);
	w->line = bg_xstrdup(b.s);
	bg_format_time(now, sizeof(now), (int64_t)time(NULL) * 1000000);
	fprintf(w->c->out, "%.5s %.8s  ", now + 5, now + 11);
	out_clean(w->c->out, w->line);
	fputc('\n', w->c->out);
	return fflush(w->c->out) == 0;
}

/* ---- asking */

/* -1, or an exit status: an answer that another try would not change. */
static int ask(struct watch *w)
{
	_cleanup_free_ char *path = w->c->name ? ctl_path(w->c, "") : bg_xstrdup("/v1/switches");
	_cleanup_answer_ struct ctl_answer a;
	bool ok;

	w->dirty = false;
	ctl_call(w->c, "GET", path, NULL, ASK_MS, &a);
	if (a.status == 200 && json_object_is_type(a.json, json_type_object)) {
		json_object_put(w->doc);
		w->doc = bg_steal_ptr(&a.json);
		add_rates(w);
	} else if (a.status == 401 || a.status == 403 || a.status == 404) {
		return ctl_check(w->c, &a);
	} else if (!w->lost[0]) {
		bg_strlcpy(w->lost, a.status ? "the daemon answers with an error" : a.why, sizeof(w->lost));
	}
	w->asked_at = now_ms();
	ok = w->terminal ? draw(w) : print_change(w);
	return ok ? -1 : CTL_FAILED;
}

static int on_event(void *arg, const struct ctl_event *e)
{
	struct watch *w = arg;

	(void)e;
	w->dirty = true;
	return now_ms() - w->asked_at >= TICK_MS ? ask(w) : -1;
}

static int on_tick(void *arg)
{
	struct watch *w = arg;
	bool again = w->terminal && screen_resized(&w->screen);

	return again || w->dirty || now_ms() - w->asked_at >= w->interval_ms ? ask(w) : -1;
}

static void on_connection(void *arg, const char *why)
{
	struct watch *w = arg;

	bg_strlcpy(w->lost, why ? why : "", sizeof(w->lost));
	w->dirty = true;
}

static int on_key(void *arg, char key)
{
	(void)arg;
	return key == 'q' || key == 'Q' ? CTL_DONE : -1;
}

/* The only switch there is, or all of them; asked here so that what is wrong is said before the screen is ours. */
static int choose(struct watch *w)
{
	struct ctl *c = w->c;
	_cleanup_answer_ struct ctl_answer a = {0};
	struct json_object *l;
	int rc;

	if (c->name)
		return ctl_get_switch(c, &w->doc);
	ctl_call(c, "GET", "/v1/switches", NULL, 10000, &a);
	rc = ctl_check(c, &a);
	l = rc ? NULL : bg_json_get(a.json, "switches");
	if (length(l) == 1) {
		c->name_found = bg_xstrdup(bg_json_str(json_object_array_get_idx(l, 0), "switch", ""));
		c->name = c->name_found;
	}
	return rc;
}

/* What is said on the terminal meanwhile would be lost with the screen: it is kept, and said after it. */
static int follow_on_screen(struct watch *w, struct ctl_follow *f)
{
	FILE *real = w->c->err;
	char *said = NULL;
	size_t n = 0;
	int rc;

	w->c->err = open_memstream(&said, &n);
	if (!w->c->err)
		abort(); /* no memory */
	screen_open(&w->screen, w->c->out);
	f->keys = w->screen.keys;
	rc = ctl_follow(w->c, f);
	screen_close(&w->screen);
	fclose(w->c->err);
	w->c->err = real;
	fputs(said, real);
	free(said);
	return rc;
}

int ctl_watch(struct ctl *c)
{
	struct watch w = {.c = c, .interval_ms = (c->interval_us ? c->interval_us : 1000000) / 1000};
	struct ctl_follow f = {.event = on_event,
			       .tick = on_tick,
			       .tick_ms = TICK_MS,
			       .keys = -1,
			       .connection = on_connection,
			       .key = on_key,
			       .arg = &w};
	int rc;

	if (c->json) {
		fprintf(c->err,
			"bgctl: --json does not go with --watch: `bgctl tail --json` has every change\n");
		return CTL_USAGE;
	}
	rc = choose(&w);
	if (rc == 0) {
		w.terminal = isatty(fileno(c->out)) && getenv("TERM") && strcmp(getenv("TERM"), "dumb") != 0;
		rc = w.terminal ? follow_on_screen(&w, &f) : ctl_follow(c, &f);
	}
	json_object_put(w.doc);
	json_object_put(w.base);
	free(w.line);
	return rc;
}
