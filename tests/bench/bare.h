/* SPDX-License-Identifier: Apache-2.0 */
/* What the bare peers of the benches share: clock, complaints, and the same properties as ours (-X name=value). */
#ifndef BG_BENCH_BARE_H
#define BG_BENCH_BARE_H

#include <librdkafka/rdkafka.h>
#include <stdint.h>

/* Says what is wrong on stderr and ends with status 1. */
__attribute__((format(printf, 1, 2), noreturn)) void die(const char *fmt, ...);
/* Monotonic clock, and CPU time of all threads of this process, in microseconds. */
int64_t now_us(void);
int64_t cpu_us(void);
/* A whole number from 1, of the option named `what`. */
int64_t number(const char *what, const char *text);
/* One property into conf; dies when librdkafka does not take it. */
void set(rd_kafka_conf_t *conf, const char *name, const char *value);
/* The same of `name=value`. */
void set_pair(rd_kafka_conf_t *conf, const char *pair);
/* The result, as every bare peer prints it: `records=N us=N cpu_us=N`. */
void print_result(int64_t records, int64_t us, int64_t cpu);

#endif
