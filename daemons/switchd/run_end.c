/* SPDX-License-Identifier: Apache-2.0 */
/* How runs end: records, snapshots, history, and who waits for an answer. */
#include "config.h"
#include "switchd/run.h"

#include <string.h>

#include "common/failpoint.h"
#include "common/log.h"
#include "common/units.h"
#include "switchd/events.h"
#include "switchd/history.h"
#include "switchd/metrics.h"
#include "switchd/once.h"
#include "switchd/rebuild.h"
#include "switchd/reconcile.h"
#include "switchd/schedule.h"
#include "switchd/snapshot.h"
#include "switchd/soak_back.h"

void sw_run_save_snapshot(struct sw_run *r, sw_persist_fn fn)
{
	int active = sw_state_back(r->sw->state) || r->sw->state == SW_IDLE ? r->from : r->to;

	sw_snapshot_save(r->sw, r->epoch, active, r->id, &r->un.offs, fn);
}

struct json_object *sw_run_trouble(const struct sw_run *r)
{
	struct json_object *o = json_object_new_object();

	bg_json_add_int(o, "epoch", r->epoch);
	bg_json_add_str(o, "id", r->id);
	bg_json_add_str(o, "to", sw_color_name(r->to));
	bg_json_add_str(o, "phase", sw_phase_name(r->sw->state));
	bg_json_add_str(o, "trouble", r->sw->degraded[0] ? r->sw->degraded : r->why.msg);
	bg_json_add_int(o, "exit", sw_outcome_exit("needs_person"));
	return o;
}

static void answer_waiters(struct sw_run *r, int status, struct json_object *answer)
{
	while (r->waiters) {
		struct sw_waiter *w = r->waiters;

		r->waiters = w->next;
		bg_http_on_gone(w->req, NULL, NULL);
		bg_http_json(w->req, status, json_object_get(answer));
		free(w);
	}
}

void sw_run_give_news(struct sw_run *r)
{
	_cleanup_json_ struct json_object *o = NULL;

	if (!r->in_trouble)
		return;
	o = sw_run_trouble(r);
	answer_waiters(r, 202, o);
}

/* What was in the way is over with the run; but where it ends with nobody active, that is not forgotten. */
static void end_trouble(struct sw_switch *sw)
{
	sw->degraded[0] = '\0';
	if (sw->state == SW_NEEDS_PERSON)
		bg_strlcpy(sw->degraded, sw->rec.error, sizeof(sw->degraded));
	else if (sw->state == SW_UNKNOWN && !sw->record_gone)
		sw_rebuild_look(sw);
}

/* The run is over: its entry goes into the history, and to everybody who waits for it. */
void sw_run_outcome(struct sw_run *r, const char *outcome)
{
	struct sw_switch *sw = r->sw;

	sw_run_drop_fence(r);
	r->ended = true;
	r->ended_us = bg_now_us();
	if (r->n_step && !r->step[r->n_step - 1].end_us)
		r->step[r->n_step - 1].end_us = r->ended_us;
	bg_strlcpy(r->outcome, outcome, sizeof(r->outcome));
	end_trouble(sw);
	json_object_put(sw->last);
	sw->last = sw_history_entry(r);
	sw_persist_history(sw->persist, bg_json_text(sw->last), NULL, NULL);
	sw_metrics_ended(sw, r);
	sw_events_end(sw);
	bg_log_sw(strcmp(outcome, "done") == 0 ? BG_NOTICE : BG_WARN, sw->cfg->name, "ended",
		  "%s to %s: %s at epoch %lld after %lld ms, gap %lld us%s%s", sw_kind_name(r->kind),
		  sw_color_name(r->to), outcome, (long long)sw->rec.epoch,
		  (long long)((r->ended_us - r->started_us) / 1000),
		  (long long)bg_json_int(sw->last, "gap_us", -1), r->why.msg[0] ? ": " : "", r->why.msg);
	if (sw->dm->once)
		sw_once_ended(r);
	answer_waiters(r, 200, sw->last);
	sw_schedule_ended(r);
}

static void record_outcome(struct sw_run *r, const char *outcome)
{
	bg_strlcpy(r->sw->rec.outcome, outcome, sizeof(r->sw->rec.outcome));
	bg_strlcpy(r->sw->rec.error, r->why.msg, sizeof(r->sw->rec.error));
}

void sw_do_soak(struct sw_run *r)
{
	struct sw_switch *sw = r->sw;
	struct sw_record *rec = &sw->rec;
	int64_t left = sw->cfg->soak_us;

	BG_FAILPOINT("switch.soak.before");
	if (r->ended) { /* restored at start-up */
		left = BG_MAX(rec->soak_until_us - bg_real_us(), 0);
	} else {
		rec->phase = SW_SOAKING;
		rec->soak_until_us = bg_real_us() + left;
		if (r->kind == SW_KIND_SWITCH || r->kind == SW_KIND_ROLLBACK) {
			rec->rollback_allowed = true;
			rec->rollback_until_us = bg_real_us() + sw->cfg->rollback_us;
		}
		r->why = (struct bg_err)BG_ERR_INIT;
		record_outcome(r, "done");
		sw_record_save(sw, NULL, NULL);
		sw_run_outcome(r, "done");
	}
	BG_FAILPOINT("switch.soak.after");
	sw->soak_errors = -1;
	bg_timer_start(sw->soak, left);
	sw_soak_begin(sw);
	sw_reconcile_all(sw);
}

void sw_do_rest(struct sw_run *r)
{
	bg_timer_stop(r->sw->soak);
	r->sw->rec.phase = SW_IDLE;
	r->sw->rec.soak_until_us = 0;
	sw_record_save(r->sw, NULL, NULL);
	r->sw->trim = true;
}

/* Nothing was changed by a rollback that nobody has asked for: the soak goes on. */
static bool soaks_on(struct sw_run *r, const char *outcome)
{
	if (!r->automatic[0] || r->sw->rec.phase != SW_SOAKING)
		return false;
	sw_run_outcome(r, outcome);
	sw_soak_refused(r->sw, &r->why);
	sw_fire(r->sw, SW_EV_FORWARD);
	return true;
}

void sw_do_end_no_go(struct sw_run *r)
{
	if (soaks_on(r, "no_go"))
		return;
	/* A soak that was ended by the request is over all the same. */
	if (r->sw->rec.phase == SW_SOAKING)
		sw_do_rest(r);
	sw_run_outcome(r, "no_go");
}

void sw_do_end_failed(struct sw_run *r)
{
	if (!soaks_on(r, "failed"))
		sw_run_outcome(r, "failed");
}

void sw_do_end_undone(struct sw_run *r)
{
	if (r->sw->rec.phase == SW_SOAKING)
		sw_do_rest(r);
	sw_run_outcome(r, "aborted");
}

void sw_do_end_aborted(struct sw_run *r)
{
	struct sw_record *rec = &r->sw->rec;
	const char *outcome = r->resumed && !r->abort_wanted ? "rolled_back" : "aborted";

	bg_offs_free(&r->sw->handed);
	bg_offs_copy(&r->sw->handed, &r->un.offs);
	sw_run_save_snapshot(r, NULL);
	rec->active = r->from;
	if (rec->previous == r->from)
		rec->previous = r->to; /* VERIFYING had written it */
	rec->desired_active[r->from] = true;
	rec->desired_active[r->to] = false;
	rec->phase = SW_IDLE;
	record_outcome(r, outcome);
	sw_record_save(r->sw, NULL, NULL);
	sw_run_outcome(r, outcome);
	if (r->automatic[0] && !r->abort_wanted)
		sw_soak_undone(r->sw, &r->why);
	sw_reconcile_all(r->sw);
}

static void on_lost_saved(void *arg, int rc, const struct bg_err *err)
{
	struct sw_switch *sw = arg;

	(void)err;
	if (sw->state != SW_UNKNOWN)
		return;
	if (rc < 0)
		sw_record_save(sw, NULL, NULL); /* which is repeated */
	sw_reconcile_all(sw);
}

void sw_do_end_lost(struct sw_run *r)
{
	struct sw_record *rec = &r->sw->rec;
	const char *outcome = r->abort_wanted ? "aborted" : "failed";

	rec->active = SW_NO_COLOR;
	rec->desired_active[0] = rec->desired_active[1] = false;
	rec->phase = SW_UNKNOWN;
	/* What was started is paused again, at an epoch of its own, when that is durable: by the reconciliation. */
	if (r->resumed && r->abort_wanted)
		rec->epoch = BG_MAX(sw_highest_epoch(r->sw), r->seen_epoch) + 1;
	record_outcome(r, outcome);
	sw_record_save(r->sw, on_lost_saved, r->sw);
	sw_run_outcome(r, outcome);
	/* Some of to may work all the same: they are looked after as those are whose record was lost. */
	if (r->resumed && !r->abort_wanted) {
		r->sw->record_gone = true;
		sw_rebuild_look(r->sw);
	}
}

void sw_do_note_abort(struct sw_run *r)
{
	r->abort_wanted = true;
}

void sw_do_ask_person(struct sw_run *r)
{
	char keep[sizeof(r->sw->degraded)];

	bg_strlcpy(keep, r->sw->degraded, sizeof(keep));
	r->sw->rec.phase = SW_NEEDS_PERSON;
	record_outcome(r, "needs_person");
	sw_record_save(r->sw, NULL, NULL);
	sw_run_outcome(r, "needs_person");
	bg_strlcpy(r->sw->degraded, keep, sizeof(r->sw->degraded));
	bg_log_sw(
		BG_ERROR, r->sw->cfg->name, "needs_person",
		"%s cannot go on where it was: %s; choose where it starts with `bgctl init`, or switch to the other colour",
		sw_color_name(sw_run_asserts(r) ? r->to : r->from), keep);
}
