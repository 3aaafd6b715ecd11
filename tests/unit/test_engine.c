/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole of bg-producerd but its HTTP, on the mock cluster: what it says it has sent is read back and
 * checked against sequences and CRCs; counts, stops, full queues, outages and lines leave no hole.
 */
#include "config.h"
#include "producerd_mock.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/mem.h"
#include "producerd/engine.h"

struct fixture {
	struct mock m;
	struct prod_engine *engine;
	bool finished, closed;
	int finish_status, close_status;
	char path[64];
};

static struct fixture f;

static void on_finished(void *arg, int status)
{
	(void)arg;
	f.finished = true;
	f.finish_status = status;
}

static void on_closed(void *arg, int status)
{
	(void)arg;
	f.closed = true;
	f.close_status = status;
}

static int setup(void **state)
{
	(void)state;
	f = (struct fixture){0};
	mock_start(&f.m);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (f.engine) {
		if (!f.closed)
			prod_engine_close(f.engine, 0, on_closed, &f);
		AWAIT(&f.m, f.closed);
		prod_engine_free(f.engine);
	}
	mock_stop(&f.m);
	if (f.path[0])
		unlink(f.path);
	return 0;
}

static struct prod_engine_opts options(rd_kafka_conf_t *conf)
{
	return (struct prod_engine_opts){
		.loop = f.m.loop,
		.worker = f.m.worker,
		.conf = conf,
		.topic = "t",
		.metrics = f.m.metrics,
		.payload = {.size = 50, .keys = 100, .seed = 3},
		.rate = 2000,
		.autostart = true,
		.by_key = true,
		.finished = on_finished,
		.arg = &f,
	};
}

static void begin(const struct prod_engine_opts *o)
{
	struct bg_err err = BG_ERR_INIT;
	if (prod_engine_new(o, &f.engine, &err))
		fail_msg("%s", err.msg);
}

static const struct prod_stats *stats(void)
{
	return prod_engine_stats(f.engine);
}

/* --- reading back --- */

static int64_t header_number(const rd_kafka_message_t *m, const char *name, int base)
{
	rd_kafka_headers_t *h;
	const void *value;
	size_t size;
	char text[32] = "";
	assert_int_equal(rd_kafka_message_headers(m, &h), 0);
	assert_int_equal(rd_kafka_header_get_last(h, name, &value, &size), 0);
	assert_true(size < sizeof(text));
	memcpy(text, value, size);
	return strtoll(text, NULL, base);
}

struct read_back {
	int64_t n, next[PARTITIONS];
	char values[64][64]; /* of the first ones, for lines */
	char keys[64][64];
};

static void take(struct read_back *r, const rd_kafka_message_t *m)
{
	assert_int_equal(header_number(m, "bg-seq", 10), r->next[m->partition]);
	r->next[m->partition]++;
	struct prod_bytes key = {m->key, m->key_len}, value = {m->payload, m->len};
	assert_int_equal(header_number(m, "bg-crc", 16), prod_numbering_crc(key, value));
	if (r->n < 64) {
		snprintf(r->values[r->n], sizeof(r->values[0]), "%.*s", (int)m->len,
			 (const char *)m->payload);
		snprintf(r->keys[r->n], sizeof(r->keys[0]), "%.*s", (int)m->key_len,
			 m->key ? (const char *)m->key : "");
	}
	r->n++;
}

/* Everything in the topic, each partition to its end; asserts sequences from 0 without hole and every CRC. */
static void read_all(struct read_back *r)
{
	*r = (struct read_back){0};
	char text[256];
	rd_kafka_conf_t *conf = mock_conf(&f.m, "group.id", "back", "enable.partition.eof", "true",
					  "fetch.wait.max.ms", "10", "auto.offset.reset", "earliest", NULL);
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof(text));
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);
	for (int p = 0; p < PARTITIONS; p++)
		rd_kafka_topic_partition_list_add(list, "t", p)->offset = 0;
	assert_int_equal(rd_kafka_assign(rk, list), 0);
	rd_kafka_topic_partition_list_destroy(list);
	for (int ended = 0; ended < PARTITIONS;) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 10000);
		assert_non_null(m);
		if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			ended++;
		else if (!m->err)
			take(r, m);
		rd_kafka_message_destroy(m);
	}
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
}

/* --- tests --- */

static void a_count_is_sent_exactly_and_ends(void **state)
{
	(void)state;
	struct prod_engine_opts o = options(mock_conf(&f.m, NULL));
	o.count = 1000;
	begin(&o);
	assert_int_equal(prod_engine_state(f.engine), PROD_CONNECTING);
	AWAIT(&f.m, f.finished);
	assert_int_equal(f.finish_status, 0);
	assert_int_equal(stats()->acked, 1000);
	assert_int_equal(prod_engine_state(f.engine), PROD_FINISHING);
	struct read_back r;
	read_all(&r);
	assert_int_equal(r.n, 1000);
	for (int p = 0; p < PARTITIONS; p++)
		assert_in_range(r.next[p], 100, 400); /* 100 keys spread over 4 partitions */
}

static void not_started_until_told(void **state)
{
	(void)state;
	struct prod_engine_opts o = options(mock_conf(&f.m, NULL));
	o.autostart = false;
	begin(&o);
	AWAIT(&f.m, prod_send_connected(prod_engine_send(f.engine)));
	static const bool never;
	bg_loop_run_until(f.m.loop, &never, 50000);
	assert_int_equal(stats()->accepted, 0);
	assert_int_equal(prod_engine_state(f.engine), PROD_STOPPED);
	prod_engine_start(f.engine, 500);
	assert_int_equal(prod_engine_state(f.engine), PROD_RUNNING);
	assert_true(prod_engine_rate_now(f.engine) == 500);
	AWAIT(&f.m, stats()->acked >= 20);
	prod_engine_stop(f.engine);
	int64_t accepted = stats()->accepted;
	AWAIT(&f.m, stats()->acked == accepted);
	bg_loop_run_until(f.m.loop, &never, 50000);
	assert_int_equal(stats()->accepted, accepted);
	prod_engine_start(f.engine, 0);
	AWAIT(&f.m, stats()->acked >= accepted + 20);
	prod_engine_stop(f.engine);
	AWAIT(&f.m, prod_send_queued(prod_engine_send(f.engine)) == 0);
	struct read_back r;
	read_all(&r); /* numbers go on over a stop */
	assert_int_equal(r.n, stats()->acked);
}

static void rate_is_kept_and_changed(void **state)
{
	(void)state;
	struct prod_engine_opts o = options(mock_conf(&f.m, NULL));
	o.rate = 400;
	begin(&o);
	AWAIT(&f.m, stats()->accepted > 0);
	static const bool never;
	int64_t before = stats()->accepted, from = bg_now_us();
	bg_loop_run_until(f.m.loop, &never, 500000);
	int64_t n = stats()->accepted - before, expected = (bg_now_us() - from) * 400 / 1000000;
	assert_in_range(n, expected - 20, expected + 20);
	prod_engine_rate(f.engine, 4000);
	before = stats()->accepted;
	from = bg_now_us();
	bg_loop_run_until(f.m.loop, &never, 500000);
	n = stats()->accepted - before;
	expected = (bg_now_us() - from) * 4000 / 1000000;
	assert_in_range(n, expected - 200, expected + 200);
}

static void a_full_queue_leaves_no_hole(void **state)
{
	(void)state;
	struct prod_engine_opts o = options(mock_conf(&f.m, "queue.buffering.max.messages", "20", NULL));
	o.rate = 0; /* as fast as it goes: full all the time */
	o.count = 3000;
	begin(&o);
	AWAIT(&f.m, f.finished);
	assert_int_equal(f.finish_status, 0);
	assert_true(stats()->full > 0);
	struct read_back r;
	read_all(&r);
	assert_int_equal(r.n, 3000);
}

static void an_outage_fills_the_queue_and_misses_are_counted(void **state)
{
	(void)state;
	struct prod_engine_opts o = options(mock_conf(&f.m, "queue.buffering.max.messages", "50", NULL));
	o.rate = 1000;
	begin(&o);
	AWAIT(&f.m, stats()->acked >= 10);
	rd_kafka_mock_broker_set_down(f.m.cluster, -1);
	AWAIT(&f.m, stats()->full > 0);
	int64_t full = stats()->full;
	static const bool never;
	bg_loop_run_until(f.m.loop, &never, 1500000);
	assert_in_range(stats()->full, full, full + 50); /* it waits for room, it does not try at the rate */
	assert_true(prod_engine_pace(f.engine)->missed > 0);
	rd_kafka_mock_broker_set_up(f.m.cluster, -1);
	int64_t acked = stats()->acked;
	AWAIT(&f.m, stats()->acked >= acked + 500);
	prod_engine_stop(f.engine);
	AWAIT(&f.m, prod_send_queued(prod_engine_send(f.engine)) == 0);
	assert_int_equal(stats()->failed, 0);
	struct read_back r;
	read_all(&r);
	assert_int_equal(r.n, stats()->acked);
}

static void a_count_with_failures_says_so(void **state)
{
	(void)state;
	struct prod_engine_opts o = options(mock_conf(&f.m, "delivery.timeout.ms", "300", NULL));
	o.count = 100;
	o.rate = 1000;
	begin(&o);
	AWAIT(&f.m, stats()->acked >= 10);
	rd_kafka_mock_broker_set_down(f.m.cluster, -1);
	AWAIT(&f.m, f.finished);
	assert_int_equal(f.finish_status, 1);
	assert_int_equal(stats()->acked + stats()->failed, 100);
	assert_true(stats()->failed > 0);
}

static void a_duration_ends_it(void **state)
{
	(void)state;
	struct prod_engine_opts o = options(mock_conf(&f.m, NULL));
	o.duration_us = 300000;
	o.rate = 1000;
	begin(&o);
	AWAIT(&f.m, f.finished);
	assert_int_equal(f.finish_status, 0);
	assert_in_range(stats()->acked, 250, 320);
}

static void closing_sends_the_queue(void **state)
{
	(void)state;
	struct prod_engine_opts o = options(mock_conf(&f.m, "linger.ms", "5000", NULL));
	begin(&o);
	AWAIT(&f.m, stats()->accepted >= 100);
	prod_engine_close(f.engine, 5000000, on_closed, &f);
	assert_int_equal(prod_engine_state(f.engine), PROD_STOPPING);
	AWAIT(&f.m, f.closed);
	assert_int_equal(f.close_status, 0);
	struct read_back r;
	read_all(&r);
	assert_int_equal(r.n, stats()->acked);
	assert_int_equal(stats()->acked, stats()->accepted);
}

static void closing_before_anything_is_known(void **state)
{
	(void)state;
	rd_kafka_mock_broker_set_down(f.m.cluster, -1);
	struct prod_engine_opts o = options(mock_conf(&f.m, NULL));
	begin(&o);
	prod_engine_close(f.engine, 100000, on_closed, &f);
	AWAIT(&f.m, f.closed);
	assert_int_equal(f.close_status, 0);
}

static void write_lines(int n)
{
	snprintf(f.path, sizeof(f.path), "test_engine.%ld.tmp", (long)getpid());
	FILE *file = fopen(f.path, "we");
	assert_non_null(file);
	for (int i = 0; i < n; i++)
		fprintf(file, "k%d=line %d\n", i, i);
	fclose(file);
}

static void lines_become_records(void **state)
{
	(void)state;
	write_lines(40);
	struct prod_engine_opts o = options(mock_conf(&f.m, "queue.buffering.max.messages", "7", NULL));
	o.rate = 0;
	o.input = f.path;
	o.separator = "=";
	begin(&o);
	AWAIT(&f.m, f.finished);
	assert_int_equal(f.finish_status, 0);
	assert_int_equal(stats()->acked, 40);
	struct read_back r;
	read_all(&r);
	assert_int_equal(r.n, 40);
	bool seen[40] = {false};
	for (int i = 0; i < 40; i++) {
		int k = -1, l = -1;
		assert_int_equal(sscanf(r.keys[i], "k%d", &k), 1);
		assert_int_equal(sscanf(r.values[i], "line %d", &l), 1);
		assert_int_equal(k, l);
		assert_in_range(k, 0, 39);
		assert_false(seen[k]);
		seen[k] = true;
	}
}

static void lines_that_come_slowly_are_not_owed(void **state)
{
	(void)state;
	int fds[2], saved = dup(STDIN_FILENO);
	assert_int_equal(pipe(fds), 0);
	dup2(fds[0], STDIN_FILENO);
	close(fds[0]);
	struct prod_engine_opts o = options(mock_conf(&f.m, NULL));
	o.rate = 100;
	o.input = "-";
	begin(&o);
	static const bool never;
	AWAIT(&f.m, prod_engine_state(f.engine) == PROD_RUNNING);
	bg_loop_run_until(f.m.loop, &never, 300000);
	assert_int_equal(write(fds[1], "a\nb\nc\nd\ne\n", 10), 10);
	int64_t from = bg_now_us();
	AWAIT(&f.m, stats()->accepted >= 5);
	assert_true(bg_now_us() - from >= 35000); /* at their rate, though nothing came for long */
	assert_int_equal(prod_engine_pace(f.engine)->missed, 0);
	close(fds[1]);
	AWAIT(&f.m, f.finished);
	assert_int_equal(stats()->acked, 5);
	dup2(saved, STDIN_FILENO);
	close(saved);
}

static void a_refused_record_uses_up_no_number(void **state)
{
	(void)state;
	struct prod_engine_opts o = options(mock_conf(&f.m, "message.max.bytes", "1000", NULL));
	snprintf(f.path, sizeof(f.path), "test_engine.%ld.tmp", (long)getpid());
	FILE *file = fopen(f.path, "we");
	fprintf(file, "small\n%02000d\nsmall\nsmall\n", 0);
	fclose(file);
	o.input = f.path;
	begin(&o);
	AWAIT(&f.m, f.finished);
	assert_int_equal(f.finish_status, 1);
	assert_int_equal(prod_stats_count(stats(), RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE), 1);
	struct read_back r;
	read_all(&r);
	assert_int_equal(r.n, 3);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_count_is_sent_exactly_and_ends),
		TEST(not_started_until_told),
		TEST(rate_is_kept_and_changed),
		TEST(a_full_queue_leaves_no_hole),
		TEST(an_outage_fills_the_queue_and_misses_are_counted),
		TEST(a_count_with_failures_says_so),
		TEST(a_duration_ends_it),
		TEST(closing_sends_the_queue),
		TEST(closing_before_anything_is_known),
		TEST(lines_become_records),
		TEST(lines_that_come_slowly_are_not_owed),
		TEST(a_refused_record_uses_up_no_number),
	};
	return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
