/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A handle's life:
 *
 *   open() ── metadata (worker) ──► partitions known ◄── again and again
 *     ▲                                  │
 *     │                    fatal error, or prod_send_close()
 *     │                                  ▼
 *     └─ fatal: back-off ◄── wind down: flush, purge (worker) ── last reports ── destroy (worker) ──► done
 */
#include "config.h"
#include "producerd/send.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/http_client.h"
#include "common/kafka.h"
#include "common/log.h"
#include "common/mem.h"

#define METADATA_MS     2000
#define METADATA_CAP_US 10000000 /* the call above, and what may come before it on the worker */
#define REPORTS_A_TURN  20000    /* then other events of the loop have their turn */
#define LAST_REPORTS_US 2000000  /* wait for the reports of purged records */
#define LOG_EVERY_US    10000000

enum wind { WIND_NO, WIND_ASKED, WIND_FLUSH, WIND_REPORTS, WIND_DESTROY };

struct prod_send {
	struct bg_loop *loop;
	struct bg_worker *worker;
	rd_kafka_conf_t *conf; /* every handle gets a copy */
	char *topic;
	struct prod_stats *stats;
	void (*changed)(void *arg);
	void *arg;

	rd_kafka_t *rk;
	rd_kafka_topic_t *rkt;
	rd_kafka_queue_t *queue;
	struct bg_kq *kq;
	int32_t partitions;
	uint32_t turn; /* of round robin */
	bool down;     /* no broker, when we last heard */
	int64_t refresh_us;
	struct bg_timer *refresh, *reopen, *last_reports;
	struct bg_backoff meta_backoff, open_backoff;

	struct { /* the job that asks for metadata; the worker's while busy */
		bool busy;
		int32_t partitions;
		rd_kafka_resp_err_t err;
	} meta;
	char meta_said[128]; /* the last failure that was logged */

	enum wind wind;
	int64_t flush_us;
	void (*done)(void *arg);
	void *done_arg;

	int64_t logged_us, logged_failed;
};

static void wind_down(struct prod_send *s);
static int open_handle(struct prod_send *s, struct bg_err *err);

static void log_failed(struct prod_send *s, const char *why)
{
	int64_t now = bg_now_us(), n = s->stats->failed - s->logged_failed;
	if (n == 0 || (why && s->logged_us && now - s->logged_us < LOG_EVERY_US))
		return;
	bg_log(BG_WARN, "not_sent", "topic %s: %" PRId64 " records were not sent%s%s (%" PRId64 " in all)",
	       s->topic, n, why ? ", last: " : "", why ? why : "", s->stats->failed);
	s->logged_us = now;
	s->logged_failed = s->stats->failed;
}

static void set_down(struct prod_send *s, bool down)
{
	if (s->down == down)
		return;
	s->down = down;
	if (down)
		bg_log(BG_WARN, "brokers_down", "no broker can be reached; records wait in the queue");
	else
		bg_log(BG_NOTICE, "brokers_up", "a broker answers again");
	if (down && !s->meta.busy && s->wind == WIND_NO)
		bg_timer_start(s->refresh, bg_backoff_next(&s->meta_backoff));
}

/* --- partitions --- */

static void metadata_job(void *arg)
{
	struct prod_send *s = arg;
	const struct rd_kafka_metadata *md;
	s->meta.partitions = 0;
	s->meta.err = rd_kafka_metadata(s->rk, 0, s->rkt, &md, METADATA_MS);
	if (s->meta.err)
		return;
	if (md->topic_cnt == 1) {
		s->meta.err = md->topics[0].err;
		s->meta.partitions = md->topics[0].partition_cnt;
	}
	rd_kafka_metadata_destroy(md);
	if (!s->meta.err && s->meta.partitions <= 0)
		s->meta.err = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

static void metadata_failed(struct prod_send *s)
{
	const char *text = rd_kafka_err2str(s->meta.err);
	if (strcmp(text, s->meta_said))
		bg_log(BG_WARN, "no_metadata", "topic %s: %s; asking again", s->topic, text);
	bg_strlcpy(s->meta_said, text, sizeof(s->meta_said));
	bg_timer_start(s->refresh, bg_backoff_next(&s->meta_backoff));
}

static void metadata_done(void *arg)
{
	struct prod_send *s = arg;
	s->meta.busy = false;
	if (s->wind != WIND_NO) {
		wind_down(s);
		return;
	}
	if (s->meta.err) {
		metadata_failed(s);
		return;
	}
	s->meta_said[0] = 0;
	bg_backoff_reset(&s->meta_backoff);
	set_down(s, false);
	if (s->partitions != s->meta.partitions)
		bg_log(BG_INFO, "partitions", "topic %s has %" PRId32 " partitions", s->topic,
		       s->meta.partitions);
	s->partitions = s->meta.partitions;
	if (s->refresh_us > 0)
		bg_timer_start(s->refresh, s->refresh_us);
	s->changed(s->arg);
}

static void refresh(void *arg)
{
	struct prod_send *s = arg;
	if (s->meta.busy || s->wind != WIND_NO || !s->rk)
		return;
	s->meta.busy = true;
	if (bg_worker_submit(s->worker, "topic metadata", metadata_job, metadata_done, s, METADATA_CAP_US)) {
		s->meta.busy = false;
		bg_timer_start(s->refresh, bg_backoff_next(&s->meta_backoff));
	}
}

/* --- events of the handle --- */

static int count_reports(struct prod_send *s, rd_kafka_event_t *ev)
{
	const rd_kafka_message_t *m;
	rd_kafka_resp_err_t last = RD_KAFKA_RESP_ERR_NO_ERROR;
	int n = 0;
	for (; (m = rd_kafka_event_message_next(ev)); n++) {
		if (!m->err) {
			prod_stats_acked(s->stats, rd_kafka_message_latency(m));
			continue;
		}
		prod_stats_failed(s->stats, m->err,
				  rd_kafka_message_status(m) == RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED);
		last = m->err;
	}
	if (last)
		log_failed(s, rd_kafka_err2str(last));
	return n;
}

static void on_error(struct prod_send *s, rd_kafka_event_t *ev)
{
	char text[256] = "";
	rd_kafka_resp_err_t err = rd_kafka_event_error(ev);
	if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
		set_down(s, true);
	if (!rd_kafka_event_error_is_fatal(ev) || s->wind != WIND_NO)
		return;
	err = rd_kafka_fatal_error(s->rk, text, sizeof(text));
	bg_log(BG_ERROR, "producer_fatal", "%s: %s; the producer is replaced", rd_kafka_err2name(err), text);
	s->wind = WIND_ASKED;
	s->flush_us = 0;
}

static void serve(void *arg)
{
	struct prod_send *s = arg;
	rd_kafka_event_t *ev;
	int64_t acked = s->stats->acked;
	int reports = 0;
	while (reports < REPORTS_A_TURN && (ev = rd_kafka_queue_poll(s->queue, 0))) {
		if (rd_kafka_event_type(ev) == RD_KAFKA_EVENT_DR)
			reports += count_reports(s, ev);
		else if (rd_kafka_event_type(ev) == RD_KAFKA_EVENT_ERROR)
			on_error(s, ev);
		rd_kafka_event_destroy(ev);
	}
	if (reports >= REPORTS_A_TURN)
		bg_kq_kick(s->kq);
	if (s->stats->acked > acked) {
		set_down(s, false);
		bg_backoff_reset(&s->open_backoff);
	}
	if (s->wind == WIND_ASKED || s->wind == WIND_REPORTS)
		wind_down(s);
	else if (reports > 0)
		s->changed(s->arg);
}

/* --- the end of a handle --- */

static void flush_job(void *arg)
{
	struct prod_send *s = arg;
	if (s->flush_us > 0)
		rd_kafka_flush(s->rk, (int)(s->flush_us / 1000));
	if (rd_kafka_outq_len(s->rk) > 0)
		rd_kafka_purge(s->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
}

static void flush_done(void *arg)
{
	struct prod_send *s = arg;
	s->wind = WIND_REPORTS;
	bg_timer_start(s->last_reports, LAST_REPORTS_US);
	wind_down(s);
}

static void destroyed(void *arg)
{
	struct prod_send *s = arg;
	s->wind = WIND_NO;
	if (s->done) {
		s->done(s->done_arg);
		return;
	}
	bg_timer_start(s->reopen, bg_backoff_next(&s->open_backoff));
}

static void drop_handle(struct prod_send *s)
{
	rd_kafka_t *rk = s->rk;
	bg_timer_stop(s->last_reports);
	bg_kq_free(s->kq);
	rd_kafka_queue_destroy(s->queue);
	rd_kafka_topic_destroy(s->rkt);
	s->kq = NULL;
	s->queue = NULL;
	s->rkt = NULL;
	s->rk = NULL;
	s->partitions = 0;
	log_failed(s, NULL);
	bg_kafka_destroy(s->worker, rk, false, destroyed, s);
}

/* Records whose report never came are not known to be sent, and the count must not lie. */
static void count_unreported(struct prod_send *s)
{
	int64_t n = s->stats->accepted - s->stats->acked - s->stats->failed;
	for (; n > 0; n--)
		prod_stats_failed(s->stats, RD_KAFKA_RESP_ERR__TIMED_OUT, true);
}

static void last_reports_over(void *arg)
{
	struct prod_send *s = arg;
	if (s->wind != WIND_REPORTS)
		return;
	count_unreported(s);
	s->wind = WIND_DESTROY;
	drop_handle(s);
}

/* One step on, if it can be made; called again at the end of whatever it waits for. */
static void wind_down(struct prod_send *s)
{
	if (s->wind == WIND_ASKED && !s->meta.busy) {
		bg_timer_stop(s->refresh);
		s->wind = WIND_FLUSH;
		/* No room on the worker: serve() comes by once a second. */
		if (bg_worker_submit(s->worker, "flush", flush_job, flush_done, s, s->flush_us + 10000000))
			s->wind = WIND_ASKED;
	} else if (s->wind == WIND_REPORTS && prod_send_queued(s) == 0) {
		s->wind = WIND_DESTROY;
		drop_handle(s);
	}
}

static void end_now(void *arg)
{
	struct prod_send *s = arg;
	s->done(s->done_arg);
}

void prod_send_close(struct prod_send *s, int64_t timeout_us, void (*done)(void *arg), void *arg)
{
	s->done = done;
	s->done_arg = arg;
	s->flush_us = timeout_us;
	if (s->wind != WIND_NO)
		return; /* on its way already, after a fatal error */
	bg_timer_stop(s->reopen);
	if (!s->rk) {
		bg_loop_defer(s->loop, end_now, s);
		return;
	}
	s->wind = WIND_ASKED;
	wind_down(s);
}

/* --- the beginning --- */

static void reopen(void *arg)
{
	struct prod_send *s = arg;
	struct bg_err err = BG_ERR_INIT;
	if (open_handle(s, &err)) {
		bg_log(BG_ERROR, "producer_failed", "%s", err.msg);
		bg_timer_start(s->reopen, bg_backoff_next(&s->open_backoff));
	}
}

static int open_handle(struct prod_send *s, struct bg_err *err)
{
	char text[512];
	rd_kafka_conf_t *conf = rd_kafka_conf_dup(s->conf);
	rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
	s->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
	if (!s->rk) {
		rd_kafka_conf_destroy(conf);
		return bg_err_set(err, -EINVAL, "bad_kafka_config", "[kafka]: %s", text);
	}
	s->rkt = rd_kafka_topic_new(s->rk, s->topic, NULL);
	if (!s->rkt) {
		int rc = bg_err_set(err, -EINVAL, "bad_topic", "topic %s: %s", s->topic,
				    rd_kafka_err2str(rd_kafka_last_error()));
		rd_kafka_destroy(s->rk);
		s->rk = NULL;
		return rc;
	}
	s->queue = rd_kafka_queue_get_main(s->rk);
	s->kq = bg_kq_new(s->loop, s->queue, serve, s);
	refresh(s);
	return 0;
}

static int64_t refresh_interval_us(const rd_kafka_conf_t *conf)
{
	char text[32] = "";
	size_t size = sizeof(text);
	if (rd_kafka_conf_get(conf, "topic.metadata.refresh.interval.ms", text, &size))
		return 0;
	return strtoll(text, NULL, 10) * 1000; /* -1: never */
}

int prod_send_new(const struct prod_send_opts *o, struct prod_send **ret, struct bg_err *err)
{
	struct prod_send *s = bg_xcalloc(1, sizeof(*s));
	*s = (struct prod_send){
		.loop = o->loop,
		.worker = o->worker,
		.conf = o->conf,
		.topic = bg_xstrdup(o->topic),
		.stats = o->stats,
		.changed = o->changed,
		.arg = o->arg,
		.refresh_us = refresh_interval_us(o->conf),
		.meta_backoff = {.min_us = 50000, .max_us = 2000000},
		.open_backoff = {.min_us = 50000, .max_us = 10000000},
	};
	s->refresh = bg_timer_new(s->loop, refresh, s);
	s->reopen = bg_timer_new(s->loop, reopen, s);
	s->last_reports = bg_timer_new(s->loop, last_reports_over, s);
	int rc = open_handle(s, err);
	if (rc) {
		prod_send_free(s);
		return rc;
	}
	*ret = s;
	return 0;
}

void prod_send_free(struct prod_send *s)
{
	if (!s)
		return;
	bg_timer_free(s->refresh);
	bg_timer_free(s->reopen);
	bg_timer_free(s->last_reports);
	rd_kafka_conf_destroy(s->conf);
	free(s->topic);
	free(s);
}

/* --- use --- */

int32_t prod_send_partitions(const struct prod_send *s)
{
	return s->wind == WIND_NO ? s->partitions : 0;
}

bool prod_send_connected(const struct prod_send *s)
{
	return prod_send_partitions(s) > 0 && !s->down;
}

int64_t prod_send_queued(const struct prod_send *s)
{
	return s->stats->accepted - s->stats->acked - s->stats->failed;
}

rd_kafka_t *prod_send_handle(struct prod_send *s)
{
	return s->rk;
}

int32_t prod_send_choose(struct prod_send *s, struct prod_bytes key)
{
	if (!key.data)
		return (int32_t)(s->turn++ % (uint32_t)s->partitions);
	return rd_kafka_msg_partitioner_murmur2(s->rkt, key.data, key.len, s->partitions, NULL, NULL);
}

/* Not this record's fault: topic gone, made anew with fewer partitions, forbidden for now. Ask until it is well. */
static void topic_lost(struct prod_send *s, rd_kafka_resp_err_t err)
{
	s->partitions = 0;
	if (s->meta.busy)
		return;
	s->meta.err = err;
	metadata_failed(s);
}

static enum prod_put refused(struct prod_send *s, rd_kafka_resp_err_t err)
{
	switch (err) {
	case RD_KAFKA_RESP_ERR__QUEUE_FULL:
		s->stats->full++;
		return PROD_PUT_FULL;
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR__BAD_MSG:
	case RD_KAFKA_RESP_ERR__INVALID_ARG:
		/* Never accepted, so both counts move: queued is their difference. */
		s->stats->accepted++;
		prod_stats_failed(s->stats, err, false);
		log_failed(s, rd_kafka_err2str(err));
		return PROD_PUT_REFUSED;
	case RD_KAFKA_RESP_ERR__FATAL: /* its event is on the way */
		return PROD_PUT_LATER;
	default:
		topic_lost(s, err);
		return PROD_PUT_LATER;
	}
}

enum prod_put prod_send_put(struct prod_send *s, int32_t partition, struct prod_bytes key,
			    struct prod_bytes value, rd_kafka_headers_t *headers)
{
	if (s->wind != WIND_NO || !s->rk)
		return PROD_PUT_LATER;
	/* librdkafka only reads them: it copies (RD_KAFKA_MSG_F_COPY). */
	rd_kafka_vu_t vus[6] = {
		{.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = s->rkt},
		{.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
		{.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
		{.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)key.data, key.len}},
		{.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)value.data, value.len}},
		{.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
	};
	rd_kafka_error_t *error = rd_kafka_produceva(s->rk, vus, headers ? 6 : 5);
	if (!error) {
		s->stats->accepted++;
		return PROD_PUT_OK;
	}
	rd_kafka_resp_err_t err = rd_kafka_error_code(error);
	rd_kafka_error_destroy(error);
	return refused(s, err);
}
