/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/freeze.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/mem.h"

#define DAY_S     INT64_C(86400)
#define HORIZON_S (366 * DAY_S)

/* ---- reading a window */

#define FORMS                                                                                                \
	"DAYS HH:MM-HH:MM (as in Mon-Fri 09:00-17:00; Sat,Sun 00:00-24:00; daily 22:00-06:00) or "           \
	"YYYY-MM-DD HH:MM - YYYY-MM-DD HH:MM"

struct scan {
	const char *text, *p;
	const char *expected; /* at p; the first that was missed */
};

static bool missed(struct scan *s, const char *expected)
{
	if (!s->expected)
		s->expected = expected;
	return false;
}

static void blanks(struct scan *s)
{
	while (*s->p == ' ' || *s->p == '\t')
		s->p++;
}

static bool mark(struct scan *s, char c, const char *expected)
{
	if (*s->p != c)
		return missed(s, expected);
	s->p++;
	return true;
}

/* Exactly n digits, min to max. */
static bool number(struct scan *s, int n, int min, int max, int *ret, const char *expected)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return missed(s, expected);
		v = v * 10 + (s->p[i] - '0');
	}
	if (v < min || v > max)
		return missed(s, expected);
	s->p += n;
	*ret = v;
	return true;
}

/* HH:MM as minutes, up to last_min. */
static bool minutes(struct scan *s, int last_min, int *ret)
{
	static const char what[] = "a time, HH:MM from 00:00 to 23:59 (24:00 as the end of a day)";
	const char *begin = s->p;
	int h, m;

	if (!number(s, 2, 0, 24, &h, what) || !mark(s, ':', what) || !number(s, 2, 0, 59, &m, what))
		return false;
	if (h * 60 + m > last_min) {
		s->p = begin;
		return missed(s, what);
	}
	*ret = h * 60 + m;
	return true;
}

/* ---- weekly ones */

static bool day(struct scan *s, int *ret)
{
	static const char *const names[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

	for (int i = 0; i < 7; i++) {
		if (strncasecmp(s->p, names[i], 3) == 0 && !isalpha((unsigned char)s->p[3])) {
			s->p += 3;
			*ret = i;
			return true;
		}
	}
	return missed(s, "a day, Mon to Sun, or daily");
}

static bool days(struct scan *s, unsigned *ret)
{
	if (strncasecmp(s->p, "daily", 5) == 0 && !isalpha((unsigned char)s->p[5])) {
		s->p += 5;
		*ret = 0x7f;
		return true;
	}
	for (*ret = 0;; s->p++) {
		int from, to;

		if (!day(s, &from))
			return false;
		to = from;
		if (*s->p == '-') {
			s->p++;
			if (!day(s, &to))
				return false;
		}
		for (int d = from;; d = (d + 1) % 7) {
			*ret |= 1u << d;
			if (d == to)
				break;
		}
		if (*s->p != ',')
			return true;
	}
}

static bool weekly(struct scan *s, struct sw_window *w)
{
	const char *end;

	w->weekly = true;
	if (!days(s, &w->days) || !mark(s, ' ', "a blank, and HH:MM-HH:MM"))
		return false;
	blanks(s);
	if (!minutes(s, 24 * 60 - 1, &w->from_min))
		return false;
	blanks(s);
	if (!mark(s, '-', "- and the end, HH:MM"))
		return false;
	blanks(s);
	end = s->p;
	if (!minutes(s, 24 * 60, &w->to_min))
		return false;
	if (w->to_min == w->from_min) {
		s->p = end;
		return missed(s, "another end than the beginning (00:00-24:00 is a whole day)");
	}
	return true;
}

/* ---- dated ones */

static bool moment(struct scan *s, int64_t *ret)
{
	static const char what[] = "a date that there is, YYYY-MM-DD";
	const char *begin = s->p;
	struct tm tm = {0}, back;
	int y, m, d, min;

	if (!number(s, 4, 1970, 9998, &y, what) || !mark(s, '-', what) || !number(s, 2, 1, 12, &m, what) ||
	    !mark(s, '-', what) || !number(s, 2, 1, 31, &d, what))
		return false;
	tm.tm_year = y - 1900;
	tm.tm_mon = m - 1;
	tm.tm_mday = d;
	back = tm;
	timegm(&back); /* makes 1 March of 30 February */
	if (back.tm_mday != d) {
		s->p = begin;
		return missed(s, what);
	}
	if (!mark(s, ' ', "a blank, and HH:MM"))
		return false;
	blanks(s);
	if (!minutes(s, 24 * 60, &min))
		return false;
	*ret = (int64_t)timegm(&tm) + (int64_t)min * 60;
	return true;
}

static bool dated(struct scan *s, struct sw_window *w)
{
	const char *end;

	if (!moment(s, &w->from_s))
		return false;
	blanks(s);
	if (!mark(s, '-', "- and the end, YYYY-MM-DD HH:MM"))
		return false;
	blanks(s);
	end = s->p;
	if (!moment(s, &w->to_s))
		return false;
	if (w->to_s <= w->from_s) {
		s->p = end;
		return missed(s, "an end after the beginning");
	}
	return true;
}

int sw_window_parse(const char *text, struct sw_window *ret, struct bg_err *err)
{
	struct scan s = {.text = text, .p = text};
	struct sw_window w = {0};
	bool ok;

	if (!bg_strlcpy(w.text, text, sizeof(w.text)))
		return bg_err_set(err, -EINVAL, "bad_window",
				  "\"%.80s…\" is too long for a freeze window; expected " FORMS, text);
	blanks(&s);
	ok = *s.p >= '0' && *s.p <= '9' ? dated(&s, &w) : weekly(&s, &w);
	if (ok)
		blanks(&s);
	if (ok && *s.p)
		ok = missed(&s, "nothing more");
	if (!ok)
		return bg_err_set(err, -EINVAL, "bad_window",
				  "\"%s\" is no freeze window: at \"%s\" expected %s; a window is " FORMS,
				  text, s.p, s.expected);
	*ret = w;
	return 0;
}

void sw_windows_clear(struct sw_windows *ws)
{
	free(ws->v);
	free(ws->zone);
	*ws = (struct sw_windows){0};
}

/* ---- the clock on the wall */

/*
 * The C library knows one zone at a time, that of the environment, and we have no other local time to show. The strings
 * stay for ever: another thread that reads the environment finds the old or the new one, both whole.
 */
static void enter(const char *zone)
{
	static struct known {
		struct known *next;
		char *name, *entry;
	} * known, *in;
	static bool machine_known;
	static const char *machine = ":/etc/localtime";
	struct known *k;

	if (!machine_known) {
		const char *tz = getenv("TZ");

		machine_known = true;
		if (tz)
			machine = bg_xstrdup(tz);
	}
	if (!zone)
		zone = machine;
	for (k = known; k && strcmp(k->name, zone) != 0; k = k->next)
		;
	if (!k) {
		k = bg_xcalloc(1, sizeof(*k));
		*k = (struct known){known, bg_xstrdup(zone), bg_xasprintf("TZ=%s", zone)};
		known = k;
	}
	if (k == in)
		return;
	in = k;
	putenv(k->entry);
	tzset();
}

int sw_zone_check(const char *zone, struct bg_err *err)
{
	static const char *const dirs[] = {"/usr/share/zoneinfo", "/usr/lib/zoneinfo",
					   "/usr/share/lib/zoneinfo"};

	enter(NULL);
	if (!zone || strcmp(zone, "local") == 0 || strcmp(zone, "UTC") == 0)
		return 0;
	if (strlen(zone) < 64 && isalpha((unsigned char)zone[0]) && !strstr(zone, "..")) {
		for (size_t i = 0; i < BG_ARRAY_SIZE(dirs); i++) {
			_cleanup_free_ char *path = bg_xasprintf("%s/%s", dirs[i], zone);
			_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
			char magic[4];

			if (fd >= 0 && read(fd, magic, 4) == 4 && memcmp(magic, "TZif", 4) == 0)
				return 0;
		}
	}
	return bg_err_set(
		err, -EINVAL, "bad_zone",
		"\"%.64s\" is no time zone that this machine knows; expected local, UTC, or a name as "
		"Europe/Berlin (of the package tzdata, below %s)",
		zone, dirs[0]);
}

/* What the clock on the wall shows, in seconds since 1970 of no zone. */
static int64_t wall(const struct sw_windows *ws, int64_t real_s)
{
	time_t t = (time_t)real_s;
	struct tm tm;

	enter(ws->zone);
	if (!localtime_r(&t, &tm))
		return real_s;
	tm.tm_isdst = 0;
	return (int64_t)timegm(&tm);
}

/* When, after `now_s`, does it show `target` or more for the first time? Both in seconds. */
static int64_t when(const struct sw_windows *ws, int64_t now_s, int64_t target)
{
	int64_t lo = now_s, hi = 0, t = now_s + (target - wall(ws, now_s));

	for (int i = 0; i < 4; i++) {
		int64_t d = target - wall(ws, t);

		if (d == 0)
			return t;
		if (d > 0)
			lo = BG_MAX(lo, t);
		else
			hi = hi ? BG_MIN(hi, t) : t;
		t += d;
	}
	hi = hi ? hi : t;
	/* It jumps over it: the jump is what is looked for. */
	while (hi - lo > 1) {
		int64_t mid = lo + (hi - lo) / 2;

		if (wall(ws, mid) >= target)
			hi = mid;
		else
			lo = mid;
	}
	return hi;
}

/* ---- judging */

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Does the clock at `at` (on the wall) lie in it? *ret_to: its end, on the wall. */
static bool covers(const struct sw_window *w, int64_t at, int64_t *ret_to)
{
	int64_t midnight = floor_div(at, DAY_S) * DAY_S;
	int today = (int)((floor_div(at, DAY_S) % 7 + 7 + 4) % 7); /* 1970-01-01 was a Thursday */
	int64_t from = midnight + w->from_min * 60, to = midnight + w->to_min * 60;
	bool over_midnight = w->to_min < w->from_min;

	if (!w->weekly) {
		*ret_to = w->to_s;
		return at >= w->from_s && at < w->to_s;
	}
	*ret_to = over_midnight && at >= from ? to + DAY_S : to;
	if (!over_midnight)
		return (w->days >> today & 1) && at >= from && at < to;
	return ((w->days >> today & 1) && at >= from) || ((w->days >> (today + 6) % 7 & 1) && at < to);
}

/* The window that is over last, of those in force. */
static const struct sw_window *in_force(const struct sw_windows *ws, int64_t real_s, int64_t *ret_until_s)
{
	const struct sw_window *found = NULL;
	int64_t at = wall(ws, real_s), last = INT64_MIN;

	for (size_t i = 0; i < ws->n; i++) {
		int64_t to;

		if (covers(&ws->v[i], at, &to) && to > last) {
			found = &ws->v[i];
			last = to;
		}
	}
	if (found)
		*ret_until_s = when(ws, real_s, last);
	return found;
}

const struct sw_window *sw_windows_at(const struct sw_windows *ws, int64_t real_us, int64_t *ret_until_us)
{
	int64_t now = floor_div(real_us, 1000000), t = now;
	const struct sw_window *first, *w;

	if (!ws->n)
		return NULL;
	first = w = in_force(ws, now, &t);
	while (w && t - now <= HORIZON_S)
		w = in_force(ws, t, &t);
	if (first)
		*ret_until_us = w ? SW_NO_END : t * 1000000;
	return first;
}
