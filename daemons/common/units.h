/* SPDX-License-Identifier: Apache-2.0 */
/* Text to numbers with units, strictly: the whole string must be used. All: 0, -EINVAL or -ERANGE. */
#ifndef BG_COMMON_UNITS_H
#define BG_COMMON_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/err.h"

int bg_parse_int(const char *s, int64_t *ret, struct bg_err *err);
int bg_parse_double(const char *s, double *ret, struct bg_err *err);
/* yes/no, true/false, on/off, 1/0 */
int bg_parse_bool(const char *s, bool *ret, struct bg_err *err);
/* "500 ms", "10s", "2 min", "1 h", "7 d", "250 us"; a bare number is refused, but for 0. Microseconds. */
int bg_parse_duration_us(const char *s, int64_t *ret, struct bg_err *err);
/* "64 KiB", "1 MiB", "1 GiB", "512 B"; decimal kB MB GB too; bare number = bytes. */
int bg_parse_size(const char *s, int64_t *ret, struct bg_err *err);
/* Shortest exact text, e.g. "1500 ms"; buf of 32. Returns buf. */
const char *bg_format_duration(char *buf, size_t size, int64_t us);
/* RFC 3339 with milliseconds, UTC: 2026-11-21T20:00:00.000Z; buf of 32. Returns buf. */
const char *bg_format_time(char *buf, size_t size, int64_t real_us);
int bg_parse_time_us(const char *s, int64_t *ret_real_us); /* the reverse */
/* The same, or with an offset instead of Z: 2026-11-21T21:00:00+01:00. */
int bg_parse_rfc3339_us(const char *s, int64_t *ret_real_us);

#endif
