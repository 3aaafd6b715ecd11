/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP client (curl multi on the loop): kept-alive connections, one deadline a call, Unix sockets.
 * No retries inside: who calls decides, with bg_backoff.
 */
#ifndef BG_COMMON_HTTP_CLIENT_H
#define BG_COMMON_HTTP_CLIENT_H

#include <stdint.h>
#include "common/json.h"
#include "common/loop.h"

struct bg_httpc;
struct bg_httpc_call {
	const char *method;  /* "POST" */
	const char *base;    /* "http://127.0.0.1:8080", "https://h:p" or "unix:/run/x.sock" */
	const char *path;    /* "/lifecycle/pause?x=1" */
	const char *body;    /* NULL: none; copied */
	const char *token;   /* NULL: none */
	int64_t deadline_us; /* from now, for the whole call; must be > 0 */
	size_t max_answer;   /* 0: 16 MiB */
};
struct bg_httpc_answer {
	int status;        /* 0: no answer, see err */
	struct bg_err err; /* "unreachable", "timed_out", "too_long", … with a message */
	const char *body;  /* terminated; valid in the callback */
	size_t len;
	struct json_object *json; /* parsed when it is JSON, else NULL; borrowed */
	int64_t sent_us, done_us; /* bg_now_us */
};
typedef void (*bg_httpc_fn)(void *arg, const struct bg_httpc_answer *a);

struct bg_httpc *bg_httpc_new(struct bg_loop *l);
void bg_httpc_free(struct bg_httpc *c); /* running calls end without callbacks */
/* Returns an id > 0. fn is called exactly once, never from inside this call, unless cancelled. The request
 * leaves in this turn of the loop: nothing waits for a timer. */
uint64_t bg_httpc_send(struct bg_httpc *c, const struct bg_httpc_call *call, bg_httpc_fn fn, void *arg);
void bg_httpc_cancel(struct bg_httpc *c,
		     uint64_t id); /* fn is not called any more; 0 and unknown ids are fine */

/* Back-off with full jitter: first `min_us`, doubled up to `max_us`. */
struct bg_backoff {
	int64_t min_us, max_us;
	int tries;
};
int64_t bg_backoff_next(struct bg_backoff *b); /* microseconds to wait; counts the try */
void bg_backoff_reset(struct bg_backoff *b);

#endif
