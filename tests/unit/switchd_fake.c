/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd_fake.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/log.h"
#include "switchd/events.h"
#include "switchd/reconcile.h"

static struct fake *the; /* one at a time: the fake vtables have no argument of their own */

static void note(const char *word)
{
	bg_buf_printf(&the->order, "%s%s", the->order.len ? " " : "", word);
}

/* ---- adapter */

static uint64_t add_call(const char *verb, const struct sw_order *o, sw_fan_fn fn, void *arg)
{
	assert_true(the->n_call < FAKE_CALLS);
	struct fake_call *c = &the->call[the->n_call++];

	*c = (struct fake_call){.verb = verb, .order = *o, .fn = fn, .arg = arg, .id = ++the->ids};
	if (o->offs)
		bg_offs_copy(&c->offs, o->offs);
	if (strcmp(verb, "status") != 0) {
		_cleanup_free_ char *w = bg_xasprintf("%s%lld:%s%s", verb, (long long)o->epoch,
						      o->colors & 1 ? "b" : "", o->colors & 2 ? "g" : "");
		note(w);
		the->sent++;
	}
	return c->id;
}

static uint64_t f_prepare(const struct sw_order *o, sw_fan_fn fn, void *arg)
{
	return add_call("prepare", o, fn, arg);
}

static uint64_t f_pause(const struct sw_order *o, sw_fan_fn fn, void *arg)
{
	return add_call("pause", o, fn, arg);
}

static uint64_t f_resume(const struct sw_order *o, sw_fan_fn fn, void *arg)
{
	return add_call("resume", o, fn, arg);
}

static uint64_t f_status(const struct sw_order *o, sw_fan_fn fn, void *arg)
{
	return add_call("status", o, fn, arg);
}

static struct fake_call take_call(size_t k)
{
	struct fake_call c = the->call[k];

	memmove(&the->call[k], &the->call[k + 1], (the->n_call - k - 1) * sizeof(c));
	the->n_call--;
	return c;
}

static void f_cancel(struct sw_switch *sw, uint64_t id)
{
	(void)sw;
	for (size_t k = 0; k < the->n_call; k++) {
		if (the->call[k].id == id) {
			struct fake_call c = take_call(k);

			bg_offs_free(&c.offs);
			return;
		}
	}
}

static const struct sw_adapter_ops adapter = {"fake", f_prepare, f_pause, f_resume, f_status, f_cancel};

/* ---- store */

static int s_read_record(struct sw_store *s, const char *sw, char **ret, struct bg_err *err)
{
	(void)s;
	(void)sw;
	(void)err;
	if (!the->record)
		return -ENOENT;
	*ret = bg_xstrdup(the->record);
	return 0;
}

static int s_write_record(struct sw_store *s, const char *sw, const char *json, int64_t expect,
			  struct bg_err *err)
{
	_cleanup_json_ struct json_object *j = NULL;

	(void)s;
	(void)sw;
	while (the->hold_writes)
		usleep(200);
	if (the->fail_records > 0) {
		the->fail_records--;
		return bg_err_set(err, -ENOSPC, "store", "the disk is full");
	}
	if (expect != the->record_rev)
		return bg_err_set(err, -ESTALE, "revision_changed", "expected %lld, is %lld",
				  (long long)expect, (long long)the->record_rev);
	assert_int_equal(bg_json_parse(json, strlen(json), &j, err), 0);
	the->record_rev = bg_json_int(j, "revision", 0);
	the->record_writes++;
	free(the->record);
	the->record = bg_xstrdup(json);
	if (the->fail_renamed > 0) {
		the->fail_renamed--;
		return bg_err_set(err, -EIO, "store", "cannot fsync the folder");
	}
	return 0;
}

static int s_read_snapshot(struct sw_store *s, const char *sw, int64_t epoch, char **ret, struct bg_err *err)
{
	const char *kept = epoch == the->snapshot_epoch ? the->snapshot_kept : NULL;

	(void)s;
	(void)sw;
	(void)err;
	if (!the->snapshot && !kept)
		return -ENOENT;
	*ret = bg_xstrdup(the->snapshot ? the->snapshot : kept);
	return 0;
}

static int s_write_snapshot(struct sw_store *s, const char *sw, int64_t epoch, const char *json,
			    struct bg_err *err)
{
	(void)s;
	(void)sw;
	if (the->fail_snapshots > 0) {
		the->fail_snapshots--;
		return bg_err_set(err, -ENOSPC, "store", "the disk is full");
	}
	the->snapshot_writes++;
	the->snapshot_epoch = epoch;
	free(the->snapshot_kept);
	the->snapshot_kept = bg_xstrdup(json);
	return 0;
}

static int s_list(struct sw_store *s, const char *sw, int64_t **ret, size_t *n, struct bg_err *err)
{
	(void)s;
	(void)sw;
	(void)err;
	*ret = NULL;
	*n = 0;
	return 0;
}

static int s_append(struct sw_store *s, const char *sw, const char *line, struct bg_err *err)
{
	(void)s;
	(void)sw;
	(void)err;
	bg_buf_printf(&the->history, "%s\n", line);
	return 0;
}

static int s_read_history(struct sw_store *s, const char *sw, struct bg_buf *ret, struct bg_err *err)
{
	(void)s;
	(void)sw;
	(void)err;
	bg_buf_add(ret, the->history.s ? the->history.s : "", the->history.len);
	return 0;
}

static void s_close(struct sw_store *s)
{
	(void)s;
}

static const struct sw_store_ops store_ops = {"fake",          s_read_record,    s_write_record,
					      s_read_snapshot, s_write_snapshot, s_list,
					      s_append,        s_read_history,   s_close};
static struct sw_store store = {&store_ops};

/* ---- Kafka: answers in the loop's next turn */

struct answer {
	bg_offs_fn fn;
	bg_health_fn health;
	void *arg;
	struct bg_offs offs;
	bool fail;
};

struct members {
	bg_members_fn fn;
	void *arg;
};

static void deliver(void *arg)
{
	struct answer *a = arg;
	struct bg_err err = BG_ERR_INIT;

	bg_err_set(&err, 0, "broker_unavailable", "no broker answers");
	if (a->health)
		a->health(a->arg, a->fail ? &err : NULL, 1, 0, 0);
	else
		a->fn(a->arg, a->fail ? &err : NULL, a->fail ? NULL : &a->offs);
	bg_offs_free(&a->offs);
	free(a);
}

static void answer(const struct bg_offs *offs, bg_offs_fn fn, bg_health_fn health, void *arg)
{
	struct answer *a = bg_xcalloc(1, sizeof(*a));

	a->fn = fn;
	a->health = health;
	a->arg = arg;
	a->fail = the->kafka_down;
	if (offs)
		bg_offs_copy(&a->offs, offs);
	bg_loop_defer(the->loop, deliver, a);
}

static void k_committed(void *k, const char *group, const struct bg_offs *parts, int64_t us, bg_offs_fn fn,
			void *arg)
{
	static const struct bg_offs none;
	const struct bg_offs *c = strcmp(group, "blue-group") == 0    ? &the->committed[BG_BLUE]
				  : strcmp(group, "green-group") == 0 ? &the->committed[BG_GREEN]
								      : &none;

	(void)k;
	(void)parts;
	(void)us;
	the->committed_reads++;
	if (the->sw->state == SW_TRANSFER && strcmp(group, "blue-group") == 0)
		note("commits");
	answer(strcmp(group, "legacy") == 0 ? &the->ranges : c, fn, NULL, arg);
}

static void k_partitions(void *k, const char *const *topics, size_t n, int64_t us, bg_offs_fn fn, void *arg)
{
	(void)k;
	(void)topics;
	(void)n;
	(void)us;
	answer(&the->topics, fn, NULL, arg);
}

static void k_ranges(void *k, const struct bg_offs *parts, int64_t us, bg_offs_fn fn, void *arg)
{
	(void)k;
	(void)parts;
	(void)us;
	answer(&the->ranges, fn, NULL, arg);
}

static void k_health(void *k, const char *const *topics, size_t n, int64_t us, bg_health_fn fn, void *arg)
{
	(void)k;
	(void)topics;
	(void)n;
	(void)us;
	answer(NULL, NULL, fn, arg);
}

static void deliver_members(void *arg)
{
	struct members *m = arg;
	struct bg_err err = BG_ERR_INIT;

	bg_err_set(&err, 0, "not_authorized", "describing is not allowed");
	m->fn(m->arg, the->no_members ? &err : NULL, the->member, the->no_members ? 0 : the->n_member);
	free(m);
}

static void k_members(void *k, const char *group, int64_t us, bg_members_fn fn, void *arg)
{
	struct members *m = bg_xcalloc(1, sizeof(*m));

	(void)k;
	(void)us;
	assert_string_equal(group, the->sw->cfg->group[the->sw->rec.active]);
	*m = (struct members){fn, arg};
	the->members_asked++;
	bg_loop_defer(the->loop, deliver_members, m);
}

static const struct sw_kafka_ops kafka = {k_committed, k_partitions, k_ranges, k_health, k_members};

/* ---- the fence */

static void *s_join(struct sw_switch *sw, const struct sw_seat_spec *spec, sw_seat_fn fn, void *arg,
		    struct bg_err *err)
{
	struct fake_seat *s = &the->seat[the->n_seat];

	(void)sw;
	if (the->no_seats) {
		bg_err_set(err, -EIO, "kafka_error", "no handle can be made");
		return NULL;
	}
	assert_true(the->n_seat < FAKE_SEATS);
	the->n_seat++;
	*s = (struct fake_seat){.fn = fn, .arg = arg, .n_topics = spec->topics->n};
	bg_strlcpy(s->id, spec->id, sizeof(s->id));
	bg_strlcpy(s->group, spec->group, sizeof(s->group));
	_cleanup_free_ char *w = bg_xasprintf("take:%s", spec->id);
	note(w);
	return s;
}

static void s_assignment(void *seat, struct bg_offs *ret)
{
	bg_offs_copy(ret, &((struct fake_seat *)seat)->assigned);
}

static void s_commit(void *seat, const struct bg_offs *offs)
{
	struct fake_seat *s = seat;

	s->commits++;
	bg_offs_free(&s->commit);
	for (size_t i = 0; i < offs->n; i++) {
		struct bg_off *o = bg_offs_at(&s->commit, offs->v[i].topic, offs->v[i].partition);
		char *topic = o->topic;

		*o = offs->v[i];
		o->topic = topic;
	}
	note("prove");
}

static void s_free(void *seat)
{
	struct fake_seat *s = seat;

	bg_offs_free(&s->assigned);
	bg_offs_free(&s->commit);
	s->freed = true;
}

static const struct sw_fence_ops fence = {s_join, s_assignment, s_commit, s_free};

/* ---- the switch */

static char **list(const char *a, const char *b)
{
	char **v = bg_xcalloc(3, sizeof(*v));

	v[0] = bg_xstrdup(a);
	v[1] = bg_xstrdup(b);
	return v;
}

static struct sw_cfg *make_cfg(void)
{
	struct sw_cfg *c = bg_xcalloc(1, sizeof(*c));

	c->name = bg_xstrdup("orders");
	assert_int_equal(sw_plan_find("D", &c->plan, NULL), 0);
	c->topics = list("orders", NULL);
	c->n_topics = 1;
	c->group[BG_BLUE] = bg_xstrdup("blue-group");
	c->group[BG_GREEN] = bg_xstrdup("green-group");
	c->endpoint[BG_BLUE] = list("http://127.0.0.1:1", "http://127.0.0.1:2");
	c->endpoint[BG_GREEN] = list("http://127.0.0.1:3", "http://127.0.0.1:4");
	c->n_endpoint[0] = c->n_endpoint[1] = 2;
	c->drain_us = c->resume_us = c->prepare_us = 1000000;
	c->soak_us = c->rollback_us = 3600000000;
	c->reconcile_us = 3600000000;
	c->max_error_rate = 1;
	c->fence_grace_us = -1;
	return c;
}

static void say_hello(struct sw_inst *i, size_t k)
{
	snprintf(i->name, sizeof(i->name), "%s-%zu", bg_color_name(i->color), k % 2);
	snprintf(i->incarnation, sizeof(i->incarnation), "inc%zu", k);
	i->reachable = true;
	i->trouble[0] = '\0';
	i->state = SW_I_PAUSED;
	i->level = 3;
	i->version = 1;
	i->lag = 0;
	i->cap_part = 2;
	i->part = bg_xcalloc(2, sizeof(*i->part));
	for (i->n_part = 0; i->n_part < 2; i->n_part++) {
		i->part[i->n_part].topic = bg_xstrdup("orders");
		i->part[i->n_part].partition = (int32_t)(2 * (k % 2) + i->n_part);
	}
}

struct fake *fake_new(void)
{
	struct fake *f = bg_xcalloc(1, sizeof(*f));

	the = f;
	bg_log_init("test", "logfmt", BG_ERROR);
	f->loop = bg_loop_new();
	f->dm.loop = f->loop;
	f->dm.worker = bg_worker_new(f->loop, 1);
	f->dm.events = sw_events_new(f->loop);
	f->dm.store = &store;
	f->dm.kafka = &kafka;
	f->dm.fence = &fence;
	for (int p = 0; p < 4; p++)
		bg_offs_at(&f->topics, "orders", p);
	f->sw = sw_switch_new(&f->dm, make_cfg(), &adapter);
	for (size_t k = 0; k < 4; k++)
		say_hello(&f->sw->inst[k], k);
	f->dm.sw = &f->sw;
	f->dm.n_sw = 1;
	return f;
}

void fake_free(struct fake *f)
{
	fake_settle(f);
	sw_switch_stop(f->sw);
	bool never = false;
	bg_loop_run_until(f->loop, &never, 1000);
	sw_switch_free(f->sw);
	for (size_t k = 0; k < f->n_call; k++)
		bg_offs_free(&f->call[k].offs);
	sw_events_free(f->dm.events);
	bg_worker_free(f->dm.worker, 1000000);
	bg_loop_free(f->loop);
	bg_offs_free(&f->topics);
	bg_offs_free(&f->committed[0]);
	bg_offs_free(&f->committed[1]);
	bg_offs_free(&f->ranges);
	bg_buf_free(&f->history);
	bg_buf_free(&f->order);
	free(f->record);
	free(f->snapshot_kept);
	free(f);
}

void fake_takeover(struct fake *f)
{
	struct sw_cfg *c = f->sw->cfg;

	f->takeover = true;
	assert_int_equal(sw_plan_find("C", &c->plan, NULL), 0);
	free(c->group[BG_GREEN]);
	c->group[BG_GREEN] = bg_xstrdup(c->group[BG_BLUE]);
	for (size_t k = 0; k < 4; k++) {
		struct sw_member *m = &f->sw->inst[k].member;
		char id[16];

		snprintf(id, sizeof(id), "orders-%zu", k % 2);
		bg_strlcpy(m->group, "blue-group", sizeof(m->group));
		bg_strlcpy(m->mode, "takeover", sizeof(m->mode));
		bg_strlcpy(m->assignor, "cooperative-sticky", sizeof(m->assignor));
		sw_set_add(&m->topics, "orders");
		sw_set_add(&m->ids, id);
		m->heartbeat_us = 3000000;
		m->session_us = 45000000;
	}
}

/* Whoever is paused in a takeover holds nothing: the other one with its ordinal has its partitions. */
static void give_parts(struct fake *f, struct sw_inst *to)
{
	struct sw_inst *from = &f->sw->inst[(to->index + 2) % 4];
	struct sw_part *part = to->part;

	if (to->n_part)
		return;
	to->part = from->part;
	to->n_part = from->n_part;
	to->cap_part = from->cap_part;
	from->part = part;
	from->n_part = from->cap_part = 0;
	free(part);
	from->part = NULL;
}

static void drop_parts(struct sw_inst *i)
{
	for (size_t k = 0; k < i->n_part; k++)
		free(i->part[k].topic);
	i->n_part = 0;
}

void fake_active(struct fake *f, enum bg_color c, int64_t epoch)
{
	struct sw_record *r = &f->sw->rec;

	r->epoch = r->snapshot_epoch = epoch;
	r->active = (int)c;
	r->desired_active[c] = true;
	r->phase = SW_IDLE;
	for (size_t k = 0; k < 4; k++) {
		f->sw->inst[k].epoch = epoch;
		f->sw->inst[k].state = f->sw->inst[k].color == c ? SW_I_ACTIVE : SW_I_PAUSED;
		if (f->takeover && f->sw->inst[k].color != c)
			drop_parts(&f->sw->inst[k]);
	}
	for (int p = 0; p < 4; p++) {
		bg_offs_set(&f->committed[c], "orders", p, 100 + p, epoch);
		bg_offs_set(&f->sw->handed, "orders", p, 50 + p, epoch);
	}
	fake_start(f);
	assert_int_equal(f->sw->state, SW_IDLE);
}

void fake_start(struct fake *f)
{
	sw_reconcile_start(f->sw);
	sw_run_recover(f->sw);
}

struct sw_run *fake_switch(struct fake *f, enum bg_color to)
{
	struct sw_request rq = {.kind = SW_KIND_SWITCH, .to = to, .by = "test", .reason = "why not"};

	return sw_run_start(f->sw, &rq);
}

struct fake_call *fake_pending(struct fake *f, const char *verb)
{
	for (size_t k = 0; k < f->n_call; k++)
		if (strcmp(f->call[k].verb, verb) == 0)
			return &f->call[k];
	return NULL;
}

static void turn(struct fake *f)
{
	bool never = false;

	bg_loop_run_until(f->loop, &never, 500);
}

struct fake_call *fake_await(struct fake *f, const char *verb)
{
	for (int n = 0; n < 6000; n++) {
		struct fake_call *c = fake_pending(f, verb);

		if (c)
			return c;
		if (strcmp(verb, "status") != 0 && fake_pending(f, "status"))
			fake_answer(f, "status", NULL);
		turn(f);
	}
	fail_msg("no %s was sent; state %s; so far: %s", verb, sw_state_name(f->sw->state), f->order.s);
	return NULL;
}

void fake_await_state(struct fake *f, enum sw_state s)
{
	for (int n = 0; n < 6000 && f->sw->state != s; n++) {
		if (fake_pending(f, "status"))
			fake_answer(f, "status", NULL);
		turn(f);
	}
	if (f->sw->state != s)
		fail_msg("state is %s, not %s; so far: %s", sw_state_name(f->sw->state), sw_state_name(s),
			 f->order.s);
}

void fake_settle(struct fake *f)
{
	for (int n = 0; n < 2000 && !sw_persist_idle(f->sw->persist); n++)
		turn(f);
}

/* What a well-behaved instance says. */
static void well(struct fake *f, const struct fake_call *c, struct sw_inst *i, struct fake_say *say)
{
	const char *v = c->verb;

	say->verdict = SW_V_DONE;
	say->epoch = strcmp(v, "status") == 0 ? i->epoch : c->order.epoch;
	say->was_active = i->state == SW_I_ACTIVE;
	if (strcmp(v, "pause") == 0 && i->state == SW_I_ACTIVE)
		for (size_t k = 0; k < i->n_part; k++)
			bg_offs_set(&say->offs, "orders", i->part[k].partition, 200 + i->part[k].partition,
				    f->sw->rec.snapshot_epoch);
	say->state = strcmp(v, "pause") == 0    ? SW_I_PAUSED
		     : strcmp(v, "resume") == 0 ? SW_I_ACTIVE
						: i->state;
}

void fake_answer(struct fake *f, const char *verb, void (*change)(struct sw_inst *i, struct fake_say *say))
{
	struct sw_reply reply[4];
	struct sw_fan_result res = {.reply = reply};
	struct fake_call *p = fake_await(f, verb), c = take_call((size_t)(p - f->call));

	memset(reply, 0, sizeof(reply));
	for (size_t k = 0; k < 4; k++) {
		struct sw_inst *i = &f->sw->inst[k];
		struct sw_reply *r = &reply[res.n];
		struct fake_say say = {0};

		if (!(c.order.colors & (1u << i->color)) || (c.order.only && c.order.only != i))
			continue;
		well(f, &c, i, &say);
		if (change)
			change(i, &say);
		*r = (struct sw_reply){
			.inst = i, .verdict = say.verdict, .epoch = say.epoch, .state = say.state};
		r->was_active = say.was_active;
		r->committed = true;
		r->offs = say.offs;
		r->sent_us = r->answered_us = bg_now_us();
		bg_strlcpy(r->incarnation, i->incarnation, sizeof(r->incarnation));
		if (say.verdict == SW_V_DONE) {
			i->epoch = say.epoch;
			i->state = say.state;
			if (f->takeover && strcmp(c.verb, "resume") == 0)
				give_parts(f, i);
		}
		if (say.verdict != SW_V_DONE && !res.err.msg[0])
			bg_err_set(&res.err, 0, "x", "%s: %s", i->name, say.err ? say.err : "no");
		res.n_done += say.verdict == SW_V_DONE;
		res.stale = res.stale || say.verdict == SW_V_STALE;
		res.refused = res.refused || say.verdict == SW_V_REFUSED || say.verdict == SW_V_OUT_OF_RANGE;
		res.epoch = BG_MAX(res.epoch, say.epoch);
		res.n++;
	}
	res.all_done = res.n_done == res.n;
	c.fn(c.arg, &res);
	for (size_t k = 0; k < res.n; k++)
		bg_offs_free(&reply[k].offs);
	bg_offs_free(&c.offs);
}

void fake_all_well(struct fake *f, enum sw_state until)
{
	for (int n = 0; n < 6000 && f->sw->state != until; n++) {
		if (f->n_call)
			fake_answer(f, f->call[0].verb, NULL);
		else
			turn(f);
	}
	if (f->sw->state != until)
		fail_msg("state is %s, not %s; so far: %s", sw_state_name(f->sw->state), sw_state_name(until),
			 f->order.s);
}

static struct fake_seat *find_seat(struct fake *f, const char *id)
{
	for (size_t k = f->n_seat; k-- > 0;)
		if (!f->seat[k].freed && strcmp(f->seat[k].id, id) == 0)
			return &f->seat[k];
	return NULL;
}

struct fake_seat *fake_seat(struct fake *f, const char *id)
{
	for (int n = 0; n < 6000 && !find_seat(f, id); n++)
		turn(f);
	if (!find_seat(f, id))
		fail_msg("%s was not taken; state %s; so far: %s", id, sw_state_name(f->sw->state),
			 f->order.s);
	return find_seat(f, id);
}

size_t fake_seats_held(const struct fake *f)
{
	size_t n = 0;

	for (size_t k = 0; k < f->n_seat; k++)
		n += !f->seat[k].freed;
	return n;
}

void fake_seat_joins(struct fake *f, const char *id, int from, int to)
{
	struct fake_seat *s = fake_seat(f, id);

	for (int p = from; p < to; p++)
		bg_offs_at(&s->assigned, "orders", p);
	s->fn(s->arg, SW_SEAT_JOINED, NULL);
}

void fake_seat_says(struct fake *f, const char *id, enum sw_seat_event ev)
{
	struct bg_err err = BG_ERR_INIT;

	for (int n = 0; n < 6000 && ev != SW_SEAT_REFUSED && !fake_seat(f, id)->commits; n++)
		turn(f);
	struct fake_seat *s = fake_seat(f, id);
	if (ev != SW_SEAT_REFUSED && !s->commits)
		fail_msg("nothing was committed under %s; so far: %s", id, f->order.s);
	s->commits = 0;
	bg_err_set(&err, 0, "FENCED_INSTANCE_ID", "the broker says no");
	s->fn(s->arg, ev, ev == SW_SEAT_ACKED ? NULL : &err);
}
