/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the HTTP server (http_*.c) share. Nobody else includes this. */
#ifndef BG_COMMON_HTTP_INTERNAL_H
#define BG_COMMON_HTTP_INTERNAL_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <sys/queue.h>
#include <sys/types.h>
#include "common/http_server.h"
#include "common/mem.h"

#define HTTP_MAX_PARAMS   4
#define HTTP_MAX_HEADERS  (64 * 1024)
#define HTTP_MAX_BODY     ((size_t)1024 * 1024)
#define HTTP_STREAM_QUEUE ((size_t)1024 * 1024)
/* Longer than the 118 s after which our own client renews an idle connection, so that it never meets a closed one. */
#define HTTP_IDLE_US    (120 * (int64_t)1000000)
#define HTTP_WRITE_US   (60 * (int64_t)1000000)
#define HTTP_LINGER_US  (2 * (int64_t)1000000)
#define HTTP_PIPELINE   ((size_t)64 * 1024)
#define HTTP_RETRY_US   100000
#define HTTP_MAX_LISTEN 8

/*
 *   accept -> READING -> BUSY (handler, held, stream) -> WRITING -> IDLE -> READING ...
 *                \-> CLOSING (refused by us: says why, then reads and forgets until the client is done)
 */
enum http_conn_state { HTTP_READING, HTTP_BUSY, HTTP_WRITING, HTTP_IDLE, HTTP_CLOSING };

struct http_conn {
	TAILQ_ENTRY(http_conn) link;
	struct http_listener *lst;
	struct bufferevent *bev;
	struct evhttp_connection *evcon; /* NULL until attached, later in the same turn as its accept */
	enum http_conn_state state;
	int64_t deadline_us; /* real monotonic; 0: none */
	int64_t idle_since_us;
	struct bg_http_req *req;          /* in the handler, held or streaming */
	const struct bg_route *route;     /* by the request line, for the early 413 */
	bool begun, line_seen, head_seen; /* of the request that is being read */
	bool kill;                        /* to be closed by http_work */
	bool loopback;
	char peer[64];
	uid_t uid;
	pid_t pid;
};

struct http_listener {
	LIST_ENTRY(http_listener) all;
	struct bg_http_server *srv;
	struct evhttp *http;
	struct evconnlistener *lev;
	struct event *retry; /* after an accept error */
	TAILQ_HEAD(, http_conn) conns;
	int n_conns;
	bool full;
	int port;   /* TCP */
	char *path; /* Unix */
	dev_t dev;
	ino_t ino;
};

struct http_param {
	char *name, *value;
};

struct bg_http_req {
	TAILQ_ENTRY(bg_http_req) link;
	struct bg_http_server *srv; /* NULL: the server is gone */
	struct http_conn *conn;     /* NULL: the client is gone */
	struct evhttp_request *ev;  /* NULL: gone with its connection */
	const struct bg_route *route;
	struct json_object *body;
	struct evkeyvalq query;
	struct http_param params[HTTP_MAX_PARAMS];
	int n_params;
	int64_t started_us;
	void (*gone_fn)(void *arg);
	void *gone_arg;
	void (*drain_fn)(void *arg); /* of a stream */
	void *drain_arg;
	bool head, streaming;
	char peer[128];
};

struct bg_http_server {
	struct bg_loop *loop;
	const struct bg_route *routes;
	void *arg;
	char *token;
	char **hosts;
	bool open_read, faults;
	int max_connections;
	int64_t request_timeout_us;
	size_t max_body; /* of the largest route */
	struct http_listener *listeners[HTTP_MAX_LISTEN];
	int n_listeners;
	TAILQ_HEAD(, bg_http_req) reqs;
	struct bg_timer *sweep;
	struct event *work;              /* activated for http_work */
	struct http_conn *current;       /* the last one that read something */
	struct http_conn *guard;         /* set NULL when this connection is freed */
	bool told_no_token, needs_token; /* needs: it listens beyond loopback */
	/* evhttp's own callbacks, which ours call on */
	bufferevent_data_cb ev_write;
	bufferevent_event_cb ev_event;
};

/* http_conn.c */
int64_t http_mono_us(void); /* for deadlines: the real clock, whatever a test has set */
struct http_listener *http_listener_new(struct bg_http_server *s, int fd); /* takes fd over */
void http_listener_free(struct http_listener *l);
struct http_conn *http_conn_of(struct http_listener *l, struct evhttp_request *ev);
void http_conn_busy(struct http_conn *c);
void http_conn_hold(struct http_conn *c);    /* watch for the client leaving */
void http_conn_writing(struct http_conn *c); /* after the answer was given to evhttp */
void http_conn_completed(struct evhttp_request *ev, void *arg);
void http_conn_kill(struct http_conn *c); /* close it from the loop */
void http_conn_flush(struct http_conn *c);
void http_work(evutil_socket_t fd, short what, void *arg);
void http_sweep(void *arg);
/* http_early.c */
void http_early_look(struct http_conn *c, struct evbuffer *in); /* at the head of a request, as it comes in */
void http_early_refuse(struct http_conn *c, int status, const char *phrase, const char *allow,
		       const char *word, const char *msg);
/* http_server.c */
void http_dispatch(struct evhttp_request *ev, void *arg);
/* http_request.c */
void http_req_client_gone(struct bg_http_req *r);
void http_req_shut_down(struct bg_http_req *r);
struct json_object *http_error_object(const char *word, const char *msg);
/* http_route.c */
bool http_route_match(const char *pattern, const char *path, struct http_param *params, int *n);
/* The route for method and path; NULL: *ret_allow (bg_buf, "" when no path matches) names the methods there are. */
const struct bg_route *http_route_find(const struct bg_route *routes, const char *method, const char *path,
				       struct bg_buf *ret_allow);
size_t http_route_max_body(const struct bg_route *r);
const char *http_method_name(enum evhttp_cmd_type type); /* NULL: unknown */
bool http_method_known(const char *m, size_t len);
void http_params_free(struct http_param *params, int n);
/* http_auth.c */
bool http_token_equal(const char *a, const char *b);
bool http_host_allowed(const char *host, char *const *extra);
/* 0, or the status to answer with word and message in err. */
int http_auth_check(struct bg_http_server *s, const struct http_conn *c, const struct bg_route *route,
		    struct evhttp_request *ev, struct bg_err *err);
bool http_is_loopback(const struct sockaddr *sa);
/* http_listen.c */
int http_listen_tcp(const char *addr, bool have_token, int *ret_port, bool *ret_loopback, struct bg_err *err);
int http_listen_unix(const char *path, const char *group, dev_t *ret_dev, ino_t *ret_ino, struct bg_err *err);

#endif
