/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of ledgers, and ledgers as a stream: what is taken, what is refused, what a kill may leave. */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bg-verify/source.h"
#include "common/mem.h"
#include "verify_fixture.h"

#define RECORD                                                                                               \
	"{\"t\":12,\"i\":\"blue-0\",\"c\":\"blue\",\"e\":7,\"tp\":\"orders\",\"p\":3,\"o\":4711,\"n\":88}"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is(struct vf_str s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.s, text, s.len) == 0;
}

static void check_record(const struct vf_line *l)
{
	assert_int_equal(l->kind, VF_RECORD);
	assert_int_equal(l->t, 12);
	assert_int_equal(l->epoch, 7);
	assert_int_equal(l->partition, 3);
	assert_int_equal(l->offset, 4711);
	assert_int_equal(l->seq, 88);
	assert_int_equal(l->color, BG_BLUE);
	assert_true(is(l->instance, "blue-0"));
	assert_true(is(l->topic, "orders"));
}

static void test_record(void **state)
{
	struct vf_line l;

	(void)state;
	assert_true(vf_line_scan(RECORD, strlen(RECORD), &l));
	check_record(&l);
	assert_int_equal(vf_line_json(RECORD, strlen(RECORD), &l, NULL), 0);
	check_record(&l);
	vf_line_free(&l);
}

/* Another order, spaces, escapes: not for the scan, but the same meaning. */
static void test_record_in_another_form(void **state)
{
	static const char *const forms[] = {
		"{\"n\":88,\"o\":4711,\"p\":3,\"tp\":\"orders\",\"e\":7,\"c\":\"blue\",\"i\":\"blue-0\",\"t\":12}",
		"{ \"t\": 12, \"i\": \"blue-0\", \"c\": \"blue\", \"e\": 7, \"tp\": \"orders\", \"p\": 3, \"o\": 4711, \"n\": 88 }",
		"{\"t\":12,\"i\":\"\\u0062lue-0\",\"c\":\"blue\",\"e\":7,\"tp\":\"orders\",\"p\":3,\"o\":4711,\"n\":88}",
		"{\"t\":12,\"i\":\"blue-0\",\"c\":\"blue\",\"e\":7,\"tp\":\"orders\",\"p\":3,\"o\":4711,\"n\":88,\"new\":{}}",
	};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(forms); i++) {
		struct vf_line l;

		assert_false(vf_line_scan(forms[i], strlen(forms[i]), &l));
		assert_int_equal(vf_line_parse(forms[i], strlen(forms[i]), &l, NULL), 0);
		check_record(&l);
		vf_line_free(&l);
	}
}

static void test_events(void **state)
{
	struct vf_line l;
	const char *start =
		"{\"t\":5,\"ev\":\"start\",\"i\":\"green-1\",\"c\":\"green\",\"boot\":\"b\",\"inc\":\"ff\",\"real_us\":17}";
	const char *ok =
		"{\"t\":5,\"ev\":\"commit_ok\",\"i\":\"a\",\"c\":\"green\",\"e\":2,\"offs\":{\"x\":[[0,5,1],[1,9,2]]}}";
	const char *st =
		"{\"t\":5,\"ev\":\"state\",\"i\":\"a\",\"c\":\"green\",\"e\":2,\"from\":\"PAUSED\",\"to\":\"ACTIVE\"}";
	const char *other = "{\"t\":5,\"ev\":\"weather\",\"i\":\"a\"}";

	(void)state;
	assert_int_equal(vf_line_parse(start, strlen(start), &l, NULL), 0);
	assert_int_equal(l.kind, VF_START);
	assert_true(is(l.boot, "b") && is(l.inc, "ff"));
	assert_int_equal(l.real_us, 17);
	assert_int_equal(l.epoch, -1);
	vf_line_free(&l);
	assert_int_equal(vf_line_parse(ok, strlen(ok), &l, NULL), 0);
	assert_int_equal(l.kind, VF_COMMIT_OK);
	assert_int_equal(l.offs.n, 2);
	assert_int_equal(l.offs.v[1].offset, 9);
	assert_int_equal(l.offs.v[1].epoch, 2);
	vf_line_free(&l);
	assert_int_equal(vf_line_parse(st, strlen(st), &l, NULL), 0);
	assert_true(is(l.from, "PAUSED") && is(l.to, "ACTIVE"));
	vf_line_free(&l);
	assert_int_equal(vf_line_parse(other, strlen(other), &l, NULL), 0);
	assert_int_equal(l.kind, VF_OTHER);
	vf_line_free(&l);
}

static void test_refused(void **state)
{
	static const struct {
		const char *line, *why;
	} rows[] = {
		{"", "empty"},
		{"null", ""},
		{"[]", ""},
		{"{}", "\"t\""},
		{"{\"t\":1}", "\"e\""},
		{"{\"t\":-1,\"ev\":\"start\"}", "\"t\""},
		{"{\"t\":1.5,\"ev\":\"start\"}", "\"t\""},
		{"{\"t\":1,\"ev\":7}", "\"ev\""},
		{"{\"t\":1,\"ev\":\"state\"}", "\"to\""},
		{"{\"t\":1,\"ev\":\"commit\"}", "\"offs\""},
		{"{\"t\":1,\"ev\":\"commit\",\"offs\":[]}", ""},
		{"{\"t\":1,\"ev\":\"commit\",\"offs\":{\"x\":[[0]]}}", "x"},
		{"{\"t\":1,\"i\":\"a\",\"c\":\"red\",\"e\":1,\"tp\":\"x\",\"p\":0,\"o\":0}", "\"c\""},
		{"{\"t\":1,\"i\":\"\",\"c\":\"blue\",\"e\":1,\"tp\":\"x\",\"p\":0,\"o\":0}", "\"i\""},
		{"{\"t\":1,\"i\":\"a\",\"c\":\"blue\",\"e\":1,\"tp\":\"\",\"p\":0,\"o\":0}", "\"tp\""},
		{"{\"t\":1,\"i\":\"a\",\"c\":\"blue\",\"e\":1,\"tp\":\"x\",\"p\":2147483648,\"o\":0}",
		 "\"p\""},
		{"{\"t\":1,\"i\":\"a\",\"c\":\"blue\",\"e\":1,\"tp\":\"x\",\"p\":0,\"o\":-5}", "\"o\""},
		{"{\"t\":1,\"i\":\"a\\u0007\",\"c\":\"blue\",\"e\":1,\"tp\":\"x\",\"p\":0,\"o\":5}", "\"i\""},
		{RECORD "x", ""},
		{"{\"t\":12,\"i\":\"blue-0\",\"c\":\"bl", ""},
	};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++) {
		struct bg_err err = BG_ERR_INIT;
		struct vf_line l;

		assert_int_equal(vf_line_parse(rows[i].line, strlen(rows[i].line), &l, &err), -EINVAL);
		assert_true(err.msg[0] != '\0');
		if (!strstr(err.msg, rows[i].why))
			fail_msg("%s: \"%s\" does not name %s", rows[i].line, err.msg, rows[i].why);
	}
}

/* Cut at every byte a line is refused; changed at every byte it is what json-c says it is. */
static void test_every_byte(void **state)
{
	char text[sizeof(RECORD)];

	(void)state;
	for (size_t n = 0; n < strlen(RECORD); n++) {
		struct vf_line l;

		assert_false(vf_line_scan(RECORD, n, &l));
		assert_int_equal(vf_line_parse(RECORD, n, &l, NULL), -EINVAL);
		for (int c = 0; c < 256; c++) {
			memcpy(text, RECORD, sizeof(text));
			text[n] = (char)c;
			LLVMFuzzerTestOneInput((const uint8_t *)text, strlen(RECORD));
		}
	}
}

static int64_t next_offset(struct vf_sources *s, int64_t *t)
{
	struct vf_event ev;

	while (vf_sources_next(s, &ev))
		if (ev.line->kind == VF_RECORD) {
			*t = ev.t;
			return ev.line->offset;
		}
	return -1;
}

/* Opens what was written so far. */
static void open_all(struct fx *x)
{
	struct bg_err err = BG_ERR_INIT;

	for (size_t i = 0; i < x->n; i++)
		fflush(x->f[i]);
	assert_int_equal(vf_sources_open(x->paths, x->n, &x->notes, &x->sources, &err), 0);
}

static void test_merged_in_order_of_time(void **state)
{
	struct fx x;
	int64_t t, before = 0, n = 0;

	(void)state;
	fx_init(&x);
	for (int l = 0; l < 5; l++) {
		fx_instance(&x, "blue-0", "blue", 10 + l);
		for (int64_t i = 0; i < 200; i++)
			fx_record(&x, (size_t)l, 100 + i * 5 + (l * 3) % 5, 1, l, i);
	}
	open_all(&x);
	while (next_offset(x.sources, &t) >= 0) {
		assert_true(t > before);
		before = t;
		n++;
	}
	assert_int_equal(n, 1000);
	fx_free(&x);
}

/* Two boots: the real time of their start events makes one order. */
static void test_merged_by_real_time(void **state)
{
	struct fx x;
	int64_t t;

	(void)state;
	fx_init(&x);
	fx_ledger(&x, "blue-0", "blue");
	fx_ledger(&x, "green-0", "green");
	fx_start(&x, 0, 5000000, "a", 1700000000000000);
	fx_start(&x, 1, 100, "b", 1700000000000000);
	fx_record(&x, 0, 5000010, 1, 0, 0);
	fx_record(&x, 1, 120, 1, 0, 1);
	fx_record(&x, 0, 5000030, 1, 0, 2);
	fx_record(&x, 1, 140, 1, 0, 3);
	open_all(&x);
	for (int64_t o = 0; o < 4; o++)
		assert_int_equal(next_offset(x.sources, &t), o);
	assert_int_equal(vf_sources_boots(x.sources), 2);
	fx_free(&x);
}

/* What a kill may leave: a partial last line; the same before the next life's start, on its line or an own one. */
static void test_torn(void **state)
{
	static const char *const between[] = {"", "\n", "\n\n"};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(between); i++) {
		struct fx x;
		int64_t t;

		fx_init(&x);
		fx_instance(&x, "blue-0", "blue", 10);
		fx_record(&x, 0, 100, 1, 0, 0);
		fx_raw(&x, 0, "{\"t\":100500,\"i\":\"blue-0\",\"c\":%s", between[i]);
		fx_start(&x, 0, 200, "b1", 1700000000000200);
		fx_record(&x, 0, 300, 1, 0, 1);
		fx_raw(&x, 0, "{\"t\":400");
		open_all(&x);
		assert_int_equal(next_offset(x.sources, &t), 0);
		assert_int_equal(next_offset(x.sources, &t), 1);
		assert_int_equal(next_offset(x.sources, &t), -1);
		assert_int_equal(vf_sources_info(x.sources, 0)->torn, 2);
		assert_int_equal(vf_sources_info(x.sources, 0)->damaged, 0);
		assert_int_equal(x.notes.errors.n, 0);
		fx_free(&x);
	}
}

/* The last line complete but for its newline is a line. */
static void test_no_last_newline(void **state)
{
	struct fx x;
	int64_t t;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 10);
	fx_raw(&x, 0, RECORD);
	open_all(&x);
	assert_int_equal(next_offset(x.sources, &t), 4711);
	assert_int_equal(vf_sources_info(x.sources, 0)->torn, 0);
	fx_free(&x);
}

/* In the middle it is damage: named with its line, and there is no verdict. */
static void test_torn_in_the_middle(void **state)
{
	struct fx x;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 10);
	fx_record(&x, 0, 100, 1, 0, 0);
	fx_raw(&x, 0, "{\"t\":100500,\"i\":\"blu\n");
	fx_raw(&x, 0, "garbage\n");
	fx_record(&x, 0, 300, 1, 0, 1);
	assert_int_equal(fx_judge(&x, 1, 2), 3);
	assert_int_equal(vf_sources_info(x.sources, 0)->damaged, 2);
	assert_int_equal(x.notes.errors.n, 2);
	assert_non_null(strstr(x.notes.errors.v[0], ".jsonl:3: "));
	assert_non_null(strstr(x.notes.errors.v[1], ".jsonl:4: "));
	fx_free(&x);
}

static void test_nul_bytes(void **state)
{
	struct fx x;
	int64_t t;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 10);
	fwrite("\0\0\0\0{}\0\n", 1, 8, x.f[0]);
	fx_record(&x, 0, 300, 1, 0, 1);
	open_all(&x);
	assert_int_equal(next_offset(x.sources, &t), 1);
	assert_int_equal(next_offset(x.sources, &t), -1);
	assert_int_equal(vf_sources_info(x.sources, 0)->damaged, 1);
	fx_free(&x);
}

/* A line longer than the reading buffer is one line; beyond 16 MiB the file is no ledger. */
static void test_long_lines(void **state)
{
	struct fx x;
	int64_t t;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 10);
	fx_raw(&x, 0, "{\"t\":50000,\"ev\":\"note\",\"text\":\"%200000s\"}\n", "");
	fx_record(&x, 0, 100, 1, 0, 1);
	for (int i = 0; i < 17; i++)
		fx_raw(&x, 0, "%1048576s", "x");
	fx_raw(&x, 0, "\n");
	fx_record(&x, 0, 200, 1, 0, 2);
	open_all(&x);
	assert_int_equal(next_offset(x.sources, &t), 1);
	assert_int_equal(next_offset(x.sources, &t), -1);
	assert_int_equal(vf_sources_info(x.sources, 0)->damaged, 1);
	assert_non_null(strstr(x.notes.errors.v[0], "16 MiB"));
	fx_free(&x);
}

static void test_files(void **state)
{
	struct fx x;
	struct bg_err err = BG_ERR_INIT;
	struct vf_sources *s = NULL;
	char *missing[] = {(char *)"/nonexistent/blue-0.jsonl"};
	int64_t t;

	(void)state;
	fx_init(&x);
	assert_int_equal(vf_sources_open(missing, 1, &x.notes, &s, &err), -ENOENT);
	assert_null(s);
	assert_non_null(strstr(err.msg, "/nonexistent/blue-0.jsonl"));
	fx_ledger(&x, "blue-0", "blue"); /* empty */
	fx_ledger(&x, "blue-1", "blue"); /* without a start event */
	fx_record(&x, 1, 100, 1, 0, 5);
	open_all(&x);
	assert_int_equal(next_offset(x.sources, &t), 5);
	assert_int_equal(t, 100000);
	assert_int_equal(next_offset(x.sources, &t), -1);
	assert_int_equal(x.notes.warnings.n, 2);
	assert_non_null(strstr(x.notes.warnings.v[0], "empty"));
	assert_non_null(strstr(x.notes.warnings.v[1], "no start event"));
	fx_free(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_record_in_another_form),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_merged_in_order_of_time),
		cmocka_unit_test(test_merged_by_real_time),
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_no_last_newline),
		cmocka_unit_test(test_torn_in_the_middle),
		cmocka_unit_test(test_nul_bytes),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
