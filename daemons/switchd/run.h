/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executes a switch: looks events up in the table (fsm.c) and carries out its actions over the adapter, the
 * store and Kafka. One run at a time per switch.
 */
#ifndef SW_RUN_H
#define SW_RUN_H

#include "common/http_server.h"
#include "switchd/ask.h"
#include "switchd/handover.h"
#include "switchd/preflight.h"
#include "switchd/switch.h"

/* What was asked for. */
struct sw_request {
	enum sw_kind kind; /* SWITCH, ROLLBACK or INIT */
	enum bg_color to;
	bool force, resubscribe;
	const char *by, *reason;
	const struct bg_offs
		*restore; /* SWITCH: begin at these of snapshot restore_epoch (copied); NULL: none */
	int64_t restore_epoch;
	const char *automatic;              /* ROLLBACK by itself: the rule (soak_judge.h) */
	const char *init_from;              /* INIT: "group:G", "earliest", "latest", "committed" */
	const struct sw_schedule *schedule; /* it was planned, and has its id; NULL: it was not */
};

struct sw_step { /* one state that the run was in */
	enum sw_state state;
	int64_t at_us, end_us; /* bg_now_us; end 0: it runs */
};
#define SW_STEPS_MAX 64

/* What one instance did in this run; times are bg_now_us, 0: did not happen. */
struct sw_trace {
	int64_t pause_sent_us, pause_answered_us, drain_us, commit_us;
	int64_t resume_sent_us, resume_answered_us, position_us;
	char incarnation[40]; /* at prepare */
	bool was_active;      /* at prepare */
	bool silent;          /* the last pause was not answered with a proof in time */
	bool same_process;    /* the pause was answered by the process that answered prepare */
	struct bg_offs offs;  /* of the last pause answer */
};

struct sw_fence;

struct sw_waiter {
	struct sw_waiter *next;
	struct bg_http_req *req;
	struct sw_run *run;
};

struct sw_run {
	struct sw_switch *sw;
	enum sw_kind kind;
	int from, to;         /* SW_NO_COLOR never: init and adoption have the other colour as from */
	enum sw_state origin; /* where the request found the switch */
	char id[40], by[128], reason[256], init_from[256];
	char automatic[24];          /* the rule that a ROLLBACK by itself follows; "" any other */
	struct sw_baseline baseline; /* of a SWITCH: how from was doing */
	bool force, abort_wanted;
	bool resubscribe; /* whoever is resumed makes the group rebalance: the colours differ */
	bool resumed;     /* to may have been told to resume */
	bool init_handed; /* INIT: sw->handed is what this run chose and made durable */
	bool ended;
	struct bg_offs restore;                  /* a SWITCH that goes back to a snapshot (restore.h) */
	int64_t restore_epoch;                   /* of the snapshot; 0: it does not */
	int64_t restored_at;                     /* to may have been told to begin there, at this epoch */
	int64_t epoch, base_epoch, active_epoch; /* active_epoch: from was activated at it */
	int64_t seen_epoch;                      /* the highest met anywhere */
	int intents;                             /* written in this run */
	struct sw_record before;                 /* the record as it was before the last intent */
	int stale;                               /* how often in a row */
	struct bg_err why;                       /* what made it fail first */
	char outcome[16];
	int64_t started_us, started_real_us, ended_us;
	int64_t scheduled_us; /* of the real clock: it was planned for then; 0: it was not */
	struct sw_step step[SW_STEPS_MAX];
	size_t n_step;
	/* Under way. */
	uint64_t call; /* of the adapter */
	int open;      /* parts of the step that are not over */
	struct bg_timer *timer;
	void (*timer_fn)(struct sw_run *r); /* what it is for */
	struct bg_backoff backoff;
	struct bg_backoff
		stale_backoff; /* never reset: a usurper that comes again and again is met ever slower */
	struct sw_facts facts;
	struct sw_preflight *preflight;
	struct json_object *rules; /* of the preflight, when it is over */
	struct sw_fence
		*fence; /* keeps the ids of those that were fenced, until to has taken them; NULL: none */
	struct json_object *fencing; /* its report; NULL: nobody was fenced */
	struct bg_offs answered;     /* all pause answers, for the fence */
	struct sw_union_out un;
	const char *reads;                                  /* why the commits were (not) read */
	int64_t pause_us, paused_us, resume_us, resumed_us; /* bg_now_us: first sent, last answered */
	struct sw_trace *trace;                             /* as sw->inst */
	int verify_polls;
	int64_t verify_us;      /* bg_now_us: VERIFYING was entered, or tried again */
	int64_t recorded_epoch; /* record and snapshot say that to is active at it */
	struct sw_waiter *waiters;
	int64_t patience_us;  /* a step is tried again for so long before who waits is told … */
	int64_t later_us;     /* … since then (bg_now_us); 0: none was yet */
	int64_t slow_disk_us; /* a write that takes longer hangs */
	bool in_trouble;      /* that time is over */
};

/* Is `to` active already, and only brought to a newer epoch? Then going back would be wrong. */
static inline bool sw_run_asserts(const struct sw_run *r)
{
	return r->kind == SW_KIND_REASSERT || r->kind == SW_KIND_ADOPT;
}

/* Look the event up and carry it out. Events that an action fires are carried out after it. */
void sw_fire(struct sw_switch *sw, enum sw_event ev);
/* Make a run and fire its event. `kind` REASSERT and ADOPT too. The request has been checked. */
struct sw_run *sw_run_start(struct sw_switch *sw, const struct sw_request *rq);
void sw_run_reassert(struct sw_switch *sw, enum sw_kind kind, enum bg_color active, int64_t seen_epoch,
		     const char *why);
/* Carry on what the record says (start-up). */
void sw_run_recover(struct sw_switch *sw);
void sw_run_free(struct sw_run *r);
/* Wait for the end: the request is held and answered with the history entry, or 202 when there is trouble. */
void sw_run_wait(struct sw_run *r, struct bg_http_req *req);
/* A person wants to go back; only while sw_state_busy and not on the way back already. */
void sw_run_abort(struct sw_run *r, const struct bg_err *why);
/* Back to IDLE from a soak that is over. */
void sw_run_soak_over(struct sw_switch *sw);

/* For the action files. */
void sw_run_fail(struct sw_run *r, enum sw_event ev,
		 const struct bg_err *why); /* FAIL or DEADLINE, by its kind */
void sw_run_stale(struct sw_run *r, int64_t epoch, const struct bg_err *why);
void sw_run_later(struct sw_run *r, int64_t us, void (*fn)(struct sw_run *r));
void sw_run_cancel(struct sw_run *r); /* whatever is under way */
/* It cannot go on for longer than anybody should wait: who waits is told why, and not held any longer. */
void sw_run_give_news(struct sw_run *r);
/* A step that may have been tried again and again has come to its end. */
void sw_run_progress(struct sw_run *r);
/* A write that the step waits for begins, and is over: one that hangs is said, to who waits too. */
void sw_run_writes(struct sw_run *r);
void sw_run_written(struct sw_run *r);
struct json_object *sw_run_trouble(const struct sw_run *r);   /* what they are told; the caller owns it */
void sw_run_note(struct sw_run *r, const struct bg_err *why); /* keeps the first */
struct sw_trace *sw_run_trace(struct sw_run *r, const struct sw_inst *i);
struct sw_order sw_run_order(struct sw_run *r, int color, int64_t deadline_us); /* color SW_NO_COLOR: both */

/* Actions (run_forward.c, run_verify.c, run_back.c, run_end.c). */
void sw_do_check(struct sw_run *r);
void sw_do_intend(struct sw_run *r);
void sw_do_later(struct sw_run *r);
void sw_do_prepare(struct sw_run *r);
void sw_do_pause(struct sw_run *r);
void sw_do_fence(struct sw_run *r);
void sw_do_fence_to(struct sw_run *r);
void sw_do_unite(struct sw_run *r);
void sw_do_resume(struct sw_run *r);
void sw_do_verify(struct sw_run *r);
void sw_do_soak(struct sw_run *r);
void sw_do_rest(struct sw_run *r);
void sw_do_end_no_go(struct sw_run *r);
void sw_do_end_failed(struct sw_run *r);
void sw_do_end_aborted(struct sw_run *r);
void sw_do_end_undone(struct sw_run *r);
void sw_do_end_lost(struct sw_run *r);
void sw_do_note_abort(struct sw_run *r);
void sw_do_intend_back(struct sw_run *r);
void sw_do_pause_to(struct sw_run *r);
void sw_do_unite_back(struct sw_run *r);
void sw_do_resume_from(struct sw_run *r);
void sw_do_ask_person(struct sw_run *r);
/* Shared by them. */
void sw_run_take_pause(struct sw_run *r, const struct sw_fan_result *res);
void sw_run_take_resume(struct sw_run *r, const struct sw_fan_result *res);
void sw_run_save_snapshot(struct sw_run *r, sw_persist_fn fn);
void sw_run_outcome(struct sw_run *r, const char *outcome);
/* Fencing (run_fence.c): does this run fence at all; and to, on the way back? */
bool sw_run_may_fence(const struct sw_run *r);
bool sw_run_may_fence_to(const struct sw_run *r);
/* All that lack a proof are of colour c, and were only silent. */
bool sw_run_only_silent(const struct sw_fan_result *res, enum bg_color c);
void sw_run_note_silent(struct sw_run *r, const struct sw_fan_result *res);
void sw_run_drop_fence(struct sw_run *r);
/* How long a resume may take; longer where the group is made to rebalance. */
int64_t sw_run_resume_us(struct sw_run *r);

#endif
