/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "unit.h"

#include "common/ids.h"

static void test_color(void **state)
{
	enum bg_color c = BG_GREEN;

	(void)state;
	assert_true(bg_color_parse("blue", &c));
	assert_int_equal(c, BG_BLUE);
	assert_true(bg_color_parse("green", &c));
	assert_int_equal(c, BG_GREEN);
	assert_false(bg_color_parse("Blue", &c));
	assert_false(bg_color_parse("", &c));
	assert_false(bg_color_parse(NULL, &c));
	assert_int_equal(c, BG_GREEN);
	assert_int_equal(bg_color_other(BG_BLUE), BG_GREEN);
	assert_int_equal(bg_color_other(BG_GREEN), BG_BLUE);
}

static void test_ordinal(void **state)
{
	(void)state;
	assert_int_equal(bg_ordinal_of("blue-0"), 0);
	assert_int_equal(bg_ordinal_of("consumer-green-12"), 12);
	assert_int_equal(bg_ordinal_of("host007"), 7);
	assert_int_equal(bg_ordinal_of("5"), 5);
	assert_int_equal(bg_ordinal_of("x2147483647"), 2147483647);
	assert_int_equal(bg_ordinal_of("x2147483648"), -1);
	assert_int_equal(bg_ordinal_of("x99999999999999999999"), -1);
	assert_int_equal(bg_ordinal_of("blue"), -1);
	assert_int_equal(bg_ordinal_of("1a"), -1);
	assert_int_equal(bg_ordinal_of(""), -1);
	assert_int_equal(bg_ordinal_of(NULL), -1);
}

static void test_names(void **state)
{
	char s[65];

	(void)state;
	assert_true(bg_name_valid("orders"));
	assert_true(bg_name_valid("0.a_b-c"));
	assert_false(bg_name_valid(""));
	assert_false(bg_name_valid(NULL));
	assert_false(bg_name_valid("-a"));
	assert_false(bg_name_valid(".."));
	assert_false(bg_name_valid("_a"));
	assert_false(bg_name_valid("Orders"));
	assert_false(bg_name_valid("a b"));
	assert_false(bg_name_valid("a/b"));
	assert_false(bg_name_valid("a\n"));
	assert_false(bg_name_valid("\xc3\xa4"));
	memset(s, 'a', 64);
	s[64] = '\0';
	assert_false(bg_name_valid(s));
	s[63] = '\0';
	assert_true(bg_name_valid(s));
}

static void test_random(void **state)
{
	char a[33], b[33];

	(void)state;
	bg_random_hex(a, 16);
	bg_random_hex(b, 16);
	assert_int_equal(strlen(a), 32);
	assert_int_equal(strspn(a, "0123456789abcdef"), 32);
	assert_string_not_equal(a, b);
	assert_true(bg_random_u64() != bg_random_u64());
	bg_random_hex(a, 0);
	assert_string_equal(a, "");
}

static void test_boot_id(void **state)
{
	(void)state;
	assert_non_null(bg_boot_id());
	assert_ptr_equal(bg_boot_id(), bg_boot_id());
	assert_null(strchr(bg_boot_id(), '\n'));
	if (access("/proc/sys/kernel/random/boot_id", R_OK) == 0)
		assert_int_equal(strlen(bg_boot_id()), 36);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_color),  cmocka_unit_test(test_ordinal), cmocka_unit_test(test_names),
		cmocka_unit_test(test_random), cmocka_unit_test(test_boot_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
