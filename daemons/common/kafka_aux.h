/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of bg_aux: the calls, the handle, and what the two kinds of call (admin request, worker job) share. */
#ifndef BG_COMMON_KAFKA_AUX_H
#define BG_COMMON_KAFKA_AUX_H

#include <sys/queue.h>
#include "common/kafka.h"

#define AUX_CALLS_MAX  256
#define AUX_JOBS_MAX   2 /* of the worker's threads; blocking calls must not take them all */
#define AUX_GROUPS_MAX 64

enum aux_kind { AUX_COMMITTED, AUX_ALTER, AUX_PARTITIONS, AUX_RANGES, AUX_HEALTH, AUX_MEMBERS };

/* One librdkafka handle. A retired one lives until the last call on it has ended. */
struct aux_handle {
	struct bg_aux *aux;
	rd_kafka_t *rk;
	rd_kafka_queue_t *q; /* the consumer's queue: admin results and errors alike */
	struct bg_kq *kq;
	struct bg_worker *worker;
	int refs;
	int abandoned; /* requests that nobody waits for any more and that have not answered */
	bool down;     /* all brokers were, by the last news */
};

struct aux_call {
	TAILQ_ENTRY(aux_call) link;
	uint64_t id; /* of the attempt; travels through librdkafka as the opaque, never a pointer */
	struct bg_aux *aux;
	enum aux_kind kind;
	char *group;
	char **topics;
	size_t ntopics;
	struct bg_offs parts;
	bg_offs_fn fn;
	bg_health_fn health_fn;
	bg_members_fn members_fn;
	void *arg;
	int64_t deadline_us, end_us;       /* as given, and absolute */
	struct bg_timer *deadline, *retry; /* retry: the next attempt, or the end of patience with this one */
	struct aux_handle *h;              /* of the attempt in flight */
	bool waits_job;                    /* for one of the AUX_JOBS_MAX places */
	bool internal;                     /* ours, to keep a connection warm */
	int attempts;
	struct bg_err last; /* why the last attempt failed; why the call does, when `failed` */
	bool failed;
	bool empty; /* nothing is asked for */
};
TAILQ_HEAD(aux_calls, aux_call);

struct aux_group {
	char *group, *topic;
	int32_t partition;
};

struct bg_aux {
	struct bg_loop *loop;
	struct bg_worker *worker;
	rd_kafka_conf_t *conf; /* to make the next handle from */
	struct aux_handle *cur;
	struct aux_calls calls;
	int ncalls, jobs;
	uint64_t next_id;
	int refs; /* owner, worker jobs, drains under way */
	bool freed;
	int64_t rotated_us;
	struct aux_group groups[AUX_GROUPS_MAX];
	size_t ngroups;
	struct bg_timer *warm;
};

/* What an error of librdkafka means for a call. */
struct aux_verdict {
	const char *code;
	bool retry;  /* it may pass by itself */
	bool rotate; /* the handle's idea of the coordinator is wrong, and it will not correct it */
};
struct aux_verdict aux_verdict(rd_kafka_resp_err_t rc);

/* kafka_aux.c */
struct aux_handle *aux_handle_ref(struct aux_handle *h);
void aux_handle_unref(struct aux_handle *h);
void aux_ref(struct bg_aux *a);
void aux_unref(struct bg_aux *a);
/* The next attempts use a new handle. At most one in a second is made; false: not this time. */
bool aux_rotate(struct bg_aux *a, const char *why);

/* kafka_aux_call.c */
/* The deadline runs from aux_call_go, which starts a call that is filled in. */
struct aux_call *aux_call_new(struct bg_aux *a, enum aux_kind kind, int64_t deadline_us, void *arg);
void aux_call_go(struct aux_call *c);
void aux_call_detach(struct aux_call *c); /* off the list, timers gone */
void aux_call_free(struct aux_call *c);   /* a detached one */
struct aux_call *aux_call_find(struct bg_aux *a, uint64_t id);
/* End: takes the call off, calls its callback, frees it. The bg_aux may be gone afterwards. */
void aux_call_succeed(struct aux_call *c, const struct bg_offs *offs);
void aux_call_fail(struct aux_call *c, const struct bg_err *err);
void aux_call_health(struct aux_call *c, const struct bg_err *err, int brokers, int under, int leaderless);
void aux_call_members(struct aux_call *c, const struct bg_member *v, size_t n);
/* The attempt failed with rc: try again later, or end. `err` says what (code from the verdict when empty). */
void aux_call_attempt_failed(struct aux_call *c, rd_kafka_resp_err_t rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* kafka_aux_admin.c: requests to a group's coordinator, asynchronous */
void aux_admin_start(struct aux_call *c);
/* The queue's result of one; takes the event. */
void aux_admin_result(struct aux_handle *h, rd_kafka_event_t *ev);
/* The same of the members of a group (kafka_aux_members.c). */
void aux_members_start(struct aux_call *c, rd_kafka_AdminOptions_t *o);
void aux_members_take(struct aux_call *c, rd_kafka_event_t *ev);
/* Stop waiting for the answer. */
void aux_admin_abandon(struct aux_call *c);

/* kafka_aux_job.c: blocking calls on the worker */
void aux_job_start(struct aux_call *c);
/* Start calls that wait for a place. */
void aux_job_next(struct bg_aux *a);

#endif
