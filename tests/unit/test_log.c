/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"

static int saved_stderr = -1;
static FILE *sink;

/* stderr goes into a file from here to `got`. */
static void catch_stderr(void)
{
	fflush(stderr);
	sink = tmpfile();
	assert_non_null(sink);
	saved_stderr = dup(STDERR_FILENO);
	dup2(fileno(sink), STDERR_FILENO);
}

static char *got(void)
{
	char *buf = calloc(1, 1 << 21);

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	rewind(sink);
	buf[fread(buf, 1, (1 << 21) - 1, sink)] = '\0';
	fclose(sink);
	return buf;
}

static void test_logfmt(void **state)
{
	_cleanup_free_ char *out = NULL;

	(void)state;
	bg_log_init("bg-test", "logfmt", BG_INFO);
	bg_log_ctx("switch", "orders");
	bg_log_ctx("epoch", "7");
	catch_stderr();
	bg_log(BG_WARN, "odd_thing", "a \"quoted\" \\ line\nand\ttab \x01 %d", 5);
	bg_log(BG_DEBUG, "not_shown", "x");
	out = got();
	assert_memory_equal(out, "time=20", 7);
	assert_non_null(strstr(out, " level=warn daemon=bg-test switch=orders epoch=7 ev=odd_thing "
				    "msg=\"a \\\"quoted\\\" \\\\ line\\nand\\ttab \\u0001 5\"\n"));
	assert_null(strstr(out, "not_shown"));
	assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1); /* one line */
	bg_log_ctx("switch", NULL);
	bg_log_ctx("epoch", NULL);
}

static void test_bare_values(void **state)
{
	_cleanup_free_ char *out = NULL;

	(void)state;
	catch_stderr();
	bg_log(BG_INFO, "a", "plain");
	bg_log(BG_INFO, "b", "%s", "");
	bg_log(BG_INFO, "c", "x=y");
	bg_log(BG_INFO, "d", "\xc3\xa4\xff");
	out = got();
	assert_non_null(strstr(out, "ev=a msg=plain\n"));
	assert_non_null(strstr(out, "ev=b msg=\"\"\n"));
	assert_non_null(strstr(out, "ev=c msg=\"x=y\"\n"));
	assert_non_null(strstr(out, "ev=d msg=\"\xc3\xa4\xef\xbf\xbd\"\n"));
}

static void test_context(void **state)
{
	_cleanup_free_ char *out = NULL;

	(void)state;
	bg_log_ctx("switch", "one");
	bg_log_ctx("color", "blue");
	catch_stderr();
	bg_log_sw(BG_INFO, "two", "a", "x");
	bg_log_ctx("color", "green");
	bg_log(BG_INFO, "b", "x");
	bg_log_ctx("switch", NULL);
	bg_log_ctx("never", NULL);
	bg_log(BG_INFO, "c", "x");
	for (int i = 0; i < 50; i++) {
		char key[8];

		snprintf(key, sizeof(key), "k%d", i);
		bg_log_ctx(key, "v"); /* too many are left out, no more */
	}
	bg_log(BG_INFO, "d", "x");
	out = got();
	assert_non_null(strstr(out, "switch=two color=blue ev=a"));
	assert_non_null(strstr(out, "switch=one color=green ev=b"));
	assert_non_null(strstr(out, "daemon=bg-test color=green ev=c"));
	assert_non_null(strstr(out, "k0=v"));
	bg_log_ctx("color", NULL);
	for (int i = 0; i < 50; i++) {
		char key[8];

		snprintf(key, sizeof(key), "k%d", i);
		bg_log_ctx(key, NULL);
	}
}

static void test_json(void **state)
{
	_cleanup_free_ char *out = NULL;
	_cleanup_json_ struct json_object *o = NULL;

	(void)state;
	bg_log_init("bg-test", "json", BG_DEBUG);
	bg_log_ctx("instance", "blue-0");
	catch_stderr();
	bg_log(BG_DEBUG, "ev", "all bytes: \x01\x1f \x7f \"\\ \xff\xc3 \n\t\r end");
	out = got();
	assert_int_equal(bg_json_parse(out, strlen(out), &o, NULL), 0);
	assert_string_equal(bg_json_str(o, "level", ""), "debug");
	assert_string_equal(bg_json_str(o, "daemon", ""), "bg-test");
	assert_string_equal(bg_json_str(o, "instance", ""), "blue-0");
	assert_string_equal(bg_json_str(o, "ev", ""), "ev");
	assert_string_equal(bg_json_str(o, "msg", ""),
			    "all bytes: \x01\x1f \x7f \"\\ \xef\xbf\xbd\xef\xbf\xbd \n\t\r end");
	assert_int_equal(strlen(bg_json_str(o, "time", "")), 24);
	bg_log_ctx("instance", NULL);
	bg_log_init("bg-test", "logfmt", BG_INFO);
}

static void test_long(void **state)
{
	_cleanup_free_ char *out = NULL, *large = malloc(1 << 20);

	(void)state;
	memset(large, 'x', (1 << 20) - 1);
	large[(1 << 20) - 1] = '\0';
	catch_stderr();
	bg_log(BG_INFO, "ev", "%s", large);
	out = got();
	assert_true(strlen(out) < 5000);
	assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
}

/* systemd's priorities, only when stderr is the journal's own socket. */
static void test_journal(void **state)
{
	_cleanup_free_ char *out = NULL, *other = NULL;
	char env[64];
	struct stat st;

	(void)state;
	catch_stderr();
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(env, sizeof(env), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", env, 1);
	bg_log_init("bg-test", "logfmt", BG_DEBUG);
	bg_log(BG_ERROR, "a", "x");
	bg_log(BG_DEBUG, "b", "x");
	out = got();
	assert_memory_equal(out, "<3>time=", 8);
	assert_non_null(strstr(out, "\n<7>time="));
	/* inherited from somebody whose stderr was the journal: ours is not */
	catch_stderr();
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(env, sizeof(env), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino + 1);
	setenv("JOURNAL_STREAM", env, 1);
	bg_log_init("bg-test", "logfmt", BG_INFO);
	bg_log(BG_ERROR, "a", "x");
	other = got();
	assert_memory_equal(other, "time=", 5);
	unsetenv("JOURNAL_STREAM");
}

static void *shout(void *arg)
{
	for (int i = 0; i < 500; i++)
		bg_log(BG_INFO, "thread", "%s %d", (const char *)arg, i);
	return NULL;
}

static void test_threads(void **state)
{
	static char names[4][8] = {"one", "two", "three", "four"};
	_cleanup_free_ char *out = NULL;
	pthread_t t[4];
	size_t lines = 0;

	(void)state;
	catch_stderr();
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, shout, names[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	out = got();
	for (char *p = out, *nl; (nl = strchr(p, '\n')); p = nl + 1) {
		assert_memory_equal(p, "time=", 5);
		lines++;
	}
	assert_int_equal(lines, 2000);
}

/* What the system refuses is no bug of ours: a word and a status, no signal. */
static void test_fatal(void **state)
{
	_cleanup_free_ char *out = NULL;
	int status;
	pid_t pid;

	(void)state;
	catch_stderr();
	pid = fork();
	if (pid == 0) {
		errno = EMFILE;
		bg_fatal("make an eventfd");
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	out = got();
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 70);
	assert_non_null(strstr(out, "ev=fatal msg=\"cannot make an eventfd: Too many open files\""));
}

static void test_levels(void **state)
{
	(void)state;
	assert_int_equal(bg_log_level_parse("error"), BG_ERROR);
	assert_int_equal(bg_log_level_parse("warn"), BG_WARN);
	assert_int_equal(bg_log_level_parse("notice"), BG_NOTICE);
	assert_int_equal(bg_log_level_parse("info"), BG_INFO);
	assert_int_equal(bg_log_level_parse("debug"), BG_DEBUG);
	assert_int_equal(bg_log_level_parse("loud"), BG_INFO);
	assert_int_equal(bg_log_level_parse(NULL), BG_INFO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_logfmt),  cmocka_unit_test(test_bare_values),
		cmocka_unit_test(test_context), cmocka_unit_test(test_json),
		cmocka_unit_test(test_long),    cmocka_unit_test(test_journal),
		cmocka_unit_test(test_threads), cmocka_unit_test(test_levels),
		cmocka_unit_test(test_fatal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
