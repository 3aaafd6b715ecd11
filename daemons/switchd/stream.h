/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server-sent events: a bounded ring of what happened, and those who follow it.
 *
 * Ids grow by one; the first of a process is its start in milliseconds of real time, so that they grow over
 * restarts too. A follower has no queue, only its place in the ring: it is sent more when its socket has taken
 * what it was given (at most 64 KiB ahead). One that reads so slowly that the ring passes it, or that takes nothing
 * for a minute, is sent `event: closed` and let go. What is not in the ring any more, when a follower comes back,
 * is said by `event: gap`.
 */
#ifndef SW_STREAM_H
#define SW_STREAM_H

#include <json-c/json.h>
#include "common/http_server.h"

#define SW_STREAM_FOLLOWERS 64

struct sw_stream_opts {       /* 0: the default */
	size_t events;        /* in the ring: 1024 */
	size_t bytes;         /* of all of them: 4 MiB */
	int64_t keepalive_us; /* 15 s; four without progress make a follower too slow */
	int64_t first_id;     /* of the first event: now */
};

struct sw_stream;
struct sw_stream *sw_stream_new(struct bg_loop *l, const struct sw_stream_opts *o);
/* Without a word to the followers; see sw_stream_close. */
void sw_stream_free(struct sw_stream *s);
/* An event of the switch `sw`; o is borrowed. Never blocks, and calls nobody. */
void sw_stream_add(struct sw_stream *s, const char *sw, const char *event, struct json_object *o);
/* Takes the request. only: the switch to be told of, NULL for all. since: the last event the client has had; 0: all
 * that the ring has; -1: only what comes. */
void sw_stream_follow(struct sw_stream *s, struct bg_http_req *req, const char *only, int64_t since);
/* Tell all followers that their streams are about to be ended (by whoever frees the HTTP server), and why. */
void sw_stream_say(struct sw_stream *s, const char *reason, const char *message);
/* Tell all followers why, and end their streams. */
void sw_stream_close(struct sw_stream *s, const char *reason, const char *message);
size_t sw_stream_followers(const struct sw_stream *s);

#endif
