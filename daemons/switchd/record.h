/* SPDX-License-Identifier: Apache-2.0 */
/* The record of truth of one switch (protocol.md 6), and its JSON. */
#ifndef SW_RECORD_H
#define SW_RECORD_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/err.h"
#include "common/ids.h"
#include "switchd/fsm.h"

/* Why a run exists; decides what a failure leads to. */
enum sw_kind {
	SW_KIND_SWITCH,
	SW_KIND_ROLLBACK,
	SW_KIND_INIT,     /* first activation: nobody to go back to */
	SW_KIND_REASSERT, /* to is active already; a newer epoch was met (rule 1) */
	SW_KIND_ADOPT,    /* the record was gone, exactly one colour is active (W-13) */
};
const char *sw_kind_name(enum sw_kind k);

#define SW_NO_COLOR (-1)

/* How the old colour was doing before a switch: what the new one is compared with while it is watched. */
struct sw_baseline {
	int64_t lag;          /* -1: unknown */
	double error_rate;    /* percent; -1: unknown */
	double records_per_s; /* -1: unknown */
};
#define SW_BASELINE_UNKNOWN ((struct sw_baseline){-1, -1, -1})

/* By command, besides the windows of the configuration (freeze.h). */
struct sw_freeze {
	int64_t since_us, until_us; /* of the real clock; since 0: none, until 0: until somebody thaws it */
	char by[128], reason[256];
};

/* A switch that is to begin by itself (schedule.h). */
struct sw_schedule {
	char id[40];            /* its run will have it; "": none */
	int64_t at_us, made_us; /* of the real clock */
	int to;
	int64_t expect_epoch; /* as it was then */
	bool force, resubscribe;
	char by[128], reason[256];
};

struct sw_record {
	int64_t revision, epoch;
	int active, previous, from, to; /* enum bg_color or SW_NO_COLOR */
	bool desired_active[2];
	enum sw_state phase;
	enum sw_kind kind;
	bool hold, rollback_allowed, resubscribe;
	int64_t started_real_us, soak_until_us, rollback_until_us; /* of the real clock; 0: none */
	int64_t base_epoch; /* the epoch before the run: what a repeated request expects */
	char strategy[8];
	char id[40];
	char by[128];
	char reason[256];
	char outcome[16]; /* "" none yet */
	char error[512];  /* why it ended so */
	char init_from[256];
	char snapshot[96]; /* "orders-7" */
	char snapshot_sha256[65];
	int64_t snapshot_epoch;
	struct sw_baseline before; /* of a SWITCH */
	char automatic[24]; /* of a ROLLBACK by bg-switchd itself: the rule (soak_judge.h); "" of any other */
	int64_t scheduled_us; /* the run was scheduled for then; 0: it was not */
	struct sw_freeze freeze;
	struct sw_schedule schedule; /* stays until its run has an intent, or is over */
};

void sw_record_init(struct sw_record *r); /* nothing known: UNKNOWN, epoch 0, revision 0 */
/* The caller owns the result. `name` is the switch's. */
struct json_object *sw_record_to_json(const struct sw_record *r, const char *name);
/* As in the record, and for people; the caller owns it. NULL: there is none. */
struct json_object *sw_schedule_to_json(const struct sw_schedule *s);
struct json_object *sw_freeze_to_json(const struct sw_freeze *f);
/* Strict about what decides: version, switch, revision, epoch, active, phase, desired. */
int sw_record_from_json(struct json_object *j, const char *name, struct sw_record *ret, struct bg_err *err);
/* The name of a colour or NULL. */
const char *sw_color_name(int color);

#endif
