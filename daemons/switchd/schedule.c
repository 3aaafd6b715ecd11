/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/schedule.h"

#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "common/units.h"
#include "switchd/command.h"
#include "switchd/events.h"
#include "switchd/frozen.h"
#include "switchd/history.h"
#include "switchd/metrics.h"
#include "switchd/run.h"

#define SEC     INT64_C(1000000)
#define YEAR_US (INT64_C(366) * 24 * 3600 * SEC)
#define TICK_US SEC  /* the wall clock may be set, and no timer of ours knows */
#define SOON_US 1000 /* not from within the end of a run */

/* ---- answers that wait for the disk */

struct kept {
	struct bg_http_req *req; /* NULL: the client has left */
	struct sw_switch *sw;
	struct json_object *answer;
	int status;
};

static void on_gone(void *arg)
{
	((struct kept *)arg)->req = NULL;
}

static void on_kept(void *arg, int rc, const struct bg_err *err)
{
	struct kept *k = arg;

	if (rc < 0)
		sw_record_save(k->sw, NULL, NULL); /* which is repeated */
	if (k->req) {
		bg_http_on_gone(k->req, NULL, NULL);
		if (rc < 0)
			bg_http_error(
				k->req, 500, "store",
				"%s; it is in force all the same, and is written again until that succeeds",
				err->msg);
		else
			bg_http_json(k->req, k->status, bg_steal_ptr(&k->answer));
	}
	json_object_put(k->answer);
	free(k);
}

void sw_answer_when_kept(struct bg_http_req *req, struct sw_switch *sw, int status,
			 struct json_object *answer)
{
	struct kept *k = bg_xcalloc(1, sizeof(*k));

	*k = (struct kept){req, sw, answer, status};
	bg_http_on_gone(req, on_gone, k);
	sw_record_save(sw, on_kept, k);
}

/* ---- telling */

static void tell(struct sw_switch *sw, const struct sw_schedule *s, const char *what, const char *why)
{
	struct json_object *o = json_object_new_object();
	char t[32];

	bg_json_add_str(o, "what", what);
	bg_json_add_str(o, "why", why);
	bg_json_add(o, "schedule", sw_schedule_to_json(s));
	sw_events_tell(sw, "schedule", o);
	bg_log_sw(why ? BG_WARN : BG_NOTICE, sw->cfg->name, "schedule",
		  "%s: the switch to %s at %s, by %s%s%s%s%s", what, sw_color_name(s->to),
		  bg_format_time(t, sizeof(t), s->at_us), s->by, s->reason[0] ? ": " : "", s->reason,
		  why ? "; " : "", why ? why : "");
}

/* ---- the time has come, or will not */

/* It is in the history as one that ended: nobody should have to wonder where it is. */
static void drop(struct sw_switch *sw, const char *why)
{
	struct sw_schedule s = sw->rec.schedule;
	_cleanup_json_ struct json_object *e = json_object_new_object();
	char t[32];

	bg_json_add_str(e, "id", s.id);
	bg_json_add_str(e, "kind", sw_kind_name(SW_KIND_SWITCH));
	bg_json_add_str(e, "switch", sw->cfg->name);
	bg_json_add_str(e, "strategy", sw->cfg->plan->name);
	bg_json_add_str(e, "from", sw_color_name(bg_color_other((enum bg_color)s.to)));
	bg_json_add_str(e, "to", sw_color_name(s.to));
	bg_json_add_int(e, "epoch", sw->rec.epoch);
	bg_json_add_int(e, "base_epoch", s.expect_epoch);
	bg_json_add_str(e, "by", s.by);
	bg_json_add_str(e, "reason", s.reason);
	bg_json_add_bool(e, "force", s.force);
	bg_json_add_str(e, "scheduled", bg_format_time(t, sizeof(t), s.at_us));
	bg_json_add_str(e, "started", bg_format_time(t, sizeof(t), bg_real_us()));
	bg_json_add_str(e, "outcome", SW_DROPPED);
	bg_json_add_int(e, "exit", sw_outcome_exit(SW_DROPPED));
	bg_json_add_str(e, "error", why);
	bg_json_add_int(e, "duration_us", 0);
	bg_json_add(e, "gap_us", NULL);
	sw_persist_history(sw->persist, bg_json_text(e), NULL, NULL);
	sw_metrics_dropped(sw);
	tell(sw, &s, SW_DROPPED, why);
	memset(&sw->rec.schedule, 0, sizeof(sw->rec.schedule));
	sw_record_save(sw, NULL, NULL);
}

static void begin(struct sw_switch *sw)
{
	/* A copy: the end of its run, which may come at once, takes it out of the record. */
	const struct sw_schedule s = sw->rec.schedule;
	struct sw_request rq = {.kind = SW_KIND_SWITCH,
				.to = (enum bg_color)s.to,
				.force = s.force,
				.resubscribe = s.resubscribe,
				.by = s.by,
				.reason = s.reason,
				.schedule = &s};

	tell(sw, &s, "begins", NULL);
	sw_run_start(sw, &rq);
}

static bool is_running(const struct sw_switch *sw)
{
	return sw->run && !sw->run->ended && strcmp(sw->run->id, sw->rec.schedule.id) == 0;
}

static void look_at_schedule(struct sw_switch *sw, int64_t now)
{
	const struct sw_schedule *s = &sw->rec.schedule;
	char why[256], late[32], limit[32];

	/* While something is under way the epoch may still move. */
	if (!s->id[0] || sw->dm->stopping || is_running(sw) || sw_state_busy(sw->state))
		return;
	if (sw->rec.epoch != s->expect_epoch) {
		snprintf(why, sizeof(why), "the epoch is %lld, and was %lld when it was scheduled",
			 (long long)sw->rec.epoch, (long long)s->expect_epoch);
		drop(sw, why);
	} else if (now < s->at_us) {
		return;
	} else if (now - s->at_us > sw->cfg->late_us) {
		snprintf(
			why, sizeof(why),
			"its time was over for %s (bg-switchd was down or busy, or the clock was set); schedule-late "
			"is %s",
			bg_format_duration(late, sizeof(late), (now - s->at_us) / SEC * SEC),
			bg_format_duration(limit, sizeof(limit), sw->cfg->late_us));
		drop(sw, why);
	} else if (sw->state != SW_IDLE && sw->state != SW_SOAKING) {
		snprintf(why, sizeof(why), "the phase is %s: that needs a person", sw_phase_name(sw->state));
		drop(sw, why);
	} else {
		begin(sw);
	}
}

static void arm(struct sw_switch *sw, int64_t now)
{
	const struct sw_schedule *s = &sw->rec.schedule;
	int64_t left = s->id[0] && s->at_us > now ? s->at_us - now : TICK_US;

	if (s->id[0] || sw->rec.freeze.since_us || sw->cfg->freeze.n)
		bg_timer_start(sw->tick, BG_MAX(BG_MIN(left, TICK_US), SOON_US));
}

void sw_schedule_tick(struct sw_switch *sw, int64_t real_us)
{
	sw_frozen_look(sw, real_us);
	look_at_schedule(sw, real_us);
	if (sw->planning)
		arm(sw, real_us);
}

void sw_schedule_look(struct sw_switch *sw)
{
	if (sw->planning)
		bg_timer_start(sw->tick, SOON_US);
}

void sw_schedule_start(struct sw_switch *sw)
{
	struct sw_schedule *s = &sw->rec.schedule;

	/* Its end is in the history, and we were killed before it was out of the record. */
	if (s->id[0] && strcmp(bg_json_str(sw->last, "id", ""), s->id) == 0) {
		memset(s, 0, sizeof(*s));
		sw_record_save(sw, NULL, NULL);
	}
	sw->planning = !sw->dm->once;
	sw_schedule_look(sw);
}

void sw_schedule_stop(struct sw_switch *sw)
{
	sw->planning = false;
	bg_timer_stop(sw->tick);
}

void sw_schedule_not_intended(struct sw_run *r)
{
	const struct sw_record *rec = &r->sw->rec;

	r->before.hold = rec->hold;
	r->before.freeze = rec->freeze;
	/* Its own is still on the disk; the end of the run takes it away. */
	if (!r->scheduled_us)
		r->before.schedule = rec->schedule;
}

void sw_schedule_intended(struct sw_run *r)
{
	struct sw_schedule *s = &r->sw->rec.schedule;

	r->sw->rec.scheduled_us = r->scheduled_us;
	if (strcmp(s->id, r->id) == 0)
		memset(s, 0, sizeof(*s));
}

void sw_schedule_ended(struct sw_run *r)
{
	struct sw_switch *sw = r->sw;
	struct sw_schedule *s = &sw->rec.schedule;

	if (strcmp(s->id, r->id) == 0) {
		memset(s, 0, sizeof(*s));
		sw_record_save(sw, NULL, NULL);
	}
	if (s->id[0])
		sw_schedule_look(sw);
}

/* ---- the commands */

/* One a switch; the same once more is the same. True: answered. */
static bool is_there(struct bg_http_req *req, const struct sw_switch *sw, int to, int64_t at_us)
{
	const struct sw_schedule *s = &sw->rec.schedule;
	struct json_object *more = sw_schedule_to_json(s);
	char msg[200], t[32];

	if (!more)
		return false;
	if (s->to == to && s->at_us == at_us) {
		bg_http_json(req, 202, more);
		return true;
	}
	snprintf(msg, sizeof(msg),
		 "a switch to %s is scheduled for %s (id %s); `bgctl unschedule` removes it",
		 sw_color_name(s->to), bg_format_time(t, sizeof(t), s->at_us), s->id);
	bg_http_error_json(req, 409, "already_scheduled", msg, more);
	return true;
}

bool sw_schedule_time(struct bg_http_req *req, int64_t *ret_us)
{
	const char *at = bg_json_str(bg_http_body(req), "at", "");
	int64_t now = bg_real_us();

	if (bg_parse_rfc3339_us(at, ret_us) < 0) {
		bg_http_error(req, 400, "bad_request", "at: `%s` is no time; expected " SW_TIME_FORM, at);
		return false;
	}
	*ret_us -= *ret_us % 1000; /* as it is kept */
	if (*ret_us > now - SEC && *ret_us - now <= YEAR_US)
		return true;
	bg_http_error(req, 400, "bad_request", "at: `%s` is %s", at,
		      *ret_us < now ? "over" : "more than a year ahead");
	return false;
}

void sw_schedule_add(struct bg_http_req *req, struct sw_switch *sw, int to)
{
	struct json_object *body = bg_http_body(req), *o;
	struct sw_schedule s = {.to = to, .made_us = bg_real_us(), .expect_epoch = sw->rec.epoch};
	_cleanup_buf_ struct bg_buf warning = {0};
	struct sw_frozen f;

	if (!sw_schedule_time(req, &s.at_us) || is_there(req, sw, to, s.at_us))
		return;
	bg_random_hex(s.id, 8);
	s.force = bg_json_bool(body, "force", false);
	s.resubscribe = bg_json_bool(body, "resubscribe", false);
	bg_strlcpy(s.reason, bg_json_str(body, "reason", ""), sizeof(s.reason));
	sw_cmd_by(req, s.by, sizeof(s.by));
	sw->rec.schedule = s;
	tell(sw, &s, "added", NULL);
	o = sw_schedule_to_json(&s);
	if (sw_frozen(sw, s.at_us, &f)) {
		sw_frozen_say(sw, &f, &warning);
		bg_json_add_str(o, "warning", warning.s);
	}
	sw_schedule_look(sw);
	sw_answer_when_kept(req, sw, 202, o);
}

void sw_cmd_unschedule(struct bg_http_req *req, void *arg)
{
	struct sw_switch *sw = sw_of_request(req, arg);
	struct json_object *o;

	if (!sw)
		return;
	if (!sw->rec.schedule.id[0]) {
		bg_http_error(req, 409, "nothing_scheduled", "no switch is scheduled");
		return;
	}
	if (is_running(sw)) {
		bg_http_error(req, 409, "busy", "the scheduled switch has begun; `bgctl abort` ends it");
		return;
	}
	o = json_object_new_object();
	bg_json_add(o, "removed", sw_schedule_to_json(&sw->rec.schedule));
	tell(sw, &sw->rec.schedule, "removed", NULL);
	memset(&sw->rec.schedule, 0, sizeof(sw->rec.schedule));
	sw_answer_when_kept(req, sw, 200, o);
}
