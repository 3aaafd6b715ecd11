/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/record.h"

#include <errno.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"
#include "common/units.h"

static const char *const kinds[] = {"switch", "rollback", "init", "reassert", "adopt"};

const char *sw_kind_name(enum sw_kind k)
{
	return kinds[k];
}

const char *sw_color_name(int color)
{
	return color == SW_NO_COLOR ? NULL : bg_color_name((enum bg_color)color);
}

void sw_record_init(struct sw_record *r)
{
	memset(r, 0, sizeof(*r));
	r->active = r->previous = r->from = r->to = SW_NO_COLOR;
	r->phase = SW_UNKNOWN;
	r->before = SW_BASELINE_UNKNOWN;
	bg_strlcpy(r->strategy, "D", sizeof(r->strategy));
}

static void add_time(struct json_object *o, const char *name, int64_t real_us)
{
	char buf[32];

	bg_json_add_str(o, name, real_us ? bg_format_time(buf, sizeof(buf), real_us) : NULL);
}

static void add_opt(struct json_object *o, const char *name, const char *s)
{
	bg_json_add_str(o, name, s && *s ? s : NULL);
}

static void add_figure(struct json_object *o, const char *name, double v)
{
	bg_json_add(o, name, v < 0 ? NULL : json_object_new_double(v));
}

static void add_before(struct json_object *o, const struct sw_baseline *b)
{
	struct json_object *j = json_object_new_object();

	bg_json_add(j, "lag", b->lag < 0 ? NULL : json_object_new_int64(b->lag));
	add_figure(j, "error_percent", b->error_rate);
	add_figure(j, "records_per_s", b->records_per_s);
	bg_json_add(o, "before", j);
}

struct json_object *sw_record_to_json(const struct sw_record *r, const char *name)
{
	struct json_object *o = json_object_new_object(), *desired = json_object_new_object();

	bg_json_add_int(o, "version", 1);
	bg_json_add_str(o, "switch", name);
	bg_json_add_int(o, "revision", r->revision);
	bg_json_add_int(o, "epoch", r->epoch);
	bg_json_add_str(o, "active", sw_color_name(r->active));
	bg_json_add_str(desired, "blue", r->desired_active[BG_BLUE] ? "ACTIVE" : "PAUSED");
	bg_json_add_str(desired, "green", r->desired_active[BG_GREEN] ? "ACTIVE" : "PAUSED");
	bg_json_add(o, "desired", desired);
	bg_json_add_str(o, "phase", sw_phase_name(r->phase));
	bg_json_add_str(o, "from", sw_color_name(r->from));
	bg_json_add_str(o, "to", sw_color_name(r->to));
	bg_json_add_str(o, "strategy", r->strategy);
	bg_json_add_str(o, "kind", sw_kind_name(r->kind));
	add_time(o, "started", r->started_real_us);
	add_opt(o, "by", r->by);
	add_opt(o, "reason", r->reason);
	add_opt(o, "id", r->id);
	bg_json_add_int(o, "base_epoch", r->base_epoch);
	bg_json_add_bool(o, "hold", r->hold);
	if (r->resubscribe)
		bg_json_add_bool(o, "resubscribe", true);
	if (r->automatic[0])
		bg_json_add_str(o, "automatic", r->automatic);
	if (r->kind == SW_KIND_SWITCH)
		add_before(o, &r->before);
	add_opt(o, "outcome", r->outcome);
	add_opt(o, "error", r->error);
	add_opt(o, "init_from", r->init_from);
	add_time(o, "soak_until", r->soak_until_us);
	bg_json_add_str(o, "previous", sw_color_name(r->previous));
	bg_json_add_bool(o, "rollback_allowed", r->rollback_allowed);
	add_time(o, "rollback_until", r->rollback_until_us);
	add_opt(o, "snapshot", r->snapshot);
	bg_json_add_int(o, "snapshot_epoch", r->snapshot_epoch);
	add_opt(o, "snapshot_sha256", r->snapshot_sha256);
	if (r->scheduled_us)
		add_time(o, "scheduled", r->scheduled_us);
	if (r->freeze.since_us)
		bg_json_add(o, "freeze", sw_freeze_to_json(&r->freeze));
	if (r->schedule.id[0])
		bg_json_add(o, "schedule", sw_schedule_to_json(&r->schedule));
	return o;
}

struct json_object *sw_freeze_to_json(const struct sw_freeze *f)
{
	struct json_object *o = f->since_us ? json_object_new_object() : NULL;

	if (!o)
		return NULL;
	add_time(o, "since", f->since_us);
	add_time(o, "until", f->until_us);
	add_opt(o, "by", f->by);
	add_opt(o, "reason", f->reason);
	return o;
}

struct json_object *sw_schedule_to_json(const struct sw_schedule *s)
{
	struct json_object *o = s->id[0] ? json_object_new_object() : NULL;

	if (!o)
		return NULL;
	bg_json_add_str(o, "id", s->id);
	add_time(o, "at", s->at_us);
	bg_json_add_str(o, "to", sw_color_name(s->to));
	bg_json_add_int(o, "expect_epoch", s->expect_epoch);
	bg_json_add_bool(o, "force", s->force);
	if (s->resubscribe)
		bg_json_add_bool(o, "resubscribe", true);
	add_opt(o, "by", s->by);
	add_opt(o, "reason", s->reason);
	add_time(o, "made", s->made_us);
	return o;
}

static int get_color(struct json_object *j, const char *name, int *ret, struct bg_err *err)
{
	struct json_object *v = bg_json_get(j, name);
	enum bg_color c;

	*ret = SW_NO_COLOR;
	if (!v)
		return 0;
	if (!json_object_is_type(v, json_type_string) || !bg_color_parse(json_object_get_string(v), &c))
		return bg_err_set(err, -EBADMSG, "bad_record",
				  "`%s` of the record is no colour; expected blue, green or null", name);
	*ret = (int)c;
	return 0;
}

static int64_t get_time(struct json_object *j, const char *name)
{
	int64_t us = 0;
	const char *s = bg_json_str(j, name, NULL);

	return s && bg_parse_time_us(s, &us) == 0 ? us : 0;
}

static int get_desired(struct json_object *j, struct sw_record *r, struct bg_err *err)
{
	struct json_object *d = bg_json_get(j, "desired");

	for (int c = 0; c < 2; c++) {
		const char *s = d ? bg_json_str(d, sw_color_name(c), NULL) : NULL;

		if (!s || (strcmp(s, "ACTIVE") != 0 && strcmp(s, "PAUSED") != 0))
			return bg_err_set(err, -EBADMSG, "bad_record",
					  "`desired.%s` of the record is neither ACTIVE nor PAUSED",
					  sw_color_name(c));
		r->desired_active[c] = strcmp(s, "ACTIVE") == 0;
	}
	if (r->desired_active[0] && r->desired_active[1])
		return bg_err_set(err, -EBADMSG, "bad_record",
				  "`desired` of the record says ACTIVE for both colours");
	return 0;
}

static double get_figure(struct json_object *j, const char *name)
{
	struct json_object *v = bg_json_get(j, name);
	double d = json_object_is_type(v, json_type_double) || json_object_is_type(v, json_type_int)
			   ? json_object_get_double(v)
			   : -1;

	return d >= 0 ? d : -1;
}

static void get_before(struct json_object *j, struct sw_baseline *ret)
{
	struct json_object *b = bg_json_get(j, "before");

	if (!json_object_is_type(b, json_type_object))
		return;
	ret->lag = BG_MAX(bg_json_int(b, "lag", -1), -1);
	ret->error_rate = get_figure(b, "error_percent");
	ret->records_per_s = get_figure(b, "records_per_s");
}

static void get_text(struct json_object *j, const char *name, char *dst, size_t size)
{
	bg_strlcpy(dst, bg_json_str(j, name, ""), size);
}

static const struct bg_field freeze_fields[] = {
	{"since", BG_J_STRING, true, 0, 0, NULL},
	{"until", BG_J_STRING, false, 0, 0, NULL},
	{NULL, BG_J_STRING, false, 0, 0, NULL},
};
static const struct bg_field schedule_fields[] = {
	{"id", BG_J_STRING, true, 1, 39, NULL},        {"at", BG_J_STRING, true, 0, 0, NULL},
	{"to", BG_J_STRING, true, 0, 0, "blue|green"}, {"expect_epoch", BG_J_INT, true, 0, INT64_MAX, NULL},
	{NULL, BG_J_STRING, false, 0, 0, NULL},
};

/* Nobody may be unfrozen, or switched at another time, by a member that cannot be read. */
static int get_plans(struct json_object *j, struct sw_record *r, struct bg_err *err)
{
	struct json_object *f = bg_json_get(j, "freeze"), *s = bg_json_get(j, "schedule");
	enum bg_color to;

	if ((f && (!json_object_is_type(f, json_type_object) || bg_json_check(f, freeze_fields, err) < 0)) ||
	    (s && (!json_object_is_type(s, json_type_object) || bg_json_check(s, schedule_fields, err) < 0)))
		return bg_err_set(err, -EBADMSG, "bad_record",
				  "`freeze` or `schedule` of the record is not one");
	r->freeze.since_us = f ? get_time(f, "since") : 0;
	r->freeze.until_us = f ? get_time(f, "until") : 0;
	r->schedule.at_us = s ? get_time(s, "at") : 0;
	if ((f && (!r->freeze.since_us || (bg_json_get(f, "until") && !r->freeze.until_us))) ||
	    (s && !r->schedule.at_us))
		return bg_err_set(err, -EBADMSG, "bad_record",
				  "a time of `freeze` or `schedule` of the record is none");
	if (f) {
		get_text(f, "by", r->freeze.by, sizeof(r->freeze.by));
		get_text(f, "reason", r->freeze.reason, sizeof(r->freeze.reason));
	}
	if (!s)
		return 0;
	bg_color_parse(bg_json_str(s, "to", ""), &to);
	r->schedule.to = (int)to;
	r->schedule.made_us = get_time(s, "made");
	r->schedule.expect_epoch = bg_json_int(s, "expect_epoch", 0);
	r->schedule.force = bg_json_bool(s, "force", false);
	r->schedule.resubscribe = bg_json_bool(s, "resubscribe", false);
	get_text(s, "id", r->schedule.id, sizeof(r->schedule.id));
	get_text(s, "by", r->schedule.by, sizeof(r->schedule.by));
	get_text(s, "reason", r->schedule.reason, sizeof(r->schedule.reason));
	return 0;
}

static const struct bg_field record_fields[] = {
	{"version", BG_J_INT, true, 1, 1, NULL},          {"switch", BG_J_STRING, true, 0, 0, NULL},
	{"revision", BG_J_INT, true, 0, INT64_MAX, NULL}, {"epoch", BG_J_INT, true, 0, INT64_MAX, NULL},
	{"phase", BG_J_STRING, true, 0, 0, NULL},         {"desired", BG_J_OBJECT, true, 0, 0, NULL},
	{NULL, BG_J_STRING, false, 0, 0, NULL},
};

static void get_rest(struct json_object *j, struct sw_record *r)
{
	const char *kind = bg_json_str(j, "kind", "switch");

	for (unsigned i = 0; i < BG_ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i], kind) == 0)
			r->kind = (enum sw_kind)i;
	r->hold = bg_json_bool(j, "hold", false);
	r->resubscribe = bg_json_bool(j, "resubscribe", false);
	r->rollback_allowed = bg_json_bool(j, "rollback_allowed", false);
	r->base_epoch = bg_json_int(j, "base_epoch", 0);
	r->snapshot_epoch = bg_json_int(j, "snapshot_epoch", 0);
	r->started_real_us = get_time(j, "started");
	r->soak_until_us = get_time(j, "soak_until");
	r->rollback_until_us = get_time(j, "rollback_until");
	r->scheduled_us = get_time(j, "scheduled");
	get_text(j, "strategy", r->strategy, sizeof(r->strategy));
	get_text(j, "id", r->id, sizeof(r->id));
	get_text(j, "by", r->by, sizeof(r->by));
	get_text(j, "reason", r->reason, sizeof(r->reason));
	get_text(j, "outcome", r->outcome, sizeof(r->outcome));
	get_text(j, "error", r->error, sizeof(r->error));
	get_text(j, "init_from", r->init_from, sizeof(r->init_from));
	get_text(j, "snapshot", r->snapshot, sizeof(r->snapshot));
	get_text(j, "snapshot_sha256", r->snapshot_sha256, sizeof(r->snapshot_sha256));
	get_text(j, "automatic", r->automatic, sizeof(r->automatic));
	get_before(j, &r->before);
}

int sw_record_from_json(struct json_object *j, const char *name, struct sw_record *ret, struct bg_err *err)
{
	struct sw_record r;

	sw_record_init(&r);
	int rc = bg_json_check(j, record_fields, err);
	if (rc < 0) {
		bg_err_prefix(err, "the record");
		return -EBADMSG;
	}
	if (strcmp(bg_json_str(j, "switch", ""), name) != 0)
		return bg_err_set(err, -EBADMSG, "bad_record", "the record is of switch `%s`, not of `%s`",
				  bg_json_str(j, "switch", ""), name);
	if (!sw_phase_parse(bg_json_str(j, "phase", ""), &r.phase))
		return bg_err_set(err, -EBADMSG, "bad_record", "`phase` of the record is `%s`, which is none",
				  bg_json_str(j, "phase", ""));
	r.revision = bg_json_int(j, "revision", 0);
	r.epoch = bg_json_int(j, "epoch", 0);
	if ((rc = get_color(j, "active", &r.active, err)) < 0 ||
	    (rc = get_color(j, "previous", &r.previous, err)) < 0 ||
	    (rc = get_color(j, "from", &r.from, err)) < 0 || (rc = get_color(j, "to", &r.to, err)) < 0 ||
	    (rc = get_desired(j, &r, err)) < 0 || (rc = get_plans(j, &r, err)) < 0)
		return rc;
	if (sw_state_busy(r.phase) && (r.to == SW_NO_COLOR || r.from == SW_NO_COLOR))
		return bg_err_set(err, -EBADMSG, "bad_record",
				  "the record is in phase %s, but lacks from or to", sw_phase_name(r.phase));
	get_rest(j, &r);
	*ret = r;
	return 0;
}
