/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP of bg-producerd (P-2, P-6). */
#include "config.h"
#include <inttypes.h>
#include <json-c/json.h>
#include <math.h>
#include <string.h>
#include "common/ids.h"
#include "common/json.h"
#include "common/units.h"
#include "producerd/prod.h"

static struct json_object *number(double v)
{
	/* 100 is printed as 100, 0.5 as 0.5. */
	return v == floor(v) && v < 1e15 ? json_object_new_int64((int64_t)v) : json_object_new_double(v);
}

static void add_counts(struct json_object *o, struct prod *p)
{
	const struct prod_stats *st = prod_engine_stats(p->engine);
	const struct prod_pace *pace = prod_engine_pace(p->engine);
	bg_json_add_int(o, "accepted_total", st->accepted);
	bg_json_add_int(o, "acked_total", st->acked);
	bg_json_add_int(o, "failed_total", st->failed);
	bg_json_add_int(o, "maybe_persisted_total", st->maybe);
	bg_json_add_int(o, "queued", prod_send_queued(prod_engine_send(p->engine)));
	bg_json_add_int(o, "queue_full_total", st->full);
	bg_json_add_int(o, "missed_total", pace->missed);
	bg_json_add_int(o, "late_total", pace->late);
	bg_json_add(o, "errors", prod_stats_errors_json(st));
	bg_json_add_int(o, "ack_latency_mean_us", st->acked ? st->latency_sum_us / st->acked : 0);
	bg_json_add_int(o, "ack_latency_max_us", st->latency_max_us);
}

struct json_object *prod_status(struct prod *p)
{
	const struct prod_send *send = prod_engine_send(p->engine);
	struct json_object *o = json_object_new_object();
	char since[32];
	bg_json_add_str(o, "daemon", "bg-producerd");
	bg_json_add_str(o, "version", PACKAGE_VERSION);
	bg_json_add_str(o, "instance", p->daemon->instance);
	bg_json_add_str(o, "run", prod_engine_numbering(p->engine)->run);
	bg_json_add_str(o, "state", prod_state_name(prod_engine_state(p->engine)));
	bg_json_add_bool(o, "connected", prod_send_connected(send));
	bg_json_add_str(o, "topic", bg_conf_str(p->daemon->conf, "producer", "topic"));
	bg_json_add_int(o, "partitions", prod_send_partitions(send));
	bg_json_add(o, "rate", number(prod_engine_rate_now(p->engine)));
	add_counts(o, p);
	bg_json_add_str(o, "since", bg_format_time(since, sizeof(since), p->started_us));
	bg_json_add_str(o, "boot", bg_boot_id());
	bg_json_add_int(o, "mono_us", bg_now_us());
	return o;
}

static void get_status(struct bg_http_req *r, void *arg)
{
	bg_http_json(r, 200, prod_status(arg));
}

/* False: answered. */
static bool may_start(struct bg_http_req *r, struct prod *p)
{
	enum prod_state st = prod_engine_state(p->engine);
	if (st != PROD_FINISHING && st != PROD_STOPPING)
		return true;
	bg_http_error(r, 409, "ending", "bg-producerd is %s and takes no start any more",
		      prod_state_name(st));
	return false;
}

static bool good_rate(struct bg_http_req *r, double rate)
{
	if (rate > 0 && rate <= PROD_RATE_MAX)
		return true;
	bg_http_error(r, 400, "bad_rate",
		      "rate: expected records per second, more than 0 and at most %d; to stop use POST /stop",
		      PROD_RATE_MAX);
	return false;
}

static void start_at(struct bg_http_req *r, void *arg)
{
	struct prod *p = arg;
	double rate;
	if (bg_parse_double(bg_http_param(r, "tps"), &rate, NULL) || isnan(rate))
		rate = -1;
	if (!good_rate(r, rate) || !may_start(r, p))
		return;
	prod_engine_start(p->engine, rate);
	get_status(r, arg);
}

static void start_again(struct bg_http_req *r, void *arg)
{
	struct prod *p = arg;
	if (!may_start(r, p))
		return;
	prod_engine_start(p->engine, 0);
	get_status(r, arg);
}

static void stop(struct bg_http_req *r, void *arg)
{
	struct prod *p = arg;
	prod_engine_stop(p->engine);
	get_status(r, arg);
}

static void put_rate(struct bg_http_req *r, void *arg)
{
	struct prod *p = arg;
	double rate = json_object_get_double(bg_json_get(bg_http_body(r), "rate"));
	if (!good_rate(r, rate))
		return;
	prod_engine_rate(p->engine, rate);
	get_status(r, arg);
}

static void healthz(struct bg_http_req *r, void *arg)
{
	(void)arg;
	bg_http_text(r, 200, "text/plain", "ok\n");
}

static void readyz(struct bg_http_req *r, void *arg)
{
	struct prod *p = arg;
	if (prod_send_connected(prod_engine_send(p->engine)))
		bg_http_text(r, 200, "text/plain", "ready\n");
	else
		bg_http_error(r, 503, "not_connected",
			      "no broker answers, or the topic's partitions are not known");
}

static void metrics(struct bg_http_req *r, void *arg)
{
	struct prod *p = arg;
	_cleanup_free_ char *text = bg_metrics_render(p->metrics);
	bg_http_text(r, 200, "text/plain; version=0.0.4", text);
}

static void reload(struct bg_http_req *r, void *arg)
{
	struct prod *p = arg;
	int rc;
	struct json_object *o = bg_daemon_reload(p->daemon, &rc);
	bg_http_json(r, rc < 0 ? 422 : 200, o);
}

static const struct bg_field no_fields[] = {{NULL}};
static const struct bg_field rate_fields[] = {{"rate", BG_J_NUMBER, true, 0, 0, NULL}, {NULL}};

const struct bg_route prod_routes[] = {
	{"GET", "/start/{tps}", start_at, BG_PRIV_OPERATE, NULL, 0},
	{"POST", "/start/{tps}", start_at, BG_PRIV_OPERATE, no_fields, 0},
	{"POST", "/start", start_again, BG_PRIV_OPERATE, no_fields, 0},
	{"POST", "/stop", stop, BG_PRIV_OPERATE, no_fields, 0},
	{"PUT", "/rate", put_rate, BG_PRIV_OPERATE, rate_fields, 0},
	{"POST", "/reload", reload, BG_PRIV_OPERATE, no_fields, 0},
	{"GET", "/status", get_status, BG_PRIV_READ, NULL, 0},
	{"GET", "/metrics", metrics, BG_PRIV_READ, NULL, 0},
	{"GET", "/healthz", healthz, BG_PRIV_OPEN, NULL, 0},
	{"GET", "/readyz", readyz, BG_PRIV_OPEN, NULL, 0},
	{NULL, NULL, NULL, BG_PRIV_OPEN, NULL, 0},
};

/* --- what is counted elsewhere --- */

static void gauge(struct prod *p, const char *name, const char *help, double v)
{
	bg_series_set(bg_series(bg_metric(p->metrics, BG_GAUGE, name, help), NULL), v);
}

static void counter(struct prod *p, const char *name, const char *help, int64_t total, int64_t *shown)
{
	bg_series_add(bg_series(bg_metric(p->metrics, BG_COUNTER, name, help), NULL),
		      (double)(total - *shown));
	*shown = total;
}

void prod_scrape(void *arg)
{
	struct prod *p = arg;
	const struct prod_send *send = prod_engine_send(p->engine);
	const struct prod_stats *st = prod_engine_stats(p->engine);
	const struct prod_pace *pace = prod_engine_pace(p->engine);
	gauge(p, "bg_producer_queue_records", "Records that wait for their acknowledgement",
	      (double)prod_send_queued(send));
	gauge(p, "bg_producer_target_rate", "Records per second that are asked for; 0 is not paced",
	      prod_engine_rate_now(p->engine));
	gauge(p, "bg_producer_running", "1 while records are being produced",
	      prod_engine_state(p->engine) == PROD_RUNNING);
	gauge(p, "bg_producer_connected", "1 while a broker answers and the topic is known",
	      prod_send_connected(send));
	gauge(p, "bg_producer_partitions", "Partitions of the topic; 0 is not known",
	      prod_send_partitions(send));
	counter(p, "bg_producer_records_accepted_total", "Records taken into the queue", st->accepted,
		&p->accepted_shown);
	counter(p, "bg_producer_records_missed_total",
		"Records of the schedule that were given up, being too late", pace->missed, &p->missed_shown);
	counter(p, "bg_producer_late_turns_total", "Turns in which more was due than may go at once",
		pace->late, &p->late_shown);
	counter(p, "bg_producer_queue_full_total", "How often the queue had no room", st->full,
		&p->full_shown);
}
