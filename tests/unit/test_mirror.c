/* SPDX-License-Identifier: Apache-2.0 */
/* What of the other colour's commits is mirrored (design 5): only what is newer, held, and not about to be committed. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/mem.h"
#include "consumerd/mirror.h"

static struct con c;
static struct con_part *p;
static struct bg_offs own, peer, out;

static void set_commit(struct bg_offs *o, int32_t partition, int64_t offset, int64_t epoch, int64_t floor,
		       const char *color)
{
	struct bg_off *at = bg_offs_at(o, "orders", partition);

	at->offset = offset;
	at->epoch = epoch;
	at->floor = floor;
	bg_strlcpy(at->color, color, sizeof at->color);
}

static int fresh(void **state)
{
	(void)state;
	memset(&c, 0, sizeof c);
	c.cfg.mode = CON_HANDOVER;
	c.cfg.color = BG_GREEN;
	con_parts_init(&c.parts);
	p = con_part_get(&c.parts, "orders", 0);
	p->assigned = true;
	set_commit(&own, 0, -1, 0, 0, "");
	return 0;
}

static int done(void **state)
{
	(void)state;
	con_parts_free(&c.parts);
	bg_offs_free(&own);
	bg_offs_free(&peer);
	bg_offs_free(&out);
	return 0;
}

static void select_them(void)
{
	bg_offs_free(&out);
	con_mirror_select(&c, &own, &peer, &out);
}

static void a_group_without_a_commit_takes_the_other_ones(void **state)
{
	(void)state;
	set_commit(&peer, 0, 100, 7, 9, "blue");
	select_them();
	assert_int_equal(out.n, 1);
	assert_int_equal(out.v[0].offset, 100);
	assert_int_equal(out.v[0].epoch, 7); /* as it is carried there */
	assert_true(out.v[0].mirrored);
	assert_string_equal(out.v[0].color, "blue");
}

static void only_what_is_newer(void **state)
{
	static const struct {
		int64_t own, own_epoch, peer, peer_epoch;
		size_t n;
	} rows[] = {
		{50, 5, 100, 7, 1},  /* a later epoch */
		{500, 5, 100, 7, 1}, /* also where the offset is lower: the epoch decides */
		{50, 7, 100, 7, 1},  /* the same epoch, further */
		{100, 7, 100, 7, 0}, /* the same: nothing is written */
		{150, 7, 100, 7, 0}, {100, 8, 200, 7, 0}, /* the own one is of a later epoch */
		{100, 7, -1, 0, 0},                       /* the other group has none */
		{-1, 0, 0, 0, 1},                         /* of other software, at the start of the log */
	};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++) {
		set_commit(&own, 0, rows[i].own, rows[i].own_epoch, 0, "green");
		set_commit(&peer, 0, rows[i].peer, rows[i].peer_epoch, 0, "blue");
		select_them();
		if (out.n != rows[i].n)
			fail_msg("row %zu: %zu chosen, expected %zu", i, out.n, rows[i].n);
	}
}

static void only_partitions_that_are_held(void **state)
{
	(void)state;
	set_commit(&peer, 0, 100, 7, 7, "blue");
	set_commit(&peer, 1, 100, 7, 7, "blue");
	set_commit(&own, 1, -1, 0, 0, "");
	select_them();
	assert_int_equal(out.n, 1); /* 1 is another member's */
	p->revoking = true;
	select_them();
	assert_int_equal(out.n, 0);
	p->revoking = false;
	p->assigned = false;
	select_them();
	assert_int_equal(out.n, 0);
}

/* tests/model, "a mirror before the last commit is in": one of the two would land on the other. */
static void not_before_the_own_last_commit(void **state)
{
	(void)state;
	set_commit(&own, 0, 80, 5, 5, "green");
	set_commit(&peer, 0, 120, 7, 7, "blue");
	p->started = true;
	p->position = p->acked = 90;
	p->epoch = 5;
	p->committed = 80;
	p->committed_epoch = 5;
	select_them();
	assert_int_equal(out.n, 0);
	p->committed = 90;
	select_them();
	assert_int_equal(out.n, 1);
	/* It never goes below what this process reached itself. */
	p->epoch = p->committed_epoch = 8;
	select_them();
	assert_int_equal(out.n, 0);
}

static void a_partition_whose_own_commit_was_not_read_is_left(void **state)
{
	(void)state;
	bg_offs_free(&own);
	set_commit(&peer, 0, 100, 7, 7, "blue");
	select_them();
	assert_int_equal(out.n, 0);
}

static void the_floor_is_never_lowered(void **state)
{
	(void)state;
	set_commit(&own, 0, 10, 5, 12, "green");
	set_commit(&peer, 0, 100, 7, 7, "blue");
	select_them();
	assert_int_equal(out.n, 1);
	assert_int_equal(out.v[0].floor, 12);
}

static void commits_of_other_software_are_the_other_colours(void **state)
{
	(void)state;
	set_commit(&peer, 0, 100, 0, 0, "");
	select_them();
	assert_int_equal(out.n, 1);
	assert_int_equal(out.v[0].epoch, 0);
	assert_string_equal(out.v[0].color, "blue");
}

static void what_was_mirrored_leads_until_the_own_position_is_better(void **state)
{
	(void)state;
	p->position = p->acked = 50;
	p->epoch = 5;
	p->committed = 50;
	p->committed_epoch = 5;
	p->started = true;
	assert_false(con_part_mirror_leads(p));
	assert_int_equal(con_part_reached(p), 50);
	con_part_set_mirrored(p, 120, 7, "blue");
	assert_true(con_part_mirror_leads(p));
	assert_int_equal(con_part_reached(p), 120);
	assert_false(con_part_wants_commit(p)); /* nothing of ours is to be written over it */
	assert_int_equal(p->position, 50);      /* and nothing of ours has moved */
	p->epoch = 8;
	p->acked = 130;
	assert_false(con_part_mirror_leads(p));
	con_part_take_away(&c.parts, p);
	assert_int_equal(p->mirrored, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, fresh, done)
		T(a_group_without_a_commit_takes_the_other_ones),
		T(only_what_is_newer),
		T(only_partitions_that_are_held),
		T(not_before_the_own_last_commit),
		T(a_partition_whose_own_commit_was_not_read_is_left),
		T(the_floor_is_never_lowered),
		T(commits_of_other_software_are_the_other_colours),
		T(what_was_mirrored_leads_until_the_own_position_is_better),
	};

	return cmocka_run_group_tests_name("mirror", tests, NULL, NULL);
}
