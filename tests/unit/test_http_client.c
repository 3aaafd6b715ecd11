/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client against our server, and against servers that misbehave. */
#include "config.h"
#include "unit.h"

#include "common/http_client.h"
#include "common/http_server.h"
#include "common/log.h"
#include "raw_client.h"

struct fx {
	struct bg_loop *l;
	struct bg_http_server *srv;
	struct bg_httpc *c;
	struct bg_http_req *held;
	char base[64], ct[64], auth[64], body[64], host[64];
	bool flag;
	int n, calls, gone, status;
	char err[32], msg[512], text[256];
	bool json;
	uint64_t ids[8];
	int64_t took_us;
};

static void h_echo(struct bg_http_req *r, void *arg)
{
	struct fx *f = arg;
	const char *ct = bg_http_header(r, "Content-Type"), *auth = bg_http_header(r, "Authorization");
	size_t len;
	const char *raw = bg_http_raw_body(r, &len);

	f->calls++;
	bg_strlcpy(f->ct, ct ? ct : "", sizeof(f->ct));
	bg_strlcpy(f->auth, auth ? auth : "", sizeof(f->auth));
	bg_strlcpy(f->host, bg_http_header(r, "Host"), sizeof(f->host));
	snprintf(f->body, sizeof(f->body), "%.*s", (int)len, raw);
	if (bg_http_header(r, "Expect"))
		fail_msg("no Expect header must be sent");
	bg_http_error(r, 409, "stale_epoch", "q=%s", bg_http_query(r, "q") ? bg_http_query(r, "q") : "");
}

static void on_gone(void *arg)
{
	struct fx *f = arg;

	f->gone++;
	f->held = NULL;
	f->flag = true;
}

static void h_hold(struct bg_http_req *r, void *arg)
{
	struct fx *f = arg;

	f->held = r;
	f->calls++;
	bg_http_on_gone(r, on_gone, f);
}

static void h_long(struct bg_http_req *r, void *arg)
{
	char text[1001];

	(void)arg;
	memset(text, 'l', 1000);
	text[1000] = '\0';
	bg_http_text(r, 200, "text/plain", text);
}

static void h_go(struct bg_http_req *r, void *arg)
{
	struct fx *f = arg;

	bg_http_set_header(r, "Location", f->base);
	bg_http_text(r, 302, "text/plain", "go");
}

static const struct bg_route routes[] = {
	{"GET", "/echo", h_echo, BG_PRIV_READ, NULL, 0},
	{"POST", "/echo", h_echo, BG_PRIV_OPERATE, NULL, 0},
	{"PUT", "/echo", h_echo, BG_PRIV_OPERATE, NULL, 0},
	{"DELETE", "/echo", h_echo, BG_PRIV_OPERATE, NULL, 0},
	{"GET", "/hold", h_hold, BG_PRIV_READ, NULL, 0},
	{"GET", "/long", h_long, BG_PRIV_READ, NULL, 0},
	{"GET", "/go", h_go, BG_PRIV_READ, NULL, 0},
	{NULL},
};

static int setup(void **state)
{
	struct fx *f = bg_xcalloc(1, sizeof(*f));
	struct bg_err err = BG_ERR_INIT;

	f->l = bg_loop_new();
	f->srv = bg_http_server_new(f->l, &(struct bg_http_opts){.routes = routes, .arg = f});
	if (bg_http_server_tcp(f->srv, "127.0.0.1:0", &err) < 0)
		fail_msg("%s", err.msg);
	snprintf(f->base, sizeof(f->base), "http://127.0.0.1:%d", bg_http_server_port(f->srv));
	f->c = bg_httpc_new(f->l);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fx *f = *state;

	bg_httpc_free(f->c);
	bg_http_server_free(f->srv);
	bg_loop_free(f->l);
	free(f);
	return 0;
}

static void on_answer(void *arg, const struct bg_httpc_answer *a)
{
	struct fx *f = arg;

	f->n++;
	f->status = a->status;
	bg_strlcpy(f->err, a->err.code, sizeof(f->err));
	bg_strlcpy(f->msg, a->err.msg, sizeof(f->msg));
	snprintf(f->text, sizeof(f->text), "%.*s", (int)a->len, a->body);
	f->json = a->json != NULL;
	f->took_us = a->done_us - a->sent_us;
	f->flag = true;
}

static void call(struct fx *f, const char *method, const char *base, const char *path, const char *body,
		 int64_t deadline_us)
{
	struct bg_httpc_call k = {
		.method = method, .base = base, .path = path, .body = body, .deadline_us = deadline_us};

	f->flag = false;
	f->status = -1;
	assert_true(bg_httpc_send(f->c, &k, on_answer, f) > 0);
	assert_false(f->flag); /* never from inside */
	assert_true(bg_loop_run_until(f->l, &f->flag, 20000000));
}

static void test_methods(void **state)
{
	struct fx *f = *state;

	call(f, "GET", f->base, "/echo?q=7", NULL, 10000000);
	assert_int_equal(f->status, 409);
	assert_string_equal(f->err, "");
	assert_true(f->json);
	assert_string_equal(f->text, "{\"error\":\"stale_epoch\",\"message\":\"q=7\"}");
	assert_string_equal(f->ct, "");
	call(f, "POST", f->base, "/echo", "{\"epoch\":7}", 10000000);
	assert_string_equal(f->body, "{\"epoch\":7}");
	assert_string_equal(f->ct, "application/json");
	call(f, "POST", f->base, "/echo", NULL, 10000000);
	assert_int_equal(f->status, 409);
	assert_string_equal(f->body, "");
	call(f, "PUT", f->base, "/echo", "{}", 10000000);
	assert_string_equal(f->body, "{}");
	assert_int_equal(f->status, 409);
	call(f, "DELETE", f->base, "/echo", NULL, 10000000);
	assert_int_equal(f->status, 409);
	call(f, "HEAD", f->base, "/echo", NULL, 10000000);
	assert_int_equal(f->status, 409);
	assert_string_equal(f->text, "");
	call(f, "BREW", f->base, "/echo", NULL, 10000000);
	assert_int_equal(f->status, 405);
	assert_int_equal(f->calls, 6);
	/* No redirects. */
	call(f, "GET", f->base, "/go", NULL, 10000000);
	assert_int_equal(f->status, 302);
	assert_false(f->json);
}

static void test_token(void **state)
{
	struct fx *f = *state;
	struct bg_httpc_call k = {.method = "POST",
				  .base = f->base,
				  .path = "/echo",
				  .token = "sesam",
				  .deadline_us = 10000000};

	bg_http_server_set_token(f->srv, "sesam", false, false);
	bg_httpc_send(f->c, &k, on_answer, f);
	assert_true(bg_loop_run_until(f->l, &f->flag, 20000000));
	assert_int_equal(f->status, 409);
	assert_string_equal(f->auth, "Bearer sesam");
	call(f, "POST", f->base, "/echo", NULL, 10000000);
	assert_int_equal(f->status, 401);
}

static void test_failures(void **state)
{
	struct fx *f = *state;
	struct bg_httpc_call k = {.method = "GET",
				  .base = f->base,
				  .path = "/long",
				  .deadline_us = 10000000,
				  .max_answer = 999};
	char base[64];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t len = sizeof(sin);

	/* A port that nobody listens at. */
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	getsockname(fd, (struct sockaddr *)&sin, &len);
	snprintf(base, sizeof(base), "http://127.0.0.1:%d", ntohs(sin.sin_port));
	call(f, "GET", base, "/x", NULL, 10000000);
	assert_int_equal(f->status, 0);
	assert_string_equal(f->err, "unreachable");
	assert_non_null(strstr(f->msg, base));
	/* One that accepts and says nothing. */
	assert_int_equal(listen(fd, 5), 0);
	call(f, "GET", base, "/x", NULL, 150000);
	assert_string_equal(f->err, "timed_out");
	assert_in_range(f->took_us, 149000, 3000000);
	assert_non_null(strstr(f->msg, "150 ms"));
	close(fd);
	call(f, "GET", "unix:/tmp/net-none/sock", "/x", NULL, 10000000);
	assert_string_equal(f->err, "unreachable");
	assert_string_equal(f->msg, "GET unix:/tmp/net-none/sock/x: No such file or directory");
	call(f, "GET", "ftp://127.0.0.1", "/x", NULL, 10000000);
	assert_string_equal(f->err, "bad_url");
	call(f, "GET", "file:///etc/passwd", "", NULL, 10000000);
	assert_string_equal(f->err, "bad_url");
	call(f, "GET", "http://", "/x", NULL, 10000000);
	assert_string_equal(f->err, "bad_url");
	call(f, "GET", "http://exa mple", "/x", NULL, 10000000);
	assert_string_equal(f->err, "http_failed");
	/* Too long, and exactly long enough. */
	f->flag = false;
	bg_httpc_send(f->c, &k, on_answer, f);
	assert_true(bg_loop_run_until(f->l, &f->flag, 20000000));
	assert_int_equal(f->status, 0);
	assert_string_equal(f->err, "too_long");
	k.max_answer = 1000;
	f->flag = false;
	bg_httpc_send(f->c, &k, on_answer, f);
	assert_true(bg_loop_run_until(f->l, &f->flag, 20000000));
	assert_int_equal(f->status, 200);
	assert_int_equal(f->n, 9);
}

static void test_environment(void **state)
{
	struct fx *f = *state;

	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	call(f, "GET", f->base, "/echo", NULL, 10000000);
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	assert_int_equal(f->status, 409);
}

/* A server of our own making, to count connections and to break off. */
struct plain {
	struct fx *f;
	int lfd, fd, accepted, served, break_after, sleep_ms;
	struct bg_watch *lw, *w;
};

static void plain_read(void *arg)
{
	static const char answer[] =
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}";
	struct plain *p = arg;
	char buf[4096];
	ssize_t n = recv(p->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n > 0 && ++p->served != p->break_after) {
		assert_int_equal(send(p->fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL), sizeof(answer) - 1);
		usleep((useconds_t)p->sleep_ms * 1000);
		return;
	}
	if (n > 0)
		n = send(p->fd, answer, sizeof(answer) - 2, MSG_NOSIGNAL); /* one byte short */
	bg_watch_free(p->w);
	p->w = NULL;
	close(p->fd);
}

static void plain_accept(void *arg)
{
	struct plain *p = arg;

	p->fd = accept(p->lfd, NULL, NULL);
	p->accepted++;
	p->w = bg_watch_read(p->f->l, p->fd, plain_read, p);
}

static void test_reuse(void **state)
{
	struct fx *f = *state;
	struct plain p = {.f = f, .break_after = 12};
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t len = sizeof(sin);
	char base[64];

	p.lfd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(p.lfd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	listen(p.lfd, 5);
	getsockname(p.lfd, (struct sockaddr *)&sin, &len);
	snprintf(base, sizeof(base), "http://127.0.0.1:%d/", ntohs(sin.sin_port));
	p.lw = bg_watch_read(f->l, p.lfd, plain_accept, &p);
	for (int i = 0; i < 10; i++) {
		call(f, i % 2 ? "POST" : "GET", base, "/x", i % 2 ? "{}" : NULL, 10000000);
		assert_int_equal(f->status, 200);
		assert_true(f->json);
	}
	assert_int_equal(p.accepted, 1);
	/* The server has closed the idle connection: the next call is served by a new one. */
	shutdown(p.fd, SHUT_RDWR);
	bg_loop_run_until(f->l, &(bool){false}, 20000);
	call(f, "GET", base, "/x", NULL, 10000000);
	assert_int_equal(f->status, 200);
	assert_int_equal(p.accepted, 2);
	/* Broken off in the middle of an answer. */
	call(f, "GET", base, "/x", NULL, 10000000);
	assert_int_equal(f->status, 0);
	assert_string_equal(f->err, "broken_off");
	bg_watch_free(p.lw);
	bg_watch_free(p.w);
	close(p.lfd);
}

static void on_stall(void *arg, int64_t us)
{
	struct fx *f = arg;

	(void)us;
	bg_httpc_cancel(f->c, f->ids[0]);
	f->gone++;
}

/* The loop stood still while an answer came in: the stall function cancels the very call that is about to be read. */
static void test_stall(void **state)
{
	struct fx *f = *state;
	struct plain p = {.f = f, .sleep_ms = 600};
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t len = sizeof(sin);
	char base[64];
	struct bg_httpc_call k = {.method = "GET", .base = base, .path = "/x", .deadline_us = 2000000};

	p.lfd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(p.lfd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	listen(p.lfd, 5);
	getsockname(p.lfd, (struct sockaddr *)&sin, &len);
	snprintf(base, sizeof(base), "http://127.0.0.1:%d", ntohs(sin.sin_port));
	p.lw = bg_watch_read(f->l, p.lfd, plain_accept, &p);
	bg_loop_stall_guard(f->l, 300000, on_stall, f);
	f->ids[0] = bg_httpc_send(f->c, &k, on_answer, f);
	bg_loop_run_until(f->l, &f->flag, 1000000);
	assert_int_equal(p.served, 1);
	assert_int_equal(f->gone, 1);
	assert_int_equal(f->n, 0);
	bg_watch_free(p.lw);
	bg_watch_free(p.w);
	close(p.lfd);
	close(p.fd);
}

static void test_unix(void **state)
{
	struct fx *f = *state;
	char dir[] = "/tmp/net-test-XXXXXX", path[64], base[80];
	struct bg_err err = BG_ERR_INIT;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s.sock", dir);
	snprintf(base, sizeof(base), "unix:%s", path);
	assert_int_equal(bg_http_server_unix(f->srv, path, NULL, &err), 0);
	for (int i = 0; i < 3; i++) {
		call(f, "POST", base, "/echo?q=1", "{\"a\":1}", 10000000);
		assert_int_equal(f->status, 409);
		assert_string_equal(f->body, "{\"a\":1}");
	}
	bg_http_server_free(f->srv);
	f->srv = NULL;
	call(f, "POST", base, "/echo", NULL, 10000000);
	assert_string_equal(f->err, "unreachable");
	rmdir(dir);
}

static void test_cancel(void **state)
{
	struct fx *f = *state;
	struct bg_httpc_call k = {.method = "GET", .base = f->base, .path = "/hold", .deadline_us = 10000000};
	uint64_t id = bg_httpc_send(f->c, &k, on_answer, f);

	while (!f->calls)
		bg_loop_run_until(f->l, &f->flag, 1000);
	bg_httpc_cancel(f->c, id);
	bg_httpc_cancel(f->c, id);
	bg_httpc_cancel(f->c, 0);
	bg_httpc_cancel(f->c, 999);
	/* The server notices, and fn is never called. */
	assert_true(bg_loop_run_until(f->l, &f->flag, 10000000));
	assert_int_equal(f->gone, 1);
	assert_int_equal(f->n, 0);
	/* Before it has left at all, and one that is refused at once. */
	id = bg_httpc_send(f->c, &k, on_answer, f);
	bg_httpc_cancel(f->c, id);
	k.base = "gopher://x";
	id = bg_httpc_send(f->c, &k, on_answer, f);
	bg_httpc_cancel(f->c, id);
	f->flag = false;
	bg_loop_run_until(f->l, &f->flag, 50000);
	assert_int_equal(f->n, 0);
}

static void cancel_all(void *arg, const struct bg_httpc_answer *a)
{
	struct fx *f = arg;

	(void)a;
	f->n++;
	f->flag = true;
	for (int i = 0; i < 8; i++)
		bg_httpc_cancel(f->c, f->ids[i]); /* its own id too */
}

static void test_cancel_in_answer(void **state)
{
	struct fx *f = *state;
	struct bg_httpc_call k = {.method = "GET", .base = f->base, .path = "/echo", .deadline_us = 10000000};

	for (int i = 0; i < 8; i++)
		f->ids[i] = bg_httpc_send(f->c, &k, cancel_all, f);
	assert_true(bg_loop_run_until(f->l, &f->flag, 10000000));
	bg_loop_run_until(f->l, &(bool){false}, 20000);
	assert_int_equal(f->n, 1);
}

static void send_again(void *arg, const struct bg_httpc_answer *a)
{
	struct fx *f = arg;
	struct bg_httpc_call k = {.method = "GET", .base = f->base, .path = "/echo", .deadline_us = 10000000};

	assert_int_equal(a->status, 409);
	if (++f->n < 5)
		bg_httpc_send(f->c, &k, send_again, f);
	else
		f->flag = true;
}

static void free_client(void *arg, const struct bg_httpc_answer *a)
{
	struct fx *f = arg;

	(void)a;
	f->n++;
	f->flag = true;
	bg_httpc_free(f->c);
	f->c = NULL;
}

static void test_from_inside(void **state)
{
	struct fx *f = *state;
	struct bg_httpc_call k = {.method = "GET", .base = f->base, .path = "/echo", .deadline_us = 10000000};

	bg_httpc_send(f->c, &k, send_again, f);
	assert_true(bg_loop_run_until(f->l, &f->flag, 10000000));
	assert_int_equal(f->n, 5);
	/* The client is freed inside an answer, with calls under way: these end without a word. */
	f->flag = false;
	f->n = 0;
	for (int i = 0; i < 5; i++)
		bg_httpc_send(f->c, &k, free_client, f);
	assert_true(bg_loop_run_until(f->l, &f->flag, 10000000));
	bg_loop_run_until(f->l, &(bool){false}, 20000);
	assert_int_equal(f->n, 1);
}

static void test_fan_out(void **state)
{
	struct fx *f = *state;
	struct bg_httpc_call k = {
		.method = "POST", .base = f->base, .path = "/echo", .body = "{}", .deadline_us = 30000000};

	for (int round = 0; round < 2; round++) {
		f->n = 0;
		for (int i = 0; i < 500; i++)
			bg_httpc_send(f->c, &k, on_answer, f);
		for (int i = 0; i < 3000 && f->n < 500; i++)
			bg_loop_run_until(f->l, &(bool){false}, 10000);
		assert_int_equal(f->n, 500);
		assert_int_equal(f->status, 409);
	}
}

static void test_free_running(void **state)
{
	struct fx *f = *state;
	struct bg_httpc_call k = {.method = "GET", .base = f->base, .path = "/hold", .deadline_us = 10000000};

	for (int i = 0; i < 3; i++)
		bg_httpc_send(f->c, &k, on_answer, f);
	bg_loop_run_until(f->l, &f->flag, 30000);
	bg_httpc_free(f->c);
	f->c = NULL;
	bg_httpc_free(NULL);
	for (int i = 0; i < 100 && f->gone < 3; i++)
		bg_loop_run_until(f->l, &(bool){false}, 10000);
	assert_int_equal(f->gone, 3);
	assert_int_equal(f->n, 0);
}

static void test_backoff(void **state)
{
	struct bg_backoff b = {.min_us = 1000, .max_us = 16000};
	int64_t cap = 1000, most = 0;

	(void)state;
	for (int i = 0; i < 50; i++) {
		int64_t us = bg_backoff_next(&b);

		assert_in_range(us, 500, cap);
		most = BG_MAX(most, us);
		cap = BG_MIN(cap * 2, 16000);
	}
	assert_int_equal(b.tries, 50);
	assert_true(most > 8000);
	bg_backoff_reset(&b);
	assert_in_range(bg_backoff_next(&b), 500, 1000);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_methods),     T(test_token),   T(test_failures),
		T(test_environment), T(test_reuse),   T(test_stall),
		T(test_unix),        T(test_cancel),  T(test_cancel_in_answer),
		T(test_from_inside), T(test_fan_out), T(test_free_running),
		T(test_backoff),
	};

	bg_log_init("test", "logfmt", BG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
