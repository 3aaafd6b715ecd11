/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request as handlers see it. It ends by its answer, or by its client leaving: then the handler is told
 * (bg_http_on_gone) and it is freed; a handler that did not ask to be told keeps a request whose answer
 * goes nowhere.
 */
#include "config.h"
#include "common/http_internal.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "common/mem.h"

static void req_free(struct bg_http_req *r)
{
	if (r->srv)
		TAILQ_REMOVE(&r->srv->reqs, r, link);
	if (r->conn)
		r->conn->req = NULL;
	json_object_put(r->body);
	evhttp_clear_headers(&r->query);
	http_params_free(r->params, r->n_params);
	free(r);
}

/* The connection is being freed. evhttp has either cut the request loose, then it is ours, or frees it next. */
void http_req_client_gone(struct bg_http_req *r)
{
	void (*fn)(void *arg) = r->gone_fn;
	void *arg = r->gone_arg;

	r->conn = NULL;
	if (r->ev && evhttp_request_get_connection(r->ev))
		r->ev = NULL;
	if (!fn)
		return;
	if (r->ev)
		evhttp_request_free(r->ev);
	req_free(r);
	fn(arg);
}

const char *bg_http_param(struct bg_http_req *r, const char *name)
{
	for (int i = 0; i < r->n_params; i++)
		if (strcmp(r->params[i].name, name) == 0)
			return r->params[i].value;
	return NULL;
}

const char *bg_http_query(struct bg_http_req *r, const char *name)
{
	return evhttp_find_header(&r->query, name);
}

struct json_object *bg_http_body(struct bg_http_req *r)
{
	return r->body;
}

const char *bg_http_raw_body(struct bg_http_req *r, size_t *ret_len)
{
	struct evbuffer *in = r->ev ? evhttp_request_get_input_buffer(r->ev) : NULL;

	*ret_len = in ? evbuffer_get_length(in) : 0;
	return *ret_len ? (const char *)evbuffer_pullup(in, -1) : "";
}

/* Only the local file: a name service could block the loop. */
static void user_name(uid_t uid, char *buf, size_t size)
{
	char line[1024];
	struct passwd pw, *found;
	FILE *f = fopen("/etc/passwd", "re");

	buf[0] = '\0';
	while (f && fgetpwent_r(f, &pw, line, sizeof(line), &found) == 0) {
		if (pw.pw_uid != uid)
			continue;
		bg_strlcpy(buf, pw.pw_name, size);
		break;
	}
	if (f)
		fclose(f);
}

const char *bg_http_peer(struct bg_http_req *r)
{
	char user[48];

	if (r->peer[0] || !r->conn)
		return r->peer;
	if (!r->conn->lst->path) {
		bg_strlcpy(r->peer, r->conn->peer, sizeof(r->peer));
		return r->peer;
	}
	user_name(r->conn->uid, user, sizeof(user));
	if (user[0])
		snprintf(r->peer, sizeof(r->peer), "uid %u (%s) pid %d", (unsigned)r->conn->uid, user,
			 (int)r->conn->pid);
	else
		snprintf(r->peer, sizeof(r->peer), "uid %u pid %d", (unsigned)r->conn->uid,
			 (int)r->conn->pid);
	return r->peer;
}

bool bg_http_is_local(struct bg_http_req *r)
{
	return r->conn && r->conn->lst->path;
}

const char *bg_http_header(struct bg_http_req *r, const char *name)
{
	return r->ev ? evhttp_find_header(evhttp_request_get_input_headers(r->ev), name) : NULL;
}

bool bg_http_is_head(const struct bg_http_req *r)
{
	return r->head;
}

int64_t bg_http_started_us(const struct bg_http_req *r)
{
	return r->started_us;
}

void bg_http_on_gone(struct bg_http_req *r, void (*fn)(void *arg), void *arg)
{
	r->gone_fn = fn;
	r->gone_arg = arg;
}

/* ---- answers ---- */

static const char *phrase(int status)
{
	static const struct {
		int status;
		const char *text;
	} more[] = {{413, "Content Too Large"}, {422, "Unprocessable Content"}, {429, "Too Many Requests"}};

	for (size_t i = 0; i < BG_ARRAY_SIZE(more); i++)
		if (more[i].status == status)
			return more[i].text;
	return NULL; /* evhttp knows it */
}

void bg_http_set_header(struct bg_http_req *r, const char *name, const char *value)
{
	struct evkeyvalq *out;

	if (!r->ev)
		return;
	out = evhttp_request_get_output_headers(r->ev);
	evhttp_remove_header(out, name);
	evhttp_add_header(out, name, value);
}

static void answer(struct bg_http_req *r, int status, const char *type, const char *data, size_t len)
{
	struct http_conn *c = r->conn;
	struct evhttp_request *ev = r->ev;
	struct evbuffer *buf;
	char text[24];

	if (!c) {
		if (ev)
			evhttp_request_free(ev);
		req_free(r);
		return;
	}
	bg_http_set_header(r, "Content-Type", type);
	bg_http_set_header(r, "Cache-Control", "no-store");
	snprintf(text, sizeof(text), "%zu", len);
	bg_http_set_header(r, "Content-Length", text);
	buf = evbuffer_new();
	/* evhttp would send the body of an answer to HEAD. */
	if (!buf || (!r->head && evbuffer_add(buf, data, len) < 0))
		bg_fatal("make an answer");
	bg_log(BG_DEBUG, "http", "%s %s %d",
	       r->head ? "HEAD" : http_method_name(evhttp_request_get_command(ev)),
	       evhttp_request_get_uri(ev), status);
	req_free(r);
	evhttp_request_set_on_complete_cb(ev, http_conn_completed, c);
	evhttp_send_reply(ev, status, phrase(status), buf);
	evbuffer_free(buf);
	http_conn_writing(c);
}

void bg_http_text(struct bg_http_req *r, int status, const char *content_type, const char *text)
{
	answer(r, status, content_type, text, strlen(text));
}

void bg_http_json(struct bg_http_req *r, int status, struct json_object *o)
{
	size_t len;
	const char *text = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN, &len);

	answer(r, status, "application/json", text, len);
	json_object_put(o);
}

struct json_object *http_error_object(const char *word, const char *msg)
{
	struct json_object *o = json_object_new_object();

	bg_json_add_str(o, "error", word);
	bg_json_add_str(o, "message", msg);
	return o;
}

void bg_http_error_json(struct bg_http_req *r, int status, const char *word, const char *msg,
			struct json_object *more)
{
	struct json_object *o = http_error_object(word, msg);

	if (more) {
		json_object_object_foreach(more, key, value)
			json_object_object_add(o, key, json_object_get(value));
		json_object_put(more);
	}
	bg_http_json(r, status, o);
}

void bg_http_error(struct bg_http_req *r, int status, const char *word, const char *fmt, ...)
{
	char *msg;
	va_list ap;

	va_start(ap, fmt);
	msg = bg_xvasprintf(fmt, ap);
	va_end(ap);
	bg_http_error_json(r, status, word, msg, NULL);
	free(msg);
}

/* Sets s->guard, which is NULL afterwards when the connection went with the request; the caller clears it. */
static void end_stream(struct bg_http_server *s, struct http_conn *c, struct evhttp_request *ev)
{
	/* Without chunks and with nothing queued this ends the request, and maybe the connection, at once. */
	s->guard = c;
	c->state = HTTP_WRITING;
	evhttp_send_reply_end(ev);
	if (s->guard && c->state == HTTP_WRITING)
		http_conn_writing(c);
}

/* The server goes: whoever still waits is told now, and its holder that it need not answer any more. */
void http_req_shut_down(struct bg_http_req *r)
{
	_cleanup_json_ struct json_object *o = http_error_object("shutting_down", "the daemon is stopping");
	const char *text = bg_json_text(o);
	struct http_conn *c = r->conn;
	struct evbuffer *buf;

	if (c) {
		c->req = NULL;
		if (r->streaming) {
			end_stream(r->srv, c, r->ev);
			if (!r->srv->guard)
				c = NULL; /* it had nothing more to send, and is gone */
			r->srv->guard = NULL;
		} else {
			bg_http_set_header(r, "Content-Type", "application/json");
			bg_http_set_header(r, "Connection", "close");
			buf = evbuffer_new();
			if (!buf || evbuffer_add(buf, text, r->head ? 0 : strlen(text)) < 0)
				bg_fatal("make an answer");
			evhttp_send_reply(r->ev, 503, NULL, buf);
			evbuffer_free(buf);
			http_conn_writing(c);
		}
		if (c)
			http_conn_flush(c);
		r->conn = NULL;
		r->ev = NULL; /* freed with its connection */
	}
	TAILQ_REMOVE(&r->srv->reqs, r, link);
	r->srv = NULL;
	http_req_client_gone(r);
}

/* ---- streams ---- */

void bg_http_stream_start(struct bg_http_req *r, const char *content_type)
{
	r->streaming = true;
	if (!r->conn)
		return;
	bg_http_set_header(r, "Content-Type", content_type);
	bg_http_set_header(r, "Cache-Control", "no-store");
	evhttp_request_set_on_complete_cb(r->ev, http_conn_completed, r->conn);
	evhttp_send_reply_start(r->ev, 200, "OK");
	http_conn_hold(r->conn);
}

int bg_http_stream_send(struct bg_http_req *r, const char *data, size_t len)
{
	struct http_conn *c = r->conn;
	struct evbuffer *buf;

	if (!c || c->kill)
		return -EPIPE;
	if (len == 0 || r->head)
		return 0;
	if (evbuffer_get_length(bufferevent_get_output(c->bev)) + len > HTTP_STREAM_QUEUE) {
		http_conn_kill(c);
		return -EPIPE;
	}
	buf = evbuffer_new();
	if (!buf || evbuffer_add(buf, data, len) < 0)
		bg_fatal("make an answer");
	evhttp_send_reply_chunk(r->ev, buf);
	evbuffer_free(buf);
	http_conn_hold(c); /* evhttp has set its own callbacks */
	return 0;
}

size_t bg_http_stream_queued(const struct bg_http_req *r)
{
	return r->conn ? evbuffer_get_length(bufferevent_get_output(r->conn->bev)) : 0;
}

void bg_http_stream_on_drain(struct bg_http_req *r, void (*fn)(void *arg), void *arg)
{
	r->drain_fn = fn;
	r->drain_arg = arg;
}

void bg_http_stream_end(struct bg_http_req *r)
{
	struct http_conn *c = r->conn;
	struct evhttp_request *ev = r->ev;
	struct bg_http_server *s = r->srv;

	req_free(r);
	if (!c) {
		if (ev)
			evhttp_request_free(ev);
		return;
	}
	end_stream(s, c, ev);
	s->guard = NULL;
}
