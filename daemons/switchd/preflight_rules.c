/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of the preflight, one function each. */
#include "config.h"
#include "switchd/preflight_int.h"

#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"
#include "common/units.h"
#include "switchd/run.h"

#define GO    SW_PF_GO
#define WARN  SW_PF_WARN
#define NO_GO SW_PF_NO_GO
static const char *const verdicts[] = {"go", "warn", "no_go"};

#define HARD      1u /* --force does not pass over it: the switch could not be carried out, or would be unsafe */
#define TRANSIENT 2u /* may pass by itself in a moment */
#define MEMBER    4u /* of what the instances say of themselves: judged once more when they have prepared */

struct rule {
	const char *name;
	unsigned flags;
	enum sw_pf_verdict (*fn)(const struct sw_pf_facts *f, struct bg_buf *msg);
};

void sw_pf_name_it(struct bg_buf *msg, const char *fmt, const char *a, const char *b)
{
	if (msg->len)
		bg_buf_puts(msg, "; ");
	bg_buf_printf(msg, "%s %s", a, fmt);
	if (b && *b)
		bg_buf_printf(msg, ": %s", b);
}

static enum sw_pf_verdict hold(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	if (!f->sw->rec.hold)
		return GO;
	bg_buf_puts(msg, "the switch is on hold; `bgctl release` ends that");
	return NO_GO;
}

static enum sw_pf_verdict reachable(const struct sw_pf_facts *f, enum bg_color c, struct bg_buf *msg)
{
	SW_PF_FOR_COLOR(i, f, c)
	if (!i->reachable)
		sw_pf_name_it(msg, "does not answer", sw_inst_label(i), i->trouble);
	return msg->len ? NO_GO : GO;
}

/* One that does not answer is fenced, when we know what it is called at the broker. */
static enum sw_pf_verdict from_fenced(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	enum bg_color from = bg_color_other(f->to);
	enum sw_pf_verdict v = GO;

	SW_PF_FOR_COLOR(i, f, from)
	{
		bool known = i->member.ids.n > 0;

		if (i->reachable)
			continue;
		sw_pf_name_it(
			msg,
			known ? "does not answer, and will be fenced"
			      : "does not answer, and cannot be fenced, for it has never said its static ids",
			sw_inst_label(i), i->trouble);
		v = known && v != NO_GO ? WARN : NO_GO;
	}
	return v;
}

static bool fences(const struct sw_pf_facts *f)
{
	return f->sw->cfg->fence && (f->kind == SW_KIND_SWITCH || f->kind == SW_KIND_ROLLBACK);
}

static enum sw_pf_verdict from_reachable(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	return fences(f) ? from_fenced(f, msg) : reachable(f, bg_color_other(f->to), msg);
}

static enum sw_pf_verdict to_reachable(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	return reachable(f, f->to, msg);
}

/* Two endpoints that lead to one process would give its proof twice. */
static enum sw_pf_verdict identity(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	const struct sw_switch *sw = f->sw;

	for (size_t i = 0; i < sw->n_inst; i++) {
		for (size_t j = i + 1; j < sw->n_inst; j++) {
			const struct sw_inst *a = &sw->inst[i], *b = &sw->inst[j];

			if (!a->reachable || !b->reachable)
				continue;
			if ((*a->name && strcmp(a->name, b->name) == 0) ||
			    (*a->incarnation && strcmp(a->incarnation, b->incarnation) == 0))
				sw_pf_name_it(msg, "answers at two endpoints", sw_inst_label(a), b->url);
		}
	}
	return msg->len ? NO_GO : GO;
}

static enum sw_pf_verdict contract(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	char what[80];

	for (size_t i = 0; i < f->sw->n_inst; i++) {
		const struct sw_inst *in = &f->sw->inst[i];

		snprintf(what, sizeof(what), "offers level %d of the contract, strategy %s needs %d",
			 in->level, f->sw->cfg->plan->name, f->sw->cfg->plan->min_level);
		if (in->reachable && in->level < f->sw->cfg->plan->min_level)
			sw_pf_name_it(msg, what, sw_inst_label(in), NULL);
	}
	return msg->len ? NO_GO : GO;
}

static enum sw_pf_verdict to_paused(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	SW_PF_FOR_COLOR(i, f, f->to)
	if (i->reachable && !sw_istate_paused(i->state))
		sw_pf_name_it(msg, "is not PAUSED, but", sw_inst_label(i), sw_istate_name(i->state));
	return msg->len ? NO_GO : GO;
}

/* A release whose program dies at once would take the records and do none of them. */
static enum sw_pf_verdict handler(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	SW_PF_FOR_COLOR(i, f, f->to)
	if (i->reachable && *i->handler_trouble)
		sw_pf_name_it(msg, "cannot process", sw_inst_label(i), i->handler_trouble);
	return msg->len ? NO_GO : GO;
}

/* A sick from is a reason to switch, not a reason against it; a first activation finds nobody at work. */
static enum sw_pf_verdict from_state(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	enum bg_color from = bg_color_other(f->to);

	SW_PF_FOR_COLOR(i, f, from)
	{
		if (!i->reachable)
			continue;
		if (f->kind == SW_KIND_INIT ? !sw_istate_paused(i->state) : i->state != SW_I_ACTIVE)
			sw_pf_name_it(msg, "is", sw_inst_label(i), sw_istate_name(i->state));
	}
	if (!msg->len)
		return GO;
	return f->kind == SW_KIND_INIT ? NO_GO : WARN;
}

static enum sw_pf_verdict brokers(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	if (!f->health_ok) {
		bg_buf_puts(msg, f->health_err.msg);
		return NO_GO;
	}
	bg_buf_printf(msg, "%d broker%s, %d partitions under-replicated, %d without leader", f->brokers,
		      f->brokers == 1 ? "" : "s", f->under_replicated, f->leaderless);
	return f->under_replicated || f->leaderless ? NO_GO : GO;
}

static enum sw_pf_verdict partitions(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	if (!f->kafka_ok) {
		bg_buf_puts(msg, f->kafka_err.msg);
		return NO_GO;
	}
	bg_buf_printf(msg, "%zu partitions", f->topics->n);
	return f->topics->n ? GO : NO_GO;
}

static enum sw_pf_verdict lag(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	enum bg_color from = bg_color_other(f->to);
	int64_t sum = 0, max = f->sw->cfg->max_lag;

	SW_PF_FOR_COLOR(i, f, from)
	sum += i->reachable && i->lag > 0 ? i->lag : 0;
	bg_buf_printf(msg, "%s lags by %lld records", bg_color_name(from), (long long)sum);
	if (!max || sum <= max)
		return GO;
	bg_buf_printf(msg, ", max-lag is %lld", (long long)max);
	/* A rollback is for leaving a colour that does not keep up. */
	return f->kind == SW_KIND_ROLLBACK ? WARN : NO_GO;
}

static enum sw_pf_verdict error_rate(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	enum bg_color from = bg_color_other(f->to);
	char what[80];

	SW_PF_FOR_COLOR(i, f, from)
	{
		double rate = i->reachable ? sw_inst_error_rate(i) : -1;

		snprintf(what, sizeof(what), "fails at %.2f %% of its records, allowed are %.2f %%", rate,
			 f->sw->cfg->max_error_rate);
		if (rate > f->sw->cfg->max_error_rate)
			sw_pf_name_it(msg, what, sw_inst_label(i), i->last_error);
	}
	if (!msg->len)
		return GO;
	return f->kind == SW_KIND_ROLLBACK ? WARN : NO_GO;
}

/* Partitions that no reachable instance of the colour holds. */
static size_t not_held(const struct sw_pf_facts *f, enum bg_color c, struct bg_buf *msg)
{
	size_t n = 0;

	for (size_t t = 0; f->kafka_ok && t < f->topics->n; t++) {
		const struct bg_off *p = &f->topics->v[t];
		bool held = false;

		SW_PF_FOR_COLOR(i, f, c)
		for (size_t k = 0; !held && i->reachable && k < i->n_part; k++)
			held = i->part[k].partition == p->partition &&
			       strcmp(i->part[k].topic, p->topic) == 0;
		if (!held && n++ < 8)
			bg_buf_printf(msg, "%s%s/%d", n > 1 ? ", " : "", p->topic, (int)p->partition);
	}
	if (n > 8)
		bg_buf_printf(msg, " and %zu more", n - 8);
	if (n)
		bg_buf_printf(msg, " held by no instance of %s", bg_color_name(c));
	return n;
}

static enum sw_pf_verdict stalled(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	bool fenced = false;

	if (f->kind == SW_KIND_INIT || !not_held(f, bg_color_other(f->to), msg))
		return GO;
	SW_PF_FOR_COLOR(i, f, bg_color_other(f->to))
	fenced = fenced || (fences(f) && !i->reachable);
	/* From need not have what to brings along; what a dead one holds is not seen. */
	return f->kind == SW_KIND_ROLLBACK || f->resubscribe || fenced ? WARN : NO_GO;
}

static enum sw_pf_verdict to_holds(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	/* In a takeover whoever is paused is no member: it is warm, and holds nothing. */
	if (sw_cfg_shared(f->sw->cfg))
		return GO;
	return not_held(f, f->to, msg) ? NO_GO : GO;
}

static enum sw_pf_verdict rollback_window(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	const struct sw_record *r = &f->sw->rec;
	char t[32];

	if (f->kind != SW_KIND_ROLLBACK)
		return GO;
	if (!r->rollback_allowed) {
		bg_buf_puts(msg, "there is no switch to roll back");
		return NO_GO;
	}
	if (r->rollback_until_us >= bg_real_us())
		return GO;
	bg_buf_printf(msg, "the rollback window ended at %s; `bgctl switch` still works",
		      bg_format_time(t, sizeof(t), r->rollback_until_us));
	return NO_GO;
}

static const struct rule rules[] = {
	{"hold", HARD, hold},
	{"freeze", 0, sw_pf_freeze},
	{"rollback-window", 0, rollback_window},
	{"to-reachable", 0, to_reachable},
	{"from-reachable", 0, from_reachable},
	{"identity", HARD, identity},
	{"contract", HARD, contract},
	{"mode", HARD | MEMBER, sw_pf_mode},
	{"group", HARD | MEMBER, sw_pf_group},
	{"static-ids", HARD | MEMBER, sw_pf_static_ids},
	{"same-assignor", HARD | MEMBER, sw_pf_assignor},
	{"same-topics", HARD | MEMBER, sw_pf_topics},
	{"same-ordinals", HARD | MEMBER, sw_pf_ordinals},
	{"to-paused", TRANSIENT, to_paused},
	{"handler", 0, handler},
	{"from-state", 0, from_state},
	{"brokers", 0, brokers},
	{"partitions", HARD, partitions},
	{"to-holds", TRANSIENT, to_holds},
	{"stalled-partitions", TRANSIENT, stalled},
	{"restore", 0, sw_pf_restore},
	{"lag", 0, lag},
	{"error-rate", 0, error_rate},
};

bool sw_preflight_judge(const struct sw_pf_facts *f, bool force, struct json_object **ret_rules,
			struct bg_err *ret_why, bool *ret_transient)
{
	struct json_object *list = json_object_new_array();
	bool go = true, transient = true;

	for (size_t i = 0; i < BG_ARRAY_SIZE(rules); i++) {
		_cleanup_buf_ struct bg_buf msg = {0};
		enum sw_pf_verdict v = rules[i].fn(f, &msg);
		struct json_object *o = json_object_new_object();

		if (v == NO_GO && force && !(rules[i].flags & HARD)) {
			v = WARN;
			bg_buf_puts(&msg, " (passed over by force)");
		}
		if (v == NO_GO) {
			transient = transient && (rules[i].flags & TRANSIENT);
			if (go)
				bg_err_set(ret_why, 0, "no_go", "%s: %s", rules[i].name, msg.s ? msg.s : "");
			go = false;
		}
		bg_json_add_str(o, "rule", rules[i].name);
		bg_json_add_str(o, "verdict", verdicts[v]);
		bg_json_add_str(o, "message", msg.s ? msg.s : "");
		json_object_array_add(list, o);
	}
	*ret_rules = list;
	*ret_transient = !go && transient;
	return go;
}

bool sw_preflight_members(const struct sw_pf_facts *f, struct bg_err *ret_why)
{
	for (size_t i = 0; i < BG_ARRAY_SIZE(rules); i++) {
		_cleanup_buf_ struct bg_buf msg = {0};

		if (!(rules[i].flags & MEMBER) || rules[i].fn(f, &msg) != NO_GO)
			continue;
		bg_err_set(ret_why, 0, "no_go", "%s: %s", rules[i].name, msg.s ? msg.s : "");
		return false;
	}
	return true;
}
