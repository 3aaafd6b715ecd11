/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of the HTTP server: what evhttp does not do itself. It has no call for "a connection is
 * here" or "a request begins", so each connection's bufferevent is made by us (bevcb), which gives the
 * input callback, and its evhttp_connection is fetched from the bufferevent's callback argument by
 * http_work, activated to run right after the accept and before anything is read.
 *
 * Between a request and the end of its answer the bufferevent's callbacks are ours: evhttp would exit the
 * process when a pipelined request arrives while EV_READ is on, and would drop the answer to a client that
 * has closed its sending side. Our read callbacks must not look at their argument: evhttp's deferred read
 * calls whatever is set with its own.
 */
#include "config.h"
#include "common/http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include "common/log.h"
#include "common/mem.h"

/* Deadlines go by the real clock, whatever a test has set. */
int64_t http_mono_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void wake_work(struct bg_http_server *s)
{
	event_active(s->work, EV_TIMEOUT, 0);
}

static void begin_request(struct http_conn *c)
{
	c->state = HTTP_READING;
	c->begun = c->line_seen = c->head_seen = false;
	c->route = NULL;
	c->deadline_us = http_mono_us() + c->lst->srv->request_timeout_us;
}

static void conn_free(struct http_conn *c)
{
	struct http_listener *l = c->lst;
	struct bg_http_server *s = l->srv;
	struct bg_http_req *r = c->req;

	TAILQ_REMOVE(&l->conns, c, link);
	l->n_conns--;
	if (s->current == c)
		s->current = NULL;
	if (s->guard == c)
		s->guard = NULL;
	if (l->full)
		wake_work(s);
	free(c);
	if (r)
		http_req_client_gone(r);
}

static void on_evcon_close(struct evhttp_connection *evcon, void *arg)
{
	(void)evcon;
	conn_free(arg);
}

/* ---- accept ---- */

static void on_input(struct evbuffer *in, const struct evbuffer_cb_info *info, void *arg)
{
	struct http_conn *c = arg;

	if (!info->n_added)
		return;
	if (c->state == HTTP_IDLE)
		begin_request(c);
	if (c->state != HTTP_READING)
		return;
	c->begun = true;
	c->lst->srv->current = c;
	if (!c->head_seen)
		http_early_look(c, in);
}

static struct bufferevent *on_accept(struct event_base *base, void *arg)
{
	struct http_listener *l = arg;
	struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);
	struct http_conn *c;

	if (!bev)
		return NULL;
	c = bg_xcalloc(1, sizeof(*c));
	c->lst = l;
	c->bev = bev;
	bufferevent_incref(bev); /* until attached, so that a failed set-up can be told */
	begin_request(c);
	evbuffer_add_cb(bufferevent_get_input(bev), on_input, c);
	TAILQ_INSERT_HEAD(&l->conns, c, link);
	if (++l->n_conns >= l->srv->max_connections) {
		l->full = true;
		evconnlistener_disable(l->lev);
	}
	if (!bg_timer_pending(l->srv->sweep))
		bg_timer_every(l->srv->sweep,
			       BG_MAX(5000, BG_MIN(l->srv->request_timeout_us / 8, (int64_t)1000000)));
	wake_work(l->srv);
	return bev;
}

static void name_peer(struct http_conn *c, int fd)
{
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof(ss);
	struct ucred cred;
	int one = 1;

	if (c->lst->path) {
		len = sizeof(cred);
		c->uid = (uid_t)-1;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0) {
			c->uid = cred.uid;
			c->pid = cred.pid;
		}
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (getpeername(fd, (struct sockaddr *)&ss, &len) < 0)
		return;
	c->loopback = http_is_loopback((struct sockaddr *)&ss);
	if (ss.ss_family == AF_INET)
		inet_ntop(AF_INET, &((struct sockaddr_in *)&ss)->sin_addr, c->peer, sizeof(c->peer));
	else
		inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&ss)->sin6_addr, c->peer, sizeof(c->peer));
	if (strncmp(c->peer, "::ffff:", 7) == 0)
		memmove(c->peer, c->peer + 7, strlen(c->peer + 7) + 1);
}

static void attach(struct http_conn *c)
{
	struct bg_http_server *s = c->lst->srv;
	bufferevent_data_cb rd = NULL;
	void *evcon = NULL;

	bufferevent_getcb(c->bev, &rd, &s->ev_write, &s->ev_event, &evcon);
	bufferevent_decref(c->bev);
	if (!evcon) { /* evhttp could not set it up and has freed it */
		conn_free(c);
		return;
	}
	c->evcon = evcon;
	evhttp_connection_set_closecb(c->evcon, on_evcon_close, c);
	name_peer(c, bufferevent_getfd(c->bev));
}

/* Somebody waits at a full listener: the connection that has been idle longest makes room. */
static void make_room(struct http_listener *l)
{
	struct http_conn *c, *oldest = NULL;

	TAILQ_FOREACH(c, &l->conns, link)
	if (c->state == HTTP_IDLE && (!oldest || c->idle_since_us < oldest->idle_since_us))
		oldest = c;
	if (oldest && l->n_conns >= l->srv->max_connections)
		evhttp_connection_free(oldest->evcon);
	if (l->n_conns >= l->srv->max_connections)
		return;
	l->full = false;
	evconnlistener_enable(l->lev);
}

void http_work(evutil_socket_t fd, short what, void *arg)
{
	struct bg_http_server *s = arg;

	(void)fd;
	(void)what;
	for (int i = 0; i < s->n_listeners; i++) {
		struct http_listener *l = s->listeners[i];
		struct http_conn *c = TAILQ_FIRST(&l->conns), *next;

		for (; c; c = next) {
			next = TAILQ_NEXT(c, link);
			if (!c->evcon)
				attach(c);
			else if (c->kill)
				evhttp_connection_free(c->evcon);
		}
		if (l->full)
			make_room(l);
	}
}

void http_sweep(void *arg)
{
	struct bg_http_server *s = arg;
	int64_t now = http_mono_us();
	bool any = false;

	for (int i = 0; i < s->n_listeners; i++) {
		struct http_conn *c = TAILQ_FIRST(&s->listeners[i]->conns), *next;

		for (; c; c = next) {
			next = TAILQ_NEXT(c, link);
			any = true;
			if (!c->evcon || !c->deadline_us || now < c->deadline_us)
				continue;
			if (c->state == HTTP_READING && c->begun)
				http_early_refuse(c, 408, "Request Timeout", NULL, "request_timeout",
						  "the request did not arrive in time");
			else
				evhttp_connection_free(c->evcon);
		}
	}
	if (!any)
		bg_timer_stop(s->sweep);
}

/* ---- listeners ---- */

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct http_listener *l = arg;

	(void)fd;
	(void)what;
	if (!l->full)
		evconnlistener_enable(l->lev);
}

#define ACCEPT_SAY_US INT64_C(10000000)

/* evhttp has taken the listener's callback argument for itself, so the listener is found by this list. */
static LIST_HEAD(, http_listener) all_listeners = LIST_HEAD_INITIALIZER(all_listeners);

/* Out of descriptors or memory: a listener left enabled would spin. It may last, and is said now and then only. */
static void on_accept_error(struct evconnlistener *lev, void *arg)
{
	static int64_t say_again_us;
	struct timeval tv = {.tv_usec = HTTP_RETRY_US};
	struct http_listener *l;
	int64_t now = http_mono_us();

	(void)arg;
	if (now >= say_again_us) {
		bg_log(BG_WARN, "accept_failed", "cannot accept a connection: %s; it is tried on and on",
		       strerror(errno));
		say_again_us = now + ACCEPT_SAY_US;
	}
	evconnlistener_disable(lev);
	LIST_FOREACH(l, &all_listeners, all)
	if (l->lev == lev)
		event_add(l->retry, &tv);
}

struct http_listener *http_listener_new(struct bg_http_server *s, int fd)
{
	struct event_base *base = bg_loop_base(s->loop);
	struct http_listener *l = bg_xcalloc(1, sizeof(*l));

	l->srv = s;
	TAILQ_INIT(&l->conns);
	l->http = evhttp_new(base);
	l->retry = evtimer_new(base, on_retry, l);
	l->lev = evconnlistener_new(base, NULL, NULL, LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_CLOSE_ON_FREE, 0, fd);
	if (!l->http || !l->retry || !l->lev || !evhttp_bind_listener(l->http, l->lev))
		bg_fatal("make the HTTP server");
	evconnlistener_set_error_cb(l->lev, on_accept_error);
	evhttp_set_allowed_methods(l->http, 0xffff);
	evhttp_set_max_headers_size(l->http, HTTP_MAX_HEADERS);
	evhttp_set_max_body_size(l->http, (ev_ssize_t)s->max_body);
	evhttp_set_flags(l->http, EVHTTP_SERVER_LINGERING_CLOSE);
	evhttp_set_default_content_type(l->http, NULL);
	evhttp_set_bevcb(l->http, on_accept, l);
	evhttp_set_gencb(l->http, http_dispatch, l);
	LIST_INSERT_HEAD(&all_listeners, l, all);
	return l;
}

void http_listener_free(struct http_listener *l)
{
	struct http_conn *c, *next;

	LIST_REMOVE(l, all);
	for (c = TAILQ_FIRST(&l->conns); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (!c->evcon)
			attach(c);
	}
	evhttp_free(l->http); /* with its listener and all connections */
	event_free(l->retry);
	free(l->path);
	free(l);
}

/* ---- from the request to the end of its answer ---- */

struct http_conn *http_conn_of(struct http_listener *l, struct evhttp_request *ev)
{
	struct evhttp_connection *evcon = evhttp_request_get_connection(ev);
	struct http_conn *c = l->srv->current;

	if (c && c->lst == l && c->evcon == evcon)
		return c;
	TAILQ_FOREACH(c, &l->conns, link)
	if (c->evcon == evcon)
		return c;
	return NULL;
}

/* The client has left (or has closed its sending side, which cannot be told apart). */
static void held_event(struct bufferevent *bev, short what, void *arg)
{
	struct http_conn *c = arg;

	c->lst->srv->ev_event(bev, what, c->evcon);
}

static void writing_write(struct bufferevent *bev, void *arg)
{
	struct http_conn *c = arg;

	c->lst->srv->ev_write(bev, c->evcon);
}

static void writing_event(struct bufferevent *bev, short what, void *arg)
{
	struct http_conn *c = arg;

	/* Its sending side is closed: it may still want the answer. A broken connection shows when we write. */
	if ((what & BEV_EVENT_EOF) && (what & BEV_EVENT_READING) &&
	    evbuffer_get_length(bufferevent_get_output(bev)))
		return;
	c->lst->srv->ev_event(bev, what, c->evcon);
}

void http_conn_busy(struct http_conn *c)
{
	c->state = HTTP_BUSY;
	c->deadline_us = 0;
	/*
	 * What a client pipelines meanwhile waits in the kernel. With a full buffer libevent calls a read
	 * callback over and over, so there must be none until the watermark is gone.
	 */
	bufferevent_setwatermark(c->bev, EV_READ, 0,
				 evbuffer_get_length(bufferevent_get_input(c->bev)) + HTTP_PIPELINE);
}

/* A stream's socket has taken all. The callback may end the stream: nothing is touched after it. */
static void stream_write(struct bufferevent *bev, void *arg)
{
	struct http_conn *c = arg;

	(void)bev;
	if (c->req && c->req->drain_fn && !c->kill)
		c->req->drain_fn(c->req->drain_arg);
}

void http_conn_hold(struct http_conn *c)
{
	bool stream = c->req && c->req->streaming;

	bufferevent_setcb(c->bev, NULL, stream ? stream_write : NULL, held_event, c);
	bufferevent_enable(c->bev, EV_READ);
}

void http_conn_writing(struct http_conn *c)
{
	c->state = HTTP_WRITING;
	c->deadline_us = http_mono_us() + HTTP_WRITE_US;
	bufferevent_setcb(c->bev, NULL, writing_write, writing_event, c);
}

void http_conn_completed(struct evhttp_request *ev, void *arg)
{
	struct http_conn *c = arg;

	(void)ev;
	bufferevent_setwatermark(c->bev, EV_READ, 0, 0);
	if (evbuffer_get_length(bufferevent_get_input(c->bev))) {
		begin_request(c); /* pipelined */
		return;
	}
	c->state = HTTP_IDLE;
	c->idle_since_us = http_mono_us();
	c->deadline_us = c->idle_since_us + HTTP_IDLE_US;
	if (c->lst->full)
		wake_work(c->lst->srv);
}

void http_conn_kill(struct http_conn *c)
{
	c->kill = true;
	wake_work(c->lst->srv);
}

/* At the end of the process nobody turns the loop for evhttp: send what the socket takes. (A bufferevent's output is
 * frozen for evbuffer_copyout, but not for a look.) */
void http_conn_flush(struct http_conn *c)
{
	struct evbuffer_iovec v[64];
	int n = evbuffer_peek(bufferevent_get_output(c->bev), -1, NULL, v, BG_ARRAY_SIZE(v));
	struct msghdr msg = {.msg_iov = v, .msg_iovlen = (size_t)BG_MAX(0, BG_MIN(n, (int)BG_ARRAY_SIZE(v)))};
	ssize_t sent =
		msg.msg_iovlen ? sendmsg(bufferevent_getfd(c->bev), &msg, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

	(void)sent;
}
