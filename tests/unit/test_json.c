/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "unit.h"

#include <errno.h>

#include "common/json.h"
#include "common/mem.h"

/* From a copy of exactly that size: the text need not be terminated. */
static int parse(const char *text, size_t len, struct json_object **ret, struct bg_err *e)
{
	_cleanup_free_ char *copy = malloc(len ? len : 1);

	memcpy(copy, text, len);
	return bg_json_parse(copy, len, ret, e);
}

static void test_good(void **state)
{
	static const struct {
		const char *text, *back;
	} rows[] = {
		{"", "{}"},
		{" \t\r\n", "{}"},
		{"{}", "{}"},
		{" {\"a\" : [1, -2.5e3 ,true,false,null]} \n", "{\"a\":[1,-2.5e3,true,false,null]}"},
		{"5", "5"},
		{"-0.5", "-0.5"},
		{"\"x\"", "\"x\""},
		{"true", "true"},
		{"null", "null"},
		{"[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]", "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]"},
		{"{\"a\":\"\\\"\\\\ \\u00e4 N'I.{[\"}", "{\"a\":\"\\\"\\\\ \xc3\xa4 N'I.{[\"}"},
		{"{\"a\":1,\"a\":2}", "{\"a\":2}"},
		{"9223372036854775807", "9223372036854775807"},
	};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++) {
		_cleanup_json_ struct json_object *o = NULL;
		struct bg_err e = BG_ERR_INIT;

		if (parse(rows[i].text, strlen(rows[i].text), &o, &e) < 0)
			fail_msg("%s: %s", rows[i].text, e.msg);
		assert_string_equal(o ? bg_json_text(o) : "null", rows[i].back);
	}
}

static void test_broken(void **state)
{
	static const char *const rows[] = {
		"{",
		"}",
		"[",
		"]",
		"{\"a\"",
		"{\"a\":",
		"{\"a\":1",
		"{\"a\":1,}",
		"{\"a\":1 \"b\":2}",
		"{,}",
		"[1,]",
		"[,1]",
		"[1 2]",
		"{\"a\" 1}",
		"{a:1}",
		"{'a':1}",
		"{\"a\":'x'}",
		"{\"a\":NaN}",
		"{\"a\":Infinity}",
		"{\"a\":-Infinity}",
		"NaN",
		"{\"a\":01}",
		"{\"a\":1.}",
		"{\"a\":.5}",
		"{\"a\":+1}",
		"{\"a\":1e}",
		"{\"a\":-}",
		"{\"a\":tru}",
		"{\"a\":True}",
		"{\"a\":nul}",
		"\"",
		"\"abc",
		"\"\\",
		"\"\\x\"",
		"\"\\u12\"",
		"\"a\nb\"",
		"\"\x01\"",
		"\"\xff\"",
		"\"\xc3\"",
		"\"\\u0000\"",
		"{} x",
		"{}{}",
		"{}]",
		"5 5",
		"/* c */ {}",
		"// c\n{}",
		"{} // c",
		"\xef\xbb\xbf{}",
		"<html>",
		"a=1",
		"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]",
		"[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]",
		"{\"a\":\"\xed\xa0\x80\"}",
	};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++) {
		struct json_object *o = (void *)&rows;
		struct bg_err e = BG_ERR_INIT;

		if (parse(rows[i], strlen(rows[i]), &o, &e) != -EINVAL)
			fail_msg("%s was taken", rows[i]);
		assert_ptr_equal(o, &rows); /* untouched */
		assert_string_equal(e.code, "bad_json");
		assert_true(strstr(e.msg, "byte") || strstr(e.msg, "deeper"));
	}
	assert_int_equal(parse("{}\0{}", 5, &(struct json_object *){0}, NULL), -EINVAL);
	assert_int_equal(parse("\0", 1, &(struct json_object *){0}, NULL), -EINVAL);
}

static void test_position(void **state)
{
	struct json_object *o = NULL;
	struct bg_err e = BG_ERR_INIT;

	(void)state;
	parse("{\"a\":1,}", 8, &o, &e);
	assert_non_null(strstr(e.msg, "byte 7"));
	parse("{\"a\":", 5, &o, &e);
	assert_non_null(strstr(e.msg, "byte 5: the text ends too early"));
}

/* Every start of a good text is either refused or, being whole, taken; none crashes. */
static void test_truncated(void **state)
{
	static const char text[] =
		"{\"orders\":[[0,4711,7],[1,99,7]],\"x\":{\"y\":\"\\u00e4\xc3\xa4\"},\"z\":-1.5e-3}";

	(void)state;
	for (size_t len = 1; len < sizeof(text) - 1; len++) {
		struct json_object *o = NULL;

		assert_int_equal(parse(text, len, &o, NULL), -EINVAL);
		assert_null(o);
	}
}

static void test_deep_and_huge(void **state)
{
	size_t n = 8 << 20;
	_cleanup_free_ char *text = malloc(n + 3);
	_cleanup_json_ struct json_object *o = NULL;
	struct bg_err e = BG_ERR_INIT;

	(void)state;
	memset(text, '[', n);
	assert_int_equal(bg_json_parse(text, n, &o, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "deeper than 16"));
	memset(text, '{', n);
	assert_int_equal(bg_json_parse(text, n, &o, &e), -EINVAL);
	memset(text, 'a', n);
	text[0] = text[n - 1] = '"';
	assert_int_equal(bg_json_parse(text, n, &o, &e), 0);
	assert_int_equal(json_object_get_string_len(o), n - 2);
	memset(text, '9', n);
	bg_json_put(&o);
	o = NULL;
	if (bg_json_parse(text, n, &o, &e) == 0)
		assert_true(json_object_get_uint64(o) == UINT64_MAX);
}

static const struct bg_field fields[] = {
	{"switch", BG_J_STRING, true, 1, 63, NULL},  {"epoch", BG_J_INT, false, 1, 1000, NULL},
	{"any", BG_J_INT, false, 0, 0, NULL},        {"dry_run", BG_J_BOOL, false, 0, 0, NULL},
	{"offsets", BG_J_OBJECT, false, 0, 0, NULL}, {"list", BG_J_ARRAY, false, 0, 0, NULL},
	{"rate", BG_J_NUMBER, false, 0, 0, NULL},    {"answer", BG_J_STRING, false, 0, 0, "committed|eager"},
	{"reason", BG_J_STRING, false, 0, 0, NULL},  {NULL},
};

static int check(const char *text, struct bg_err *e)
{
	_cleanup_json_ struct json_object *o = NULL;

	*e = (struct bg_err)BG_ERR_INIT;
	assert_int_equal(bg_json_parse(text, strlen(text), &o, e), 0);
	return bg_json_check(o, fields, e);
}

static void test_check_good(void **state)
{
	static const char *const rows[] = {
		"{\"switch\":\"orders\"}",
		"{\"switch\":\"o\",\"epoch\":1,\"any\":-9223372036854775807,\"dry_run\":false,\"offsets\":{},\"list\":[],\"rate\":1}",
		"{\"switch\":\"o\",\"epoch\":1000,\"rate\":0.5,\"answer\":\"eager\",\"unknown\":{\"x\":1}}",
		"{\"switch\":\"o\",\"epoch\":null}",
	};
	struct bg_err e;

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++)
		if (check(rows[i], &e) < 0)
			fail_msg("%s: %s", rows[i], e.msg);
}

static void test_check_bad(void **state)
{
	static const struct {
		const char *text, *code, *msg;
	} rows[] = {
		{"[]", "bad_body", "object"},
		{"5", "bad_body", "object"},
		{"null", "bad_body", "object"},
		{"{}", "missing_member", "\"switch\" is missing; it must be a string"},
		{"{\"switch\":null}", "missing_member", "\"switch\""},
		{"{\"switch\":5}", "bad_type", "\"switch\" must be a string"},
		{"{\"switch\":[\"o\"]}", "bad_type", "\"switch\""},
		{"{\"switch\":\"\"}", "bad_value", "\"switch\" is 0 bytes long; it must be 1 to 63"},
		{"{\"switch\":\"o\",\"epoch\":\"7\"}", "bad_type", "\"epoch\" must be a whole number"},
		{"{\"switch\":\"o\",\"epoch\":7.0}", "bad_type", "\"epoch\""},
		{"{\"switch\":\"o\",\"epoch\":0}", "bad_value", "\"epoch\" is 0; it must be 1 to 1000"},
		{"{\"switch\":\"o\",\"epoch\":1001}", "bad_value", "\"epoch\" is 1001"},
		{"{\"switch\":\"o\",\"any\":9223372036854775808}", "bad_value", "\"any\" is too large"},
		{"{\"switch\":\"o\",\"any\":99999999999999999999999999}", "bad_value",
		 "\"any\" is too large"},
		{"{\"switch\":\"o\",\"any\":-99999999999999999999999999}", "bad_value",
		 "\"any\" is too large"},
		{"{\"switch\":\"o\",\"dry_run\":0}", "bad_type", "\"dry_run\" must be true or false"},
		{"{\"switch\":\"o\",\"dry_run\":\"true\"}", "bad_type", "\"dry_run\""},
		{"{\"switch\":\"o\",\"offsets\":[]}", "bad_type", "\"offsets\" must be an object"},
		{"{\"switch\":\"o\",\"list\":{}}", "bad_type", "\"list\" must be an array"},
		{"{\"switch\":\"o\",\"rate\":\"1\"}", "bad_type", "\"rate\" must be a number"},
		{"{\"switch\":\"o\",\"answer\":\"maybe\"}", "bad_value", "it must be one of committed|eager"},
		{"{\"switch\":\"o\",\"answer\":\"\"}", "bad_value", "\"answer\""},
		{"{\"switch\":\"o\",\"answer\":\"committed|eager\"}", "bad_value", "\"answer\""},
	};
	struct bg_err e;

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++) {
		if (check(rows[i].text, &e) != -EINVAL)
			fail_msg("%s was taken", rows[i].text);
		assert_string_equal(e.code, rows[i].code);
		if (!strstr(e.msg, rows[i].msg))
			fail_msg("%s: %s", rows[i].text, e.msg);
	}
}

static void test_string_limit(void **state)
{
	_cleanup_buf_ struct bg_buf b = {0};
	struct bg_err e;

	(void)state;
	for (int n = 1024; n <= 1025; n++) {
		bg_buf_reset(&b);
		bg_buf_puts(&b, "{\"switch\":\"o\",\"reason\":\"");
		for (int i = 0; i < n; i++)
			bg_buf_puts(&b, "x");
		bg_buf_puts(&b, "\"}");
		assert_int_equal(check(b.s, &e), n == 1024 ? 0 : -EINVAL);
	}
}

/* A string made by us, not parsed, may still hold a zero byte. */
static void test_zero_byte(void **state)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	struct bg_err e = BG_ERR_INIT;

	(void)state;
	bg_json_add(o, "switch", json_object_new_string_len("a\0b", 3));
	assert_int_equal(bg_json_check(o, fields, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "zero byte"));
}

static void test_read_and_build(void **state)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();

	(void)state;
	bg_json_add_str(o, "s", "a/\"b");
	bg_json_add_str(o, "n", NULL);
	bg_json_add_int(o, "i", INT64_MIN);
	bg_json_add_bool(o, "b", true);
	bg_json_add(o, "o", json_object_new_object());
	assert_string_equal(bg_json_text(o),
			    "{\"s\":\"a/\\\"b\",\"n\":null,\"i\":-9223372036854775808,\"b\":true,\"o\":{}}");
	assert_string_equal(bg_json_str(o, "s", "d"), "a/\"b");
	assert_string_equal(bg_json_str(o, "i", "d"), "d");
	assert_string_equal(bg_json_str(o, "none", "d"), "d");
	assert_null(bg_json_str(o, "n", NULL));
	assert_true(bg_json_int(o, "i", 5) == INT64_MIN);
	assert_true(bg_json_int(o, "s", 5) == 5);
	assert_true(bg_json_bool(o, "b", false));
	assert_true(bg_json_bool(o, "i", true));
	assert_non_null(bg_json_get(o, "o"));
	assert_null(bg_json_get(o, "n"));
	assert_null(bg_json_get(NULL, "n"));
	assert_null(bg_json_get(bg_json_get(o, "i"), "n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),           cmocka_unit_test(test_broken),
		cmocka_unit_test(test_position),       cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_deep_and_huge),  cmocka_unit_test(test_check_good),
		cmocka_unit_test(test_check_bad),      cmocka_unit_test(test_string_limit),
		cmocka_unit_test(test_read_and_build), cmocka_unit_test(test_zero_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
