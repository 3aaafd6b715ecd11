/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/inst.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "switchd/switch.h"

#define RATE_WINDOW_US INT64_C(60000000)
#define RATE_MIN       100

static const char *const istates[] = {"UNKNOWN",  "STARTING", "PAUSED", "ACTIVE",
				      "DRAINING", "SHADOW",   "FENCED", "FAILED"};

const char *sw_istate_name(enum sw_istate s)
{
	return istates[s];
}

enum sw_istate sw_istate_parse(const char *s)
{
	for (unsigned i = 1; s && i < BG_ARRAY_SIZE(istates); i++)
		if (strcmp(istates[i], s) == 0)
			return (enum sw_istate)i;
	return SW_I_UNKNOWN;
}

void sw_inst_init(struct sw_inst *i, struct sw_switch *sw, enum bg_color color, const char *url)
{
	memset(i, 0, sizeof(*i));
	i->sw = sw;
	i->color = color;
	i->url = bg_xstrdup(url);
	i->lag = -1;
	bg_strlcpy(i->trouble, "not asked yet", sizeof(i->trouble));
}

static void parts_clear(struct sw_inst *i)
{
	for (size_t k = 0; k < i->n_part; k++)
		free(i->part[k].topic);
	i->n_part = 0;
}

void sw_inst_clear(struct sw_inst *i)
{
	parts_clear(i);
	free(i->part);
	sw_member_free(&i->member);
	free(i->url);
	bg_timer_free(i->poll_timer);
	bg_timer_free(i->cmd_timer);
	memset(i, 0, sizeof(*i));
}

const char *sw_inst_label(const struct sw_inst *i)
{
	return i->name[0] ? i->name : i->url;
}

static void take_parts(struct sw_inst *i, struct json_object *assignment)
{
	size_t n = json_object_array_length(assignment);

	parts_clear(i);
	/* In a takeover whoever holds nothing is no member: it does not know how far the group is behind. */
	i->lag = sw_cfg_shared(i->sw->cfg) && !n ? -1 : 0;
	/* As many as there are: where there are many instances, each has few. */
	if (n > i->cap_part) {
		i->part = bg_xrealloc(i->part, n * sizeof(*i->part));
		i->cap_part = n;
	}
	for (size_t k = 0; k < n; k++) {
		struct json_object *row = json_object_array_get_idx(assignment, k);
		const char *topic =
			json_object_is_type(row, json_type_object) ? bg_json_str(row, "topic", NULL) : NULL;

		if (!topic)
			continue;
		struct sw_part *p = &i->part[i->n_part++];
		p->topic = bg_xstrdup(topic);
		p->partition = (int32_t)bg_json_int(row, "partition", -1);
		p->position = bg_json_int(row, "position", -1);
		p->committed = bg_json_int(row, "committed", -1);
		p->high = bg_json_int(row, "high", -1);
		p->lag = bg_json_int(row, "lag", -1);
		p->needs_offset = bg_json_bool(row, "needs_offset", false);
		p->first_us = bg_json_int(row, "first_record_us", 0);
		p->last_us = bg_json_int(row, "last_record_us", 0);
		if (p->lag > 0)
			i->lag += p->lag;
	}
}

static void take_rate(struct sw_inst *i)
{
	int64_t now = bg_now_us();

	if (i->rate_us && now - i->rate_us < RATE_WINDOW_US && i->records >= i->rate_records)
		return;
	i->past_us = i->records >= i->rate_records ? i->rate_us : 0;
	i->past_records = i->rate_records;
	i->past_errors = i->rate_errors;
	i->rate_us = now;
	i->rate_records = i->records;
	i->rate_errors = i->errors;
}

double sw_inst_error_rate(const struct sw_inst *i)
{
	int64_t records = i->records - i->rate_records, errors = i->errors - i->rate_errors;

	if (records + errors < RATE_MIN) {
		records = i->records;
		errors = i->errors;
	}
	if (errors < 0 || records < 0 || records + errors < RATE_MIN)
		return -1;
	return 100.0 * (double)errors / (double)BG_MAX(records, errors);
}

/* Is it the one we mean? The endpoint of another switch or colour must never be counted. */
static int check_identity(struct sw_inst *i, struct json_object *o, struct bg_err *err)
{
	const char *sw = bg_json_str(o, "switch", i->sw->cfg->name);
	const char *color = bg_json_str(o, "color", bg_color_name(i->color));
	const char *name = bg_json_str(o, "instance", "");
	struct json_object *contract = bg_json_get(o, "contract");

	if (strcmp(sw, i->sw->cfg->name) != 0 || strcmp(color, bg_color_name(i->color)) != 0)
		return bg_err_set(
			err, -EINVAL, "wrong_instance",
			"%s answers for switch `%s`, colour `%s`; expected `%s`, `%s`: check the endpoints",
			i->url, sw, color, i->sw->cfg->name, bg_color_name(i->color));
	if (*name && !bg_name_valid(name))
		return bg_err_set(err, -EINVAL, "wrong_instance", "%s has an instance name that is none",
				  i->url);
	if (contract) {
		i->version = (int)bg_json_int(contract, "version", 1);
		i->level = (int)bg_json_int(contract, "level", 1);
	}
	if (i->version > 1)
		return bg_err_set(err, -EINVAL, "wrong_contract",
				  "%s speaks version %d of the contract, expected 1", i->url, i->version);
	return 0;
}

static void take_state(struct sw_inst *i, struct json_object *o, bool *changed)
{
	enum sw_istate state = sw_istate_parse(bg_json_str(o, "state", istates[i->state]));
	int64_t epoch = bg_json_int(o, "epoch", i->epoch);
	const char *incarnation = bg_json_str(o, "incarnation", i->incarnation);

	if (state != i->state) {
		i->state_since_us = bg_now_us();
		i->fenced_us = state == SW_I_FENCED ? bg_now_us() : 0;
		i->usurper = SW_USURPER_UNKNOWN;
	}
	/* The counters of a new process begin at zero; a hello does not tell them. */
	if (strcmp(incarnation, i->incarnation) != 0)
		i->records = i->errors = 0;
	*changed = *changed || state != i->state || epoch != i->epoch ||
		   strcmp(incarnation, i->incarnation) != 0;
	i->state = state;
	i->epoch = epoch;
	bg_strlcpy(i->incarnation, incarnation, sizeof(i->incarnation));
}

/* A program behind it that ends again and again: what is handed to it is not processed. */
static void take_handler(struct sw_inst *i, struct json_object *handler)
{
	i->handler_trouble[0] = '\0';
	if (bg_json_bool(handler, "failing", false))
		snprintf(i->handler_trouble, sizeof(i->handler_trouble),
			 "its program does not stay up, it %.200s",
			 bg_json_str(handler, "last_end", "ended"));
}

int sw_inst_take(struct sw_inst *i, struct json_object *o, bool *ret_changed, struct bg_err *err)
{
	struct bg_err e = BG_ERR_INIT;
	struct json_object *assignment;
	int rc = check_identity(i, o, &e);

	if (rc == 0 && (rc = sw_member_take(&i->member, o, &e)) < 0)
		bg_err_prefix(&e, "%s", i->url);
	if (rc < 0) {
		sw_inst_lost(i, &e, ret_changed);
		if (err)
			*err = e;
		return rc;
	}
	*ret_changed = !i->reachable;
	i->reachable = true;
	i->trouble[0] = '\0';
	i->seen_us = bg_now_us();
	bg_strlcpy(i->name, bg_json_str(o, "instance", i->name), sizeof(i->name));
	take_state(i, o, ret_changed);
	i->seq = bg_json_int(o, "seq", i->seq);
	i->in_flight = bg_json_int(o, "in_flight", i->in_flight);
	i->records = bg_json_int(o, "records_total", i->records);
	i->errors = bg_json_int(o, "errors_total", i->errors);
	bg_strlcpy(i->boot, bg_json_str(o, "boot", i->boot), sizeof(i->boot));
	if (json_object_object_get_ex(o, "cause", NULL))
		bg_strlcpy(i->cause, bg_json_str(o, "cause", ""), sizeof(i->cause));
	if (bg_json_get(o, "mono_us"))
		i->mono_skew_us = bg_json_int(o, "mono_us", 0) - i->seen_us;
	if (json_object_object_get_ex(o, "last_error", NULL))
		bg_strlcpy(i->last_error, bg_json_str(o, "last_error", ""), sizeof(i->last_error));
	if (bg_json_get(o, "handler"))
		take_handler(i, bg_json_get(o, "handler"));
	assignment = bg_json_get(o, "assignment");
	if (assignment && json_object_is_type(assignment, json_type_array))
		take_parts(i, assignment);
	take_rate(i);
	return 0;
}

void sw_inst_lost(struct sw_inst *i, const struct bg_err *err, bool *ret_changed)
{
	*ret_changed = i->reachable;
	i->reachable = false;
	bg_strlcpy(i->trouble, err->msg[0] ? err->msg : "unreachable", sizeof(i->trouble));
}
