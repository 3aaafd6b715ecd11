/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way back (design 2.4): by a new epoch whose active side is from. To is paused at it and gives its
 * proof; then from is resumed at it. From is not paused again: what still drains or runs goes on at its own
 * position. No step of it gives up: there is nothing to go back to from here.
 */
#include "config.h"
#include "switchd/run.h"

#include <string.h>

#include "common/failpoint.h"
#include "common/log.h"

static void on_intent(void *arg, int rc, const struct bg_err *err)
{
	struct sw_run *r = ((struct sw_switch *)arg)->run;

	BG_FAILPOINT("switch.back_intent.after");
	if (!r || r->sw->state != SW_BACK_INTENT)
		return;
	sw_run_written(r);
	if (rc < 0)
		sw_run_fail(r, SW_EV_FAIL, err);
	else
		sw_fire(r->sw, SW_EV_OK);
}

void sw_do_intend_back(struct sw_run *r)
{
	struct sw_record *rec = &r->sw->rec;

	BG_FAILPOINT("switch.back_intent.before");
	r->epoch = BG_MAX(sw_highest_epoch(r->sw), r->seen_epoch) + 1;
	rec->epoch = r->epoch;
	rec->phase = SW_BACK_INTENT;
	rec->active = r->from;
	rec->desired_active[0] = rec->desired_active[1] = false;
	bg_strlcpy(rec->error, r->why.msg, sizeof(rec->error));
	bg_log_sw(BG_WARN, r->sw->cfg->name, "going_back", "%s stays active, at epoch %lld: %s",
		  sw_color_name(r->from), (long long)r->epoch, r->why.msg);
	sw_run_writes(r);
	sw_record_save(r->sw, on_intent, r->sw);
}

static void on_paused(void *arg, const struct sw_fan_result *res)
{
	struct sw_run *r = arg;

	r->call = 0;
	sw_run_take_pause(r, res);
	BG_FAILPOINT("switch.back_pause.after");
	if (res->stale) {
		sw_run_stale(r, res->epoch, &res->err);
	} else if (!res->all_done && sw_run_may_fence_to(r) &&
		   sw_run_only_silent(res, (enum bg_color)r->to)) {
		sw_run_note_silent(r, res);
		sw_fire(r->sw, SW_EV_SILENT);
	} else if (!res->all_done) {
		sw_run_fail(r, res->refused ? SW_EV_FAIL : SW_EV_DEADLINE, &res->err);
	} else {
		sw_run_progress(r);
		sw_fire(r->sw, SW_EV_OK);
	}
}

void sw_do_pause_to(struct sw_run *r)
{
	struct sw_order o = sw_run_order(r, r->to, r->sw->cfg->drain_us);

	BG_FAILPOINT("switch.back_pause.before");
	o.reason = "the switch is undone";
	r->call = r->sw->adapter->pause(&o, on_paused, r);
}

static void unite(struct sw_run *r)
{
	_cleanup_free_ const struct bg_offs **answers = bg_xcalloc(r->sw->n_inst + 1, sizeof(*answers));
	struct sw_union_in in = {
		.topics = &r->facts.topics,
		.answers = answers,
		.committed = {&r->facts.committed[0], &r->facts.committed[1]},
		.handed = &r->sw->handed,
		.initial = &r->facts.initial,
	};

	for (size_t i = 0; i < r->sw->n_inst; i++)
		if (r->trace[i].offs.n)
			answers[in.n_answers++] = &r->trace[i].offs;
	sw_union_free(&r->un);
	sw_handover_unite(&in, &r->un);
	/* What is missing stops nobody here: from has its own position, and names what it lacks. */
	if (r->un.n_missing)
		bg_log_sw(BG_WARN, r->sw->cfg->name, "offsets_missing",
			  "no offset is known for %s: %s starts there only from its own", r->un.missing.s,
			  sw_color_name(r->from));
}

static void on_facts(void *arg, const struct bg_err *err)
{
	struct sw_run *r = arg;
	int64_t seen = sw_facts_epoch(&r->facts);
	struct bg_err e = BG_ERR_INIT;

	BG_FAILPOINT("switch.back_transfer.after");
	if (err) {
		sw_run_fail(r, SW_EV_FAIL, err);
		return;
	}
	if (seen > r->epoch) {
		bg_err_set(&e, 0, "stale_epoch", "a commit carries epoch %lld", (long long)seen);
		sw_run_stale(r, seen, &e);
		return;
	}
	unite(r);
	sw_fire(r->sw, SW_EV_OK);
}

void sw_do_unite_back(struct sw_run *r)
{
	BG_FAILPOINT("switch.back_transfer.before");
	r->facts.with_initial = true;
	r->facts.adopt_group = NULL;
	r->facts.all_ranges = false;
	sw_facts_read(&r->facts, r->sw, r->sw->cfg->prepare_us, on_facts, r);
}

static void on_resumed(void *arg, const struct sw_fan_result *res)
{
	struct sw_run *r = arg;
	bool out_of_range = false;

	r->call = 0;
	r->resumed_us = bg_now_us();
	sw_run_take_resume(r, res);
	BG_FAILPOINT("switch.back_resume.after");
	for (size_t i = 0; i < res->n; i++)
		out_of_range = out_of_range || res->reply[i].verdict == SW_V_OUT_OF_RANGE;
	if (res->stale) {
		sw_run_stale(r, res->epoch, &res->err);
	} else if (res->n_done) {
		/* The others are resumed by the reconciliation when they can hear again. */
		if (!res->all_done)
			bg_log_sw(BG_WARN, r->sw->cfg->name, "not_all_active",
				  "%zu of %zu instances of %s are ACTIVE again; %s", res->n_done, res->n,
				  sw_color_name(r->from), res->err.msg);
		sw_fire(r->sw, SW_EV_OK);
	} else if (out_of_range) {
		bg_strlcpy(r->sw->degraded, res->err.msg, sizeof(r->sw->degraded));
		sw_run_note(r, &res->err);
		sw_fire(r->sw, SW_EV_STUCK);
	} else {
		sw_run_fail(r, SW_EV_DEADLINE, &res->err);
	}
}

void sw_do_resume_from(struct sw_run *r)
{
	struct sw_order o = sw_run_order(r, r->from, sw_run_resume_us(r));

	BG_FAILPOINT("switch.back_resume.before");
	o.all_or_none = false; /* hear everybody: one that works is enough */
	o.offs = &r->un.offs;
	o.resubscribe = r->resubscribe; /* to may have joined with what from lacks */
	o.active = (enum bg_color)r->from;
	r->call = r->sw->adapter->resume(&o, on_resumed, r);
}
