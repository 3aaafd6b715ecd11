/* SPDX-License-Identifier: Apache-2.0 */
/* The lifecycle adapter: protocol.md 3 over HTTP, all instances at once. */
#include "config.h"
#include "switchd/adapter.h"

#include <errno.h>
#include <string.h>

#include "switchd/fanout.h"
#include "switchd/switch.h"

/* An answer that says "not yet" sooner than this did not hold the request: back off before the next. */
#define HELD_US INT64_C(20000)

static void body_head(struct sw_fan *f, const struct sw_reply *r, struct bg_buf *b)
{
	const struct sw_order *o = sw_fan_order(f);

	/* The names have been checked (bg_name_valid): nothing to escape. */
	bg_buf_printf(b, "{\"switch\":\"%s\",\"color\":\"%s\",\"epoch\":%lld", o->sw->cfg->name,
		      bg_color_name(r->inst->color), (long long)o->epoch);
	if (r->inst->name[0])
		bg_buf_printf(b, ",\"instance\":\"%s\"", r->inst->name);
}

static int deadline_ms(int64_t remaining_us)
{
	int64_t ms = remaining_us / 1000;

	return (int)(ms < 1 ? 1 : BG_MIN(ms, 60000));
}

static enum sw_judgement end(struct sw_reply *r, enum sw_verdict v)
{
	r->verdict = v;
	return SW_J_END;
}

static enum sw_judgement bad(struct sw_reply *r, const char *what)
{
	bg_err_set(&r->err, 0, "bad_answer", "%s", what);
	return end(r, SW_V_REFUSED);
}

/* 409 and the epochs in it. */
static enum sw_judgement judge_conflict(struct sw_reply *r, const char *word)
{
	if (strcmp(word, "stale_epoch") == 0 || strcmp(word, "epoch_conflict") == 0)
		return end(r, SW_V_STALE);
	/* Restarted since: the watch learns its incarnation, the next try names that one. */
	if (strcmp(word, "wrong_target") == 0)
		return SW_J_LATER;
	return end(r, SW_V_REFUSED);
}

static enum sw_judgement judge_error(struct sw_reply *r, const struct bg_httpc_answer *a)
{
	const char *word = a->json ? bg_json_str(a->json, "error", "") : "";
	const char *msg = a->json ? bg_json_str(a->json, "message", "") : "";

	bg_err_set(&r->err, 0, *word ? word : "http_error", "answered %d %s%s%s", a->status, word,
		   *msg ? ": " : "", msg);
	if (a->json)
		r->epoch = BG_MAX(r->epoch, bg_json_int(a->json, "epoch", 0));
	switch (a->status) {
	case 409:
		return judge_conflict(r, word);
	case 422:
		return end(r, SW_V_OUT_OF_RANGE);
	case 408:
	case 429:
		return SW_J_LATER;
	default:
		return a->status >= 500 && a->status != 501 ? SW_J_LATER : end(r, SW_V_REFUSED);
	}
}

/* What all answers have in common. False: *ret says what to do; true: a 200 or 202 of the right one. */
static bool judge_head(struct sw_reply *r, const struct bg_httpc_answer *a, enum sw_judgement *ret)
{
	bool changed;

	if (a->status == 0) {
		r->err = a->err;
		*ret = SW_J_LATER;
		return false;
	}
	if (a->status != 200 && a->status != 202) {
		*ret = judge_error(r, a);
		return false;
	}
	if (!a->json || !json_object_is_type(a->json, json_type_object)) {
		*ret = bad(r, "the answer is no JSON object");
		return false;
	}
	if (sw_inst_take(r->inst, a->json, &changed, &r->err) < 0) {
		*ret = end(r, SW_V_REFUSED);
		return false;
	}
	r->state = sw_istate_parse(bg_json_str(a->json, "state", ""));
	r->epoch = BG_MAX(r->epoch, bg_json_int(a->json, "epoch", 0));
	bg_strlcpy(r->incarnation, bg_json_str(a->json, "incarnation", ""), sizeof(r->incarnation));
	if (r->state == SW_I_FENCED) {
		bg_err_set(&r->err, 0, "fenced", "the broker has fenced it at epoch %lld",
			   (long long)r->epoch);
		*ret = end(r, SW_V_STALE);
		return false;
	}
	return true;
}

static enum sw_judgement not_yet(struct sw_reply *r, const struct bg_httpc_answer *a)
{
	bg_err_set(&r->err, 0, "not_yet", "is %s, %lld records in the handler", sw_istate_name(r->state),
		   (long long)bg_json_int(a->json, "in_flight", 0));
	return a->done_us - a->sent_us < HELD_US ? SW_J_LATER : SW_J_REPEAT;
}

static void body_prepare(struct sw_fan *f, struct sw_reply *r, int64_t remaining_us, struct bg_buf *b)
{
	(void)remaining_us;
	body_head(f, r, b);
	bg_buf_printf(b, ",\"active\":\"%s\"}", bg_color_name(sw_fan_order(f)->active));
}

static enum sw_judgement judge_prepare(struct sw_fan *f, struct sw_reply *r, const struct bg_httpc_answer *a)
{
	enum sw_judgement j;

	/* FENCED is what it was before: it has noted the epoch, and the pause or resume of it is what ends that. */
	if (!judge_head(r, a, &j) &&
	    !(a->status == 200 && r->verdict == SW_V_STALE && r->epoch == sw_fan_order(f)->epoch))
		return j;
	r->err = (struct bg_err)BG_ERR_INIT;
	if (bg_json_int(a->json, "epoch", 0) != sw_fan_order(f)->epoch)
		return bad(r, "answers prepare with another epoch");
	/* A colour that has failed may be left, but nothing is given to it. */
	if (r->state == SW_I_FAILED && r->inst->color == sw_fan_order(f)->active) {
		bg_err_set(&r->err, 0, "failed", "is FAILED: %s",
			   bg_json_str(a->json, "last_error", "see its log"));
		return end(r, SW_V_REFUSED);
	}
	r->was_active = r->state == SW_I_ACTIVE || r->state == SW_I_DRAINING;
	return end(r, SW_V_DONE);
}

static void body_pause(struct sw_fan *f, struct sw_reply *r, int64_t remaining_us, struct bg_buf *b)
{
	const struct sw_order *o = sw_fan_order(f);

	body_head(f, r, b);
	bg_buf_printf(b, ",\"deadline_ms\":%d,\"answer\":\"%s\",\"reason\":%s}", deadline_ms(remaining_us),
		      o->eager ? "eager" : "committed", sw_fan_reason_text(f));
}

/* Rule 4: only a 200 that says PAUSED, at this epoch, with an empty handler, is a proof. */
static enum sw_judgement judge_pause(struct sw_fan *f, struct sw_reply *r, const struct bg_httpc_answer *a)
{
	const struct sw_order *o = sw_fan_order(f);
	struct json_object *offs;
	enum sw_judgement j;

	if (!judge_head(r, a, &j))
		return j;
	if (a->status == 202)
		return not_yet(r, a);
	if (!sw_istate_paused(r->state) || bg_json_int(a->json, "epoch", -1) != o->epoch ||
	    bg_json_int(a->json, "in_flight", 0) != 0)
		return bad(r, "answers a pause with 200, but not PAUSED at this epoch with an empty handler");
	r->committed = bg_json_bool(a->json, "committed", true);
	if (!r->committed && !o->eager) {
		bg_err_set(&r->err, 0, "commit_unconfirmed", "is paused, but its commit is not acknowledged");
		return SW_J_LATER;
	}
	bg_offs_free(&r->offs);
	offs = bg_json_get(a->json, "offsets");
	if (offs && bg_offs_from_json(offs, &r->offs, &r->err) < 0)
		return end(r, SW_V_REFUSED);
	r->drain_us = bg_json_int(a->json, "drain_us", 0);
	r->commit_us = bg_json_int(a->json, "commit_us", 0);
	return end(r, SW_V_DONE);
}

static void body_resume(struct sw_fan *f, struct sw_reply *r, int64_t remaining_us, struct bg_buf *b)
{
	body_head(f, r, b);
	if (r->inst->incarnation[0]) {
		_cleanup_json_ struct json_object *inc = json_object_new_string(r->inst->incarnation);

		bg_buf_printf(b, ",\"incarnation\":%s",
			      json_object_to_json_string_ext(inc, JSON_C_TO_STRING_PLAIN));
	}
	if (sw_fan_order(f)->resubscribe)
		bg_buf_puts(b, ",\"resubscribe\":true");
	bg_buf_printf(b, ",\"deadline_ms\":%d,\"offsets\":", deadline_ms(remaining_us));
	bg_buf_puts(b, sw_fan_offs_text(f));
	bg_buf_puts(b, "}");
}

static enum sw_judgement judge_resume(struct sw_fan *f, struct sw_reply *r, const struct bg_httpc_answer *a)
{
	enum sw_judgement j;

	if (!judge_head(r, a, &j))
		return j;
	if (a->status == 202)
		return not_yet(r, a);
	if (r->state != SW_I_ACTIVE || bg_json_int(a->json, "epoch", -1) != sw_fan_order(f)->epoch)
		return bad(r, "answers a resume with 200, but not ACTIVE at this epoch");
	r->position_us = bg_json_int(a->json, "position_us", 0);
	return end(r, SW_V_DONE);
}

static enum sw_judgement judge_status(struct sw_fan *f, struct sw_reply *r, const struct bg_httpc_answer *a)
{
	enum sw_judgement j;

	(void)f;
	if (!judge_head(r, a, &j))
		return r->verdict == SW_V_STALE ? end(r, SW_V_DONE) : j;
	return end(r, SW_V_DONE);
}

static const struct sw_fan_spec spec_prepare = {"POST", "/lifecycle/prepare", body_prepare, judge_prepare};
static const struct sw_fan_spec spec_pause = {"POST", "/lifecycle/pause", body_pause, judge_pause};
static const struct sw_fan_spec spec_resume = {"POST", "/lifecycle/resume", body_resume, judge_resume};
static const struct sw_fan_spec spec_status = {"GET", "/lifecycle/status", NULL, judge_status};

static uint64_t do_prepare(const struct sw_order *o, sw_fan_fn fn, void *arg)
{
	return sw_fan_id(sw_fan_start(&spec_prepare, o, fn, arg));
}

static uint64_t do_pause(const struct sw_order *o, sw_fan_fn fn, void *arg)
{
	return sw_fan_id(sw_fan_start(&spec_pause, o, fn, arg));
}

static uint64_t do_resume(const struct sw_order *o, sw_fan_fn fn, void *arg)
{
	return sw_fan_id(sw_fan_start(&spec_resume, o, fn, arg));
}

static uint64_t do_status(const struct sw_order *o, sw_fan_fn fn, void *arg)
{
	return sw_fan_id(sw_fan_start(&spec_status, o, fn, arg));
}

const struct sw_adapter_ops sw_adapter_lifecycle = {
	.name = "lifecycle",
	.prepare = do_prepare,
	.pause = do_pause,
	.resume = do_resume,
	.status = do_status,
	.cancel = sw_fan_cancel,
};
