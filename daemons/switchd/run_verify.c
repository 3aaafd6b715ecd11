/* SPDX-License-Identifier: Apache-2.0 */
/* VERIFYING: the gap is over; now the disk. */
#include "config.h"
#include "switchd/run.h"

#include "common/failpoint.h"
#include "common/log.h"
#include "switchd/soak.h"

/* First records are waited for so long, to say where the gap went; the switch itself is over by then. */
#define FIRST_RECORD_US INT64_C(300000)

static void verify_poll(struct sw_run *r);

/* Every partition that has something to read has been read from. */
static bool first_records_seen(struct sw_run *r)
{
	for (size_t i = 0; i < r->sw->n_inst; i++) {
		const struct sw_inst *in = &r->sw->inst[i];

		for (size_t k = 0; in->color == (enum bg_color)r->to && k < in->n_part; k++)
			if (!in->part[k].first_us)
				return false;
	}
	return true;
}

/* Those of a topic that to does not subscribe to (--resubscribe) are nobody's on purpose. */
static bool wanted(const struct sw_run *r, const char *topic)
{
	for (size_t k = 0; k < r->sw->n_inst; k++) {
		const struct sw_inst *i = &r->sw->inst[k];

		if ((int)i->color == r->to && (!i->member.topics.n || sw_set_has(&i->member.topics, topic)))
			return true;
	}
	return false;
}

static size_t stalled(const struct sw_run *r)
{
	size_t n = 0;

	for (size_t p = 0; p < r->sw->handed.n; p++) {
		const struct bg_off *o = &r->sw->handed.v[p];

		n += !sw_held(r->sw, (enum bg_color)r->to, o->topic, o->partition) && wanted(r, o->topic);
	}
	return n;
}

/*
 * In a takeover the broker hands the partitions over with the static ids. What nobody of to was given stays with a
 * member that is gone, and nobody is told.
 */
static bool complete(const struct sw_run *r)
{
	return !sw_cfg_shared(r->sw->cfg) || stalled(r) == 0;
}

/* All are ACTIVE, and still some partitions are held by nobody: there is no gap worse than that. */
static void incomplete(struct sw_run *r)
{
	struct bg_err e = BG_ERR_INIT;

	bg_err_set(
		&e, 0, "partitions_stalled",
		"%zu of %zu partitions are held by no instance of %s: the group left them with a member that is gone",
		stalled(r), r->sw->handed.n, sw_color_name(r->to));
	sw_run_fail(r, SW_EV_FAIL, &e);
}

/* What to's instances have said. */
struct tally {
	size_t active, fenced;
	const struct sw_reply *newer, *failed; /* the first of each; NULL: none */
};

static struct tally count(const struct sw_run *r, const struct sw_fan_result *res)
{
	struct tally t = {0};

	for (size_t i = 0; i < res->n; i++) {
		const struct sw_reply *p = &res->reply[i];

		t.active += p->state == SW_I_ACTIVE && p->epoch == r->epoch;
		t.fenced += p->state == SW_I_FENCED;
		if (!t.newer && p->verdict == SW_V_DONE && p->epoch > r->epoch)
			t.newer = p;
		if (!t.failed && p->state == SW_I_FAILED)
			t.failed = p;
	}
	return t;
}

/* The time is over, and nobody of to is ACTIVE. */
static void none_active(struct sw_run *r, const struct tally *t)
{
	struct bg_err e = BG_ERR_INIT;

	bg_err_set(&e, 0, "none_active", "no instance of %s is ACTIVE any more", sw_color_name(r->to));
	/* One that is FENCED takes no epoch but a higher one. */
	if (t->fenced && sw_run_asserts(r))
		sw_run_stale(r, r->epoch, &e);
	else
		sw_run_fail(r, SW_EV_DEADLINE, &e);
}

static void on_verified(void *arg, const struct sw_fan_result *res)
{
	struct sw_run *r = arg;
	struct tally t = count(r, res);
	struct bg_err e = BG_ERR_INIT;
	int64_t us = bg_now_us() - r->verify_us;

	r->call = 0;
	if (t.newer) {
		bg_err_set(&e, 0, "stale_epoch", "%s is at epoch %lld", sw_inst_label(t.newer->inst),
			   (long long)t.newer->epoch);
		sw_run_stale(r, t.newer->epoch, &e);
		return;
	}
	/* There is no way back from a re-assertion: those that work are not disturbed. */
	if (t.failed && !(sw_run_asserts(r) && t.active)) {
		bg_err_set(&e, 0, "failed", "%s is FAILED: %s", sw_inst_label(t.failed->inst),
			   t.failed->inst->last_error);
		sw_run_fail(r, SW_EV_FAIL, &e);
		return;
	}
	BG_FAILPOINT("switch.verify.after");
	if (t.active == res->n && complete(r) && (first_records_seen(r) || us >= FIRST_RECORD_US)) {
		sw_fire(r->sw, SW_EV_OK);
	} else if (us < sw_run_resume_us(r)) {
		sw_run_later(r, r->verify_polls < 4 ? 5000 : 50000, verify_poll);
	} else if (t.active == res->n && !complete(r)) {
		incomplete(r);
	} else if (t.active) {
		/* Some work: the others are resumed by the reconciliation when they are back. */
		bg_log_sw(BG_WARN, r->sw->cfg->name, "not_all_active",
			  "%zu of %zu instances of %s are ACTIVE", t.active, res->n, sw_color_name(r->to));
		sw_fire(r->sw, SW_EV_OK);
	} else {
		none_active(r, &t);
	}
}

static void verify_poll(struct sw_run *r)
{
	struct sw_order o = sw_run_order(r, r->to, r->sw->cfg->prepare_us);

	o.all_or_none = false;
	r->verify_polls++;
	r->call = r->sw->adapter->status(&o, on_verified, r);
}

/* Once an epoch: a step that is tried again has nothing new to write. */
static void save(struct sw_run *r)
{
	struct sw_record *rec = &r->sw->rec;

	if (r->recorded_epoch == r->epoch)
		return;
	r->recorded_epoch = r->epoch;
	bg_offs_free(&r->sw->handed);
	bg_offs_copy(&r->sw->handed, &r->un.offs);
	if (r->kind != SW_KIND_INIT)
		sw_run_save_snapshot(r, NULL);
	if (r->kind == SW_KIND_SWITCH || r->kind == SW_KIND_ROLLBACK)
		rec->previous = r->from;
	rec->active = r->to;
	rec->desired_active[r->to] = true;
	rec->desired_active[r->from] = false;
	rec->phase = SW_VERIFYING;
	sw_record_save(r->sw, NULL, NULL);
}

void sw_do_verify(struct sw_run *r)
{
	BG_FAILPOINT("switch.verify.before");
	sw_run_drop_fence(r); /* to has its ids */
	r->verify_polls = 0;
	r->verify_us = bg_now_us();
	save(r);
	verify_poll(r);
}
