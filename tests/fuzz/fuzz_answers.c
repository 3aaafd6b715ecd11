/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an instance answers to bg-switchd: a hostile or broken one may say anything. Everything but the network
 * is real: fan-out, adapter, what is noted of the instance, the union of offsets, what is shown of it. The first
 * byte is the verb (bits 0-1) and eager (bit 2), the second the HTTP status; the rest is one body a line, answered
 * one after the other, the last one again when more are asked for.
 */
#include "config.h"

#include "common/log.h"
#include "common/json.h"
#include "fuzz/fuzz.h"
#include "switchd/handover.h"
#include "switchd/view.h"
#include "unit/switchd_fake.h"

#define CALLS 16

/* The HTTP client, replaced: calls wait here for their answer. */
static struct {
	bg_httpc_fn fn;
	void *arg;
	uint64_t id;
} calls[CALLS];
static uint64_t ids;

struct bg_httpc *bg_httpc_new(struct bg_loop *l)
{
	(void)l;
	return NULL;
}

void bg_httpc_free(struct bg_httpc *c)
{
	(void)c;
}

uint64_t bg_httpc_send(struct bg_httpc *c, const struct bg_httpc_call *call, bg_httpc_fn fn, void *arg)
{
	struct json_object *j = NULL;

	(void)c;
	/* What we send is always JSON, whatever the instance has said before. */
	if (call->body)
		FUZZ_MUST(bg_json_parse(call->body, strlen(call->body), &j, NULL) == 0);
	json_object_put(j);
	for (size_t i = 0; i < CALLS; i++) {
		if (calls[i].id)
			continue;
		calls[i].fn = fn;
		calls[i].arg = arg;
		return calls[i].id = ++ids;
	}
	abort();
}

void bg_httpc_cancel(struct bg_httpc *c, uint64_t id)
{
	(void)c;
	for (size_t i = 0; id && i < CALLS; i++)
		if (calls[i].id == id)
			calls[i].id = 0;
}

int64_t bg_backoff_next(struct bg_backoff *b)
{
	b->tries++;
	return b->min_us;
}

void bg_backoff_reset(struct bg_backoff *b)
{
	b->tries = 0;
}

/* As http_client.c makes it of the bytes. */
static void answer(int status, const char *body, size_t len)
{
	for (size_t i = 0; i < CALLS; i++) {
		struct bg_httpc_answer a = {
			.status = status, .body = body, .len = len, .sent_us = 1, .done_us = 2};
		_cleanup_json_ struct json_object *j = NULL;

		if (!calls[i].id)
			continue;
		if (!status)
			bg_err_set(&a.err, 0, "unreachable", "no answer");
		else if (bg_json_parse(body, len, &j, NULL) == 0)
			a.json = j;
		calls[i].id = 0;
		calls[i].fn(calls[i].arg, &a);
	}
}

static void judged(void *arg, const struct sw_fan_result *r)
{
	struct fake *f = arg;
	const struct bg_offs *answers[CALLS];
	struct sw_union_in in = {.topics = &f->topics, .answers = answers, .handed = &f->sw->handed};
	struct sw_union_out out = {0};
	const char *why;

	for (size_t i = 0; i < r->n && i < CALLS; i++)
		answers[in.n_answers++] = &r->reply[i].offs;
	sw_handover_unite(&in, &out);
	for (size_t i = 0; i < out.offs.n; i++)
		FUZZ_MUST(out.offs.v[i].offset >= 0);
	sw_union_free(&out);
	sw_handover_exact(&f->topics, answers, in.n_answers, 7, &why);
	f->sent = -1;
}

static void ask(struct fake *f, uint8_t how)
{
	struct sw_order o = {.sw = f->sw,
			     .colors = 3,
			     .epoch = 7,
			     .active = BG_GREEN,
			     .eager = how & 4,
			     .offs = &f->committed[BG_BLUE],
			     .reason = "fuzz",
			     .deadline_us = 10000000};

	switch (how & 3) {
	case 0:
		sw_adapter_lifecycle.prepare(&o, judged, f);
		break;
	case 1:
		sw_adapter_lifecycle.pause(&o, judged, f);
		break;
	case 2:
		sw_adapter_lifecycle.resume(&o, judged, f);
		break;
	default:
		sw_adapter_lifecycle.status(&o, judged, f);
	}
}

/* As a well-behaved instance that has been asked before. */
static void well(struct sw_switch *sw)
{
	for (size_t k = 0; k < sw->n_inst; k++) {
		struct sw_inst *i = &sw->inst[k];
		_cleanup_free_ char *url = bg_xstrdup(i->url);
		enum bg_color color = i->color;

		sw_inst_clear(i);
		sw_inst_init(i, sw, color, url);
		i->index = k;
		i->reachable = true;
		i->epoch = 6;
		i->state = color == BG_BLUE ? SW_I_ACTIVE : SW_I_PAUSED;
		snprintf(i->name, sizeof(i->name), "%s-%zu", bg_color_name(color), k % 2);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int statuses[] = {200, 200, 200, 202, 409, 422, 503, 404, 0, 500, 201, 429};
	static struct fake *f;
	_cleanup_json_ struct json_object *view = NULL;
	bool never = false;

	if (size < 2 || size > 65536)
		return 0;
	if (!f) {
		f = fake_new();
		fake_active(f, BG_BLUE, 6);
	}
	memset(calls, 0, sizeof(calls));
	well(f->sw);
	f->sent = 0;
	ask(f, data[0]);
	_cleanup_free_ char *text = fuzz_bytes(data + 2, size - 2);
	for (size_t at = 0, n = 0; f->sent == 0 && n < 6; n++) {
		const char *nl = memchr(text + at, '\n', size - 2 - at);
		size_t len = nl ? (size_t)(nl - (text + at)) : size - 2 - at;

		answer(statuses[data[1] % BG_ARRAY_SIZE(statuses)], text + at, len);
		if (nl && n < 5)
			at += len + 1;
		if (f->sent == 0)
			bg_loop_run_until(f->loop, &never, 0);
	}
	view = sw_view(f->sw, true);
	FUZZ_MUST(bg_json_text(view));
	while (f->sw->fans)
		sw_adapter_lifecycle.cancel(f->sw, f->sw->fan_ids--);
	return 0;
}
