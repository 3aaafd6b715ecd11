/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/follow.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "bgctl/client.h"
#include "bgctl/sse.h"
#include "common/json.h"
#include "common/mem.h"

#define BACKOFF_MIN_MS 200
#define BACKOFF_MAX_MS 5000
#define SILENCE_S      45L  /* the daemon sends a comment every 15 s */
#define STEADY_MS      5000 /* a connection that lasted so long begins the back-off anew */
#define REFUSAL_MAX    ((size_t)64 * 1024)

struct following {
	struct ctl *c;
	const struct ctl_follow *f;
	CURLM *multi;
	CURL *easy; /* NULL: waiting until retry_at */
	struct curl_slist *headers;
	struct sse sse;
	struct bg_buf refusal;
	bool connected, ever, told_lost, too_long, signalled;
	int64_t backoff_ms, connected_at, retry_at, tick_at;
	int sigfd, end; /* end: -1 goes on */
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- what comes */

static int on_event(void *arg, const char *type, int64_t id, const char *data, size_t len)
{
	struct following *w = arg;
	struct json_object *o = NULL;
	struct ctl_event e = {.type = type, .id = id, .text = data};
	bool unnumbered = strcmp(type, "closed") == 0 || strcmp(type, "gap") == 0;

	if (unnumbered)
		e.id = -1;
	if (bg_json_parse(data, len, &o, NULL) == 0 && json_object_is_type(o, json_type_object))
		e.data = o;
	w->end = w->f->event(w->f->arg, &e);
	json_object_put(o);
	return w->end >= 0;
}

static size_t on_bytes(char *data, size_t size, size_t n, void *arg)
{
	struct following *w = arg;
	long status = 0;

	curl_easy_getinfo(w->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200) {
		if (w->refusal.len + size * n > REFUSAL_MAX)
			return 0;
		bg_buf_add(&w->refusal, data, size * n);
		return size * n;
	}
	if (!w->connected) {
		w->connected = w->ever = true;
		w->connected_at = now_ms();
		if (w->told_lost)
			w->f->connection(w->f->arg, NULL);
		w->told_lost = false;
	}
	/* The id of an event that is too long has been read: the next connection begins after it. */
	w->too_long = sse_feed(&w->sse, data, size * n, on_event, w) == -E2BIG;
	return w->end < 0 && !w->too_long ? size * n : 0;
}

/* ---- the connection */

static void disconnect(struct following *w)
{
	if (w->easy) {
		curl_multi_remove_handle(w->multi, w->easy);
		curl_easy_cleanup(w->easy);
	}
	curl_slist_free_all(w->headers);
	w->easy = NULL;
	w->headers = NULL;
	w->connected = false;
	bg_buf_reset(&w->refusal);
	sse_reset(&w->sse);
}

static char *path_of(const struct following *w)
{
	const struct ctl *c = w->c;
	char *name = c->name ? curl_easy_escape(NULL, c->name, 0) : NULL, *path;
	_cleanup_free_ char *since =
		w->sse.id >= 0 ? bg_xasprintf("since=%" PRId64, w->sse.id) : bg_xstrdup("");

	path = bg_xasprintf("/v1/events%s%s%s%s%s", name || *since ? "?" : "", name ? "switch=" : "",
			    name ? name : "", name && *since ? "&" : "", since);
	curl_free(name);
	return path;
}

static void connect_now(struct following *w)
{
	_cleanup_free_ char *path = path_of(w);

	w->easy = ctl_easy(w->c, path, false, &w->headers);
	if (!w->easy)
		abort(); /* no memory */
	curl_easy_setopt(w->easy, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(w->easy, CURLOPT_WRITEDATA, w);
	curl_easy_setopt(w->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(w->easy, CURLOPT_LOW_SPEED_TIME, SILENCE_S);
	curl_multi_add_handle(w->multi, w->easy);
}

/* A refusal that another try would not change: its exit status; -1: try again. */
static int refused(struct following *w, const struct ctl_answer *a)
{
	bool passing = a->status == 0 || a->status == 200 || a->status >= 500 || a->status == 429;

	if (w->ever && passing && !a->denied)
		return -1;
	if (a->status == 200) { /* ended, or garbage, before a byte of an event stream */
		fprintf(w->c->err, "bgctl: %s answers, but with no stream of events\n", w->c->socket);
		return CTL_UNREACHABLE;
	}
	return ctl_check(w->c, a);
}

/* The transfer is over: why, and whether and when there will be another. */
static void ended(struct following *w, CURLcode rc)
{
	bool steady = w->connected && now_ms() - w->connected_at >= STEADY_MS;
	struct ctl_answer a = {0};
	long status = 0;

	curl_easy_getinfo(w->easy, CURLINFO_RESPONSE_CODE, &status);
	a.status = (int)status;
	if (rc != CURLE_OK)
		ctl_describe(w->easy, (int)rc, w->c, &a);
	else
		bg_strlcpy(a.why, status == 200 ? "the daemon ended the stream" : "the daemon refused",
			   sizeof(a.why));
	if (rc != CURLE_OK && status != 200)
		a.status = 0;
	if (w->too_long)
		bg_strlcpy(a.why, "an event is longer than 8 MiB, and left out", sizeof(a.why));
	w->too_long = false;
	if (w->refusal.len)
		bg_json_parse(w->refusal.s, w->refusal.len, &a.json, NULL);
	if (w->end < 0)
		w->end = refused(w, &a);
	disconnect(w);
	if (w->end < 0) {
		if (!w->told_lost)
			w->f->connection(w->f->arg, a.why);
		w->told_lost = true;
		if (steady)
			w->backoff_ms = BACKOFF_MIN_MS;
		w->retry_at = now_ms() + w->backoff_ms;
		w->backoff_ms = BG_MIN(w->backoff_ms * 2, BACKOFF_MAX_MS);
	}
	ctl_answer_free(&a);
}

static void look_at_transfer(struct following *w)
{
	CURLMsg *m;
	int left, running;

	if (!w->easy) {
		if (now_ms() < w->retry_at)
			return;
		if (w->ever && ctl_load_token(w->c) != 0) { /* it may have been changed: said, tried again */
			w->retry_at = now_ms() + BACKOFF_MAX_MS;
			return;
		}
		connect_now(w);
	}
	curl_multi_perform(w->multi, &running);
	while (w->easy && (m = curl_multi_info_read(w->multi, &left)))
		if (m->msg == CURLMSG_DONE && m->easy_handle == w->easy)
			ended(w, m->data.result);
}

/* ---- signals, keys, time */

static void tick(struct following *w)
{
	if (w->f->tick && w->end < 0)
		w->end = w->f->tick(w->f->arg);
	w->tick_at = now_ms() + w->f->tick_ms;
}

static void look_at_signals(struct following *w)
{
	struct signalfd_siginfo si;

	while (!w->signalled && w->end < 0 && read(w->sigfd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGWINCH || si.ssi_signo == SIGTSTP)
			tick(w);
		else
			w->signalled = true;
	}
	if (w->signalled)
		w->end = CTL_DONE;
}

static void look_at_keys(struct following *w)
{
	char key;
	ssize_t n = read(w->f->keys, &key, 1);

	if (n == 1 && w->f->key)
		w->end = w->f->key(w->f->arg, key);
	else if (n == 0)
		w->end = CTL_DONE; /* the terminal is gone */
}

static int wait_ms(const struct following *w)
{
	int64_t ms = 1000, now = now_ms();

	if (!w->easy)
		ms = BG_MIN(ms, w->retry_at - now);
	if (w->f->tick)
		ms = BG_MIN(ms, w->tick_at - now);
	return (int)BG_MAX(0, ms);
}

static void turn(struct following *w)
{
	struct curl_waitfd fds[2] = {{.fd = w->sigfd, .events = CURL_WAIT_POLLIN},
				     {.fd = w->f->keys, .events = CURL_WAIT_POLLIN}};

	look_at_transfer(w);
	if (w->end >= 0)
		return;
	curl_multi_poll(w->multi, fds, w->f->keys >= 0 ? 2 : 1, wait_ms(w), NULL);
	look_at_signals(w);
	if (w->end < 0 && w->f->keys >= 0 && fds[1].revents)
		look_at_keys(w);
	if (w->end < 0 && w->f->tick && now_ms() >= w->tick_at)
		tick(w);
}

int ctl_follow(struct ctl *c, const struct ctl_follow *f)
{
	struct following w = {
		.c = c, .f = f, .end = -1, .backoff_ms = BACKOFF_MIN_MS, .sse = {.id = c->since}};
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (f->tick) { /* on a terminal that is to be restored: nothing else may end or stop it */
		sigaddset(&set, SIGWINCH);
		sigaddset(&set, SIGQUIT);
		sigaddset(&set, SIGTSTP);
	}
	sigprocmask(SIG_BLOCK, &set, &old);
	w.sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	w.multi = curl_multi_init();
	if (w.sigfd < 0 || !w.multi) {
		fprintf(c->err,
			"bgctl: cannot wait for signals or start libcurl: out of descriptors or memory\n");
		w.end = CTL_FAILED;
	}
	while (w.end < 0)
		turn(&w);
	disconnect(&w);
	curl_multi_cleanup(w.multi);
	if (w.sigfd >= 0)
		close(w.sigfd);
	/* After a signal they stay blocked: a second one must not kill us before the terminal is given back. */
	if (!w.signalled)
		sigprocmask(SIG_SETMASK, &old, NULL);
	bg_buf_free(&w.refusal);
	sse_free(&w.sse);
	return w.end;
}
