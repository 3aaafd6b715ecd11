/* SPDX-License-Identifier: Apache-2.0 */
/* Every fault the prover is for, seeded into an otherwise faultless run; and that run, which must be faultless. */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/mem.h"
#include "bg-verify/source.h"
#include "verify_fixture.h"

enum { B0, B1, G0, G1 };

/* Two instances a colour, blue has partition 0 and 1, one switch blue -> green at epoch 2, t = 10,000 us. */
static void two_colors(struct fx *x)
{
	fx_init(x);
	fx_instance(x, "blue-0", "blue", 100);
	fx_instance(x, "blue-1", "blue", 110);
	fx_instance(x, "green-0", "green", 120);
	fx_instance(x, "green-1", "green", 130);
}

struct faults {
	bool drop, twice, swap, no_green_ledger;
	int64_t blue_late_us; /* one more record of blue-0 so long after green's first */
};

/* 0..99 by blue, 100..199 by green, in both partitions, each committed; the faults in partition 0. */
static void write_run(struct fx *x, const struct faults *f)
{
	for (int k = 0; k < 2; k++) {
		fx_state(x, B0 + k, 200, 1, "PAUSED", "ACTIVE");
		for (int64_t o = 0; o < 100; o++) {
			int64_t as = o;

			if (k == 0 && f->drop && o == 57)
				continue;
			if (k == 0 && f->swap && (o == 41 || o == 42))
				as = o == 41 ? 42 : 41;
			if (!(k == 0 && f->blue_late_us && o == 99))
				fx_record(x, B0 + k, 1000 + o * 20 + k, 1, k, as);
			if (k == 0 && f->twice && o == 70)
				fx_record(x, B0, 1000 + o * 20 + 5, 1, 0, 70);
		}
		fx_state(x, B0 + k, 5000, 2, "ACTIVE", "DRAINING");
		if (!(k == 0 && (f->drop || f->blue_late_us))) {
			fx_commit(x, B0 + k, 5010, 2, "commit", k, 100, 1);
			fx_commit(x, B0 + k, 5020, 2, "commit_ok", k, 100, 1);
		}
		fx_state(x, B0 + k, 5030, 2, "DRAINING", "PAUSED");
	}
	if (f->blue_late_us)
		fx_record(x, B0, 10000 + f->blue_late_us, 1, 0, 99);
	for (int k = 0; k < 2; k++) {
		fx_state(x, G0 + k, 9000, 2, "PAUSED", "ACTIVE");
		fx_records(x, G0 + k, 10000 + k * 500, 2, k, 100, 199);
		fx_commit(x, G0 + k, 20000, 2, "commit_ok", k, 200, 2);
	}
}

static void test_faultless(void **state)
{
	struct fx x;

	(void)state;
	two_colors(&x);
	write_run(&x, &(struct faults){0});
	assert_int_equal(fx_judge(&x, 2, 200), 0);
	assert_int_equal(x.j->lost_n, 0);
	assert_int_equal(x.j->dup_n + x.j->in_flight, 0);
	assert_int_equal(x.j->reordered, 0);
	assert_int_equal(x.j->dual_ns, 0);
	assert_int_equal(x.j->stale_records + x.j->stale_commits, 0);
	assert_int_equal(x.j->ahead_n, 0);
	assert_int_equal(x.notes.errors.n, 0);
	assert_int_equal(x.notes.warnings.n, 0);
	/* blue-1 was last at 1000 + 99 * 20 + 1 us, green-0 first at 10,000 us. */
	assert_int_equal(x.j->n_changes, 1);
	assert_int_equal(x.j->gap.p50, (10000 - 2981) * 1000);
	assert_int_equal(x.j->worst.max, (10500 - 2981) * 1000);
	assert_int_equal(x.j->switches[0].worst_part, 1);
	assert_int_equal(x.j->switches[0].gaps_n, 2);
	fx_free(&x);
}

static void test_dropped(void **state)
{
	struct fx x;

	(void)state;
	two_colors(&x);
	write_run(&x, &(struct faults){.drop = true});
	assert_int_equal(fx_judge(&x, 2, 200), 1);
	assert_int_equal(x.j->lost_n, 1);
	assert_int_equal(x.j->lost.n, 1);
	assert_int_equal(x.j->lost.v[0].first, 57);
	assert_int_equal(x.j->lost.v[0].last, 57);
	assert_string_equal(x.j->parts[x.j->lost.v[0].part].topic, "orders");
	assert_int_equal(x.j->parts[x.j->lost.v[0].part].p, 0);
	fx_free(&x);
}

/* An offset that the topic does not have (a transaction's marker, a compacted record) is nothing lost. */
static void test_hole_in_topic(void **state)
{
	struct fx x;
	const int64_t holes[] = {57, -1};

	(void)state;
	two_colors(&x);
	write_run(&x, &(struct faults){.drop = true});
	fx_read(&x);
	fx_topic(&x, 0, 0, 200, holes);
	fx_topic(&x, 1, 0, 200, NULL);
	assert_int_equal(fx_finish(&x), 0);
	assert_int_equal(x.j->lost_n, 0);
	assert_int_equal(x.j->ahead_n, 0);
	fx_free(&x);
}

static void test_double(void **state)
{
	struct fx x;

	(void)state;
	two_colors(&x);
	write_run(&x, &(struct faults){.twice = true});
	assert_int_equal(fx_judge(&x, 2, 200), 0); /* at-least-once: counted, no violation by itself */
	assert_int_equal(x.j->dup_n, 1);
	assert_int_equal(x.j->in_flight, 0);
	assert_int_equal(x.j->dup_by_class[VF_DUP_INCARNATION], 1);
	assert_int_equal(x.j->dups.v[0].first, 70);
	assert_int_equal(x.j->reordered, 0);
	assert_int_equal(vf_judge_status(x.j, 0), 1);
	assert_int_equal(vf_judge_status(x.j, 1), 0);
	fx_free(&x);
}

static void test_swap(void **state)
{
	struct fx x;

	(void)state;
	two_colors(&x);
	write_run(&x, &(struct faults){.swap = true});
	assert_int_equal(fx_judge(&x, 2, 200), 0);
	assert_int_equal(x.j->reordered, 1);
	assert_int_equal(x.j->reorders.v[0].first, 41);
	assert_int_equal(x.j->dup_n + x.j->lost_n, 0);
	fx_free(&x);
}

static void test_overlap_1ms(void **state)
{
	struct fx x;

	(void)state;
	two_colors(&x);
	write_run(&x, &(struct faults){.blue_late_us = 1000});
	assert_int_equal(fx_judge(&x, 2, 200), 1);
	assert_int_equal(x.j->dual_ns, 1000000);
	assert_int_equal(x.j->dual_records, 1);
	assert_int_equal(x.j->switches[0].dual, 1000000);
	/* It is a stale effect too, and named. */
	assert_int_equal(x.j->stale_records, 1);
	assert_int_equal(x.j->stale.v[0].first, 99);
	assert_int_equal(x.j->stale.v[0].epoch, 1);
	assert_int_equal(x.j->stale.v[0].seq, 2);
	fx_free(&x);
}

/* At the same nanosecond is not later. */
static void test_touching_is_no_overlap(void **state)
{
	struct fx x;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "green-0", "green", 1);
	fx_instance(&x, "blue-0", "blue", 1);
	fx_record(&x, 1, 500, 1, 0, 0);
	fx_record(&x, 0, 500, 2, 0, 1);
	assert_int_equal(fx_judge(&x, 1, 2), 0);
	assert_int_equal(x.j->dual_records, 0);
	assert_int_equal(x.j->gap.p50, 0);
	fx_free(&x);
}

/* On two hosts an overlap shorter than the clock error proves nothing; a longer one does. */
static void test_two_clocks(void **state)
{
	(void)state;
	for (int longer = 0; longer < 2; longer++) {
		struct fx x;
		int64_t late = longer ? 60000 : 40000; /* us; the assumed error is 50 ms */

		fx_init(&x);
		fx_ledger(&x, "blue-0", "blue");
		fx_ledger(&x, "green-0", "green");
		fx_start(&x, 0, 1000000, "host-a", 1700000001000000);
		fx_start(&x, 1, 5000, "host-b",
			 1700000001000000); /* booted later: 995 ms less on its clock */
		fx_record(&x, 0, 1100000, 1, 0, 0);
		fx_record(&x, 1, 105000 + 100000, 2, 0, 1); /* 1,200,000 on the first clock */
		fx_record(&x, 0, 1200000 + late, 1, 0, 2);
		assert_int_equal(fx_judge(&x, 1, 3), longer);
		assert_int_equal(x.j->nboots, 2);
		assert_int_equal(x.j->dual_records, longer);
		assert_int_equal(x.j->undecided, !longer);
		assert_int_equal(x.j->dual_ns, longer ? late * 1000 : 0);
		assert_true(x.j->switches[0].two_clocks);
		assert_int_equal(x.j->gap.p50, 0);
		fx_free(&x);
	}
}

static void test_missing_color(void **state)
{
	struct fx x;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	fx_state(&x, 0, 200, 1, "PAUSED", "ACTIVE");
	fx_records(&x, 0, 1000, 1, 0, 0, 99);
	fx_state(&x, 0, 3000, 2, "ACTIVE", "PAUSED");
	fx_state(&x, 0, 9000, 3, "PAUSED", "ACTIVE");
	fx_records(&x, 0, 10000, 3, 0, 200, 299);
	assert_int_equal(fx_judge(&x, 1, 300), 1);
	assert_int_equal(x.notes.errors.n, 1);
	assert_non_null(strstr(x.notes.errors.v[0], "missing colour"));
	assert_non_null(strstr(x.notes.errors.v[0], "green"));
	assert_int_equal(x.j->lost_n, 100);
	fx_free(&x);
}

/* The same where nothing looks lost: there is no verdict. */
static void test_missing_color_is_no_verdict(void **state)
{
	struct fx x;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	fx_records(&x, 0, 1000, 1, 0, 0, 9);
	fx_state(&x, 0, 3000, 2, "ACTIVE", "PAUSED");
	assert_int_equal(fx_judge(&x, 1, 10), 3);
	fx_free(&x);
}

static void test_missing_epoch_and_instance(void **state)
{
	struct fx x;
	static const char *const want[] = {"blue-0", "green-1", NULL};

	(void)state;
	fx_init(&x);
	x.opts.instances = want;
	fx_instance(&x, "blue-0", "blue", 100);
	fx_instance(&x, "green-0", "green", 100);
	fx_records(&x, 0, 1000, 1, 0, 0, 9);
	fx_records(&x, 1, 2000, 4, 0, 10, 19);
	fx_commit(&x, 1, 3000, 4, "commit_ok", 1, 5, 3);
	fx_commit(&x, 1, 3000, 4, "commit_ok", 1, 5, 0);
	fx_read(&x);
	vf_judge_no_topic(x.j);
	assert_int_equal(fx_finish(&x), 3);
	assert_int_equal(x.notes.errors.n, 2);
	assert_non_null(strstr(x.notes.errors.v[0], "epoch 3"));
	assert_non_null(strstr(x.notes.errors.v[1], "green-1"));
	fx_free(&x);
}

/* One colour alone at one epoch is a plain consumer: nothing is missing. */
static void test_one_color_is_fine(void **state)
{
	struct fx x;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	fx_records(&x, 0, 1000, 1, 0, 0, 9);
	assert_int_equal(fx_judge(&x, 1, 10), 0);
	assert_int_equal(x.notes.errors.n, 0);
	fx_free(&x);
}

static void test_stale_commit(void **state)
{
	struct fx x;

	(void)state;
	two_colors(&x);
	write_run(&x, &(struct faults){0});
	/* blue-1 goes on in its belief: woken, active, at epoch 1. */
	fx_state(&x, B1, 11000, 1, "PAUSED", "ACTIVE");
	fx_commit(&x, B1, 11010, 1, "commit", 1, 100, 1);
	fx_commit(&x, B1, 11020, 1, "commit_ok", 1, 100, 1);
	assert_int_equal(fx_judge(&x, 2, 200), 0);
	assert_int_equal(x.j->stale_commits, 1);
	assert_int_equal(x.j->stale_records, 0);
	assert_int_equal(x.j->incs[x.j->stale.v[0].a].color, BG_BLUE);
	fx_free(&x);
}

/* A refused one has no effect; a late acknowledgement of a commit sent in time, and a mirrored commit, are normal. */
static void test_commits_that_are_not_stale(void **state)
{
	struct fx x;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	fx_instance(&x, "green-0", "green", 100);
	fx_records(&x, 0, 1000, 1, 0, 0, 9);
	fx_commit(&x, 0, 2000, 1, "commit", 0, 10, 1);
	fx_records(&x, 1, 3000, 2, 0, 10, 19);
	fx_commit(&x, 0, 3500, 1, "commit_ok", 0, 10, 1);
	fx_commit(&x, 0, 3600, 1, "commit", 0, 10, 1);
	fx_commit(&x, 0, 3700, 1, "commit_refused", 0, 10, 1);
	fx_records(&x, 0, 5000, 3, 0, 20, 29);
	fx_commit(&x, 1, 5500, 2, "commit", 0, 10, 1); /* green mirrors an old offset of blue's */
	fx_commit(&x, 1, 5600, 2, "commit_ok", 0, 10, 1);
	assert_int_equal(fx_judge(&x, 1, 30), 0);
	assert_int_equal(x.j->stale_commits, 0);
	fx_free(&x);
}

/*
 * Blue let go of record 5 at a deadline, and had done 6 to 9: it says so, commits 5, and green repeats them. They are in
 * flight, also in blue itself; what it repeats of before 5, or after it went on, is not.
 */
static void test_abandoned(void **state)
{
	struct fx x;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	fx_instance(&x, "green-0", "green", 100);
	fx_state(&x, 0, 900, 1, "PAUSED", "ACTIVE");
	fx_records(&x, 0, 1000, 1, 0, 0, 4);
	fx_records(&x, 0, 1100, 1, 0, 6, 9);
	fx_commit(&x, 0, 1900, 1, "abandon", 0, 5, 1);
	fx_commit(&x, 0, 2000, 1, "commit_ok", 0, 5, 1);
	fx_state(&x, 0, 2100, 1, "DRAINING", "PAUSED");
	fx_records(&x, 1, 3000, 2, 0, 4, 14);
	fx_commit(&x, 1, 3900, 2, "commit_ok", 0, 15, 2);
	fx_records(&x, 1, 4000, 2, 0, 14, 19);
	assert_int_equal(fx_judge(&x, 1, 20), 0);
	assert_int_equal(x.j->in_flight, 4);
	assert_int_equal(x.j->dup_n, 2); /* 4, by green; 14, by green twice */
	fx_free(&x);
}

/* What a handler had when it ended is counted when it goes in for the second time. */
static void test_given_again(void **state)
{
	struct fx x;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	for (int k = 0; k < 2; k++)
		for (int o = 0; o < 3; o++)
			fx_raw(&x, 0,
			       "{\"t\":%d,\"i\":\"blue-0\",\"c\":\"blue\",\"e\":1,\"ev\":\"in\",\"tp\":\"orders\",\"p\":0,\"o\":%d}\n",
			       500000 + 1000 * (k * 10 + o), o);
	fx_records(&x, 0, 1000, 1, 0, 0, 2);
	assert_int_equal(fx_judge(&x, 1, 3), 0);
	assert_int_equal(x.j->given_again, 3);
	assert_int_equal(x.j->dup_n + x.j->in_flight, 0);
	fx_free(&x);
}

static void test_commit_ahead(void **state)
{
	struct fx x;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	fx_commit(&x, 0, 900, 1, "commit_ok", 0, 0, 1);
	fx_records(&x, 0, 1000, 1, 0, 0, 4);
	fx_commit(&x, 0, 1100, 1, "commit_ok", 0, 7, 1); /* 5 and 6 are still to come */
	fx_records(&x, 0, 1200, 1, 0, 5, 9);
	fx_commit(&x, 0, 1300, 1, "commit_ok", 0, 10, 1);
	assert_int_equal(fx_judge(&x, 1, 10), 0);
	assert_int_equal(x.j->ahead_n, 2);
	assert_int_equal(x.j->ahead_commits, 1);
	assert_int_equal(x.j->ahead.n, 1);
	assert_int_equal(x.j->ahead.v[0].first, 5);
	assert_int_equal(x.j->ahead.v[0].last, 6);
	assert_int_equal(x.j->ahead.v[0].lineno, 8);
	fx_free(&x);
}

/* A hole is told once, however many commits follow. */
static void test_hole_is_told_once(void **state)
{
	struct fx x;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	fx_record(&x, 0, 1000, 1, 0, 0);
	for (int64_t o = 2; o < 50; o++) {
		fx_record(&x, 0, 1000 + o * 10, 1, 0, o);
		fx_commit(&x, 0, 1005 + o * 10, 1, "commit_ok", 0, o + 1, 1);
	}
	assert_int_equal(fx_judge(&x, 1, 50), 1);
	assert_int_equal(x.j->ahead_n, 1);
	assert_int_equal(x.j->ahead.v[0].first, 1);
	assert_int_equal(x.j->lost_n, 1);
	fx_free(&x);
}

/* A commit of 2^60 (a damaged or hostile ledger) neither hangs nor fills the memory. */
static void test_wild_offsets(void **state)
{
	struct fx x;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	fx_record(&x, 0, 1000, 1, 0, 0);
	fx_commit(&x, 0, 1100, 1, "commit_ok", 0, 1LL << 60, 1);
	fx_record(&x, 0, 1200, 1, 0, 1LL << 60);
	fx_record(&x, 0, 1300, 1, 0, 1);
	fx_read(&x);
	vf_judge_no_topic(x.j);
	assert_int_equal(fx_finish(&x), 1);
	assert_int_equal(x.j->lost_n, (1LL << 60) - 2);
	assert_int_equal(x.j->ahead_n, (1LL << 60) - 1);
	fx_free(&x);
}

/* kill -9 after record 9, committed up to 5: the next life repeats 5..9. */
static void test_in_flight(void **state)
{
	struct fx x;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	fx_state(&x, 0, 200, 1, "PAUSED", "ACTIVE");
	fx_records(&x, 0, 1000, 1, 0, 0, 9);
	fx_commit(&x, 0, 1050, 1, "commit_ok", 0, 5, 1);
	fx_raw(&x, 0, "{\"t\":1100000,\"i\":\"bl");
	fx_raw(&x, 0, "\n");
	fx_start(&x, 0, 3000, "b1", 1700000000003000);
	fx_state(&x, 0, 3100, 1, "PAUSED", "ACTIVE");
	fx_records(&x, 0, 4000, 1, 0, 5, 19);
	assert_int_equal(fx_judge(&x, 1, 20), 0);
	assert_int_equal(x.j->in_flight, 5);
	assert_int_equal(x.j->dup_n, 0);
	assert_int_equal(x.j->in_flight_by_class[VF_DUP_EPOCH], 5);
	assert_true(x.j->dups.v[0].open);
	assert_int_equal(vf_sources_info(x.sources, 0)->torn, 1);
	assert_int_equal(vf_judge_status(x.j, 0), 0);
	fx_free(&x);
}

/* A rebalance threw blue-0 out, its commit was refused: what blue-1 repeats was in flight, though nobody died. */
static void test_in_flight_of_a_lost_generation(void **state)
{
	(void)state;
	for (int refused = 0; refused < 2; refused++) {
		struct fx x;

		fx_init(&x);
		fx_instance(&x, "blue-0", "blue", 100);
		fx_instance(&x, "blue-1", "blue", 100);
		fx_state(&x, 0, 200, 1, "PAUSED", "ACTIVE");
		fx_records(&x, 0, 1000, 1, 0, 0, 9);
		fx_commit(&x, 0, 1050, 1, "commit_ok", 0, 5, 1);
		if (refused)
			fx_commit(&x, 0, 1200, 1, "commit_refused", 0, 10, 1);
		fx_records(&x, 1, 2000, 1, 0, 5, 19);
		fx_record(&x, 0, 3000, 1, 1, 0); /* it lives on, with another partition */
		fx_read(&x);
		vf_judge_no_topic(x.j);
		assert_int_equal(fx_finish(&x), 0);
		assert_int_equal(x.j->in_flight, refused ? 5 : 0);
		assert_int_equal(x.j->dup_n, refused ? 0 : 5);
		fx_free(&x);
	}
}

/* Frozen and fenced meanwhile: it hears of it when all is repeated, and is active again later as the same process. */
static void test_in_flight_of_a_fenced_one(void **state)
{
	(void)state;
	for (int fenced = 0; fenced < 2; fenced++) {
		struct fx x;

		fx_init(&x);
		fx_instance(&x, "blue-0", "blue", 100);
		fx_instance(&x, "green-0", "green", 100);
		fx_state(&x, 0, 200, 1, "PAUSED", "ACTIVE");
		fx_records(&x, 0, 1000, 1, 0, 0, 9);
		fx_commit(&x, 0, 1050, 1, "commit_ok", 0, 5, 1);
		fx_state(&x, 1, 1900, 2, "PAUSED", "ACTIVE");
		fx_records(&x, 1, 2000, 2, 0, 5, 19);
		fx_state(&x, 0, 3000, 2, "ACTIVE", fenced ? "FENCED" : "PAUSED");
		fx_state(&x, 0, 3100, 2, "FENCED", "PAUSED");
		fx_state(&x, 0, 4000, 3, "PAUSED", "ACTIVE");
		fx_records(&x, 0, 5000, 3, 0, 20, 24);
		fx_state(&x, 0, 6000, 4, "ACTIVE", "PAUSED");
		fx_read(&x);
		vf_judge_no_topic(x.j);
		fx_finish(&x);
		assert_int_equal(x.j->in_flight, fenced ? 5 : 0);
		assert_int_equal(x.j->dup_n, fenced ? 0 : 5);
		fx_free(&x);
	}
}

/* What had been committed and is repeated is no in-flight, whoever died. */
static void test_repeat_of_committed(void **state)
{
	struct fx x;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	fx_records(&x, 0, 1000, 1, 0, 0, 9);
	fx_commit(&x, 0, 1200, 1, "commit_ok", 0, 10, 1);
	fx_start(&x, 0, 3000, "b1", 1700000000003000);
	fx_records(&x, 0, 4000, 1, 0, 8, 19);
	assert_int_equal(fx_judge(&x, 1, 20), 0);
	assert_int_equal(x.j->dup_n, 2);
	assert_int_equal(x.j->in_flight, 0);
	fx_free(&x);
}

/* After a clean pause a repeat by the other colour is a fault, committed or not. */
static void test_repeat_across_colors(void **state)
{
	struct fx x;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	fx_instance(&x, "green-0", "green", 100);
	fx_records(&x, 0, 1000, 1, 0, 0, 9);
	fx_commit(&x, 0, 1200, 1, "commit_ok", 0, 5, 1);
	fx_state(&x, 0, 1300, 2, "DRAINING", "PAUSED");
	fx_records(&x, 1, 2000, 2, 0, 8, 19);
	assert_int_equal(fx_judge(&x, 1, 20), 0);
	assert_int_equal(x.j->dup_n, 2);
	assert_int_equal(x.j->dup_by_class[VF_DUP_ACROSS], 2);
	assert_int_equal(x.j->in_flight, 0);
	assert_int_equal(x.j->dups.n, 1);
	assert_int_equal(x.j->dups.v[0].count, 2);
	fx_free(&x);
}

static void test_epoch_of_both_colors(void **state)
{
	struct fx x;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	fx_instance(&x, "green-0", "green", 100);
	fx_records(&x, 0, 1000, 7, 0, 0, 100);
	fx_records(&x, 1, 1500, 7, 1, 0, 100);
	assert_int_equal(fx_judge(&x, 2, 101), 1);
	assert_int_equal(x.j->conflicts, 1);
	assert_int_equal(x.j->dual_ns, 500000); /* 1,500 to 2,000 us */
	fx_free(&x);
}

/* Without epochs (plain mode) taking turns is fine, working at the same time is not. */
static void test_plain_mode(void **state)
{
	(void)state;
	for (int both = 0; both < 2; both++) {
		struct fx x;

		fx_init(&x);
		fx_instance(&x, "blue-0", "blue", 100);
		fx_instance(&x, "green-0", "green", 100);
		fx_records(&x, 0, 1000, 0, 0, 0, 9);
		fx_records(&x, 1, both ? 1085 : 2000, 0, 0, 10, 19);
		fx_start(&x, 0, 3000, "b1", 1700000000003000);
		fx_records(&x, 0, 4000, 0, 0, 20, 29);
		assert_int_equal(fx_judge(&x, 1, 30), both);
		assert_int_equal(x.j->dual_ns, both ? 5000 : 0);
		fx_free(&x);
	}
}

static void test_ranges(void **state)
{
	static const struct {
		enum vf_from from;
		enum vf_upto upto;
		int64_t lost;
	} rows[] = {
		{VF_FROM_START, VF_UPTO_END, 30},          {VF_FROM_START, VF_UPTO_PROCESSED, 20},
		{VF_FROM_START, VF_UPTO_COMMITTED, 20},    {VF_FROM_COMMITTED, VF_UPTO_END, 15},
		{VF_FROM_COMMITTED, VF_UPTO_COMMITTED, 5}, {VF_FROM_PROCESSED, VF_UPTO_END, 10},
		{VF_FROM_PROCESSED, VF_UPTO_PROCESSED, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fx x;

		fx_init(&x);
		x.opts.from = rows[i].from;
		x.opts.upto = rows[i].upto;
		fx_instance(&x, "blue-0", "blue", 100);
		fx_commit(&x, 0, 500, 1, "commit_ok", 0, 15, 1);
		fx_records(&x, 0, 1000, 1, 0, 20, 89);
		fx_commit(&x, 0, 5000, 1, "commit_ok", 0, 80, 1);
		assert_int_equal(fx_judge(&x, 1, 100), rows[i].lost > 0);
		assert_int_equal(x.j->lost_n, rows[i].lost);
		assert_int_equal(x.j->parts[0].after_last, 10);
		fx_free(&x);
	}
}

/* Retention deleted what nobody had processed: lost, and said so; what lies before the start is not ours. */
static void test_expired(void **state)
{
	struct fx x;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	fx_records(&x, 0, 1000, 1, 0, 10, 19);
	fx_records(&x, 0, 2000, 1, 0, 30, 49);
	fx_read(&x);
	fx_topic(&x, 0, 25, 50, NULL);
	assert_int_equal(fx_finish(&x), 1);
	assert_int_equal(x.j->lost_n, 10);
	assert_int_equal(x.j->lost_by_why[VF_EXPIRED], 5);
	assert_int_equal(x.j->lost_by_why[VF_NEVER], 5);
	fx_free(&x);
}

/* Retention moves the log's start while the topic is read: what was read stays judged, the rest is by the ledger. */
static void test_overtaken_by_retention(void **state)
{
	struct fx x;
	uint32_t part;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	fx_record(&x, 0, 1000, 1, 0, 0);
	fx_records(&x, 0, 1010, 1, 0, 3, 9);
	fx_records(&x, 0, 2000, 1, 0, 12, 19);
	fx_read(&x);
	part = vf_judge_range(x.j, "orders", 0, 0, 20);
	for (int64_t o = 0; o < 5; o++)
		vf_judge_message(x.j, part, o, 0, -1);                    /* 1 and 2 are lost */
	assert_int_equal(vf_judge_range(x.j, "orders", 0, 15, 20), part); /* 10 and 11 are gone */
	for (int64_t o = 15; o < 20; o++)
		vf_judge_message(x.j, part, o, 0, -1);
	vf_judge_partition_done(x.j, part);
	assert_int_equal(fx_finish(&x), 1);
	assert_int_equal(x.j->lost_n, 4);
	assert_int_equal(x.j->lost_by_why[VF_EXPIRED], 2);
	assert_int_equal(x.notes.errors.n, 0);
	fx_free(&x);
}

static void skipped(struct fx *x, int64_t t_us, int64_t o, const char *reason)
{
	fx_raw(x, 0,
	       "{\"t\":%lld000,\"ev\":\"skip\",\"i\":\"blue-0\",\"c\":\"blue\",\"e\":1,\"tp\":\"orders\",\"p\":0,"
	       "\"o\":%lld,\"reason\":\"%s\"}\n",
	       (long long)t_us, (long long)o, reason);
}

static void test_skip(void **state)
{
	struct fx x;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	fx_records(&x, 0, 1000, 1, 0, 0, 4);
	skipped(&x, 1100, 5, "handler error");
	skipped(&x, 1101, 6, "handler error");
	skipped(&x, 1102, 7, "retention");
	fx_records(&x, 0, 1200, 1, 0, 8, 9);
	fx_commit(&x, 0, 1300, 1, "commit_ok", 0, 10, 1);
	assert_int_equal(fx_judge(&x, 1, 10), 1);
	assert_int_equal(x.j->skipped, 3);
	assert_int_equal(x.j->n_reasons, 2);
	assert_int_equal(x.j->reasons[0].n, 2);
	assert_int_equal(x.j->lost_n, 1);
	assert_int_equal(x.j->lost_by_why[VF_TOLD], 1);
	assert_int_equal(x.j->ahead_n, 0);
	fx_free(&x);
}

/* A hole that retention made is one line, however long it is. */
static void test_skip_range(void **state)
{
	struct fx x;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	fx_records(&x, 0, 1000, 1, 0, 0, 4);
	fx_raw(&x, 0,
	       "{\"t\":1100000,\"ev\":\"skip\",\"i\":\"blue-0\",\"c\":\"blue\",\"e\":1,\"tp\":\"orders\",\"p\":0,"
	       "\"o\":5,\"last\":104,\"reason\":\"retention\"}\n");
	fx_records(&x, 0, 1200, 1, 0, 105, 109);
	fx_commit(&x, 0, 1300, 1, "commit_ok", 0, 110, 1);
	assert_int_equal(fx_judge(&x, 1, 110), 1);
	assert_int_equal(x.j->skipped, 100);
	assert_int_equal(x.j->lost_n, 100);
	assert_int_equal(x.j->lost_by_why[VF_TOLD], 100);
	assert_int_equal(x.j->ahead_n, 0);
	fx_free(&x);
}

static void test_a_skipped_range_is_bounded(void **state)
{
	static const struct {
		const char *last;
		int rc;
	} rows[] = {{"10", 0}, {"1000009", 0}, {"9", -EINVAL}, {"1000010", -EINVAL}, {"\"x\"", -EINVAL}};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = bg_xasprintf(
			"{\"t\":1,\"ev\":\"skip\",\"i\":\"blue-0\",\"c\":\"blue\",\"e\":1,\"tp\":\"orders\",\"p\":0,\"o\":10,\"last\":%s}",
			rows[i].last);
		struct bg_err err = BG_ERR_INIT;
		struct vf_line l;

		assert_int_equal(vf_line_parse(text, strlen(text), &l, &err), rows[i].rc);
		if (!rows[i].rc)
			vf_line_free(&l);
	}
}

static void in(struct fx *x, int64_t t_us, int64_t o)
{
	fx_raw(x, 0,
	       "{\"t\":%lld000,\"ev\":\"in\",\"i\":\"blue-0\",\"c\":\"blue\",\"e\":1,\"tp\":\"orders\",\"p\":0,\"o\":%lld}\n",
	       (long long)t_us, (long long)o);
}

/* Acknowledgements in any order are fine when the records were given in order. */
static void test_asynchronous_handler(void **state)
{
	struct fx x;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	for (int64_t o = 0; o < 4; o++)
		in(&x, 1000 + o, o);
	fx_record(&x, 0, 1100, 1, 0, 2);
	fx_record(&x, 0, 1101, 1, 0, 0);
	in(&x, 1102, 1); /* a retry */
	fx_record(&x, 0, 1103, 1, 0, 1);
	in(&x, 1104, 5);
	in(&x, 1105, 4); /* given out of order */
	fx_record(&x, 0, 1106, 1, 0, 4);
	fx_record(&x, 0, 1107, 1, 0, 5);
	assert_int_equal(fx_judge(&x, 1, 6), 1);
	assert_int_equal(x.j->reordered, 1);
	assert_int_equal(x.j->reorders.v[0].first, 4);
	assert_int_equal(x.j->lost_n, 1);
	assert_int_equal(x.j->lost_by_why[VF_GIVEN], 1);
	assert_int_equal(x.j->lost.v[0].first, 3);
	fx_free(&x);
}

/* Producer's doing: the same number at two offsets is one record, whichever copy was processed. */
static void test_numbers(void **state)
{
	struct fx x;
	uint32_t part;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	fx_record(&x, 0, 1000, 1, 0, 0);
	fx_record(&x, 0, 1001, 1, 0, 2);
	fx_record(&x, 0, 1002, 1, 0, 3);
	fx_read(&x);
	part = vf_judge_range(x.j, "orders", 0, 0, 6);
	vf_judge_message(x.j, part, 0, 0xabcd, 0);
	vf_judge_message(x.j, part, 1, 0xabcd, 1); /* not processed, but its copy is */
	vf_judge_message(x.j, part, 2, 0xabcd, 1);
	vf_judge_message(x.j, part, 3, 0xabcd, 3); /* number 2 never came */
	vf_judge_message(x.j, part, 4, 0xabcd, 3); /* the copy of a processed one */
	vf_judge_message(x.j, part, 5, 0xabcd, 4); /* lost */
	vf_judge_partition_done(x.j, part);
	assert_int_equal(fx_finish(&x), 1);
	assert_int_equal(x.j->produced_twice, 2);
	assert_int_equal(x.j->produced_missing, 1);
	assert_int_equal(x.j->excused, 2);
	assert_int_equal(x.j->lost_n, 1);
	assert_int_equal(x.j->lost.n, 1);
	assert_int_equal(x.j->lost.v[0].first, 5);
	assert_int_equal(x.j->lost.v[0].seq, 4);
	fx_free(&x);
}

static void test_one_run(void **state)
{
	struct fx x;
	uint32_t part;

	(void)state;
	fx_init(&x);
	x.opts.has_run = true;
	x.opts.run = 2;
	fx_instance(&x, "blue-0", "blue", 100);
	fx_record(&x, 0, 1000, 1, 0, 2);
	fx_read(&x);
	part = vf_judge_range(x.j, "orders", 0, 0, 4);
	vf_judge_message(x.j, part, 0, 1, 0);
	vf_judge_message(x.j, part, 1, 0, -1);
	vf_judge_message(x.j, part, 2, 2, 0);
	vf_judge_message(x.j, part, 3, 2, 1);
	vf_judge_partition_done(x.j, part);
	assert_int_equal(fx_finish(&x), 1);
	assert_int_equal(x.j->lost_n, 1);
	assert_int_equal(x.j->lost.v[0].first, 3);
	assert_int_equal(x.j->parts[0].other_run, 2);
	fx_free(&x);
}

/* Ledgers of another topic of the same name, or one that was made anew. */
static void test_wrong_topic(void **state)
{
	struct fx x;
	const int64_t holes[] = {3, 4, -1};

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	fx_records(&x, 0, 1000, 1, 0, 0, 9);
	fx_read(&x);
	fx_topic(&x, 0, 0, 10, holes);
	assert_int_equal(fx_finish(&x), 3);
	assert_non_null(strstr(x.notes.errors.v[0], "not in the topic"));
	fx_free(&x);
}

/* Two hosts: green's first commit (the handed offset) seems to come before blue's last record, within the error. */
static void test_commit_across_clocks(void **state)
{
	struct fx x;

	(void)state;
	fx_init(&x);
	fx_ledger(&x, "blue-0", "blue");
	fx_ledger(&x, "green-0", "green");
	fx_start(&x, 0, 1000, "host-a", 1700000001000000);
	fx_start(&x, 1, 1000, "host-b", 1700000001000000);
	fx_records(&x, 0, 100000, 1, 0, 0, 9);
	fx_record(&x, 0, 110000, 1, 0, 10);
	fx_commit(&x, 1, 109000, 2, "commit_ok", 0, 11, 2);
	fx_record(&x, 1, 120000, 2, 0, 11);
	assert_int_equal(fx_judge(&x, 1, 12), 0);
	assert_int_equal(x.j->ahead_n, 0);
	fx_free(&x);
}

/* A switch that failed: blue goes on at a higher epoch. It is listed, and no part of the percentiles. */
static void test_abort_is_no_change(void **state)
{
	struct fx x;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	fx_instance(&x, "green-0", "green", 100);
	fx_state(&x, 1, 150, 2, "STARTING", "PAUSED");
	fx_records(&x, 0, 1000, 1, 0, 0, 9);
	fx_records(&x, 0, 2000, 3, 0, 10, 19);
	assert_int_equal(fx_judge(&x, 1, 20), 0);
	assert_int_equal(x.j->n_switches, 1);
	assert_int_equal(x.j->n_changes, 0);
	assert_int_equal(x.j->gap.p50, -1);
	assert_int_equal(x.j->switches[0].gap, (2000 - 1090) * 1000);
	fx_free(&x);
}

static void test_percentiles(void **state)
{
	struct fx x;
	int64_t t = 1000;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	fx_instance(&x, "green-0", "green", 100);
	for (int64_t e = 1; e <= 101; e++) { /* gaps of 1, 2, …, 100 ms */
		fx_record(&x, e % 2 ? 0 : 1, t, e, 0, e - 1);
		t += e * 1000;
	}
	assert_int_equal(fx_judge(&x, 1, 101), 0);
	assert_int_equal(x.j->n_changes, 100);
	assert_int_equal(x.j->gap.p50, 50 * 1000000);
	assert_int_equal(x.j->gap.p90, 90 * 1000000);
	assert_int_equal(x.j->gap.p99, 99 * 1000000);
	assert_int_equal(x.j->gap.max, 100 * 1000000);
	fx_free(&x);
}

static void test_mixed_ledger(void **state)
{
	struct fx x;

	(void)state;
	fx_init(&x);
	fx_instance(&x, "blue-0", "blue", 100);
	fx_record(&x, 0, 1000, 1, 0, 0);
	fx_raw(&x, 0,
	       "{\"t\":2000000,\"i\":\"blue-1\",\"c\":\"blue\",\"e\":1,\"tp\":\"orders\",\"p\":0,\"o\":1}\n");
	assert_int_equal(fx_judge(&x, 1, 2), 3);
	assert_non_null(strstr(x.notes.errors.v[0], "one instance"));
	fx_free(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faultless),
		cmocka_unit_test(test_dropped),
		cmocka_unit_test(test_hole_in_topic),
		cmocka_unit_test(test_double),
		cmocka_unit_test(test_swap),
		cmocka_unit_test(test_overlap_1ms),
		cmocka_unit_test(test_touching_is_no_overlap),
		cmocka_unit_test(test_two_clocks),
		cmocka_unit_test(test_missing_color),
		cmocka_unit_test(test_missing_color_is_no_verdict),
		cmocka_unit_test(test_missing_epoch_and_instance),
		cmocka_unit_test(test_one_color_is_fine),
		cmocka_unit_test(test_stale_commit),
		cmocka_unit_test(test_commits_that_are_not_stale),
		cmocka_unit_test(test_abandoned),
		cmocka_unit_test(test_given_again),
		cmocka_unit_test(test_commit_ahead),
		cmocka_unit_test(test_hole_is_told_once),
		cmocka_unit_test(test_wild_offsets),
		cmocka_unit_test(test_in_flight),
		cmocka_unit_test(test_in_flight_of_a_lost_generation),
		cmocka_unit_test(test_in_flight_of_a_fenced_one),
		cmocka_unit_test(test_repeat_of_committed),
		cmocka_unit_test(test_repeat_across_colors),
		cmocka_unit_test(test_epoch_of_both_colors),
		cmocka_unit_test(test_plain_mode),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_expired),
		cmocka_unit_test(test_overtaken_by_retention),
		cmocka_unit_test(test_skip),
		cmocka_unit_test(test_skip_range),
		cmocka_unit_test(test_a_skipped_range_is_bounded),
		cmocka_unit_test(test_asynchronous_handler),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_one_run),
		cmocka_unit_test(test_wrong_topic),
		cmocka_unit_test(test_commit_across_clocks),
		cmocka_unit_test(test_abort_is_no_change),
		cmocka_unit_test(test_percentiles),
		cmocka_unit_test(test_mixed_ledger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
