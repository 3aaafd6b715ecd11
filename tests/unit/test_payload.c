/* SPDX-License-Identifier: Apache-2.0 */
/* Keys, sizes, templates with their errors, numbered values, and lines as records. */
#include "config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <json-c/json.h>
#include <cmocka.h>
#include "common/loop.h"
#include "common/mem.h"
#include "producerd/input.h"
#include "producerd/payload.h"

#define BYTES(s) ((struct prod_bytes){(s), sizeof(s) - 1})

static const struct prod_record record = {4711, 1700000000000001, "0a1b2c3d", {"key-7", 5}};

static struct prod_payload *make(const struct prod_payload_opts *o)
{
	struct prod_payload *p = NULL;
	struct bg_err err = BG_ERR_INIT;
	int rc = prod_payload_new(o, &p, &err);
	if (rc)
		fail_msg("%s", err.msg);
	return p;
}

static void assert_bytes(struct prod_bytes b, const char *expected)
{
	assert_int_equal(b.len, strlen(expected));
	assert_memory_equal(b.data, expected, b.len);
}

static void values_have_the_size_asked_for(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 1, 100, 65535, 65536, 65537, 300000};
	for (size_t i = 0; i < BG_ARRAY_SIZE(sizes); i++) {
		struct prod_payload *p = make(&(struct prod_payload_opts){.size = sizes[i], .seed = 7});
		struct prod_bytes v = prod_payload_value(p, &record);
		assert_int_equal(v.len, sizes[i]);
		assert_non_null(v.data);
		for (size_t k = 0; k < v.len; k++)
			assert_true(((const char *)v.data)[k] > ' ' && ((const char *)v.data)[k] < 127);
		prod_payload_free(p);
	}
}

static void values_differ_from_record_to_record(void **state)
{
	(void)state;
	struct prod_payload *p = make(&(struct prod_payload_opts){.size = 50, .seed = 7});
	char first[50];
	memcpy(first, prod_payload_value(p, &record).data, 50);
	assert_memory_not_equal(prod_payload_value(p, &record).data, first, 50);
	prod_payload_free(p);
}

static void keys_go_round_their_number(void **state)
{
	(void)state;
	char buf[PROD_KEY_MAX];
	struct prod_payload *p = make(&(struct prod_payload_opts){.keys = 3});
	assert_bytes(prod_payload_key(p, 0, buf), "key-0");
	assert_bytes(prod_payload_key(p, 2, buf), "key-2");
	assert_bytes(prod_payload_key(p, 3, buf), "key-0");
	assert_bytes(prod_payload_key(p, INT64_C(9000000000000000001), buf), "key-1");
	prod_payload_free(p);
	p = make(&(struct prod_payload_opts){.keys = 0});
	assert_null(prod_payload_key(p, 5, buf).data);
	prod_payload_free(p);
}

static void template_fills_every_placeholder(void **state)
{
	(void)state;
	struct prod_payload *p =
		make(&(struct prod_payload_opts){.template = "{run}/{seq} {key}@{time_us}|{seq}", .seed = 1});
	assert_bytes(prod_payload_value(p, &record), "0a1b2c3d/4711 key-7@1700000000000001|4711");
	struct prod_record no_key = record;
	no_key.key = (struct prod_bytes){NULL, 0};
	assert_bytes(prod_payload_value(p, &no_key), "0a1b2c3d/4711 @1700000000000001|4711");
	prod_payload_free(p);
}

static void template_leaves_json_alone(void **state)
{
	(void)state;
	static const char *const texts[][2] = {
		{"{\"id\":{seq},\"o\":{}}", "{\"id\":4711,\"o\":{}}"},
		{"{{seq}}", "{4711}"},
		{"{", "{"},
		{"{seq", "{seq"},
		{"}{ seq }{Seq}", "}{ seq }{Seq}"},
		{"", ""},
		{"plain", "plain"},
	};
	for (size_t i = 0; i < BG_ARRAY_SIZE(texts); i++) {
		struct prod_payload *p = make(&(struct prod_payload_opts){.template = texts[i][0]});
		assert_bytes(prod_payload_value(p, &record), texts[i][1]);
		prod_payload_free(p);
	}
}

static void template_random_has_its_length(void **state)
{
	(void)state;
	struct prod_payload *p =
		make(&(struct prod_payload_opts){.template = "<{rand:12}{rand:65536}>", .seed = 3});
	struct prod_bytes v = prod_payload_value(p, &record);
	assert_int_equal(v.len, 12 + 65536 + 2);
	assert_int_equal(((const char *)v.data)[v.len - 1], '>');
	prod_payload_free(p);
}

static void template_errors_name_the_placeholder(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"{sequence}", "{rand}",       "{rand:}", "{rand:0}",
		"{rand:x}",   "{rand:65537}", "{seq:3}", "{rand:99999999999999999999}",
		"{se}",       "ok {seq} {no}"};
	for (size_t i = 0; i < BG_ARRAY_SIZE(bad); i++) {
		struct prod_payload *p = NULL;
		struct bg_err err = BG_ERR_INIT;
		assert_true(prod_payload_new(&(struct prod_payload_opts){.template = bad[i]}, &p, &err) < 0);
		assert_null(p);
		assert_string_equal(err.code, "bad_template");
		assert_non_null(strstr(err.msg, strrchr(bad[i], '{')));
	}
}

static void numbered_template_must_have_seq(void **state)
{
	(void)state;
	struct prod_payload *p = NULL;
	struct bg_err err = BG_ERR_INIT;
	struct prod_payload_opts o = {.template = "{key}", .numbers = PROD_NUMBERS_VALUE};
	assert_true(prod_payload_new(&o, &p, &err) < 0);
	assert_non_null(strstr(err.msg, "{seq}"));
	o.template = "{seq}";
	p = make(&o);
	assert_bytes(prod_payload_value(p, &record), "4711");
	prod_payload_free(p);
}

static void numbered_value_is_json_with_a_crc(void **state)
{
	(void)state;
	struct prod_payload *p =
		make(&(struct prod_payload_opts){.size = 200, .numbers = PROD_NUMBERS_VALUE, .seed = 5});
	struct prod_bytes v = prod_payload_value(p, &record);
	assert_int_equal(v.len, 200);
	_cleanup_free_ char *text = bg_xstrndup(v.data, v.len);
	struct json_object *o = json_tokener_parse(text), *m;
	assert_non_null(o);
	assert_true(json_object_object_get_ex(o, "seq", &m) && json_object_get_int64(m) == 4711);
	assert_true(json_object_object_get_ex(o, "time_us", &m) &&
		    json_object_get_int64(m) == record.time_us);
	assert_true(json_object_object_get_ex(o, "run", &m));
	assert_string_equal(json_object_get_string(m), "0a1b2c3d");
	assert_true(json_object_object_get_ex(o, "crc", &m));
	char crc[9];
	struct prod_bytes before = {text, (size_t)(strstr(text, ",\"crc\"") - text)};
	snprintf(crc, sizeof(crc), "%08x", prod_numbering_crc(record.key, before));
	assert_string_equal(json_object_get_string(m), crc);
	json_object_put(o);
	prod_payload_free(p);
	/* Smaller than its numbers: as small as it can be, still whole. */
	p = make(&(struct prod_payload_opts){.size = 1, .numbers = PROD_NUMBERS_VALUE});
	v = prod_payload_value(p, &record);
	assert_int_equal(((const char *)v.data)[v.len - 1], '}');
	prod_payload_free(p);
}

/* --- lines --- */

struct lines {
	struct bg_loop *loop;
	struct prod_input *in;
	bool more;
	char path[64];
};

static void on_more(void *arg)
{
	((struct lines *)arg)->more = true;
}

static void open_text(struct lines *l, const char *text, size_t len, const char *separator)
{
	*l = (struct lines){.loop = bg_loop_new()};
	snprintf(l->path, sizeof(l->path), "test_payload.%ld.tmp", (long)getpid());
	FILE *f = fopen(l->path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	fclose(f);
	struct bg_err err = BG_ERR_INIT;
	assert_int_equal(prod_input_open(l->loop, l->path, separator, on_more, l, &l->in, &err), 0);
}

static void close_lines(struct lines *l)
{
	prod_input_free(l->in);
	bg_loop_free(l->loop);
	unlink(l->path);
}

static void assert_line(struct lines *l, const char *key, const char *value)
{
	struct prod_bytes k, v;
	assert_true(prod_input_peek(l->in, &k, &v));
	assert_true(prod_input_peek(l->in, &k, &v)); /* looking twice takes nothing */
	if (key)
		assert_bytes(k, key);
	else
		assert_null(k.data);
	assert_bytes(v, value);
	prod_input_pop(l->in);
}

static void assert_end(struct lines *l)
{
	struct prod_bytes k, v;
	assert_false(prod_input_peek(l->in, &k, &v));
	assert_true(prod_input_ended(l->in));
	assert_int_equal(prod_input_error(l->in), 0);
}

static void lines_with_and_without_a_last_newline(void **state)
{
	(void)state;
	struct lines l;
	open_text(&l, "one\n\nthree\r\nfour", 16, NULL);
	assert_line(&l, NULL, "one");
	assert_line(&l, NULL, "");
	assert_line(&l, NULL, "three\r");
	assert_false(prod_input_ended(l.in));
	assert_line(&l, NULL, "four");
	assert_end(&l);
	close_lines(&l);
	open_text(&l, "", 0, NULL);
	assert_end(&l);
	close_lines(&l);
}

static void lines_are_split_into_key_and_value(void **state)
{
	(void)state;
	struct lines l;
	static const char text[] = "a::b::c\nnone\n::empty key\nk::\n";
	open_text(&l, text, sizeof(text) - 1, "::");
	assert_line(&l, "a", "b::c");
	assert_line(&l, NULL, "none");
	assert_line(&l, "", "empty key");
	assert_line(&l, "k", "");
	assert_end(&l);
	close_lines(&l);
}

static void a_line_beyond_the_limit_is_left_out(void **state)
{
	(void)state;
	struct lines l;
	size_t len = PROD_LINE_MAX * 2 + 100;
	char *text = bg_xmalloc(len);
	memset(text, 'x', len);
	memcpy(text, "first\n", 6);
	memcpy(text + len - 6, "\nlast\n", 6);
	open_text(&l, text, len, NULL);
	assert_line(&l, NULL, "first");
	assert_line(&l, NULL, "last");
	assert_end(&l);
	assert_int_equal(prod_input_too_long(l.in), 1);
	close_lines(&l);
	/* the last line, without an end, too */
	memset(text, 'x', len);
	open_text(&l, text, len, NULL);
	assert_end(&l);
	assert_int_equal(prod_input_too_long(l.in), 1);
	close_lines(&l);
	free(text);
}

static void a_fifo_is_waited_for(void **state)
{
	(void)state;
	struct lines l = {.loop = bg_loop_new()};
	struct bg_err err = BG_ERR_INIT;
	struct prod_bytes k, v;
	snprintf(l.path, sizeof(l.path), "test_payload.%ld.fifo", (long)getpid());
	assert_int_equal(mkfifo(l.path, 0600), 0);
	assert_int_equal(prod_input_open(l.loop, l.path, NULL, on_more, &l, &l.in, &err), 0);
	assert_false(prod_input_peek(l.in, &k, &v));
	assert_false(prod_input_ended(l.in));
	FILE *f = fopen(l.path, "we");
	fputs("half", f);
	fflush(f);
	assert_true(bg_loop_run_until(l.loop, &l.more, 2000000));
	l.more = false;
	assert_false(prod_input_peek(l.in, &k, &v));
	assert_false(prod_input_ended(l.in));
	fputs(" a line\n", f);
	fflush(f);
	assert_true(bg_loop_run_until(l.loop, &l.more, 2000000));
	assert_line(&l, NULL, "half a line");
	l.more = false;
	assert_false(prod_input_peek(l.in, &k, &v));
	fclose(f);
	assert_true(bg_loop_run_until(l.loop, &l.more, 2000000));
	assert_end(&l);
	close_lines(&l);
}

static void input_errors_name_the_file(void **state)
{
	(void)state;
	struct lines l = {.loop = bg_loop_new()};
	struct bg_err err = BG_ERR_INIT;
	assert_true(prod_input_open(l.loop, "/nonexistent/x", NULL, on_more, &l, &l.in, &err) < 0);
	assert_non_null(strstr(err.msg, "/nonexistent/x"));
	assert_true(prod_input_open(l.loop, "/", NULL, on_more, &l, &l.in, &err) < 0);
	assert_non_null(strstr(err.msg, "folder"));
	bg_loop_free(l.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_have_the_size_asked_for),
		cmocka_unit_test(values_differ_from_record_to_record),
		cmocka_unit_test(keys_go_round_their_number),
		cmocka_unit_test(template_fills_every_placeholder),
		cmocka_unit_test(template_leaves_json_alone),
		cmocka_unit_test(template_random_has_its_length),
		cmocka_unit_test(template_errors_name_the_placeholder),
		cmocka_unit_test(numbered_template_must_have_seq),
		cmocka_unit_test(numbered_value_is_json_with_a_crc),
		cmocka_unit_test(lines_with_and_without_a_last_newline),
		cmocka_unit_test(lines_are_split_into_key_and_value),
		cmocka_unit_test(a_line_beyond_the_limit_is_left_out),
		cmocka_unit_test(a_fifo_is_waited_for),
		cmocka_unit_test(input_errors_name_the_file),
	};
	return cmocka_run_group_tests_name("payload", tests, NULL, NULL);
}
