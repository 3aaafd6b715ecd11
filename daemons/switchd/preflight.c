/* SPDX-License-Identifier: Apache-2.0 */
/* Gathering what the rules (preflight_rules.c) judge. */
#include "config.h"
#include "switchd/preflight.h"

#include <string.h>

#include "switchd/run.h"

#define AGAIN_US INT64_C(100000)
/* A group that forms or rebalances takes a heartbeat interval (3 s) or two: so long is it waited for. */
#define PATIENCE_US INT64_C(7000000)

struct sw_preflight {
	struct sw_switch *sw;
	struct sw_pf_facts pf;
	struct sw_facts facts;
	struct bg_offs restore;
	bool force;
	sw_preflight_fn fn; /* NULL: over or cancelled */
	void *arg;
	uint64_t call;
	int open;
	int64_t patience_us;
	struct bg_timer *timer;
};

static void ask_statuses(struct sw_preflight *p);

static void judge(struct sw_preflight *p)
{
	struct json_object *rules;
	struct bg_err why = BG_ERR_INIT;
	bool transient;
	bool go = sw_preflight_judge(&p->pf, p->force, &rules, &why, &transient);
	int64_t seen = p->pf.kafka_ok ? sw_facts_epoch(&p->facts) : 0;

	if (!go && transient && bg_now_us() + AGAIN_US < p->patience_us) {
		json_object_put(rules);
		bg_timer_start(p->timer, AGAIN_US);
		return;
	}
	for (size_t i = 0; i < p->sw->n_inst; i++)
		seen = BG_MAX(seen, p->sw->inst[i].epoch);
	sw_preflight_fn fn = p->fn;
	p->fn = NULL;
	fn(p->arg, go, rules, seen, &why);
	json_object_put(rules);
}

static void part_over(struct sw_preflight *p)
{
	if (--p->open == 0 && p->fn)
		judge(p);
}

static void on_statuses(void *arg, const struct sw_fan_result *res)
{
	struct sw_preflight *p = arg;

	p->call = 0;
	for (size_t i = 0; i < res->n; i++) {
		bool changed;

		if (res->reply[i].verdict != SW_V_DONE)
			sw_inst_lost(res->reply[i].inst, &res->reply[i].err, &changed);
	}
	part_over(p);
}

static void on_health(void *arg, const struct bg_err *err, int brokers, int under, int leaderless)
{
	struct sw_preflight *p = arg;

	p->pf.health_ok = !err;
	if (err)
		p->pf.health_err = *err;
	p->pf.brokers = brokers;
	p->pf.under_replicated = under;
	p->pf.leaderless = leaderless;
	part_over(p);
}

static void on_facts(void *arg, const struct bg_err *err)
{
	struct sw_preflight *p = arg;

	p->pf.kafka_ok = !err;
	if (err)
		p->pf.kafka_err = *err;
	part_over(p);
}

static void ask_statuses(struct sw_preflight *p)
{
	int64_t left = p->patience_us - bg_now_us();
	struct sw_order o = {
		.sw = p->sw,
		.colors = 3,
		/* Whoever is down is named soon, so that the rest of the time is left for what passes by itself. */
		.deadline_us = BG_MAX(BG_MIN(left, p->sw->cfg->prepare_us), 50000),
	};

	p->open++;
	p->call = p->sw->adapter->status(&o, on_statuses, p);
}

static void on_again(void *arg)
{
	ask_statuses(arg);
}

struct sw_preflight *sw_preflight_start(struct sw_switch *sw, const struct sw_pf_ask *ask, sw_preflight_fn fn,
					void *arg)
{
	struct sw_preflight *p = bg_xcalloc(1, sizeof(*p));

	p->sw = sw;
	p->pf = (struct sw_pf_facts){.sw = sw,
				     .kind = ask->kind,
				     .to = ask->to,
				     .resubscribe = ask->resubscribe,
				     .at_us = ask->at_us,
				     .topics = &p->facts.topics,
				     .ranges = &p->facts.ranges};
	if (ask->restore) {
		bg_offs_copy(&p->restore, ask->restore);
		p->pf.restore = &p->restore;
		p->facts.with_initial = p->facts.all_ranges = true;
	}
	p->force = ask->force;
	p->fn = fn;
	p->arg = arg;
	p->patience_us = bg_now_us() + BG_MAX(sw->cfg->prepare_us, PATIENCE_US);
	p->timer = bg_timer_new(sw->dm->loop, on_again, p);
	p->open = 2;
	sw_ask_health(sw, p, sw->cfg->prepare_us, on_health, p);
	sw_facts_read(&p->facts, sw, sw->cfg->prepare_us, on_facts, p);
	ask_statuses(p);
	return p;
}

void sw_preflight_cancel(struct sw_preflight *p)
{
	if (!p)
		return;
	p->fn = NULL;
	p->sw->adapter->cancel(p->sw, p->call);
	p->call = 0;
	sw_ask_cancel(p->sw, p);
	sw_facts_cancel(&p->facts);
	bg_timer_stop(p->timer);
}

void sw_preflight_free(struct sw_preflight *p)
{
	if (!p)
		return;
	sw_preflight_cancel(p);
	sw_facts_free(&p->facts);
	bg_offs_free(&p->restore);
	bg_timer_free(p->timer);
	free(p);
}
