/* SPDX-License-Identifier: Apache-2.0 */
/*
 *            due (timerfd) ─┐                       ┌─► accepted ─► report ─► stats
 *   room, partitions ───────┼─► turn: line or made ─┤
 *   more lines ─────────────┘   partition, number   ├─► full, later: again at `changed`; nothing is used up
 *                                                   └─► refused: counted, the next one
 */
#include "config.h"
#include "producerd/engine.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include "common/log.h"
#include "common/mem.h"

enum one { ONE_DONE, ONE_WAIT, ONE_NOTHING };

struct prod_engine {
	struct bg_loop *loop;
	struct prod_stats stats;
	struct prod_numbering numbering;
	struct prod_pace pace;
	struct prod_payload *payload;
	struct prod_input *input;
	struct prod_send *send;
	double rate;
	bool by_key;
	int64_t count, duration_us;
	int64_t made; /* records that are done with: accepted or refused */
	int64_t too_long;

	bool on;      /* is to run */
	bool paced;   /* the schedule runs: on, and partitions are known */
	bool waiting; /* for room in the queue */
	bool finishing, finished, closing;
	int timer_fd; /* absolute and exact: the loop's own timers may round to milliseconds */
	struct bg_watch *watch;
	struct bg_timer *duration;

	void (*on_finished)(void *arg, int status);
	void *arg;
	void (*on_closed)(void *arg, int status);
	void *closed_arg;
};

static void turn(struct prod_engine *e);

const char *prod_state_name(enum prod_state st)
{
	static const char *const names[] = {"connecting", "running", "stopped", "finishing", "stopping"};
	return names[st];
}

enum prod_state prod_engine_state(const struct prod_engine *e)
{
	if (e->closing)
		return PROD_STOPPING;
	if (e->finishing)
		return PROD_FINISHING;
	if (!e->on)
		return PROD_STOPPED;
	return prod_send_partitions(e->send) > 0 ? PROD_RUNNING : PROD_CONNECTING;
}

static void arm(struct prod_engine *e, int64_t at_us)
{
	/* Zero would disarm. */
	struct itimerspec when = {.it_value = {at_us / 1000000, at_us % 1000000 * 1000 + 1}};
	timerfd_settime(e->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void disarm(struct prod_engine *e)
{
	static const struct itimerspec never;
	timerfd_settime(e->timer_fd, TFD_TIMER_ABSTIME, &never, NULL);
}

/* --- the end of a count, a duration, an input --- */

static void check_finished(struct prod_engine *e)
{
	if (!e->finishing || e->finished || e->closing || prod_send_queued(e->send) > 0)
		return;
	e->finished = true;
	bg_log(BG_NOTICE, "finished", "%" PRId64 " records acknowledged, %" PRId64 " not sent",
	       e->stats.acked, e->stats.failed);
	e->on_finished(e->arg, e->stats.failed || (e->input && prod_input_error(e->input)) ? 1 : 0);
}

static void finish(struct prod_engine *e, const char *why)
{
	if (e->finishing || e->closing)
		return;
	bg_log(BG_INFO, "finishing", "%s reached after %" PRId64 " records", why, e->made);
	e->finishing = true;
	e->on = e->paced = false;
	disarm(e);
	check_finished(e);
}

static void duration_over(void *arg)
{
	finish(arg, "duration");
}

/* --- one record --- */

/* A line that was too long to be read counts as a record that was not sent. */
static void count_too_long(struct prod_engine *e)
{
	int64_t n = prod_input_too_long(e->input);
	if (n > e->too_long)
		bg_log(BG_WARN, "line_too_long", "input: a line of more than %d bytes is left out",
		       PROD_LINE_MAX);
	for (; e->too_long < n; e->too_long++) {
		e->stats.accepted++;
		prod_stats_failed(&e->stats, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, false);
	}
}

static bool next_line(struct prod_engine *e, struct prod_bytes *key, struct prod_bytes *value)
{
	bool there = prod_input_peek(e->input, key, value);
	count_too_long(e);
	if (there)
		return true;
	if (prod_input_ended(e->input)) {
		if (prod_input_error(e->input))
			bg_log(BG_ERROR, "input_failed", "input: %s", strerror(prod_input_error(e->input)));
		finish(e, "end of input");
	}
	return false;
}

static enum one one_record(struct prod_engine *e)
{
	char buf[PROD_KEY_MAX];
	struct prod_record r = {.run = e->numbering.run};
	struct prod_bytes value;
	if (e->input && !next_line(e, &r.key, &value))
		return ONE_NOTHING;
	if (!e->input)
		r.key = prod_payload_key(e->payload, e->made, buf);
	int32_t partition = prod_send_choose(e->send, e->by_key ? r.key : (struct prod_bytes){NULL, 0});
	r.seq = prod_numbering_next(&e->numbering, partition);
	r.time_us = bg_real_us();
	if (!e->input)
		value = prod_payload_value(e->payload, &r);
	rd_kafka_headers_t *headers = prod_numbering_headers(&e->numbering, r.seq, r.time_us, r.key, value);
	enum prod_put put = prod_send_put(e->send, partition, r.key, value, headers);
	if (put == PROD_PUT_OK)
		prod_numbering_taken(&e->numbering, partition);
	else if (headers)
		rd_kafka_headers_destroy(headers);
	if (put == PROD_PUT_FULL || put == PROD_PUT_LATER)
		return ONE_WAIT;
	e->made++;
	if (e->input)
		prod_input_pop(e->input);
	return ONE_DONE;
}

/* --- the loop --- */

/* Begin the schedule when there is where to send; it ends with a stop, not with a full queue. */
static bool schedule(struct prod_engine *e)
{
	bool ready = e->on && prod_send_partitions(e->send) > 0;
	if (ready && !e->paced)
		prod_pace_start(&e->pace, bg_now_us(), e->rate);
	if (ready && e->duration_us && !e->paced && !bg_timer_pending(e->duration))
		bg_timer_start(e->duration, e->duration_us);
	e->paced = ready;
	return ready;
}

static void turn(struct prod_engine *e)
{
	if (!schedule(e)) {
		disarm(e);
		return;
	}
	int64_t now = bg_now_us(), due = prod_pace_due(&e->pace, now), n = 0;
	enum one last = ONE_DONE;
	while (n < due && last == ONE_DONE && !(e->count && e->made >= e->count))
		if ((last = one_record(e)) == ONE_DONE)
			n++;
	prod_pace_sent(&e->pace, now, n);
	e->waiting = last == ONE_WAIT;
	if (e->count && e->made >= e->count)
		finish(e, "count");
	if (!e->on)
		return;
	if (last == ONE_NOTHING)
		prod_pace_idle(&e->pace, now);
	if (last == ONE_DONE)
		arm(e, prod_pace_next_us(&e->pace, bg_now_us()));
	else
		disarm(e); /* `changed` or `more` comes */
}

static void on_timer(void *arg)
{
	struct prod_engine *e = arg;
	uint64_t n;
	if (read(e->timer_fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		bg_log(BG_ERROR, "timer", "timerfd: %s", strerror(errno));
	turn(e);
}

static void on_changed(void *arg)
{
	struct prod_engine *e = arg;
	if (e->waiting || !e->paced)
		turn(e);
	check_finished(e);
}

static void on_more(void *arg)
{
	struct prod_engine *e = arg;
	if (!e->paced)
		return;
	prod_pace_idle(&e->pace, bg_now_us());
	/* The line may come before its turn. */
	arm(e, prod_pace_next_us(&e->pace, bg_now_us()));
}

/* --- life --- */

static int open_timer(struct prod_engine *e, struct bg_err *err)
{
	e->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (e->timer_fd < 0)
		return bg_err_set(err, -errno, "no_timer", "timerfd: %s", strerror(errno));
	e->watch = bg_watch_read(e->loop, e->timer_fd, on_timer, e);
	e->duration = bg_timer_new(e->loop, duration_over, e);
	return 0;
}

static int open_parts(struct prod_engine *e, const struct prod_engine_opts *o, struct bg_err *err)
{
	struct prod_send_opts so = {.loop = o->loop,
				    .worker = o->worker,
				    .conf = o->conf,
				    .topic = o->topic,
				    .stats = &e->stats,
				    .changed = on_changed,
				    .arg = e};
	int rc = open_timer(e, err);
	if (!rc && o->input)
		rc = prod_input_open(o->loop, o->input, o->separator, on_more, e, &e->input, err);
	if (!rc)
		rc = prod_payload_new(&o->payload, &e->payload, err);
	if (rc) {
		rd_kafka_conf_destroy(o->conf);
		return rc;
	}
	return prod_send_new(&so, &e->send, err);
}

int prod_engine_new(const struct prod_engine_opts *o, struct prod_engine **ret, struct bg_err *err)
{
	struct prod_engine *e = bg_xcalloc(1, sizeof(*e));
	*e = (struct prod_engine){
		.loop = o->loop,
		.rate = o->rate,
		.by_key = o->by_key,
		.count = o->count,
		.duration_us = o->duration_us,
		.on = o->autostart,
		.on_finished = o->finished,
		.arg = o->arg,
		.timer_fd = -1,
	};
	prod_stats_init(&e->stats, o->metrics);
	prod_numbering_init(&e->numbering, o->payload.numbers);
	int rc = open_parts(e, o, err);
	if (rc) {
		prod_engine_free(e);
		return rc;
	}
	*ret = e;
	return 0;
}

void prod_engine_free(struct prod_engine *e)
{
	if (!e)
		return;
	prod_send_free(e->send);
	prod_input_free(e->input);
	prod_payload_free(e->payload);
	prod_numbering_fini(&e->numbering);
	bg_timer_free(e->duration);
	bg_watch_free(e->watch);
	if (e->timer_fd >= 0)
		close(e->timer_fd);
	free(e);
}

void prod_engine_start(struct prod_engine *e, double rate)
{
	if (e->closing || e->finishing)
		return;
	if (rate > 0)
		prod_engine_rate(e, rate);
	if (e->on)
		return;
	e->on = true;
	bg_log(BG_NOTICE, "started", "producing at %g records/s", e->rate);
	turn(e);
}

void prod_engine_stop(struct prod_engine *e)
{
	if (!e->on)
		return;
	e->on = e->paced = e->waiting = false;
	disarm(e);
	bg_log(BG_NOTICE, "stopped", "after %" PRId64 " records", e->made);
}

void prod_engine_rate(struct prod_engine *e, double rate)
{
	if (rate == e->rate)
		return;
	bg_log(BG_NOTICE, "rate", "%g -> %g records/s", e->rate, rate);
	e->rate = rate;
	if (!e->paced)
		return;
	int64_t now = bg_now_us();
	prod_pace_rate(&e->pace, now, rate);
	if (!e->waiting)
		arm(e, prod_pace_next_us(&e->pace, now));
}

void prod_engine_payload(struct prod_engine *e, struct prod_payload *p)
{
	prod_payload_free(e->payload);
	e->payload = p;
}

static void on_sent(void *arg)
{
	struct prod_engine *e = arg;
	bg_log(BG_NOTICE, "stopped", "%" PRId64 " records acknowledged, %" PRId64 " not sent", e->stats.acked,
	       e->stats.failed);
	e->on_closed(e->closed_arg, e->stats.failed ? 1 : 0);
}

void prod_engine_close(struct prod_engine *e, int64_t timeout_us, void (*done)(void *arg, int status),
		       void *arg)
{
	if (e->closing)
		return;
	e->closing = true;
	e->on = e->paced = e->waiting = false;
	disarm(e);
	bg_timer_stop(e->duration);
	e->on_closed = done;
	e->closed_arg = arg;
	prod_send_close(e->send, timeout_us, on_sent, e);
}

const struct prod_pace *prod_engine_pace(struct prod_engine *e)
{
	if (e->paced)
		prod_pace_trim(&e->pace, bg_now_us());
	return &e->pace;
}

double prod_engine_rate_now(const struct prod_engine *e)
{
	return e->rate;
}

const struct prod_stats *prod_engine_stats(const struct prod_engine *e)
{
	return &e->stats;
}

const struct prod_numbering *prod_engine_numbering(const struct prod_engine *e)
{
	return &e->numbering;
}

const struct prod_send *prod_engine_send(const struct prod_engine *e)
{
	return e->send;
}
