/* SPDX-License-Identifier: Apache-2.0 */
/* A mock cluster that outlives the producers under test, for the tests of bg-producerd. */
#ifndef BG_TESTS_PRODUCERD_MOCK_H
#define BG_TESTS_PRODUCERD_MOCK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include "common/loop.h"
#include "common/metrics.h"
#include "common/worker.h"

#define PARTITIONS 4
#define PRODUCE    0 /* ApiKey */

struct mock {
	rd_kafka_t *rk;
	rd_kafka_mock_cluster_t *cluster;
	struct bg_loop *loop;
	struct bg_worker *worker;
	struct bg_metrics *metrics;
};

static inline void mock_start(struct mock *m)
{
	char text[256];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_set(conf, "log_level", "2", NULL, 0);
	m->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
	assert_non_null(m->rk);
	m->cluster = rd_kafka_mock_cluster_new(m->rk, 1);
	assert_non_null(m->cluster);
	assert_int_equal(rd_kafka_mock_topic_create(m->cluster, "t", PARTITIONS, 1), 0);
	m->loop = bg_loop_new();
	m->worker = bg_worker_new(m->loop, 2);
	m->metrics = bg_metrics_new();
}

static inline void mock_stop(struct mock *m)
{
	bg_worker_free(m->worker, 5000000);
	bg_loop_free(m->loop);
	bg_metrics_free(m->metrics);
	rd_kafka_mock_cluster_destroy(m->cluster);
	rd_kafka_destroy(m->rk);
}

/* Quick to notice everything: name, value, …, NULL are set on top. */
static inline rd_kafka_conf_t *mock_conf(const struct mock *m, ...)
{
	static const char *const quick[][2] = {
		{"linger.ms", "1"},
		{"log_level", "0"},
		{"retry.backoff.ms", "10"},
		{"reconnect.backoff.ms", "20"},
		{"reconnect.backoff.max.ms", "50"},
		{"enable.idempotence", "true"},
	};
	char text[256];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	for (size_t i = 0; i < sizeof(quick) / sizeof(quick[0]); i++)
		assert_int_equal(rd_kafka_conf_set(conf, quick[i][0], quick[i][1], text, sizeof(text)), 0);
	rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(m->cluster), NULL, 0);
	va_list ap;
	va_start(ap, m);
	for (const char *name; (name = va_arg(ap, const char *));)
		if (rd_kafka_conf_set(conf, name, va_arg(ap, const char *), text, sizeof(text)))
			fail_msg("%s", text);
	va_end(ap);
	return conf;
}

/* Turn the loop until the condition holds or 10 s are over; assert it. */
#define AWAIT(m, condition)                                                                                  \
	do {                                                                                                 \
		static const bool never_;                                                                    \
		int64_t until_ = bg_now_us() + 10000000;                                                     \
		while (!(condition) && bg_now_us() < until_)                                                 \
			bg_loop_run_until((m)->loop, &never_, 5000);                                         \
		assert_true(condition);                                                                      \
	} while (0)

#endif
