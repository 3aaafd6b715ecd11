/* SPDX-License-Identifier: Apache-2.0 */
/* An instance as bg-switchd knows it: its endpoint and the last status it has answered. */
#ifndef SW_INST_H
#define SW_INST_H

#include <stdbool.h>
#include <stdint.h>
#include "common/http_client.h"
#include "common/ids.h"
#include "common/json.h"
#include "common/loop.h"
#include "common/offsets.h"
#include "switchd/member.h"

struct sw_switch;

/* Who has the static id of an instance that was fenced while it should work (identity.c). */
enum sw_usurper { SW_USURPER_UNKNOWN, SW_USURPER_THERE, SW_USURPER_GONE };

enum sw_istate {
	SW_I_UNKNOWN,
	SW_I_STARTING,
	SW_I_PAUSED,
	SW_I_ACTIVE,
	SW_I_DRAINING,
	SW_I_SHADOW,
	SW_I_FENCED,
	SW_I_FAILED
};
const char *sw_istate_name(enum sw_istate s);
enum sw_istate sw_istate_parse(const char *s); /* SW_I_UNKNOWN: no such state */
/* Counts as PAUSED for rule 5. */
static inline bool sw_istate_paused(enum sw_istate s)
{
	return s == SW_I_PAUSED || s == SW_I_SHADOW;
}

struct sw_part { /* a row of the status's assignment */
	char *topic;
	int32_t partition;
	int64_t position, committed, high, lag; /* -1: unknown */
	bool needs_offset;                      /* nothing says where it starts */
	int64_t first_us, last_us; /* monotonic clock of the instance's host, since its epoch; 0: none */
};

struct sw_inst {
	struct sw_switch *sw;
	enum bg_color color;
	size_t index; /* in sw->inst */
	char *url;
	/* From its answers. */
	char name[64];        /* "blue-0"; "" until it has answered once */
	char incarnation[40]; /* "" unknown */
	char boot[48];
	char last_error[256];      /* its own, from the status */
	char handler_trouble[256]; /* its handler gets nothing done, and why; "" none */
	char trouble[256];         /* why it cannot be used: unreachable, or of another switch; "" none */
	bool reachable;            /* the last call was answered by the right one */
	enum sw_istate state;
	int64_t epoch, seq, in_flight, records, errors, lag; /* lag -1: unknown */
	int level, version;
	struct sw_member member;
	struct sw_part *part;
	size_t n_part, cap_part;
	int64_t seen_us;        /* bg_now_us of the last answer */
	int64_t mono_skew_us;   /* its monotonic clock minus ours, at that answer */
	int64_t state_since_us; /* bg_now_us when the state was seen first */
	char cause[32];         /* why it is FENCED or FAILED, in its own word; "" not said */
	enum sw_usurper usurper;
	char usurper_is[300]; /* "client ID at HOST has the static id X"; "" when UNKNOWN or GONE */
	char usurper_id[64], usurper_client[128], usurper_host[64];
	int64_t fenced_us; /* bg_now_us when FENCED was seen first; 0: it is not */
	/* Error rate: the counters as they were some time ago. */
	int64_t rate_us, rate_records, rate_errors;
	int64_t past_us, past_records, past_errors; /* and some time before that; past_us 0: unknown */
	/* Long poll (watch.c) and single commands (reconcile.c). */
	uint64_t poll_call, cmd_call;
	struct bg_httpc *poll_via; /* of poll_call */
	struct bg_timer *poll_timer, *cmd_timer;
	struct bg_backoff poll_backoff, cmd_backoff;
	bool poll_fresh; /* the next poll is not held */
	bool poll_waits; /* for its turn: in the list of the daemon */
	struct sw_inst *poll_next, *poll_prev;
	enum sw_istate told; /* of events.c: the state that was told last */
	const char *cmd;     /* what cmd_call asks for; NULL: none */
};

void sw_inst_init(struct sw_inst *i, struct sw_switch *sw, enum bg_color color, const char *url);
void sw_inst_clear(struct sw_inst *i);
/*
 * Take over a status (or the head of any answer: members that are missing stay). Refuses (-EINVAL, trouble
 * set) what another switch, colour or contract version has answered. *ret_changed: state, epoch, incarnation
 * or reachability changed.
 */
int sw_inst_take(struct sw_inst *i, struct json_object *status, bool *ret_changed, struct bg_err *err);
void sw_inst_lost(struct sw_inst *i, const struct bg_err *err, bool *ret_changed);
/* Errors per records of about the last minute, percent; -1: too few records to say. */
double sw_inst_error_rate(const struct sw_inst *i);
const char *sw_inst_label(const struct sw_inst *i); /* its name, else its URL */

#endif
