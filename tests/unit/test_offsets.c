/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "unit.h"

#include <errno.h>

#include "common/json.h"
#include "common/mem.h"
#include "common/offsets.h"

static void test_sorted(void **state)
{
	_cleanup_offs_ struct bg_offs o = BG_OFFS_INIT;
	static const char *const topics[] = {"b", "a", "c"};

	(void)state;
	for (int p = 99; p >= 0; p--)
		for (int t = 0; t < 3; t++)
			bg_offs_set(&o, topics[t], p * 7 % 100, p, t);
	assert_int_equal(o.n, 300);
	for (size_t i = 1; i < o.n; i++) {
		int c = strcmp(o.v[i - 1].topic, o.v[i].topic);

		assert_true(c < 0 || (c == 0 && o.v[i - 1].partition < o.v[i].partition));
	}
	for (int p = 0; p < 100; p++) {
		struct bg_off *e = bg_offs_find(&o, "a", p * 7 % 100);

		assert_non_null(e);
		assert_true(e->offset == p && e->epoch == 1);
	}
	assert_null(bg_offs_find(&o, "a", 100));
	assert_null(bg_offs_find(&o, "a", -1));
	assert_null(bg_offs_find(&o, "aa", 0));
	assert_null(bg_offs_find(&o, "", 0));
	bg_offs_set(&o, "a", 5, 77, 8);
	assert_int_equal(o.n, 300);
	assert_true(bg_offs_find(&o, "a", 5)->offset == 77);
	bg_offs_free(&o);
	assert_int_equal(o.n, 0);
	assert_null(bg_offs_find(&o, "a", 0));
}

static void test_at(void **state)
{
	_cleanup_offs_ struct bg_offs o = BG_OFFS_INIT;
	struct bg_off *e = bg_offs_at(&o, "t", 3);

	(void)state;
	assert_true(e->offset == -1 && e->epoch == 0 && e->floor == 0 && !e->mirrored && !e->color[0]);
	e->floor = 9;
	e->mirrored = true;
	strcpy(e->color, "blue");
	assert_ptr_equal(bg_offs_at(&o, "t", 3), e);
	/* A set value is no commit's. */
	bg_offs_set(&o, "t", 3, 10, 2);
	assert_true(e->offset == 10 && e->epoch == 2 && e->floor == 0 && !e->mirrored && !e->color[0]);
}

/* Rules 6 and 7: the higher epoch wins, then the higher offset; unknown never wins. */
static void test_better(void **state)
{
	static const struct {
		int64_t o, e, o2, e2;
		bool better;
	} rows[] = {
		{5, 1, 4, 1, true},
		{4, 1, 5, 1, false},
		{5, 1, 5, 1, false},
		{1, 2, 100, 1, true},
		{100, 1, 1, 2, false},
		{0, 0, -1, 0, true},
		{0, 0, -1, 9, true},
		{-1, 9, 0, 0, false},
		{-1, 0, -1, 0, false},
		{-1, 5, -1, 0, false},
		{INT64_MAX, 1, INT64_MAX - 1, 1, true},
	};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++) {
		_cleanup_offs_ struct bg_offs o = BG_OFFS_INIT;

		assert_int_equal(bg_off_better(rows[i].o, rows[i].e, rows[i].o2, rows[i].e2), rows[i].better);
		bg_offs_set(&o, "t", 0, rows[i].o2, rows[i].e2);
		assert_int_equal(bg_offs_best(&o, "t", 0, rows[i].o, rows[i].e), rows[i].better);
		assert_true(o.v[0].offset == (rows[i].better ? rows[i].o : rows[i].o2));
		assert_true(o.v[0].epoch == (rows[i].better ? rows[i].e : rows[i].e2));
	}
}

static void test_best_new(void **state)
{
	_cleanup_offs_ struct bg_offs o = BG_OFFS_INIT;

	(void)state;
	assert_false(bg_offs_best(&o, "t", 0, -1, 3));
	assert_int_equal(o.n, 0); /* nothing known is no entry */
	assert_true(bg_offs_best(&o, "t", 0, 0, 0));
	assert_int_equal(o.n, 1);
	/* What replaces a mirrored commit is none; the floor its writer knew stays. */
	o.v[0].mirrored = true;
	o.v[0].floor = 5;
	strcpy(o.v[0].color, "blue");
	assert_false(bg_offs_best(&o, "t", 0, 0, 0));
	assert_true(o.v[0].mirrored);
	assert_true(bg_offs_best(&o, "t", 0, 1, 0));
	assert_true(!o.v[0].mirrored && !o.v[0].color[0] && o.v[0].floor == 5);
}

static void test_merge(void **state)
{
	_cleanup_offs_ struct bg_offs a = BG_OFFS_INIT, b = BG_OFFS_INIT;
	struct bg_off *e;

	(void)state;
	bg_offs_set(&a, "t", 0, 10, 2);
	bg_offs_set(&a, "t", 1, 10, 2);
	bg_offs_at(&a, "t", 2);
	bg_offs_set(&b, "t", 0, 5, 3);
	e = bg_offs_find(&b, "t", 0);
	e->floor = 4;
	e->mirrored = true;
	strcpy(e->color, "green");
	bg_offs_set(&b, "t", 1, 99, 1);
	bg_offs_find(&b, "t", 1)->floor = 8;
	bg_offs_set(&b, "t", 2, 0, 0);
	bg_offs_at(&b, "t", 3);
	bg_offs_set(&b, "u", 0, 1, 1);
	bg_offs_merge_best(&a, &b);
	e = bg_offs_find(&a, "t", 0);
	assert_true(e->offset == 5 && e->epoch == 3 && e->floor == 4 && e->mirrored);
	assert_string_equal(e->color, "green");
	e = bg_offs_find(&a, "t", 1);
	assert_true(e->offset == 10 && e->epoch == 2 && e->floor == 8 && !e->mirrored);
	assert_true(bg_offs_find(&a, "t", 2)->offset == 0);
	assert_null(bg_offs_find(&a, "t", 3)); /* known by nobody: missing */
	assert_true(bg_offs_find(&a, "u", 0)->offset == 1);
	assert_true(bg_offs_max_floor(&a) == 8);
	assert_true(bg_offs_max_floor(&(struct bg_offs)BG_OFFS_INIT) == 0);
}

static void test_copy(void **state)
{
	_cleanup_offs_ struct bg_offs a = BG_OFFS_INIT, b = BG_OFFS_INIT;

	(void)state;
	bg_offs_set(&a, "t", 0, 10, 2);
	bg_offs_set(&b, "old", 0, 1, 1);
	bg_offs_copy(&b, &a);
	assert_int_equal(b.n, 1);
	assert_string_equal(b.v[0].topic, "t");
	assert_ptr_not_equal(b.v[0].topic, a.v[0].topic);
	bg_offs_copy(&b, &b);
	assert_int_equal(b.n, 1);
	bg_offs_free(&a);
	bg_offs_copy(&b, &a);
	assert_int_equal(b.n, 0);
}

static int from_text(const char *text, struct bg_offs *o, struct bg_err *e)
{
	_cleanup_json_ struct json_object *j = NULL;

	assert_int_equal(bg_json_parse(text, strlen(text), &j, NULL), 0);
	return bg_offs_from_json(j, o, e);
}

static void test_json(void **state)
{
	_cleanup_offs_ struct bg_offs o = BG_OFFS_INIT;
	_cleanup_json_ struct json_object *j = NULL;

	(void)state;
	assert_int_equal(
		from_text("{\"z\":[[1,99,7],[0,4711]],\"a.b\":[[2147483647,9223372036854775806,0]],\"e\":[]}",
			  &o, NULL),
		0);
	assert_int_equal(o.n, 3);
	bg_offs_at(&o, "q", 0); /* unknown: left out */
	j = bg_offs_to_json(&o);
	assert_string_equal(bg_json_text(j),
			    "{\"a.b\":[[2147483647,9223372036854775806,0]],\"z\":[[0,4711,0],[1,99,7]]}");
}

static void test_json_bad(void **state)
{
	static const struct {
		const char *text, *msg;
	} rows[] = {
		{"[]", "object"},
		{"5", "object"},
		{"null", "object"},
		{"\"x\"", "object"},
		{"{\"t\":5}", "\"t\" must be an array"},
		{"{\"t\":{}}", "\"t\""},
		{"{\"t\":null}", "\"t\""},
		{"{\"t\":[5]}", "\"t\", entry 0"},
		{"{\"t\":[[0,1],[1]]}", "\"t\", entry 1"},
		{"{\"t\":[[]]}", "entry 0"},
		{"{\"t\":[[0,1,2,3]]}", "entry 0"},
		{"{\"t\":[[0,1,2],null]}", "entry 1"},
		{"{\"t\":[[\"0\",1,2]]}", "entry 0"},
		{"{\"t\":[[0,\"1\",2]]}", "entry 0"},
		{"{\"t\":[[0,1,\"2\"]]}", "entry 0"},
		{"{\"t\":[[0.0,1,2]]}", "entry 0"},
		{"{\"t\":[[0,1.5,2]]}", "entry 0"},
		{"{\"t\":[[-1,1,2]]}", "entry 0"},
		{"{\"t\":[[0,-1,2]]}", "entry 0"},
		{"{\"t\":[[0,1,-2]]}", "entry 0"},
		{"{\"t\":[[2147483648,1,2]]}", "entry 0"},
		{"{\"t\":[[0,99999999999999999999,2]]}", "entry 0"},
		{"{\"t\":[[0,true,2]]}", "entry 0"},
		{"{\"t\":[[0,1,null]]}", "entry 0"},
		{"{\"t\":[[0,1],[1,1],[0,2]]}", "partition 0 is there twice"},
		{"{\"\":[[0,1]]}", "topic name"},
	};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++) {
		struct bg_offs o = {(void *)&rows, 7, 9};
		struct bg_err e = BG_ERR_INIT;

		if (from_text(rows[i].text, &o, &e) != -EINVAL)
			fail_msg("%s was taken", rows[i].text);
		assert_true(o.v == (void *)&rows && o.n == 7); /* untouched */
		assert_string_equal(e.code, "bad_offsets");
		if (!strstr(e.msg, rows[i].msg))
			fail_msg("%s: %s", rows[i].text, e.msg);
	}
	assert_int_equal(bg_offs_from_json(NULL, &(struct bg_offs)BG_OFFS_INIT, NULL), -EINVAL);
}

static void test_json_topic_length(void **state)
{
	_cleanup_offs_ struct bg_offs o = BG_OFFS_INIT;
	char topic[251], text[300];

	(void)state;
	memset(topic, 'a', 250);
	topic[250] = '\0';
	snprintf(text, sizeof(text), "{\"%s\":[[0,1]]}", topic);
	assert_int_equal(from_text(text, &o, NULL), -EINVAL);
	snprintf(text, sizeof(text), "{\"%s\":[[0,1]]}", topic + 1);
	assert_int_equal(from_text(text, &o, NULL), 0);
}

/* A hostile order must not be quadratic: 200,000 partitions backwards. */
static void test_json_large(void **state)
{
	_cleanup_offs_ struct bg_offs o = BG_OFFS_INIT;
	_cleanup_buf_ struct bg_buf b = {0};

	(void)state;
	bg_buf_puts(&b, "{\"t\":[");
	for (int i = 200000; i >= 0; i--)
		bg_buf_printf(&b, "[%d,%d,1]%s", i, i, i ? "," : "");
	bg_buf_puts(&b, "]}");
	assert_int_equal(from_text(b.s, &o, NULL), 0);
	assert_int_equal(o.n, 200001);
	assert_true(bg_offs_find(&o, "t", 123456)->offset == 123456);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sorted),
		cmocka_unit_test(test_at),
		cmocka_unit_test(test_better),
		cmocka_unit_test(test_best_new),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_bad),
		cmocka_unit_test(test_json_topic_length),
		cmocka_unit_test(test_json_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
