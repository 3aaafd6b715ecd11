/* SPDX-License-Identifier: Apache-2.0 */
/* Found in review: writes that pile up or fail half-way, and first activations that are tried again. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "switchd/history.h"
#include "switchd/once.h"
#include "switchd/reconcile.h"
#include "switchd/snapshot.h"
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

static void refused(struct sw_inst *i, struct fake_say *say)
{
	(void)i;
	say->verdict = SW_V_REFUSED;
}

static void blue0_out_of_range(struct sw_inst *i, struct fake_say *say)
{
	if (strcmp(i->name, "blue-0") == 0)
		say->verdict = SW_V_OUT_OF_RANGE;
}

/* ---- the store */

static void on_counted(void *arg, int rc, const struct bg_err *err)
{
	(void)err;
	assert_int_equal(rc, 0);
	++*(int *)arg;
}

static void records_do_not_pile_up_behind_a_slow_disk(void **state)
{
	struct fake *f = *state;
	int waited = 0;

	fake_active(f, BG_BLUE, 5);
	f->hold_writes = true;
	for (int n = 0; n < 50; n++)
		sw_record_save(f->sw, NULL, NULL);
	sw_record_save(f->sw, on_counted, &waited); /* who waits is answered, and keeps its place */
	for (int n = 0; n < 50; n++) {
		f->sw->rec.epoch = 100 + n;
		sw_record_save(f->sw, NULL, NULL);
	}
	f->hold_writes = false;
	fake_settle(f);
	assert_int_equal(f->record_writes, 3);
	assert_int_equal(waited, 1);
	assert_int_equal(f->sw->saves, 0);
	assert_non_null(strstr(f->record, "\"epoch\":149"));
	assert_int_equal(f->sw->stored_revision, f->sw->rec.revision);
}

static void replaced_records_survive_a_write_that_fails(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 5);
	f->fail_records = 1;
	f->hold_writes = true;
	for (int n = 0; n < 5; n++)
		sw_record_save(f->sw, NULL, NULL);
	f->hold_writes = false;
	for (int n = 0; n < 100 && f->sw->stored_revision != f->sw->rec.revision; n++)
		turns(f, 10);
	assert_int_equal(f->sw->stored_revision, f->sw->rec.revision);
	assert_int_equal(f->sw->saves, 0);
}

static void intent_that_is_there_all_the_same_is_taken_back(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	sw_record_save(f->sw, NULL, NULL);
	fake_settle(f);
	f->fail_renamed = 1;
	fake_switch(f, BG_GREEN);
	fake_await_state(f, SW_IDLE);
	assert_string_equal(outcome(f), "failed");
	assert_int_equal(f->sent, 0);
	assert_string_equal(stored(f, "phase"), "IDLE");
	assert_string_equal(stored(f, "active"), "blue");
}

static void request_from_a_person_s_need_fails_back_to_it(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	f->sw->rec.phase = f->sw->state = SW_NEEDS_PERSON;
	bg_strlcpy(f->sw->rec.error, "the log is gone", sizeof(f->sw->rec.error));
	f->fail_records = 1;
	fake_switch(f, BG_GREEN);
	for (int n = 0; n < 500 && (f->sw->state != SW_NEEDS_PERSON || !f->sw->run->ended); n++) {
		if (fake_pending(f, "status"))
			fake_answer(f, "status", NULL);
		turns(f, 1);
	}
	assert_int_equal(f->sw->state, SW_NEEDS_PERSON);
	assert_string_equal(outcome(f), "failed");
	assert_int_equal(f->sent, 0);
	assert_string_equal(f->sw->degraded, "the log is gone"); /* still */
}

/* ---- first activation */

static void init(struct fake *f, enum bg_color to, const char *from)
{
	struct sw_request rq = {.kind = SW_KIND_INIT, .to = to, .by = "t", .init_from = from};

	sw_run_start(f->sw, &rq);
}

/* Nobody is active, and that is said, whatever else was tried in between. */
static void a_first_activation_that_gets_no_go_is_still_to_be_made(void **state)
{
	struct fake *f = *state;

	f->kafka_down = true;
	f->sw->cfg->prepare_us = 50000;
	fake_start(f);
	init(f, BG_BLUE, "earliest");
	f->sw->run->patience_us = 0;
	for (int n = 0; n < 9000 && !f->sw->run->ended; n++) {
		if (fake_pending(f, "status"))
			fake_answer(f, "status", NULL);
		turns(f, 1);
	}
	assert_string_equal(outcome(f), "no_go");
	assert_int_equal(f->sw->state, SW_UNKNOWN);
	assert_non_null(strstr(f->sw->degraded, "bgctl init"));
}

static void offsets_of_a_failed_init_do_not_win(void **state)
{
	struct fake *f = *state;

	for (int p = 0; p < 4; p++) {
		bg_offs_set(&f->ranges, "orders", p, 5, 0);
		bg_offs_find(&f->ranges, "orders", p)->floor = 900; /* the end of the log */
		bg_offs_set(&f->committed[BG_BLUE], "orders", p, 70 + p, 0);
	}
	init(f, BG_BLUE, "latest");
	fake_await(f, "prepare");
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", NULL);
	assert_int_equal(bg_offs_find(&fake_await(f, "resume")->offs, "orders", 0)->offset, 900);
	fake_answer(f, "resume", refused);
	fake_all_well(f, SW_UNKNOWN);
	assert_string_equal(outcome(f), "failed");
	for (size_t k = 0; k < 4; k++)
		f->sw->inst[k].state = SW_I_PAUSED;
	init(f, BG_BLUE, "committed");
	fake_await(f, "prepare");
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", NULL);
	assert_int_equal(bg_offs_find(&fake_await(f, "resume")->offs, "orders", 0)->offset, 70);
	fake_all_well(f, SW_SOAKING);
}

/* Those that it has started are not left to themselves. */
static void init_that_fails_half_way_is_adopted(void **state)
{
	struct fake *f = *state;

	for (int p = 0; p < 4; p++)
		bg_offs_set(&f->ranges, "orders", p, 5, 0);
	init(f, BG_BLUE, "earliest");
	fake_await(f, "prepare");
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", NULL);
	fake_answer(f, "resume", blue0_out_of_range);
	assert_int_equal(f->sw->state, SW_UNKNOWN);
	assert_string_equal(outcome(f), "failed");
	assert_int_equal(f->sw->inst[1].state, SW_I_ACTIVE);
	fake_await(f, "prepare");
	assert_int_equal(f->sw->run->kind, SW_KIND_ADOPT);
	fake_all_well(f, SW_SOAKING);
	assert_string_equal(stored(f, "active"), "blue");
}

/* Nobody committed: initial-offset decides, not what the failed one had chosen. */
static void policy_counts_after_a_failed_init(void **state)
{
	struct fake *f = *state;

	f->sw->cfg->initial = SW_INITIAL_EARLIEST;
	for (int p = 0; p < 4; p++) {
		bg_offs_set(&f->ranges, "orders", p, 5, 0);
		bg_offs_set(&f->sw->handed, "orders", p, 900, 1);
	}
	f->sw->rec.epoch = f->sw->rec.snapshot_epoch = 1;
	init(f, BG_BLUE, "committed");
	fake_await(f, "prepare");
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", NULL);
	assert_int_equal(bg_offs_find(&fake_await(f, "resume")->offs, "orders", 0)->offset, 5);
}

static void green0_stale_40(struct sw_inst *i, struct fake_say *say)
{
	if (strcmp(i->name, "green-0") == 0) {
		say->verdict = SW_V_STALE;
		say->epoch = 40;
	}
}

static void init_that_meets_a_newer_epoch_keeps_its_start(void **state)
{
	struct fake *f = *state;
	struct fake_call *c;

	for (int p = 0; p < 4; p++)
		bg_offs_set(&f->ranges, "orders", p, 5, 0);
	init(f, BG_GREEN, "earliest");
	fake_await(f, "prepare");
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", NULL);
	fake_await(f, "resume");
	fake_answer(f, "resume", green0_stale_40);
	/* green-1 has begun at epoch 1, and committed. */
	for (int p = 0; p < 4; p++)
		bg_offs_set(&f->committed[BG_GREEN], "orders", p, 50 + p, 1);
	fake_await(f, "prepare");
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", NULL);
	c = fake_await(f, "resume");
	assert_int_equal(c->order.epoch, 41);
	assert_int_equal(bg_offs_find(&c->offs, "orders", 3)->offset, 53);
	assert_int_equal(bg_offs_find(&c->offs, "orders", 3)->epoch, 1);
	fake_all_well(f, SW_SOAKING);
}

/* A snapshot of another time says nothing: the record was lost, and the person says where to start. */
static void old_snapshot_does_not_answer_for_the_person(void **state)
{
	struct fake *f = *state;

	for (int p = 0; p < 4; p++) {
		bg_offs_set(&f->ranges, "orders", p, 5, 0);
		bg_offs_set(&f->sw->handed, "orders", p, 60, 7);
	}
	f->sw->rec.snapshot_epoch = 7;
	init(f, BG_GREEN, "earliest");
	fake_await(f, "prepare");
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", NULL);
	assert_int_equal(bg_offs_find(&fake_await(f, "resume")->offs, "orders", 1)->offset, 5);
}

static void newcomer_without_an_offset_is_looked_up(void **state)
{
	struct fake *f = *state;
	struct sw_inst *i = &f->sw->inst[1];

	fake_active(f, BG_BLUE, 5);
	bg_offs_at(&f->topics, "orders", 4);
	bg_offs_at(&f->sw->handed, "orders", 4)->offset = -1; /* an abort left it so */
	bg_offs_set(&f->ranges, "orders", 4, 7, 0);
	i->part[1].partition = 4;
	i->part[1].needs_offset = true;
	assert_int_equal(sw_reconcile_wish(f->sw, i, bg_now_us()), SW_WISH_NONE);
	sw_newcomers_look(f->sw);
	turns(f, 20);
	assert_non_null(strstr(f->sw->degraded, "initial-offset"));
	f->sw->cfg->initial = SW_INITIAL_EARLIEST;
	assert_int_equal(bg_offs_find(&fake_await(f, "resume")->offs, "orders", 4)->offset, 7);
}

/* ---- --once */

static void option(const char *name, const char *arg)
{
	for (const struct option *o = sw_once_options; o->name; o++)
		if (strcmp(o->name, name) == 0)
			assert_int_equal(sw_once_option(NULL, o->val, arg), 0);
}

/* A re-assertion begins before --once has looked at how its own run has ended. */
static void once_ends_with_the_outcome_of_its_own_run(void **state)
{
	struct fake *f = *state;
	struct bg_daemon d = {.loop = f->loop};

	option("switch", "orders"); /* to blue: that is said by sw_once_check */
	f->dm.d = &d;
	f->dm.once = true;
	fake_active(f, BG_GREEN, 1);
	sw_once_own(&f->dm);
	fake_all_well(f, SW_SOAKING);
	assert_false(sw_once_over()); /* SIGTERM here: status 1 */
	f->sw->inst[2].epoch = 9;
	sw_reconcile_one(&f->sw->inst[2]);
	assert_int_equal(f->sw->run->kind, SW_KIND_REASSERT);
	for (int n = 0; n < 500 && !sw_once_over(); n++) {
		if (f->n_call)
			fake_answer(f, f->call[0].verb, NULL);
		turns(f, 1);
	}
	assert_true(sw_once_over());
	sw_once_free();
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(records_do_not_pile_up_behind_a_slow_disk),
		T(replaced_records_survive_a_write_that_fails),
		T(intent_that_is_there_all_the_same_is_taken_back),
		T(request_from_a_person_s_need_fails_back_to_it),
		T(a_first_activation_that_gets_no_go_is_still_to_be_made),
		T(offsets_of_a_failed_init_do_not_win),
		T(init_that_fails_half_way_is_adopted),
		T(policy_counts_after_a_failed_init),
		T(init_that_meets_a_newer_epoch_keeps_its_start),
		T(old_snapshot_does_not_answer_for_the_person),
		T(newcomer_without_an_offset_is_looked_up),
		T(once_ends_with_the_outcome_of_its_own_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
