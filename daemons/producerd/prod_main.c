/* SPDX-License-Identifier: Apache-2.0 */
/* bg-producerd: the modules in their order, signals, reload. */
#include "config.h"
#include "producerd/prod.h"
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"

#define WORKER_THREADS  2
#define WORKER_WAIT_US  2000000
#define FINISH_FLUSH_US 1000000 /* everything is acknowledged then */
#define MAX_HOSTS       64

static struct prod prod;

/* --- the end --- */

static void closed(void *arg, int status)
{
	struct prod *p = arg;
	bg_daemon_exit(p->daemon, status);
}

static void terminate(struct bg_daemon *d)
{
	struct prod *p = d->state;
	prod_engine_close(p->engine, bg_conf_int(d->conf, "producer", "stop-timeout"), closed, p);
}

/* The status of a run that ended by itself is that of its records. */
static void finished(void *arg, int status)
{
	struct prod *p = arg;
	(void)status; /* closed() has it too, from the same counts */
	prod_engine_close(p->engine, FINISH_FLUSH_US, closed, p);
}

/* --- modules --- */

static int start_base(struct bg_daemon *d, struct bg_err *err)
{
	(void)err;
	d->state = &prod;
	prod.daemon = d;
	prod.started_us = bg_real_us();
	prod.worker = bg_worker_new(d->loop, WORKER_THREADS);
	prod.metrics = bg_metrics_new();
	return 0;
}

static void stop_base(struct bg_daemon *d)
{
	(void)d;
	bg_worker_free(prod.worker, WORKER_WAIT_US);
	bg_metrics_free(prod.metrics);
}

static int start_engine(struct bg_daemon *d, struct bg_err *err)
{
	struct prod_engine_opts o = {
		.loop = d->loop,
		.worker = prod.worker,
		.metrics = prod.metrics,
		.conf = prod_conf_kafka(d->conf),
		.finished = finished,
		.arg = &prod,
	};
	prod_conf_engine(d->conf, &o);
	int rc = prod_engine_new(&o, &prod.engine, err);
	if (rc)
		return rc;
	bg_metrics_on_scrape(prod.metrics, prod_scrape, &prod);
	bg_log(BG_INFO, "run", "run %s: topic %s at %g records/s", prod_engine_numbering(prod.engine)->run,
	       o.topic, o.rate);
	return 0;
}

/* After the engine: librdkafka's threads take the priority of the thread that makes them. Not being allowed is normal. */
static int start_priority(struct bg_daemon *d, struct bg_err *err)
{
	(void)err;
	int nice = (int)bg_conf_int(d->conf, "producer", "nice");
	if (!nice)
		return 0;
	if (setpriority(PRIO_PROCESS, (id_t)gettid(), nice))
		bg_log(BG_DEBUG, "nice", "priority %d: %s; it stays as it is", nice, strerror(errno));
	return 0;
}

static void stop_engine(struct bg_daemon *d)
{
	(void)d;
	prod_engine_free(prod.engine);
	prod.engine = NULL;
}

static int listen_all(const struct bg_conf *c, struct bg_err *err)
{
	const char *tcp = bg_conf_str(c, "http", "listen"), *path = bg_conf_str(c, "control", "socket");
	int rc = 0;
	if (tcp && strcmp(tcp, "none"))
		rc = bg_http_server_tcp(prod.http, tcp, err);
	if (!rc && path && strcmp(path, "none"))
		rc = bg_http_server_unix(prod.http, path, bg_conf_str(c, "control", "group"), err);
	return rc;
}

static int start_http(struct bg_daemon *d, struct bg_err *err)
{
	const char *hosts[MAX_HOSTS + 1] = {NULL};
	_cleanup_free_ char *token = NULL;
	int rc = prod_conf_token(d->conf, &token, err);
	if (rc)
		return rc;
	size_t n = bg_conf_list_len(d->conf, "http", "host");
	for (size_t i = 0; i < n && i < MAX_HOSTS; i++)
		hosts[i] = bg_conf_list_at(d->conf, "http", "host", i);
	struct bg_http_opts o = {
		.routes = prod_routes,
		.arg = &prod,
		.token = token,
		.hosts = hosts,
		.open_read = bg_conf_bool(d->conf, "http", "open-read"),
		.max_connections = (int)bg_conf_int(d->conf, "http", "max-connections"),
	};
	prod.http = bg_http_server_new(d->loop, &o);
	return listen_all(d->conf, err);
}

static void stop_http(struct bg_daemon *d)
{
	(void)d;
	bg_http_server_free(prod.http);
	prod.http = NULL;
}

/* Nothing that can fail comes after the engine: it has work in other threads, and ends by prod_engine_close only. */
static const struct bg_module modules[] = {
	{"base", start_base, stop_base},
	{"http", start_http, stop_http},
	{"engine", start_engine, stop_engine},
	{"priority", start_priority, NULL},
	{NULL, NULL, NULL},
};

/* --- signals --- */

/* Only what differs in the file: a rate that an operator has set since is not undone by a reload of another key. */
static void reload(struct bg_daemon *d, const struct bg_conf *new)
{
	struct prod *p = d->state;
	struct prod_engine_opts o = {0}, old = {0};
	struct prod_payload *payload;
	prod_conf_engine(new, &o);
	prod_conf_engine(d->conf, &old);
	if (o.rate != old.rate)
		prod_engine_rate(p->engine, o.rate);
	if (!prod_payload_new(&o.payload, &payload, NULL))
		prod_engine_payload(p->engine, payload);
	_cleanup_free_ char *token = NULL;
	struct bg_err err = BG_ERR_INIT;
	if (prod_conf_token(new, &token, &err)) /* was there when the file was checked */
		bg_log(BG_ERROR, "token_file", "%s; the old token stays", err.msg);
	else
		bg_http_server_set_token(p->http, token, bg_conf_bool(new, "http", "open-read"), false);
}

static void status(struct bg_daemon *d)
{
	_cleanup_json_ struct json_object *o = prod_status(d->state);
	bg_log(BG_NOTICE, "status", "%s", bg_json_text(o));
}

static const struct bg_daemon_spec spec = {
	.name = "bg-producerd",
	.summary = "produces records to a Kafka topic at a steady rate, numbered so that loss can be proved",
	.default_config = BG_SYSCONFDIR "/producerd.ini",
	.tables = prod_conf_tables,
	.check = prod_conf_check,
	.modules = modules,
	.reload = reload,
	.terminate = terminate,
	.status = status,
};

int prod_main(int argc, char **argv)
{
	return bg_daemon_main(&spec, argc, argv);
}
