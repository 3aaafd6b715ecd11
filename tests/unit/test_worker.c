/* SPDX-License-Identifier: Apache-2.0 */
/* The worker pool: where things run, the bound of the queue, limits, and ending with jobs in every state. */
#include "config.h"
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "common/log.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/worker.h"

struct fx {
	struct bg_loop *l;
	struct bg_worker *w;
	pthread_t loop_thread;
	_Atomic int ran, started;
	_Atomic bool block;
	bool wrong_thread, flag;
	int done, want;
};

static int setup(void **state)
{
	struct fx *f = bg_xcalloc(1, sizeof(*f));

	f->l = bg_loop_new();
	f->loop_thread = pthread_self();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fx *f = *state;

	bg_loop_free(f->l);
	free(f);
	return 0;
}

static void nap(int ms)
{
	struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	nanosleep(&ts, NULL);
}

static void job(void *arg)
{
	struct fx *f = arg;

	f->started++;
	if (pthread_equal(pthread_self(), f->loop_thread))
		f->wrong_thread = true;
	while (f->block)
		nap(1);
	f->ran++;
}

static void done(void *arg)
{
	struct fx *f = arg;

	if (!pthread_equal(pthread_self(), f->loop_thread))
		f->wrong_thread = true;
	if (++f->done == f->want)
		f->flag = true;
}

static void test_runs(void **state)
{
	struct fx *f = *state;

	f->w = bg_worker_new(f->l, 3);
	f->want = 100;
	for (int i = 0; i < 100; i++)
		assert_int_equal(bg_worker_submit(f->w, "job", job, done, f, 1000000), 0);
	assert_true(bg_loop_run_until(f->l, &f->flag, 5000000));
	assert_int_equal(f->ran, 100);
	assert_false(f->wrong_thread);
	assert_int_equal(bg_worker_submit(f->w, "no done", job, NULL, f, 0), 0);
	bg_worker_free(f->w, 1000000);
	assert_int_equal(f->ran, 101);
	assert_int_equal(f->done, 100);
}

static void test_full(void **state)
{
	struct fx *f = *state;

	f->w = bg_worker_new(f->l, 1);
	f->block = true;
	assert_int_equal(bg_worker_submit(f->w, "first", job, done, f, 0), 0);
	while (!f->started)
		nap(1);
	for (int i = 0; i < 256; i++)
		assert_int_equal(bg_worker_submit(f->w, "queued", job, done, f, 0), 0);
	assert_int_equal(bg_worker_submit(f->w, "one too many", job, done, f, 0), -EAGAIN);
	f->block = false;
	f->want = 257;
	assert_true(bg_loop_run_until(f->l, &f->flag, 5000000));
	assert_int_equal(f->ran, 257);
	bg_worker_free(f->w, 0);
}

/* At the end all submitted jobs are waited for, and their done is called without the loop. */
static void test_free_waits(void **state)
{
	struct fx *f = *state;

	f->w = bg_worker_new(f->l, 2);
	for (int i = 0; i < 20; i++)
		bg_worker_submit(f->w, "job", job, done, f, 0);
	bg_worker_free(f->w, 5000000);
	assert_int_equal(f->ran, 20);
	assert_int_equal(f->done, 20);
	bg_worker_free(NULL, 0);
}

/* A job that hangs is left behind after the wait; what was queued behind it is dropped; its end harms nobody. */
static void test_left_behind(void **state)
{
	struct fx *f = *state;
	int64_t t0 = bg_now_us();
	bool never = false;

	f->w = bg_worker_new(f->l, 1);
	f->block = true;
	bg_worker_submit(f->w, "hangs", job, done, f, 0);
	while (!f->started)
		nap(1);
	bg_worker_submit(f->w, "behind", job, done, f, 0);
	bg_worker_free(f->w, 100000);
	assert_in_range(bg_now_us() - t0, 90000, 2000000);
	assert_int_equal(f->done, 0);
	f->block = false;
	while (!f->ran)
		nap(1);
	nap(20); /* the thread ends and frees the pool */
	bg_loop_run_until(f->l, &never, 10000);
	assert_int_equal(f->done, 0);
	assert_int_equal(f->ran, 1);
}

static void free_pool(void *arg)
{
	struct fx *f = arg;

	f->flag = true;
	bg_worker_free(f->w, 1000000);
	f->w = NULL;
}

static void test_free_in_done(void **state)
{
	struct fx *f = *state;

	f->w = bg_worker_new(f->l, 2);
	bg_worker_submit(f->w, "job", job, free_pool, f, 0);
	assert_true(bg_loop_run_until(f->l, &f->flag, 5000000));
	assert_null(f->w);
}

static void resubmit(void *arg)
{
	struct fx *f = arg;

	if (++f->done < 5)
		bg_worker_submit(f->w, "again", job, resubmit, f, 0);
	else
		f->flag = true;
}

static void test_submit_in_done(void **state)
{
	struct fx *f = *state;

	f->w = bg_worker_new(f->l, 1);
	bg_worker_submit(f->w, "job", job, resubmit, f, 0);
	assert_true(bg_loop_run_until(f->l, &f->flag, 5000000));
	assert_int_equal(f->ran, 5);
	bg_worker_free(f->w, 1000000);
}

/* At the end too: an answer that came at the stop has a handle destroyed by the worker (seen as a leak). */
static void test_submit_in_done_at_the_end(void **state)
{
	struct fx *f = *state;

	f->w = bg_worker_new(f->l, 1);
	bg_worker_submit(f->w, "job", job, resubmit, f, 0);
	bg_worker_free(f->w, 5000000);
	assert_int_equal(f->ran, 5);
	assert_int_equal(f->done, 5);
}

/* In a child: a job over its limit ends the process with 70; one that is stopped for as long does not. */
static int run_child(int job_ms, int stop_ms)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		struct fx f = {.l = bg_loop_new(), .block = true};

		bg_log_init("test", "logfmt", BG_ERROR);
		if (!freopen("/dev/null", "w", stderr))
			_exit(1);
		f.w = bg_worker_new(f.l, 1);
		bg_worker_submit(f.w, "destroy", job, done, &f, 400000);
		bg_loop_run_until(f.l, &f.flag, job_ms * 1000LL);
		f.block = false;
		f.want = 1;
		_exit(bg_loop_run_until(f.l, &f.flag, 2000000) ? 0 : 1);
	}
	if (stop_ms) {
		nap(50);
		kill(pid, SIGSTOP);
		nap(stop_ms);
		kill(pid, SIGCONT);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_limit(void **state)
{
	(void)state;
	assert_int_equal(run_child(150, 0), 0);
	assert_int_equal(run_child(3000, 0), 70);
	assert_int_equal(run_child(150, 900), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_runs),
		T(test_full),
		T(test_free_waits),
		T(test_left_behind),
		T(test_free_in_done),
		T(test_submit_in_done),
		T(test_submit_in_done_at_the_end),
		T(test_limit),
	};

	bg_log_init("test", "logfmt", BG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
