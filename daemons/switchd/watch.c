/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/watch.h"

#include <stdio.h>
#include <string.h>

#include "switchd/events.h"
#include "switchd/identity.h"
#include "switchd/rebuild.h"
#include "switchd/reconcile.h"
#include "switchd/snapshot.h"
#include "switchd/soak.h"
#include "switchd/soak_back.h"

/*
 * A poll that finds no change ends after reconcile-interval, so that numbers (lag, counters) are that fresh; but no more
 * than 50 a second do, for a thousand instances would keep us busy with nothing. A change of state ends it at once.
 *
 * No more than HELD_MAX are held at once, of all switches together; the others take turns. A held poll costs 10 KiB, and
 * in a pause each of them answers too, beside the command's own answer. So with a thousand instances a turn comes every
 * 20 s; whoever starts or is fenced says hello, and is asked at once.
 */
#define GRACE_US  INT64_C(5000000)
#define AN_END_US INT64_C(20000)
#define HELD_MAX  ((size_t)256)

static void changed(struct sw_inst *i)
{
	sw_events_instance(i);
	sw_soak_look_at(i);
	sw_rebuild_look(i->sw);
	if (sw_identity_lost(i->sw, i))
		sw_identity_look(i->sw);
	sw_reconcile_one(i);
}

static bool critical(const struct sw_switch *sw)
{
	return sw->state == SW_PAUSING || sw->state == SW_TRANSFER || sw->state == SW_RESUMING;
}

/* Looking through a thousand instances at each status of one of them is what an idle bg-switchd would spend. */
static bool needs_offset(const struct sw_inst *i)
{
	for (size_t a = 0; a < i->n_part; a++)
		if (i->part[a].needs_offset)
			return true;
	return false;
}

/* ---- turns */

static void leave_queue(struct sw_inst *i)
{
	struct sw_daemon *dm = i->sw->dm;

	if (!i->poll_waits)
		return;
	*(i->poll_prev ? &i->poll_prev->poll_next : &dm->poll_first) = i->poll_next;
	*(i->poll_next ? &i->poll_next->poll_prev : &dm->poll_last) = i->poll_prev;
	i->poll_next = i->poll_prev = NULL;
	i->poll_waits = false;
}

static void queue(struct sw_inst *i)
{
	struct sw_daemon *dm = i->sw->dm;

	if (i->poll_waits)
		return;
	i->poll_prev = dm->poll_last;
	*(dm->poll_last ? &dm->poll_last->poll_next : &dm->poll_first) = i;
	dm->poll_last = i;
	i->poll_waits = true;
}

static void ask(struct sw_inst *i);

static void serve(struct sw_daemon *dm)
{
	while (dm->poll_first && dm->n_polls < HELD_MAX) {
		struct sw_inst *i = dm->poll_first;

		leave_queue(i);
		ask(i);
	}
}

/* The poll of i is over, or is given up. */
static void let_go(struct sw_inst *i)
{
	if (i->poll_call)
		i->sw->dm->n_polls--;
	i->poll_call = 0;
}

static void give_up(struct sw_inst *i)
{
	if (i->poll_call)
		bg_httpc_cancel(i->poll_via, i->poll_call);
	let_go(i);
	leave_queue(i);
}

static void poll(struct sw_inst *i)
{
	queue(i);
	serve(i->sw->dm);
}

static void on_status(void *arg, const struct bg_httpc_answer *a)
{
	struct sw_inst *i = arg;
	struct bg_err err = BG_ERR_INIT;
	bool chg = false;
	int rc = -1;

	let_go(i);
	if (a->status == 200 && a->json && json_object_is_type(a->json, json_type_object)) {
		rc = sw_inst_take(i, a->json, &chg, &err);
	} else {
		if (a->status)
			bg_err_set(&err, 0, "http_error", "%s answers GET /lifecycle/status with %d", i->url,
				   a->status);
		else
			err = a->err;
		sw_inst_lost(i, &err, &chg);
	}
	if (rc == 0) {
		bg_backoff_reset(&i->poll_backoff);
		sw_soak_count(i);
		if (needs_offset(i))
			sw_newcomers_look(i->sw);
	}
	if (chg)
		changed(i);
	else if (rc == 0)
		sw_reconcile_one(i);
	/* Not on the critical path: statuses cost the instances and us time, and the answers say the same. One that
	 * answers long polls at once must not be asked in a tight loop. */
	if (rc == 0 && critical(i->sw))
		bg_timer_start(i->poll_timer, 50000);
	else if (rc == 0 && (chg || a->done_us - a->sent_us > 10000))
		poll(i);
	else
		bg_timer_start(i->poll_timer, rc == 0 ? 100000 : bg_backoff_next(&i->poll_backoff));
	serve(i->sw->dm);
}

static void ask(struct sw_inst *i)
{
	int64_t crowd_us = (int64_t)BG_MIN(i->sw->n_inst, HELD_MAX) * AN_END_US;
	int64_t wait_us = BG_MAX(sw_soak_fresh_us(i), crowd_us);
	char path[96];
	struct bg_httpc_call call = {
		.method = "GET",
		.base = i->url,
		.path = path,
		.token = i->sw->cfg->token,
		.deadline_us = wait_us + GRACE_US,
	};

	/* The first question to a process is answered at once, and opens the connection that commands will use. */
	if (i->reachable && !i->poll_fresh) {
		snprintf(path, sizeof(path), "/lifecycle/status?since=%lld&wait_ms=%lld", (long long)i->seq,
			 (long long)(wait_us / 1000));
		i->poll_via = i->sw->dm->poll;
	} else {
		snprintf(path, sizeof(path), "/lifecycle/status");
		i->poll_via = i->sw->dm->cmd;
	}
	i->poll_fresh = false;
	i->poll_call = bg_httpc_send(i->poll_via, &call, on_status, i);
	i->sw->dm->n_polls++;
}

static void on_timer(void *arg)
{
	poll(arg);
}

void sw_watch_start(struct sw_switch *sw)
{
	for (size_t k = 0; k < sw->n_inst; k++) {
		struct sw_inst *i = &sw->inst[k];

		i->poll_backoff = (struct bg_backoff){50000, 2000000, 0};
		i->poll_timer = bg_timer_new(sw->dm->loop, on_timer, i);
		poll(i);
	}
}

void sw_watch_stop(struct sw_switch *sw)
{
	for (size_t k = 0; k < sw->n_inst; k++) {
		if (!sw->inst[k].poll_timer)
			continue; /* not started, or stopped */
		give_up(&sw->inst[k]);
		bg_timer_free(sw->inst[k].poll_timer);
		sw->inst[k].poll_timer = NULL;
	}
}

void sw_watch_kick(struct sw_inst *i)
{
	if (!i->poll_timer)
		return; /* stopped */
	give_up(i);
	bg_backoff_reset(&i->poll_backoff);
	bg_timer_stop(i->poll_timer);
	i->poll_fresh = true;
	ask(i); /* it is answered at once: it need not wait for its turn */
}
