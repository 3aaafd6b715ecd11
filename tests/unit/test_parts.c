/* SPDX-License-Identifier: Apache-2.0 */
/* In flight, per partition; and where a partition starts (rule 7). Messages are made by hand: librdkafka frees none. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/loop.h"
#include "consumerd/choose.h"
#include "consumerd/parts.h"

static int destroyed;

/* In place of librdkafka's: linked in before the library. */
void rd_kafka_message_destroy(rd_kafka_message_t *m)
{
	destroyed++;
	free(m);
}

static rd_kafka_message_t *msg(int64_t offset)
{
	rd_kafka_message_t *m = calloc(1, sizeof *m);

	assert_non_null(m);
	m->offset = offset;
	return m;
}

static int setup(void **state)
{
	struct con_parts *ps = malloc(sizeof *ps);

	con_parts_init(ps);
	*state = ps;
	destroyed = 0;
	return 0;
}

static int teardown(void **state)
{
	con_parts_free(*state);
	free(*state);
	return 0;
}

static void begin(struct con_part *p, int64_t offset, int64_t epoch)
{
	p->fetch_next = offset;
	con_part_confirm(p, offset, epoch);
}

static struct con_part *started(struct con_parts *ps, int64_t offset)
{
	struct con_part *p = con_part_get(ps, "orders", 0);

	p->assigned = p->started = true;
	begin(p, offset, 7);
	return p;
}

static void committable_is_the_lowest_not_acknowledged(void **state)
{
	struct con_parts *ps = *state;
	struct con_part *p = started(ps, 100);
	struct con_rec *r[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(CON_TAKEN, con_part_receive(ps, p, msg(100 + i)));
	for (int i = 0; i < 4; i++)
		r[i] = con_part_hand_out(ps, p, 1);
	assert_null(con_part_hand_out(ps, p, 1));
	assert_int_equal(p->position, 104);
	assert_int_equal(p->acked, 100);
	assert_int_equal(ps->in_flight, 4);
	con_rec_ack(ps, r[2]);
	con_rec_ack(ps, r[1]);
	assert_int_equal(p->acked, 100);
	con_rec_ack(ps, r[0]);
	assert_int_equal(p->acked, 103);
	con_rec_ack(ps, r[3]);
	assert_int_equal(p->acked, 104);
	assert_int_equal(ps->in_flight, 0);
	assert_int_equal(destroyed, 4);
}

static void gaps_in_offsets_are_no_loss(void **state)
{
	struct con_parts *ps = *state;
	struct con_part *p = started(ps, 10);
	struct con_rec *a, *b;

	/* 10 and 11 were compacted away: believed when it is said twice. */
	assert_int_equal(CON_GAP, con_part_receive(ps, p, msg(12)));
	assert_int_equal(CON_OLD, con_part_receive(ps, p, msg(13)));
	p->needs_seek = false;
	assert_int_equal(CON_TAKEN, con_part_receive(ps, p, msg(12)));
	assert_int_equal(CON_GAP, con_part_receive(ps, p, msg(20)));
	p->needs_seek = false;
	assert_int_equal(CON_TAKEN, con_part_receive(ps, p, msg(20)));
	a = con_part_hand_out(ps, p, 1);
	b = con_part_hand_out(ps, p, 1);
	con_rec_ack(ps, a);
	assert_int_equal(p->acked, 13);
	con_rec_ack(ps, b);
	assert_int_equal(p->acked, 21);
}

/* A fetcher that jumped (restart.bats T-4, 902 records) is found: the second answer is another one. */
static void a_jump_is_not_taken_for_a_gap(void **state)
{
	struct con_parts *ps = *state;
	struct con_part *p = started(ps, 100);

	assert_int_equal(CON_TAKEN, con_part_receive(ps, p, msg(100)));
	con_rec_ack(ps, con_part_hand_out(ps, p, 1));
	assert_int_equal(CON_GAP, con_part_receive(ps, p, msg(500)));
	assert_int_equal(p->fetch_next, 101);
	p->needs_seek = false;
	assert_int_equal(CON_TAKEN, con_part_receive(ps, p, msg(101)));
	assert_int_equal(p->gaps_confirmed, 0);
}

static void older_than_asked_is_dropped(void **state)
{
	struct con_parts *ps = *state;
	struct con_part *p = started(ps, 50);

	assert_int_equal(CON_OLD, con_part_receive(ps, p, msg(49)));
	assert_int_equal(CON_TAKEN, con_part_receive(ps, p, msg(50)));
	assert_int_equal(CON_OLD, con_part_receive(ps, p, msg(50)));
	assert_int_equal(p->npend, 1);
}

static void dropped_pending_comes_again(void **state)
{
	struct con_parts *ps = *state;
	struct con_part *p = started(ps, 50);

	con_part_receive(ps, p, msg(50));
	con_part_receive(ps, p, msg(51));
	con_rec_ack(ps, con_part_hand_out(ps, p, 1));
	con_part_drop_pending(ps, p);
	assert_int_equal(p->position, 51);
	assert_int_equal(p->fetch_next, 51);
	/* 52 behind the dropped 51 would be a loss: nothing is taken until Kafka was asked to go back. */
	assert_int_equal(CON_OLD, con_part_receive(ps, p, msg(52)));
	p->needs_seek = false;
	assert_int_equal(CON_TAKEN, con_part_receive(ps, p, msg(51)));
}

static void a_failed_record_goes_back_in_its_place(void **state)
{
	struct con_parts *ps = *state;
	struct con_part *p = started(ps, 5);
	struct con_rec *r;

	con_part_receive(ps, p, msg(5));
	con_part_receive(ps, p, msg(6));
	r = con_part_hand_out(ps, p, 1);
	assert_true(con_rec_back(ps, r));
	assert_int_equal(p->position, 5);
	assert_int_equal(ps->in_flight, 0);
	r = con_part_hand_out(ps, p, 1);
	assert_int_equal(r->offset, 5);
	assert_int_equal(r->attempts, 2);
	/* With another one behind it, it keeps its place. */
	con_part_hand_out(ps, p, 1);
	assert_false(con_rec_back(ps, r));
	assert_int_equal(p->nout, 2);
	con_rec_ack(ps, r);
	con_rec_ack(ps, p->out_head);
}

static void taken_away_leaves_orphans(void **state)
{
	struct con_parts *ps = *state;
	struct con_part *p = started(ps, 5);
	struct con_rec *r;

	con_part_receive(ps, p, msg(5));
	con_part_receive(ps, p, msg(6));
	r = con_part_hand_out(ps, p, 1);
	con_part_take_away(ps, p);
	assert_int_equal(p->position, 5); /* what is out may be done or not */
	assert_int_equal(ps->in_flight, 1);
	assert_int_equal(ps->norphans, 1);
	con_rec_ack(ps, r);
	assert_int_equal(p->acked, 5);
	assert_int_equal(ps->in_flight, 0);
	assert_int_equal(ps->norphans, 0);
	assert_int_equal(destroyed, 2);
}

static void many_partitions_are_found(void **state)
{
	struct con_parts *ps = *state;

	for (int i = 499; i >= 0; i--) {
		con_part_get(ps, i % 2 ? "a" : "b", i);
		assert_ptr_equal(con_part_get(ps, i % 2 ? "a" : "b", i),
				 con_part_find(ps, i % 2 ? "a" : "b", i));
	}
	assert_int_equal(ps->n, 500);
	for (int i = 0; i < 500; i++)
		assert_int_equal(con_part_find(ps, i % 2 ? "a" : "b", i)->partition, i);
	assert_null(con_part_find(ps, "a", 0));
	assert_null(con_part_find(ps, "c", 1));
}

/* ---- rule 7 ---- */

struct world {
	struct con c;
	struct bg_offs own;
	struct con_part *p;
};

static void world(struct world *w)
{
	memset(w, 0, sizeof *w);
	w->c.cfg.mode = CON_HANDOVER;
	con_parts_init(&w->c.parts);
	w->p = con_part_get(&w->c.parts, "orders", 0);
	w->p->assigned = true;
}

static void world_end(struct world *w)
{
	bg_offs_free(&w->own);
	bg_offs_free(&w->c.handed);
	bg_offs_free(&w->c.ranges);
	con_parts_free(&w->c.parts);
}

static void no_start_from_a_guess(void **state)
{
	struct world w;
	struct bg_off *o;

	(void)state;
	world(&w);
	assert_int_equal(con_choose(&w.c, w.p, 7, &w.own, false).verdict, CON_CHOICE_NONE);
	bg_offs_set(&w.own, "orders", 0, 40, 6); /* a commit of another epoch is not enough */
	assert_int_equal(con_choose(&w.c, w.p, 7, &w.own, false).verdict, CON_CHOICE_NONE);
	bg_offs_set(&w.own, "orders", 0, 40, 7);
	assert_int_equal(con_choose(&w.c, w.p, 7, &w.own, false).verdict, CON_CHOICE_OK);
	assert_int_equal(con_choose(&w.c, w.p, 7, &w.own, false).offset, 40);
	o = bg_offs_find(&w.own, "orders", 0);
	o->mirrored = true; /* a mirrored commit is never of this epoch */
	assert_int_equal(con_choose(&w.c, w.p, 7, &w.own, false).verdict, CON_CHOICE_NONE);
	o->mirrored = false;
	o->epoch = 5;
	assert_int_equal(con_choose(&w.c, w.p, 7, &w.own, false).verdict, CON_CHOICE_NONE);
	w.c.cfg.mode = CON_TAKEOVER; /* one group: its commit of any epoch says where */
	assert_int_equal(con_choose(&w.c, w.p, 7, &w.own, false).verdict, CON_CHOICE_OK);
	world_end(&w);
}

static void the_best_of_three(void **state)
{
	struct world w;

	(void)state;
	world(&w);
	bg_offs_set(&w.c.handed, "orders", 0, 100, 7);
	assert_int_equal(con_choose(&w.c, w.p, 8, &w.own, false).offset, 100);
	/* The request does not beat a newer commit. */
	bg_offs_set(&w.own, "orders", 0, 120, 8);
	assert_int_equal(con_choose(&w.c, w.p, 8, &w.own, false).offset, 120);
	/* The higher epoch wins, even with the lower offset. */
	bg_offs_set(&w.own, "orders", 0, 90, 8);
	assert_int_equal(con_choose(&w.c, w.p, 8, &w.own, false).offset, 90);
	/* Its own position, further on at the same epoch. */
	w.p->started = true;
	begin(w.p, 95, 8);
	assert_int_equal(con_choose(&w.c, w.p, 8, &w.own, false).offset, 95);
	assert_true(con_choose(&w.c, w.p, 8, &w.own, true).own);
	world_end(&w);
}

static void going_on_needs_no_offsets(void **state)
{
	struct world w;

	(void)state;
	world(&w);
	w.p->started = true;
	begin(w.p, 95, 6);
	assert_int_equal(con_choose(&w.c, w.p, 8, &w.own, true).verdict, CON_CHOICE_OK);
	assert_true(con_choose(&w.c, w.p, 8, &w.own, true).own);
	assert_int_equal(con_choose(&w.c, w.p, 8, &w.own, false).verdict, CON_CHOICE_NONE);
	world_end(&w);
}

static void outside_of_the_log(void **state)
{
	struct world w;
	struct bg_offs r = BG_OFFS_INIT;
	struct con_choice ch;

	(void)state;
	world(&w);
	bg_clock_set(1000000);
	bg_offs_set(&r, "orders", 0, 50, 0);
	bg_offs_find(&r, "orders", 0)->floor = 200;
	con_ranges_set(&w.c, &r);
	bg_offs_set(&w.c.handed, "orders", 0, 49, 7);
	ch = con_choose(&w.c, w.p, 8, &w.own, false);
	assert_int_equal(ch.verdict, CON_CHOICE_RANGE);
	assert_int_equal(ch.low, 50);
	assert_int_equal(ch.high, 200);
	bg_offs_set(&w.c.handed, "orders", 0, 50, 7);
	assert_int_equal(con_choose(&w.c, w.p, 8, &w.own, false).verdict, CON_CHOICE_OK);
	bg_offs_set(&w.c.handed, "orders", 0, 201, 7);
	assert_int_equal(con_choose(&w.c, w.p, 8, &w.own, false).verdict, CON_CHOICE_RANGES);
	bg_clock_set(1001000); /* a millisecond later the log may have grown by a thousand */
	assert_int_equal(con_choose(&w.c, w.p, 8, &w.own, false).verdict, CON_CHOICE_OK);
	bg_offs_set(&w.c.handed, "orders", 0, 1000000, 7);
	assert_int_equal(con_choose(&w.c, w.p, 8, &w.own, false).verdict, CON_CHOICE_RANGES);
	bg_clock_set(-1);
	bg_offs_free(&r);
	world_end(&w);
}

static void plain_follows_its_policy(void **state)
{
	struct world w;

	(void)state;
	world(&w);
	w.c.cfg.mode = CON_PLAIN;
	w.c.cfg.initial_offset = 'f';
	assert_int_equal(con_choose(&w.c, w.p, 0, &w.own, false).verdict, CON_CHOICE_NONE);
	w.c.cfg.initial_offset = 'e';
	assert_int_equal(con_choose(&w.c, w.p, 0, &w.own, false).verdict, CON_CHOICE_RANGES);
	bg_offs_set(&w.c.ranges, "orders", 0, 5, 0);
	bg_offs_find(&w.c.ranges, "orders", 0)->floor = 99;
	assert_int_equal(con_choose(&w.c, w.p, 0, &w.own, false).offset, 5);
	w.c.cfg.initial_offset = 'l';
	assert_int_equal(con_choose(&w.c, w.p, 0, &w.own, false).offset, 99);
	bg_offs_set(&w.own, "orders", 0, 42, 0);
	assert_int_equal(con_choose(&w.c, w.p, 0, &w.own, false).offset, 42);
	world_end(&w);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(committable_is_the_lowest_not_acknowledged),
		T(gaps_in_offsets_are_no_loss),
		T(a_jump_is_not_taken_for_a_gap),
		T(older_than_asked_is_dropped),
		T(dropped_pending_comes_again),
		T(a_failed_record_goes_back_in_its_place),
		T(taken_away_leaves_orphans),
		T(many_partitions_are_found),
		cmocka_unit_test(no_start_from_a_guess),
		cmocka_unit_test(the_best_of_three),
		cmocka_unit_test(going_on_needs_no_offsets),
		cmocka_unit_test(outside_of_the_log),
		cmocka_unit_test(plain_follows_its_policy),
	};

	return cmocka_run_group_tests_name("parts", tests, NULL, NULL);
}
