/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kafka on the loop: handle configuration from the [kafka] section, queues as file descriptors, and the
 * second warm handle (`aux`) over which committed offsets of any group are read and log ranges asked,
 * without waiting behind a fetch (facts 4).
 */
#ifndef BG_COMMON_KAFKA_H
#define BG_COMMON_KAFKA_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/conf.h"
#include "common/loop.h"
#include "common/offsets.h"
#include "common/worker.h"

/* Check every property of [kafka] by librdkafka; errors with file:line into errs. 0 or -EINVAL. Properties the
 * daemon sets itself (`reserved`, NULL-terminated) are refused, saying why. */
int bg_kafka_check(const struct bg_conf *c, const char *const *reserved, struct bg_buf *errs);
/* A new conf with [kafka] applied, log callback set, then the pairs k, v, …, NULL applied (they win). The
 * section has consumer and producer properties alike; librdkafka takes both. Never NULL after bg_kafka_check. */
rd_kafka_conf_t *bg_kafka_conf(const struct bg_conf *c, ...) __attribute__((sentinel));

/* rd_kafka_new with its traps: the conf is freed on failure too, and SASL token refreshes are served by librdkafka's
 * own thread instead of by whoever polls. NULL and err (code "kafka_error") on failure. */
rd_kafka_t *bg_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf /* taken */, struct bg_err *err);

/* A Kafka queue as an event of the loop. Edge-triggered underneath: fn must drain it, or call
 * bg_kq_kick to be called again in the next turn. A timer calls fn at least once a second. */
struct bg_kq;
struct bg_kq *bg_kq_new(struct bg_loop *l, rd_kafka_queue_t *q, void (*fn)(void *arg), void *arg);
void bg_kq_kick(struct bg_kq *k);
void bg_kq_free(struct bg_kq *k); /* does not destroy the queue */

/*
 * Destroy a handle on the worker, exit(70) when it takes longer than 15 s: it does so when a message, queue,
 * event or topic object of it is still held. Free those, and its bg_kq, first. close_first: leave the group;
 * rebalance callbacks of the handle are not called for it. done (may be NULL) runs on the loop.
 */
void bg_kafka_destroy(struct bg_worker *w, rd_kafka_t *rk, bool close_first, void (*done)(void *arg),
		      void *arg);
extern int64_t bg_kafka_destroy_limit_us; /* the 15 s; tests shorten it */
/*
 * librdkafka before 2.3.0 aborts the process (assertion assignor_state, its issue 4312) when a consumer with the sticky
 * assignor is destroyed after the answer to its first join and before its first assignment. True: this one would, as long
 * as it has never been assigned anything, which the caller knows. It has to live on, and be polled, until it is.
 */
bool bg_kafka_half_joined(rd_kafka_t *rk);

/*
 * The second warm handle. All durations are microseconds from now. Every callback is called exactly once,
 * later, on the loop: err NULL on success. A deadline always ends it: code "timed_out", or
 * "broker_unavailable" when no broker could be reached until then; until the deadline what may pass by itself
 * (a coordinator that moves, a lost connection) is tried again with back-off. Other codes: "unknown_topic",
 * "group_not_empty", "not_authorized", "kafka_error" (librdkafka's text is in the message), "busy" (256 calls
 * are outstanding). Results are valid in the callback only. Callbacks may free the bg_aux.
 */
struct bg_aux;
/*
 * The conf should carry a group.id the daemon may describe (its own group); the handle never joins nor commits
 * under it, but librdkafka 2.0.2 crashes without one when a group's coordinator moves. When missing,
 * "kafka-bluegreen-aux" is set.
 */
struct bg_aux *bg_aux_new(struct bg_loop *l, struct bg_worker *w, rd_kafka_conf_t *conf /* taken */,
			  struct bg_err *err);
void bg_aux_free(struct bg_aux *a); /* outstanding calls end without callbacks; free it before the worker */
/* The handle of the moment: it is replaced when a group's coordinator has moved, so do not keep it. */
rd_kafka_t *bg_aux_handle(struct bg_aux *a);
/* Know this group's coordinator and keep the connection to it from now on (at most 64 groups; any topic will do).
 * Groups that bg_aux_committed was called for are kept warm without being asked for. librdkafka remembers the
 * coordinators of 11 groups: with more of them on one bg_aux each read costs another round trip. */
void bg_aux_warm(struct bg_aux *a, const char *group, const char *topic);

typedef void (*bg_offs_fn)(void *arg, const struct bg_err *err, const struct bg_offs *offs);
/* Committed offsets, with epoch/floor/mirrored/color from the metadata, of `group` for the partitions in
 * `parts` (offsets ignored). A partition without commit is there with offset -1, epoch 0. What an open
 * transaction will commit is not waited for. */
void bg_aux_committed(struct bg_aux *a, const char *group, const struct bg_offs *parts, int64_t deadline_us,
		      bg_offs_fn fn, void *arg);
/* All partitions of the topics (offset -1). Unknown topic: error "unknown_topic" that names it. Worker. */
void bg_aux_partitions(struct bg_aux *a, const char *const *topics, size_t n, int64_t deadline_us,
		       bg_offs_fn fn, void *arg);
/* Log start and end of each: low is in .offset, high in .floor of the result. Worker. */
void bg_aux_ranges(struct bg_aux *a, const struct bg_offs *parts, int64_t deadline_us, bg_offs_fn fn,
		   void *arg);
/* Write offsets into a group as an outsider (the group must have no members): alter. Each entry carries
 * metadata from epoch, floor, mirrored, color; entries with offset -1 are left out. Error names the group. After
 * "timed_out" it is not known whether they were written: read them back. The result is what was written. */
void bg_aux_alter(struct bg_aux *a, const char *group, const struct bg_offs *offs, int64_t deadline_us,
		  bg_offs_fn fn, void *arg);
/* A member of a group as the broker tells it. */
struct bg_member {
	const char *instance_id; /* its static id; NULL: it has none */
	const char *client_id, *host, *member_id;
};
/* Members of `group` right now (valid in the callback only); none: the group is empty, or there is no such group. */
typedef void (*bg_members_fn)(void *arg, const struct bg_err *err, const struct bg_member *v, size_t n);
void bg_aux_members(struct bg_aux *a, const char *group, int64_t deadline_us, bg_members_fn fn, void *arg);
/* Brokers and in-sync replicas. err, with the counts valid all the same: "under_replicated" or "no_leader" names
 * the first such partition of the topics. Worker. */
typedef void (*bg_health_fn)(void *arg, const struct bg_err *err, int brokers, int under_replicated,
			     int leaderless);
void bg_aux_health(struct bg_aux *a, const char *const *topics, size_t n, int64_t deadline_us,
		   bg_health_fn fn, void *arg);

#endif
