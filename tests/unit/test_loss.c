/* SPDX-License-Identifier: Apache-2.0 */
/* K-10: what the log deleted before it was processed is told exactly, and policy says whether the start goes on. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/mem.h"
#include "consumerd/choose.h"
#include "consumerd/loss.h"

static struct con c;
static struct con_part *p;
static struct bg_offs own;

static int fresh(void **state)
{
	struct bg_offs ranges = BG_OFFS_INIT;

	(void)state;
	memset(&c, 0, sizeof c);
	c.cfg.mode = CON_HANDOVER;
	con_parts_init(&c.parts);
	p = con_part_get(&c.parts, "orders", 3);
	p->assigned = true;
	bg_offs_set(&ranges, "orders", 3, 500, 0);
	bg_offs_find(&ranges, "orders", 3)->floor = 900;
	con_ranges_set(&c, &ranges);
	bg_offs_free(&ranges);
	return 0;
}

static int done(void **state)
{
	(void)state;
	con_parts_free(&c.parts);
	bg_offs_free(&c.ranges);
	bg_offs_free(&c.handed);
	bg_offs_free(&own);
	return 0;
}

static void where_the_position_lies(void **state)
{
	(void)state;
	assert_int_equal(con_loss_judge(499, 500, 900), CON_LOSS_HOLE);
	assert_int_equal(con_loss_judge(0, 500, 500), CON_LOSS_HOLE); /* all was deleted */
	assert_int_equal(con_loss_judge(500, 500, 900), CON_LOSS_NONE);
	assert_int_equal(con_loss_judge(900, 500, 900), CON_LOSS_NONE);
	assert_int_equal(con_loss_judge(901, 500, 900), CON_LOSS_BEYOND);
	assert_int_equal(con_loss_judge(5000, 0, 10),
			 CON_LOSS_BEYOND); /* a topic made anew loses nothing in silence */
}

static void each_offset_is_counted_once(void **state)
{
	(void)state;
	con_loss_count(&c, p, 100, 300);
	assert_int_equal(c.lost_total, 200);
	con_loss_count(&c, p, 100, 300); /* the same hole at the next start */
	con_loss_count(&c, p, 100, 200);
	assert_int_equal(c.lost_total, 200);
	con_loss_count(&c, p, 100, 350); /* it has grown */
	assert_int_equal(c.lost_total, 250);
	con_loss_count(&c, p, 400, 400);
	assert_int_equal(c.lost_total, 250);
	assert_non_null(strstr(c.last_error, "orders [3]: 50 records, offsets 300 to 349"));
}

static void a_start_in_a_hole_is_refused_or_counted(void **state)
{
	struct con_choice ch;

	(void)state;
	bg_offs_set(&c.handed, "orders", 3, 420, 7);
	ch = con_choose(&c, p, 8, &own, false);
	assert_int_equal(ch.verdict, CON_CHOICE_RANGE);
	c.tun.skip_lost = true;
	ch = con_choose(&c, p, 8, &own, false);
	assert_int_equal(ch.verdict, CON_CHOICE_OK);
	assert_int_equal(ch.offset, 500);
	assert_int_equal(ch.lost_from, 420);
	bg_offs_set(&c.handed, "orders", 3, 500, 7);
	ch = con_choose(&c, p, 8, &own, false);
	assert_int_equal(ch.verdict, CON_CHOICE_OK);
	assert_int_equal(ch.lost_from, -1);
	/* Beyond the end nothing was deleted: never passed over. */
	bg_offs_set(&c.handed, "orders", 3, INT64_MAX / 2, 7);
	assert_int_equal(con_choose(&c, p, 8, &own, false).verdict, CON_CHOICE_RANGES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(where_the_position_lies, fresh, done),
		cmocka_unit_test_setup_teardown(each_offset_is_counted_once, fresh, done),
		cmocka_unit_test_setup_teardown(a_start_in_a_hole_is_refused_or_counted, fresh, done),
	};

	return cmocka_run_group_tests_name("loss", tests, NULL, NULL);
}
