/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/reconcile.h"

#include <stdio.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "common/log.h"
#include "switchd/ask.h"
#include "switchd/identity.h"
#include "switchd/events.h"
#include "switchd/run.h"

/* A FENCED instance is given a new epoch only when whoever took its place is gone. Where the broker has not said who
 * that is: a usurper that still works would have said so by now (hello, status), and would have lost its session. */
#define FENCED_US     INT64_C(60000000)
#define BROKERS_EVERY 6 /* intervals: the brokers are counted */

static bool at_rest(const struct sw_switch *sw)
{
	return sw->state == SW_IDLE || sw->state == SW_SOAKING || sw->state == SW_VERIFYING;
}

/* It works, but was given a partition since, whose offset we know. */
static bool waits_for_offset(const struct sw_switch *sw, const struct sw_inst *i)
{
	for (size_t k = 0; k < i->n_part; k++) {
		const struct bg_off *o;

		if (!i->part[k].needs_offset)
			continue;
		o = bg_offs_find(&sw->handed, i->part[k].topic, i->part[k].partition);
		if (o && o->offset >= 0)
			return true;
	}
	return false;
}

/* The broker knows; where it has not said, time tells. */
static bool usurper_gone(const struct sw_inst *i, int64_t now_us)
{
	if (i->usurper != SW_USURPER_UNKNOWN)
		return i->usurper == SW_USURPER_GONE;
	return i->fenced_us && now_us - i->fenced_us >= FENCED_US;
}

/* It was started by a first activation that a person has aborted; the epoch that pauses it is durable. */
static bool undone(const struct sw_switch *sw, const struct sw_inst *i)
{
	const struct sw_record *rec = &sw->rec;

	return sw->state == SW_UNKNOWN && !sw->record_gone && sw->stored_revision == rec->revision &&
	       strcmp(rec->outcome, "aborted") == 0 && i->reachable && i->epoch < rec->epoch &&
	       (i->state == SW_I_ACTIVE || i->state == SW_I_DRAINING);
}

enum sw_wish sw_reconcile_wish(const struct sw_switch *sw, const struct sw_inst *i, int64_t now_us)
{
	const struct sw_record *rec = &sw->rec;

	if (undone(sw, i))
		return SW_WISH_PAUSE;
	if (!at_rest(sw) || !i->reachable || rec->active == SW_NO_COLOR || i->state == SW_I_UNKNOWN)
		return SW_WISH_NONE;
	if (i->epoch > rec->epoch)
		return sw->state == SW_VERIFYING ? SW_WISH_NONE : SW_WISH_ASSERT;
	if (rec->desired_active[i->color]) {
		/* Fenced by a switch that was undone since (it was away when from was resumed): this epoch is not used up. */
		if (i->state == SW_I_FENCED && i->epoch < rec->epoch)
			return SW_WISH_RESUME;
		if (i->state == SW_I_FENCED)
			return sw->state != SW_VERIFYING && usurper_gone(i, now_us) ? SW_WISH_ASSERT
										    : SW_WISH_NONE;
		if (i->state == SW_I_FAILED)
			return SW_WISH_NONE; /* it says why; a repetition would not mend it */
		return i->state == SW_I_ACTIVE && i->epoch == rec->epoch && !waits_for_offset(sw, i)
			       ? SW_WISH_NONE
			       : SW_WISH_RESUME;
	}
	/* One that was fenced for good (a takeover) is at rest only when it has given its proof, too. */
	if (i->state == SW_I_ACTIVE || i->state == SW_I_DRAINING || i->state == SW_I_FENCED)
		return SW_WISH_PAUSE;
	return i->epoch < rec->epoch ? SW_WISH_PAUSE : SW_WISH_NONE;
}

static void on_done(void *arg, const struct sw_fan_result *res);

/* The adapter speaks to colours; one instance is a fan-out over a mask of one. */
static void send_wish(struct sw_inst *i, enum sw_wish w)
{
	struct sw_switch *sw = i->sw;
	struct sw_order o = {
		.sw = sw,
		.colors = 1u << i->color,
		.only = i,
		.epoch = sw->rec.epoch,
		.active = (enum bg_color)sw->rec.active,
		.offs = &sw->handed,
		.reason = "reconcile",
		.deadline_us = w == SW_WISH_RESUME ? sw->cfg->resume_us : sw->cfg->drain_us,
	};

	i->cmd = w == SW_WISH_RESUME ? "resume" : "pause";
	bg_log_sw(BG_INFO, sw->cfg->name, "reconcile", "%s is %s at epoch %lld: %s at epoch %lld",
		  sw_inst_label(i), sw_istate_name(i->state), (long long)i->epoch, i->cmd,
		  (long long)sw->rec.epoch);
	i->cmd_call = w == SW_WISH_RESUME ? sw->adapter->resume(&o, on_done, i)
					  : sw->adapter->pause(&o, on_done, i);
}

/*
 * A re-assertion needs the proof of every instance of the other colour. While one is away it would only keep
 * the reconciliation from resuming those that can work.
 */
static bool other_color_away(struct sw_switch *sw, const char *why)
{
	for (size_t k = 0; k < sw->n_inst; k++) {
		const struct sw_inst *i = &sw->inst[k];

		if ((int)i->color == sw->rec.active || i->reachable)
			continue;
		snprintf(sw->degraded, sizeof(sw->degraded),
			 "%.80s, and %.80s cannot be reached to be paused", why, sw_inst_label(i));
		sw->assert_waits = true;
		return true;
	}
	return false;
}

static void assert_again(struct sw_inst *i, int64_t seen, const char *why)
{
	struct sw_switch *sw = i->sw;
	int64_t now = bg_now_us();

	if ((sw->state != SW_IDLE && sw->state != SW_SOAKING) || other_color_away(sw, why))
		return;
	if (sw->reassert_us && now < sw->reassert_us)
		return;
	sw->assert_waits = false;
	sw->reassert_us = now + bg_backoff_next(&sw->reassert_backoff);
	sw_run_reassert(sw, SW_KIND_REASSERT, (enum bg_color)sw->rec.active, seen, why);
}

static void on_done(void *arg, const struct sw_fan_result *res)
{
	struct sw_inst *i = arg;
	const struct sw_reply *p = &res->reply[0];
	char why[256];

	i->cmd_call = 0;
	bg_strlcpy(why, res->err.msg, sizeof(why));
	if (p->verdict == SW_V_DONE) {
		/* An answer that changes nothing must not be asked for in a loop. */
		if (waits_for_offset(i->sw, i))
			bg_timer_start(i->cmd_timer, bg_backoff_next(&i->cmd_backoff));
		else
			bg_backoff_reset(&i->cmd_backoff);
		return;
	}
	bg_log_sw(BG_WARN, i->sw->cfg->name, "reconcile_failed", "%s of %s: %s", i->cmd, sw_inst_label(i),
		  why);
	bg_timer_start(i->cmd_timer, bg_backoff_next(&i->cmd_backoff));
	if (p->verdict == SW_V_STALE && p->state != SW_I_FENCED)
		assert_again(i, p->epoch, why);
}

void sw_reconcile_one(struct sw_inst *i)
{
	enum sw_wish w = sw_reconcile_wish(i->sw, i, bg_now_us());

	if (w == SW_WISH_NONE || i->cmd_call || !i->cmd_timer || bg_timer_pending(i->cmd_timer))
		return;
	if (w == SW_WISH_ASSERT)
		assert_again(i, i->epoch,
			     i->state == SW_I_FENCED ? "an active instance is FENCED"
						     : "an instance has accepted a newer epoch");
	else
		send_wish(i, w);
}

void sw_reconcile_afresh(struct sw_inst *i)
{
	i->sw->adapter->cancel(i->sw, i->cmd_call);
	i->cmd_call = 0;
	bg_timer_stop(i->cmd_timer);
	bg_backoff_reset(&i->cmd_backoff);
	sw_reconcile_one(i);
}

void sw_reconcile_quiet(struct sw_switch *sw)
{
	for (size_t k = 0; k < sw->n_inst; k++) {
		sw->adapter->cancel(sw, sw->inst[k].cmd_call);
		sw->inst[k].cmd_call = 0;
		if (sw->inst[k].cmd_timer)
			bg_timer_stop(sw->inst[k].cmd_timer);
	}
}

static void on_cmd_timer(void *arg)
{
	sw_reconcile_one(arg);
}

void sw_reconcile_all(struct sw_switch *sw)
{
	for (size_t k = 0; k < sw->n_inst; k++)
		sw_reconcile_one(&sw->inst[k]);
}

static void on_health(void *arg, const struct bg_err *err, int brokers, int under_replicated, int leaderless)
{
	struct sw_switch *sw = arg;

	(void)under_replicated;
	(void)leaderless;
	/* Unreachable brokers are none that answer. */
	sw->dm->brokers = err ? 0 : brokers;
}

/* What a re-assertion was wanted for may be over by itself. */
static void look_at_trouble(struct sw_switch *sw)
{
	bool wanted = false;

	for (size_t k = 0; k < sw->n_inst; k++)
		wanted = wanted || sw_reconcile_wish(sw, &sw->inst[k], bg_now_us()) == SW_WISH_ASSERT;
	if (!sw->assert_waits || wanted || !at_rest(sw))
		return;
	sw->assert_waits = false;
	sw->degraded[0] = '\0';
}

/*
 * With many instances a switch needs some times the memory of the rest of the day. Not at once: the calls, the history
 * entry and the statuses that it was about still come and go, and nobody waits now.
 */
static void give_back(struct sw_switch *sw)
{
	if (!sw->trim || !at_rest(sw))
		return;
	sw->trim = false;
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

static void on_interval(void *arg)
{
	struct sw_switch *sw = arg;

	give_back(sw);
	if (sw == sw->dm->sw[0] && sw->intervals++ % BROKERS_EVERY == 0)
		sw_ask_health(sw, sw, sw->cfg->prepare_us, on_health, sw);
	look_at_trouble(sw);
	sw_identity_look(sw);
	sw_reconcile_all(sw);
	sw_events_look(sw);
	bg_timer_start(sw->reconcile, sw->cfg->reconcile_us);
}

void sw_reconcile_start(struct sw_switch *sw)
{
	sw->reassert_backoff = (struct bg_backoff){1000000, 300000000, 0};
	for (size_t k = 0; k < sw->n_inst; k++) {
		sw->inst[k].cmd_backoff = (struct bg_backoff){100000, 5000000, 0};
		sw->inst[k].cmd_timer = bg_timer_new(sw->dm->loop, on_cmd_timer, &sw->inst[k]);
	}
	sw->reconcile = bg_timer_new(sw->dm->loop, on_interval, sw);
	bg_timer_start(sw->reconcile, BG_MIN(sw->cfg->reconcile_us, 1000000));
}

void sw_reconcile_stop(struct sw_switch *sw)
{
	sw_reconcile_quiet(sw);
	sw_ask_cancel(sw, sw);
	if (sw->reconcile)
		bg_timer_stop(sw->reconcile);
}
