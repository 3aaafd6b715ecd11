/* SPDX-License-Identifier: Apache-2.0 */
/* The second warm handle against librdkafka's mock cluster: every call. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/kafka_aux_fixture.h"

static void test_round_trip(void **state)
{
	struct fixture *f = *state;
	_cleanup_offs_ struct bg_offs o = BG_OFFS_INIT;
	struct answer a = {0};
	struct bg_off *e;

	write_some(f);
	orders(&o, 4);
	bg_offs_at(&o, "bills", 1);
	bg_aux_committed(f->aux, "g", &o, 10 * SECOND, on_offs, &a);
	must_succeed(f, &a);
	assert_int_equal(a.offs.n, 5);
	for (int i = 0; i < 3; i++) {
		e = bg_offs_find(&a.offs, "orders", i);
		assert_int_equal(e->offset, 100 + i);
		assert_int_equal(e->epoch, 7 + i);
		assert_int_equal(e->floor, 20);
		assert_int_equal(e->mirrored, i == 2);
		assert_string_equal(e->color, "green");
	}
	e = bg_offs_find(&a.offs, "orders", 3);
	assert_int_equal(e->offset, -1);
	assert_int_equal(e->epoch, 0);
	e = bg_offs_find(&a.offs, "bills", 1);
	assert_int_equal(e->offset, -1);
	answer_free(&a);
}

/* Another group knows nothing of it. */
static void test_other_group(void **state)
{
	struct fixture *f = *state;
	_cleanup_offs_ struct bg_offs o = BG_OFFS_INIT;
	struct answer a = {0};

	write_some(f);
	orders(&o, 3);
	bg_aux_committed(f->aux, "h", &o, 10 * SECOND, on_offs, &a);
	must_succeed(f, &a);
	for (int i = 0; i < 3; i++)
		assert_int_equal(bg_offs_find(&a.offs, "orders", i)->offset, -1);
	answer_free(&a);
}

static void test_nothing_asked(void **state)
{
	struct fixture *f = *state;
	struct bg_offs none = BG_OFFS_INIT;
	struct answer a[4] = {0};

	bg_aux_committed(f->aux, "g", &none, SECOND, on_offs, &a[0]);
	bg_aux_alter(f->aux, "g", &none, SECOND, on_offs, &a[1]);
	bg_aux_ranges(f->aux, &none, SECOND, on_offs, &a[2]);
	bg_aux_partitions(f->aux, NULL, 0, SECOND, on_offs, &a[3]);
	must_succeed(f, &a[0]);
	for (int i = 1; i < 4; i++)
		assert_true(bg_loop_run_until(f->loop, &a[i].done, SECOND));
	for (int i = 0; i < 4; i++) {
		assert_int_equal(a[i].calls, 1);
		assert_true(a[i].ok);
		assert_int_equal(a[i].offs.n, 0);
	}
}

static void test_partitions(void **state)
{
	struct fixture *f = *state;
	const char *topics[] = {"orders", "bills"};
	struct answer a = {0};

	bg_aux_partitions(f->aux, topics, 2, 10 * SECOND, on_offs, &a);
	must_succeed(f, &a);
	assert_int_equal(a.offs.n, 6);
	assert_non_null(bg_offs_find(&a.offs, "orders", 3));
	assert_non_null(bg_offs_find(&a.offs, "bills", 1));
	assert_int_equal(a.offs.v[0].offset, -1);
	answer_free(&a);
}

static void test_unknown_topic(void **state)
{
	struct fixture *f = *state;
	const char *topics[] = {"orders", "nosuch"};
	_cleanup_offs_ struct bg_offs o = BG_OFFS_INIT;
	struct answer a = {0};

	rd_kafka_mock_topic_set_error(f->m.cluster, "nosuch", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
	bg_aux_partitions(f->aux, topics, 2, 10 * SECOND, on_offs, &a);
	must_fail(f, &a, "unknown_topic", "nosuch");
	answer_free(&a);
	bg_aux_health(f->aux, topics, 2, 10 * SECOND, on_health, &a);
	must_fail(f, &a, "unknown_topic", "nosuch");
	answer_free(&a);
	bg_offs_at(&o, "nosuch", 0);
	bg_aux_ranges(f->aux, &o, 10 * SECOND, on_offs, &a);
	must_fail(f, &a, "unknown_topic", "nosuch");
	answer_free(&a);
}

static void test_unknown_partition(void **state)
{
	struct fixture *f = *state;
	_cleanup_offs_ struct bg_offs o = BG_OFFS_INIT;
	struct answer a = {0};

	bg_offs_at(&o, "orders", 0);
	bg_offs_at(&o, "orders", 77);
	bg_aux_ranges(f->aux, &o, 10 * SECOND, on_offs, &a);
	must_fail(f, &a, "unknown_topic", "orders");
	answer_free(&a);
}

static void test_ranges(void **state)
{
	struct fixture *f = *state;
	_cleanup_offs_ struct bg_offs o = BG_OFFS_INIT;
	struct answer a = {0};

	mock_produce(&f->m, "orders", 1, 17);
	mock_produce(&f->m, "bills", 0, 3);
	orders(&o, 4);
	bg_offs_at(&o, "bills", 0);
	bg_aux_ranges(f->aux, &o, 10 * SECOND, on_offs, &a);
	must_succeed(f, &a);
	assert_int_equal(a.offs.n, 5);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(bg_offs_find(&a.offs, "orders", i)->offset, 0);
		assert_int_equal(bg_offs_find(&a.offs, "orders", i)->floor, i == 1 ? 17 : 0);
	}
	assert_int_equal(bg_offs_find(&a.offs, "bills", 0)->floor, 3);
	answer_free(&a);
}

static void test_health(void **state)
{
	struct fixture *f = *state;
	const char *topics[] = {"orders", "bills"};
	struct answer a = {0};

	bg_aux_health(f->aux, topics, 2, 10 * SECOND, on_health, &a);
	await(f, &a);
	assert_true(a.ok);
	assert_int_equal(a.brokers, 3);
	assert_int_equal(a.under + a.leaderless, 0);
	answer_free(&a);
	bg_aux_health(f->aux, NULL, 0, 10 * SECOND, on_health, &a);
	await(f, &a);
	assert_true(a.ok);
	assert_int_equal(a.brokers, 3);
	answer_free(&a);
	rd_kafka_mock_partition_set_leader(f->m.cluster, "orders", 2, -1);
	bg_aux_health(f->aux, topics, 2, 10 * SECOND, on_health, &a);
	must_fail(f, &a, "no_leader", "orders [2]");
	assert_int_equal(a.brokers, 3);
	assert_int_equal(a.leaderless, 1);
	answer_free(&a);
}

/* 200 at once all end well; more than 256 are refused, and those that were there still end. */
static void test_many(void **state)
{
	struct fixture *f = *state;
	_cleanup_offs_ struct bg_offs o = BG_OFFS_INIT;
	struct answer a[300] = {0};
	int busy = 0;

	write_some(f);
	orders(&o, 3);
	for (int i = 0; i < 300; i++) {
		if (i % 50 == 0)
			bg_aux_ranges(f->aux, &o, 20 * SECOND, on_offs, &a[i]);
		else
			bg_aux_committed(f->aux, "g", &o, 20 * SECOND, on_offs, &a[i]);
	}
	for (int i = 0; i < 300; i++) {
		assert_true(bg_loop_run_until(f->loop, &a[i].done, 30 * SECOND));
		assert_int_equal(a[i].calls, 1);
		if (!a[i].ok) {
			assert_string_equal(a[i].err.code, "busy");
			busy++;
		} else {
			assert_int_equal(a[i].offs.n, 3);
		}
		answer_free(&a[i]);
	}
	assert_int_equal(busy, 300 - 256);
}

static void test_warm(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};
	int64_t t0;

	for (int i = 0; i < 100; i++) {
		char group[16];

		snprintf(group, sizeof(group), "g%d", i); /* more than are kept: the others are let be */
		bg_aux_warm(f->aux, group, "orders");
	}
	bg_aux_warm(f->aux, "g", "orders");
	bg_aux_warm(f->aux, "g", "orders");
	pass(f, SECOND);
	t0 = bg_now_us();
	read_orders(f, 5 * SECOND, &a);
	must_succeed(f, &a);
	assert_true(a.at_us - t0 < 500000);
	answer_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_round_trip), T(test_other_group),   T(test_nothing_asked),
		T(test_partitions), T(test_unknown_topic), T(test_unknown_partition),
		T(test_ranges),     T(test_health),        T(test_many),
		T(test_warm),
	};

	bg_log_init("test", "logfmt", BG_WARN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
