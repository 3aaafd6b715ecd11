/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "unit.h"

#include "common/epoch.h"
#include "common/mem.h"

static void test_format(void **state)
{
	struct bg_meta m = {.epoch = 7, .floor = 9, .color = "blue"};
	char buf[BG_META_MAX];

	(void)state;
	assert_int_equal(bg_meta_format(buf, &m), strlen("bg1;e=7;c=blue;f=9"));
	assert_string_equal(buf, "bg1;e=7;c=blue;f=9");
	m.mirrored = true;
	bg_meta_format(buf, &m);
	assert_string_equal(buf, "bg1;e=7;c=blue;f=9;m=1");
	m = (struct bg_meta){.epoch = 7, .floor = 3, .color = "green"};
	bg_meta_format(buf, &m);
	assert_string_equal(buf, "bg1;e=7;c=green;f=7"); /* never below e */
	m = (struct bg_meta){0};
	bg_meta_format(buf, &m);
	assert_string_equal(buf, "bg1;e=0;c=;f=0");
}

/* Whatever the numbers, it stays under 64 bytes, and what counts survives. */
static void test_format_fits(void **state)
{
	struct bg_meta m = {.epoch = INT64_MAX,
			    .floor = INT64_MAX,
			    .mirrored = true,
			    .color = "abcdefghijklmno"},
		       back;
	char buf[BG_META_MAX];
	int n = bg_meta_format(buf, &m);

	(void)state;
	assert_true(n < BG_META_MAX);
	assert_int_equal(n, strlen(buf));
	assert_true(bg_meta_parse(buf, (size_t)n, &back));
	assert_true(back.epoch == INT64_MAX && back.floor == INT64_MAX && back.mirrored);
	assert_memory_equal(back.color, m.color, strlen(back.color));
	assert_true(strlen(back.color) >= 5);  /* blue and green always fit */
	memset(m.color, 'x', sizeof(m.color)); /* not terminated */
	assert_true(bg_meta_format(buf, &m) < BG_META_MAX);
}

static void test_round_trip(void **state)
{
	static const int64_t nums[] = {0, 1, 9, 10, 12345, INT64_MAX - 1, INT64_MAX};
	static const char *const colors[] = {"", "blue", "green"};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(nums); i++)
		for (size_t j = i; j < BG_ARRAY_SIZE(nums); j++)
			for (size_t k = 0; k < 2 * BG_ARRAY_SIZE(colors); k++) {
				struct bg_meta m = {.epoch = nums[i], .floor = nums[j], .mirrored = k & 1},
					       back;
				char buf[BG_META_MAX];
				int n;

				bg_strlcpy(m.color, colors[k / 2], sizeof(m.color));
				n = bg_meta_format(buf, &m);
				memset(&back, 0xff, sizeof(back));
				assert_true(bg_meta_parse(buf, (size_t)n, &back));
				assert_true(back.epoch == m.epoch && back.floor == m.floor);
				assert_int_equal(back.mirrored, m.mirrored);
				assert_string_equal(back.color, m.color);
			}
}

static bool parse(const char *s, struct bg_meta *m)
{
	/* Not terminated: a copy of exactly that size, so that ASan and valgrind see a byte too many. */
	size_t len = strlen(s);
	_cleanup_free_ char *copy = malloc(len ? len : 1);

	memcpy(copy, s, len);
	memset(m, 0xff, sizeof(*m));
	return bg_meta_parse(copy, len, m);
}

static void test_foreign(void **state)
{
	static const struct bg_meta zero;
	static const char *const rows[] = {
		"",
		"x",
		"bg1",
		"bg1;",
		"bg2;e=1",
		"bg1e=1",
		"Bg1;e=1",
		" bg1;e=1",
		"NO_METADATA",
		"{\"e\":7}",
		"bg1;c=blue",
		"bg1;e=",
		"bg1;e=x",
		"bg1;e=-1",
		"bg1;e=+1",
		"bg1;e= 1",
		"bg1;e=1 ",
		"bg1;e=0x7",
		"bg1;e=9223372036854775808",
		"bg1;e=99999999999999999999999",
		"bg1;e=1;",
		"bg1;;e=1",
		"bg1;e=1;f",
		"bg1;e=1;=2",
		"bg1;e=1;e=2",
		"bg1;e=1;f=2;f=3",
		"bg1;e=1;m=2",
		"bg1;e=1;m=",
		"bg1;e=1;m=x",
		"bg1;e=1;c=abcdefghijklmnop",
		"bg1;e=1;f=x",
		"bg1;e=1.5",
	};
	struct bg_meta m;

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++) {
		if (parse(rows[i], &m))
			fail_msg("\"%s\" was taken for ours", rows[i]);
		assert_memory_equal(&m, &zero, sizeof(m));
	}
	memset(&m, 0xff, sizeof(m));
	assert_false(bg_meta_parse(NULL, 0, &m));
	assert_memory_equal(&m, &zero, sizeof(m));
	assert_false(bg_meta_parse("bg1;e=1;c=a\0b", 13, &m));
	/* Only the bytes that were given count. */
	assert_true(bg_meta_parse("bg1;e=12", 7, &m));
	assert_true(m.epoch == 1);
}

static void test_later_versions(void **state)
{
	struct bg_meta m;

	(void)state;
	assert_true(parse("bg1;z=9;e=4;c=green;f=6;host=a.b;q=", &m));
	assert_true(m.epoch == 4 && m.floor == 6 && !m.mirrored);
	assert_string_equal(m.color, "green");
	assert_true(parse("bg1;f=6;e=4;m=0", &m));
	assert_true(m.epoch == 4 && m.floor == 6 && !m.mirrored && !m.color[0]);
	assert_true(parse("bg1;e=4", &m));
	assert_true(m.floor == 4);
	assert_true(parse("bg1;e=4;f=2", &m)); /* e was known too */
	assert_true(m.floor == 4);
}

/* No byte string of any kind is a crash; what is taken for ours is so again when written anew. */
static void test_noise(void **state)
{
	static const char alphabet[] = "bg1;=efcm0129x";
	unsigned seed = 1;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		char text[24] = "bg1;", buf[BG_META_MAX];
		struct bg_meta m, again;
		size_t len = 4 + (unsigned)rand_r(&seed) % 20;

		for (size_t j = 4; j < len; j++)
			text[j] = alphabet[(unsigned)rand_r(&seed) % (sizeof(alphabet) - 1)];
		if (!bg_meta_parse(text, len, &m))
			continue;
		assert_true(m.epoch >= 0 && m.floor >= m.epoch);
		assert_true(bg_meta_parse(buf, (size_t)bg_meta_format(buf, &m), &again));
		assert_true(m.epoch == again.epoch && m.floor == again.floor && m.mirrored == again.mirrored);
		assert_string_equal(m.color, again.color);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),         cmocka_unit_test(test_format_fits),
		cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_later_versions), cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
