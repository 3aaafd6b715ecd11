/* SPDX-License-Identifier: Apache-2.0 */
/* Every cell of the switch's table, against what design 2 and 6 demand of it. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "switchd/fsm.h"

struct row {
	enum sw_state state;
	enum sw_event event;
	struct sw_cell cell;
};

/* The cells that do something; all others stay where they are and IGNORE or REFUSE. */
static const struct row rows[] = {
#define R(s, e, n, a)                                                                                        \
	{                                                                                                    \
		SW_##s, SW_EV_##e,                                                                           \
		{                                                                                            \
			SW_##n, SW_ACT_##a                                                                   \
		}                                                                                            \
	}
	R(UNKNOWN, INIT, PREFLIGHT, CHECK),
	R(UNKNOWN, OK, IDLE, NONE),
	R(UNKNOWN, STALE, INTENT, INTEND),
	R(UNKNOWN, STUCK, NEEDS_PERSON, NONE),
	R(UNKNOWN, FORWARD, PREPARING, PREPARE),
	R(UNKNOWN, BACKWARD, BACK_PAUSING, PAUSE_TO),
	R(IDLE, SWITCH, PREFLIGHT, CHECK),
	R(IDLE, STALE, INTENT, INTEND),
	R(IDLE, FORWARD, SOAKING, SOAK),
	R(PREFLIGHT, ABORT, IDLE, END_UNDONE),
	R(PREFLIGHT, OK, INTENT, INTEND),
	R(PREFLIGHT, FAIL, IDLE, END_NO_GO),
	R(PREFLIGHT, DEADLINE, IDLE, END_NO_GO),
	R(PREFLIGHT, LOSE, UNKNOWN, END_NO_GO),
	R(PREFLIGHT, STUCK, NEEDS_PERSON, END_NO_GO),
	R(INTENT, ABORT, INTENT, NOTE_ABORT),
	R(INTENT, OK, PREPARING, PREPARE),
	R(INTENT, FAIL, IDLE, END_FAILED),
	R(INTENT, LOSE, UNKNOWN, END_FAILED),
	R(INTENT, STUCK, NEEDS_PERSON, END_FAILED),
	R(INTENT, DEADLINE, INTENT, LATER),
	R(INTENT, AGAIN, INTENT, INTEND),
#define STEP(s, n, a, self)                                                                                  \
	R(s, OK, n, a), R(s, ABORT, BACK_INTENT, INTEND_BACK), R(s, FAIL, BACK_INTENT, INTEND_BACK),         \
		R(s, DEADLINE, BACK_INTENT, INTEND_BACK), R(s, STALE, INTENT, INTEND),                       \
		R(s, LOSE, UNKNOWN, END_LOST), R(s, RETRY, s, LATER), R(s, AGAIN, s, self)
	STEP(PREPARING, PAUSING, PAUSE, PREPARE),
	STEP(PAUSING, TRANSFER, UNITE, PAUSE),
	R(PAUSING, SILENT, FENCING, FENCE),
	STEP(FENCING, TRANSFER, UNITE, FENCE),
	STEP(TRANSFER, RESUMING, RESUME, UNITE),
	STEP(RESUMING, VERIFYING, VERIFY, RESUME),
	STEP(VERIFYING, SOAKING, SOAK, VERIFY),
	R(SOAKING, SWITCH, PREFLIGHT, CHECK),
	R(SOAKING, OK, IDLE, REST),
	R(SOAKING, DEADLINE, IDLE, REST),
	R(SOAKING, STALE, INTENT, INTEND),
	R(BACK_INTENT, OK, BACK_PAUSING, PAUSE_TO),
	R(BACK_INTENT, FAIL, BACK_INTENT, LATER),
	R(BACK_INTENT, DEADLINE, BACK_INTENT, LATER),
	R(BACK_INTENT, AGAIN, BACK_INTENT, INTEND_BACK),
#define BACK(s, n, a, self)                                                                                  \
	R(s, OK, n, a), R(s, FAIL, s, LATER), R(s, DEADLINE, s, LATER), R(s, AGAIN, s, self),                \
		R(s, STALE, BACK_INTENT, INTEND_BACK)
	BACK(BACK_PAUSING, BACK_TRANSFER, UNITE_BACK, PAUSE_TO),
	R(BACK_PAUSING, SILENT, BACK_FENCING, FENCE_TO),
	R(BACK_FENCING, OK, BACK_TRANSFER, UNITE_BACK),
	/* It is asked once more before it is fenced once more. */
	R(BACK_FENCING, FAIL, BACK_PAUSING, LATER),
	R(BACK_FENCING, DEADLINE, BACK_PAUSING, LATER),
	R(BACK_FENCING, STALE, BACK_INTENT, INTEND_BACK),
	R(BACK_FENCING, AGAIN, BACK_FENCING, FENCE_TO),
	BACK(BACK_TRANSFER, BACK_RESUMING, RESUME_FROM, UNITE_BACK),
	BACK(BACK_RESUMING, IDLE, END_ABORTED, RESUME_FROM),
	R(BACK_RESUMING, STUCK, NEEDS_PERSON, ASK_PERSON),
	R(RESUMING, STUCK, NEEDS_PERSON, ASK_PERSON),
	R(NEEDS_PERSON, SWITCH, PREFLIGHT, CHECK),
	R(NEEDS_PERSON, INIT, PREFLIGHT, CHECK),
};

static const struct row *find(enum sw_state s, enum sw_event e)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].state == s && rows[i].event == e)
			return &rows[i];
	return NULL;
}

static void every_cell(void **state)
{
	int filled[SW_STATES][SW_EVENTS] = {{0}};

	(void)state;
#define BG_SW(s, e, n, a) filled[SW_##s][SW_EV_##e]++;
#include "switchd/switch.def"
#undef BG_SW
	for (unsigned s = 0; s < SW_STATES; s++) {
		for (unsigned e = 0; e < SW_EVENTS; e++) {
			struct sw_cell c = sw_fsm_next((enum sw_state)s, (enum sw_event)e);
			const struct row *r = find((enum sw_state)s, (enum sw_event)e);

			if (filled[s][e] != 1)
				fail_msg("%s x %s is there %d times", sw_state_name((enum sw_state)s),
					 sw_event_name((enum sw_event)e), filled[s][e]);
			if (r && (c.next != r->cell.next || c.action != r->cell.action))
				fail_msg("%s x %s gives %s/%s", sw_state_name((enum sw_state)s),
					 sw_event_name((enum sw_event)e), sw_state_name(c.next),
					 sw_action_name(c.action));
			if (!r && (c.next != s || (c.action != SW_ACT_IGNORE && c.action != SW_ACT_REFUSE)))
				fail_msg("%s x %s should do nothing, gives %s/%s",
					 sw_state_name((enum sw_state)s), sw_event_name((enum sw_event)e),
					 sw_state_name(c.next), sw_action_name(c.action));
		}
	}
}

/* A person's command is never swallowed: where it cannot be taken it is refused. */
static void commands_are_refused_not_ignored(void **state)
{
	(void)state;
	for (unsigned s = 0; s < SW_STATES; s++) {
		assert_int_not_equal(sw_fsm_next((enum sw_state)s, SW_EV_SWITCH).action, SW_ACT_IGNORE);
		assert_int_not_equal(sw_fsm_next((enum sw_state)s, SW_EV_INIT).action, SW_ACT_IGNORE);
	}
}

static void every_state_and_action_is_reachable(void **state)
{
	bool seen[SW_STATES] = {false}, acted[SW_ACTIONS] = {false};
	bool more = true;

	(void)state;
	seen[SW_UNKNOWN] = true;
	while (more) {
		more = false;
		for (unsigned s = 0; s < SW_STATES; s++) {
			for (unsigned e = 0; seen[s] && e < SW_EVENTS; e++) {
				struct sw_cell c = sw_fsm_next((enum sw_state)s, (enum sw_event)e);

				acted[c.action] = true;
				more = more || !seen[c.next];
				seen[c.next] = true;
			}
		}
	}
	for (unsigned s = 0; s < SW_STATES; s++)
		if (!seen[s])
			fail_msg("%s cannot be reached", sw_state_name((enum sw_state)s));
	for (unsigned a = 0; a < SW_ACTIONS; a++)
		if (!acted[a])
			fail_msg("%s is never done", sw_action_name((enum sw_action)a));
}

/* Pause first, resume second (rule 5): RESUME is only entered from TRANSFER, that only from PAUSING, or FENCING. */
static void resume_only_after_pause(void **state)
{
	(void)state;
	for (unsigned s = 0; s < SW_STATES; s++) {
		for (unsigned e = 0; e < SW_EVENTS; e++) {
			struct sw_cell c = sw_fsm_next((enum sw_state)s, (enum sw_event)e);

			if (c.action == SW_ACT_RESUME)
				assert_true(s == SW_TRANSFER || s == SW_RESUMING);
			if (c.action == SW_ACT_UNITE)
				assert_true(s == SW_PAUSING || s == SW_FENCING || s == SW_TRANSFER);
			/* Nobody is fenced who was not asked first. */
			if (c.action == SW_ACT_FENCE)
				assert_true(s == SW_PAUSING || s == SW_FENCING);
			if (c.action == SW_ACT_FENCE_TO)
				assert_true(s == SW_BACK_PAUSING || s == SW_BACK_FENCING);
			if (c.action == SW_ACT_RESUME_FROM)
				assert_true(s == SW_BACK_TRANSFER || s == SW_BACK_RESUMING);
			if (c.action == SW_ACT_UNITE_BACK)
				assert_true(s == SW_BACK_PAUSING || s == SW_BACK_FENCING ||
					    s == SW_BACK_TRANSFER);
			/* Nobody is told anything before the intent is durable. */
			if (c.action == SW_ACT_PREPARE)
				assert_true(s == SW_INTENT || s == SW_PREPARING || s == SW_UNKNOWN);
		}
	}
}

/* From every busy state, with good answers only, a rest is reached. */
static void ok_always_leads_to_rest(void **state)
{
	(void)state;
	for (unsigned s = 0; s < SW_STATES; s++) {
		enum sw_state at = (enum sw_state)s;

		for (unsigned n = 0; sw_state_busy(at) && n < SW_STATES; n++)
			at = sw_fsm_next(at, SW_EV_OK).next;
		assert_false(sw_state_busy(at));
	}
}

static void names_and_phases(void **state)
{
	enum sw_state got;

	(void)state;
	for (unsigned s = 0; s < SW_STATES; s++) {
		assert_true(sw_phase_parse(sw_phase_name((enum sw_state)s), &got));
		assert_int_equal(got, sw_state_back((enum sw_state)s) ? SW_BACK_INTENT : s);
	}
	assert_string_equal(sw_phase_name(SW_BACK_RESUMING), "ABORTING");
	assert_false(sw_phase_parse("BACK_PAUSING", &got));
	assert_false(sw_phase_parse("idle", &got));
	assert_false(sw_phase_parse(NULL, &got));
	assert_false(sw_state_busy(SW_SOAKING));
	assert_true(sw_state_busy(SW_PREFLIGHT));
	assert_true(sw_state_busy(SW_BACK_PAUSING));
	assert_string_equal(sw_state_name((enum sw_state)99), "?");
	assert_string_equal(sw_event_name((enum sw_event)99), "?");
	assert_string_equal(sw_action_name((enum sw_action)99), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell),
		cmocka_unit_test(commands_are_refused_not_ignored),
		cmocka_unit_test(every_state_and_action_is_reachable),
		cmocka_unit_test(resume_only_after_pause),
		cmocka_unit_test(ok_always_leads_to_rest),
		cmocka_unit_test(names_and_phases),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
