/* SPDX-License-Identifier: Apache-2.0 */
/* Found in review: what happens when a run is met by something from outside at an awkward moment. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "switchd/history.h"
#include "switchd/rebuild.h"
#include "switchd/reconcile.h"
#include "switchd_fake.h"

static int setup(void **state)
{
	*state = fake_new();
	return 0;
}

static int teardown(void **state)
{
	fake_free(*state);
	return 0;
}

static const char *outcome(struct fake *f)
{
	return bg_json_str(f->sw->last, "outcome", "");
}

static const char *stored(struct fake *f, const char *member)
{
	static char buf[64];
	_cleanup_json_ struct json_object *j = NULL;

	fake_settle(f);
	assert_non_null(f->record);
	assert_int_equal(bg_json_parse(f->record, strlen(f->record), &j, NULL), 0);
	snprintf(buf, sizeof(buf), "%s", bg_json_str(j, member, "-"));
	return buf;
}

static void turns(struct fake *f, int ms)
{
	bool never = false;

	bg_loop_run_until(f->loop, &never, ms * 1000);
}

static void blue0_stale_40(struct sw_inst *i, struct fake_say *say)
{
	if (strcmp(i->name, "blue-0") == 0) {
		say->verdict = SW_V_STALE;
		say->epoch = 40;
	}
}

static void refused(struct sw_inst *i, struct fake_say *say)
{
	(void)i;
	say->verdict = SW_V_REFUSED;
}

/* ---- the soak's timer and a re-assertion */

static void soak_that_ends_in_a_reassertion_is_no_proof(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_all_well(f, SW_SOAKING);
	assert_true(bg_timer_pending(f->sw->soak));
	f->sw->inst[0].epoch = 9;
	sw_reconcile_one(&f->sw->inst[0]);
	fake_await(f, "prepare");
	assert_false(bg_timer_pending(f->sw->soak));
	sw_run_soak_over(f->sw); /* was due already */
	assert_int_equal(f->sw->state, SW_PREPARING);
	fake_answer(f, "prepare", NULL);
	fake_await(f, "pause");
	sw_run_soak_over(f->sw);
	assert_int_equal(f->sw->state, SW_PAUSING);
	assert_null(fake_pending(f, "resume"));
	fake_all_well(f, SW_SOAKING);
	assert_true(bg_timer_pending(f->sw->soak));
}

/* ---- 409 again and again */

static void second_stale_waits(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	struct sw_run *r = fake_switch(f, BG_GREEN);
	fake_await(f, "prepare");
	fake_answer(f, "prepare", blue0_stale_40);
	assert_int_equal(f->sw->state, SW_INTENT); /* the first at once */
	fake_await(f, "prepare");
	r->stale_backoff = (struct bg_backoff){200000, 400000, 0};
	int64_t t = bg_now_us();
	fake_answer(f, "prepare", blue0_stale_40);
	assert_int_equal(f->sw->state, SW_PREPARING);
	assert_true(bg_timer_pending(r->timer));
	assert_int_equal(fake_await(f, "prepare")->order.epoch, 42);
	assert_true(bg_now_us() - t >= 100000);
	fake_all_well(f, SW_SOAKING);
}

/* Somebody was resumed by hand at the very epoch that comes next: that one is used up. */
static void an_epoch_that_was_used_already_is_not_used_again(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	bg_offs_set(&f->committed[BG_BLUE], "orders", 3, 110, 2);
	f->sw->inst[3].epoch = 1;
	sw_run_reassert(f->sw, SW_KIND_REASSERT, BG_BLUE, 0, "test");
	assert_int_equal(fake_await(f, "prepare")->order.epoch, 2);
	fake_answer(f, "prepare", NULL);
	assert_int_equal(fake_await(f, "prepare")->order.epoch, 3);
	fake_all_well(f, SW_SOAKING);
	assert_int_equal(f->sw->rec.epoch, 3);
	/* But one that only knows it (f), for it has prepared, has not used it. */
	for (int p = 0; p < 4; p++)
		bg_offs_at(&f->committed[BG_BLUE], "orders", p)->floor = 4;
	f->sw->inst[0].epoch = 3;
	fake_switch(f, BG_GREEN);
	fake_all_well(f, SW_SOAKING);
	assert_int_equal(f->sw->rec.epoch, 5); /* the preflight counts f as known */
}

static void abort_ends_the_wait_of_a_stale_one(void **state)
{
	struct fake *f = *state;
	struct bg_err why = BG_ERR_INIT;

	fake_active(f, BG_BLUE, 1);
	struct sw_run *r = fake_switch(f, BG_GREEN);
	for (int n = 0; n < 2; n++) {
		fake_await(f, "prepare");
		r->stale_backoff = (struct bg_backoff){10000000, 10000000, 0};
		fake_answer(f, "prepare", blue0_stale_40);
	}
	bg_err_set(&why, 0, "aborted", "aborted by test");
	sw_run_abort(r, &why);
	fake_all_well(f, SW_IDLE);
	assert_string_equal(outcome(f), "aborted");
}

/* ---- recovery */

static void crash_in_verifying_only_lacks_the_outcome(void **state)
{
	struct fake *f = *state;
	struct sw_record *r = &f->sw->rec;

	r->epoch = r->snapshot_epoch = 8;
	r->base_epoch = 7;
	r->from = BG_BLUE;
	r->to = r->active = BG_GREEN;
	r->previous = BG_BLUE;
	r->desired_active[BG_GREEN] = true;
	r->phase = SW_VERIFYING;
	strcpy(r->id, "abc");
	for (size_t k = 0; k < 4; k++) {
		f->sw->inst[k].epoch = 8;
		f->sw->inst[k].state = k < 2 ? SW_I_PAUSED : SW_I_ACTIVE;
	}
	f->sw->inst[0].reachable = false; /* blue may go: green has taken over */
	fake_start(f);
	assert_int_equal(f->sw->state, SW_SOAKING);
	assert_string_equal(outcome(f), "done");
	assert_string_equal(bg_json_str(f->sw->last, "id", ""), "abc");
	assert_string_equal(stored(f, "phase"), "SOAKING");
	assert_string_equal(stored(f, "active"), "green");
	assert_string_equal(stored(f, "outcome"), "done");
	assert_non_null(strstr(f->history.s, "\"outcome\":\"done\""));
	assert_true(bg_timer_pending(f->sw->soak));
	assert_int_equal(f->sent, 0);
}

static void intent_of_a_recovered_run_is_not_its_first(void **state)
{
	struct fake *f = *state;
	struct sw_record *r = &f->sw->rec;

	r->epoch = 8;
	r->base_epoch = r->snapshot_epoch = 7;
	r->active = r->from = BG_BLUE;
	r->to = BG_GREEN;
	r->phase = SW_PAUSING;
	for (int p = 0; p < 4; p++)
		bg_offs_set(&f->committed[BG_BLUE], "orders", p, 100 + p, 7);
	fake_start(f);
	fake_await(f, "prepare");
	f->fail_records = 1; /* blue is PAUSED perhaps: "nothing was changed" would be wrong */
	fake_answer(f, "prepare", blue0_stale_40);
	fake_all_well(f, SW_SOAKING);
	assert_string_equal(outcome(f), "done");
	assert_string_equal(stored(f, "active"), "green");
}

/* ---- re-assertion while the other colour is away */

static void assertion_waits_for_the_other_colour(void **state)
{
	struct fake *f = *state;
	struct sw_inst *blue = f->sw->inst, *green = f->sw->inst + 2;

	fake_active(f, BG_BLUE, 5);
	green[1].reachable = false;
	blue[0].epoch = 9;
	sw_reconcile_one(&blue[0]);
	assert_int_equal(f->sw->state, SW_IDLE);
	assert_int_equal(f->n_call, 0);
	assert_non_null(strstr(f->sw->degraded, "green-1"));
	/* Those that can be helped are. */
	blue[1].state = SW_I_PAUSED;
	sw_reconcile_one(&blue[1]);
	fake_await(f, "resume");
	fake_answer(f, "resume", NULL);
	assert_int_equal(blue[1].state, SW_I_ACTIVE);
	green[1].reachable = true;
	sw_reconcile_one(&blue[0]);
	assert_int_equal(fake_await(f, "prepare")->order.epoch, 10);
	fake_all_well(f, SW_SOAKING);
	assert_int_equal(f->sw->degraded[0], '\0');
}

static void trouble_that_is_over_is_not_said_any_more(void **state)
{
	struct fake *f = *state;

	f->sw->cfg->reconcile_us = 20000;
	fake_active(f, BG_BLUE, 5);
	f->sw->inst[3].reachable = false;
	f->sw->inst[0].epoch = 9;
	sw_reconcile_one(&f->sw->inst[0]);
	assert_true(f->sw->degraded[0]);
	turns(f, 60);
	assert_true(f->sw->degraded[0]);
	f->sw->inst[0].epoch = 5;
	turns(f, 60);
	assert_int_equal(f->sw->degraded[0], '\0');
}

/* ---- a re-assertion in VERIFYING */

static void blue0_failed(struct sw_inst *i, struct fake_say *say)
{
	if (strcmp(i->name, "blue-0") == 0)
		say->state = SW_I_FAILED;
}

static void all_failed(struct sw_inst *i, struct fake_say *say)
{
	(void)i;
	say->state = SW_I_FAILED;
}

static void all_fenced(struct sw_inst *i, struct fake_say *say)
{
	(void)i;
	say->state = SW_I_FENCED;
}

static void blue0_out_of_range(struct sw_inst *i, struct fake_say *say)
{
	if (strcmp(i->name, "blue-0") == 0)
		say->verdict = SW_V_OUT_OF_RANGE;
}

/* Blue is asserted at epoch 10; the resume is to be answered. */
static struct sw_run *assert_blue(struct fake *f)
{
	f->sw->cfg->resume_us = 30000;
	fake_active(f, BG_BLUE, 5);
	f->sw->inst[2].epoch = 9;
	sw_reconcile_one(&f->sw->inst[2]);
	fake_await(f, "prepare");
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", NULL);
	fake_await(f, "resume");
	return f->sw->run;
}

static void one_failed_does_not_keep_an_assertion_from_its_end(void **state)
{
	struct fake *f = *state;

	assert_blue(f);
	fake_answer(f, "resume", NULL);
	while (f->sw->state == SW_VERIFYING)
		fake_answer(f, "status", blue0_failed);
	assert_int_equal(f->sw->state, SW_SOAKING);
	assert_string_equal(stored(f, "active"), "blue");
}

static void one_out_of_range_does_not_either(void **state)
{
	struct fake *f = *state;

	assert_blue(f);
	fake_answer(f, "resume", blue0_out_of_range);
	assert_int_equal(f->sw->state, SW_VERIFYING);
	fake_await_state(f, SW_SOAKING);
}

static void all_out_of_range(struct sw_inst *i, struct fake_say *say)
{
	(void)i;
	say->verdict = SW_V_OUT_OF_RANGE;
}

/* The log does not come back: a person has to choose where blue starts. */
static void nobody_in_range_needs_a_person(void **state)
{
	struct fake *f = *state;
	struct sw_request rq = {.kind = SW_KIND_INIT, .to = BG_BLUE, .by = "test", .init_from = "earliest"};

	assert_blue(f);
	fake_answer(f, "resume", all_out_of_range);
	assert_int_equal(f->sw->state, SW_NEEDS_PERSON);
	assert_string_equal(outcome(f), "needs_person");
	assert_string_equal(stored(f, "phase"), "NEEDS_PERSON");
	assert_true(f->sw->degraded[0] != '\0');
	for (int p = 0; p < 4; p++)
		bg_offs_set(&f->ranges, "orders", p, 7, 0);
	for (size_t k = 0; k < 4; k++)
		f->sw->inst[k].state = SW_I_PAUSED;
	f->sw->cfg->resume_us = 1000000;
	sw_run_start(f->sw, &rq);
	fake_all_well(f, SW_SOAKING);
	assert_string_equal(stored(f, "active"), "blue");
}

/* What the first activation started is paused again, at an epoch that was made durable first; also after a restart. */
static void an_aborted_init_pauses_what_it_started(void **state)
{
	struct fake *f = *state;
	struct sw_request rq = {.kind = SW_KIND_INIT, .to = BG_BLUE, .by = "test", .init_from = "earliest"};
	struct bg_err why = BG_ERR_INIT;
	struct fake_call *c;

	for (int p = 0; p < 4; p++)
		bg_offs_set(&f->ranges, "orders", p, 7, 0);
	fake_start(f);
	sw_run_start(f->sw, &rq);
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", NULL);
	fake_await(f, "resume");
	f->sw->inst[0].state = SW_I_ACTIVE;
	f->sw->inst[0].epoch = 1;
	bg_err_set(&why, 0, "aborted", "aborted by test");
	sw_run_abort(f->sw->run, &why);
	assert_int_equal(f->sw->state, SW_UNKNOWN);
	assert_string_equal(outcome(f), "aborted");
	c = fake_await(f, "pause");
	assert_int_equal(f->sw->stored_revision, f->sw->rec.revision);
	assert_int_equal(c->order.epoch, 2);
	assert_ptr_equal(c->order.only, &f->sw->inst[0]);
	fake_answer(f, "pause", NULL);
	assert_int_equal(sw_reconcile_wish(f->sw, &f->sw->inst[0], bg_now_us()), SW_WISH_NONE);
	/* Whoever was active at no word of ours is not touched. */
	f->sw->inst[2].state = SW_I_ACTIVE;
	f->sw->inst[2].epoch = 2;
	assert_int_equal(sw_reconcile_wish(f->sw, &f->sw->inst[2], bg_now_us()), SW_WISH_NONE);
	f->sw->inst[2].state = SW_I_PAUSED;
}

/* The record is lost after a takeover: whoever is FENCED beside a colour that works is the one that was taken over. */
static void adoption_sees_who_was_taken_over(void **state)
{
	struct fake *f = *state;
	struct sw_inst *i = f->sw->inst;
	const char *why = NULL;

	i[0].state = SW_I_FENCED;
	i[2].state = SW_I_ACTIVE;
	assert_int_equal(sw_rebuild_choose(f->sw, &why), BG_GREEN);
	/* Where nobody works, it tells which colour was active. */
	i[2].state = SW_I_PAUSED;
	assert_int_equal(sw_rebuild_choose(f->sw, &why), BG_BLUE);
	i[2].state = SW_I_FENCED;
	assert_int_equal(sw_rebuild_choose(f->sw, &why), SW_NO_COLOR);
}

static void refused_ones_are_tried_again(void **state)
{
	struct fake *f = *state;

	assert_blue(f);
	fake_answer(f, "resume", refused);
	assert_int_equal(f->sw->state, SW_RESUMING);
	assert_int_equal(fake_await(f, "resume")->order.epoch, 10);
}

static void verifying_that_is_repeated_slows_down_and_writes_once(void **state)
{
	struct fake *f = *state;
	struct sw_run *r = assert_blue(f);

	fake_answer(f, "resume", NULL);
	fake_settle(f);
	int records = f->record_writes, snapshots = f->snapshot_writes;
	for (int n = 1; n <= 4; n++) {
		fake_await(f, "status");
		fake_answer(f, "status", all_failed);
		assert_int_equal(f->sw->state, SW_VERIFYING);
		assert_int_equal(r->backoff.tries, n);
	}
	fake_settle(f);
	assert_int_equal(f->record_writes, records);
	assert_int_equal(f->snapshot_writes, snapshots);
	/* The time to become ACTIVE begins anew with each try. */
	fake_await(f, "status");
	f->sw->inst[0].state = f->sw->inst[1].state = SW_I_ACTIVE;
	fake_all_well(f, SW_SOAKING);
}

static void fenced_ones_are_given_a_newer_epoch(void **state)
{
	struct fake *f = *state;

	assert_blue(f);
	fake_answer(f, "resume", NULL);
	while (f->sw->state == SW_VERIFYING)
		fake_answer(f, "status", all_fenced);
	assert_int_equal(fake_await(f, "prepare")->order.epoch, 11);
	fake_all_well(f, SW_SOAKING);
	assert_string_equal(stored(f, "active"), "blue");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(soak_that_ends_in_a_reassertion_is_no_proof),
		T(second_stale_waits),
		T(abort_ends_the_wait_of_a_stale_one),
		T(an_epoch_that_was_used_already_is_not_used_again),
		T(crash_in_verifying_only_lacks_the_outcome),
		T(intent_of_a_recovered_run_is_not_its_first),
		T(assertion_waits_for_the_other_colour),
		T(trouble_that_is_over_is_not_said_any_more),
		T(one_failed_does_not_keep_an_assertion_from_its_end),
		T(one_out_of_range_does_not_either),
		T(nobody_in_range_needs_a_person),
		T(an_aborted_init_pauses_what_it_started),
		T(adoption_sees_who_was_taken_over),
		T(refused_ones_are_tried_again),
		T(verifying_that_is_repeated_slows_down_and_writes_once),
		T(fenced_ones_are_given_a_newer_epoch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
