/* SPDX-License-Identifier: Apache-2.0 */
/* When a member may not commit: from its JoinGroup to the answer of its SyncGroup. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/loop.h"
#include "consumerd/joining.h"

#define OFFSET_COMMIT 8
#define JOIN_GROUP    11
#define HEARTBEAT     12
#define SYNC_GROUP    14

static void from_join_to_the_answer_of_sync(void **state)
{
	(void)state;
	assert_false(con_joining(1));
	con_joining_sent(1, JOIN_GROUP);
	assert_true(con_joining(1));
	assert_false(con_joining(2)); /* another handle */
	con_joining_answered(1, JOIN_GROUP);
	con_joining_sent(1, SYNC_GROUP);
	con_joining_sent(1, OFFSET_COMMIT);
	assert_true(con_joining(1));
	con_joining_answered(1, SYNC_GROUP);
	assert_false(con_joining(1));
}

static void a_heartbeat_says_that_it_is_over(void **state)
{
	(void)state;
	con_joining_sent(3, JOIN_GROUP);
	con_joining_answered(3, HEARTBEAT); /* of one that was sent before */
	assert_true(con_joining(3));
	con_joining_sent(3, HEARTBEAT);
	assert_false(con_joining(3));
}

static void it_is_bounded(void **state)
{
	(void)state;
	bg_clock_set(1000000);
	con_joining_sent(4, JOIN_GROUP);
	bg_clock_set(60000000);
	assert_true(con_joining(4));
	bg_clock_set(61000001);
	assert_false(con_joining(4));
	bg_clock_set(-1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_join_to_the_answer_of_sync),
		cmocka_unit_test(a_heartbeat_says_that_it_is_over),
		cmocka_unit_test(it_is_bounded),
	};

	return cmocka_run_group_tests_name("joining", tests, NULL, NULL);
}
