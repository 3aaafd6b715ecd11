/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/view.h"

#include "common/json.h"
#include "common/units.h"
#include "switchd/frozen.h"
#include "switchd/history.h"
#include "switchd/identity.h"
#include "switchd/run.h"
#include "switchd/soak.h"
#include "switchd/soak_back.h"

static void add_text(struct json_object *o, const char *name, const char *s)
{
	bg_json_add_str(o, name, s && *s ? s : NULL);
}

static void add_known(struct json_object *o, const char *name, int64_t n)
{
	bg_json_add(o, name, n < 0 ? NULL : json_object_new_int64(n));
}

static void add_time(struct json_object *o, const char *name, int64_t real_us)
{
	char t[32];

	bg_json_add_str(o, name, real_us ? bg_format_time(t, sizeof(t), real_us) : NULL);
}

static struct json_object *instance(const struct sw_inst *i)
{
	struct json_object *o = json_object_new_object();
	int64_t now = bg_now_us();

	bg_json_add_str(o, "instance", sw_inst_label(i));
	bg_json_add_str(o, "color", bg_color_name(i->color));
	bg_json_add_str(o, "url", i->url);
	bg_json_add_bool(o, "reachable", i->reachable);
	add_text(o, "trouble", i->reachable ? i->handler_trouble : i->trouble);
	bg_json_add_str(o, "state", sw_istate_name(i->state));
	bg_json_add_int(o, "epoch", i->epoch);
	add_text(o, "incarnation", i->incarnation);
	add_text(o, "cause", i->state == SW_I_FENCED || i->state == SW_I_FAILED ? i->cause : NULL);
	add_known(o, "lag", i->reachable ? i->lag : -1);
	bg_json_add_int(o, "in_flight", i->in_flight);
	bg_json_add_int(o, "records_total", i->records);
	bg_json_add_int(o, "errors_total", i->errors);
	add_text(o, "last_error", i->last_error);
	bg_json_add_int(o, "partitions", (int64_t)i->n_part);
	bg_json_add_int(o, "state_for_ms", i->state_since_us ? (now - i->state_since_us) / 1000 : 0);
	add_known(o, "seen_ms_ago", i->seen_us ? (now - i->seen_us) / 1000 : -1);
	return o;
}

static struct json_object *running(struct sw_switch *sw)
{
	struct sw_run *r = sw->run;
	struct json_object *o;

	if (!r || r->ended)
		return NULL;
	o = json_object_new_object();
	bg_json_add_str(o, "id", r->id);
	bg_json_add_str(o, "kind", sw_kind_name(r->kind));
	bg_json_add_str(o, "from", sw_color_name(r->from));
	bg_json_add_str(o, "to", sw_color_name(r->to));
	bg_json_add_int(o, "epoch", r->epoch);
	bg_json_add_str(o, "phase", sw_phase_name(sw->state));
	add_text(o, "by", r->by);
	add_text(o, "reason", r->reason);
	add_text(o, "trouble", r->why.msg);
	/* It has not got on for so long that nobody should wait for it. */
	bg_json_add_bool(o, "stuck", r->in_trouble);
	add_time(o, "started", r->started_real_us);
	bg_json_add_int(o, "elapsed_us", bg_now_us() - r->started_us);
	bg_json_add(o, "steps", sw_history_steps(r));
	return o;
}

static struct json_object *rollback(const struct sw_switch *sw)
{
	const struct sw_record *r = &sw->rec;
	struct json_object *o = json_object_new_object();
	bool allowed = r->rollback_allowed && r->rollback_until_us > bg_real_us() && r->active != SW_NO_COLOR;

	bg_json_add_bool(o, "allowed", allowed);
	bg_json_add_str(o, "to", allowed ? bg_color_name(bg_color_other((enum bg_color)r->active)) : NULL);
	add_time(o, "until", r->rollback_until_us);
	return o;
}

static void add_whole(struct json_object *o, struct sw_switch *sw)
{
	struct json_object *list = json_object_new_array(), *soak = json_object_new_object();

	for (size_t k = 0; k < sw->n_inst; k++)
		json_object_array_add(list, instance(&sw->inst[k]));
	bg_json_add(o, "instances", list);
	bg_json_add(o, "last", sw->last ? json_object_get(sw->last) : NULL);
	add_time(soak, "until", sw->rec.soak_until_us);
	bg_json_add_int(soak, "errors", sw_soak_errors(sw));
	bg_json_add_int(soak, "dual_active_us", sw_soak_dual_us(sw));
	sw_soak_add(sw, soak);
	bg_json_add(o, "soak", soak);
	bg_json_add(o, "record", sw_record_to_json(&sw->rec, sw->cfg->name));
}

const char *sw_trouble(const struct sw_switch *sw, char *buf, size_t size)
{
	if (sw->degraded[0])
		return sw->degraded;
	return sw_identity_trouble(sw, buf, size) ? buf : sw_soak_trouble(sw);
}

struct json_object *sw_view(struct sw_switch *sw, bool whole)
{
	struct json_object *o = json_object_new_object(), *lag = json_object_new_object();
	char buf[800];
	const char *degraded = sw_trouble(sw, buf, sizeof(buf));

	bg_json_add_str(o, "switch", sw->cfg->name);
	bg_json_add_str(o, "strategy", sw->cfg->plan->name);
	bg_json_add_str(o, "handover", sw->cfg->eager ? "eager" : "committed");
	bg_json_add_str(o, "phase", sw_phase_name(sw->state));
	bg_json_add_str(o, "active", sw_color_name(sw->rec.active));
	bg_json_add_str(o, "previous", sw_color_name(sw->rec.previous));
	bg_json_add_int(o, "epoch", sw->rec.epoch);
	bg_json_add_bool(o, "hold", sw->rec.hold);
	bg_json_add(o, "freeze", sw_frozen_json(sw));
	bg_json_add(o, "schedule", sw_schedule_to_json(&sw->rec.schedule));
	add_text(o, "degraded", degraded);
	bg_json_add_str(o, "health", *degraded ? "DEGRADED" : "OK");
	bg_json_add(o, "identity_in_use", sw_identity_json(sw));
	add_known(lag, "blue", sw_color_lag(sw, BG_BLUE));
	add_known(lag, "green", sw_color_lag(sw, BG_GREEN));
	bg_json_add(o, "lag", lag);
	bg_json_add_int(o, "stalled_partitions", (int64_t)sw_stalled(sw));
	bg_json_add(o, "running", running(sw));
	bg_json_add(o, "rollback", rollback(sw));
	if (whole)
		add_whole(o, sw);
	return o;
}
