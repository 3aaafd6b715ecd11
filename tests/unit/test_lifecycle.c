/* SPDX-License-Identifier: Apache-2.0 */
/* The instance's table, every cell, and the epoch rules (protocol 1.1, 1.2). */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "consumerd/lifecycle.h"

/* Every cell is there exactly once: counted by itself, not by the array's size. */
static void every_cell_is_there_once(void **state)
{
	int seen[CON_STATES][CON_EVENTS] = {{0}};

	(void)state;
#define BG_LC(s, e, n, a) seen[CON_##s][CON_EV_##e]++;
#include "consumerd/lifecycle.def"
#undef BG_LC
	for (int s = 0; s < CON_STATES; s++)
		for (int e = 0; e < CON_EVENTS; e++)
			assert_int_equal(seen[s][e], 1);
}

static void the_machine_follows_the_table(void **state)
{
	enum con_action a;

	(void)state;
#define BG_LC(s, e, n, act)                                                                                  \
	assert_int_equal(con_lc_next(CON_##s, CON_EV_##e, &a), CON_##n);                                     \
	assert_int_equal(a, CON_DO_##act);
#include "consumerd/lifecycle.def"
#undef BG_LC
}

/* What no edit of the table may change. */
static void the_table_keeps_the_rules(void **state)
{
	enum con_action a;

	(void)state;
	for (int s = 0; s < CON_STATES; s++) {
		/* Nobody becomes ACTIVE but by a settled start, or by going on. */
		for (int e = 0; e < CON_EVENTS; e++)
			if (con_lc_next((enum con_state)s, (enum con_event)e, &a) == CON_ACTIVE &&
			    s != CON_ACTIVE)
				assert_true((s == CON_RESUMING && e == CON_EV_STARTED) ||
					    (s == CON_DRAINING && e == CON_EV_RESUME));
		/* A pause is always taken: after it no record is given out. */
		assert_int_not_equal(con_lc_next((enum con_state)s, CON_EV_PAUSE, &a), CON_ACTIVE);
		assert_int_not_equal(con_lc_next((enum con_state)s, CON_EV_PAUSE, &a), CON_RESUMING);
	}
	/* Rule 4: from work to PAUSED only by DRAINED. */
	for (int e = 0; e < CON_EVENTS; e++) {
		assert_int_not_equal(con_lc_next(CON_ACTIVE, (enum con_event)e, &a), CON_PAUSED);
		if (e != CON_EV_DRAINED)
			assert_int_not_equal(con_lc_next(CON_DRAINING, (enum con_event)e, &a), CON_PAUSED);
	}
	/* FENCED is left by a command only. */
	for (int e = 0; e < CON_EVENTS; e++)
		if (e != CON_EV_PAUSE && e != CON_EV_RESUME)
			assert_int_equal(con_lc_next(CON_FENCED, (enum con_event)e, &a), CON_FENCED);
	assert_string_equal(con_state_wire(CON_RESUMING), "PAUSED");
	assert_string_equal(con_state_wire(CON_DRAINING), "DRAINING");
}

/* An instance with a state file. */
static struct con_epochs known(int64_t epoch, enum con_side side)
{
	return (struct con_epochs){
		.epoch = epoch, .side = side, .durable = epoch, .durable_side = side, .floor_known = true};
}

static void lower_epochs_are_stale(void **state)
{
	struct con_epochs e = known(7, CON_SIDE_ACTIVE);

	(void)state;
	assert_int_equal(con_epochs_judge(&e, CON_SIDE_ACTIVE, 6, 0, true, 0), CON_STALE);
	assert_int_equal(con_epochs_judge(&e, CON_SIDE_PAUSED, 6, 0, true, 0), CON_STALE);
	assert_int_equal(con_epochs_judge(&e, CON_SIDE_ACTIVE, 7, 0, true, 0), CON_SAME);
	assert_int_equal(con_epochs_judge(&e, CON_SIDE_PAUSED, 7, 0, true, 0), CON_CONFLICT);
	assert_int_equal(con_epochs_judge(&e, CON_SIDE_PAUSED, 8, 0, true, 0), CON_OK);
	assert_int_equal(con_epochs_judge(&e, CON_SIDE_ACTIVE, 9, 0, true, 0), CON_OK);
	assert_int_equal(e.epoch, 7); /* judging changes nothing */
}

static void without_state_file(void **state)
{
	struct con_epochs e = {.needs_name = true};

	(void)state;
	/* The floor is not read yet: no resume, but every pause. */
	assert_int_equal(con_epochs_judge(&e, CON_SIDE_ACTIVE, 9, 1, true, 0), CON_UNKNOWN);
	assert_int_equal(con_epochs_judge(&e, CON_SIDE_PAUSED, 2, 0, true, 0), CON_OK);
	e.floor_known = true;
	e.floor = 7;
	assert_int_equal(con_epochs_judge(&e, CON_SIDE_ACTIVE, 6, 1, true, 0), CON_STALE);
	assert_int_equal(con_epochs_judge(&e, CON_SIDE_ACTIVE, 7, 0, true, 0), CON_WRONG_TARGET);
	assert_int_equal(con_epochs_judge(&e, CON_SIDE_ACTIVE, 8, 0, true, 0), CON_WRONG_TARGET);
	assert_int_equal(con_epochs_judge(&e, CON_SIDE_ACTIVE, 7, 1, true, 0), CON_OK);
	assert_int_equal(con_epochs_judge(&e, CON_SIDE_PAUSED, 7, 0, true, 0), CON_OK);
	assert_int_equal(con_epochs_judge(&e, CON_SIDE_ACTIVE, 8, -1, true, 0), CON_WRONG_TARGET);
	assert_int_equal(con_epochs_highest(&e), 7);
}

static void fenced_waits_for_a_higher_epoch(void **state)
{
	struct con_epochs e = known(7, CON_SIDE_ACTIVE);

	(void)state;
	assert_int_equal(con_epochs_judge(&e, CON_SIDE_ACTIVE, 7, 0, true, 7), CON_STALE);
	assert_int_equal(con_epochs_judge(&e, CON_SIDE_ACTIVE, 8, 0, true, 7), CON_OK);
	/* Prepared at 8 since: the resume at 8 is the one it waits for. */
	e = known(8, CON_SIDE_ACTIVE);
	assert_int_equal(con_epochs_judge(&e, CON_SIDE_ACTIVE, 8, 0, true, 7), CON_SAME);
	assert_int_equal(con_epochs_judge(&e, CON_SIDE_ACTIVE, 7, 0, true, 7), CON_STALE);
}

static void commands_without_epoch(void **state)
{
	struct con_epochs e = known(0, CON_SIDE_NONE);

	(void)state;
	assert_int_equal(con_epochs_judge(&e, CON_SIDE_ACTIVE, 0, 0, true, 0), CON_OK);
	e = known(3, CON_SIDE_PAUSED);
	assert_int_equal(con_epochs_judge(&e, CON_SIDE_ACTIVE, 0, 0, true, 0), CON_EPOCH_REQUIRED);
	assert_int_equal(con_epochs_judge(&e, CON_SIDE_ACTIVE, 0, 0, false, 0), CON_OK);
	assert_int_equal(con_epochs_judge(&e, CON_SIDE_PAUSED, 0, 0, true, 0), CON_OK);
	assert_false(con_epochs_accept(&e, CON_SIDE_PAUSED, 0));
	assert_int_equal(e.epoch, 3);
}

static void an_epoch_must_be_durable_once(void **state)
{
	struct con_epochs e = known(3, CON_SIDE_PAUSED);

	(void)state;
	assert_true(con_epochs_accept(&e, CON_SIDE_ACTIVE, 4));
	e.durable = 4;
	e.durable_side = CON_SIDE_ACTIVE;
	assert_false(con_epochs_accept(&e, CON_SIDE_ACTIVE, 4));
	assert_true(con_epochs_accept(&e, CON_SIDE_PAUSED, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell_is_there_once),
		cmocka_unit_test(the_machine_follows_the_table),
		cmocka_unit_test(the_table_keeps_the_rules),
		cmocka_unit_test(lower_epochs_are_stale),
		cmocka_unit_test(without_state_file),
		cmocka_unit_test(fenced_waits_for_a_higher_epoch),
		cmocka_unit_test(commands_without_epoch),
		cmocka_unit_test(an_epoch_must_be_durable_once),
	};

	return cmocka_run_group_tests_name("lifecycle", tests, NULL, NULL);
}
