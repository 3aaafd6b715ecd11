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

/* A Kafka queue as an event of the loop. Edge-triggered underneath: fn must drain it, or call
 * bg_kq_kick to be called again in the next turn. A timer calls fn at least once a second. */
struct bg_kq;
struct bg_kq *bg_kq_new(struct bg_loop *l, rd_kafka_queue_t *q, void (*fn)(void *arg), void *arg);
void bg_kq_kick(struct bg_kq *k);
void bg_kq_free(struct bg_kq *k); /* does not destroy the queue */

/* Destroy a handle on the worker, exit(70) when it takes longer than 15 s. close_first: leave the group. done may be NULL. */
void bg_kafka_destroy(struct bg_worker *w, rd_kafka_t *rk, bool close_first, void (*done)(void *arg), void *arg);

struct bg_aux;
struct bg_aux *bg_aux_new(struct bg_loop *l, struct bg_worker *w, rd_kafka_conf_t *conf /* taken */, struct bg_err *err);
void bg_aux_free(struct bg_aux *a); /* outstanding calls end without callbacks */
rd_kafka_t *bg_aux_handle(struct bg_aux *a);

/* Every callback below is called exactly once, later, on the loop: err NULL on success. A deadline always ends it
 * ("timed_out"). Results are valid in the callback only. */
typedef void (*bg_offs_fn)(void *arg, const struct bg_err *err, const struct bg_offs *offs);
/* Committed offsets, with epoch/floor/mirrored/color from the metadata, of `group` for the partitions in
 * `parts` (offsets ignored). A partition without commit is there with offset -1, epoch 0. */
void bg_aux_committed(struct bg_aux *a, const char *group, const struct bg_offs *parts, int64_t deadline_us, bg_offs_fn fn,
		      void *arg);
/* All partitions of the topics (offset -1). Unknown topic: error "unknown_topic" that names it. Worker. */
void bg_aux_partitions(struct bg_aux *a, const char *const *topics, size_t n, int64_t deadline_us, bg_offs_fn fn, void *arg);
/* Log start and end of each: low is in .offset, high in .floor of the result. */
void bg_aux_ranges(struct bg_aux *a, const struct bg_offs *parts, int64_t deadline_us, bg_offs_fn fn, void *arg);
/* Write offsets into a group as an outsider (the group must have no members): alter. Each entry carries
 * metadata from epoch, floor, color. Error names the group. */
void bg_aux_alter(struct bg_aux *a, const char *group, const struct bg_offs *offs, int64_t deadline_us, bg_offs_fn fn,
		  void *arg);
/* Brokers and in-sync replicas: message of err when any partition of the topics is under-replicated or has no leader. */
typedef void (*bg_health_fn)(void *arg, const struct bg_err *err, int brokers, int under_replicated, int leaderless);
void bg_aux_health(struct bg_aux *a, const char *const *topics, size_t n, int64_t deadline_us, bg_health_fn fn, void *arg);

#endif
