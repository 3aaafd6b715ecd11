/* SPDX-License-Identifier: Apache-2.0 */
/* The loop: timers, order of calls, posts from threads, signals, descriptors, freeing inside callbacks, stalls. */
#include "config.h"
#include "unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include "common/log.h"
#include "common/loop.h"
#include "common/mem.h"

struct fx {
	struct bg_loop *l;
	struct bg_timer *t, *other;
	struct bg_watch *w;
	bool flag;
	int n, order[16];
	int64_t at[64], stalled;
	int stalls;
};

static int setup(void **state)
{
	struct fx *f = bg_xcalloc(1, sizeof(*f));

	f->l = bg_loop_new();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fx *f = *state;

	bg_clock_set(-1);
	bg_loop_free(f->l);
	free(f);
	return 0;
}

static void turn_for(struct fx *f, int64_t us)
{
	bool never = false;

	bg_loop_run_until(f->l, &never, us);
}

static void stand_still(int ms)
{
	struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	nanosleep(&ts, NULL);
}

static void count(void *arg)
{
	struct fx *f = arg;

	if (f->n < 64)
		f->at[f->n] = bg_now_us();
	f->n++;
	f->flag = true;
}

static void test_one_shot(void **state)
{
	struct fx *f = *state;
	int64_t t0 = bg_now_us();

	f->t = bg_timer_new(f->l, count, f);
	assert_false(bg_timer_pending(f->t));
	bg_timer_start(f->t, 3000);
	assert_true(bg_timer_pending(f->t));
	assert_true(bg_loop_run_until(f->l, &f->flag, 1000000));
	assert_in_range(f->at[0] - t0, 3000, 1000000);
	assert_false(bg_timer_pending(f->t));
	turn_for(f, 10000);
	assert_int_equal(f->n, 1);
	bg_timer_start(f->t, 1000);
	bg_timer_stop(f->t);
	turn_for(f, 10000);
	assert_int_equal(f->n, 1);
	/* Starting again moves it. */
	bg_timer_start(f->t, 5000000);
	bg_timer_start(f->t, 0);
	turn_for(f, 10000);
	assert_int_equal(f->n, 2);
	bg_timer_start(f->t, -5);
	turn_for(f, 10000);
	assert_int_equal(f->n, 3);
	bg_timer_free(f->t);
	bg_timer_free(NULL);
}

/* 50 beats of 400 us keep their grid: no drift, and a pause is skipped, not made up for. */
static void test_periodic(void **state)
{
	struct fx *f = *state;
	int64_t t0 = bg_now_us();
	int before;

	f->t = bg_timer_new(f->l, count, f);
	bg_timer_every(f->t, 400);
	while (f->n < 50)
		turn_for(f, 100);
	assert_in_range(f->at[49] - t0, 50 * 400, 50 * 400 + 1000000);
	stand_still(50);
	before = f->n;
	turn_for(f, 0);
	f->flag = false;
	bg_loop_run_until(f->l, &f->flag, 100000);
	assert_true(f->n - before <= 3);
	bg_timer_start(f->t, 100);
	turn_for(f, 5000);
	assert_false(bg_timer_pending(f->t));
	bg_timer_free(f->t);
}

static void free_self(void *arg)
{
	struct fx *f = arg;

	f->n++;
	bg_timer_free(f->t);
	f->t = NULL;
}

static void free_other(void *arg)
{
	struct fx *f = arg;

	f->n++;
	bg_timer_free(f->other);
	f->other = NULL;
}

static void test_free_inside(void **state)
{
	struct fx *f = *state;

	f->t = bg_timer_new(f->l, free_self, f);
	bg_timer_every(f->t, 100);
	turn_for(f, 5000);
	assert_int_equal(f->n, 1);
	/* Both are due in one turn; the first frees the second. */
	f->t = bg_timer_new(f->l, free_other, f);
	f->other = bg_timer_new(f->l, count, f);
	bg_timer_start(f->t, 100);
	bg_timer_start(f->other, 200);
	stand_still(2);
	turn_for(f, 5000);
	assert_int_equal(f->n, 2);
	bg_timer_free(f->t);
}

static void note0(void *arg)
{
	struct fx *f = arg;

	f->order[f->n++] = 0;
	bg_loop_defer(f->l, count, f);
}

static void note1(void *arg)
{
	struct fx *f = arg;

	f->order[f->n++] = 1;
}

static void again(void *arg)
{
	struct fx *f = arg;

	f->n++;
	bg_loop_defer(f->l, again, f);
}

static void test_defer(void **state)
{
	struct fx *f = *state;

	bg_loop_defer(f->l, note0, f);
	bg_loop_defer(f->l, note1, f);
	assert_int_equal(f->n, 0);
	assert_true(bg_loop_run_until(f->l, &f->flag, 100000));
	assert_int_equal(f->order[0], 0);
	assert_int_equal(f->order[1], 1);
	assert_int_equal(f->n, 3); /* what was deferred inside came after both */
	/* One that defers itself for ever does not keep timers from their turn. */
	bg_loop_defer(f->l, again, f);
	f->flag = false;
	f->t = bg_timer_new(f->l, count, f);
	bg_timer_start(f->t, 2000);
	assert_true(bg_loop_run_until(f->l, &f->flag, 1000000));
	bg_timer_free(f->t);
}

#define POSTS 2000
static void *poster(void *arg)
{
	struct fx *f = arg;

	for (int i = 0; i < POSTS; i++)
		bg_loop_post(f->l, count, f);
	return NULL;
}

static void test_post(void **state)
{
	struct fx *f = *state;
	pthread_t th[3];

	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&th[i], NULL, poster, f), 0);
	for (int i = 0; i < 500 && f->n < 3 * POSTS; i++)
		turn_for(f, 10000);
	for (int i = 0; i < 3; i++)
		pthread_join(th[i], NULL);
	turn_for(f, 10000);
	assert_int_equal(f->n, 3 * POSTS);
	bg_loop_post(f->l, count, f); /* left in the queue: freed with the loop */
}

static void on_sig(int signo, void *arg)
{
	struct fx *f = arg;

	f->order[f->n++] = signo;
	f->flag = true;
	if (signo == SIGUSR2)
		bg_loop_quit(f->l, 7);
}

static void test_signal_and_quit(void **state)
{
	struct fx *f = *state;

	bg_loop_signal(f->l, SIGUSR1, on_sig, f);
	bg_loop_signal(f->l, SIGUSR2, on_sig, f);
	raise(SIGUSR1);
	assert_true(bg_loop_run_until(f->l, &f->flag, 1000000));
	assert_int_equal(f->order[0], SIGUSR1);
	raise(SIGUSR2);
	assert_int_equal(bg_loop_run(f->l), 7);
	assert_int_equal(f->n, 2);
	bg_loop_quit(f->l, 3); /* before it runs */
	assert_int_equal(bg_loop_run(f->l), 3);
}

/* Inherited from whoever started us: SIGCHLD never came then, and a dead program of the exec handler was never seen. */
static void test_signal_that_was_blocked(void **state)
{
	struct fx *f = *state;
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, &old), 0);
	bg_loop_signal(f->l, SIGUSR1, on_sig, f);
	raise(SIGUSR1);
	assert_true(bg_loop_run_until(f->l, &f->flag, 1000000));
	assert_int_equal(f->order[0], SIGUSR1);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void on_pipe(void *arg)
{
	struct fx *f = arg;

	f->n++;
	f->flag = true;
}

static void on_pipe_free(void *arg)
{
	struct fx *f = arg;

	f->n++;
	bg_watch_free(f->w);
	f->w = NULL;
}

static void test_watch(void **state)
{
	struct fx *f = *state;
	int p[2], n;

	assert_int_equal(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	f->w = bg_watch_read(f->l, p[0], on_pipe, f);
	turn_for(f, 2000);
	assert_int_equal(f->n, 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	turn_for(f, 2000);
	assert_true(f->n > 1); /* level-triggered */
	bg_watch_enable(f->w, false);
	n = f->n;
	turn_for(f, 2000);
	assert_int_equal(f->n, n);
	bg_watch_enable(f->w, true);
	bg_watch_enable(f->w, true);
	turn_for(f, 2000);
	assert_true(f->n > n);
	bg_watch_free(f->w);
	f->n = 0;
	f->w = bg_watch_read(f->l, p[0], on_pipe_free, f);
	turn_for(f, 2000);
	assert_int_equal(f->n, 1);
	f->w = bg_watch_write(f->l, p[1], on_pipe, f);
	f->flag = false;
	assert_true(bg_loop_run_until(f->l, &f->flag, 100000));
	bg_watch_free(f->w);
	bg_watch_free(NULL);
	close(p[0]);
	close(p[1]);
}

static void test_clock(void **state)
{
	struct fx *f = *state;

	bg_clock_set(1234567);
	assert_int_equal(bg_now_us(), 1234567);
	/* Timers go on by the real clock. */
	f->t = bg_timer_new(f->l, count, f);
	bg_timer_start(f->t, 1000);
	assert_true(bg_loop_run_until(f->l, &f->flag, 1000000));
	assert_int_equal(f->at[0], 1234567);
	bg_clock_set(-1);
	assert_int_not_equal(bg_now_us(), 1234567);
	assert_true(bg_real_us() > 1600000000LL * 1000000);
	bg_timer_free(f->t);
}

static void test_turns(void **state)
{
	struct fx *f = *state;
	uint64_t n = bg_loop_turns(f->l);

	turn_for(f, 1000);
	assert_true(bg_loop_turns(f->l) > n);
	n = bg_loop_turns(f->l);
	stand_still(2);
	assert_int_equal(bg_loop_turns(f->l), n);
}

/* ---- stall guard ---- */

static void on_stall(void *arg, int64_t us)
{
	struct fx *f = arg;

	f->stalls++;
	f->stalled = us;
	f->order[0] = f->n;                      /* how many other calls came before */
	assert_false(bg_loop_check_stall(f->l)); /* not within itself */
}

static void test_no_stall(void **state)
{
	struct fx *f = *state;

	assert_false(bg_loop_check_stall(f->l));
	bg_loop_stall_guard(f->l, 1000000, on_stall, f);
	f->t = bg_timer_new(f->l, count, f);
	bg_timer_every(f->t, 500);
	turn_for(f, 1300000);
	assert_int_equal(f->stalls, 0);
	assert_false(bg_loop_check_stall(f->l));
	bg_timer_free(f->t);
}

static void test_stall_first(void **state)
{
	struct fx *f = *state;
	int p[2];

	assert_int_equal(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	bg_loop_stall_guard(f->l, 300000, on_stall, f);
	f->t = bg_timer_new(f->l, count, f);
	turn_for(f, 60000);
	/* A timer, a readable descriptor, a posted and a deferred call are all due when it wakes. */
	bg_timer_start(f->t, 1000);
	f->w = bg_watch_read(f->l, p[0], on_pipe_free, f);
	assert_int_equal(write(p[1], "x", 1), 1);
	bg_loop_post(f->l, count, f);
	bg_loop_defer(f->l, count, f);
	stand_still(550);
	turn_for(f, 20000);
	assert_int_equal(f->stalls, 1);
	assert_int_equal(f->order[0], 0);
	assert_in_range(f->stalled, 450000, 5000000);
	assert_int_equal(f->n, 4);
	/* Asked directly, in the middle of a callback. */
	stand_still(550);
	assert_true(bg_loop_check_stall(f->l));
	assert_false(bg_loop_check_stall(f->l));
	assert_int_equal(f->stalls, 2);
	/* Taken away. */
	bg_loop_stall_guard(f->l, 0, NULL, NULL);
	stand_still(550);
	assert_false(bg_loop_check_stall(f->l));
	bg_timer_free(f->t);
	close(p[0]);
	close(p[1]);
}

static void stall_frees(void *arg, int64_t us)
{
	struct fx *f = arg;

	(void)us;
	f->stalls++;
	bg_timer_free(f->t);
	bg_watch_free(f->w);
	f->t = NULL;
	f->w = NULL;
	if (f->other)
		bg_timer_start(f->other, 50000);
}

/* The stall function frees the very timer and watch at whose head it was called, and restarts another. */
static void test_stall_frees(void **state)
{
	struct fx *f = *state;
	int p[2];

	assert_int_equal(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	bg_loop_stall_guard(f->l, 300000, stall_frees, f);
	f->t = bg_timer_new(f->l, count, f);
	f->other = bg_timer_new(f->l, count, f);
	f->w = bg_watch_read(f->l, p[0], on_pipe, f);
	bg_timer_start(f->t, 1000);
	bg_timer_start(f->other, 1000);
	assert_int_equal(write(p[1], "x", 1), 1);
	stand_still(500);
	turn_for(f, 10000);
	assert_int_equal(f->stalls, 1);
	assert_int_equal(f->n, 0);
	turn_for(f, 100000);
	assert_int_equal(f->n, 1);
	bg_timer_free(f->other);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_one_shot),
		T(test_periodic),
		T(test_free_inside),
		T(test_defer),
		T(test_post),
		T(test_signal_and_quit),
		T(test_signal_that_was_blocked),
		T(test_watch),
		T(test_clock),
		T(test_turns),
		T(test_no_stall),
		T(test_stall_first),
		T(test_stall_frees),
	};

	bg_log_init("test", "logfmt", BG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
