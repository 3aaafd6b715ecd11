/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fleet of stand-ins for bg-consumerd: they speak the lifecycle contract, level 3, mode handover, and do
 * nothing else. One process, a port of 127.0.0.1 each.
 *
 *	fleet -s SWITCH -t TOPIC -p PARTITIONS COLOR:COUNT…
 *
 * Instance I of COUNT holds the partitions P with P % COUNT = I, each at a fixed offset. It answers at once what
 * it is told, and holds a status with since= until something changes. It prints a line `COLOR URL` for each,
 * then `ready`, and ends at the end of its standard input.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/http_server.h"
#include "common/ids.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/offsets.h"

#define OFFSET 100

struct member {
	const char *color;
	char name[64], incarnation[17];
	const char *state;
	int64_t epoch, seq, first_us;
	bool active_side;
	int index, count;
	struct bg_offs offs;
	struct bg_http_server *http;
	struct bg_http_req *held; /* a status that waits for a change */
	struct bg_timer *timer;
};

static const char *sw, *topic;
static int partitions;
static struct bg_loop *loop;

static struct json_object *head(const struct member *m)
{
	struct json_object *o = json_object_new_object(), *c = json_object_new_object();

	bg_json_add_int(c, "version", 1);
	bg_json_add_int(c, "level", 3);
	bg_json_add(o, "contract", c);
	bg_json_add_str(o, "switch", sw);
	bg_json_add_str(o, "color", m->color);
	bg_json_add_str(o, "instance", m->name);
	bg_json_add_str(o, "incarnation", m->incarnation);
	bg_json_add_str(o, "state", m->state);
	bg_json_add_int(o, "epoch", m->epoch);
	bg_json_add_int(o, "in_flight", 0);
	return o;
}

static void add_member(struct json_object *o, const struct member *m)
{
	char group[128], id[160];
	struct json_object *topics = json_object_new_array(), *ids = json_object_new_array();

	snprintf(group, sizeof(group), "%s-%s", sw, m->color);
	snprintf(id, sizeof(id), "%s-%s", sw, m->name);
	json_object_array_add(topics, json_object_new_string(topic));
	json_object_array_add(ids, json_object_new_string(id));
	bg_json_add_str(o, "mode", "handover");
	bg_json_add_str(o, "group", group);
	bg_json_add(o, "subscription", topics);
	bg_json_add_str(o, "assignor", "cooperative-sticky");
	bg_json_add(o, "group_instance_ids", ids);
}

static struct json_object *assignment(const struct member *m)
{
	struct json_object *list = json_object_new_array();
	int p;

	for (p = m->index; p < partitions; p += m->count) {
		struct json_object *o = json_object_new_object();

		bg_json_add_str(o, "topic", topic);
		bg_json_add_int(o, "partition", p);
		bg_json_add_int(o, "position", OFFSET);
		bg_json_add_int(o, "lag", 0);
		if (m->first_us)
			bg_json_add_int(o, "first_record_us", m->first_us);
		json_object_array_add(list, o);
	}
	return list;
}

static void answer_status(struct member *m, struct bg_http_req *req)
{
	struct json_object *o = head(m);

	add_member(o, m);
	bg_json_add_int(o, "seq", m->seq);
	bg_json_add_str(o, "boot", bg_boot_id());
	bg_json_add_int(o, "mono_us", bg_now_us());
	bg_json_add(o, "assignment", assignment(m));
	bg_http_json(req, 200, o);
}

static void let_go(void *arg)
{
	struct member *m = arg;
	struct bg_http_req *req = bg_steal_ptr(&m->held);

	bg_timer_stop(m->timer);
	if (req)
		answer_status(m, req);
}

static void gone(void *arg)
{
	struct member *m = arg;

	m->held = NULL;
	bg_timer_stop(m->timer);
}

static void on_status(struct bg_http_req *req, void *arg)
{
	struct member *m = arg;
	const char *since = bg_http_query(req, "since"), *wait = bg_http_query(req, "wait_ms");

	if (!since || !wait || strtoll(since, NULL, 10) != m->seq || m->held) {
		answer_status(m, req);
		return;
	}
	m->held = req;
	bg_http_on_gone(req, gone, m);
	bg_timer_start(m->timer, strtoll(wait, NULL, 10) * 1000);
}

/*
 * What stands behind `"NAME":` in the body. It is not parsed: a thousand instances in one process would be busy
 * with a thousand lists of offsets for longer than all the rest takes.
 */
static const char *member_of(struct bg_http_req *req, const char *name)
{
	size_t len;
	const char *body = bg_http_raw_body(req, &len);
	const char *at = body ? memmem(body, len, name, strlen(name)) : NULL;

	return at ? at + strlen(name) : "";
}

/* Rule 1. True: answered. */
static bool stale(struct member *m, struct bg_http_req *req, bool active)
{
	int64_t epoch = strtoll(member_of(req, "\"epoch\":"), NULL, 10);

	if (epoch > m->epoch || (epoch == m->epoch && active == m->active_side)) {
		m->epoch = epoch;
		m->active_side = active;
		return false;
	}
	bg_http_error(req, 409, epoch < m->epoch ? "stale_epoch" : "epoch_conflict", "by the stand-in");
	return true;
}

static void change(struct member *m, const char *state)
{
	m->state = state;
	m->seq++;
	bg_loop_defer(loop, let_go, m);
}

static void on_prepare(struct bg_http_req *req, void *arg)
{
	struct member *m = arg;
	struct json_object *o;

	if (stale(m, req, !strncmp(member_of(req, "\"active\":\""), m->color, strlen(m->color))))
		return;
	o = head(m);
	add_member(o, m);
	bg_json_add_bool(o, "warm", true);
	bg_http_json(req, 200, o);
}

static void on_pause(struct bg_http_req *req, void *arg)
{
	struct member *m = arg;
	struct json_object *o;

	if (stale(m, req, false))
		return;
	change(m, "PAUSED");
	o = head(m);
	bg_json_add_bool(o, "committed", true);
	bg_json_add_int(o, "drain_us", 1);
	bg_json_add_int(o, "commit_us", 1);
	if (m->first_us) /* it was active since its start */
		bg_json_add(o, "offsets", bg_offs_to_json(&m->offs));
	bg_http_json(req, 200, o);
}

static void on_resume(struct bg_http_req *req, void *arg)
{
	struct member *m = arg;
	struct json_object *o;
	size_t i;

	if (stale(m, req, true))
		return;
	m->first_us = bg_now_us();
	for (i = 0; i < m->offs.n; i++)
		m->offs.v[i].epoch = m->epoch;
	change(m, "ACTIVE");
	o = head(m);
	bg_json_add_int(o, "position_us", 1);
	bg_http_json(req, 200, o);
}

static const struct bg_route routes[] = {
	{"POST", "/lifecycle/prepare", on_prepare, BG_PRIV_OPERATE, NULL, 0},
	{"POST", "/lifecycle/pause", on_pause, BG_PRIV_OPERATE, NULL, 0},
	{"POST", "/lifecycle/resume", on_resume, BG_PRIV_OPERATE, NULL, 16 << 20},
	{"GET", "/lifecycle/status", on_status, BG_PRIV_READ, NULL, 0},
	{NULL, NULL, NULL, BG_PRIV_OPEN, NULL, 0},
};

static struct member *start_member(const char *color, int index, int count)
{
	struct member *m = bg_xcalloc(1, sizeof(*m));
	struct bg_http_opts opts = {.routes = routes, .arg = m};
	struct bg_err err = BG_ERR_INIT;
	int p;

	m->color = color;
	m->state = "PAUSED";
	m->index = index;
	m->count = count;
	snprintf(m->name, sizeof(m->name), "%s-%d", color, index);
	bg_random_hex(m->incarnation, 8);
	for (p = index; p < partitions; p += count)
		bg_offs_set(&m->offs, topic, p, OFFSET, 0);
	m->timer = bg_timer_new(loop, let_go, m);
	m->http = bg_http_server_new(loop, &opts);
	if (bg_http_server_tcp(m->http, "127.0.0.1:0", &err) < 0) {
		fprintf(stderr, "fleet: %s\n", err.msg);
		exit(1);
	}
	printf("%s http://127.0.0.1:%d\n", color, bg_http_server_port(m->http));
	return m;
}

/* COLOR:COUNT */
static void start_color(char *arg)
{
	char *colon = strchr(arg, ':');
	int i, n = colon ? atoi(colon + 1) : 0;

	if (n < 1) {
		fprintf(stderr, "fleet: %s: expected COLOR:COUNT\n", arg);
		exit(2);
	}
	*colon = '\0';
	for (i = 0; i < n; i++)
		start_member(arg, i, n); /* for the life of the process */
}

static void on_input(void *arg)
{
	char buf[64];

	(void)arg;
	if (read(0, buf, sizeof(buf)) <= 0)
		bg_loop_quit(loop, 0);
}

int main(int argc, char **argv)
{
	struct rlimit nofile;
	int opt;

	while ((opt = getopt(argc, argv, "s:t:p:")) != -1) {
		if (opt == 's')
			sw = optarg;
		else if (opt == 't')
			topic = optarg;
		else if (opt == 'p')
			partitions = atoi(optarg);
		else
			return 2;
	}
	if (!sw || !topic || partitions < 1 || optind == argc) {
		fputs("usage: fleet -s SWITCH -t TOPIC -p PARTITIONS COLOR:COUNT…\n", stderr);
		return 2;
	}
	getrlimit(RLIMIT_NOFILE, &nofile);
	nofile.rlim_cur = nofile.rlim_max;
	setrlimit(RLIMIT_NOFILE, &nofile);
	bg_log_init("fleet", "logfmt", BG_WARN);
	loop = bg_loop_new();
	for (; optind < argc; optind++)
		start_color(argv[optind]);
	bg_watch_read(loop, 0, on_input, NULL);
	puts("ready");
	fflush(stdout);
	bg_loop_run(loop);
	_exit(0);
}
