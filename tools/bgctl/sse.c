/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/sse.h"

#include <errno.h>
#include <string.h>

#include "common/units.h"

static void forget_event(struct sse *s)
{
	bg_buf_reset(&s->data);
	s->type[0] = '\0';
	s->any_data = s->any_id = false;
}

/* Only now: an event that is cut off in its middle is wanted again after the reconnect. */
static void take_id(struct sse *s)
{
	if (s->any_id)
		s->id = s->next_id;
	s->any_id = false;
}

static int too_long(struct sse *s)
{
	take_id(s);
	return -E2BIG;
}

void sse_reset(struct sse *s)
{
	forget_event(s);
	bg_buf_reset(&s->line);
	s->after_cr = s->begun = false;
}

void sse_free(struct sse *s)
{
	bg_buf_free(&s->line);
	bg_buf_free(&s->data);
}

static int dispatch(struct sse *s, sse_fn fn, void *arg)
{
	int rc = 0;

	take_id(s);
	if (s->any_data)
		rc = fn(arg, s->type[0] ? s->type : "message", s->id, s->data.s ? s->data.s : "",
			s->data.len);
	forget_event(s);
	return rc;
}

static int add_data(struct sse *s, const char *value, size_t len)
{
	if (s->data.len + len + 1 > SSE_EVENT_MAX)
		return too_long(s);
	if (s->any_data)
		bg_buf_add(&s->data, "\n", 1);
	bg_buf_add(&s->data, value, len);
	s->any_data = true;
	return 0;
}

/* A whole line, terminated, which may have NUL bytes in it. */
static int take_line(struct sse *s, char *line, size_t len, sse_fn fn, void *arg)
{
	char *colon, *value;
	int64_t id;

	if (!s->begun && len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
		line += 3;
		len -= 3;
	}
	s->begun = true;
	if (len == 0)
		return dispatch(s, fn, arg);
	colon = memchr(line, ':', len);
	value = colon ? colon + 1 : line + len;
	if (colon)
		*colon = '\0';
	if (*value == ' ' && value < line + len)
		value++;
	if (strcmp(line, "data") == 0)
		return add_data(s, value, (size_t)(line + len - value));
	if (strcmp(line, "event") == 0)
		bg_strlcpy(s->type, value, sizeof(s->type));
	else if (strcmp(line, "id") == 0 && bg_parse_int(value, &id, NULL) == 0 && id >= 0) {
		s->next_id = id;
		s->any_id = true;
	}
	return 0; /* a comment, retry, or what we do not know */
}

int sse_feed(struct sse *s, const char *p, size_t n, sse_fn fn, void *arg)
{
	int rc;

	while (n > 0) {
		size_t k = 0;

		while (k < n && p[k] != '\n' && p[k] != '\r')
			k++;
		if (s->line.len + k > SSE_EVENT_MAX)
			return too_long(s);
		if (k > 0) {
			bg_buf_add(&s->line, p, k);
			s->after_cr = false;
		}
		if (k == n)
			return 0;
		if (p[k] == '\n' && s->after_cr) { /* of a CR LF */
			s->after_cr = false;
		} else {
			s->after_cr = p[k] == '\r';
			bg_buf_add(&s->line, "", 0); /* so that there is a string */
			rc = take_line(s, s->line.s, s->line.len, fn, arg);
			bg_buf_reset(&s->line);
			if (rc)
				return rc;
		}
		p += k + 1;
		n -= k + 1;
	}
	return 0;
}
