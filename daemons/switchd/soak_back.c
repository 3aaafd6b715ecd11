/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/soak_back.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "switchd/events.h"
#include "switchd/soak.h"
#include "switchd/soak_judge.h"

#define LOOK_MIN_US INT64_C(50000)
#define LOOK_MAX_US INT64_C(1000000)
#define LOOKS       8 /* so often within the shortest time that is judged */
#define RATE_US     INT64_C(1000000)

struct sw_soak {
	struct sw_switch *sw;
	struct sw_judge *judge; /* NULL: nobody is judged */
	int64_t epoch;          /* that it was made for */
	struct bg_timer *tick;
	bool acts;        /* else it only watches … */
	int64_t until_us; /* … and not shorter (bg_now_us) */
	enum sw_judge_rule rule;
	char why[256];
	struct sw_preflight *preflight;
	bool asking;
	bool kafka; /* the brokers are the trouble: nobody is judged until they are well */
	int64_t not_before_us;
	char trouble[600];
};

/* ---- how the old colour was doing */

static struct sw_baseline baseline(struct sw_switch *sw, enum bg_color c)
{
	struct sw_baseline b = {sw_color_lag(sw, c), -1, -1};
	int64_t records = 0, errors = 0;
	double rate = 0;

	for (size_t k = 0; k < sw->cfg->n_endpoint[c]; k++) {
		const struct sw_inst *i = sw_first_of(sw, c) + k;
		bool past = i->past_us > 0;
		int64_t n = i->records - (past ? i->past_records : i->rate_records);
		int64_t us = i->seen_us - (past ? i->past_us : i->rate_us);

		records += n;
		errors += i->errors - (past ? i->past_errors : i->rate_errors);
		/* Of one that nothing is known of, the colour's rate is not known. */
		if (rate >= 0)
			rate = us >= RATE_US && n >= 0 ? rate + (double)n * 1e6 / (double)us : -1;
	}
	b.records_per_s = rate;
	if (records >= 0 && errors >= 0 && records + errors > 0)
		b.error_rate = 100.0 * (double)errors / (double)BG_MAX(records, errors);
	return b;
}

void sw_soak_note(struct sw_run *r)
{
	struct sw_record *rec = &r->sw->rec;

	/* By the second intent from may have been paused. */
	if (r->intents <= 1)
		r->baseline = r->kind == SW_KIND_SWITCH ? baseline(r->sw, (enum bg_color)r->from)
							: SW_BASELINE_UNKNOWN;
	rec->before = r->baseline;
	bg_strlcpy(rec->automatic, r->automatic, sizeof(rec->automatic));
}

/* ---- saying */

static void trouble(struct sw_soak *s, const char *text)
{
	if (strcmp(s->trouble, text) == 0)
		return;
	bg_strlcpy(s->trouble, text, sizeof(s->trouble));
	sw_events_look(s->sw);
}

/* It stays where it is, though it is not well: `what` is "RULE: why". */
static void say_stays(struct sw_soak *s, const char *rule, const char *what, const char *but)
{
	char text[sizeof(s->trouble)];

	snprintf(text, sizeof(text), "%s is not well: %s; %s", sw_color_name(s->sw->rec.active), what, but);
	if (strcmp(text, s->trouble) == 0)
		return;
	bg_log_sw(BG_ERROR, s->sw->cfg->name, "not_well", "%s", text);
	sw_events_soak(s->sw, "stays", rule, text);
	trouble(s, text);
}

static void stays(struct sw_soak *s, const char *but)
{
	const char *rule = sw_judge_rule_name(s->rule);
	char what[sizeof(s->why) + 32];

	snprintf(what, sizeof(what), "%s: %s", rule, s->why);
	say_stays(s, rule, what, but);
}

static void well_again(struct sw_soak *s)
{
	if (!s->trouble[0])
		return;
	bg_log_sw(BG_NOTICE, s->sw->cfg->name, "well_again", "%s is well again",
		  sw_color_name(s->sw->rec.active));
	sw_events_soak(s->sw, "well", NULL, NULL);
	trouble(s, "");
	bg_backoff_reset(&s->sw->soak_backoff);
	s->not_before_us = 0;
}

/* ---- going back */

/* Nothing is at work when the brokers are not, and that is not the colour's fault. */
static bool is_kafkas(const struct bg_err *why)
{
	return strncmp(why->msg, "brokers:", 8) == 0 || strncmp(why->msg, "partitions:", 11) == 0;
}

static void refused(struct sw_soak *s, const struct bg_err *why)
{
	char but[300];

	s->not_before_us = bg_now_us() + bg_backoff_next(&s->sw->soak_backoff);
	s->kafka = is_kafkas(why);
	if (s->kafka) {
		bg_log_sw(BG_NOTICE, s->sw->cfg->name, "soak", "nobody is judged now: %s", why->msg);
		return;
	}
	snprintf(but, sizeof(but), "it is not rolled back: %.250s", why->msg);
	stays(s, but);
}

static void go_back(struct sw_soak *s)
{
	struct sw_switch *sw = s->sw;
	const char *rule = sw_judge_rule_name(s->rule);
	char reason[256];
	struct sw_request rq = {
		.kind = SW_KIND_ROLLBACK,
		.to = bg_color_other((enum bg_color)sw->rec.active),
		.by = "bg-switchd",
		.reason = reason,
		.automatic = rule,
	};

	snprintf(reason, sizeof(reason), "%s: %.230s", rule, s->why);
	bg_log_sw(BG_WARN, sw->cfg->name, "auto_rollback", "%s is not well and is left: %s",
		  sw_color_name(sw->rec.active), reason);
	sw_events_soak(sw, "rollback", rule, s->why);
	sw_run_start(sw, &rq);
}

static void on_asked(void *arg, bool go, struct json_object *rules, int64_t seen_epoch,
		     const struct bg_err *why)
{
	struct sw_soak *s = arg;

	(void)rules;
	(void)seen_epoch;
	s->asking = false;
	if (s->sw->state != SW_SOAKING)
		return;
	if (s->kafka && (go || !is_kafkas(why))) {
		/* Whoever needs a moment to get going again has one. */
		s->kafka = false;
		sw_judge_afresh(s->judge, bg_now_us());
		return;
	}
	if (s->rule == SW_JUDGE_WELL && !s->kafka)
		return;
	if (go)
		go_back(s);
	else
		refused(s, why);
}

static void ask(struct sw_soak *s)
{
	struct sw_pf_ask what = {.kind = SW_KIND_ROLLBACK,
				 .to = bg_color_other((enum bg_color)s->sw->rec.active)};

	sw_preflight_free(s->preflight);
	s->asking = true;
	s->preflight = sw_preflight_start(s->sw, &what, on_asked, s);
}

/* ---- looking */

static const char *away(const struct sw_inst *i)
{
	if (!i->reachable)
		return i->trouble[0] ? i->trouble : "unreachable";
	return i->state == SW_I_ACTIVE ? NULL : sw_istate_name(i->state);
}

static struct sw_judge_seen seen(const struct sw_inst *i)
{
	struct sw_judge_seen v = {
		.label = sw_inst_label(i),
		.incarnation = i->incarnation,
		.away = away(i),
		.error = i->last_error,
		.seen_us = i->seen_us,
		.lag = i->lag,
		.records = i->records,
		.errors = i->errors,
		.in_flight = i->in_flight,
		.partitions = i->n_part,
	};

	for (size_t k = 0; k < i->n_part; k++)
		v.reached += BG_MAX(i->part[k].position, 0);
	return v;
}

static void judge(struct sw_soak *s)
{
	struct sw_switch *sw = s->sw;
	const struct sw_cfg *c = sw->cfg;
	enum bg_color color = (enum bg_color)sw->rec.active;
	struct sw_judge_limits l = {c->soak_max_lag, c->soak_lag_growing_us, c->soak_no_progress_us,
				    c->soak_gone_us, c->soak_max_error_rate};
	_cleanup_free_ struct sw_judge_seen *v = bg_xcalloc(c->n_endpoint[color] + 1, sizeof(*v));

	for (size_t k = 0; k < c->n_endpoint[color]; k++)
		v[k] = seen(sw_first_of(sw, color) + k);
	s->rule = sw_judge_take(s->judge, &l, v, bg_now_us(), s->why, sizeof(s->why));
}

static void forget(struct sw_soak *s)
{
	sw_judge_free(s->judge);
	s->judge = NULL;
	bg_timer_stop(s->tick);
	s->rule = SW_JUDGE_WELL;
}

static int64_t look_us(const struct sw_cfg *c)
{
	const int64_t times[] = {c->soak_lag_growing_us, c->soak_no_progress_us, c->soak_gone_us};
	int64_t us = LOOK_MAX_US;

	for (size_t i = 0; i < BG_ARRAY_SIZE(times); i++)
		if (times[i])
			us = BG_MIN(us, times[i] / LOOKS);
	return BG_MAX(us, LOOK_MIN_US);
}

static void on_tick(void *arg)
{
	struct sw_soak *s = arg;
	struct sw_switch *sw = s->sw;
	int64_t now = bg_now_us();

	bg_timer_start(s->tick, look_us(sw->cfg));
	judge(s);
	if (s->kafka && s->acts) {
		if (!s->asking && now >= s->not_before_us && !sw->dm->stopping)
			ask(s);
	} else if (s->rule == SW_JUDGE_WELL) {
		if (s->acts || now >= s->until_us)
			well_again(s);
		if (!s->acts && now >= s->until_us)
			forget(s);
	} else if (!s->acts) {
		stays(s, "look at it, then `bgctl rollback` or `bgctl switch`");
	} else if (!sw->cfg->auto_rollback) {
		stays(s, "auto-rollback is off: `bgctl rollback` goes back");
	} else if (!s->asking && now >= s->not_before_us && !sw->dm->stopping) {
		ask(s);
	}
}

/* ---- its life */

static struct sw_soak *have(struct sw_switch *sw)
{
	struct sw_soak *s = sw->soaking;

	if (s)
		return s;
	s = sw->soaking = bg_xcalloc(1, sizeof(*s));
	s->sw = sw;
	s->tick = bg_timer_new(sw->dm->loop, on_tick, s);
	return s;
}

static void watch(struct sw_soak *s, bool acts)
{
	struct sw_switch *sw = s->sw;

	forget(s);
	s->epoch = sw->rec.epoch;
	s->judge = sw_judge_new(sw->cfg->n_endpoint[sw->rec.active], &sw->rec.before);
	s->acts = acts;
	s->kafka = false;
	s->until_us = acts ? 0 : bg_now_us() + sw->cfg->soak_us;
	bg_timer_start(s->tick, LOOK_MIN_US);
}

void sw_soak_begin(struct sw_switch *sw)
{
	const struct sw_record *rec = &sw->rec;
	struct sw_soak *s = sw->soaking;

	if (sw->dm->once || rec->kind != SW_KIND_SWITCH || rec->active != rec->to) {
		if (s)
			forget(s);
		return;
	}
	if (s && s->judge && s->acts && s->epoch == rec->epoch) {
		bg_timer_start(s->tick, look_us(sw->cfg)); /* it goes on */
		return;
	}
	s = have(sw);
	bg_backoff_reset(&s->sw->soak_backoff);
	s->not_before_us = 0;
	watch(s, true);
}

/* The soak is over, and it is not well: nobody goes back by himself any more. */
static void over(struct sw_soak *s)
{
	if (s->rule == SW_JUDGE_WELL || s->kafka) {
		forget(s);
		return;
	}
	s->acts = false;
	s->until_us = 0;
	stays(s, "the soak is over: look at it, then `bgctl rollback` or `bgctl switch`");
}

void sw_soak_stop(struct sw_switch *sw)
{
	struct sw_soak *s = sw->soaking;

	if (!s)
		return;
	sw_preflight_cancel(s->preflight);
	s->asking = false;
	bg_timer_stop(s->tick);
}

void sw_soak_moved(struct sw_switch *sw, enum sw_state old, enum sw_state next)
{
	struct sw_soak *s = sw->soaking;

	if (!s || next == SW_SOAKING)
		return;
	if (old == SW_SOAKING && next == SW_IDLE) {
		over(s);
		return;
	}
	if (next == SW_IDLE)
		return;
	sw_soak_stop(sw);
	s->trouble[0] = '\0';
}

void sw_soak_refused(struct sw_switch *sw, const struct bg_err *why)
{
	if (sw->soaking)
		refused(sw->soaking, why);
}

void sw_soak_undone(struct sw_switch *sw, const struct bg_err *why)
{
	struct sw_soak *s = have(sw);
	char but[300];

	snprintf(but, sizeof(but), "the rollback was undone, and is not tried again by itself: %.200s",
		 why->msg);
	say_stays(s, sw->rec.automatic, sw->rec.reason, but);
	watch(s, false);
}

void sw_soak_free(struct sw_switch *sw)
{
	struct sw_soak *s = sw->soaking;

	if (!s)
		return;
	sw_preflight_free(s->preflight);
	sw_judge_free(s->judge);
	bg_timer_free(s->tick);
	free(s);
	sw->soaking = NULL;
}

/* ---- for others */

static bool looks(const struct sw_soak *s)
{
	return s && s->judge && bg_timer_pending(s->tick);
}

bool sw_soak_asks(const struct sw_switch *sw)
{
	return sw->soaking && sw->soaking->asking;
}

int64_t sw_soak_fresh_us(const struct sw_inst *i)
{
	const struct sw_switch *sw = i->sw;

	if ((int)i->color != sw->rec.active || (sw->state != SW_VERIFYING && !looks(sw->soaking)))
		return sw->cfg->reconcile_us;
	return BG_MIN(sw->cfg->reconcile_us, look_us(sw->cfg));
}

const char *sw_soak_trouble(const struct sw_switch *sw)
{
	return sw->soaking ? sw->soaking->trouble : "";
}

void sw_soak_add(const struct sw_switch *sw, struct json_object *soak)
{
	const struct sw_soak *s = sw->soaking;
	bool watched = looks(s);
	char sees[200];

	if (watched)
		sw_judge_sees(s->judge, sees, sizeof(sees));
	bg_json_add_bool(soak, "judged", watched && s->acts);
	bg_json_add_bool(soak, "auto_rollback", sw->cfg->auto_rollback);
	bg_json_add_str(soak, "rule", watched ? sw_judge_rule_name(s->rule) : NULL);
	bg_json_add_str(soak, "sees", watched ? sees : NULL);
}
