/* SPDX-License-Identifier: Apache-2.0 */
/* Fan-out and lifecycle adapter against instances that behave, and that do not; over real HTTP on loopback. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "fake_instance.h"
#include "switchd_fake.h"

struct world {
	struct fake *f;
	struct fake_instance *in[4];
	struct sw_fan_result res;
	struct sw_reply reply[4];
	bool over;
};

static int setup(void **state)
{
	struct world *w = bg_xcalloc(1, sizeof(*w));

	w->f = fake_new();
	w->f->dm.cmd = bg_httpc_new(w->f->loop);
	for (int k = 0; k < 4; k++) {
		struct sw_inst *i = &w->f->sw->inst[k];

		w->in[k] = fake_instance_new(w->f->loop, k < 2 ? "blue" : "green", k % 2);
		free(i->url);
		i->url = bg_xstrdup(w->in[k]->url);
		strcpy(i->incarnation, w->in[k]->incarnation);
	}
	*state = w;
	return 0;
}

static void forget(struct world *w)
{
	for (size_t k = 0; k < 4; k++)
		bg_offs_free(&w->reply[k].offs);
	memset(w->reply, 0, sizeof(w->reply));
}

static int teardown(void **state)
{
	struct world *w = *state;

	forget(w);
	while (w->f->sw->fans)
		sw_adapter_lifecycle.cancel(w->f->sw, w->f->sw->fan_ids--);
	for (int k = 0; k < 4; k++)
		fake_instance_free(w->in[k]);
	bg_httpc_free(w->f->dm.cmd);
	w->f->dm.cmd = NULL;
	fake_free(w->f);
	free(w);
	return 0;
}

static void on_over(void *arg, const struct sw_fan_result *res)
{
	struct world *w = arg;

	forget(w);
	w->res = *res;
	for (size_t k = 0; k < res->n; k++) {
		w->reply[k] = res->reply[k];
		w->reply[k].offs = (struct bg_offs)BG_OFFS_INIT;
		bg_offs_copy(&w->reply[k].offs, &res->reply[k].offs);
	}
	w->over = true;
}

enum verb { PREPARE, PAUSE, RESUME, STATUS };

static void call(struct world *w, enum verb v, enum bg_color c, int64_t epoch, int64_t deadline_us,
		 const struct bg_offs *offs)
{
	struct sw_order o = {.sw = w->f->sw,
			     .colors = 1u << c,
			     .epoch = epoch,
			     .active = c,
			     .all_or_none = true,
			     .offs = offs,
			     .reason = "say \"why\"",
			     .deadline_us = deadline_us};
	const struct sw_adapter_ops *a = &sw_adapter_lifecycle;

	w->over = false;
	(v == PREPARE  ? a->prepare
	 : v == PAUSE  ? a->pause
	 : v == RESUME ? a->resume
		       : a->status)(&o, on_over, w);
	assert_true(bg_loop_run_until(w->f->loop, &w->over, 5000000));
}

static void pause_blue(struct world *w)
{
	call(w, PAUSE, BG_BLUE, 2, 400000, NULL);
}

static void pause_is_a_proof_with_offsets(void **state)
{
	struct world *w = *state;

	w->in[0]->state = "ACTIVE";
	bg_offs_set(&w->in[0]->offs, "orders", 3, 44, 1);
	pause_blue(w);
	assert_true(w->res.all_done);
	assert_int_equal(w->res.n, 2);
	assert_int_equal(bg_offs_find(&w->reply[0].offs, "orders", 3)->offset, 44);
	assert_int_equal(w->reply[1].offs.n, 0); /* was not active: no offsets */
	assert_int_equal(w->reply[0].drain_us, 7);
	assert_int_equal(w->reply[0].commit_us, 8);
	assert_true(w->reply[0].answered_us >= w->reply[0].sent_us);
	assert_string_equal(bg_json_str(w->in[0]->last, "instance", ""), "blue-0");
	assert_string_equal(bg_json_str(w->in[0]->last, "switch", ""), "orders");
	assert_string_equal(bg_json_str(w->in[0]->last, "color", ""), "blue");
	assert_string_equal(bg_json_str(w->in[0]->last, "answer", ""), "committed");
	assert_string_equal(bg_json_str(w->in[0]->last, "reason", ""), "say \"why\"");
	assert_in_range(bg_json_int(w->in[0]->last, "deadline_ms", 0), 300, 400);
}

static void draining_is_asked_again(void **state)
{
	struct world *w = *state;

	w->in[1]->drain_answers = 3;
	pause_blue(w);
	assert_true(w->res.all_done);
	assert_int_equal(w->in[1]->pauses, 4);
	assert_int_equal(w->in[0]->pauses, 1);
}

static void draining_at_the_deadline_is_no_proof(void **state)
{
	struct world *w = *state;

	w->in[1]->drain_answers = 1000;
	w->in[1]->claim_in_flight = 12;
	pause_blue(w);
	assert_false(w->res.all_done);
	assert_int_equal(w->reply[1].verdict, SW_V_LATE);
	assert_non_null(strstr(w->res.err.msg, "blue-1: is DRAINING, 12 records"));
	assert_true(w->in[1]->pauses < 30); /* answered at once each time: backed off, no tight loop */
}

static void silence_is_no_proof(void **state)
{
	struct world *w = *state;

	w->in[0]->silent = 1;
	pause_blue(w);
	assert_int_equal(w->reply[0].verdict, SW_V_LATE);
	assert_int_equal(w->reply[1].verdict, SW_V_DONE);
	assert_false(w->res.stale || w->res.refused);
}

static void conflict_ends_it_with_the_epoch(void **state)
{
	static const char *const words[] = {"stale_epoch", "epoch_conflict"};

	for (int n = 0; n < 2; n++) {
		struct world *w = *state;

		w->in[0]->status = 409;
		w->in[0]->error = words[n];
		w->in[0]->error_epoch = 40;
		pause_blue(w);
		assert_true(w->res.stale);
		assert_int_equal(w->res.epoch, 40);
		assert_int_equal(w->in[0]->pauses, 1 + n);
	}
}

static void expect_refused(struct world *w, const char *text)
{
	int before = w->in[0]->pauses;

	pause_blue(w);
	assert_true(w->res.refused);
	assert_int_equal(w->in[0]->pauses, before + 1); /* never repeated */
	if (!strstr(w->res.err.msg, text) || !strstr(w->res.err.msg, "blue-0"))
		fail_msg("`%s` lacks `%s`", w->res.err.msg, text);
}

static void false_proofs_are_none(void **state)
{
	struct world *w = *state;

	w->in[0]->claim_state = "ACTIVE";
	expect_refused(w, "not PAUSED");
	w->in[0]->claim_state = NULL;
	w->in[0]->claim_epoch = 1;
	expect_refused(w, "at this epoch");
	w->in[0]->claim_epoch = 0;
	w->in[0]->claim_in_flight = 1;
	expect_refused(w, "empty handler");
	w->in[0]->claim_in_flight = 0;
	w->in[0]->claim_color = "green";
	expect_refused(w, "colour `green`");
	w->in[0]->claim_color = NULL;
	w->in[0]->raw = "[]";
	expect_refused(w, "JSON object");
	w->in[0]->raw = "{\"state\":\"PAUSED\",\"epoch\":2,\"offsets\":{\"orders\":[[0,-4]]}}";
	expect_refused(w, "orders");
	w->in[0]->raw = "{\"state\":\"PAUSED\"}";
	expect_refused(w, "at this epoch");
}

static void other_errors_are_final_or_passing(void **state)
{
	static const int final[] = {400, 401, 403, 404, 413, 501};
	struct world *w = *state;

	for (size_t n = 0; n < BG_ARRAY_SIZE(final); n++) {
		w->in[0]->status = final[n];
		expect_refused(w, "odd");
	}
	w->in[0]->status = 503;
	w->in[0]->status_times = 2;
	w->in[0]->error = "commit_unconfirmed";
	int before = w->in[0]->pauses;
	pause_blue(w);
	assert_true(w->res.all_done);
	assert_int_equal(w->in[0]->pauses, before + 3);
}

static void unconfirmed_commit_is_a_proof_only_when_eager(void **state)
{
	struct world *w = *state;
	struct sw_order o = {.sw = w->f->sw,
			     .colors = 1,
			     .epoch = 2,
			     .eager = true,
			     .all_or_none = true,
			     .deadline_us = 200000};

	w->in[0]->unconfirmed = true;
	call(w, PAUSE, BG_BLUE, 2, 200000, NULL);
	assert_int_equal(w->reply[0].verdict, SW_V_LATE);
	w->over = false;
	sw_adapter_lifecycle.pause(&o, on_over, w);
	assert_true(bg_loop_run_until(w->f->loop, &w->over, 5000000));
	assert_true(w->res.all_done);
	assert_false(w->reply[0].committed);
}

static void resume_carries_offsets_and_incarnation(void **state)
{
	struct world *w = *state;
	_cleanup_offs_ struct bg_offs offs = BG_OFFS_INIT, got = BG_OFFS_INIT;

	bg_offs_set(&offs, "orders", 3, 44, 1);
	call(w, RESUME, BG_GREEN, 2, 400000, &offs);
	assert_true(w->res.all_done);
	assert_int_equal(w->reply[0].position_us, 9);
	assert_string_equal(bg_json_str(w->in[2]->last, "incarnation", ""), w->in[2]->incarnation);
	assert_int_equal(bg_offs_from_json(bg_json_get(w->in[2]->last, "offsets"), &got, NULL), 0);
	assert_int_equal(bg_offs_find(&got, "orders", 3)->offset, 44);
	assert_int_equal(w->f->sw->inst[2].state, SW_I_ACTIVE); /* known at once, not at the next poll */
}

/* It was restarted: its new incarnation is learned (by the watch), and then named. */
static void resume_of_a_new_process(void **state)
{
	struct world *w = *state;
	_cleanup_offs_ struct bg_offs offs = BG_OFFS_INIT;

	strcpy(w->f->sw->inst[2].incarnation, "the old one");
	call(w, RESUME, BG_GREEN, 2, 100000, &offs);
	assert_int_equal(w->reply[0].verdict, SW_V_LATE);
	call(w, STATUS, BG_GREEN, 2, 100000, NULL);
	call(w, RESUME, BG_GREEN, 2, 100000, &offs);
	assert_true(w->res.all_done);
}

static void out_of_range_is_told_apart(void **state)
{
	struct world *w = *state;
	_cleanup_offs_ struct bg_offs offs = BG_OFFS_INIT;

	w->in[3]->status = 422;
	w->in[3]->error = "offset_out_of_range";
	call(w, RESUME, BG_GREEN, 2, 400000, &offs);
	assert_true(w->res.refused);
	assert_int_equal(w->reply[1].verdict, SW_V_OUT_OF_RANGE);
}

static void fenced_is_stale_and_never_repeated(void **state)
{
	struct world *w = *state;
	_cleanup_offs_ struct bg_offs offs = BG_OFFS_INIT;

	w->in[2]->claim_state = "FENCED";
	w->in[2]->claim_epoch = 6;
	call(w, RESUME, BG_GREEN, 2, 400000, &offs);
	assert_true(w->res.stale);
	assert_int_equal(w->res.epoch, 6);
}

/* Found in review: only a pause or a resume ends FENCED, and both come after a prepare. */
static void fenced_keeps_nobody_from_promising(void **state)
{
	struct world *w = *state;

	w->in[2]->claim_state = "FENCED";
	call(w, PREPARE, BG_GREEN, 2, 400000, NULL);
	assert_true(w->res.all_done);
	assert_false(w->reply[0].was_active);
	assert_int_equal(w->res.err.msg[0], '\0');
	w->in[2]->claim_epoch = 6;
	call(w, PREPARE, BG_GREEN, 3, 400000, NULL);
	assert_true(w->res.stale);
	assert_int_equal(w->res.epoch, 6);
}

static void prepare_tells_who_works(void **state)
{
	struct world *w = *state;

	w->in[0]->state = "ACTIVE";
	call(w, PREPARE, BG_BLUE, 2, 400000, NULL);
	assert_true(w->res.all_done);
	assert_true(w->reply[0].was_active);
	assert_false(w->reply[1].was_active);
	assert_string_equal(bg_json_str(w->in[0]->last, "active", ""), "blue");
	w->in[0]->state = "FAILED";
	call(w, PREPARE, BG_BLUE, 3, 400000, NULL);
	assert_true(w->res.refused);
	/* But it may be left. */
	struct sw_order o = {
		.sw = w->f->sw, .colors = 1, .epoch = 4, .active = BG_GREEN, .deadline_us = 400000};
	w->over = false;
	sw_adapter_lifecycle.prepare(&o, on_over, w);
	assert_true(bg_loop_run_until(w->f->loop, &w->over, 5000000));
	assert_true(w->res.all_done);
}

static void one_that_is_down_is_tried_until_the_deadline(void **state)
{
	struct world *w = *state;

	fake_instance_free(w->in[0]);
	w->in[0] = NULL;
	call(w, STATUS, BG_BLUE, 0, 150000, NULL);
	assert_int_equal(w->reply[0].verdict, SW_V_LATE);
	assert_true(w->reply[0].tries > 1);
	assert_true(w->reply[0].tries < 30);
	assert_int_equal(w->res.n_done, 1);
}

static void count_over(void *arg, const struct sw_fan_result *res)
{
	struct world *w = arg;

	w->res = (struct sw_fan_result){.n = res->n, .n_done = res->n_done};
	w->over = true;
}

static void two_hundred_instances_are_no_special_case(void **state)
{
	struct world *w = *state;
	struct sw_switch *sw = w->f->sw;
	struct sw_inst *old = sw->inst, *many = bg_xcalloc(200, sizeof(*many));
	size_t old_n = sw->n_inst;
	struct sw_order o = {.sw = sw, .colors = 1, .epoch = 2, .all_or_none = true, .deadline_us = 5000000};

	for (size_t k = 0; k < 200; k++) {
		sw_inst_init(&many[k], sw, BG_BLUE, w->in[k % 2]->url);
		many[k].index = k;
	}
	sw->inst = many;
	sw->n_inst = 200;
	w->over = false;
	sw_adapter_lifecycle.pause(&o, count_over, w);
	assert_true(bg_loop_run_until(w->f->loop, &w->over, 5000000));
	assert_int_equal(w->res.n_done, 200);
	/* And one that is cancelled calls nobody. */
	uint64_t id = sw_adapter_lifecycle.pause(&o, NULL, NULL);
	sw_adapter_lifecycle.cancel(sw, id);
	assert_null(sw->fans);
	sw->inst = old;
	sw->n_inst = old_n;
	for (size_t k = 0; k < 200; k++)
		sw_inst_clear(&many[k]);
	free(many);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(pause_is_a_proof_with_offsets),
		T(draining_is_asked_again),
		T(draining_at_the_deadline_is_no_proof),
		T(silence_is_no_proof),
		T(conflict_ends_it_with_the_epoch),
		T(false_proofs_are_none),
		T(other_errors_are_final_or_passing),
		T(unconfirmed_commit_is_a_proof_only_when_eager),
		T(resume_carries_offsets_and_incarnation),
		T(resume_of_a_new_process),
		T(out_of_range_is_told_apart),
		T(fenced_is_stale_and_never_repeated),
		T(fenced_keeps_nobody_from_promising),
		T(prepare_tells_who_works),
		T(one_that_is_down_is_tried_until_the_deadline),
		T(two_hundred_instances_are_no_special_case),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
