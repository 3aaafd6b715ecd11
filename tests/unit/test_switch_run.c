/* SPDX-License-Identifier: Apache-2.0 */
/* A switch through all its paths, with fakes for adapter, store and Kafka. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "switchd/history.h"
#include "switchd/rebuild.h"
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

static const char *error(struct fake *f)
{
	return bg_json_str(f->sw->last, "error", "");
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

/* ---- changes to what instances say */

static void blue1_late(struct sw_inst *i, struct fake_say *say)
{
	if (strcmp(i->name, "blue-1") == 0) {
		say->verdict = SW_V_LATE;
		say->err = "is DRAINING, 12 records in the handler";
	}
}

static void all_late(struct sw_inst *i, struct fake_say *say)
{
	(void)i;
	say->verdict = SW_V_LATE;
}

static void blue0_stale_40(struct sw_inst *i, struct fake_say *say)
{
	if (strcmp(i->name, "blue-0") == 0) {
		say->verdict = SW_V_STALE;
		say->epoch = 40;
	}
}

static void green1_out_of_range(struct sw_inst *i, struct fake_say *say)
{
	if (strcmp(i->name, "green-1") == 0)
		say->verdict = SW_V_OUT_OF_RANGE;
}

static void all_out_of_range(struct sw_inst *i, struct fake_say *say)
{
	(void)i;
	say->verdict = SW_V_OUT_OF_RANGE;
}

static void blue1_drops_partition_3(struct sw_inst *i, struct fake_say *say)
{
	if (strcmp(i->name, "blue-1") == 0) {
		bg_offs_free(&say->offs);
		bg_offs_set(&say->offs, "orders", 2, 202, 1);
	}
}

static void green0_failed(struct sw_inst *i, struct fake_say *say)
{
	if (strcmp(i->name, "green-0") == 0)
		say->state = SW_I_FAILED;
}

static void refused(struct sw_inst *i, struct fake_say *say)
{
	(void)i;
	say->verdict = SW_V_REFUSED;
}

/* ---- forward */

static void pause_first_commits_then_resume(void **state)
{
	struct fake *f = *state;
	struct fake_call *c;

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	c = fake_await(f, "prepare");
	/* The intent was durable before anybody was told, and says PAUSED for both. */
	assert_int_equal(f->record_writes, 1);
	assert_string_equal(stored(f, "phase"), "INTENT");
	assert_non_null(strstr(f->record, "\"blue\":\"PAUSED\",\"green\":\"PAUSED\""));
	assert_int_equal(c->order.epoch, 2);
	assert_int_equal(c->order.active, BG_GREEN);
	fake_answer(f, "prepare", NULL);
	c = fake_await(f, "pause");
	assert_int_equal(c->order.colors, 1u << BG_BLUE);
	assert_false(c->order.eager);
	assert_int_equal(f->record_writes, 1); /* nothing is written on the way */
	fake_answer(f, "pause", NULL);
	c = fake_await(f, "resume");
	assert_int_equal(f->record_writes, 1);
	assert_int_equal(c->order.colors, 1u << BG_GREEN);
	assert_int_equal(c->offs.n, 4);
	assert_int_equal(bg_offs_find(&c->offs, "orders", 3)->offset, 203);
	assert_int_equal(bg_offs_find(&c->offs, "orders", 3)->epoch, 1);
	fake_answer(f, "resume", NULL);
	fake_await_state(f, SW_SOAKING);
	assert_string_equal(f->order.s, "prepare2:bg pause2:b commits resume2:g");
	assert_string_equal(outcome(f), "done");
	assert_string_equal(stored(f, "phase"), "SOAKING");
	assert_string_equal(stored(f, "active"), "green");
	assert_string_equal(stored(f, "previous"), "blue");
	assert_non_null(strstr(f->record, "\"blue\":\"PAUSED\",\"green\":\"ACTIVE\""));
	assert_int_equal(f->snapshot_epoch, 2);
	assert_non_null(strstr(f->history.s, "\"outcome\":\"done\""));
	sw_run_soak_over(f->sw);
	assert_int_equal(f->sw->state, SW_IDLE);
	assert_string_equal(stored(f, "phase"), "IDLE");
}

static void eager_skips_the_commits_when_they_cannot_matter(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	f->sw->cfg->eager = true;
	fake_switch(f, BG_GREEN);
	fake_await(f, "prepare");
	fake_answer(f, "prepare", NULL);
	assert_true(fake_await(f, "pause")->order.eager);
	fake_all_well(f, SW_SOAKING);
	assert_string_equal(f->order.s, "prepare2:bg pause2:b resume2:g");
}

static void eager_reads_them_when_a_partition_is_held_by_nobody(void **state)
{
	struct fake *f = *state;
	struct fake_call *c;

	fake_active(f, BG_BLUE, 1);
	f->sw->cfg->eager = true;
	fake_switch(f, BG_GREEN);
	fake_await(f, "prepare");
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", blue1_drops_partition_3);
	c = fake_await(f, "resume");
	assert_string_equal(f->order.s, "prepare2:bg pause2:b commits resume2:g");
	assert_int_equal(bg_offs_find(&c->offs, "orders", 3)->offset, 103); /* its commit */
}

static void eager_reads_them_when_an_instance_was_restarted(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	f->sw->cfg->eager = true;
	fake_switch(f, BG_GREEN);
	fake_await(f, "prepare");
	fake_answer(f, "prepare", NULL);
	fake_await(f, "pause");
	strcpy(f->sw->inst[0].incarnation, "another");
	fake_all_well(f, SW_SOAKING);
	assert_string_equal(f->order.s, "prepare2:bg pause2:b commits resume2:g");
}

static void no_go_changes_nothing(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	strcpy(f->sw->inst[3].name, "green-0"); /* two endpoints, one name */
	fake_switch(f, BG_GREEN);
	fake_await_state(f, SW_IDLE);
	assert_string_equal(outcome(f), "no_go");
	assert_non_null(strstr(error(f), "identity"));
	assert_int_equal(bg_json_int(f->sw->last, "exit", -1), 3);
	assert_int_equal(f->sent, 0);
	assert_int_equal(f->record_writes, 0);
	assert_int_equal(f->sw->rec.epoch, 1);
}

static void unreachable_instance_is_a_no_go_that_names_it(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_answer(f, "status", blue1_late);
	fake_await_state(f, SW_IDLE);
	assert_string_equal(outcome(f), "no_go");
	assert_non_null(strstr(error(f), "blue-1"));
}

static void intent_that_cannot_be_written_changes_nothing(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	f->fail_records = 1;
	fake_switch(f, BG_GREEN);
	fake_await_state(f, SW_IDLE);
	assert_string_equal(outcome(f), "failed");
	assert_int_equal(f->sent, 0);
	assert_int_equal(f->sw->rec.epoch, 1);
	assert_true(f->sw->rec.desired_active[BG_BLUE]);
	/* And the next one works. */
	fake_switch(f, BG_GREEN);
	fake_all_well(f, SW_SOAKING);
	assert_string_equal(stored(f, "active"), "green");
}

static void record_that_cannot_be_written_afterwards_is_written_later(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_await(f, "prepare");
	fake_settle(f);
	f->fail_records = 2;
	fake_all_well(f, SW_SOAKING);
	for (int n = 0; n < 3000 && f->record_writes < 2; n++)
		fake_await_state(f, SW_SOAKING), bg_loop_run_until(f->loop, &(bool){false}, 1000);
	assert_string_equal(stored(f, "phase"), "SOAKING");
	assert_string_equal(stored(f, "active"), "green");
}

/* ---- back */

static void pause_that_does_not_end_goes_back_by_a_new_epoch(void **state)
{
	struct fake *f = *state;
	struct fake_call *c;

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_await(f, "prepare");
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", blue1_late);
	c = fake_await(f, "pause");
	/* Only to is paused, at the newer epoch; the record said so first. */
	assert_int_equal(c->order.epoch, 3);
	assert_int_equal(c->order.colors, 1u << BG_GREEN);
	assert_string_equal(stored(f, "phase"), "ABORTING");
	assert_string_equal(stored(f, "active"), "blue");
	fake_answer(f, "pause", NULL);
	c = fake_await(f, "resume");
	assert_int_equal(c->order.epoch, 3);
	assert_int_equal(c->order.colors, 1u << BG_BLUE);
	assert_int_equal(bg_offs_find(&c->offs, "orders", 0)->offset, 200); /* blue-0 had answered */
	assert_int_equal(bg_offs_find(&c->offs, "orders", 2)->offset, 102); /* blue-1 had not: its commit */
	fake_answer(f, "resume", NULL);
	fake_await_state(f, SW_IDLE);
	assert_string_equal(f->order.s, "prepare2:bg pause2:b pause3:g resume3:b");
	assert_string_equal(outcome(f), "aborted");
	assert_int_equal(bg_json_int(f->sw->last, "exit", -1), 5);
	assert_non_null(strstr(error(f), "blue-1: is DRAINING, 12"));
	assert_string_equal(stored(f, "active"), "blue");
	assert_string_equal(stored(f, "phase"), "IDLE");
	assert_non_null(strstr(f->record, "\"blue\":\"ACTIVE\",\"green\":\"PAUSED\""));
}

static void one_frozen_instance_does_not_keep_the_others_from_working(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_await(f, "prepare");
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", blue1_late);
	fake_answer(f, "pause", NULL);
	fake_answer(f, "resume", blue1_late);
	fake_await_state(f, SW_IDLE);
	assert_string_equal(outcome(f), "aborted");
	/* When it hears again it is resumed. */
	f->sw->inst[1].state = SW_I_PAUSED;
	f->sw->inst[1].epoch = 2;
	assert_int_equal(sw_reconcile_wish(f->sw, &f->sw->inst[1], bg_now_us()), SW_WISH_RESUME);
}

static void out_of_range_goes_back(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_await(f, "prepare");
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", NULL);
	fake_answer(f, "resume", green1_out_of_range);
	fake_all_well(f, SW_IDLE);
	assert_string_equal(f->order.s, "prepare2:bg pause2:b commits resume2:g pause3:g resume3:b");
	assert_string_equal(outcome(f), "rolled_back");
	assert_int_equal(bg_json_int(f->sw->last, "exit", -1), 1);
}

static void failed_after_the_resume_goes_back(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_await(f, "prepare");
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", NULL);
	fake_answer(f, "resume", NULL);
	fake_answer(f, "status", green0_failed);
	fake_all_well(f, SW_IDLE);
	assert_string_equal(outcome(f), "rolled_back");
	assert_string_equal(stored(f, "active"), "blue");
}

static void missing_offset_aborts_and_is_named(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	bg_offs_free(&f->committed[BG_BLUE]);
	bg_offs_free(&f->sw->handed);
	fake_switch(f, BG_GREEN);
	fake_await(f, "prepare");
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", blue1_drops_partition_3);
	fake_all_well(f, SW_IDLE);
	assert_string_equal(outcome(f), "aborted");
	assert_non_null(strstr(error(f), "orders/3"));
	assert_null(strstr(f->order.s, "resume2"));
}

static void broker_down_at_the_transfer_goes_back_when_it_is_up(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_await(f, "prepare");
	fake_answer(f, "prepare", NULL);
	fake_await(f, "pause");
	f->kafka_down = true;
	fake_answer(f, "pause", NULL);
	fake_answer(f, "pause", NULL); /* green at epoch 3 */
	for (int n = 0; n < 100; n++)
		bg_loop_run_until(f->loop, &(bool){false}, 1000);
	assert_int_equal(f->sw->state, SW_BACK_TRANSFER);
	assert_true(f->sw->degraded[0]);
	f->kafka_down = false;
	fake_all_well(f, SW_IDLE);
	assert_string_equal(outcome(f), "aborted");
	assert_string_equal(stored(f, "active"), "blue");
	assert_int_equal(f->sw->degraded[0], '\0');
}

static void way_back_waits_for_the_proof_as_long_as_it_takes(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_await(f, "prepare");
	fake_answer(f, "prepare", refused);
	for (int n = 0; n < 4; n++)
		fake_answer(f, "pause", all_late);
	assert_null(strstr(f->order.s, "resume"));
	fake_all_well(f, SW_IDLE);
	assert_string_equal(outcome(f), "aborted");
}

static void stuck_asks_a_person(void **state)
{
	struct fake *f = *state;
	struct sw_request rq = {.kind = SW_KIND_INIT, .to = BG_BLUE, .by = "t", .init_from = "earliest"};

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_await(f, "prepare");
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", NULL);
	fake_answer(f, "resume", all_out_of_range);
	fake_answer(f, "pause", NULL);
	fake_answer(f, "resume", all_out_of_range);
	fake_await_state(f, SW_NEEDS_PERSON);
	assert_string_equal(outcome(f), "needs_person");
	assert_string_equal(stored(f, "phase"), "NEEDS_PERSON");
	assert_true(f->sw->degraded[0]);
	/* The person says where to start. */
	for (int p = 0; p < 4; p++)
		bg_offs_set(&f->ranges, "orders", p, 1000, 0);
	for (size_t k = 0; k < 4; k++)
		f->sw->inst[k].state = SW_I_PAUSED;
	sw_run_start(f->sw, &rq);
	assert_int_equal(bg_offs_find(&fake_await(f, "prepare")->offs, "orders", 0) == NULL, 1);
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", NULL);
	assert_int_equal(bg_offs_find(&fake_await(f, "resume")->offs, "orders", 0)->offset, 1000);
	fake_all_well(f, SW_SOAKING);
	assert_string_equal(stored(f, "active"), "blue");
}

/* ---- 409 */

static void stale_is_never_repeated(void **state)
{
	struct fake *f = *state;
	struct fake_call *c;

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_await(f, "prepare");
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", blue0_stale_40);
	c = fake_await(f, "prepare");
	assert_int_equal(c->order.epoch,
			 41); /* 1 + the highest seen, same to, the other colour paused at it */
	assert_int_equal(c->order.active, BG_GREEN);
	fake_all_well(f, SW_SOAKING);
	assert_string_equal(f->order.s, "prepare2:bg pause2:b prepare41:bg pause41:b commits resume41:g");
	assert_string_equal(stored(f, "active"), "green");
	assert_int_equal(f->sw->rec.epoch, 41);
}

static void stale_for_ever_ends_by_going_back(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	for (int n = 0; n < 6; n++) {
		fake_await(f, "prepare");
		fake_answer(f, "prepare", blue0_stale_40);
	}
	fake_all_well(f, SW_IDLE);
	assert_string_equal(outcome(f), "aborted");
	assert_true(f->sw->rec.epoch > 40);
}

static void stale_on_the_way_back_takes_a_newer_epoch(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_await(f, "prepare");
	fake_answer(f, "prepare", refused);
	fake_answer(f, "pause", NULL);
	fake_answer(f, "resume", blue0_stale_40);
	fake_all_well(f, SW_IDLE);
	assert_string_equal(f->order.s, "prepare2:bg pause3:g resume3:b pause41:g resume41:b");
}

static void newer_epoch_in_a_commit_is_stale(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_await(f, "prepare");
	fake_answer(f, "prepare", NULL);
	fake_await(f, "pause");
	bg_offs_find(&f->committed[BG_BLUE], "orders", 2)->floor = 9;
	fake_answer(f, "pause", NULL);
	assert_int_equal(fake_await(f, "prepare")->order.epoch, 10);
	fake_all_well(f, SW_SOAKING);
}

/* ---- abort by a person, at each step */

static void abort_at(void **state, const char *verb, int answered)
{
	static const char *const verbs[] = {"prepare", "pause", "resume"};
	struct fake *f = *state;
	struct bg_err why = BG_ERR_INIT;

	fake_active(f, BG_BLUE, 1);
	struct sw_run *r = fake_switch(f, BG_GREEN);
	for (int n = 0; n < answered; n++) {
		fake_await(f, verbs[n]);
		fake_answer(f, verbs[n], NULL);
	}
	fake_await(f, verb);
	bg_err_set(&why, 0, "aborted", "aborted by test");
	sw_run_abort(r, &why);
	fake_all_well(f, SW_IDLE);
	assert_string_equal(outcome(f), "aborted");
	assert_string_equal(error(f), "aborted by test");
	assert_string_equal(sw_color_name(f->sw->rec.active), "blue");
}

static void abort_in_preflight(void **state)
{
	struct fake *f = *state;

	abort_at(state, "status", 0);
	assert_int_equal(f->record_writes, 0);
	assert_int_equal(f->sent, 0);
}

static void abort_in_prepare(void **state)
{
	abort_at(state, "prepare", 0);
}

static void abort_in_pause(void **state)
{
	abort_at(state, "pause", 1);
}

static void abort_in_resume(void **state)
{
	abort_at(state, "resume", 2);
}

static void abort_while_verifying(void **state)
{
	struct fake *f = *state;

	abort_at(state, "status", 3);
	assert_string_equal(sw_color_name(f->sw->rec.previous),
			    "green"); /* it worked for a moment; not blue itself */
}

static void abort_while_the_intent_is_written(void **state)
{
	struct fake *f = *state;
	struct bg_err why = BG_ERR_INIT;

	fake_active(f, BG_BLUE, 1);
	struct sw_run *r = fake_switch(f, BG_GREEN);
	f->hold_writes = true;
	fake_await_state(f, SW_INTENT);
	assert_int_equal(f->sw->state, SW_INTENT);
	bg_err_set(&why, 0, "aborted", "aborted by test");
	sw_run_abort(r, &why);
	assert_int_equal(f->sw->state, SW_INTENT);
	f->hold_writes = false;
	fake_all_well(f, SW_IDLE);
	assert_string_equal(outcome(f), "aborted");
	assert_null(strstr(f->order.s, "pause2:b"));
}

/* ---- first activation */

static void init_from_earliest(void **state)
{
	struct fake *f = *state;
	struct sw_request rq = {.kind = SW_KIND_INIT, .to = BG_GREEN, .by = "t", .init_from = "earliest"};
	struct fake_call *c;

	for (int p = 0; p < 4; p++) {
		bg_offs_set(&f->ranges, "orders", p, 5, 0);
		bg_offs_set(&f->committed[BG_GREEN], "orders", p, 70,
			    0); /* lying about: the person's word wins */
	}
	sw_run_start(f->sw, &rq);
	fake_await(f, "prepare");
	fake_answer(f, "prepare", NULL);
	assert_int_equal(fake_await(f, "pause")->order.colors, 1u << BG_BLUE);
	fake_answer(f, "pause", NULL);
	c = fake_await(f, "resume");
	assert_int_equal(f->snapshot_writes, 1); /* durable before anybody starts */
	assert_int_equal(bg_offs_find(&c->offs, "orders", 3)->offset, 5);
	assert_int_equal(bg_offs_find(&c->offs, "orders", 3)->epoch, 1);
	fake_all_well(f, SW_SOAKING);
	assert_string_equal(stored(f, "active"), "green");
	assert_int_equal(f->sw->rec.epoch, 1);
	assert_false(f->sw->rec.rollback_allowed);
}

static void init_adopts_a_group(void **state)
{
	struct fake *f = *state;
	struct sw_request rq = {.kind = SW_KIND_INIT, .to = BG_BLUE, .by = "t", .init_from = "group:legacy"};

	for (int p = 0; p < 4; p++)
		bg_offs_set(&f->ranges, "orders", p, 31 + p, 0); /* the fake's commits of `legacy` */
	sw_run_start(f->sw, &rq);
	fake_await(f, "prepare");
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", NULL);
	assert_int_equal(bg_offs_find(&fake_await(f, "resume")->offs, "orders", 2)->offset, 33);
}

static void init_takes_an_epoch_above_old_commits(void **state)
{
	struct fake *f = *state;
	struct sw_request rq = {.kind = SW_KIND_INIT, .to = BG_BLUE, .by = "t", .init_from = "committed"};

	for (int p = 0; p < 4; p++)
		bg_offs_set(&f->committed[BG_GREEN], "orders", p, 70, 12);
	sw_run_start(f->sw, &rq);
	assert_int_equal(fake_await(f, "prepare")->order.epoch, 13);
}

static void init_without_offsets_says_so_and_stays_unknown(void **state)
{
	struct fake *f = *state;
	struct sw_request rq = {.kind = SW_KIND_INIT, .to = BG_BLUE, .by = "t", .init_from = "committed"};

	sw_run_start(f->sw, &rq);
	fake_all_well(f, SW_PAUSING);
	fake_all_well(f, SW_UNKNOWN);
	assert_string_equal(outcome(f), "failed");
	assert_non_null(strstr(error(f), "orders/0, orders/1"));
	assert_null(strstr(f->order.s, "resume"));
	assert_string_equal(stored(f, "phase"), "UNKNOWN");
	assert_string_equal(stored(f, "active"), "-");
}

static void init_is_not_started_without_its_snapshot(void **state)
{
	struct fake *f = *state;
	struct sw_request rq = {.kind = SW_KIND_INIT, .to = BG_BLUE, .by = "t", .init_from = "latest"};

	for (int p = 0; p < 4; p++)
		bg_offs_set(&f->ranges, "orders", p, 5, 0);
	f->fail_snapshots = 1;
	sw_run_start(f->sw, &rq);
	fake_all_well(f, SW_PAUSING);
	fake_all_well(f, SW_UNKNOWN);
	assert_null(strstr(f->order.s, "resume"));
}

/* ---- recovery: every phase that a record can have */

static void recover_in(struct fake *f, enum sw_state phase)
{
	struct sw_record *r = &f->sw->rec;

	r->epoch = 8;
	r->base_epoch = 7;
	r->snapshot_epoch = 7;
	r->active = BG_BLUE;
	r->from = BG_BLUE;
	r->to = BG_GREEN;
	r->phase = phase;
	strcpy(r->id, "abc");
	for (int p = 0; p < 4; p++)
		bg_offs_set(&f->committed[BG_BLUE], "orders", p, 100 + p, 7);
	fake_start(f);
}

static void recovery_goes_forward_at_the_same_epoch(void **state)
{
	static const enum sw_state phases[] = {SW_INTENT, SW_PREPARING, SW_PAUSING, SW_TRANSFER, SW_RESUMING};

	for (size_t n = 0; n < BG_ARRAY_SIZE(phases); n++) {
		struct fake *f = *state;

		recover_in(f, phases[n]);
		assert_int_equal(f->record_writes, 0);
		fake_all_well(f, SW_SOAKING);
		assert_string_equal(f->order.s, "prepare8:bg pause8:b commits resume8:g");
		assert_string_equal(bg_json_str(f->sw->last, "id", ""), "abc");
		assert_string_equal(stored(f, "active"), "green");
		fake_free(f);
		*state = fake_new();
	}
}

static void recovery_goes_on_with_the_way_back(void **state)
{
	struct fake *f = *state;

	recover_in(f, SW_BACK_INTENT);
	fake_all_well(f, SW_IDLE);
	assert_string_equal(f->order.s, "pause8:g resume8:b");
	assert_string_equal(stored(f, "active"), "blue");
	assert_string_equal(stored(f, "phase"), "IDLE");
}

static void recovery_of_what_rests(void **state)
{
	struct fake *f = *state;

	recover_in(f, SW_IDLE);
	assert_int_equal(f->sw->state, SW_IDLE);
	fake_free(f);
	*state = f = fake_new();
	bg_strlcpy(f->sw->rec.error, "the log is gone", sizeof(f->sw->rec.error));
	recover_in(f, SW_NEEDS_PERSON);
	assert_int_equal(f->sw->state, SW_NEEDS_PERSON);
	assert_string_equal(f->sw->degraded, "the log is gone"); /* what the person is needed for */
	fake_free(f);
	*state = f = fake_new();
	f->sw->rec.soak_until_us = bg_real_us() + 3600000000;
	recover_in(f, SW_SOAKING);
	assert_int_equal(f->sw->state, SW_SOAKING);
	assert_null(f->history.s); /* it was written when it ended */
	fake_free(f);
	*state = f = fake_new();
	f->sw->rec.soak_until_us = bg_real_us() - 1;
	recover_in(f, SW_SOAKING);
	fake_await_state(f, SW_IDLE);
	fake_free(f);
	*state = f = fake_new();
	recover_in(f, SW_UNKNOWN);
	assert_int_equal(f->sw->state, SW_UNKNOWN);
	assert_int_equal(f->sent, 0);
}

/* ---- what the record demands of whom */

static void wishes(void **state)
{
	struct fake *f = *state;
	struct sw_inst *blue = &f->sw->inst[0], *green = &f->sw->inst[2];
	int64_t now = bg_now_us();

	fake_active(f, BG_BLUE, 5);
#define W(i) sw_reconcile_wish(f->sw, i, now)
	assert_int_equal(W(blue), SW_WISH_NONE);
	assert_int_equal(W(green), SW_WISH_NONE);
	blue->state = SW_I_PAUSED; /* restarted */
	assert_int_equal(W(blue), SW_WISH_RESUME);
	blue->state = SW_I_STARTING;
	assert_int_equal(W(blue), SW_WISH_RESUME);
	blue->reachable = false;
	assert_int_equal(W(blue), SW_WISH_NONE);
	blue->reachable = true;
	blue->state = SW_I_ACTIVE;
	blue->epoch = 4; /* works at an older epoch */
	assert_int_equal(W(blue), SW_WISH_RESUME);
	blue->epoch = 6; /* has accepted a newer one */
	assert_int_equal(W(blue), SW_WISH_ASSERT);
	blue->epoch = 5;
	blue->state = SW_I_FAILED;
	assert_int_equal(W(blue), SW_WISH_NONE);
	blue->state = SW_I_FENCED; /* not while its usurper may live */
	blue->fenced_us = now - 1000000;
	assert_int_equal(W(blue), SW_WISH_NONE);
	blue->fenced_us = now - 61000000;
	assert_int_equal(W(blue), SW_WISH_ASSERT);
	green->state = SW_I_ACTIVE;
	assert_int_equal(W(green), SW_WISH_PAUSE);
	green->state = SW_I_PAUSED;
	green->epoch = 0;
	assert_int_equal(W(green), SW_WISH_PAUSE);
	f->sw->state = SW_PAUSING; /* not while a switch is under way */
	assert_int_equal(W(green), SW_WISH_NONE);
	f->sw->state = SW_UNKNOWN;
	assert_int_equal(W(green), SW_WISH_NONE);
	f->sw->state = SW_IDLE;
}

static void restarted_active_instance_is_resumed_with_the_snapshot(void **state)
{
	struct fake *f = *state;
	struct fake_call *c;

	fake_active(f, BG_BLUE, 5);
	f->sw->inst[0].state = SW_I_PAUSED;
	sw_reconcile_one(&f->sw->inst[0]);
	c = fake_await(f, "resume");
	assert_ptr_equal(c->order.only, &f->sw->inst[0]);
	assert_int_equal(c->order.epoch, 5);
	assert_int_equal(c->offs.n, 4);
	sw_reconcile_one(&f->sw->inst[0]); /* one at a time */
	assert_int_equal(f->n_call, 1);
	fake_answer(f, "resume", NULL);
	assert_int_equal(f->sw->inst[0].state, SW_I_ACTIVE);
}

static void newer_epoch_met_at_rest_is_asserted_again(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 5);
	f->sw->inst[2].epoch = 9;
	sw_reconcile_one(&f->sw->inst[2]);
	/* Green does not answer: nothing goes "back" to green, it is tried again. */
	fake_await(f, "prepare");
	fake_answer(f, "prepare", all_late);
	assert_int_equal(fake_await(f, "prepare")->order.epoch, 10);
	fake_all_well(f, SW_SOAKING);
	assert_string_equal(f->order.s, "prepare10:bg prepare10:bg pause10:g commits resume10:b");
	assert_string_equal(stored(f, "active"), "blue");
	assert_int_equal(f->sw->rec.previous, SW_NO_COLOR);
}

/* Found in review: an active instance that is down must not keep the others from being asserted. */
static void assertion_does_not_wait_for_a_dead_active_instance(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 5);
	f->sw->inst[2].epoch = 9;
	sw_reconcile_one(&f->sw->inst[2]);
	fake_await(f, "prepare");
	fake_answer(f, "prepare", blue1_late);
	fake_answer(f, "pause", NULL);
	fake_answer(f, "resume", blue1_late);
	fake_await_state(f, SW_VERIFYING);
	f->sw->inst[1].epoch = 10;
	f->sw->inst[1].state = SW_I_ACTIVE;
	fake_all_well(f, SW_SOAKING);
	assert_string_equal(f->order.s, "prepare10:bg pause10:g commits resume10:b");
}

/* Found in review: asked again after a 409, an instance may leave its offsets out. */
static void answers_of_an_earlier_pause_still_count(void **state)
{
	struct fake *f = *state;
	struct fake_call *c;

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_await(f, "prepare");
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", blue0_stale_40);
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", NULL); /* blue-1 is PAUSED by now: no offsets */
	c = fake_await(f, "resume");
	assert_int_equal(bg_offs_find(&c->offs, "orders", 3)->offset, 203);
}

static void commands_of_reconcile_end_where_a_switch_begins(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 5);
	f->sw->inst[2].epoch = 4;
	sw_reconcile_one(&f->sw->inst[2]);
	fake_await(f, "pause");
	fake_switch(f, BG_GREEN);
	fake_await(f, "prepare");
	assert_null(fake_pending(f, "pause"));
}

/* partitions.bats: a partition added while blue works is given to blue-1, and nobody has an offset of it. */
static void new_partition_starts_at_its_earliest(void **state)
{
	struct fake *f = *state;
	struct sw_inst *i = &f->sw->inst[1];
	struct fake_call *c;

	fake_active(f, BG_BLUE, 5);
	bg_offs_at(&f->topics, "orders", 4);
	bg_offs_set(&f->ranges, "orders", 4, 7, 0);
	i->part[1].partition = 4;
	sw_newcomers_look(f->sw); /* it does not say that it waits: nothing to do */
	assert_int_equal(sw_reconcile_wish(f->sw, i, bg_now_us()), SW_WISH_NONE);
	i->part[1].needs_offset = true;
	sw_newcomers_look(f->sw);
	c = fake_await(f, "resume");
	assert_ptr_equal(c->order.only, i);
	assert_int_equal(c->order.epoch, 5);
	assert_int_equal(bg_offs_find(&c->offs, "orders", 4)->offset, 7);
	fake_settle(f);
	assert_int_equal(f->snapshot_epoch, 5);
	/* An answer that mends nothing is not asked for in a loop. */
	fake_answer(f, "resume", NULL);
	sw_reconcile_one(i);
	assert_int_equal(f->n_call, 0);
}

static void rebuild_adopts_exactly_one_active_colour(void **state)
{
	struct fake *f = *state;
	const char *why = NULL;
	struct sw_inst *i = f->sw->inst;

	assert_int_equal(sw_rebuild_choose(f->sw, &why), SW_NO_COLOR);
	i[2].state = SW_I_ACTIVE;
	assert_int_equal(sw_rebuild_choose(f->sw, &why), BG_GREEN);
	i[0].state = SW_I_DRAINING;
	assert_int_equal(sw_rebuild_choose(f->sw, &why), SW_NO_COLOR);
	i[0].state = SW_I_PAUSED;
	i[1].reachable = false; /* it might be active */
	assert_int_equal(sw_rebuild_choose(f->sw, &why), SW_NO_COLOR);
	i[1].reachable = true;
	i[1].state = SW_I_STARTING;
	assert_int_equal(sw_rebuild_choose(f->sw, &why), SW_NO_COLOR);
	i[1].state = SW_I_PAUSED;
	/* The epoch is above everything that was seen: a commit has 12. */
	bg_offs_set(&f->committed[BG_GREEN], "orders", 0, 9, 12);
	for (int p = 1; p < 4; p++)
		bg_offs_set(&f->committed[BG_GREEN], "orders", p, 9, 11);
	f->sw->record_gone = true;
	sw_rebuild_look(f->sw);
	assert_int_equal(fake_await(f, "prepare")->order.epoch, 13);
	fake_all_well(f, SW_SOAKING);
	assert_string_equal(f->order.s, "prepare13:bg pause13:b commits resume13:g");
	assert_string_equal(stored(f, "active"), "green");
}

static void uninitialised_switch_moves_nobody(void **state)
{
	struct fake *f = *state;

	f->sw->record_gone = true;
	fake_start(f);
	sw_rebuild_look(f->sw);
	for (int n = 0; n < 20; n++)
		bg_loop_run_until(f->loop, &(bool){false}, 1000);
	assert_int_equal(f->sent, 0);
	assert_non_null(strstr(f->sw->degraded, "init"));
}

static void soak_is_not_busy(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_all_well(f, SW_SOAKING);
	assert_false(sw_state_busy(f->sw->state));
	fake_switch(f, BG_BLUE);
	assert_int_equal(f->sw->state, SW_PREFLIGHT);
	fake_all_well(f, SW_SOAKING);
	assert_string_equal(stored(f, "active"), "blue");
	assert_int_equal(f->sw->rec.epoch, 3);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(pause_first_commits_then_resume),
		T(eager_skips_the_commits_when_they_cannot_matter),
		T(eager_reads_them_when_a_partition_is_held_by_nobody),
		T(eager_reads_them_when_an_instance_was_restarted),
		T(no_go_changes_nothing),
		T(unreachable_instance_is_a_no_go_that_names_it),
		T(intent_that_cannot_be_written_changes_nothing),
		T(record_that_cannot_be_written_afterwards_is_written_later),
		T(pause_that_does_not_end_goes_back_by_a_new_epoch),
		T(one_frozen_instance_does_not_keep_the_others_from_working),
		T(out_of_range_goes_back),
		T(failed_after_the_resume_goes_back),
		T(missing_offset_aborts_and_is_named),
		T(broker_down_at_the_transfer_goes_back_when_it_is_up),
		T(way_back_waits_for_the_proof_as_long_as_it_takes),
		T(stuck_asks_a_person),
		T(stale_is_never_repeated),
		T(stale_for_ever_ends_by_going_back),
		T(stale_on_the_way_back_takes_a_newer_epoch),
		T(newer_epoch_in_a_commit_is_stale),
		T(abort_in_preflight),
		T(abort_in_prepare),
		T(abort_in_pause),
		T(abort_in_resume),
		T(abort_while_verifying),
		T(abort_while_the_intent_is_written),
		T(init_from_earliest),
		T(init_adopts_a_group),
		T(init_takes_an_epoch_above_old_commits),
		T(init_without_offsets_says_so_and_stays_unknown),
		T(init_is_not_started_without_its_snapshot),
		T(recovery_goes_forward_at_the_same_epoch),
		T(recovery_goes_on_with_the_way_back),
		T(recovery_of_what_rests),
		T(wishes),
		T(restarted_active_instance_is_resumed_with_the_snapshot),
		T(newer_epoch_met_at_rest_is_asserted_again),
		T(assertion_does_not_wait_for_a_dead_active_instance),
		T(answers_of_an_earlier_pause_still_count),
		T(commands_of_reconcile_end_where_a_switch_begins),
		T(new_partition_starts_at_its_earliest),
		T(rebuild_adopts_exactly_one_active_colour),
		T(uninitialised_switch_moves_nobody),
		T(soak_is_not_busy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
