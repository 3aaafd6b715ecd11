/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to a server on a Unix socket. An input is a few requests, a NUL between two; the first line of each is
 * `METHOD PATH`, the rest its body.
 */
#ifndef TESTS_FUZZ_REQUESTS_H
#define TESTS_FUZZ_REQUESTS_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/http_server.h"
#include "fuzz/fuzz.h"

#define FUZZ_REQUESTS 5
#define FUZZ_TURNS    200

struct fuzz_client {
	struct bg_loop *loop;
	struct sockaddr_un sun;
	void (*turn)(void *arg); /* between two looks for an answer */
	void *arg;
};

/* Send one request, turn until it is answered or for a while, and leave. The status; 0: none. */
static inline int fuzz_request(struct fuzz_client *c, const char *text, size_t len)
{
	const char *nl = memchr(text, '\n', len);
	size_t head = nl ? (size_t)(nl - text) : len, body = nl ? len - head - 1 : 0;
	_cleanup_buf_ struct bg_buf out = {0};
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char buf[65536];
	bool never = false;
	int status = 0;

	bg_buf_add(&out, text, head);
	bg_buf_printf(&out, " HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n", body);
	bg_buf_add(&out, nl ? nl + 1 : "", body);
	FUZZ_MUST(fd >= 0 && connect(fd, (struct sockaddr *)&c->sun, sizeof(c->sun)) == 0);
	if (send(fd, out.s, out.len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)out.len)
		return 0;
	for (int i = 0; i < FUZZ_TURNS && !status; i++) {
		bg_loop_run_until(c->loop, &never, 20);
		if (c->turn)
			c->turn(c->arg);
		ssize_t n = recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);
		if (n == 0)
			break;
		if (n < 0)
			continue;
		buf[n] = '\0';
		FUZZ_MUST(sscanf(buf, "HTTP/1.%*d %d", &status) == 1);
	}
	return status;
}

static inline void fuzz_requests(struct fuzz_client *c, const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_bytes(data, size);

	for (size_t at = 0, n = 0; at < size && n < FUZZ_REQUESTS; n++) {
		const char *end = memchr(text + at, '\0', size - at);
		size_t len = end ? (size_t)(end - (text + at)) : size - at;

		fuzz_request(c, text + at, len);
		at += len + 1;
	}
}

static inline void fuzz_listen(struct fuzz_client *c, struct bg_http_server *s)
{
	struct bg_err err = BG_ERR_INIT;

	c->sun.sun_family = AF_UNIX;
	snprintf(c->sun.sun_path, sizeof(c->sun.sun_path), "%s/sock", fuzz_dir());
	FUZZ_MUST(bg_http_server_unix(s, c->sun.sun_path, NULL, &err) == 0);
}

#endif
