/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/api.h"

#include <string.h>

#include "common/token.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/units.h"
#include "consumerd/answers.h"
#include "consumerd/commands.h"
#include "consumerd/faults.h"
#include "consumerd/source.h"

#define MAX_POLLS 64

/* Long polls: GET /lifecycle/status?since=SEQ&wait_ms=N. */
struct poll {
	struct con *c;
	struct bg_http_req *req;
	struct bg_timer *timer;
	struct poll *next;
};

static struct {
	struct poll *polls;
	int npolls;
	bool scheduled;
	char *token;
} m;

static void end_poll(struct poll *p)
{
	struct poll **at = &m.polls;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	m.npolls--;
	bg_timer_free(p->timer);
	free(p);
}

static void answer_poll(void *arg)
{
	struct poll *p = arg;

	bg_http_json(p->req, 200, con_status_json(p->c));
	end_poll(p);
}

static void poll_gone(void *arg)
{
	end_poll(arg);
}

static void answer_polls(void *arg)
{
	(void)arg;
	m.scheduled = false;
	while (m.polls)
		answer_poll(m.polls);
}

void con_api_changed(struct con *c)
{
	if (m.scheduled || !m.polls)
		return;
	m.scheduled = true;
	bg_loop_defer(c->loop, answer_polls, c);
}

static bool query_int(struct bg_http_req *r, const char *name, int64_t max, int64_t *ret)
{
	const char *text = bg_http_query(r, name);
	struct bg_err err = BG_ERR_INIT;

	if (!text)
		return true;
	if (bg_parse_int(text, ret, &err) || *ret < 0 || *ret > max) {
		bg_http_error(r, 400, "bad_request", "%s: expected a whole number from 0 to %lld", name,
			      (long long)max);
		return false;
	}
	return true;
}

static void get_status(struct bg_http_req *r, void *arg)
{
	struct con *c = arg;
	int64_t since = -1, wait_ms = 0;
	struct poll *p;

	if (!query_int(r, "since", INT64_MAX, &since) || !query_int(r, "wait_ms", 60000, &wait_ms))
		return;
	if (!wait_ms || since < 0 || (uint64_t)since != c->seq || m.npolls >= MAX_POLLS) {
		bg_http_json(r, 200, con_status_json(c));
		return;
	}
	p = bg_xcalloc(1, sizeof *p);
	p->c = c;
	p->req = r;
	p->timer = bg_timer_new(c->loop, answer_poll, p);
	bg_timer_start(p->timer, wait_ms * 1000);
	p->next = m.polls;
	m.polls = p;
	m.npolls++;
	bg_http_on_gone(r, poll_gone, p);
}

static void up(struct bg_http_req *r, int status, const char *word)
{
	struct json_object *o = json_object_new_object();

	bg_json_add_str(o, "status", word);
	bg_http_json(r, status, o);
}

/* That this is answered is the proof: the loop turns. */
static void get_live(struct bg_http_req *r, void *arg)
{
	(void)arg;
	up(r, 200, "UP");
}

/* A paused instance is healthy: a probe must never kill it. */
static void get_ready(struct bg_http_req *r, void *arg)
{
	struct con *c = arg;
	bool ready = c->connected && c->state != CON_STARTING && c->state != CON_FAILED;

	up(r, ready ? 200 : 503, ready ? "UP" : "OUT_OF_SERVICE");
}

static void get_metrics(struct bg_http_req *r, void *arg)
{
	struct con *c = arg;
	_cleanup_free_ char *text = bg_metrics_render(c->metrics);

	bg_http_text(r, 200, "text/plain; version=0.0.4; charset=utf-8", text);
}

static void put_delay(struct bg_http_req *r, void *arg)
{
	struct con *c = arg;

	con_faults_set_delay(c, bg_json_int(bg_http_body(r), "delay_ms", 0) * 1000);
	con_changed(c);
	bg_http_json(r, 200, con_status_json(c));
}

static void put_error_rate(struct bg_http_req *r, void *arg)
{
	struct con *c = arg;
	double rate = json_object_get_double(bg_json_get(bg_http_body(r), "rate"));

	if (!(rate >= 0 && rate <= 1)) {
		bg_http_error(r, 400, "bad_request", "rate: expected a number from 0 to 1");
		return;
	}
	con_faults_set_error_rate(c, rate);
	con_changed(c);
	bg_http_json(r, 200, con_status_json(c));
}

static void put_hang(struct bg_http_req *r, void *arg)
{
	struct con *c = arg;

	con_faults_set_hang(c, bg_json_bool(bg_http_body(r), "hang", false));
	con_changed(c);
	bg_http_json(r, 200, con_status_json(c));
}

static void post_reload(struct bg_http_req *r, void *arg)
{
	struct con *c = arg;
	int rc;
	struct json_object *o = bg_daemon_reload(c->d, &rc);

	bg_http_json(r, rc ? 422 : 200, o);
}

#define TARGET                                                                                               \
	{"switch", BG_J_STRING, false, 1, 63, NULL}, {"color", BG_J_STRING, false, 0, 0, "blue|green"},      \
		{"instance", BG_J_STRING, false, 1, 63, NULL},                                               \
	{                                                                                                    \
		"incarnation", BG_J_STRING, false, 0, 64, NULL                                               \
	}
#define DEADLINE                                                                                             \
	{                                                                                                    \
		"deadline_ms", BG_J_INT, false, 1, 60000, NULL                                               \
	}

static const struct bg_field prepare_fields[] = {
	TARGET,
	{"epoch", BG_J_INT, true, 1, INT64_MAX / 2, NULL},
	{"active", BG_J_STRING, true, 0, 0, "blue|green"},
	DEADLINE,
	{NULL},
};
static const struct bg_field pause_fields[] = {
	TARGET,
	{"epoch", BG_J_INT, false, 1, INT64_MAX / 2, NULL},
	DEADLINE,
	{"answer", BG_J_STRING, false, 0, 0, "committed|eager"},
	{"reason", BG_J_STRING, false, 0, 1024, NULL},
	{NULL},
};
static const struct bg_field resume_fields[] = {
	TARGET,
	{"epoch", BG_J_INT, false, 1, INT64_MAX / 2, NULL},
	DEADLINE,
	{"offsets", BG_J_OBJECT, false, 0, 0, NULL},
	{"resubscribe", BG_J_BOOL, false, 0, 0, NULL},
	{NULL},
};
static const struct bg_field target_fields[] = {TARGET, {NULL}};
static const struct bg_field delay_fields[] = {{"delay_ms", BG_J_INT, true, 0, 3600000, NULL}, {NULL}};
static const struct bg_field rate_fields[] = {{"rate", BG_J_NUMBER, true, 0, 0, NULL}, {NULL}};
static const struct bg_field hang_fields[] = {{"hang", BG_J_BOOL, true, 0, 0, NULL}, {NULL}};

#define BIG (16u << 20) /* bodies with offsets */

static const struct bg_route routes[] = {
	{"POST", "/lifecycle/prepare", con_cmd_prepare, BG_PRIV_OPERATE, prepare_fields, 0},
	{"POST", "/lifecycle/pause", con_cmd_pause, BG_PRIV_OPERATE, pause_fields, 0},
	{"DELETE", "/lifecycle/pause", con_cmd_unpause, BG_PRIV_OPERATE, target_fields, 0},
	{"POST", "/lifecycle/resume", con_cmd_resume, BG_PRIV_OPERATE, resume_fields, BIG},
	{"POST", "/lifecycle/shadow", con_cmd_shadow, BG_PRIV_OPERATE, resume_fields, BIG},
	{"GET", "/lifecycle/status", get_status, BG_PRIV_READ, NULL, 0},
	{"POST", "/actuator/kafka/pause", con_cmd_pause, BG_PRIV_OPERATE, pause_fields, 0},
	{"POST", "/actuator/kafka/resume", con_cmd_resume, BG_PRIV_OPERATE, resume_fields, BIG},
	{"GET", "/actuator/kafka/status", get_status, BG_PRIV_READ, NULL, 0},
	{"GET", "/health", get_live, BG_PRIV_OPEN, NULL, 0},
	{"GET", "/actuator/health", get_live, BG_PRIV_OPEN, NULL, 0},
	{"GET", "/actuator/health/liveness", get_live, BG_PRIV_OPEN, NULL, 0},
	{"GET", "/actuator/health/readiness", get_ready, BG_PRIV_OPEN, NULL, 0},
	{"GET", "/metrics", get_metrics, BG_PRIV_READ, NULL, 0},
	{"GET", "/actuator/prometheus", get_metrics, BG_PRIV_READ, NULL, 0},
	{"PUT", "/fault/processing-delay", put_delay, BG_PRIV_FAULT, delay_fields, 0},
	{"PUT", "/fault/error-rate", put_error_rate, BG_PRIV_FAULT, rate_fields, 0},
	{"PUT", "/fault/hang", put_hang, BG_PRIV_FAULT, hang_fields, 0},
	{"POST", "/v1/reload", post_reload, BG_PRIV_OPERATE, target_fields, 0},
	{NULL},
};

static char *read_token(const struct bg_conf *conf, struct bg_err *err, int *ret_rc)
{
	const char *file = bg_conf_str(conf, "http", "token-file");
	char *token = NULL;

	*ret_rc = file ? bg_token_read(file, &token, err) : 0;
	return token;
}

int con_api_start(struct con *c, struct bg_err *err)
{
	const struct bg_conf *conf = c->d->conf;
	const char *listen = bg_conf_str(conf, "http", "listen"),
		   *sock = bg_conf_str(conf, "control", "socket");
	const char *hosts[33] = {NULL};
	struct bg_http_opts o = {.routes = routes, .arg = c, .hosts = hosts};
	int rc;

	for (size_t i = 0; i < bg_conf_list_len(conf, "http", "host") && i < 32; i++)
		hosts[i] = bg_conf_list_at(conf, "http", "host", i);
	m.token = read_token(conf, err, &rc);
	if (rc)
		return rc;
	o.token = m.token;
	o.open_read = bg_conf_bool(conf, "http", "open-read");
	o.faults = bg_conf_bool(conf, "faults", "enabled");
	o.max_connections = (int)bg_conf_int(conf, "http", "max-connections");
	c->http = bg_http_server_new(c->loop, &o);
	if (listen && strcmp(listen, "none"))
		rc = bg_http_server_tcp(c->http, listen, err);
	if (!rc && sock && strcmp(sock, "none"))
		rc = bg_http_server_unix(c->http, sock, bg_conf_str(conf, "control", "group"), err);
	return rc;
}

void con_api_stop(struct con *c)
{
	/* Long polls are answered by it, 503 shutting_down: what a status would tell is gone by now. */
	bg_http_server_free(c->http);
	c->http = NULL;
	free(m.token);
	m.token = NULL;
}

void con_api_reload(struct con *c, const struct bg_conf *conf)
{
	struct bg_err err = BG_ERR_INIT;
	int rc;
	char *token = read_token(conf, &err, &rc);

	if (rc) {
		con_error(c, "token", "%s: the old token stays", err.msg);
		return;
	}
	free(m.token);
	m.token = token;
	bg_http_server_set_token(c->http, m.token, bg_conf_bool(conf, "http", "open-read"),
				 bg_conf_bool(conf, "faults", "enabled"));
}
