/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/regroup.h"

#include "common/kafka.h"
#include "common/kafka_aux.h"
#include "common/log.h"
#include "consumerd/rebalance.h"
#include "consumerd/source_int.h"

#define BEATS       2
#define ASK_US      10000000 /* for the partitions, of the broker */
#define MEMBER_US   60000000 /* for the member to join: a rebalance waits for the slowest of the others */
#define POLL_BUDGET 100

static struct {
	struct bg_timer *timer; /* to look; while there is a member, its deadline */
	bool asking;
	int64_t epoch; /* of the start that is looked at */
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	struct bg_kq *kq;
	bool assigned;
} m;

/* ---- the member that comes and goes */

static void leave(struct con *c)
{
	bg_kq_free(m.kq);
	rd_kafka_queue_destroy(m.queue);
	bg_kafka_destroy(c->worker, m.rk, true, NULL, NULL);
	m.kq = NULL;
	m.queue = NULL;
	m.rk = NULL;
	bg_timer_stop(m.timer);
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *parts,
			 void *opaque)
{
	bool give = err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;

	(void)opaque;
	for (int i = 0; give && i < parts->cnt; i++)
		parts->elems[i].offset = 0;
	if (give && parts->cnt)
		rd_kafka_pause_partitions(rk, parts); /* nothing is fetched by it, ever */
	con_assign(rk, parts, !give);
	if (give && parts->cnt)
		rd_kafka_pause_partitions(rk, parts);
	m.assigned = m.assigned || give;
}

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
	(void)rk;
	(void)opaque;
	bg_log(BG_INFO, "regroup", "%s: %s", rd_kafka_err2name((rd_kafka_resp_err_t)err), reason);
}

static void poll_queue(void *arg)
{
	rd_kafka_message_t *msg = NULL;
	int n = 0;

	(void)arg;
	while (n++ < POLL_BUDGET && (msg = rd_kafka_consumer_poll(m.rk, 0)))
		rd_kafka_message_destroy(msg); /* errors only */
	if (msg)
		bg_kq_kick(m.kq);
	if (m.assigned)
		bg_timer_start(m.timer, 0); /* not from inside of its own queue */
}

static void join(struct con *c)
{
	struct bg_err err = BG_ERR_INIT;
	rd_kafka_conf_t *conf = con_member_conf(c);

	rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
	rd_kafka_conf_set_error_cb(conf, on_error);
	m.assigned = false;
	m.rk = bg_kafka_new(RD_KAFKA_CONSUMER, conf, &err);
	if (!m.rk) {
		con_error(c, err.code, "nobody has some partitions, and nobody can be made to: %s", err.msg);
		return;
	}
	rd_kafka_poll_set_consumer(m.rk);
	m.queue = rd_kafka_queue_get_consumer(m.rk);
	m.kq = bg_kq_new(c->loop, m.queue, poll_queue, NULL);
	if (con_subscribe(c, m.rk, c->cfg.topics, c->cfg.ntopics))
		bg_timer_start(m.timer, MEMBER_US);
	else
		leave(c);
}

/* ---- is there anything to do */

static bool may(const struct con *c)
{
	return c->state == CON_ACTIVE && c->ep.epoch == m.epoch && !c->stopping && !m.rk;
}

static size_t nobodys(struct con *c, const struct bg_offs *all)
{
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++) {
		const struct bg_off *o = &all->v[i];
		const struct con_part *p = con_part_find(&c->parts, o->topic, o->partition);

		n += !bg_offs_find(&c->handed, o->topic, o->partition) && !(p && p->assigned);
	}
	return n;
}

static void partitions_read(void *arg, const struct bg_err *err, const struct bg_offs *offs)
{
	struct con *c = arg;
	size_t n;

	m.asking = false;
	if (!m.timer || !may(c))
		return;
	if (err) {
		bg_timer_start(m.timer, ASK_US);
		return;
	}
	n = nobodys(c, offs);
	if (!n)
		return;
	bg_log(BG_NOTICE, "regroup",
	       "%zu partitions came while this colour took over, and are nobody's: the group is made to rebalance",
	       n);
	join(c);
}

/* It has been given its share, or its time is over. */
static void on_end(struct con *c)
{
	if (m.assigned)
		bg_log(BG_NOTICE, "regroup", "the group shares out its partitions anew");
	/* librdkafka's issue 4312: a half joined one has to live on until it is given something. */
	if (m.assigned || !bg_kafka_half_joined(m.rk))
		leave(c);
	else
		bg_timer_start(m.timer, MEMBER_US);
}

static void on_timer(void *arg)
{
	struct con *c = arg;

	if (m.rk) {
		on_end(c);
		return;
	}
	if (m.asking || !may(c))
		return;
	m.asking = true;
	bg_aux_partitions(c->aux, c->cfg.topics, c->cfg.ntopics, ASK_US, partitions_read, c);
}

void con_regroup_init(struct con *c)
{
	m.timer = bg_timer_new(c->loop, on_timer, c);
}

void con_regroup_free(struct con *c)
{
	if (m.rk && (m.assigned || !bg_kafka_half_joined(m.rk)))
		leave(c);
	else if (m.rk)
		bg_kq_free(m.kq); /* the rest stays until the process ends */
	m.kq = NULL;
	bg_timer_free(m.timer);
	m.timer = NULL;
}

/* One of the colour does it: who has the first partition. */
void con_regroup_look(struct con *c)
{
	const struct bg_off *first = c->handed.n ? &c->handed.v[0] : NULL;
	const struct con_part *p = first ? con_part_find(&c->parts, first->topic, first->partition) : NULL;

	if (c->cfg.mode != CON_TAKEOVER || c->resubscribe || m.rk || !m.timer || !p || !p->assigned)
		return;
	m.epoch = c->ep.epoch;
	bg_timer_start(m.timer, BEATS * c->source->heartbeat_ms * 1000);
}
