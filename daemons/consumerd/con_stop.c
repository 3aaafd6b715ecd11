/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/con_stop.h"

#include "common/log.h"
#include "consumerd/commit.h"
#include "consumerd/faults.h"
#include "consumerd/handler.h"
#include "consumerd/source.h"

static struct bg_timer *limit;
static bool leaving;

static struct bg_timer *wait_gone, *wait_probe;

/* The group is left already: others work on while the handler's process ends. */
static void handler_gone(void *arg)
{
	struct con *c = arg;

	if (c->handler->gone && !c->handler->gone(c)) {
		if (!wait_gone)
			wait_gone = bg_timer_new(c->loop, handler_gone, c);
		bg_timer_start(wait_gone, 10000);
		return;
	}
	bg_timer_free(wait_gone);
	bg_timer_free(limit);
	wait_gone = limit = NULL;
	bg_daemon_exit(c->d, 0);
}

static void left(void *arg)
{
	bg_log(BG_NOTICE, "stopped", "left the group");
	handler_gone(arg);
}

static void leave_now(void *arg)
{
	struct con *c = arg;

	if (con_source_busy(c)) {
		if (!wait_probe)
			wait_probe = bg_timer_new(c->loop, leave_now, c);
		bg_timer_start(wait_probe, 5000);
		return;
	}
	bg_timer_free(wait_probe);
	wait_probe = NULL;
	con_source_stop(c, left, c);
}

/* In the next turn: we may be inside of librdkafka's callbacks. */
static void leave(struct con *c)
{
	leaving = true;
	bg_loop_defer(c->loop, leave_now, c);
}

static void too_long(void *arg)
{
	struct con *c = arg;

	if (!leaving) {
		if (c->parts.in_flight)
			bg_log(BG_WARN, "stopping",
			       "%d records are still in the handler: they will be given again elsewhere",
			       c->parts.in_flight);
		else
			bg_log(BG_WARN, "stopping",
			       "the broker has not confirmed the last commit: what was done since the one before may be given again elsewhere");
		con_faults_abandon(c);
		if (c->handler->abandon)
			c->handler->abandon(c);
		bg_timer_start(limit, 5000000);
		leave(c);
		return;
	}
	bg_log(BG_WARN, "stopping", "the group could not be left in time");
	bg_daemon_exit(c->d, 0);
}

void con_stop_begin(struct bg_daemon *d)
{
	struct con *c = d->state;

	if (c->stopping)
		return;
	c->stopping = true;
	bg_log(BG_NOTICE, "stopping", "draining");
	limit = bg_timer_new(c->loop, too_long, c);
	bg_timer_start(limit, c->tun.drain_timeout_us);
	if (c->handler->finish)
		c->handler->finish(c);
	con_event(c, CON_EV_PAUSE, "stopping");
	con_stop_check(c);
}

void con_stop_check(struct con *c)
{
	if (!c->stopping || leaving || !c->source || c->state == CON_DRAINING || c->state == CON_RESUMING)
		return;
	if (!c->parts.in_flight && !con_commit_dirty(c))
		leave(c);
}
