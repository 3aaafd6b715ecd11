/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/api.h"

#include <errno.h>
#include <string.h>

#include "common/json.h"
#include "common/units.h"
#include "switchd/command.h"
#include "switchd/doctor.h"
#include "switchd/events.h"
#include "switchd/frozen.h"
#include "switchd/hello.h"
#include "switchd/history.h"
#include "switchd/metrics.h"
#include "switchd/restore.h"
#include "switchd/schedule.h"
#include "switchd/stream.h"
#include "switchd/view.h"

static void get_switches(struct bg_http_req *req, void *arg)
{
	struct sw_daemon *dm = arg;
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	for (size_t i = 0; i < dm->n_sw; i++)
		json_object_array_add(list, sw_view(dm->sw[i], false));
	bg_json_add(o, "switches", list);
	bg_http_json(req, 200, o);
}

static void get_switch(struct bg_http_req *req, void *arg)
{
	struct sw_switch *sw = sw_of_request(req, arg);

	if (sw)
		bg_http_json(req, 200, sw_view(sw, true));
}

/* Reads that block go through the worker. */
struct reading {
	struct bg_http_req *req; /* NULL: the client has left */
	struct sw_daemon *dm;
	struct sw_store *store;
	char *name, *text;
	int64_t limit, epoch, *epochs;
	size_t n;
	struct bg_buf buf;
	struct json_object *list;
	int rc;
	struct bg_err err;
};

static void reading_free(struct reading *r)
{
	bg_buf_free(&r->buf);
	json_object_put(r->list);
	free(r->epochs);
	free(r->text);
	free(r->name);
	free(r);
}

static void on_gone(void *arg)
{
	((struct reading *)arg)->req = NULL;
}

/* The answer of a reading: NULL when there is none to give, then it has been answered or has left. */
static struct json_object *reading_answer(struct reading *r)
{
	struct json_object *o;

	if (!r->req)
		return NULL;
	bg_http_on_gone(r->req, NULL, NULL);
	if (r->rc == -ENOENT) {
		bg_http_error(r->req, 404, "unknown_snapshot", "there is no snapshot of epoch %lld",
			      (long long)r->epoch);
		return NULL;
	}
	if (r->rc < 0) {
		bg_http_error(r->req, 500, "store", "%s", r->err.msg);
		return NULL;
	}
	o = json_object_new_object();
	bg_json_add_str(o, "switch", r->name);
	return o;
}

static void submit(struct bg_http_req *req, void *arg, void (*fn)(void *), void (*done)(void *),
		   int64_t limit, int64_t epoch)
{
	struct sw_daemon *dm = arg;
	struct sw_switch *sw = sw_of_request(req, arg);
	struct reading *r;

	if (!sw)
		return;
	r = bg_xcalloc(1, sizeof(*r));
	r->req = req;
	r->dm = dm;
	r->store = dm->store;
	r->name = bg_xstrdup(sw->cfg->name);
	r->limit = limit;
	r->epoch = epoch;
	if (bg_worker_submit(dm->worker, "read from the store", fn, done, r, 0) < 0) {
		bg_http_error(req, 503, "overloaded", "too many reads are waiting; try again");
		reading_free(r);
		return;
	}
	bg_http_on_gone(req, on_gone, r);
}

/* Parsed here too: a thousand entries would hold up the loop. */
static void read_history(void *arg)
{
	struct reading *r = arg;

	r->rc = r->store->ops->read_history(r->store, r->name, &r->buf, &r->err);
	if (r->rc == 0)
		r->list = sw_history_list(r->buf.s, (size_t)r->limit);
}

/* The last switch may still be on its way to the disk: who has seen its end finds it here too. */
static struct json_object *with_last(struct reading *r)
{
	struct sw_switch *sw = sw_find(r->dm, r->name);
	const char *id = sw && sw->last ? bg_json_str(sw->last, "id", "") : "";
	struct json_object *list;
	size_t n = json_object_array_length(r->list);

	for (size_t i = 0; i < n; i++)
		if (strcmp(bg_json_str(json_object_array_get_idx(r->list, i), "id", ""), id) == 0)
			return json_object_get(r->list);
	if (!*id)
		return json_object_get(r->list);
	list = json_object_new_array();
	json_object_array_add(list, json_object_get(sw->last));
	for (size_t i = 0; i < n && i + 1 < (size_t)r->limit; i++)
		json_object_array_add(list, json_object_get(json_object_array_get_idx(r->list, i)));
	return list;
}

static void history_read(void *arg)
{
	struct reading *r = arg;
	struct json_object *o = reading_answer(r);

	if (o) {
		bg_json_add(o, "entries", with_last(r));
		bg_http_json(r->req, 200, o);
	}
	reading_free(r);
}

/* 0: answered. */
static int64_t limit_of(struct bg_http_req *req)
{
	const char *q = bg_http_query(req, "limit");
	int64_t limit = 20;

	if (!q || (bg_parse_int(q, &limit, NULL) == 0 && limit >= 1 && limit <= SW_HISTORY_KEPT))
		return limit;
	bg_http_error(req, 400, "bad_request", "limit: `%.40s` is not in 1..%d", q, SW_HISTORY_KEPT);
	return 0;
}

static void get_history(struct bg_http_req *req, void *arg)
{
	int64_t limit = limit_of(req);

	if (limit)
		submit(req, arg, read_history, history_read, limit, 0);
}

/* What a list says of one: without its offsets. A damaged one has but its epoch, and why. */
static struct json_object *snapshot_head(struct reading *r, int64_t epoch)
{
	struct json_object *o = json_object_new_object();
	_cleanup_json_ struct json_object *s = NULL;
	_cleanup_offs_ struct bg_offs offs = BG_OFFS_INIT;
	_cleanup_free_ char *text = NULL;
	struct bg_err err = BG_ERR_INIT;
	int rc = r->store->ops->read_snapshot(r->store, r->name, epoch, &text, &err);

	bg_json_add_int(o, "epoch", epoch);
	if (rc == 0)
		rc = bg_json_parse(text, strlen(text), &s, &err);
	if (rc == 0)
		rc = sw_restore_parse(text, &offs, &err);
	if (rc < 0) {
		bg_json_add_str(o, "damaged", err.msg[0] ? err.msg : "it is gone");
		return o;
	}
	bg_json_add_str(o, "time", bg_json_str(s, "time", NULL));
	bg_json_add_str(o, "active", bg_json_str(s, "active", NULL));
	bg_json_add_str(o, "id", bg_json_str(s, "id", NULL));
	bg_json_add_int(o, "partitions", (int64_t)offs.n);
	return o;
}

static void list_snapshots(void *arg)
{
	struct reading *r = arg;

	r->rc = r->store->ops->list_snapshots(r->store, r->name, &r->epochs, &r->n, &r->err);
	if (r->rc < 0)
		return;
	r->list = json_object_new_array();
	for (size_t i = r->n; i-- > 0 && r->n - i <= (size_t)r->limit;)
		json_object_array_add(r->list, snapshot_head(r, r->epochs[i]));
}

static void snapshots_listed(void *arg)
{
	struct reading *r = arg;
	struct json_object *o = reading_answer(r);

	if (o) {
		bg_json_add(o, "snapshots", bg_steal_ptr(&r->list));
		bg_http_json(r->req, 200, o);
	}
	reading_free(r);
}

static void get_snapshots(struct bg_http_req *req, void *arg)
{
	int64_t limit = limit_of(req);

	if (limit)
		submit(req, arg, list_snapshots, snapshots_listed, limit, 0);
}

static void read_snapshot(void *arg)
{
	struct reading *r = arg;

	r->rc = r->store->ops->read_snapshot(r->store, r->name, r->epoch, &r->text, &r->err);
}

static void snapshot_read(void *arg)
{
	struct reading *r = arg;
	struct json_object *o = reading_answer(r), *s = NULL;

	if (o) {
		json_object_put(o);
		if (bg_json_parse(r->text, strlen(r->text), &s, &r->err) < 0)
			bg_http_error(r->req, 500, "store", "the snapshot is damaged: %s", r->err.msg);
		else
			bg_http_json(r->req, 200, s);
	}
	reading_free(r);
}

static void get_snapshot(struct bg_http_req *req, void *arg)
{
	int64_t epoch;

	if (bg_parse_int(bg_http_param(req, "epoch"), &epoch, NULL) < 0 || epoch < 0) {
		bg_http_error(req, 400, "bad_request", "`%s` is no epoch", bg_http_param(req, "epoch"));
		return;
	}
	submit(req, arg, read_snapshot, snapshot_read, 0, epoch);
}

/* The last event that the client has had; -1: it begins now, -2: answered. The header is what a browser sends by
 * itself when it comes back, so it is newer than the query. */
static int64_t events_since(struct bg_http_req *req)
{
	const char *header = bg_http_header(req, "Last-Event-ID");
	const char *q = header && *header ? header : bg_http_query(req, "since");
	int64_t since = -1;

	if (q && (bg_parse_int(q, &since, NULL) < 0 || since < 0)) {
		bg_http_error(req, 400, "bad_request",
			      "since: `%.40s` is no id of an event, a number from 0 on", q);
		return -2;
	}
	return since;
}

static void get_events(struct bg_http_req *req, void *arg)
{
	struct sw_daemon *dm = arg;
	const char *only = bg_http_query(req, "switch");
	int64_t since = events_since(req);

	if (since == -2)
		return;
	if (only && !sw_find(dm, only)) {
		bg_http_error(req, 404, "unknown_switch", "there is no switch `%.64s` here", only);
		return;
	}
	sw_stream_follow(sw_events_stream(dm->events), req, only, since);
}

static void get_metrics(struct bg_http_req *req, void *arg)
{
	char *text = sw_metrics_render(((struct sw_daemon *)arg)->metrics);

	bg_http_text(req, 200, "text/plain; version=0.0.4; charset=utf-8", text);
	free(text);
}

static void get_health(struct bg_http_req *req, void *arg)
{
	struct json_object *o = json_object_new_object();

	(void)arg;
	bg_json_add_str(o, "status", "UP");
	bg_http_json(req, 200, o);
}

/* Ready: the records are loaded, and their writes get through. */
static void get_ready(struct bg_http_req *req, void *arg)
{
	struct sw_daemon *dm = arg;
	struct json_object *o;

	for (size_t i = 0; i < dm->n_sw; i++) {
		if (dm->sw[i]->rewrite_backoff.tries) {
			bg_http_error(req, 503, "store", "the record of %s cannot be written",
				      dm->sw[i]->cfg->name);
			return;
		}
	}
	o = json_object_new_object();
	bg_json_add_str(o, "status", "UP");
	bg_json_add_int(o, "switches", (int64_t)dm->n_sw);
	bg_http_json(req, 200, o);
}

static void post_reload(struct bg_http_req *req, void *arg)
{
	int rc = 0;
	struct json_object *o = bg_daemon_reload(((struct sw_daemon *)arg)->d, &rc);

	bg_http_json(req, rc < 0 ? 400 : 200, o);
}

#define SWITCH "/v1/switches/{name}"

const struct bg_route sw_routes[] = {
	{"GET", "/v1/switches", get_switches, BG_PRIV_READ, NULL, 0},
	{"GET", SWITCH, get_switch, BG_PRIV_READ, NULL, 0},
	{"POST", SWITCH "/switch", sw_cmd_switch, BG_PRIV_OPERATE, sw_switch_fields, 0},
	{"POST", SWITCH "/rollback", sw_cmd_rollback, BG_PRIV_OPERATE, sw_plain_fields, 0},
	{"POST", SWITCH "/init", sw_cmd_init, BG_PRIV_OPERATE, sw_init_fields, 0},
	{"POST", SWITCH "/abort", sw_cmd_abort, BG_PRIV_OPERATE, sw_plain_fields, 0},
	{"POST", SWITCH "/hold", sw_cmd_hold, BG_PRIV_OPERATE, sw_plain_fields, 0},
	{"POST", SWITCH "/release", sw_cmd_release, BG_PRIV_OPERATE, sw_plain_fields, 0},
	{"POST", SWITCH "/freeze", sw_cmd_freeze, BG_PRIV_OPERATE, sw_freeze_fields, 0},
	{"POST", SWITCH "/thaw", sw_cmd_thaw, BG_PRIV_OPERATE, sw_plain_fields, 0},
	{"POST", SWITCH "/unschedule", sw_cmd_unschedule, BG_PRIV_OPERATE, sw_plain_fields, 0},
	{"GET", SWITCH "/preflight", sw_cmd_preflight, BG_PRIV_READ, NULL, 0},
	{"GET", SWITCH "/doctor", sw_doctor, BG_PRIV_READ, NULL, 0},
	{"GET", SWITCH "/history", get_history, BG_PRIV_READ, NULL, 0},
	{"GET", SWITCH "/snapshots", get_snapshots, BG_PRIV_READ, NULL, 0},
	{"GET", SWITCH "/snapshots/{epoch}", get_snapshot, BG_PRIV_READ, NULL, 0},
	{"POST", SWITCH "/snapshots/{epoch}/restore", sw_cmd_restore, BG_PRIV_OPERATE, sw_restore_fields, 0},
	{"POST", "/v1/hello", sw_hello, BG_PRIV_OPERATE, sw_hello_fields, 0},
	{"GET", "/v1/events", get_events, BG_PRIV_READ, NULL, 0},
	{"POST", "/v1/reload", post_reload, BG_PRIV_OPERATE, sw_plain_fields, 0},
	{"GET", "/health", get_health, BG_PRIV_OPEN, NULL, 0},
	{"GET", "/healthz", get_health, BG_PRIV_OPEN, NULL, 0},
	{"GET", "/readyz", get_ready, BG_PRIV_OPEN, NULL, 0},
	{"GET", "/metrics", get_metrics, BG_PRIV_OPEN, NULL, 0},
	{NULL, NULL, NULL, BG_PRIV_OPEN, NULL, 0},
};
