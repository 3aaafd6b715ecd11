/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/when.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "common/loop.h"
#include "common/mem.h"
#include "common/units.h"

/* `text` has this shape, d for a digit; what follows may be seconds. Their number into *ret_s. */
static bool shaped(const char *text, const char *shape, int *ret_s)
{
	const char *p = text;

	*ret_s = 0;
	for (; *shape; shape++, p++)
		if (*shape == 'd' ? *p < '0' || *p > '9' : *p != *shape)
			return false;
	if (!*p)
		return true;
	if (p[0] != ':' || p[1] < '0' || p[1] > '5' || p[2] < '0' || p[2] > '9' || p[3])
		return false;
	*ret_s = (p[1] - '0') * 10 + p[2] - '0';
	return true;
}

static int two(const char *p)
{
	return (p[0] - '0') * 10 + p[1] - '0';
}

/* Local time to seconds; -EINVAL where the clock never shows it (30 February, an hour that is skipped in spring). */
static int local(const struct tm *want, int64_t *ret_s)
{
	struct tm tm = *want;
	time_t t;

	tm.tm_isdst = -1;
	t = mktime(&tm);
	if (t == (time_t)-1 || tm.tm_mday != want->tm_mday || tm.tm_hour != want->tm_hour ||
	    tm.tm_min != want->tm_min)
		return -EINVAL;
	*ret_s = (int64_t)t;
	return 0;
}

static int next_local(int h, int m, int s, int64_t now_us, int64_t *ret_s)
{
	time_t now = (time_t)(now_us / 1000000);
	struct tm tm, day;

	if (!localtime_r(&now, &tm))
		return -EINVAL;
	for (int i = 0; i < 2; i++) {
		/* The day that is i days on, at noon, where no clock is put forward. */
		day = tm;
		day.tm_mday += i;
		day.tm_hour = 12;
		day.tm_isdst = -1;
		if (mktime(&day) == (time_t)-1)
			return -EINVAL;
		day.tm_hour = h;
		day.tm_min = m;
		day.tm_sec = s;
		if (local(&day, ret_s) == 0 && *ret_s * 1000000 > now_us)
			return 0;
	}
	return -EINVAL;
}

int ctl_time_at(const char *text, int64_t now_us, int64_t *ret_us)
{
	struct tm tm = {0};
	int64_t s = 0;
	int sec, rc;

	if (shaped(text, "dd:dd", &sec)) {
		if (two(text) > 23 || two(text + 3) > 59)
			return -EINVAL;
		rc = next_local(two(text), two(text + 3), sec, now_us, &s);
	} else if (shaped(text, "dddd-dd-dd dd:dd", &sec)) {
		tm.tm_year = two(text) * 100 + two(text + 2) - 1900;
		tm.tm_mon = two(text + 5) - 1;
		tm.tm_mday = two(text + 8);
		tm.tm_hour = two(text + 11);
		tm.tm_min = two(text + 14);
		tm.tm_sec = sec;
		rc = tm.tm_mon < 0 || tm.tm_mon > 11 ? -EINVAL : local(&tm, &s);
	} else {
		return bg_parse_rfc3339_us(text, ret_us) < 0 ? -EINVAL : 0;
	}
	if (rc == 0)
		*ret_us = s * 1000000;
	return rc;
}

bool ctl_when_at(struct ctl *c, const char *text)
{
	return !c->at_us && ctl_time_at(text, bg_real_us(), &c->at_us) == 0;
}

bool ctl_when_in(struct ctl *c, const char *text)
{
	size_t n = strlen(text);
	bool short_min = n > 1 && text[n - 1] == 'm' && strchr("0123456789 ", text[n - 2]);
	_cleanup_free_ char *t = bg_xasprintf("%s%s", text, short_min ? "in" : "");
	int64_t us;

	if (c->at_us || bg_parse_duration_us(t, &us, NULL) < 0 || us <= 0 ||
	    us > INT64_C(366) * 24 * 3600 * 1000000)
		return false;
	c->at_us = bg_real_us() + us;
	return true;
}
