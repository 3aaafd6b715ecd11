/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "fake_instance.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"

static void refuse(struct fake_instance *i, struct bg_http_req *req, int status, const char *word,
		   int64_t epoch)
{
	struct json_object *more = json_object_new_object();

	(void)i;
	bg_json_add_int(more, "epoch", epoch);
	bg_http_error_json(req, status, word, "by the fake", more);
}

static struct json_object *head(struct fake_instance *i)
{
	struct json_object *o = json_object_new_object(), *c = json_object_new_object();

	bg_json_add_int(c, "version", 1);
	bg_json_add_int(c, "level", 3);
	bg_json_add(o, "contract", c);
	bg_json_add_str(o, "switch", i->sw);
	bg_json_add_str(o, "color", i->claim_color ? i->claim_color : i->color);
	bg_json_add_str(o, "instance", i->name);
	bg_json_add_str(o, "incarnation", i->incarnation);
	bg_json_add_str(o, "state", i->claim_state ? i->claim_state : i->state);
	bg_json_add_int(o, "epoch", i->claim_epoch ? i->claim_epoch : i->epoch);
	bg_json_add_int(o, "in_flight", i->claim_in_flight);
	return o;
}

static void forget(void *arg)
{
	(void)arg;
}

/* The knobs first. True: answered (or not to be answered). */
static bool odd(struct fake_instance *i, struct bg_http_req *req)
{
	json_object_put(i->last);
	i->last = json_object_get(bg_http_body(req));
	if (i->raw) {
		bg_http_text(req, 200, "application/json", i->raw);
		return true;
	}
	if (i->silent > 0) {
		i->silent--;
		bg_http_on_gone(req, forget, NULL);
		return true;
	}
	if (i->status) {
		int status = i->status;

		if (i->status_times && --i->status_times == 0)
			i->status = 0;
		refuse(i, req, status, i->error ? i->error : "odd", i->error_epoch);
		return true;
	}
	return false;
}

static bool stale(struct fake_instance *i, struct bg_http_req *req, int64_t epoch, bool active)
{
	if (epoch < i->epoch) {
		refuse(i, req, 409, "stale_epoch", i->epoch);
		return true;
	}
	if (epoch == i->epoch && active != i->active_side) {
		refuse(i, req, 409, "epoch_conflict", i->epoch);
		return true;
	}
	i->epoch = epoch;
	i->active_side = active;
	i->seq++;
	return false;
}

static void on_prepare(struct bg_http_req *req, void *arg)
{
	struct fake_instance *i = arg;
	struct json_object *b = bg_http_body(req);

	i->prepares++;
	if (!odd(i, req) &&
	    !stale(i, req, bg_json_int(b, "epoch", 0), strcmp(bg_json_str(b, "active", ""), i->color) == 0))
		bg_http_json(req, 200, head(i));
}

static void on_pause(struct bg_http_req *req, void *arg)
{
	struct fake_instance *i = arg;
	struct json_object *o;
	bool worked = strcmp(i->state, "PAUSED") != 0;

	i->pauses++;
	if (odd(i, req) || stale(i, req, bg_json_int(bg_http_body(req), "epoch", 0), false))
		return;
	if (i->drain_answers > 0) {
		i->drain_answers--;
		i->state = "DRAINING";
		bg_http_json(req, 202, head(i));
		return;
	}
	i->state = "PAUSED";
	o = head(i);
	bg_json_add_bool(o, "committed", !i->unconfirmed);
	bg_json_add_int(o, "drain_us", 7);
	bg_json_add_int(o, "commit_us", 8);
	if (worked)
		bg_json_add(o, "offsets", bg_offs_to_json(&i->offs));
	bg_http_json(req, 200, o);
}

static void on_resume(struct bg_http_req *req, void *arg)
{
	struct fake_instance *i = arg;
	struct json_object *o;
	const char *inc = bg_json_str(bg_http_body(req), "incarnation", i->incarnation);

	i->resumes++;
	if (odd(i, req))
		return;
	if (strcmp(inc, i->incarnation) != 0) {
		refuse(i, req, 409, "wrong_target", i->epoch);
		return;
	}
	if (stale(i, req, bg_json_int(bg_http_body(req), "epoch", 0), true))
		return;
	i->state = "ACTIVE";
	o = head(i);
	bg_json_add_int(o, "position_us", 9);
	bg_http_json(req, 200, o);
}

static void on_status(struct bg_http_req *req, void *arg)
{
	struct json_object *o = head(arg);

	bg_json_add_int(o, "seq", ((struct fake_instance *)arg)->seq);
	bg_http_json(req, 200, o);
}

static const struct bg_field any[] = {{NULL, BG_J_STRING, false, 0, 0, NULL}};

static const struct bg_route routes[] = {
	{"POST", "/lifecycle/prepare", on_prepare, BG_PRIV_OPERATE, any, 0},
	{"POST", "/lifecycle/pause", on_pause, BG_PRIV_OPERATE, any, 0},
	{"POST", "/lifecycle/resume", on_resume, BG_PRIV_OPERATE, any, 0},
	{"GET", "/lifecycle/status", on_status, BG_PRIV_READ, NULL, 0},
	{NULL, NULL, NULL, BG_PRIV_OPEN, NULL, 0},
};

struct fake_instance *fake_instance_new(struct bg_loop *l, const char *color, int ordinal)
{
	struct fake_instance *i = bg_xcalloc(1, sizeof(*i));
	struct bg_http_opts o = {.routes = routes, .arg = i};
	struct bg_err err = BG_ERR_INIT;

	i->sw = "orders";
	i->color = color;
	i->state = "PAUSED";
	snprintf(i->name, sizeof(i->name), "%s-%d", color, ordinal);
	bg_random_hex(i->incarnation, 8);
	i->http = bg_http_server_new(l, &o);
	if (bg_http_server_tcp(i->http, "127.0.0.1:0", &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		abort();
	}
	snprintf(i->url, sizeof(i->url), "http://127.0.0.1:%d", bg_http_server_port(i->http));
	return i;
}

void fake_instance_free(struct fake_instance *i)
{
	if (!i)
		return;
	bg_http_server_free(i->http);
	bg_offs_free(&i->offs);
	json_object_put(i->last);
	free(i);
}
