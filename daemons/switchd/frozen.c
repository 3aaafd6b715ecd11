/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/frozen.h"

#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "common/units.h"
#include "switchd/command.h"
#include "switchd/events.h"
#include "switchd/preflight_int.h"
#include "switchd/schedule.h"

#define YEAR_US (INT64_C(366) * 24 * 3600 * 1000000)

/* By command, at `t`? *ret_until_us: its end. */
static bool by_command(const struct sw_switch *sw, int64_t t, int64_t *ret_until_us)
{
	const struct sw_freeze *z = &sw->rec.freeze;

	*ret_until_us = z->until_us ? z->until_us : SW_NO_END;
	return z->since_us && t < *ret_until_us;
}

bool sw_frozen(const struct sw_switch *sw, int64_t real_us, struct sw_frozen *ret)
{
	struct sw_frozen f = {real_us, NULL};
	bool found = false;

	/* One may end while the other goes on: at most a few times, for a window's end is that of all in a row. */
	for (int i = 0; i < 16 && f.until_us != SW_NO_END; i++) {
		int64_t end = 0, window_end = 0;
		bool person = by_command(sw, f.until_us, &end);
		const struct sw_window *w = sw_windows_at(&sw->cfg->freeze, f.until_us, &window_end);

		if (!person && !w)
			break;
		if (!found)
			f.window = person ? NULL : w;
		found = true;
		f.until_us = BG_MAX(person ? end : 0, w ? window_end : 0);
	}
	if (found)
		*ret = f;
	return found;
}

void sw_frozen_say(const struct sw_switch *sw, const struct sw_frozen *f, struct bg_buf *out)
{
	const struct sw_freeze *z = &sw->rec.freeze;
	const char *zone = sw->cfg->freeze.zone;
	char t[32];

	if (f->until_us == SW_NO_END)
		bg_buf_printf(out, "frozen %s", f->window ? "for longer than a year" : "until `bgctl thaw`");
	else
		bg_buf_printf(out, "frozen until %s", bg_format_time(t, sizeof(t), f->until_us));
	if (f->window)
		bg_buf_printf(out, ", by the window %s (%s)", f->window->text, zone ? zone : "local time");
	else
		bg_buf_printf(out, ", by %s: %s", z->by, z->reason);
}

struct json_object *sw_frozen_json(const struct sw_switch *sw)
{
	const char *zone = sw->cfg->freeze.zone;
	struct json_object *o;
	struct sw_frozen f;
	char t[32];

	if (!sw_frozen(sw, bg_real_us(), &f))
		return NULL;
	if (f.window) {
		o = json_object_new_object();
		bg_json_add_str(o, "since", NULL);
		bg_json_add_str(o, "by", NULL);
		bg_json_add_str(o, "reason", NULL);
	} else {
		o = sw_freeze_to_json(&sw->rec.freeze);
	}
	bg_json_add_str(o, "window", f.window ? f.window->text : NULL);
	bg_json_add_str(o, "zone", !f.window ? NULL : zone ? zone : "local");
	bg_json_add_str(o, "until",
			f.until_us == SW_NO_END ? NULL : bg_format_time(t, sizeof(t), f.until_us));
	return o;
}

/* ---- the preflight */

enum sw_pf_verdict sw_pf_freeze(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	struct sw_frozen z;

	/* Where nobody can work, to switch is the way out. */
	if (f->kind != SW_KIND_SWITCH || f->sw->rec.phase == SW_NEEDS_PERSON ||
	    !sw_frozen(f->sw, f->at_us ? f->at_us : bg_real_us(), &z))
		return SW_PF_GO;
	sw_frozen_say(f->sw, &z, msg);
	bg_buf_puts(msg, "; a rollback is never frozen");
	return SW_PF_NO_GO;
}

/* ---- telling */

static void tell(struct sw_switch *sw, bool frozen, const struct sw_frozen *f)
{
	struct json_object *o = json_object_new_object(), *more = frozen ? sw_frozen_json(sw) : NULL;
	_cleanup_buf_ struct bg_buf b = {0};

	sw->frozen_told = frozen;
	bg_json_add_bool(o, "frozen", frozen);
	bg_json_add(o, "freeze", more);
	sw_events_tell(sw, "freeze", o);
	if (frozen)
		sw_frozen_say(sw, f, &b);
	bg_log_sw(BG_NOTICE, sw->cfg->name, "freeze", "%s", frozen ? b.s : "no longer frozen");
}

void sw_frozen_look(struct sw_switch *sw, int64_t real_us)
{
	struct sw_frozen f;
	bool frozen = sw_frozen(sw, real_us, &f);

	if (frozen != sw->frozen_told)
		tell(sw, frozen, &f);
}

void sw_frozen_damaged(struct sw_switch *sw)
{
	struct sw_freeze *z = &sw->rec.freeze;

	z->since_us = bg_real_us();
	z->until_us = 0;
	bg_strlcpy(z->by, "bg-switchd", sizeof(z->by));
	bg_strlcpy(
		z->reason,
		"the record of truth was damaged, and whether it was frozen is not known any more: look, then "
		"`bgctl thaw`",
		sizeof(z->reason));
}

/* ---- the commands */

const struct bg_field sw_freeze_fields[] = {
	{"reason", BG_J_STRING, true, 1, 255, NULL},
	{"until", BG_J_STRING, false, 1, 40, NULL},
	{"by", BG_J_STRING, false, 0, 127, NULL},
	{NULL, BG_J_STRING, false, 0, 0, NULL},
};

/* Say it again, whatever was told: another end or another person is news too. Then answer, when it is durable. */
static void set_freeze(struct bg_http_req *req, struct sw_switch *sw, const struct sw_freeze *z)
{
	struct json_object *o = json_object_new_object();
	bool changed = z->since_us || sw->rec.freeze.since_us;
	struct sw_frozen f;
	bool frozen;

	sw->rec.freeze = *z;
	frozen = sw_frozen(sw, bg_real_us(), &f);
	if (changed)
		tell(sw, frozen, &f);
	bg_json_add_bool(o, "frozen", frozen);
	bg_json_add(o, "freeze", sw_frozen_json(sw));
	sw_schedule_look(sw);
	if (changed)
		sw_answer_when_kept(req, sw, 200, o);
	else
		bg_http_json(req, 200, o);
}

void sw_cmd_freeze(struct bg_http_req *req, void *arg)
{
	struct sw_switch *sw = sw_of_request(req, arg);
	struct json_object *body = sw ? bg_http_body(req) : NULL;
	const char *until = sw ? bg_json_str(body, "until", NULL) : NULL;
	struct sw_freeze z = {.since_us = bg_real_us()};

	if (!sw)
		return;
	if (until && bg_parse_rfc3339_us(until, &z.until_us) < 0) {
		bg_http_error(req, 400, "bad_request", "until: `%s` is no time; expected " SW_TIME_FORM,
			      until);
		return;
	}
	if (until && (z.until_us <= z.since_us || z.until_us - z.since_us > YEAR_US)) {
		bg_http_error(
			req, 400, "bad_request",
			"until: `%s` is not within the year that begins now; without until it is frozen until "
			"thaw",
			until);
		return;
	}
	sw_cmd_by(req, z.by, sizeof(z.by));
	bg_strlcpy(z.reason, bg_json_str(body, "reason", ""), sizeof(z.reason));
	set_freeze(req, sw, &z);
}

void sw_cmd_thaw(struct bg_http_req *req, void *arg)
{
	struct sw_switch *sw = sw_of_request(req, arg);
	struct sw_freeze none = {0};
	char by[128];

	if (!sw)
		return;
	sw_cmd_by(req, by, sizeof(by));
	if (sw->rec.freeze.since_us)
		bg_log_sw(BG_NOTICE, sw->cfg->name, "thaw", "by %s: %s", by,
			  bg_json_str(bg_http_body(req), "reason", ""));
	set_freeze(req, sw, &none);
}
