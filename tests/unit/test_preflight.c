/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of the preflight, one by one. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "switchd/preflight.h"
#include "switchd_fake.h"

struct world {
	struct fake *f;
	struct sw_pf_facts pf;
	struct json_object *rules;
	struct bg_err why;
	bool transient;
};

static int setup(void **state)
{
	struct world *w = bg_xcalloc(1, sizeof(*w));

	w->f = fake_new();
	fake_active(w->f, BG_BLUE, 3);
	w->pf = (struct sw_pf_facts){.sw = w->f->sw,
				     .kind = SW_KIND_SWITCH,
				     .to = BG_GREEN,
				     .kafka_ok = true,
				     .topics = &w->f->topics,
				     .health_ok = true,
				     .brokers = 1};
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	json_object_put(w->rules);
	fake_free(w->f);
	free(w);
	return 0;
}

static bool judge(struct world *w, bool force)
{
	json_object_put(w->rules);
	w->why = (struct bg_err)BG_ERR_INIT;
	return sw_preflight_judge(&w->pf, force, &w->rules, &w->why, &w->transient);
}

static const char *verdict(struct world *w, const char *rule)
{
	for (size_t i = 0; i < json_object_array_length(w->rules); i++) {
		struct json_object *o = json_object_array_get_idx(w->rules, i);

		if (strcmp(bg_json_str(o, "rule", ""), rule) == 0)
			return bg_json_str(o, "verdict", "");
	}
	fail_msg("there is no rule %s", rule);
	return NULL;
}

/* No go because of this rule, and of no other; the message names what is wrong. */
static void no_go(struct world *w, const char *rule, const char *named)
{
	assert_false(judge(w, false));
	assert_string_equal(verdict(w, rule), "no_go");
	for (size_t i = 0; i < json_object_array_length(w->rules); i++) {
		struct json_object *o = json_object_array_get_idx(w->rules, i);

		if (strcmp(bg_json_str(o, "rule", ""), rule) != 0)
			assert_string_not_equal(bg_json_str(o, "verdict", ""), "no_go");
	}
	if (!strstr(w->why.msg, rule) || !strstr(w->why.msg, named))
		fail_msg("`%s` does not name %s, %s", w->why.msg, rule, named);
}

static void forced(struct world *w, bool passes)
{
	assert_int_equal(judge(w, true), passes);
}

static void all_is_well(void **state)
{
	struct world *w = *state;

	assert_true(judge(w, false));
	assert_false(w->transient);
	for (size_t i = 0; i < json_object_array_length(w->rules); i++)
		assert_string_equal(bg_json_str(json_object_array_get_idx(w->rules, i), "verdict", ""), "go");
}

static void hold(void **state)
{
	struct world *w = *state;

	w->f->sw->rec.hold = true;
	no_go(w, "hold", "release");
	forced(w, false);
}

static void to_unreachable(void **state)
{
	struct world *w = *state;

	w->f->sw->inst[3].reachable = false;
	w->f->sw->inst[3].n_part = 0;
	strcpy(w->f->sw->inst[3].trouble, "connection refused");
	assert_false(judge(w, false));
	assert_string_equal(verdict(w, "to-reachable"), "no_go");
	assert_non_null(strstr(w->why.msg, "green-1 does not answer: connection refused"));
	assert_false(w->transient);
	for (size_t k = 0; k < 2; k++)
		free(w->f->sw->inst[3].part[k].topic);
}

static void from_unreachable(void **state)
{
	struct world *w = *state;

	w->f->sw->inst[0].reachable = false;
	assert_false(judge(w, false));
	assert_string_equal(verdict(w, "from-reachable"), "no_go");
	assert_non_null(strstr(w->why.msg, "blue-0"));
	forced(w, true);
}

static void one_process_at_two_endpoints(void **state)
{
	struct world *w = *state;

	strcpy(w->f->sw->inst[1].incarnation, w->f->sw->inst[0].incarnation);
	no_go(w, "identity", "blue-0");
	forced(w, false);
}

static void contract_level(void **state)
{
	struct world *w = *state;

	w->f->sw->inst[2].level = 1;
	no_go(w, "contract", "green-0 offers level 1");
	forced(w, false);
}

static void to_not_paused(void **state)
{
	struct world *w = *state;

	w->f->sw->inst[2].state = SW_I_STARTING;
	no_go(w, "to-paused", "green-0 is not PAUSED, but: STARTING");
	assert_true(w->transient);
	w->f->sw->inst[2].state = SW_I_SHADOW; /* counts as paused */
	assert_true(judge(w, false));
}

static void sick_from_only_warns(void **state)
{
	struct world *w = *state;

	w->f->sw->inst[0].state = SW_I_FAILED;
	assert_true(judge(w, false));
	assert_string_equal(verdict(w, "from-state"), "warn");
}

static void brokers(void **state)
{
	struct world *w = *state;

	w->pf.under_replicated = 2;
	no_go(w, "brokers", "2 partitions under-replicated");
	w->pf.under_replicated = 0;
	w->pf.leaderless = 1;
	no_go(w, "brokers", "1 without leader");
	w->pf.leaderless = 0;
	w->pf.health_ok = false;
	strcpy(w->pf.health_err.msg, "no broker answers");
	no_go(w, "brokers", "no broker answers");
	forced(w, true);
}

static void partitions(void **state)
{
	struct world *w = *state;

	w->pf.kafka_ok = false;
	strcpy(w->pf.kafka_err.msg, "there is no topic `orders`");
	no_go(w, "partitions", "orders");
	forced(w, false);
}

static void partition_held_by_nobody(void **state)
{
	struct world *w = *state;

	w->f->sw->inst[1].part[1].partition = 77;
	no_go(w, "stalled-partitions", "orders/3 held by no instance of blue");
	assert_true(w->transient);
	w->pf.kind = SW_KIND_ROLLBACK;
	w->f->sw->rec.rollback_allowed = true;
	w->f->sw->rec.rollback_until_us = bg_real_us() + 1000000;
	assert_true(judge(w, false));
	assert_string_equal(verdict(w, "stalled-partitions"), "warn");
	w->pf.kind = SW_KIND_SWITCH;
	w->f->sw->inst[1].part[1].partition = 3;
	w->f->sw->inst[2].part[0].partition = 77;
	no_go(w, "to-holds", "orders/0 held by no instance of green");
}

static void lag_over_the_limit(void **state)
{
	struct world *w = *state;

	w->f->sw->inst[0].lag = 600;
	w->f->sw->inst[1].lag = 500;
	assert_true(judge(w, false)); /* no limit by default */
	w->f->sw->cfg->max_lag = 1100;
	assert_true(judge(w, false));
	w->f->sw->cfg->max_lag = 1099;
	no_go(w, "lag", "1100");
	forced(w, true);
	w->pf.kind = SW_KIND_ROLLBACK;
	w->f->sw->rec.rollback_allowed = true;
	w->f->sw->rec.rollback_until_us = bg_real_us() + 1000000;
	assert_true(judge(w, false));
	assert_string_equal(verdict(w, "lag"), "warn");
}

static void error_rate(void **state)
{
	struct world *w = *state;
	struct sw_inst *i = &w->f->sw->inst[0];

	i->records = 50;
	i->errors = 40; /* too few to say */
	assert_true(judge(w, false));
	i->records = 1000;
	i->errors = 10; /* 1 %: not over it */
	assert_true(judge(w, false));
	i->errors = 11;
	no_go(w, "error-rate", "blue-0 fails at 1.10 %");
	/* What was long ago does not count. */
	i->rate_records = 500;
	i->rate_errors = 11;
	assert_true(judge(w, false));
}

/* A quick death of the new release's program is seen before it is given anything. */
static void program_that_does_not_stay_up(void **state)
{
	struct world *w = *state;

	strcpy(w->f->sw->inst[0].handler_trouble, "its program does not stay up, it ended with status 1");
	assert_true(judge(w, false)); /* of from: a reason to switch */
	strcpy(w->f->sw->inst[2].handler_trouble, "its program does not stay up, it ended with status 1");
	no_go(w, "handler", "green-0 cannot process: its program does not stay up, it ended with status 1");
	forced(w, true);
}

static void rollback_window(void **state)
{
	struct world *w = *state;

	w->pf.kind = SW_KIND_ROLLBACK;
	no_go(w, "rollback-window", "no switch to roll back");
	w->f->sw->rec.rollback_allowed = true;
	w->f->sw->rec.rollback_until_us = bg_real_us() - 1;
	no_go(w, "rollback-window", "ended at");
	forced(w, true);
	w->f->sw->rec.rollback_until_us = bg_real_us() + 1000000;
	assert_true(judge(w, false));
}

static void init_wants_all_paused(void **state)
{
	struct world *w = *state;

	w->pf.kind = SW_KIND_INIT;
	no_go(w, "from-state", "blue-0 is: ACTIVE");
	w->f->sw->inst[0].state = w->f->sw->inst[1].state = SW_I_PAUSED;
	assert_true(judge(w, false));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(all_is_well),
		T(hold),
		T(to_unreachable),
		T(from_unreachable),
		T(one_process_at_two_endpoints),
		T(contract_level),
		T(to_not_paused),
		T(sick_from_only_warns),
		T(brokers),
		T(partitions),
		T(partition_held_by_nobody),
		T(lag_over_the_limit),
		T(error_rate),
		T(program_that_does_not_stay_up),
		T(rollback_window),
		T(init_wants_all_paused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
