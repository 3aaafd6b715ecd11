/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/hello.h"

#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "switchd/events.h"
#include "switchd/identity.h"
#include "switchd/rebuild.h"
#include "switchd/reconcile.h"
#include "switchd/soak.h"
#include "switchd/watch.h"

const struct bg_field sw_hello_fields[] = {
	{"switch", BG_J_STRING, true, 0, 63, NULL},    {"color", BG_J_STRING, true, 0, 0, "blue|green"},
	{"instance", BG_J_STRING, true, 0, 63, NULL},  {"incarnation", BG_J_STRING, true, 0, 39, NULL},
	{"url", BG_J_STRING, false, 0, 255, NULL},     {"state", BG_J_STRING, true, 0, 31, NULL},
	{"epoch", BG_J_INT, true, 0, INT64_MAX, NULL}, {"fenced", BG_J_BOOL, false, 0, 0, NULL},
	{NULL, BG_J_STRING, false, 0, 0, NULL},
};

/* A hello never adds an instance: it comes from a configured endpoint, or from one that is known by its name. */
static struct sw_inst *find(struct sw_switch *sw, enum bg_color c, const char *url, const char *name)
{
	struct sw_inst *first = sw_first_of(sw, c);

	for (size_t k = 0; k < sw->cfg->n_endpoint[c]; k++)
		if (url && strcmp(first[k].url, url) == 0)
			return &first[k];
	for (size_t k = 0; !url && k < sw->cfg->n_endpoint[c]; k++)
		if (strcmp(first[k].name, name) == 0)
			return &first[k];
	return NULL;
}

/* What the record demands of it; the answer itself moves nobody. */
static void answer(struct bg_http_req *req, const struct sw_switch *sw, enum bg_color c)
{
	struct json_object *o = json_object_new_object();

	bg_json_add_int(o, "epoch", sw->rec.epoch);
	bg_json_add_str(o, "desired", sw->rec.desired_active[c] ? "ACTIVE" : "PAUSED");
	bg_http_json(req, 200, o);
}

void sw_hello(struct bg_http_req *req, void *arg)
{
	struct json_object *body = bg_http_body(req);
	const char *name = bg_json_str(body, "instance", ""), *url = bg_json_str(body, "url", NULL);
	struct sw_switch *sw = sw_find(arg, bg_json_str(body, "switch", ""));
	struct bg_err err = BG_ERR_INIT;
	enum bg_color color;
	bool changed;

	if (!sw) {
		bg_http_error(req, 404, "unknown_switch", "there is no switch `%s` here",
			      bg_json_str(body, "switch", ""));
		return;
	}
	if (!bg_color_parse(bg_json_str(body, "color", ""), &color) || !bg_name_valid(name)) {
		bg_http_error(req, 400, "bad_request", "instance: `%s` is no name of an instance", name);
		return;
	}
	struct sw_inst *i = find(sw, color, url, name);
	if (!i) {
		sw_identity_stranger(sw, color, name, url);
		bg_http_error(req, 403, "unknown_endpoint",
			      "%s of %s says it is at %s, which is no endpoint of %s here", name,
			      sw->cfg->name, url ? url : "(no url)", bg_color_name(color));
		return;
	}
	bool anew = strcmp(i->incarnation, bg_json_str(body, "incarnation", "")) != 0;
	if (sw_inst_take(i, body, &changed, &err) < 0) {
		bg_http_error(req, 400, err.code, "%s", err.msg);
		return;
	}
	bg_log_sw(BG_INFO, sw->cfg->name, "hello", "%s (%s) is %s at epoch %lld%s", name, i->url,
		  sw_istate_name(i->state), (long long)i->epoch, anew ? ", a new process" : "");
	answer(req, sw, color);
	if (anew)
		sw_reconcile_afresh(i);
	else
		sw_reconcile_one(i);
	sw_watch_kick(i);
	if (changed) {
		sw_events_instance(i);
		sw_soak_look_at(i);
		sw_rebuild_look(sw);
	}
}
