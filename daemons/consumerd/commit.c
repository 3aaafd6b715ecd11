/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/commit.h"

#include <string.h>

#include "common/epoch.h"
#include "common/log.h"
#include "common/mem.h"
#include "consumerd/commands.h"
#include "consumerd/con_stop.h"
#include "consumerd/ledger.h"
#include "consumerd/source_int.h"

#define MAX_WAITERS    64
#define REJOIN_LOOK_US 20000 /* is the group joined anew? */

struct waiter {
	con_commit_fn fn;
	void *arg;
	bool force;
};

struct con_commits {
	struct con *c;
	struct con_seat *seat;
	rd_kafka_t *rk; /* NULL: detached */
	rd_kafka_queue_t *queue;
	struct bg_kq *kq;
	struct bg_timer *retry;
	struct bg_backoff backoff;
	bool outstanding;
	bool again; /* asked for while one was outstanding */
	int64_t sent_us, last_us;
	int64_t waiting_us; /* the first that is not acknowledged was sent then; 0: none is */
	struct waiter now[MAX_WAITERS], next[MAX_WAITERS];
	size_t nnow, nnext;
	struct bg_offs sent;
	struct bg_offs carried; /* of the same commit, what is mirrored from the other colour */
	bool mirror;            /* nothing but that: not to be repeated */
	int64_t sent_floor;     /* the f of `sent`, when it has every started partition; else 0 */
	int64_t proved_floor;   /* the f that every started partition's commit carries at the broker */
};

static void send_commit(struct con_commits *m);

static void serve(void *arg)
{
	struct con_commits *m = arg;

	if (m->queue)
		rd_kafka_queue_poll_callback(m->queue, 0);
}

static void retry_now(void *arg)
{
	struct con_commits *m = arg;

	if (!m->outstanding && m->rk)
		send_commit(m);
}

struct con_commits *con_commit_new(struct con_seat *s)
{
	struct con_commits *m = bg_xcalloc(1, sizeof *m);

	m->c = s->c;
	m->seat = s;
	return m;
}

void con_commit_free(struct con_commits *m)
{
	free(m);
}

void con_commit_attach(struct con_commits *m, rd_kafka_t *rk)
{
	m->rk = rk;
	m->queue = rd_kafka_queue_new(rk);
	m->kq = bg_kq_new(m->c->loop, m->queue, serve, m);
	m->backoff = (struct bg_backoff){.min_us = 20000, .max_us = 2000000};
	m->retry = bg_timer_new(m->c->loop, retry_now, m);
}

/* Call all of a list that is emptied first: a callback may ask for the next commit. */
static void answer(struct waiter *w, size_t *n, rd_kafka_resp_err_t err)
{
	struct waiter copy[MAX_WAITERS];
	size_t count = *n;

	memcpy(copy, w, count * sizeof *w);
	*n = 0;
	for (size_t i = 0; i < count; i++)
		if (copy[i].fn)
			copy[i].fn(copy[i].arg, err);
}

void con_commit_detach(struct con_commits *m)
{
	bg_timer_free(m->retry);
	m->retry = NULL;
	bg_kq_free(m->kq);
	if (m->queue)
		rd_kafka_queue_destroy(m->queue);
	m->kq = NULL;
	m->queue = NULL;
	m->rk = NULL;
	m->outstanding = m->again = m->mirror = false;
	m->waiting_us = 0;
	bg_offs_free(&m->sent);
	bg_offs_free(&m->carried);
	answer(m->now, &m->nnow, RD_KAFKA_RESP_ERR__DESTROY);
	answer(m->next, &m->nnext, RD_KAFKA_RESP_ERR__DESTROY);
}

bool con_commit_dirty(const struct con *c)
{
	for (size_t i = 0; i < c->parts.n; i++)
		if (con_part_wants_commit(c->parts.v[i]))
			return true;
	return false;
}

static bool seat_dirty(const struct con_commits *m)
{
	for (size_t i = 0; i < m->c->parts.n; i++)
		if (m->c->parts.v[i]->seat == m->seat && con_part_wants_commit(m->c->parts.v[i]))
			return true;
	return false;
}

bool con_commit_proof_pending(const struct con *c)
{
	if (con_commit_dirty(c))
		return true;
	if (c->cfg.mode == CON_PLAIN || c->ep.side == CON_SIDE_ACTIVE)
		return false;
	for (size_t i = 0; i < c->parts.n; i++) {
		const struct con_part *p = c->parts.v[i];

		if (p->assigned && p->started && p->acked >= 0 &&
		    p->seat->commits->proved_floor < c->ep.epoch)
			return true;
	}
	return false;
}

int64_t con_commit_last_us(const struct con *c)
{
	int64_t last = 0;

	for (size_t i = 0; c->source && i < c->source->n; i++)
		last = BG_MAX(last, c->source->seats[i].commits->last_us);
	return last;
}

int64_t con_commit_waiting_us(const struct con *c)
{
	int64_t now = bg_now_us(), longest = 0;

	for (size_t i = 0; c->source && i < c->source->n; i++) {
		int64_t since = c->source->seats[i].commits->waiting_us;

		if (since)
			longest = BG_MAX(longest, now - since);
	}
	return longest;
}

static bool retriable(rd_kafka_resp_err_t err)
{
	switch (err) {
	case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
	case RD_KAFKA_RESP_ERR__FATAL:
	case RD_KAFKA_RESP_ERR__DESTROY:
	case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE:
		return false;
	default:
		return true;
	}
}

/* The commit of `sent` was acknowledged. */
static void note_committed(struct con_commits *m)
{
	struct con *c = m->c;

	m->proved_floor = BG_MAX(m->proved_floor, m->sent_floor);
	for (size_t i = 0; i < m->sent.n; i++) {
		const struct bg_off *o = &m->sent.v[i];
		struct con_part *p = con_part_find(&c->parts, o->topic, o->partition);

		if (p) {
			p->committed = o->offset;
			p->committed_epoch = o->epoch;
			p->mirrored = -1; /* it was written over */
		}
	}
	for (size_t i = 0; i < m->carried.n; i++) {
		const struct bg_off *o = &m->carried.v[i];
		struct con_part *p = con_part_find(&c->parts, o->topic, o->partition);

		if (p && p->assigned)
			con_part_set_mirrored(p, o->offset, o->epoch, o->color);
	}
}

static rd_kafka_resp_err_t first_error(rd_kafka_resp_err_t err, const rd_kafka_topic_partition_list_t *l)
{
	for (int i = 0; !err && l && i < l->cnt; i++)
		err = l->elems[i].err;
	return err;
}

/* What waited for the mirror goes now, whatever came of it. */
static void end_mirror(struct con_commits *m, rd_kafka_resp_err_t err)
{
	m->mirror = false;
	if (!err)
		note_committed(m);
	else if (err == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID)
		con_seat_fenced(m->seat, "identity_in_use");
	answer(m->now, &m->nnow, err);
	if (err != RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID && m->rk && !m->outstanding && (m->again || m->nnext))
		send_commit(m);
}

static void on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *l,
		      void *opaque)
{
	struct con_commits *m = opaque;
	struct con *c = m->c;

	if (rk != m->rk || !m->outstanding)
		return;
	m->outstanding = false;
	err = first_error(err, l);
	if (m->mirror) {
		end_mirror(m, err);
		return;
	}
	m->last_us = bg_now_us() - m->sent_us;
	if (!err) {
		note_committed(m);
		con_ledger_offsets(c, "commit_ok", &m->sent, NULL);
		bg_backoff_reset(&m->backoff);
		m->waiting_us = 0;
		c->connected = true;
		answer(m->now, &m->nnow, err);
	} else {
		con_ledger_offsets(c, "commit_refused", &m->sent, rd_kafka_err2name(err));
		/* Of a paused member in takeover: whoever was resumed has our id by now. The offsets are handed over. */
		if (err == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID && con_seat_loses_quietly(m->seat))
			bg_log(BG_INFO, "commit", "%s was taken over before its last commit",
			       m->seat->static_id);
		else
			con_error(c, "commit", "commit failed: %s", rd_kafka_err2str(err));
		if (err == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) {
			con_seat_fenced(m->seat, "identity_in_use");
			answer(m->now, &m->nnow, err);
			return;
		}
		if (retriable(err)) {
			/* The waiters go on waiting: who has a deadline has a timer of its own. */
			bg_timer_start(m->retry, bg_backoff_next(&m->backoff));
			return;
		}
		/* Not to be tried at once again by whoever still wants it. */
		bg_timer_start(m->retry, bg_backoff_next(&m->backoff));
		answer(m->now, &m->nnow, err);
	}
	if (m->rk && !m->outstanding && (m->again || m->nnext) && !bg_timer_pending(m->retry))
		send_commit(m);
	con_commands_committed(c);
	con_stop_check(c);
}

static void add(rd_kafka_topic_partition_list_t *l, struct con *c, const struct bg_off *o)
{
	struct bg_meta meta = {
		.epoch = o->epoch, .floor = con_epochs_highest(&c->ep), .mirrored = o->mirrored};
	rd_kafka_topic_partition_t *tp = rd_kafka_topic_partition_list_add(l, o->topic, o->partition);
	char text[BG_META_MAX];

	tp->offset = o->offset;
	if (c->cfg.mode == CON_PLAIN)
		return;
	meta.floor = BG_MAX(BG_MAX(meta.floor, o->floor), meta.epoch);
	bg_strlcpy(meta.color, o->color, sizeof meta.color);
	tp->metadata_size = (size_t)bg_meta_format(text, &meta);
	tp->metadata = bg_xstrndup(text, tp->metadata_size);
}

/* Everything that is acknowledged and not committed; with `force` every position, or the mirrored one that leads it. */
static rd_kafka_topic_partition_list_t *build(struct con_commits *m, bool force)
{
	struct con *c = m->c;
	rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(8);

	bg_offs_free(&m->sent);
	bg_offs_free(&m->carried);
	m->sent_floor = force ? con_epochs_highest(&c->ep) : 0;
	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];
		struct bg_off *o;

		if (p->seat != m->seat)
			continue;
		if (!con_part_wants_commit(p) && !(force && p->assigned && p->started && p->acked >= 0))
			continue;
		o = bg_offs_at(con_part_mirror_leads(p) ? &m->carried : &m->sent, p->topic, p->partition);
		o->offset = p->acked;
		o->epoch = p->epoch;
		bg_strlcpy(o->color, bg_color_name(c->cfg.color), sizeof o->color);
		if (con_part_mirror_leads(p)) {
			/* The group's mark never falls; only f is told. */
			o->offset = p->mirrored;
			o->epoch = p->mirrored_epoch;
			o->mirrored = true;
			bg_strlcpy(o->color, p->mirrored_color, sizeof o->color);
		}
		add(l, c, o);
	}
	return l;
}

static void send_commit(struct con_commits *m)
{
	struct con *c = m->c;
	bool force = false;
	size_t taken = 0;
	rd_kafka_topic_partition_list_t *l;
	rd_kafka_resp_err_t err;

	if (con_seat_rejoining(m->seat)) {
		m->again = true;
		bg_timer_start(m->retry, REJOIN_LOOK_US);
		return;
	}
	/* Those that waited for the next one wait for this one now. */
	while (taken < m->nnext && m->nnow < MAX_WAITERS)
		m->now[m->nnow++] = m->next[taken++];
	m->nnext -= taken;
	memmove(m->next, m->next + taken, m->nnext * sizeof m->next[0]);
	m->again = false;
	for (size_t i = 0; i < m->nnow; i++)
		force |= m->now[i].force;
	l = build(m, force);
	if (!l->cnt) {
		rd_kafka_topic_partition_list_destroy(l);
		m->waiting_us = 0;
		answer(m->now, &m->nnow, RD_KAFKA_RESP_ERR_NO_ERROR);
		return;
	}
	m->outstanding = true;
	m->sent_us = bg_now_us();
	if (!m->waiting_us)
		m->waiting_us = m->sent_us;
	con_ledger_offsets(c, "commit", &m->sent, NULL);
	err = rd_kafka_commit_queue(m->rk, l, m->queue, on_commit, m);
	rd_kafka_topic_partition_list_destroy(l);
	if (err) {
		m->outstanding = false;
		con_error(c, "commit", "cannot commit: %s", rd_kafka_err2str(err));
		bg_timer_start(m->retry, bg_backoff_next(&m->backoff));
	}
}

void con_commit_seat(struct con_commits *m, bool force, con_commit_fn fn, void *arg)
{
	struct waiter w = {.fn = fn, .arg = arg, .force = force};

	if (!m->rk) {
		if (fn)
			fn(arg, RD_KAFKA_RESP_ERR__DESTROY);
		return;
	}
	if (m->outstanding || bg_timer_pending(m->retry)) {
		if (m->nnext == MAX_WAITERS) {
			if (fn)
				fn(arg, RD_KAFKA_RESP_ERR__QUEUE_FULL);
			return;
		}
		if (fn)
			m->next[m->nnext++] = w;
		m->again = true;
		return;
	}
	if (fn && m->nnow < MAX_WAITERS)
		m->now[m->nnow++] = w;
	send_commit(m);
}

/* One that waits for all seats. */
struct gather {
	con_commit_fn fn;
	void *arg;
	size_t waiting;
	rd_kafka_resp_err_t err;
};

static void gathered(void *arg, rd_kafka_resp_err_t err)
{
	struct gather *g = arg;

	if (err)
		g->err = err;
	if (--g->waiting)
		return;
	g->fn(g->arg, g->err);
	free(g);
}

void con_commit_request(struct con *c, bool force, con_commit_fn fn, void *arg)
{
	struct con_source *src = c->source;
	struct gather *g = NULL;

	if (fn) {
		g = bg_xcalloc(1, sizeof *g);
		*g = (struct gather){.fn = fn, .arg = arg, .waiting = src->n};
	}
	/* The last of them may free it. */
	for (size_t i = 0; i < src->n; i++)
		con_commit_seat(src->seats[i].commits, force, g ? gathered : NULL, g);
}

void con_commit_tick(struct con *c)
{
	for (size_t i = 0; i < c->source->n; i++) {
		struct con_commits *m = c->source->seats[i].commits;

		if (m->rk && !m->outstanding && seat_dirty(m))
			con_commit_seat(m, false, NULL, NULL);
	}
}

bool con_commit_mirror(struct con *c, const struct bg_offs *offs, con_commit_fn fn, void *arg)
{
	struct con_commits *m = c->source->seats[0].commits; /* hand-over has one seat */
	rd_kafka_topic_partition_list_t *l;
	rd_kafka_resp_err_t err;

	if (!m->rk || m->outstanding || m->again || m->nnow || m->nnext || bg_timer_pending(m->retry) ||
	    con_commit_proof_pending(c) || con_seat_rejoining(m->seat))
		return false;
	bg_offs_free(&m->sent);
	bg_offs_copy(&m->carried, offs);
	m->sent_floor = 0;
	l = rd_kafka_topic_partition_list_new((int)offs->n);
	for (size_t i = 0; i < offs->n; i++)
		add(l, c, &offs->v[i]);
	err = rd_kafka_commit_queue(m->rk, l, m->queue, on_commit, m);
	rd_kafka_topic_partition_list_destroy(l);
	if (err)
		return false;
	m->outstanding = m->mirror = true;
	m->now[m->nnow++] = (struct waiter){.fn = fn, .arg = arg};
	return true;
}
