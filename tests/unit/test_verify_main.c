/* SPDX-License-Identifier: Apache-2.0 */
/* The whole program against a mock cluster: topics are read, the reports say it, the exit status is right. */
#include "config.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bg-verify/topic.h"
#include "bg-verify/verify.h"
#include "common/json.h"
#include "common/mem.h"
#include "verify_fixture.h"

#define PARTS 3

static rd_kafka_t *rk; /* carries the mock cluster, and produces */
static rd_kafka_mock_cluster_t *cluster;
static char *bootstrap;

static int set_up(void **state)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[128];

	(void)state;
	rd_kafka_conf_set(conf, "linger.ms", "1", NULL, 0);
	rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
	rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	if (!rk)
		return -1;
	cluster = rd_kafka_mock_cluster_new(rk, 1);
	bootstrap = bg_xstrdup(rd_kafka_mock_cluster_bootstraps(cluster));
	rd_kafka_brokers_add(rk, bootstrap);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(rk);
	free(bootstrap);
	return 0;
}

/* `n` records into each partition, numbered under `run`; run NULL: without numbers. */
static void produce(const char *topic, int n, const char *run)
{
	if (rd_kafka_mock_topic_create(cluster, topic, PARTS, 1))
		assert_null(run); /* made before: a second run is added */
	for (int i = 0; i < n * PARTS; i++) {
		char seq[16];
		rd_kafka_headers_t *h = rd_kafka_headers_new(2);
		rd_kafka_resp_err_t e;

		snprintf(seq, sizeof(seq), "%d", i / PARTS);
		if (run) {
			rd_kafka_header_add(h, "bg-run", -1, run, -1);
			rd_kafka_header_add(h, "bg-seq", -1, seq, -1);
		}
		e = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(i % PARTS),
				      RD_KAFKA_V_VALUE((void *)(uintptr_t)seq, strlen(seq)),
				      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(h),
				      RD_KAFKA_V_END);
		assert_int_equal(e, 0);
	}
	assert_int_equal(rd_kafka_flush(rk, 10000), 0);
}

struct answer {
	int status;
	char *out, *errs;
};

static void answer_free(struct answer *a)
{
	free(a->out);
	free(a->errs);
}
#define _cleanup_answer_ _cleanup_(answer_free)

/* Run with the given arguments, then the ledgers of x. */
static struct answer verify(struct fx *x, ...)
{
	char *argv[40] = {(char *)"bg-verify"};
	int argc = 1;
	size_t n;
	struct answer a = {0};
	FILE *out = open_memstream(&a.out, &n), *errs = open_memstream(&a.errs, &n);
	va_list ap;
	char *s;

	va_start(ap, x);
	while ((s = va_arg(ap, char *)))
		argv[argc++] = s;
	va_end(ap);
	for (size_t i = 0; x && i < x->n; i++) {
		fflush(x->f[i]);
		argv[argc++] = x->paths[i];
	}
	a.status = vf_main(argc, argv, out, errs);
	fclose(out);
	fclose(errs);
	return a;
}

static void topic_records(struct fx *x, const char *topic, size_t l, int64_t t_us, int64_t epoch,
			  int64_t first, int64_t last)
{
	for (int64_t o = first; o <= last; o++)
		for (int p = 0; p < PARTS; p++)
			fx_raw(x, l,
			       "{\"t\":%lld000,\"i\":\"%s\",\"c\":\"%s\",\"e\":%lld,\"tp\":\"%s\",\"p\":%d,\"o\":%lld}\n",
			       (long long)(t_us + o * 10 + p), x->name[l], x->color[l], (long long)epoch,
			       topic, p, (long long)o);
}

static void one_switch(struct fx *x, const char *topic, int64_t green_from)
{
	fx_init(x);
	fx_instance(x, "blue-0", "blue", 100);
	fx_instance(x, "green-0", "green", 100);
	topic_records(x, topic, 0, 1000, 1, 0, 49);
	topic_records(x, topic, 1, 10000, 2, green_from, 99);
}

static void test_good(void **state)
{
	struct fx x;
	const char *line;

	(void)state;
	produce("good", 100, "0000abcd");
	one_switch(&x, "good", 50);
	{
		_cleanup_answer_ struct answer a = verify(&x, "--bootstrap", bootstrap, NULL);

		assert_int_equal(a.status, 0);
		assert_string_equal(a.errs, "");
		assert_non_null(strstr(a.out, "300 records up to the end"));
		assert_non_null(
			strstr(a.out, "verdict: good: lost 0, duplicated 0, dual-active 0.000 ms, gap p50 "));
		/* 80 columns, and the verdict is the last line. */
		for (line = a.out; *line; line += strcspn(line, "\n") + 1)
			assert_true(strcspn(line, "\n") <= 80);
		assert_non_null(strstr(a.out, "\nverdict: "));
		assert_null(strchr(strstr(a.out, "\nverdict: ") + 1, '\n')[1] ? a.out : NULL);
	}
	fx_free(&x);
}

static void test_lost_as_json(void **state)
{
	struct fx x;

	(void)state;
	produce("lossy", 100, "0000abcd");
	one_switch(&x, "lossy", 53);
	{
		_cleanup_answer_ struct answer a = verify(&x, "--bootstrap", bootstrap, "--json", NULL);
		_cleanup_json_ struct json_object *o = NULL;
		struct json_object *l;

		assert_int_equal(a.status, 1);
		assert_int_equal(bg_json_parse(a.out, strlen(a.out) - 1, &o, NULL), 0);
		assert_string_equal(bg_json_str(o, "verdict", ""), "violated");
		assert_int_equal(bg_json_int(o, "exit", -1), 1);
		assert_int_equal(bg_json_int(o, "lost", -1), 9);
		assert_int_equal(bg_json_int(o, "duplicated", -1), 0);
		assert_int_equal(bg_json_int(o, "switches", -1), 1);
		l = bg_json_get(o, "lost_ranges");
		assert_int_equal(json_object_array_length(l), PARTS);
		l = json_object_array_get_idx(l, 0);
		assert_int_equal(bg_json_int(l, "first", -1), 50);
		assert_int_equal(bg_json_int(l, "last", -1), 52);
		assert_int_equal(bg_json_int(l, "seq", -1), 50);
		assert_int_equal(bg_json_int(bg_json_get(o, "records"), "topic", -1), 300);
		assert_true(
			json_object_is_type(bg_json_get(bg_json_get(o, "gap_ms"), "p50"), json_type_double));
	}
	fx_free(&x);
}

/* A run that goes on: the records not reached yet are told apart, and --upto leaves them out. */
static void test_still_running(void **state)
{
	struct fx x;

	(void)state;
	produce("running", 120, "0000abcd");
	one_switch(&x, "running", 50);
	{
		_cleanup_answer_ struct answer a = verify(&x, "--bootstrap", bootstrap, NULL);
		_cleanup_answer_ struct answer b =
			verify(&x, "--bootstrap", bootstrap, "--upto", "processed", NULL);
		_cleanup_answer_ struct answer c =
			verify(&x, "--bootstrap", bootstrap, "--run", "0000ffff", "--topic", "running", NULL);

		assert_int_equal(a.status, 1);
		assert_non_null(strstr(a.out, "60 lie after the last processed one"));
		assert_int_equal(b.status, 0);
		assert_int_equal(c.status, 0); /* no record is of that run */
	}
	fx_free(&x);
}

static void test_without_numbers_and_by_file(void **state)
{
	struct fx x;
	_cleanup_free_ char *path = NULL, *arg = NULL;
	FILE *f;

	(void)state;
	produce("plain", 100, NULL);
	one_switch(&x, "plain", 50);
	path = bg_xasprintf("%s/address", x.dir);
	arg = bg_xasprintf("file:%s", path);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "%s\n", bootstrap);
	fclose(f);
	{
		_cleanup_answer_ struct answer a = verify(
			&x, "--bootstrap", arg, "-X", "fetch.wait.max.ms=10", "--clock-error", "2.5", NULL);

		assert_int_equal(a.status, 0);
	}
	unlink(path);
	fx_free(&x);
}

static void test_topic_unreadable(void **state)
{
	struct fx x;

	(void)state;
	one_switch(&x, "nosuch", 50);
	{
		_cleanup_answer_ struct answer a = verify(&x, "--bootstrap", "file:/nonexistent", NULL);
		_cleanup_answer_ struct answer b = verify(&x, NULL);

		assert_int_equal(a.status, 3);
		assert_non_null(strstr(a.errs, "/nonexistent"));
		/* Without a topic the ledgers alone are judged, and it says so. */
		assert_int_equal(b.status, 0);
		assert_non_null(strstr(b.out, "no topic was read"));
	}
	fx_free(&x);
}

static void test_usage(void **state)
{
	static char *const rows[][4] = {
		{NULL},
		{(char *)"--bogus", (char *)"x"},
		{(char *)"--from", (char *)"nowhere", (char *)"x"},
		{(char *)"--upto", (char *)"nowhere", (char *)"x"},
		{(char *)"--run", (char *)"12", (char *)"x"},
		{(char *)"--clock-error", (char *)"-1", (char *)"x"},
		{(char *)"--expect-duplicates", (char *)"many", (char *)"x"},
		{(char *)"-X", (char *)"novalue", (char *)"x"},
		{(char *)"--topic", (char *)"t", (char *)"x"},
		{(char *)"--bootstrap"},
	};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++) {
		_cleanup_answer_ struct answer a = verify(NULL, rows[i][0], rows[i][1], rows[i][2], NULL);

		assert_int_equal(a.status, 2);
		assert_string_equal(a.out, "");
		assert_memory_equal(a.errs, "bg-verify: ", 11);
	}
	{
		_cleanup_answer_ struct answer h = verify(NULL, "--help", NULL), v = verify(NULL, "-V", NULL);
		_cleanup_answer_ struct answer m = verify(NULL, "/nonexistent/ledger", NULL);

		assert_int_equal(h.status, 0);
		assert_non_null(strstr(h.out, "Usage: bg-verify"));
		assert_int_equal(v.status, 0);
		assert_int_equal(m.status, 3);
		assert_non_null(strstr(m.errs, "/nonexistent/ledger"));
	}
}

static void test_bad_property(void **state)
{
	struct fx x;

	(void)state;
	one_switch(&x, "good", 50);
	{
		_cleanup_answer_ struct answer a =
			verify(&x, "--bootstrap", bootstrap, "-X", "no.such=1", NULL);

		assert_int_equal(a.status, 2);
		assert_non_null(strstr(a.errs, "no.such"));
	}
	fx_free(&x);
}

/* Every kind of fault in one report: it stays within its columns, and names them. */
static void test_report_of_faults(void **state)
{
	struct fx x;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	fx_instance(&x, "green-0", "green", 100);
	fx_records(&x, 0, 1000, 1, 0, 0, 9);
	fx_record(&x, 0, 1200, 1, 0, 9);
	fx_record(&x, 0, 1210, 1, 0, 12);
	fx_record(&x, 0, 1220, 1, 0, 11);
	fx_commit(&x, 0, 1230, 1, "commit_ok", 0, 13, 1);
	fx_records(&x, 1, 2000, 2, 0, 13, 19);
	fx_record(&x, 0, 3000, 1, 0, 20);
	fx_record(&x, 1, 3500, 1, 1, 0);
	fx_raw(&x, 0,
	       "{\"t\":4000000,\"ev\":\"skip\",\"i\":\"blue-0\",\"c\":\"blue\",\"e\":1,\"tp\":\"orders\","
	       "\"p\":0,\"o\":21,\"reason\":\"handler error\"}\n{\"t\":");
	{
		_cleanup_answer_ struct answer a = verify(&x, NULL);
		static const char *const want[] = {"lost            1",
						   "duplicated      1",
						   "reordered       1",
						   "dual-active     1.000 ms   1 records",
						   "stale epoch     1 records",
						   "commit ahead    1 records, by 1 commits",
						   "skipped         1",
						   "1 handler error",
						   "torn: ",
						   "epoch 1 was used by both colours",
						   "verdict: violated: lost 1, duplicated 1, dual-active "};

		assert_int_equal(a.status, 1);
		for (size_t i = 0; i < BG_ARRAY_SIZE(want); i++)
			if (!strstr(a.out, want[i]))
				fail_msg("\"%s\" is not in:\n%s", want[i], a.out);
	}
	fx_free(&x);
}

/* The mock cluster keeps 5 MiB a partition: what was there when the end was noted is deleted before it is read. */
static void test_overtaken_by_retention(void **state)
{
	enum { SIZE = 200000, BEFORE = 20, AFTER = 20 };
	char *value = bg_xcalloc(1, SIZE);
	struct vf_topics *topics = NULL;
	struct bg_err err = BG_ERR_INIT;
	struct fx x;

	(void)state;
	assert_int_equal(rd_kafka_mock_topic_create(cluster, "trimmed", 1, 1), 0);
	fx_init(&x);
	x.j = vf_judge_new(&x.opts, 0, &x.notes);
	assert_int_equal(vf_topics_open(bootstrap, NULL, 0, &topics, &err), 0);
	for (int i = 0; i < BEFORE + AFTER; i++) {
		assert_int_equal(rd_kafka_producev(rk, RD_KAFKA_V_TOPIC("trimmed"), RD_KAFKA_V_PARTITION(0),
						   RD_KAFKA_V_VALUE(value, SIZE),
						   RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
				 0);
		assert_int_equal(rd_kafka_flush(rk, 10000), 0);
		if (i == BEFORE - 1)
			assert_int_equal(vf_topics_end(topics, "trimmed", &err), 0);
	}
	assert_int_equal(vf_topics_read(topics, x.j, &err), 0);
	assert_true(x.j->parts[0].low > 0);
	assert_int_equal(x.j->parts[0].high, BEFORE);
	assert_int_equal(x.j->parts[0].in_topic, BEFORE - x.j->parts[0].low);
	vf_topics_free(topics);
	free(value);
	fx_free(&x);
}

static void test_number_parse(void **state)
{
	uint32_t run = 0;
	int64_t seq = 0;

	(void)state;
	assert_true(vf_number_parse("00aBcD19", 8, "4711", 4, &run, &seq));
	assert_int_equal(run, 0xabcd19);
	assert_int_equal(seq, 4711);
	assert_false(vf_number_parse("00abcd1", 7, "1", 1, &run, &seq));
	assert_false(vf_number_parse("00abcdxy", 8, "1", 1, &run, &seq));
	assert_false(vf_number_parse("00abcd19", 8, "", 0, &run, &seq));
	assert_false(vf_number_parse("00abcd19", 8, "-1", 2, &run, &seq));
	assert_false(vf_number_parse("00abcd19", 8, "1234567890123456789", 19, &run, &seq));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_lost_as_json),
		cmocka_unit_test(test_still_running),
		cmocka_unit_test(test_without_numbers_and_by_file),
		cmocka_unit_test(test_topic_unreadable),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_bad_property),
		cmocka_unit_test(test_report_of_faults),
		cmocka_unit_test(test_overtaken_by_retention),
		cmocka_unit_test(test_number_parse),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down) ? 1 : 0;
}
