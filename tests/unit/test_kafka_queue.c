/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka queues on the loop, and the end of a handle. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/kafka.h"
#include "common/log.h"
#include "tests/unit/kafka_mock.h"

#define RECORDS 1000

/* ---- a consumer on the loop ---- */

struct reader {
	struct mock m;
	struct bg_loop *loop;
	struct bg_worker *worker;
	rd_kafka_t *rk;
	rd_kafka_queue_t *q;
	struct bg_kq *kq;
	int per_call; /* records taken a call; then kick, if `kick` */
	bool kick;
	int calls, records;
	bool done, destroyed;
	pthread_t rebalance_thread;
	int rebalances;
};

static void on_queue(void *arg)
{
	struct reader *r = arg;
	rd_kafka_message_t *msg;
	int n = 0;

	r->calls++;
	while (n < r->per_call && (msg = rd_kafka_consumer_poll(r->rk, 0))) {
		if (!msg->err) {
			r->records++;
			n++;
		}
		rd_kafka_message_destroy(msg);
	}
	if (n == r->per_call && r->kick)
		bg_kq_kick(r->kq);
	r->done = r->records >= RECORDS;
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *l,
			 void *arg)
{
	struct reader *r = arg;

	r->rebalances++;
	r->rebalance_thread = pthread_self();
	if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
		rd_kafka_assign(rk, l);
	else
		rd_kafka_assign(rk, NULL);
}

static void reader_start(struct reader *r, bool subscribe)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(1);
	char err[256];

	mock_start(&r->m, 1);
	rd_kafka_mock_topic_create(r->m.cluster, "t", 1, 1);
	r->loop = bg_loop_new();
	r->worker = bg_worker_new(r->loop, 2);
	mock_conf(&r->m, conf, "g");
	rd_kafka_conf_set_opaque(conf, r);
	if (subscribe)
		rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
	r->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, err, sizeof(err));
	assert_non_null(r->rk);
	rd_kafka_poll_set_consumer(r->rk);
	rd_kafka_topic_partition_list_add(l, "t", 0)->offset = 0;
	if (subscribe)
		assert_int_equal(rd_kafka_subscribe(r->rk, l), 0);
	else
		assert_int_equal(rd_kafka_assign(r->rk, l), 0);
	rd_kafka_topic_partition_list_destroy(l);
	r->q = rd_kafka_queue_get_consumer(r->rk);
	r->kq = bg_kq_new(r->loop, r->q, on_queue, r);
}

static void set_flag(void *arg)
{
	*(bool *)arg = true;
}

static void reader_stop(struct reader *r, bool close_first)
{
	bg_kq_free(r->kq);
	rd_kafka_queue_destroy(r->q);
	bg_kafka_destroy(r->worker, r->rk, close_first, set_flag, &r->destroyed);
	assert_true(bg_loop_run_until(r->loop, &r->destroyed, 20000000));
	bg_worker_free(r->worker, 1000000);
	bg_loop_free(r->loop);
	mock_stop(&r->m);
}

static void let_pass(struct bg_loop *l, int64_t us)
{
	bool never = false;

	bg_loop_run_until(l, &never, us);
}

/* All come, though each call takes but a few: the kick makes up for the edge that never comes. */
static void test_kick(void **state)
{
	struct reader r = {.per_call = 10, .kick = true};
	int64_t t0;

	(void)state;
	reader_start(&r, false);
	mock_produce(&r.m, "t", 0, RECORDS);
	t0 = bg_now_us();
	assert_true(bg_loop_run_until(r.loop, &r.done, 20000000));
	assert_int_equal(r.records, RECORDS);
	assert_true(r.calls >= RECORDS / 10);
	/* 100 calls by the timer would take 100 s. */
	assert_true(bg_now_us() - t0 < 20000000);
	reader_stop(&r, false);
}

/* The trap itself: who takes a part and does not kick waits for the timer. */
static void test_edge(void **state)
{
	struct reader r = {.per_call = 10, .kick = false};
	int taken, calls;

	(void)state;
	reader_start(&r, false);
	mock_produce(&r.m, "t", 0, RECORDS);
	let_pass(r.loop, 2500000);
	taken = r.records;
	calls = r.calls;
	assert_true(taken > 0);
	assert_true(taken < 200);
	/* The timer goes on calling, once a second. */
	let_pass(r.loop, 2500000);
	assert_in_range(r.calls - calls, 2, 4);
	assert_int_equal(r.records - taken, 10 * (r.calls - calls));
	/* One kick, one call. */
	calls = r.calls;
	bg_kq_kick(r.kq);
	let_pass(r.loop, 50000);
	assert_in_range(r.calls - calls, 1, 2);
	reader_stop(&r, false);
}

/* Drained to empty, the next record wakes at once. */
static void test_wakes(void **state)
{
	struct reader r = {.per_call = 100000, .kick = true};
	bool *done = &r.done;
	int64_t t0;

	(void)state;
	reader_start(&r, false);
	mock_produce(&r.m, "t", 0, 1);
	for (int i = 0; i < 100 && !r.records; i++)
		let_pass(r.loop, 50000);
	assert_int_equal(r.records, 1);
	r.records = RECORDS - 1;
	*done = false;
	mock_produce(&r.m, "t", 0, 1);
	t0 = bg_now_us();
	assert_true(bg_loop_run_until(r.loop, done, 20000000));
	assert_true(bg_now_us() - t0 < 900000);
	reader_stop(&r, false);
}

/* What was queued before the kq came gives no edge, but is found. */
static void test_before(void **state)
{
	struct reader r = {.per_call = 100000, .kick = true};
	int64_t t0;

	(void)state;
	reader_start(&r, false);
	bg_kq_free(r.kq);
	mock_produce(&r.m, "t", 0, RECORDS);
	while (rd_kafka_queue_length(r.q) < RECORDS)
		usleep(10000);
	r.kq = bg_kq_new(r.loop, r.q, on_queue, &r);
	t0 = bg_now_us();
	assert_true(bg_loop_run_until(r.loop, &r.done, 5000000));
	assert_true(bg_now_us() - t0 < 500000);
	reader_stop(&r, false);
}

static void free_inside(void *arg)
{
	struct reader *r = arg;

	r->calls++;
	bg_kq_free(r->kq);
	r->kq = NULL;
}

/* A kq may be freed by its own callback, and then calls no more. */
static void test_free_inside(void **state)
{
	struct reader r = {.per_call = 1};

	(void)state;
	reader_start(&r, false);
	bg_kq_free(r.kq);
	r.kq = bg_kq_new(r.loop, r.q, free_inside, &r);
	bg_kq_kick(r.kq);
	let_pass(r.loop, 1200000);
	assert_int_equal(r.calls, 1);
	bg_kq_free(NULL);
	reader_stop(&r, false);
}

/* ---- destroying ---- */

/* Leaving the group does not call the owner's rebalance callback from the worker's thread. */
static void test_close(void **state)
{
	struct reader r = {.per_call = 100000, .kick = true};
	int rebalances;

	(void)state;
	reader_start(&r, true);
	mock_produce(&r.m, "t", 0, RECORDS);
	assert_true(bg_loop_run_until(r.loop, &r.done, 30000000));
	assert_int_equal(r.rebalances, 1);
	assert_true(pthread_equal(r.rebalance_thread, pthread_self()));
	rebalances = r.rebalances;
	mock_produce(&r.m, "t", 0, RECORDS); /* records on their way do not hold it up */
	reader_stop(&r, true);
	assert_int_equal(r.rebalances, rebalances);
}

/* close_first on a handle that has no group, or is a producer: nothing to leave. */
static void test_close_without_group(void **state)
{
	struct bg_loop *l = bg_loop_new();
	struct bg_worker *w = bg_worker_new(l, 1);
	char err[256];
	bool one = false, two = false;

	(void)state;
	bg_kafka_destroy(w, rd_kafka_new(RD_KAFKA_CONSUMER, rd_kafka_conf_new(), err, sizeof(err)), true,
			 set_flag, &one);
	bg_kafka_destroy(w, rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), err, sizeof(err)), true,
			 set_flag, &two);
	assert_true(bg_loop_run_until(l, &one, 15000000));
	assert_true(bg_loop_run_until(l, &two, 15000000));
	bg_worker_free(w, 1000000);
	bg_loop_free(l);
}

static rd_kafka_message_t *held;

static void hold_one(void *arg)
{
	struct reader *r = arg;

	if (!held)
		held = rd_kafka_consumer_poll(r->rk, 0);
	r->done = held && !held->err;
}

/* A handle that cannot end, here for a record that is still held, takes the process with it. */
static void test_hung_destroy(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		struct reader r = {.per_call = 1};

		reader_start(&r, false);
		bg_kq_free(r.kq);
		r.kq = bg_kq_new(r.loop, r.q, hold_one, &r);
		mock_produce(&r.m, "t", 0, 1);
		if (!bg_loop_run_until(r.loop, &r.done, 10000000))
			_exit(1);
		bg_kq_free(r.kq);
		bg_kafka_destroy_limit_us = 1000000;
		bg_kafka_destroy(r.worker, r.rk, false, NULL, NULL);
		let_pass(r.loop, 10000000);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 70);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kick),        cmocka_unit_test(test_edge),
		cmocka_unit_test(test_wakes),       cmocka_unit_test(test_before),
		cmocka_unit_test(test_close),       cmocka_unit_test(test_close_without_group),
		cmocka_unit_test(test_free_inside), cmocka_unit_test(test_hung_destroy),
	};

	bg_log_init("test", "logfmt", BG_WARN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
