/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a client on the server's Unix socket, in two pieces; and the parsers of paths and Host headers alone. */
#include "config.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/http_internal.h"
#include "common/log.h"
#include "common/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bg_loop *loop;
static struct bg_http_server *server;
static struct sockaddr_un sun = {.sun_family = AF_UNIX};

static void h_echo(struct bg_http_req *r, void *arg)
{
	const char *name = bg_http_param(r, "name"), *q = bg_http_query(r, "q");
	struct json_object *o = json_object_new_object();

	(void)arg;
	bg_json_add_str(o, "name", name);
	bg_json_add_str(o, "q", q);
	bg_http_json(r, 200, o);
}

static void on_gone(void *arg)
{
	(void)arg;
}

static void h_hold(struct bg_http_req *r, void *arg)
{
	(void)arg;
	bg_http_on_gone(r, on_gone, NULL);
}

static const struct bg_field fields[] = {{"epoch", BG_J_INT, true, 0, 100, NULL}, {NULL}};
static const struct bg_route routes[] = {
	{"GET", "/a/{name}/b", h_echo, BG_PRIV_READ, NULL, 0},
	{"POST", "/c", h_echo, BG_PRIV_OPERATE, fields, 100},
	{"PUT", "/c", h_echo, BG_PRIV_FAULT, NULL, 0},
	{"GET", "/h", h_hold, BG_PRIV_OPEN, NULL, 0},
	{NULL},
};

static void remove_socket(void)
{
	bg_http_server_free(server);
	server = NULL;
}

static void start(void)
{
	struct bg_err err = BG_ERR_INIT;

	bg_log_init("fuzz", "logfmt", BG_ERROR);
	loop = bg_loop_new();
	server = bg_http_server_new(loop, &(struct bg_http_opts){.routes = routes});
	snprintf(sun.sun_path, sizeof(sun.sun_path), "/tmp/bg-fuzz-http-%d.sock", (int)getpid());
	if (bg_http_server_unix(server, sun.sun_path, NULL, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		abort();
	}
	atexit(remove_socket);
}

/* Turn the loop until the server has closed its side, or has nothing to say. */
static void talk(const uint8_t *data, size_t size, size_t cut)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char buf[4096];
	bool never = false;

	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		abort();
	if (send(fd, data, cut, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EPIPE)
		abort();
	bg_loop_run_until(loop, &never, 50);
	if (send(fd, data + cut, size - cut, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EPIPE &&
	    errno != EAGAIN)
		abort();
	shutdown(fd, SHUT_WR);
	for (int i = 0; i < 20; i++) {
		bg_loop_run_until(loop, &never, 50);
		if (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) == 0)
			break;
	}
	close(fd);
	bg_loop_run_until(loop, &never, 50);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *const extra[] = {(char *)"name.example:80", NULL};
	struct http_param params[HTTP_MAX_PARAMS];
	_cleanup_free_ char *text = NULL;
	int n;

	if (!loop)
		start();
	if (size < 1 || size > 60000)
		return 0;
	text = bg_xstrndup((const char *)data + 1, size - 1);
	http_host_allowed(text, extra);
	if (http_route_match("/a/{x}/{y}/b", text, params, &n))
		http_params_free(params, n);
	talk(data + 1, size - 1, (size_t)data[0] * (size - 1) / 255);
	return 0;
}
