/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/exec_lines.h"

#include <string.h>

#include "common/log.h"
#include "common/mem.h"

static void tell_dropped(struct exec_lines *l, const char *ev)
{
	if (l->untold)
		bg_log(BG_WARN, ev, "%llu lines left out: more than %d a second",
		       (unsigned long long)l->untold, l->rate);
	l->untold = 0;
}

static bool may_say(struct exec_lines *l, const char *ev, int64_t now_us)
{
	if (now_us / 1000000 != l->second) {
		l->second = now_us / 1000000;
		l->in_second = 0;
		tell_dropped(l, ev);
	}
	if (l->in_second < l->rate) {
		l->in_second++;
		return true;
	}
	l->dropped++;
	l->untold++;
	return false;
}

void exec_lines_say(struct exec_lines *l, const char *ev, const char *text, size_t len, int64_t now_us)
{
	if (len && text[len - 1] == '\r')
		len--;
	if (!len)
		return;
	l->lines++;
	if (may_say(l, ev, now_us))
		bg_log(BG_NOTICE, ev, "%.*s%s", (int)BG_MIN(len, (size_t)EXEC_LINE_MAX), text,
		       len > EXEC_LINE_MAX ? "…" : "");
}

/* A line is kept up to its limit, and one byte more, which shows that it was longer. */
static void keep(struct exec_lines *l, const char *data, size_t len)
{
	size_t n = BG_MIN(len, sizeof l->part - l->len);

	memcpy(l->part + l->len, data, n);
	l->len += n;
}

void exec_lines_add(struct exec_lines *l, const char *ev, const char *data, size_t len, int64_t now_us)
{
	const char *nl;

	while ((nl = memchr(data, '\n', len))) {
		size_t n = (size_t)(nl - data);

		if (l->len) {
			keep(l, data, n);
			exec_lines_say(l, ev, l->part, l->len, now_us);
			l->len = 0;
		} else {
			exec_lines_say(l, ev, data, n, now_us);
		}
		data = nl + 1;
		len -= n + 1;
	}
	keep(l, data, len);
}

void exec_lines_end(struct exec_lines *l, const char *ev, int64_t now_us)
{
	if (l->len)
		exec_lines_say(l, ev, l->part, l->len, now_us);
	l->len = 0;
	tell_dropped(l, ev);
}
