/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads take jobs from one bounded queue; ended jobs go to a list that the loop hands over when an
 * eventfd wakes it. The pool is reference-counted by its threads, so that one left behind at exit can
 * end later without touching what is gone.
 */
#include "config.h"
#include "common/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "common/log.h"
#include "common/mem.h"

#define QUEUE_MAX 256
#define TICK_US   50000
#define EXIT_HUNG 70

struct job {
	struct job *next;
	char what[64];
	void (*fn)(void *arg);
	void (*done)(void *arg);
	void *arg;
	int64_t limit_us, used_us;
};

struct job_list {
	struct job *head, **tail;
	int n;
};

struct bg_worker {
	pthread_mutex_t lock;
	pthread_cond_t more, ended;
	struct job_list queued, finished;
	struct job **running; /* one slot a thread */
	pthread_t *ids;
	int threads, busy, refs;
	bool closed; /* the owner has left: nothing may touch the loop */
	int wake_fd;
	struct bg_watch *wake;
	struct bg_timer *tick;
	int64_t last_tick_us;
};

struct thread_arg {
	struct bg_worker *w;
	int slot;
};

static void list_init(struct job_list *l)
{
	*l = (struct job_list){.tail = &l->head};
}

static void list_add(struct job_list *l, struct job *j)
{
	j->next = NULL;
	*l->tail = j;
	l->tail = &j->next;
	l->n++;
}

static struct job *list_take(struct job_list *l)
{
	struct job *j = l->head;

	if (!j)
		return NULL;
	l->head = j->next;
	if (!l->head)
		l->tail = &l->head;
	l->n--;
	return j;
}

static void list_drop(struct job_list *l)
{
	struct job *j;

	while ((j = list_take(l)))
		free(j);
}

/* Called locked; unlocks. */
static void unref_unlock(struct bg_worker *w)
{
	bool last = --w->refs == 0;

	pthread_mutex_unlock(&w->lock);
	if (!last)
		return;
	list_drop(&w->queued);
	list_drop(&w->finished);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->more);
	pthread_cond_destroy(&w->ended);
	free(w->running);
	free(w->ids);
	free(w);
}

/* Hand over every finished job. Its done function may submit more, or free the pool (refs keep w alive). */
static void hand_over(struct bg_worker *w)
{
	struct job *j;

	for (;;) {
		pthread_mutex_lock(&w->lock);
		j = list_take(&w->finished);
		pthread_mutex_unlock(&w->lock);
		if (!j)
			return;
		if (j->done)
			j->done(j->arg);
		free(j);
	}
}

static void on_wake(void *arg)
{
	struct bg_worker *w = arg;
	uint64_t n;
	ssize_t got;

	got = read(w->wake_fd, &n, sizeof(n)); /* only resets the counter */
	(void)got;
	pthread_mutex_lock(&w->lock);
	w->refs++;
	pthread_mutex_unlock(&w->lock);
	hand_over(w);
	pthread_mutex_lock(&w->lock);
	unref_unlock(w);
}

/* Called locked. */
static void finish(struct bg_worker *w, struct job *j)
{
	uint64_t one = 1;
	ssize_t put;

	list_add(&w->finished, j);
	pthread_cond_broadcast(&w->ended);
	if (w->closed)
		return;
	put = write(w->wake_fd, &one, sizeof(one)); /* EAGAIN: full, so it is readable anyway */
	(void)put;
}

static void *thread_main(void *arg)
{
	struct thread_arg ta = *(struct thread_arg *)arg;
	struct bg_worker *w = ta.w;
	struct job *j;

	free(arg);
	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!w->queued.head && !w->closed)
			pthread_cond_wait(&w->more, &w->lock);
		j = list_take(&w->queued);
		if (!j)
			break;
		w->running[ta.slot] = j;
		w->busy++;
		pthread_mutex_unlock(&w->lock);
		j->fn(j->arg);
		pthread_mutex_lock(&w->lock);
		w->running[ta.slot] = NULL;
		w->busy--;
		finish(w, j);
	}
	unref_unlock(w);
	return NULL;
}

/*
 * Time is counted in ticks of the loop and a tick never counts for more than two: a process that was
 * stopped and continued must not be killed for the time in which its threads stood still as well.
 */
static void on_tick(void *arg)
{
	struct bg_worker *w = arg;
	int64_t now = bg_now_us(), step = BG_MIN(now - w->last_tick_us, 2 * TICK_US);
	bool any = false;

	w->last_tick_us = now;
	pthread_mutex_lock(&w->lock);
	for (int i = 0; i < w->threads; i++) {
		struct job *j = w->running[i];

		if (!j || j->limit_us <= 0)
			continue;
		any = true;
		j->used_us += step;
		if (j->used_us <= j->limit_us)
			continue;
		bg_log(BG_ERROR, "worker_hung", "%s has not ended within %lld ms; the process exits", j->what,
		       (long long)(j->limit_us / 1000));
		_exit(EXIT_HUNG);
	}
	for (struct job *j = w->queued.head; j && !any; j = j->next)
		any = j->limit_us > 0;
	if (!any)
		bg_timer_stop(w->tick);
	pthread_mutex_unlock(&w->lock);
}

static int spawn(struct bg_worker *w, int slot)
{
	struct thread_arg *ta = bg_xmalloc(sizeof(*ta));
	int rc;

	*ta = (struct thread_arg){.w = w, .slot = slot};
	rc = pthread_create(&w->ids[slot], NULL, thread_main, ta);
	if (rc)
		free(ta);
	return -rc;
}

struct bg_worker *bg_worker_new(struct bg_loop *l, int threads)
{
	struct bg_worker *w = bg_xcalloc(1, sizeof(*w));
	pthread_condattr_t attr;
	sigset_t all, old;
	int rc;

	w->threads = BG_MAX(threads, 1);
	w->running = bg_xcalloc((size_t)w->threads, sizeof(struct job *));
	w->ids = bg_xcalloc((size_t)w->threads, sizeof(pthread_t));
	list_init(&w->queued);
	list_init(&w->finished);
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->more, &attr);
	pthread_cond_init(&w->ended, &attr);
	pthread_condattr_destroy(&attr);
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->wake_fd < 0)
		bg_fatal("make an eventfd for the workers");
	w->wake = bg_watch_read(l, w->wake_fd, on_wake, w);
	w->tick = bg_timer_new(l, on_tick, w);
	w->refs = 1 + w->threads;
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (int i = 0; i < w->threads; i++) {
		rc = spawn(w, i);
		if (rc < 0) {
			errno = -rc;
			bg_fatal("start a worker thread");
		}
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return w;
}

/* All jobs have ended and are handed over, those too that a done has submitted meanwhile; or the time is over. Locked. */
static void settle(struct bg_worker *w, int64_t wait_us)
{
	struct timespec end, now;
	int64_t end_us;
	bool over = false;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end_us = (int64_t)end.tv_sec * 1000000 + end.tv_nsec / 1000 + BG_MAX(wait_us, 0);
	end = (struct timespec){.tv_sec = end_us / 1000000, .tv_nsec = end_us % 1000000 * 1000};
	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!over && (w->queued.head || w->busy > 0))
			over = pthread_cond_timedwait(&w->ended, &w->lock, &end) == ETIMEDOUT;
		if (over || !w->finished.head)
			return;
		pthread_mutex_unlock(&w->lock);
		hand_over(w);
		clock_gettime(CLOCK_MONOTONIC, &now);
		over = now.tv_sec > end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec >= end.tv_nsec);
		pthread_mutex_lock(&w->lock);
	}
}

void bg_worker_free(struct bg_worker *w, int64_t wait_us)
{
	bool *hung;

	if (!w)
		return;
	settle(w, wait_us);
	w->closed = true;
	list_drop(&w->queued);
	if (w->busy > 0)
		bg_log(BG_WARN, "worker_left", "%d worker threads are left behind at exit", w->busy);
	pthread_cond_broadcast(&w->more);
	hung = bg_xcalloc((size_t)w->threads, sizeof(*hung));
	for (int i = 0; i < w->threads; i++)
		hung[i] = w->running[i] != NULL;
	pthread_mutex_unlock(&w->lock);
	for (int i = 0; i < w->threads; i++) {
		if (hung[i])
			pthread_detach(w->ids[i]);
		else
			pthread_join(w->ids[i], NULL);
	}
	free(hung);
	hand_over(w);
	bg_watch_free(w->wake);
	close(w->wake_fd);
	bg_timer_free(w->tick);
	pthread_mutex_lock(&w->lock);
	unref_unlock(w);
}

int bg_worker_submit(struct bg_worker *w, const char *what, void (*fn)(void *arg), void (*done)(void *arg),
		     void *arg, int64_t limit_us)
{
	struct job *j = bg_xcalloc(1, sizeof(*j));

	*j = (struct job){.fn = fn, .done = done, .arg = arg, .limit_us = limit_us};
	bg_strlcpy(j->what, what, sizeof(j->what));
	pthread_mutex_lock(&w->lock);
	if (w->closed || w->queued.n >= QUEUE_MAX) {
		pthread_mutex_unlock(&w->lock);
		free(j);
		return -EAGAIN;
	}
	list_add(&w->queued, j);
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
	if (limit_us > 0 && !bg_timer_pending(w->tick)) {
		w->last_tick_us = bg_now_us();
		bg_timer_every(w->tick, TICK_US);
	}
	return 0;
}
