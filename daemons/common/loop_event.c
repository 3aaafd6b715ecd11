/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers, signals and descriptors. Each callback asks the stall guard first, and after that looks whether
 * the stall function has stopped or freed what it was about to call.
 */
#include "config.h"
#include "common/loop_int.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "common/mem.h"

void bg_loop_bury(struct bg_loop *l)
{
	while (l->dead_timers) {
		struct bg_timer *t = l->dead_timers;

		l->dead_timers = t->next_dead;
		event_free(t->ev);
		free(t);
	}
	while (l->dead_watches) {
		struct bg_watch *w = l->dead_watches;

		l->dead_watches = w->next_dead;
		event_free(w->ev);
		free(w);
	}
}

/* ---- timers ---- */

static void timer_arm(struct bg_timer *t, int64_t us)
{
	struct timeval tv;

	if (us < 0)
		us = 0;
	tv = (struct timeval){.tv_sec = us / 1000000, .tv_usec = us % 1000000};
	event_add(t->ev, &tv);
	t->armed = true;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct bg_timer *t = arg;
	int64_t now;

	(void)fd;
	(void)what;
	if (bg_loop_check_stall(t->loop) && (!t->armed || event_pending(t->ev, EV_TIMEOUT, NULL)))
		return; /* the stall function stopped, freed or restarted it */
	t->armed = false;
	if (t->period_us) {
		/* The next one is due a period after this one was, so that a rate stays exact; no bursts to catch up. */
		now = bg_loop_mono_us();
		t->due_us += t->period_us;
		if (t->due_us < now)
			t->due_us = now + t->period_us;
		timer_arm(t, t->due_us - now);
	}
	t->fn(t->arg);
}

struct bg_timer *bg_timer_new(struct bg_loop *l, void (*fn)(void *arg), void *arg)
{
	struct bg_timer *t = bg_xcalloc(1, sizeof(*t));

	*t = (struct bg_timer){.loop = l, .fn = fn, .arg = arg};
	t->ev = evtimer_new(l->base, on_timer, t);
	if (!t->ev)
		bg_fatal("make a timer");
	return t;
}

void bg_timer_start(struct bg_timer *t, int64_t us)
{
	t->period_us = 0;
	timer_arm(t, us);
}

void bg_timer_every(struct bg_timer *t, int64_t us)
{
	t->period_us = BG_MAX(us, 1);
	t->due_us = bg_loop_mono_us() + t->period_us;
	timer_arm(t, t->period_us);
}

void bg_timer_stop(struct bg_timer *t)
{
	event_del(t->ev);
	t->armed = false;
}

bool bg_timer_pending(const struct bg_timer *t)
{
	return t->armed;
}

void bg_timer_free(struct bg_timer *t)
{
	if (!t)
		return;
	bg_timer_stop(t);
	if (t->loop->turning) {
		t->next_dead = t->loop->dead_timers;
		t->loop->dead_timers = t;
		return;
	}
	event_free(t->ev);
	free(t);
}

/* ---- signals and descriptors ---- */

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct sig *s = arg;

	(void)fd;
	(void)what;
	bg_loop_check_stall(s->loop);
	s->fn(s->signo, s->arg);
}

void bg_loop_signal(struct bg_loop *l, int signo, void (*fn)(int signo, void *arg), void *arg)
{
	struct sig *s = bg_xcalloc(1, sizeof(*s));
	sigset_t one;

	*s = (struct sig){.next = l->signals, .loop = l, .signo = signo, .fn = fn, .arg = arg};
	s->ev = evsignal_new(l->base, signo, on_signal, s);
	if (!s->ev || event_add(s->ev, NULL) < 0)
		bg_fatal("watch for a signal");
	l->signals = s;
	/* Who started us may have had it blocked, as threads that fork often have, and that is inherited. */
	sigemptyset(&one);
	sigaddset(&one, signo);
	pthread_sigmask(SIG_UNBLOCK, &one, NULL);
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
	struct bg_watch *w = arg;

	(void)fd;
	(void)what;
	bg_loop_check_stall(w->loop);
	if (w->on)
		w->fn(w->arg);
}

static struct bg_watch *watch_new(struct bg_loop *l, int fd, short what, void (*fn)(void *arg), void *arg)
{
	struct bg_watch *w = bg_xcalloc(1, sizeof(*w));

	*w = (struct bg_watch){.loop = l, .fn = fn, .arg = arg, .on = true};
	w->ev = event_new(l->base, fd, (short)(what | EV_PERSIST), on_watch, w);
	if (!w->ev || event_add(w->ev, NULL) < 0)
		bg_fatal("watch a descriptor");
	return w;
}

struct bg_watch *bg_watch_read(struct bg_loop *l, int fd, void (*fn)(void *arg), void *arg)
{
	return watch_new(l, fd, EV_READ, fn, arg);
}

struct bg_watch *bg_watch_write(struct bg_loop *l, int fd, void (*fn)(void *arg), void *arg)
{
	return watch_new(l, fd, EV_WRITE, fn, arg);
}

void bg_watch_enable(struct bg_watch *w, bool on)
{
	if (w->on == on)
		return;
	w->on = on;
	if (on)
		event_add(w->ev, NULL);
	else
		event_del(w->ev);
}

void bg_watch_free(struct bg_watch *w)
{
	if (!w)
		return;
	/* Out of epoll now: the caller closes the descriptor next. */
	event_del(w->ev);
	w->on = false;
	if (w->loop->turning) {
		w->next_dead = w->loop->dead_watches;
		w->loop->dead_watches = w;
		return;
	}
	event_free(w->ev);
	free(w);
}

void bg_loop_drop_signals(struct bg_loop *l)
{
	while (l->signals) {
		struct sig *s = l->signals;

		l->signals = s->next;
		event_free(s->ev);
		free(s);
	}
}
