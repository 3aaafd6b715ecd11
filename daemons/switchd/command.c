/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/command.h"

#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "switchd/events.h"
#include "switchd/history.h"
#include "switchd/initial.h"
#include "switchd/run.h"
#include "switchd/schedule.h"

#define COMMON_FIELDS                                                                                        \
	{"expect_epoch", BG_J_INT, false, 0, INT64_MAX, NULL}, {"dry_run", BG_J_BOOL, false, 0, 0, NULL},    \
		{"force", BG_J_BOOL, false, 0, 0, NULL}, {"resubscribe", BG_J_BOOL, false, 0, 0, NULL},      \
		{"reason", BG_J_STRING, false, 0, 255, NULL}, {"by", BG_J_STRING, false, 0, 127, NULL},      \
	{                                                                                                    \
		NULL, BG_J_STRING, false, 0, 0, NULL                                                         \
	}

const struct bg_field sw_switch_fields[] = {{"to", BG_J_STRING, true, 0, 0, "blue|green"},
					    {"at", BG_J_STRING, false, 1, 40, NULL},
					    COMMON_FIELDS};
const struct bg_field sw_init_fields[] = {{"active", BG_J_STRING, true, 0, 0, "blue|green"},
					  {"from", BG_J_STRING, false, 0, 255, NULL},
					  COMMON_FIELDS};
/* Records are given again on purpose: so it is said from where on, and only once. */
const struct bg_field sw_restore_fields[] = {{"expect_epoch", BG_J_INT, true, 0, INT64_MAX, NULL},
					     {"to", BG_J_STRING, false, 0, 0, "blue|green"},
					     COMMON_FIELDS};
const struct bg_field sw_plain_fields[] = {COMMON_FIELDS};

struct sw_switch *sw_of_request(struct bg_http_req *req, void *arg)
{
	const char *name = bg_http_param(req, "name");
	struct sw_switch *sw = sw_find(arg, name);

	if (!sw)
		bg_http_error(req, 404, "unknown_switch", "there is no switch `%s` here", name);
	return sw;
}

static bool wants_wait(struct bg_http_req *req)
{
	const char *w = bg_http_query(req, "wait");

	return w && strcmp(w, "0") != 0 && strcmp(w, "false") != 0;
}

/* Its end when that is waited for, else what it is called. */
static void answer_run(struct bg_http_req *req, struct sw_run *r)
{
	struct json_object *o;

	if (wants_wait(req)) {
		if (r->ended)
			bg_http_json(req, 200, json_object_get(r->sw->last));
		else
			sw_run_wait(r, req);
		return;
	}
	o = json_object_new_object();
	bg_json_add_int(o, "epoch", r->epoch);
	bg_json_add_str(o, "id", r->id);
	bg_json_add_str(o, "to", sw_color_name(r->to));
	if (r->resubscribe)
		bg_json_add_int(o, "resubscribe_gap_ms",
				sw_preflight_gap_us(r->sw, (enum bg_color)r->to) / 1000);
	bg_http_json(req, 202, o);
}

/* Did the running or last switch have the same target, and start from the epoch that is expected? Then this is
 * the same request again. One that changed nothing may be asked for anew. */
static bool same_again(const struct sw_switch *sw, struct json_object *body, int to, int64_t restore)
{
	const struct sw_run *r = sw->run;
	int64_t expect = bg_json_int(body, "expect_epoch", -1);

	if (!r || expect < 0 || r->base_epoch != expect || r->to != to || r->restore_epoch != restore ||
	    r->kind == SW_KIND_REASSERT || r->kind == SW_KIND_ADOPT)
		return false;
	return !r->ended || sw->rec.epoch != r->base_epoch;
}

/* The same after a restart: only the record knows. */
static bool same_recorded(const struct sw_switch *sw, struct json_object *body, int to)
{
	const struct sw_record *rec = &sw->rec;

	return !sw->run && rec->id[0] && rec->to == to &&
	       bg_json_int(body, "expect_epoch", -1) == rec->base_epoch && rec->epoch > rec->base_epoch;
}

static void answer_recorded(struct bg_http_req *req, const struct sw_switch *sw)
{
	struct json_object *o = json_object_new_object();

	bg_json_add_int(o, "epoch", sw->rec.epoch);
	bg_json_add_str(o, "id", sw->rec.id);
	bg_json_add_str(o, "to", sw_color_name(sw->rec.to));
	bg_json_add_str(o, "outcome", sw->rec.outcome[0] ? sw->rec.outcome : "done");
	bg_json_add_int(o, "exit", sw_outcome_exit(sw->rec.outcome[0] ? sw->rec.outcome : "done"));
	bg_http_json(req, wants_wait(req) ? 200 : 202, o);
}

static void refuse_busy(struct bg_http_req *req, const struct sw_switch *sw)
{
	struct json_object *more = json_object_new_object();
	char msg[160];

	bg_json_add_str(more, "id", sw->run->id);
	bg_json_add_str(more, "phase", sw_phase_name(sw->state));
	bg_json_add_int(more, "epoch", sw->run->epoch);
	if (sw_run_asserts(sw->run))
		snprintf(msg, sizeof(msg), "%s is active, and being brought to epoch %lld (%s, id %s)",
			 sw_color_name(sw->run->to), (long long)sw->run->epoch, sw_phase_name(sw->state),
			 sw->run->id);
	else
		snprintf(msg, sizeof(msg), "%s %s to %s is under way (%s, id %s)",
			 sw->run->kind == SW_KIND_INIT ? "an" : "a", sw_kind_name(sw->run->kind),
			 sw_color_name(sw->run->to), sw_phase_name(sw->state), sw->run->id);
	bg_http_error_json(req, 409, "busy", msg, more);
}

/* True: the epoch is the expected one, or none is expected. */
static bool epoch_fits(struct bg_http_req *req, const struct sw_switch *sw, int64_t other)
{
	int64_t expect = bg_json_int(bg_http_body(req), "expect_epoch", -1);
	struct json_object *more;
	char msg[120];

	if (expect < 0 || expect == sw->rec.epoch || expect == other)
		return true;
	more = json_object_new_object();
	bg_json_add_int(more, "epoch", sw->rec.epoch);
	snprintf(msg, sizeof(msg), "the epoch is %lld, not the expected %lld", (long long)sw->rec.epoch,
		 (long long)expect);
	bg_http_error_json(req, 409, "epoch_changed", msg, more);
	return false;
}

/* What every command that starts a run has to pass. True: go on. */
static bool may_start(struct bg_http_req *req, struct sw_switch *sw, struct json_object *body)
{
	if (sw->dm->stopping) {
		bg_http_error(req, 503, "shutting_down", "the daemon is stopping");
		return false;
	}
	if (sw_state_busy(sw->state)) {
		refuse_busy(req, sw);
		return false;
	}
	if (!epoch_fits(req, sw, -1))
		return false;
	if (sw->rec.hold && !bg_json_bool(body, "dry_run", false)) {
		bg_http_error(req, 409, "held", "the switch is on hold");
		return false;
	}
	return true;
}

struct dry {
	struct sw_preflight *p;
	struct bg_http_req *req;
	struct bg_loop *loop;
	bool plain; /* GET …/preflight */
};

static void dry_free(void *arg)
{
	struct dry *d = arg;

	sw_preflight_free(d->p);
	free(d);
}

static void on_dry(void *arg, bool go, struct json_object *rules, int64_t seen_epoch,
		   const struct bg_err *why)
{
	struct dry *d = arg;
	struct json_object *o = json_object_new_object();

	(void)seen_epoch;
	if (!d->plain) {
		bg_json_add_bool(o, "dry_run", true);
		bg_json_add_str(o, "outcome", go ? "done" : "no_go");
		bg_json_add_int(o, "exit", go ? 0 : 3);
		bg_json_add_str(o, "error", go ? NULL : why->msg);
	}
	bg_json_add_bool(o, "go", go);
	bg_json_add(o, "rules", json_object_get(rules));
	bg_http_on_gone(d->req, NULL, NULL);
	bg_http_json(d->req, 200, o);
	/* We are inside the preflight: it is freed after this turn. */
	bg_loop_defer(d->loop, dry_free, d);
}

static void dry_gone(void *arg)
{
	dry_free(arg);
}

static void dry_run(struct bg_http_req *req, struct sw_switch *sw, const struct sw_pf_ask *ask, bool plain)
{
	struct dry *d = bg_xcalloc(1, sizeof(*d));

	d->req = req;
	d->loop = sw->dm->loop;
	d->plain = plain;
	d->p = sw_preflight_start(sw, ask, on_dry, d);
	bg_http_on_gone(req, dry_gone, d);
}

void sw_cmd_by(struct bg_http_req *req, char *by, size_t size)
{
	const char *named = bg_json_str(bg_http_body(req), "by", "");

	if (named[0])
		snprintf(by, size, "%.60s (%.60s)", named, bg_http_peer(req));
	else
		snprintf(by, size, "%.120s", bg_http_peer(req));
}

/* For later: the preflight of now, but for the freeze, which is that of then; or it is kept. */
static void start_later(struct bg_http_req *req, struct sw_switch *sw, const struct sw_request *rq)
{
	struct sw_pf_ask ask = {rq->kind, rq->to, rq->force, rq->resubscribe, NULL, 0};

	if (!bg_json_bool(bg_http_body(req), "dry_run", false))
		sw_schedule_add(req, sw, (int)rq->to);
	else if (sw_schedule_time(req, &ask.at_us))
		dry_run(req, sw, &ask, false);
}

static void start(struct bg_http_req *req, struct sw_switch *sw, struct sw_request *rq)
{
	struct json_object *body = bg_http_body(req);
	char by[128];

	rq->force = bg_json_bool(body, "force", false);
	rq->resubscribe = bg_json_bool(body, "resubscribe", false);
	rq->reason = bg_json_str(body, "reason", "");
	if (rq->resubscribe && !sw_cfg_shared(sw->cfg)) {
		bg_http_error(
			req, 400, "bad_request",
			"resubscribe: strategy %s has a group for each colour: there is nothing to join again",
			sw->cfg->plan->name);
		return;
	}
	if (bg_json_str(body, "at", NULL)) {
		start_later(req, sw, rq);
		return;
	}
	if (bg_json_bool(body, "dry_run", false)) {
		struct sw_pf_ask ask = {rq->kind, rq->to, rq->force, rq->resubscribe, rq->restore, 0};

		dry_run(req, sw, &ask, false);
		return;
	}
	sw_cmd_by(req, by, sizeof(by));
	rq->by = by;
	answer_run(req, sw_run_start(sw, rq));
}

/* To the colour that is active already: done, nothing moves. */
static bool already(struct bg_http_req *req, struct sw_switch *sw, int to)
{
	struct json_object *o;

	if (sw_state_busy(sw->state) || sw->state == SW_NEEDS_PERSON || sw->rec.active != to)
		return false;
	o = json_object_new_object();
	bg_json_add_str(o, "outcome", "done");
	bg_json_add_int(o, "exit", 0);
	bg_json_add_int(o, "epoch", sw->rec.epoch);
	bg_json_add_str(o, "to", sw_color_name(to));
	bg_json_add_str(o, "message", "this colour is active already, nothing was moved");
	bg_http_json(req, 200, o);
	return true;
}

static bool initialised(struct bg_http_req *req, const struct sw_switch *sw)
{
	if (sw->state != SW_UNKNOWN)
		return true;
	bg_http_error(req, 409, "uninitialised", "no colour is active yet: %s",
		      sw->degraded[0] ? sw->degraded : "`bgctl init` makes the first activation");
	return false;
}

void sw_cmd_switch(struct bg_http_req *req, void *arg)
{
	struct json_object *body = bg_http_body(req); /* gone with the answer */
	struct sw_switch *sw = sw_of_request(req, arg);
	struct sw_request rq = {.kind = SW_KIND_SWITCH};

	if (!sw)
		return;
	bg_color_parse(bg_json_str(body, "to", ""), &rq.to);
	if (bg_json_str(body, "at", NULL)) {
		if (initialised(req, sw) && !already(req, sw, (int)rq.to) && may_start(req, sw, body))
			start(req, sw, &rq);
	} else if (same_again(sw, body, (int)rq.to, 0))
		answer_run(req, sw->run);
	else if (same_recorded(sw, body, (int)rq.to))
		answer_recorded(req, sw);
	else if (initialised(req, sw) && !already(req, sw, (int)rq.to) && may_start(req, sw, body))
		start(req, sw, &rq);
}

void sw_cmd_rollback(struct bg_http_req *req, void *arg)
{
	struct json_object *body = bg_http_body(req); /* gone with the answer */
	struct sw_switch *sw = sw_of_request(req, arg);
	struct sw_request rq = {.kind = SW_KIND_ROLLBACK};

	if (!sw)
		return;
	int running_to = sw->run ? sw->run->to : SW_NO_COLOR;
	if (running_to != SW_NO_COLOR && sw->run->kind == SW_KIND_ROLLBACK &&
	    same_again(sw, body, running_to, 0)) {
		answer_run(req, sw->run);
		return;
	}
	if (!initialised(req, sw) || !may_start(req, sw, body))
		return;
	if (sw->rec.active == SW_NO_COLOR) {
		bg_http_error(req, 409, "uninitialised", "no colour is active");
		return;
	}
	rq.to = bg_color_other((enum bg_color)sw->rec.active);
	start(req, sw, &rq);
}

void sw_cmd_restored(struct bg_http_req *req, struct sw_switch *sw, int64_t epoch, const struct bg_offs *offs)
{
	struct json_object *body = bg_http_body(req);
	struct sw_request rq = {.kind = SW_KIND_SWITCH, .restore = offs, .restore_epoch = epoch};
	int running_to = sw->run ? sw->run->to : SW_NO_COLOR;

	if (running_to != SW_NO_COLOR && same_again(sw, body, running_to, epoch)) {
		answer_run(req, sw->run);
		return;
	}
	if (!initialised(req, sw) || !may_start(req, sw, body))
		return;
	rq.to = bg_color_other((enum bg_color)BG_MAX(sw->rec.active, 0));
	if (sw->rec.active == SW_NO_COLOR ||
	    (bg_json_str(body, "to", NULL) &&
	     strcmp(bg_json_str(body, "to", ""), bg_color_name(rq.to)) != 0)) {
		bg_http_error(
			req, 400, "bad_request",
			"a snapshot is restored into the colour that is not active; `bgctl switch` then goes "
			"back to the other, and takes the place along");
		return;
	}
	start(req, sw, &rq);
}

void sw_cmd_init(struct bg_http_req *req, void *arg)
{
	struct json_object *body = bg_http_body(req); /* gone with the answer */
	struct sw_switch *sw = sw_of_request(req, arg);
	struct sw_request rq = {.kind = SW_KIND_INIT};
	struct bg_err err = BG_ERR_INIT;

	if (!sw)
		return;
	bg_color_parse(bg_json_str(body, "active", ""), &rq.to);
	rq.init_from = bg_json_str(body, "from", "committed");
	if (sw_initial_check(rq.init_from, &err) < 0) {
		bg_http_error(req, 400, err.code, "%s", err.msg);
		return;
	}
	if (same_again(sw, body, (int)rq.to, 0)) {
		answer_run(req, sw->run);
		return;
	}
	if (sw->state == SW_IDLE || sw->state == SW_SOAKING) {
		struct json_object *more = json_object_new_object();

		bg_json_add_str(more, "active", sw_color_name(sw->rec.active));
		bg_json_add_int(more, "epoch", sw->rec.epoch);
		bg_http_error_json(req, 409, "already_initialised", "a colour is active already", more);
		return;
	}
	if (may_start(req, sw, body))
		start(req, sw, &rq);
}

/* Is something under way that a person may end? Else it is answered. */
static bool abortable(struct bg_http_req *req, const struct sw_switch *sw)
{
	const struct sw_run *r = sw->run;

	if (!r || r->ended || !sw_state_busy(sw->state)) {
		bg_http_error(req, 409, "nothing_to_abort", "no switch is under way (%s)%s",
			      sw_phase_name(sw->state),
			      sw->state == SW_SOAKING ? "; `bgctl rollback` goes back" : "");
		return false;
	}
	if (sw_run_asserts(r)) {
		bg_http_error(
			req, 409, "nothing_to_abort",
			"%s is active, and only brought to epoch %lld (%s): there is nothing to go back to%s%s",
			sw_color_name(r->to), (long long)r->epoch, sw_phase_name(sw->state),
			sw->degraded[0] ? "; it waits, for " : "", sw->degraded);
		return false;
	}
	return true;
}

void sw_cmd_abort(struct bg_http_req *req, void *arg)
{
	struct sw_switch *sw = sw_of_request(req, arg);
	struct sw_run *r;
	struct bg_err e = BG_ERR_INIT;

	if (!sw)
		return;
	r = sw->run;
	if (!abortable(req, sw))
		return;
	/* Both the epoch before the switch and its own name it. */
	if (!epoch_fits(req, sw, r->base_epoch))
		return;
	if (!sw_state_back(sw->state)) {
		bg_err_set(&e, 0, "aborted", "aborted by %s%s%s", bg_http_peer(req),
			   bg_json_str(bg_http_body(req), "reason", "")[0] ? ": " : "",
			   bg_json_str(bg_http_body(req), "reason", ""));
		sw_run_abort(r, &e);
	}
	answer_run(req, r);
}

static void set_hold(struct bg_http_req *req, void *arg, bool hold)
{
	struct sw_switch *sw = sw_of_request(req, arg);
	struct json_object *o;

	if (!sw || !epoch_fits(req, sw, -1))
		return;
	if (sw->rec.hold != hold) {
		sw->rec.hold = hold;
		sw_events_hold(sw);
		bg_log_sw(BG_NOTICE, sw->cfg->name, hold ? "hold" : "release", "by %s: %s", bg_http_peer(req),
			  bg_json_str(bg_http_body(req), "reason", ""));
		sw_record_save(sw, NULL, NULL);
	}
	o = json_object_new_object();
	bg_json_add_bool(o, "hold", hold);
	bg_http_json(req, 200, o);
}

void sw_cmd_hold(struct bg_http_req *req, void *arg)
{
	set_hold(req, arg, true);
}

void sw_cmd_release(struct bg_http_req *req, void *arg)
{
	set_hold(req, arg, false);
}

void sw_cmd_preflight(struct bg_http_req *req, void *arg)
{
	struct sw_switch *sw = sw_of_request(req, arg);
	const char *to = sw ? bg_http_query(req, "to") : NULL;
	enum bg_color c;

	if (!sw)
		return;
	if (to && !bg_color_parse(to, &c)) {
		bg_http_error(req, 400, "bad_request", "to: `%s` is no colour; expected blue or green", to);
		return;
	}
	if (!to)
		c = sw->rec.active == SW_NO_COLOR ? BG_BLUE : bg_color_other((enum bg_color)sw->rec.active);
	struct sw_pf_ask ask = {.kind = sw->state == SW_UNKNOWN ? SW_KIND_INIT : SW_KIND_SWITCH, .to = c};
	dry_run(req, sw, &ask, true);
}
