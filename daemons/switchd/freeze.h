/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Freeze windows: times in which no switch begins. They are meant by the clock on the wall of a time zone, so the C
 * library, which knows that clock, judges them, daylight saving included: a window whose beginning the clock jumps over
 * begins with the jump, and an hour that is there twice is frozen twice. Nothing here reads a clock.
 */
#ifndef SW_FREEZE_H
#define SW_FREEZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/err.h"

#define SW_NO_END INT64_MAX /* as an end: none within a year */

struct sw_window {
	char text[80]; /* as it was written */
	bool weekly;
	unsigned days; /* weekly: bit 0 is Sunday, as tm_wday; those on which it begins */
	int from_min,
		to_min; /* weekly: minutes of the day; when to is not after from, it ends on the next day */
	int64_t from_s, to_s; /* else: seconds that the clock on the wall shows since 1970, of no zone */
};

struct sw_windows {
	struct sw_window *v;
	size_t n;
	char *zone; /* a name of the time zone database; NULL: the machine's */
};

/* "Mon-Fri 09:00-17:00", "daily 22:00-06:00", "2026-12-20 00:00 - 2027-01-02 08:00". -EINVAL: err says what was
 * expected, and where. */
int sw_window_parse(const char *text, struct sw_window *ret, struct bg_err *err);
/* Is it one that this machine knows? NULL and "local" are the machine's own. Called first before threads are started:
 * it makes room in the environment for what is changed later. -EINVAL with err. */
int sw_zone_check(const char *zone, struct bg_err *err);
/*
 * The window that `real_us` (CLOCK_REALTIME) lies in; NULL: none. *ret_until_us: when none is in force any more, windows
 * that follow each other taken as one; SW_NO_END: not within a year. Loop thread only, as the zone is the process's.
 */
const struct sw_window *sw_windows_at(const struct sw_windows *ws, int64_t real_us, int64_t *ret_until_us);
void sw_windows_clear(struct sw_windows *ws);

#endif
