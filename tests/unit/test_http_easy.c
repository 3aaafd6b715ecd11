/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles of the HTTP client are used again and again, with a receive buffer smaller than curl's own: no answer,
 * however it is shaped and whatever went before on the same handle, may be written beyond it (valgrind and the
 * sanitizers look), and no request may carry anything of an earlier one.
 */
#include "config.h"
#include "unit.h"

#include "common/http_client.h"
#include "common/ids.h"
#include "raw_client.h"

#define LONG     100000
#define DEADLINE INT64_C(20000000)

struct fx {
	struct bg_loop *l;
	struct bg_httpc *c;
	int lfd, fd, accepted;
	struct bg_watch *lw, *w;
	char base[64], path[108], request[4096]; /* the last one, whole */
	bool flag;
	int status;
	char err[32];
	size_t len;
	unsigned sum; /* of the body's bytes */
};

/* ---- the server: raw bytes, chosen by the path */

static void put(struct fx *f, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(f->fd, data, len, MSG_NOSIGNAL);

		assert_true(n > 0);
		data += n;
		len -= (size_t)n;
	}
}

static void fill(struct bg_buf *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bg_buf_puts(b, i % 7 ? "a" : "b");
}

static void chunk(struct bg_buf *b, size_t len)
{
	bg_buf_printf(b, "%zx;extension=1\r\n", len);
	fill(b, len);
	bg_buf_puts(b, "\r\n");
}

static void answer(struct fx *f)
{
	_cleanup_buf_ struct bg_buf b = {0};
	static const size_t sizes[] = {1, 1023, 1024, 1025, 2047, 2048, 2049, 4097, 16384, 16385, 40000};

	bg_buf_puts(&b, "HTTP/1.1 200 OK\r\n");
	if (strstr(f->request, " /length ")) {
		bg_buf_printf(&b, "Content-Length: %d\r\n\r\n", LONG);
		fill(&b, LONG);
	} else if (strstr(f->request, " /header ")) {
		for (int i = 0; i < 6; i++) {
			bg_buf_printf(&b, "X-%d: ", i);
			fill(&b, 15000);
			bg_buf_puts(&b, "\r\n");
		}
		bg_buf_puts(&b, "Content-Length: 2\r\n\r\nab");
	} else if (strstr(f->request, " /chunked ")) {
		bg_buf_puts(&b, "Transfer-Encoding: chunked\r\n\r\n");
		for (size_t i = 0; i < BG_ARRAY_SIZE(sizes); i++)
			chunk(&b, sizes[i]);
		bg_buf_puts(&b, "0\r\nX-Trailer: ");
		fill(&b, 3000);
		bg_buf_puts(&b, "\r\n\r\n");
	} else if (strncmp(f->request, "HEAD", 4) == 0) {
		bg_buf_puts(&b, "Content-Length: 5\r\n\r\n");
	} else {
		bg_buf_puts(&b, "Content-Length: 5\r\n\r\nhello");
	}
	put(f, b.s, b.len);
}

static void on_request(void *arg)
{
	struct fx *f = arg;
	ssize_t n = recv(f->fd, f->request, sizeof(f->request) - 1, MSG_DONTWAIT);

	if (n > 0) {
		f->request[n] = '\0';
		if (!strstr(f->request, " /silent "))
			answer(f);
		return;
	}
	bg_watch_free(f->w);
	f->w = NULL;
	close(f->fd);
}

static void on_accept(void *arg)
{
	struct fx *f = arg;
	int room = 1 << 18;

	if (f->w) { /* the client has given that one up */
		bg_watch_free(f->w);
		close(f->fd);
	}
	f->fd = accept(f->lfd, NULL, NULL);
	assert_true(f->fd >= 0);
	setsockopt(f->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	f->accepted++;
	f->w = bg_watch_read(f->l, f->fd, on_request, f);
}

static int setup(void **state)
{
	struct fx *f = bg_xcalloc(1, sizeof(*f));
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t len = sizeof(sin);

	f->l = bg_loop_new();
	f->c = bg_httpc_new(f->l);
	f->lfd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(f->lfd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(f->lfd, 5), 0);
	getsockname(f->lfd, (struct sockaddr *)&sin, &len);
	snprintf(f->base, sizeof(f->base), "http://127.0.0.1:%d", ntohs(sin.sin_port));
	f->lw = bg_watch_read(f->l, f->lfd, on_accept, f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fx *f = *state;

	bg_httpc_free(f->c);
	bg_watch_free(f->lw);
	if (f->w) {
		bg_watch_free(f->w);
		close(f->fd);
	}
	close(f->lfd);
	if (f->path[0])
		unlink(f->path);
	bg_loop_free(f->l);
	free(f);
	return 0;
}

/* ---- the client */

static void on_answer(void *arg, const struct bg_httpc_answer *a)
{
	struct fx *f = arg;

	f->status = a->status;
	f->len = a->len;
	f->sum = 0;
	for (size_t i = 0; i < a->len; i++)
		f->sum += (unsigned char)a->body[i];
	bg_strlcpy(f->err, a->err.code, sizeof(f->err));
	f->flag = true;
}

static void call(struct fx *f, const char *method, const char *base, const char *path, const char *body,
		 int64_t deadline_us)
{
	struct bg_httpc_call k = {
		.method = method, .base = base, .path = path, .body = body, .deadline_us = deadline_us};

	f->flag = false;
	f->request[0] = '\0';
	bg_httpc_send(f->c, &k, on_answer, f);
	assert_true(bg_loop_run_until(f->l, &f->flag, DEADLINE));
}

static unsigned sum_of(size_t len)
{
	return (unsigned)(len * 'a' + (len + 6) / 7);
}

/* Every shape of answer that is larger than the buffer, on kept-alive connections. */
static void large(struct fx *f)
{
	size_t chunked = 1 + 1023 + 1024 + 1025 + 2047 + 2048 + 2049 + 4097 + 16384 + 16385 + 40000;

	call(f, "GET", f->base, "/length", NULL, DEADLINE);
	assert_int_equal(f->status, 200);
	assert_int_equal(f->len, LONG);
	assert_int_equal(f->sum, sum_of(LONG));
	call(f, "POST", f->base, "/header", "{}", DEADLINE);
	assert_int_equal(f->status, 200);
	assert_int_equal(f->len, 2);
	call(f, "POST", f->base, "/chunked", "{}", DEADLINE);
	assert_int_equal(f->status, 200);
	assert_int_equal(f->len, chunked);
	call(f, "GET", f->base, "/small", NULL, DEADLINE);
	assert_int_equal(f->status, 200);
	assert_int_equal(f->len, 5);
}

static void test_larger_than_the_buffer(void **state)
{
	struct fx *f = *state;

	large(f);
	large(f);
	assert_int_equal(f->accepted, 1); /* kept alive all the time */
}

/* With curl_easy_reset between two requests, each of these let the next answer be written beyond the buffer. */
static void test_after_a_time_out(void **state)
{
	struct fx *f = *state;

	call(f, "GET", f->base, "/silent", NULL, 50000);
	assert_string_equal(f->err, "timed_out");
	large(f);
	call(f, "POST", f->base, "/silent", "{}", 50000);
	assert_string_equal(f->err, "timed_out");
	large(f);
}

static void test_after_no_connection(void **state)
{
	struct fx *f = *state;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t len = sizeof(sin);
	char base[64];

	call(f, "GET", "http://exa mple", "/x", NULL, DEADLINE); /* curl's own check, after it has a buffer */
	assert_string_equal(f->err, "http_failed");
	large(f);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	getsockname(fd, (struct sockaddr *)&sin, &len);
	snprintf(base, sizeof(base), "http://127.0.0.1:%d", ntohs(sin.sin_port));
	call(f, "GET", base, "/x", NULL, DEADLINE);
	assert_string_equal(f->err, "unreachable");
	large(f);
	call(f, "GET", "unix:/tmp/bg-none/sock", "/x", NULL, DEADLINE);
	assert_string_equal(f->err, "unreachable");
	large(f);
	close(fd);
}

static void test_after_a_cancel(void **state)
{
	struct fx *f = *state;
	struct bg_httpc_call k = {
		.method = "GET", .base = f->base, .path = "/silent", .deadline_us = DEADLINE};
	bool never = false;
	uint64_t id;

	for (int i = 0; i < 3; i++) {
		id = bg_httpc_send(f->c, &k, on_answer, f);
		bg_loop_run_until(f->l, &never, i * 20000);
		bg_httpc_cancel(f->c, id);
		large(f);
	}
}

/* What one request says is not said by the next one, which uses the same handle. */
static void test_nothing_stays(void **state)
{
	struct fx *f = *state;

	call(f, "PUT", f->base, "/a", "{\"a\":1}", DEADLINE);
	assert_memory_equal(f->request, "PUT /a HTTP/1.1\r\n", 17);
	assert_non_null(strstr(f->request, "Content-Type: application/json\r\n"));
	assert_non_null(strstr(f->request, "Content-Length: 7\r\n"));
	assert_non_null(strstr(f->request, "\r\n\r\n{\"a\":1}"));
	call(f, "GET", f->base, "/b", NULL, DEADLINE);
	assert_memory_equal(f->request, "GET /b HTTP/1.1\r\n", 17);
	assert_null(strstr(f->request, "Content-"));
	assert_int_equal(f->len, 5);
	call(f, "HEAD", f->base, "/c", NULL, DEADLINE);
	assert_memory_equal(f->request, "HEAD /c HTTP/1.1\r\n", 18);
	assert_null(strstr(f->request, "Content-"));
	assert_int_equal(f->status, 200);
	assert_int_equal(f->len, 0);
	call(f, "POST", f->base, "/d", NULL, DEADLINE);
	assert_memory_equal(f->request, "POST /d HTTP/1.1\r\n", 18);
	assert_non_null(strstr(f->request, "Content-Length: 0\r\n"));
	assert_int_equal(f->len, 5);
	call(f, "DELETE", f->base, "/e", NULL, DEADLINE);
	assert_memory_equal(f->request, "DELETE /e HTTP/1.1\r\n", 20);
	call(f, "HEAD", f->base, "/f", NULL, DEADLINE);
	assert_memory_equal(f->request, "HEAD /f HTTP/1.1\r\n", 18);
	call(f, "GET", f->base, "/g", NULL, DEADLINE);
	assert_memory_equal(f->request, "GET /g HTTP/1.1\r\n", 17);
	assert_int_equal(f->len, 5);
	call(f, "POST", f->base, "/h", "{}", DEADLINE);
	assert_memory_equal(f->request, "POST /h HTTP/1.1\r\n", 18);
	assert_non_null(strstr(f->request, "Content-Length: 2\r\n"));
	assert_int_equal(f->accepted, 1);
}

/* A handle that spoke to a Unix socket speaks TCP next. */
static void test_unix_then_tcp(void **state)
{
	struct fx *f = *state;
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	char base[128];

	snprintf(f->path, sizeof(f->path), "/tmp/bg-easy-%d.sock", (int)getpid());
	bg_strlcpy(sun.sun_path, f->path, sizeof(sun.sun_path));
	unlink(f->path);
	bg_watch_free(f->lw);
	int tcp = f->lfd;
	f->lfd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->lfd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(f->lfd, 5), 0);
	f->lw = bg_watch_read(f->l, f->lfd, on_accept, f);
	snprintf(base, sizeof(base), "unix:%s", f->path);
	call(f, "GET", base, "/u", NULL, DEADLINE);
	assert_memory_equal(f->request, "GET /u HTTP/1.1\r\n", 17);
	assert_non_null(strstr(f->request, "Host: localhost\r\n"));
	bg_watch_free(f->lw);
	close(f->lfd);
	f->lfd = tcp;
	f->lw = bg_watch_read(f->l, f->lfd, on_accept, f);
	call(f, "GET", f->base, "/t", NULL, DEADLINE);
	assert_memory_equal(f->request, "GET /t HTTP/1.1\r\n", 17);
	assert_non_null(strstr(f->request, "Host: 127.0.0.1:"));
	assert_int_equal(f->accepted, 2);
	large(f);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_larger_than_the_buffer), T(test_after_a_time_out), T(test_after_no_connection),
		T(test_after_a_cancel),         T(test_nothing_stays),    T(test_unix_then_tcp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
