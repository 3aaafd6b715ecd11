/* SPDX-License-Identifier: Apache-2.0 */
/* The actions of the way forward: preflight, intent, prepare, pause, transfer, resume. */
#include "config.h"
#include "switchd/run.h"

#include <errno.h>
#include <string.h>

#include "common/failpoint.h"
#include "common/log.h"
#include "switchd/initial.h"
#include "switchd/reconcile.h"
#include "switchd/restore.h"
#include "switchd/schedule.h"
#include "switchd/soak_back.h"

/* ---- PREFLIGHT */

static void on_preflight(void *arg, bool go, struct json_object *rules, int64_t seen_epoch,
			 const struct bg_err *why)
{
	struct sw_run *r = arg;

	json_object_put(r->rules);
	r->rules = json_object_get(rules);
	r->seen_epoch = BG_MAX(r->seen_epoch, seen_epoch);
	if (go) {
		sw_fire(r->sw, SW_EV_OK);
		return;
	}
	sw_run_note(r, why);
	/* Back to where it came from. */
	sw_fire(r->sw, r->origin == SW_UNKNOWN        ? SW_EV_LOSE
		       : r->origin == SW_NEEDS_PERSON ? SW_EV_STUCK
						      : SW_EV_FAIL);
}

void sw_do_check(struct sw_run *r)
{
	bg_timer_stop(r->sw->soak);
	sw_preflight_free(r->preflight);
	struct sw_pf_ask ask = {.restore = r->restore_epoch ? &r->restore : NULL,
				.kind = r->kind,
				.to = (enum bg_color)r->to,
				.force = r->force,
				.resubscribe = r->resubscribe};

	r->preflight = sw_preflight_start(r->sw, &ask, on_preflight, r);
}

/* ---- INTENT */

static void on_intent(void *arg, int rc, const struct bg_err *err)
{
	struct sw_run *r = ((struct sw_switch *)arg)->run;

	BG_FAILPOINT("switch.intent.after");
	if (!r || r->sw->state != SW_INTENT)
		return;
	sw_run_written(r);
	if (rc == 0) {
		sw_fire(r->sw, SW_EV_OK);
		/* An abort that came while the intent was being written. */
		if (r->abort_wanted && r->sw->state == SW_PREPARING)
			sw_fire(r->sw, r->kind == SW_KIND_INIT ? SW_EV_LOSE : SW_EV_ABORT);
		return;
	}
	sw_run_note(r, err);
	if (r->intents > 1 || sw_run_asserts(r)) {
		bg_strlcpy(r->sw->degraded, err->msg, sizeof(r->sw->degraded));
		sw_fire(r->sw, SW_EV_DEADLINE);
		return;
	}
	sw_schedule_not_intended(r);
	r->sw->rec = r->before;
	/* It may lie there all the same (an fsync that failed after the rename): a restart must not carry it out. */
	if (sw_persist_found(r->sw->persist) != r->before.revision)
		sw_record_save(r->sw, NULL, NULL);
	sw_fire(r->sw, r->origin == SW_UNKNOWN        ? SW_EV_LOSE
		       : r->origin == SW_NEEDS_PERSON ? SW_EV_STUCK
						      : SW_EV_FAIL);
}

static void fill_intent(struct sw_run *r, enum sw_state phase)
{
	struct sw_record *rec = &r->sw->rec;

	rec->epoch = r->epoch;
	rec->phase = phase;
	rec->kind = r->kind;
	rec->from = r->from;
	rec->to = r->to;
	rec->base_epoch = r->base_epoch;
	rec->resubscribe = r->resubscribe;
	rec->desired_active[0] = rec->desired_active[1] = false;
	rec->started_real_us = r->started_real_us;
	rec->soak_until_us = 0;
	rec->outcome[0] = rec->error[0] = '\0';
	bg_strlcpy(rec->strategy, r->sw->cfg->plan->name, sizeof(rec->strategy));
	bg_strlcpy(rec->id, r->id, sizeof(rec->id));
	bg_strlcpy(rec->by, r->by, sizeof(rec->by));
	bg_strlcpy(rec->reason, r->reason, sizeof(rec->reason));
	bg_strlcpy(rec->init_from, r->init_from, sizeof(rec->init_from));
	bg_strlcpy(rec->error, r->why.msg, sizeof(rec->error));
	sw_soak_note(r);
}

void sw_do_intend(struct sw_run *r)
{
	BG_FAILPOINT("switch.intent.before");
	bg_timer_stop(r->sw->soak);
	sw_reconcile_quiet(r->sw);
	sw_run_drop_fence(r); /* of an older epoch */
	r->epoch = BG_MAX(sw_highest_epoch(r->sw), r->seen_epoch) + 1;
	r->before = r->sw->rec;
	r->intents++;
	fill_intent(r, SW_INTENT);
	sw_schedule_intended(r);
	sw_run_writes(r);
	sw_record_save(r->sw, on_intent, r->sw);
}

/* ---- PREPARING */

/*
 * A commit that knows a newer epoch; or one that was reached under ours, though nobody was resumed at it yet: somebody
 * else has used it (an instance that was resumed by hand, a host that we know nothing of).
 */
static bool stale_commit(struct sw_run *r)
{
	int64_t seen = sw_facts_epoch(&r->facts), reached = sw_facts_reached(&r->facts);
	struct bg_err e = BG_ERR_INIT;

	if (seen <= r->epoch && (r->resumed || reached < r->epoch))
		return false;
	bg_err_set(&e, 0, "stale_epoch", "a commit carries epoch %lld", (long long)seen);
	sw_run_stale(r, seen, &e);
	return true;
}

static void part_over(struct sw_run *r)
{
	if (--r->open > 0)
		return;
	BG_FAILPOINT("switch.prepare.after");
	if (stale_commit(r))
		return;
	sw_fire(r->sw, SW_EV_OK);
}

/*
 * Who has to have answered? All, where a colour takes over. Where to is active already (re-assertion, adoption)
 * every instance of the other colour, and one of to: the rest of to is resumed when it can hear.
 */
static bool enough(const struct sw_run *r, const struct sw_fan_result *res)
{
	size_t to_done = 0;

	/* One of from that is frozen or dead is fenced when it does not pause either. */
	if (r->sw->state == SW_PREPARING && sw_run_may_fence(r))
		return sw_run_only_silent(res, (enum bg_color)r->from);
	if (!sw_run_asserts(r))
		return res->all_done;
	for (size_t i = 0; i < res->n; i++) {
		const struct sw_reply *p = &res->reply[i];

		if (p->verdict != SW_V_DONE && p->inst->color == (enum bg_color)r->from)
			return false;
		to_done += p->verdict == SW_V_DONE && p->inst->color == (enum bg_color)r->to;
	}
	return to_done > 0;
}

/* May have been started anew, with another configuration, since the preflight. */
static bool still_fits(struct sw_run *r, struct bg_err *why)
{
	struct sw_pf_facts f = {
		.sw = r->sw, .kind = r->kind, .to = (enum bg_color)r->to, .resubscribe = r->resubscribe};

	return sw_preflight_members(&f, why);
}

/* Before anybody is paused: whoever will have to be fenced must be one that can be. */
static bool can_fence(struct sw_run *r, const struct sw_fan_result *res, struct bg_err *why)
{
	for (size_t i = 0; i < res->n; i++) {
		const struct sw_inst *in = res->reply[i].inst;

		if (res->reply[i].verdict == SW_V_DONE || in->member.ids.n)
			continue;
		bg_err_set(why, 0, "not_fenced",
			   "%s does not answer, and cannot be fenced: it has never said its static ids",
			   sw_inst_label(in));
		return false;
	}
	if (!res->all_done)
		bg_log_sw(BG_WARN, r->sw->cfg->name, "unresponsive",
			  "%s: it is fenced unless it can be paused", res->err.msg);
	return true;
}

static void on_prepared(void *arg, const struct sw_fan_result *res)
{
	struct sw_run *r = arg;
	struct bg_err why = BG_ERR_INIT;

	r->call = 0;
	for (size_t i = 0; i < res->n; i++) {
		struct sw_trace *t = sw_run_trace(r, res->reply[i].inst);

		bg_strlcpy(t->incarnation, res->reply[i].incarnation, sizeof(t->incarnation));
		t->was_active = res->reply[i].was_active;
	}
	if (res->stale)
		sw_run_stale(r, res->epoch, &res->err);
	else if (!enough(r, res))
		sw_run_fail(r, res->refused ? SW_EV_FAIL : SW_EV_DEADLINE, &res->err);
	else if (!sw_run_asserts(r) && (!can_fence(r, res, &why) || !still_fits(r, &why)))
		sw_run_fail(r, SW_EV_FAIL, &why);
	else
		part_over(r);
}

static void on_facts(void *arg, const struct bg_err *err)
{
	struct sw_run *r = arg;

	if (err)
		sw_run_fail(r, SW_EV_FAIL, err);
	else
		part_over(r);
}

void sw_do_prepare(struct sw_run *r)
{
	struct sw_order o = sw_run_order(r, SW_NO_COLOR, r->sw->cfg->prepare_us);

	BG_FAILPOINT("switch.prepare.before");
	o.all_or_none = !sw_run_asserts(r);
	r->open = 2;
	r->call = r->sw->adapter->prepare(&o, on_prepared, r);
	r->facts.with_initial = true;
	r->facts.no_handed = r->kind == SW_KIND_INIT && !r->init_handed;
	sw_initial_ask(&r->facts, r->kind == SW_KIND_INIT ? r->init_from : "");
	r->facts.all_ranges |= r->restore_epoch > 0;
	sw_facts_read(&r->facts, r->sw, r->sw->cfg->prepare_us, on_facts, r);
}

/* ---- PAUSING: the critical path begins. No log, no disk, no question to anybody but from. */

void sw_run_take_pause(struct sw_run *r, const struct sw_fan_result *res)
{
	for (size_t i = 0; i < res->n; i++) {
		const struct sw_reply *p = &res->reply[i];
		struct sw_trace *t = sw_run_trace(r, p->inst);

		t->pause_sent_us = p->sent_us;
		t->pause_answered_us = p->answered_us;
		t->drain_us = p->drain_us;
		t->commit_us = p->commit_us;
		t->same_process = t->was_active && strcmp(t->incarnation, p->incarnation) == 0;
		/* A second pause (after a 409) may be answered without offsets: the first answer still counts. */
		if (p->verdict == SW_V_DONE)
			bg_offs_merge_best(&t->offs, &p->offs);
	}
}

static void silent(struct sw_run *r, const struct sw_fan_result *res)
{
	bg_log_sw(BG_WARN, r->sw->cfg->name, "unresponsive", "%zu of %zu instances of %s are fenced: %s",
		  res->n - res->n_done, res->n, sw_color_name(r->from), res->err.msg);
	sw_run_note_silent(r, res);
	sw_fire(r->sw, SW_EV_SILENT);
}

static void on_paused(void *arg, const struct sw_fan_result *res)
{
	struct sw_run *r = arg;

	r->call = 0;
	r->paused_us = bg_now_us();
	sw_run_take_pause(r, res);
	BG_FAILPOINT("switch.pause.after");
	if (res->stale)
		sw_run_stale(r, res->epoch, &res->err);
	else if (res->all_done)
		sw_fire(r->sw, SW_EV_OK);
	else if (sw_run_may_fence(r) && sw_run_only_silent(res, (enum bg_color)r->from))
		silent(r, res);
	else
		sw_run_fail(r, res->refused ? SW_EV_FAIL : SW_EV_DEADLINE, &res->err);
}

void sw_do_pause(struct sw_run *r)
{
	struct sw_order o = sw_run_order(r, r->from, r->sw->cfg->drain_us);

	BG_FAILPOINT("switch.pause.before");
	o.eager = r->sw->cfg->eager && (r->kind == SW_KIND_SWITCH || r->kind == SW_KIND_ROLLBACK);
	r->pause_us = bg_now_us();
	r->call = r->sw->adapter->pause(&o, on_paused, r);
}

/* ---- TRANSFER */

/* The answers of from's instances; the caller frees the array. */
static const struct bg_offs **answers_of(struct sw_run *r, size_t *ret_n)
{
	const struct bg_offs **v = bg_xcalloc(r->sw->n_inst + 1, sizeof(*v));

	*ret_n = 0;
	for (size_t i = 0; i < r->sw->n_inst; i++)
		if (r->trace[i].offs.n)
			v[(*ret_n)++] = &r->trace[i].offs;
	return v;
}

static void unite(struct sw_run *r)
{
	size_t n;
	_cleanup_free_ const struct bg_offs **answers = answers_of(r, &n);
	_cleanup_offs_ struct bg_offs restored = BG_OFFS_INIT;
	struct sw_union_in in = {
		.topics = &r->facts.topics,
		.answers = answers,
		.n_answers = n,
		.committed = {&r->facts.committed[0], &r->facts.committed[1]},
		.handed = &r->sw->handed,
		.initial = &r->facts.initial,
		.restored = &restored,
	};

	sw_restore_offsets(r, &restored);
	sw_union_free(&r->un);
	if (r->kind == SW_KIND_INIT)
		sw_initial_unite(r, &in, &r->un);
	else
		sw_handover_unite(&in, &r->un);
}

static void on_init_snapshot(void *arg, int rc, const struct bg_err *err)
{
	struct sw_run *r = ((struct sw_switch *)arg)->run;

	if (!r || r->kind != SW_KIND_INIT || r->sw->state != SW_TRANSFER)
		return;
	sw_run_written(r);
	if (rc < 0)
		sw_run_fail(r, SW_EV_FAIL, err);
	else
		sw_fire(r->sw, SW_EV_OK);
}

static void united(struct sw_run *r)
{
	struct bg_err e = BG_ERR_INIT;

	BG_FAILPOINT("switch.transfer.after");
	if (stale_commit(r))
		return;
	if (r->restore_epoch && !r->restore.n) {
		bg_err_set(&e, 0, "unknown_snapshot", "the snapshot of epoch %lld cannot be read any more",
			   (long long)r->restore_epoch);
		sw_run_fail(r, SW_EV_FAIL, &e);
		return;
	}
	unite(r);
	if (r->un.n_missing) {
		bg_err_set(
			&e, 0, "offsets_missing",
			"no offset is known for %s: neither an answer, nor a commit, nor an earlier hand-over names it",
			r->un.missing.s);
		sw_run_fail(r, SW_EV_FAIL, &e);
		return;
	}
	/* The first activation has no gap, and its offsets cannot be had again: they are durable first. */
	if (r->kind == SW_KIND_INIT) {
		bg_offs_free(&r->sw->handed);
		bg_offs_copy(&r->sw->handed, &r->un.offs);
		r->init_handed = true;
		sw_run_writes(r);
		sw_run_save_snapshot(r, on_init_snapshot);
	} else
		sw_fire(r->sw, SW_EV_OK);
}

static void on_commits(void *arg, const struct bg_err *err)
{
	if (err)
		sw_run_fail(arg, SW_EV_FAIL, err);
	else
		united(arg);
}

/*
 * May the commits of PREPARING do? Only in eager hand-over, and only when they cannot matter: each partition
 * is named by exactly one of from's instances, reached at the epoch from was active at, by the same processes
 * that answered prepare as ACTIVE. Who holds a partition processed it last; so no commit is ahead of the
 * answer, and what is still on its way (from's late commit) is at most the answer itself.
 */
static bool may_skip(struct sw_run *r)
{
	size_t n;
	_cleanup_free_ const struct bg_offs **answers = answers_of(r, &n);

	if (!r->sw->cfg->eager || (r->kind != SW_KIND_SWITCH && r->kind != SW_KIND_ROLLBACK)) {
		r->reads = sw_cfg_shared(r->sw->cfg) ? "the shared group" : "both groups";
		return false;
	}
	for (size_t i = 0; i < r->sw->n_inst; i++) {
		if (r->sw->inst[i].color == (enum bg_color)r->from && !r->trace[i].same_process) {
			r->reads = "commits: an instance of from was restarted or was not active";
			return false;
		}
	}
	return r->active_epoch > 0 &&
	       sw_handover_exact(&r->facts.topics, answers, n, r->active_epoch, &r->reads);
}

void sw_do_unite(struct sw_run *r)
{
	BG_FAILPOINT("switch.transfer.before");
	if (may_skip(r))
		united(r);
	else
		sw_facts_commits(&r->facts, r->sw, r->sw->cfg->prepare_us, on_commits, r);
}

/* ---- RESUMING */

int64_t sw_run_resume_us(struct sw_run *r)
{
	/* A group that rebalances waits for what is left over, and then once more for who learns of it. */
	return r->sw->cfg->resume_us +
	       (r->resubscribe ? 2 * sw_preflight_gap_us(r->sw, (enum bg_color)r->to) : 0);
}

void sw_run_take_resume(struct sw_run *r, const struct sw_fan_result *res)
{
	for (size_t i = 0; i < res->n; i++) {
		const struct sw_reply *p = &res->reply[i];
		struct sw_trace *t = sw_run_trace(r, p->inst);

		t->resume_sent_us = p->sent_us;
		t->resume_answered_us = p->answered_us;
		t->position_us = p->position_us;
	}
}

static bool all_out_of_range(const struct sw_fan_result *res)
{
	for (size_t i = 0; i < res->n; i++)
		if (res->reply[i].verdict != SW_V_OUT_OF_RANGE)
			return false;
	return res->n > 0;
}

static void on_resumed(void *arg, const struct sw_fan_result *res)
{
	struct sw_run *r = arg;

	r->call = 0;
	r->resumed_us = bg_now_us();
	sw_run_take_resume(r, res);
	BG_FAILPOINT("switch.resume.after");
	if (res->stale)
		sw_run_stale(r, res->epoch, &res->err);
	else if (sw_run_asserts(r) && all_out_of_range(res)) {
		/* There is nothing to go back to, and the log does not come back. */
		bg_strlcpy(r->sw->degraded, res->err.msg, sizeof(r->sw->degraded));
		sw_run_note(r, &res->err);
		sw_fire(r->sw, SW_EV_STUCK);
	} else if (!enough(r, res))
		sw_run_fail(r, res->refused ? SW_EV_FAIL : SW_EV_DEADLINE, &res->err);
	else {
		sw_run_progress(r);
		sw_fire(r->sw, SW_EV_OK);
	}
}

void sw_do_resume(struct sw_run *r)
{
	struct sw_order o = sw_run_order(r, r->to, sw_run_resume_us(r));

	BG_FAILPOINT("switch.resume.before");
	o.offs = &r->un.offs;
	o.resubscribe = r->resubscribe;
	o.all_or_none = !sw_run_asserts(r);
	r->resumed = true;
	if (r->restore_epoch && !r->restored_at)
		r->restored_at = r->epoch;
	r->resume_us = bg_now_us();
	r->call = r->sw->adapter->resume(&o, on_resumed, r);
}
