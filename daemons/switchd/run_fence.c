/* SPDX-License-Identifier: Apache-2.0 */
/* FENCING and BACK_FENCING: who may be fenced, and what comes of it. */
#include "config.h"
#include "switchd/run.h"

#include <string.h>

#include "common/failpoint.h"
#include "common/log.h"
#include "switchd/fence.h"

/* A first activation has nobody to fence; and where to is active already, the ids are its own. */
bool sw_run_may_fence(const struct sw_run *r)
{
	return r->sw->cfg->fence && (r->kind == SW_KIND_SWITCH || r->kind == SW_KIND_ROLLBACK);
}

/* Silent is who gave no answer, or none that proves: draining, the commit unconfirmed, nobody at the port. */
static bool silent(const struct sw_reply *p)
{
	return p->verdict == SW_V_LATE;
}

bool sw_run_only_silent(const struct sw_fan_result *res, enum bg_color c)
{
	for (size_t i = 0; i < res->n; i++) {
		const struct sw_reply *p = &res->reply[i];

		if (p->verdict != SW_V_DONE && !(silent(p) && p->inst->color == c))
			return false;
	}
	return true;
}

void sw_run_note_silent(struct sw_run *r, const struct sw_fan_result *res)
{
	for (size_t i = 0; i < res->n; i++)
		sw_run_trace(r, res->reply[i].inst)->silent = silent(&res->reply[i]);
}

/*
 * On the way back from need not be paused: one that still works has the very ids that to would be fenced by, and to
 * cannot have them. And when nobody of from can hear, fencing to would help nobody.
 */
bool sw_run_may_fence_to(const struct sw_run *r)
{
	bool hears = false;

	for (size_t k = 0; k < r->sw->n_inst; k++) {
		const struct sw_inst *i = &r->sw->inst[k];

		if ((int)i->color != r->from || !i->reachable)
			continue;
		if (i->state == SW_I_ACTIVE || i->state == SW_I_DRAINING)
			return false;
		hears = true;
	}
	return sw_run_may_fence(r) && hears;
}

void sw_run_drop_fence(struct sw_run *r)
{
	sw_fence_free(r->fence);
	r->fence = NULL;
}

/* Anything may have been said meanwhile; all that was answered counts. */
static void collect_answers(struct sw_run *r)
{
	bg_offs_free(&r->answered);
	for (size_t k = 0; k < r->sw->n_inst; k++)
		bg_offs_merge_best(&r->answered, &r->trace[k].offs);
}

static void start(struct sw_run *r, int color, sw_fence_fn fn)
{
	struct sw_switch *sw = r->sw;
	struct sw_fence_ask ask = {
		.sw = sw,
		.epoch = r->epoch,
		.topics = &r->facts.topics,
		.answered = &r->answered,
		.deadline_us = sw_fence_grace_us(sw) + sw->cfg->resume_us + sw->cfg->prepare_us,
	};
	struct bg_err e = BG_ERR_INIT;

	collect_answers(r);
	sw_run_drop_fence(r);
	r->fence = sw_fence_new(&ask, fn, r);
	for (size_t k = 0; k < sw->n_inst; k++) {
		if ((int)sw->inst[k].color != color || !r->trace[k].silent)
			continue;
		if (sw_fence_add(r->fence, &sw->inst[k], &e))
			continue;
		sw_run_fail(r, SW_EV_FAIL, &e);
		return;
	}
	sw_fence_start(r->fence);
}

/* The report is for the history, whatever comes of it. */
static bool note_end(struct sw_run *r, const struct bg_err *err)
{
	json_object_put(r->fencing);
	r->fencing = sw_fence_report(r->fence);
	if (err)
		bg_json_add_str(r->fencing, "error", err->msg);
	if (err && strcmp(err->code, "stale_epoch") == 0) {
		sw_run_stale(r, sw_fence_seen_epoch(r->fence), err);
		return false;
	}
	return true;
}

static void on_fenced(void *arg, const struct bg_err *err)
{
	struct sw_run *r = arg;

	BG_FAILPOINT("switch.fence.after");
	r->paused_us = bg_now_us();
	if (!note_end(r, err))
		return;
	if (err)
		sw_run_fail(r, SW_EV_DEADLINE, err);
	else
		sw_fire(r->sw, SW_EV_OK);
}

void sw_do_fence(struct sw_run *r)
{
	BG_FAILPOINT("switch.fence.before");
	start(r, r->from, on_fenced);
}

static void on_fenced_to(void *arg, const struct bg_err *err)
{
	struct sw_run *r = arg;

	BG_FAILPOINT("switch.back_fence.after");
	if (!note_end(r, err))
		return;
	if (err) {
		sw_run_fail(r, SW_EV_DEADLINE, err);
	} else {
		sw_run_progress(r);
		sw_fire(r->sw, SW_EV_OK);
	}
}

static void on_facts(void *arg, const struct bg_err *err)
{
	struct sw_run *r = arg;

	if (err)
		sw_run_fail(r, SW_EV_DEADLINE, err);
	else
		start(r, r->to, on_fenced_to);
}

void sw_do_fence_to(struct sw_run *r)
{
	BG_FAILPOINT("switch.back_fence.before");
	/* After a restart the partitions have not been read yet. */
	r->facts.with_initial = false;
	r->facts.adopt_group = NULL;
	r->facts.all_ranges = false;
	sw_facts_read(&r->facts, r->sw, r->sw->cfg->prepare_us, on_facts, r);
}
