/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "common/units.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/mem.h"

struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit duration_units[] = {
	{"d", 86400000000}, {"h", 3600000000}, {"min", 60000000}, {"s", 1000000},
	{"ms", 1000},       {"us", 1},         {NULL, 0},
};
static const struct unit size_units[] = {
	{"B", 1},
	{"KiB", INT64_C(1) << 10},
	{"MiB", INT64_C(1) << 20},
	{"GiB", INT64_C(1) << 30},
	{"TiB", INT64_C(1) << 40},
	{"kB", 1000},
	{"MB", 1000000},
	{"GB", 1000000000},
	{"TB", 1000000000000},
	{NULL, 0},
};
static const char duration_help[] = "a duration has a unit: us, ms, s, min, h or d (as in \"500 ms\")";
static const char size_help[] = "a size is bytes, or has a unit: B, KiB, MiB, GiB, TiB, kB, MB, GB or TB";

int bg_parse_int(const char *s, int64_t *ret, struct bg_err *err)
{
	const char *d = s[0] == '-' ? s + 1 : s;
	long long v;

	if (!*d || d[strspn(d, "0123456789")])
		return bg_err_set(err, -EINVAL, "bad_number", "\"%.100s\" is not a whole number", s);
	errno = 0;
	v = strtoll(s, NULL, 10);
	if (errno == ERANGE)
		return bg_err_set(err, -ERANGE, "out_of_range", "\"%.100s\" is too large a number", s);
	*ret = v;
	return 0;
}

int bg_parse_double(const char *s, double *ret, struct bg_err *err)
{
	char *end;
	double v;

	/* strtod would take blanks, "inf", "nan" and hexadecimal ones too. */
	if (!*s || s[strspn(s, "0123456789+-.eE")] || s[0] == '+')
		return bg_err_set(err, -EINVAL, "bad_number", "\"%.100s\" is not a number", s);
	v = strtod(s, &end);
	if (*end || end == s)
		return bg_err_set(err, -EINVAL, "bad_number", "\"%.100s\" is not a number", s);
	if (!isfinite(v))
		return bg_err_set(err, -ERANGE, "out_of_range", "\"%.100s\" is too large a number", s);
	*ret = v;
	return 0;
}

int bg_parse_bool(const char *s, bool *ret, struct bg_err *err)
{
	static const char *const yes[] = {"yes", "true", "on", "1"}, *const no[] = {"no", "false", "off",
										    "0"};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (!strcasecmp(s, yes[i]) || !strcasecmp(s, no[i])) {
			*ret = !strcasecmp(s, yes[i]);
			return 0;
		}
	}
	return bg_err_set(err, -EINVAL, "bad_bool", "\"%.100s\" is neither yes nor no", s);
}

/* "NUMBER[.FRACTION] [UNIT]": exact, without floating point. unit_start is "" when there is no unit. */
static int split_number(const char *s, uint64_t *whole, uint64_t *frac, uint64_t *frac_div, const char **unit)
{
	const char *p = s;

	*whole = *frac = 0;
	*frac_div = 1;
	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (*whole > (UINT64_MAX - 9) / 10)
			return -ERANGE;
		*whole = *whole * 10 + (uint64_t)(*p - '0');
	}
	if (*p == '.') {
		p++;
		if (*p < '0' || *p > '9')
			return -EINVAL;
		for (; *p >= '0' && *p <= '9'; p++) {
			if (*frac_div >= 1000000000)
				return -EINVAL;
			*frac = *frac * 10 + (uint64_t)(*p - '0');
			*frac_div *= 10;
		}
	}
	while (*p == ' ' || *p == '\t')
		p++;
	*unit = p;
	return 0;
}

static int scale(uint64_t whole, uint64_t frac, uint64_t frac_div, int64_t factor, int64_t *ret)
{
	int64_t v, f;

	if (__builtin_mul_overflow(whole, factor, &v) || __builtin_mul_overflow(frac, factor, &f))
		return -ERANGE;
	if ((uint64_t)f % frac_div)
		return -EINVAL; /* finer than the base unit */
	f = (int64_t)((uint64_t)f / frac_div);
	if (__builtin_add_overflow(v, f, &v))
		return -ERANGE;
	*ret = v;
	return 0;
}

static int parse_with_unit(const char *s, const struct unit *units, const char *help, const char *bare,
			   int64_t *ret, struct bg_err *err)
{
	uint64_t whole, frac, frac_div;
	const char *unit;
	int rc = split_number(s, &whole, &frac, &frac_div, &unit);

	if (rc == 0 && !*unit && (whole | frac) == 0)
		unit = units[0].name;
	if (rc == 0 && !*unit && bare)
		unit = bare;
	if (rc == 0) {
		rc = -EINVAL;
		for (const struct unit *u = units; u->name; u++)
			if (!strcmp(unit, u->name))
				rc = scale(whole, frac, frac_div, u->factor, ret);
	}
	if (rc == -ERANGE)
		return bg_err_set(err, rc, "out_of_range", "\"%.100s\" is too large", s);
	if (rc < 0)
		return bg_err_set(err, rc, "bad_unit", "\"%.100s\" is not understood; %s", s, help);
	return 0;
}

int bg_parse_duration_us(const char *s, int64_t *ret, struct bg_err *err)
{
	return parse_with_unit(s, duration_units, duration_help, NULL, ret, err);
}

int bg_parse_size(const char *s, int64_t *ret, struct bg_err *err)
{
	return parse_with_unit(s, size_units, size_help, "B", ret, err);
}

const char *bg_format_duration(char *buf, size_t size, int64_t us)
{
	const struct unit *u = duration_units;

	if (us == 0) {
		snprintf(buf, size, "0 s");
		return buf;
	}
	while (us % u->factor)
		u++;
	snprintf(buf, size, "%" PRId64 " %s", us / u->factor, u->name);
	return buf;
}

const char *bg_format_time(char *buf, size_t size, int64_t real_us)
{
	time_t sec = (time_t)(real_us / 1000000);
	int ms = (int)(real_us % 1000000 / 1000);
	struct tm tm;
	size_t n;

	if (real_us % 1000000 < 0) {
		sec--;
		ms = (int)((real_us % 1000000 + 1000000) / 1000);
	}
	if (!size)
		return buf;
	buf[0] = '\0';
	if (!gmtime_r(&sec, &tm))
		return buf;
	n = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, size - n, ".%03dZ", ms);
	return buf;
}

int bg_parse_time_us(const char *s, int64_t *ret_real_us)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd";
	int64_t frac = 0, unit = 100000;
	struct tm tm = {0}, back;
	time_t sec;
	const char *p = s;

	for (const char *q = shape; *q; q++, p++)
		if (*q == 'd' ? *p < '0' || *p > '9' : *p != *q)
			return -EINVAL;
	if (*p == '.') {
		p++;
		if (*p < '0' || *p > '9')
			return -EINVAL;
		for (; *p >= '0' && *p <= '9'; p++, unit /= 10)
			frac += (*p - '0') * unit;
	}
	if (strcmp(p, "Z"))
		return -EINVAL;
	if (sscanf(s, "%4d-%2d-%2dT%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
		   &tm.tm_min, &tm.tm_sec) != 6)
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	back = tm;
	sec = timegm(&tm);
	/* timegm makes 1 March of 30 February: what comes back must be what was given. */
	if (back.tm_mon != tm.tm_mon || back.tm_mday != tm.tm_mday || back.tm_hour != tm.tm_hour ||
	    back.tm_min != tm.tm_min || back.tm_sec != tm.tm_sec)
		return -ERANGE;
	*ret_real_us = (int64_t)sec * 1000000 + frac;
	return 0;
}

int bg_parse_rfc3339_us(const char *s, int64_t *ret_real_us)
{
	size_t n = strlen(s);
	const char *zone = n > 6 ? s + n - 6 : "";
	_cleanup_free_ char *utc = NULL;
	int h, m, rc;

	if (*zone != '+' && *zone != '-')
		return bg_parse_time_us(s, ret_real_us);
	for (int i = 1; i < 6; i++)
		if (i == 3 ? zone[i] != ':' : zone[i] < '0' || zone[i] > '9')
			return -EINVAL;
	h = (zone[1] - '0') * 10 + zone[2] - '0';
	m = (zone[4] - '0') * 10 + zone[5] - '0';
	if (h > 23 || m > 59)
		return -ERANGE;
	utc = bg_xasprintf("%.*sZ", (int)(n - 6), s);
	rc = bg_parse_time_us(utc, ret_real_us);
	if (rc == 0)
		*ret_real_us -= (*zone == '-' ? -1 : 1) * (h * 60 + m) * 60 * INT64_C(1000000);
	return rc;
}
