/* SPDX-License-Identifier: Apache-2.0 */
/* librdkafka's mock cluster for unit tests; include it after cmocka.h. */
#ifndef TESTS_UNIT_KAFKA_MOCK_H
#define TESTS_UNIT_KAFKA_MOCK_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef BG_SANITIZED
/* librdkafka 2.0.2 loses a few bytes whenever a coordinator is not found in three tries. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:librdkafka";
}
#endif

struct mock {
	rd_kafka_t *rk; /* the producer the cluster lives in; fills the topics as well */
	rd_kafka_mock_cluster_t *cluster;
	const char *bootstrap;
};

static void mock_must(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char err[256];

	if (rd_kafka_conf_set(conf, name, value, err, sizeof(err)) != RD_KAFKA_CONF_OK)
		fail_msg("%s", err);
}

static void mock_start(struct mock *m, int brokers)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char n[16], err[256];

	snprintf(n, sizeof(n), "%d", brokers);
	mock_must(conf, "test.mock.num.brokers", n);
	mock_must(conf, "linger.ms", "0");
	m->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, err, sizeof(err));
	assert_non_null(m->rk);
	m->cluster = rd_kafka_handle_mock_cluster(m->rk);
	assert_non_null(m->cluster);
	m->bootstrap = rd_kafka_mock_cluster_bootstraps(m->cluster);
}

static void mock_stop(struct mock *m)
{
	rd_kafka_destroy(m->rk);
}

/* A waiting fetch is not woken by data in the mock: fetch.wait.max.ms is short. */
static inline void mock_conf(const struct mock *m, rd_kafka_conf_t *conf, const char *group)
{
	mock_must(conf, "bootstrap.servers", m->bootstrap);
	mock_must(conf, "group.id", group);
	mock_must(conf, "fetch.wait.max.ms", "10");
	mock_must(conf, "enable.auto.commit", "false");
	mock_must(conf, "auto.offset.reset", "earliest");
	mock_must(conf, "log_level", "2");
}

static inline void mock_produce(struct mock *m, const char *topic, int32_t partition, int n)
{
	static char value[] = "x";

	for (int i = 0; i < n; i++)
		assert_int_equal(rd_kafka_producev(m->rk, RD_KAFKA_V_TOPIC(topic),
						   RD_KAFKA_V_PARTITION(partition),
						   RD_KAFKA_V_VALUE(value, 1), RD_KAFKA_V_END),
				 0);
	assert_int_equal(rd_kafka_flush(m->rk, 20000), 0);
}

#endif
