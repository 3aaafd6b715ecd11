/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/parts.h"

#include <assert.h>
#include <string.h>

#include "common/mem.h"
#include "common/offsets.h"

void con_parts_init(struct con_parts *ps)
{
	memset(ps, 0, sizeof *ps);
}

static struct con_rec *rec_new(struct con_parts *ps)
{
	struct con_rec *r = ps->free_recs;

	if (r)
		ps->free_recs = r->next;
	else
		r = bg_xmalloc(sizeof *r);
	memset(r, 0, sizeof *r);
	return r;
}

static void rec_free(struct con_parts *ps, struct con_rec *r)
{
	if (r->msg)
		rd_kafka_message_destroy(r->msg);
	r->msg = NULL;
	r->next = ps->free_recs;
	ps->free_recs = r;
}

/* r comes into its partition's pending list (1), or out of it (-1). */
static void count_pending(struct con_parts *ps, const struct con_rec *r, int sign)
{
	size_t bytes = r->msg->len + r->msg->key_len;

	r->part->npend += sign;
	r->part->pend_bytes += sign > 0 ? bytes : -bytes;
	ps->pend_bytes += sign > 0 ? bytes : -bytes;
}

static void free_chain(struct con_rec *r)
{
	while (r) {
		struct con_rec *next = r->next;

		if (r->msg)
			rd_kafka_message_destroy(r->msg);
		free(r);
		r = next;
	}
}

void con_parts_free(struct con_parts *ps)
{
	for (size_t i = 0; i < ps->n; i++) {
		struct con_part *p = ps->v[i];

		free_chain(p->pend_head);
		free_chain(p->out_head);
		if (p->rkt)
			rd_kafka_topic_destroy(p->rkt);
		free(p->topic);
		free(p);
	}
	free_chain(ps->free_recs);
	free(ps->v);
	memset(ps, 0, sizeof *ps);
}

static int part_cmp(const struct con_part *p, const char *topic, int32_t partition)
{
	int c = strcmp(p->topic, topic);

	return c ? c : (p->partition > partition) - (p->partition < partition);
}

/* Index of the first that is not below (topic, partition). */
static size_t lower_bound(const struct con_parts *ps, const char *topic, int32_t partition)
{
	size_t lo = 0, hi = ps->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (part_cmp(ps->v[mid], topic, partition) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct con_part *con_part_find(struct con_parts *ps, const char *topic, int32_t partition)
{
	size_t i;

	/* Records of a partition come in runs. */
	if (ps->last && ps->last->partition == partition && !strcmp(ps->last->topic, topic))
		return ps->last;
	i = lower_bound(ps, topic, partition);
	if (i == ps->n || part_cmp(ps->v[i], topic, partition))
		return NULL;
	ps->last = ps->v[i];
	return ps->last;
}

struct con_part *con_part_get(struct con_parts *ps, const char *topic, int32_t partition)
{
	size_t i = lower_bound(ps, topic, partition);
	struct con_part *p;

	if (i < ps->n && !part_cmp(ps->v[i], topic, partition))
		return ps->v[i];
	p = bg_xcalloc(1, sizeof *p);
	p->topic = bg_xstrdup(topic);
	p->partition = partition;
	p->position = p->acked = p->committed = p->mirrored = p->ahead_from = p->gap_at = -1;
	ps->v = bg_xgrow(ps->v, &ps->cap, ps->n + 1, sizeof *ps->v);
	memmove(ps->v + i + 1, ps->v + i, (ps->n - i) * sizeof *ps->v);
	ps->v[i] = p;
	ps->n++;
	return p;
}

size_t con_parts_assigned(const struct con_parts *ps)
{
	size_t n = 0;

	for (size_t i = 0; i < ps->n; i++)
		n += ps->v[i]->assigned;
	return n;
}

void con_part_confirm(struct con_part *p, int64_t offset, int64_t epoch)
{
	assert(!p->out_head);
	p->position = p->acked = offset;
	p->epoch = epoch;
}

void con_part_learn(struct con_part *p, int64_t offset, int64_t epoch)
{
	if (p->out_head || !bg_off_better(offset, epoch, p->position, p->epoch))
		return;
	p->position = p->acked = offset;
	p->epoch = epoch;
	if (!p->pend_head)
		p->fetch_next = offset;
}

/* Confirmed gaps after which a log is known to have them. */
#define GAPS_TRUSTED 3

static bool is_gap(struct con_part *p, int64_t offset)
{
	if (offset == p->fetch_next || p->gaps_confirmed >= GAPS_TRUSTED)
		return false;
	if (p->gap_at == p->fetch_next && p->gap_to == offset) {
		p->gaps_confirmed++;
		p->gap_at = -1;
		return false;
	}
	p->gap_at = p->fetch_next;
	p->gap_to = offset;
	return true;
}

enum con_received con_part_receive(struct con_parts *ps, struct con_part *p, rd_kafka_message_t *msg)
{
	struct con_rec *r;

	if (msg->offset < p->fetch_next || p->needs_seek) {
		rd_kafka_message_destroy(msg);
		return CON_OLD;
	}
	if (is_gap(p, msg->offset)) {
		rd_kafka_message_destroy(msg);
		p->needs_seek = true; /* what is pending stays: it joins on to fetch_next */
		return CON_GAP;
	}
	r = rec_new(ps);
	r->part = p;
	r->msg = msg;
	r->offset = msg->offset;
	p->fetch_next = msg->offset + 1;
	if (p->pend_tail)
		p->pend_tail->next = r;
	else
		p->pend_head = r;
	p->pend_tail = r;
	count_pending(ps, r, 1);
	return CON_TAKEN;
}

struct con_rec *con_part_hand_out(struct con_parts *ps, struct con_part *p, int64_t now_us)
{
	struct con_rec *r = p->pend_head;

	if (!r)
		return NULL;
	p->pend_head = r->next;
	if (!p->pend_head)
		p->pend_tail = NULL;
	count_pending(ps, r, -1);
	r->next = NULL;
	r->out = true;
	r->given_us = now_us;
	r->epoch = p->epoch;
	r->attempts++;
	if (p->out_tail)
		p->out_tail->next = r;
	else
		p->out_head = r;
	p->out_tail = r;
	p->nout++;
	p->nring++;
	p->position = r->offset + 1;
	ps->in_flight++;
	return r;
}

void con_rec_ack(struct con_parts *ps, struct con_rec *r)
{
	struct con_part *p = r->part;

	if (r->acked)
		return;
	r->acked = true;
	ps->in_flight--;
	if (r->orphan) {
		ps->norphans--;
		rec_free(ps, r);
		return;
	}
	p->nout--;
	if (r != p->out_head) {
		/* It waits for those before it; the handle could not be closed while its message is held. */
		rd_kafka_message_destroy(r->msg);
		r->msg = NULL;
	}
	/* The lowest not acknowledged: everything acknowledged from the head on is out of the ring. */
	while (p->out_head && p->out_head->acked) {
		struct con_rec *head = p->out_head;

		p->out_head = head->next;
		p->acked = head->offset + 1;
		p->nring--;
		rec_free(ps, head);
	}
	if (!p->out_head) {
		p->out_tail = NULL;
		p->acked = p->position;
	}
}

bool con_rec_back(struct con_parts *ps, struct con_rec *r)
{
	struct con_part *p = r->part;

	if (r->orphan || p->out_head != r || r->next)
		return false;
	p->out_head = p->out_tail = NULL;
	p->nout--;
	p->nring--;
	ps->in_flight--;
	r->out = false;
	r->next = p->pend_head;
	p->pend_head = r;
	if (!p->pend_tail)
		p->pend_tail = r;
	count_pending(ps, r, 1);
	p->position = p->acked = r->offset;
	return true;
}

void con_part_drop_pending(struct con_parts *ps, struct con_part *p)
{
	struct con_rec *r = p->pend_head;

	while (r) {
		struct con_rec *next = r->next;

		count_pending(ps, r, -1);
		rec_free(ps, r);
		r = next;
	}
	p->pend_head = p->pend_tail = NULL;
	/* What was dropped has to come again: a record behind it must not be taken for the next one. */
	p->needs_seek = true;
	p->ahead_from = -1;
	p->fetch_next = p->position < 0 ? 0 : p->position;
}

void con_rec_again(struct con_part *p, struct con_rec *r)
{
	if (r->failed)
		return;
	r->failed = true;
	p->nagain++;
	if (!p->again || r->offset < p->again->offset)
		p->again = r;
}

struct con_rec *con_part_again(struct con_part *p, int64_t now_us)
{
	struct con_rec *r = p->again, *next;

	if (!r)
		return NULL;
	for (next = r->next; next && !next->failed; next = next->next)
		;
	p->again = next;
	p->nagain--;
	r->failed = false;
	r->given_us = now_us;
	r->attempts++;
	return r;
}

static void ring_empty(struct con_part *p)
{
	p->out_head = p->out_tail = p->again = NULL;
	p->nout = p->nring = p->nagain = 0;
}

size_t con_part_rewind(struct con_parts *ps, struct con_part *p)
{
	struct con_rec *r = p->out_head;
	size_t repeats = 0;

	while (r) {
		struct con_rec *next = r->next;

		if (r->acked)
			repeats++;
		else
			ps->in_flight--;
		rec_free(ps, r);
		r = next;
	}
	ring_empty(p);
	p->position = p->acked;
	con_part_drop_pending(ps, p);
	return repeats;
}

void con_part_take_away(struct con_parts *ps, struct con_part *p)
{
	struct con_rec *r = p->out_head;

	con_part_drop_pending(ps, p);
	while (r) {
		struct con_rec *next = r->next;

		if (r->failed)
			ps->in_flight--; /* nobody has it */
		if (r->acked || r->failed) {
			rec_free(ps, r);
		} else {
			r->orphan = true;
			r->next = NULL;
			ps->norphans++;
		}
		r = next;
	}
	ring_empty(p);
	/* What is still in the handler may be done or not: only what was acknowledged counts. */
	p->position = p->acked;
	p->assigned = p->started = p->revoking = p->failed = p->dead = p->hole = false;
	p->mirrored = -1; /* the next owner may write over it */
	p->why = 0;
}

void con_part_unseat(struct con_part *p)
{
	if (p->rkt)
		rd_kafka_topic_destroy(p->rkt);
	p->rkt = NULL;
	p->seat = NULL;
	p->kpaused = false;
}

bool con_part_wants_commit(const struct con_part *p)
{
	return p->assigned && p->started && p->acked >= 0 &&
	       (p->acked != p->committed || p->epoch != p->committed_epoch);
}

void con_part_set_mirrored(struct con_part *p, int64_t offset, int64_t epoch, const char *color)
{
	p->mirrored = offset;
	p->mirrored_epoch = epoch;
	bg_strlcpy(p->mirrored_color, color, sizeof p->mirrored_color);
}

bool con_part_mirror_leads(const struct con_part *p)
{
	return bg_off_better(p->mirrored, p->mirrored_epoch, p->acked, p->epoch);
}

int64_t con_part_reached(const struct con_part *p)
{
	return con_part_mirror_leads(p) ? p->mirrored : p->acked;
}
