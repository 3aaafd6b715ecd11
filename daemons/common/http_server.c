/* SPDX-License-Identifier: Apache-2.0 */
/* The server: its listeners, and the way of a request from evhttp through all checks to its handler. */
#include "config.h"
#include "common/http_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "common/log.h"
#include "common/mem.h"

struct bg_http_server *bg_http_server_new(struct bg_loop *l, const struct bg_http_opts *o)
{
	struct bg_http_server *s = bg_xcalloc(1, sizeof(*s));
	size_t n = 0;

	s->loop = l;
	s->routes = o->routes;
	s->arg = o->arg;
	s->max_connections = o->max_connections > 0 ? o->max_connections : 1024;
	s->request_timeout_us = o->request_timeout_us > 0 ? o->request_timeout_us : 10 * (int64_t)1000000;
	for (const struct bg_route *r = o->routes; r->method; r++)
		s->max_body = BG_MAX(s->max_body, http_route_max_body(r));
	while (o->hosts && o->hosts[n])
		n++;
	s->hosts = bg_xcalloc(n + 1, sizeof(char *));
	for (size_t i = 0; i < n; i++)
		s->hosts[i] = bg_xstrdup(o->hosts[i]);
	TAILQ_INIT(&s->reqs);
	bg_http_server_set_token(s, o->token, o->open_read, o->faults);
	s->sweep = bg_timer_new(l, http_sweep, s);
	s->work = event_new(bg_loop_base(l), -1, 0, http_work, s);
	if (!s->work)
		bg_fatal("make the HTTP server");
	return s;
}

/* Remove our socket, unless somebody has replaced it. */
static void unlink_own(const struct http_listener *l)
{
	struct stat st;

	if (l->path && lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
}

void bg_http_server_free(struct bg_http_server *s)
{
	struct bg_http_req *r;

	if (!s)
		return;
	for (int i = 0; i < s->n_listeners; i++)
		unlink_own(s->listeners[i]);
	while ((r = TAILQ_FIRST(&s->reqs)))
		http_req_shut_down(r);
	for (int i = 0; i < s->n_listeners; i++)
		http_listener_free(s->listeners[i]);
	bg_timer_free(s->sweep);
	event_free(s->work);
	for (char **h = s->hosts; *h; h++)
		free(*h);
	free(s->hosts);
	free(s->token);
	free(s);
}

void bg_http_server_set_token(struct bg_http_server *s, const char *token, bool open_read, bool faults)
{
	char *copy = token && *token ? bg_xstrdup(token) : NULL;

	if (!copy && s->needs_token) {
		bg_log(BG_ERROR, "token_required",
		       "[http] token-file may not go while a listen address is not loopback: the old token stays");
	} else {
		free(s->token);
		s->token = copy;
	}
	s->open_read = open_read;
	s->faults = faults;
}

static int no_room(const struct bg_http_server *s, struct bg_err *err)
{
	return s->n_listeners < HTTP_MAX_LISTEN ? 0
						: bg_err_set(err, -ENOSPC, "listen_failed",
							     "at most %d listen addresses", HTTP_MAX_LISTEN);
}

int bg_http_server_tcp(struct bg_http_server *s, const char *addr, struct bg_err *err)
{
	int port, fd, rc = no_room(s, err);
	bool loopback;

	if (rc < 0)
		return rc;
	fd = http_listen_tcp(addr, s->token != NULL, &port, &loopback, err);
	if (fd < 0)
		return fd;
	s->needs_token |= !loopback;
	if (!s->token && !s->told_no_token) {
		s->told_no_token = true;
		bg_log(BG_NOTICE, "no_token",
		       "no token is set: whoever can reach %s on this machine may command", addr);
	}
	s->listeners[s->n_listeners] = http_listener_new(s, fd);
	s->listeners[s->n_listeners++]->port = port;
	return 0;
}

int bg_http_server_unix(struct bg_http_server *s, const char *path, const char *group, struct bg_err *err)
{
	struct http_listener *l;
	dev_t dev = 0;
	ino_t ino = 0;
	int fd, rc = no_room(s, err);

	if (rc < 0)
		return rc;
	fd = http_listen_unix(path, group, &dev, &ino, err);
	if (fd < 0)
		return fd;
	l = http_listener_new(s, fd);
	l->path = bg_xstrdup(path);
	l->dev = dev;
	l->ino = ino;
	s->listeners[s->n_listeners++] = l;
	return 0;
}

int bg_http_server_port(const struct bg_http_server *s)
{
	for (int i = 0; i < s->n_listeners; i++)
		if (!s->listeners[i]->path)
			return s->listeners[i]->port;
	return 0;
}

/* ---- a request's way ---- */

/* A POST whose body has no length would be taken as empty and its body as the next request. */
static bool lacks_length(const struct http_conn *c, struct evhttp_request *ev)
{
	const struct evkeyvalq *in = evhttp_request_get_input_headers(ev);

	return (evhttp_request_get_command(ev) & (EVHTTP_REQ_POST | EVHTTP_REQ_PUT | EVHTTP_REQ_PATCH)) &&
	       !evhttp_find_header(in, "Content-Length") && !evhttp_find_header(in, "Transfer-Encoding") &&
	       evbuffer_get_length(bufferevent_get_input(c->bev)) > 0;
}

/* Path and method. False: answered. */
static bool find_route(struct bg_http_req *r, const char *method, const char *path)
{
	_cleanup_buf_ struct bg_buf allow = {0};

	r->route = http_route_find(r->srv->routes, method, path, &allow);
	if (r->route)
		return http_route_match(r->route->path, path, r->params, &r->n_params);
	if (!allow.len) {
		bg_http_error(r, 404, "not_found", "there is no such path");
		return false;
	}
	bg_http_set_header(r, "Allow", allow.s);
	bg_http_error(r, 405, "method_not_allowed", "%s is not possible here, but %s", method, allow.s);
	return false;
}

static bool check_body(struct bg_http_req *r)
{
	struct bg_err err = BG_ERR_INIT;
	size_t len, max = http_route_max_body(r->route);
	const char *raw = bg_http_raw_body(r, &len);

	if (len > max) {
		bg_http_set_header(r, "Connection", "close");
		bg_http_error(r, 413, "too_large", "the body may have %zu bytes", max);
		return false;
	}
	if (lacks_length(r->conn, r->ev)) {
		bg_http_set_header(r, "Connection", "close");
		bg_http_error(r, 411, "length_required", "a body needs Content-Length");
		return false;
	}
	if (!r->route->fields)
		return true;
	if (bg_json_parse(raw, len, &r->body, &err) < 0 ||
	    bg_json_check(r->body, r->route->fields, &err) < 0) {
		bg_http_error(r, 400, err.code[0] ? err.code : "bad_request", "%s", err.msg);
		return false;
	}
	return true;
}

static bool check(struct bg_http_req *r)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(r->ev);
	const char *method = http_method_name(evhttp_request_get_command(r->ev));
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
	const char *query = uri ? evhttp_uri_get_query(uri) : NULL;
	struct bg_err err = BG_ERR_INIT;
	int status;

	r->head = evhttp_request_get_command(r->ev) == EVHTTP_REQ_HEAD;
	if (!find_route(r, method ? method : "", path && *path ? path : "/"))
		return false;
	status = http_auth_check(r->srv, r->conn, r->route, r->ev, &err);
	if (status) {
		if (status == 401)
			bg_http_set_header(r, "WWW-Authenticate", "Bearer");
		bg_http_error(r, status, err.code, "%s", err.msg);
		return false;
	}
	if (query && *query && evhttp_parse_query_str(query, &r->query) < 0) {
		bg_http_error(r, 400, "bad_query", "the query must be name=value&name=value");
		return false;
	}
	return check_body(r);
}

void http_dispatch(struct evhttp_request *ev, void *arg)
{
	struct http_listener *l = arg;
	struct bg_http_server *s = l->srv;
	struct http_conn *c = http_conn_of(l, ev);
	struct bg_http_req *r;

	bg_loop_check_stall(s->loop);
	if (!c) { /* cannot be: http_work runs before anything is read */
		evhttp_send_error(ev, HTTP_INTERNAL, NULL);
		return;
	}
	r = bg_xcalloc(1, sizeof(*r));
	r->srv = s;
	r->conn = c;
	r->ev = ev;
	TAILQ_INIT(&r->query);
	TAILQ_INSERT_TAIL(&s->reqs, r, link);
	c->req = r;
	http_conn_busy(c);
	r->started_us = bg_now_us();
	if (!check(r))
		return;
	s->guard = c;
	r->route->fn(r, s->arg);
	if (s->guard && c->req == r && !r->streaming)
		http_conn_hold(c);
	s->guard = NULL;
}
