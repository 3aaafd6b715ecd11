/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "switchd/events.h"
#include "switchd/fence.h"
#include "switchd/history.h"
#include "switchd/reconcile.h"
#include "switchd/restore.h"
#include "switchd/soak_back.h"

/* A client that waits for the end is not held longer than this while a step fails again and again. */
#define PATIENCE_US INT64_C(30000000)

#define SLOW_DISK_US INT64_C(5000000)
static const char slow_disk_text[] = "the record is still being written: the disk does not answer";

static void (*const actions[])(struct sw_run *r) = {
	[SW_ACT_CHECK] = sw_do_check,
	[SW_ACT_INTEND] = sw_do_intend,
	[SW_ACT_LATER] = sw_do_later,
	[SW_ACT_PREPARE] = sw_do_prepare,
	[SW_ACT_PAUSE] = sw_do_pause,
	[SW_ACT_FENCE] = sw_do_fence,
	[SW_ACT_UNITE] = sw_do_unite,
	[SW_ACT_RESUME] = sw_do_resume,
	[SW_ACT_VERIFY] = sw_do_verify,
	[SW_ACT_SOAK] = sw_do_soak,
	[SW_ACT_REST] = sw_do_rest,
	[SW_ACT_END_NO_GO] = sw_do_end_no_go,
	[SW_ACT_END_FAILED] = sw_do_end_failed,
	[SW_ACT_END_ABORTED] = sw_do_end_aborted,
	[SW_ACT_END_UNDONE] = sw_do_end_undone,
	[SW_ACT_END_LOST] = sw_do_end_lost,
	[SW_ACT_NOTE_ABORT] = sw_do_note_abort,
	[SW_ACT_INTEND_BACK] = sw_do_intend_back,
	[SW_ACT_PAUSE_TO] = sw_do_pause_to,
	[SW_ACT_FENCE_TO] = sw_do_fence_to,
	[SW_ACT_UNITE_BACK] = sw_do_unite_back,
	[SW_ACT_RESUME_FROM] = sw_do_resume_from,
	[SW_ACT_ASK_PERSON] = sw_do_ask_person,
	[SW_ACTIONS] = NULL,
};

/* The one setter. What is under way belongs to the state that is left, and is cancelled. */
static void set_state(struct sw_switch *sw, enum sw_state next, enum sw_event ev)
{
	struct sw_run *r = sw->run;
	int64_t now = bg_now_us();
	enum sw_state old = sw->state;

	sw->state = next;
	sw_soak_moved(sw, old, next);
	if (r) {
		if (r->n_step && !r->step[r->n_step - 1].end_us)
			r->step[r->n_step - 1].end_us = now;
		if (!r->ended && r->n_step < SW_STEPS_MAX)
			r->step[r->n_step++] = (struct sw_step){next, now, 0};
	}
	/* Logged and told to listeners in the loop's next turn: not before the commands of this one are out. */
	sw_events_phase(sw, old, next, ev);
}

static void carry_out(struct sw_switch *sw, enum sw_event ev)
{
	struct sw_cell cell = sw_fsm_next(sw->state, ev);

	if (cell.action == SW_ACT_IGNORE || cell.action == SW_ACT_REFUSE) {
		bg_log_sw(BG_DEBUG, sw->cfg->name, "event_ignored", "%s in %s", sw_event_name(ev),
			  sw_state_name(sw->state));
		return;
	}
	/* A step that ends or is repeated: what it still waits for is cancelled. NOTE_ABORT and LATER leave it. */
	if (sw->run && cell.action != SW_ACT_NOTE_ABORT)
		sw_run_cancel(sw->run);
	if (cell.next != sw->state)
		set_state(sw, cell.next, ev);
	if (sw->run && cell.action < BG_ARRAY_SIZE(actions) && actions[cell.action])
		actions[cell.action](sw->run);
}

void sw_fire(struct sw_switch *sw, enum sw_event ev)
{
	if (sw->n_fired == BG_ARRAY_SIZE(sw->fired)) {
		bg_log_sw(BG_ERROR, sw->cfg->name, "event_lost", "too many events at once, %s is dropped",
			  sw_event_name(ev));
		return;
	}
	sw->fired[sw->n_fired++] = ev;
	if (sw->firing)
		return;
	sw->firing = true;
	for (size_t i = 0; i < sw->n_fired; i++)
		carry_out(sw, sw->fired[i]);
	sw->n_fired = 0;
	sw->firing = false;
}

static void on_timer(void *arg);

static struct sw_run *run_new(struct sw_switch *sw, enum sw_kind kind, enum bg_color to)
{
	struct sw_run *r = bg_xcalloc(1, sizeof(*r));

	sw_run_free(sw->run);
	sw->run = r;
	r->sw = sw;
	r->kind = kind;
	r->to = (int)to;
	r->from = (int)bg_color_other(to);
	r->origin = sw->state;
	r->base_epoch = sw->rec.epoch;
	r->active_epoch = sw->rec.snapshot_epoch;
	r->epoch = sw->rec.epoch;
	r->baseline = SW_BASELINE_UNKNOWN;
	r->started_us = bg_now_us();
	r->started_real_us = bg_real_us();
	r->timer = bg_timer_new(sw->dm->loop, on_timer, r);
	r->backoff = (struct bg_backoff){50000, 5000000, 0};
	r->patience_us = PATIENCE_US;
	r->slow_disk_us = SLOW_DISK_US;
	r->stale_backoff = (struct bg_backoff){50000, 10000000, 0};
	r->trace = bg_xcalloc(sw->n_inst + 1, sizeof(*r->trace));
	bg_random_hex(r->id, 8);
	return r;
}

void sw_run_free(struct sw_run *r)
{
	if (!r)
		return;
	sw_run_cancel(r);
	sw_run_drop_fence(r);
	json_object_put(r->fencing);
	bg_offs_free(&r->answered);
	bg_timer_free(r->timer);
	sw_facts_free(&r->facts);
	sw_preflight_free(r->preflight);
	json_object_put(r->rules);
	sw_union_free(&r->un);
	bg_offs_free(&r->restore);
	for (size_t i = 0; i < r->sw->n_inst; i++)
		bg_offs_free(&r->trace[i].offs);
	free(r->trace);
	while (r->waiters) {
		struct sw_waiter *w = r->waiters;

		r->waiters = w->next;
		bg_http_on_gone(w->req, NULL, NULL);
		bg_http_error(w->req, 503, "shutting_down",
			      "bg-switchd stops; the switch is finished at its next start");
		free(w);
	}
	free(r);
}

struct sw_run *sw_run_start(struct sw_switch *sw, const struct sw_request *rq)
{
	struct sw_run *r = run_new(sw, rq->kind, rq->to);

	r->force = rq->force;
	r->resubscribe = rq->resubscribe;
	bg_strlcpy(r->by, rq->by ? rq->by : "", sizeof(r->by));
	bg_strlcpy(r->reason, rq->reason ? rq->reason : "", sizeof(r->reason));
	bg_strlcpy(r->init_from, rq->init_from ? rq->init_from : "", sizeof(r->init_from));
	if (rq->restore) {
		bg_offs_copy(&r->restore, rq->restore);
		r->restore_epoch = rq->restore_epoch;
		snprintf(r->init_from, sizeof(r->init_from), "snapshot:%lld", (long long)rq->restore_epoch);
	}
	if (rq->schedule) {
		bg_strlcpy(r->id, rq->schedule->id, sizeof(r->id));
		r->scheduled_us = rq->schedule->at_us;
	}
	sw->degraded[0] = '\0';
	bg_strlcpy(r->automatic, rq->automatic ? rq->automatic : "", sizeof(r->automatic));
	if (!rq->automatic) {
		sw->reassert_us = 0; /* a person has looked */
		bg_backoff_reset(&sw->reassert_backoff);
	}
	r->epoch = sw_highest_epoch(sw) + 1;
	bg_log_sw(BG_NOTICE, sw->cfg->name, "requested", "%s%s to %s by %s%s%s%s",
		  rq->schedule ? "scheduled " : "", sw_kind_name(rq->kind), bg_color_name(rq->to), r->by,
		  r->reason[0] ? ": " : "", r->reason,
		  r->force ? " (forced: no-go rules are passed over)" : "");
	sw_fire(sw, rq->kind == SW_KIND_INIT ? SW_EV_INIT : SW_EV_SWITCH);
	return r;
}

void sw_run_reassert(struct sw_switch *sw, enum sw_kind kind, enum bg_color active, int64_t seen_epoch,
		     const char *why)
{
	struct sw_run *r = run_new(sw, kind, active);

	r->seen_epoch = seen_epoch;
	bg_strlcpy(r->by, "bg-switchd", sizeof(r->by));
	bg_strlcpy(r->reason, why, sizeof(r->reason));
	bg_log_sw(BG_WARN, sw->cfg->name, sw_kind_name(kind), "%s is asserted at a newer epoch: %s",
		  bg_color_name(active), why);
	sw_fire(sw, SW_EV_STALE);
}

/* A run as the record has it. */
static struct sw_run *run_from_record(struct sw_switch *sw)
{
	const struct sw_record *rec = &sw->rec;
	struct sw_run *r = run_new(sw, rec->kind, (enum bg_color)rec->to);

	r->base_epoch = rec->base_epoch;
	r->baseline = rec->before;
	bg_strlcpy(r->automatic, rec->automatic, sizeof(r->automatic));
	r->resumed = true; /* it may have been */
	r->intents = 1;    /* the one that is stored */
	r->init_handed = sw->handed_of_record;
	r->resubscribe = rec->resubscribe;
	r->scheduled_us = rec->scheduled_us;
	bg_strlcpy(r->id, rec->id, sizeof(r->id));
	bg_strlcpy(r->by, rec->by, sizeof(r->by));
	bg_strlcpy(r->reason, rec->reason, sizeof(r->reason));
	bg_strlcpy(r->init_from, rec->init_from, sizeof(r->init_from));
	sw_restore_recover(r);
	return r;
}

void sw_run_recover(struct sw_switch *sw)
{
	const struct sw_record *rec = &sw->rec;

	switch (rec->phase) {
	case SW_UNKNOWN:
	case SW_STATES:
		return;
	case SW_IDLE:
	case SW_PREFLIGHT:
		sw_fire(sw, SW_EV_OK);
		return;
	case SW_VERIFYING: /* written when both proofs were there: only the outcome is left to be written */
	case SW_SOAKING:
		sw_fire(sw, SW_EV_OK);
		run_from_record(sw)->ended = rec->phase == SW_SOAKING;
		sw_fire(sw, SW_EV_FORWARD);
		return;
	case SW_NEEDS_PERSON:
		bg_strlcpy(sw->degraded, rec->error, sizeof(sw->degraded));
		sw_fire(sw, SW_EV_STUCK);
		return;
	case SW_BACK_INTENT:
	case SW_BACK_PAUSING:
	case SW_BACK_FENCING:
	case SW_BACK_TRANSFER:
	case SW_BACK_RESUMING:
		bg_log_sw(BG_NOTICE, sw->cfg->name, "recover",
			  "was going back to %s at epoch %lld: going on with it", sw_color_name(rec->from),
			  (long long)rec->epoch);
		bg_err_set(&run_from_record(sw)->why, 0, "restarted", "%s",
			   rec->error[0] ? rec->error : "bg-switchd was restarted on the way back");
		sw_fire(sw, SW_EV_BACKWARD);
		return;
	default:
		bg_log_sw(BG_NOTICE, sw->cfg->name, "recover",
			  "was between intent and end of the switch to %s at epoch %lld: going on",
			  sw_color_name(rec->to), (long long)rec->epoch);
		run_from_record(sw);
		sw_fire(sw, SW_EV_FORWARD);
	}
}

void sw_run_note(struct sw_run *r, const struct bg_err *why)
{
	if (why && !r->why.msg[0])
		r->why = *why;
}

void sw_run_fail(struct sw_run *r, enum sw_event ev, const struct bg_err *why)
{
	sw_run_note(r, why);
	if (why)
		bg_log_sw(BG_WARN, r->sw->cfg->name, "step_failed", "%s: %s", sw_state_name(r->sw->state),
			  why->msg);
	if (why && (sw_state_back(r->sw->state) || sw_run_asserts(r)))
		bg_strlcpy(r->sw->degraded, why->msg, sizeof(r->sw->degraded));
	if (!sw_state_back(r->sw->state)) {
		if (r->kind == SW_KIND_INIT)
			ev = SW_EV_LOSE;
		else if (sw_run_asserts(r))
			ev = SW_EV_RETRY;
	}
	sw_fire(r->sw, ev);
}

static void stale_now(struct sw_run *r)
{
	sw_fire(r->sw, SW_EV_STALE);
}

/* Never repeat a command that was answered 409 (rule 1). A burst of them is slowed down. */
void sw_run_stale(struct sw_run *r, int64_t epoch, const struct bg_err *why)
{
	r->seen_epoch = BG_MAX(r->seen_epoch, epoch);
	bg_log_sw(BG_WARN, r->sw->cfg->name, "stale", "%s: a newer epoch, %lld, was met: %s",
		  sw_state_name(r->sw->state), (long long)epoch, why ? why->msg : "");
	if (++r->stale > 5) {
		r->stale = 0;
		sw_run_fail(r, SW_EV_FAIL, why);
		return;
	}
	if (r->stale == 1)
		stale_now(r);
	else {
		/* Whatever the step still waits for is of no use. */
		sw_run_cancel(r);
		sw_run_later(r, bg_backoff_next(&r->stale_backoff), stale_now);
	}
}

static void on_timer(void *arg)
{
	struct sw_run *r = arg;
	void (*fn)(struct sw_run *) = r->timer_fn;

	r->timer_fn = NULL;
	if (fn)
		fn(r);
}

void sw_run_later(struct sw_run *r, int64_t us, void (*fn)(struct sw_run *r))
{
	r->timer_fn = fn;
	bg_timer_start(r->timer, us);
}

void sw_run_cancel(struct sw_run *r)
{
	r->sw->adapter->cancel(r->sw, r->call);
	r->call = 0;
	r->open = 0;
	sw_fence_hold(r->fence);
	sw_facts_cancel(&r->facts);
	sw_preflight_cancel(r->preflight);
	bg_timer_stop(r->timer);
	r->timer_fn = NULL;
}

static void again(struct sw_run *r)
{
	sw_fire(r->sw, SW_EV_AGAIN);
}

/* Since when the step does not get on; whether anybody should wait for that. */
static void no_progress(struct sw_run *r)
{
	if (!r->later_us)
		r->later_us = bg_now_us();
	r->in_trouble = bg_now_us() - r->later_us >= r->patience_us;
	sw_run_give_news(r);
}

void sw_run_progress(struct sw_run *r)
{
	bg_backoff_reset(&r->backoff);
	r->later_us = 0;
	r->in_trouble = false;
}

/* It cannot be given up, for nobody knows what lies on the disk: it is waited for, and said. */
static void slow_disk(struct sw_run *r)
{
	if (strcmp(r->sw->degraded, slow_disk_text) != 0)
		bg_log_sw(BG_ERROR, r->sw->cfg->name, "slow_store", "%s", slow_disk_text);
	bg_strlcpy(r->sw->degraded, slow_disk_text, sizeof(r->sw->degraded));
	no_progress(r);
	sw_run_later(r, r->slow_disk_us, slow_disk);
}

void sw_run_writes(struct sw_run *r)
{
	sw_run_later(r, r->slow_disk_us, slow_disk);
}

void sw_run_written(struct sw_run *r)
{
	bg_timer_stop(r->timer);
	if (strcmp(r->sw->degraded, slow_disk_text) == 0)
		r->sw->degraded[0] = '\0';
}

void sw_do_later(struct sw_run *r)
{
	int64_t us = bg_backoff_next(&r->backoff);

	bg_log_sw(BG_NOTICE, r->sw->cfg->name, "later", "%s is tried again in %lld ms: %s",
		  sw_state_name(r->sw->state), (long long)(us / 1000),
		  r->sw->degraded[0] ? r->sw->degraded : r->why.msg);
	no_progress(r);
	sw_run_later(r, us, again);
}

struct sw_trace *sw_run_trace(struct sw_run *r, const struct sw_inst *i)
{
	return &r->trace[i->index];
}

struct sw_order sw_run_order(struct sw_run *r, int color, int64_t deadline_us)
{
	struct sw_order o = {
		.sw = r->sw,
		.colors = color == SW_NO_COLOR ? 3 : 1u << color,
		.epoch = r->epoch,
		.active = (enum bg_color)r->to,
		.all_or_none = true,
		.reason = r->reason,
		.deadline_us = deadline_us,
	};
	return o;
}

static void on_gone(void *arg)
{
	struct sw_waiter *w = arg;

	for (struct sw_waiter **p = &w->run->waiters; *p; p = &(*p)->next) {
		if (*p == w) {
			*p = w->next;
			break;
		}
	}
	free(w);
}

void sw_run_wait(struct sw_run *r, struct bg_http_req *req)
{
	struct sw_waiter *w = bg_xcalloc(1, sizeof(*w));

	w->req = req;
	w->run = r;
	w->next = r->waiters;
	r->waiters = w;
	bg_http_on_gone(req, on_gone, w);
}

void sw_run_abort(struct sw_run *r, const struct bg_err *why)
{
	struct sw_switch *sw = r->sw;
	enum sw_event ev = SW_EV_ABORT;

	sw_run_note(r, why);
	r->abort_wanted = true;
	/* In INTENT it is noted, and takes effect when the write is over. */
	if (sw->state == SW_PREFLIGHT && r->origin == SW_UNKNOWN)
		ev = SW_EV_LOSE;
	else if (sw->state == SW_PREFLIGHT && r->origin == SW_NEEDS_PERSON)
		ev = SW_EV_STUCK;
	else if (sw->state != SW_INTENT && sw->state != SW_PREFLIGHT && r->kind == SW_KIND_INIT)
		ev = SW_EV_LOSE;
	sw_fire(sw, ev);
}

void sw_run_soak_over(struct sw_switch *sw)
{
	/* A re-assertion may have begun meanwhile: an OK would be taken for what its step waits for. */
	if (sw->state == SW_SOAKING)
		sw_fire(sw, SW_EV_OK);
}
