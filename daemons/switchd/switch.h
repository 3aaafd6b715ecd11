/* SPDX-License-Identifier: Apache-2.0 */
/* A switch in the daemon, and what all switches share. The loop's thread owns all of it. */
#ifndef SW_SWITCH_H
#define SW_SWITCH_H

#include <stdbool.h>
#include <stdint.h>
#include "common/daemon.h"
#include "common/http_client.h"
#include "common/http_server.h"
#include "common/kafka.h"
#include "common/worker.h"
#include "switchd/adapter.h"
#include "switchd/cfg.h"
#include "switchd/fsm.h"
#include "switchd/inst.h"
#include "switchd/persist.h"
#include "switchd/record.h"

/* What is asked of Kafka; a vtable so that tests need no broker. Arguments as in common/kafka.h. */
struct sw_kafka_ops {
	void (*committed)(void *k, const char *group, const struct bg_offs *parts, int64_t deadline_us,
			  bg_offs_fn fn, void *arg);
	void (*partitions)(void *k, const char *const *topics, size_t n, int64_t deadline_us, bg_offs_fn fn,
			   void *arg);
	void (*ranges)(void *k, const struct bg_offs *parts, int64_t deadline_us, bg_offs_fn fn, void *arg);
	void (*health)(void *k, const char *const *topics, size_t n, int64_t deadline_us, bg_health_fn fn,
		       void *arg);
	void (*members)(void *k, const char *group, int64_t deadline_us, bg_members_fn fn, void *arg);
};
extern const struct sw_kafka_ops sw_kafka_aux; /* over bg_aux_* */

struct sw_fence_ops;
struct sw_metrics;
struct sw_events;

struct sw_daemon {
	struct bg_daemon *d;
	struct bg_loop *loop;
	struct bg_worker *worker;
	struct sw_store *store;
	struct bg_httpc *cmd;                   /* commands: its connections are kept warm by prepare */
	struct bg_httpc *poll;                  /* long polls */
	size_t n_polls;                         /* under way (watch.c) … */
	struct sw_inst *poll_first, *poll_last; /* … and who waits for a turn */
	const struct sw_kafka_ops *kafka;
	const struct sw_fence_ops *fence;
	struct bg_aux **aux; /* one for a few switches: librdkafka remembers few coordinators */
	size_t n_aux;
	struct bg_http_server *http;
	struct sw_metrics *metrics;
	struct sw_events *events;
	struct sw_switch **sw;
	size_t n_sw;
	bool once;     /* bg-switchd --once */
	bool stopping; /* nothing new is started */
	int brokers;   /* as they were counted last; 0: not yet */
};

struct sw_run;
struct sw_save;
struct sw_fan;
struct sw_ask;
struct sw_rebuild;
struct sw_newcomers;
struct sw_soak;

struct sw_switch {
	struct sw_daemon *dm;
	struct sw_cfg *cfg;
	const struct sw_adapter_ops *adapter;
	void *kafka_arg; /* struct bg_aux */
	struct sw_persist *persist;
	struct sw_record rec;     /* as it is, or is being made durable */
	int64_t queued_revision;  /* the last one that was given to the writer */
	int saves;                /* record writes under way */
	struct sw_save *newest;   /* the last of them that nobody waits for; NULL: none */
	int64_t stored_revision;  /* the last one whose write was acknowledged */
	struct bg_timer *rewrite; /* a write that failed is repeated with back-off */
	struct bg_backoff rewrite_backoff;
	enum sw_state state;
	struct sw_inst *inst; /* blue ones first, then green */
	size_t n_inst;
	enum sw_event fired[16]; /* by the action that is being carried out */
	size_t n_fired;
	bool firing;
	struct sw_run *run;    /* the running one, or the last; NULL: none since start */
	struct bg_offs handed; /* what was handed over last, at rec.snapshot_epoch */
	bool handed_of_record; /* as it was loaded: the run that the record names has written it */
	struct sw_fan *fans;   /* of adapter_lifecycle */
	uint64_t fan_ids;
	struct sw_ask *asks; /* questions to Kafka under way */
	unsigned intervals;  /* of reconcile */
	struct bg_timer *reconcile, *soak;
	struct bg_timer *tick;    /* of what is planned (schedule.c) */
	bool planning;            /* started, and not stopped */
	bool frozen_told;         /* of frozen.c */
	bool trim;                /* memory is given back at the next interval */
	struct json_object *last; /* history entry of the last run */
	/* Watched only (soak.c). */
	int64_t dual_since_us, dual_active_us, dual_seen;
	struct sw_soak *soaking; /* soak_back.c; NULL: nothing has soaked yet */
	struct bg_backoff soak_backoff;
	int64_t soak_errors; /* error counters of the active colour when the soak began; -1: not yet */
	struct sw_rebuild *rebuild;
	struct sw_newcomers *newcomers;
	/* The last hello from an endpoint that is not configured: perhaps who has an identity of ours (identity.c). */
	struct {
		char url[256], name[64];
		int64_t at_us; /* bg_now_us; 0: none */
	} stranger[2];
	int64_t identity_us; /* bg_now_us: the members were asked for last (identity.c); 0: not yet */
	bool record_gone;    /* there was no record, or a damaged one, at the start */
	bool assert_waits;   /* `degraded` says why a re-assertion cannot begin */
	int64_t reassert_us; /* bg_now_us of the last re-assertion */
	struct bg_backoff reassert_backoff;
	char degraded[256];      /* what keeps it from going on by itself; "" nothing */
	char degraded_told[800]; /* of events.c */
};

static inline struct sw_inst *sw_first_of(struct sw_switch *sw, enum bg_color c)
{
	return sw->inst + (c == BG_GREEN ? sw->cfg->n_endpoint[BG_BLUE] : 0);
}

/* The highest epoch of the record and of every answer: the next one is 1 more (rule 1). */
int64_t sw_highest_epoch(const struct sw_switch *sw);
struct sw_switch *sw_find(struct sw_daemon *dm, const char *name);
/* Write sw->rec with the next revision; fn (may be NULL) as in persist.h. A failure is repeated when fn is NULL. */
void sw_record_save(struct sw_switch *sw, sw_persist_fn fn, void *arg);

/* A switch at rest, UNKNOWN; takes cfg. */
struct sw_switch *sw_switch_new(struct sw_daemon *dm, struct sw_cfg *cfg,
				const struct sw_adapter_ops *adapter);
/* Read record, snapshot, last entry from the store (blocks: before the loop runs). What is damaged counts as gone. */
int sw_switch_load(struct sw_switch *sw, struct bg_err *err);
void sw_switch_start(struct sw_switch *sw); /* recover, watch, reconcile */
void sw_switch_stop(struct sw_switch *sw);  /* no more calls; writes that are queued go on */
void sw_switch_free(struct sw_switch *sw);

#endif
