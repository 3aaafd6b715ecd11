/* SPDX-License-Identifier: Apache-2.0 */
/* Records into the child and answers out of it. */
#include "config.h"

#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "consumerd/dispatch.h"
#include "consumerd/exec_int.h"
#include "consumerd/exec_write.h"
#include "consumerd/handler.h"
#include "consumerd/ledger.h"

#define WRITE_AT  (64 * 1024)  /* so much is written at once, without waiting for the end of the turn */
#define OUT_HIGH  (256 * 1024) /* more than this is not held for a child that does not read */
#define DISK_WAIT 200000       /* us, when the ledger cannot be written */
#define HELD_WAIT 10000        /* us, while nothing may be handed out */

static size_t unwritten(void)
{
	return exec_x.out.len - exec_x.out_at;
}

enum con_room exec_room(struct con *c)
{
	(void)c;
	if (!exec_child_ready(&exec_x.child) || exec_x.ending || exec_x.finishing)
		return CON_ROOM_DOWN;
	if (exec_x.table.count < exec_x.max_in_flight && unwritten() < OUT_HIGH)
		return CON_ROOM_FREE;
	exec_x.was_full = true;
	return CON_ROOM_FULL;
}

/* Who was told to wait may go on. */
static void room_again(void)
{
	if (!exec_x.was_full || exec_room(exec_x.c) != CON_ROOM_FREE)
		return;
	exec_x.was_full = false;
	con_dispatch_all(exec_x.c);
}

/* ---- in ---- */

static void encode(struct con_rec *r, uint64_t n)
{
	rd_kafka_timestamp_type_t type;
	rd_kafka_headers_t *headers = NULL;
	struct exec_record e = {
		.n = n,
		.topic = r->part->topic,
		.partition = r->part->partition,
		.offset = r->offset,
		.timestamp_ms = rd_kafka_message_timestamp(r->msg, &type),
		.key = r->msg->key,
		.key_len = r->msg->key_len,
		.value = r->msg->payload,
		.value_len = r->msg->len,
	};

	if (!rd_kafka_message_headers(r->msg, &headers))
		e.headers = headers;
	if (exec_x.raw)
		exec_write_raw(&exec_x.out, &e);
	else
		exec_write_json(&exec_x.out, &e);
}

static void write_later(void *arg)
{
	exec_x.write_due = false;
	exec_write_out(arg);
}

static void lost_end(void *arg)
{
	exec_x.lost_due = false;
	con_lost_end(arg);
	room_again(); /* they have made some */
}

static void lost_end_later(struct con *c)
{
	if (!exec_x.lost_due)
		bg_loop_defer(c->loop, lost_end, c);
	exec_x.lost_due = true;
}

void exec_give(struct con *c, struct con_rec *r)
{
	if (exec_room(c) == CON_ROOM_DOWN) {
		/* It was held back by a fault until now, and there is nobody any more. */
		con_lost(c, r);
		lost_end_later(c);
		return;
	}
	encode(r, exec_table_put(&exec_x.table, r, r->given_us));
	exec_table_queued(&exec_x.table, unwritten());
	con_ledger_in(c, r, r->given_us);
	if (unwritten() >= WRITE_AT) {
		exec_write_out(c);
	} else if (!exec_x.write_due) {
		exec_x.write_due = true;
		bg_loop_defer(c->loop, write_later, c);
	}
}

/* Rule 9, here too: given to us is not given to the program. After a fencing the partitions are taken away next. */
static bool must_wait(const struct con *c)
{
	return unwritten() && (c->held || c->cut || (c->state == CON_FENCED && !c->parts.norphans));
}

/* Records whose partition was taken away, and of which the program has not had a byte yet, it never gets. */
static void drop_orphans(struct con *c)
{
	struct exec_table *t = &exec_x.table;
	struct exec_slot *s = exec_table_unsent(t), *next;
	uint64_t end = t->whole; /* of the one before */
	size_t from = 0, to = 0; /* in the buffer, from out_at on */
	char *out = exec_x.out.s + exec_x.out_at;
	bool any = false;

	for (; s; s = next) {
		size_t n = (size_t)(s->end - BG_MAX(end, t->sent));

		next = exec_table_behind(t, s);
		if (end >= t->sent && ((const struct con_rec *)s->rec)->orphan) {
			end = s->end;
			con_lost(c, exec_table_take(t, s->n));
			any = true;
		} else {
			end = s->end;
			memmove(out + to, out + from, n);
			to += n;
			s->end = t->sent + to;
		}
		from += n;
	}
	exec_x.out.len = exec_x.out_at + to;
	if (any)
		lost_end_later(c);
}

/* The ledger first: that a record went in is known before anybody can have worked on it. */
void exec_write_out(void *arg)
{
	struct con *c = arg;

	if (!exec_child_ready(&exec_x.child) || exec_x.ending)
		return;
	if (must_wait(c)) {
		bg_timer_start(exec_x.again, HELD_WAIT);
		return;
	}
	if (c->parts.norphans && unwritten())
		drop_orphans(c);
	if (unwritten() && !con_ledger_flush(c)) {
		bg_timer_start(exec_x.again, DISK_WAIT);
		return;
	}
	while (unwritten()) {
		ssize_t n = exec_child_write(&exec_x.child, exec_x.out.s + exec_x.out_at, unwritten());

		if (n < 0) {
			exec_stream_closed("input");
			return;
		}
		if (!n)
			break;
		exec_x.out_at += (size_t)n;
		exec_table_sent(&exec_x.table, (size_t)n, bg_now_us());
	}
	if (!unwritten()) {
		bg_buf_reset(&exec_x.out);
		exec_x.out_at = 0;
		if (exec_x.finishing)
			exec_child_close_in(&exec_x.child);
	} else if (exec_x.out_at > OUT_HIGH) {
		memmove(exec_x.out.s, exec_x.out.s + exec_x.out_at, unwritten());
		exec_x.out.len -= exec_x.out_at;
		exec_x.out_at = 0;
	}
}

void exec_on_room(void *arg)
{
	exec_write_out(arg);
	if (unwritten() < OUT_HIGH / 2)
		room_again();
}

/* ---- out ---- */

/* Answers that make no sense end the child: what else it says cannot be trusted either, and nothing is skipped. */
static void take_answer(const struct exec_answer *a)
{
	struct con *c = exec_x.c;
	const char *error = a->error[0] ? a->error : "the program gave no reason";
	uint64_t first = a->first;
	struct con_rec *r;
	bool any = false;

	if (a->last > exec_table_known(&exec_x.table)) {
		bg_series_add(exec_x.meters.bad, 1);
		exec_end_child("it answered number %llu, which it was never given (the last was %llu)",
			       (unsigned long long)a->last,
			       (unsigned long long)exec_table_known(&exec_x.table));
		return;
	}
	while ((r = exec_table_take_range(&exec_x.table, &first, a->last))) {
		any = true;
		if (a->ok)
			con_done(c, r, NULL);
		else if (a->retry)
			con_done(c, r, error);
		else
			con_refused(c, r, error);
	}
	if (any) {
		exec_x.answered = true;
		return;
	}
	bg_series_add(exec_x.meters.twice, 1);
	exec_lines_say(&exec_x.foreign, "answered_twice", a->ok ? "done again" : error,
		       strlen(a->ok ? "done again" : error), bg_now_us());
}

/* One line or frame; false: the child is done for. */
static bool take_part(const char *part, size_t len)
{
	struct bg_err err = BG_ERR_INIT;
	struct exec_answer a;
	int rc = exec_x.raw ? exec_answer_raw(part, len, &a, &err) : exec_answer_line(part, len, &a, &err);

	if (rc == 0) {
		take_answer(&a);
	} else if (rc > 0) {
		uint64_t before = exec_x.foreign.lines;

		if (!exec_x.told_foreign)
			bg_log(BG_WARN, "no_answer",
			       "the program writes to standard output what is no answer; it is logged, and no more. Standard error is the place for it");
		exec_x.told_foreign = true;
		exec_lines_say(&exec_x.foreign, "no_answer", part, len, bg_now_us());
		bg_series_add(exec_x.meters.foreign, (double)(exec_x.foreign.lines - before));
	} else {
		bg_series_add(exec_x.meters.bad, 1);
		exec_end_child(
			"a wrong answer: %s; expected {\"n\":NUMBER,\"ok\":true} and the like, got %.*s",
			err.msg, exec_x.raw ? 0 : (int)BG_MIN(len, (size_t)80), part);
	}
	return !exec_x.ending;
}

/* Cut and take what there is; how much of it was used. */
static size_t take_all(const char *data, size_t len)
{
	struct bg_err err = BG_ERR_INIT;
	const char *part;
	size_t at = 0, n;
	int rc;

	do {
		rc = exec_x.raw ? exec_cut_raw(data, len, &at, exec_x.max_answer, &part, &n, &err)
				: exec_cut_line(data, len, &at, exec_x.max_answer, &part, &n, &err);
	} while (rc > 0 && take_part(part, n));
	if (rc < 0) {
		bg_series_add(exec_x.meters.bad, 1);
		exec_end_child("%s", err.msg);
	}
	return at;
}

void exec_on_out(void *arg, const char *data, size_t len)
{
	size_t used;

	(void)arg;
	if (exec_x.ending)
		return;
	if (!len) {
		exec_stream_closed("output");
		return;
	}
	if (!exec_x.in.len) {
		used = take_all(data, len);
		if (used < len)
			bg_buf_add(&exec_x.in, data + used, len - used);
	} else {
		bg_buf_add(&exec_x.in, data, len);
		used = take_all(exec_x.in.s, exec_x.in.len);
		memmove(exec_x.in.s, exec_x.in.s + used, exec_x.in.len - used);
		exec_x.in.len -= used;
	}
	room_again();
}

void exec_on_err(void *arg, const char *data, size_t len)
{
	struct exec_lines *l = &exec_x.errors;
	uint64_t lines = l->lines, dropped = l->dropped;

	(void)arg;
	if (len)
		exec_lines_add(l, "child", data, len, bg_now_us());
	else
		exec_lines_end(l, "child", bg_now_us());
	bg_series_add(exec_x.meters.err_lines, (double)(l->lines - lines));
	bg_series_add(exec_x.meters.err_dropped, (double)(l->dropped - dropped));
}
