/* SPDX-License-Identifier: Apache-2.0 */
/* The second warm handle: every way in which a call can fail, and every moment at which it can be freed. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/kafka_aux_fixture.h"

/* ---- errors ---- */

/* What passes is waited out; the caller does not notice. */
static void test_passing_errors(void **state)
{
	static const struct {
		int16_t api;
		rd_kafka_resp_err_t err;
		int n;
	} rows[] = {
		{OFFSET_FETCH, RD_KAFKA_RESP_ERR_NOT_COORDINATOR, 1},
		{OFFSET_FETCH, RD_KAFKA_RESP_ERR_NOT_COORDINATOR, 5},
		{OFFSET_FETCH, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, 6},
		{OFFSET_FETCH, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, 5},
		{OFFSET_FETCH, RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT, 3},
		{OFFSET_FETCH, RD_KAFKA_RESP_ERR__TRANSPORT, 2},
	};
	struct fixture *f = *state;
	struct answer a = {0};

	write_some(f);
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++) {
		inject(f, rows[i].api, rows[i].err, rows[i].n);
		read_orders(f, 15 * SECOND, &a);
		must_succeed(f, &a);
		assert_int_equal(bg_offs_find(&a.offs, "orders", 1)->offset, 101);
	}
	answer_free(&a);
}

/* A cold look-up of the coordinator is patient too: librdkafka itself gives up in silence after three. */
static void test_cold_coordinator(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};

	write_some(f);
	bg_aux_free(f->aux);
	f->aux = new_aux(f, f->m.bootstrap, "own");
	pass(f, 300000); /* its own group's look-up is over */
	inject(f, FIND_COORDINATOR, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, 6);
	read_orders(f, 15 * SECOND, &a);
	must_succeed(f, &a);
	assert_int_equal(bg_offs_find(&a.offs, "orders", 1)->offset, 101);
	answer_free(&a);
}

/* What does not pass ends at the deadline, which says what was the matter. */
static void test_lasting_errors(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};
	int64_t t0;

	write_some(f);
	inject(f, OFFSET_FETCH, RD_KAFKA_RESP_ERR_NOT_COORDINATOR, 500);
	t0 = bg_now_us();
	read_orders(f, SECOND, &a);
	must_fail(f, &a, "timed_out", "NOT_COORDINATOR");
	assert_in_range(a.at_us - t0, 1000000, 3000000);
	assert_non_null(strstr(a.err.msg, "group g"));
	rd_kafka_mock_clear_request_errors(f->m.cluster, OFFSET_FETCH);
	read_orders(f, 10 * SECOND, &a);
	must_succeed(f, &a);
	answer_free(&a);
}

static void test_refusals(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};
	int64_t t0;

	write_some(f);
	inject(f, OFFSET_FETCH, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, 1);
	t0 = bg_now_us();
	read_orders(f, 10 * SECOND, &a);
	must_fail(f, &a, "not_authorized", "group g");
	assert_true(a.at_us - t0 < SECOND);
	/* also when the coordinator may not even be asked for */
	bg_aux_free(f->aux);
	f->aux = new_aux(f, f->m.bootstrap, "own");
	pass(f, 300000);
	inject(f, FIND_COORDINATOR, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, 1);
	read_orders(f, 10 * SECOND, &a);
	must_fail(f, &a, "not_authorized", "group g");
	answer_free(&a);
}

static void test_alter_errors(void **state)
{
	static const struct {
		rd_kafka_resp_err_t err;
		const char *code;
	} rows[] = {
		{RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, "group_not_empty"},
		{RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, "group_not_empty"},
		{RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, "not_authorized"},
		{RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "unknown_topic"},
		{RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE, "kafka_error"},
	};
	struct fixture *f = *state;
	_cleanup_offs_ struct bg_offs o = BG_OFFS_INIT;
	struct answer a = {0};

	write_some(f);
	bg_offs_set(&o, "orders", 0, 5, 6);
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++) {
		inject(f, OFFSET_COMMIT, rows[i].err, 1);
		bg_aux_alter(f->aux, "g", &o, 10 * SECOND, on_offs, &a);
		must_fail(f, &a, rows[i].code, "group g");
		answer_free(&a);
	}
	/* passing ones pass */
	inject(f, OFFSET_COMMIT, RD_KAFKA_RESP_ERR_NOT_COORDINATOR, 2);
	bg_aux_alter(f->aux, "g", &o, 10 * SECOND, on_offs, &a);
	must_succeed(f, &a);
	read_orders(f, 10 * SECOND, &a);
	must_succeed(f, &a);
	assert_int_equal(bg_offs_find(&a.offs, "orders", 0)->offset, 5);
	assert_int_equal(bg_offs_find(&a.offs, "orders", 0)->floor, 6); /* never below the epoch */
	answer_free(&a);
}

/* The coordinator moves to another broker, the old one says so for ever. */
static void test_coordinator_moves(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};

	write_some(f);
	rd_kafka_mock_coordinator_set(f->m.cluster, "group", "g", 3);
	read_orders(f, 10 * SECOND, &a);
	must_succeed(f, &a);
	assert_int_equal(bg_offs_find(&a.offs, "orders", 2)->offset, 102);
	rd_kafka_mock_coordinator_set(f->m.cluster, "group", "g", 1);
	read_orders(f, 10 * SECOND, &a);
	must_succeed(f, &a);
	answer_free(&a);
}

/* A broker that is up but answers late: the deadline holds for admin calls and for those on the worker. */
static void test_slow_broker(void **state)
{
	struct fixture *f = *state;
	_cleanup_offs_ struct bg_offs o = BG_OFFS_INIT;
	const char *topics[] = {"orders"};
	struct answer a = {0};
	int64_t t0;

	write_some(f);
	for (int i = 1; i <= 3; i++)
		rd_kafka_mock_broker_set_rtt(f->m.cluster, i, 5000);
	t0 = bg_now_us();
	read_orders(f, SECOND / 2, &a);
	must_fail(f, &a, "timed_out", "500 ms");
	assert_in_range(a.at_us - t0, 500000, 2500000);
	answer_free(&a);
	t0 = bg_now_us();
	bg_aux_partitions(f->aux, topics, 1, SECOND / 2, on_offs, &a);
	must_fail(f, &a, "timed_out", "500 ms");
	assert_in_range(a.at_us - t0, 500000, 2500000);
	answer_free(&a);
	orders(&o, 2);
	bg_aux_ranges(f->aux, &o, SECOND / 2, on_offs, &a);
	must_fail(f, &a, "timed_out", "500 ms");
	answer_free(&a);
}

/* Nobody answers at all. */
static void test_no_broker(void **state)
{
	struct fixture *f = *state;
	const char *topics[] = {"orders"};
	struct answer a = {0};
	int64_t t0;

	bg_aux_free(f->aux);
	f->aux = new_aux(f, "127.0.0.1:1", "own");
	t0 = bg_now_us();
	read_orders(f, SECOND, &a);
	must_fail(f, &a, "broker_unavailable", "1000 ms");
	assert_in_range(a.at_us - t0, 1000000, 3000000);
	answer_free(&a);
	bg_aux_partitions(f->aux, topics, 1, SECOND, on_offs, &a);
	must_fail(f, &a, "broker_unavailable", "1000 ms");
	answer_free(&a);
	bg_aux_health(f->aux, topics, 1, SECOND, on_health, &a);
	must_fail(f, &a, "broker_unavailable", "1000 ms");
	answer_free(&a);
}

/* All brokers go and come back: calls made meanwhile end well within their deadline. */
static void test_outage(void **state)
{
	struct fixture *f = *state;
	const char *topics[] = {"orders"};
	struct answer a = {0}, b = {0};

	write_some(f);
	for (int i = 1; i <= 3; i++)
		rd_kafka_mock_broker_set_down(f->m.cluster, i);
	pass(f, 200000);
	read_orders(f, 15 * SECOND, &a);
	bg_aux_partitions(f->aux, topics, 1, 15 * SECOND, on_offs, &b);
	pass(f, 700000);
	assert_false(a.done);
	for (int i = 1; i <= 3; i++)
		rd_kafka_mock_broker_set_up(f->m.cluster, i);
	must_succeed(f, &a);
	assert_int_equal(bg_offs_find(&a.offs, "orders", 1)->offset, 101);
	if (!b.done)
		must_succeed(f, &b);
	assert_true(b.ok);
	answer_free(&a);
	answer_free(&b);
}

/*
 * librdkafka 2.0.2 ends the process with an assertion when a request timed out while its coordinator was looked
 * for and that is found afterwards.
 */
static void test_coordinator_found_too_late(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};

	write_some(f);
	for (int round = 0; round < 3; round++) {
		for (int i = 1; i <= 3; i++)
			rd_kafka_mock_broker_set_down(f->m.cluster, i);
		for (int i = 0; i < 6; i++) {
			read_orders(f, i < 5 ? 60000 : 3 * SECOND / 2, &a);
			await(f, &a);
			assert_false(a.ok);
		}
		for (int i = 1; i <= 3; i++)
			rd_kafka_mock_broker_set_up(f->m.cluster, i);
		read_orders(f, 15 * SECOND, &a);
		must_succeed(f, &a);
		assert_int_equal(bg_offs_find(&a.offs, "orders", 1)->offset, 101);
	}
	answer_free(&a);
}

/* ---- the end ---- */

/* Freed with calls outstanding of every kind: no callback, no leak, no access to what is gone. */
static void test_free_outstanding(void **state)
{
	struct fixture *f = *state;
	const char *topics[] = {"orders"};
	_cleanup_offs_ struct bg_offs o = BG_OFFS_INIT;
	struct answer a[8] = {0};

	write_some(f);
	for (int i = 1; i <= 3; i++)
		rd_kafka_mock_broker_set_rtt(f->m.cluster, i, 300);
	orders(&o, 2);
	bg_aux_committed(f->aux, "g", &o, 5 * SECOND, on_offs, &a[0]);
	bg_aux_partitions(f->aux, topics, 1, 5 * SECOND, on_offs, &a[1]);
	bg_aux_ranges(f->aux, &o, 5 * SECOND, on_offs, &a[2]);
	bg_aux_health(f->aux, topics, 1, 5 * SECOND, on_health, &a[3]);
	bg_aux_partitions(f->aux, topics, 1, 5 * SECOND, on_offs, &a[4]);
	pass(f, 50000);
	bg_aux_free(f->aux);
	f->aux = NULL;
	pass(f, 2 * SECOND);
	for (int i = 0; i < 8; i++)
		assert_int_equal(a[i].calls, 0);
}

/* A callback may free the whole. */
static void test_free_in_callback(void **state)
{
	struct fixture *f = *state;
	_cleanup_offs_ struct bg_offs o = BG_OFFS_INIT;
	const char *topics[] = {"orders"};
	struct answer a = {.free_this = f->aux}, b = {0};

	orders(&o, 2);
	bg_aux_committed(f->aux, "g", &o, 5 * SECOND, on_offs, &a);
	bg_aux_committed(f->aux, "g", &o, 5 * SECOND, on_offs, &b);
	await(f, &a);
	pass(f, 300000);
	assert_int_equal(b.calls, 0);
	bg_offs_free(&a.offs);
	f->aux = new_aux(f, f->m.bootstrap, NULL);
	a = (struct answer){.free_this = f->aux};
	bg_aux_partitions(f->aux, topics, 1, 5 * SECOND, on_offs, &a);
	await(f, &a);
	pass(f, 300000);
	f->aux = NULL;
	bg_offs_free(&a.offs);
}

/* Calls that end by deadline while their answers are still to come, then more calls: nothing gets mixed up. */
static void test_late_answers(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};

	write_some(f);
	for (int i = 1; i <= 3; i++)
		rd_kafka_mock_broker_set_rtt(f->m.cluster, i, 200);
	for (int i = 0; i < 5; i++) {
		read_orders(f, 50000, &a);
		must_fail(f, &a, "timed_out", "50 ms");
	}
	for (int i = 1; i <= 3; i++)
		rd_kafka_mock_broker_set_rtt(f->m.cluster, i, 0);
	for (int i = 0; i < 5; i++) {
		read_orders(f, 5 * SECOND, &a);
		must_succeed(f, &a);
		assert_int_equal(bg_offs_find(&a.offs, "orders", 1)->offset, 101);
	}
	answer_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_passing_errors),   T(test_cold_coordinator),
		T(test_lasting_errors),   T(test_refusals),
		T(test_alter_errors),     T(test_coordinator_moves),
		T(test_slow_broker),      T(test_no_broker),
		T(test_outage),           T(test_coordinator_found_too_late),
		T(test_free_outstanding), T(test_free_in_callback),
		T(test_late_answers),
	};

	bg_log_init("test", "logfmt", BG_WARN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
