/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of the soak, over samples a second apart: what is a reason to go back, and what is none. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "switchd/soak_judge.h"

#define S INT64_C(1000000)
#define N 2

struct story {
	struct sw_judge *j;
	struct sw_judge_limits l;
	struct sw_judge_seen v[N];
	int64_t now;
	char why[256];
};

static const struct sw_judge_limits defaults = {0, 30 * S, 30 * S, 30 * S, 10};

static void begin(struct story *t, struct sw_baseline before)
{
	sw_judge_free(t->j);
	*t = (struct story){.j = sw_judge_new(N, &before), .l = defaults, .now = 1000 * S};
	for (int i = 0; i < N; i++)
		t->v[i] = (struct sw_judge_seen){.label = i ? "green-1" : "green-0",
						 .incarnation = i ? "p1" : "p0",
						 .error = "",
						 .records = 1000,
						 .partitions = 4};
}

/* A second passes; all that are at work answer. */
static enum sw_judge_rule after(struct story *t, int64_t us)
{
	t->now += us;
	for (int i = 0; i < N; i++)
		if (!t->v[i].away)
			t->v[i].seen_us = t->now;
	return sw_judge_take(t->j, &t->l, t->v, t->now, t->why, sizeof(t->why));
}

static enum sw_judge_rule second(struct story *t)
{
	return after(t, S);
}

static void well(struct story *t, int seconds)
{
	for (int n = 0; n < seconds; n++)
		if (second(t) != SW_JUDGE_WELL)
			fail_msg("after %d s: %s", n, t->why);
}

/* It is WELL for `seconds` more, and then not. */
static void broken_at(struct story *t, int seconds, enum sw_judge_rule rule)
{
	well(t, seconds);
	assert_int_equal(second(t), rule);
}

static void says(const struct story *t, const char *what)
{
	if (!strstr(t->why, what))
		fail_msg("`%s` does not say `%s`", t->why, what);
}

static int setup(void **state)
{
	struct story *t = calloc(1, sizeof(*t));

	begin(t, (struct sw_baseline){10, 0, 2000});
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct story *t = *state;

	sw_judge_free(t->j);
	free(t);
	return 0;
}

/* Records flow for so many seconds, `bad` percent of them fail. */
static enum sw_judge_rule flow(struct story *t, int seconds, int64_t per_s, int64_t bad)
{
	enum sw_judge_rule r = SW_JUDGE_WELL;

	for (int n = 0; n < seconds && r == SW_JUDGE_WELL; n++) {
		for (int i = 0; i < N; i++) {
			t->v[i].records += per_s / N;
			t->v[i].errors += per_s / N * bad / 100;
		}
		r = second(t);
	}
	return r;
}

static void one_that_works_is_well(void **state)
{
	struct story *t = *state;

	for (int n = 0; n < 24 * 360; n++) {
		t->v[0].lag = n % 7 * 10;
		t->v[0].in_flight = n % 3;
		assert_int_equal(flow(t, 1, 2000, 1), SW_JUDGE_WELL);
	}
	assert_string_equal(t->why, "");
}

static void an_idle_topic_is_well(void **state)
{
	struct story *t = *state;

	t->v[0].lag = t->v[1].lag = 4; /* the marks of the last transactions: nobody reads them */
	well(t, 300);
}

/* ---- gone */

static void one_that_does_not_answer_is_gone(void **state)
{
	struct story *t = *state;

	well(t, 5);
	t->v[1].away = "connection refused";
	broken_at(t, 30, SW_JUDGE_GONE);
	says(t, "green-1 is not at work for 30 s: connection refused");
	t->v[1].away = NULL;
	well(t, 40);
	t->v[0].away = "FENCED";
	broken_at(t, 30, SW_JUDGE_GONE);
	says(t, "green-0 is not at work for 30 s: FENCED");
}

static void one_that_is_back_in_time_is_well(void **state)
{
	struct story *t = *state;

	for (int n = 0; n < 5; n++) {
		t->v[1].away = "connection refused";
		well(t, 29);
		t->v[1].away = NULL;
		well(t, 1);
	}
}

static void one_restart_is_none_and_three_are(void **state)
{
	struct story *t = *state;
	static const char *const process[] = {"p2", "p3", "p4", "p5"};

	well(t, 2);
	t->v[0].incarnation = process[0];
	t->v[0].records = t->v[0].errors = 0;
	well(t, 20);
	t->v[0].incarnation = process[1];
	well(t, 20);
	t->v[0].incarnation = process[2];
	assert_int_equal(second(t), SW_JUDGE_GONE);
	says(t, "green-0 was started anew 3 times within 1 min");
	/* The first is long ago: two are left. */
	well(t, 0);
	while (second(t) == SW_JUDGE_GONE)
		;
	well(t, 1);
}

static void three_restarts_in_a_long_time_are_none(void **state)
{
	struct story *t = *state;
	static const char *const process[] = {"p2", "p3", "p4", "p5", "p6", "p7"};

	well(t, 1);
	for (size_t i = 0; i < 6; i++) {
		t->v[0].incarnation = process[i];
		well(t, 31);
	}
}

static void gone_is_off_by_zero(void **state)
{
	struct story *t = *state;

	t->l.gone_us = 0;
	t->v[1].away = "connection refused";
	well(t, 300);
	t->l.gone_us = 30 * S; /* by a reload: it was seen all the same */
	assert_int_equal(second(t), SW_JUDGE_GONE);
}

/* ---- no progress */

static void records_that_wait_and_nothing_done(void **state)
{
	struct story *t = *state;

	well(t, 3);
	t->v[1].lag = 500;
	t->v[1].in_flight = 20;
	broken_at(t, 30, SW_JUDGE_NO_PROGRESS);
	says(t, "green-1 has done nothing for 30 s, with a lag of 500 and 20 records in its handler");
	t->v[1].records++;
	well(t, 30);
}

static void one_record_in_the_handler_for_ever(void **state)
{
	struct story *t = *state;

	t->v[0].in_flight = 1;
	t->v[0].lag = 1;
	broken_at(t, 30, SW_JUDGE_NO_PROGRESS);
}

static void a_slow_handler_makes_progress(void **state)
{
	struct story *t = *state;

	t->v[0].in_flight = 1;
	t->v[0].lag = 100000;
	for (int n = 0; n < 20; n++) {
		well(t, 29);
		t->v[0].records++;
	}
	/* It counts no records, but its positions move. */
	for (int n = 0; n < 20; n++) {
		well(t, 29);
		t->v[0].reached++;
	}
}

/* Each retry goes back to the place before it: that is no progress. */
static void going_to_and_fro_is_no_progress(void **state)
{
	struct story *t = *state;
	enum sw_judge_rule r = SW_JUDGE_WELL;

	t->v[0].lag = 50;
	t->v[0].reached = 1000;
	t->l.max_error_rate = 0;
	for (int n = 0; n < 40 && r == SW_JUDGE_WELL; n++) {
		t->v[0].reached += n % 2 ? -1 : 1;
		r = second(t);
	}
	assert_int_equal(r, SW_JUDGE_NO_PROGRESS);
}

static void who_is_seldom_asked_has_not_stood_still(void **state)
{
	struct story *t = *state;

	t->l.no_progress_us = 2 * S;
	well(t, 1);
	t->v[0].lag = 500;
	for (int n = 0; n < 10; n++) {
		/* Twenty seconds between two answers, which is how a thousand instances are asked. */
		for (int k = 0; k < 20; k++) {
			t->now += S;
			assert_int_equal(sw_judge_take(t->j, &t->l, t->v, t->now, t->why, sizeof(t->why)),
					 SW_JUDGE_WELL);
		}
		t->v[0].records += 100;
		well(t, 1);
	}
}

static void a_rebalance_and_an_absence_are_no_standing_still(void **state)
{
	struct story *t = *state;

	t->l.gone_us = 0;
	t->v[0].lag = 500;
	well(t, 25);
	t->v[0].partitions = 2;
	well(t, 25);
	t->v[0].away = "STARTING";
	well(t, 60);
	t->v[0].away = NULL;
	broken_at(t, 30, SW_JUDGE_NO_PROGRESS);
}

static void no_progress_is_off_by_zero(void **state)
{
	struct story *t = *state;

	t->l.no_progress_us = 0;
	t->v[0].lag = 500;
	well(t, 300);
}

/* ---- error rate */

static void errors_over_the_limit(void **state)
{
	struct story *t = *state;

	t->v[0].errors = t->v[1].errors = 5000;                 /* of an earlier life: they do not count */
	assert_int_equal(flow(t, 20, 2000, 10), SW_JUDGE_WELL); /* the limit itself is allowed */
	t->v[1].error = "timeout";
	t->v[1].errors += 4000;
	assert_int_equal(second(t), SW_JUDGE_ERROR_RATE);
	says(t, "most at green-1: timeout");
	says(t, "allowed are 10 %");
}

static void too_few_tries_say_nothing(void **state)
{
	struct story *t = *state;

	well(t, 1);
	t->v[0].errors += 99;
	well(t, 3);
	t->v[0].errors++;
	assert_int_equal(second(t), SW_JUDGE_ERROR_RATE);
	says(t, "100.0 % of the records failed (100 errors, 0 done)");
}

static void errors_as_many_as_before_the_switch(void **state)
{
	struct story *t = *state;

	begin(t, (struct sw_baseline){10, 30, 2000});
	assert_int_equal(flow(t, 30, 2000, 30), SW_JUDGE_WELL);
	assert_int_equal(flow(t, 30, 2000, 45), SW_JUDGE_ERROR_RATE);
	begin(t, SW_BASELINE_UNKNOWN);
	assert_int_equal(flow(t, 30, 2000, 30), SW_JUDGE_ERROR_RATE);
}

static void a_restarted_process_counts_from_zero(void **state)
{
	struct story *t = *state;

	assert_int_equal(flow(t, 5, 2000, 0), SW_JUDGE_WELL);
	t->v[0].incarnation = "again";
	t->v[0].records = 2000; /* fewer than it had: nothing of it is lost, nothing counted twice */
	t->v[0].errors = 400;
	assert_int_equal(second(t), SW_JUDGE_WELL); /* 400 of 12,000 */
	char sees[200];
	sw_judge_sees(t->j, sees, sizeof(sees));
	assert_string_equal(
		sees,
		"2 of 2 at work, lag 0 (before the switch 10), 400 errors, 10000 records done"); /* the first sample only begins */
	t->v[0].errors = 2000;
	assert_int_equal(second(t), SW_JUDGE_ERROR_RATE);
}

/* In a soak of hours what goes wrong in the last minute is not hidden by all that was well. */
static void old_records_do_not_hide_new_errors(void **state)
{
	struct story *t = *state;
	int n = 0;

	assert_int_equal(flow(t, 3600, 2000, 0), SW_JUDGE_WELL);
	for (; flow(t, 1, 2000, 50) == SW_JUDGE_WELL; n++)
		assert_true(n < 60);
	/* And what went wrong is over some time. */
	for (n = 0; n < 130; n++)
		flow(t, 1, 2000, 0);
	assert_int_equal(flow(t, 200, 2000, 0), SW_JUDGE_WELL);
}

static void errors_are_off_by_zero(void **state)
{
	struct story *t = *state;

	t->l.max_error_rate = 0;
	assert_int_equal(flow(t, 30, 2000, 90), SW_JUDGE_WELL);
}

/* ---- lag */

static void lag_that_does_not_fall(void **state)
{
	struct story *t = *state;

	t->l.max_lag = 1000;
	t->l.lag_growing_us = 0;
	t->v[0].lag = 500;
	t->v[1].lag = 500;
	assert_int_equal(flow(t, 10, 2000, 0), SW_JUDGE_WELL); /* the limit itself is allowed */
	t->v[1].lag = 700;
	assert_int_equal(flow(t, 5, 2000, 0), SW_JUDGE_WELL);
	assert_int_equal(flow(t, 1, 2000, 0), SW_JUDGE_LAG);
	says(t,
	     "the lag is 1200 and does not fall, allowed are 1000, before the switch it was 10; most at green-1");
}

static void a_backlog_that_is_worked_off_is_no_reason(void **state)
{
	struct story *t = *state;

	t->l.max_lag = 1000;
	t->l.lag_growing_us = 4 * S;
	for (int64_t lag = 1000000; lag > 0; lag -= 1000) {
		t->v[0].lag = lag + lag / 1000 % 3 * 400; /* not evenly */
		assert_int_equal(flow(t, 1, 1000, 0), SW_JUDGE_WELL);
	}
}

static void a_lag_as_high_as_before_is_no_reason(void **state)
{
	struct story *t = *state;

	begin(t, (struct sw_baseline){50000, 0, 2000});
	t->l.max_lag = 1000;
	t->v[0].lag = 50000;
	assert_int_equal(flow(t, 60, 2000, 0), SW_JUDGE_WELL);
	t->v[0].lag = 50001;
	assert_int_equal(flow(t, 10, 2000, 0), SW_JUDGE_LAG);
}

/* Of a takeover nobody knows until somebody holds something; of one that is away neither. */
static void an_unknown_lag_is_no_reason(void **state)
{
	struct story *t = *state;

	t->l.max_lag = 1000;
	t->v[0].lag = t->v[1].lag = -1;
	well(t, 60);
	t->v[0].lag = 5000;
	t->v[0].away = "PAUSED";
	well(t, 29);
}

static enum sw_judge_rule fall_behind(struct story *t, int seconds, int64_t by, int64_t done)
{
	enum sw_judge_rule r = SW_JUDGE_WELL;

	for (int n = 0; n < seconds && r == SW_JUDGE_WELL; n++) {
		t->v[0].lag += by;
		r = flow(t, 1, done, 0);
	}
	return r;
}

static void lag_that_grows(void **state)
{
	struct story *t = *state;

	assert_int_equal(fall_behind(t, 30, 1500, 500), SW_JUDGE_WELL);
	assert_int_equal(fall_behind(t, 3, 1500, 500), SW_JUDGE_LAG_GROWING);
	says(t, "the lag grows for 30 s, from 1500 to ");
	says(t, "with 500 records done a second; before the switch 10, with 2000; most at green-0");
}

static void growing_because_more_comes_is_no_reason(void **state)
{
	struct story *t = *state;

	assert_int_equal(fall_behind(t, 300, 1500, 2000), SW_JUDGE_WELL);
	/* Nor where the old colour did no more. */
	begin(t, (struct sw_baseline){10, 0, 500});
	assert_int_equal(fall_behind(t, 300, 1500, 500), SW_JUDGE_WELL);
	begin(t, SW_BASELINE_UNKNOWN);
	assert_int_equal(fall_behind(t, 300, 1500, 500), SW_JUDGE_WELL);
}

static void growing_that_has_an_end_is_no_reason(void **state)
{
	struct story *t = *state;

	for (int n = 0; n < 10; n++) {
		assert_int_equal(fall_behind(t, 20, 1000, 500), SW_JUDGE_WELL);
		assert_int_equal(fall_behind(t, 10, -2000, 500), SW_JUDGE_WELL);
	}
	/* A little is nothing. */
	begin(t, (struct sw_baseline){0, 0, 2000});
	assert_int_equal(fall_behind(t, 100, 1, 500), SW_JUDGE_WELL);
	/* Not over what it was before. */
	begin(t, (struct sw_baseline){1000000, 0, 2000});
	assert_int_equal(fall_behind(t, 100, 1500, 500), SW_JUDGE_WELL);
}

static void growing_is_not_seen_over_a_hole(void **state)
{
	struct story *t = *state;

	for (int n = 0; n < 20; n++) {
		assert_int_equal(fall_behind(t, 20, 1500, 500), SW_JUDGE_WELL);
		assert_int_equal(after(t, 20 * S), SW_JUDGE_WELL); /* bg-switchd stood still */
	}
	t->l.lag_growing_us = 0;
	assert_int_equal(fall_behind(t, 300, 1500, 500), SW_JUDGE_WELL);
}

/* ---- together */

static void the_graver_one_is_named(void **state)
{
	struct story *t = *state;

	t->l.no_progress_us = 10 * S;
	t->l.gone_us = 10 * S;
	t->v[0].lag = 500;
	t->v[1].away = "FAILED";
	broken_at(t, 10, SW_JUDGE_GONE);
	assert_string_equal(sw_judge_rule_name(SW_JUDGE_GONE), "gone");
	assert_null(sw_judge_rule_name(SW_JUDGE_WELL));
	assert_string_equal(sw_judge_rule_name(SW_JUDGE_LAG_GROWING), "lag-growing");
}

static void afresh_all_times_begin_anew(void **state)
{
	struct story *t = *state;

	t->l.max_lag = 100;
	t->v[0].lag = 500;
	t->v[1].away = "FENCED";
	while (second(t) == SW_JUDGE_WELL)
		;
	t->l.max_lag = 0;
	assert_int_equal(flow(t, 1, 2000, 50), SW_JUDGE_ERROR_RATE);
	sw_judge_afresh(t->j, t->now);
	t->v[0].records++;
	well(t, 29);
	while (second(t) == SW_JUDGE_WELL)
		;
	says(t, "FENCED");
}

/* One that has not answered yet when the soak begins: what it counted before is not of this soak. */
static void who_has_never_answered_has_counted_nothing(void **state)
{
	struct story *t = *state;

	t->v[1].away = "not asked yet";
	t->v[1].seen_us = 0;
	t->v[1].records = 0;
	assert_int_equal(flow(t, 3, 2000, 0), SW_JUDGE_WELL);
	t->v[1].away = NULL;
	t->v[1].records = 1000000;
	t->v[1].errors = 900000;
	assert_int_equal(flow(t, 3, 2000, 0), SW_JUDGE_WELL);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(one_that_works_is_well),
		T(an_idle_topic_is_well),
		T(one_that_does_not_answer_is_gone),
		T(one_that_is_back_in_time_is_well),
		T(one_restart_is_none_and_three_are),
		T(three_restarts_in_a_long_time_are_none),
		T(gone_is_off_by_zero),
		T(records_that_wait_and_nothing_done),
		T(one_record_in_the_handler_for_ever),
		T(a_slow_handler_makes_progress),
		T(going_to_and_fro_is_no_progress),
		T(who_is_seldom_asked_has_not_stood_still),
		T(a_rebalance_and_an_absence_are_no_standing_still),
		T(no_progress_is_off_by_zero),
		T(errors_over_the_limit),
		T(too_few_tries_say_nothing),
		T(errors_as_many_as_before_the_switch),
		T(a_restarted_process_counts_from_zero),
		T(old_records_do_not_hide_new_errors),
		T(errors_are_off_by_zero),
		T(lag_that_does_not_fall),
		T(a_backlog_that_is_worked_off_is_no_reason),
		T(a_lag_as_high_as_before_is_no_reason),
		T(an_unknown_lag_is_no_reason),
		T(lag_that_grows),
		T(growing_because_more_comes_is_no_reason),
		T(growing_that_has_an_end_is_no_reason),
		T(growing_is_not_seen_over_a_hole),
		T(the_graver_one_is_named),
		T(afresh_all_times_begin_anew),
		T(who_has_never_answered_has_counted_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
