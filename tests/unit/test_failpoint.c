/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "unit.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "common/failpoint.h"
#include "common/mem.h"

/* The status of a child that passes point "a" under BG_FAIL=env and then leaves with 0. */
static int child(const char *env)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (env)
			setenv("BG_FAIL", env, 1);
		else
			unsetenv("BG_FAIL");
		if (!freopen("/dev/null", "w", stderr))
			_exit(44);
		BG_FAILPOINT("a");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	if (WIFSTOPPED(status)) {
		kill(pid, SIGCONT);
		assert_int_equal(waitpid(pid, &(int){0}, 0), pid);
	}
	return status;
}

#ifdef BG_FAILPOINTS
static void test_points(void **state)
{
	_cleanup_free_ char *once = bg_xasprintf("b=kill,a=once-kill:%s/once", (const char *)*state);
	struct timespec t0, t1;
	int status;

	assert_int_equal(child(NULL), 0);
	assert_int_equal(child(""), 0);
	assert_int_equal(child("b=kill,aa=kill,a"), 0);
	status = child("b=kill,a=kill");
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	status = child("a=stop");
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	status = child("a=exit");
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 99);
	status = child("a=klil"); /* a misspelt action is not passed over */
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 100);
	status = child(once);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(child(once), 0);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	assert_int_equal(child("a=sleep:50"), 0);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	assert_true((t1.tv_sec - t0.tv_sec) * 1000 + (t1.tv_nsec - t0.tv_nsec) / 1000000 >= 50);
}
#else
static void test_points(void **state)
{
	(void)state;
	assert_int_equal(child("a=kill"), 0); /* compiled out: the environment has no say */
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_points)};

	return cmocka_run_group_tests(tests, unit_tmpdir, unit_tmpdir_gone);
}
