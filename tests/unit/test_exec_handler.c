/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exec handler and the dispatcher with a real child: this program itself, see exec_program.c. Kafka is not
 * there: records are made by hand, and what the dispatcher asks of the source is noted.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/daemon.h"
#include "common/json.h"
#include "common/mem.h"
#include "consumerd/commands.h"
#include "consumerd/con.h"
#include "consumerd/con_conf.h"
#include "consumerd/dispatch.h"
#include "consumerd/exec_int.h"
#include "consumerd/faults.h"
#include "consumerd/handler.h"
#include "consumerd/meters.h"
#include "consumerd/source.h"
#include "exec_program.h"

static struct {
	struct con c;
	struct bg_daemon d;
	char dir[64], self[256], once[96], file[96];
	char error[512];
	int drained_asked;
	size_t repeats;
	int64_t next[4]; /* offset of the next record that is fed */
	size_t value_len;
} w;

/* ---- what is not under test ---- */

void rd_kafka_message_destroy(rd_kafka_message_t *m)
{
	free(m);
}
int64_t rd_kafka_message_timestamp(const rd_kafka_message_t *m, rd_kafka_timestamp_type_t *type)
{
	(void)m;
	*type = RD_KAFKA_TIMESTAMP_CREATE_TIME;
	return 1795550400000;
}
rd_kafka_resp_err_t rd_kafka_message_headers(const rd_kafka_message_t *m, rd_kafka_headers_t **ret)
{
	(void)m;
	(void)ret;
	return RD_KAFKA_RESP_ERR__NOENT;
}
void con_error(struct con *c, const char *ev, const char *fmt, ...)
{
	va_list ap;

	(void)c;
	(void)ev;
	va_start(ap, fmt);
	vsnprintf(w.error, sizeof w.error, fmt, ap);
	va_end(ap);
}
void con_changed(struct con *c)
{
	c->seq++;
}
bool con_may_hand_out(const struct con *c)
{
	return c->state == CON_ACTIVE && !c->held && !c->stopping;
}
void con_source_pause(struct con *c, struct con_part *p, unsigned reason)
{
	(void)c;
	p->why |= reason;
}
void con_source_unpause(struct con *c, struct con_part *p, unsigned reason)
{
	(void)c;
	p->why &= ~reason;
}
void con_source_go_on(struct con *c)
{
	(void)c;
}
void con_source_try_revoke(struct con *c)
{
	(void)c;
}
void con_commands_check_drained(struct con *c)
{
	(void)c;
	w.drained_asked++;
}
void con_meters_latency(struct con *c, int64_t us)
{
	(void)c;
	(void)us;
}
void con_meters_repeats(struct con *c, size_t n)
{
	(void)c;
	w.repeats += n;
}

/* ---- the world ---- */

static void begin(const char *mode, const char *more)
{
	_cleanup_free_ char *ini =
		bg_xasprintf("[consumer]\nswitch = orders\ntopics = orders\ngroup = g\npeer-group = h\n"
			     "handler = exec\n[handler:exec]\ncommand = '%s' child %s\n"
			     "environment = ONCE=%s\nenvironment = MINE=a=b c\n%s%s\n"
			     "[kafka]\nbootstrap.servers = localhost:1\n",
			     w.self, mode, w.once,
			     strstr(more, "restart-backoff") ? "" : "restart-backoff = 1 ms\n", more);
	_cleanup_buf_ struct bg_buf errs = {0};
	struct bg_err err = BG_ERR_INIT;

	if (bg_conf_load_mem("test", ini, strlen(ini), con_tables, "blue-0", &w.d.conf, &errs) ||
	    con_conf_check(w.d.conf, "blue-0", &errs))
		fail_msg("%s", errs.s);
	w.d.instance = "blue-0";
	w.d.loop = bg_loop_new();
	w.c.d = &w.d;
	w.c.loop = w.d.loop;
	w.c.state = CON_ACTIVE;
	w.c.metrics = bg_metrics_new();
	con_parts_init(&w.c.parts);
	con_conf_apply(&w.c);
	con_faults_init(&w.c);
	assert_int_equal(w.c.handler->start(&w.c, &err), 0);
	for (int i = 0; i < 3; i++) {
		struct con_part *p = con_part_get(&w.c.parts, "orders", i);

		p->assigned = p->started = true;
		con_part_confirm(p, 0, 7);
	}
}

static int setup(void **state)
{
	ssize_t n;

	(void)state;
	memset(&w, 0, sizeof w);
	strcpy(w.dir, "/tmp/bg-exec-XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	snprintf(w.once, sizeof w.once, "%s/once", w.dir);
	snprintf(w.file, sizeof w.file, "%s/file", w.dir);
	n = readlink("/proc/self/exe", w.self, sizeof w.self - 1);
	assert_true(n > 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	w.c.handler->stop(&w.c);
	con_faults_free(&w.c);
	con_dispatch_free();
	con_parts_free(&w.c.parts);
	bg_metrics_free(w.c.metrics);
	con_conf_free(&w.c);
	bg_loop_free(w.d.loop);
	bg_conf_free(w.d.conf);
	unlink(w.once);
	unlink(w.file);
	rmdir(w.dir);
	return 0;
}

static struct con_part *part(int i)
{
	return con_part_find(&w.c.parts, "orders", i);
}

static void feed(int i, int n)
{
	static char value[200000];

	memset(value, 'v', sizeof value);
	while (n--) {
		rd_kafka_message_t *m = calloc(1, sizeof *m);

		assert_non_null(m);
		m->offset = w.next[i]++;
		m->partition = i;
		m->payload = value;
		m->len = w.value_len ? w.value_len : 10;
		assert_int_equal(con_part_receive(&w.c.parts, part(i), m), CON_TAKEN);
	}
	con_dispatch_all(&w.c);
}

static double metric(const char *name)
{
	_cleanup_free_ char *text = bg_metrics_render(w.c.metrics), *key = bg_xasprintf("\n%s{", name);
	const char *at = strstr(text, key);

	if (!at)
		fail_msg("no metric %s", name);
	return atof(strchr(at, '}') + 2);
}

/* Turn the loop until the condition holds; false: not within so many seconds. */
#define UNTIL(cond)                                                                                          \
	do {                                                                                                 \
		int64_t until_ = bg_now_us() + 10000000;                                                     \
		bool never_ = false;                                                                         \
		while (!(cond)) {                                                                            \
			bg_loop_run_until(w.d.loop, &never_, 2000);                                          \
			if (bg_now_us() > until_)                                                            \
				fail_msg("waited in vain for %s (%s)", #cond, w.error);                      \
		}                                                                                            \
	} while (0)

static bool all_done(void)
{
	for (int i = 0; i < 3; i++)
		if (part(i)->acked != w.next[i])
			return false;
	return !w.c.parts.in_flight;
}

static void drain(void)
{
	w.c.state = CON_DRAINING;
	for (int i = 0; i < 3; i++) {
		part(i)->why |= CON_WHY_LIFECYCLE;
		con_part_drop_pending(&w.c.parts, part(i));
	}
	con_dispatch_flush(&w.c);
	con_dispatch_settle(&w.c, false);
}

/* ---- programs that do what they should ---- */

static void records_are_answered(void **state)
{
	(void)state;
	begin("echo", "");
	for (int i = 0; i < 3; i++)
		feed(i, 2000);
	UNTIL(all_done());
	assert_int_equal(w.c.records_total, 6000);
	assert_int_equal(metric("bg_consumer_exec_restarts_total"), 0);
}

static void ranges_are_answered(void **state)
{
	(void)state;
	begin("batch", "");
	for (int i = 0; i < 3; i++)
		feed(i, 1000);
	UNTIL(all_done());
}

static void answers_in_any_order(void **state)
{
	(void)state;
	begin("backwards", "");
	feed(0, 100);
	feed(1, 50);
	UNTIL(all_done());
	assert_null(part(0)->out_head);
}

static void raw_frames(void **state)
{
	(void)state;
	begin("raw", "format = raw");
	for (int i = 0; i < 3; i++)
		feed(i, 2000);
	UNTIL(all_done());
}

static void at_birth(void **state)
{
	(void)state;
	begin("birth", "");
	feed(0, 10);
	UNTIL(all_done() || exec_x.restarts);
	assert_string_equal(exec_x.last_end, "");
}

static void no_more_than_the_limit(void **state)
{
	(void)state;
	begin("keep-one", "max-in-flight = 10");
	for (int i = 0; i < 3; i++)
		feed(i, 100);
	UNTIL(part(0)->acked == 2 && part(1)->acked == 2 && part(2)->acked == 2);
	UNTIL(exec_x.table.count == 3 && part(2)->position == 100); /* the ones that it keeps */
	assert_int_equal(w.c.parts.in_flight, 3);
}

/* One that hangs must not let its partition run away from it: what is behind is kept in memory, and repeated. */
static void a_window_for_each_partition(void **state)
{
	(void)state;
	begin("keep-one", "");
	w.c.tun.max_in_flight = 20;
	feed(0, 100);
	feed(1, 2);
	UNTIL(part(0)->nring == 20 && part(0)->nout == 1);
	assert_int_equal(part(0)->position, 22);
	assert_int_equal(part(0)->nout, 1);
	UNTIL(part(1)->acked == 2);
}

/* ---- ends ---- */

static bool is_failing(void)
{
	struct json_object *o = w.c.handler->json(&w.c);
	bool yes = bg_json_bool(o, "failing", false);

	json_object_put(o);
	return yes;
}

static void what_a_dead_one_had_is_given_again_in_order(void **state)
{
	_cleanup_free_ char *mode = bg_xasprintf("note %s", w.file);
	long long seen[100], n = 0;
	FILE *f;

	(void)state;
	begin(mode, "");
	feed(0, 20);
	UNTIL(all_done());
	assert_int_equal(metric("bg_consumer_exec_restarts_total"), 1);
	assert_true(metric("bg_consumer_exec_returned_records_total") >= 15);
	assert_non_null(strstr(exec_x.last_end, "signal 9"));
	assert_false(is_failing()); /* it had answered */
	f = fopen(w.file, "r");
	assert_non_null(f);
	while (n < 100 && fscanf(f, "%lld", &seen[n]) == 1)
		n++;
	fclose(f);
	assert_int_equal(n, 21); /* 0 to 5, and 5 to 19 again */
	for (int i = 0; i < 6; i++)
		assert_int_equal(seen[i], i);
	for (int i = 6; i < 21; i++)
		assert_int_equal(seen[i], i - 1);
}

static void one_that_ends_at_once(void **state)
{
	(void)state;
	begin("end", "");
	UNTIL(exec_x.restarts == 1);
	assert_false(is_failing()); /* once is an accident */
	UNTIL(exec_x.restarts >= 4);
	assert_true(is_failing());
	feed(0, 5);
	UNTIL(exec_x.restarts >= 6);
	assert_true(bg_timer_pending(exec_x.restart) || exec_child_runs(&exec_x.child));
	assert_true(exec_x.backoff.tries >= 6);
	assert_non_null(strstr(w.error, "ended with status 0"));
	assert_int_equal(part(0)->acked, 0);
}

static void faulty(const char *how, const char *more, const char *error)
{
	_cleanup_free_ char *mode = bg_xasprintf("wrong %s", how);

	begin(mode, more);
	for (int i = 0; i < 3; i++)
		feed(i, 50);
	UNTIL(exec_x.restarts == 1);
	if (!strstr(w.error, error))
		fail_msg("got: %s", w.error);
	UNTIL(all_done());
	assert_int_equal(w.c.records_total, 150);
}

static void one_that_ends(void **state)
{
	(void)state;
	faulty("die", "", "ended with status 3");
}
static void one_that_writes_no_json(void **state)
{
	(void)state;
	faulty("json", "", "a wrong answer");
	assert_int_equal(metric("bg_consumer_exec_bad_answers_total"), 1);
}
static void one_that_answers_what_it_was_not_given(void **state)
{
	(void)state;
	faulty("never-given", "", "never given");
	assert_int_equal(metric("bg_consumer_exec_bad_answers_total"), 1);
}
/* Records wait for room in the pipe: one that it has not seen cannot be done. */
static void one_that_answers_what_has_not_gone_out(void **state)
{
	(void)state;
	w.value_len = 4000;
	begin("wrong too-early", "environment = AHEAD=300");
	UNTIL(exec_child_ready(&exec_x.child));
	feed(0, 300);
	assert_int_equal(part(0)->position, 300);
	UNTIL(exec_x.restarts == 1);
	if (!strstr(w.error, "answered number 300, which it was never given"))
		fail_msg("got: %s", w.error);
	UNTIL(all_done());
	assert_int_equal(w.c.records_total, 300);
}

static void one_whose_line_has_no_end(void **state)
{
	(void)state;
	faulty("endless", "max-answer-bytes = 10 kB", "max-answer-bytes");
	assert_true(exec_x.in.cap < 1 << 20);
}
static void one_that_hangs(void **state)
{
	(void)state;
	faulty("hang", "answer-timeout = 500 ms", "within answer-timeout");
	assert_int_equal(metric("bg_consumer_exec_hangs_total"), 1);
}
static void one_that_closes_its_output(void **state)
{
	(void)state;
	faulty("close-out", "", "closed its standard streams");
}
static void one_that_closes_its_input(void **state)
{
	(void)state;
	faulty("close-in", "answer-timeout = 0", "closed its standard streams");
}
static void one_that_dies_in_the_middle_of_a_line(void **state)
{
	(void)state;
	faulty("torn", "", "ended with status 0");
	assert_int_equal(metric("bg_consumer_exec_bad_answers_total"), 0);
}

static void one_that_is_gone(void **state)
{
	_cleanup_free_ char *copy = bg_xasprintf("%s/prog", w.dir);
	FILE *f = fopen(copy, "w");

	(void)state;
	assert_non_null(f);
	fputs("#!/bin/sh\nexit 0\n", f);
	fclose(f);
	chmod(copy, 0755);
	strcpy(w.self, copy);
	begin("x", "");
	unlink(copy);
	UNTIL(strstr(w.error, "cannot be run"));
	feed(0, 5);
	UNTIL(exec_x.restarts >= 3 && strstr(w.error, "cannot be run: No such file"));
	assert_int_equal(part(0)->position, 0); /* nothing is given to nobody */
	assert_int_equal(metric("bg_consumer_exec_up"), 0);
}

/* It is said long before answer-timeout ends it. */
static void one_that_does_not_flush(void **state)
{
	(void)state;
	begin("unflushed", "answer-timeout = 2 s");
	feed(0, 5);
	UNTIL(exec_x.told_silent);
	assert_int_equal(exec_x.restarts, 0);
	UNTIL(exec_x.restarts == 1);
	assert_int_equal(part(0)->acked, 0);
}

static void one_that_talks_much(void **state)
{
	(void)state;
	begin("chatty", "stderr-rate = 3");
	feed(0, 50);
	UNTIL(all_done());
	UNTIL(metric("bg_consumer_exec_stderr_lines_total") == 100000);
	assert_true(metric("bg_consumer_exec_stderr_dropped_lines_total") > 90000);
	assert_int_equal(metric("bg_consumer_exec_foreign_lines_total"), 1);
	assert_true(exec_x.told_foreign);
	UNTIL(metric("bg_consumer_exec_double_answers_total") == 50);
	assert_int_equal(exec_x.restarts, 0);
}

static void one_that_does_not_read(void **state)
{
	(void)state;
	w.value_len = 4000;
	begin("deaf", "max-in-flight = 100000");
	w.c.tun.max_in_flight = 100000;
	UNTIL(exec_child_ready(&exec_x.child));
	feed(0, 4000);
	for (int i = 0; i < 20; i++) {
		bool never = false;

		bg_loop_run_until(w.d.loop, &never, 5000);
	}
	assert_true(part(0)->npend > 0);
	assert_true(exec_x.out.len - exec_x.out_at < 300 * 1024);
	assert_int_equal(exec_room(&w.c), CON_ROOM_FULL);
}

/* Few records can be much: what waits is bounded in bytes too, of all partitions together. */
static void big_ones_are_not_piled_up(void **state)
{
	size_t all = 0;

	(void)state;
	w.value_len = 200000;
	begin("deaf", "");
	UNTIL(exec_child_ready(&exec_x.child));
	for (int n = 0; n < 1000; n++)
		for (int i = 0; i < 3; i++)
			if (!(part(i)->why & CON_WHY_PRESSURE))
				feed(i, 1);
	for (int i = 0; i < 3; i++) {
		assert_true(part(i)->why & CON_WHY_PRESSURE);
		all += (size_t)part(i)->npend * w.value_len;
	}
	assert_in_range(all, 30 << 20, 70 << 20);
}

static void its_children_go_with_it(void **state)
{
	_cleanup_free_ char *mode = bg_xasprintf("family %s", w.file);
	int pid = 0;
	FILE *f;

	(void)state;
	begin(mode, "restart-backoff = 10 s");
	feed(0, 1);
	UNTIL(all_done() && exec_x.restarts == 1);
	f = fopen(w.file, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	assert_true(pid > 1);
	/* A zombie of nobody's here; the init process takes it away. */
	for (int i = 0; i < 1000; i++) {
		_cleanup_free_ char *stat = bg_xasprintf("/proc/%d/stat", pid);
		char text[256] = "";
		FILE *s = fopen(stat, "r");

		if (!s)
			return;
		if (!fgets(text, sizeof text, s))
			text[0] = '\0';
		fclose(s);
		if (strstr(text, ") Z "))
			return;
		usleep(5000);
	}
	fail_msg("process %d lives", pid);
}

/* ---- failures that it tells ---- */

static void what_failed_is_given_again(void **state)
{
	(void)state;
	begin("retry", "");
	feed(0, 10);
	feed(1, 2);
	UNTIL(all_done());
	assert_int_equal(w.c.errors_total, 1);
	assert_non_null(strstr(w.error, "orders [0] offset 3, attempt 1: no luck"));
}

/* Cut off from the broker it may have been fenced since: what comes back is another's record by now. */
static void cut_off_nothing_is_given_again(void **state)
{
	bool never = false;

	(void)state;
	begin("retry", "");
	feed(0, 10);
	UNTIL(part(0)->again && exec_x.table.count == 0);
	w.c.cut = true;
	bg_loop_run_until(w.d.loop, &never, 300000); /* the back-off is 50 ms */
	assert_int_equal(part(0)->acked, 3);
	assert_int_equal(part(0)->nagain, 1);
	w.c.cut = false;
	con_dispatch_all(&w.c);
	UNTIL(all_done());
}

static void wake_up(void)
{
	FILE *f = fopen(w.file, "w");

	assert_non_null(f);
	fclose(f);
}

/* A program that does not read, and records that wait for room in the pipe. */
static void fill_the_pipe(const char *more)
{
	_cleanup_free_ char *mode = bg_xasprintf("later %s", w.file);

	w.value_len = 4000;
	begin(mode, more);
	UNTIL(exec_child_ready(&exec_x.child));
	for (int i = 0; i < 100; i++) {
		feed(0, 2);
		feed(1, 2);
	}
	UNTIL(!exec_x.write_due);
	assert_true(exec_x.table.count - exec_table_known(&exec_x.table) > 20);
}

/* Rule 9: what waits to be written was not handed out yet. */
static void held_nothing_is_written(void **state)
{
	uint64_t known;
	bool never = false;

	(void)state;
	fill_the_pipe("answer-timeout = 700 ms");
	known = exec_table_known(&exec_x.table);
	w.c.held = true;
	wake_up();
	bg_loop_run_until(w.d.loop, &never, 1000000);
	assert_int_equal(exec_table_known(&exec_x.table), known);
	assert_true(w.c.parts.in_flight >= 20);
	w.c.held = false;
	UNTIL(all_done());
	assert_int_equal(exec_x.restarts, 0); /* nor is that time the program's fault */
}

/* After a fencing another works on them. */
static void what_was_taken_away_is_not_written(void **state)
{
	uint64_t known;

	(void)state;
	fill_the_pipe("");
	known = exec_table_known(&exec_x.table);
	con_part_take_away(&w.c.parts, part(0));
	wake_up();
	UNTIL(!w.c.parts.in_flight);
	assert_int_equal(part(1)->acked, 200);
	/* All of the one, and of the other what was in the pipe, with one that was half in it. */
	assert_in_range(w.c.records_total, 200, 200 + known / 2 + 1);
}

/* The room that they leave is for the others. */
static void what_was_taken_away_leaves_room(void **state)
{
	(void)state;
	begin("echo", "max-in-flight = 10");
	UNTIL(exec_child_ready(&exec_x.child));
	feed(0, 20);
	w.c.held = true; /* before the turn is over, and with it the write */
	feed(1, 5);
	UNTIL(bg_timer_pending(exec_x.again));
	con_part_take_away(&w.c.parts, part(0));
	w.c.held = false;
	con_dispatch_all(&w.c);
	UNTIL(part(1)->acked == 5);
	assert_int_equal(w.c.records_total, 5);
}

static void what_is_refused_stops_its_partition(void **state)
{
	(void)state;
	begin("refuse", "");
	feed(0, 10);
	UNTIL(part(0)->why & CON_WHY_REFUSED);
	feed(1, 10);
	feed(0, 10);
	UNTIL(part(1)->acked == 10);
	UNTIL(part(0)->nout == 1);
	assert_int_equal(part(0)->acked, 3);
	assert_int_equal(part(0)->position, 10);
	assert_non_null(strstr(w.error, "refuses it for good"));
	/* A new one is asked again, as it may know better. */
	exec_child_signal(&exec_x.child, SIGKILL);
	UNTIL(all_done());
	assert_false(part(0)->why & CON_WHY_REFUSED);
}

static void a_refused_one_does_not_hold_up_a_drain(void **state)
{
	(void)state;
	begin("refuse", "");
	feed(0, 10);
	UNTIL(part(0)->nout == 1 && part(0)->why & CON_WHY_REFUSED);
	drain();
	assert_int_equal(w.c.parts.in_flight, 0);
	assert_int_equal(part(0)->position, 3);
	assert_int_equal(w.repeats, 6);
	assert_false(part(0)->why & CON_WHY_REFUSED);
}

/* ---- drains and stops ---- */

static void a_dead_one_does_not_hold_up_a_drain(void **state)
{
	(void)state;
	begin("keep-one", "restart-backoff = 10 s");
	feed(0, 10);
	feed(1, 10);
	UNTIL(part(0)->nout == 1 && part(1)->nout == 1);
	drain();
	assert_int_equal(w.c.parts.in_flight, 2); /* it may still answer */
	w.drained_asked = 0;
	exec_child_signal(&exec_x.child, SIGKILL);
	UNTIL(!w.c.parts.in_flight);
	assert_true(w.drained_asked > 0);
	assert_int_equal(part(0)->position, 2);
	assert_int_equal(part(0)->acked, 2);
	assert_int_equal(w.repeats, 14);
	assert_int_equal(part(0)->fetch_next, 2);
}

static void died_before_the_drain(void **state)
{
	(void)state;
	begin("keep-one", "restart-backoff = 10 s");
	feed(0, 10);
	UNTIL(part(0)->nout == 1);
	exec_child_signal(&exec_x.child, SIGKILL);
	UNTIL(exec_x.restarts == 1);
	assert_int_equal(w.c.parts.in_flight, 1); /* at work it waits for the next one */
	drain();
	assert_int_equal(w.c.parts.in_flight, 0);
	assert_int_equal(part(0)->position, 2);
}

static void abort_waits_and_abandon_does_not(void **state)
{
	(void)state;
	begin("keep-one", "on-deadline = abort");
	feed(0, 10);
	UNTIL(part(0)->nout == 1);
	drain();
	w.c.handler->on_deadline(&w.c);
	for (int i = 0; i < 10; i++) {
		bool never = false;

		bg_loop_run_until(w.d.loop, &never, 5000);
	}
	assert_int_equal(w.c.parts.in_flight, 1);
	exec_x.abandon = true;
	w.c.handler->on_deadline(&w.c);
	UNTIL(!w.c.parts.in_flight);
	assert_int_equal(part(0)->position, 2);
	assert_int_equal(w.repeats, 7);
	UNTIL(exec_child_ready(&exec_x.child)); /* and is warm again */
}

static void held_by_a_fault_it_is_let_go_too(void **state)
{
	(void)state;
	begin("echo", "on-deadline = abandon");
	UNTIL(exec_child_ready(&exec_x.child));
	con_faults_set_hang(&w.c, true);
	feed(0, 3);
	assert_int_equal(w.c.parts.in_flight, 1);
	drain();
	/* The faults' record is not the child's: the child is there, so nothing is taken back but by the deadline. */
	exec_child_signal(&exec_x.child, SIGKILL);
	UNTIL(exec_x.restarts == 1);
	w.c.handler->on_deadline(&w.c);
	UNTIL(!w.c.parts.in_flight);
	assert_int_equal(part(0)->position, 0);
}

static void a_stop_lets_it_finish(void **state)
{
	(void)state;
	begin("batch", "");
	feed(0, 150); /* the last 50 are answered at the end of input */
	UNTIL(part(0)->acked == 100);
	w.c.stopping = true;
	w.c.handler->finish(&w.c);
	drain();
	UNTIL(w.c.handler->gone(&w.c));
	UNTIL(!w.c.parts.in_flight);
	assert_int_equal(part(0)->acked, 150);
	assert_string_equal(exec_x.last_end, "ended with status 0");
	assert_int_equal(metric("bg_consumer_exec_restarts_total"), 0);
}

static void a_stop_before_it_runs(void **state)
{
	int64_t t0 = bg_now_us();

	(void)state;
	begin("echo", "");
	assert_false(exec_child_ready(&exec_x.child));
	w.c.stopping = true;
	w.c.handler->finish(&w.c);
	UNTIL(w.c.handler->gone(&w.c));
	assert_true(bg_now_us() - t0 < 4000000); /* not by stop-timeout */
	assert_string_equal(exec_x.last_end, "ended with status 0");
}

static void a_stop_has_an_end(void **state)
{
	int64_t t0;

	(void)state;
	begin("stubborn", "stop-timeout = 50 ms");
	feed(0, 3);
	UNTIL(part(0)->acked == 1);
	w.c.stopping = true;
	t0 = bg_now_us();
	w.c.handler->finish(&w.c);
	drain();
	UNTIL(w.c.handler->gone(&w.c));
	assert_true(bg_now_us() - t0 < 4000000);
	assert_non_null(strstr(exec_x.last_end, "signal 9"));
	UNTIL(!w.c.parts.in_flight);
	assert_int_equal(part(0)->position, 1);
}

static void orphans_are_let_go(void **state)
{
	(void)state;
	begin("keep-one", "restart-backoff = 10 s");
	feed(0, 10);
	feed(1, 10);
	UNTIL(part(0)->nout == 1 && part(1)->nout == 1);
	con_part_take_away(&w.c.parts, part(0));
	assert_int_equal(w.c.parts.norphans, 1);
	exec_child_signal(&exec_x.child, SIGKILL);
	UNTIL(!w.c.parts.norphans);
	assert_int_equal(w.c.parts.in_flight, 1);
	/* One that waits to be given again is with nobody: it is no orphan. */
	con_part_take_away(&w.c.parts, part(1));
	assert_int_equal(w.c.parts.norphans, 0);
	assert_int_equal(w.c.parts.in_flight, 0);
}

static void the_status_tells(void **state)
{
	struct json_object *o;

	(void)state;
	begin("keep-one", "");
	feed(0, 10);
	UNTIL(part(0)->nout == 1);
	o = w.c.handler->json(&w.c);
	assert_string_equal(bg_json_str(o, "name", ""), "exec");
	assert_true(bg_json_bool(o, "running", false));
	assert_int_equal(bg_json_int(o, "in_child", 0), 1);
	assert_int_equal(bg_json_int(o, "pid", 0), exec_x.child.pid);
	json_object_put(o);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* ---- a storm ---- */

#define STORM_RECORDS 2000 /* of each partition */

/* What Kafka would do: it gives what comes next, where nothing is paused. */
static void fetch(struct con_part *p, int i)
{
	for (int n = 0; n < 40 && p->assigned && !p->why && p->fetch_next < STORM_RECORDS; n++) {
		rd_kafka_message_t *m = calloc(1, sizeof *m);
		static char value[20000];

		assert_non_null(m);
		memset(value, 'v', sizeof value);
		p->needs_seek = false;
		m->offset = p->fetch_next;
		m->partition = i;
		m->payload = value;
		m->len = rand() % 50 ? 100 : sizeof value;
		assert_int_equal(con_part_receive(&w.c.parts, p, m), CON_TAKEN);
	}
}

static void storm_event(int r)
{
	struct con_part *p = part(rand() % 3);

	if (r < 4) {
		exec_child_signal(&exec_x.child, SIGKILL);
	} else if (r < 10) {
		exec_child_signal(&exec_x.child, SIGSTOP);
	} else if (r < 30) {
		exec_child_signal(&exec_x.child, SIGCONT);
	} else if (r < 40) {
		w.c.held = true;
	} else if (r < 50) {
		w.c.cut = true;
	} else if (r < 100) {
		w.c.held = w.c.cut = false;
		con_dispatch_all(&w.c);
	} else if (r < 110 && w.c.state == CON_ACTIVE) {
		drain();
	} else if (r < 115 && w.c.state == CON_DRAINING) {
		w.c.handler->on_deadline(&w.c);
	} else if (r < 125 && p->assigned) {
		con_dispatch_flush(&w.c);
		con_part_take_away(&w.c.parts, p);
	}
}

/* What the daemon would do next. */
static void storm_go_on(void)
{
	for (int i = 0; i < 3; i++) {
		struct con_part *p = part(i);

		if (!p->assigned && !w.c.parts.norphans) {
			p->assigned = p->started = true;
			con_part_confirm(p, BG_MAX(p->acked, 0), 7);
			p->fetch_next = p->position;
			p->why = w.c.state == CON_DRAINING ? CON_WHY_LIFECYCLE : 0;
		}
	}
	if (w.c.state != CON_DRAINING || w.c.parts.in_flight)
		return;
	w.c.state = CON_ACTIVE;
	for (int i = 0; i < 3; i++)
		part(i)->why &= ~(unsigned)CON_WHY_LIFECYCLE;
}

static void storm_turn(void)
{
	bool never = false;

	bg_backoff_reset(&exec_x.backoff); /* who dies again and again would make us wait */
	for (int i = 0; i < 3; i++)
		fetch(part(i), i);
	con_dispatch_all(&w.c);
	bg_loop_run_until(w.d.loop, &never, 1000);
	storm_go_on();
}

static bool storm_over(void)
{
	storm_turn();
	for (int i = 0; i < 3; i++)
		if (part(i)->acked != STORM_RECORDS)
			return false;
	return !w.c.parts.in_flight;
}

/* It ends, however slow the machine is: something gets done all the time. */
static void storm_ends(void)
{
	int64_t done = -1, since = bg_now_us();

	while (!storm_over()) {
		int64_t now = bg_now_us(), sum = 0;

		for (int i = 0; i < 3; i++)
			sum += part(i)->acked;
		if (sum != done)
			since = now;
		done = sum;
		if (now - since < 10000000)
			continue;
		for (int i = 0; i < 3; i++)
			print_error(
				"[%d] acked %lld, position %lld, fetch_next %lld, why %x, %d pending, %d out, %d again\n",
				i, (long long)part(i)->acked, (long long)part(i)->position,
				(long long)part(i)->fetch_next, part(i)->why, part(i)->npend, part(i)->nout,
				part(i)->nagain);
		fail_msg(
			"stuck: %zu in the child, %zu bytes not written, room %d, %d in flight, %d orphans (%s)",
			exec_x.table.count, exec_x.out.len - exec_x.out_at, exec_room(&w.c),
			w.c.parts.in_flight, w.c.parts.norphans, w.error);
	}
}

/* Whatever happens, in whatever order: what counts as done is what the program has done, and it all gets done. */
static void nothing_is_lost_in_a_storm(void **state)
{
	static char seen[3][STORM_RECORDS];
	_cleanup_free_ char *mode = bg_xasprintf("mad %s", w.file);
	const char *seed = getenv("BG_STORM_SEED");
	int64_t end;
	int i, lost = 0;
	long offset;
	FILE *f;

	(void)state;
	memset(seen, 0, sizeof seen);
	srand(seed ? (unsigned)atoi(seed) : 1);
	begin(mode, "max-in-flight = 300\nanswer-timeout = 400 ms\non-deadline = abandon\n");
	end = bg_now_us() + 1000000;
	while (bg_now_us() < end) {
		storm_event(rand() % 1000);
		storm_turn();
	}
	exec_child_signal(&exec_x.child, SIGCONT);
	w.c.held = w.c.cut = false;
	storm_ends();
	assert_int_equal(exec_x.table.count, 0);
	assert_int_equal(w.c.parts.norphans, 0);
	assert_int_equal(w.c.parts.pend_bytes, 0);
	f = fopen(w.file, "r");
	assert_non_null(f);
	while (fscanf(f, "%d %ld", &i, &offset) == 2)
		seen[i][offset] = 1;
	fclose(f);
	for (i = 0; i < 3; i++)
		for (offset = 0; offset < STORM_RECORDS; offset++)
			lost += !seen[i][offset];
	assert_int_equal(lost, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(records_are_answered),
		TEST(ranges_are_answered),
		TEST(answers_in_any_order),
		TEST(raw_frames),
		TEST(at_birth),
		TEST(no_more_than_the_limit),
		TEST(a_window_for_each_partition),
		TEST(what_a_dead_one_had_is_given_again_in_order),
		TEST(one_that_ends_at_once),
		TEST(one_that_ends),
		TEST(one_that_writes_no_json),
		TEST(one_that_answers_what_it_was_not_given),
		TEST(one_that_answers_what_has_not_gone_out),
		TEST(one_whose_line_has_no_end),
		TEST(one_that_hangs),
		TEST(one_that_closes_its_output),
		TEST(one_that_closes_its_input),
		TEST(one_that_dies_in_the_middle_of_a_line),
		TEST(one_that_is_gone),
		TEST(one_that_does_not_flush),
		TEST(one_that_talks_much),
		TEST(one_that_does_not_read),
		TEST(big_ones_are_not_piled_up),
		TEST(its_children_go_with_it),
		TEST(what_failed_is_given_again),
		TEST(cut_off_nothing_is_given_again),
		TEST(held_nothing_is_written),
		TEST(what_was_taken_away_is_not_written),
		TEST(what_was_taken_away_leaves_room),
		TEST(what_is_refused_stops_its_partition),
		TEST(a_refused_one_does_not_hold_up_a_drain),
		TEST(a_dead_one_does_not_hold_up_a_drain),
		TEST(died_before_the_drain),
		TEST(abort_waits_and_abandon_does_not),
		TEST(held_by_a_fault_it_is_let_go_too),
		TEST(a_stop_lets_it_finish),
		TEST(a_stop_before_it_runs),
		TEST(a_stop_has_an_end),
		TEST(orphans_are_let_go),
		TEST(the_status_tells),
		TEST(nothing_is_lost_in_a_storm),
	};

	if (argc > 1 && !strcmp(argv[1], "child"))
		return exec_program(argc, argv);
	if (getenv("BG_STORM_SEED")) /* other dice for the storm, which is all there is then */
		cmocka_set_test_filter("nothing_is_lost_in_a_storm");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
