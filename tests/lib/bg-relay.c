/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network that can be cut: bg-relay HOST:PORT HOST:PORT passes every TCP connection to the first address on
 * to the second. Stopped by SIGSTOP it is a host that nobody hears any more, though it works on: connections
 * are accepted by the kernel, and nothing is answered.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

static struct event_base *base;
static struct sockaddr_storage target;
static int target_len = sizeof(target);

/* One direction's end; arg of each is the other one. */
static void pass(struct bufferevent *from, void *to)
{
	bufferevent_write_buffer(to, bufferevent_get_input(from));
}

static void all_written(struct bufferevent *one, void *arg)
{
	(void)arg;
	bufferevent_free(one);
}

static void ended_too(struct bufferevent *one, short what, void *arg)
{
	(void)what;
	(void)arg;
	bufferevent_free(one);
}

/* What the other side has yet to be given, it is given. */
static void ended(struct bufferevent *one, short what, void *other)
{
	if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
		return;
	bufferevent_free(one);
	if (!evbuffer_get_length(bufferevent_get_output(other))) {
		bufferevent_free(other);
		return;
	}
	bufferevent_disable(other, EV_READ);
	bufferevent_setcb(other, NULL, all_written, ended_too, NULL);
}

static void accepted(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *who, int len, void *arg)
{
	struct bufferevent *in = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	struct bufferevent *out = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);

	(void)l;
	(void)who;
	(void)len;
	(void)arg;
	bufferevent_setcb(in, pass, NULL, ended, out);
	bufferevent_setcb(out, pass, NULL, ended, in);
	if (bufferevent_socket_connect(out, (struct sockaddr *)&target, target_len)) {
		bufferevent_free(in);
		bufferevent_free(out);
		return;
	}
	bufferevent_enable(in, EV_READ | EV_WRITE);
	bufferevent_enable(out, EV_READ | EV_WRITE);
}

int main(int argc, char **argv)
{
	struct sockaddr_storage from;
	int from_len = sizeof(from);

	if (argc != 3 || evutil_parse_sockaddr_port(argv[1], (struct sockaddr *)&from, &from_len) ||
	    evutil_parse_sockaddr_port(argv[2], (struct sockaddr *)&target, &target_len)) {
		fputs("usage: bg-relay ADDRESS:PORT ADDRESS:PORT\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	if (!base ||
	    !evconnlistener_new_bind(base, accepted, NULL,
				     LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC, -1,
				     (struct sockaddr *)&from, from_len)) {
		fprintf(stderr, "bg-relay: cannot listen on %s\n", argv[1]);
		return 1;
	}
	return event_base_dispatch(base) < 0;
}
