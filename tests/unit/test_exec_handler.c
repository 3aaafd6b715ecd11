/* SPDX-License-Identifier: Apache-2.0 */
/* The exec handler and the dispatcher with a real child (exec_world.h): what a program may do, and what then happens. */
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

#include "common/json.h"
#include "common/mem.h"
#include "consumerd/con.h"
#include "consumerd/dispatch.h"
#include "consumerd/exec_int.h"
#include "consumerd/faults.h"
#include "consumerd/handler.h"
#include "exec_program.h"
#include "exec_world.h"

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
	};

	if (argc > 1 && !strcmp(argv[1], "child"))
		return exec_program(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
