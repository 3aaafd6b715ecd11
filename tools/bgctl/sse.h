/* SPDX-License-Identifier: Apache-2.0 */
/* Server-sent events, taken apart as the bytes come (the event stream format of the HTML standard). */
#ifndef BGCTL_SSE_H
#define BGCTL_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/mem.h"

#define SSE_EVENT_MAX ((size_t)8 << 20) /* of one line, and of one event's data */

struct sse {
	struct bg_buf line, data;
	char type[64];
	int64_t id; /* of the last whole event that had one, or of one that was too long; -1: none yet. Kept by sse_reset */
	int64_t next_id; /* of the event that is coming in, if any_id */
	bool any_data, any_id, after_cr, begun;
};

/* type: "message" when the event has none; data: terminated. Returns 0 to go on, anything else ends sse_feed. */
typedef int (*sse_fn)(void *arg, const char *type, int64_t id, const char *data, size_t len);

/* 0; -E2BIG: an event longer than SSE_EVENT_MAX; or what fn returned (then the rest of p is lost). */
int sse_feed(struct sse *s, const char *p, size_t n, sse_fn fn, void *arg);
/* A new connection: what had come of an event is forgotten, as the standard has it. */
void sse_reset(struct sse *s);
void sse_free(struct sse *s);

#endif
