/* SPDX-License-Identifier: Apache-2.0 */
/* The exec handler in a storm of anything that can happen to it. BG_STORM_SEED=N: other dice. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <signal.h>

#include "common/http_client.h"
#include "common/mem.h"
#include "consumerd/dispatch.h"
#include "consumerd/handler.h"
#include "exec_program.h"
#include "exec_world.h"

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
		cmocka_unit_test_setup_teardown(nothing_is_lost_in_a_storm, setup, teardown),
	};

	if (argc > 1 && !strcmp(argv[1], "child"))
		return exec_program(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
