/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of a takeover: both colours must be the same members of the one group. Where they differ nobody is
 * told: the broker leaves partitions with a member that is gone (topics: for ever; ordinals: until the session
 * time-out) and says nothing (facts 2 and 7). What is compared is what the instances say of themselves.
 */
#include "config.h"
#include "switchd/preflight_int.h"

#include <stdio.h>
#include <string.h>

#include "switchd/switch.h"

/* When an instance has not said its own. */
#define HEARTBEAT_US INT64_C(3000000)
#define SESSION_US   INT64_C(45000000)

#define NO_GO SW_PF_NO_GO
#define WARN  SW_PF_WARN
#define GO    SW_PF_GO

static const char *place(const struct sw_inst *i, char buf[400])
{
	snprintf(buf, 400, "%s (%s)", sw_inst_label(i), i->url);
	return buf;
}

enum sw_pf_verdict sw_pf_mode(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	const char *want = sw_cfg_shared(f->sw->cfg) ? "takeover" : "handover";
	char what[100];

	for (size_t k = 0; k < f->sw->n_inst; k++) {
		const struct sw_inst *i = &f->sw->inst[k];

		if (!i->reachable || !*i->member.mode || strcmp(i->member.mode, want) == 0)
			continue;
		snprintf(what, sizeof(what), "runs in mode %s, strategy %s needs %s", i->member.mode,
			 f->sw->cfg->plan->name, want);
		sw_pf_name_it(msg, what, sw_inst_label(i), NULL);
	}
	return msg->len ? NO_GO : GO;
}

enum sw_pf_verdict sw_pf_group(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	char what[600];

	for (size_t k = 0; k < f->sw->n_inst; k++) {
		const struct sw_inst *i = &f->sw->inst[k];
		const char *want = f->sw->cfg->group[i->color];

		if (!i->reachable || !*i->member.group || strcmp(i->member.group, want) == 0)
			continue;
		snprintf(what, sizeof(what), "consumes as group `%s`, the configuration here says `%s`",
			 i->member.group, want);
		sw_pf_name_it(msg, what, sw_inst_label(i), NULL);
	}
	return msg->len ? NO_GO : GO;
}

/* Two instances of one colour with one id would fence each other without end. */
static void name_twins(const struct sw_pf_facts *f, enum bg_color c, struct bg_buf *msg)
{
	char a[400], b[400];

	SW_PF_FOR_COLOR(i, f, c)
	for (struct sw_inst *j = i + 1; j < sw_first_of(f->sw, c) + f->sw->cfg->n_endpoint[c]; j++)
		for (size_t k = 0; k < i->member.ids.n; k++)
			if (sw_set_has(&j->member.ids, i->member.ids.v[k]))
				bg_buf_printf(msg, "%s%s and %s have the same static id %s",
					      msg->len ? "; " : "", place(i, a), place(j, b),
					      i->member.ids.v[k]);
}

enum sw_pf_verdict sw_pf_static_ids(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	if (!sw_cfg_shared(f->sw->cfg))
		return GO;
	for (size_t k = 0; k < f->sw->n_inst; k++)
		if (f->sw->inst[k].reachable && !f->sw->inst[k].member.ids.n)
			sw_pf_name_it(msg, "does not say its static ids", sw_inst_label(&f->sw->inst[k]),
				      NULL);
	name_twins(f, BG_BLUE, msg);
	name_twins(f, BG_GREEN, msg);
	return msg->len ? NO_GO : GO;
}

/* The first two instances that differ in an assignor that both have said. */
enum sw_pf_verdict sw_pf_assignor(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	const struct sw_inst *first = NULL;

	for (size_t k = 0; sw_cfg_shared(f->sw->cfg) && k < f->sw->n_inst; k++) {
		const struct sw_inst *i = &f->sw->inst[k];

		if (!*i->member.assignor)
			continue;
		if (!first)
			first = i;
		if (strcmp(i->member.assignor, first->member.assignor) == 0)
			continue;
		bg_buf_printf(
			msg,
			"%s assigns by %s, %s by %s: the broker refuses a member whose assignor the others lack (INCONSISTENT_GROUP_PROTOCOL), so that neither a takeover nor --resubscribe can work",
			sw_inst_label(first), first->member.assignor, sw_inst_label(i), i->member.assignor);
		return NO_GO;
	}
	return GO;
}

static int64_t longest(const struct sw_switch *sw, bool session)
{
	int64_t us = 0;

	for (size_t k = 0; k < sw->n_inst; k++) {
		const struct sw_member *m = &sw->inst[k].member;

		us = BG_MAX(us, session ? m->session_us : m->heartbeat_us);
	}
	return us ? us : (session ? SESSION_US : HEARTBEAT_US);
}

static void two_sets(struct bg_buf *msg, const char *a, const char *verb, const struct sw_set *sa,
		     const char *b, const struct sw_set *sb)
{
	bg_buf_printf(msg, "%s %s ", a, verb);
	sw_set_print(sa, msg);
	bg_buf_printf(msg, "; %s ", b);
	sw_set_print(sb, msg);
}

/* The static ids of both colours. False: not every instance has said its own (other rules name it). */
static bool all_ids(const struct sw_switch *sw, struct sw_set ids[2])
{
	for (size_t k = 0; k < sw->n_inst; k++) {
		if (!sw->inst[k].member.ids.n)
			return false;
		sw_set_merge(&ids[sw->inst[k].color], &sw->inst[k].member.ids);
	}
	return true;
}

static bool left_over(const struct sw_set *from, const struct sw_set *to)
{
	for (size_t i = 0; i < from->n; i++)
		if (!sw_set_has(to, from->v[i]))
			return true;
	return false;
}

int64_t sw_preflight_gap_us(struct sw_switch *sw, enum bg_color to)
{
	struct sw_set ids[2] = {{0}, {0}}, topics[2] = {{0}, {0}};
	int64_t us = 0;
	bool known = all_ids(sw, ids);

	for (size_t k = 0; k < sw->n_inst; k++)
		sw_set_merge(&topics[sw->inst[k].color], &sw->inst[k].member.topics);
	if (topics[0].n && topics[1].n && !sw_set_equal(&topics[0], &topics[1]))
		us = longest(sw, false);
	if (known && !sw_set_equal(&ids[0], &ids[1]))
		us = longest(sw, left_over(&ids[bg_color_other(to)], &ids[to]));
	for (int c = 0; c < 2; c++) {
		sw_set_free(&ids[c]);
		sw_set_free(&topics[c]);
	}
	return us;
}

/* The way out of a difference, and what it costs. */
static enum sw_pf_verdict differs(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	bg_buf_printf(
		msg,
		f->resubscribe
			? "; by --resubscribe the group rebalances, and partitions stand still for up to %lld ms"
			: "; --resubscribe is the way out: the group rebalances, and partitions stand still for up to %lld ms",
		(long long)(sw_preflight_gap_us(f->sw, f->to) / 1000));
	return f->resubscribe ? WARN : NO_GO;
}

/* Is every topic of the switch in what to subscribes to? */
static bool lacks_a_topic(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	SW_PF_FOR_COLOR(i, f, f->to)
	for (size_t t = 0; i->member.topics.n && t < f->sw->cfg->n_topics; t++) {
		if (sw_set_has(&i->member.topics, f->sw->cfg->topics[t]))
			continue;
		bg_buf_printf(msg, "%s does not subscribe to %s, which this switch hands over",
			      sw_inst_label(i), f->sw->cfg->topics[t]);
		return true;
	}
	return false;
}

enum sw_pf_verdict sw_pf_topics(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	const struct sw_inst *first = NULL;

	if (!sw_cfg_shared(f->sw->cfg))
		return GO;
	if (lacks_a_topic(f, msg)) {
		/* The way back from a colour that brought a topic along. */
		if (f->resubscribe)
			bg_buf_puts(msg, ": by --resubscribe it is consumed by nobody meanwhile");
		return f->resubscribe ? WARN : NO_GO;
	}
	for (size_t k = 0; k < f->sw->n_inst; k++) {
		const struct sw_inst *i = &f->sw->inst[k];

		if (!i->member.topics.n)
			continue;
		if (!first)
			first = i;
		if (sw_set_equal(&i->member.topics, &first->member.topics))
			continue;
		two_sets(msg, sw_inst_label(first), "subscribes to", &first->member.topics, sw_inst_label(i),
			 &i->member.topics);
		bg_buf_puts(msg, ": what the others lack would be held by nobody");
		return differs(f, msg);
	}
	return GO;
}

enum sw_pf_verdict sw_pf_ordinals(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	struct sw_set ids[2] = {{0}, {0}};
	enum sw_pf_verdict v = GO;

	if (sw_cfg_shared(f->sw->cfg) && all_ids(f->sw, ids) &&
	    !sw_set_equal(&ids[BG_BLUE], &ids[BG_GREEN])) {
		two_sets(msg, "blue", "has the static ids", &ids[BG_BLUE], "green", &ids[BG_GREEN]);
		bg_buf_puts(msg, ": what an id holds that nobody takes over stays where it is");
		v = differs(f, msg);
	}
	sw_set_free(&ids[0]);
	sw_set_free(&ids[1]);
	return v;
}
