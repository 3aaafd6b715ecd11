/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl_stand_in.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/http_server.h"
#include "common/mem.h"

#define TOLD    64
#define LIMIT_S 30

struct told {
	char *method, *path, *json;
	int status;
	bool used;
};
struct seen {
	char *method, *path, *body, *query;
	int n;
};

static struct {
	struct bg_loop *loop;
	struct bg_http_server *server;
	char dir[64], url[64], socket[96];
	struct told told[TOLD];
	size_t n;
	struct seen seen[TOLD];
	size_t n_seen;
	const char *token;
	struct {
		char *text;
		bool stays;
	} stream[TOLD];
	size_t n_stream, streams; /* told, asked for */
} s;

static struct seen *seen_of(const char *method, const char *path, bool make)
{
	for (size_t i = 0; i < s.n_seen; i++)
		if (strcmp(s.seen[i].method, method) == 0 && strcmp(s.seen[i].path, path) == 0)
			return &s.seen[i];
	if (!make)
		return NULL;
	assert_true(s.n_seen < TOLD);
	s.seen[s.n_seen].method = bg_xstrdup(method);
	s.seen[s.n_seen].path = bg_xstrdup(path);
	return &s.seen[s.n_seen++];
}

static void note(const char *method, const char *path, struct bg_http_req *r)
{
	struct seen *x = seen_of(method, path, true);
	size_t len;
	const char *raw = bg_http_raw_body(r, &len), *limit = bg_http_query(r, "limit"),
		   *since = bg_http_query(r, "since");

	free(x->body);
	free(x->query);
	x->body = bg_xstrndup(raw ? raw : "", raw ? len : 0);
	x->query = bg_xasprintf("limit=%s since=%s", limit ? limit : "", since ? since : "");
	x->n++;
}

/* The first unused answer for it, or the last one told. */
static struct told *find(const char *method, const char *path)
{
	struct told *last = NULL;

	for (size_t i = 0; i < s.n; i++) {
		struct told *t = &s.told[i];

		if (strcmp(t->method, method) != 0 || strcmp(t->path, path) != 0)
			continue;
		last = t;
		if (!t->used)
			break;
	}
	if (last)
		last->used = true;
	return last;
}

static void answer(struct bg_http_req *r, const char *method, const char *tail)
{
	const char *name = bg_http_param(r, "name");
	_cleanup_free_ char *path =
		name ? bg_xasprintf("/v1/switches/%s%s", name, tail) : bg_xstrdup("/v1/switches");
	struct told *t = find(method, path);
	struct json_object *o = NULL;

	note(method, path, r);
	if (!t) {
		bg_http_error(r, 404, "unknown_switch", "the stand-in was not told of %s %s", method, path);
		return;
	}
	if (bg_json_parse(t->json, strlen(t->json), &o, NULL) < 0)
		bg_http_text(r, t->status, "text/html", t->json);
	else
		bg_http_json(r, t->status, o);
}

#define ROUTE(fn, method, tail)                                                                              \
	static void fn(struct bg_http_req *r, void *arg)                                                     \
	{                                                                                                    \
		(void)arg;                                                                                   \
		answer(r, method, tail);                                                                     \
	}
ROUTE(get, "GET", "")
ROUTE(get_preflight, "GET", "/preflight")
ROUTE(get_history, "GET", "/history")
ROUTE(get_doctor, "GET", "/doctor")
ROUTE(get_snapshots, "GET", "/snapshots")
ROUTE(get_snapshot, "GET", "/snapshots/7")
ROUTE(post_restore, "POST", "/snapshots/7/restore")
ROUTE(post_switch, "POST", "/switch")
ROUTE(post_init, "POST", "/init")
ROUTE(post_rollback, "POST", "/rollback")
ROUTE(post_abort, "POST", "/abort")
ROUTE(post_hold, "POST", "/hold")
ROUTE(post_release, "POST", "/release")
ROUTE(post_unschedule, "POST", "/unschedule")
ROUTE(post_thaw, "POST", "/thaw")
ROUTE(post_freeze, "POST", "/freeze")

static void on_gone(void *arg)
{
	(void)arg;
}

static void get_events(struct bg_http_req *r, void *arg)
{
	size_t i = s.streams++;

	(void)arg;
	note("GET", "/v1/events", r);
	bg_http_on_gone(r, on_gone, NULL);
	bg_http_stream_start(r, "text/event-stream");
	if (i >= s.n_stream) {
		bg_http_stream_send(r, ": silent\n\n", 11);
		return;
	}
	/* In pieces, as a network has it. */
	for (size_t at = 0, n = strlen(s.stream[i].text); at < n; at += 100000)
		bg_http_stream_send(r, s.stream[i].text + at, BG_MIN(n - at, (size_t)100000));
	if (!s.stream[i].stays)
		bg_http_stream_end(r);
}

static const struct bg_field no_fields[] = {{NULL, BG_J_STRING, false, 0, 0, NULL}};
static const struct bg_route routes[] = {
	{"GET", "/v1/switches", get, BG_PRIV_READ, NULL, 0},
	{"GET", "/v1/switches/{name}", get, BG_PRIV_READ, NULL, 0},
	{"GET", "/v1/switches/{name}/preflight", get_preflight, BG_PRIV_READ, NULL, 0},
	{"GET", "/v1/switches/{name}/history", get_history, BG_PRIV_READ, NULL, 0},
	{"GET", "/v1/switches/{name}/doctor", get_doctor, BG_PRIV_READ, NULL, 0},
	{"GET", "/v1/switches/{name}/snapshots", get_snapshots, BG_PRIV_READ, NULL, 0},
	{"GET", "/v1/switches/{name}/snapshots/7", get_snapshot, BG_PRIV_READ, NULL, 0},
	{"POST", "/v1/switches/{name}/snapshots/7/restore", post_restore, BG_PRIV_OPERATE, no_fields, 0},
	{"POST", "/v1/switches/{name}/switch", post_switch, BG_PRIV_OPERATE, no_fields, 0},
	{"POST", "/v1/switches/{name}/init", post_init, BG_PRIV_OPERATE, no_fields, 0},
	{"POST", "/v1/switches/{name}/rollback", post_rollback, BG_PRIV_OPERATE, no_fields, 0},
	{"POST", "/v1/switches/{name}/abort", post_abort, BG_PRIV_OPERATE, no_fields, 0},
	{"POST", "/v1/switches/{name}/hold", post_hold, BG_PRIV_OPERATE, no_fields, 0},
	{"POST", "/v1/switches/{name}/release", post_release, BG_PRIV_OPERATE, no_fields, 0},
	{"POST", "/v1/switches/{name}/freeze", post_freeze, BG_PRIV_OPERATE, no_fields, 0},
	{"POST", "/v1/switches/{name}/thaw", post_thaw, BG_PRIV_OPERATE, no_fields, 0},
	{"POST", "/v1/switches/{name}/unschedule", post_unschedule, BG_PRIV_OPERATE, no_fields, 0},
	{"GET", "/v1/events", get_events, BG_PRIV_READ, NULL, 0},
	{NULL, NULL, NULL, BG_PRIV_OPEN, NULL, 0},
};

void stand_in_start(const char *token)
{
	struct bg_http_opts o = {.routes = routes, .token = token};
	struct bg_err err = BG_ERR_INIT;

	memset(&s, 0, sizeof(s));
	strcpy(s.dir, "/tmp/bg-test-bgctl-XXXXXX");
	assert_non_null(mkdtemp(s.dir));
	assert_int_equal(chmod(s.dir, 0755), 0);
	s.loop = bg_loop_new();
	s.server = bg_http_server_new(s.loop, &o);
	assert_int_equal(bg_http_server_tcp(s.server, "127.0.0.1:0", &err), 0);
	snprintf(s.url, sizeof(s.url), "http://127.0.0.1:%d", bg_http_server_port(s.server));
	snprintf(s.socket, sizeof(s.socket), "%s/switchd.sock", s.dir);
	assert_int_equal(bg_http_server_unix(s.server, s.socket, NULL, &err), 0);
}

void stand_in_stop(void)
{
	bg_http_server_free(s.server);
	bg_loop_free(s.loop);
	for (size_t i = 0; i < s.n; i++) {
		free(s.told[i].method);
		free(s.told[i].path);
		free(s.told[i].json);
	}
	for (size_t i = 0; i < s.n_stream; i++)
		free(s.stream[i].text);
	for (size_t i = 0; i < s.n_seen; i++) {
		free(s.seen[i].method);
		free(s.seen[i].path);
		free(s.seen[i].body);
		free(s.seen[i].query);
	}
	unlink(s.socket);
	rmdir(s.dir);
}

void stand_in_tell(const char *method, const char *path, int status, const char *json)
{
	assert_true(s.n < TOLD);
	s.told[s.n++] = (struct told){bg_xstrdup(method), bg_xstrdup(path), bg_xstrdup(json), status, false};
}

void stand_in_stream(const char *text, bool stays)
{
	assert_true(s.n_stream < TOLD);
	s.stream[s.n_stream].text = bg_xstrdup(text);
	s.stream[s.n_stream++].stays = stays;
}

const char *stand_in_url(void)
{
	return s.url;
}

const char *stand_in_socket(void)
{
	return s.socket;
}

const char *stand_in_body(const char *method, const char *path)
{
	struct seen *x = seen_of(method, path, false);

	return x ? x->body : NULL;
}

const char *stand_in_query(const char *method, const char *path)
{
	struct seen *x = seen_of(method, path, false);

	return x ? x->query : NULL;
}

int stand_in_count(const char *method, const char *path)
{
	struct seen *x = seen_of(method, path, false);

	return x ? x->n : 0;
}

struct child {
	pid_t pid;
	int status;
	bool over;
	int fd; /* a terminal's master, or -1 */
	struct bg_buf tty;
	const char *out, *until; /* NULL: until it ends */
	int signo;
	struct termios before, after;
};

static void drain_tty(struct child *c)
{
	char buf[4096];
	ssize_t n;

	while (c->fd >= 0 && (n = read(c->fd, buf, sizeof(buf))) > 0)
		bg_buf_add(&c->tty, buf, (size_t)n);
}

static bool has_come(struct child *c)
{
	char buf[1 << 16];
	int fd;
	ssize_t n;

	if (c->fd >= 0)
		return c->tty.s && strstr(c->tty.s, c->until);
	fd = open(c->out, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, buf, sizeof(buf) - 1) : 0;
	if (fd >= 0)
		close(fd);
	buf[BG_MAX(n, 0)] = '\0';
	return strstr(buf, c->until);
}

static void look_at_child(void *arg)
{
	struct child *c = arg;

	drain_tty(c);
	if (!c->over && c->until && has_come(c)) {
		if (c->signo >= 0)
			c->until = NULL;
		if (c->signo < 0)
			kill(c->pid, -c->signo);
		else if (c->signo)
			kill(c->pid, c->signo);
		else
			assert_int_equal(write(c->fd, "q", 1), 1);
	}
	if (!c->over && waitpid(c->pid, &c->status, WNOHANG) == c->pid)
		c->over = true;
}

/* In the child: become bgctl. */
static void become(const char *where, char **argv, bool no_color, bool nobody)
{
	const char *dir = getenv("top_builddir");
	_cleanup_free_ char *path = bg_xasprintf("%s/bgctl", dir ? dir : ".");
	int fd = open(path, O_RDONLY | O_CLOEXEC); /* nobody may not be able to walk to it */

	setenv("BG_SOCKET", where, 1);
	setenv("TERM", "xterm", 1);
	if (no_color)
		setenv("NO_COLOR", "1", 1);
	else
		unsetenv("NO_COLOR");
	if (nobody && geteuid() == 0 && (setgroups(0, NULL) || setgid(65534) || setuid(65534)))
		_exit(99);
	fexecve(fd, argv, environ);
	_exit(98);
}

static char *slurp(const char *path)
{
	struct bg_buf b = {0};
	char buf[4096];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	bg_buf_puts(&b, "");
	while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0)
		bg_buf_add(&b, buf, (size_t)n);
	if (fd >= 0)
		close(fd);
	unlink(path);
	return b.s;
}

static void await(struct child *c)
{
	struct bg_timer *t = bg_timer_new(s.loop, look_at_child, c);

	bg_timer_every(t, 2000);
	if (!bg_loop_run_until(s.loop, &c->over, LIMIT_S * 1000000LL)) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, &c->status, 0);
		bg_timer_free(t);
		fail_msg("bgctl did not end within %d s", LIMIT_S);
	}
	bg_timer_free(t);
}

static void redirect(const char *path, int to)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || dup2(fd, to) < 0)
		_exit(97);
}

static struct run run_until(const char *where, const char *words, bool tty, bool no_color, bool nobody,
			    struct child *c)
{
	char out[96], err[96], *argv[32] = {(char *)"bgctl"}, *save = NULL;
	_cleanup_free_ char *copy = bg_xstrdup(words);
	struct run r = {0};
	int n = 1;

	for (char *w = strtok_r(copy, " ", &save); w && n < 31; w = strtok_r(NULL, " ", &save)) {
		for (char *p = w; *p; p++)
			*p = *p == '_' ? ' ' : *p;
		argv[n++] = w;
	}
	snprintf(out, sizeof(out), "%s/out", s.dir);
	snprintf(err, sizeof(err), "%s/err", s.dir);
	c->out = out;
	fflush(NULL);
	c->pid = tty ? forkpty(&c->fd, NULL, NULL, NULL) : fork();
	assert_true(c->pid >= 0);
	if (c->pid == 0) {
		if (!tty)
			redirect(out, 1);
		redirect(err, 2);
		become(where, argv, no_color, nobody);
	}
	if (tty) {
		fcntl(c->fd, F_SETFL, O_NONBLOCK);
		tcgetattr(c->fd, &c->before);
	}
	await(c);
	drain_tty(c);
	if (tty)
		tcgetattr(c->fd, &c->after);
	assert_true(WIFEXITED(c->status));
	r.status = WEXITSTATUS(c->status);
	bg_buf_puts(&c->tty, "");
	r.out = tty ? c->tty.s : slurp(out);
	if (!tty)
		bg_buf_free(&c->tty);
	r.err = slurp(err);
	if (tty)
		close(c->fd);
	return r;
}

struct run bgctl(const char *where, const char *words)
{
	struct child c = {.fd = -1};

	return run_until(where, words, false, false, false, &c);
}

struct run bgctl_tty(const char *where, const char *words, bool no_color)
{
	struct child c = {.fd = -1};

	return run_until(where, words, true, no_color, false, &c);
}

struct run bgctl_nobody(const char *where, const char *words)
{
	struct child c = {.fd = -1};

	return run_until(where, words, false, false, true, &c);
}

struct run bgctl_until(const char *where, const char *words, bool tty, const char *until, int signo,
		       bool *ret_same)
{
	struct child c = {.fd = -1, .until = until, .signo = signo};
	struct run r = run_until(where, words, tty, true, false, &c);

	if (ret_same)
		*ret_same = c.before.c_lflag == c.after.c_lflag && c.before.c_iflag == c.after.c_iflag &&
			    c.before.c_oflag == c.after.c_oflag;
	return r;
}

void run_free(struct run *r)
{
	free(r->out);
	free(r->err);
}
