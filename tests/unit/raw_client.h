/* SPDX-License-Identifier: Apache-2.0 */
/* A raw, non-blocking client in the same process as the loop, for tests of what well-behaved clients never send. */
#ifndef TESTS_UNIT_RAW_CLIENT_H
#define TESTS_UNIT_RAW_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "common/loop.h"
#include "common/mem.h"

struct raw {
	struct bg_loop *loop;
	int fd;
	struct bg_buf in; /* all that has come since the last raw_reset */
	bool eof;
};

static inline void raw_read(struct raw *r)
{
	char buf[4096];
	ssize_t n;

	while (!r->eof && (n = recv(r->fd, buf, sizeof(buf), MSG_DONTWAIT)) != -1) {
		if (n == 0)
			r->eof = true;
		else
			bg_buf_add(&r->in, buf, (size_t)n);
	}
	if (!r->eof && errno != EAGAIN)
		r->eof = true;
}

static inline void raw_open(struct raw *r, struct bg_loop *l, int port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int one = 1;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	memset(r, 0, sizeof(*r));
	r->loop = l;
	r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(r->fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		abort();
}

static inline void raw_open_unix(struct raw *r, struct bg_loop *l, const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	bg_strlcpy(sun.sun_path, path, sizeof(sun.sun_path));
	memset(r, 0, sizeof(*r));
	r->loop = l;
	r->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(r->fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		abort();
}

static inline void raw_send_n(struct raw *r, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(r->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		bool never = false;

		if (n > 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			bg_loop_run_until(r->loop, &never, 1000);
			raw_read(r);
		} else {
			return;
		}
	}
}

static inline void raw_send(struct raw *r, const char *text)
{
	raw_send_n(r, text, strlen(text));
}

/* Turn the loop until `want` has come (NULL: the end of the connection), at most `ms`. */
static inline bool raw_wait(struct raw *r, const char *want, int ms)
{
	int64_t end = bg_real_us() + ms * 1000LL;
	bool never = false;

	for (;;) {
		raw_read(r);
		if (want && r->in.s && memmem(r->in.s, r->in.len, want, strlen(want)))
			return true;
		if (r->eof)
			return !want;
		if (bg_real_us() >= end)
			return false;
		bg_loop_run_until(r->loop, &never, 1000);
	}
}

static inline void raw_reset(struct raw *r)
{
	bg_buf_reset(&r->in);
}

static inline void raw_close(struct raw *r)
{
	close(r->fd);
	bg_buf_free(&r->in);
	r->fd = -1;
}

#endif
