/* SPDX-License-Identifier: Apache-2.0 */
/* Switches that begin by themselves, and freezes: once, never twice, never yesterday's; time is given by the test. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "common/units.h"
#include "switchd/frozen.h"
#include "switchd/history.h"
#include "switchd/preflight_int.h"
#include "switchd/schedule.h"
#include "switchd_fake.h"

#define SEC INT64_C(1000000)
#define AT  (INT64_C(1795572000) * SEC) /* 2026-11-25T02:00:00Z */

static int setup(void **state)
{
	struct fake *f = fake_new();

	fake_active(f, BG_BLUE, 5);
	f->sw->cfg->late_us = 300 * SEC;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake_free(*state);
	return 0;
}

static void plan(struct fake *f)
{
	f->sw->rec.schedule = (struct sw_schedule){.id = "0123456789abcdef",
						   .at_us = AT,
						   .made_us = AT - 3600 * SEC,
						   .to = BG_GREEN,
						   .expect_epoch = f->sw->rec.epoch,
						   .by = "alice",
						   .reason = "at night"};
	sw_record_save(f->sw, NULL, NULL);
	fake_settle(f);
}

static bool planned(const struct fake *f)
{
	return f->sw->rec.schedule.id[0] != '\0';
}

/* A member of the stored record, or of its member `of`; "-": it has none. */
static const char *stored(struct fake *f, const char *of, const char *member)
{
	static char buf[64];
	_cleanup_json_ struct json_object *j = NULL;

	fake_settle(f);
	assert_non_null(f->record);
	assert_int_equal(bg_json_parse(f->record, strlen(f->record), &j, NULL), 0);
	snprintf(buf, sizeof(buf), "%s", bg_json_str(of ? bg_json_get(j, of) : j, member, "-"));
	return buf;
}

static struct json_object *in_history(struct fake *f)
{
	_cleanup_json_ struct json_object *list = NULL;

	fake_settle(f);
	list = sw_history_list(f->history.s, 1);
	assert_int_equal(json_object_array_length(list), 1);
	return json_object_get(json_object_array_get_idx(list, 0));
}

static void dropped_for(struct fake *f, const char *why)
{
	_cleanup_json_ struct json_object *e = in_history(f);

	assert_string_equal(bg_json_str(e, "outcome", ""), "dropped");
	assert_string_equal(bg_json_str(e, "id", ""), "0123456789abcdef");
	assert_string_equal(bg_json_str(e, "by", ""), "alice");
	assert_string_equal(bg_json_str(e, "reason", ""), "at night");
	assert_string_equal(bg_json_str(e, "scheduled", ""), "2026-11-25T02:00:00.000Z");
	assert_int_equal(bg_json_int(e, "exit", -1), 3);
	if (!strstr(bg_json_str(e, "error", ""), why))
		fail_msg("not for \"%s\", but: %s", why, bg_json_str(e, "error", ""));
	assert_false(planned(f));
	assert_string_equal(stored(f, "schedule", "id"), "-");
}

/* ---- schedules */

static void begins_at_its_time_and_once(void **state)
{
	struct fake *f = *state;

	plan(f);
	sw_schedule_tick(f->sw, AT - 1);
	assert_int_equal(f->sw->state, SW_IDLE);
	sw_schedule_tick(f->sw, AT);
	assert_int_equal(f->sw->state, SW_PREFLIGHT);
	assert_string_equal(f->sw->run->id, "0123456789abcdef");
	/* Killed here it begins anew: nothing is lost, and nobody was told anything. */
	assert_string_equal(stored(f, "schedule", "id"), "0123456789abcdef");
	sw_schedule_tick(f->sw, AT + SEC);
	assert_int_equal(f->sent, 0);
	/* Killed from here on the intent is carried out, and there is no schedule to begin by. */
	fake_await_state(f, SW_PREPARING);
	assert_string_equal(stored(f, "schedule", "id"), "-");
	assert_string_equal(stored(f, NULL, "id"), "0123456789abcdef");
	assert_string_equal(stored(f, NULL, "scheduled"), "2026-11-25T02:00:00.000Z");
	fake_all_well(f, SW_SOAKING);
	_cleanup_json_ struct json_object *e = in_history(f);
	assert_string_equal(bg_json_str(e, "outcome", ""), "done");
	assert_string_equal(bg_json_str(e, "id", ""), "0123456789abcdef");
	assert_string_equal(bg_json_str(e, "by", ""), "alice");
	assert_string_equal(bg_json_str(e, "reason", ""), "at night");
	assert_string_equal(bg_json_str(e, "scheduled", ""), "2026-11-25T02:00:00.000Z");
	/* The clock is set back: it comes to the time again. */
	struct sw_run *r = f->sw->run;
	for (int64_t t = AT - 5 * SEC; t < AT + 5 * SEC; t += SEC)
		sw_schedule_tick(f->sw, t);
	assert_ptr_equal(f->sw->run, r);
	assert_int_equal(f->sw->rec.active, BG_GREEN);
}

static void a_run_that_was_scheduled_says_so_after_a_restart(void **state)
{
	struct fake *f = *state;

	plan(f);
	sw_schedule_tick(f->sw, AT);
	fake_await_state(f, SW_PREPARING);
	fake_settle(f);
	_cleanup_json_ struct json_object *j = NULL;
	struct sw_record rec;
	assert_int_equal(bg_json_parse(f->record, strlen(f->record), &j, NULL), 0);
	assert_int_equal(sw_record_from_json(j, "orders", &rec, NULL), 0);
	assert_true(rec.scheduled_us == AT);
	assert_string_equal(rec.schedule.id, "");
	fake_all_well(f, SW_SOAKING);
	/* The next one is not. */
	fake_switch(f, BG_BLUE);
	fake_all_well(f, SW_SOAKING);
	assert_null(bg_json_get(f->sw->last, "scheduled"));
	assert_string_equal(stored(f, NULL, "scheduled"), "-");
}

static void not_after_another_switch(void **state)
{
	struct fake *f = *state;

	plan(f);
	fake_switch(f, BG_GREEN);
	fake_all_well(f, SW_SOAKING);
	assert_true(planned(f));
	sw_schedule_tick(f->sw, AT - 1000 * SEC); /* at once, not at its time */
	dropped_for(f, "the epoch is 6, and was 5 when it was scheduled");
	assert_string_equal(bg_json_str(f->sw->last, "outcome", ""), "done"); /* the last switch is another */
	assert_int_equal(f->sw->state, SW_SOAKING);
}

static void not_when_it_is_late(void **state)
{
	struct fake *f = *state;

	plan(f);
	sw_schedule_tick(f->sw, AT + 300 * SEC + 1);
	dropped_for(f, "schedule-late is 5 min");
	assert_int_equal(f->sw->state, SW_IDLE);
	assert_int_equal(f->sent, 0);
	plan(f);
	sw_schedule_tick(f->sw, AT + 300 * SEC);
	assert_int_equal(f->sw->state, SW_PREFLIGHT);
}

static void a_no_go_is_not_tried_again(void **state)
{
	struct fake *f = *state;

	plan(f);
	f->sw->rec.hold = true;
	sw_schedule_tick(f->sw, AT);
	fake_await_state(f, SW_IDLE);
	_cleanup_json_ struct json_object *e = in_history(f);
	assert_string_equal(bg_json_str(e, "outcome", ""), "no_go");
	assert_non_null(strstr(bg_json_str(e, "error", ""), "hold"));
	assert_string_equal(stored(f, "schedule", "id"), "-");
	f->sw->rec.hold = false;
	sw_schedule_tick(f->sw, AT + SEC);
	assert_int_equal(f->sw->state, SW_IDLE);
}

static void frozen_at_its_time(void **state)
{
	struct fake *f = *state;

	plan(f);
	f->sw->rec.freeze = (struct sw_freeze){.since_us = 1, .by = "bob", .reason = "sale"};
	sw_schedule_tick(f->sw, AT);
	fake_await_state(f, SW_IDLE);
	_cleanup_json_ struct json_object *e = in_history(f);
	assert_string_equal(bg_json_str(e, "outcome", ""), "no_go");
	assert_non_null(
		strstr(bg_json_str(e, "error", ""), "freeze: frozen until `bgctl thaw`, by bob: sale"));
	plan(f);
	f->sw->rec.schedule.force = true;
	sw_schedule_tick(f->sw, AT);
	fake_all_well(f, SW_SOAKING);
	assert_int_equal(f->sw->rec.active, BG_GREEN);
}

static void waits_for_one_that_changes_nothing(void **state)
{
	struct fake *f = *state;

	plan(f);
	f->sw->rec.hold = true;
	fake_switch(f, BG_GREEN);
	assert_int_equal(f->sw->state, SW_PREFLIGHT);
	sw_schedule_tick(f->sw, AT);
	assert_true(strcmp(f->sw->run->id, "0123456789abcdef") != 0);
	fake_await_state(f, SW_IDLE);
	f->sw->rec.hold = false;
	assert_true(planned(f));
	sw_schedule_tick(f->sw, AT + SEC);
	assert_string_equal(f->sw->run->id, "0123456789abcdef");
	assert_int_equal(f->sw->state, SW_PREFLIGHT);
}

static void not_where_a_person_is_needed(void **state)
{
	struct fake *f = *state;

	plan(f);
	f->sw->state = SW_NEEDS_PERSON;
	sw_schedule_tick(f->sw, AT - 1);
	assert_true(planned(f));
	sw_schedule_tick(f->sw, AT);
	dropped_for(f, "NEEDS_PERSON");
}

static void an_intent_that_cannot_be_written(void **state)
{
	struct fake *f = *state;

	plan(f);
	f->hold_writes = true;
	f->fail_records = 1;
	sw_schedule_tick(f->sw, AT);
	fake_await_state(f, SW_INTENT);
	/* What a person asks for meanwhile is not lost with the intent. */
	f->sw->rec.freeze = (struct sw_freeze){.since_us = AT, .by = "bob", .reason = "sale"};
	f->hold_writes = false;
	fake_await_state(f, SW_IDLE);
	_cleanup_json_ struct json_object *e = in_history(f);
	assert_string_equal(bg_json_str(e, "outcome", ""), "failed");
	assert_false(planned(f));
	assert_string_equal(stored(f, "schedule", "id"), "-");
	assert_string_equal(stored(f, "freeze", "by"), "bob");
	sw_schedule_tick(f->sw, AT + SEC);
	assert_int_equal(f->sw->state, SW_IDLE);
}

/* Killed after the history was written, before the record was. */
static void one_that_has_ended_is_not_begun_at_the_start(void **state)
{
	struct fake *f = *state;

	plan(f);
	f->sw->last = json_object_new_object();
	bg_json_add_str(f->sw->last, "id", "0123456789abcdef");
	sw_schedule_start(f->sw);
	assert_false(planned(f));
	assert_string_equal(stored(f, "schedule", "id"), "-");
	sw_schedule_stop(f->sw);
}

static void its_own_timer_finds_it(void **state)
{
	struct fake *f = *state;
	int64_t begun;

	plan(f);
	begun = bg_now_us();
	f->sw->rec.schedule.at_us = bg_real_us() + SEC / 5;
	sw_schedule_start(f->sw);
	fake_await_state(f, SW_PREFLIGHT);
	assert_in_range(bg_now_us() - begun, SEC / 5 - 10000, 3 * SEC);
	fake_all_well(f, SW_SOAKING);
}

static void once_carries_out_none(void **state)
{
	struct fake *f = *state;
	bool never = false;

	plan(f);
	f->sw->rec.schedule.at_us = bg_real_us();
	f->dm.once = true;
	sw_schedule_start(f->sw);
	bg_loop_run_until(f->loop, &never, 50000);
	assert_int_equal(f->sw->state, SW_IDLE);
	assert_true(planned(f));
}

/* ---- freezes */

static const char *verdict(struct fake *f, enum sw_kind kind, bool force, int64_t at)
{
	struct sw_pf_facts facts = {
		.sw = f->sw, .kind = kind, .to = BG_GREEN, .at_us = at, .topics = &f->topics};
	_cleanup_json_ struct json_object *rules = NULL;
	struct bg_err why = BG_ERR_INIT;
	static char buf[300];
	bool transient;

	sw_preflight_judge(&facts, force, &rules, &why, &transient);
	for (size_t i = 0; i < json_object_array_length(rules); i++) {
		struct json_object *r = json_object_array_get_idx(rules, i);

		if (strcmp(bg_json_str(r, "rule", ""), "freeze") == 0) {
			snprintf(buf, sizeof(buf), "%s %s", bg_json_str(r, "verdict", ""),
				 bg_json_str(r, "message", ""));
			return buf;
		}
	}
	fail_msg("there is no rule `freeze`");
	return "";
}

static void windows(struct fake *f, const char *text)
{
	struct sw_windows *ws = &f->sw->cfg->freeze;

	ws->v = bg_xrealloc(ws->v, (ws->n + 1) * sizeof(*ws->v));
	assert_int_equal(sw_window_parse(text, &ws->v[ws->n++], NULL), 0);
	if (!ws->zone)
		ws->zone = bg_xstrdup("UTC");
}

static void what_is_planned_is_frozen(void **state)
{
	struct fake *f = *state;

	windows(f, "Wed 01:30-04:00");
	assert_string_equal(verdict(f, SW_KIND_SWITCH, false, AT - 1800 * SEC - 1), "go ");
	assert_string_equal(verdict(f, SW_KIND_SWITCH, false, AT),
			    "no_go frozen until 2026-11-25T04:00:00.000Z, by the window Wed 01:30-04:00 "
			    "(UTC); a rollback is never frozen");
	assert_non_null(strstr(verdict(f, SW_KIND_SWITCH, true, AT), "passed over by force"));
	assert_non_null(strstr(verdict(f, SW_KIND_SWITCH, true, AT), "warn frozen until"));
	assert_string_equal(verdict(f, SW_KIND_ROLLBACK, false, AT), "go ");
	assert_string_equal(verdict(f, SW_KIND_INIT, false, AT), "go ");
	/* Where nobody can work, to switch is the way out. */
	f->sw->rec.phase = SW_NEEDS_PERSON;
	assert_string_equal(verdict(f, SW_KIND_SWITCH, false, AT), "go ");
}

static void by_command_and_by_window(void **state)
{
	struct fake *f = *state;
	struct sw_frozen z;

	windows(f, "Wed 01:30-04:00");
	windows(f, "Wed 06:00-07:00");
	f->sw->rec.freeze = (struct sw_freeze){
		.since_us = AT - 1, .until_us = AT + 4 * 3600 * SEC, .by = "bob", .reason = "sale"};
	assert_true(sw_frozen(f->sw, AT, &z));
	assert_null(z.window); /* whoever did it is named first */
	assert_true(z.until_us == AT + 5 * 3600 * SEC);
	assert_false(sw_frozen(f->sw, z.until_us, &z));
	f->sw->rec.freeze.until_us = AT + 3600 * SEC;
	assert_true(sw_frozen(f->sw, AT + 3600 * SEC, &z));
	assert_string_equal(z.window->text, "Wed 01:30-04:00");
	f->sw->rec.freeze.until_us = 0;
	assert_true(sw_frozen(f->sw, AT, &z));
	assert_true(z.until_us == SW_NO_END);
	assert_non_null(
		strstr(verdict(f, SW_KIND_SWITCH, false, AT), "no_go frozen until `bgctl thaw`, by bob"));
}

static void a_rollback_goes_in_a_freeze(void **state)
{
	struct fake *f = *state;
	struct sw_request back = {.kind = SW_KIND_ROLLBACK, .to = BG_BLUE, .by = "test"};

	fake_switch(f, BG_GREEN);
	fake_all_well(f, SW_SOAKING);
	f->sw->rec.freeze = (struct sw_freeze){.since_us = 1, .by = "bob", .reason = "sale"};
	fake_switch(f, BG_BLUE);
	fake_await_state(f, SW_IDLE);
	assert_string_equal(bg_json_str(f->sw->last, "outcome", ""), "no_go");
	f->sw->rec.rollback_until_us = bg_real_us() + 100 * SEC;
	sw_run_start(f->sw, &back);
	fake_all_well(f, SW_SOAKING);
	assert_int_equal(f->sw->rec.active, BG_BLUE);
}

static void a_damaged_record_is_frozen(void **state)
{
	struct fake *f = *state;
	struct bg_err err = BG_ERR_INIT;
	struct sw_frozen z;

	free(f->record);
	f->record = bg_xstrdup("{\"version\":1,");
	assert_int_equal(sw_switch_load(f->sw, &err), 0);
	assert_true(f->sw->record_gone);
	assert_true(sw_frozen(f->sw, bg_real_us(), &z));
	assert_true(z.until_us == SW_NO_END);
	assert_non_null(strstr(verdict(f, SW_KIND_SWITCH, false, 0), "was damaged"));
}

static void no_record_is_not_frozen(void **state)
{
	struct fake *f = *state;
	struct bg_err err = BG_ERR_INIT;
	struct sw_frozen z;

	free(f->record);
	f->record = NULL;
	assert_int_equal(sw_switch_load(f->sw, &err), 0);
	assert_false(sw_frozen(f->sw, bg_real_us(), &z));
}

/* ---- the record */

static void both_are_in_the_record(void **state)
{
	struct fake *f = *state;
	struct sw_record back;

	f->sw->rec.freeze = (struct sw_freeze){AT, AT + SEC, "bob", "sale"};
	plan(f);
	f->sw->rec.schedule.resubscribe = f->sw->rec.schedule.force = true;
	_cleanup_json_ struct json_object *j = sw_record_to_json(&f->sw->rec, "orders");
	assert_int_equal(sw_record_from_json(j, "orders", &back, NULL), 0);
	assert_memory_equal(&back.freeze, &f->sw->rec.freeze, sizeof(back.freeze));
	assert_memory_equal(&back.schedule, &f->sw->rec.schedule, sizeof(back.schedule));
}

static void members_that_cannot_be_read(void **state)
{
	static const struct {
		const char *of, *text;
	} bad[] = {
		{"freeze", "7"},
		{"freeze", "[]"},
		{"freeze", "{}"},
		{"freeze", "{\"since\":\"yesterday\"}"},
		{"freeze", "{\"since\":\"2026-11-25T02:00:00Z\",\"until\":\"soon\"}"},
		{"freeze", "{\"since\":\"2026-11-25T02:00:00Z\",\"until\":7}"},
		{"schedule", "\"tomorrow\""},
		{"schedule", "{}"},
		{"schedule",
		 "{\"id\":\"\",\"at\":\"2026-11-25T02:00:00Z\",\"to\":\"green\",\"expect_epoch\":5}"},
		{"schedule", "{\"id\":\"x\",\"at\":\"2 o'clock\",\"to\":\"green\",\"expect_epoch\":5}"},
		{"schedule",
		 "{\"id\":\"x\",\"at\":\"2026-11-25T02:00:00Z\",\"to\":\"red\",\"expect_epoch\":5}"},
		{"schedule", "{\"id\":\"x\",\"at\":\"2026-11-25T02:00:00Z\",\"to\":\"green\"}"},
		{"schedule",
		 "{\"id\":\"x\",\"at\":\"2026-11-25T02:00:00Z\",\"to\":\"green\",\"expect_epoch\":-1}"},
		{"schedule",
		 "{\"id\":\"0123456789012345678901234567890123456789\",\"at\":\"2026-11-25T02:00:00Z\","
		 "\"to\":\"green\",\"expect_epoch\":5}"},
	};
	struct fake *f = *state;

	for (size_t i = 0; i < BG_ARRAY_SIZE(bad); i++) {
		_cleanup_json_ struct json_object *j = sw_record_to_json(&f->sw->rec, "orders");
		struct json_object *v = NULL;
		struct bg_err err = BG_ERR_INIT;
		struct sw_record r = {.epoch = 77};

		assert_int_equal(bg_json_parse(bad[i].text, strlen(bad[i].text), &v, &err), 0);
		bg_json_add(j, bad[i].of, v);
		if (sw_record_from_json(j, "orders", &r, &err) == 0)
			fail_msg("%s was taken: %s", bad[i].of, bad[i].text);
		assert_non_null(strstr(err.msg, bad[i].of));
		assert_int_equal(r.epoch, 77);
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(begins_at_its_time_and_once),
		TEST(a_run_that_was_scheduled_says_so_after_a_restart),
		TEST(not_after_another_switch),
		TEST(not_when_it_is_late),
		TEST(a_no_go_is_not_tried_again),
		TEST(frozen_at_its_time),
		TEST(waits_for_one_that_changes_nothing),
		TEST(not_where_a_person_is_needed),
		TEST(an_intent_that_cannot_be_written),
		TEST(one_that_has_ended_is_not_begun_at_the_start),
		TEST(its_own_timer_finds_it),
		TEST(once_carries_out_none),
		TEST(what_is_planned_is_frozen),
		TEST(by_command_and_by_window),
		TEST(a_rollback_goes_in_a_freeze),
		TEST(a_damaged_record_is_frozen),
		TEST(no_record_is_not_frozen),
		TEST(both_are_in_the_record),
		TEST(members_that_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
