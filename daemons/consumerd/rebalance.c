/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/rebalance.h"

#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "consumerd/commit.h"
#include "consumerd/choose.h"
#include "consumerd/commands.h"
#include "consumerd/dispatch.h"
#include "consumerd/probe.h"
#include "consumerd/source_int.h"
#include "consumerd/start.h"

#define STABLE_US 60000000

bool con_cooperative(rd_kafka_t *rk)
{
	return !strcmp(rd_kafka_rebalance_protocol(rk), "COOPERATIVE");
}

void con_assign(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *parts, bool revoke)
{
	rd_kafka_error_t *e = NULL;
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;

	if (!con_cooperative(rk))
		err = rd_kafka_assign(rk, revoke ? NULL : parts);
	else if (revoke)
		e = rd_kafka_incremental_unassign(rk, parts);
	else
		e = rd_kafka_incremental_assign(rk, parts);
	if (e || err)
		bg_log(BG_WARN, "assign", "%s failed: %s", revoke ? "unassign" : "assign",
		       e ? rd_kafka_error_string(e) : rd_kafka_err2str(err));
	if (e)
		rd_kafka_error_destroy(e);
}

/* The seat holds it from here on; paused, whatever it was. */
static void give_part(struct con_seat *s, rd_kafka_t *rk, struct con_part *p)
{
	if (p->seat != s) {
		/* Of another seat that has not heard yet that it lost it. */
		if (p->assigned)
			con_part_take_away(&s->c->parts, p);
		con_part_unseat(p);
	}
	con_part_drop_pending(&s->c->parts, p);
	p->seat = s;
	p->assigned = p->fresh = p->kpaused = true;
	p->started = p->failed = p->revoking = p->dead = false;
	p->assign_no++;
	p->why = CON_WHY_LIFECYCLE;
	if (!p->rkt)
		p->rkt = rd_kafka_topic_new(rk, p->topic, NULL);
}

/*
 * New partitions are paused before and after they are assigned, so that nothing is fetched, and assigned at an absolute
 * offset: a logical one sends a query whose late answer undoes the seek that was made meanwhile (records skipped, shown
 * on librdkafka 2.0.2). start.c positions them. In takeover a start is under way that knows where: those fetch at once.
 */
static void on_assign(struct con_seat *s, rd_kafka_t *rk, rd_kafka_topic_partition_list_t *parts)
{
	struct con *c = s->c;

	rd_kafka_topic_partition_list_t *wait = rd_kafka_topic_partition_list_new(parts->cnt);

	for (int i = 0; i < parts->cnt; i++) {
		struct con_part *p =
			con_part_get(&c->parts, parts->elems[i].topic, parts->elems[i].partition);
		int64_t ahead = con_start_ahead(c, p);

		give_part(s, rk, p);
		if (ahead >= 0) {
			p->why = 0;
			p->kpaused = p->needs_seek = false;
			p->fetch_next = p->ahead_from = ahead;
		} else {
			rd_kafka_topic_partition_list_add(wait, p->topic, p->partition);
		}
		parts->elems[i].offset = ahead >= 0 ? ahead : BG_MAX(con_best_known(c, p), 0);
	}
	if (wait->cnt)
		rd_kafka_pause_partitions(rk, wait);
	con_assign(rk, parts, false);
	s->h->assigned = true;
	if (wait->cnt)
		rd_kafka_pause_partitions(rk, wait);
	rd_kafka_topic_partition_list_destroy(wait);
	con_probe(c);
	s->joined = true;
	s->rejoin_us = 0;
	c->connected = true;
	/* Twins with one identity throw each other out: only who stays for a while starts from a short back-off again. */
	if (bg_now_us() - s->replaced_us > STABLE_US)
		bg_backoff_reset(&s->backoff);
	bg_log(BG_INFO, "assigned", "%d partitions given, %zu held", parts->cnt,
	       con_parts_assigned(&c->parts));
	con_start_assigned(c);
	con_changed(c);
}

/* Everything of the waiting revoke that is drained; then the rest may be let go at once. */
static void finish_revoke(struct con_seat *s, const char *why)
{
	struct con *c = s->c;
	rd_kafka_topic_partition_list_t *parts = s->revoking;

	s->revoking = NULL;
	bg_timer_free(s->revoke_timer);
	s->revoke_timer = NULL;
	for (int i = 0; i < parts->cnt; i++) {
		struct con_part *p =
			con_part_find(&c->parts, parts->elems[i].topic, parts->elems[i].partition);

		if (!p || p->seat != s)
			continue;
		con_part_take_away(&c->parts, p);
		con_part_unseat(p);
	}
	if (con_cooperative(s->h->rk))
		s->rejoin_us = bg_now_us();
	con_assign(s->h->rk, parts, true);
	bg_log(BG_INFO, "revoked", "%d partitions taken (%s), %zu held", parts->cnt, why,
	       con_parts_assigned(&c->parts));
	rd_kafka_topic_partition_list_destroy(parts);
	con_changed(c);
	/* Records that are still out are orphans now: a drain that waited for them goes on waiting for the handler. */
	con_commands_check_drained(c);
}

static void revoke_timed_out(void *arg)
{
	struct con_seat *s = arg;

	con_error(s->c, "revoke",
		  "the handler still has records of partitions that are taken away: they will be repeated");
	finish_revoke(s, "time-out");
}

static void revoke_committed(void *arg, rd_kafka_resp_err_t err)
{
	struct con_seat *s = arg;

	if (!s->revoking)
		return;
	if (err)
		con_error(s->c, "revoke", "commit before a revoke: %s", rd_kafka_err2str(err));
	finish_revoke(s, err ? "commit failed" : "committed");
}

static void try_revoke(struct con_seat *s)
{
	struct con *c = s->c;
	bool dirty = false;

	if (!s->revoking || s->revoke_commit)
		return;
	for (int i = 0; i < s->revoking->cnt; i++) {
		struct con_part *p = con_part_find(&c->parts, s->revoking->elems[i].topic,
						   s->revoking->elems[i].partition);

		if (!p || p->seat != s)
			continue;
		if (p->nout)
			return;
		dirty |= con_part_wants_commit(p);
	}
	if (!dirty) {
		finish_revoke(s, "nothing in flight");
		return;
	}
	s->revoke_commit = true;
	con_commit_seat(s->commits, false, revoke_committed, s);
}

void con_source_try_revoke(struct con *c)
{
	for (size_t i = 0; i < c->source->n; i++)
		try_revoke(&c->source->seats[i]);
}

/* Rule 4's sense for one partition: nobody else gets it while a record of it is in our handler. */
static void on_revoke(struct con_seat *s, rd_kafka_t *rk, rd_kafka_topic_partition_list_t *parts)
{
	struct con *c = s->c;
	bool lost = rd_kafka_assignment_lost(rk);

	con_dispatch_flush(c); /* what the handler has done counts */

	for (int i = 0; i < parts->cnt; i++) {
		struct con_part *p =
			con_part_find(&c->parts, parts->elems[i].topic, parts->elems[i].partition);

		if (!p || p->seat != s)
			continue;
		con_source_pause(c, p, CON_WHY_REVOKE);
		con_part_drop_pending(&c->parts, p);
		p->revoking = true;
	}
	con_rebalance_forget(s);
	s->rejoin_us = 0; /* the group has a new generation */
	if (lost && c->cfg.mode == CON_TAKEOVER) {
		/* Not answered: librdkafka would join again at once, with an id that may be another's by now. */
		con_seat_lost(s);
		return;
	}
	s->revoking = rd_kafka_topic_partition_list_copy(parts);
	s->revoke_commit = false;
	if (lost) {
		/* Another member may have them already: a commit would be refused, waiting only makes it worse. */
		finish_revoke(s, "lost");
		return;
	}
	s->revoke_timer = bg_timer_new(c->loop, revoke_timed_out, s);
	bg_timer_start(s->revoke_timer, c->tun.drain_timeout_us);
	con_dispatch_settle(c, false);
	try_revoke(s);
}

void con_rebalance_forget(struct con_seat *s)
{
	bg_timer_free(s->revoke_timer);
	s->revoke_timer = NULL;
	if (s->revoking)
		rd_kafka_topic_partition_list_destroy(s->revoking);
	s->revoking = NULL;
	s->revoke_commit = false;
}

void con_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *parts,
		      void *opaque)
{
	struct con *c = opaque;
	struct con_seat *s = con_seat_of(c, rk);

	/* Of a handle that we have let go. */
	if (!s) {
		if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
			con_handle_assigned(c, rk);
		con_assign(rk, parts, err != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS);
		return;
	}
	if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		on_assign(s, rk, parts);
	} else if (err == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
		on_revoke(s, rk, parts);
	} else {
		con_error(c, "rebalance", "rebalance failed: %s", rd_kafka_err2str(err));
		con_assign(rk, parts, true);
	}
}
