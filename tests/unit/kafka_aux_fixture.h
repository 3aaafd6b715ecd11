/* SPDX-License-Identifier: Apache-2.0 */
/* A bg_aux on a mock cluster of three brokers, and answers to wait for. Include it after cmocka.h. */
#ifndef TESTS_UNIT_KAFKA_AUX_FIXTURE_H
#define TESTS_UNIT_KAFKA_AUX_FIXTURE_H

#include <stdlib.h>
#include <string.h>
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

static inline struct bg_aux *new_aux(struct fixture *f, const char *bootstrap, const char *group)
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

static inline int setup(void **state)
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

static inline int teardown(void **state)
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

static inline void on_offs(void *arg, const struct bg_err *err, const struct bg_offs *offs)
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

static inline void on_health(void *arg, const struct bg_err *err, int brokers, int under, int leaderless)
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

static inline void await(struct fixture *f, struct answer *a)
{
	assert_false(a->done); /* never from within the call */
	assert_true(bg_loop_run_until(f->loop, &a->done, 30 * SECOND));
	assert_int_equal(a->calls, 1);
}

static inline void pass(struct fixture *f, int64_t us)
{
	bool never = false;

	bg_loop_run_until(f->loop, &never, us);
}

static inline void answer_free(struct answer *a)
{
	bg_offs_free(&a->offs);
	*a = (struct answer){0};
}

static inline void must_succeed(struct fixture *f, struct answer *a)
{
	await(f, a);
	if (!a->ok)
		fail_msg("%s: %s", a->err.code, a->err.msg);
}

static inline void must_fail(struct fixture *f, struct answer *a, const char *code, const char *text)
{
	await(f, a);
	assert_false(a->ok);
	if (strcmp(a->err.code, code) || !strstr(a->err.msg, text))
		fail_msg("expected %s \"%s\", got %s \"%s\"", code, text, a->err.code, a->err.msg);
}

static inline void orders(struct bg_offs *o, int n)
{
	for (int i = 0; i < n; i++)
		bg_offs_at(o, "orders", i);
}

/* Orders [0..2] at 100, 101, 102 of epochs 7, 8, 9, written by green, the last one mirrored. */
static inline void write_some(struct fixture *f)
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

static inline void inject(struct fixture *f, int16_t api, rd_kafka_resp_err_t err, int n)
{
	for (int i = 0; i < n; i++)
		rd_kafka_mock_push_request_errors(f->m.cluster, api, 1, err);
}

static inline void read_orders(struct fixture *f, int64_t deadline_us, struct answer *a)
{
	_cleanup_offs_ struct bg_offs o = BG_OFFS_INIT;

	answer_free(a);
	orders(&o, 3);
	bg_aux_committed(f->aux, "g", &o, deadline_us, on_offs, a);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
