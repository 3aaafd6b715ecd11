/* SPDX-License-Identifier: Apache-2.0 */
/* A static id taken on a real broker: a consumer that joins, is given the partitions, fetches nothing and commits. */
#include "config.h"
#include "switchd/fence.h"

#include <errno.h>
#include <stdio.h>

#include "common/epoch.h"
#include "common/log.h"

#define POLL_BUDGET     100
#define SESSION_MS      45000
#define SESSION_MAX_MS  3600000 /* librdkafka's own limit */
#define POLL_MAX_MS     300000
#define HEARTBEAT_MS    3000
#define MS_OF(us)       ((us) / 1000)
#define BEATS_A_SESSION 3

struct seat {
	struct bg_worker *worker;
	const char *name; /* of the switch, for the log */
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue, *commits;
	struct bg_kq *kq, *ckq;
	struct bg_timer *tell; /* events are told from the loop, never from inside librdkafka */
	bool joined, acked, again, refused, outstanding;
	bool assigned; /* once at least */
	bool dying;    /* nobody wants it any more; it waits for its first assignment (would_abort) */
	struct bg_err err;
	struct bg_offs assigned_to;
	sw_seat_fn fn;
	void *arg;
};

static void destroy(struct seat *s)
{
	bg_kq_free(s->kq);
	bg_kq_free(s->ckq);
	rd_kafka_queue_destroy(s->queue);
	rd_kafka_queue_destroy(s->commits);
	bg_timer_free(s->tell);
	bg_offs_free(&s->assigned_to);
	/* It does not leave: a static member that goes like this keeps its id, and its partitions, for whoever is next. */
	bg_kafka_destroy(s->worker, s->rk, false, NULL, NULL);
	free(s);
}

static void tell(void *arg)
{
	struct seat *s = arg;
	struct bg_err err = s->err;

	if (s->dying) {
		if (s->assigned)
			destroy(s);
		return;
	}
	/* One a turn, for each may free the seat; the last word first. */
	if (s->refused) {
		s->refused = s->joined = s->acked = s->again = false;
		s->fn(s->arg, SW_SEAT_REFUSED, &err);
	} else if (s->joined) {
		s->joined = false;
		if (s->acked || s->again)
			bg_timer_start(s->tell, 0);
		s->fn(s->arg, SW_SEAT_JOINED, NULL);
	} else if (s->acked) {
		s->acked = s->again = false;
		s->fn(s->arg, SW_SEAT_ACKED, NULL);
	} else if (s->again) {
		s->again = false;
		s->fn(s->arg, SW_SEAT_AGAIN, &err);
	}
}

static void say(struct seat *s, bool *what, const char *doing, rd_kafka_resp_err_t err, const char *text)
{
	*what = true;
	if (err)
		bg_err_set(&s->err, -EIO, rd_kafka_err2name(err), "%s: %s (%s)", doing, text,
			   rd_kafka_err2name(err));
	bg_timer_start(s->tell, 0);
}

/* ---- the handle's news, on the loop, inside of its poll */

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
	struct seat *s = opaque;
	char text[256] = "";

	if (err == RD_KAFKA_RESP_ERR__FATAL) {
		rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(rk, text, sizeof(text));

		say(s, &s->refused, "the member is refused", fatal, text);
	} else {
		say(s, &s->again, "Kafka", (rd_kafka_resp_err_t)err, reason);
	}
}

/* Paused before and after, and at an absolute offset: nothing is asked for, nothing is fetched (facts 4). */
static void give(struct seat *s, rd_kafka_topic_partition_list_t *parts)
{
	rd_kafka_error_t *e;

	for (int i = 0; i < parts->cnt; i++) {
		parts->elems[i].offset = 0;
		bg_offs_at(&s->assigned_to, parts->elems[i].topic, parts->elems[i].partition);
	}
	if (parts->cnt)
		rd_kafka_pause_partitions(s->rk, parts);
	e = rd_kafka_incremental_assign(s->rk, parts);
	if (e) {
		say(s, &s->again, "taking partitions", rd_kafka_error_code(e), rd_kafka_error_string(e));
		rd_kafka_error_destroy(e);
	}
	if (parts->cnt)
		rd_kafka_pause_partitions(s->rk, parts);
	s->assigned = true;
	say(s, &s->joined, "", RD_KAFKA_RESP_ERR_NO_ERROR, "");
}

static void take_away(struct seat *s, rd_kafka_topic_partition_list_t *parts)
{
	struct bg_offs left = BG_OFFS_INIT;
	rd_kafka_error_t *e = rd_kafka_incremental_unassign(s->rk, parts);

	if (e) {
		say(s, &s->again, "giving partitions back", rd_kafka_error_code(e), rd_kafka_error_string(e));
		rd_kafka_error_destroy(e);
	}
	for (size_t i = 0; i < s->assigned_to.n; i++)
		if (!rd_kafka_topic_partition_list_find(parts, s->assigned_to.v[i].topic,
							s->assigned_to.v[i].partition))
			bg_offs_at(&left, s->assigned_to.v[i].topic, s->assigned_to.v[i].partition);
	bg_offs_free(&s->assigned_to);
	s->assigned_to = left;
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *parts,
			 void *opaque)
{
	struct seat *s = opaque;

	(void)rk;
	if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
		give(s, parts);
	else
		take_away(s, parts);
}

static void poll_queue(void *arg)
{
	struct seat *s = arg;
	rd_kafka_message_t *m = NULL;
	int n = 0;

	while (n++ < POLL_BUDGET && (m = rd_kafka_consumer_poll(s->rk, 0))) {
		if (m->err)
			say(s, &s->again, "Kafka", m->err, rd_kafka_message_errstr(m));
		rd_kafka_message_destroy(m);
	}
	if (m)
		bg_kq_kick(s->kq);
}

static void poll_commits(void *arg)
{
	rd_kafka_queue_poll_callback(((struct seat *)arg)->commits, 0);
}

static void on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *l,
		      void *opaque)
{
	struct seat *s = opaque;

	(void)rk;
	if (!s->outstanding)
		return;
	s->outstanding = false;
	for (int i = 0; !err && l && i < l->cnt; i++)
		err = l->elems[i].err;
	switch (err) {
	case RD_KAFKA_RESP_ERR_NO_ERROR:
		say(s, &s->acked, "", err, "");
		break;
	case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
	case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
	case RD_KAFKA_RESP_ERR__FATAL:
		say(s, &s->refused, "the proving commit is refused", err, rd_kafka_err2str(err));
		break;
	default:
		say(s, &s->again, "the proving commit failed", err, rd_kafka_err2str(err));
	}
}

/* ---- ops */

static rd_kafka_t *make_handle(struct sw_switch *sw, const struct sw_seat_spec *spec, struct seat *s,
			       struct bg_err *err)
{
	int64_t session =
		spec->session_us ? BG_MAX(BG_MIN(MS_OF(spec->session_us), SESSION_MAX_MS), 1) : SESSION_MS;
	char session_text[24], beat_text[24], poll_text[24];
	rd_kafka_conf_t *conf;

	snprintf(session_text, sizeof(session_text), "%lld", (long long)session);
	snprintf(beat_text, sizeof(beat_text), "%lld",
		 (long long)BG_MAX(BG_MIN(HEARTBEAT_MS, session / BEATS_A_SESSION), 1));
	snprintf(poll_text, sizeof(poll_text), "%lld", (long long)BG_MAX(POLL_MAX_MS, session));
	conf = bg_kafka_conf(sw->dm->d->conf, "client.id", "bg-switchd", "group.id", spec->group,
			     "group.instance.id", spec->id, "partition.assignment.strategy",
			     "cooperative-sticky", "enable.auto.commit", "false", "enable.auto.offset.store",
			     "false", "auto.offset.reset", "error", "allow.auto.create.topics", "false",
			     "max.poll.interval.ms", poll_text, "session.timeout.ms", session_text,
			     "heartbeat.interval.ms", beat_text, NULL);
	rd_kafka_conf_set_opaque(conf, s);
	rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
	rd_kafka_conf_set_error_cb(conf, on_error);
	return bg_kafka_new(RD_KAFKA_CONSUMER, conf, err);
}

/* It is polled until its first assignment; where that never comes, because somebody else took the id, it is left behind. */
static bool would_abort(const struct seat *s)
{
	return !s->assigned && bg_kafka_half_joined(s->rk);
}

static void k_free(void *seat)
{
	struct seat *s = seat;

	bg_timer_stop(s->tell);
	/* A join that was not answered yet is given up: afterwards its answer counts for nothing. */
	if (!s->assigned && !would_abort(s))
		rd_kafka_unsubscribe(s->rk);
	if (would_abort(s))
		s->dying = true;
	else
		destroy(s);
}

static void *k_join(struct sw_switch *sw, const struct sw_seat_spec *spec, sw_seat_fn fn, void *arg,
		    struct bg_err *err)
{
	struct seat *s = bg_xcalloc(1, sizeof(*s));
	rd_kafka_topic_partition_list_t *topics;
	rd_kafka_resp_err_t rc;

	s->worker = sw->dm->worker;
	s->name = sw->cfg->name;
	s->fn = fn;
	s->arg = arg;
	s->rk = make_handle(sw, spec, s, err);
	if (!s->rk) {
		free(s);
		return NULL;
	}
	rd_kafka_poll_set_consumer(s->rk);
	s->tell = bg_timer_new(sw->dm->loop, tell, s);
	s->queue = rd_kafka_queue_get_consumer(s->rk);
	s->commits = rd_kafka_queue_new(s->rk);
	s->kq = bg_kq_new(sw->dm->loop, s->queue, poll_queue, s);
	s->ckq = bg_kq_new(sw->dm->loop, s->commits, poll_commits, s);
	topics = rd_kafka_topic_partition_list_new((int)spec->topics->n);
	for (size_t i = 0; i < spec->topics->n; i++)
		rd_kafka_topic_partition_list_add(topics, spec->topics->v[i], RD_KAFKA_PARTITION_UA);
	rc = rd_kafka_subscribe(s->rk, topics);
	rd_kafka_topic_partition_list_destroy(topics);
	if (rc) {
		bg_err_set(err, -EIO, "kafka_error", "cannot subscribe as %s: %s", spec->id,
			   rd_kafka_err2str(rc));
		k_free(s);
		return NULL;
	}
	return s;
}

static void k_assignment(void *seat, struct bg_offs *ret)
{
	bg_offs_copy(ret, &((struct seat *)seat)->assigned_to);
}

static void k_commit(void *seat, const struct bg_offs *offs)
{
	struct seat *s = seat;
	rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new((int)offs->n);
	rd_kafka_resp_err_t rc;

	for (size_t i = 0; i < offs->n; i++) {
		const struct bg_off *o = &offs->v[i];
		rd_kafka_topic_partition_t *tp = rd_kafka_topic_partition_list_add(l, o->topic, o->partition);
		struct bg_meta m = {.epoch = o->epoch, .floor = o->floor, .mirrored = o->mirrored};
		char text[BG_META_MAX];

		bg_strlcpy(m.color, o->color, sizeof(m.color));
		tp->offset = o->offset;
		tp->metadata_size = (size_t)bg_meta_format(text, &m);
		tp->metadata = bg_xstrdup(text); /* the list frees it */
	}
	s->outstanding = true;
	rc = rd_kafka_commit_queue(s->rk, l, s->commits, on_commit, s);
	rd_kafka_topic_partition_list_destroy(l);
	if (!rc)
		return;
	s->outstanding = false;
	say(s, &s->again, "the proving commit cannot be sent", rc, rd_kafka_err2str(rc));
}

const struct sw_fence_ops sw_fence_kafka = {k_join, k_assignment, k_commit, k_free};
