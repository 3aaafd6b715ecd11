/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "common/epoch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char prefix[] = "bg1;";

int bg_meta_format(char buf[BG_META_MAX], const struct bg_meta *m)
{
	int64_t floor = m->floor > m->epoch ? m->floor : m->epoch;
	int color_len = (int)strnlen(m->color, sizeof(m->color) - 1);
	int n;

	/* Of the parts only the colour may give way: epochs near 2^63 with a long one would not fit. */
	do {
		n = snprintf(buf, BG_META_MAX, "%se=%" PRId64 ";c=%.*s;f=%" PRId64 "%s", prefix, m->epoch,
			     color_len, m->color, floor, m->mirrored ? ";m=1" : "");
	} while (n >= BG_META_MAX && color_len-- > 0);
	return n;
}

/* A whole number >= 0 of exactly these bytes. */
static bool parse_num(const char *s, size_t len, int64_t *ret)
{
	int64_t v = 0;

	if (!len)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9' || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, s[i] - '0', &v))
			return false;
	}
	*ret = v;
	return true;
}

static bool parse_color(const char *s, size_t len, char *color, size_t size)
{
	if (len >= size || memchr(s, '\0', len))
		return false;
	memcpy(color, s, len);
	color[len] = '\0';
	return true;
}

/* One `k=v`. seen: letters met so far, each may come once. Keys of later versions are ignored. */
static bool parse_pair(const char *s, size_t len, struct bg_meta *m, char seen[static 5])
{
	static const char known[] = "ecfm";
	const char *eq = memchr(s, '=', len), *k;
	const char *v = eq ? eq + 1 : NULL;
	size_t vlen;
	int64_t num;

	if (!eq || eq == s)
		return false;
	vlen = (size_t)(s + len - v);
	k = eq == s + 1 && s[0] ? strchr(known, s[0]) : NULL;
	if (!k)
		return true;
	if (seen[k - known]++)
		return false;
	switch (*k) {
	case 'e':
		return parse_num(v, vlen, &m->epoch);
	case 'f':
		return parse_num(v, vlen, &m->floor);
	case 'c':
		return parse_color(v, vlen, m->color, sizeof(m->color));
	default:
		if (!parse_num(v, vlen, &num) || num > 1)
			return false;
		m->mirrored = num == 1;
		return true;
	}
}

bool bg_meta_parse(const char *text, size_t len, struct bg_meta *ret)
{
	struct bg_meta m = {0};
	char seen[5] = {0};
	const char *p, *end;

	memset(ret, 0, sizeof(*ret));
	if (!text || len < sizeof(prefix) - 1 || memcmp(text, prefix, sizeof(prefix) - 1))
		return false;
	end = text + len;
	for (p = text + sizeof(prefix) - 1; p <= end;) {
		const char *semi = memchr(p, ';', (size_t)(end - p));
		const char *stop = semi ? semi : end;

		if (!parse_pair(p, (size_t)(stop - p), &m, seen))
			return false;
		p = stop + 1;
	}
	if (!seen[0])
		return false;
	if (m.floor < m.epoch)
		m.floor = m.epoch;
	*ret = m;
	return true;
}
