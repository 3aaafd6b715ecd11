/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by loop.c and loop_event.c only. */
#ifndef BG_COMMON_LOOP_INT_H
#define BG_COMMON_LOOP_INT_H

#include <event2/event.h>
#include <pthread.h>
#include "common/loop.h"

struct bg_timer {
	struct bg_loop *loop;
	struct event *ev;
	void (*fn)(void *arg);
	void *arg;
	int64_t period_us, due_us; /* due: monotonic, only kept for periodic ones */
	bool armed;
	struct bg_timer *next_dead;
};

struct bg_watch {
	struct bg_loop *loop;
	struct event *ev;
	void (*fn)(void *arg);
	void *arg;
	bool on;
	struct bg_watch *next_dead;
};

struct sig {
	struct sig *next;
	struct bg_loop *loop;
	struct event *ev;
	int signo;
	void (*fn)(int signo, void *arg);
	void *arg;
};

struct call {
	struct call *next;
	void (*fn)(void *arg);
	void *arg;
};

struct queue {
	struct call *head, **tail;
};

struct bg_loop {
	struct event_base *base;
	struct queue deferred;
	pthread_mutex_t post_lock; /* guards posted only */
	struct queue posted;
	int post_fd;
	struct event *post_ev;
	struct sig *signals;
	struct bg_timer *dead_timers;
	struct bg_watch *dead_watches;
	bool turning, quit;
	int status;
	uint64_t turns;
	struct bg_timer *beat;
	int64_t stall_limit_us, last_beat_us;
	void (*stall_fn)(void *arg, int64_t stalled_us);
	void *stall_arg;
	bool in_stall;
};

int64_t bg_loop_mono_us(void);        /* the real monotonic clock, whatever a test has set */
void bg_loop_bury(struct bg_loop *l); /* free the timers and watches that were freed within a turn */
void bg_loop_drop_signals(struct bg_loop *l);

#endif
