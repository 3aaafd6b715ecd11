/* SPDX-License-Identifier: Apache-2.0 */
/* The heart of bg-producerd: takes a record when one is due, numbers it, and gives it to send.c. */
#ifndef BG_PRODUCERD_ENGINE_H
#define BG_PRODUCERD_ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include "common/loop.h"
#include "common/worker.h"
#include "producerd/input.h"
#include "producerd/numbering.h"
#include "producerd/pace.h"
#include "producerd/payload.h"
#include "producerd/send.h"
#include "producerd/stats.h"

/* What is done now; each has one reason. */
enum prod_state {
	PROD_CONNECTING, /* is to run, but partitions are not known */
	PROD_RUNNING,
	PROD_STOPPED,   /* by autostart = no, or POST /stop */
	PROD_FINISHING, /* count, duration or the input's end is reached; waits for acknowledgements */
	PROD_STOPPING,  /* SIGTERM */
};

struct prod_engine;

struct prod_engine_opts {
	struct bg_loop *loop;
	struct bg_worker *worker;
	rd_kafka_conf_t *conf; /* taken, also on failure */
	const char *topic;
	struct bg_metrics *metrics;
	struct prod_payload_opts payload;
	double rate; /* 0: not paced */
	bool autostart, by_key;
	const char *input; /* NULL: generated records; "-" or a path */
	const char *separator;
	int64_t count;       /* 0: endless */
	int64_t duration_us; /* 0: endless */
	/* count, duration or input is done and every record acknowledged (status 0) or not sent (1). */
	void (*finished)(void *arg, int status);
	void *arg;
};

int prod_engine_new(const struct prod_engine_opts *o, struct prod_engine **ret, struct bg_err *err);
void prod_engine_free(struct prod_engine *e); /* after prod_engine_close has called done; NULL is fine */
enum prod_state prod_engine_state(const struct prod_engine *e);
const char *prod_state_name(enum prod_state st);
/* Start, or go on, at this rate (records/s, > 0; 0: at the present one). */
void prod_engine_start(struct prod_engine *e, double rate);
void prod_engine_stop(struct prod_engine *e);
void prod_engine_rate(struct prod_engine *e, double rate);
/* New size of generated values (reload). */
void prod_engine_payload(struct prod_engine *e, struct prod_payload *p /* taken */);
/* No new records; what is queued has timeout_us to be sent, then done with the exit status. */
void prod_engine_close(struct prod_engine *e, int64_t timeout_us, void (*done)(void *arg, int status),
		       void *arg);

/* For status and metrics; borrowed. Missed records are brought up to date. */
const struct prod_pace *prod_engine_pace(struct prod_engine *e);
double prod_engine_rate_now(const struct prod_engine *e); /* records/s that are asked for */
const struct prod_stats *prod_engine_stats(const struct prod_engine *e);
const struct prod_numbering *prod_engine_numbering(const struct prod_engine *e);
const struct prod_send *prod_engine_send(const struct prod_engine *e);

#endif
