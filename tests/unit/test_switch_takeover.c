/* SPDX-License-Identifier: Apache-2.0 */
/* Strategy C: one group, read once; both colours must be the same members of it; nobody's partitions may stay. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "switchd/history.h"
#include "switchd/preflight.h"
#include "switchd/soak.h"
#include "switchd_fake.h"

static int setup(void **state)
{
	struct fake *f = fake_new();

	fake_takeover(f);
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

/* ---- what an instance says */

static void members_are_taken_and_kept(void **state)
{
	struct sw_member m = {0};
	_cleanup_json_ struct json_object *o = NULL, *bad = NULL, *empty = NULL;
	_cleanup_buf_ struct bg_buf b = {0};
	struct bg_err err = BG_ERR_INIT;
	static const char text[] =
		"{\"group\":\"g\",\"mode\":\"takeover\",\"assignor\":\"cooperative-sticky\",\"subscription\":[\"b\",\"a\",\"a\"],"
		"\"static_ids\":[\"orders-1\",\"orders-0\"],\"heartbeat_interval_ms\":1500,\"session_timeout_ms\":6000}";
	static const char wrong[] = "{\"static_ids\":[\"orders-0\",7],\"group\":\"other\"}";

	(void)state;
	assert_int_equal(bg_json_parse(text, strlen(text), &o, NULL), 0);
	assert_int_equal(sw_member_take(&m, o, &err), 0);
	assert_int_equal(m.topics.n, 2);
	assert_string_equal(m.ids.v[0], "orders-0");
	assert_string_equal(m.ids.v[1], "orders-1");
	assert_int_equal(m.heartbeat_us, 1500000);
	assert_int_equal(m.session_us, 6000000);
	/* A pause answer says nothing of it: what was said stays. */
	assert_int_equal(bg_json_parse("{}", 2, &empty, NULL), 0);
	assert_int_equal(sw_member_take(&m, empty, &err), 0);
	assert_string_equal(m.group, "g");
	sw_set_print(&m.ids, &b);
	assert_string_equal(b.s, "orders-0, orders-1");
	assert_int_equal(bg_json_parse(wrong, strlen(wrong), &bad, NULL), 0);
	assert_true(sw_member_take(&m, bad, &err) < 0);
	assert_non_null(strstr(err.msg, "static_ids"));
	assert_string_equal(m.group, "g");
	assert_int_equal(m.ids.n, 2);
	sw_member_free(&m);
}

/* ---- preflight */

struct asked {
	bool go;
	struct bg_err why;
};

static struct asked judge(struct fake *f, bool force)
{
	struct sw_pf_facts pf = {.sw = f->sw,
				 .kind = SW_KIND_SWITCH,
				 .to = BG_GREEN,
				 .kafka_ok = true,
				 .topics = &f->topics,
				 .health_ok = true,
				 .resubscribe = f->resubscribe,
				 .brokers = 1};
	struct asked a = {.why = BG_ERR_INIT};
	_cleanup_json_ struct json_object *rules = NULL;
	bool transient;

	a.go = sw_preflight_judge(&pf, force, &rules, &a.why, &transient);
	return a;
}

static void no_go(struct fake *f, const char *rule, const char *one, const char *other)
{
	struct asked a = judge(f, false);

	assert_false(a.go);
	if (!strstr(a.why.msg, rule) || !strstr(a.why.msg, one) || !strstr(a.why.msg, other))
		fail_msg("`%s` does not name %s, %s, %s", a.why.msg, rule, one, other);
	assert_false(judge(f, true).go); /* force does not help */
}

static void a_paused_colour_that_holds_nothing_is_fine(void **state)
{
	struct fake *f = *state;
	struct asked a;

	fake_active(f, BG_BLUE, 3);
	assert_int_equal(f->sw->inst[2].n_part, 0);
	a = judge(f, false);
	if (!a.go)
		fail_msg("no go: %s", a.why.msg);
}

static struct sw_member *member(struct fake *f, size_t k)
{
	return &f->sw->inst[k].member;
}

static void what_differs_is_named_with_both_values(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 3);
	sw_set_add(&member(f, 3)->topics, "more");
	no_go(f, "same-topics", "blue-0 subscribes to orders;", "green-1 more, orders");
	sw_set_free(&member(f, 3)->topics);
	sw_set_add(&member(f, 3)->topics, "orders");
	assert_true(judge(f, false).go);

	strcpy(member(f, 2)->assignor, "range");
	no_go(f, "same-assignor", "blue-0 assigns by cooperative-sticky", "green-0 by range");
	strcpy(member(f, 2)->assignor, "cooperative-sticky");

	sw_set_add(&member(f, 3)->ids, "orders-2");
	no_go(f, "same-ordinals", "blue has the static ids orders-0, orders-1;",
	      "green orders-0, orders-1, orders-2");
	sw_set_free(&member(f, 3)->ids);
	no_go(f, "static-ids", "green-1", "does not say its static ids");
	sw_set_add(&member(f, 3)->ids, "orders-0");
	no_go(f, "static-ids", "green-0 (http://127.0.0.1:3)", "green-1 (http://127.0.0.1:4)");
	sw_set_free(&member(f, 3)->ids);
	sw_set_add(&member(f, 3)->ids, "orders-1");

	strcpy(member(f, 1)->group, "another");
	no_go(f, "group", "blue-1 consumes as group `another`", "`blue-group`");
	strcpy(member(f, 1)->group, "blue-group");
	strcpy(member(f, 1)->mode, "handover");
	no_go(f, "mode", "blue-1 runs in mode handover", "takeover");
	strcpy(member(f, 1)->mode, "takeover");
	assert_true(judge(f, false).go);
}

/* Colours of different size: one instance of green has both ordinals. */
static void one_instance_may_have_several_ordinals(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 3);
	sw_set_free(&member(f, 2)->ids);
	sw_set_add(&member(f, 2)->ids, "orders-0");
	sw_set_add(&member(f, 2)->ids, "orders-7");
	sw_set_add(&member(f, 0)->ids, "orders-7");
	assert_true(judge(f, false).go);
}

/* The way out, and what it costs. */
static void resubscribe_lifts_topics_and_ordinals(void **state)
{
	struct fake *f = *state;
	struct asked a;

	fake_active(f, BG_BLUE, 3);
	assert_int_equal(sw_preflight_gap_us(f->sw, BG_GREEN), 0);
	for (size_t k = 2; k < 4; k++)
		sw_set_add(&member(f, k)->topics, "more");
	no_go(f, "same-topics", "--resubscribe is the way out", "3000 ms");
	f->resubscribe = true;
	a = judge(f, false);
	if (!a.go)
		fail_msg("no go: %s", a.why.msg);
	/* To has an id less: what it held is waited out. One more: a heartbeat. */
	sw_set_free(&member(f, 3)->ids);
	sw_set_add(&member(f, 3)->ids, "orders-9");
	assert_int_equal(sw_preflight_gap_us(f->sw, BG_GREEN), 45000000);
	assert_true(judge(f, false).go);
	sw_set_add(&member(f, 3)->ids, "orders-1");
	assert_int_equal(sw_preflight_gap_us(f->sw, BG_GREEN), 3000000);
	assert_int_equal(sw_preflight_gap_us(f->sw, BG_BLUE), 45000000);
	/* No way out of another assignor. */
	strcpy(member(f, 2)->assignor, "range");
	no_go(f, "same-assignor", "INCONSISTENT_GROUP_PROTOCOL", "--resubscribe");
}

static void to_must_subscribe_to_what_is_handed_over(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 3);
	for (size_t k = 0; k < 4; k++) {
		sw_set_free(&member(f, k)->topics);
		sw_set_add(&member(f, k)->topics, "payments");
	}
	no_go(f, "same-topics", "green-0 does not subscribe to orders", "hands over");
	/* Back from a colour that brought it along: it is consumed by nobody meanwhile, and that is said. */
	f->resubscribe = true;
	assert_true(judge(f, false).go);
}

/* Green had a topic that blue does not know: its partitions are nobody's under blue, and that ends no switch. */
static void what_to_does_not_subscribe_to_is_not_missed(void **state)
{
	struct fake *f = *state;
	struct sw_request rq = {.kind = SW_KIND_SWITCH, .to = BG_GREEN, .resubscribe = true, .by = "test"};

	f->sw->cfg->resume_us = 50000;
	fake_active(f, BG_BLUE, 1);
	bg_offs_at(&f->topics, "more", 0);
	bg_offs_set(&f->sw->handed, "more", 0, 5, 1);
	for (size_t k = 0; k < 2; k++)
		sw_set_add(&member(f, k)->topics, "more");
	sw_run_start(f->sw, &rq);
	fake_all_well(f, SW_SOAKING);
	assert_string_equal(outcome(f), "done");
	assert_int_equal(sw_stalled(f->sw), 1);
}

/* ---- runs */

static void the_group_is_read_once(void **state)
{
	struct fake *f = *state;
	struct fake_call *c;

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_answer(f, "prepare", NULL);
	fake_await(f, "pause");
	f->committed_reads = 0;
	bg_offs_set(&f->committed[BG_BLUE], "orders", 2, 250, 1);
	fake_answer(f, "pause", NULL);
	c = fake_await(f, "resume");
	assert_int_equal(f->committed_reads, 1);
	assert_int_equal(bg_offs_find(&c->offs, "orders", 2)->offset, 250);
	assert_int_equal(bg_offs_find(&c->offs, "orders", 3)->offset, 203);
	fake_answer(f, "resume", NULL);
	fake_await_state(f, SW_SOAKING);
	assert_string_equal(f->order.s, "prepare2:bg pause2:b commits resume2:g");
	assert_string_equal(outcome(f), "done");
	assert_string_equal(bg_json_str(f->sw->last, "strategy", ""), "C");
	assert_string_equal(bg_json_str(bg_json_get(f->sw->last, "transfer"), "reads", ""),
			    "the shared group");
	/* Whoever is paused is no member, and knows no lag. */
	assert_int_equal(sw_color_lag(f->sw, BG_BLUE), -1);
	assert_int_equal(sw_color_lag(f->sw, BG_GREEN), 0);
}

static void eager_needs_no_commits(void **state)
{
	struct fake *f = *state;

	f->sw->cfg->eager = true;
	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_answer(f, "prepare", NULL);
	assert_true(fake_await(f, "pause")->order.eager);
	f->committed_reads = 0;
	fake_answer(f, "pause", NULL);
	fake_await(f, "resume");
	assert_int_equal(f->committed_reads, 0);
	fake_all_well(f, SW_SOAKING);
	assert_string_equal(outcome(f), "done");
}

static void green0_failed(struct sw_inst *i, struct fake_say *say)
{
	if (strcmp(i->name, "green-0") == 0)
		say->verdict = SW_V_REFUSED;
}

static void green1_has_more_topics(struct sw_inst *i, struct fake_say *say)
{
	(void)say;
	if (strcmp(i->name, "green-1") == 0)
		sw_set_add(&i->member.topics, "more");
}

/* Started anew with another subscription between preflight and prepare: its answer says so. */
static void what_prepare_says_counts(void **state)
{
	struct fake *f = *state;

	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_answer(f, "prepare", green1_has_more_topics);
	fake_all_well(f, SW_IDLE);
	assert_string_equal(f->order.s, "prepare2:bg pause3:g resume3:b");
	assert_string_equal(outcome(f), "aborted");
	assert_non_null(strstr(bg_json_str(f->sw->last, "error", ""), "same-topics"));
	assert_int_equal(f->sw->rec.active, BG_BLUE);
}

/* The broker left partition 3 with a member that is gone: to gives it back. */
static void partitions_that_stay_behind_end_the_switch(void **state)
{
	struct fake *f = *state;

	f->sw->cfg->resume_us = 50000;
	fake_active(f, BG_BLUE, 1);
	fake_switch(f, BG_GREEN);
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", NULL);
	fake_answer(f, "resume", NULL);
	free(f->sw->inst[3].part[1].topic);
	f->sw->inst[3].n_part = 1;
	fake_all_well(f, SW_IDLE);
	assert_string_equal(outcome(f), "rolled_back");
	assert_non_null(strstr(bg_json_str(f->sw->last, "error", ""), "1 of 4 partitions"));
	assert_int_equal(f->sw->rec.active, BG_BLUE);
}

static void resubscribe_goes_with_the_resume(void **state)
{
	struct fake *f = *state;
	struct sw_request rq = {.kind = SW_KIND_SWITCH, .to = BG_GREEN, .resubscribe = true, .by = "test"};
	struct fake_call *c;

	fake_active(f, BG_BLUE, 1);
	for (size_t k = 2; k < 4; k++)
		sw_set_add(&member(f, k)->topics, "more");
	sw_run_start(f->sw, &rq);
	fake_answer(f, "prepare", NULL);
	fake_answer(f, "pause", NULL);
	c = fake_await(f, "resume");
	assert_true(c->order.resubscribe);
	assert_true(c->order.deadline_us >= f->sw->cfg->resume_us + 3000000);
	assert_non_null(strstr(f->record, "\"resubscribe\":true"));
	fake_answer(f, "resume", green0_failed);
	fake_answer(f, "pause", NULL);
	/* What green brought with it may be on blue's members now. */
	assert_true(fake_await(f, "resume")->order.resubscribe);
	fake_all_well(f, SW_IDLE);
	assert_string_equal(outcome(f), "rolled_back");
}

static void init_and_rollback(void **state)
{
	struct fake *f = *state;
	struct sw_request rq = {.kind = SW_KIND_INIT, .to = BG_BLUE, .by = "test", .init_from = "earliest"};
	struct sw_request back = {.kind = SW_KIND_ROLLBACK, .to = BG_BLUE, .by = "test"};

	for (int p = 0; p < 4; p++)
		bg_offs_set(&f->ranges, "orders", p, 7, 0);
	fake_start(f);
	sw_run_start(f->sw, &rq);
	fake_all_well(f, SW_SOAKING);
	assert_string_equal(outcome(f), "done");
	assert_int_equal(f->sw->rec.active, BG_BLUE);
	for (size_t k = 2; k < 4; k++) {
		for (size_t p = 0; p < f->sw->inst[k].n_part; p++)
			free(f->sw->inst[k].part[p].topic);
		f->sw->inst[k].n_part = 0;
	}
	fake_switch(f, BG_GREEN);
	fake_all_well(f, SW_SOAKING);
	assert_int_equal(f->sw->rec.active, BG_GREEN);
	sw_run_start(f->sw, &back);
	fake_await_state(f, SW_PREPARING);
	fake_all_well(f, SW_SOAKING);
	assert_int_equal(f->sw->rec.active, BG_BLUE);
	assert_string_equal(bg_json_str(f->sw->last, "kind", ""), "rollback");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_taken_and_kept),
		T(a_paused_colour_that_holds_nothing_is_fine),
		T(what_differs_is_named_with_both_values),
		T(one_instance_may_have_several_ordinals),
		T(resubscribe_lifts_topics_and_ordinals),
		T(resubscribe_goes_with_the_resume),
		T(to_must_subscribe_to_what_is_handed_over),
		T(what_to_does_not_subscribe_to_is_not_missed),
		T(the_group_is_read_once),
		T(eager_needs_no_commits),
		T(what_prepare_says_counts),
		T(partitions_that_stay_behind_end_the_switch),
		T(init_and_rollback),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
