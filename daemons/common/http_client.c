/* SPDX-License-Identifier: Apache-2.0 */
/*
 * curl's multi_socket interface on the loop. A call is driven once inside bg_httpc_send, so that on a
 * kept-alive connection its request leaves in that very turn; results are always given out later, from
 * curl_multi_info_read, never from inside curl or bg_httpc_send.
 */
#include "config.h"
#include "common/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include "common/http_easy.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/mem.h"

#define MAX_IDLE   4096L /* kept-alive connections: every instance of both colours of some switches */
#define SPARE_MAX  32
#define MAX_ANSWER ((size_t)16 * 1024 * 1024)

struct call {
	TAILQ_ENTRY(call) link;
	struct bg_httpc *c;
	uint64_t id;
	CURL *easy;
	struct curl_slist *headers;
	char *method, *where, *body; /* where: for messages */
	bg_httpc_fn fn;
	void *arg;
	struct bg_buf answer;
	size_t max_answer;
	int64_t deadline_us, sent_us;
	bool too_long;
	/* Why curl was never given it; NULL: it was. Not in place, for there are a thousand long polls. */
	struct bg_err *bad;
	char curl_err[CURL_ERROR_SIZE];
};

struct sock {
	struct bg_httpc *c;
	struct event *ev;
	int what;
};

struct bg_httpc {
	struct bg_loop *loop;
	CURLM *multi;
	struct bg_timer *timer;
	struct event *check; /* activated to give out results */
	TAILQ_HEAD(, call) calls;
	size_t n_bad; /* of them, that curl was never given: without one, nobody looks for it among a thousand */
	uint64_t last_id;
	CURL *spare[SPARE_MAX];
	int n_spare;
	int depth; /* inside give_out: a free must wait */
	bool dead;
};

static void call_free(struct call *k)
{
	struct bg_httpc *c = k->c;

	TAILQ_REMOVE(&c->calls, k, link);
	c->n_bad -= k->bad != NULL;
	if (k->easy) {
		curl_multi_remove_handle(c->multi, k->easy);
		if (c->n_spare < SPARE_MAX) {
			bg_easy_rest(k->easy);
			c->spare[c->n_spare++] = k->easy;
		} else {
			curl_easy_cleanup(k->easy);
		}
	}
	curl_slist_free_all(k->headers);
	free(k->method);
	free(k->where);
	free(k->body);
	free(k->bad);
	bg_buf_free(&k->answer);
	free(k);
}

/* ---- giving out results ---- */

static void describe(const struct call *k, CURLcode rc, struct bg_err *err)
{
	const char *why = k->curl_err[0] ? k->curl_err : curl_easy_strerror(rc);
	long os = 0;

	/* Of a Unix socket libcurl says "localhost port 80". */
	if (rc == CURLE_COULDNT_CONNECT && strncmp(k->where, "unix:", 5) == 0 &&
	    curl_easy_getinfo(k->easy, CURLINFO_OS_ERRNO, &os) == CURLE_OK && os)
		why = strerror((int)os);
	if (k->too_long)
		bg_err_set(err, 0, "too_long", "%s %s: the answer is longer than %zu bytes", k->method,
			   k->where, k->max_answer);
	else if (rc == CURLE_OPERATION_TIMEDOUT)
		bg_err_set(err, 0, "timed_out", "%s %s: no answer within %lld ms", k->method, k->where,
			   (long long)(k->deadline_us / 1000));
	else if (rc == CURLE_COULDNT_CONNECT || rc == CURLE_COULDNT_RESOLVE_HOST)
		bg_err_set(err, 0, "unreachable", "%s %s: %s", k->method, k->where, why);
	else if (rc == CURLE_GOT_NOTHING || rc == CURLE_RECV_ERROR || rc == CURLE_SEND_ERROR ||
		 rc == CURLE_PARTIAL_FILE)
		bg_err_set(err, 0, "broken_off", "%s %s: %s", k->method, k->where, why);
	else
		bg_err_set(err, 0, "http_failed", "%s %s: %s", k->method, k->where, why);
}

static struct json_object *parse_answer(struct call *k)
{
	struct json_object *o = NULL;
	char *type = NULL;

	if (k->answer.len == 0)
		return NULL;
	curl_easy_getinfo(k->easy, CURLINFO_CONTENT_TYPE, &type);
	if (type && !strcasestr(type, "json"))
		return NULL;
	if (bg_json_parse(k->answer.s, k->answer.len, &o, NULL) < 0)
		return NULL;
	return o;
}

static void finish(struct call *k, CURLcode rc)
{
	struct bg_httpc_answer a = {.sent_us = k->sent_us, .done_us = bg_now_us(), .body = ""};
	bg_httpc_fn fn = k->fn;
	void *arg = k->arg;
	long status = 0;

	if (!k->bad && rc == CURLE_OK) {
		curl_easy_getinfo(k->easy, CURLINFO_RESPONSE_CODE, &status);
		a.status = (int)status;
		a.json = parse_answer(k);
		a.len = k->answer.len;
		if (k->answer.s)
			a.body = k->answer.s;
	} else if (!k->bad) {
		describe(k, rc, &a.err);
	} else {
		a.err = *k->bad;
	}
	/* Unlinked first, so that the callback may cancel it, or free the client. */
	k->fn = NULL;
	fn(arg, &a);
	json_object_put(a.json);
	call_free(k);
}

static void really_free(struct bg_httpc *c)
{
	struct call *k;

	while ((k = TAILQ_FIRST(&c->calls)))
		call_free(k);
	for (int i = 0; i < c->n_spare; i++)
		curl_easy_cleanup(c->spare[i]);
	curl_multi_cleanup(c->multi);
	bg_timer_free(c->timer);
	event_free(c->check);
	free(c);
}

static struct call *first_bad(struct bg_httpc *c)
{
	struct call *k = c->n_bad ? TAILQ_FIRST(&c->calls) : NULL;

	while (k && !(k->bad && k->fn))
		k = TAILQ_NEXT(k, link);
	return k;
}

static void give_out(struct bg_httpc *c, bool with_bad)
{
	struct call *k;
	CURLMsg *m;
	int left;

	c->depth++;
	while (!c->dead && (m = curl_multi_info_read(c->multi, &left))) {
		CURLcode rc = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &k);
		finish(k, rc);
	}
	while (with_bad && !c->dead && (k = first_bad(c)))
		finish(k, CURLE_OK);
	if (--c->depth == 0 && c->dead)
		really_free(c);
}

static void on_check(evutil_socket_t fd, short what, void *arg)
{
	struct bg_httpc *c = arg;

	(void)fd;
	(void)what;
	bg_loop_check_stall(c->loop);
	give_out(c, true);
}

/* ---- curl on the loop ---- */

static void drive(struct bg_httpc *c, curl_socket_t fd, int mask)
{
	int running;

	curl_multi_socket_action(c->multi, fd, mask, &running);
}

static void on_timer(void *arg)
{
	struct bg_httpc *c = arg;

	drive(c, CURL_SOCKET_TIMEOUT, 0);
	give_out(c, false);
}

static void on_socket_event(evutil_socket_t fd, short what, void *arg)
{
	struct sock *s = arg;
	struct bg_httpc *c = s->c;
	int mask = ((what & EV_READ) ? CURL_CSELECT_IN : 0) | ((what & EV_WRITE) ? CURL_CSELECT_OUT : 0);

	/* The stall function may have cancelled this call: s is gone then. If not, the event comes again. */
	if (bg_loop_check_stall(c->loop))
		return;
	drive(c, fd, mask);
	give_out(c, false);
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *per_socket)
{
	struct bg_httpc *c = arg;
	struct sock *s = per_socket;
	short flags = EV_PERSIST;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s)
			event_free(s->ev);
		free(s);
		curl_multi_assign(c->multi, fd, NULL);
		return 0;
	}
	if (!s) {
		s = bg_xcalloc(1, sizeof(*s));
		s->c = c;
		s->ev = event_new(bg_loop_base(c->loop), fd, EV_PERSIST, on_socket_event, s);
		if (!s->ev)
			bg_fatal("watch a connection");
		curl_multi_assign(c->multi, fd, s);
	} else if (s->what == what) {
		return 0;
	}
	s->what = what;
	flags |= (what & CURL_POLL_IN) ? EV_READ : 0;
	flags |= (what & CURL_POLL_OUT) ? EV_WRITE : 0;
	event_del(s->ev);
	event_assign(s->ev, bg_loop_base(c->loop), fd, flags, on_socket_event, s);
	event_add(s->ev, NULL);
	return 0;
}

static int set_timer(CURLM *multi, long ms, void *arg)
{
	struct bg_httpc *c = arg;

	(void)multi;
	if (ms < 0)
		bg_timer_stop(c->timer);
	else
		bg_timer_start(c->timer, (int64_t)ms * 1000);
	return 0;
}

static void init_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct bg_httpc *bg_httpc_new(struct bg_loop *l)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct bg_httpc *c = bg_xcalloc(1, sizeof(*c));

	pthread_once(&once, init_curl);
	c->loop = l;
	c->multi = curl_multi_init();
	c->timer = bg_timer_new(l, on_timer, c);
	c->check = event_new(bg_loop_base(l), -1, 0, on_check, c);
	if (!c->multi || !c->check)
		bg_fatal("make the HTTP client");
	TAILQ_INIT(&c->calls);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, MAX_IDLE);
	return c;
}

void bg_httpc_free(struct bg_httpc *c)
{
	if (!c)
		return;
	c->dead = true;
	if (c->depth == 0)
		really_free(c);
}

/* ---- a call ---- */

static size_t on_data(char *data, size_t one, size_t n, void *arg)
{
	struct call *k = arg;

	n *= one;
	if (k->answer.len + n > k->max_answer) {
		k->too_long = true;
		return 0;
	}
	bg_buf_add(&k->answer, data, n);
	return n;
}

/* It is answered later, as all are. */
static void refuse(struct call *k, const struct bg_err *why)
{
	k->bad = bg_xmalloc(sizeof(*k->bad));
	*k->bad = *why;
	k->c->n_bad++;
}

uint64_t bg_httpc_send(struct bg_httpc *c, const struct bg_httpc_call *call, bg_httpc_fn fn, void *arg)
{
	struct call *k = bg_xcalloc(1, sizeof(*k));
	struct bg_err err = BG_ERR_INIT;

	k->c = c;
	k->id = ++c->last_id;
	k->fn = fn;
	k->arg = arg;
	k->method = bg_xstrdup(call->method);
	k->where = bg_xasprintf("%s%s", call->base, call->path);
	k->body = bg_xstrdup(call->body);
	k->max_answer = call->max_answer ? call->max_answer : MAX_ANSWER;
	k->deadline_us = call->deadline_us;
	k->sent_us = bg_now_us();
	k->easy = c->n_spare ? c->spare[--c->n_spare] : bg_easy_new();
	TAILQ_INSERT_TAIL(&c->calls, k, link);
	if (bg_easy_prepare(k->easy,
			    &(struct bg_easy_request){.call = call,
						      .body = k->body,
						      .error = k->curl_err,
						      .on_data = on_data,
						      .arg = k},
			    &k->headers, &err) < 0)
		refuse(k, &err);
	else if (curl_multi_add_handle(c->multi, k->easy) != CURLM_OK) {
		bg_err_set(&err, 0, "http_failed", "%s %s: curl does not take the call", k->method, k->where);
		refuse(k, &err);
	}
	if (!k->bad)
		drive(c, CURL_SOCKET_TIMEOUT, 0); /* the request leaves now */
	event_active(c->check, EV_TIMEOUT, 0);
	return k->id;
}

void bg_httpc_cancel(struct bg_httpc *c, uint64_t id)
{
	struct call *k;

	if (!id)
		return;
	TAILQ_FOREACH(k, &c->calls, link)
	if (k->id == id && k->fn)
		break;
	if (k)
		call_free(k);
}

/* ---- back-off ---- */

int64_t bg_backoff_next(struct bg_backoff *b)
{
	int64_t lo = b->min_us / 2, hi = b->min_us;

	for (int i = 0; i < b->tries && hi < b->max_us; i++)
		hi *= 2;
	hi = BG_MIN(hi, b->max_us);
	b->tries++;
	if (hi <= lo)
		return hi;
	return lo + (int64_t)(bg_random_u64() % (uint64_t)(hi - lo + 1));
}

void bg_backoff_reset(struct bg_backoff *b)
{
	b->tries = 0;
}
