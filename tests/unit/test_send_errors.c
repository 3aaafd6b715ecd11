/* SPDX-License-Identifier: Apache-2.0 */
/*
 * P-5 on the mock cluster: what was not acknowledged is never reported as sent, errors are counted by error,
 * and it goes on by itself when the broker is back.
 */
#include "config.h"
#include "producerd_mock.h"
#include <stdlib.h>
#include <string.h>
#include "producerd/send.h"

struct fixture {
	struct mock m;
	struct prod_stats stats;
	struct prod_send *send;
	int changed;
	bool closed;
};

static struct fixture f;

static void on_changed(void *arg)
{
	((struct fixture *)arg)->changed++;
}

static void on_closed(void *arg)
{
	((struct fixture *)arg)->closed = true;
}

static int setup(void **state)
{
	(void)state;
	f = (struct fixture){0};
	mock_start(&f.m);
	prod_stats_init(&f.stats, f.m.metrics);
	return 0;
}

static void open_send(rd_kafka_conf_t *conf)
{
	struct prod_send_opts o = {f.m.loop, f.m.worker, conf, "t", &f.stats, on_changed, &f};
	assert_int_equal(prod_send_new(&o, &f.send, NULL), 0);
}

static void open_ready(rd_kafka_conf_t *conf)
{
	open_send(conf);
	AWAIT(&f.m, prod_send_partitions(f.send) == PARTITIONS);
}

static int teardown(void **state)
{
	(void)state;
	if (f.send) {
		if (!f.closed)
			prod_send_close(f.send, 0, on_closed, &f);
		AWAIT(&f.m, f.closed);
		prod_send_free(f.send);
	}
	mock_stop(&f.m);
	return 0;
}

static enum prod_put put(int32_t partition)
{
	return prod_send_put(f.send, partition, (struct prod_bytes){"k", 1}, (struct prod_bytes){"value", 5},
			     NULL);
}

/* After an error of the topic it is asked for again first. */
static void put_when_ready(void)
{
	enum prod_put last = PROD_PUT_LATER;
	AWAIT(&f.m, last == PROD_PUT_OK || (last = put(0)) == PROD_PUT_OK);
}

static void put_many(int n)
{
	for (int i = 0; i < n; i++)
		assert_int_equal(put(i % PARTITIONS), PROD_PUT_OK);
}

static void assert_counts(int64_t acked, int64_t failed)
{
	assert_int_equal(f.stats.acked, acked);
	assert_int_equal(f.stats.failed, failed);
	assert_int_equal(prod_send_queued(f.send), 0);
	_Bool shown = bg_series_value(f.stats.m_success) == (double)acked &&
		      bg_series_value(f.stats.m_error) == (double)failed;
	assert_true(shown);
}

static void acknowledged_records_are_counted(void **state)
{
	(void)state;
	open_ready(mock_conf(&f.m, NULL));
	assert_true(prod_send_connected(f.send));
	put_many(100);
	assert_int_equal(prod_send_queued(f.send), 100);
	assert_int_equal(f.stats.acked, 0); /* taken is not sent */
	AWAIT(&f.m, prod_send_queued(f.send) == 0);
	assert_counts(100, 0);
	assert_true(f.stats.latency_max_us > 0);
}

static void retriable_errors_are_retried(void **state)
{
	(void)state;
	open_ready(mock_conf(&f.m, NULL));
	rd_kafka_mock_push_request_errors(f.m.cluster, PRODUCE, 4, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
					  RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR__TRANSPORT,
					  RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
	put_many(20);
	AWAIT(&f.m, prod_send_queued(f.send) == 0);
	assert_counts(20, 0);
}

static void permanent_errors_are_counted_by_error(void **state)
{
	(void)state;
	open_ready(mock_conf(&f.m, "enable.idempotence", "false", NULL));
	rd_kafka_mock_push_request_errors(f.m.cluster, PRODUCE, 1,
					  RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
	assert_int_equal(put(0), PROD_PUT_OK);
	AWAIT(&f.m, prod_send_queued(f.send) == 0);
	rd_kafka_mock_push_request_errors(f.m.cluster, PRODUCE, 1, RD_KAFKA_RESP_ERR_INVALID_RECORD);
	assert_int_equal(put(0),
			 PROD_PUT_LATER); /* librdkafka refuses the topic until it is asked for again */
	assert_false(prod_send_connected(f.send));
	put_when_ready();
	AWAIT(&f.m, prod_send_queued(f.send) == 0);
	assert_counts(0, 2);
	assert_int_equal(prod_stats_count(&f.stats, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED), 1);
	assert_int_equal(prod_stats_count(&f.stats, RD_KAFKA_RESP_ERR_INVALID_RECORD), 1);
	char *text = bg_metrics_render(f.m.metrics);
	assert_non_null(
		strstr(text, "kafka_producer_record_error_total{error=\"TOPIC_AUTHORIZATION_FAILED\"} 1"));
	assert_non_null(strstr(text, "kafka_producer_record_send_total{result=\"error\"} 2"));
	free(text);
	put_many(10);
	AWAIT(&f.m, prod_send_queued(f.send) == 0);
	assert_counts(10, 2);
}

static void broker_down_times_out_and_goes_on_by_itself(void **state)
{
	(void)state;
	open_ready(mock_conf(&f.m, "delivery.timeout.ms", "400", NULL));
	put_many(10);
	AWAIT(&f.m, prod_send_queued(f.send) == 0);
	rd_kafka_mock_broker_set_down(f.m.cluster, -1);
	int64_t began = bg_now_us();
	put_many(10);
	AWAIT(&f.m, prod_send_queued(f.send) == 0);
	assert_true(bg_now_us() - began >= 350000); /* they waited for it */
	assert_counts(10, 10);
	assert_int_equal(prod_stats_count(&f.stats, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT), 10);
	AWAIT(&f.m, !prod_send_connected(f.send));
	rd_kafka_mock_broker_set_up(f.m.cluster, -1);
	AWAIT(&f.m, prod_send_connected(f.send));
	put_many(10);
	AWAIT(&f.m, prod_send_queued(f.send) == 0);
	assert_counts(20, 10);
}

static void a_short_outage_loses_nothing(void **state)
{
	(void)state;
	open_ready(mock_conf(&f.m, NULL));
	rd_kafka_mock_broker_set_down(f.m.cluster, -1);
	put_many(50);
	AWAIT(&f.m, !prod_send_connected(f.send));
	assert_int_equal(f.stats.acked + f.stats.failed, 0);
	rd_kafka_mock_broker_set_up(f.m.cluster, -1);
	AWAIT(&f.m, prod_send_queued(f.send) == 0);
	assert_counts(50, 0);
}

static void a_full_queue_refuses_and_tells_when_there_is_room(void **state)
{
	(void)state;
	open_ready(mock_conf(&f.m, "queue.buffering.max.messages", "10", NULL));
	rd_kafka_mock_broker_set_down(f.m.cluster, -1);
	put_many(10);
	assert_int_equal(put(0), PROD_PUT_FULL);
	assert_int_equal(put(0), PROD_PUT_FULL);
	assert_int_equal(f.stats.full, 2);
	assert_int_equal(f.stats.accepted, 10);
	int changed = f.changed;
	rd_kafka_mock_broker_set_up(f.m.cluster, -1);
	AWAIT(&f.m, prod_send_queued(f.send) == 0);
	assert_true(f.changed > changed);
	assert_int_equal(put(0), PROD_PUT_OK);
	AWAIT(&f.m, prod_send_queued(f.send) == 0);
	assert_counts(11, 0);
}

static void a_record_too_large_is_refused_and_counted(void **state)
{
	(void)state;
	static char large[20000];
	open_ready(mock_conf(&f.m, "message.max.bytes", "10000", NULL));
	struct prod_bytes none = {NULL, 0};
	assert_int_equal(prod_send_put(f.send, 0, none, (struct prod_bytes){large, sizeof(large)}, NULL),
			 PROD_PUT_REFUSED);
	assert_counts(0, 1);
	assert_int_equal(prod_stats_count(&f.stats, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE), 1);
}

static void a_topic_may_come_later(void **state)
{
	(void)state;
	rd_kafka_mock_topic_set_error(f.m.cluster, "t", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
	open_send(mock_conf(&f.m, NULL));
	static const bool never;
	bg_loop_run_until(f.m.loop, &never, 300000);
	assert_int_equal(prod_send_partitions(f.send), 0);
	assert_false(prod_send_connected(f.send));
	rd_kafka_mock_topic_set_error(f.m.cluster, "t", RD_KAFKA_RESP_ERR_NO_ERROR);
	AWAIT(&f.m, prod_send_partitions(f.send) == PARTITIONS);
	put_many(4);
	AWAIT(&f.m, prod_send_queued(f.send) == 0);
	assert_counts(4, 0);
}

static void a_broker_may_come_later(void **state)
{
	(void)state;
	rd_kafka_mock_broker_set_down(f.m.cluster, -1);
	open_send(mock_conf(&f.m, NULL));
	static const bool never;
	bg_loop_run_until(f.m.loop, &never, 300000);
	assert_int_equal(prod_send_partitions(f.send), 0);
	rd_kafka_mock_broker_set_up(f.m.cluster, -1);
	AWAIT(&f.m, prod_send_connected(f.send));
	put_many(4);
	AWAIT(&f.m, prod_send_queued(f.send) == 0);
	assert_counts(4, 0);
}

static void a_fatal_error_replaces_the_handle(void **state)
{
	(void)state;
	open_ready(mock_conf(&f.m, NULL));
	put_many(5);
	AWAIT(&f.m, prod_send_queued(f.send) == 0);
	rd_kafka_mock_broker_set_down(f.m.cluster, -1);
	put_many(5);
	rd_kafka_t *old = prod_send_handle(f.send);
	rd_kafka_test_fatal_error(old, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "of this test");
	AWAIT(&f.m, prod_send_handle(f.send) != old);
	assert_int_equal(f.stats.acked + f.stats.failed, 10); /* all accounted for before it went */
	assert_int_equal(f.stats.acked, 5);
	assert_int_not_equal(put(0), PROD_PUT_OK);
	rd_kafka_mock_broker_set_up(f.m.cluster, -1);
	AWAIT(&f.m, prod_send_connected(f.send));
	put_many(8);
	AWAIT(&f.m, prod_send_queued(f.send) == 0);
	assert_counts(13, 5);
}

static void closing_sends_what_is_queued(void **state)
{
	(void)state;
	open_ready(mock_conf(&f.m, "linger.ms", "60000", NULL)); /* a flush does not wait for it */
	put_many(200);
	prod_send_close(f.send, 5000000, on_closed, &f);
	assert_int_equal(put(0), PROD_PUT_LATER);
	AWAIT(&f.m, f.closed);
	assert_counts(200, 0);
}

static void closing_counts_what_could_not_be_sent(void **state)
{
	(void)state;
	open_ready(mock_conf(&f.m, NULL));
	rd_kafka_mock_broker_set_down(f.m.cluster, -1);
	put_many(30);
	int64_t began = bg_now_us();
	prod_send_close(f.send, 300000, on_closed, &f);
	AWAIT(&f.m, f.closed);
	assert_in_range(bg_now_us() - began, 290000, 3000000);
	assert_counts(0, 30);
	assert_int_equal(prod_stats_count(&f.stats, RD_KAFKA_RESP_ERR__PURGE_QUEUE) +
				 prod_stats_count(&f.stats, RD_KAFKA_RESP_ERR__PURGE_INFLIGHT),
			 30);
}

static void partitions_by_key_or_in_turn(void **state)
{
	(void)state;
	open_ready(mock_conf(&f.m, NULL));
	struct prod_bytes none = {NULL, 0};
	int32_t first = prod_send_choose(f.send, none);
	for (int i = 1; i <= 2 * PARTITIONS; i++)
		assert_int_equal(prod_send_choose(f.send, none), (first + i) % PARTITIONS);
	bool seen[PARTITIONS] = {false};
	for (int i = 0; i < 100; i++) {
		char key[16];
		struct prod_bytes k = {key, (size_t)snprintf(key, sizeof(key), "key-%d", i)};
		int32_t p = prod_send_choose(f.send, k);
		assert_in_range(p, 0, PARTITIONS - 1);
		assert_int_equal(prod_send_choose(f.send, k), p);
		seen[p] = true;
	}
	for (int i = 0; i < PARTITIONS; i++)
		assert_true(seen[i]);
	/* Known from Java's DefaultPartitioner: murmur2("foobar") & 0x7fffffff = 1357151166. */
	assert_int_equal(prod_send_choose(f.send, (struct prod_bytes){"foobar", 6}), 1357151166 % PARTITIONS);
}

static void a_bad_configuration_is_an_error(void **state)
{
	(void)state;
	struct bg_err err = BG_ERR_INIT;
	struct prod_send_opts o = {f.m.loop,   f.m.worker, mock_conf(&f.m, "acks", "1", NULL), "t", &f.stats,
				   on_changed, &f};
	assert_true(prod_send_new(&o, &f.send, &err) < 0); /* contradicts enable.idempotence */
	assert_null(f.send);
	assert_non_null(strstr(err.msg, "acks"));
}

static void kinds_of_error_are_bounded(void **state)
{
	(void)state;
	for (int i = 1; i <= 60; i++)
		prod_stats_failed(&f.stats, (rd_kafka_resp_err_t)i, i % 2);
	assert_int_equal(f.stats.failed, 60);
	assert_int_equal(f.stats.maybe, 30);
	assert_int_equal(f.stats.n_errors, PROD_STATS_ERRORS);
	int64_t sum = 0;
	for (int i = 0; i < f.stats.n_errors; i++)
		sum += f.stats.errors[i].n;
	assert_int_equal(sum, 60);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(acknowledged_records_are_counted),
		TEST(retriable_errors_are_retried),
		TEST(permanent_errors_are_counted_by_error),
		TEST(broker_down_times_out_and_goes_on_by_itself),
		TEST(a_short_outage_loses_nothing),
		TEST(a_full_queue_refuses_and_tells_when_there_is_room),
		TEST(a_record_too_large_is_refused_and_counted),
		TEST(a_topic_may_come_later),
		TEST(a_broker_may_come_later),
		TEST(a_fatal_error_replaces_the_handle),
		TEST(closing_sends_what_is_queued),
		TEST(closing_counts_what_could_not_be_sent),
		TEST(partitions_by_key_or_in_turn),
		TEST(a_bad_configuration_is_an_error),
		TEST(kinds_of_error_are_bounded),
	};
	return cmocka_run_group_tests_name("send_errors", tests, NULL, NULL);
}
