/* SPDX-License-Identifier: Apache-2.0 */
/* Going back by itself in the soak: when, how, and that nobody is sent to and fro. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "switchd/metrics.h"
#include "switchd/soak_back.h"
#include "switchd/view.h"
#include "switchd_fake.h"

#define MS INT64_C(1000)

static int setup(void **state)
{
	struct fake *f = fake_new();
	struct sw_cfg *c = f->sw->cfg;

	c->auto_rollback = true;
	c->soak_gone_us = 200 * MS;
	c->soak_no_progress_us = 200 * MS;
	c->soak_max_error_rate = 10;
	for (size_t k = 0; k < 4; k++)
		for (size_t p = 0; p < 2; p++)
			f->sw->inst[k].part[p].first_us = 1; /* nobody waits for first records */
	f->sw->soak_backoff = (struct bg_backoff){20 * MS, 100 * MS, 0};
	f->dm.metrics = sw_metrics_new(&f->dm);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fake *f = *state;
	struct sw_metrics *m = f->dm.metrics;

	fake_free(f);
	sw_metrics_free(m);
	return 0;
}

/* What is asked is answered well, and the instances' own answers come in. */
static void step(struct fake *f)
{
	bool never = false;

	for (size_t k = 0; k < 4; k++)
		if (f->sw->inst[k].reachable)
			f->sw->inst[k].seen_us = bg_now_us();
	if (f->n_call)
		fake_answer(f, f->call[0].verb, NULL);
	else
		bg_loop_run_until(f->loop, &never, 500);
}

static void live(struct fake *f, int ms)
{
	for (int64_t until = bg_now_us() + ms * MS; bg_now_us() < until;)
		step(f);
}

static void reach(struct fake *f, enum sw_state s)
{
	for (int64_t until = bg_now_us() + 5000 * MS; f->sw->state != s && bg_now_us() < until;)
		step(f);
	assert_int_equal(f->sw->state, s);
}

static void until_active(struct fake *f, enum bg_color c)
{
	for (int n = 0; n < 300 && (f->sw->rec.active != (int)c || f->sw->state != SW_SOAKING); n++)
		live(f, 10);
	assert_int_equal(f->sw->rec.active, c);
	assert_int_equal(f->sw->state, SW_SOAKING);
}

static struct sw_inst *green(struct fake *f, int n)
{
	return &f->sw->inst[2 + n];
}

/* Green is active and soaks. */
static void soaking(struct fake *f)
{
	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_all_well(f, SW_SOAKING);
	live(f, 70);
	assert_int_equal(f->sw->rec.active, BG_GREEN);
}

static void errors_begin(struct fake *f)
{
	green(f, 0)->records += 100;
	green(f, 0)->errors += 100;
	bg_strlcpy(green(f, 0)->last_error, "no route", sizeof(green(f, 0)->last_error));
}

static const char *last(struct fake *f, const char *member)
{
	return bg_json_str(f->sw->last, member, "-");
}

static struct json_object *view_of(struct fake *f)
{
	return sw_view(f->sw, true);
}

static const char *degraded(struct fake *f)
{
	static char buf[800];

	bg_strlcpy(buf, sw_trouble(f->sw, buf, sizeof(buf)), sizeof(buf));
	return buf;
}

static void has(const char *text, const char *what)
{
	if (!text || !strstr(text, what))
		fail_msg("`%s` does not say `%s`", text ? text : "(null)", what);
}

/* It comes to be DEGRADED, and says so. */
static void comes_to_say(struct fake *f, const char *what)
{
	for (int64_t until = bg_now_us() + 5000 * MS; !strstr(degraded(f), what) && bg_now_us() < until;)
		step(f);
	has(degraded(f), what);
}

static void comes_to_be_well(struct fake *f)
{
	for (int64_t until = bg_now_us() + 5000 * MS; *degraded(f) && bg_now_us() < until;)
		step(f);
	assert_string_equal(degraded(f), "");
}

/* ---- it goes back */

static void errors_are_left(void **state)
{
	struct fake *f = *state;

	soaking(f);
	errors_begin(f);
	until_active(f, BG_BLUE);
	assert_string_equal(last(f, "kind"), "rollback");
	assert_string_equal(last(f, "by"), "bg-switchd");
	assert_string_equal(last(f, "rule"), "error-rate");
	assert_true(bg_json_bool(f->sw->last, "automatic", false));
	has(last(f, "reason"), "error-rate: 100.0 % of the records failed (100 errors, 100 done)");
	has(last(f, "reason"), "most at green-0: no route");
	/* Pause first, at one epoch, resume second: as any switch. */
	has(f->order.s, "prepare3:bg pause3:g commits resume3:b");
	assert_string_equal(degraded(f), "");
	_cleanup_free_ char *m = sw_metrics_render(f->dm.metrics);
	has(m, "bg_switch_auto_rollbacks_total{outcome=\"done\",reason=\"error-rate\",switch=\"orders\"} 1");
}

static void a_hang_is_left(void **state)
{
	struct fake *f = *state;

	soaking(f);
	green(f, 1)->in_flight = 5;
	green(f, 1)->lag = 700;
	until_active(f, BG_BLUE);
	has(last(f, "reason"), "no-progress: green-1 has done nothing for 200 ms");
}

static void what_it_sees_is_shown(void **state)
{
	struct fake *f = *state;

	soaking(f);
	green(f, 0)->lag = 12;
	green(f, 0)->records += 50;
	live(f, 70);
	_cleanup_json_ struct json_object *o = view_of(f);
	struct json_object *soak = bg_json_get(o, "soak");
	assert_true(bg_json_bool(soak, "judged", false));
	assert_true(bg_json_bool(soak, "auto_rollback", false));
	assert_null(bg_json_get(soak, "rule"));
	assert_string_equal(bg_json_str(soak, "sees", "-"),
			    "2 of 2 at work, lag 12 (before the switch 0), 0 errors, 50 records done");
}

/* ---- nobody is sent to and fro */

static void the_soak_of_a_rollback_is_not_judged(void **state)
{
	struct fake *f = *state;

	soaking(f);
	errors_begin(f);
	until_active(f, BG_BLUE);
	int sent = f->sent;
	for (int n = 0; n < 20; n++) {
		f->sw->inst[0].errors += 1000;
		f->sw->inst[1].reachable = false;
		live(f, 30);
	}
	assert_int_equal(f->sent, sent);
	assert_int_equal(f->sw->rec.active, BG_BLUE);
	_cleanup_json_ struct json_object *o = view_of(f);
	assert_false(bg_json_bool(bg_json_get(o, "soak"), "judged", true));
	/* The next switch is judged again. */
	f->sw->inst[1].reachable = true;
	f->sw->inst[0].errors = 0;
	fake_switch(f, BG_GREEN);
	fake_all_well(f, SW_SOAKING);
	live(f, 70);
	errors_begin(f);
	until_active(f, BG_BLUE);
}

static void first_activations_and_assertions_are_not_judged(void **state)
{
	struct fake *f = *state;

	soaking(f);
	sw_run_reassert(f->sw, SW_KIND_REASSERT, BG_GREEN, 0, "test");
	fake_all_well(f, SW_SOAKING);
	live(f, 70);
	errors_begin(f);
	live(f, 150);
	assert_int_equal(f->sw->rec.active, BG_GREEN);
	assert_string_equal(degraded(f), "");
}

/* After the restart only the record knows. */
static void a_rollback_is_not_judged_after_a_restart(void **state)
{
	struct fake *f = *state;
	struct sw_record *r = &f->sw->rec;

	r->epoch = r->snapshot_epoch = 3;
	r->active = r->to = BG_BLUE;
	r->from = BG_GREEN;
	r->kind = SW_KIND_ROLLBACK;
	r->desired_active[BG_BLUE] = true;
	r->phase = SW_SOAKING;
	r->soak_until_us = bg_real_us() + 3600000000;
	r->rollback_allowed = true;
	r->rollback_until_us = r->soak_until_us;
	for (size_t k = 0; k < 4; k++) {
		f->sw->inst[k].epoch = 3;
		f->sw->inst[k].state = k < 2 ? SW_I_ACTIVE : SW_I_PAUSED;
	}
	fake_start(f);
	assert_int_equal(f->sw->state, SW_SOAKING);
	live(f, 70);
	f->sw->inst[0].errors += 1000;
	live(f, 250);
	assert_int_equal(f->sent, 0);
}

/* ---- a restart in the soak */

static void a_switch_is_judged_after_a_restart(void **state)
{
	struct fake *f = *state;
	struct sw_record *r = &f->sw->rec;
	_cleanup_json_ struct json_object *j = NULL;

	soaking(f);
	f->sw->rec.before = (struct sw_baseline){7, 2.5, 1200.25};
	j = sw_record_to_json(r, "orders");
	sw_record_init(r);
	assert_int_equal(sw_record_from_json(j, "orders", r, NULL), 0);
	assert_int_equal(r->before.lag, 7);
	assert_true(r->before.error_rate > 2.49 && r->before.error_rate < 2.51);
	assert_true(r->before.records_per_s > 1200 && r->before.records_per_s < 1201);
	sw_soak_stop(f->sw);
	sw_soak_free(f->sw);
	f->sw->state = SW_UNKNOWN;
	sw_run_recover(f->sw);
	assert_int_equal(f->sw->state, SW_SOAKING);
	live(f, 70);
	errors_begin(f);
	until_active(f, BG_BLUE);
	assert_string_equal(last(f, "rule"), "error-rate");
}

static void an_automatic_rollback_is_finished_after_a_restart(void **state)
{
	struct fake *f = *state;
	struct sw_record *r = &f->sw->rec;
	_cleanup_json_ struct json_object *j = NULL;

	soaking(f);
	errors_begin(f);
	reach(f, SW_PAUSING);
	j = sw_record_to_json(r, "orders");
	sw_run_free(f->sw->run);
	f->sw->run = NULL;
	sw_soak_free(f->sw);
	assert_int_equal(sw_record_from_json(j, "orders", r, NULL), 0);
	f->sw->state = SW_UNKNOWN;
	sw_run_recover(f->sw);
	until_active(f, BG_BLUE);
	assert_string_equal(last(f, "rule"), "error-rate");
	has(last(f, "reason"), "error-rate: ");
	_cleanup_free_ char *m = sw_metrics_render(f->dm.metrics);
	has(m, "bg_switch_auto_rollbacks_total{outcome=\"done\",reason=\"error-rate\",switch=\"orders\"} 1");
}

/* ---- it cannot */

static void a_no_go_is_said_and_asked_again(void **state)
{
	struct fake *f = *state;

	soaking(f);
	f->sw->inst[0].reachable = false;
	bg_strlcpy(f->sw->inst[0].trouble, "no route to host", sizeof(f->sw->inst[0].trouble));
	int sent = f->sent;
	errors_begin(f);
	comes_to_say(f, "green is not well");
	live(f, 150);
	assert_int_equal(f->sw->state, SW_SOAKING);
	assert_int_equal(f->sw->rec.active, BG_GREEN);
	assert_int_equal(f->sent, sent);
	has(degraded(f), "green is not well: error-rate: 100.0 % of the records failed");
	has(degraded(f), "it is not rolled back: to-reachable: blue-0 does not answer: no route to host");
	assert_null(strstr(f->history.s, "no_go")); /* nothing was asked for, so nothing ended */
	f->sw->inst[0].reachable = true;
	until_active(f, BG_BLUE);
	assert_string_equal(degraded(f), "");
}

static void on_hold_nothing_moves(void **state)
{
	struct fake *f = *state;

	soaking(f);
	f->sw->rec.hold = true;
	errors_begin(f);
	comes_to_say(f, "hold: the switch is on hold");
	f->sw->rec.hold = false;
	until_active(f, BG_BLUE);
}

static void one_that_is_well_again_is_not_left(void **state)
{
	struct fake *f = *state;

	soaking(f);
	f->sw->rec.hold = true;
	green(f, 1)->reachable = false;
	comes_to_say(f, "gone: green-1 is not at work for 200 ms");
	green(f, 1)->reachable = true;
	comes_to_be_well(f);
	f->sw->rec.hold = false;
	live(f, 500);
	assert_int_equal(f->sw->rec.active, BG_GREEN);
}

/* In strategy D nobody can prove that a dead one is paused. */
static void a_dead_one_cannot_be_left(void **state)
{
	struct fake *f = *state;

	soaking(f);
	green(f, 1)->reachable = false;
	comes_to_say(f, "not rolled back: from-reachable: green-1 does not answer");
}

static void kafkas_trouble_is_not_the_colours(void **state)
{
	struct fake *f = *state;

	soaking(f);
	f->kafka_down = true;
	green(f, 0)->lag = 500;
	for (int n = 0; n < 4; n++)
		live(f, 250);
	assert_int_equal(f->sw->state, SW_SOAKING);
	assert_string_equal(degraded(f), "");
	/* It is back: who needs a moment to get going has one. */
	f->kafka_down = false;
	live(f, 100);
	green(f, 0)->records += 10;
	green(f, 0)->lag = 0;
	live(f, 500);
	assert_int_equal(f->sw->rec.active, BG_GREEN);
}

static void switched_off_it_is_only_said(void **state)
{
	struct fake *f = *state;

	soaking(f);
	f->sw->cfg->auto_rollback = false;
	int sent = f->sent;
	errors_begin(f);
	comes_to_say(f, "error-rate");
	live(f, 100);
	assert_int_equal(f->sent, sent);
	has(degraded(f), "auto-rollback is off: `bgctl rollback` goes back");
	f->sw->cfg->auto_rollback = true; /* by a reload */
	until_active(f, BG_BLUE);
}

static void after_the_rollback_window_it_stays(void **state)
{
	struct fake *f = *state;

	soaking(f);
	f->sw->rec.rollback_until_us = bg_real_us() - 1;
	errors_begin(f);
	comes_to_say(f, "rollback-window: the rollback window ended");
}

/* ---- it is begun, and does not come to its end */

static void green0_late(struct sw_inst *i, struct fake_say *say)
{
	if (strcmp(i->name, "green-0") == 0) {
		say->verdict = SW_V_LATE;
		say->err = "draining";
	}
}

static void begun_and_undone_it_is_not_repeated(void **state)
{
	struct fake *f = *state;

	soaking(f);
	errors_begin(f);
	reach(f, SW_PAUSING);
	fake_answer(f, "pause", green0_late);
	fake_all_well(f, SW_IDLE);
	assert_string_equal(last(f, "outcome"), "aborted");
	assert_true(bg_json_bool(f->sw->last, "automatic", false));
	assert_int_equal(f->sw->rec.active, BG_GREEN);
	has(degraded(f), "green is not well: error-rate: 100.0 %");
	has(degraded(f), "the rollback was undone, and is not tried again by itself: green-0: draining");
	int sent = f->sent;
	live(f, 200);
	errors_begin(f);
	comes_to_say(f, "look at it, then `bgctl rollback`");
	assert_int_equal(f->sent, sent);
	/* A person does, and it is forgotten. */
	struct sw_request rq = {.kind = SW_KIND_ROLLBACK, .to = BG_BLUE, .by = "test"};
	sw_run_start(f->sw, &rq);
	fake_all_well(f, SW_SOAKING);
	assert_string_equal(degraded(f), "");
	assert_int_equal(f->sw->rec.active, BG_BLUE);
	assert_false(bg_json_bool(f->sw->last, "automatic", true));
}

static void undone_and_well_again_it_is_degraded_no_longer(void **state)
{
	struct fake *f = *state;

	soaking(f);
	f->sw->cfg->soak_us = 1000 * MS;
	errors_begin(f);
	reach(f, SW_PAUSING);
	fake_answer(f, "pause", green0_late);
	fake_all_well(f, SW_IDLE);
	live(f, 150);
	assert_true(*degraded(f)); /* not at once */
	comes_to_be_well(f);
}

static void aborted_by_a_person_it_is_over(void **state)
{
	struct fake *f = *state;
	struct bg_err why = BG_ERR_INIT;

	soaking(f);
	errors_begin(f);
	reach(f, SW_PAUSING);
	bg_err_set(&why, 0, "aborted", "aborted by test");
	sw_run_abort(f->sw->run, &why);
	fake_all_well(f, SW_IDLE);
	live(f, 150);
	assert_string_equal(degraded(f), "");
	assert_int_equal(f->sw->rec.active, BG_GREEN);
}

/* What was go a moment ago is none when it is to begin. */
static void no_go_of_the_run_itself_leaves_the_soak_as_it_was(void **state)
{
	struct fake *f = *state;
	int64_t until;

	soaking(f);
	until = f->sw->rec.soak_until_us;
	errors_begin(f);
	reach(f, SW_PREFLIGHT);
	f->sw->inst[0].reachable = false;
	reach(f, SW_SOAKING);
	assert_int_equal(f->sw->rec.soak_until_us, until);
	assert_true(bg_timer_pending(f->sw->soak));
	assert_string_equal(last(f, "outcome"), "no_go");
	has(degraded(f), "not rolled back: to-reachable");
	f->sw->inst[0].reachable = true;
	until_active(f, BG_BLUE);
}

static void an_intent_that_cannot_be_written_is_tried_again(void **state)
{
	struct fake *f = *state;

	soaking(f);
	fake_settle(f);
	f->fail_records = 1;
	errors_begin(f);
	for (int n = 0; n < 100 && strcmp(last(f, "outcome"), "failed") != 0; n++)
		live(f, 10);
	assert_string_equal(last(f, "outcome"), "failed");
	assert_int_equal(f->sw->state, SW_SOAKING);
	has(degraded(f), "the disk is full");
	until_active(f, BG_BLUE);
}

/* ---- the end of the soak */

static void a_soak_that_ends_well_says_nothing(void **state)
{
	struct fake *f = *state;

	soaking(f);
	sw_run_soak_over(f->sw);
	assert_int_equal(f->sw->state, SW_IDLE);
	errors_begin(f);
	live(f, 250);
	assert_int_equal(f->sw->rec.active, BG_GREEN);
	assert_string_equal(degraded(f), "");
}

static void a_soak_that_ends_badly_is_watched_until_it_is_well(void **state)
{
	struct fake *f = *state;

	soaking(f);
	green(f, 1)->reachable = false;
	comes_to_say(f, "gone: green-1 is not at work");
	sw_run_soak_over(f->sw);
	assert_int_equal(f->sw->state, SW_IDLE);
	live(f, 150);
	comes_to_say(f, "look at it, then `bgctl rollback`");
	int sent = f->sent;
	live(f, 150);
	assert_int_equal(f->sent, sent);
	green(f, 1)->reachable = true;
	comes_to_be_well(f);
}

/* ---- how the old colour was doing */

static void the_old_colours_figures_are_noted(void **state)
{
	struct fake *f = *state;

	for (size_t k = 0; k < 2; k++) {
		struct sw_inst *i = &f->sw->inst[k];

		i->lag = 20;
		i->past_us = 1000000;
		i->past_records = 100;
		i->rate_us = 60000000; /* the newer one is too new to say anything */
		i->rate_records = 10100;
		i->rate_errors = 51;
		i->seen_us = 61000000;
		i->records = 10300;
		i->errors = 51;
	}
	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_await(f, "prepare");
	assert_int_equal(f->sw->rec.before.lag, 40);
	assert_true(f->sw->rec.before.records_per_s > 339 && f->sw->rec.before.records_per_s < 341);
	assert_true(f->sw->rec.before.error_rate > 0.49 && f->sw->rec.before.error_rate < 0.51);
	fake_all_well(f, SW_SOAKING);
	/* A rollback has none: it is not judged. */
	struct sw_request rq = {.kind = SW_KIND_ROLLBACK, .to = BG_BLUE, .by = "test"};
	sw_run_start(f->sw, &rq);
	fake_await(f, "prepare");
	assert_int_equal(f->sw->rec.before.lag, -1);
	fake_all_well(f, SW_SOAKING);
}

static void what_is_not_known_is_none(void **state)
{
	struct fake *f = *state;
	struct sw_record r;
	_cleanup_json_ struct json_object *j = NULL, *bad = NULL;
	static const char *const text =
		"{\"version\":1,\"switch\":\"orders\",\"revision\":1,\"epoch\":1,\"phase\":\"IDLE\","
		"\"desired\":{\"blue\":\"ACTIVE\",\"green\":\"PAUSED\"},\"before\":{\"lag\":-7,\"error_percent\":\"x\"}}";

	fake_active(f, BG_BLUE, 1);
	f->sw->inst[0].lag = f->sw->inst[1].lag = -1;
	fake_switch(f, BG_GREEN);
	fake_await(f, "prepare");
	assert_int_equal(f->sw->rec.before.lag, -1);
	assert_true(f->sw->rec.before.records_per_s < 0 && f->sw->rec.before.error_rate < 0);
	j = sw_record_to_json(&f->sw->rec, "orders");
	assert_int_equal(sw_record_from_json(j, "orders", &r, NULL), 0);
	assert_int_equal(r.before.lag, -1);
	assert_true(r.before.records_per_s < 0 && r.before.error_rate < 0);
	assert_int_equal(bg_json_parse(text, strlen(text), &bad, NULL), 0);
	assert_int_equal(sw_record_from_json(bad, "orders", &r, NULL), 0);
	assert_int_equal(r.before.lag, -1);
	assert_true(r.before.records_per_s < 0 && r.before.error_rate < 0);
	fake_all_well(f, SW_SOAKING);
}

/* A hello does not tell the counters: those of the old process are not the new one's. */
static void a_hello_of_a_new_process_counts_nothing(void **state)
{
	struct fake *f = *state;
	_cleanup_json_ struct json_object *o = json_object_new_object();
	bool changed;

	soaking(f);
	green(f, 0)->records = 100000;
	live(f, 100);
	bg_json_add_str(o, "instance", "green-0");
	bg_json_add_str(o, "incarnation", "another");
	bg_json_add_str(o, "state", "PAUSED");
	assert_int_equal(sw_inst_take(green(f, 0), o, &changed, NULL), 0);
	assert_int_equal(green(f, 0)->records, 0);
	green(f, 0)->state = SW_I_ACTIVE;
	live(f, 100);
	_cleanup_json_ struct json_object *v = view_of(f);
	has(bg_json_str(bg_json_get(v, "soak"), "sees", ""), "0 errors, 100000 records done");
}

/* How old the numbers may be: only of the colour that is judged they are asked for more often. */
static void the_judged_are_asked_more_often(void **state)
{
	struct fake *f = *state;

	f->sw->cfg->reconcile_us = 5000000;
	soaking(f);
	assert_int_equal(sw_soak_fresh_us(green(f, 0)), 50000);
	assert_int_equal(sw_soak_fresh_us(&f->sw->inst[0]), 5000000);
	f->sw->cfg->soak_gone_us = f->sw->cfg->soak_no_progress_us = 0;
	assert_int_equal(sw_soak_fresh_us(green(f, 0)), 1000000);
	sw_run_soak_over(f->sw);
	assert_int_equal(sw_soak_fresh_us(green(f, 0)), 5000000);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(errors_are_left),
		T(a_hang_is_left),
		T(what_it_sees_is_shown),
		T(the_soak_of_a_rollback_is_not_judged),
		T(first_activations_and_assertions_are_not_judged),
		T(a_rollback_is_not_judged_after_a_restart),
		T(a_switch_is_judged_after_a_restart),
		T(an_automatic_rollback_is_finished_after_a_restart),
		T(a_no_go_is_said_and_asked_again),
		T(on_hold_nothing_moves),
		T(one_that_is_well_again_is_not_left),
		T(a_dead_one_cannot_be_left),
		T(kafkas_trouble_is_not_the_colours),
		T(switched_off_it_is_only_said),
		T(after_the_rollback_window_it_stays),
		T(begun_and_undone_it_is_not_repeated),
		T(undone_and_well_again_it_is_degraded_no_longer),
		T(aborted_by_a_person_it_is_over),
		T(no_go_of_the_run_itself_leaves_the_soak_as_it_was),
		T(an_intent_that_cannot_be_written_is_tried_again),
		T(a_soak_that_ends_well_says_nothing),
		T(a_soak_that_ends_badly_is_watched_until_it_is_well),
		T(the_old_colours_figures_are_noted),
		T(what_is_not_known_is_none),
		T(a_hello_of_a_new_process_counts_nothing),
		T(the_judged_are_asked_more_often),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
