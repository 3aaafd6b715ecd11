/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor of a fan-out over HTTP: epoll and nothing else. No HTTP library, no JSON, no event loop.
 *
 *	floor-fanout -s SWITCH -n ROUNDS <URLS
 *
 * One kept-alive connection to each of the URLs (http://127.0.0.1:PORT, of fleet.c), which are lines of its standard
 * input; each round writes the bytes of a pause at a new epoch to all of them and reads until each has answered 200.
 * Prints the time of each round but the first, which wakes the instances up: `us=N`. Whatever it measures is what the
 * kernel and the instances themselves need.
 */
#include "config.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bare.h"

#define MAX_URLS 10000
#define WAIT_MS  10000

struct conn {
	int fd, port;
	size_t len;
	char in[8192]; /* an answer to a pause of one that was not active: some hundred bytes */
};

static struct conn conns[MAX_URLS];
static int count, ep;

static void open_one(struct conn *c)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons((uint16_t)c->port)};
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	int one = 1;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		die("cannot connect to port %d", c->port);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		die("cannot watch port %d", c->port);
}

/* All lines of standard input. */
static void open_all(void)
{
	char line[256];

	while (fgets(line, sizeof(line), stdin)) {
		if (count == MAX_URLS)
			die("more than %d URLs", MAX_URLS);
		if (sscanf(line, "http://127.0.0.1:%d", &conns[count].port) != 1)
			die("%s: expected http://127.0.0.1:PORT", line);
		open_one(&conns[count++]);
	}
	if (!count)
		die("no URLs");
}

/* Has the whole answer come? */
static int answered(struct conn *c)
{
	const char *end, *length;

	c->in[c->len] = '\0';
	end = strstr(c->in, "\r\n\r\n");
	if (!end)
		return 0;
	length = strcasestr(c->in, "\nContent-Length:");
	if (strncmp(c->in, "HTTP/1.1 200 ", 13) != 0 || !length || length > end)
		die("port %d answered %.200s", c->port, c->in);
	return c->len >= (size_t)(end + 4 - c->in) + strtoul(length + 16, NULL, 10);
}

static int take(struct conn *c)
{
	ssize_t n = recv(c->fd, c->in + c->len, sizeof(c->in) - 1 - c->len, 0);

	if (n <= 0)
		die("port %d has closed the connection, or answers too much", c->port);
	c->len += (size_t)n;
	return answered(c);
}

static void send_one(struct conn *c, const char *body)
{
	char request[512];
	int n = snprintf(request, sizeof(request),
			 "POST /lifecycle/pause HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
			 "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
			 c->port, strlen(body), body);

	c->len = 0;
	if (send(c->fd, request, (size_t)n, MSG_NOSIGNAL) != n)
		die("port %d does not take a request", c->port);
}

static void round_of(const char *body)
{
	struct epoll_event ev[256];
	int i, n, open = count;

	for (i = 0; i < count; i++)
		send_one(&conns[i], body);
	while (open > 0) {
		n = epoll_wait(ep, ev, 256, WAIT_MS);
		if (n <= 0)
			die("%d of %d have not answered", open, count);
		for (i = 0; i < n; i++)
			open -= take(ev[i].data.ptr);
	}
}

int main(int argc, char **argv)
{
	const char *sw = NULL;
	int64_t rounds = 0, r, start;
	char body[256];
	int opt;

	while ((opt = getopt(argc, argv, "s:n:")) != -1) {
		if (opt == 's')
			sw = optarg;
		else if (opt == 'n')
			rounds = number("-n", optarg);
		else
			return 2;
	}
	if (!sw || !rounds || argc != optind) {
		fputs("usage: floor-fanout -s SWITCH -n ROUNDS <URLS\n", stderr);
		return 2;
	}
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0)
		die("cannot make an epoll");
	open_all();
	for (r = 0; r <= rounds; r++) {
		snprintf(body, sizeof(body), "{\"switch\":\"%.64s\",\"epoch\":%lld,\"deadline_ms\":10000}",
			 sw, (long long)(r + 1));
		start = now_us();
		round_of(body);
		if (r)
			printf("us=%lld\n", (long long)(now_us() - start));
	}
	return 0;
}
