/* SPDX-License-Identifier: Apache-2.0 */
/* The handler that gives the records to a program of the user's: the life of its process. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "consumerd/dispatch.h"
#include "consumerd/exec_conf.h"
#include "consumerd/exec_int.h"
#include "consumerd/faults.h"
#include "consumerd/handler.h"

#define SECTION     "handler:exec"
#define HEALTHY_US  10000000 /* who lives so long starts from a short back-off again */
#define BACKOFF_MAX 30000000
#define CLOSED_US   1000000 /* a stream is closed: so long it may take to end */
#define TERM_US     2000000 /* from SIGTERM to SIGKILL */
#define LOOK_US     INT64_C(1000000)
#define SILENT_US                                                                                            \
	INT64_C(10000000) /* it answered nothing at all for so long: its output is perhaps not flushed */
#define TWICE_RATE 5      /* lines a second */

struct exec exec_x;

/* ---- start and end of the child ---- */

static void start_child(void *arg)
{
	struct con *c = arg;
	struct bg_err err = BG_ERR_INIT;

	if (exec_child_runs(&exec_x.child) || exec_x.finishing)
		return;
	exec_x.ending = exec_x.answered = exec_x.told_silent = false;
	if (exec_child_start(&exec_x.child, &exec_x.cmd, &err)) {
		con_error(c, err.code, "%s", err.msg);
		bg_timer_start(exec_x.restart, bg_backoff_next(&exec_x.backoff));
	}
}

static void on_ready(void *arg)
{
	struct con *c = arg;

	bg_log(BG_INFO, "exec", "%s runs as process %d", exec_x.cmd.path, (int)exec_x.child.pid);
	bg_series_set(exec_x.meters.up, 1);
	if (exec_x.finishing)
		exec_write_out(c); /* the stop came while it was starting: the end of input is all it gets */
	con_dispatch_renewed(c);
	con_dispatch_all(c);
	con_changed(c);
}

void exec_end_child(const char *fmt, ...)
{
	_cleanup_free_ char *why = NULL;
	va_list ap;

	if (exec_x.ending || !exec_child_runs(&exec_x.child))
		return;
	va_start(ap, fmt);
	why = bg_xvasprintf(fmt, ap);
	va_end(ap);
	exec_x.ending = true;
	con_error(exec_x.c, "exec", "process %d is ended: %s", (int)exec_x.child.pid, why);
	exec_child_signal(&exec_x.child, SIGKILL);
}

static void closed_too_long(void *arg)
{
	(void)arg;
	exec_end_child("it has closed its standard streams and lives on");
}

void exec_stream_closed(const char *which)
{
	if (exec_x.ending || exec_x.finishing || bg_timer_pending(exec_x.closed))
		return;
	bg_log(BG_INFO, "exec", "process %d has closed its standard %s", (int)exec_x.child.pid, which);
	bg_timer_start(exec_x.closed, CLOSED_US);
}

/* All that it had and did not do. The oldest is named: a record that a program dies of is among the first. */
static size_t give_back(struct con *c)
{
	const struct exec_slot *s = exec_table_oldest(&exec_x.table);
	const struct con_rec *r = s ? s->rec : NULL;
	size_t n = exec_x.table.count;

	if (r)
		bg_log(BG_NOTICE, "exec", "%zu records come back; the first is %s [%d] offset %lld", n,
		       r->part->topic, r->part->partition, (long long)r->offset);
	while ((s = exec_table_oldest(&exec_x.table)))
		con_lost(c, exec_table_take(&exec_x.table, s->n));
	bg_series_add(exec_x.meters.lost, (double)n);
	return n;
}

static void on_end(void *arg, bool never_ran, const char *how)
{
	struct con *c = arg;
	int64_t now = bg_now_us(), wait;

	bg_timer_stop(exec_x.closed);
	bg_timer_stop(exec_x.stop);
	exec_lines_end(&exec_x.errors, "child", now);
	exec_lines_end(&exec_x.foreign, "no_answer", now);
	bg_buf_reset(&exec_x.out);
	bg_buf_reset(&exec_x.in);
	exec_x.out_at = 0;
	exec_table_stream(&exec_x.table);
	bg_series_set(exec_x.meters.up, 0);
	bg_strlcpy(exec_x.last_end, how, sizeof exec_x.last_end);
	con_dispatch_flush(c); /* what it did counts */
	if (exec_x.finishing) {
		bg_log(exec_x.table.count ? BG_WARN : BG_INFO, "exec", "%s %s", exec_x.cmd.path, how);
	} else {
		if (!never_ran && now - exec_x.child.started_us > HEALTHY_US) {
			bg_backoff_reset(&exec_x.backoff);
			exec_x.fails = 0;
		}
		exec_x.fails = exec_x.answered ? 1 : exec_x.fails + 1;
		wait = bg_backoff_next(&exec_x.backoff);
		if (!exec_x.ending)
			con_error(c, "exec", "%s %s", exec_x.cmd.path, how);
		bg_log(BG_NOTICE, "exec", "the program is started again in %lld ms", (long long)wait / 1000);
		bg_timer_start(exec_x.restart, wait);
		exec_x.restarts++;
		bg_series_add(exec_x.meters.restarts, 1);
	}
	give_back(c);
	con_lost_end(c);
	con_changed(c);
}

/* ---- hangs ---- */

/* The commonest mistake of all, and without a word nobody sees it before answer-timeout. */
static void tell_silent(const struct exec_slot *s)
{
	int64_t us = s ? bg_now_us() - s->given_us : 0;
	int64_t limit = exec_x.answer_timeout_us ? exec_x.answer_timeout_us / 2 : SILENT_US;

	if (us < BG_MIN(limit, SILENT_US) || exec_x.answered || exec_x.told_silent)
		return;
	exec_x.told_silent = true;
	bg_log(BG_WARN, "exec",
	       "process %d has answered no record yet, the oldest was given %lld s ago: does it flush its standard output after each answer? (bg-exec(7))",
	       (int)exec_x.child.pid, (long long)us / 1000000);
}

/* It does not stay up: given records, it would get none done. Once is an accident. */
static bool failing(void)
{
	bool up = exec_child_ready(&exec_x.child) && !exec_x.ending;

	return exec_x.fails > 1 &&
	       !(up && (exec_x.answered || bg_now_us() - exec_x.child.started_us > HEALTHY_US));
}

/* The oldest that has been with the child for too long; NULL: there is none. What we ourselves hold back does not count. */
static const struct exec_slot *overdue(void)
{
	const struct exec_slot *s = exec_table_oldest(&exec_x.table);

	if (!s || bg_now_us() - s->given_us < exec_x.answer_timeout_us)
		return NULL;
	return s == exec_table_unsent(&exec_x.table) && bg_timer_pending(exec_x.again) ? NULL : s;
}

static void look_for_hang(void *arg)
{
	const struct exec_slot *s;
	const struct con_rec *r;

	if (exec_x.was_failing != failing()) { /* nothing else tells that it stays up by now */
		exec_x.was_failing = !exec_x.was_failing;
		con_changed(arg);
	}
	if (!exec_child_ready(&exec_x.child) || exec_x.ending)
		return;
	if (exec_x.table.count && exec_child_deaf(&exec_x.child)) {
		exec_stream_closed("input"); /* what it has not read is lost */
		return;
	}
	tell_silent(exec_table_oldest(&exec_x.table));
	if (!exec_x.answer_timeout_us || !overdue())
		return;
	/* We may have been the ones who slept: what it has answered meanwhile is in the pipe. */
	exec_child_read_out(&exec_x.child);
	s = overdue();
	if (!s || exec_x.ending)
		return;
	r = s->rec;
	bg_series_add(exec_x.meters.hangs, 1);
	exec_end_child("no answer to %s [%d] offset %lld within answer-timeout, %lld ms", r->part->topic,
		       r->part->partition, (long long)r->offset, (long long)exec_x.answer_timeout_us / 1000);
}

static int64_t look_every(void)
{
	int64_t us = exec_x.answer_timeout_us / 8;

	return us ? BG_MAX(BG_MIN(us, LOOK_US), INT64_C(10000)) : LOOK_US;
}

/* ---- the vtable ---- */

static void exec_tune(struct con *c, const struct bg_conf *conf)
{
	(void)c;
	exec_x.answer_timeout_us = bg_conf_int(conf, SECTION, "answer-timeout");
	exec_x.stop_timeout_us = bg_conf_int(conf, SECTION, "stop-timeout");
	exec_x.max_in_flight = (size_t)bg_conf_int(conf, SECTION, "max-in-flight");
	exec_x.errors.rate = (int)bg_conf_int(conf, SECTION, "stderr-rate");
	exec_x.abandon = !strcmp(bg_conf_str(conf, SECTION, "on-deadline"), "abandon");
	if (exec_x.hang)
		bg_timer_every(exec_x.hang, look_every());
}

static struct bg_series *series(struct con *c, enum bg_metric_type type, const char *name, const char *help)
{
	return bg_series(bg_metric(c->metrics, type, name, help), "switch", c->cfg.sw, "color",
			 bg_color_name(c->cfg.color), "instance", c->cfg.instance, NULL);
}

static void make_meters(struct con *c)
{
	exec_x.meters = (struct exec_meters){
		.up = series(c, BG_GAUGE, "bg_consumer_exec_up", "1 while the program of handler exec runs."),
		.restarts = series(
			c, BG_COUNTER, "bg_consumer_exec_restarts_total",
			"Ends of the program that were not asked for; each is followed by a new start."),
		.hangs = series(c, BG_COUNTER, "bg_consumer_exec_hangs_total",
				"Times that the program was ended because it did not answer in time."),
		.lost = series(c, BG_COUNTER, "bg_consumer_exec_returned_records_total",
			       "Records that the program had when it ended."),
		.bad = series(
			c, BG_COUNTER, "bg_consumer_exec_bad_answers_total",
			"Answers that ended the program: malformed, too long, of a number never given."),
		.twice = series(c, BG_COUNTER, "bg_consumer_exec_double_answers_total",
				"Answers to records that were answered before."),
		.foreign = series(c, BG_COUNTER, "bg_consumer_exec_foreign_lines_total",
				  "Lines on standard output that are no answers."),
		.err_lines = series(c, BG_COUNTER, "bg_consumer_exec_stderr_lines_total",
				    "Lines on standard error."),
		.err_dropped = series(c, BG_COUNTER, "bg_consumer_exec_stderr_dropped_lines_total",
				      "Lines on standard error that were not logged: too many a second."),
	};
}

static void stop_stage(void *arg)
{
	(void)arg;
	if (!exec_child_runs(&exec_x.child))
		return;
	bg_log(BG_WARN, "exec", "process %d has not ended: %s", (int)exec_x.child.pid,
	       exec_x.stop_stage ? "SIGKILL" : "SIGTERM");
	exec_child_signal(&exec_x.child, exec_x.stop_stage ? SIGKILL : SIGTERM);
	if (!exec_x.stop_stage++)
		bg_timer_start(exec_x.stop, TERM_US);
}

static int exec_start(struct con *c, struct bg_err *err)
{
	const struct bg_conf *conf = c->d->conf;
	int rc = exec_conf_command(conf, c->cfg.sw, c->cfg.color, c->cfg.instance, &exec_x.cmd, err);

	if (rc)
		return rc;
	exec_x.c = c;
	exec_x.raw = !strcmp(bg_conf_str(conf, SECTION, "format"), "raw");
	exec_x.max_answer = (size_t)bg_conf_int(conf, SECTION, "max-answer-bytes");
	exec_x.foreign.rate = TWICE_RATE;
	exec_x.backoff = (struct bg_backoff){.min_us = bg_conf_int(conf, SECTION, "restart-backoff"),
					     .max_us = BACKOFF_MAX};
	exec_x.backoff.max_us = BG_MAX(exec_x.backoff.max_us, exec_x.backoff.min_us);
	make_meters(c);
	exec_table_init(&exec_x.table, exec_x.max_in_flight);
	exec_x.restart = bg_timer_new(c->loop, start_child, c);
	exec_x.hang = bg_timer_new(c->loop, look_for_hang, c);
	exec_x.closed = bg_timer_new(c->loop, closed_too_long, c);
	exec_x.stop = bg_timer_new(c->loop, stop_stage, c);
	exec_x.again = bg_timer_new(c->loop, exec_write_out, c);
	exec_x.child = (struct exec_child){.loop = c->loop,
					   .arg = c,
					   .on_ready = on_ready,
					   .on_out = exec_on_out,
					   .on_err = exec_on_err,
					   .on_room = exec_on_room,
					   .on_end = on_end};
	exec_child_init(&exec_x.child);
	exec_x.started = true;
	exec_tune(c, conf);
	start_child(c);
	return 0;
}

static void exec_stop(struct con *c)
{
	struct con_rec *r;
	const struct exec_slot *s;

	if (exec_x.started) {
		exec_child_free(&exec_x.child);
		/* Records of partitions that were taken away are in no list but ours. */
		while ((s = exec_table_oldest(&exec_x.table))) {
			r = exec_table_take(&exec_x.table, s->n);
			if (r->orphan)
				con_rec_ack(&c->parts, r);
		}
	}
	exec_table_free(&exec_x.table);
	exec_command_free(&exec_x.cmd);
	bg_buf_free(&exec_x.out);
	bg_buf_free(&exec_x.in);
	bg_timer_free(exec_x.restart);
	bg_timer_free(exec_x.hang);
	bg_timer_free(exec_x.closed);
	bg_timer_free(exec_x.stop);
	bg_timer_free(exec_x.again);
	memset(&exec_x, 0, sizeof exec_x);
}

static bool exec_flush(struct con *c)
{
	(void)c;
	return true;
}

static void exec_finish(struct con *c)
{
	exec_x.finishing = true;
	bg_timer_stop(exec_x.restart);
	if (!exec_child_runs(&exec_x.child))
		return;
	bg_timer_start(exec_x.stop, exec_x.stop_timeout_us);
	exec_write_out(c); /* and then the end of input */
}

static bool exec_gone(struct con *c)
{
	(void)c;
	return !exec_child_runs(&exec_x.child);
}

static void exec_abandon(struct con *c)
{
	con_faults_give_back(c);
	if (exec_x.table.count)
		exec_end_child("its records are let go: %zu", exec_x.table.count);
	con_dispatch_settle(c, true);
	con_lost_end(c);
}

static void exec_on_deadline(struct con *c)
{
	if (exec_x.abandon)
		exec_abandon(c);
}

static struct json_object *exec_json(struct con *c)
{
	struct json_object *o = json_object_new_object();
	bool up = exec_child_ready(&exec_x.child) && !exec_x.ending;

	bg_json_add_str(o, "name", c->handler->name);
	bg_json_add_bool(o, "running", up);
	bg_json_add_int(o, "pid", exec_x.child.pid);
	bg_json_add_int(o, "in_child", (int64_t)exec_x.table.count);
	bg_json_add_int(o, "restarts", (int64_t)exec_x.restarts);
	bg_json_add_bool(o, "failing", failing());
	bg_json_add_str(o, "last_end", exec_x.last_end[0] ? exec_x.last_end : NULL);
	return o;
}

const struct con_handler_ops con_handler_exec = {
	.name = "exec",
	.async = true,
	.start = exec_start,
	.stop = exec_stop,
	.give = exec_give,
	.flush = exec_flush,
	.tune = exec_tune,
	.room = exec_room,
	.finish = exec_finish,
	.gone = exec_gone,
	.on_deadline = exec_on_deadline,
	.abandon = exec_abandon,
	.json = exec_json,
};
