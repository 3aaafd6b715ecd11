/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "unit.h"

#include <errno.h>

#include "common/mem.h"
#include "common/units.h"

#define KEPT INT64_C(-777) /* outputs stay as they were on failure */

struct row {
	const char *text;
	int rc;
	int64_t value;
};

static void run(int (*fn)(const char *, int64_t *, struct bg_err *), const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct bg_err e = BG_ERR_INIT;
		int64_t v = KEPT;
		int rc = fn(rows[i].text, &v, &e);

		if (rc != rows[i].rc || v != (rc ? KEPT : rows[i].value))
			fail_msg("\"%s\": rc %d, value %lld", rows[i].text, rc, (long long)v);
		assert_int_equal(rc != 0, e.msg[0] != '\0');
		assert_int_equal(fn(rows[i].text, &v, NULL), rc);
	}
}

static void test_int(void **state)
{
	static const struct row rows[] = {
		{"0", 0, 0},
		{"42", 0, 42},
		{"-5", 0, -5},
		{"007", 0, 7},
		{"9223372036854775807", 0, INT64_MAX},
		{"-9223372036854775808", 0, INT64_MIN},
		{"9223372036854775808", -ERANGE, 0},
		{"-9223372036854775809", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"-", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"1.5", -EINVAL, 0},
		{"1e3", -EINVAL, 0},
		{"--1", -EINVAL, 0},
		{"ten", -EINVAL, 0},
	};

	(void)state;
	run(bg_parse_int, rows, BG_ARRAY_SIZE(rows));
}

static void test_duration(void **state)
{
	static const struct row rows[] = {
		{"500 ms", 0, 500000},
		{"500ms", 0, 500000},
		{"10s", 0, 10000000},
		{"10 s", 0, 10000000},
		{"10\ts", 0, 10000000},
		{"2 min", 0, 120000000},
		{"1 h", 0, INT64_C(3600000000)},
		{"7 d", 0, INT64_C(604800000000)},
		{"250 us", 0, 250},
		{"0", 0, 0},
		{"0 s", 0, 0},
		{"1.5 s", 0, 1500000},
		{"0.25 ms", 0, 250},
		{"0.000001 s", 0, 1},
		{"10", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"-1 s", -EINVAL, 0},
		{"1 m", -EINVAL, 0},
		{"1 S", -EINVAL, 0},
		{"1 s ", -EINVAL, 0},
		{" 1 s", -EINVAL, 0},
		{"1 s 2 ms", -EINVAL, 0},
		{"1. s", -EINVAL, 0},
		{".5 s", -EINVAL, 0},
		{"0.5 us", -EINVAL, 0},
		{"1.0000000001 s", -EINVAL, 0},
		{"1,5 s", -EINVAL, 0},
		{"inf", -EINVAL, 0},
		{"1e3 s", -EINVAL, 0},
		{"0.5", -EINVAL, 0},
		{"9223372036854775807 us", 0, INT64_MAX},
		{"9223372036854775808 us", -ERANGE, 0},
		{"106751992 d", -ERANGE, 0},
		{"99999999999999999999 s", -ERANGE, 0},
	};

	(void)state;
	run(bg_parse_duration_us, rows, BG_ARRAY_SIZE(rows));
}

static void test_size(void **state)
{
	static const struct row rows[] = {
		{"0", 0, 0},
		{"1024", 0, 1024},
		{"512 B", 0, 512},
		{"64 KiB", 0, 65536},
		{"64KiB", 0, 65536},
		{"1 MiB", 0, 1048576},
		{"1 GiB", 0, 1073741824},
		{"2 TiB", 0, INT64_C(2199023255552)},
		{"1 kB", 0, 1000},
		{"1 MB", 0, 1000000},
		{"1 GB", 0, 1000000000},
		{"1 TB", 0, INT64_C(1000000000000)},
		{"1.5 KiB", 0, 1536},
		{"1.5", -EINVAL, 0},
		{"1 K", -EINVAL, 0},
		{"1 KB", -EINVAL, 0},
		{"1 kib", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"MiB", -EINVAL, 0},
		{"8388608 TiB", -ERANGE, 0},
		{"8388607 TiB", 0, INT64_C(8388607) << 40},
	};

	(void)state;
	run(bg_parse_size, rows, BG_ARRAY_SIZE(rows));
}

static void test_bool(void **state)
{
	static const char *const yes[] = {"yes", "true", "on", "1", "YES", "True"};
	static const char *const no[] = {"no", "false", "off", "0", "No"};
	static const char *const bad[] = {"", "y", "2", "yes ", "enable", "nope"};
	bool b;

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(yes); i++) {
		b = false;
		assert_int_equal(bg_parse_bool(yes[i], &b, NULL), 0);
		assert_true(b);
	}
	for (size_t i = 0; i < BG_ARRAY_SIZE(no); i++) {
		b = true;
		assert_int_equal(bg_parse_bool(no[i], &b, NULL), 0);
		assert_false(b);
	}
	for (size_t i = 0; i < BG_ARRAY_SIZE(bad); i++)
		assert_int_equal(bg_parse_bool(bad[i], &b, NULL), -EINVAL);
}

static void test_double(void **state)
{
	static const char *const bad[] = {"",    " 1",   "1 ", "inf", "nan", "0x1p3",
					  "1,5", "1..5", "e",  "+1",  "-",   "1e"};
	double d = 7;

	(void)state;
	assert_int_equal(bg_parse_double("0.1", &d, NULL), 0);
	assert_true(d == 0.1);
	assert_int_equal(bg_parse_double("-2.5e3", &d, NULL), 0);
	assert_true(d == -2500);
	for (size_t i = 0; i < BG_ARRAY_SIZE(bad); i++) {
		d = 7;
		assert_int_equal(bg_parse_double(bad[i], &d, NULL), -EINVAL);
		assert_true(d == 7);
	}
	assert_int_equal(bg_parse_double("1e999", &d, NULL), -ERANGE);
}

static void test_format_duration(void **state)
{
	static const struct {
		int64_t us;
		const char *text;
	} rows[] = {
		{0, "0 s"},
		{1, "1 us"},
		{1500, "1500 us"},
		{1500000, "1500 ms"},
		{1000000, "1 s"},
		{90000000, "90 s"},
		{120000000, "2 min"},
		{INT64_C(3600000000), "1 h"},
		{INT64_C(86400000000), "1 d"},
		{-1500000, "-1500 ms"},
		{INT64_MAX, "9223372036854775807 us"},
	};
	char buf[32];

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++) {
		int64_t back = KEPT;

		assert_string_equal(bg_format_duration(buf, sizeof(buf), rows[i].us), rows[i].text);
		if (rows[i].us >= 0) {
			assert_int_equal(bg_parse_duration_us(buf, &back, NULL), 0);
			assert_true(back == rows[i].us);
		}
	}
}

static void test_time(void **state)
{
	static const char *const bad[] = {"",
					  "2026-11-21",
					  "2026-11-21T20:00:00",
					  "2026-11-21T20:00:00.Z",
					  "2026-13-01T00:00:00Z",
					  "2026-02-30T00:00:00Z",
					  "2026-11-21 20:00:00Z",
					  "2026-11-21T20:00:00+01:00",
					  "2026-11-21T20:00:00Z ",
					  "26-11-21T20:00:00Z",
					  "2026-11-21T25:00:00Z",
					  "2026-11-21T20:61:00Z",
					  "2026-00-21T20:00:00Z"};
	int64_t v;
	char buf[32], tiny[5];

	(void)state;
	assert_string_equal(bg_format_time(buf, sizeof(buf), 0), "1970-01-01T00:00:00.000Z");
	assert_string_equal(bg_format_time(buf, sizeof(buf), INT64_C(1795291200123456)),
			    "2026-11-21T20:00:00.123Z");
	assert_string_equal(bg_format_time(buf, sizeof(buf), -1000), "1969-12-31T23:59:59.999Z");
	assert_int_equal(bg_parse_time_us("2026-11-21T20:00:00.123Z", &v), 0);
	assert_true(v == INT64_C(1795291200123000));
	assert_int_equal(bg_parse_time_us("2026-11-21T20:00:00Z", &v), 0);
	assert_true(v == INT64_C(1795291200000000));
	assert_int_equal(bg_parse_time_us("2024-02-29T23:59:59.1234567Z", &v), 0);
	assert_true(v % 1000000 == 123456);
	for (size_t i = 0; i < BG_ARRAY_SIZE(bad); i++) {
		v = KEPT;
		if (bg_parse_time_us(bad[i], &v) >= 0 || v != KEPT)
			fail_msg("\"%s\" was taken", bad[i]);
	}
	bg_format_time(tiny, sizeof(tiny), 0);
	assert_true(strlen(tiny) < sizeof(tiny));
}

static void test_time_with_offset(void **state)
{
	static const char *const bad[] = {"2026-11-21T20:00:00",
					  "2026-11-21T20:00:00+1:00",
					  "2026-11-21T20:00:00+0100",
					  "2026-11-21T20:00:00+24:00",
					  "2026-11-21T20:00:00+01:60",
					  "2026-11-21T20:00:00 +01:00",
					  "2026-11-21T20:00:00Z+01:00",
					  "+01:00",
					  "2026-11-21",
					  "2026-11-21T20:00:00+01:00Z",
					  "2026-11-31T20:00:00-01:00",
					  ""};
	int64_t v;

	(void)state;
	assert_int_equal(bg_parse_rfc3339_us("2026-11-21T21:00:00+01:00", &v), 0);
	assert_true(v == INT64_C(1795291200000000));
	assert_int_equal(bg_parse_rfc3339_us("2026-11-21T14:30:00.5-05:30", &v), 0);
	assert_true(v == INT64_C(1795291200500000));
	assert_int_equal(bg_parse_rfc3339_us("2026-11-21T20:00:00Z", &v), 0);
	assert_true(v == INT64_C(1795291200000000));
	for (size_t i = 0; i < BG_ARRAY_SIZE(bad); i++) {
		v = KEPT;
		if (bg_parse_rfc3339_us(bad[i], &v) >= 0 || v != KEPT)
			fail_msg("\"%s\" was taken", bad[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_int),    cmocka_unit_test(test_duration),
		cmocka_unit_test(test_size),   cmocka_unit_test(test_bool),
		cmocka_unit_test(test_double), cmocka_unit_test(test_format_duration),
		cmocka_unit_test(test_time),   cmocka_unit_test(test_time_with_offset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
