/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/fanout.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "switchd/switch.h"

/* A held request is answered by the instance at its deadline_ms; the call itself may take so much longer, and
 * the fan-out waits a little for that last answer, because it says what is still in the handler. */
#define GRACE_US     INT64_C(1000000)
#define LAST_WORD_US INT64_C(50000)

struct call {
	struct sw_fan *fan;
	struct sw_reply *reply;
	struct bg_timer *timer; /* NULL until it is needed: a thousand are made in the gap otherwise */
	struct bg_backoff backoff;
	uint64_t id;
};

struct sw_fan {
	struct sw_fan *next;
	uint64_t id;
	const struct sw_fan_spec *spec;
	struct sw_order order;
	sw_fan_fn fn;
	void *arg;
	struct sw_reply *reply;
	struct call *call;
	size_t n, open;
	int64_t until_us;
	struct bg_timer *deadline;
	struct json_object *offs, *reason;
	const char *offs_text; /* of offs, whose it is */
	bool ending;
};

const struct sw_order *sw_fan_order(const struct sw_fan *f)
{
	return &f->order;
}

uint64_t sw_fan_id(const struct sw_fan *f)
{
	return f->id;
}

const char *sw_fan_offs_text(struct sw_fan *f)
{
	/* A text is made anew each time it is asked for: a thousand times a thousand partitions is a second. */
	if (!f->offs) {
		f->offs = bg_offs_to_json(f->order.offs);
		f->offs_text = bg_json_text(f->offs);
	}
	return f->offs_text;
}

const char *sw_fan_reason_text(struct sw_fan *f)
{
	if (!f->reason)
		f->reason = json_object_new_string(f->order.reason ? f->order.reason : "");
	return json_object_to_json_string_ext(f->reason, JSON_C_TO_STRING_PLAIN);
}

static void fan_free(struct sw_fan *f)
{
	for (struct sw_fan **p = &f->order.sw->fans; *p; p = &(*p)->next) {
		if (*p == f) {
			*p = f->next;
			break;
		}
	}
	for (size_t i = 0; i < f->n; i++) {
		bg_httpc_cancel(f->order.sw->dm->cmd, f->call[i].id);
		bg_timer_free(f->call[i].timer);
		bg_offs_free(&f->reply[i].offs);
	}
	bg_timer_free(f->deadline);
	json_object_put(f->offs);
	json_object_put(f->reason);
	free(f->call);
	free(f->reply);
	free(f);
}

static void summarize(struct sw_fan *f, struct sw_fan_result *r)
{
	r->reply = f->reply;
	r->n = f->n;
	for (size_t i = 0; i < f->n; i++) {
		struct sw_reply *p = &f->reply[i];

		if (p->verdict == SW_V_NONE) {
			p->verdict = SW_V_LATE;
			if (!p->err.msg[0])
				bg_err_set(&p->err, 0, "timed_out", "no answer in time");
		}
		r->n_done += p->verdict == SW_V_DONE;
		r->stale = r->stale || p->verdict == SW_V_STALE;
		r->refused = r->refused || p->verdict == SW_V_REFUSED || p->verdict == SW_V_OUT_OF_RANGE;
		r->epoch = BG_MAX(r->epoch, p->epoch);
		if (p->verdict == SW_V_DONE || r->err.msg[0])
			continue;
		bg_err_set(&r->err, 0, p->err.code, "%s: %s", sw_inst_label(p->inst), p->err.msg);
	}
	r->all_done = r->n_done == f->n;
}

static void finish(void *arg)
{
	struct sw_fan *f = arg;
	struct sw_fan_result r = {0};

	summarize(f, &r);
	f->ending = true;
	f->fn(f->arg, &r);
	fan_free(f);
}

static void send_call(struct call *c);

static void on_later(void *arg)
{
	send_call(arg);
}

static void on_answer(void *arg, const struct bg_httpc_answer *a)
{
	struct call *c = arg;
	struct sw_fan *f = c->fan;
	struct sw_reply *r = c->reply;

	c->id = 0;
	r->http_status = a->status;
	if (a->status)
		r->answered_us = a->done_us;
	switch (f->spec->judge(f, r, a)) {
	case SW_J_REPEAT:
		send_call(c);
		return;
	case SW_J_LATER:
		if (!c->timer)
			c->timer = bg_timer_new(f->order.sw->dm->loop, on_later, c);
		bg_timer_start(c->timer, bg_backoff_next(&c->backoff));
		return;
	case SW_J_END:
		break;
	}
	f->open--;
	/* One that cannot succeed decides for all: what is still open is not waited for. */
	if (f->open == 0 || (f->order.all_or_none && r->verdict != SW_V_DONE))
		finish(f);
}

static void send_call(struct call *c)
{
	struct sw_fan *f = c->fan;
	struct sw_reply *r = c->reply;
	int64_t remaining = f->until_us - bg_now_us();
	_cleanup_buf_ struct bg_buf body = {0};

	if (remaining <= 0)
		return; /* the deadline's timer is due */
	if (f->spec->body)
		f->spec->body(f, r, remaining, &body);
	struct bg_httpc_call call = {
		.method = f->spec->method,
		.base = r->inst->url,
		.path = f->spec->path,
		.body = body.s,
		.token = f->order.sw->cfg->token,
		.deadline_us = remaining + GRACE_US,
	};
	if (!r->sent_us)
		r->sent_us = bg_now_us();
	r->tries++;
	c->id = bg_httpc_send(f->order.sw->dm->cmd, &call, on_answer, c);
}

struct sw_fan *sw_fan_start(const struct sw_fan_spec *spec, const struct sw_order *o, sw_fan_fn fn, void *arg)
{
	struct sw_switch *sw = o->sw;
	struct sw_fan *f = bg_xcalloc(1, sizeof(*f));

	f->spec = spec;
	f->order = *o;
	f->fn = fn;
	f->arg = arg;
	f->id = ++sw->fan_ids;
	f->next = sw->fans;
	sw->fans = f;
	f->reply = bg_xcalloc(sw->n_inst + 1, sizeof(*f->reply));
	f->call = bg_xcalloc(sw->n_inst + 1, sizeof(*f->call));
	f->until_us = bg_now_us() + o->deadline_us;
	f->deadline = bg_timer_new(sw->dm->loop, finish, f);
	for (size_t i = 0; i < sw->n_inst; i++) {
		if (!(o->colors & (1u << sw->inst[i].color)) || (o->only && o->only != &sw->inst[i]))
			continue;
		struct call *c = &f->call[f->n];

		c->fan = f;
		c->reply = &f->reply[f->n++];
		c->reply->inst = &sw->inst[i];
		c->backoff = (struct bg_backoff){5000, 250000, 0};
	}
	f->open = f->n;
	for (size_t i = 0; i < f->n; i++)
		send_call(&f->call[i]);
	bg_timer_start(f->deadline, f->n ? o->deadline_us + LAST_WORD_US : 0);
	return f;
}

void sw_fan_cancel(struct sw_switch *sw, uint64_t id)
{
	for (struct sw_fan *f = sw->fans; f; f = f->next) {
		if (f->id == id && !f->ending) {
			fan_free(f);
			return;
		}
	}
}
