/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop turns by hand (event_base_loop once a turn) so that turns can be counted, deferred calls run
 * at the end of a turn, and things freed inside a callback live until that turn is over: a stall
 * function may free or stop the very timer at whose head it was called.
 */
#include "config.h"
#include "common/loop_int.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "common/log.h"
#include "common/mem.h"

static _Atomic int64_t frozen_us = -1;

static int64_t clock_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t bg_now_us(void)
{
	int64_t us = atomic_load_explicit(&frozen_us, memory_order_relaxed);

	return us >= 0 ? us : clock_us(CLOCK_MONOTONIC);
}

int64_t bg_real_us(void)
{
	return clock_us(CLOCK_REALTIME);
}

void bg_clock_set(int64_t us)
{
	atomic_store(&frozen_us, us < 0 ? -1 : us);
}

int64_t bg_loop_mono_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

/* For the stall guard: a machine that was suspended stood still too, and only this clock shows it. */
static int64_t stall_now_us(void)
{
	int64_t us = atomic_load_explicit(&frozen_us, memory_order_relaxed);

	return us >= 0 ? us : clock_us(CLOCK_BOOTTIME);
}

static void queue_init(struct queue *q)
{
	q->head = NULL;
	q->tail = &q->head;
}

static void queue_add(struct queue *q, void (*fn)(void *arg), void *arg)
{
	struct call *c = bg_xmalloc(sizeof(*c));

	*c = (struct call){.fn = fn, .arg = arg};
	*q->tail = c;
	q->tail = &c->next;
}

/* Run what was queued so far; what these calls queue themselves waits for the next turn. */
static void queue_run(struct bg_loop *l, struct queue *q)
{
	struct call *c = q->head;

	queue_init(q);
	while (c) {
		struct call *next = c->next;

		bg_loop_check_stall(l);
		c->fn(c->arg);
		free(c);
		c = next;
	}
}

static void queue_drop(struct queue *q)
{
	struct call *c = q->head;

	while (c) {
		struct call *next = c->next;

		free(c);
		c = next;
	}
	queue_init(q);
}

static void on_posted(evutil_socket_t fd, short what, void *arg)
{
	struct bg_loop *l = arg;
	struct queue mine;
	uint64_t n;
	ssize_t got;

	(void)what;
	got = read(fd, &n, sizeof(n)); /* only resets the counter; EAGAIN is fine */
	(void)got;
	pthread_mutex_lock(&l->post_lock);
	mine = l->posted;
	if (!mine.head)
		mine.tail = &mine.head;
	queue_init(&l->posted);
	pthread_mutex_unlock(&l->post_lock);
	queue_run(l, &mine);
}

static void use_threads_once(void)
{
	evthread_use_pthreads();
}

struct bg_loop *bg_loop_new(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct event_config *cfg;
	struct bg_loop *l = bg_xcalloc(1, sizeof(*l));

	pthread_once(&once, use_threads_once);
	/* A peer that has left shows as EPIPE. */
	signal(SIGPIPE, SIG_IGN);
	cfg = event_config_new();
	if (!cfg)
		bg_fatal("make the event loop");
	/* Pacing counts microseconds: no cached time, and a timerfd beneath. One thread: no locks. */
	event_config_set_flag(cfg, EVENT_BASE_FLAG_PRECISE_TIMER | EVENT_BASE_FLAG_NO_CACHE_TIME |
					   EVENT_BASE_FLAG_NOLOCK);
	l->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	l->post_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!l->base || l->post_fd < 0)
		bg_fatal("make the event loop");
	queue_init(&l->deferred);
	queue_init(&l->posted);
	pthread_mutex_init(&l->post_lock, NULL);
	l->post_ev = event_new(l->base, l->post_fd, EV_READ | EV_PERSIST, on_posted, l);
	event_add(l->post_ev, NULL);
	return l;
}

void bg_loop_free(struct bg_loop *l)
{
	if (!l)
		return;
	bg_timer_free(l->beat);
	bg_loop_drop_signals(l);
	queue_drop(&l->deferred);
	queue_drop(&l->posted);
	bg_loop_bury(l);
	event_free(l->post_ev);
	close(l->post_fd);
	pthread_mutex_destroy(&l->post_lock);
	event_base_free(l->base);
	free(l);
}

struct event_base *bg_loop_base(struct bg_loop *l)
{
	return l->base;
}

static void turn(struct bg_loop *l)
{
	bool outer = !l->turning;

	l->turning = true;
	event_base_loop(l->base, EVLOOP_ONCE | (l->deferred.head ? EVLOOP_NONBLOCK : 0));
	l->turns++;
	queue_run(l, &l->deferred);
	if (!outer)
		return;
	l->turning = false;
	bg_loop_bury(l);
}

int bg_loop_run(struct bg_loop *l)
{
	while (!l->quit)
		turn(l);
	l->quit = false;
	return l->status;
}

void bg_loop_quit(struct bg_loop *l, int status)
{
	l->quit = true;
	l->status = status;
}

static void nothing(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

bool bg_loop_run_until(struct bg_loop *l, const bool *flag, int64_t timeout_us)
{
	const volatile bool *f = flag;
	int64_t end = clock_us(CLOCK_MONOTONIC) + timeout_us;
	struct event *wake = evtimer_new(l->base, nothing, NULL);

	for (;;) {
		int64_t left = end - clock_us(CLOCK_MONOTONIC);
		struct timeval tv = {.tv_sec = left / 1000000, .tv_usec = left % 1000000};

		if (*f || left <= 0)
			break;
		event_add(wake, &tv);
		turn(l);
	}
	event_free(wake);
	return *f;
}

void bg_loop_defer(struct bg_loop *l, void (*fn)(void *arg), void *arg)
{
	queue_add(&l->deferred, fn, arg);
}

void bg_loop_post(struct bg_loop *l, void (*fn)(void *arg), void *arg)
{
	uint64_t one = 1;
	ssize_t put;

	pthread_mutex_lock(&l->post_lock);
	queue_add(&l->posted, fn, arg);
	put = write(l->post_fd, &one,
		    sizeof(one)); /* EAGAIN: the counter is full, so it is readable anyway */
	(void)put;
	pthread_mutex_unlock(&l->post_lock);
}

/* ---- stall guard ---- */

static void on_beat(void *arg)
{
	struct bg_loop *l = arg;

	l->last_beat_us = stall_now_us();
}

void bg_loop_stall_guard(struct bg_loop *l, int64_t limit_us, void (*fn)(void *arg, int64_t stalled_us),
			 void *arg)
{
	l->stall_fn = fn;
	l->stall_arg = arg;
	l->stall_limit_us = limit_us;
	l->last_beat_us = stall_now_us();
	if (!l->beat)
		l->beat = bg_timer_new(l, on_beat, l);
	if (fn && limit_us > 0)
		bg_timer_every(l->beat, BG_MAX(limit_us / 4, 1000));
	else
		bg_timer_stop(l->beat);
}

bool bg_loop_check_stall(struct bg_loop *l)
{
	int64_t now, stalled;

	if (!l->stall_fn || l->stall_limit_us <= 0 || l->in_stall)
		return false;
	now = stall_now_us();
	stalled = now - l->last_beat_us;
	if (stalled <= l->stall_limit_us)
		return false;
	l->last_beat_us = now;
	l->in_stall = true;
	l->stall_fn(l->stall_arg, stalled);
	l->in_stall = false;
	return true;
}

uint64_t bg_loop_turns(const struct bg_loop *l)
{
	return l->turns;
}
