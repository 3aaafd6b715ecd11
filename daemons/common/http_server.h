/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP server (evhttp) on TCP and Unix socket from one route table: method, path, handler, privilege,
 * body schema. It checks, in this order: path (404), method (405 with Allow), Host and Content-Type of
 * commands on TCP (403, 415), token and privilege (401, 403), body size (413), JSON (400), schema (400).
 * All errors are {"error":"word","message":"text"}, but what evhttp's parser refuses (400, and 413 of a chunked
 * body longer than any route takes). Over the Unix socket neither Host nor Content-Type nor token is asked for: its
 * mode and group say who may. A kept-alive connection may rest for 120 s, less when somebody waits at the limit.
 * A body is refused by its Content-Length before it is read.
 */
#ifndef BG_COMMON_HTTP_SERVER_H
#define BG_COMMON_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/json.h"
#include "common/loop.h"

struct bg_http_server;
struct bg_http_req;

enum bg_priv {
	BG_PRIV_OPEN,    /* probes: no token */
	BG_PRIV_READ,    /* GET: open on loopback and when http.open-read is set, else the token */
	BG_PRIV_OPERATE, /* commands: the token where one is set; loopback without a token is allowed */
	BG_PRIV_FAULT,   /* as OPERATE, and only when faults are enabled (else 403 faults_disabled) */
};

typedef void (*bg_http_fn)(struct bg_http_req *req, void *arg);

struct bg_route {
	const char *method; /* "GET"; a GET route serves HEAD too. NULL ends the table */
	const char
		*path; /* "/v1/switches/{name}/switch"; {x} matches one non-empty segment, percent-decoded */
	bg_http_fn fn;
	enum bg_priv priv;
	const struct bg_field *fields; /* NULL: the body is not read as JSON */
	size_t max_body;               /* 0: 1 MiB */
};

struct bg_http_opts {
	const struct bg_route *routes;
	void *arg;                /* given to every handler */
	const char *token;        /* NULL or "": none */
	const char *const *hosts; /* further Host names that are allowed, NULL-terminated; may be NULL */
	bool open_read, faults;
	int max_connections; /* 0: 1024; beyond, the listener waits */
	/* From accept, or a later request's first byte, to the end of its body; 0: 10 s. */
	int64_t request_timeout_us;
};

struct bg_http_server *bg_http_server_new(struct bg_loop *l, const struct bg_http_opts *o);
/* Held requests are answered 503 shutting_down first, and their on_gone is called. Not from a handler. */
void bg_http_server_free(struct bg_http_server *s);
/* "127.0.0.1:8080", "[::1]:0"; port 0 picks one, see bg_http_server_port. */
int bg_http_server_tcp(struct bg_http_server *s, const char *addr, struct bg_err *err);
/* May bg_http_server_tcp be asked for it? For a configuration test: nothing is opened. 0 or a negative errno. */
int bg_http_listen_check(const char *addr, bool have_token, struct bg_err *err);
/* umask before bind, mode 0660, group by name (NULL: unchanged); a stale socket is removed only after ECONNREFUSED. */
int bg_http_server_unix(struct bg_http_server *s, const char *path, const char *group, struct bg_err *err);
int bg_http_server_port(const struct bg_http_server *s); /* of the first TCP listener; 0: none */
/* For a reload. To have no token is refused while it listens beyond loopback. */
void bg_http_server_set_token(struct bg_http_server *s, const char *token, bool open_read, bool faults);

/* The request, valid until it is answered. A handler may hold it and answer later (loop thread). */
const char *bg_http_param(struct bg_http_req *r, const char *name); /* {name} of the path */
const char *bg_http_query(struct bg_http_req *r, const char *name); /* decoded; NULL: not there */
struct json_object *
bg_http_body(struct bg_http_req *r); /* parsed, checked; never NULL when fields != NULL; borrowed */
const char *bg_http_raw_body(struct bg_http_req *r, size_t *ret_len);
const char *
bg_http_peer(struct bg_http_req *r); /* "127.0.0.1", or "uid 1000 (alice) pid 99" on the Unix socket */
bool bg_http_is_local(struct bg_http_req *r); /* came by the Unix socket */
const char *bg_http_header(struct bg_http_req *r, const char *name);
int64_t bg_http_started_us(const struct bg_http_req *r); /* bg_now_us when its handler was called first */
/* Told once when the client has left before the answer; the request is then gone, do not answer it.
 * Needed for every held request. */
void bg_http_on_gone(struct bg_http_req *r, void (*fn)(void *arg), void *arg);

/* Answers: exactly one a request. The json is taken over. */
void bg_http_json(struct bg_http_req *r, int status, struct json_object *o);
void bg_http_error(struct bg_http_req *r, int status, const char *word, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* As bg_http_error with further members (taken over). */
void bg_http_error_json(struct bg_http_req *r, int status, const char *word, const char *msg,
			struct json_object *more);
void bg_http_text(struct bg_http_req *r, int status, const char *content_type, const char *text);
void bg_http_set_header(struct bg_http_req *r, const char *name, const char *value); /* before the answer */

bool bg_http_is_head(const struct bg_http_req *r); /* a HEAD: whatever is sent, only the headers go out */

/* A stream (server-sent events): start, send any number, end. Client that reads too slowly (1 MiB queued) is closed. */
void bg_http_stream_start(struct bg_http_req *r, const char *content_type);
/* -EPIPE: gone or too slow; on_gone follows. */
int bg_http_stream_send(struct bg_http_req *r, const char *data, size_t len);
/* Bytes that the socket has not taken yet. A sender that watches it needs no queue of its own. */
size_t bg_http_stream_queued(const struct bg_http_req *r);
/* Called from the loop whenever all that was sent has been taken; it may send more, and end the stream. */
void bg_http_stream_on_drain(struct bg_http_req *r, void (*fn)(void *arg), void *arg);
/* What is queued still goes out, for at most a minute. */
void bg_http_stream_end(struct bg_http_req *r);

#endif
