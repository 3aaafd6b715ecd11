/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/cmd.h"

#include <stdarg.h>
#include <string.h>

#include "bgctl/client.h"
#include "bgctl/doctor.h"
#include "bgctl/out.h"
#include "common/json.h"
#include "common/mem.h"

static const char *const scopes[] = {"host", "daemon", "switch", "broker"};
static const char *const verdicts[] = {"ok", "skip", "warn", "bad"};

/* ---- findings */

/* "bgctl X" -> "bgctl -s NAME X", where there are several switches. The caller frees it. */
static char *with_name(const struct doctor *d, const char *next)
{
	struct bg_buf b = {0};
	const char *p = next, *hit;

	while (d->several && d->name && (hit = strstr(p, "bgctl "))) {
		bg_buf_add(&b, p, (size_t)(hit - p));
		bg_buf_printf(&b, "bgctl -s %s ", d->name);
		p = hit + 6;
	}
	bg_buf_puts(&b, p);
	return b.s;
}

void doc_say(struct doctor *d, enum doc_verdict v, const char *means, const char *next, const char *fmt, ...)
{
	struct json_object *o = json_object_new_object();
	_cleanup_free_ char *command = next ? with_name(d, next) : NULL, *what = NULL;
	va_list ap;

	va_start(ap, fmt);
	what = bg_xvasprintf(fmt, ap);
	va_end(ap);
	bg_json_add_str(o, "scope", scopes[d->now->scope]);
	if (d->now->scope == DOC_SWITCH || d->now->scope == DOC_BROKER)
		bg_json_add_str(o, "switch", d->name);
	bg_json_add_str(o, "check", d->now->name);
	bg_json_add_str(o, "verdict", verdicts[v]);
	bg_json_add_str(o, "what", what);
	bg_json_add_str(o, "means", means);
	bg_json_add_str(o, "do", command);
	json_object_array_add(d->findings, o);
	d->said++;
	d->bad += v == DOC_BAD;
}

/* A line that is wrapped under itself, cleaned of what a terminal obeys. */
static void line(struct ctl *c, const char *label, const char *text)
{
	_cleanup_free_ char *copy = bg_xstrdup(text);

	for (char *p = copy; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	fprintf(c->out, "        %-6s", label);
	out_wrapped(c->out, copy, 14, 14);
	fputc('\n', c->out);
}

static void print(struct ctl *c, struct json_object *o)
{
	const char *means = bg_json_str(o, "means", NULL), *next = bg_json_str(o, "do", NULL);
	const char *verdict = bg_json_str(o, "verdict", ""), *check = bg_json_str(o, "check", "");
	_cleanup_free_ char *what = bg_xstrdup(bg_json_str(o, "what", ""));

	for (char *p = what; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	fputs("  ", c->out);
	out_word(c, verdict);
	fprintf(c->out, "%*s%-12s  ", 6 - (int)strlen(verdict), "", check);
	out_wrapped(c->out, what, 22, 22);
	fputc('\n', c->out);
	if (means)
		line(c, "means", means);
	if (next)
		line(c, "do", next);
}

static bool brokers_known(const struct doctor *d)
{
	return d->facts && !bg_json_get(d->facts, "kafka_error") && !bg_json_get(d->facts, "health_error");
}

static void checks(struct doctor *d, enum doc_scope scope)
{
	for (const struct doc_check *k = doc_checks; k->name; k++) {
		if (k->scope != scope)
			continue;
		d->now = k;
		d->said = 0;
		k->fn(d);
		if (d->said)
			continue;
		if (k->well && (scope != DOC_BROKER || brokers_known(d)))
			doc_say(d, DOC_OK, NULL, NULL, "%s", k->well);
		else
			doc_say(d, DOC_SKIP, NULL, NULL, "not known");
	}
}

/* ---- the parts */

/* Say that the daemon does not answer as a finding, and why on the way. Returns the exit status. */
static int daemon_silent(struct doctor *d, const struct ctl_answer *a)
{
	static const struct doc_check row = {"interface", DOC_DAEMON, NULL, NULL};
	const char *word = bg_json_str(a->json, "error", "");

	d->now = &row;
	if (a->status == 0)
		doc_say(d, DOC_BAD, "nothing is known of the switches",
			a->denied ? "be root, or in the socket's group"
				  : "systemctl start bg-switchd; else set BG_SOCKET or --socket",
			"cannot reach bg-switchd at %s: %s", d->c->socket, a->why);
	else
		doc_say(d, DOC_BAD, "nothing is known of the switches",
			"give the daemon's token by --token-file or BG_TOKEN_FILE", "%s answers %d %s",
			d->c->socket, a->status, word);
	return a->denied || a->status == 401 || a->status == 403 ? CTL_DENIED : CTL_UNREACHABLE;
}

static int one_switch(struct doctor *d, const char *name)
{
	_cleanup_free_ char *path = NULL, *more = NULL;
	_cleanup_answer_ struct ctl_answer sw = {0}, facts = {0};
	const char *old = d->c->name;

	d->c->name = name;
	path = ctl_path(d->c, "");
	more = ctl_path(d->c, "/doctor");
	d->c->name = old;
	ctl_call(d->c, "GET", path, NULL, 10000, &sw);
	if (sw.status == 404)
		return ctl_check(d->c, &sw);
	if (sw.status != 200 || !json_object_is_type(sw.json, json_type_object))
		return daemon_silent(d, &sw);
	ctl_call(d->c, "GET", more, NULL, 30000, &facts);
	d->name = name;
	d->sw = sw.json;
	d->facts =
		facts.status == 200 && json_object_is_type(facts.json, json_type_object) ? facts.json : NULL;
	checks(d, DOC_SWITCH);
	checks(d, DOC_BROKER);
	d->name = NULL;
	d->sw = d->facts = NULL;
	return 0;
}

/* -s, or every switch there is. */
static int switches(struct doctor *d)
{
	_cleanup_answer_ struct ctl_answer a = {0};
	struct json_object *l;
	int rc = 0;

	d->several = d->c->name != NULL;
	if (d->c->name)
		return one_switch(d, d->c->name);
	ctl_call(d->c, "GET", "/v1/switches", NULL, 10000, &a);
	l = a.status == 200 ? bg_json_get(a.json, "switches") : NULL;
	if (!json_object_is_type(l, json_type_array))
		return daemon_silent(d, &a);
	d->several = json_object_array_length(l) > 1;
	for (size_t i = 0; rc == 0 && i < json_object_array_length(l); i++)
		rc = one_switch(d, bg_json_str(json_object_array_get_idx(l, i), "switch", "?"));
	return rc;
}

static bool same_head(struct json_object *a, struct json_object *b)
{
	return a && strcmp(bg_json_str(a, "scope", ""), bg_json_str(b, "scope", "")) == 0 &&
	       strcmp(bg_json_str(a, "switch", ""), bg_json_str(b, "switch", "")) == 0;
}

static void report(struct doctor *d)
{
	struct json_object *before = NULL;

	for (size_t i = 0; i < json_object_array_length(d->findings); i++) {
		struct json_object *o = json_object_array_get_idx(d->findings, i);
		const char *sw = bg_json_str(o, "switch", NULL);

		if (!same_head(before, o)) {
			fprintf(d->c->out, "%s%s%s", before ? "\n" : "", bg_json_str(o, "scope", ""),
				sw ? " of " : "");
			out_clean(d->c->out, sw ? sw : "");
			fputc('\n', d->c->out);
		}
		print(d->c, o);
		before = o;
	}
	if (d->bad)
		fprintf(d->c->out, "\n%zu to mend\n", d->bad);
	else
		fputs("\nOK: nothing to mend\n", d->c->out);
}

int cmd_doctor(struct ctl *c)
{
	struct doctor d = {.c = c, .findings = json_object_new_array()};
	struct json_object *o;
	int rc;

	doc_gather(&d, c->config_dir);
	checks(&d, DOC_HOST);
	rc = switches(&d);
	if (rc == 0 && d.bad)
		rc = CTL_FAILED;
	if (!c->json) {
		report(&d);
		json_object_put(d.findings);
	} else {
		o = json_object_new_object();
		bg_json_add_bool(o, "ok", rc == 0);
		bg_json_add_int(o, "to_mend", (int64_t)d.bad);
		bg_json_add(o, "findings", d.findings);
		out_json(c, o);
		json_object_put(o);
	}
	doc_gather_free(&d);
	return rc;
}
