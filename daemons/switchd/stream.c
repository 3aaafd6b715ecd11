/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/stream.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mem.h"

#define AHEAD      ((size_t)64 * 1024)
#define LAST_AHEAD ((size_t)1024 * 1024) /* at the end nobody can come back for the rest */
#define STUCK_MAX  4
#define KEEP_ALIVE ": keep-alive\n\n"

struct happened {
	char *sw, *text;
	size_t len;
};

struct follower {
	struct follower *next;
	struct sw_stream *s;
	struct bg_http_req *req;
	char *only;    /* NULL: every switch */
	int64_t place; /* the id that it is to be sent next */
	size_t queued; /* at the last keep-alive */
	int stuck;
};

struct sw_stream {
	struct bg_loop *loop;
	struct happened *ring;
	size_t cap, head, n, bytes, max_bytes; /* head: the oldest */
	int64_t next_id;
	struct follower *first;
	size_t n_followers;
	struct bg_timer *keepalive;
	int64_t keepalive_us;
};

static void on_keepalive(void *arg);

struct sw_stream *sw_stream_new(struct bg_loop *l, const struct sw_stream_opts *o)
{
	struct sw_stream *s = bg_xcalloc(1, sizeof(*s));

	s->loop = l;
	s->cap = o && o->events ? o->events : 1024;
	s->max_bytes = o && o->bytes ? o->bytes : (size_t)4 << 20;
	s->keepalive_us = o && o->keepalive_us ? o->keepalive_us : INT64_C(15000000);
	s->next_id = o && o->first_id ? o->first_id : bg_real_us() / 1000;
	s->ring = bg_xcalloc(s->cap, sizeof(*s->ring));
	s->keepalive = bg_timer_new(l, on_keepalive, s);
	return s;
}

static void forget_oldest(struct sw_stream *s)
{
	struct happened *h = &s->ring[s->head];

	s->bytes -= h->len;
	free(h->sw);
	free(h->text);
	s->head = (s->head + 1) % s->cap;
	s->n--;
}

static int64_t oldest_id(const struct sw_stream *s)
{
	return s->next_id - (int64_t)s->n;
}

/* ---- followers */

static void unlink_follower(struct follower *f)
{
	struct sw_stream *s = f->s;

	for (struct follower **p = &s->first; *p; p = &(*p)->next) {
		if (*p == f) {
			*p = f->next;
			s->n_followers--;
			break;
		}
	}
	if (!s->first)
		bg_timer_stop(s->keepalive);
	free(f->only);
	free(f);
}

static void on_gone(void *arg)
{
	unlink_follower(arg);
}

/* Without an id: the client goes on from the last one that had one. */
static void say(struct bg_http_req *req, const char *event, struct json_object *o)
{
	_cleanup_buf_ struct bg_buf b = {0};

	bg_buf_printf(&b, "event: %s\ndata: %s\n\n", event, bg_json_text(o));
	bg_http_stream_send(req, b.s, b.len);
}

static void say_closed(struct bg_http_req *req, const char *reason, const char *message)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();

	bg_json_add_str(o, "reason", reason);
	bg_json_add_str(o, "message", message);
	say(req, "closed", o);
}

static void let_go(struct follower *f, const char *reason, const char *message)
{
	struct bg_http_req *req = f->req;

	say_closed(req, reason, message);
	bg_http_on_gone(req, NULL, NULL);
	unlink_follower(f);
	bg_http_stream_end(req);
}

static void too_slow(struct follower *f)
{
	bg_log(BG_WARN, "events", "%s reads its events too slowly: its stream is ended",
	       bg_http_peer(f->req));
	let_go(f, "too_slow", "events came faster than they were read; come back with Last-Event-ID");
}

/* Send what it has not had, as far as it takes it. It may be gone afterwards. */
static void pump(struct follower *f, size_t ahead)
{
	struct sw_stream *s = f->s;

	if (f->place < oldest_id(s)) {
		too_slow(f);
		return;
	}
	while (f->place < s->next_id && bg_http_stream_queued(f->req) < ahead) {
		struct happened *h = &s->ring[(s->head + (size_t)(f->place - oldest_id(s))) % s->cap];

		f->place++;
		if (f->only && strcmp(f->only, h->sw) != 0)
			continue;
		if (bg_http_stream_send(f->req, h->text, h->len) < 0)
			return; /* on_gone follows */
	}
}

static void on_drain(void *arg)
{
	pump(arg, AHEAD);
}

static void on_keepalive(void *arg)
{
	struct sw_stream *s = arg;
	struct follower *f = s->first, *next;

	for (; f; f = next) {
		size_t queued = bg_http_stream_queued(f->req);

		next = f->next;
		if (queued == 0) {
			f->stuck = 0;
			bg_http_stream_send(f->req, KEEP_ALIVE, sizeof(KEEP_ALIVE) - 1);
		} else {
			f->stuck = queued == f->queued ? f->stuck + 1 : 0;
		}
		f->queued = queued;
		if (f->stuck >= STUCK_MAX)
			too_slow(f);
	}
}

/* Where it begins; what it asks for and is not there any more is said. */
static void begin(struct follower *f, int64_t since)
{
	struct sw_stream *s = f->s;
	int64_t oldest = oldest_id(s);
	struct json_object *o;

	/* An id without data is no event, but where to go on when the connection is lost before the first one. */
	if (since < 0) {
		_cleanup_free_ char *id = bg_xasprintf("id: %lld\n\n", (long long)(s->next_id - 1));

		bg_http_stream_send(f->req, id, strlen(id));
	}
	f->place = since < 0 ? s->next_id : since + 1;
	if (f->place >= oldest && f->place <= s->next_id)
		return;
	f->place = oldest;
	if (since == 0)
		return;
	o = json_object_new_object();
	bg_json_add_int(o, "after", since);
	bg_json_add_int(o, "next", oldest);
	bg_json_add_str(o, "message", "events after `after` and before `next` are no longer known");
	say(f->req, "gap", o);
	json_object_put(o);
}

void sw_stream_follow(struct sw_stream *s, struct bg_http_req *req, const char *only, int64_t since)
{
	struct follower *f;

	if (s->n_followers >= SW_STREAM_FOLLOWERS) {
		bg_http_set_header(req, "Retry-After", "5");
		bg_http_error(req, 503, "too_many_listeners", "%d clients follow the events already",
			      SW_STREAM_FOLLOWERS);
		return;
	}
	bg_http_stream_start(req, "text/event-stream");
	if (bg_http_is_head(req)) {
		bg_http_stream_end(req);
		return;
	}
	f = bg_xcalloc(1, sizeof(*f));
	f->s = s;
	f->req = req;
	f->only = bg_xstrdup(only);
	f->next = s->first;
	s->first = f;
	s->n_followers++;
	if (!bg_timer_pending(s->keepalive))
		bg_timer_every(s->keepalive, s->keepalive_us);
	bg_http_on_gone(req, on_gone, f);
	bg_http_stream_on_drain(req, on_drain, f);
	bg_http_stream_send(req, ": bg-switchd\nretry: 1000\n\n", 26);
	begin(f, since);
	pump(f, AHEAD);
}

void sw_stream_add(struct sw_stream *s, const char *sw, const char *event, struct json_object *o)
{
	struct happened *h;
	struct follower *next;

	if (s->n == s->cap)
		forget_oldest(s);
	h = &s->ring[(s->head + s->n) % s->cap];
	h->sw = bg_xstrdup(sw);
	h->text = bg_xasprintf("id: %lld\nevent: %s\ndata: %s\n\n", (long long)s->next_id, event,
			       bg_json_text(o));
	h->len = strlen(h->text);
	s->n++;
	s->next_id++;
	s->bytes += h->len;
	while (s->bytes > s->max_bytes && s->n > 1)
		forget_oldest(s);
	for (struct follower *f = s->first; f; f = next) {
		next = f->next;
		pump(f, AHEAD);
	}
}

void sw_stream_say(struct sw_stream *s, const char *reason, const char *message)
{
	struct follower *next;

	for (struct follower *f = s->first; f; f = next) {
		next = f->next;
		pump(f, LAST_AHEAD);
	}
	for (struct follower *f = s->first; f; f = f->next)
		say_closed(f->req, reason, message);
}

void sw_stream_close(struct sw_stream *s, const char *reason, const char *message)
{
	while (s->first)
		let_go(s->first, reason, message);
}

size_t sw_stream_followers(const struct sw_stream *s)
{
	return s->n_followers;
}

void sw_stream_free(struct sw_stream *s)
{
	if (!s)
		return;
	while (s->first) {
		struct bg_http_req *req = s->first->req;

		unlink_follower(s->first);
		bg_http_on_gone(req, NULL, NULL);
		bg_http_stream_end(req);
	}
	while (s->n)
		forget_oldest(s);
	bg_timer_free(s->keepalive);
	free(s->ring);
	free(s);
}
