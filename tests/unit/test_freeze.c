/* SPDX-License-Identifier: Apache-2.0 */
/* Freeze windows: how they are read, and when they are in force, by the clocks of several places. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/mem.h"
#include "common/units.h"
#include "switchd/freeze.h"

static struct sw_windows ws;

static void zone(const char *name)
{
	struct bg_err err = BG_ERR_INIT;

	sw_windows_clear(&ws);
	if (sw_zone_check(name, &err) < 0)
		fail_msg("%s", err.msg);
	ws.zone = bg_xstrdup(name);
}

static void window(const char *text)
{
	struct bg_err err = BG_ERR_INIT;

	ws.v = bg_xrealloc(ws.v, (ws.n + 1) * sizeof(*ws.v));
	if (sw_window_parse(text, &ws.v[ws.n], &err) < 0)
		fail_msg("%s", err.msg);
	ws.n++;
}

static int64_t utc(const char *t)
{
	_cleanup_free_ char *whole = bg_xasprintf("%sZ", t);
	int64_t us;

	assert_int_equal(bg_parse_time_us(whole, &us), 0);
	return us;
}

static void free_at(const char *t)
{
	int64_t until;
	const struct sw_window *w = sw_windows_at(&ws, utc(t), &until);

	if (w)
		fail_msg("%s: frozen by %s", t, w->text);
}

static void frozen_at(const char *t, const char *until_expected, const char *by)
{
	int64_t until = 0;
	const struct sw_window *w = sw_windows_at(&ws, utc(t), &until);
	char have[32];

	if (!w)
		fail_msg("%s: not frozen", t);
	if (until != utc(until_expected))
		fail_msg("%s: until %s, not %s", t, bg_format_time(have, sizeof(have), until),
			 until_expected);
	if (by)
		assert_string_equal(w->text, by);
}

static int clear(void **state)
{
	(void)state;
	sw_windows_clear(&ws);
	return 0;
}

static void office_hours(void **state)
{
	(void)state;
	zone("UTC");
	window("Mon-Fri 09:00-17:00");
	free_at("2026-11-25T08:59:59.999"); /* a Wednesday */
	frozen_at("2026-11-25T09:00:00", "2026-11-25T17:00:00", "Mon-Fri 09:00-17:00");
	frozen_at("2026-11-25T16:59:59.999", "2026-11-25T17:00:00", NULL);
	free_at("2026-11-25T17:00:00");
	frozen_at("2026-11-27T12:00:00", "2026-11-27T17:00:00", NULL);
	free_at("2026-11-28T12:00:00");
	free_at("2026-11-29T12:00:00");
	frozen_at("2026-11-30T12:00:00", "2026-11-30T17:00:00", NULL);
}

static void over_midnight(void **state)
{
	(void)state;
	zone("UTC");
	window("Fri 22:00-06:00"); /* 2026-11-27 is one */
	free_at("2026-11-27T03:00:00");
	free_at("2026-11-27T21:59:59");
	frozen_at("2026-11-27T22:00:00", "2026-11-28T06:00:00", NULL);
	frozen_at("2026-11-28T05:59:59", "2026-11-28T06:00:00", NULL);
	free_at("2026-11-28T06:00:00");
	free_at("2026-11-28T23:00:00");
	sw_windows_clear(&ws);
	zone("UTC");
	window("Sat 23:00-01:00"); /* over the end of the week */
	frozen_at("2026-11-29T00:30:00", "2026-11-29T01:00:00", NULL);
	sw_windows_clear(&ws);
	zone("UTC");
	window("Sun 18:00-00:00"); /* ends with the day */
	frozen_at("2026-11-29T23:59:59", "2026-11-30T00:00:00", NULL);
	free_at("2026-11-30T00:00:00");
	window("daily 22:00-06:00");
	frozen_at("2026-12-31T23:00:00", "2027-01-01T06:00:00", "daily 22:00-06:00");
}

static void days_of_all_kinds(void **state)
{
	(void)state;
	zone("UTC");
	window("  fri-MON \t 10:00 - 11:00 ");
	frozen_at("2026-11-27T10:30:00", "2026-11-27T11:00:00", NULL);
	frozen_at("2026-11-28T10:30:00", "2026-11-28T11:00:00", NULL);
	frozen_at("2026-11-29T10:30:00", "2026-11-29T11:00:00", NULL);
	frozen_at("2026-11-30T10:30:00", "2026-11-30T11:00:00", NULL);
	free_at("2026-12-01T10:30:00");
	window("Tue,Thu-Fri 10:00-11:00");
	frozen_at("2026-12-01T10:30:00", "2026-12-01T11:00:00", NULL);
	free_at("2026-12-02T10:30:00");
	frozen_at("2026-12-03T10:30:00", "2026-12-03T11:00:00", NULL);
}

/* What follows without a gap is one freeze, with one end. */
static void windows_in_a_row(void **state)
{
	int64_t until;

	(void)state;
	zone("UTC");
	window("Sat,Sun 00:00-24:00");
	frozen_at("2026-11-28T00:00:00", "2026-11-30T00:00:00", NULL);
	window("Mon 00:00-08:00");
	frozen_at("2026-11-28T00:00:00", "2026-11-30T08:00:00", "Sat,Sun 00:00-24:00");
	window("2026-11-30 07:00 - 2026-12-03 12:00");
	frozen_at("2026-11-28T00:00:00", "2026-12-03T12:00:00", NULL);
	window("Mon-Fri 00:00-24:00");
	assert_non_null(sw_windows_at(&ws, utc("2026-11-28T00:00:00"), &until));
	assert_true(until == SW_NO_END);
}

static void dated(void **state)
{
	(void)state;
	zone("UTC");
	window("2026-12-20 00:00 - 2027-01-02 08:00");
	free_at("2026-12-19T23:59:59");
	frozen_at("2026-12-20T00:00:00", "2027-01-02T08:00:00", "2026-12-20 00:00 - 2027-01-02 08:00");
	frozen_at("2027-01-02T07:59:59", "2027-01-02T08:00:00", NULL);
	free_at("2027-01-02T08:00:00");
	window("2028-02-28 12:00-2028-02-29 24:00"); /* a leap day */
	frozen_at("2028-02-29T23:59:59", "2028-03-01T00:00:00", NULL);
	free_at("2028-03-01T00:00:00");
	window("Tue 23:00-02:00"); /* 2028-02-29 is one */
	frozen_at("2028-03-01T01:00:00", "2028-03-01T02:00:00", NULL);
}

/* Berlin: 2026-03-29 02:00 CET is 03:00 CEST (01:00 UTC), 2026-10-25 03:00 CEST is 02:00 CET (01:00 UTC). */
static void berlin(void **state)
{
	(void)state;
	zone("Europe/Berlin");
	window("Mon-Fri 09:00-17:00");
	frozen_at("2026-11-25T08:00:00", "2026-11-25T16:00:00", NULL);
	free_at("2026-11-25T16:00:00");
	free_at("2026-07-15T06:59:59");
	frozen_at("2026-07-15T07:00:00", "2026-07-15T15:00:00", NULL);
	window("Sat 22:00-06:00"); /* a night that is an hour shorter, and one that is longer */
	frozen_at("2026-03-28T21:00:00", "2026-03-29T04:00:00", NULL);
	free_at("2026-03-29T04:00:00");
	frozen_at("2026-10-24T20:00:00", "2026-10-25T05:00:00", NULL);
	free_at("2026-10-25T05:00:00");
	sw_windows_clear(&ws);
	zone("Europe/Berlin");
	window("2026-03-01 00:00 - 2026-10-30 12:00"); /* over both */
	frozen_at("2026-03-02T00:00:00", "2026-10-30T11:00:00", NULL);
}

/* 02:30 is skipped in spring, so what ends then ends with the jump; in autumn it is there twice. */
static void an_hour_that_is_not_there(void **state)
{
	(void)state;
	zone("Europe/Berlin");
	window("Sun 01:00-02:30");
	frozen_at("2026-03-29T00:30:00", "2026-03-29T01:00:00", NULL);
	free_at("2026-03-29T01:00:00");
	sw_windows_clear(&ws);
	zone("Europe/Berlin");
	window("Sun 02:30-04:00");
	free_at("2026-03-29T00:59:59");
	frozen_at("2026-03-29T01:00:00", "2026-03-29T02:00:00", NULL); /* it is 03:00 */
	sw_windows_clear(&ws);
	zone("Europe/Berlin");
	window("Sun 02:00-02:30");
	frozen_at("2026-10-25T00:10:00", "2026-10-25T00:30:00", NULL);
	free_at("2026-10-25T00:45:00");
	frozen_at("2026-10-25T01:10:00", "2026-10-25T01:30:00", NULL);
	free_at("2026-10-25T01:30:00");
}

/* New York: 2026-03-08 02:00 EST is 03:00 EDT (07:00 UTC), 2026-11-01 02:00 EDT is 01:00 EST (06:00 UTC). */
static void new_york(void **state)
{
	(void)state;
	zone("America/New_York");
	window("daily 20:00-08:00");
	frozen_at("2026-03-08T01:00:00", "2026-03-08T12:00:00", NULL);
	frozen_at("2026-11-01T00:00:00", "2026-11-01T13:00:00", NULL);
	free_at("2026-11-01T13:00:00");
	sw_windows_clear(&ws);
	zone("America/New_York");
	window("Sun 01:30-02:00");
	frozen_at("2026-11-01T05:45:00", "2026-11-01T07:00:00",
		  NULL); /* 02:00 is shown once only, an hour later */
}

/* Half an hour of daylight saving, and a date line that was moved: 2011-12-30 was no day in Apia. */
static void odd_places(void **state)
{
	(void)state;
	zone("Australia/Lord_Howe");
	window("daily 00:00-06:00");
	frozen_at("2026-10-03T14:00:00", "2026-10-03T19:00:00", NULL);
	zone("Pacific/Apia");
	window("2011-12-29 00:00 - 2011-12-30 12:00");
	frozen_at("2011-12-29T12:00:00", "2011-12-30T10:00:00", NULL);
}

static void two_zones_at_once(void **state)
{
	struct sw_windows a = {0};
	int64_t until;

	(void)state;
	zone("America/New_York");
	window("daily 09:00-17:00");
	a = ws;
	ws = (struct sw_windows){0};
	zone("Europe/Berlin");
	window("daily 09:00-17:00");
	for (int i = 0; i < 3; i++) {
		assert_non_null(sw_windows_at(&a, utc("2026-11-25T20:00:00"), &until));
		assert_true(until == utc("2026-11-25T22:00:00"));
		assert_null(sw_windows_at(&ws, utc("2026-11-25T20:00:00"), &until));
		frozen_at("2026-11-25T15:00:00", "2026-11-25T16:00:00", NULL);
	}
	sw_windows_clear(&a);
}

static void none(void **state)
{
	int64_t until = 7;

	(void)state;
	assert_null(sw_windows_at(&ws, utc("2026-11-25T15:00:00"), &until));
	assert_true(until == 7);
}

static void bad_windows(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{"", "at \"\" expected a day"},
		{"09:00-17:00", "expected a date"},
		{"Mon", "expected a blank, and HH:MM-HH:MM"},
		{"Mon-", "expected a day"},
		{"Mon, 09:00-17:00", "at \" 09:00-17:00\" expected a day"},
		{"Monday 09:00-17:00", "at \"Monday 09:00-17:00\" expected a day"},
		{"Mo-Fr 09:00-17:00", "expected a day"},
		{"dailyy 09:00-17:00", "expected a day"},
		{"Mon-Fri", "expected a blank"},
		{"Mon-Fri 9:00-17:00", "at \"9:00-17:00\" expected a time"},
		{"Mon-Fri 09-17", "expected a time"},
		{"Mon-Fri 09:60-17:00", "expected a time"},
		{"Mon-Fri 24:00-17:00", "at \"24:00-17:00\" expected a time"},
		{"Mon-Fri 09:00-24:01", "at \"24:01\" expected a time"},
		{"Mon-Fri 09:00-25:00", "expected a time"},
		{"Mon-Fri 09:00", "expected - and the end"},
		{"Mon-Fri 09:00 17:00", "expected - and the end"},
		{"Mon-Fri 09:00-", "expected a time"},
		{"Mon-Fri 09:00-09:00", "at \"09:00\" expected another end"},
		{"Mon-Fri 09:00-17:00 UTC", "at \"UTC\" expected nothing more"},
		{"Mon-Fri 09:00-17:00,18:00-19:00", "expected nothing more"},
		{"Mon-Fri -9:00-17:00", "expected a time"},
		{"Mon-Fri +9:00-17:00", "expected a time"},
		{"2026-12-20", "expected a blank, and HH:MM"},
		{"2026-12-20 00:00", "expected - and the end, YYYY"},
		{"2026-12-20 00:00 - ", "expected a date"},
		{"2026-12-20 00:00 - 08:00", "expected a date"},
		{"2026-12-20 00:00 - 2026-12-20 00:00", "expected an end after"},
		{"2026-12-20 08:00 - 2026-12-20 07:59", "at \"2026-12-20 07:59\" expected an end after"},
		{"2026-02-29 00:00 - 2026-03-02 00:00", "at \"2026-02-29 00:00"},
		{"2026-02-28 00:00 - 2026-02-30 00:00", "expected a date that there is"},
		{"2026-13-01 00:00 - 2026-14-02 00:00", "expected a date"},
		{"2026-00-01 00:00 - 2026-14-02 00:00", "expected a date"},
		{"1969-12-31 00:00 - 2026-01-02 00:00", "expected a date"},
		{"9999-12-31 00:00 - 9999-12-31 10:00", "expected a date"},
		{"26-12-20 00:00 - 2026-12-21 00:00", "expected a date"},
		{"2026-12-20T00:00 - 2026-12-21T00:00", "expected a blank"},
		{"2026-12-20 00:00:00 - 2026-12-21 00:00:00", "expected - and the end"},
		{"\xc3\xa4 09:00-17:00", "expected a day"},
		{"Mon-Fri                                                                       09:00-17:00",
		 "too long"},
	};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(bad); i++) {
		struct sw_window w = {.from_min = -7};
		struct bg_err err = BG_ERR_INIT;

		if (sw_window_parse(bad[i].text, &w, &err) == 0)
			fail_msg("\"%s\" was taken", bad[i].text);
		if (!strstr(err.msg, bad[i].says))
			fail_msg("\"%s\": not \"%s\", but: %s", bad[i].text, bad[i].says, err.msg);
		assert_non_null(strstr(err.msg, "Mon-Fri 09:00-17:00"));
		assert_int_equal(w.from_min, -7); /* untouched */
	}
}

static void zones(void **state)
{
	static const char *const bad[] = {"",       "Europe/Berln", "../../etc/passwd", "/etc/localtime",
					  "Europe", "CET-1CEST",    "tzdata.zi",        " UTC",
					  "utc ",   "Europe/../UTC"};
	struct bg_err err = BG_ERR_INIT;

	(void)state;
	assert_int_equal(sw_zone_check(NULL, &err), 0);
	assert_int_equal(sw_zone_check("local", &err), 0);
	assert_int_equal(sw_zone_check("UTC", &err), 0);
	assert_int_equal(sw_zone_check("America/Argentina/Ushuaia", &err), 0);
	for (size_t i = 0; i < BG_ARRAY_SIZE(bad); i++) {
		err = (struct bg_err)BG_ERR_INIT;
		if (sw_zone_check(bad[i], &err) == 0)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_non_null(strstr(err.msg, "Europe/Berlin"));
	}
}

/* The machine's own is what it was, whatever other zones were looked at. */
static void local_time(void **state)
{
	int64_t until;

	(void)state;
	window("daily 09:00-17:00"); /* main has made it Tokyo's, UTC+9 */
	assert_non_null(sw_windows_at(&ws, utc("2026-11-25T00:00:00"), &until));
	assert_true(until == utc("2026-11-25T08:00:00"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(office_hours, clear),
		cmocka_unit_test_teardown(over_midnight, clear),
		cmocka_unit_test_teardown(days_of_all_kinds, clear),
		cmocka_unit_test_teardown(windows_in_a_row, clear),
		cmocka_unit_test_teardown(dated, clear),
		cmocka_unit_test_teardown(berlin, clear),
		cmocka_unit_test_teardown(an_hour_that_is_not_there, clear),
		cmocka_unit_test_teardown(new_york, clear),
		cmocka_unit_test_teardown(odd_places, clear),
		cmocka_unit_test_teardown(two_zones_at_once, clear),
		cmocka_unit_test(none),
		cmocka_unit_test(bad_windows),
		cmocka_unit_test(zones),
		cmocka_unit_test_teardown(local_time, clear),
	};

	setenv("TZ", "Asia/Tokyo", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
