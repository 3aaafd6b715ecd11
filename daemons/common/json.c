/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "common/json.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "common/mem.h"

#define DEPTH_MAX      16
#define STRING_DEFAULT 1024

static int bad_at(struct bg_err *err, size_t pos, const char *what)
{
	return bg_err_set(err, -EINVAL, "bad_json", "not valid JSON at byte %zu: %s", pos, what);
}

/* json-c's own check takes surrogates. The text need not be terminated. */
static size_t utf8_at(const char *t, size_t len)
{
	char end[5] = "";

	if (len > 4)
		return bg_utf8_len(t);
	memcpy(end, t, len);
	return bg_utf8_len(end);
}

/* The inside of a string, from the byte after its quote; *pos moves to the closing one. */
static int scan_string(const char *t, size_t len, size_t *pos, struct bg_err *err)
{
	size_t n = 1;

	for (; *pos < len && t[*pos] != '"'; *pos += n) {
		n = (unsigned char)t[*pos] < 0x80 ? 1 : utf8_at(t + *pos, len - *pos);
		if (n == 0)
			return bad_at(err, *pos, "not UTF-8");
		if ((unsigned char)t[*pos] < 0x20)
			return bad_at(err, *pos, "a control character in a string");
		if (t[*pos] != '\\')
			continue;
		/* Everything here is a C string sooner or later, and would be cut there. */
		if (len - *pos >= 6 && !memcmp(t + *pos, "\\u0000", 6))
			return bad_at(err, *pos, "\\u0000 is not allowed");
		n = 2;
	}
	return 0;
}

static bool is_digit(const char *t, size_t len, size_t pos)
{
	return pos < len && t[pos] >= '0' && t[pos] <= '9';
}

/* What json-c takes even in its strict mode, though it is no JSON; and the depth, which it counts by its own rule. */
static int scan(const char *t, size_t len, struct bg_err *err)
{
	int depth = 0, rc;

	for (size_t i = 0; i < len; i++) {
		switch (t[i]) {
		case '"':
			i++;
			rc = scan_string(t, len, &i, err);
			if (rc < 0)
				return rc;
			break;
		case '[':
		case '{':
			if (++depth > DEPTH_MAX)
				return bg_err_set(err, -EINVAL, "bad_json",
						  "JSON nested deeper than %d levels", DEPTH_MAX);
			break;
		case ']':
		case '}':
			depth--;
			break;
		case '.':
			if (!i || !is_digit(t, len, i - 1) || !is_digit(t, len, i + 1))
				return bad_at(err, i, "a decimal point needs digits on both sides");
			break;
		case '\0':
		case '\'':
		case 'N': /* NaN */
		case 'I': /* Infinity */
			return bad_at(err, i, "unexpected character");
		}
	}
	return 0;
}

static int parse_with(struct json_tokener *tok, const char *text, size_t len, struct json_object **ret,
		      struct bg_err *err)
{
	struct json_object *o = json_tokener_parse_ex(tok, text, (int)len);
	enum json_tokener_error e = json_tokener_get_error(tok);

	/* A number at the very end is only known to be whole when something follows it. */
	if (e == json_tokener_continue) {
		o = json_tokener_parse_ex(tok, "", 1);
		e = json_tokener_get_error(tok);
		if (e == json_tokener_continue || e == json_tokener_error_parse_eof)
			return bad_at(err, len, "the text ends too early");
	}
	if (e != json_tokener_success)
		return bad_at(err, json_tokener_get_parse_end(tok), json_tokener_error_desc(e));
	*ret = o;
	return 0;
}

int bg_json_parse(const char *text, size_t len, struct json_object **ret, struct bg_err *err)
{
	struct json_object *o = NULL;
	struct json_tokener *tok;
	size_t blank = 0;
	int rc;

	while (blank < len && memchr(" \t\r\n", text[blank], 4))
		blank++;
	if (blank == len) {
		*ret = json_object_new_object();
		return 0;
	}
	if (len > INT_MAX - 1)
		return bg_err_set(err, -EINVAL, "bad_json", "JSON text of %zu bytes is too long", len);
	rc = scan(text, len, err);
	if (rc < 0)
		return rc;
	/* Deeper than ours: the scan has the say. */
	tok = json_tokener_new_ex(2 * DEPTH_MAX);
	if (!tok)
		return bg_err_set(err, -ENOMEM, "no_memory", "no memory for a JSON parser");
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	rc = parse_with(tok, text, len, &o, err);
	json_tokener_free(tok);
	if (rc == 0)
		*ret = o;
	return rc;
}

static const char *type_name(enum bg_json_type t)
{
	static const char *const names[] = {"a string",  "a whole number", "true or false",
					    "an object", "an array",       "a number"};
	return names[t];
}

static bool has_type(struct json_object *v, enum bg_json_type t)
{
	enum json_type is = json_object_get_type(v);

	switch (t) {
	case BG_J_STRING:
		return is == json_type_string;
	case BG_J_INT:
		return is == json_type_int;
	case BG_J_BOOL:
		return is == json_type_boolean;
	case BG_J_OBJECT:
		return is == json_type_object;
	case BG_J_ARRAY:
		return is == json_type_array;
	case BG_J_NUMBER:
		return is == json_type_int || is == json_type_double;
	}
	return false;
}

static bool is_choice(const char *choices, const char *s)
{
	size_t len = strlen(s);

	for (const char *p = choices; *p;) {
		size_t n = strcspn(p, "|");

		if (n == len && !memcmp(p, s, n))
			return true;
		p += n + (p[n] == '|');
	}
	return false;
}

static int check_string(struct json_object *v, const struct bg_field *f, struct bg_err *err)
{
	const char *s = json_object_get_string(v);
	int64_t len = json_object_get_string_len(v), max = f->max ? f->max : STRING_DEFAULT;

	if ((int64_t)strlen(s) != len)
		return bg_err_set(err, -EINVAL, "bad_value", "\"%s\" contains a zero byte", f->name);
	if (f->choices && !is_choice(f->choices, s))
		return bg_err_set(err, -EINVAL, "bad_value", "\"%s\" is \"%.64s\"; it must be one of %s",
				  f->name, s, f->choices);
	if (len < f->min || len > max)
		return bg_err_set(err, -EINVAL, "bad_value",
				  "\"%s\" is %" PRId64 " bytes long; it must be %" PRId64 " to %" PRId64,
				  f->name, len, f->min, max);
	return 0;
}

static int check_int(struct json_object *v, const struct bg_field *f, struct bg_err *err)
{
	int64_t n = json_object_get_int64(v);

	/* json-c answers the nearest number when it cannot hold one. */
	if (n == INT64_MIN || json_object_get_uint64(v) > INT64_MAX)
		return bg_err_set(err, -EINVAL, "bad_value", "\"%s\" is too large a number", f->name);
	if ((f->min || f->max) && (n < f->min || n > f->max))
		return bg_err_set(err, -EINVAL, "bad_value",
				  "\"%s\" is %" PRId64 "; it must be %" PRId64 " to %" PRId64, f->name, n,
				  f->min, f->max);
	return 0;
}

int bg_json_check(struct json_object *o, const struct bg_field *fields, struct bg_err *err)
{
	int rc = 0;

	if (!json_object_is_type(o, json_type_object))
		return bg_err_set(err, -EINVAL, "bad_body", "the body must be a JSON object");
	for (const struct bg_field *f = fields; f && f->name && rc == 0; f++) {
		struct json_object *v = bg_json_get(o, f->name);

		if (!v) {
			if (f->required)
				return bg_err_set(err, -EINVAL, "missing_member",
						  "\"%s\" is missing; it must be %s", f->name,
						  type_name(f->type));
			continue;
		}
		if (!has_type(v, f->type))
			return bg_err_set(err, -EINVAL, "bad_type", "\"%s\" must be %s", f->name,
					  type_name(f->type));
		if (f->type == BG_J_STRING)
			rc = check_string(v, f, err);
		else if (f->type == BG_J_INT)
			rc = check_int(v, f, err);
	}
	return rc;
}

struct json_object *bg_json_get(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	if (!json_object_is_type(o, json_type_object))
		return NULL;
	json_object_object_get_ex(o, name, &v);
	return v;
}

const char *bg_json_str(struct json_object *o, const char *name, const char *dflt)
{
	struct json_object *v = bg_json_get(o, name);

	return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : dflt;
}

int64_t bg_json_int(struct json_object *o, const char *name, int64_t dflt)
{
	struct json_object *v = bg_json_get(o, name);

	return json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : dflt;
}

bool bg_json_bool(struct json_object *o, const char *name, bool dflt)
{
	struct json_object *v = bg_json_get(o, name);

	return json_object_is_type(v, json_type_boolean) ? json_object_get_boolean(v) : dflt;
}

void bg_json_add(struct json_object *o, const char *name, struct json_object *value)
{
	json_object_object_add(o, name, value);
}

void bg_json_add_str(struct json_object *o, const char *name, const char *value)
{
	bg_json_add(o, name, value ? json_object_new_string(value) : NULL);
}

void bg_json_add_int(struct json_object *o, const char *name, int64_t value)
{
	bg_json_add(o, name, json_object_new_int64(value));
}

void bg_json_add_bool(struct json_object *o, const char *name, bool value)
{
	bg_json_add(o, name, json_object_new_boolean(value));
}

const char *bg_json_text(struct json_object *o)
{
	return json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}
