/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adapters give the same verbs for whatever is switched; the table drives them (run.c), and they never set a
 * state. One verb is one fan-out: all instances at once, one deadline, one callback at its end.
 */
#ifndef SW_ADAPTER_H
#define SW_ADAPTER_H

#include <stdbool.h>
#include <stdint.h>
#include "common/offsets.h"
#include "switchd/inst.h"

enum sw_verdict {
	SW_V_NONE,         /* no answer yet */
	SW_V_DONE,         /* proved: the state that was asked for, at the epoch that was asked for */
	SW_V_STALE,        /* 409 stale_epoch or epoch_conflict, or FENCED: `epoch` is the instance's */
	SW_V_OUT_OF_RANGE, /* 422 */
	SW_V_REFUSED,      /* any other answer that a repetition cannot mend */
	SW_V_LATE,         /* not yet done at the deadline; `err` says what was last heard */
};

/* What one instance said. */
struct sw_reply {
	struct sw_inst *inst;
	enum sw_verdict verdict;
	int http_status; /* of the last answer; 0: none */
	struct bg_err err;
	int64_t epoch; /* the highest it has answered; 0: none */
	enum sw_istate state;
	bool committed;  /* pause: the commit is acknowledged */
	bool was_active; /* prepare: it works (or drains) at an older epoch */
	char incarnation[40];
	struct bg_offs offs;          /* pause: its offsets; resume: its positions */
	int64_t sent_us, answered_us; /* bg_now_us; first sent, last answered; 0: not */
	int64_t drain_us, commit_us, position_us;
	int tries;
};

struct sw_fan_result {
	struct sw_reply *reply; /* valid in the callback */
	size_t n;
	bool all_done;
	bool stale;   /* somebody answered STALE: `epoch` is the highest seen */
	bool refused; /* somebody REFUSED or OUT_OF_RANGE */
	size_t n_done;
	int64_t epoch;     /* highest epoch of all answers */
	struct bg_err err; /* of the first that failed, naming the instance */
};
typedef void (*sw_fan_fn)(void *arg, const struct sw_fan_result *r);

struct sw_order {
	struct sw_switch *sw;
	const struct sw_inst *only; /* NULL: all of the colours */
	unsigned colors;            /* bit 0 blue, bit 1 green */
	int64_t epoch;
	enum bg_color active; /* prepare: the side that is to be active at the epoch */
	bool eager;           /* pause */
	bool resubscribe;     /* resume: make the group rebalance */
	bool all_or_none; /* end at the first that cannot succeed (else hear everybody until the deadline) */
	const struct bg_offs *offs; /* resume; must live as long as the call */
	const char *reason;
	int64_t deadline_us; /* from now */
};

struct sw_adapter_ops {
	const char *name;
	/* Each returns an id for cancel; fn is called exactly once, later, unless cancelled. */
	uint64_t (*prepare)(const struct sw_order *o, sw_fan_fn fn, void *arg);
	uint64_t (*pause)(const struct sw_order *o, sw_fan_fn fn, void *arg);
	uint64_t (*resume)(const struct sw_order *o, sw_fan_fn fn, void *arg);
	uint64_t (*status)(const struct sw_order *o, sw_fan_fn fn,
			   void *arg);                     /* fresh ones; taken into the instances */
	void (*cancel)(struct sw_switch *sw, uint64_t id); /* 0 and unknown ids are fine */
};

extern const struct sw_adapter_ops sw_adapter_lifecycle;

#endif
