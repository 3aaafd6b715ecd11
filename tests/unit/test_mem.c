/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "unit.h"

#include <errno.h>
#include <sys/wait.h>

#include "common/err.h"
#include "common/mem.h"

static void test_buf(void **state)
{
	_cleanup_buf_ struct bg_buf b = {0};

	(void)state;
	bg_buf_add(&b, "", 0);
	assert_string_equal(b.s, "");
	for (int i = 0; i < 1000; i++)
		bg_buf_printf(&b, "%03d,", i);
	assert_int_equal(b.len, 4000);
	assert_int_equal(strlen(b.s), 4000);
	assert_string_equal(b.s + 3996, "999,");
	bg_buf_reset(&b);
	assert_string_equal(b.s, "");
	bg_buf_add(&b, "a\0b", 3);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.s, "a\0b", 4);
	bg_buf_free(&b);
	assert_null(b.s);
	bg_buf_reset(&b);
	bg_buf_puts(&b, "again");
	assert_string_equal(b.s, "again");
}

static void test_strings(void **state)
{
	_cleanup_free_ char *a = bg_xstrdup("abc"), *b = bg_xstrndup("abcdef", 3), *c = bg_xstrndup("ab", 9);
	_cleanup_free_ char *d = bg_xasprintf("%s-%d", "x", 7);
	char buf[4];

	(void)state;
	assert_string_equal(a, "abc");
	assert_string_equal(b, "abc");
	assert_string_equal(c, "ab");
	assert_string_equal(d, "x-7");
	assert_null(bg_xstrdup(NULL));
	assert_true(bg_strlcpy(buf, "abc", sizeof(buf)));
	assert_string_equal(buf, "abc");
	assert_false(bg_strlcpy(buf, "defg", sizeof(buf)));
	assert_string_equal(buf, "def");
	assert_false(bg_strlcpy(buf, "x", 0));
	assert_string_equal(buf, "def");
}

static void test_grow(void **state)
{
	size_t cap = 0;
	int *v = NULL;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		v = bg_xgrow(v, &cap, (size_t)i + 1, sizeof(*v));
		assert_true(cap > (size_t)i);
		v[i] = i;
	}
	for (int i = 0; i < 10000; i++)
		assert_int_equal(v[i], i);
	free(v);
}

static void test_steal(void **state)
{
	char *p = bg_xstrdup("x");
	char *q = bg_steal_ptr(&p);

	(void)state;
	assert_null(p);
	assert_string_equal(q, "x");
	free(q);
}

static void test_utf8(void **state)
{
	static const struct {
		const char *s;
		size_t len;
	} rows[] = {
		{"", 0},
		{"a", 1},
		{"\xc3\xa4", 2},
		{"\xe2\x82\xac", 3},
		{"\xf0\x9f\x98\x80", 4},
		{"\x80", 0},
		{"\xc3", 0},
		{"\xc3x", 0},
		{"\xc0\x80", 0},
		{"\xe0\x80\x80", 0},
		{"\xed\xa0\x80", 0},
		{"\xf4\x90\x80\x80", 0},
		{"\xf0\x80\x80\x80", 0},
		{"\xf5\x80\x80\x80", 0},
		{"\xe2\x82", 0},
		{"\xff", 0},
		{"\xf4\x8f\xbf\xbf", 4},
		{"\xed\x9f\xbf", 3},
	};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++)
		assert_int_equal(bg_utf8_len(rows[i].s), rows[i].len);
}

/* A size that cannot be had ends the process with a message and a status of its own; it never returns NULL. */
static void ends_with_70(void (*fn)(void))
{
	char msg[128] = "";
	int fd[2], status;
	pid_t pid;

	assert_int_equal(pipe(fd), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fd[1], STDERR_FILENO);
		fn();
		_exit(0);
	}
	close(fd[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(read(fd[0], msg, sizeof(msg) - 1) > 0);
	close(fd[0]);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 70);
	assert_non_null(strstr(msg, "out of memory"));
}

static volatile size_t huge = SIZE_MAX / 2 + 2;

static void too_large_calloc(void)
{
	free(bg_xcalloc(huge, 4));
}
static void too_large_realloc(void)
{
	free(bg_xrealloc(NULL, huge));
}
static void too_large_grow(void)
{
	size_t cap = 0;

	free(bg_xgrow(NULL, &cap, huge, 16));
}
static void too_large_need(void)
{
	size_t cap = 0;

	free(bg_xgrow(NULL, &cap, SIZE_MAX, 1));
}

static void test_no_memory(void **state)
{
	(void)state;
	ends_with_70(too_large_calloc);
	ends_with_70(too_large_realloc);
	ends_with_70(too_large_grow);
	ends_with_70(too_large_need);
}

static void test_err(void **state)
{
	struct bg_err e = BG_ERR_INIT;
	char large[2000];

	(void)state;
	assert_int_equal(bg_err_set(&e, -EINVAL, "bad_thing", "%s is %d", "x", 5), -EINVAL);
	assert_string_equal(e.code, "bad_thing");
	assert_string_equal(e.msg, "x is 5");
	bg_err_prefix(&e, "file %d", 3);
	assert_string_equal(e.msg, "file 3: x is 5");
	/* The old message may be an argument of the new one. */
	bg_err_set(&e, -1, "other", "again: %s", e.msg);
	assert_string_equal(e.msg, "again: file 3: x is 5");
	assert_int_equal(bg_err_set(NULL, -ENOENT, "x", "y"), -ENOENT);
	bg_err_prefix(NULL, "x");
	memset(large, 'a', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	bg_err_set(&e, -1, large, "%s", large);
	assert_int_equal(strlen(e.code), sizeof(e.code) - 1);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	bg_err_prefix(&e, "%s", "p");
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	assert_memory_equal(e.msg, "p: aaa", 6);
	bg_err_prefix(&e, "%s", large);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buf),  cmocka_unit_test(test_strings),
		cmocka_unit_test(test_grow), cmocka_unit_test(test_steal),
		cmocka_unit_test(test_utf8), cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_err),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
