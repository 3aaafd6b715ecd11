/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "producerd/payload.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"

#define POOL_SIZE 65536 /* random letters, of which values are cut; as large as the longest {rand:N} */

enum part_kind { PART_TEXT, PART_SEQ, PART_KEY, PART_TIME, PART_RUN, PART_RAND };

static const struct {
	const char *name;
	enum part_kind kind;
} placeholders[] = {
	{"seq", PART_SEQ}, {"key", PART_KEY}, {"time_us", PART_TIME}, {"run", PART_RUN}, {"rand", PART_RAND},
};

struct part {
	enum part_kind kind;
	const char *text; /* into the template */
	size_t len;       /* of the text, or N of {rand:N} */
};

struct prod_payload {
	char *template;
	struct part *parts;
	size_t n_parts, cap_parts;
	size_t size;
	int64_t keys;
	enum prod_numbers numbers;
	uint64_t random;
	char pool[POOL_SIZE];
	struct bg_buf value;
};

/* xorshift64*: not for secrets, only so that values differ and do not compress away. */
static uint64_t next_random(struct prod_payload *p)
{
	p->random ^= p->random >> 12;
	p->random ^= p->random << 25;
	p->random ^= p->random >> 27;
	return p->random * UINT64_C(2685821657736338717);
}

static void add_part(struct prod_payload *p, enum part_kind kind, const char *text, size_t len)
{
	if (kind == PART_TEXT && len == 0)
		return;
	p->parts = bg_xgrow(p->parts, &p->cap_parts, p->n_parts + 1, sizeof(*p->parts));
	p->parts[p->n_parts++] = (struct part){kind, text, len};
}

/* N of {rand:N}; 0: not a number in range. */
static size_t parse_rand(const char *s, size_t len)
{
	size_t n = 0;
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)s[i]) || n > PROD_RAND_MAX)
			return 0;
		n = n * 10 + (size_t)(s[i] - '0');
	}
	return n <= PROD_RAND_MAX ? n : 0;
}

/* The inside of {…}, of letters, digits, '_' and ':' only: anything else, such as JSON, is text. */
static int add_placeholder(struct prod_payload *p, const char *name, size_t len, struct bg_err *err)
{
	const char *colon = memchr(name, ':', len);
	size_t word = colon ? (size_t)(colon - name) : len;
	for (size_t i = 0; i < BG_ARRAY_SIZE(placeholders); i++) {
		if (strlen(placeholders[i].name) != word || memcmp(placeholders[i].name, name, word))
			continue;
		bool is_rand = placeholders[i].kind == PART_RAND;
		size_t n = is_rand && colon ? parse_rand(colon + 1, len - word - 1) : 0;
		if (is_rand != (n > 0) || (!is_rand && colon))
			break;
		add_part(p, placeholders[i].kind, name, n);
		return 0;
	}
	return bg_err_set(
		err, -EINVAL, "bad_template",
		"template: {%.*s} is unknown; there are {seq} {key} {time_us} {run} and {rand:N} with N "
		"from 1 to %d",
		(int)len, name, PROD_RAND_MAX);
}

static int compile(struct prod_payload *p, struct bg_err *err)
{
	const char *text = p->template, *s = text;
	while (*s) {
		const char *open = s;
		if (*s++ != '{' || !islower((unsigned char)*s))
			continue;
		size_t len = strspn(s, "abcdefghijklmnopqrstuvwxyz_0123456789:");
		if (s[len] != '}')
			continue;
		add_part(p, PART_TEXT, text, (size_t)(open - text));
		int rc = add_placeholder(p, s, len, err);
		if (rc)
			return rc;
		s += len + 1;
		text = s;
	}
	add_part(p, PART_TEXT, text, (size_t)(s - text));
	return 0;
}

static int check_numbers(const struct prod_payload *p, struct bg_err *err)
{
	for (size_t i = 0; i < p->n_parts; i++)
		if (p->parts[i].kind == PART_SEQ)
			return 0;
	return bg_err_set(err, -EINVAL, "bad_template",
			  "template: with numbering = value it must have {seq}");
}

int prod_payload_new(const struct prod_payload_opts *o, struct prod_payload **ret, struct bg_err *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	struct prod_payload *p = bg_xcalloc(1, sizeof(*p));
	p->size = o->size;
	p->keys = o->keys;
	p->numbers = o->numbers;
	p->random = o->seed ? o->seed : 1;
	for (size_t i = 0; i < POOL_SIZE; i++)
		p->pool[i] = letters[next_random(p) >> 58];
	int rc = 0;
	if (o->template) {
		p->template = bg_xstrdup(o->template);
		rc = compile(p, err);
		if (!rc && p->numbers == PROD_NUMBERS_VALUE)
			rc = check_numbers(p, err);
	}
	if (rc) {
		prod_payload_free(p);
		return rc;
	}
	*ret = p;
	return 0;
}

void prod_payload_free(struct prod_payload *p)
{
	if (!p)
		return;
	bg_buf_free(&p->value);
	free(p->parts);
	free(p->template);
	free(p);
}

struct prod_bytes prod_payload_key(const struct prod_payload *p, int64_t n, char buf[PROD_KEY_MAX])
{
	if (p->keys <= 0)
		return (struct prod_bytes){NULL, 0};
	int len = snprintf(buf, PROD_KEY_MAX, "key-%" PRId64, n % p->keys);
	return (struct prod_bytes){buf, (size_t)len};
}

/* n random letters: slices of the pool from random places. */
static void add_random(struct prod_payload *p, size_t n)
{
	while (n > 0) {
		size_t from = next_random(p) % POOL_SIZE;
		size_t len = BG_MIN(n, POOL_SIZE - from);
		bg_buf_add(&p->value, p->pool + from, len);
		n -= len;
	}
}

static void add_from_template(struct prod_payload *p, const struct prod_record *r)
{
	for (size_t i = 0; i < p->n_parts; i++) {
		const struct part *part = &p->parts[i];
		switch (part->kind) {
		case PART_TEXT:
			bg_buf_add(&p->value, part->text, part->len);
			break;
		case PART_SEQ:
			bg_buf_printf(&p->value, "%" PRId64, r->seq);
			break;
		case PART_KEY:
			bg_buf_add(&p->value, r->key.data ? r->key.data : "", r->key.len);
			break;
		case PART_TIME:
			bg_buf_printf(&p->value, "%" PRId64, r->time_us);
			break;
		case PART_RUN:
			bg_buf_puts(&p->value, r->run);
			break;
		case PART_RAND:
			add_random(p, part->len);
			break;
		}
	}
}

/* {"run":"…","seq":7,"time_us":…,"pad":"…","crc":"…"}: crc is over the key and all that stands before ,"crc". */
static void add_numbered(struct prod_payload *p, const struct prod_record *r)
{
	static const size_t rest = sizeof("\",\"crc\":\"00000000\"}") - 1;
	bg_buf_printf(&p->value, "{\"run\":\"%s\",\"seq\":%" PRId64 ",\"time_us\":%" PRId64 ",\"pad\":\"",
		      r->run, r->seq, r->time_us);
	if (p->value.len + rest < p->size)
		add_random(p, p->size - p->value.len - rest);
	bg_buf_puts(&p->value, "\"");
	uint32_t crc = prod_numbering_crc(r->key, (struct prod_bytes){p->value.s, p->value.len});
	bg_buf_printf(&p->value, ",\"crc\":\"%08" PRIx32 "\"}", crc);
}

struct prod_bytes prod_payload_value(struct prod_payload *p, const struct prod_record *r)
{
	bg_buf_reset(&p->value);
	if (p->template)
		add_from_template(p, r);
	else if (p->numbers == PROD_NUMBERS_VALUE)
		add_numbered(p, r);
	else
		add_random(p, p->size);
	return (struct prod_bytes){p->value.s ? p->value.s : "", p->value.len};
}
