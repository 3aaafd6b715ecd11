/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/con.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/log.h"
#include "common/mem.h"
#include "consumerd/api.h"
#include "consumerd/commands.h"
#include "consumerd/commands_int.h"
#include "consumerd/con_stop.h"
#include "consumerd/hello.h"
#include "consumerd/ledger.h"
#include "consumerd/source.h"
#include "consumerd/spare.h"
#include "consumerd/start.h"

void con_changed(struct con *c)
{
	c->seq++;
	con_api_changed(c);
}

void con_error(struct con *c, const char *ev, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->last_error, sizeof c->last_error, fmt, ap);
	va_end(ap);
	bg_log(BG_WARN, ev, "%s", c->last_error);
}

bool con_working(const struct con *c)
{
	return c->state == CON_ACTIVE || c->state == CON_DRAINING;
}

bool con_may_hand_out(const struct con *c)
{
	return c->state == CON_ACTIVE && !c->held && !c->cut && !c->stopping;
}

static void run_queue(void *arg)
{
	struct con *c = arg;

	if (c->commands)
		con_commands_run_queue(c);
}

void con_let_go(struct con *c)
{
	if (!c->held)
		return;
	c->held = false;
	/* Commands that came meanwhile are carried out now. */
	bg_loop_defer(c->loop, run_queue, c);
}

static void act(struct con *c, enum con_action a)
{
	switch (a) {
	case CON_DO_BEGIN:
		c->commands->resume_from_us = bg_now_us();
		c->commands->positioned_us = 0;
		con_commands_drain_over(c);
		con_start_begin(c);
		break;
	case CON_DO_ADOPT:
		c->commands->resume_from_us = bg_now_us();
		c->commands->positioned_us = 0;
		con_commands_drain_over(c);
		con_start_adopt(c);
		break;
	case CON_DO_GO:
		c->commands->positioned_us = bg_now_us();
		con_start_go(c);
		break;
	case CON_DO_DRAIN:
		con_commands_drain(c);
		break;
	case CON_DO_CANCEL:
		con_start_cancel(c);
		con_commands_prove(c);
		break;
	case CON_DO_PROVE:
		con_commands_prove(c);
		break;
	case CON_DO_REPLACE:
		con_start_cancel(c);
		con_source_replace(c);
		con_hello_say(c);
		break;
	case CON_DO_JOIN:
		con_source_join(c);
		break;
	case CON_DO_HALT:
		con_start_cancel(c);
		con_hello_say(c);
		break;
	case CON_DO_NONE:
	case CON_ACTIONS:
		break;
	}
}

void con_event(struct con *c, enum con_event ev, const char *why)
{
	enum con_action action;
	enum con_state old = c->state;

	c->state = con_lc_next(old, ev, &action);
	if (c->state == CON_FENCED && old != CON_FENCED)
		c->fenced_epoch = c->ep.epoch;
	if (c->state != old) {
		char epoch[24];

		c->since_real_us = bg_real_us();
		c->since_us = bg_now_us();
		snprintf(epoch, sizeof epoch, "%lld", (long long)c->ep.epoch);
		bg_log_ctx("epoch", epoch);
		con_ledger_state(c, con_state_name(old), con_state_name(c->state));
		bg_log(BG_NOTICE, "state", "%s -> %s (%s)", con_state_name(old), con_state_name(c->state),
		       why);
		con_changed(c);
	}
	if (!con_working(c))
		con_let_go(c); /* the guard is for positions of ours; who has none reads rule 3 again */
	act(c, action);
	if (c->state != old)
		con_commands_state(c);
	con_stop_check(c);
}

void con_connected(struct con *c)
{
	c->connected = true;
	con_event(c, CON_EV_CONNECTED, "connected");
	con_spare_later(c, 0);
	con_hello_say(c);
	if (con_start_under_way(c))
		con_start_assigned(c);
	else if (c->cfg.mode == CON_PLAIN && c->state == CON_PAUSED && !c->local_pause)
		con_event(c, CON_EV_RESUME, "mode plain");
	con_changed(c);
}
