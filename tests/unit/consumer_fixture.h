/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real bg-consumerd, blue-0 of switch orders, as a child; the mock cluster with topic orders in
 * this process; commands over the Unix socket. The mock makes who joins wait for the session time-out less 1 s (3 s when
 * the group is empty, so no session is shorter), which is most of the time that such a test takes.
 */
#ifndef TESTS_UNIT_CONSUMER_FIXTURE_H
#define TESTS_UNIT_CONSUMER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <signal.h>

#include "common/json.h"
#include "common/loop.h"
#include "common/mem.h"

/* What every [kafka] section of a test begins with; session is in ms, a text. The argument is the address. */
#define KAFKA_INI(session)                                                                                   \
	"[kafka]\nbootstrap.servers = %s\nfetch.wait.max.ms = 10\nsession.timeout.ms = " session             \
	"\nheartbeat.interval.ms = 500\n"

struct world {
	char dir[64], sock[96];
	rd_kafka_t *rk; /* owner of the mock cluster, and the producer */
	rd_kafka_mock_cluster_t *mock;
	const char *bootstrap;
	int parts; /* partitions of the topic */
	pid_t pid;
	struct json_object *answer; /* of the last call */
	char incarnation[40];
};
extern struct world w;

/* The folder and the cluster, with so many partitions. */
void world_begin(int parts);
/* Stop the daemon, which must end in order, and remove all. 0, or what a group's teardown returns. */
int world_end(void);

/* Open c.ini for writing: the caller writes the sections but [http], [control] and [faults], and closes it. */
FILE *ini_open(void);
void start_daemon(void);
/* SIGTERM must end it with status 0. */
void stop_daemon(int signo);
/* The same, while a controller's long poll is held: it is answered. It is started again. */
void restart_while_polled(void);

/* One call; the status, and the body in w.answer. 0: no answer. */
long call(const char *method, const char *path, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* A text of the last answer; "" when it has none. */
const char *word(const char *member);
/* Wait until status shows `member` as `value`. False, and a message, after so many seconds. */
bool await(const char *member, const char *value, int seconds);
/* With a deadline of 1.5 s; more are further members, each after a comma. */
long resume(int epoch, const char *more);
#define OFFSETS ",\"offsets\":{\"orders\":[[0,0,0],[1,0,0]]}"
/* The same until it is done, for half a minute. */
bool resume_until_done(int epoch, const char *more);
/* n records, of the partitions in turn. */
void produce(int n);
/* A consumer of the group, not a member (until it subscribes). */
rd_kafka_t *outsider(const char *group);

#endif
