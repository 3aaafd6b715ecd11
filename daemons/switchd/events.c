/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens is noted where it happens (a few words, no JSON, no log), and told in the next turn of the loop: not
 * before the commands of this one are out, and all kinds in the order in which they happened.
 */
#include "config.h"
#include "switchd/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "common/units.h"
#include "switchd/run.h"
#include "switchd/stream.h"
#include "switchd/view.h"

/* An entry with the offsets of thousands of partitions is told without them: the history has them. */
#define END_MAX ((size_t)64 * 1024)

#define A_TURN ((size_t)16)

enum kind { PHASE, INSTANCE, END, HOLD, DEGRADED, SOAK, OTHER };

struct change {
	enum kind kind;
	struct sw_switch *sw;
	int64_t real_us, epoch;
	union {
		struct {
			enum sw_state old, next;
			enum sw_event ev;
			enum sw_kind kind;
			int64_t at_us;
			char id[40]; /* "": no run */
			int from, to, active;
		} phase;
		struct {
			size_t index;
			enum sw_istate old, state;
			bool reachable;
			char trouble[160];
		} inst;
		struct json_object *entry; /* owned */
		struct {
			const char *type;
			struct json_object *members; /* owned */
		} other;
		bool hold;
		char *text; /* owned */
		struct {
			const char *verdict;
			char rule[24]; /* "" none */
			char *text;    /* owned */
		} soak;
	};
};

struct sw_events {
	struct bg_loop *loop;
	struct sw_stream *stream;
	struct change *queue;
	size_t told, n_queue, cap; /* those before `told` are done */
	bool deferred;
};

struct sw_events *sw_events_new(struct bg_loop *l)
{
	struct sw_events *e = bg_xcalloc(1, sizeof(*e));

	e->loop = l;
	e->stream = sw_stream_new(l, NULL);
	return e;
}

static void forget(struct change *c)
{
	if (c->kind == END)
		json_object_put(c->entry);
	else if (c->kind == OTHER)
		json_object_put(c->other.members);
	else if (c->kind == DEGRADED)
		free(c->text);
	else if (c->kind == SOAK)
		free(c->soak.text);
}

void sw_events_free(struct sw_events *e)
{
	if (!e)
		return;
	for (size_t i = e->told; i < e->n_queue; i++)
		forget(&e->queue[i]);
	sw_stream_free(e->stream);
	free(e->queue);
	free(e);
}

struct sw_stream *sw_events_stream(struct sw_events *e)
{
	return e->stream;
}

/* ---- telling */

static struct json_object *object(const struct change *c)
{
	struct json_object *o = json_object_new_object();
	char t[32];

	bg_json_add_str(o, "switch", c->sw->cfg->name);
	bg_json_add_str(o, "time", bg_format_time(t, sizeof(t), c->real_us));
	bg_json_add_int(o, "epoch", c->epoch);
	return o;
}

/* {"blue":{"ACTIVE":2},"green":{"PAUSED":1,"silent":1}}: of bounded size, however many there are. */
static struct json_object *counts(const struct sw_switch *sw)
{
	struct json_object *o = json_object_new_object();

	for (int c = 0; c < 2; c++)
		bg_json_add(o, bg_color_name((enum bg_color)c), json_object_new_object());
	for (size_t k = 0; k < sw->n_inst; k++) {
		const struct sw_inst *i = &sw->inst[k];
		struct json_object *of = bg_json_get(o, bg_color_name(i->color));
		const char *state = i->reachable ? sw_istate_name(i->state) : "silent";

		bg_json_add_int(of, state, bg_json_int(of, state, 0) + 1);
	}
	return o;
}

static void tell_phase(struct sw_events *e, const struct change *c)
{
	_cleanup_json_ struct json_object *o = object(c);
	bool run = c->phase.id[0] != '\0';

	bg_log_sw(BG_INFO, c->sw->cfg->name, "state", "%s -> %s (%s) epoch=%lld", sw_state_name(c->phase.old),
		  sw_state_name(c->phase.next), sw_event_name(c->phase.ev), (long long)c->epoch);
	bg_json_add_str(o, "phase", sw_phase_name(c->phase.next));
	bg_json_add_str(o, "old", sw_phase_name(c->phase.old));
	bg_json_add_str(o, "cause", sw_event_name(c->phase.ev));
	bg_json_add_str(o, "id", run ? c->phase.id : NULL);
	bg_json_add_str(o, "kind", run ? sw_kind_name(c->phase.kind) : NULL);
	bg_json_add_str(o, "from", sw_color_name(c->phase.from));
	bg_json_add_str(o, "to", sw_color_name(c->phase.to));
	bg_json_add_str(o, "active", sw_color_name(c->phase.active));
	bg_json_add_int(o, "at_us", c->phase.at_us);
	bg_json_add(o, "instances", counts(c->sw));
	sw_stream_add(e->stream, c->sw->cfg->name, "phase", o);
}

static void tell_instance(struct sw_events *e, const struct change *c)
{
	const struct sw_inst *i = &c->sw->inst[c->inst.index];
	_cleanup_json_ struct json_object *o = object(c);
	const char *trouble = c->inst.trouble;

	bg_log_sw(c->inst.reachable ? BG_INFO : BG_WARN, c->sw->cfg->name, "instance",
		  "%s is %s at epoch %lld%s%s", sw_inst_label(i),
		  c->inst.reachable ? sw_istate_name(c->inst.state) : "unreachable", (long long)c->epoch,
		  *trouble ? ": " : "", trouble);
	bg_json_add_str(o, "instance", sw_inst_label(i));
	bg_json_add_str(o, "color", bg_color_name(i->color));
	bg_json_add_str(o, "state", sw_istate_name(c->inst.state));
	bg_json_add_str(o, "old", sw_istate_name(c->inst.old));
	bg_json_add_bool(o, "reachable", c->inst.reachable);
	bg_json_add_str(o, "trouble", *trouble ? trouble : NULL);
	sw_stream_add(e->stream, c->sw->cfg->name, "instance", o);
}

static void tell_end(struct sw_events *e, const struct change *c)
{
	_cleanup_json_ struct json_object *o = object(c);
	bool whole = strlen(bg_json_text(c->entry)) <= END_MAX;

	json_object_object_foreach(c->entry, key, value)
	{
		bool list = json_object_is_type(value, json_type_array);

		if (whole || !list || strcmp(key, "steps") == 0)
			bg_json_add(o, key, json_object_get(value));
	}
	bg_json_add_bool(o, "whole", whole);
	sw_stream_add(e->stream, c->sw->cfg->name, "end", o);
}

static void tell_soak(struct sw_events *e, const struct change *c)
{
	_cleanup_json_ struct json_object *o = object(c);

	bg_json_add_str(o, "verdict", c->soak.verdict);
	bg_json_add_str(o, "rule", c->soak.rule[0] ? c->soak.rule : NULL);
	bg_json_add_str(o, "message", c->soak.text);
	sw_stream_add(e->stream, c->sw->cfg->name, "soak", o);
}

static void tell_rest(struct sw_events *e, const struct change *c)
{
	_cleanup_json_ struct json_object *o = object(c);

	if (c->kind == HOLD)
		bg_json_add_bool(o, "hold", c->hold);
	else
		bg_json_add_str(o, "degraded", c->text[0] ? c->text : NULL);
	sw_stream_add(e->stream, c->sw->cfg->name, c->kind == HOLD ? "hold" : "degraded", o);
}

static void tell_other(struct sw_events *e, const struct change *c)
{
	_cleanup_json_ struct json_object *o = object(c);

	json_object_object_foreach(c->other.members, key, value) bg_json_add(o, key, json_object_get(value));
	sw_stream_add(e->stream, c->sw->cfg->name, c->other.type, o);
}

static void tell(struct sw_events *e, struct change *c)
{
	switch (c->kind) {
	case PHASE:
		tell_phase(e, c);
		break;
	case INSTANCE:
		tell_instance(e, c);
		break;
	case END:
		tell_end(e, c);
		break;
	case SOAK:
		tell_soak(e, c);
		break;
	case OTHER:
		tell_other(e, c);
		break;
	default:
		tell_rest(e, c);
	}
	forget(c);
}

static void tell_some(struct sw_events *e, size_t n)
{
	while (n-- > 0 && e->told < e->n_queue)
		tell(e, &e->queue[e->told++]);
	if (e->told == e->n_queue)
		e->told = e->n_queue = 0;
}

/* A few a turn: when a thousand instances change at once, the commands of a switch do not wait for the telling. */
static void on_turn(void *arg)
{
	struct sw_events *e = arg;

	tell_some(e, BG_MAX(A_TURN, (e->n_queue - e->told) / 32)); /* or the queue could grow for ever */
	e->deferred = e->n_queue > 0;
	if (e->deferred)
		bg_loop_defer(e->loop, on_turn, e);
}

void sw_events_stop(struct sw_events *e)
{
	tell_some(e, e->n_queue);
	sw_stream_say(e->stream, "shutting_down", "the daemon is stopping; come back with Last-Event-ID");
}

/* ---- noting */

static struct change *note(struct sw_switch *sw, enum kind kind)
{
	struct sw_events *e = sw->dm->events;
	struct change *c;

	e->queue = bg_xgrow(e->queue, &e->cap, e->n_queue + 1, sizeof(*e->queue));
	c = &e->queue[e->n_queue++];
	memset(c, 0, sizeof(*c));
	c->kind = kind;
	c->sw = sw;
	c->real_us = bg_real_us();
	c->epoch = sw->rec.epoch;
	if (!e->deferred) {
		e->deferred = true;
		bg_loop_defer(e->loop, on_turn, e);
	}
	return c;
}

static void phase_of_run(struct change *c, const struct sw_run *r)
{
	c->epoch = r->epoch;
	c->phase.kind = r->kind;
	c->phase.at_us = bg_now_us() - r->started_us;
	bg_strlcpy(c->phase.id, r->id, sizeof(c->phase.id));
}

/* What the answers to commands have changed, which nobody has told: now that there is time for it. */
static void catch_up(struct sw_switch *sw, enum sw_state next)
{
	if (next == SW_PAUSING || next == SW_TRANSFER || next == SW_RESUMING)
		return;
	for (size_t k = 0; k < sw->n_inst; k++)
		if (sw->inst[k].reachable && sw->inst[k].told != sw->inst[k].state)
			sw_events_instance(&sw->inst[k]);
}

void sw_events_phase(struct sw_switch *sw, enum sw_state old, enum sw_state next, enum sw_event ev)
{
	const struct sw_run *r = sw->run;
	struct change *c;

	sw_events_look(sw);
	c = note(sw, PHASE);
	c->phase.old = old;
	c->phase.next = next;
	c->phase.ev = ev;
	c->phase.active = sw->rec.active;
	c->phase.from = r ? r->from : SW_NO_COLOR;
	c->phase.to = r ? r->to : sw->rec.active;
	if (r)
		phase_of_run(c, r);
	catch_up(sw, next); /* may move what c points to */
}

void sw_events_instance(struct sw_inst *i)
{
	struct change *c = note(i->sw, INSTANCE);

	c->epoch = i->epoch;
	c->inst.index = i->index;
	c->inst.old = i->told;
	c->inst.state = i->told = i->state;
	c->inst.reachable = i->reachable;
	bg_strlcpy(c->inst.trouble, i->trouble, sizeof(c->inst.trouble));
}

void sw_events_end(struct sw_switch *sw)
{
	note(sw, END)->entry = json_object_get(sw->last);
	sw_events_look(sw);
}

void sw_events_hold(struct sw_switch *sw)
{
	note(sw, HOLD)->hold = sw->rec.hold;
}

void sw_events_soak(struct sw_switch *sw, const char *verdict, const char *rule, const char *message)
{
	struct change *c = note(sw, SOAK);

	c->soak.verdict = verdict;
	bg_strlcpy(c->soak.rule, rule ? rule : "", sizeof(c->soak.rule));
	c->soak.text = bg_xstrdup(message);
}

void sw_events_tell(struct sw_switch *sw, const char *type, struct json_object *members)
{
	struct change *c = note(sw, OTHER);

	c->other.type = type;
	c->other.members = members;
}

void sw_events_look(struct sw_switch *sw)
{
	char buf[sizeof(sw->degraded_told)];
	const char *now = sw_trouble(sw, buf, sizeof(buf));

	if (strcmp(now, sw->degraded_told) == 0)
		return;
	bg_strlcpy(sw->degraded_told, now, sizeof(sw->degraded_told));
	note(sw, DEGRADED)->text = bg_xstrdup(now);
}
