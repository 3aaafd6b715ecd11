/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is answered before evhttp has a request: methods that it does not know, bodies that their
 * Content-Length says are too long for their route, and requests that do not come to an end.
 */
#include "config.h"
#include "common/http_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include "common/mem.h"

static void discard_read(struct bufferevent *bev, void *unused)
{
	struct evbuffer *in = bufferevent_get_input(bev);

	(void)unused;
	evbuffer_drain(in, evbuffer_get_length(in));
}

static void closing_write(struct bufferevent *bev, void *unused)
{
	(void)unused;
	/* All is sent. Closing now, with input unread, would reset the connection and may destroy the answer. */
	shutdown(bufferevent_getfd(bev), SHUT_WR);
}

static void closing_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)what;
	http_conn_kill(arg);
}

void http_early_refuse(struct http_conn *c, int status, const char *phrase, const char *allow,
		       const char *word, const char *msg)
{
	_cleanup_json_ struct json_object *o = http_error_object(word, msg);
	const char *body = bg_json_text(o);
	struct evbuffer *out = bufferevent_get_output(c->bev);

	c->state = HTTP_CLOSING;
	c->deadline_us = http_mono_us() + HTTP_LINGER_US;
	bufferevent_setwatermark(c->bev, EV_READ, 0, 0);
	bufferevent_setcb(c->bev, discard_read, closing_write, closing_event, c);
	evbuffer_add_printf(out,
			    "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
			    "Connection: close\r\n%s%s%s\r\n%s",
			    status, phrase, strlen(body), allow ? "Allow: " : "", allow ? allow : "",
			    allow ? "\r\n" : "", body);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

/* The request line: find the route early. A method that evhttp does not know never reaches its handler. */
static void see_line(struct http_conn *c, const char *line, size_t len)
{
	_cleanup_buf_ struct bg_buf allow = {0};
	_cleanup_free_ char *copy = bg_xstrndup(line, len);
	char *path = strchr(copy, ' ');
	const char *method = copy;

	c->line_seen = true;
	if (!path)
		return; /* evhttp answers 400 */
	*path++ = '\0';
	path[strcspn(path, " ?#")] = '\0';
	c->route = http_route_find(c->lst->srv->routes, method, path, &allow);
	if (http_method_known(method, strlen(method)))
		return;
	if (allow.len)
		http_early_refuse(c, 405, "Method Not Allowed", allow.s, "method_not_allowed",
				  "this path has no such method");
	else
		http_early_refuse(c, 404, "Not Found", NULL, "not_found", "there is no such path");
}

static void see_header(struct http_conn *c, const char *line, size_t len)
{
	static const char name[] = "content-length:";
	size_t max = c->route ? http_route_max_body(c->route) : c->lst->srv->max_body;
	char msg[128];

	if (len < sizeof(name) || strncasecmp(line, name, sizeof(name) - 1) != 0)
		return;
	if (strtoull(line + sizeof(name) - 1, NULL, 10) <= max)
		return;
	snprintf(msg, sizeof(msg), "the body may have %zu bytes", max);
	http_early_refuse(c, 413, "Content Too Large", NULL, "too_large", msg);
}

/*
 * Look at the head of a request as it comes in, before evhttp takes it from the buffer line by line: a body
 * that is too long is refused by its Content-Length before it is read, per route, which evhttp cannot.
 */
void http_early_look(struct http_conn *c, struct evbuffer *in)
{
	char head[4096];
	ev_ssize_t n = evbuffer_copyout(in, head, sizeof(head) - 1);
	char *p = head, *nl;

	if (n <= 0)
		return;
	head[n] = '\0';
	while (!c->head_seen && c->state == HTTP_READING && (nl = memchr(p, '\n', (size_t)(head + n - p)))) {
		size_t len = (size_t)(nl - p);

		if (len > 0 && p[len - 1] == '\r')
			len--;
		*nl = '\0';
		if (!c->line_seen)
			see_line(c, p, len);
		else if (len == 0)
			c->head_seen = true;
		else
			see_header(c, p, len);
		p = nl + 1;
	}
}
