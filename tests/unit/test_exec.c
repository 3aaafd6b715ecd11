/* SPDX-License-Identifier: Apache-2.0 */
/* The exec handler's pure parts: numbers, records written, answers read, command lines, lines for the log. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <endian.h>
#include <errno.h>
#include <sys/stat.h>

#include "common/json.h"
#include "common/mem.h"
#include "consumerd/exec_answer.h"
#include "consumerd/exec_child.h"
#include "consumerd/exec_lines.h"
#include "consumerd/exec_table.h"
#include "consumerd/exec_write.h"

/* ---- the table ---- */

static int things[100000];

static void numbers_are_given_in_order_and_taken_once(void **state)
{
	struct exec_table t;

	(void)state;
	exec_table_init(&t, 10);
	assert_null(exec_table_oldest(&t));
	assert_null(exec_table_take(&t, 1));
	for (int i = 0; i < 200; i++)
		assert_int_equal(exec_table_put(&t, &things[i], i), i + 1);
	assert_int_equal(exec_table_oldest(&t)->n, 1);
	assert_int_equal(exec_table_oldest(&t)->given_us, 0);
	assert_ptr_equal(exec_table_take(&t, 1), &things[0]);
	assert_null(exec_table_take(&t, 1));
	assert_ptr_equal(exec_table_take(&t, 100), &things[99]);
	assert_int_equal(exec_table_oldest(&t)->n, 2);
	assert_int_equal(t.count, 198);
	assert_null(exec_table_take(&t, 0));
	assert_null(exec_table_take(&t, 201));
	exec_table_free(&t);
}

static size_t take_range(struct exec_table *t, uint64_t first, uint64_t last)
{
	size_t n = 0;
	uint64_t before = 0;
	int *r;

	while ((r = exec_table_take_range(t, &first, last))) {
		uint64_t no = (uint64_t)(r - things) + 1;

		assert_true(no > before); /* in order: so is the ledger */
		before = no;
		n++;
	}
	return n;
}

static void ranges_take_what_is_there(void **state)
{
	struct exec_table t;

	(void)state;
	exec_table_init(&t, 1);
	for (int i = 0; i < 1000; i++)
		exec_table_put(&t, &things[i], 0);
	assert_int_equal(take_range(&t, 10, 5), 0);
	assert_int_equal(take_range(&t, 5, 90), 86);
	assert_int_equal(take_range(&t, 5, 90), 0);
	assert_int_equal(take_range(&t, 80, 100), 10);
	assert_int_equal(take_range(&t, 1, UINT64_MAX), 1000 - 96);
	assert_int_equal(t.count, 0);
	assert_null(exec_table_oldest(&t));
	exec_table_free(&t);
}

/* One that hangs while a hundred thousand go by: the table stays as small as what is in it. */
static void an_old_number_costs_nothing(void **state)
{
	struct exec_table t;

	(void)state;
	exec_table_init(&t, 64);
	exec_table_put(&t, &things[0], 0);
	for (int i = 1; i < 100000; i++) {
		uint64_t n = exec_table_put(&t, &things[i], 0);

		if (n > 30)
			assert_ptr_equal(exec_table_take(&t, n - 20), &things[n - 21]);
	}
	assert_true(t.cap <= 128);
	assert_int_equal(exec_table_oldest(&t)->n, 1);
	assert_ptr_equal(exec_table_take(&t, 1), &things[0]);
	exec_table_free(&t);
}

/* Any order, checked against a plain array. */
static void a_random_order_agrees_with_an_array(void **state)
{
	struct exec_table t;
	bool in[4000] = {false};
	size_t count = 0;
	unsigned seed = 42;

	(void)state;
	exec_table_init(&t, 8);
	for (int i = 1; i < 4000; i++) {
		assert_int_equal(exec_table_put(&t, &things[i - 1], 0), i);
		in[i] = true;
		count++;
		for (int k = 0; k < 2; k++) {
			int n = 1 + rand_r(&seed) % i;

			assert_ptr_equal(exec_table_take(&t, (uint64_t)n), in[n] ? &things[n - 1] : NULL);
			count -= in[n];
			in[n] = false;
		}
		assert_int_equal(t.count, count);
	}
	for (int n = 1; n < 4000; n++) {
		if (!in[n])
			continue;
		assert_int_equal(exec_table_oldest(&t)->n, n);
		assert_ptr_equal(exec_table_take(&t, (uint64_t)n), &things[n - 1]);
	}
	assert_int_equal(t.count, 0);
	exec_table_free(&t);
}

/* ---- records written ---- */

static struct json_object *written(const struct exec_record *r)
{
	_cleanup_buf_ struct bg_buf b = {0};
	struct json_object *o;
	json_tokener *tok = json_tokener_new();

	exec_write_json(&b, r);
	assert_true(b.len > 1 && b.s[b.len - 1] == '\n');
	assert_null(memchr(b.s, '\n', b.len - 1));
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(tok, b.s, (int)b.len);
	assert_int_equal(json_tokener_get_error(tok), json_tokener_success);
	json_tokener_free(tok);
	return o;
}

static struct exec_record plain(const void *value, size_t len)
{
	return (struct exec_record){.n = 5,
				    .topic = "orders",
				    .partition = 3,
				    .offset = 4711,
				    .timestamp_ms = 1795550400000,
				    .value = value,
				    .value_len = len};
}

static void the_usual_record(void **state)
{
	_cleanup_buf_ struct bg_buf b = {0};
	struct exec_record r = plain("v\"1\"\\\n\tü\x01", 10);

	(void)state;
	r.key = "k";
	r.key_len = 1;
	exec_write_json(&b, &r);
	b.s[b.len] = '\0';
	assert_string_equal(
		b.s,
		"{\"n\":5,\"topic\":\"orders\",\"partition\":3,\"offset\":4711,\"timestamp_ms\":1795550400000,"
		"\"key\":\"k\",\"value\":\"v\\\"1\\\"\\\\\\n\\tü\\u0001\",\"headers\":[]}\n");
	b.len = 0;
	r = (struct exec_record){.n = UINT64_MAX,
				 .topic = "t",
				 .partition = INT32_MAX,
				 .offset = INT64_MAX,
				 .timestamp_ms = -1,
				 .value = "",
				 .value_len = 0};
	exec_write_json(&b, &r);
	b.s[b.len] = '\0';
	assert_string_equal(
		b.s, "{\"n\":18446744073709551615,\"topic\":\"t\",\"partition\":2147483647,"
		     "\"offset\":9223372036854775807,\"timestamp_ms\":null,\"key\":null,\"value\":\"\","
		     "\"headers\":[]}\n");
}

/* Every byte at every place of a word of eight: text comes back as text, all else as base64. */
static void every_byte_comes_back(void **state)
{
	(void)state;
	for (int byte = 0; byte < 256; byte++)
		for (size_t len = 1; len <= 17; len++)
			for (size_t at = 0; at < len; at++) {
				char value[20];
				struct exec_record r = plain(value, len);
				struct json_object *o, *v;

				memset(value, 'a', sizeof value);
				value[at] = (char)byte;
				o = written(&r);
				v = bg_json_get(o, "value");
				assert_int_equal(v != NULL, byte < 0x80);
				if (v) {
					assert_int_equal(json_object_get_string_len(v), len);
					assert_memory_equal(json_object_get_string(v), value, len);
				} else {
					assert_non_null(bg_json_get(o, "value_b64"));
				}
				json_object_put(o);
			}
}

static void base64_and_utf8_are_told_apart(void **state)
{
	static const struct {
		const char *value;
		size_t len;
		const char *text, *b64;
	} rows[] = {
		{"\xff", 1, NULL, "/w=="},
		{"\xff\xfe", 2, NULL, "//4="},
		{"\xff\xfe\xfd", 3, NULL, "//79"},
		{"\xc3", 1, NULL, "ww=="},         /* cut in a character */
		{"\xed\xa0\x80", 3, NULL, "7aCA"}, /* a surrogate */
		{"\xc0\x80", 2, NULL, "wIA="},     /* overlong */
		{"\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80", NULL},
		{"12345678\xe2\x82\xac", 11, "12345678\xe2\x82\xac", NULL},
		{"\xf4\x90\x80\x80", 4, NULL, "9JCAgA=="},
	};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++) {
		struct exec_record r = plain(rows[i].value, rows[i].len);
		struct json_object *o;

		r.key = rows[i].value;
		r.key_len = rows[i].len;
		o = written(&r);
		if (rows[i].text) {
			assert_string_equal(bg_json_str(o, "value", ""), rows[i].text);
			assert_string_equal(bg_json_str(o, "key", ""), rows[i].text);
		} else {
			assert_string_equal(bg_json_str(o, "value_b64", ""), rows[i].b64);
			assert_string_equal(bg_json_str(o, "key_b64", ""), rows[i].b64);
			assert_null(bg_json_get(o, "value"));
		}
		json_object_put(o);
	}
}

static void headers_keep_their_order(void **state)
{
	rd_kafka_headers_t *h = rd_kafka_headers_new(4);
	struct exec_record r = plain("v", 1);
	struct json_object *o;

	(void)state;
	rd_kafka_header_add(h, "a", 1, "1", 1);
	rd_kafka_header_add(h, "a", 1, "2", 1);
	rd_kafka_header_add(h, "none", 4, NULL, 0);
	rd_kafka_header_add(h, "empty", 5, "", 0);
	rd_kafka_header_add(h, "bin", 3, "\xff", 1);
	rd_kafka_header_add(h, "n\xff\"", 3, "x", 1);
	r.headers = h;
	o = written(&r);
	assert_string_equal(
		bg_json_text(bg_json_get(o, "headers")),
		"[[\"a\",\"1\"],[\"a\",\"2\"],[\"none\",null],[\"empty\",\"\"],[\"bin\",{\"b64\":\"/w==\"}],"
		"[\"n\xef\xbf\xbd\\\"\",\"x\"]]");
	json_object_put(o);
	rd_kafka_headers_destroy(h);
}

static uint64_t number(const char **p, size_t size)
{
	uint64_t v = 0;

	for (size_t i = 0; i < size; i++)
		v = v << 8 | (unsigned char)*(*p)++;
	return v;
}

static void a_raw_record(void **state)
{
	rd_kafka_headers_t *h = rd_kafka_headers_new(1);
	_cleanup_buf_ struct bg_buf b = {0};
	struct exec_record r = plain("value", 5);
	const char *p;

	(void)state;
	rd_kafka_header_add(h, "h1", 2, "abc", 3);
	rd_kafka_header_add(h, "h2", 2, NULL, 0);
	r.headers = h;
	exec_write_raw(&b, &r);
	p = b.s;
	assert_int_equal(number(&p, 4), b.len - 4);
	assert_int_equal(number(&p, 8), 5);
	assert_int_equal(number(&p, 8), 4711);
	assert_int_equal(number(&p, 8), 1795550400000);
	assert_int_equal(number(&p, 4), 3);
	assert_int_equal((int32_t)number(&p, 4), -1);
	assert_int_equal(number(&p, 4), 5);
	assert_int_equal(number(&p, 4), 2);
	assert_int_equal(number(&p, 4), 6);
	assert_int_equal(p - b.s, EXEC_RAW_HEAD);
	assert_memory_equal(p, "ordersvalue", 11);
	p += 11;
	assert_int_equal(number(&p, 4), 2);
	assert_int_equal(number(&p, 4), 3);
	assert_memory_equal(p, "h1abc", 5);
	p += 5;
	assert_int_equal(number(&p, 4), 2);
	assert_int_equal((int32_t)number(&p, 4), -1);
	assert_memory_equal(p, "h2", 2);
	assert_int_equal(p + 2 - b.s, b.len);
	rd_kafka_headers_destroy(h);
}

/* ---- answers ---- */

static int line(const char *text, struct exec_answer *a, struct bg_err *err)
{
	return exec_answer_line(text, strlen(text), a, err);
}

static void answers_that_are_right(void **state)
{
	static const struct {
		const char *text;
		uint64_t first, last;
		bool ok, retry, scanned;
		const char *error;
	} rows[] = {
		{"{\"n\":5,\"ok\":true}", 5, 5, true, false, true, ""},
		{"{\"n\": 5, \"ok\": true}\r", 5, 5, true, false, true, ""},
		{" { \"n\" : [ 5 , 90 ] , \"ok\" : true } ", 5, 90, true, false, true, ""},
		{"{\"n\":[5,5],\"ok\":true}", 5, 5, true, false, true, ""},
		{"{\"n\":999999999999999999,\"ok\":true}", 999999999999999999, 999999999999999999, true,
		 false, true, ""},
		{"{\"n\":9223372036854775806,\"ok\":true}", 9223372036854775806, 9223372036854775806, true,
		 false, false, ""},
		{"{\"ok\":true,\"n\":5}", 5, 5, true, false, false, ""},
		{"{\"n\":5,\"ok\":true,\"note\":\"x\"}", 5, 5, true, false, false, ""},
		{"{\"n\":6,\"ok\":false}", 6, 6, false, true, false, ""},
		{"{\"n\":6,\"ok\":false,\"error\":\"no luck\",\"retry\":true}", 6, 6, false, true, false,
		 "no luck"},
		{"{\"n\":[6,7],\"ok\":false,\"error\":\"never\",\"retry\":false}", 6, 7, false, false, false,
		 "never"},
		{"{\"n\":6,\"ok\":true,\"error\":\"ignored\",\"retry\":true}", 6, 6, true, false, false, ""},
	};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++) {
		struct exec_answer a;
		struct bg_err err = BG_ERR_INIT;

		assert_int_equal(line(rows[i].text, &a, &err), 0);
		assert_int_equal(a.first, rows[i].first);
		assert_int_equal(a.last, rows[i].last);
		assert_int_equal(a.ok, rows[i].ok);
		assert_int_equal(a.retry, rows[i].retry);
		assert_string_equal(a.error, rows[i].error);
		assert_int_equal(exec_answer_scan(rows[i].text, strlen(rows[i].text), &a), rows[i].scanned);
		assert_int_equal(exec_answer_json(rows[i].text, strlen(rows[i].text), &a, &err), 0);
		assert_int_equal(a.last, rows[i].last);
	}
}

static void answers_that_are_wrong(void **state)
{
	static const char *const rows[] = {
		"{",
		"{}",
		"{\"n\":5}",
		"{\"n\":0,\"ok\":true}",
		"{\"n\":-1,\"ok\":true}",
		"{\"n\":05,\"ok\":true}",
		"{\"n\":5.0,\"ok\":true}",
		"{\"n\":\"5\",\"ok\":true}",
		"{\"n\":99999999999999999999,\"ok\":true}",
		"{\"n\":[5],\"ok\":true}",
		"{\"n\":[5,4],\"ok\":true}",
		"{\"n\":[5,6,7],\"ok\":true}",
		"{\"n\":[0,6],\"ok\":true}",
		"{\"n\":[],\"ok\":true}",
		"{\"n\":null,\"ok\":true}",
		"{\"n\":5,\"ok\":1}",
		"{\"n\":5,\"ok\":\"true\"}",
		"{\"n\":5,\"ok\":null}",
		"{\"n\":5,\"ok\":false,\"error\":5}",
		"{\"n\":5,\"ok\":false,\"retry\":0}",
		"{\"n\":5,\"ok\":true}{\"n\":6,\"ok\":true}",
		"{\"n\":5,\"ok\":true} x",
		"{\"n\":5,\"ok\":true,}",
		"{'n':5,'ok':true}",
		"{\"n\":5,\"ok\":false,\"error\":\"\xff\"}",
		"{\"n\":5,\"ok\":tru",
	};
	struct exec_answer a;

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++) {
		struct bg_err err = BG_ERR_INIT;

		if (line(rows[i], &a, &err) != -EINVAL)
			fail_msg("taken: %s", rows[i]);
		assert_true(err.msg[0]);
	}
	assert_int_equal(line("", &a, NULL), 1);
	assert_int_equal(line(" \r", &a, NULL), 1);
	assert_int_equal(line("hello", &a, NULL), 1);
	assert_int_equal(line("[1]", &a, NULL), 1);
	assert_int_equal(exec_answer_line("\0{", 2, &a, NULL), 1);
}

static void a_long_reason_is_cut_at_a_character(void **state)
{
	_cleanup_buf_ struct bg_buf b = {0};
	struct exec_answer a;

	(void)state;
	bg_buf_puts(&b, "{\"n\":1,\"ok\":false,\"error\":\"x");
	for (int i = 0; i < 200; i++)
		bg_buf_puts(&b, "ü");
	bg_buf_puts(&b, "\"}");
	assert_int_equal(exec_answer_line(b.s, b.len, &a, NULL), 0);
	assert_int_equal(strlen(a.error), 255);
	assert_string_equal(a.error + 253, "ü");
}

static void raw_answer(char *to, uint64_t first, uint64_t last, char status)
{
	first = htobe64(first);
	last = htobe64(last);
	memcpy(to, &first, 8);
	memcpy(to + 8, &last, 8);
	to[16] = status;
}

static void raw_answers(void **state)
{
	char frame[32];
	struct exec_answer a;
	struct bg_err err = BG_ERR_INIT;

	(void)state;
	raw_answer(frame, 5, 90, 0);
	assert_int_equal(exec_answer_raw(frame, 17, &a, &err), 0);
	assert_true(a.first == 5 && a.last == 90 && a.ok && !a.retry);
	memcpy(frame + 17, "why", 3);
	raw_answer(frame, 5, 5, 1);
	assert_int_equal(exec_answer_raw(frame, 20, &a, &err), 0);
	assert_true(!a.ok && a.retry);
	assert_string_equal(a.error, "why");
	raw_answer(frame, 5, 5, 2);
	assert_int_equal(exec_answer_raw(frame, 17, &a, &err), 0);
	assert_true(!a.ok && !a.retry && !a.error[0]);
	assert_int_equal(exec_answer_raw(frame, 16, &a, &err), -EINVAL);
	raw_answer(frame, 5, 5, 3);
	assert_int_equal(exec_answer_raw(frame, 17, &a, &err), -EINVAL);
	raw_answer(frame, 0, 5, 0);
	assert_int_equal(exec_answer_raw(frame, 17, &a, &err), -EINVAL);
	raw_answer(frame, 6, 5, 0);
	assert_int_equal(exec_answer_raw(frame, 17, &a, &err), -EINVAL);
}

static void output_is_cut_into_answers(void **state)
{
	const char *text = "one\n\ntwo\nthr", *part;
	char frame[4 + 17 + 4] = {0, 0, 0, 17};
	size_t at = 0, n;
	struct bg_err err = BG_ERR_INIT;

	(void)state;
	assert_int_equal(exec_cut_line(text, 12, &at, 3, &part, &n, &err), 1);
	assert_int_equal(n, 3);
	assert_int_equal(exec_cut_line(text, 12, &at, 3, &part, &n, &err), 1);
	assert_int_equal(n, 0);
	assert_int_equal(exec_cut_line(text, 12, &at, 3, &part, &n, &err), 1);
	assert_memory_equal(part, "two", 3);
	assert_int_equal(exec_cut_line(text, 12, &at, 3, &part, &n, &err), 0);
	assert_int_equal(at, 9);
	assert_int_equal(exec_cut_line(text, 12, &at, 2, &part, &n, &err),
			 -EMSGSIZE); /* and no end of it yet */
	at = 0;
	assert_int_equal(exec_cut_line(text, 12, &at, 2, &part, &n, &err), -EMSGSIZE);
	at = 0;
	assert_int_equal(exec_cut_raw(frame, 3, &at, 64, &part, &n, &err), 0);
	assert_int_equal(exec_cut_raw(frame, 20, &at, 64, &part, &n, &err), 0);
	assert_int_equal(exec_cut_raw(frame, 21, &at, 64, &part, &n, &err), 1);
	assert_int_equal(n, 17);
	assert_int_equal(at, 21);
	assert_int_equal(exec_cut_raw(frame, 25, &at, 64, &part, &n, &err), -EINVAL); /* length 0 */
	at = 0;
	assert_int_equal(exec_cut_raw(frame, 21, &at, 16, &part, &n, &err), -EMSGSIZE);
	frame[0] = (char)0xff;
	assert_int_equal(exec_cut_raw(frame, 21, &at, 1 << 20, &part, &n, &err), -EMSGSIZE);
}

/* ---- the command ---- */

static void assert_words(const char *text, const char *expected)
{
	_cleanup_buf_ struct bg_buf b = {0};
	struct bg_err err = BG_ERR_INIT;
	char **argv = NULL;

	if (exec_split(text, &argv, &err)) {
		assert_true(err.msg[0]);
		assert_null(expected);
		return;
	}
	for (char **at = argv; *at; at++)
		bg_buf_printf(&b, "<%s>", *at);
	exec_free_list(argv);
	if (!expected)
		fail_msg("taken: %s as %s", text, b.s);
	assert_string_equal(b.s, expected);
}

static void command_lines_are_split(void **state)
{
	(void)state;
	assert_words("prog", "<prog>");
	assert_words("  prog\ta  b ", "<prog><a><b>");
	assert_words("sh -c 'echo \"a b\" $x'", "<sh><-c><echo \"a b\" $x>");
	assert_words("p \"a 'b' \\\" \\\\ \\n\"", "<p><a 'b' \" \\ \\n>");
	assert_words("p a\\ b \\' ''", "<p><a b><'><>");
	assert_words("p x'y'\"z\"", "<p><xyz>");
	assert_words("", NULL);
	assert_words("   ", NULL);
	assert_words("''", NULL);
	assert_words("p 'a", NULL);
	assert_words("p \"a", NULL);
	assert_words("p a\\", NULL);
}

static void programs_are_found(void **state)
{
	char dir[] = "/tmp/bg-exec-XXXXXX";
	struct bg_err err = BG_ERR_INIT;
	_cleanup_free_ char *file = NULL, *path = NULL;
	char *found = NULL;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	file = bg_xasprintf("%s/prog", dir);
	path = bg_xasprintf("/nowhere:%s:/bin", dir);
	f = fopen(file, "w");
	assert_non_null(f);
	fclose(f);
	chmod(file, 0755);
	assert_int_equal(exec_find("prog", path, &found, &err), 0);
	assert_string_equal(found, file);
	free(found);
	assert_int_equal(exec_find(file, NULL, &found, &err), 0);
	free(found);
	assert_int_equal(exec_find("sh", NULL, &found, &err), 0);
	free(found);
	assert_int_equal(exec_find("no-such-program", path, &found, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "no-such-program"));
	assert_int_equal(exec_find("/no/such", path, &found, &err), -ENOENT);
	assert_int_equal(exec_find(dir, path, &found, &err), -EISDIR);
	remove(file);
	f = fopen(file, "w");
	assert_non_null(f);
	fclose(f);
	chmod(file, 0644);
	assert_int_equal(exec_find(file, path, &found, &err), -EACCES);
	assert_int_equal(exec_find("prog", path, &found, &err), -EACCES);
	remove(file);
	remove(dir);
}

/* ---- lines for the log ---- */

static void lines_are_bounded(void **state)
{
	struct exec_lines l = {.rate = 3};
	char *big = bg_xmalloc(100000);
	int64_t now = 5000000;

	(void)state;
	exec_lines_add(&l, "child", "a\nb", 3, now);
	assert_int_equal(l.lines, 1);
	exec_lines_add(&l, "child", "c\r\n\nd\n", 6, now);
	assert_int_equal(l.lines, 3); /* an empty one is none */
	exec_lines_add(&l, "child", "e\nf\n", 4, now);
	assert_int_equal(l.lines, 5);
	assert_int_equal(l.dropped, 2);
	now += 1000000;
	exec_lines_add(&l, "child", "g\n", 2, now);
	assert_int_equal(l.dropped, 2);
	memset(big, 'x', 100000);
	exec_lines_add(&l, "child", big, 100000, now);
	exec_lines_add(&l, "child", big, 100000, now);
	assert_true(l.len <= EXEC_LINE_MAX + 1);
	exec_lines_end(&l, "child", now);
	assert_int_equal(l.lines, 7);
	assert_int_equal(l.len, 0);
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_given_in_order_and_taken_once),
		cmocka_unit_test(ranges_take_what_is_there),
		cmocka_unit_test(an_old_number_costs_nothing),
		cmocka_unit_test(a_random_order_agrees_with_an_array),
		cmocka_unit_test(the_usual_record),
		cmocka_unit_test(every_byte_comes_back),
		cmocka_unit_test(base64_and_utf8_are_told_apart),
		cmocka_unit_test(headers_keep_their_order),
		cmocka_unit_test(a_raw_record),
		cmocka_unit_test(answers_that_are_right),
		cmocka_unit_test(answers_that_are_wrong),
		cmocka_unit_test(a_long_reason_is_cut_at_a_character),
		cmocka_unit_test(raw_answers),
		cmocka_unit_test(output_is_cut_into_answers),
		cmocka_unit_test(command_lines_are_split),
		cmocka_unit_test(programs_are_found),
		cmocka_unit_test(lines_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
