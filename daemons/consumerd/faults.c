/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/faults.h"

#include "common/log.h"
#include "common/mem.h"
#include "consumerd/dispatch.h"
#include "consumerd/handler.h"

/* A record that is held back. */
struct held {
	struct con *c;
	struct con_rec *r;
	struct bg_timer *timer; /* NULL: it hangs */
	struct held *next;
};

struct con_faults {
	int64_t delay_us;
	double error_rate;
	bool hang;
	struct held *held;
};

void con_faults_init(struct con *c)
{
	c->faults = bg_xcalloc(1, sizeof *c->faults);
}

static void unlink_held(struct con_faults *f, struct held *h)
{
	struct held **at = &f->held;

	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	bg_timer_free(h->timer);
	free(h);
}

void con_faults_free(struct con *c)
{
	if (!c->faults)
		return;
	while (c->faults->held)
		unlink_held(c->faults, c->faults->held);
	free(c->faults);
	c->faults = NULL;
}

bool con_faults_on(const struct con *c)
{
	const struct con_faults *f = c->faults;

	return f && (f->delay_us || f->error_rate > 0 || f->hang);
}

/* The fault is over for this record: on to the handler, or an error by the rate. */
static void pass_on(struct con *c, struct con_rec *r)
{
	uint64_t dice = bg_random_u64() >> 11; /* 53 bits */

	if (c->faults->error_rate > 0 && (double)dice / (double)(1ULL << 53) < c->faults->error_rate)
		con_done(c, r, "fault: error rate");
	else
		c->handler->give(c, r);
}

static void delay_over(void *arg)
{
	struct held *h = arg;
	struct con *c = h->c;
	struct con_rec *r = h->r;

	unlink_held(c->faults, h);
	pass_on(c, r);
}

void con_faults_give(struct con *c, struct con_rec *r)
{
	struct con_faults *f = c->faults;
	struct held *h;

	if (!f->hang && !f->delay_us) {
		pass_on(c, r);
		return;
	}
	h = bg_xcalloc(1, sizeof *h);
	h->c = c;
	h->r = r;
	h->next = f->held;
	f->held = h;
	if (!f->hang) {
		h->timer = bg_timer_new(c->loop, delay_over, h);
		bg_timer_start(h->timer, f->delay_us);
	}
}

void con_faults_set_delay(struct con *c, int64_t delay_us)
{
	c->faults->delay_us = delay_us;
	bg_log(BG_NOTICE, "fault", "processing delay is %lld us", (long long)delay_us);
	con_dispatch_all(c);
}

void con_faults_set_error_rate(struct con *c, double rate)
{
	c->faults->error_rate = rate;
	bg_log(BG_NOTICE, "fault", "error rate is %g", rate);
	con_dispatch_all(c);
}

void con_faults_set_hang(struct con *c, bool hang)
{
	struct con_faults *f = c->faults;
	struct held *h, *next;

	f->hang = hang;
	bg_log(BG_NOTICE, "fault", "the handler %s", hang ? "hangs" : "does not hang any more");
	for (h = f->held; !hang && h; h = next) {
		struct con_rec *r = h->r;

		next = h->next;
		if (h->timer)
			continue;
		unlink_held(f, h);
		pass_on(c, r);
		next = f->held; /* pass_on may have changed the list */
	}
	con_dispatch_all(c);
}

void con_faults_give_back(struct con *c)
{
	while (c->faults && c->faults->held) {
		struct con_rec *r = c->faults->held->r;

		unlink_held(c->faults, c->faults->held);
		con_lost(c, r);
	}
}

void con_faults_abandon(struct con *c)
{
	while (c->faults && c->faults->held) {
		struct con_rec *r = c->faults->held->r;

		/* A handle cannot be closed while a record of it is held. */
		rd_kafka_message_destroy(r->msg);
		r->msg = NULL;
		unlink_held(c->faults, c->faults->held);
	}
}

struct json_object *con_faults_json(const struct con *c)
{
	struct json_object *o;

	if (!con_faults_on(c))
		return NULL;
	o = json_object_new_object();
	bg_json_add_int(o, "delay_ms", c->faults->delay_us / 1000);
	bg_json_add(o, "error_rate", json_object_new_double(c->faults->error_rate));
	bg_json_add_bool(o, "hang", c->faults->hang);
	return o;
}
