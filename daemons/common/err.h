/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors that people read. Functions that can fail return 0 or a negative errno and take a
 * `struct bg_err *` as last argument (may be NULL); outputs stay untouched on failure.
 */
#ifndef BG_COMMON_ERR_H
#define BG_COMMON_ERR_H

struct bg_err {
	char code[32]; /* a snake_case word for machines, the "error" member of HTTP answers */
	char msg[512]; /* for people: what is wrong, where, what was expected */
};

#define BG_ERR_INIT                                                                                          \
	{                                                                                                    \
		{0},                                                                                         \
		{                                                                                            \
			0                                                                                    \
		}                                                                                            \
	}

/* Fill *err (NULL is fine) and return rc, so that one can write `return bg_err_set(err, -EINVAL, ...)`. */
int bg_err_set(struct bg_err *err, int rc, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Put "prefix: " before the message. */
void bg_err_prefix(struct bg_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
