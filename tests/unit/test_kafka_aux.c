/* SPDX-License-Identifier: Apache-2.0 */
/* The second warm handle against librdkafka's mock cluster: every call, and every way in which one can fail. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/kafka.h"
#include "common/log.h"
#include "tests/unit/kafka_mock.h"

#define OFFSET_COMMIT    8 /* Kafka's numbers of the requests */
#define OFFSET_FETCH     9
#define FIND_COORDINATOR 10
#define METADATA         3
#define LIST_OFFSETS     2

#define SECOND 1000000

struct fixture {
	struct mock m;
	struct bg_loop *loop;
	struct bg_worker *worker;
	struct bg_aux *aux;
};

struct answer {
	bool done;
	int calls;
	bool ok;
	struct bg_err err;
	struct bg_offs offs;
	int brokers, under, leaderless;
	int64_t at_us;
	struct bg_aux *free_this;
};

static struct bg_aux *new_aux(struct fixture *f, const char *bootstrap, const char *group)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	struct bg_err err;
	struct bg_aux *a;

	mock_must(conf, "bootstrap.servers", bootstrap);
	mock_must(conf, "log_level", "2");
	mock_must(conf, "reconnect.backoff.max.ms", "200");
	if (group)
		mock_must(conf, "group.id", group);
	a = bg_aux_new(f->loop, f->worker, conf, &err);
	if (!a)
		fail_msg("%s", err.msg);
	return a;
}

static int setup(void **state)
{
	struct fixture *f = bg_xcalloc(1, sizeof(*f));

	mock_start(&f->m, 3);
	rd_kafka_mock_topic_create(f->m.cluster, "orders", 4, 3);
	rd_kafka_mock_topic_create(f->m.cluster, "bills", 2, 3);
	rd_kafka_mock_coordinator_set(f->m.cluster, "group", "g", 2);
	rd_kafka_mock_coordinator_set(f->m.cluster, "group", "own", 1);
	f->loop = bg_loop_new();
	f->worker = bg_worker_new(f->loop, 3);
	f->aux = new_aux(f, f->m.bootstrap, "own");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	bool never = false;

	bg_aux_free(f->aux);
	bg_loop_run_until(f->loop, &never, 200000); /* jobs that end with their call's deadline */
	bg_worker_free(f->worker, 15 * SECOND);
	bg_loop_free(f->loop);
	mock_stop(&f->m);
	free(f);
	return 0;
}

static void on_offs(void *arg, const struct bg_err *err, const struct bg_offs *offs)
{
	struct answer *a = arg;

	a->calls++;
	a->done = true;
	a->ok = !err;
	a->at_us = bg_now_us();
	if (err)
		a->err = *err;
	else
		bg_offs_copy(&a->offs, offs);
	bg_aux_free(a->free_this);
}

static void on_health(void *arg, const struct bg_err *err, int brokers, int under, int leaderless)
{
	struct answer *a = arg;

	a->calls++;
	a->done = true;
	a->ok = !err;
	if (err)
		a->err = *err;
	a->brokers = brokers;
	a->under = under;
	a->leaderless = leaderless;
}

static void await(struct fixture *f, struct answer *a)
{
	assert_false(a->done); /* never from within the call */
	assert_true(bg_loop_run_until(f->loop, &a->done, 30 * SECOND));
	assert_int_equal(a->calls, 1);
}

static void pass(struct fixture *f, int64_t us)
{
	bool never = false;

	bg_loop_run_until(f->loop, &never, us);
}

static void answer_free(struct answer *a)
{
	bg_offs_free(&a->offs);
	*a = (struct answer){0};
}

static void must_succeed(struct fixture *f, struct answer *a)
{
	await(f, a);
	if (!a->ok)
		fail_msg("%s: %s", a->err.code, a->err.msg);
}

static void must_fail(struct fixture *f, struct answer *a, const char *code, const char *text)
{
	await(f, a);
	assert_false(a->ok);
	if (strcmp(a->err.code, code) || !strstr(a->err.msg, text))
		fail_msg("expected %s \"%s\", got %s \"%s\"", code, text, a->err.code, a->err.msg);
}

static void orders(struct bg_offs *o, int n)
{
	for (int i = 0; i < n; i++)
		bg_offs_at(o, "orders", i);
}

/* Orders [0..2] at 100, 101, 102 of epochs 7, 8, 9, written by green, the last one mirrored. */
static void write_some(struct fixture *f)
{
	_cleanup_offs_ struct bg_offs o = BG_OFFS_INIT;
	struct answer a = {0};

	for (int i = 0; i < 3; i++) {
		struct bg_off *e = bg_offs_at(&o, "orders", i);

		e->offset = 100 + i;
		e->epoch = 7 + i;
		e->floor = 20;
		e->mirrored = i == 2;
		strcpy(e->color, "green");
	}
	bg_offs_at(&o, "orders", 3); /* offset -1: left out */
	bg_aux_alter(f->aux, "g", &o, 10 * SECOND, on_offs, &a);
	must_succeed(f, &a);
	assert_int_equal(a.offs.n, 3);
	answer_free(&a);
}

/* ---- the calls ---- */

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

/* ---- errors ---- */

static void inject(struct fixture *f, int16_t api, rd_kafka_resp_err_t err, int n)
{
	for (int i = 0; i < n; i++)
		rd_kafka_mock_push_request_errors(f->m.cluster, api, 1, err);
}

static void read_orders(struct fixture *f, int64_t deadline_us, struct answer *a)
{
	_cleanup_offs_ struct bg_offs o = BG_OFFS_INIT;

	answer_free(a);
	orders(&o, 3);
	bg_aux_committed(f->aux, "g", &o, deadline_us, on_offs, a);
}

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

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_round_trip),
		T(test_other_group),
		T(test_nothing_asked),
		T(test_partitions),
		T(test_unknown_topic),
		T(test_unknown_partition),
		T(test_ranges),
		T(test_health),
		T(test_many),
		T(test_passing_errors),
		T(test_cold_coordinator),
		T(test_lasting_errors),
		T(test_refusals),
		T(test_alter_errors),
		T(test_coordinator_moves),
		T(test_slow_broker),
		T(test_no_broker),
		T(test_outage),
		T(test_coordinator_found_too_late),
		T(test_free_outstanding),
		T(test_free_in_callback),
		T(test_late_answers),
		T(test_warm),
	};

	bg_log_init("test", "logfmt", BG_WARN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
