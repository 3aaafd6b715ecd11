/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "common/notify.h"

#include <stdio.h>
#include <stdlib.h>

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "common/mem.h"

struct bg_watchdog {
	struct bg_loop *loop;
	struct bg_timer *timer;
	uint64_t turns;
};

void bg_notify(const char *state)
{
#ifdef HAVE_SYSTEMD
	sd_notify(0, state);
#else
	(void)state;
#endif
}

void bg_notify_reloading(void)
{
	char text[80];

	snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)bg_now_us());
	bg_notify(text);
}

#ifdef HAVE_SYSTEMD
/* The timer's own turn counts for one: more than that is progress of something else, or of the timer's next firing. */
static void feed(void *arg)
{
	struct bg_watchdog *w = arg;
	uint64_t turns = bg_loop_turns(w->loop);

	if (turns != w->turns)
		bg_notify("WATCHDOG=1");
	w->turns = turns;
}
#endif

struct bg_watchdog *bg_watchdog_start(struct bg_loop *l)
{
#ifdef HAVE_SYSTEMD
	uint64_t usec;
	struct bg_watchdog *w;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return NULL;
	w = bg_xcalloc(1, sizeof *w);
	w->loop = l;
	w->timer = bg_timer_new(l, feed, w);
	bg_timer_every(w->timer, (int64_t)usec / 2);
	return w;
#else
	(void)l;
	return NULL;
#endif
}

void bg_watchdog_free(struct bg_watchdog *w)
{
	if (!w)
		return;
	bg_timer_free(w->timer);
	free(w);
}
