/* SPDX-License-Identifier: Apache-2.0 */
/* The schedule under a made-up clock: even, exact over hours, bounded after a stall, steady over a new rate. */
#include "config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "producerd/pace.h"

#define SECOND INT64_C(1000000)
#define START  (INT64_C(123456) * SECOND)

/* Ask when it says, send what is due; returns how many went in [from, to). */
static int64_t run(struct prod_pace *p, int64_t *now, int64_t to, int64_t *max_burst, int64_t *max_silence)
{
	int64_t sent = 0, last = *now;
	while (*now < to) {
		int64_t due = prod_pace_due(p, *now);
		prod_pace_sent(p, *now, due);
		if (due > 0) {
			if (max_silence && *now - last > *max_silence)
				*max_silence = *now - last;
			last = *now;
		}
		if (max_burst && due > *max_burst)
			*max_burst = due;
		sent += due;
		int64_t next = prod_pace_next_us(p, *now);
		assert_true(next > *now || p->rate == 0);
		*now = next;
	}
	return sent;
}

static void first_record_is_due_at_once(void **state)
{
	(void)state;
	struct prod_pace p = {0};
	prod_pace_start(&p, START, 100);
	assert_int_equal(prod_pace_due(&p, START), 1);
	prod_pace_sent(&p, START, 1);
	assert_int_equal(prod_pace_due(&p, START), 0);
	assert_int_equal(prod_pace_next_us(&p, START), START + 10000);
	assert_int_equal(prod_pace_due(&p, START + 9999), 0);
	assert_int_equal(prod_pace_due(&p, START + 10000), 1);
}

static void each_second_has_its_number(void **state)
{
	(void)state;
	static const double rates[] = {1, 3, 7, 99, 100, 101, 997, 1000, 1001, 12345, 50000, 333333, 1000000};
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct prod_pace p = {0};
		int64_t now = START, silence = 0;
		prod_pace_start(&p, START, rates[i]);
		for (int s = 1; s <= 20; s++) {
			int64_t n = run(&p, &now, START + s * SECOND, NULL, &silence);
			double off = (double)n - rates[i];
			assert_true(off >= -1 - rates[i] / 100 && off <= 1 + rates[i] / 100);
		}
		int64_t interval = (int64_t)(1e6 / rates[i]);
		assert_true(silence <= (interval + 1 > PROD_PACE_TICK_US ? interval + 1 : PROD_PACE_TICK_US));
		assert_int_equal(p.missed, 0);
		assert_int_equal(p.late, 0);
	}
}

static void errors_do_not_add_up(void **state)
{
	(void)state;
	struct prod_pace p = {0};
	int64_t now = START, hour = 3600 * SECOND;
	prod_pace_start(&p, START, 7);
	/* Every wake-up comes up to 3 ms late, and still the hour has 7 * 3600 records. */
	int64_t sent = 0;
	for (unsigned i = 0; now < START + hour; i++) {
		int64_t due = prod_pace_due(&p, now);
		prod_pace_sent(&p, now, due);
		sent += due;
		now = prod_pace_next_us(&p, now) + i % 3000;
	}
	assert_in_range(sent, 7 * 3600 - 1, 7 * 3600 + 1);
}

static void fractions_of_a_record(void **state)
{
	(void)state;
	struct prod_pace p = {0};
	int64_t now = START;
	prod_pace_start(&p, START, 0.25);
	assert_int_equal(run(&p, &now, START + 20 * SECOND, NULL, NULL), 5);
}

static void a_short_stall_is_made_up_without_a_burst(void **state)
{
	(void)state;
	struct prod_pace p = {0};
	int64_t now = START, burst = 0;
	prod_pace_start(&p, START, 50000);
	run(&p, &now, START + SECOND, NULL, NULL);
	now += 500000;
	int64_t sent = run(&p, &now, START + 3 * SECOND, &burst, NULL);
	assert_in_range(sent, 2 * 50000 - 51, 2 * 50000 + 51);
	assert_in_range(burst, 51, 250);
	assert_true(p.late > 0);
	assert_int_equal(p.missed, 0);
}

static void making_up_goes_at_a_bounded_rate(void **state)
{
	(void)state;
	struct prod_pace p = {0};
	int64_t now = START, burst = 0;
	prod_pace_start(&p, START, 100);
	run(&p, &now, START + SECOND, NULL, NULL);
	now += 500000; /* 50 records behind */
	int64_t from = now;
	int64_t sent = run(&p, &now, from + 100000, &burst, NULL);
	assert_in_range(sent, 39, 41); /* 10 would be its rate */
	assert_int_equal(burst, 1);
}

static void a_long_stall_is_given_up_and_counted(void **state)
{
	(void)state;
	struct prod_pace p = {0};
	int64_t now = START;
	prod_pace_start(&p, START, 100);
	run(&p, &now, START + SECOND, NULL, NULL);
	now = START + 11 * SECOND;
	assert_int_equal(prod_pace_trim(&p, now), 100);
	assert_int_equal(p.missed, 901);
	/* Asking again gives nothing up twice. */
	assert_int_equal(prod_pace_trim(&p, now), 100);
	assert_int_equal(p.missed, 901);
	run(&p, &now, START + 13 * SECOND, NULL, NULL);
	assert_int_equal(p.missed, 901);
	assert_int_equal(run(&p, &now, START + 14 * SECOND, NULL, NULL), 100);
}

static void a_slow_rate_keeps_one_record_after_a_stall(void **state)
{
	(void)state;
	struct prod_pace p = {0};
	prod_pace_start(&p, START, 0.1);
	prod_pace_sent(&p, START, 1);
	assert_int_equal(prod_pace_due(&p, START + 35 * SECOND), 1);
	assert_int_equal(p.missed, 2);
}

static void new_rate_goes_on_from_the_last_record(void **state)
{
	(void)state;
	struct prod_pace p = {0};
	prod_pace_start(&p, START, 10);
	prod_pace_sent(&p, START, 1);
	prod_pace_rate(&p, START + 50000, 100); /* 50 ms after the last: over its interval */
	assert_int_equal(prod_pace_due(&p, START + 50000), 1);
	prod_pace_sent(&p, START + 50000, 1);
	prod_pace_rate(&p, START + 52000, 20);
	assert_int_equal(prod_pace_due(&p, START + 52000), 0);
	assert_int_equal(prod_pace_next_us(&p, START + 52000), START + 100000);
}

static void repeated_changes_do_not_multiply_records(void **state)
{
	(void)state;
	struct prod_pace p = {0};
	int64_t sent = 0;
	prod_pace_start(&p, START, 100);
	for (int64_t now = START; now < START + SECOND; now += 1000) {
		int64_t due = prod_pace_due(&p, now);
		prod_pace_sent(&p, now, due);
		sent += due;
		prod_pace_rate(&p, now, now % 2000 ? 100 : 101);
	}
	assert_in_range(sent, 90, 102);
}

static void idle_time_is_not_owed(void **state)
{
	(void)state;
	struct prod_pace p = {0};
	prod_pace_start(&p, START, 100);
	prod_pace_sent(&p, START, 1);
	prod_pace_idle(&p, START + 500000);
	assert_int_equal(prod_pace_due(&p, START + 500000), 1);
	assert_int_equal(p.missed, 0);
	/* but what is not due yet stays where it is */
	prod_pace_sent(&p, START + 500000, 1);
	prod_pace_idle(&p, START + 503000);
	assert_int_equal(prod_pace_due(&p, START + 503000), 0);
	assert_int_equal(prod_pace_next_us(&p, START + 503000), START + 510000);
}

static void rate_zero_is_not_paced(void **state)
{
	(void)state;
	struct prod_pace p = {0};
	prod_pace_start(&p, START, 0);
	assert_true(prod_pace_due(&p, START) > 1);
	prod_pace_sent(&p, START, 1000);
	assert_true(prod_pace_due(&p, START) > 1);
	assert_int_equal(prod_pace_next_us(&p, START), START);
	prod_pace_rate(&p, START, 10);
	assert_int_equal(prod_pace_due(&p, START), 1);
}

static void high_rates_go_in_turns_of_a_tick(void **state)
{
	(void)state;
	struct prod_pace p = {0};
	int64_t now = START, burst = 0;
	prod_pace_start(&p, START, 50000);
	run(&p, &now, START + SECOND, &burst, NULL);
	assert_in_range(burst, 50, 51);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_record_is_due_at_once),
		cmocka_unit_test(each_second_has_its_number),
		cmocka_unit_test(errors_do_not_add_up),
		cmocka_unit_test(fractions_of_a_record),
		cmocka_unit_test(a_short_stall_is_made_up_without_a_burst),
		cmocka_unit_test(making_up_goes_at_a_bounded_rate),
		cmocka_unit_test(a_long_stall_is_given_up_and_counted),
		cmocka_unit_test(a_slow_rate_keeps_one_record_after_a_stall),
		cmocka_unit_test(new_rate_goes_on_from_the_last_record),
		cmocka_unit_test(repeated_changes_do_not_multiply_records),
		cmocka_unit_test(idle_time_is_not_owed),
		cmocka_unit_test(rate_zero_is_not_paced),
		cmocka_unit_test(high_rates_go_in_turns_of_a_tick),
	};
	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
