/* SPDX-License-Identifier: Apache-2.0 */
/* Fencing: whoever of from does not answer has its static ids taken; the proof is a commit under each of them. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "switchd/known.h"
#include "switchd/metrics.h"
#include "switchd/preflight.h"
#include "switchd/reconcile.h"
#include "switchd_fake.h"

static int setup(void **state)
{
	struct fake *f = fake_new();

	fake_takeover(f);
	f->sw->cfg->fence = true;
	f->sw->cfg->fence_grace_us = 20000;
	*state = f;
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

static void blue1_silent(struct sw_inst *i, struct fake_say *say)
{
	if (strcmp(i->name, "blue-1") == 0) {
		bg_offs_free(&say->offs);
		say->verdict = SW_V_LATE;
		say->err = "no answer in time";
	}
}

static void blue_silent(struct sw_inst *i, struct fake_say *say)
{
	if (i->color == BG_BLUE) {
		bg_offs_free(&say->offs);
		say->verdict = SW_V_LATE;
	}
}

static void green1_silent(struct sw_inst *i, struct fake_say *say)
{
	if (strcmp(i->name, "green-1") == 0)
		say->verdict = SW_V_LATE;
}

static void blue1_refused(struct sw_inst *i, struct fake_say *say)
{
	if (strcmp(i->name, "blue-1") == 0)
		say->verdict = SW_V_REFUSED;
}

static void all_refused(struct sw_inst *i, struct fake_say *say)
{
	(void)i;
	say->verdict = SW_V_REFUSED;
}

/* Until blue-1 has not answered the pause. */
static void until_silent(struct fake *f)
{
	fake_active(f, BG_BLUE, 1);
	for (int p = 0; p < 4; p++)
		bg_offs_at(&f->committed[BG_BLUE], "orders", p)->floor = 1;
	fake_switch(f, BG_GREEN);
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", blue1_silent);
	assert_int_equal(f->sw->state, SW_FENCING);
}

static void the_silent_one_is_fenced(void **state)
{
	struct fake *f = *state;
	struct json_object *ids, *row;
	_cleanup_free_ char *metrics = NULL;
	struct fake_call *c;
	struct fake_seat *s;

	until_silent(f);
	s = fake_seat(f, "orders-1");
	assert_string_equal(s->group, "blue-group");
	assert_int_equal(f->n_seat, 1); /* only its ids */
	fake_seat_joins(f, "orders-1", 2, 4);
	fake_seat_says(f, "orders-1", SW_SEAT_ACKED);
	c = fake_await(f, "resume");
	/* What was committed is what was read, with f at our epoch. */
	assert_int_equal(s->commit.n, 2);
	assert_int_equal(bg_offs_find(&s->commit, "orders", 3)->offset, 103);
	assert_int_equal(bg_offs_find(&s->commit, "orders", 3)->epoch, 1);
	assert_int_equal(bg_offs_find(&s->commit, "orders", 3)->floor, 2);
	/* Green starts where blue-0 said, and where blue-1 had committed. */
	assert_int_equal(bg_offs_find(&c->offs, "orders", 0)->offset, 200);
	assert_int_equal(bg_offs_find(&c->offs, "orders", 3)->offset, 103);
	assert_string_equal(f->order.s, "prepare2:bg pause2:b take:orders-1 prove commits resume2:g");
	assert_int_equal(fake_seats_held(f), 1); /* until green has the id */
	f->dm.metrics = sw_metrics_new(&f->dm);
	fake_answer(f, "resume", NULL);
	assert_int_equal(fake_seats_held(f), 0);
	fake_await_state(f, SW_SOAKING);
	assert_string_equal(outcome(f), "done");
	metrics = sw_metrics_render(f->dm.metrics);
	assert_non_null(strstr(
		metrics,
		"bg_switch_fenced_ids_total{color=\"blue\",instance=\"blue-1\",outcome=\"fenced\",switch=\"orders\"} 1"));
	sw_metrics_free(f->dm.metrics);
	f->dm.metrics = NULL;
	ids = bg_json_get(bg_json_get(f->sw->last, "fencing"), "ids");
	assert_int_equal(json_object_array_length(ids), 1);
	row = json_object_array_get_idx(ids, 0);
	assert_string_equal(bg_json_str(row, "instance", ""), "blue-1");
	assert_string_equal(bg_json_str(row, "static_id", ""), "orders-1");
	assert_true(bg_json_int(row, "proved_us", 0) >= 20000);
	assert_int_equal(bg_json_int(bg_json_get(f->sw->last, "fencing"), "grace_ms", 0), 20);
}

static void not_before_the_grace_and_not_before_all_have_joined(void **state)
{
	struct fake *f = *state;
	struct fake_seat *s;
	int64_t joined;

	f->sw->cfg->fence_grace_us = 60000;
	sw_set_add(&f->sw->inst[1].member.ids, "orders-5");
	sw_set_add(&f->sw->inst[3].member.ids, "orders-5");
	until_silent(f);
	fake_seat_joins(f, "orders-1", 2, 4);
	bool never = false;
	bg_loop_run_until(f->loop, &never, 100000);
	s = fake_seat(f, "orders-1");
	assert_int_equal(s->commits, 0);
	joined = bg_now_us();
	fake_seat_joins(f, "orders-5", 0, 0);
	fake_seat_says(f, "orders-1", SW_SEAT_ACKED);
	assert_true(bg_now_us() - joined >= 60000);
	assert_int_equal(f->sw->state, SW_FENCING); /* one of two */
	fake_seat_says(f, "orders-5", SW_SEAT_ACKED);
	fake_await(f, "resume");
}

/* More members than partitions: its proof is the re-stated commit of a partition that is ours too. */
static void one_without_partitions_proves_itself_too(void **state)
{
	struct fake *f = *state;
	struct fake_seat *s;

	sw_set_add(&f->sw->inst[1].member.ids, "orders-5");
	sw_set_add(&f->sw->inst[3].member.ids, "orders-5");
	until_silent(f);
	fake_seat_joins(f, "orders-1", 2, 4);
	fake_seat_joins(f, "orders-5", 0, 0);
	fake_seat_says(f, "orders-1", SW_SEAT_ACKED);
	s = fake_seat(f, "orders-5");
	assert_int_equal(s->commit.n, 1);
	assert_int_equal(s->commit.v[0].partition, 2);
	assert_int_equal(s->commit.v[0].offset, 102);
	assert_int_equal(s->commit.v[0].floor, 2);
	fake_seat_says(f, "orders-5", SW_SEAT_ACKED);
	fake_await(f, "resume");
}

/* Blue-0 has answered with 200 and 201 and its commits are on their way: they must not be undone. */
static void what_is_on_its_way_is_not_restated(void **state)
{
	struct fake *f = *state;
	struct fake_seat *s;

	f->sw->cfg->eager = true;
	until_silent(f);
	fake_seat_joins(f, "orders-1", 0, 0);
	for (int n = 0; n < 200 && !f->seat[0].commits; n++) {
		bool never = false;
		bg_loop_run_until(f->loop, &never, 1000);
	}
	s = fake_seat(f, "orders-1");
	assert_int_equal(s->commit.n, 1);
	assert_true(s->commit.v[0].partition >= 2); /* not 0 or 1 */
}

static void refused_is_not_fenced_and_tried_again(void **state)
{
	struct fake *f = *state;

	until_silent(f);
	fake_seat_joins(f, "orders-1", 2, 4);
	fake_seat_says(f, "orders-1", SW_SEAT_REFUSED);
	assert_int_equal(fake_seats_held(f), 0);
	/* A new handle, and the grace once more. */
	fake_seat(f, "orders-1");
	assert_int_equal(f->n_seat, 2);
	fake_seat_joins(f, "orders-1", 2, 4);
	fake_seat_says(f, "orders-1", SW_SEAT_AGAIN);
	fake_seat_says(f, "orders-1", SW_SEAT_ACKED);
	assert_int_equal(f->n_seat, 2);
	fake_await(f, "resume");
	fake_all_well(f, SW_SOAKING);
	struct json_object *row =
		json_object_array_get_idx(bg_json_get(bg_json_get(f->sw->last, "fencing"), "ids"), 0);
	assert_int_equal(bg_json_int(row, "refused", 0), 1);
}

static void one_that_cannot_be_taken_ends_the_switch(void **state)
{
	struct fake *f = *state;

	f->sw->cfg->resume_us = f->sw->cfg->prepare_us = 100000;
	until_silent(f);
	fake_seat(f, "orders-1");
	fake_await_state(f, SW_BACK_PAUSING);
	f->sw->cfg->resume_us = f->sw->cfg->prepare_us = 1000000;
	fake_all_well(f, SW_IDLE);
	assert_string_equal(outcome(f), "aborted");
	assert_non_null(strstr(error(f), "blue-1"));
	assert_non_null(strstr(error(f), "orders-1 could not be taken in time"));
	assert_int_equal(f->sw->rec.active, BG_BLUE);
	assert_int_equal(fake_seats_held(f), 0);
}

static void no_handle_can_be_made(void **state)
{
	struct fake *f = *state;

	f->sw->cfg->resume_us = f->sw->cfg->prepare_us = 50000;
	f->no_seats = true;
	until_silent(f);
	fake_await_state(f, SW_BACK_PAUSING);
	f->sw->cfg->resume_us = 1000000;
	fake_all_well(f, SW_IDLE);
	assert_non_null(strstr(error(f), "no handle can be made"));
}

static void nothing_committed_is_no_proof(void **state)
{
	struct fake *f = *state;

	f->sw->cfg->resume_us = f->sw->cfg->prepare_us = 50000;
	until_silent(f);
	bg_offs_free(&f->committed[BG_BLUE]);
	fake_seat_joins(f, "orders-1", 2, 4);
	fake_await_state(f, SW_BACK_PAUSING);
	f->sw->cfg->resume_us = 1000000;
	fake_all_well(f, SW_IDLE);
	assert_non_null(strstr(error(f), "no commit that could be re-stated"));
}

/* Another leader has gone further: ours is over. */
static void a_newer_epoch_in_the_commits_makes_a_new_intent(void **state)
{
	struct fake *f = *state;

	until_silent(f);
	bg_offs_at(&f->committed[BG_BLUE], "orders", 0)->floor = 9;
	fake_seat_joins(f, "orders-1", 2, 4);
	assert_int_equal(fake_await(f, "prepare")->order.epoch, 10);
	assert_int_equal(f->n_seat, 1);
	assert_int_equal(f->seat[0].commits, 0);
}

static void unknown_ids_end_it_before_anybody_is_paused(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_await(f, "prepare");
	sw_set_free(&f->sw->inst[1].member.ids);
	fake_answer(f, "prepare", blue1_silent);
	fake_all_well(f, SW_IDLE);
	assert_string_equal(outcome(f), "aborted");
	assert_non_null(strstr(error(f), "blue-1 does not answer, and cannot be fenced"));
	assert_null(strstr(f->order.s, "pause2:b"));
}

static void a_refusal_is_not_silence(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", blue1_refused);
	assert_int_equal(f->sw->state, SW_BACK_INTENT);
	fake_all_well(f, SW_IDLE);
	assert_int_equal(f->n_seat, 0);
}

/* Dead before the switch: prepare is not answered, and the switch is carried out all the same. */
static void a_dead_from_is_no_obstacle(void **state)
{
	struct fake *f = *state;
	struct fake_call *c;

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_answer(f, "prepare", blue_silent);
	fake_answer(f, "pause", blue_silent);
	fake_seat_joins(f, "orders-0", 0, 2);
	fake_seat_joins(f, "orders-1", 2, 4);
	fake_seat_says(f, "orders-0", SW_SEAT_ACKED);
	fake_seat_says(f, "orders-1", SW_SEAT_ACKED);
	c = fake_await(f, "resume");
	assert_int_equal(bg_offs_find(&c->offs, "orders", 0)->offset, 100);
	fake_all_well(f, SW_SOAKING);
	assert_string_equal(outcome(f), "done");
}

static void abort_while_fencing(void **state)
{
	struct fake *f = *state;
	struct bg_err e = BG_ERR_INIT;

	until_silent(f);
	fake_seat_joins(f, "orders-1", 2, 4);
	bg_err_set(&e, 0, "aborted", "aborted by a test");
	sw_run_abort(f->sw->run, &e);
	fake_all_well(f, SW_IDLE);
	assert_string_equal(outcome(f), "aborted");
	assert_int_equal(f->sw->rec.active, BG_BLUE);
	assert_int_equal(fake_seats_held(f), 0);
}

/* Green cannot: blue, which was fenced, is resumed at the newer epoch as usual. */
static void the_way_back_after_fencing(void **state)
{
	struct fake *f = *state;

	until_silent(f);
	fake_seat_joins(f, "orders-1", 2, 4);
	fake_seat_says(f, "orders-1", SW_SEAT_ACKED);
	fake_answer(f, "resume", all_refused);
	fake_answer(f, "pause", NULL);
	assert_int_equal(fake_await(f, "resume")->order.epoch, 3);
	fake_answer(f, "resume", NULL);
	fake_await_state(f, SW_IDLE);
	assert_string_equal(outcome(f), "rolled_back");
	assert_int_equal(fake_seats_held(f), 0);
}

/* On the way back a green that hangs is fenced too, once blue does not work any more. */
static void to_is_fenced_on_the_way_back(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", NULL);
	fake_answer(f, "resume", green1_silent);
	fake_answer(f, "pause", green1_silent);
	assert_int_equal(f->sw->state, SW_BACK_FENCING);
	assert_string_equal(sw_phase_name(f->sw->state), "ABORTING");
	fake_seat_joins(f, "orders-1", 2, 4);
	fake_seat_says(f, "orders-1", SW_SEAT_ACKED);
	fake_answer(f, "resume", NULL);
	fake_await_state(f, SW_IDLE);
	assert_string_equal(outcome(f), "rolled_back");
	assert_int_equal(f->sw->rec.active, BG_BLUE);
}

/* Blue was never paused and works on: taking the id would fence blue. */
static void to_is_not_fenced_while_from_works(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_answer(f, "prepare", green1_silent);
	fake_await_state(f, SW_BACK_PAUSING);
	fake_answer(f, "pause", green1_silent);
	assert_int_equal(f->sw->state, SW_BACK_PAUSING);
	assert_int_equal(f->n_seat, 0);
	fake_all_well(f, SW_IDLE);
	assert_string_equal(outcome(f), "aborted");
}

/* ---- a restart */

static void what_is_known_survives_a_restart(void **state)
{
	struct fake *f = *state;
	_cleanup_json_ struct json_object *j = NULL;
	struct json_object *m;

	until_silent(f);
	fake_settle(f);
	assert_int_equal(bg_json_parse(f->record, strlen(f->record), &j, NULL), 0);
	m = bg_json_get(j, "members");
	assert_non_null(bg_json_get(m, "http://127.0.0.1:2"));
	for (size_t k = 0; k < 4; k++) {
		sw_member_free(&f->sw->inst[k].member);
		f->sw->inst[k].name[0] = '\0';
	}
	sw_known_take(f->sw, m);
	assert_string_equal(f->sw->inst[1].member.ids.v[0], "orders-1");
	assert_string_equal(f->sw->inst[1].member.topics.v[0], "orders");
	assert_int_equal(f->sw->inst[1].member.heartbeat_us, 3000000);
	assert_string_equal(f->sw->inst[1].name, "blue-1");
}

static void recovery_starts_again(void **state)
{
	struct fake *f = *state;
	struct sw_record *r = &f->sw->rec;

	r->epoch = 2;
	r->active = r->from = BG_BLUE;
	r->to = BG_GREEN;
	r->phase = SW_INTENT;
	r->base_epoch = r->snapshot_epoch = 1;
	strcpy(r->id, "abc");
	for (size_t k = 0; k < 2; k++)
		f->sw->inst[k].state = SW_I_ACTIVE;
	for (int p = 0; p < 4; p++)
		bg_offs_set(&f->committed[BG_BLUE], "orders", p, 100 + p, 1);
	fake_start(f);
	fake_answer(f, "prepare", blue1_silent);
	fake_answer(f, "pause", blue1_silent);
	fake_seat_joins(f, "orders-1", 2, 4);
	fake_seat_says(f, "orders-1", SW_SEAT_ACKED);
	fake_all_well(f, SW_SOAKING);
	assert_string_equal(outcome(f), "done");
}

/* ---- preflight and reconciliation */

static void preflight_of_a_dead_from(void **state)
{
	struct fake *f = *state;
	struct sw_pf_facts pf = {.sw = f->sw,
				 .kind = SW_KIND_SWITCH,
				 .to = BG_GREEN,
				 .kafka_ok = true,
				 .topics = &f->topics,
				 .health_ok = true,
				 .brokers = 1};
	struct json_object *rules;
	struct bg_err why = BG_ERR_INIT;
	bool transient;

	fake_active(f, BG_BLUE, 1);
	f->sw->inst[1].reachable = false;
	assert_true(sw_preflight_judge(&pf, false, &rules, &why, &transient));
	assert_non_null(strstr(bg_json_text(rules), "blue-1 does not answer, and will be fenced"));
	json_object_put(rules);
	sw_set_free(&f->sw->inst[1].member.ids);
	assert_false(sw_preflight_judge(&pf, false, &rules, &why, &transient));
	assert_non_null(strstr(why.msg, "cannot be fenced"));
	json_object_put(rules);
	/* A first activation fences nobody. */
	sw_set_add(&f->sw->inst[1].member.ids, "orders-1");
	pf.kind = SW_KIND_INIT;
	why = (struct bg_err)BG_ERR_INIT;
	assert_false(sw_preflight_judge(&pf, false, &rules, &why, &transient));
	json_object_put(rules);
}

static void one_that_was_fenced_is_paused_when_it_is_back(void **state)
{
	struct fake *f = *state;
	struct sw_inst *i = &f->sw->inst[3];

	fake_active(f, BG_BLUE, 4);
	i->state = SW_I_FENCED;
	i->fenced_us = bg_now_us();
	assert_int_equal(sw_reconcile_wish(f->sw, i, bg_now_us()), SW_WISH_PAUSE);
}

static void the_grace_is_the_heartbeat_and_some(void **state)
{
	struct fake *f = *state;

	f->sw->cfg->fence_grace_us = -1;
	assert_int_equal(sw_fence_grace_us(f->sw), 3500000);
	f->sw->inst[1].member.heartbeat_us = 6000000;
	assert_int_equal(sw_fence_grace_us(f->sw), 6500000);
	f->sw->cfg->fence_grace_us = 0;
	assert_int_equal(sw_fence_grace_us(f->sw), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_silent_one_is_fenced),
		T(not_before_the_grace_and_not_before_all_have_joined),
		T(one_without_partitions_proves_itself_too),
		T(what_is_on_its_way_is_not_restated),
		T(refused_is_not_fenced_and_tried_again),
		T(one_that_cannot_be_taken_ends_the_switch),
		T(no_handle_can_be_made),
		T(nothing_committed_is_no_proof),
		T(a_newer_epoch_in_the_commits_makes_a_new_intent),
		T(unknown_ids_end_it_before_anybody_is_paused),
		T(a_refusal_is_not_silence),
		T(a_dead_from_is_no_obstacle),
		T(abort_while_fencing),
		T(the_way_back_after_fencing),
		T(to_is_fenced_on_the_way_back),
		T(to_is_not_fenced_while_from_works),
		T(what_is_known_survives_a_restart),
		T(recovery_starts_again),
		T(preflight_of_a_dead_from),
		T(one_that_was_fenced_is_paused_when_it_is_back),
		T(the_grace_is_the_heartbeat_and_some),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
