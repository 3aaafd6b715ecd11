/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exec handler's foreign bytes. The first byte says what the rest is: `l` answers by line, `r` raw answers, `c` a
 * command line, else key and value of a record, which must come back from the JSON that is written of them.
 */
#include "config.h"

#include "common/json.h"
#include "consumerd/exec_answer.h"
#include "consumerd/exec_child.h"
#include "consumerd/exec_table.h"
#include "consumerd/exec_write.h"
#include "fuzz/fuzz.h"

#define GIVEN 100 /* records that the imagined child has */
#define MAX   4096

static int things[GIVEN];

/* As exec_pipe.c does it: whatever was answered, no record is taken twice. */
static void take(struct exec_table *t, const struct exec_answer *a)
{
	uint64_t first = a->first;

	FUZZ_MUST(a->first >= 1 && a->first <= a->last && !(a->ok && (a->retry || a->error[0])));
	FUZZ_MUST(strlen(a->error) < sizeof a->error);
	if (a->last >= t->next)
		return;
	for (int *r; (r = exec_table_take_range(t, &first, a->last));) {
		FUZZ_MUST(!*r);
		*r = 1;
	}
	FUZZ_MUST(!exec_table_take(t, a->first));
}

static void one_line(struct exec_table *t, const char *text, size_t len)
{
	struct exec_answer a, b;
	struct bg_err err = BG_ERR_INIT;
	int rc = exec_answer_line(text, len, &a, &err);

	FUZZ_MUST(rc >= 0 || err.msg[0]);
	if (exec_answer_scan(text, len, &b)) {
		/* What the scan takes, json-c takes too, to the same meaning. */
		FUZZ_MUST(rc == 0 && exec_answer_json(text, len, &b, NULL) == 0);
		FUZZ_MUST(a.first == b.first && a.last == b.last && a.ok == b.ok && a.retry == b.retry);
	}
	if (rc == 0)
		take(t, &a);
}

static void one_frame(struct exec_table *t, const char *data, size_t len)
{
	struct exec_answer a;
	struct bg_err err = BG_ERR_INIT;
	int rc = exec_answer_raw(data, len, &a, &err);

	FUZZ_MUST(rc == 0 || err.msg[0]);
	if (rc == 0)
		take(t, &a);
}

static void answers(const uint8_t *data, size_t size, bool raw)
{
	_cleanup_free_ char *bytes = fuzz_bytes(data, size);
	struct exec_table t;
	struct bg_err err = BG_ERR_INIT;
	const char *part;
	size_t at = 0, before, len;
	int rc;

	memset(things, 0, sizeof things);
	exec_table_init(&t, 8);
	for (size_t i = 0; i < GIVEN; i++)
		exec_table_put(&t, &things[i], 0);
	do {
		before = at;
		rc = raw ? exec_cut_raw(bytes, size, &at, MAX, &part, &len, &err)
			 : exec_cut_line(bytes, size, &at, MAX, &part, &len, &err);
		FUZZ_MUST(rc < 0 ? err.msg[0] != 0 : at <= size && (rc == 1) == (at > before));
		if (rc != 1)
			break;
		FUZZ_MUST(len <= MAX);
		if (raw)
			one_frame(&t, part, len);
		else
			one_line(&t, part, len);
	} while (true);
	exec_table_free(&t);
}

static void command(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_text(data, size);
	struct bg_err err = BG_ERR_INIT;
	char **argv = NULL;

	if (exec_split(text, &argv, &err)) {
		FUZZ_MUST(err.msg[0] && !argv);
		return;
	}
	FUZZ_MUST(argv[0][0]);
	exec_free_list(argv);
}

static void comes_back(struct json_object *o, const char *name, const char *name_b64, const char *data,
		       size_t len)
{
	struct json_object *text = bg_json_get(o, name), *b64 = bg_json_get(o, name_b64);

	FUZZ_MUST(!text != !b64);
	if (b64)
		FUZZ_MUST((size_t)json_object_get_string_len(b64) == (len + 2) / 3 * 4);
	else
		FUZZ_MUST((size_t)json_object_get_string_len(text) == len &&
			  !memcmp(json_object_get_string(text), data, len));
}

static void record(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *bytes = fuzz_bytes(data, size);
	_cleanup_buf_ struct bg_buf b = {0};
	size_t half = size / 3;
	struct exec_record r = {.n = 1,
				.topic = "t",
				.timestamp_ms = -1,
				.key = bytes,
				.key_len = half,
				.value = bytes + half,
				.value_len = size - half};
	json_tokener *tok = json_tokener_new();
	struct json_object *o;

	exec_write_json(&b, &r);
	FUZZ_MUST(memchr(b.s, '\n', b.len) == b.s + b.len - 1);
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(tok, b.s, (int)b.len);
	FUZZ_MUST(o && json_tokener_get_error(tok) == json_tokener_success);
	comes_back(o, "key", "key_b64", bytes, half);
	comes_back(o, "value", "value_b64", bytes + half, size - half);
	json_object_put(o);
	json_tokener_free(tok);
	b.len = 0;
	exec_write_raw(&b, &r);
	FUZZ_MUST(b.len == EXEC_RAW_HEAD + 1 + size && !memcmp(b.s + EXEC_RAW_HEAD + 1, bytes, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	switch (data[0]) {
	case 'l':
	case 'r':
		answers(data + 1, size - 1, data[0] == 'r');
		break;
	case 'c':
		command(data + 1, size - 1);
		break;
	default:
		record(data + 1, size - 1);
	}
	return 0;
}
