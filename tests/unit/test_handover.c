/* SPDX-License-Identifier: Apache-2.0 */
/* Rule 6: the best of all that is known, complete or named. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "switchd/handover.h"

struct world {
	struct bg_offs topics, a, b, blue, green, handed, initial;
};

static int setup(void **state)
{
	struct world *w = bg_xcalloc(1, sizeof(*w));

	for (int p = 0; p < 4; p++)
		bg_offs_at(&w->topics, "orders", p);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	bg_offs_free(&w->topics);
	bg_offs_free(&w->a);
	bg_offs_free(&w->b);
	bg_offs_free(&w->blue);
	bg_offs_free(&w->green);
	bg_offs_free(&w->handed);
	bg_offs_free(&w->initial);
	free(w);
	return 0;
}

static void unite(struct world *w, struct sw_union_out *out)
{
	const struct bg_offs *answers[] = {&w->a, &w->b};
	struct sw_union_in in = {&w->topics, answers, 2, {&w->blue, &w->green}, &w->handed, &w->initial};

	memset(out, 0, sizeof(*out));
	sw_handover_unite(&in, out);
}

static void check(const struct sw_union_out *out, int p, int64_t offset, int64_t epoch)
{
	const struct bg_off *o = bg_offs_find(&out->offs, "orders", p);

	assert_non_null(o);
	assert_int_equal(o->offset, offset);
	assert_int_equal(o->epoch, epoch);
}

static void answers_of_both_instances(void **state)
{
	struct world *w = *state;
	struct sw_union_out out;

	bg_offs_set(&w->a, "orders", 0, 10, 7);
	bg_offs_set(&w->a, "orders", 1, 11, 7);
	bg_offs_set(&w->b, "orders", 2, 12, 7);
	bg_offs_set(&w->b, "orders", 3, 0, 7);
	unite(w, &out);
	assert_int_equal(out.n_missing, 0);
	assert_int_equal(out.from_answers, 4);
	check(&out, 0, 10, 7);
	check(&out, 3, 0, 7);
	sw_union_free(&out);
}

static void higher_epoch_beats_higher_offset(void **state)
{
	struct world *w = *state;
	struct sw_union_out out;

	for (int p = 0; p < 4; p++)
		bg_offs_set(&w->a, "orders", p, 10, 7);
	bg_offs_set(&w->green, "orders", 0, 900, 6); /* older: loses */
	bg_offs_set(&w->blue, "orders", 1, 15, 7);   /* same epoch, further: wins */
	bg_offs_set(&w->blue, "orders", 2, 3, 8);    /* newer epoch: wins */
	bg_offs_set(&w->handed, "orders", 3, 10, 7); /* equal: the answer stays */
	unite(w, &out);
	check(&out, 0, 10, 7);
	check(&out, 1, 15, 7);
	check(&out, 2, 3, 8);
	check(&out, 3, 10, 7);
	assert_int_equal(out.from_answers, 2);
	assert_int_equal(out.from_commits, 2);
	assert_int_equal(out.from_handed, 0);
	sw_union_free(&out);
}

/* A partition that moves in a rebalance is held by nobody at the pause: its commit counts, of either group. */
static void moving_partition_comes_from_the_commits(void **state)
{
	struct world *w = *state;
	struct sw_union_out out;

	for (int p = 0; p < 3; p++)
		bg_offs_set(&w->a, "orders", p, 10, 7);
	bg_offs_set(&w->green, "orders", 3, 44, 7);
	bg_offs_set(&w->handed, "orders", 3, 40, 6);
	unite(w, &out);
	check(&out, 3, 44, 7);
	assert_int_equal(out.n_missing, 0);
	sw_union_free(&out);
}

static void idle_partition_comes_from_the_last_hand_over(void **state)
{
	struct world *w = *state;
	struct sw_union_out out;

	for (int p = 0; p < 3; p++)
		bg_offs_set(&w->a, "orders", p, 10, 7);
	bg_offs_set(&w->handed, "orders", 3, 40, 6);
	unite(w, &out);
	check(&out, 3, 40, 6);
	assert_int_equal(out.from_handed, 1);
	sw_union_free(&out);
}

static void what_is_missing_is_named(void **state)
{
	struct world *w = *state;
	struct sw_union_out out;

	bg_offs_set(&w->a, "orders", 0, 10, 7);
	bg_offs_at(&w->blue, "orders", 1); /* no commit: offset -1 */
	bg_offs_set(&w->a, "orders", 2, 10, 7);
	unite(w, &out);
	assert_int_equal(out.n_missing, 2);
	assert_string_equal(out.missing.s, "orders/1, orders/3");
	sw_union_free(&out);
}

static void initial_policy_only_fills_in(void **state)
{
	struct world *w = *state;
	struct sw_union_out out;

	for (int p = 0; p < 4; p++)
		bg_offs_set(&w->initial, "orders", p, 500, 0);
	bg_offs_set(&w->a, "orders", 0, 10, 0); /* epoch 0 and a lower offset, but somebody's: stays */
	unite(w, &out);
	check(&out, 0, 10, 0);
	check(&out, 1, 500, 0);
	assert_int_equal(out.from_initial, 3);
	sw_union_free(&out);
}

/* Added between the reading of the topics and the pause: named by the answer, handed over. */
static void partition_beyond_the_list(void **state)
{
	struct world *w = *state;
	struct sw_union_out out;

	for (int p = 0; p < 5; p++)
		bg_offs_set(&w->a, "orders", p, 10, 7);
	unite(w, &out);
	assert_int_equal(out.offs.n, 5);
	check(&out, 4, 10, 7);
	sw_union_free(&out);
}

static bool exact(struct world *w, int64_t epoch)
{
	const struct bg_offs *answers[] = {&w->a, &w->b};
	const char *why = NULL;
	bool ok = sw_handover_exact(&w->topics, answers, 2, epoch, &why);

	assert_non_null(why);
	return ok;
}

static void exact_needs_each_partition_once_at_the_epoch(void **state)
{
	struct world *w = *state;

	for (int p = 0; p < 4; p++)
		bg_offs_set(p < 2 ? &w->a : &w->b, "orders", p, 10, 7);
	assert_true(exact(w, 7));
	assert_true(exact(w, 6));
	assert_false(exact(w, 8)); /* reached at an older epoch */
	bg_offs_set(&w->b, "orders", 0, 9, 7);
	assert_false(exact(w, 7)); /* named twice: it moved */
	bg_offs_free(&w->b);
	assert_false(exact(w, 7)); /* not named */
}

static void exact_of_nothing_is_not_exact(void **state)
{
	struct world *w = *state;

	bg_offs_free(&w->topics);
	assert_false(exact(w, 7));
}

static size_t unknown(struct world *w, enum sw_initial policy, struct bg_offs *ret)
{
	const struct bg_offs *committed[2] = {&w->blue, &w->green};

	sw_handover_unknown(&w->topics, committed, &w->handed, policy, ret);
	return ret->n;
}

static void unknown_partitions_start_only_by_policy(void **state)
{
	struct world *w = *state;
	_cleanup_offs_ struct bg_offs u = BG_OFFS_INIT, u2 = BG_OFFS_INIT;

	bg_offs_set(&w->blue, "orders", 0, 10, 0);
	assert_int_equal(unknown(w, SW_INITIAL_FAIL, &u),
			 0); /* nothing was ever handed over: nobody is newer */
	assert_int_equal(unknown(w, SW_INITIAL_LATEST, &u2), 3);
}

/* Nobody can have processed what did not exist: earliest, whatever the policy. */
static void newer_partitions_start_at_their_earliest(void **state)
{
	struct world *w = *state;
	_cleanup_offs_ struct bg_offs u = BG_OFFS_INIT, ranges = BG_OFFS_INIT, got = BG_OFFS_INIT;

	for (int p = 0; p < 3; p++)
		bg_offs_set(&w->handed, "orders", p, 10, 7);
	assert_int_equal(unknown(w, SW_INITIAL_FAIL, &u), 1);
	assert_int_equal(u.v[0].partition, 3);
	bg_offs_set(&ranges, "orders", 3, 5, 0);
	bg_offs_find(&ranges, "orders", 3)->floor = 90;
	sw_handover_initial(&ranges, &u, true, 0, &got);
	assert_int_equal(bg_offs_find(&got, "orders", 3)->offset, 5);
	bg_offs_free(&got);
	sw_handover_initial(&ranges, NULL, true, 3, &got);
	assert_int_equal(bg_offs_find(&got, "orders", 3)->offset, 90);
	assert_int_equal(bg_offs_find(&got, "orders", 3)->epoch, 3);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(answers_of_both_instances),
		T(higher_epoch_beats_higher_offset),
		T(moving_partition_comes_from_the_commits),
		T(idle_partition_comes_from_the_last_hand_over),
		T(what_is_missing_is_named),
		T(initial_policy_only_fills_in),
		T(partition_beyond_the_list),
		T(exact_needs_each_partition_once_at_the_epoch),
		T(exact_of_nothing_is_not_exact),
		T(unknown_partitions_start_only_by_policy),
		T(newer_partitions_start_at_their_earliest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
