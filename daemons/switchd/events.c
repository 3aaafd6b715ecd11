/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/events.h"

#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "common/units.h"
#include "switchd/run.h"

#define LISTENERS_MAX 64

struct listener {
	struct listener *next;
	struct sw_events *e;
	struct bg_http_req *req;
};

struct change {
	struct sw_switch *sw;
	enum sw_state old, next;
	enum sw_event ev;
	int64_t epoch, at_us, real_us;
	char id[40];
	int from, to;
};

struct sw_events {
	struct bg_loop *loop;
	struct listener *first;
	size_t n;
	struct change *queue;
	size_t n_queue, cap;
	bool deferred;
};

struct sw_events *sw_events_new(struct bg_loop *l)
{
	struct sw_events *e = bg_xcalloc(1, sizeof(*e));

	e->loop = l;
	return e;
}

static void unlink_listener(struct listener *x)
{
	for (struct listener **p = &x->e->first; *p; p = &(*p)->next) {
		if (*p == x) {
			*p = x->next;
			x->e->n--;
			break;
		}
	}
	free(x);
}

void sw_events_free(struct sw_events *e)
{
	if (!e)
		return;
	while (e->first) {
		struct bg_http_req *req = e->first->req;

		unlink_listener(e->first);
		bg_http_on_gone(req, NULL, NULL);
		bg_http_stream_end(req);
	}
	free(e->queue);
	free(e);
}

static void on_gone(void *arg)
{
	unlink_listener(arg);
}

void sw_events_listen(struct sw_events *e, struct bg_http_req *req)
{
	struct listener *x;

	if (e->n >= LISTENERS_MAX) {
		bg_http_error(req, 503, "too_many_listeners", "%d clients listen already", LISTENERS_MAX);
		return;
	}
	x = bg_xcalloc(1, sizeof(*x));
	x->e = e;
	x->req = req;
	x->next = e->first;
	e->first = x;
	e->n++;
	bg_http_stream_start(req, "text/event-stream");
	bg_http_on_gone(req, on_gone, x);
	bg_http_stream_send(req, ": bg-switchd\n\n", 14);
}

static void tell(struct sw_events *e, const char *event, struct json_object *o)
{
	struct listener *x, *next;
	_cleanup_buf_ struct bg_buf b = {0};

	if (e->first)
		bg_buf_printf(&b, "event: %s\ndata: %s\n\n", event, bg_json_text(o));
	for (x = e->first; x; x = next) {
		next = x->next;
		if (bg_http_stream_send(x->req, b.s, b.len) < 0) {
			bg_http_on_gone(x->req, NULL, NULL);
			bg_http_stream_end(x->req);
			unlink_listener(x);
		}
	}
}

static void tell_phase(struct sw_events *e, const struct change *c)
{
	struct json_object *o;
	char t[32];

	bg_log_sw(BG_INFO, c->sw->cfg->name, "state", "%s -> %s (%s) epoch=%lld", sw_state_name(c->old),
		  sw_state_name(c->next), sw_event_name(c->ev), (long long)c->epoch);
	if (!e->first)
		return;
	o = json_object_new_object();
	bg_json_add_str(o, "switch", c->sw->cfg->name);
	bg_json_add_str(o, "phase", sw_phase_name(c->next));
	bg_json_add_int(o, "epoch", c->epoch);
	bg_json_add_str(o, "id", *c->id ? c->id : NULL);
	bg_json_add_str(o, "from", sw_color_name(c->from));
	bg_json_add_str(o, "to", sw_color_name(c->to));
	bg_json_add_int(o, "at_us", c->at_us);
	bg_json_add_str(o, "time", bg_format_time(t, sizeof(t), c->real_us));
	tell(e, "phase", o);
	json_object_put(o);
}

static void flush(void *arg)
{
	struct sw_events *e = arg;

	e->deferred = false;
	for (size_t i = 0; i < e->n_queue; i++)
		tell_phase(e, &e->queue[i]);
	e->n_queue = 0;
}

void sw_events_phase(struct sw_switch *sw, enum sw_state old, enum sw_state next, enum sw_event ev)
{
	struct sw_events *e = sw->dm->events;
	struct sw_run *r = sw->run;

	e->queue = bg_xgrow(e->queue, &e->cap, e->n_queue + 1, sizeof(*e->queue));
	struct change *c = &e->queue[e->n_queue++];
	*c = (struct change){
		.sw = sw, .old = old, .next = next, .ev = ev, .epoch = r ? r->epoch : sw->rec.epoch};
	c->real_us = bg_real_us();
	c->from = r ? r->from : SW_NO_COLOR;
	c->to = r ? r->to : sw->rec.active;
	if (r) {
		c->at_us = bg_now_us() - r->started_us;
		bg_strlcpy(c->id, r->id, sizeof(c->id));
	}
	if (!e->deferred) {
		e->deferred = true;
		bg_loop_defer(e->loop, flush, e);
	}
}

void sw_events_instance(const struct sw_inst *i)
{
	struct json_object *o;

	bg_log_sw(i->reachable ? BG_INFO : BG_WARN, i->sw->cfg->name, "instance",
		  "%s is %s at epoch %lld%s%s", sw_inst_label(i),
		  i->reachable ? sw_istate_name(i->state) : "unreachable", (long long)i->epoch,
		  i->trouble[0] ? ": " : "", i->trouble);
	if (!i->sw->dm->events->first)
		return;
	o = json_object_new_object();
	bg_json_add_str(o, "switch", i->sw->cfg->name);
	bg_json_add_str(o, "instance", sw_inst_label(i));
	bg_json_add_str(o, "color", bg_color_name(i->color));
	bg_json_add_str(o, "state", sw_istate_name(i->state));
	bg_json_add_int(o, "epoch", i->epoch);
	bg_json_add_bool(o, "reachable", i->reachable);
	tell(i->sw->dm->events, "instance", o);
	json_object_put(o);
}

void sw_events_end(struct sw_switch *sw)
{
	tell(sw->dm->events, "end", sw->last);
}
