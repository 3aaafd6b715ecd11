/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/sw_main.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "common/json.h"
#include "common/log.h"
#include "common/token.h"
#include "switchd/api.h"
#include "switchd/ask.h"
#include "switchd/events.h"
#include "switchd/fence.h"
#include "switchd/metrics.h"
#include "switchd/once.h"
#include "switchd/schedule.h"
#include "switchd/stream.h"
#include "switchd/view.h"

#define WORKERS        3
#define SWITCHES_A_AUX 5 /* two groups each: librdkafka remembers the coordinators of 11 */
#define STOP_US        INT64_C(5000000)

static struct {
	char *token;
	const char **hosts;
	struct bg_timer *stop;
	int64_t stop_until_us;
	bool client; /* --once, and a daemon holds the store */
} m;

/* ---- base: worker, HTTP clients, events, metrics */

static int start_base(struct bg_daemon *d, struct bg_err *err)
{
	struct sw_daemon *dm = bg_xcalloc(1, sizeof(*dm));
	int rc = sw_once_check(d->conf, err);

	d->state = dm;
	dm->d = d;
	dm->loop = d->loop;
	dm->once = sw_once_wanted();
	dm->worker = bg_worker_new(d->loop, WORKERS);
	dm->cmd = bg_httpc_new(d->loop);
	dm->poll = bg_httpc_new(d->loop);
	dm->events = sw_events_new(d->loop);
	dm->metrics = sw_metrics_new(dm);
	dm->kafka = &sw_kafka_aux;
	dm->fence = &sw_fence_kafka;
	return rc;
}

static void stop_base(struct bg_daemon *d)
{
	struct sw_daemon *dm = d->state;

	if (!dm)
		return;
	sw_once_free();
	bg_httpc_free(dm->cmd);
	bg_httpc_free(dm->poll);
	sw_events_free(dm->events);
	sw_metrics_free(dm->metrics);
	bg_worker_free(dm->worker, STOP_US);
	sw_store_close(dm->store);
	free(dm);
	d->state = NULL;
}

/* ---- the store: its lock is held for life */

static int start_store(struct bg_daemon *d, struct bg_err *err)
{
	struct sw_daemon *dm = d->state;
	int rc = sw_store_file_open(bg_conf_str(d->conf, "store", "dir"), &dm->store, err);

	if (rc == -EWOULDBLOCK && dm->once) {
		m.client = true;
		return 0;
	}
	return rc;
}

/* ---- Kafka */

static int start_kafka(struct bg_daemon *d, struct bg_err *err)
{
	struct sw_daemon *dm = d->state;
	size_t n = 0;

	if (m.client)
		return 0;
	while (bg_conf_name_at(d->conf, "switch", n))
		n++;
	dm->aux = bg_xcalloc(n / SWITCHES_A_AUX + 1, sizeof(*dm->aux));
	for (size_t i = 0; i * SWITCHES_A_AUX < n; i++) {
		_cleanup_free_ char *sec =
			bg_xasprintf("switch:%s", bg_conf_name_at(d->conf, "switch", i * SWITCHES_A_AUX));
		const char *group = sw_cfg_group(d->conf, sec, BG_BLUE);

		dm->aux[i] = bg_aux_new(
			d->loop, dm->worker,
			bg_kafka_conf(d->conf, "client.id", "bg-switchd", "group.id", group, NULL), err);
		if (!dm->aux[i])
			return -EIO;
		dm->n_aux++;
	}
	return 0;
}

static void stop_kafka(struct bg_daemon *d)
{
	struct sw_daemon *dm = d->state;

	for (size_t i = 0; i < dm->n_aux; i++)
		bg_aux_free(dm->aux[i]);
	free(dm->aux);
	dm->aux = NULL; /* called again when the modules stop */
	dm->n_aux = 0;
}

/* ---- the switches */

static int start_switches(struct bg_daemon *d, struct bg_err *err)
{
	struct sw_daemon *dm = d->state;
	const char *name;
	size_t n = 0;

	if (m.client)
		return 0;
	while (bg_conf_name_at(d->conf, "switch", n))
		n++;
	dm->sw = bg_xcalloc(n + 1, sizeof(*dm->sw));
	for (size_t i = 0; (name = bg_conf_name_at(d->conf, "switch", i)); i++) {
		struct sw_cfg *cfg;
		int rc = sw_cfg_new(d->conf, name, &cfg, err);

		if (rc < 0)
			return rc;
		struct sw_switch *sw = sw_switch_new(dm, cfg, &sw_adapter_lifecycle);
		sw->kafka_arg = dm->aux[i / SWITCHES_A_AUX];
		dm->sw[dm->n_sw++] = sw;
		if ((rc = sw_switch_load(sw, err)) < 0)
			return rc;
		for (int c = 0; c < 2; c++)
			bg_aux_warm(sw->kafka_arg, cfg->group[c], cfg->topics[0]);
	}
	for (size_t i = 0; i < dm->n_sw; i++)
		sw_switch_start(dm->sw[i]);
	return 0;
}

static void stop_switches(struct bg_daemon *d)
{
	struct sw_daemon *dm = d->state;

	for (size_t i = 0; i < dm->n_sw; i++)
		sw_switch_stop(dm->sw[i]);
	/* Callbacks of Kafka's questions point into the switches: the handles go first. */
	stop_kafka(d);
	for (size_t i = 0; i < dm->n_sw; i++)
		sw_switch_free(dm->sw[i]);
	free(dm->sw);
	dm->sw = NULL;
	dm->n_sw = 0;
}

/* ---- the interface */

static int read_token(const struct bg_conf *c, char **ret, struct bg_err *err)
{
	const char *file = bg_conf_str(c, "http", "token-file");

	*ret = NULL;
	return file && *file ? bg_token_read(file, ret, err) : 0;
}

static int start_api(struct bg_daemon *d, struct bg_err *err)
{
	struct sw_daemon *dm = d->state;
	const char *listen = bg_conf_str(d->conf, "http", "listen"),
		   *sock = bg_conf_str(d->conf, "control", "socket");
	size_t n = bg_conf_list_len(d->conf, "http", "host");
	struct bg_http_opts o = {.routes = sw_routes, .arg = dm};
	int rc;

	if (dm->once) {
		if (m.client)
			sw_once_client(dm);
		else
			sw_once_own(dm);
		return 0;
	}
	if ((rc = read_token(d->conf, &m.token, err)) < 0)
		return rc;
	m.hosts = bg_xcalloc(n + 1, sizeof(*m.hosts));
	for (size_t i = 0; i < n; i++)
		m.hosts[i] = bg_conf_list_at(d->conf, "http", "host", i);
	o.hosts = m.hosts;
	o.token = m.token;
	o.open_read = bg_conf_bool(d->conf, "http", "open-read");
	o.max_connections = (int)bg_conf_int(d->conf, "http", "max-connections");
	dm->http = bg_http_server_new(d->loop, &o);
	if (strcmp(listen, "none") != 0)
		rc = bg_http_server_tcp(dm->http, listen, err);
	if (rc == 0 && strcmp(sock, "none") != 0)
		rc = bg_http_server_unix(dm->http, sock, bg_conf_str(d->conf, "control", "group"), err);
	return rc;
}

static void stop_api(struct bg_daemon *d)
{
	struct sw_daemon *dm = d->state;

	for (size_t i = 0; i < dm->n_sw; i++)
		sw_switch_stop(dm->sw[i]);
	/* Its last chunk goes out when the server ends the stream. */
	sw_events_stop(dm->events);
	/* Held requests are answered 503 by the server; who waits here is told first that its client has left. */
	if (dm->http)
		bg_http_server_free(dm->http);
	dm->http = NULL;
	free(m.hosts);
	free(m.token);
	bg_timer_free(m.stop);
	m.hosts = NULL;
	m.token = NULL;
	m.stop = NULL;
}

static const struct bg_module modules[] = {
	{"base", start_base, stop_base},    {"store", start_store, NULL},
	{"kafka", start_kafka, stop_kafka}, {"switches", start_switches, stop_switches},
	{"api", start_api, stop_api},       {NULL, NULL, NULL},
};

/* ---- signals */

static void say_changed(void *arg, const char *section, const char *key, bool reloadable)
{
	(void)arg;
	if (reloadable)
		bg_log(BG_NOTICE, "reload", "[%s] %s has changed: taken over", section, key);
}

static void reload(struct bg_daemon *d, const struct bg_conf *conf)
{
	struct sw_daemon *dm = d->state;
	struct bg_err err = BG_ERR_INIT;
	char *token;

	bg_conf_diff(d->latest ? d->latest : d->conf, conf, say_changed, NULL);
	for (size_t i = 0; i < dm->n_sw; i++) {
		struct sw_cfg *fresh;
		const char *n;
		bool there = false;

		for (size_t k = 0; (n = bg_conf_name_at(conf, "switch", k)); k++)
			there = there || strcmp(n, dm->sw[i]->cfg->name) == 0;
		if (!there)
			continue; /* said by bg_daemon_reload: it needs a restart */
		if (sw_cfg_new(conf, dm->sw[i]->cfg->name, &fresh, &err) < 0) {
			bg_log_sw(BG_ERROR, dm->sw[i]->cfg->name, "reload", "keeps its configuration: %s",
				  err.msg);
			continue;
		}
		sw_cfg_reload(dm->sw[i]->cfg, fresh);
		sw_cfg_free(fresh);
		sw_schedule_look(dm->sw[i]);
	}
	if (!dm->http) /* --once has none */
		return;
	if (read_token(conf, &token, &err) < 0) {
		bg_log(BG_ERROR, "reload", "the token stays: %s", err.msg);
		return;
	}
	if (strcmp(token ? token : "", m.token ? m.token : "") != 0)
		sw_stream_close(sw_events_stream(dm->events), "token_changed",
				"the token was changed by a reload; come back with the new one");
	bg_http_server_set_token(dm->http, token, bg_conf_bool(conf, "http", "open-read"), false);
	free(m.token);
	m.token = token;
}

/* What is being written beside (record, snapshot, history) is still waited for; a run is finished at the next start. */
static void on_stop(void *arg)
{
	struct bg_daemon *d = arg;
	struct sw_daemon *dm = d->state;
	bool idle = true;

	for (size_t i = 0; i < dm->n_sw; i++)
		idle = idle && sw_persist_idle(dm->sw[i]->persist);
	if (idle || bg_now_us() >= m.stop_until_us)
		bg_daemon_exit(d, dm->once && !sw_once_over()
					  ? 1
					  : 0); /* --once: it has not done what it was to do */
	else
		bg_timer_start(m.stop, 5000);
}

static void terminate(struct bg_daemon *d)
{
	struct sw_daemon *dm = d->state;

	dm->stopping = true;
	for (size_t i = 0; i < dm->n_sw; i++)
		sw_switch_stop(dm->sw[i]);
	m.stop_until_us = bg_now_us() + STOP_US;
	m.stop = bg_timer_new(d->loop, on_stop, d);
	on_stop(d);
}

static void status(struct bg_daemon *d)
{
	struct sw_daemon *dm = d->state;

	for (size_t i = 0; i < dm->n_sw; i++) {
		_cleanup_json_ struct json_object *o = sw_view(dm->sw[i], true);

		bg_log_sw(BG_NOTICE, dm->sw[i]->cfg->name, "status", "%s", bg_json_text(o));
	}
}

static const struct bg_daemon_spec spec = {
	.name = "bg-switchd",
	.summary = "switches Kafka consumers between blue and green: never both active, nothing lost",
	.default_config = BG_SYSCONFDIR "/switchd.ini",
	.tables = sw_conf_tables,
	.check = sw_cfg_check,
	.modules = modules,
	.reload = reload,
	.terminate = terminate,
	.status = status,
	.more_options = sw_once_options,
	.option = sw_once_option,
	.more_help = sw_once_help,
};

int sw_main(int argc, char **argv)
{
#ifdef __GLIBC__
	/* librdkafka's threads allocate little here: a heap for each would only be more memory that is half empty. */
	mallopt(M_ARENA_MAX, 1);
#endif
	return bg_daemon_main(&spec, argc, argv);
}
