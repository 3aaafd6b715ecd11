/* SPDX-License-Identifier: Apache-2.0 */
/* An identity in use: named with both hosts, no ping-pong, and brought back when nobody else has it. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "switchd/identity.h"
#include "switchd/metrics.h"
#include "switchd/reconcile.h"
#include "switchd/view.h"
#include "switchd_fake.h"

static int setup(void **state)
{
	struct fake *f = fake_new();

	fake_takeover(f);
	fake_active(f, BG_BLUE, 4);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake_free(*state);
	return 0;
}

static void say(struct sw_inst *i, const char *text)
{
	_cleanup_json_ struct json_object *o = NULL;
	bool changed;

	assert_int_equal(bg_json_parse(text, strlen(text), &o, NULL), 0);
	assert_int_equal(sw_inst_take(i, o, &changed, NULL), 0);
}

static void fenced(struct fake *f)
{
	say(&f->sw->inst[1], "{\"state\":\"FENCED\",\"cause\":\"identity_in_use\"}");
	f->member[0] = (struct bg_member){"orders-0", "rdkafka", "/10.0.0.1", "m0"};
	f->member[1] = (struct bg_member){"orders-1", "legacy-app", "/10.0.0.9", "m1"};
	f->member[2] = (struct bg_member){NULL, "dynamic", "/10.0.0.7", "m2"};
	f->n_member = 3;
}

static void look(struct fake *f)
{
	bool never = false;

	f->sw->identity_us = 0;
	sw_identity_look(f->sw);
	bg_loop_run_until(f->loop, &never, 1000);
}

static void both_hosts_are_named(void **state)
{
	struct fake *f = *state;
	_cleanup_json_ struct json_object *v = NULL;
	_cleanup_free_ char *metrics = NULL;
	struct json_object *row, *u;
	const char *text;

	fenced(f);
	look(f);
	assert_int_equal(f->members_asked, 1);
	v = sw_view(f->sw, true);
	assert_string_equal(bg_json_str(v, "health", ""), "DEGRADED");
	text = bg_json_str(v, "degraded", "");
	if (!strstr(text, "blue-1 (http://127.0.0.1:2)") || !strstr(text, "legacy-app at 10.0.0.9") ||
	    !strstr(text, "orders-1"))
		fail_msg("`%s`", text);
	row = json_object_array_get_idx(bg_json_get(v, "identity_in_use"), 0);
	assert_string_equal(bg_json_str(row, "instance", ""), "blue-1");
	assert_string_equal(bg_json_str(row, "static_id", ""), "orders-1");
	u = bg_json_get(row, "usurper");
	assert_string_equal(bg_json_str(u, "client_id", ""), "legacy-app");
	assert_string_equal(bg_json_str(u, "host", ""), "10.0.0.9");
	f->dm.metrics = sw_metrics_new(&f->dm);
	metrics = sw_metrics_render(f->dm.metrics);
	assert_non_null(
		strstr(metrics,
		       "bg_switch_identity_in_use{color=\"blue\",instance=\"blue-1\",switch=\"orders\"} 1"));
	assert_non_null(strstr(metrics, "bg_switch_degraded{switch=\"orders\"} 1"));
	sw_metrics_free(f->dm.metrics);
	f->dm.metrics = NULL;
}

static void no_ping_pong_while_somebody_has_it(void **state)
{
	struct fake *f = *state;
	int sent = f->sent;

	fenced(f);
	for (int n = 0; n < 5; n++)
		look(f);
	/* However long it takes. */
	assert_int_equal(sw_reconcile_wish(f->sw, &f->sw->inst[1], bg_now_us() + INT64_C(3600000000)),
			 SW_WISH_NONE);
	assert_int_equal(f->sent, sent);
	assert_int_equal(f->sw->state, SW_IDLE);
}

static void brought_back_when_nobody_has_it_any_more(void **state)
{
	struct fake *f = *state;

	fenced(f);
	look(f);
	f->member[1].instance_id = "orders-8";
	look(f);
	assert_int_equal(f->sw->inst[1].usurper, SW_USURPER_GONE);
	assert_int_equal(fake_await(f, "prepare")->order.epoch, 5);
	fake_all_well(f, SW_SOAKING);
	assert_int_equal(f->sw->rec.active, BG_BLUE);
	_cleanup_json_ struct json_object *v = sw_view(f->sw, false);
	assert_string_equal(bg_json_str(v, "health", ""), "OK");
	assert_int_equal(json_object_array_length(bg_json_get(v, "identity_in_use")), 0);
}

/* Away while its colour was fenced and then made active again: nobody has to wait until the fencer's session is over. */
static void fenced_before_this_epoch_it_is_resumed_at_it(void **state)
{
	struct fake *f = *state;
	struct sw_inst *i = &f->sw->inst[1];

	i->reachable = false;
	f->sw->rec.epoch = 5;
	for (size_t k = 0; k < f->sw->n_inst; k++)
		if (&f->sw->inst[k] != i)
			f->sw->inst[k].epoch = 5;
	fenced(f);
	f->member[1].client_id =
		"bg-switchd"; /* which does not leave, and is a member until its session is over */
	look(f);
	assert_int_equal(i->epoch, 4);
	assert_int_equal(fake_await(f, "resume")->order.epoch, 5);
	fake_answer(f, "resume", NULL);
	assert_int_equal(f->sw->state, SW_IDLE);
	/* At its own epoch it is another matter. */
	say(i, "{\"state\":\"FENCED\",\"cause\":\"identity_in_use\",\"epoch\":5}");
	look(f);
	assert_int_equal(sw_reconcile_wish(f->sw, i, bg_now_us()), SW_WISH_NONE);
}

/* The broker does not say: then time tells, as before. */
static void where_the_broker_does_not_say_time_tells(void **state)
{
	struct fake *f = *state;
	const struct sw_inst *i = &f->sw->inst[1];
	char text[800];

	fenced(f);
	f->no_members = true;
	look(f);
	assert_int_equal(i->usurper, SW_USURPER_UNKNOWN);
	assert_int_equal(sw_reconcile_wish(f->sw, i, i->fenced_us + 59000000), SW_WISH_NONE);
	assert_int_equal(sw_reconcile_wish(f->sw, i, i->fenced_us + 61000000), SW_WISH_ASSERT);
	assert_true(sw_identity_trouble(f->sw, text, sizeof(text)));
	assert_non_null(strstr(text, "somebody else has its static id"));
}

static void a_configured_twin_is_named(void **state)
{
	struct fake *f = *state;
	char text[800];

	fenced(f);
	f->no_members = true;
	say(&f->sw->inst[3], "{\"state\":\"ACTIVE\"}");
	look(f);
	assert_true(sw_identity_trouble(f->sw, text, sizeof(text)));
	assert_non_null(strstr(text, "configured with the same one: green-1 (http://127.0.0.1:4)"));
}

static void a_stranger_that_said_hello_is_named(void **state)
{
	struct fake *f = *state;
	_cleanup_json_ struct json_object *v = NULL;
	struct json_object *row;
	char text[800];

	fenced(f);
	sw_identity_stranger(f->sw, BG_GREEN, f->sw->inst[1].name,
			     "http://10.0.0.8:8080"); /* another colour */
	sw_identity_stranger(f->sw, BG_BLUE, "another", "http://10.0.0.7:8080");
	look(f);
	assert_true(sw_identity_trouble(f->sw, text, sizeof(text)));
	assert_null(strstr(text, "8080"));
	sw_identity_stranger(f->sw, BG_BLUE, f->sw->inst[1].name, "http://10.0.0.9:8080");
	assert_true(sw_identity_trouble(f->sw, text, sizeof(text)));
	assert_non_null(strstr(text, "one at http://10.0.0.9:8080 says that it is blue-1 too"));
	v = sw_view(f->sw, true);
	row = json_object_array_get_idx(bg_json_get(v, "identity_in_use"), 0);
	assert_string_equal(bg_json_str(bg_json_get(row, "usurper"), "endpoint", ""), "http://10.0.0.9:8080");
}

static void another_cause_is_another_matter(void **state)
{
	struct fake *f = *state;
	char text[800];

	say(&f->sw->inst[1], "{\"state\":\"FENCED\",\"cause\":\"fatal_error\"}");
	look(f);
	assert_int_equal(f->members_asked, 0);
	assert_false(sw_identity_trouble(f->sw, text, sizeof(text)));
}

/* Whoever is to be paused is fenced in the normal course of things. */
static void the_paused_colour_is_no_trouble(void **state)
{
	struct fake *f = *state;
	char text[800];

	say(&f->sw->inst[3], "{\"state\":\"FENCED\",\"cause\":\"identity_in_use\"}");
	look(f);
	assert_int_equal(f->members_asked, 0);
	assert_false(sw_identity_trouble(f->sw, text, sizeof(text)));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(both_hosts_are_named),
		T(no_ping_pong_while_somebody_has_it),
		T(brought_back_when_nobody_has_it_any_more),
		T(fenced_before_this_epoch_it_is_resumed_at_it),
		T(where_the_broker_does_not_say_time_tells),
		T(a_configured_twin_is_named),
		T(a_stranger_that_said_hello_is_named),
		T(another_cause_is_another_matter),
		T(the_paused_colour_is_no_trouble),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
