/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/fence.h"

#include <errno.h>
#include <string.h>

#include "common/failpoint.h"
#include "common/json.h"
#include "common/log.h"
#include "switchd/ask.h"

#define HEARTBEAT_US INT64_C(3000000) /* of one that has not said its own: librdkafka's default */
#define MARGIN_US    INT64_C(500000)

struct seat { /* one static id */
	struct sw_fence *f;
	const struct sw_inst *inst;
	char *id;
	void *h;                    /* of the ops; NULL: to be made (again) */
	bool joined, asked, proved; /* asked: its commit is on its way */
	int64_t joined_us, proved_us;
	int refused;
};

enum phase { IDLE, JOINING, GRACE, READING, PROVING, LATER, ENDING, OVER };

struct sw_fence {
	struct sw_fence_ask ask;
	sw_fence_fn fn;
	void *arg;
	enum phase phase;
	struct seat seat[SW_FENCE_IDS_MAX];
	size_t n;
	struct bg_offs committed;
	struct bg_timer *timer, *deadline;
	struct bg_backoff backoff;
	int64_t grace_us, started_us, until_us, over_us;
	int rounds;
	bool graced;        /* the grace has passed since the last one joined */
	struct bg_err last; /* what went wrong last */
	struct bg_err why;  /* ENDING: "" it is fenced */
	int64_t seen_epoch;
};

int64_t sw_fence_grace_us(const struct sw_switch *sw)
{
	int64_t us = 0;

	if (sw->cfg->fence_grace_us >= 0)
		return sw->cfg->fence_grace_us;
	for (size_t k = 0; k < sw->n_inst; k++)
		us = BG_MAX(us, sw->inst[k].member.heartbeat_us);
	return (us ? us : HEARTBEAT_US) + MARGIN_US;
}

/* The end, told in the loop's next turn: who is told may free us. The handles are kept. */
static void end(struct sw_fence *f, const struct bg_err *err)
{
	sw_fence_hold(f);
	f->over_us = bg_now_us();
	f->phase = ENDING;
	f->why = err ? *err : (struct bg_err)BG_ERR_INIT;
	bg_timer_start(f->timer, 0);
}

static void on_deadline(void *arg)
{
	struct sw_fence *f = arg;
	struct bg_err e = BG_ERR_INIT;
	size_t k = 0;

	while (k + 1 < f->n && f->seat[k].proved)
		k++;
	bg_err_set(&e, -ETIMEDOUT, "not_fenced",
		   "%.100s does not answer, and its static id %.100s could not be %s in time%s%.200s",
		   sw_inst_label(f->seat[k].inst), f->seat[k].id,
		   f->seat[k].joined ? "proved to be ours" : "taken", f->last.msg[0] ? ": " : "",
		   f->last.msg);
	end(f, &e);
}

static void join_all(struct sw_fence *f);
static void read_commits(struct sw_fence *f);

static void on_timer(void *arg)
{
	struct sw_fence *f = arg;

	if (f->phase == ENDING) {
		f->phase = OVER;
		f->fn(f->arg, f->why.msg[0] ? &f->why : NULL);
		return;
	}
	if (f->phase == LATER)
		join_all(f);
	else if (f->phase == GRACE)
		read_commits(f);
}

/* What was refused or not answered is tried once more, from the join on. */
static void later(struct sw_fence *f, const struct bg_err *why)
{
	if (why)
		f->last = *why;
	sw_ask_cancel(f->ask.sw, f);
	f->phase = LATER;
	bg_timer_start(f->timer, bg_backoff_next(&f->backoff));
}

/* ---- the proof */

static bool held_by_us(const struct sw_fence *f, const struct bg_off *o)
{
	for (size_t k = 0; k < f->n; k++) {
		_cleanup_offs_ struct bg_offs a = BG_OFFS_INIT;

		if (!f->seat[k].h || !f->seat[k].joined)
			continue;
		f->ask.sw->dm->fence->assignment(f->seat[k].h, &a);
		if (bg_offs_find(&a, o->topic, o->partition))
			return true;
	}
	return false;
}

/* Whoever has answered may have a commit on its way that is better than what was read: it must not be undone. */
static bool may_move(const struct sw_fence *f, const struct bg_off *o)
{
	const struct bg_off *a = bg_offs_find(f->ask.answered, o->topic, o->partition);

	return a && bg_off_better(a->offset, a->epoch, o->offset, o->epoch);
}

static void restate(const struct sw_fence *f, const struct bg_off *o, struct bg_offs *ret)
{
	struct bg_off *n = bg_offs_at(ret, o->topic, o->partition);

	n->offset = o->offset;
	n->epoch = o->epoch;
	n->floor = BG_MAX(o->floor, f->ask.epoch);
	n->mirrored = o->mirrored;
	bg_strlcpy(n->color, o->color, sizeof(n->color));
}

/*
 * What a seat commits: the commits of its assignment, as they are. One that is assigned nothing (more members than
 * partitions, or nothing was ever committed there) has to prove itself too, for the one that is silent may have had
 * it otherwise: it re-states any commit of the group, which a member may do whoever holds the partition (facts 4).
 * Best one of a partition that is ours as well, for nobody else can commit that; else one that nobody moves any more.
 */
static void which_commit(const struct sw_fence *f, const struct seat *s, struct bg_offs *ret)
{
	_cleanup_offs_ struct bg_offs mine = BG_OFFS_INIT;
	const struct bg_off *any = NULL;
	bool ours = false;

	f->ask.sw->dm->fence->assignment(s->h, &mine);
	for (size_t i = 0; i < f->committed.n; i++) {
		const struct bg_off *o = &f->committed.v[i];

		if (o->offset < 0)
			continue;
		if (bg_offs_find(&mine, o->topic, o->partition)) {
			restate(f, o, ret);
		} else if (!ours && !may_move(f, o)) {
			ours = held_by_us(f, o);
			any = ours || !any ? o : any;
		}
	}
	if (!ret->n && any)
		restate(f, any, ret);
}

static void on_commits(void *arg, const struct bg_err *err, const struct bg_offs *offs)
{
	struct sw_fence *f = arg;
	struct bg_err e = BG_ERR_INIT;
	int64_t seen;

	if (err) {
		later(f, err);
		return;
	}
	seen = bg_offs_max_floor(offs);
	if (seen > f->ask.epoch) {
		f->seen_epoch = seen;
		bg_err_set(&e, 0, "stale_epoch", "a commit carries epoch %lld", (long long)seen);
		end(f, &e);
		return;
	}
	bg_offs_free(&f->committed);
	bg_offs_copy(&f->committed, offs);
	BG_FAILPOINT("switch.fence.commit");
	f->phase = PROVING;
	for (size_t k = 0; k < f->n; k++) {
		struct seat *s = &f->seat[k];
		_cleanup_offs_ struct bg_offs c = BG_OFFS_INIT;

		if (s->proved)
			continue;
		which_commit(f, s, &c);
		if (!c.n) {
			bg_err_set(&e, 0, "not_fenced",
				   "the group %.100s has no commit that could be re-stated as a proof",
				   f->ask.sw->cfg->group[BG_BLUE]);
			later(f, &e);
			return;
		}
		s->asked = true;
		f->ask.sw->dm->fence->commit(s->h, &c);
	}
}

static void read_commits(struct sw_fence *f)
{
	f->phase = READING;
	f->graced = true;
	BG_FAILPOINT("switch.fence.grace");
	sw_ask_committed(f->ask.sw, f, f->ask.sw->cfg->group[BG_BLUE], f->ask.topics,
			 BG_MAX(f->until_us - bg_now_us(), 1000), on_commits, f);
}

/* ---- joining */

static void all_joined(struct sw_fence *f)
{
	for (size_t k = 0; k < f->n; k++)
		if (!f->seat[k].joined)
			return;
	BG_FAILPOINT("switch.fence.joined");
	f->phase = GRACE;
	bg_timer_start(f->timer, f->graced ? 0 : f->grace_us);
}

static bool asked(const struct sw_fence *f)
{
	for (size_t k = 0; k < f->n; k++)
		if (f->seat[k].asked)
			return true;
	return false;
}

static void all_proved(struct sw_fence *f)
{
	for (size_t k = 0; k < f->n; k++)
		if (!f->seat[k].proved)
			return;
	end(f, NULL);
}

static void lost(struct seat *s, const struct bg_err *err)
{
	struct sw_fence *f = s->f;

	bg_log_sw(BG_WARN, f->ask.sw->cfg->name, "not_fenced",
		  "the static id %s of %s was taken back, or is refused to us: %s", s->id,
		  sw_inst_label(s->inst), err ? err->msg : "");
	f->ask.sw->dm->fence->free(s->h);
	s->h = NULL;
	s->joined = f->graced = false;
	s->refused++;
	if (err)
		f->last = *err;
}

static void on_seat(void *arg, enum sw_seat_event ev, const struct bg_err *err)
{
	struct seat *s = arg;
	struct sw_fence *f = s->f;

	/* What is proved stays so: whoever takes the id next reads f=e first (rule 3). */
	if (f->phase >= ENDING || s->proved)
		return;
	switch (ev) {
	case SW_SEAT_JOINED:
		if (!s->joined) {
			s->joined = true;
			s->joined_us = bg_now_us();
			bg_log_sw(BG_NOTICE, f->ask.sw->cfg->name, "fencing",
				  "%s does not answer: its static id %s is taken", sw_inst_label(s->inst),
				  s->id);
		}
		if (f->phase == JOINING)
			all_joined(f);
		return;
	case SW_SEAT_ACKED:
		s->asked = false;
		s->proved = true;
		s->proved_us = bg_now_us();
		bg_log_sw(BG_NOTICE, f->ask.sw->cfg->name, "fenced", "%s is fenced: static id %s",
			  sw_inst_label(s->inst), s->id);
		break;
	case SW_SEAT_AGAIN:
		if (err)
			f->last = *err;
		if (!s->asked)
			return; /* it goes on by itself */
		s->asked = false;
		break;
	case SW_SEAT_REFUSED:
		s->asked = false;
		lost(s, err);
		break;
	}
	if (f->phase == PROVING && asked(f))
		return; /* the others' answers are on their way */
	all_proved(f);
	if (f->phase < LATER)
		later(f, NULL);
}

static void join_all(struct sw_fence *f)
{
	const struct sw_fence_ops *ops = f->ask.sw->dm->fence;
	struct bg_err e = BG_ERR_INIT;

	f->rounds++;
	f->phase = JOINING;
	for (size_t k = 0; k < f->n; k++) {
		struct seat *s = &f->seat[k];
		struct sw_seat_spec spec = {f->ask.sw->cfg->group[BG_BLUE], s->id, &s->inst->member.topics,
					    s->inst->member.session_us};

		if (s->h)
			continue;
		s->h = ops->join(f->ask.sw, &spec, on_seat, s, &e);
		if (s->h)
			continue;
		later(f, &e);
		return;
	}
	all_joined(f);
}

/* ---- the interface */

struct sw_fence *sw_fence_new(const struct sw_fence_ask *ask, sw_fence_fn fn, void *arg)
{
	struct sw_fence *f = bg_xcalloc(1, sizeof(*f));

	f->ask = *ask;
	f->fn = fn;
	f->arg = arg;
	f->timer = bg_timer_new(ask->sw->dm->loop, on_timer, f);
	f->deadline = bg_timer_new(ask->sw->dm->loop, on_deadline, f);
	f->backoff = (struct bg_backoff){50000, 1000000, 0};
	return f;
}

bool sw_fence_add(struct sw_fence *f, const struct sw_inst *i, struct bg_err *err)
{
	const struct sw_set *ids = &i->member.ids;

	if (!ids->n || !i->member.topics.n) {
		bg_err_set(err, 0, "not_fenced",
			   "%s does not answer, and cannot be fenced: it has never said its static ids",
			   sw_inst_label(i));
		return false;
	}
	if (f->n + ids->n > SW_FENCE_IDS_MAX) {
		bg_err_set(err, 0, "not_fenced",
			   "%s does not answer, and cannot be fenced: more than %d static ids",
			   sw_inst_label(i), SW_FENCE_IDS_MAX);
		return false;
	}
	for (size_t k = 0; k < ids->n; k++)
		f->seat[f->n++] = (struct seat){.f = f, .inst = i, .id = bg_xstrdup(ids->v[k])};
	return true;
}

void sw_fence_start(struct sw_fence *f)
{
	f->started_us = bg_now_us();
	f->until_us = f->started_us + f->ask.deadline_us;
	f->grace_us = sw_fence_grace_us(f->ask.sw);
	if (!f->grace_us)
		bg_log_sw(
			BG_WARN, f->ask.sw->cfg->name, "fencing",
			"fence-grace is 0: whoever is fenced may hand out records until its next heartbeat, and they are repeated; that is the price of a shorter gap");
	bg_timer_start(f->deadline, f->ask.deadline_us);
	f->phase = LATER; /* from the next turn on: callbacks come later */
	bg_timer_start(f->timer, 0);
}

void sw_fence_hold(struct sw_fence *f)
{
	if (!f)
		return;
	sw_ask_cancel(f->ask.sw, f);
	bg_timer_stop(f->timer);
	bg_timer_stop(f->deadline);
	f->phase = OVER;
}

void sw_fence_free(struct sw_fence *f)
{
	if (!f)
		return;
	sw_fence_hold(f);
	for (size_t k = 0; k < f->n; k++) {
		if (f->seat[k].h)
			f->ask.sw->dm->fence->free(f->seat[k].h);
		free(f->seat[k].id);
	}
	bg_offs_free(&f->committed);
	bg_timer_free(f->timer);
	bg_timer_free(f->deadline);
	free(f);
}

int64_t sw_fence_seen_epoch(const struct sw_fence *f)
{
	return f->seen_epoch;
}

struct json_object *sw_fence_report(const struct sw_fence *f)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	bg_json_add_int(o, "grace_ms", f->grace_us / 1000);
	bg_json_add_int(o, "us", (f->over_us ? f->over_us : bg_now_us()) - f->started_us);
	bg_json_add_int(o, "rounds", f->rounds);
	for (size_t k = 0; k < f->n; k++) {
		const struct seat *s = &f->seat[k];
		struct json_object *row = json_object_new_object();

		bg_json_add_str(row, "instance", sw_inst_label(s->inst));
		bg_json_add_str(row, "color", bg_color_name(s->inst->color));
		bg_json_add_str(row, "static_id", s->id);
		bg_json_add(row, "joined_us",
			    s->joined_us ? json_object_new_int64(s->joined_us - f->started_us) : NULL);
		bg_json_add(row, "proved_us",
			    s->proved_us ? json_object_new_int64(s->proved_us - f->started_us) : NULL);
		bg_json_add_int(row, "refused", s->refused);
		json_object_array_add(list, row);
	}
	bg_json_add(o, "ids", list);
	return o;
}
