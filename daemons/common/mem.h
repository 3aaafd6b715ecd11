/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory. A failed allocation ends the process with a message: librdkafka does the same, so there is
 * nothing to be won by carrying on. Clean-up attributes for scopes.
 */
#ifndef BG_COMMON_MEM_H
#define BG_COMMON_MEM_H

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

void *bg_xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *bg_xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *bg_xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
/* Grow an array to hold at least `need` elements (doubling); updates *cap. */
void *bg_xgrow(void *p, size_t *cap, size_t need, size_t elem) __attribute__((returns_nonnull));
char *bg_xstrdup(const char *s); /* NULL gives NULL */
char *bg_xstrndup(const char *s, size_t n);
char *bg_xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
char *bg_xvasprintf(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0), returns_nonnull));
/* Copy with truncation, always terminated. Returns true when all of src fitted. */
_Bool bg_strlcpy(char *dst, const char *src, size_t size);
/* Length (1..4) of the valid UTF-8 sequence at s, 0 when there is none (or s ends). Reads no further than the end. */
size_t bg_utf8_len(const char *s);

static inline void bg_free_ptr(void *p)
{
	free(*(void **)p);
}
static inline void bg_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define _cleanup_(f)   __attribute__((cleanup(f)))
#define _cleanup_free_ _cleanup_(bg_free_ptr)
#define _cleanup_fd_   _cleanup_(bg_close_fd)

#define bg_steal_ptr(pp)                                                                                     \
	({                                                                                                   \
		__typeof__(*(pp)) stolen_ = *(pp);                                                           \
		*(pp) = NULL;                                                                                \
		stolen_;                                                                                     \
	})
#define BG_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BG_MIN(a, b)     ((a) < (b) ? (a) : (b))
#define BG_MAX(a, b)     ((a) > (b) ? (a) : (b))

/* A growing string. Zero-initialise; `s` is NULL or terminated. */
struct bg_buf {
	char *s;
	size_t len, cap;
};
void bg_buf_add(struct bg_buf *b, const void *data, size_t len);
/* Room for `more` bytes (and the end) behind b->len; the caller writes there and moves len. */
void bg_buf_room(struct bg_buf *b, size_t more);
void bg_buf_puts(struct bg_buf *b, const char *s);
void bg_buf_printf(struct bg_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void bg_buf_reset(struct bg_buf *b); /* length 0, keeps the memory */
void bg_buf_free(struct bg_buf *b);
#define _cleanup_buf_ _cleanup_(bg_buf_free)

#endif
