/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "common/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Exit status of a process that could not go on (sysexits' EX_SOFTWARE), as worker.h uses it too. */
#define EXIT_NO_MEMORY 70

static _Noreturn void no_memory(size_t size)
{
	char msg[96];
	int n = snprintf(msg, sizeof(msg), "out of memory: %zu bytes were asked for\n", size);

	if (n > 0 && write(STDERR_FILENO, msg, (size_t)n) < 0)
		_exit(EXIT_NO_MEMORY + 1);
	_exit(EXIT_NO_MEMORY);
}

void *bg_xmalloc(size_t size)
{
	void *p = malloc(size ? size : 1);

	if (!p)
		no_memory(size);
	return p;
}

void *bg_xcalloc(size_t n, size_t size)
{
	void *p;

	if (size && n > PTRDIFF_MAX / size)
		no_memory(SIZE_MAX);
	p = calloc(n ? n : 1, size ? size : 1);
	if (!p)
		no_memory(n * size);
	return p;
}

void *bg_xrealloc(void *p, size_t size)
{
	void *q;

	if (size > PTRDIFF_MAX)
		no_memory(size);
	q = realloc(p, size ? size : 1);
	if (!q)
		no_memory(size);
	return q;
}

void *bg_xgrow(void *p, size_t *cap, size_t need, size_t elem)
{
	size_t n = *cap ? *cap : 8;

	if (p && need <= *cap)
		return p;
	while (n < need) {
		if (n > SIZE_MAX / 2)
			no_memory(SIZE_MAX);
		n *= 2;
	}
	if (elem && n > PTRDIFF_MAX / elem)
		no_memory(SIZE_MAX);
	p = bg_xrealloc(p, n * elem);
	*cap = n;
	return p;
}

char *bg_xstrdup(const char *s)
{
	return s ? bg_xstrndup(s, strlen(s)) : NULL;
}

char *bg_xstrndup(const char *s, size_t n)
{
	size_t len;
	char *p;

	if (!s)
		return NULL;
	len = strnlen(s, n);
	p = bg_xmalloc(len + 1);
	memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

char *bg_xvasprintf(const char *fmt, va_list ap)
{
	char *p = NULL;

	if (vasprintf(&p, fmt, ap) < 0 || !p)
		no_memory(0);
	return p;
}

char *bg_xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	p = bg_xvasprintf(fmt, ap);
	va_end(ap);
	return p;
}

_Bool bg_strlcpy(char *dst, const char *src, size_t size)
{
	size_t len = strlen(src);

	if (!size)
		return 0;
	if (len < size) {
		memcpy(dst, src, len + 1);
		return 1;
	}
	memcpy(dst, src, size - 1);
	dst[size - 1] = '\0';
	return 0;
}

/* How many bytes may follow a lead byte, and the range of the first of them (no overlong forms, no surrogates). */
size_t bg_utf8_len(const char *s)
{
	const unsigned char *u = (const unsigned char *)s;
	unsigned char lo = 0x80, hi = 0xbf;
	size_t n;

	if (u[0] < 0x80)
		return u[0] ? 1 : 0;
	if (u[0] < 0xc2 || u[0] > 0xf4)
		return 0;
	n = u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
	if (u[0] == 0xe0)
		lo = 0xa0;
	else if (u[0] == 0xed)
		hi = 0x9f;
	else if (u[0] == 0xf0)
		lo = 0x90;
	else if (u[0] == 0xf4)
		hi = 0x8f;
	if (u[1] < lo || u[1] > hi)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

void bg_buf_room(struct bg_buf *b, size_t more)
{
	if (more > PTRDIFF_MAX - b->len - 1)
		no_memory(more);
	b->s = bg_xgrow(b->s, &b->cap, b->len + more + 1, 1);
}

void bg_buf_add(struct bg_buf *b, const void *data, size_t len)
{
	bg_buf_room(b, len);
	if (len)
		memcpy(b->s + b->len, data, len);
	b->len += len;
	b->s[b->len] = '\0';
}

void bg_buf_puts(struct bg_buf *b, const char *s)
{
	bg_buf_add(b, s, strlen(s));
}

void bg_buf_printf(struct bg_buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	bg_buf_room(b, (size_t)n);
	va_start(ap, fmt);
	vsnprintf(b->s + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

void bg_buf_reset(struct bg_buf *b)
{
	b->len = 0;
	if (b->s)
		b->s[0] = '\0';
}

void bg_buf_free(struct bg_buf *b)
{
	free(b->s);
	b->s = NULL;
	b->len = b->cap = 0;
}
