/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/start.h"

#include <stdarg.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "consumerd/choose.h"
#include "consumerd/commands.h"
#include "consumerd/commit.h"
#include "consumerd/dispatch.h"
#include "consumerd/source.h"

#define READ_DEADLINE_US 2000000

/* The committed offsets of both groups, read side by side. */
struct reading {
	struct con *c;
	uint64_t gen;
	int waiting;
	bool failed;
	struct bg_err err;
	struct bg_offs own, peer;
	void (*done)(struct reading *r);
};

static struct {
	uint64_t gen; /* of the start under way; others are void */
	bool under_way, adopt, checked;
	int64_t epoch;
	struct bg_offs own, peer;
	struct con_start_result refused;
	struct bg_timer *retry, *floor_retry;
	struct bg_backoff backoff, floor_backoff;
} m = {.backoff = {.min_us = 20000, .max_us = 1000000},
       .floor_backoff = {.min_us = 50000, .max_us = 2000000}};

static void read_one(struct reading *r, const struct bg_err *err, const struct bg_offs *offs,
		     struct bg_offs *into)
{
	if (err) {
		r->failed = true;
		r->err = *err;
	} else {
		bg_offs_copy(into, offs);
	}
	if (--r->waiting)
		return;
	r->done(r);
	bg_offs_free(&r->own);
	bg_offs_free(&r->peer);
	free(r);
}

static void read_own(void *arg, const struct bg_err *err, const struct bg_offs *offs)
{
	struct reading *r = arg;

	read_one(r, err, offs, &r->own);
}

static void read_peer(void *arg, const struct bg_err *err, const struct bg_offs *offs)
{
	struct reading *r = arg;

	read_one(r, err, offs, &r->peer);
}

static void read_commits(struct con *c, uint64_t gen, void (*done)(struct reading *r))
{
	struct reading *r = bg_xcalloc(1, sizeof *r);
	_cleanup_offs_ struct bg_offs parts = BG_OFFS_INIT;

	bg_offs_copy(&parts, &c->all);
	for (size_t i = 0; i < c->parts.n; i++)
		bg_offs_at(&parts, c->parts.v[i]->topic, c->parts.v[i]->partition);
	r->c = c;
	r->gen = gen;
	r->done = done;
	r->waiting = c->cfg.mode == CON_HANDOVER ? 2 : 1;
	if (r->waiting == 2)
		bg_aux_committed(c->aux, c->cfg.peer_group, &parts, READ_DEADLINE_US, read_peer, r);
	bg_aux_committed(c->aux, c->cfg.group, &parts, READ_DEADLINE_US, read_own, r);
}

static int64_t read_floor(const struct bg_offs *own, const struct bg_offs *peer)
{
	int64_t a = bg_offs_max_floor(own), b = bg_offs_max_floor(peer);

	return BG_MAX(a, b);
}

__attribute__((format(printf, 4, 5))) static void refuse(struct con *c, int status, const char *word,
							 const char *fmt, ...)
{
	va_list ap;

	m.refused.status = status;
	bg_strlcpy(m.refused.word, word, sizeof m.refused.word);
	va_start(ap, fmt);
	vsnprintf(m.refused.msg, sizeof m.refused.msg, fmt, ap);
	va_end(ap);
	m.under_way = false;
	m.gen++;
	con_error(c, word, "not started: %s", m.refused.msg);
	con_event(c, CON_EV_REFUSED, word);
	con_commands_refused(c);
}

/* Fetch already from where it will very probably start; what comes waits in pending. */
static void speculate(struct con *c)
{
	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];
		const struct bg_off *h = bg_offs_find(&c->handed, p->topic, p->partition);
		int64_t offset = p->position;

		if (!p->assigned || p->out_head)
			continue;
		if (h && bg_off_better(h->offset, h->epoch, p->position, p->epoch))
			offset = h->offset;
		con_part_drop_pending(&c->parts, p);
		if (offset < 0)
			continue;
		p->fetch_next = offset;
		con_source_unpause(c, p,
				   CON_WHY_LIFECYCLE | CON_WHY_NO_OFFSET | CON_WHY_FAULT | CON_WHY_RETRY);
	}
}

static void ranges_read(void *arg, const struct bg_err *err, const struct bg_offs *offs)
{
	struct reading *r = arg;
	struct con *c = r->c;

	if (r->gen == m.gen && m.under_way) {
		if (err) {
			bg_timer_start(m.retry, bg_backoff_next(&m.backoff));
		} else {
			con_ranges_set(c, offs);
			m.checked = true;
			con_start_check_moves(c);
		}
	}
	free(r);
}

static void read_ranges(struct con *c)
{
	struct reading *r = bg_xcalloc(1, sizeof *r);
	_cleanup_offs_ struct bg_offs held = BG_OFFS_INIT;

	for (size_t i = 0; i < c->parts.n; i++)
		if (c->parts.v[i]->assigned)
			bg_offs_at(&held, c->parts.v[i]->topic, c->parts.v[i]->partition);
	r->c = c;
	r->gen = m.gen;
	bg_aux_ranges(c->aux, &held, READ_DEADLINE_US, ranges_read, r);
}

/* Move one partition to its start. False: a record of it is still in the handler. */
static bool place(struct con *c, struct con_part *p, const struct con_choice *ch)
{
	if (ch->own)
		return true;
	if (p->out_head) {
		con_source_pause(c, p, CON_WHY_LIFECYCLE);
		con_part_drop_pending(&c->parts, p);
		return false;
	}
	if (p->fetch_next != ch->offset && (!p->pend_head || p->pend_head->offset < ch->offset)) {
		con_part_drop_pending(&c->parts, p);
		p->fetch_next = ch->offset;
		con_source_seek(c, p);
	} else if (p->pend_head && p->pend_head->offset > ch->offset && !m.adopt) {
		/* Fetched from too far: back to the choice. */
		con_part_drop_pending(&c->parts, p);
		p->fetch_next = ch->offset;
		con_source_seek(c, p);
	}
	return true;
}

/* Is every choice possible? 0, or the refusal was made (-1), or ranges must be read first (1). */
static int check_choices(struct con *c)
{
	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];
		struct con_choice ch;

		if (!p->assigned || p->revoking)
			continue;
		ch = con_choose(c, p, m.epoch, &m.own, m.adopt);
		if (ch.verdict == CON_CHOICE_RANGES && !m.checked)
			return 1;
		if (ch.verdict == CON_CHOICE_OK)
			continue;
		if (ch.verdict == CON_CHOICE_NONE) {
			refuse(c, 409, "offsets_required",
			       "%s [%d]: no offset was given, and its commit is not of epoch %lld", p->topic,
			       p->partition, (long long)m.epoch);
			return -1;
		}
		bg_strlcpy(m.refused.topic, p->topic, sizeof m.refused.topic);
		m.refused.partition = p->partition;
		m.refused.low = ch.low;
		m.refused.high = ch.high;
		refuse(c, 422, "offset_out_of_range",
		       "%s [%d]: offset %lld is not in the log, which has %lld to %lld", p->topic,
		       p->partition, (long long)ch.offset, (long long)ch.low, (long long)ch.high);
		return -1;
	}
	return 0;
}

void con_start_check_moves(struct con *c)
{
	bool wait = false;
	int rc;

	if (!m.under_way || !m.own.n)
		return;
	rc = check_choices(c);
	if (rc > 0)
		read_ranges(c);
	if (rc)
		return;
	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];
		struct con_choice ch;

		if (!p->assigned || p->revoking)
			continue;
		ch = con_choose(c, p, m.epoch, &m.own, m.adopt);
		if (!place(c, p, &ch))
			wait = true;
	}
	if (wait)
		return;
	if (m.adopt)
		con_start_go(c);
	else
		con_event(c, CON_EV_STARTED, "positions are settled");
}

static void begin_read(struct reading *r)
{
	struct con *c = r->c;
	int64_t floor;

	if (r->gen != m.gen || !m.under_way)
		return;
	if (r->failed) {
		con_error(c, r->err.code, "cannot read the commits before the start: %s", r->err.msg);
		bg_timer_start(m.retry, bg_backoff_next(&m.backoff));
		return;
	}
	floor = read_floor(&r->own, &r->peer);
	if (floor > m.epoch && c->cfg.mode == CON_HANDOVER) {
		/* Rule 3: somebody was made active after this command was given. */
		c->ep.floor = BG_MAX(c->ep.floor, floor);
		refuse(c, 409, "stale_epoch", "the commits know of epoch %lld, the command is of %lld",
		       (long long)floor, (long long)m.epoch);
		return;
	}
	bg_offs_copy(&m.own, &r->own);
	con_start_check_moves(c);
}

static void begin(struct con *c)
{
	m.gen++;
	m.under_way = true;
	m.checked = false;
	m.epoch = c->ep.epoch;
	memset(&m.refused, 0, sizeof m.refused);
	bg_offs_free(&m.own);
	bg_timer_stop(m.retry);
	con_source_join(c);
	if (!con_source_joined(c))
		return; /* con_start_assigned goes on */
	if (!m.adopt)
		speculate(c);
	read_commits(c, m.gen, begin_read);
}

static void retry_begin(void *arg)
{
	if (m.under_way)
		begin(arg);
}

void con_start_begin(struct con *c)
{
	if (!m.retry)
		m.retry = bg_timer_new(c->loop, retry_begin, c);
	m.adopt = false;
	begin(c);
}

void con_start_adopt(struct con *c)
{
	if (!m.retry)
		m.retry = bg_timer_new(c->loop, retry_begin, c);
	m.adopt = true;
	begin(c);
}

void con_start_again(struct con *c)
{
	if (m.under_way)
		begin(c);
}

static void start_committed(void *arg, rd_kafka_resp_err_t err)
{
	con_commands_started(arg, err);
}

static void start_part(struct con *c, struct con_part *p, const struct con_choice *ch, int64_t epoch)
{
	if (p->out_head || ch->own)
		p->epoch = epoch;
	else
		con_part_confirm(p, ch->offset, epoch);
	if (!p->pend_head && !p->out_head)
		p->fetch_next = p->position;
	p->started = true;
	p->failed = false;
	p->told_first = false;
	p->first_us = p->last_us = 0;
	if (p->kpaused)
		con_source_unpause(c, p, CON_WHY_LIFECYCLE | CON_WHY_NO_OFFSET | CON_WHY_FAULT);
}

void con_start_go(struct con *c)
{
	m.under_way = false;
	c->work_epoch = m.epoch;
	c->local_pause = false;
	c->cause[0] = '\0';
	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];
		struct con_choice ch;

		if (!p->assigned || p->revoking)
			continue;
		ch = con_choose(c, p, m.epoch, &m.own, m.adopt);
		start_part(c, p, &ch, m.epoch);
	}
	/* The broker learns the epoch at once; records do not wait for its answer. */
	con_commit_request(c, true, start_committed, c);
	con_changed(c);
	con_dispatch_all(c);
}

void con_start_cancel(struct con *c)
{
	m.under_way = false;
	m.gen++;
	con_source_pause_all(c, CON_WHY_LIFECYCLE);
	for (size_t i = 0; i < c->parts.n; i++)
		if (c->parts.v[i]->assigned)
			con_part_drop_pending(&c->parts, c->parts.v[i]);
}

bool con_start_under_way(const struct con *c)
{
	(void)c;
	return m.under_way;
}

const struct con_start_result *con_start_refused(const struct con *c)
{
	(void)c;
	return &m.refused;
}

/* Start the partitions that an instance at work was given since. */
static void start_late(struct con *c, const struct bg_offs *own)
{
	bool any = false;

	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];
		struct con_choice ch;

		if (!p->assigned || p->started || p->revoking)
			continue;
		ch = con_choose(c, p, c->work_epoch, own, false);
		if (ch.verdict != CON_CHOICE_OK) {
			if (!(p->why & CON_WHY_NO_OFFSET))
				con_error(c, "offset_needed",
					  "%s [%d] was given to us, and nothing says where it starts",
					  p->topic, p->partition);
			con_source_pause(c, p, CON_WHY_NO_OFFSET);
			continue;
		}
		con_part_drop_pending(&c->parts, p);
		p->fetch_next = ch.offset;
		start_part(c, p, &ch, c->work_epoch);
		any = true;
	}
	if (any)
		con_commit_request(c, false, NULL, NULL);
	con_changed(c);
	con_dispatch_all(c);
}

static void relearn(void *arg);

static void learned(struct reading *r)
{
	struct con *c = r->c;
	int64_t floor;

	if (r->failed) {
		con_error(c, r->err.code, "cannot read the commits of new partitions: %s", r->err.msg);
		if (!bg_timer_pending(m.floor_retry))
			bg_timer_start(m.floor_retry, bg_backoff_next(&m.floor_backoff));
		return;
	}
	bg_backoff_reset(&m.floor_backoff);
	for (size_t i = 0; i < r->own.n; i++) {
		const struct bg_off *o = &r->own.v[i];
		struct con_part *p = con_part_find(&c->parts, o->topic, o->partition);

		if (!p || !p->assigned || o->offset < 0 || (p->started && con_working(c)))
			continue;
		p->committed = o->offset;
		p->committed_epoch = o->epoch;
		con_part_learn(p, o->offset, o->epoch);
	}
	floor = read_floor(&r->own, &r->peer);
	if (c->cfg.mode == CON_HANDOVER && c->state == CON_ACTIVE && floor > c->work_epoch &&
	    floor > c->ep.epoch) {
		c->ep.floor = BG_MAX(c->ep.floor, floor);
		con_error(c, "stale_epoch", "the commits know of epoch %lld, we work at %lld",
			  (long long)floor, (long long)c->work_epoch);
		con_event(c, CON_EV_REFUSED, "rule 3");
		return;
	}
	if (c->state == CON_ACTIVE && !m.under_way)
		start_late(c, &r->own);
}

static void floor_read(struct reading *r)
{
	struct con *c = r->c;

	if (c->ep.floor_known)
		return;
	if (r->failed) {
		con_error(c, r->err.code, "cannot read the epoch from the commits: %s", r->err.msg);
		bg_timer_start(m.floor_retry, bg_backoff_next(&m.floor_backoff));
		return;
	}
	c->ep.floor = BG_MAX(c->ep.floor, read_floor(&r->own, &r->peer));
	c->ep.floor_known = true;
	bg_log(BG_INFO, "floor", "the highest epoch in the commits is %lld", (long long)c->ep.floor);
	con_connected(c);
}

static void relearn(void *arg)
{
	struct con *c = arg;

	read_commits(c, 0, c->ep.floor_known ? learned : floor_read);
}

void con_start_assigned(struct con *c)
{
	if (!m.floor_retry)
		m.floor_retry = bg_timer_new(c->loop, relearn, c);
	if (m.under_way)
		begin(c);
	else
		read_commits(c, 0, learned);
}

void con_start_read_floor(struct con *c)
{
	if (!m.floor_retry)
		m.floor_retry = bg_timer_new(c->loop, relearn, c);
	read_commits(c, 0, floor_read);
}

void con_start_free(struct con *c)
{
	(void)c;
	bg_timer_free(m.retry);
	bg_timer_free(m.floor_retry);
	m.retry = m.floor_retry = NULL;
	bg_offs_free(&m.own);
	bg_offs_free(&m.peer);
}
