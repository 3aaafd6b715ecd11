/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/exec_answer.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"

/* ---- JSON ---- */

struct scan {
	const char *p, *end;
};

static void blanks(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\r'))
		s->p++;
}

/* A token, with blanks before it: most languages write {"n": 5, "ok": true}. */
static bool take(struct scan *s, const char *token, size_t len)
{
	blanks(s);
	if ((size_t)(s->end - s->p) < len || memcmp(s->p, token, len))
		return false;
	s->p += len;
	return true;
}
#define TAKE(s, lit) take(s, lit, sizeof(lit) - 1)

/* 1 to 18 digits, no zero before others. */
static bool take_number(struct scan *s, uint64_t *ret)
{
	const char *from;
	uint64_t v = 0;

	blanks(s);
	from = s->p;
	while (s->p < s->end && *s->p >= '0' && *s->p <= '9' && s->p - from < 19)
		v = v * 10 + (uint64_t)(*s->p++ - '0');
	*ret = v;
	return s->p > from && s->p - from < 19 && *from != '0';
}

bool exec_answer_scan(const char *text, size_t len, struct exec_answer *ret)
{
	struct scan s = {text, text + len};
	uint64_t first, last;

	if (!TAKE(&s, "{") || !TAKE(&s, "\"n\"") || !TAKE(&s, ":"))
		return false;
	if (TAKE(&s, "[")) {
		if (!take_number(&s, &first) || !TAKE(&s, ",") || !take_number(&s, &last) || !TAKE(&s, "]") ||
		    last < first)
			return false;
	} else {
		if (!take_number(&s, &first))
			return false;
		last = first;
	}
	if (!TAKE(&s, ",") || !TAKE(&s, "\"ok\"") || !TAKE(&s, ":") || !TAKE(&s, "true") || !TAKE(&s, "}"))
		return false;
	blanks(&s);
	if (s.p != s.end)
		return false;
	ret->first = first;
	ret->last = last;
	ret->ok = true;
	ret->retry = false;
	ret->error[0] = '\0';
	return true;
}

/* Cut at the end of a character; what is no UTF-8 ends it. */
static void copy_text(char *dst, size_t size, const char *src, size_t len)
{
	size_t at = 0;

	while (at < len) {
		char four[5] = "";
		size_t n;

		memcpy(four, src + at, BG_MIN(len - at, (size_t)4));
		n = bg_utf8_len(four);
		if (!n || at + n >= size)
			break;
		memcpy(dst + at, src + at, n);
		at += n;
	}
	dst[at] = '\0';
}

static int get_number(struct json_object *v, uint64_t *ret)
{
	int64_t n = v && json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : 0;

	if (n < 1 || n == INT64_MAX) /* json-c gives INT64_MAX for what is beyond */
		return -EINVAL;
	*ret = (uint64_t)n;
	return 0;
}

static int get_range(struct json_object *v, struct exec_answer *a, struct bg_err *err)
{
	if (v && json_object_is_type(v, json_type_array)) {
		if (json_object_array_length(v) != 2 ||
		    get_number(json_object_array_get_idx(v, 0), &a->first) ||
		    get_number(json_object_array_get_idx(v, 1), &a->last) || a->last < a->first)
			return bg_err_set(err, -EINVAL, "bad_answer",
					  "\"n\" is a list, but not of two numbers, the lower one first");
		return 0;
	}
	if (get_number(v, &a->first))
		return bg_err_set(err, -EINVAL, "bad_answer",
				  "\"n\" is neither a record's number nor a list of two");
	a->last = a->first;
	return 0;
}

int exec_answer_json(const char *text, size_t len, struct exec_answer *ret, struct bg_err *err)
{
	_cleanup_json_ struct json_object *o = NULL;
	struct json_object *ok, *retry, *error;
	struct exec_answer a = {.retry = true};

	if (bg_json_parse(text, len, &o, err))
		return -EINVAL;
	if (!json_object_is_type(o, json_type_object))
		return bg_err_set(err, -EINVAL, "bad_answer", "not a JSON object");
	if (get_range(bg_json_get(o, "n"), &a, err))
		return -EINVAL;
	ok = bg_json_get(o, "ok");
	if (!ok || !json_object_is_type(ok, json_type_boolean))
		return bg_err_set(err, -EINVAL, "bad_answer", "\"ok\" is not true or false");
	a.ok = json_object_get_boolean(ok);
	retry = bg_json_get(o, "retry");
	if (retry && !json_object_is_type(retry, json_type_boolean))
		return bg_err_set(err, -EINVAL, "bad_answer", "\"retry\" is not true or false");
	error = bg_json_get(o, "error");
	if (error && !json_object_is_type(error, json_type_string))
		return bg_err_set(err, -EINVAL, "bad_answer", "\"error\" is not a string");
	a.retry = !a.ok && (!retry || json_object_get_boolean(retry));
	if (!a.ok && error)
		copy_text(a.error, sizeof a.error, json_object_get_string(error),
			  (size_t)json_object_get_string_len(error));
	*ret = a;
	return 0;
}

int exec_answer_line(const char *text, size_t len, struct exec_answer *ret, struct bg_err *err)
{
	size_t at = 0;

	if (exec_answer_scan(text, len, ret))
		return 0;
	while (at < len && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r'))
		at++;
	if (at == len || text[at] != '{')
		return 1;
	return exec_answer_json(text, len, ret, err);
}

/* ---- raw ---- */

static uint64_t get64(const char *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return be64toh(v);
}

int exec_answer_raw(const void *data, size_t len, struct exec_answer *ret, struct bg_err *err)
{
	const char *p = data;
	uint64_t first, last;

	if (len < EXEC_RAW_ANSWER)
		return bg_err_set(err, -EINVAL, "bad_answer", "a raw answer has %d bytes at least, not %zu",
				  EXEC_RAW_ANSWER, len);
	first = get64(p);
	last = get64(p + 8);
	if (!first || last < first)
		return bg_err_set(err, -EINVAL, "bad_answer",
				  "the numbers of a raw answer are not in order: %llu to %llu",
				  (unsigned long long)first, (unsigned long long)last);
	if ((unsigned char)p[16] > 2)
		return bg_err_set(err, -EINVAL, "bad_answer",
				  "the status of a raw answer is 0 (done), 1 (again) or 2 (never), not %u",
				  (unsigned)(unsigned char)p[16]);
	ret->first = first;
	ret->last = last;
	ret->ok = p[16] == 0;
	ret->retry = p[16] == 1;
	ret->error[0] = '\0';
	if (!ret->ok)
		copy_text(ret->error, sizeof ret->error, p + EXEC_RAW_ANSWER, len - EXEC_RAW_ANSWER);
	return 0;
}

/* ---- cutting ---- */

static int too_long(size_t max, struct bg_err *err)
{
	return bg_err_set(err, -EMSGSIZE, "answer_too_long", "an answer is longer than max-answer-bytes, %zu",
			  max);
}

int exec_cut_line(const char *data, size_t len, size_t *at, size_t max, const char **ret_part,
		  size_t *ret_len, struct bg_err *err)
{
	const char *from = data + *at, *nl = len > *at ? memchr(from, '\n', len - *at) : NULL;
	size_t n = nl ? (size_t)(nl - from) : len - *at;

	if (n > max)
		return too_long(max, err);
	if (!nl)
		return 0;
	*ret_part = from;
	*ret_len = n;
	*at += n + 1;
	return 1;
}

int exec_cut_raw(const char *data, size_t len, size_t *at, size_t max, const char **ret_part, size_t *ret_len,
		 struct bg_err *err)
{
	uint32_t n;

	if (len - *at < 4)
		return 0;
	memcpy(&n, data + *at, 4);
	n = be32toh(n);
	if (n < EXEC_RAW_ANSWER)
		return bg_err_set(err, -EINVAL, "bad_answer", "a raw answer has %d bytes at least, not %u",
				  EXEC_RAW_ANSWER, (unsigned)n);
	if (n > max)
		return too_long(max, err);
	if (len - *at - 4 < n)
		return 0;
	*ret_part = data + *at + 4;
	*ret_len = n;
	*at += 4 + (size_t)n;
	return 1;
}
