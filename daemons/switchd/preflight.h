/* SPDX-License-Identifier: Apache-2.0 */
/* Go or no-go before anything is changed (W-4): a table of rules over facts that are gathered at once. */
#ifndef SW_PREFLIGHT_H
#define SW_PREFLIGHT_H

#include <stdbool.h>
#include "switchd/ask.h"

/* What the rules judge, besides the instances' statuses in sw->inst. */
struct sw_pf_facts {
	struct sw_switch *sw;
	enum sw_kind kind;
	enum bg_color to;
	bool resubscribe; /* the group is made to rebalance: topics and static ids may differ */
	bool kafka_ok;    /* partitions and commits were read */
	struct bg_err kafka_err;
	const struct bg_offs *topics;  /* every partition */
	const struct bg_offs *restore; /* a switch that goes back to these; NULL */
	const struct bg_offs *ranges;  /* with restore: of every partition */
	bool health_ok;
	struct bg_err health_err;
	int brokers, under_replicated, leaderless;
	int64_t at_us; /* of the real clock: it is to begin then; 0: now */
};

/*
 * Judge. *ret_rules: [{"rule","verdict":"go|no_go|warn","message"}], the caller owns it. *ret_why: of the first
 * no-go. *ret_transient: every no-go may pass by itself in a moment (a rebalance, a start). `force` turns the
 * no-go of rules that may be passed over into warnings.
 */
bool sw_preflight_judge(const struct sw_pf_facts *f, bool force, struct json_object **ret_rules,
			struct bg_err *ret_why, bool *ret_transient);

/* Only the rules about what the instances say of themselves: their answers to prepare are fresher than the preflight.
 * False: *ret_why names the difference. */
bool sw_preflight_members(const struct sw_pf_facts *f, struct bg_err *ret_why);

/* How long partitions may stand still when the colours differ and the group is made to rebalance (facts 2 and 7): a
 * heartbeat interval for what is new, the session time-out for static ids that nobody takes over. 0: nothing differs. */
int64_t sw_preflight_gap_us(struct sw_switch *sw, enum bg_color to);

struct sw_preflight;
/* rules are borrowed; seen_epoch: the highest in answers and commits; why: of the first no-go. */
typedef void (*sw_preflight_fn)(void *arg, bool go, struct json_object *rules, int64_t seen_epoch,
				const struct bg_err *why);
/* Gather (statuses, brokers, partitions, commits: at once) and judge; what is transient (a rebalance, a
 * start) is looked at again for some seconds. fn is called once, later, unless cancelled. */
struct sw_pf_ask {
	enum sw_kind kind;
	enum bg_color to;
	bool force, resubscribe;
	const struct bg_offs *restore; /* copied */
	int64_t at_us;                 /* as in the facts */
};
struct sw_preflight *sw_preflight_start(struct sw_switch *sw, const struct sw_pf_ask *ask, sw_preflight_fn fn,
					void *arg);
void sw_preflight_cancel(struct sw_preflight *p);
void sw_preflight_free(struct sw_preflight *p);

#endif
