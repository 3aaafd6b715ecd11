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
 */
#define GRACE_US   INT64_C(5000000)
#define AN_END_US  INT64_C(20000)
#define LONGEST_US INT64_C(30000000)

static void poll(struct sw_inst *i);

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

static void on_status(void *arg, const struct bg_httpc_answer *a)
{
	struct sw_inst *i = arg;
	struct bg_err err = BG_ERR_INIT;
	bool chg = false;
	int rc = -1;

	i->poll_call = 0;
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
}

static void poll(struct sw_inst *i)
{
	int64_t crowd_us = BG_MIN((int64_t)i->sw->n_inst * AN_END_US, LONGEST_US);
	int64_t wait_us = BG_MAX(sw_soak_fresh_us(i), crowd_us);
	char path[96];
	struct bg_httpc_call call = {
		.method = "GET",
		.base = i->url,
		.path = path,
		.token = i->sw->cfg->token,
		.deadline_us = wait_us + GRACE_US,
	};

	/* The first question to a process is answered at once. */
	if (i->reachable && !i->poll_fresh)
		snprintf(path, sizeof(path), "/lifecycle/status?since=%lld&wait_ms=%lld", (long long)i->seq,
			 (long long)(wait_us / 1000));
	else
		snprintf(path, sizeof(path), "/lifecycle/status");
	i->poll_fresh = false;
	i->poll_call = bg_httpc_send(i->sw->dm->poll, &call, on_status, i);
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
		bg_httpc_cancel(sw->dm->poll, sw->inst[k].poll_call);
		sw->inst[k].poll_call = 0;
		bg_timer_free(sw->inst[k].poll_timer);
		sw->inst[k].poll_timer = NULL;
	}
}

void sw_watch_kick(struct sw_inst *i)
{
	if (!i->poll_timer)
		return; /* stopped */
	bg_httpc_cancel(i->sw->dm->poll, i->poll_call);
	bg_backoff_reset(&i->poll_backoff);
	bg_timer_stop(i->poll_timer);
	i->poll_fresh = true;
	poll(i);
}
