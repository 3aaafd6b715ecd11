/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server against well-behaved, careless and hostile clients. */
#include "config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include "common/http_server.h"
#include "common/log.h"
#include "raw_client.h"

struct fixture {
	struct bg_loop *loop;
	struct bg_http_server *srv;
	struct bg_http_req *held;
	int calls, gone, port;
	bool flag;
	char peer[128], param[64];
	bool local;
	int stream_rc;
};

static void h_ok(struct bg_http_req *r, void *arg)
{
	struct fixture *f = arg;
	struct json_object *o = json_object_new_object();
	const char *q = bg_http_query(r, "q");

	f->calls++;
	bg_json_add_bool(o, "ok", true);
	if (q)
		bg_json_add_str(o, "q", q);
	bg_http_json(r, 200, o);
}

static void on_gone(void *arg)
{
	struct fixture *f = arg;

	f->gone++;
	f->held = NULL;
	f->flag = true;
}

static void h_hold(struct bg_http_req *r, void *arg)
{
	struct fixture *f = arg;

	f->calls++;
	f->held = r;
	f->flag = true;
	bg_http_on_gone(r, on_gone, f);
}

static void h_hold_deaf(struct bg_http_req *r, void *arg)
{
	struct fixture *f = arg;

	f->held = r;
	f->flag = true;
}

static void h_cmd(struct bg_http_req *r, void *arg)
{
	struct fixture *f = arg;
	struct json_object *o = json_object_new_object();

	f->calls++;
	bg_strlcpy(f->peer, bg_http_peer(r), sizeof(f->peer));
	f->local = bg_http_is_local(r);
	if (bg_http_param(r, "name"))
		bg_strlcpy(f->param, bg_http_param(r, "name"), sizeof(f->param));
	bg_json_add_int(o, "epoch", bg_json_int(bg_http_body(r), "epoch", -1));
	bg_http_json(r, 202, o);
}

static void h_raw(struct bg_http_req *r, void *arg)
{
	size_t len;
	char text[32];

	(void)arg;
	bg_http_raw_body(r, &len);
	snprintf(text, sizeof(text), "len %zu", len);
	bg_http_text(r, 200, "text/plain", text);
}

static void h_stream(struct bg_http_req *r, void *arg)
{
	struct fixture *f = arg;

	f->held = r;
	bg_http_on_gone(r, on_gone, f);
	bg_http_stream_start(r, "text/event-stream");
	bg_http_stream_send(r, "data: 1\n\n", 9);
}

static void h_big(struct bg_http_req *r, void *arg)
{
	char *text = bg_xmalloc(4000001);

	(void)arg;
	memset(text, 'x', 4000000);
	text[4000000] = '\0';
	bg_http_text(r, 200, "text/plain", text);
	free(text);
}

static const struct bg_field cmd_fields[] = {{"epoch", BG_J_INT, true, 0, 100, NULL}, {NULL}};
static const struct bg_route routes[] = {
	{"GET", "/health", h_ok, BG_PRIV_OPEN, NULL, 0},
	{"GET", "/v1/switches", h_ok, BG_PRIV_READ, NULL, 0},
	{"GET", "/hold", h_hold, BG_PRIV_READ, NULL, 0},
	{"GET", "/deaf", h_hold_deaf, BG_PRIV_READ, NULL, 0},
	{"POST", "/cmd", h_cmd, BG_PRIV_OPERATE, cmd_fields, 0},
	{"DELETE", "/cmd", h_cmd, BG_PRIV_OPERATE, cmd_fields, 0},
	{"GET", "/start/{name}", h_cmd, BG_PRIV_OPERATE, NULL, 0},
	{"POST", "/v1/switches/{name}/switch", h_cmd, BG_PRIV_OPERATE, cmd_fields, 4096},
	{"PUT", "/fault/x", h_ok, BG_PRIV_FAULT, NULL, 0},
	{"POST", "/raw", h_raw, BG_PRIV_OPERATE, NULL, 300000},
	{"GET", "/stream", h_stream, BG_PRIV_READ, NULL, 0},
	{"GET", "/big", h_big, BG_PRIV_READ, NULL, 0},
	{NULL},
};

static void start(struct fixture *f, struct bg_http_opts *o)
{
	struct bg_err err = BG_ERR_INIT;

	o->routes = routes;
	o->arg = f;
	f->srv = bg_http_server_new(f->loop, o);
	if (bg_http_server_tcp(f->srv, "127.0.0.1:0", &err) < 0)
		fail_msg("%s", err.msg);
	f->port = bg_http_server_port(f->srv);
}

static int setup(void **state)
{
	struct fixture *f = bg_xcalloc(1, sizeof(*f));

	f->loop = bg_loop_new();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	bg_http_server_free(f->srv);
	bg_loop_free(f->loop);
	free(f);
	return 0;
}

#define POST_HEAD "Host: 127.0.0.1\r\nContent-Type: application/json\r\n"

/* Send, and expect an answer that contains `want`. */
static void expect(struct fixture *f, const char *request, const char *want)
{
	struct raw c;

	raw_open(&c, f->loop, f->port);
	raw_send(&c, request);
	if (!raw_wait(&c, want, 3000))
		fail_msg("wanted %s, got %.*s", want, (int)c.in.len, c.in.s ? c.in.s : "");
	raw_close(&c);
}

static void test_basic(void **state)
{
	struct fixture *f = *state;
	struct raw c;

	start(f, &(struct bg_http_opts){0});
	raw_open(&c, f->loop, f->port);
	for (int i = 0; i < 3; i++) {
		raw_send(&c, "GET /health?q=a%20b&r=1 HTTP/1.1\r\nHost: x\r\n\r\n");
		assert_true(raw_wait(&c, "{\"ok\":true,\"q\":\"a b\"}", 2000));
		assert_non_null(strstr(c.in.s, "HTTP/1.1 200 OK\r\n"));
		assert_non_null(strstr(c.in.s, "Content-Type: application/json\r\n"));
		raw_reset(&c);
	}
	assert_int_equal(f->calls, 3);
	raw_send(&c, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(raw_wait(&c, "{\"error\":\"not_found\",", 2000));
	assert_false(c.eof);
	raw_close(&c);
}

static void test_held(void **state)
{
	struct fixture *f = *state;
	struct raw c;

	start(f, &(struct bg_http_opts){0});
	raw_open(&c, f->loop, f->port);
	raw_send(&c, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(bg_loop_run_until(f->loop, &f->flag, 2000000));
	/* What is pipelined while a request is held waits; evhttp alone would end the process here. */
	raw_send(&c, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_false(raw_wait(&c, "HTTP", 50));
	assert_int_equal(f->calls, 1);
	bg_http_text(f->held, 200, "text/plain", "late");
	assert_true(raw_wait(&c, "late", 2000));
	assert_true(raw_wait(&c, "{\"ok\":true}", 2000));
	assert_int_equal(f->calls, 2);
	/* A client that leaves is noticed. */
	f->flag = false;
	raw_send(&c, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(bg_loop_run_until(f->loop, &f->flag, 2000000));
	f->flag = false;
	raw_close(&c);
	assert_true(bg_loop_run_until(f->loop, &f->flag, 2000000));
	assert_int_equal(f->gone, 1);
}

static void test_path_and_method(void **state)
{
	struct fixture *f = *state;

	start(f, &(struct bg_http_opts){0});
	expect(f, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 ");
	expect(f, "GET /v1/switches/ HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 ");
	expect(f, "GET /start/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "HTTP/1.1 404 ");
	expect(f, "GET /start/a%00b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "HTTP/1.1 404 ");
	expect(f, "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 405 ");
	expect(f, "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "Allow: GET, HEAD\r\n");
	expect(f, "GET /cmd HTTP/1.1\r\nHost: x\r\n\r\n", "Allow: POST, DELETE\r\n");
	expect(f, "OPTIONS /cmd HTTP/1.1\r\nHost: x\r\n\r\n", "{\"error\":\"method_not_allowed\"");
	expect(f, "BREW /cmd?x=1 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 Method Not Allowed\r\n");
	expect(f, "BREW /cmd HTTP/1.1\r\nHost: x\r\n\r\n", "Allow: POST, DELETE\r\n");
	expect(f, "BREW /none HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 ");
	expect(f, "PROPFIND /cmd HTTP/1.1\r\nHost: x\r\n\r\n", "{\"error\":\"method_not_allowed\"");
	assert_int_equal(f->calls, 0);
	expect(f, "GET /start/a%2fb HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "HTTP/1.1 202 ");
	assert_string_equal(f->param, "a/b");
	expect(f, "GET /health?=&& HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 ");
}

static void test_head(void **state)
{
	struct fixture *f = *state;
	struct raw c;

	start(f, &(struct bg_http_opts){0});
	raw_open(&c, f->loop, f->port);
	/* On a connection that is kept alive a body would be taken for the head of the next answer. */
	raw_send(&c, "HEAD /health HTTP/1.1\r\nHost: x\r\n\r\nHEAD /none HTTP/1.1\r\nHost: x\r\n\r\n"
		     "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(raw_wait(&c, "{\"ok\":true}", 2000));
	assert_non_null(strstr(c.in.s, "Content-Length: 11\r\n"));
	assert_null(strstr(c.in.s, "not_found"));
	assert_non_null(strstr(c.in.s, "\r\n\r\nHTTP/1.1 404 "));
	assert_non_null(strstr(c.in.s, "\r\n\r\nHTTP/1.1 200 OK\r\n"));
	raw_close(&c);
}

static void test_bodies(void **state)
{
	struct fixture *f = *state;

	start(f, &(struct bg_http_opts){0});
	expect(f, "POST /cmd HTTP/1.1\r\n" POST_HEAD "Content-Length: 11\r\n\r\n{\"epoch\":7}",
	       "{\"epoch\":7}");
	assert_string_equal(f->peer, "127.0.0.1");
	assert_false(f->local);
	expect(f,
	       "POST /cmd HTTP/1.1\r\n" POST_HEAD
	       "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"epo\r\n6\r\nch\":8}\r\n0\r\n\r\n",
	       "{\"epoch\":8}");
	expect(f, "DELETE /cmd HTTP/1.1\r\n" POST_HEAD "Content-Length: 11\r\n\r\n{\"epoch\":9}",
	       "{\"epoch\":9}");
	assert_int_equal(f->calls, 3);
	expect(f, "POST /cmd HTTP/1.1\r\n" POST_HEAD "Content-Length: 0\r\n\r\n", "epoch"); /* required */
	expect(f, "POST /cmd HTTP/1.1\r\n" POST_HEAD "\r\n", "HTTP/1.1 400 ");
	expect(f, "POST /cmd HTTP/1.1\r\n" POST_HEAD "\r\n{\"epoch\":7}", "{\"error\":\"length_required\"");
	expect(f, "POST /cmd HTTP/1.1\r\n" POST_HEAD "Content-Length: 3\r\n\r\n{\"e", "HTTP/1.1 400 ");
	expect(f, "POST /cmd HTTP/1.1\r\n" POST_HEAD "Content-Length: 13\r\n\r\n{\"epoch\":\"7\"}",
	       "HTTP/1.1 400 ");
	expect(f, "POST /cmd HTTP/1.1\r\n" POST_HEAD "Content-Length: 13\r\n\r\n{\"epoch\":101}",
	       "HTTP/1.1 400 ");
	expect(f, "POST /cmd HTTP/1.1\r\n" POST_HEAD "Content-Length: -1\r\n\r\n", "HTTP/1.1 4");
	expect(f, "POST /cmd HTTP/1.1\r\n" POST_HEAD "Content-Length: zwei\r\n\r\n", "HTTP/1.1 400 ");
	assert_int_equal(f->calls, 3);
}

static void test_too_long(void **state)
{
	struct fixture *f = *state;
	char *body = bg_xcalloc(1, 1100001);
	char head[300];
	struct raw c;

	start(f, &(struct bg_http_opts){0});
	memset(body, 'x', 1100000);
	/* By Content-Length, before the body is sent; each route has its own limit. */
	expect(f, "POST /v1/switches/a/switch HTTP/1.1\r\n" POST_HEAD "Content-Length: 4097\r\n\r\n",
	       "{\"error\":\"too_large\"");
	expect(f, "POST /raw HTTP/1.1\r\n" POST_HEAD "Content-Length: 300001\r\n\r\n", "HTTP/1.1 413 ");
	expect(f, "POST /cmd HTTP/1.1\r\n" POST_HEAD "Content-Length: 99999999999999999999\r\n\r\n",
	       "HTTP/1.1 413 ");
	/* The head in two pieces; the answer arrives although the client goes on sending. */
	raw_open(&c, f->loop, f->port);
	raw_send(&c, "POST /raw HTTP/1.1\r\n" POST_HEAD "Content-Len");
	assert_false(raw_wait(&c, "HTTP", 20));
	raw_send(&c, "gth: 1100000\r\n\r\n");
	raw_send_n(&c, body, 1100000);
	assert_true(raw_wait(&c, "HTTP/1.1 413 ", 3000));
	raw_close(&c);
	/* In chunks the length is only known as they come. */
	raw_open(&c, f->loop, f->port);
	raw_send(&c, "POST /raw HTTP/1.1\r\n" POST_HEAD "Transfer-Encoding: chunked\r\n\r\n493e1\r\n");
	raw_send_n(&c, body, 300001);
	raw_send(&c, "\r\n0\r\n\r\n");
	assert_true(raw_wait(&c, "HTTP/1.1 413 ", 3000));
	raw_close(&c);
	raw_open(&c, f->loop, f->port);
	raw_send(&c, "POST /raw HTTP/1.1\r\n" POST_HEAD "Transfer-Encoding: chunked\r\n\r\n10c8e0\r\n");
	raw_send_n(&c, body, 1100000);
	raw_wait(&c, NULL, 3000);
	assert_true(c.eof);
	raw_close(&c);
	/* Exactly the limit is fine. */
	raw_open(&c, f->loop, f->port);
	snprintf(head, sizeof(head), "POST /raw HTTP/1.1\r\n" POST_HEAD "Content-Length: 300000\r\n\r\n");
	raw_send(&c, head);
	raw_send_n(&c, body, 300000);
	assert_true(raw_wait(&c, "len 300000", 3000));
	raw_close(&c);
	free(body);
	assert_int_equal(f->calls, 0);
}

static void test_huge_header(void **state)
{
	struct fixture *f = *state;
	char *junk = bg_xmalloc(200000);
	struct raw c;

	start(f, &(struct bg_http_opts){0});
	memset(junk, 'h', 200000);
	raw_open(&c, f->loop, f->port);
	raw_send(&c, "GET /health HTTP/1.1\r\nHost: x\r\nX: ");
	raw_send_n(&c, junk, 200000);
	raw_wait(&c, NULL, 3000);
	assert_true(c.eof);
	raw_close(&c);
	raw_open(&c, f->loop, f->port);
	raw_send_n(&c, junk, 200000);
	raw_wait(&c, NULL, 3000);
	assert_true(c.eof);
	raw_close(&c);
	expect(f, "\x16\x03\x01\x02 \xff\xfe nonsense and more\r\n\r\n", "HTTP/1.1 4");
	expect(f, "GET /health\r\n\r\n", "400 ");
	assert_int_equal(f->calls, 0);
	expect(f, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "\"ok\":true");
	free(junk);
}

/* One byte now and then must not keep a connection for ever. */
static void test_slow(void **state)
{
	struct fixture *f = *state;
	static const char req[] =
		"POST /cmd HTTP/1.1\r\n" POST_HEAD "Content-Length: 11\r\n\r\n{\"epoch\":7}";
	int64_t t0 = bg_now_us();
	struct raw c, idle;
	size_t i;

	start(f, &(struct bg_http_opts){.request_timeout_us = 200000});
	raw_open(&idle, f->loop, f->port);
	raw_open(&c, f->loop, f->port);
	for (i = 0; i < sizeof(req) - 1 && !c.eof; i++) {
		raw_send_n(&c, req + i, 1);
		raw_wait(&c, NULL, 10);
	}
	assert_true(i < sizeof(req) - 1);
	assert_in_range(bg_now_us() - t0, 150000, 3000000);
	assert_true(raw_wait(&c, "HTTP/1.1 408 ", 1000));
	raw_close(&c);
	assert_int_equal(f->calls, 0);
	/* So does one that never sends anything. */
	assert_true(raw_wait(&idle, NULL, 1000));
	raw_close(&idle);
	/* But one that is kept alive may rest. */
	raw_open(&c, f->loop, f->port);
	for (int n = 0; n < 2; n++) {
		raw_send(&c, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
		assert_true(raw_wait(&c, "\"ok\":true", 1000));
		assert_false(raw_wait(&c, NULL, 400));
		assert_false(c.eof);
		raw_reset(&c);
	}
	/* The deadline of its next request starts with that one's first byte. */
	raw_send(&c, "GET /hea");
	assert_true(raw_wait(&c, NULL, 1000));
	raw_close(&c);
}

static void test_many_idle(void **state)
{
	enum { N = 1000 };
	struct fixture *f = *state;
	struct raw *idle = bg_xcalloc(N, sizeof(*idle));
	bool never = false;
	int64_t t0;

	start(f, &(struct bg_http_opts){0});
	for (int i = 0; i < N; i++) {
		raw_open(&idle[i], f->loop, f->port);
		if (i % 100 == 0) /* connect() blocks when the backlog is full */
			bg_loop_run_until(f->loop, &never, 1000);
	}
	t0 = bg_now_us();
	expect(f, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "\"ok\":true");
	assert_true(bg_now_us() - t0 < 1000000);
	for (int i = 0; i < N; i += 100) {
		raw_send(&idle[i], "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
		assert_true(raw_wait(&idle[i], "\"ok\":true", 2000));
	}
	for (int i = 0; i < N; i++)
		raw_close(&idle[i]);
	free(idle);
}

/* At the limit the listener waits; the connection that rested longest makes room. */
static void test_limit(void **state)
{
	struct fixture *f = *state;
	struct bg_http_req *held[4];
	struct raw c[4], late;
	struct rusage a, b;
	bool never = false;

	start(f, &(struct bg_http_opts){.max_connections = 4});
	for (int i = 0; i < 4; i++) {
		raw_open(&c[i], f->loop, f->port);
		raw_send(&c[i], "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
		f->flag = false;
		assert_true(bg_loop_run_until(f->loop, &f->flag, 1000000));
		bg_http_on_gone(f->held, NULL, NULL);
		held[i] = f->held;
	}
	raw_open(&late, f->loop, f->port);
	raw_send(&late, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
	getrusage(RUSAGE_SELF, &a);
	bg_loop_run_until(f->loop, &never, 200000);
	getrusage(RUSAGE_SELF, &b);
	raw_read(&late);
	assert_int_equal(late.in.len, 0);
	/* It must wait, not spin. */
	assert_true((b.ru_utime.tv_sec - a.ru_utime.tv_sec) * 1000000 + b.ru_utime.tv_usec -
			    a.ru_utime.tv_usec <
		    50000);
	/* The last one is answered and rests: it is closed for the one that waits. */
	bg_http_text(f->held, 200, "text/plain", "done");
	assert_true(raw_wait(&c[3], "done", 1000));
	assert_true(raw_wait(&late, "\"ok\":true", 1000));
	assert_true(raw_wait(&c[3], NULL, 1000));
	raw_close(&late);
	for (int i = 0; i < 4; i++)
		raw_close(&c[i]);
	bg_loop_run_until(f->loop, &never, 20000);
	expect(f, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "\"ok\":true");
	for (int i = 0; i < 3; i++)
		bg_http_text(held[i], 200, "text/plain", "nobody");
}

static void test_out_of_descriptors(void **state)
{
	struct fixture *f = *state;
	const char *preload = getenv("LD_PRELOAD");
	struct rlimit old, low;
	struct raw c;
	bool never = false;

	start(f, &(struct bg_http_opts){0});
	if (preload && strstr(preload, "vgpreload"))
		skip(); /* valgrind keeps descriptors of its own under the limit */
	raw_open(&c, f->loop, f->port);
	getrlimit(RLIMIT_NOFILE, &old);
	low = (struct rlimit){.rlim_cur = (rlim_t)c.fd + 1, .rlim_max = old.rlim_max};
	setrlimit(RLIMIT_NOFILE, &low);
	raw_send(&c, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
	bg_loop_run_until(f->loop, &never, 150000);
	raw_read(&c);
	assert_int_equal(c.in.len, 0);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_true(raw_wait(&c, "\"ok\":true", 1000));
	raw_close(&c);
}

static void test_host(void **state)
{
	static const char *const hosts[] = {"switch.example.org", NULL};
	static const char *const good[] = {
		"127.0.0.1", "127.0.0.1:8080", "localhost",   "LOCALHOST:1",          "localhost.",
		"[::1]:80",  "[fe80::1]",      "192.0.2.7:1", "Switch.example.org:9", NULL};
	static const char *const bad[] = {"evil.example",
					  "localhost.evil.example",
					  "127.0.0.1.evil.example",
					  "",
					  "[::1",
					  "[::1]evil",
					  "localhost:80x",
					  "evil:80",
					  NULL};
	struct fixture *f = *state;
	char req[512];

	start(f, &(struct bg_http_opts){.hosts = hosts});
	for (int i = 0; good[i]; i++) {
		snprintf(req, sizeof(req),
			 "POST /cmd HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json; charset=utf-8\r\n"
			 "Content-Length: 11\r\n\r\n{\"epoch\":7}",
			 good[i]);
		expect(f, req, "HTTP/1.1 202 ");
		assert_int_equal(f->calls, i + 1);
	}
	f->calls = 0;
	for (int i = 0; bad[i]; i++) {
		snprintf(req, sizeof(req),
			 "POST /cmd HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
			 "Content-Length: 11\r\n\r\n{\"epoch\":7}",
			 bad[i]);
		expect(f, req, "{\"error\":\"host_refused\"");
	}
	expect(f, "POST /cmd HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n",
	       "host_refused");
	/* A GET that commands is a command. Reading is not. */
	expect(f, "GET /start/9 HTTP/1.1\r\nHost: evil.example\r\n\r\n", "host_refused");
	expect(f, "GET /start/9 HTTP/1.1\r\nHost: 127.0.0.1:80\r\nReferer: http://evil.example/x\r\n\r\n",
	       "origin_refused");
	expect(f, "GET /start/9 HTTP/1.1\r\nHost: 127.0.0.1:80\r\nSec-Fetch-Site: cross-site\r\n\r\n",
	       "origin_refused");
	expect(f, "POST /cmd HTTP/1.1\r\n" POST_HEAD "Origin: null\r\nContent-Length: 2\r\n\r\n{}",
	       "origin_refused");
	expect(f,
	       "POST /cmd HTTP/1.1\r\n" POST_HEAD
	       "Origin: http://127.0.0.1.evil.example\r\nContent-Length: 2\r\n\r\n{}",
	       "origin_refused");
	assert_int_equal(f->calls, 0);
	expect(f,
	       "POST /cmd HTTP/1.1\r\n" POST_HEAD
	       "Origin: http://127.0.0.1\r\nContent-Length: 11\r\n\r\n{\"epoch\":7}",
	       "HTTP/1.1 202 ");
	expect(f, "GET /v1/switches HTTP/1.1\r\nHost: evil.example\r\n\r\n", "HTTP/1.1 200 ");
}

static void test_content_type(void **state)
{
	struct fixture *f = *state;

	start(f, &(struct bg_http_opts){0});
	expect(f, "POST /cmd HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 415 ");
	expect(f,
	       "POST /cmd HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
	       "{\"error\":\"content_type\"");
	expect(f,
	       "POST /cmd HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/jsonx\r\nContent-Length: 2\r\n\r\n{}",
	       "HTTP/1.1 415 ");
	assert_int_equal(f->calls, 0);
}

static void test_token(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {"",
					  "Authorization: Bearer\r\n",
					  "Authorization: Bearer sesam\r\n",
					  "Authorization: Bearer sesam-oeffne-dichx\r\n",
					  "Authorization: Bearer sesam-oeffne-dicH\r\n",
					  "Authorization: Basic sesam-oeffne-dich\r\n",
					  NULL};
	char req[512];

	start(f, &(struct bg_http_opts){.token = "sesam-oeffne-dich"});
	for (int i = 0; bad[i]; i++) {
		snprintf(req, sizeof(req),
			 "POST /cmd HTTP/1.1\r\n" POST_HEAD "%sContent-Length: 11\r\n\r\n{\"epoch\":7}",
			 bad[i]);
		expect(f, req, "HTTP/1.1 401 ");
		expect(f, req, "WWW-Authenticate: Bearer");
	}
	assert_int_equal(f->calls, 0);
	expect(f,
	       "POST /cmd HTTP/1.1\r\n" POST_HEAD
	       "Authorization: bearer sesam-oeffne-dich\r\nContent-Length: 11\r\n\r\n{\"epoch\":7}",
	       "HTTP/1.1 202 ");
	expect(f, "GET /v1/switches HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 "); /* loopback reads */
	expect(f, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ");
	expect(f, "PUT /fault/x HTTP/1.1\r\n" POST_HEAD "Content-Length: 0\r\n\r\n", "HTTP/1.1 401 ");
	expect(f,
	       "PUT /fault/x HTTP/1.1\r\n" POST_HEAD
	       "Authorization: Bearer sesam-oeffne-dich\r\nContent-Length: 0\r\n\r\n",
	       "{\"error\":\"faults_disabled\"");
	/* A reload. */
	bg_http_server_set_token(f->srv, "neu", false, true);
	expect(f,
	       "PUT /fault/x HTTP/1.1\r\n" POST_HEAD
	       "Authorization: Bearer sesam-oeffne-dich\r\nContent-Length: 0\r\n\r\n",
	       "HTTP/1.1 401 ");
	expect(f,
	       "PUT /fault/x HTTP/1.1\r\n" POST_HEAD "Authorization: Bearer neu\r\nContent-Length: 0\r\n\r\n",
	       "HTTP/1.1 200 ");
}

static void test_listen_errors(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {"127.0.0.1",
					  "127.0.0.1:",
					  ":80",
					  "127.0.0.1:80x",
					  "127.0.0.1:70000",
					  "::1:80",
					  "example.org:80",
					  "[::1:80",
					  "",
					  NULL};
	struct bg_err err = BG_ERR_INIT;
	char addr[32];

	start(f, &(struct bg_http_opts){0});
	for (int i = 0; bad[i]; i++) {
		assert_int_equal(bg_http_server_tcp(f->srv, bad[i], &err), -EINVAL);
		assert_string_equal(err.code, "bad_address");
	}
	assert_int_equal(bg_http_server_tcp(f->srv, "0.0.0.0:0", &err), -EPERM);
	assert_non_null(strstr(err.msg, "token-file"));
	assert_int_equal(bg_http_server_tcp(f->srv, "*:0", &err), -EPERM);
	snprintf(addr, sizeof(addr), "127.0.0.1:%d", f->port);
	assert_int_equal(bg_http_server_tcp(f->srv, addr, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, addr));
	bg_http_server_set_token(f->srv, "x", false, false);
	assert_int_equal(bg_http_server_tcp(f->srv, "0.0.0.0:0", &err), 0);
	/* A reload cannot open it. */
	bg_http_server_set_token(f->srv, NULL, false, false);
	expect(f, "POST /cmd HTTP/1.1\r\n" POST_HEAD "Content-Length: 11\r\n\r\n{\"epoch\":7}",
	       "HTTP/1.1 401 ");
}

static void test_unix(void **state)
{
	struct fixture *f = *state;
	char dir[] = "/tmp/net-test-XXXXXX", path[64], want[64];
	struct bg_err err = BG_ERR_INIT;
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct stat st;
	struct raw c;
	int fd;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s.sock", dir);
	start(f, &(struct bg_http_opts){.token = "t"});
	/* A stale socket: bound once, nobody listens. */
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	bg_strlcpy(sun.sun_path, path, sizeof(sun.sun_path));
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd);
	if (bg_http_server_unix(f->srv, path, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	/* One that is in use, a file, a long path, no folder, no group. */
	assert_int_equal(bg_http_server_unix(f->srv, path, NULL, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, path));
	assert_non_null(strstr(err.msg, "in use"));
	assert_int_equal(bg_http_server_unix(f->srv, "/etc/passwd", NULL, &err), -EEXIST);
	assert_int_equal(bg_http_server_unix(f->srv, "/tmp/net-none/x.sock", NULL, &err), -ENOENT);
	assert_int_equal(bg_http_server_unix(
				 f->srv,
				 "/tmp/0123456789012345678901234567890123456789012345678901234567890123456789"
				 "0123456789012345678901234567890123456789",
				 NULL, &err),
			 -ENAMETOOLONG);
	assert_non_null(strstr(err.msg, "107"));
	snprintf(want, sizeof(want), "%s/g.sock", dir);
	assert_int_equal(bg_http_server_unix(f->srv, want, "no-such-group-here", &err), -ENOENT);
	assert_int_equal(access(want, F_OK), -1);
	/* Neither token nor Host nor Content-Type is asked for; the peer is known. */
	raw_open_unix(&c, f->loop, path);
	raw_send(&c, "POST /cmd HTTP/1.1\r\nHost: evil\r\nContent-Length: 11\r\n\r\n{\"epoch\":7}");
	assert_true(raw_wait(&c, "{\"epoch\":7}", 2000));
	raw_close(&c);
	assert_true(f->local);
	snprintf(want, sizeof(want), "uid %d", (int)getuid());
	assert_non_null(strstr(f->peer, want));
	snprintf(want, sizeof(want), "pid %d", (int)getpid());
	assert_non_null(strstr(f->peer, want));
	bg_http_server_free(f->srv);
	f->srv = NULL;
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(rmdir(dir), 0);
}

static void test_deaf_holder(void **state)
{
	struct fixture *f = *state;
	struct raw c;
	bool never = false;

	start(f, &(struct bg_http_opts){0});
	raw_open(&c, f->loop, f->port);
	raw_send(&c, "GET /deaf?a=1 HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(bg_loop_run_until(f->loop, &f->flag, 2000000));
	raw_close(&c);
	bg_loop_run_until(f->loop, &never, 50000);
	/* The client has left and the handler did not ask: its request lives until it is answered. */
	assert_string_equal(bg_http_query(f->held, "a"), "1");
	bg_http_text(f->held, 200, "text/plain", "nobody");
	/* The same when the server goes first. */
	f->flag = false;
	raw_open(&c, f->loop, f->port);
	raw_send(&c, "GET /deaf HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(bg_loop_run_until(f->loop, &f->flag, 2000000));
	bg_http_server_free(f->srv);
	f->srv = NULL;
	bg_http_error(f->held, 503, "x", "nobody");
	raw_close(&c);
}

static void test_free_with_held(void **state)
{
	struct fixture *f = *state;
	struct raw c, idle, half, big, stream;
	bool never = false;

	start(f, &(struct bg_http_opts){0});
	raw_open(&idle, f->loop, f->port);
	raw_open(&half, f->loop, f->port);
	raw_send(&half, "POST /cmd HTTP/1.1\r\n" POST_HEAD "Content-Length: 11\r\n\r\n{");
	raw_open(&big, f->loop, f->port);
	raw_send(&big, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
	raw_open(&stream, f->loop, f->port);
	raw_send(&stream, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(raw_wait(&stream, "data: 1", 2000));
	raw_open(&c, f->loop, f->port);
	raw_send(&c, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(bg_loop_run_until(f->loop, &f->flag, 2000000));
	bg_loop_run_until(f->loop, &never, 20000);
	bg_http_server_free(f->srv);
	f->srv = NULL;
	assert_int_equal(f->gone, 2); /* the held one and the stream */
	assert_true(raw_wait(&c, "{\"error\":\"shutting_down\"", 1000));
	assert_non_null(strstr(c.in.s, "HTTP/1.1 503 "));
	assert_true(raw_wait(&c, NULL, 1000));
	raw_close(&c);
	raw_close(&idle);
	raw_close(&half);
	raw_close(&big);
	raw_close(&stream);
}

/* A client that leaves in the middle of a long answer, one that reads slowly, one that closes its sending side. */
static void test_mid_answer(void **state)
{
	struct fixture *f = *state;
	struct raw c;
	bool never = false;

	start(f, &(struct bg_http_opts){0});
	raw_open(&c, f->loop, f->port);
	raw_send(&c, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(raw_wait(&c, "xxxx", 2000));
	raw_close(&c);
	bg_loop_run_until(f->loop, &never, 50000);
	raw_open(&c, f->loop, f->port);
	raw_send(&c, "GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	shutdown(c.fd, SHUT_WR);
	bg_loop_run_until(f->loop, &never, 50000);
	assert_true(raw_wait(&c, NULL, 5000));
	assert_true(c.in.len > 4000000);
	raw_close(&c);
	raw_open(&c, f->loop, f->port);
	raw_send(&c, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
	shutdown(c.fd, SHUT_WR);
	assert_true(raw_wait(&c, "\"ok\":true", 2000));
	assert_true(raw_wait(&c, NULL, 2000));
	raw_close(&c);
}

static void test_stream(void **state)
{
	struct fixture *f = *state;
	char *block = bg_xmalloc(100000);
	struct raw c;
	int rc = 0, n;

	start(f, &(struct bg_http_opts){0});
	raw_open(&c, f->loop, f->port);
	raw_send(&c, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(raw_wait(&c, "data: 1\n\n", 2000));
	assert_non_null(strstr(c.in.s, "Content-Type: text/event-stream\r\n"));
	assert_int_equal(bg_http_stream_send(f->held, "data: 2\n\n", 9), 0);
	assert_true(raw_wait(&c, "data: 2\n\n", 2000));
	bg_http_stream_end(f->held);
	assert_true(raw_wait(&c, "\r\n0\r\n\r\n", 2000));
	/* The connection goes on. */
	raw_send(&c, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(raw_wait(&c, "\"ok\":true", 2000));
	raw_close(&c);
	assert_int_equal(f->gone, 0);
	/* HTTP/1.0: no chunks, the end is the end of the connection, at once when all is sent. */
	raw_open(&c, f->loop, f->port);
	raw_send(&c, "GET /stream HTTP/1.0\r\n\r\n");
	assert_true(raw_wait(&c, "data: 1\n\n", 2000));
	bg_http_stream_end(f->held);
	assert_true(raw_wait(&c, NULL, 2000));
	raw_close(&c);
	/* A reader that is too slow is closed, and its stream is told. */
	memset(block, 's', 100000);
	raw_open(&c, f->loop, f->port);
	raw_send(&c, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(raw_wait(&c, "data: 1\n\n", 2000));
	f->flag = false;
	for (n = 0; n < 1000 && rc == 0; n++)
		rc = bg_http_stream_send(f->held, block, 100000);
	assert_int_equal(rc, -EPIPE);
	assert_true(bg_loop_run_until(f->loop, &f->flag, 2000000));
	assert_int_equal(f->gone, 1);
	raw_close(&c);
	/* One that leaves. */
	raw_open(&c, f->loop, f->port);
	raw_send(&c, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(raw_wait(&c, "data: 1\n\n", 2000));
	f->flag = false;
	raw_close(&c);
	assert_true(bg_loop_run_until(f->loop, &f->flag, 2000000));
	assert_int_equal(f->gone, 2);
	free(block);
}

/* A client that pipelines without reading must not fill our memory. */
static void test_pipeline_flood(void **state)
{
	struct fixture *f = *state;
	char *flood = bg_xmalloc(1 << 20);
	struct rusage a, b;
	struct raw c;
	bool never = false;
	ssize_t sent = 0;

	start(f, &(struct bg_http_opts){0});
	memset(flood, 'G', 1 << 20);
	raw_open(&c, f->loop, f->port);
	raw_send(&c, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(bg_loop_run_until(f->loop, &f->flag, 2000000));
	getrusage(RUSAGE_SELF, &a);
	for (int i = 0; i < 300; i++) {
		ssize_t n = send(c.fd, flood, 1 << 20, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0)
			sent += n;
		bg_loop_run_until(f->loop, &never, 1000);
	}
	getrusage(RUSAGE_SELF, &b);
	assert_true(sent < 64 << 20); /* what the kernel holds for both, far from 300 MiB */
	assert_true(b.ru_maxrss - a.ru_maxrss < 16 * 1024);
	bg_http_text(f->held, 200, "text/plain", "held");
	assert_true(raw_wait(&c, "held", 2000));
	raw_close(&c);
	free(flood);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_basic),          T(test_held),           T(test_path_and_method),    T(test_head),
		T(test_bodies),         T(test_too_long),       T(test_huge_header),        T(test_slow),
		T(test_many_idle),      T(test_limit),          T(test_out_of_descriptors), T(test_host),
		T(test_content_type),   T(test_token),          T(test_listen_errors),      T(test_unix),
		T(test_deaf_holder),    T(test_free_with_held), T(test_mid_answer),         T(test_stream),
		T(test_pipeline_flood),
	};
	struct rlimit lim;

	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	bg_log_init("test", "logfmt", BG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
