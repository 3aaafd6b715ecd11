/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/exec_write.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

/* ---- JSON ---- */

static void put(struct bg_buf *b, const void *data, size_t len)
{
	bg_buf_room(b, len);
	memcpy(b->s + b->len, data, len);
	b->len += len;
}
#define PUT(b, lit) put(b, lit, sizeof(lit) - 1)

static void put_uint(struct bg_buf *b, uint64_t u)
{
	char tmp[24];
	size_t at = sizeof tmp;

	do
		tmp[--at] = (char)('0' + u % 10);
	while (u /= 10);
	put(b, tmp + at, sizeof tmp - at);
}

static void put_int(struct bg_buf *b, int64_t v)
{
	if (v < 0)
		PUT(b, "-");
	put_uint(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* Eight bytes at once: is any of them a control character, a quote, a backslash, or not ASCII? */
static bool any_special(uint64_t w)
{
	uint64_t quote = w ^ (ONES * '"'), back = w ^ (ONES * '\\');

	return ((w | (w - ONES * 0x20) | (quote - ONES) | (back - ONES)) & HIGHS) != 0;
}

/* How many bytes from s on stand for themselves in a JSON string and are ASCII. */
static size_t plain_run(const unsigned char *s, size_t len)
{
	size_t i = 0;
	uint64_t w;

	for (; i + 8 <= len; i += 8) {
		memcpy(&w, s + i, 8);
		if (any_special(w))
			break;
	}
	while (i < len && s[i] >= 0x20 && s[i] < 0x80 && s[i] != '"' && s[i] != '\\')
		i++;
	return i;
}

/* Length of the UTF-8 sequence at s; 0: none is complete and valid within len bytes. */
static size_t sequence(const unsigned char *s, size_t len)
{
	char copy[5] = "";

	memcpy(copy, s, BG_MIN(len, (size_t)4));
	return bg_utf8_len(copy);
}

static void put_control(struct bg_buf *b, unsigned char ch)
{
	static const char hex[] = "0123456789abcdef";
	static const char names[][2] = {{'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}, {'\b', 'b'},
					{'\f', 'f'}, {'"', '"'},  {'\\', '\\'}};
	char u[6] = {'\\', 'u', '0', '0', hex[ch >> 4], hex[ch & 15]};

	for (size_t i = 0; i < BG_ARRAY_SIZE(names); i++)
		if ((unsigned char)names[i][0] == ch) {
			char two[2] = {'\\', names[i][1]};

			put(b, two, 2);
			return;
		}
	put(b, u, sizeof u);
}

/* The inside of a JSON string. False: it is not UTF-8, and what was written so far is of no use. */
static bool put_text(struct bg_buf *b, const unsigned char *s, size_t len)
{
	while (len) {
		size_t n = plain_run(s, len);

		if (n) {
			put(b, s, n);
		} else if (*s < 0x80) {
			put_control(b, *s);
			n = 1;
		} else {
			n = sequence(s, len);
			if (!n)
				return false;
			put(b, s, n);
		}
		s += n;
		len -= n;
	}
	return true;
}

static void put_base64(struct bg_buf *b, const unsigned char *s, size_t len)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *to;

	bg_buf_room(b, (len + 2) / 3 * 4);
	to = b->s + b->len;
	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = (uint32_t)s[i] << 16 | (uint32_t)(i + 1 < len ? s[i + 1] : 0) << 8 |
			     (uint32_t)(i + 2 < len ? s[i + 2] : 0);

		*to++ = set[v >> 18];
		*to++ = set[v >> 12 & 63];
		*to++ = i + 1 < len ? set[v >> 6 & 63] : '=';
		*to++ = i + 2 < len ? set[v & 63] : '=';
	}
	b->len = (size_t)(to - b->s);
}

/* A member: `,"key":"text"`, `,"key":null`, or `,"key_b64":"…"` when it is no text. */
static void put_member(struct bg_buf *b, const char *name, size_t name_len, const void *data, size_t len)
{
	size_t mark;

	PUT(b, ",\"");
	put(b, name, name_len);
	mark = b->len;
	if (!data) {
		PUT(b, "\":null");
		return;
	}
	PUT(b, "\":\"");
	if (!put_text(b, data, len)) {
		b->len = mark;
		PUT(b, "_b64\":\"");
		put_base64(b, data, len);
	}
	PUT(b, "\"");
}

/* A header's name is text by Kafka's rules; one that is not has its bad bytes replaced. */
static void put_name(struct bg_buf *b, const char *name)
{
	const unsigned char *s = (const unsigned char *)name;
	size_t len = strlen(name), mark = b->len;

	if (put_text(b, s, len))
		return;
	b->len = mark;
	while (len) {
		size_t n = *s < 0x80 ? 1 : sequence(s, len);

		if (n)
			put_text(b, s, n);
		else
			PUT(b, "\xef\xbf\xbd");
		s += n ? n : 1;
		len -= n ? n : 1;
	}
}

static void put_headers(struct bg_buf *b, const rd_kafka_headers_t *h)
{
	const char *name;
	const void *value;
	size_t size, mark;

	PUT(b, ",\"headers\":[");
	for (size_t i = 0; h && !rd_kafka_header_get_all(h, i, &name, &value, &size); i++) {
		if (i)
			PUT(b, ",");
		PUT(b, "[\"");
		put_name(b, name);
		mark = b->len;
		PUT(b, "\",\"");
		if (!value) {
			b->len = mark;
			PUT(b, "\",null]");
		} else if (put_text(b, value, size)) {
			PUT(b, "\"]");
		} else {
			b->len = mark;
			PUT(b, "\",{\"b64\":\"");
			put_base64(b, value, size);
			PUT(b, "\"}]");
		}
	}
	PUT(b, "]");
}

void exec_write_json(struct bg_buf *b, const struct exec_record *r)
{
	PUT(b, "{\"n\":");
	put_uint(b, r->n);
	PUT(b, ",\"topic\":\"");
	put(b, r->topic, strlen(r->topic));
	PUT(b, "\",\"partition\":");
	put_int(b, r->partition);
	PUT(b, ",\"offset\":");
	put_int(b, r->offset);
	PUT(b, ",\"timestamp_ms\":");
	if (r->timestamp_ms < 0)
		PUT(b, "null");
	else
		put_int(b, r->timestamp_ms);
	put_member(b, "key", 3, r->key, r->key_len);
	put_member(b, "value", 5, r->value, r->value_len);
	put_headers(b, r->headers);
	PUT(b, "}\n");
}

/* ---- raw ---- */

static char *be(char *at, uint64_t v, size_t size)
{
	v = htobe64(v << (64 - 8 * size));
	memcpy(at, &v, size);
	return at + size;
}

static char *bytes(char *at, const void *data, size_t len)
{
	if (len)
		memcpy(at, data, len);
	return at + len;
}

static size_t headers_size(const rd_kafka_headers_t *h, uint32_t *ret_n)
{
	const char *name;
	const void *value;
	size_t size, sum = 0, i;

	for (i = 0; h && !rd_kafka_header_get_all(h, i, &name, &value, &size); i++)
		sum += 8 + strlen(name) + (value ? size : 0);
	*ret_n = (uint32_t)i;
	return sum;
}

static char *raw_headers(char *at, const rd_kafka_headers_t *h)
{
	const char *name;
	const void *value;
	size_t size;

	for (size_t i = 0; h && !rd_kafka_header_get_all(h, i, &name, &value, &size); i++) {
		at = be(at, strlen(name), 4);
		at = be(at, value ? size : UINT32_MAX, 4);
		at = bytes(at, name, strlen(name));
		at = bytes(at, value, value ? size : 0);
	}
	return at;
}

void exec_write_raw(struct bg_buf *b, const struct exec_record *r)
{
	size_t topic = strlen(r->topic), key = r->key ? r->key_len : 0, value = r->value ? r->value_len : 0;
	uint32_t nheaders;
	size_t all = EXEC_RAW_HEAD + topic + key + value + headers_size(r->headers, &nheaders);
	char *at;

	bg_buf_room(b, all);
	at = b->s + b->len;
	at = be(at, all - 4, 4);
	at = be(at, r->n, 8);
	at = be(at, (uint64_t)r->offset, 8);
	at = be(at, (uint64_t)r->timestamp_ms, 8);
	at = be(at, (uint64_t)r->partition, 4);
	at = be(at, r->key ? key : UINT32_MAX, 4);
	at = be(at, r->value ? value : UINT32_MAX, 4);
	at = be(at, nheaders, 4);
	at = be(at, topic, 4);
	at = bytes(at, r->topic, topic);
	at = bytes(at, r->key, key);
	at = bytes(at, r->value, value);
	raw_headers(at, r->headers);
	b->len += all;
}
