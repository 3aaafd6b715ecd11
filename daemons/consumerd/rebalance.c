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

/*
 * New partitions are paused before and after they are assigned, so that nothing is fetched, and assigned at an absolute
 * offset: a logical one sends a query whose late answer undoes the seek that was made meanwhile (records skipped, shown
 * on librdkafka 2.0.2). start.c positions them.
 */
static void on_assign(struct con *c, rd_kafka_t *rk, rd_kafka_topic_partition_list_t *parts)
{
	struct con_source *s = c->source;

	for (int i = 0; i < parts->cnt; i++) {
		struct con_part *p =
			con_part_get(&c->parts, parts->elems[i].topic, parts->elems[i].partition);

		con_part_drop_pending(&c->parts, p);
		parts->elems[i].offset = BG_MAX(con_best_known(c, p), 0);
		p->assigned = p->fresh = p->kpaused = true;
		p->started = p->failed = p->revoking = p->dead = false;
		p->assign_no++;
		p->why = CON_WHY_LIFECYCLE;
		if (!p->rkt)
			p->rkt = rd_kafka_topic_new(rk, p->topic, NULL);
	}
	if (parts->cnt)
		rd_kafka_pause_partitions(rk, parts);
	con_assign(rk, parts, false);
	if (parts->cnt)
		rd_kafka_pause_partitions(rk, parts);
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
static void finish_revoke(struct con *c, const char *why)
{
	struct con_source *s = c->source;
	rd_kafka_topic_partition_list_t *parts = s->revoking;

	s->revoking = NULL;
	bg_timer_free(s->revoke_timer);
	s->revoke_timer = NULL;
	for (int i = 0; i < parts->cnt; i++) {
		struct con_part *p =
			con_part_find(&c->parts, parts->elems[i].topic, parts->elems[i].partition);

		if (!p)
			continue;
		con_part_take_away(&c->parts, p);
		p->kpaused = false;
		if (p->rkt)
			rd_kafka_topic_destroy(p->rkt);
		p->rkt = NULL;
	}
	if (con_cooperative(s->rk))
		s->rejoin_us = bg_now_us();
	con_assign(s->rk, parts, true);
	bg_log(BG_INFO, "revoked", "%d partitions taken (%s), %zu held", parts->cnt, why,
	       con_parts_assigned(&c->parts));
	rd_kafka_topic_partition_list_destroy(parts);
	con_changed(c);
	/* Records that are still out are orphans now: a drain that waited for them goes on waiting for the handler. */
	con_commands_check_drained(c);
}

static void revoke_timed_out(void *arg)
{
	struct con *c = arg;

	con_error(c, "revoke",
		  "the handler still has records of partitions that are taken away: they will be repeated");
	finish_revoke(c, "time-out");
}

static void revoke_committed(void *arg, rd_kafka_resp_err_t err)
{
	struct con *c = arg;

	if (!c->source->revoking)
		return;
	if (err)
		con_error(c, "revoke", "commit before a revoke: %s", rd_kafka_err2str(err));
	finish_revoke(c, err ? "commit failed" : "committed");
}

void con_source_try_revoke(struct con *c)
{
	struct con_source *s = c->source;
	bool dirty = false;

	if (!s->revoking || s->revoke_commit)
		return;
	for (int i = 0; i < s->revoking->cnt; i++) {
		struct con_part *p = con_part_find(&c->parts, s->revoking->elems[i].topic,
						   s->revoking->elems[i].partition);

		if (p && p->nout)
			return;
		dirty |= p && con_part_wants_commit(p);
	}
	if (!dirty) {
		finish_revoke(c, "nothing in flight");
		return;
	}
	s->revoke_commit = true;
	con_commit_request(c, false, revoke_committed, c);
}

/* Rule 4's sense for one partition: nobody else gets it while a record of it is in our handler. */
static void on_revoke(struct con *c, rd_kafka_t *rk, rd_kafka_topic_partition_list_t *parts)
{
	struct con_source *s = c->source;
	bool lost = rd_kafka_assignment_lost(rk);

	con_dispatch_flush(c); /* what the handler has done counts */

	for (int i = 0; i < parts->cnt; i++) {
		struct con_part *p =
			con_part_find(&c->parts, parts->elems[i].topic, parts->elems[i].partition);

		if (!p)
			continue;
		con_source_pause(c, p, CON_WHY_REVOKE);
		con_part_drop_pending(&c->parts, p);
		p->revoking = true;
	}
	con_rebalance_forget(c);
	s->rejoin_us = 0; /* the group has a new generation */
	s->revoking = rd_kafka_topic_partition_list_copy(parts);
	s->revoke_commit = false;
	if (lost) {
		/* Another member may have them already: a commit would be refused, waiting only makes it worse. */
		finish_revoke(c, "lost");
		return;
	}
	s->revoke_timer = bg_timer_new(c->loop, revoke_timed_out, c);
	bg_timer_start(s->revoke_timer, c->tun.drain_timeout_us);
	con_source_try_revoke(c);
}

void con_rebalance_forget(struct con *c)
{
	struct con_source *s = c->source;

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

	/* While the handle closes this runs on the worker: touch nothing of ours. */
	if (!c->source || c->source->rk != rk) {
		con_assign(rk, parts, err != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS);
		return;
	}
	if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		on_assign(c, rk, parts);
	} else if (err == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
		on_revoke(c, rk, parts);
	} else {
		con_error(c, "rebalance", "rebalance failed: %s", rd_kafka_err2str(err));
		con_assign(rk, parts, true);
	}
}
