/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A seeded random storm over the engine, without network, disk or broker: four instances that keep the contract
 * (protocol.md 3), a network that loses commands, delays them until long after, and loses answers, instances and
 * bg-switchd that are killed, and people who switch, roll back and abort at any moment. At no moment may both
 * colours be active, nothing is lost, nothing is repeated but what a killed instance had not committed; and when the
 * storm is over, one colour becomes active wholly.
 *
 * BG_STORM_SEED=N: only this one. BG_STORM_SEEDS=N: so many. BG_STORM_TRACE=1: the end of each is shown.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/mem.h"
#include "common/units.h"
#include "switchd/identity.h"
#include "switchd/rebuild.h"
#include "switchd/reconcile.h"
#include "switchd_fake.h"

#define NODES   4
#define PARTS   4
#define LATE    8 /* commands that are still on their way */
#define STEPS   400
#define CALM    4000
#define FENCER  100
#define STEP_US 50000 /* of the clock; the timers of the loop are real, and short */
#define TRACE   4000

struct node {
	bool up, frozen;
	bool owes; /* paused eagerly: its last commit is still on its way */
	bool side; /* active at the epoch that was accepted */
	int64_t accepted, epoch;
	enum sw_istate state;
	int64_t pos[PARTS], pos_epoch[PARTS]; /* of the two that it holds; -1: none since its start */
	int inc;
};

struct command {
	char verb[8];
	int64_t epoch;
	enum bg_color active;
	bool eager;
	struct bg_offs offs;
	size_t to;
	bool used;
};

struct known_call { /* what has become of a call of the adapter */
	uint64_t id;
	bool over[NODES];
	struct sw_reply reply[NODES];
};

struct world {
	struct fake *f;
	unsigned seed, force; /* force: 0 to 3 */
	bool eager;
	bool takeover; /* strategy C with fencing; else D */
	bool calm;
	struct node node[NODES];
	int64_t next[PARTS], may_repeat[PARTS]; /* below may_repeat: not committed by one that was killed */
	struct command late[LATE];
	struct known_call call[FAKE_CALLS];
	int dead;     /* the node that does not come back when it is calm; -1: all do */
	int owner[2]; /* takeover, of each static id: a node, FENCER + a seat, -1: nobody */
	bool seat_joined[FAKE_SEATS];
	int64_t clock_us;
	struct bg_buf trace;
};

/* ---- chance, and what has happened */

static unsigned chance_of(struct world *w, unsigned n)
{
	w->seed = w->seed * 1103515245u + 12345u;
	return (w->seed >> 16) % n;
}

/* Some storms are light, so that switches come to their end. */
static bool chance(struct world *w, unsigned permille)
{
	return !w->calm && chance_of(w, 8000) < permille << w->force;
}

__attribute__((format(printf, 2, 3))) static void trace(struct world *w, const char *fmt, ...)
{
	char line[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (w->trace.len > TRACE * 2) {
		memmove(w->trace.s, w->trace.s + w->trace.len - TRACE, TRACE + 1);
		w->trace.len = TRACE;
	}
	bg_buf_printf(&w->trace, "%s\n", line);
}

#define broken(w, ...)                                                                                       \
	do {                                                                                                 \
		trace((w), __VA_ARGS__);                                                                     \
		fputs((w)->trace.s, stderr);                                                                 \
	} while (0)

/* ---- an instance, as the contract has it */

static enum bg_color color_of(size_t k)
{
	return k < 2 ? BG_BLUE : BG_GREEN;
}

static int part_of(size_t k, int n)
{
	return 2 * (int)(k % 2) + n;
}

static bool has_id(const struct world *w, size_t k)
{
	return !w->takeover || w->owner[k % 2] == (int)k;
}

/* In a takeover there is one group. */
static struct bg_offs *commits_of(struct world *w, size_t k)
{
	return &w->f->committed[w->takeover ? BG_BLUE : color_of(k)];
}

static void commit(struct world *w, size_t k)
{
	struct node *n = &w->node[k];

	if (!has_id(w, k))
		return; /* refused */

	for (int i = 0; i < 2; i++) {
		int p = part_of(k, i);
		struct bg_off *o = bg_offs_at(commits_of(w, k), "orders", p);

		if (n->pos[p] < 0)
			continue;
		o->offset = n->pos[p];
		o->epoch = n->pos_epoch[p];
		o->floor = n->accepted;
	}
}

/* Somebody else gets the id. Who works learns it from the broker before the grace is over; who is frozen, when he wakes. */
static void lose(struct world *w, int ordinal)
{
	int k = w->owner[ordinal];

	w->owner[ordinal] = -1;
	if (k < 0 || k >= NODES || w->node[k].state != SW_I_ACTIVE)
		return;
	for (int i = 0; i < 2; i++)
		w->may_repeat[part_of((size_t)k, i)] = w->next[part_of((size_t)k, i)];
	if (!w->node[k].frozen)
		w->node[k].state = SW_I_FENCED;
}

static int64_t highest_commit(const struct world *w)
{
	return BG_MAX(bg_offs_max_floor(&w->f->committed[0]), bg_offs_max_floor(&w->f->committed[1]));
}

static enum sw_verdict stale(const struct node *n, struct sw_reply *r)
{
	r->epoch = n->accepted;
	return SW_V_STALE;
}

static bool takes(struct node *n, int64_t epoch, bool side)
{
	if (epoch < n->accepted || (epoch == n->accepted && side != n->side))
		return false;
	n->accepted = epoch;
	n->side = side;
	return true;
}

static enum sw_verdict do_pause(struct world *w, size_t k, const struct command *c, struct sw_reply *r)
{
	struct node *n = &w->node[k];

	if (!takes(n, c->epoch, false))
		return stale(n, r);
	n->owes = n->owes || n->state == SW_I_ACTIVE;
	if (n->owes && !c->eager)
		commit(w, k);
	n->owes = n->owes && c->eager;
	n->state = SW_I_PAUSED;
	for (int i = 0; i < 2; i++)
		if (n->pos[part_of(k, i)] >= 0)
			bg_offs_set(&r->offs, "orders", part_of(k, i), n->pos[part_of(k, i)],
				    n->pos_epoch[part_of(k, i)]);
	return SW_V_DONE;
}

/* Where it begins: rule 7. False: nothing says it. */
static bool begin(struct world *w, size_t k, const struct command *c, int p)
{
	struct node *n = &w->node[k];
	const struct bg_off *asked = bg_offs_find(&c->offs, "orders", p);
	const struct bg_off *own = bg_offs_find(commits_of(w, k), "orders", p);
	int64_t at = n->pos[p], epoch = n->pos_epoch[p];

	if (!asked && !(own && own->offset >= 0 && (w->takeover || own->epoch == c->epoch)))
		return false;
	if (asked && (at < 0 || bg_off_better(asked->offset, asked->epoch, at, epoch))) {
		at = asked->offset;
		epoch = asked->epoch;
	}
	if (own && own->offset >= 0 && (at < 0 || bg_off_better(own->offset, own->epoch, at, epoch)))
		at = own->offset;
	n->pos[p] = at;
	n->pos_epoch[p] = c->epoch;
	return true;
}

static enum sw_verdict do_resume(struct world *w, size_t k, const struct command *c, struct sw_reply *r)
{
	struct node *n = &w->node[k];

	if (c->epoch < n->accepted || highest_commit(w) > c->epoch ||
	    (n->state == SW_I_FENCED && c->epoch <= n->epoch))
		return stale(n, r);
	if (n->state == SW_I_ACTIVE && n->epoch == c->epoch)
		return SW_V_DONE;
	if (!takes(n, c->epoch, true))
		return stale(n, r);
	for (int i = 0; i < 2; i++)
		if (!begin(w, k, c, part_of(k, i)))
			return SW_V_REFUSED;
	for (size_t j = 0; j < NODES; j++)
		if (color_of(j) != color_of(k) && w->node[j].up && w->node[j].state == SW_I_ACTIVE &&
		    has_id(w, j))
			broken(w, "RESUMED: and %s-%zu may be active", bg_color_name(color_of(j)), j % 2);
	if (w->takeover && !has_id(w, k))
		lose(w, (int)(k % 2));
	w->owner[k % 2] = (int)k;
	n->state = SW_I_ACTIVE;
	n->epoch = c->epoch;
	n->owes = false;
	commit(w, k);
	return SW_V_DONE;
}

static enum sw_verdict carry_out(struct world *w, size_t k, const struct command *c, struct sw_reply *r)
{
	struct node *n = &w->node[k];
	enum sw_verdict v = SW_V_DONE;

	if (!n->up || n->frozen)
		return SW_V_LATE;
	r->was_active = n->state == SW_I_ACTIVE;
	if (strcmp(c->verb, "prepare") == 0)
		v = takes(n, c->epoch, c->active == color_of(k)) ? SW_V_DONE : stale(n, r);
	else if (strcmp(c->verb, "pause") == 0)
		v = do_pause(w, k, c, r);
	else if (strcmp(c->verb, "resume") == 0)
		v = do_resume(w, k, c, r);
	r->state = n->state;
	r->epoch = BG_MAX(r->epoch, strcmp(c->verb, "status") == 0 ? n->accepted
				    : v == SW_V_DONE               ? c->epoch
								   : 0);
	snprintf(r->incarnation, sizeof(r->incarnation), "inc%zu.%d", k, n->inc);
	if (strcmp(c->verb, "status") != 0)
		trace(w, "  %s-%zu %s %lld: %d, is %s, accepted %lld", bg_color_name(color_of(k)), k % 2,
		      c->verb, (long long)c->epoch, v, sw_istate_name(n->state), (long long)n->accepted);
	return v;
}

static void work(struct world *w, size_t k)
{
	struct node *n = &w->node[k];

	for (int i = 0; i < 2; i++) {
		int p = part_of(k, i);

		if (n->pos[p] > w->next[p])
			broken(w, "LOST: partition %d from %lld to %lld", p, (long long)w->next[p],
			       (long long)n->pos[p]);
		if (n->pos[p] < w->next[p] && n->pos[p] >= w->may_repeat[p])
			broken(w, "TWICE: partition %d, %lld", p, (long long)n->pos[p]);
		n->pos[p]++;
		w->next[p] = BG_MAX(w->next[p], n->pos[p]);
	}
	if (chance_of(w, 3) == 0)
		commit(w, k);
}

static void tick(struct world *w)
{
	bool active[2] = {false, false};

	for (size_t k = 0; k < NODES; k++) {
		if (w->node[k].owes && !w->node[k].frozen && chance_of(w, 4) == 0) {
			commit(w, k);
			w->node[k].owes = false;
		}
		if (!w->node[k].up || w->node[k].frozen || w->node[k].state != SW_I_ACTIVE)
			continue;
		active[color_of(k)] = true;
		work(w, k);
	}
	if (active[0] && active[1])
		broken(w, "BOTH ACTIVE");
}

static void kill_node(struct world *w, size_t k)
{
	struct node *n = &w->node[k];

	trace(w, "kill %s-%zu", bg_color_name(color_of(k)), k % 2);
	for (int i = 0; i < 2 && n->up && (n->state == SW_I_ACTIVE || n->owes); i++)
		w->may_repeat[part_of(k, i)] = w->next[part_of(k, i)];
	n->up = n->frozen = n->owes = false;
	n->state = SW_I_PAUSED;
	n->inc++;
	for (int p = 0; p < PARTS; p++)
		n->pos[p] = -1;
}

static void freeze(struct world *w, size_t k)
{
	if (!w->node[k].up)
		return;
	trace(w, "freeze %s-%zu", bg_color_name(color_of(k)), k % 2);
	w->node[k].frozen = true;
}

static void wake(struct world *w, size_t k)
{
	struct node *n = &w->node[k];

	if (n->frozen && n->state == SW_I_ACTIVE && !has_id(w, k))
		n->state = SW_I_FENCED; /* the stall guard: its first commit is refused */
	n->frozen = false;
}

/* ---- the network */

static struct known_call *known(struct world *w, uint64_t id)
{
	struct known_call *free_one = NULL;

	for (size_t i = 0; i < FAKE_CALLS; i++) {
		bool there = false;

		if (w->call[i].id == id)
			return &w->call[i];
		for (size_t k = 0; k < w->f->n_call; k++)
			there = there || w->f->call[k].id == w->call[i].id;
		if (!there)
			free_one = &w->call[i];
	}
	assert_non_null(free_one);
	for (size_t k = 0; k < NODES; k++)
		bg_offs_free(&free_one->reply[k].offs);
	*free_one = (struct known_call){.id = id};
	return free_one;
}

static void keep_for_later(struct world *w, size_t k, const struct command *c)
{
	for (size_t i = 0; i < LATE; i++) {
		struct command *l = &w->late[i];

		if (l->used)
			continue;
		*l = *c;
		l->offs = (struct bg_offs)BG_OFFS_INIT;
		bg_offs_copy(&l->offs, &c->offs);
		l->to = k;
		l->used = true;
		return;
	}
}

static void deliver_late(struct world *w)
{
	for (size_t i = 0; i < LATE; i++) {
		struct command *l = &w->late[i];
		struct sw_reply r = {0};

		if (!l->used || !(w->calm || chance(w, 30)))
			continue;
		trace(w, "what was delayed:");
		carry_out(w, l->to, l, &r);
		bg_offs_free(&r.offs);
		bg_offs_free(&l->offs);
		l->used = false;
	}
}

static void set_parts(struct sw_inst *i, bool holds)
{
	for (; !holds && i->n_part; i->n_part--)
		free(i->part[i->n_part - 1].topic);
	i->part = bg_xgrow(i->part, &i->cap_part, 2, sizeof(*i->part));
	for (; holds && i->n_part < 2; i->n_part++)
		i->part[i->n_part] = (struct sw_part){.topic = bg_xstrdup("orders"),
						      .partition = part_of(i->index, (int)i->n_part)};
}

/* What bg-switchd learns from any answer. */
static void learn(struct world *w, size_t k, bool answers)
{
	struct sw_inst *i = &w->f->sw->inst[k];
	const struct node *n = &w->node[k];

	i->reachable = answers;
	if (!answers)
		return;
	if (w->takeover)
		set_parts(i, n->state == SW_I_ACTIVE && has_id(w, k));
	bg_strlcpy(i->cause, n->state == SW_I_FENCED ? "identity_in_use" : "", sizeof(i->cause));
	if (i->state != n->state) {
		i->fenced_us = n->state == SW_I_FENCED ? bg_now_us() : 0;
		i->usurper = SW_USURPER_UNKNOWN;
	}
	i->state = n->state;
	i->epoch = n->accepted;
	snprintf(i->incarnation, sizeof(i->incarnation), "inc%zu.%d", k, n->inc);
}

static void deliver(struct world *w, size_t k, const struct fake_call *c, struct known_call *kc)
{
	struct command cmd = {
		.epoch = c->order.epoch, .active = c->order.active, .eager = c->order.eager, .offs = c->offs};
	struct sw_reply *r = &kc->reply[k];

	bg_strlcpy(cmd.verb, c->verb, sizeof(cmd.verb));
	kc->over[k] = true;
	r->verdict = SW_V_LATE;
	if (chance(w, 60))
		return;
	if (chance(w, 40)) {
		keep_for_later(w, k, &cmd);
		return;
	}
	r->verdict = carry_out(w, k, &cmd, r);
	if (chance(w, 60)) { /* the answer is lost */
		bg_offs_free(&r->offs);
		*r = (struct sw_reply){.verdict = SW_V_LATE};
		return;
	}
	if (w->node[k].up && !w->node[k].frozen)
		learn(w, k, true);
}

static bool is_for(const struct fake_call *c, const struct sw_inst *i)
{
	return (c->order.colors & (1u << i->color)) && (!c->order.only || c->order.only == i);
}

static void answer(struct world *w, size_t at, struct known_call *kc)
{
	struct fake *f = w->f;
	struct fake_call c = f->call[at];
	struct sw_reply reply[NODES];
	struct sw_fan_result res = {.reply = reply};

	memmove(&f->call[at], &f->call[at + 1], (f->n_call - at - 1) * sizeof(c));
	f->n_call--;
	for (size_t k = 0; k < NODES; k++) {
		struct sw_reply *r = &reply[res.n];

		if (!is_for(&c, &f->sw->inst[k]))
			continue;
		*r = kc->reply[k];
		kc->reply[k] = (struct sw_reply){0};
		r->inst = &f->sw->inst[k];
		r->committed = true;
		r->sent_us = r->answered_us = bg_now_us();
		r->verdict = r->verdict == SW_V_NONE ? SW_V_LATE : r->verdict;
		if (r->verdict != SW_V_DONE && !res.err.msg[0])
			bg_err_set(&res.err, 0, "x", "%s: verdict %d", r->inst->name, r->verdict);
		res.n_done += r->verdict == SW_V_DONE;
		res.stale = res.stale || r->verdict == SW_V_STALE;
		res.refused = res.refused || r->verdict == SW_V_REFUSED;
		res.epoch = BG_MAX(res.epoch, r->epoch);
		res.n++;
	}
	res.all_done = res.n_done == res.n;
	if (strcmp(c.verb, "status") != 0)
		trace(w, "%s %lld is answered: %zu of %zu%s", c.verb, (long long)c.order.epoch, res.n_done,
		      res.n, res.stale ? ", stale" : "");
	c.fn(c.arg, &res);
	for (size_t k = 0; k < res.n; k++)
		bg_offs_free(&reply[k].offs);
	bg_offs_free(&c.offs);
}

/* One call gets on; true: it was answered. */
static bool get_on(struct world *w, size_t at)
{
	struct fake_call *c = &w->f->call[at];
	struct known_call *kc = known(w, c->id);
	bool all = true, hopeless = false;

	for (size_t k = 0; k < NODES; k++) {
		if (!is_for(c, &w->f->sw->inst[k]))
			continue;
		if (!kc->over[k] && (w->calm || chance_of(w, 3) == 0))
			deliver(w, k, c, kc);
		all = all && kc->over[k];
		hopeless =
			hopeless || (kc->over[k] && c->order.all_or_none &&
				     kc->reply[k].verdict != SW_V_DONE && kc->reply[k].verdict != SW_V_LATE);
	}
	if (!all && !hopeless && !chance(w, 20))
		return false; /* its time is not over */
	answer(w, at, kc);
	return true;
}

/* ---- the broker's part in fencing */

static void seat_says(struct world *w, struct fake_seat *s, enum sw_seat_event ev)
{
	struct bg_err err = BG_ERR_INIT;

	bg_err_set(&err, 0, "kafka", "the storm");
	trace(w, "  the fencer of %s: %d", s->id, ev);
	s->fn(s->arg, ev, ev == SW_SEAT_AGAIN || ev == SW_SEAT_REFUSED ? &err : NULL);
}

static void seat_joins(struct world *w, size_t at, int ordinal)
{
	struct fake_seat *s = &w->f->seat[at];

	lose(w, ordinal);
	w->owner[ordinal] = FENCER + (int)at;
	w->seat_joined[at] = true;
	for (int i = 0; i < 2; i++)
		bg_offs_at(&s->assigned, "orders", part_of((size_t)ordinal, i));
	seat_says(w, s, SW_SEAT_JOINED);
}

static void seat_commits(struct world *w, size_t at, int ordinal)
{
	struct fake_seat *s = &w->f->seat[at];

	s->commits = 0;
	if (w->owner[ordinal] != FENCER + (int)at) {
		seat_says(w, s, SW_SEAT_REFUSED);
		return;
	}
	for (size_t i = 0; i < s->commit.n; i++) {
		const struct bg_off *o = &s->commit.v[i];
		struct bg_off *c = bg_offs_at(&w->f->committed[BG_BLUE], o->topic, o->partition);

		c->offset = o->offset;
		c->epoch = o->epoch;
		c->floor = o->floor;
	}
	seat_says(w, s, chance(w, 50) ? SW_SEAT_AGAIN : SW_SEAT_ACKED);
}

/* At most one a step: it may change the others. */
static void seats(struct world *w)
{
	for (size_t at = 0; at < w->f->n_seat; at++) {
		struct fake_seat *s = &w->f->seat[at];
		int ordinal = s->id[strlen("orders-")] - '0';

		/* One that is gone is a member until its session is over. */
		if (s->freed && w->owner[ordinal] == FENCER + (int)at && chance_of(w, 20) == 0)
			w->owner[ordinal] = -1;
		if (s->freed || (!w->calm && chance_of(w, 3)))
			continue;
		if (!w->seat_joined[at])
			seat_joins(w, at, ordinal);
		else if (s->commits)
			seat_commits(w, at, ordinal);
		else
			continue;
		return;
	}
}

/* As the broker tells who is in the group. */
static void members(struct world *w)
{
	static const char *const ids[] = {"orders-0", "orders-1"};

	w->f->n_member = 0;
	for (int o = 0; o < 2; o++)
		if (w->owner[o] >= 0)
			w->f->member[w->f->n_member++] = (struct bg_member){ids[o], "c", "/h", "m"};
}

/* ---- people, and the process itself */

static void start_fake(struct world *w)
{
	struct sw_cfg *c;

	w->f = fake_new();
	c = w->f->sw->cfg;
	memset(w->seat_joined, 0, sizeof(w->seat_joined));
	if (w->takeover)
		fake_takeover(w->f);
	c->eager = w->eager;
	c->fence = w->takeover;
	c->fence_grace_us = 1000;
	c->soak_us = 20000;
	c->reconcile_us = 5000;
	c->max_error_rate = 100;
}

static void crash(struct world *w)
{
	struct fake *old = w->f;
	char *record = bg_xstrdup(old->record ? old->record : "{}");
	char *snapshot = bg_xstrdup(old->snapshot_kept);
	int64_t snapshot_epoch = old->snapshot_epoch;
	struct bg_offs com[2] = {BG_OFFS_INIT, BG_OFFS_INIT};
	_cleanup_json_ struct json_object *j = NULL;
	struct bg_err err = BG_ERR_INIT;

	for (int o = 0; o < 2; o++)
		w->owner[o] = w->owner[o] >= FENCER ? FENCER + FAKE_SEATS : w->owner[o];
	trace(w, "bg-switchd is killed in %s", sw_state_name(old->sw->state));
	for (int c = 0; c < 2; c++)
		bg_offs_copy(&com[c], &old->committed[c]);
	fake_free(old);
	for (size_t i = 0; i < FAKE_CALLS; i++) {
		for (size_t k = 0; k < NODES; k++)
			bg_offs_free(&w->call[i].reply[k].offs);
		w->call[i] = (struct known_call){0};
	}
	start_fake(w);
	w->f->snapshot_kept = snapshot;
	w->f->snapshot_epoch = snapshot_epoch;
	if (chance(w, 100)) {
		trace(w, "its record is gone");
		free(record);
	} else {
		w->f->record = record;
		assert_int_equal(bg_json_parse(record, strlen(record), &j, &err), 0);
		w->f->record_rev = bg_json_int(j, "revision", 0);
	}
	for (int c = 0; c < 2; c++) {
		w->f->committed[c] = com[c];
	}
	for (size_t k = 0; k < NODES; k++) {
		w->f->sw->inst[k].reachable = false;
		w->f->sw->inst[k].state = SW_I_UNKNOWN;
	}
	assert_int_equal(sw_switch_load(w->f->sw, &err), 0);
	fake_start(w->f);
}

static void person(struct world *w)
{
	struct sw_switch *sw = w->f->sw;
	struct sw_request rq = {.kind = chance_of(w, 4) ? SW_KIND_SWITCH : SW_KIND_ROLLBACK, .by = "storm"};
	struct bg_err why = BG_ERR_INIT;

	if (sw_state_busy(sw->state)) {
		if (!sw_state_back(sw->state) && !sw_run_asserts(sw->run) && chance_of(w, 3) == 0) {
			trace(w, "abort in %s", sw_state_name(sw->state));
			bg_err_set(&why, 0, "aborted", "by the storm");
			sw_run_abort(sw->run, &why);
		}
		return;
	}
	if (sw->state == SW_UNKNOWN) {
		rq = (struct sw_request){
			.kind = SW_KIND_INIT, .by = "storm", .to = chance_of(w, 2), .init_from = "committed"};
		trace(w, "init to %s", bg_color_name(rq.to));
		sw_run_start(sw, &rq);
	}
	if (sw->state != SW_IDLE && sw->state != SW_SOAKING)
		return;
	rq.to = bg_color_other((enum bg_color)sw->rec.active);
	rq.force = chance_of(w, 2);
	trace(w, "%s to %s", sw_kind_name(rq.kind), bg_color_name(rq.to));
	sw_run_start(sw, &rq);
}

/* Back-offs are short here, whatever has failed how often. */
static void hurry(struct world *w)
{
	struct sw_switch *sw = w->f->sw;
	const struct bg_backoff soon = {500, 1000, 0};

	if (sw->run)
		sw->run->backoff = sw->run->stale_backoff = soon;
	sw->rewrite_backoff.min_us = sw->rewrite_backoff.max_us = 1000;
	sw->reassert_backoff = soon;
	for (size_t k = 0; k < NODES; k++)
		sw->inst[k].cmd_backoff = soon;
}

static void look_at_instances(struct world *w)
{
	for (size_t k = 0; k < NODES; k++) {
		if (!w->calm && chance_of(w, 3))
			continue;
		learn(w, k, w->node[k].up && !w->node[k].frozen && !chance(w, 20));
		sw_reconcile_one(&w->f->sw->inst[k]);
		sw_rebuild_look(w->f->sw);
	}
	sw_identity_look(w->f->sw);
}

static void accidents(struct world *w)
{
	if (chance(w, 12))
		kill_node(w, chance_of(w, NODES));
	if (chance(w, 20))
		freeze(w, chance_of(w, NODES));
	for (size_t k = 0; k < NODES; k++)
		if (w->calm || chance_of(w, 20) == 0)
			wake(w, k);
	for (int o = 0; o < 2; o++) /* of a fencer that was killed */
		if (w->owner[o] == FENCER + FAKE_SEATS && chance_of(w, 20) == 0)
			w->owner[o] = -1;
	for (size_t k = 0; k < NODES; k++)
		if (!w->node[k].up && !(w->calm && (int)k == w->dead) && (w->calm || chance_of(w, 10) == 0))
			w->node[k].up = true;
	if (chance(w, 10))
		w->f->fail_records = 1;
	if (w->calm)
		w->f->kafka_down = false;
	else if (w->f->kafka_down ? chance_of(w, 10) == 0 : chance(w, 20))
		w->f->kafka_down = !w->f->kafka_down;
	if (chance(w, sw_state_busy(w->f->sw->state) ? 20 : 3))
		crash(w);
	/* When it is calm, only where nobody else can help. */
	if (w->calm ? w->f->sw->state == SW_UNKNOWN && chance_of(w, 200) == 0 : chance_of(w, 25) == 0)
		person(w);
}

static void step(struct world *w)
{
	bool never = false;

	w->clock_us += STEP_US;
	bg_clock_set(w->clock_us);
	hurry(w);
	accidents(w);
	for (size_t at = 0; at < w->f->n_call;)
		if (!get_on(w, at))
			at++;
		else
			break; /* what was answered may have sent and cancelled others */
	if (w->takeover) {
		seats(w);
		members(w);
	}
	deliver_late(w);
	look_at_instances(w);
	tick(w);
	bg_loop_run_until(w->f->loop, &never, 200);
	tick(w);
}

/* ---- a seed */

/*
 * At rest. Or as good as: from works, and the way back, or a re-assertion, only lacks the word of the one that is dead.
 */
static bool settled(const struct world *w)
{
	const struct sw_switch *sw = w->f->sw;

	if (sw->state == SW_IDLE || sw->state == SW_SOAKING)
		return sw->stored_revision == sw->rec.revision;
	return w->dead >= 0 && (int)color_of((size_t)w->dead) != sw->rec.active &&
	       (sw->state == SW_BACK_PAUSING || (sw->run && sw_run_asserts(sw->run)));
}

static bool whole(const struct world *w)
{
	const struct sw_switch *sw = w->f->sw;
	bool rest = sw->state == SW_IDLE || sw->state == SW_SOAKING;

	if (!settled(w))
		return false;
	for (size_t k = 0; k < NODES; k++) {
		const struct node *n = &w->node[k];
		bool active = (int)color_of(k) == sw->rec.active;

		if ((int)k == w->dead)
			continue;
		if ((n->state == SW_I_ACTIVE) != active || (rest && n->accepted != sw->rec.epoch))
			return false;
	}
	return true;
}

static void storm(unsigned seed, bool takeover)
{
	struct world w = {.seed = seed * 2654435761u + 1,
			  .force = seed % 4,
			  .takeover = takeover,
			  .dead = takeover && seed % 3 == 0 ? (int)(seed / 3 % NODES) : -1,
			  .eager = seed / 4 % 2,
			  .owner = {0, 1},
			  .clock_us = INT64_C(1000000000)};
	int n = 0;

	trace(&w, "seed %u", seed);
	start_fake(&w);
	fake_active(w.f, BG_BLUE, 1);
	sw_record_save(w.f->sw, NULL, NULL);
	fake_settle(w.f);
	for (size_t k = 0; k < NODES; k++) {
		w.node[k] = (struct node){.up = true,
					  .side = color_of(k) == BG_BLUE,
					  .accepted = 1,
					  .epoch = 1,
					  .state = color_of(k) == BG_BLUE ? SW_I_ACTIVE : SW_I_PAUSED,
					  .pos = {-1, -1, -1, -1}};
		for (int i = 0; i < 2; i++) {
			int p = part_of(k, i);

			w.next[p] = 100 + p;
			w.node[k].pos[p] = color_of(k) == BG_BLUE ? 100 + p : -1;
			w.node[k].pos_epoch[p] = 1;
		}
	}
	for (int i = 0; i < STEPS; i++)
		step(&w);
	if (w.dead >= 0)
		kill_node(&w, (size_t)w.dead);
	w.calm = true;
	trace(&w, "calm, in %s", sw_state_name(w.f->sw->state));
	while (!whole(&w) && n++ < CALM)
		step(&w);
	if (!whole(&w))
		broken(&w, "NOT WHOLE: %s, %s at epoch %lld, %s", sw_state_name(w.f->sw->state),
		       sw_color_name(w.f->sw->rec.active), (long long)w.f->sw->rec.epoch, w.f->sw->degraded);
	if (getenv("BG_STORM_TRACE"))
		puts(w.trace.s);
	fake_free(w.f);
	for (size_t i = 0; i < LATE; i++)
		bg_offs_free(&w.late[i].offs);
	bg_buf_free(&w.trace);
	bg_clock_set(-1);
}

static void storms(bool takeover)
{
	const char *one = getenv("BG_STORM_SEED"), *many = getenv("BG_STORM_SEEDS");
	unsigned n = many ? (unsigned)atoi(many) : 16;

	if (one) {
		storm((unsigned)atoi(one), takeover);
		return;
	}
	for (unsigned seed = 1; seed <= n; seed++)
		storm(seed, takeover);
}

static void hand_over(void **state)
{
	(void)state;
	storms(false);
}

static void takeover_with_fencing(void **state)
{
	(void)state;
	storms(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(hand_over),
					   cmocka_unit_test(takeover_with_fencing)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
