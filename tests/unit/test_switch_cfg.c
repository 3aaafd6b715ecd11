/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of bg-switchd: what is right, and each error with its place and what is allowed. */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "switchd/cfg.h"

#define HEAD "[kafka]\nbootstrap.servers = 127.0.0.1:9092\n[switch:orders]\n"
#define REST                                                                                                 \
	"topics = orders\nblue-group = b\ngreen-group = g\nblue-endpoint = http://127.0.0.1:1\n"             \
	"green-endpoint = unix:/run/g.sock\n"

static int load(const char *text, struct bg_conf **ret, struct bg_buf *errs)
{
	int rc = bg_conf_load_mem("t.ini", text, strlen(text), sw_conf_tables, NULL, ret, errs);

	if (rc < 0)
		return rc;
	rc = sw_cfg_check(*ret, NULL, errs);
	if (rc < 0) {
		bg_conf_free(*ret);
		*ret = NULL;
	}
	return rc;
}

static void what_is_right(void **state)
{
	_cleanup_buf_ struct bg_buf errs = {0};
	struct bg_conf *c = NULL;
	struct sw_cfg *cfg = NULL;

	(void)state;
	assert_int_equal(
		load(HEAD REST "handover = eager\ndrain-timeout = 3 s\ninitial-offset = latest\n", &c, &errs),
		0);
	assert_int_equal(sw_cfg_new(c, "orders", &cfg, NULL), 0);
	assert_true(cfg->eager);
	assert_int_equal(cfg->drain_us, 3000000);
	assert_int_equal(cfg->resume_us, 5000000);
	assert_int_equal(cfg->prepare_us, 2000000);
	assert_int_equal(cfg->soak_us, 60000000);
	assert_int_equal(cfg->rollback_us, INT64_C(3600000000));
	assert_int_equal(cfg->initial, SW_INITIAL_LATEST);
	assert_string_equal(cfg->topics[0], "orders");
	assert_null(cfg->topics[1]);
	assert_string_equal(cfg->group[BG_GREEN], "g");
	assert_string_equal(cfg->endpoint[BG_GREEN][0], "unix:/run/g.sock");
	assert_string_equal(cfg->plan->name, "D");
	assert_string_equal(bg_conf_str(c, "http", "listen"), "127.0.0.1:8084");
	sw_cfg_free(cfg);
	bg_conf_free(c);
}

/* What is judged while it soaks: on without a word, each rule can be changed and switched off, by a reload too. */
static void what_is_judged_in_the_soak(void **state)
{
	_cleanup_buf_ struct bg_buf errs = {0};
	struct bg_conf *c = NULL;
	struct sw_cfg *cfg = NULL, *fresh = NULL;

	(void)state;
	assert_int_equal(load(HEAD REST, &c, &errs), 0);
	assert_int_equal(sw_cfg_new(c, "orders", &cfg, NULL), 0);
	bg_conf_free(c);
	assert_true(cfg->auto_rollback);
	assert_int_equal(cfg->soak_gone_us, 30000000);
	assert_int_equal(cfg->soak_no_progress_us, 30000000);
	assert_int_equal(cfg->soak_lag_growing_us, 30000000);
	assert_int_equal(cfg->soak_max_lag, 0);
	assert_true(cfg->soak_max_error_rate > 9.99 && cfg->soak_max_error_rate < 10.01);
	assert_int_equal(load(HEAD REST
			      "auto-rollback = no\nsoak-gone = 0 s\nsoak-no-progress = 100 ms\n"
			      "soak-lag-growing = 4 s\nsoak-max-lag = 7\nsoak-max-error-rate = 2.5\n",
			      &c, &errs),
			 0);
	assert_int_equal(sw_cfg_new(c, "orders", &fresh, NULL), 0);
	bg_conf_free(c);
	sw_cfg_reload(cfg, fresh);
	assert_false(cfg->auto_rollback);
	assert_int_equal(cfg->soak_gone_us, 0);
	assert_int_equal(cfg->soak_no_progress_us, 100000);
	assert_int_equal(cfg->soak_lag_growing_us, 4000000);
	assert_int_equal(cfg->soak_max_lag, 7);
	assert_true(cfg->soak_max_error_rate > 2.49 && cfg->soak_max_error_rate < 2.51);
	sw_cfg_free(cfg);
	sw_cfg_free(fresh);
}

static void expect(const char *text, const char *place, const char *what)
{
	_cleanup_buf_ struct bg_buf errs = {0};
	struct bg_conf *c = NULL;

	if (load(text, &c, &errs) == 0) {
		bg_conf_free(c);
		fail_msg("taken: %s", text);
	}
	if (!errs.s || !strstr(errs.s, place) || !strstr(errs.s, what))
		fail_msg("`%s` lacks `%s` or `%s`", errs.s ? errs.s : "", place, what);
}

static void what_is_wrong_is_said_with_its_place(void **state)
{
	(void)state;
	expect(HEAD REST "strategy = E\n", "t.ini:9: [switch:orders] strategy", "comes with a later version");
	expect(HEAD REST "strategy = X\n", "t.ini:9", "A");
	expect(HEAD REST "on-unresponsive = fence\n", "t.ini:9: [switch:orders] on-unresponsive",
	       "fence needs strategy C");
	expect(HEAD REST "fence-grace = 2 min\n", "t.ini:9: [switch:orders] fence-grace", "1 min");
	expect(HEAD REST "topics = orders\n", "[switch:orders] topics", "`orders` is there twice");
	expect(HEAD REST "blue-endpoint = ftp://x\n", "[switch:orders] blue-endpoint",
	       "expected http://HOST:PORT");
	expect(HEAD REST "green-endpoint = http://127.0.0.1:1\n", "[switch:orders] green-endpoint",
	       "endpoint of blue too");
	expect(HEAD REST "token-file = /nonexistent\n", "t.ini:9: [switch:orders] token-file",
	       "/nonexistent");
	expect(HEAD REST "drain-timeout = 10\n", "t.ini:9: [switch:orders] drain-timeout", "unit");
	expect(HEAD REST "freeze = Mon-Fri 09:00-17:00\n\nfreeze = Sat 9-17\n",
	       "t.ini:11: [switch:orders] freeze: \"Sat 9-17\" is no freeze window",
	       "at \"9-17\" expected a time");
	expect(HEAD REST "freeze-zone = Europe/Berln\n", "t.ini:9: [switch:orders] freeze-zone",
	       "\"Europe/Berln\" is no time zone");
	expect(HEAD REST "schedule-late = 0 s\n", "t.ini:9: [switch:orders] schedule-late", "1 s");
	expect(HEAD REST "drain-timeout = 2 min\n", "t.ini:9", "1 min");
	expect(HEAD REST "soak-gone = 3\n", "t.ini:9: [switch:orders] soak-gone", "unit");
	expect(HEAD REST "soak-max-error-rate = 101\n", "t.ini:9: [switch:orders] soak-max-error-rate",
	       "100");
	expect(HEAD REST "auto-rollback = perhaps\n", "t.ini:9: [switch:orders] auto-rollback", "yes");
	expect(HEAD REST "drain-timout = 2 s\n", "t.ini:9", "drain-timeout");
	expect(HEAD
	       "topics = orders\nblue-group = b\ngreen-group = b\nblue-endpoint = http://h:1\ngreen-endpoint = http://h:2\n",
	       "t.ini:6: [switch:orders] green-group", "needs two groups");
	expect(HEAD "topics = orders\nblue-group = b\n", "[switch:orders]", "green-endpoint");
	expect("[switch:Or ders]\n" REST, "t.ini:1", "bad name");
	expect("[switch:orders]\n" REST, "[kafka] bootstrap.servers", "missing");
	expect("[kafka]\nbootstrap.servers = x:1\n", "t.ini", "[switch:NAME]");
	expect("[kafka]\nbootstrap.servers = x:1\ngroup.id = mine\n[switch:orders]\n" REST, "t.ini:3",
	       "group.id");
}

#define ENDPOINTS "blue-endpoint = http://127.0.0.1:1\ngreen-endpoint = unix:/run/g.sock\n"
#define C_HEAD    HEAD "strategy = C\ntopics = orders\n" ENDPOINTS

static void one_group_for_c_two_for_d(void **state)
{
	static const char *const good[] = {
		C_HEAD "group = g\n",
		C_HEAD "blue-group = g\ngreen-group = g\n",
		C_HEAD "group = g\nblue-group = g\n",
	};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(good); i++) {
		_cleanup_buf_ struct bg_buf errs = {0};
		struct bg_conf *c = NULL;
		struct sw_cfg *cfg = NULL;

		if (load(good[i], &c, &errs) < 0)
			fail_msg("refused: %s", errs.s);
		assert_int_equal(sw_cfg_new(c, "orders", &cfg, NULL), 0);
		assert_true(sw_cfg_shared(cfg));
		assert_string_equal(cfg->group[BG_BLUE], "g");
		assert_string_equal(cfg->group[BG_GREEN], "g");
		sw_cfg_free(cfg);
		bg_conf_free(c);
	}
	{
		_cleanup_buf_ struct bg_buf errs = {0};
		struct bg_conf *c = NULL;
		struct sw_cfg *cfg = NULL;

		assert_int_equal(load(C_HEAD "group = g\non-unresponsive = fence\n", &c, &errs), 0);
		assert_int_equal(sw_cfg_new(c, "orders", &cfg, NULL), 0);
		assert_true(cfg->fence);
		assert_int_equal(cfg->fence_grace_us, -1);
		sw_cfg_free(cfg);
		bg_conf_free(c);
		assert_int_equal(
			load(C_HEAD "group = g\non-unresponsive = fence\nfence-grace = 0 ms\n", &c, &errs),
			0);
		assert_int_equal(sw_cfg_new(c, "orders", &cfg, NULL), 0);
		assert_int_equal(cfg->fence_grace_us, 0);
		sw_cfg_free(cfg);
		bg_conf_free(c);
	}
	expect(C_HEAD, "[switch:orders] group", "is missing; expected the group.id that both colours share");
	expect(C_HEAD "blue-group = g\n", "[switch:orders] group", "is missing");
	expect(C_HEAD "blue-group = b\ngreen-group = g\n", "t.ini:9: [switch:orders] green-group",
	       "one group for both colours, not `b` and `g`");
	expect(C_HEAD "group = x\ngreen-group = g\n", "t.ini:9: [switch:orders] green-group",
	       "not `x` and `g`");
	expect(HEAD REST "group = g\n", "t.ini:9: [switch:orders] group", "needs two groups");
	expect(HEAD "topics = orders\nblue-group = b\n" ENDPOINTS, "[switch:orders] green-group",
	       "is missing");
	expect(HEAD "topics = orders\n" ENDPOINTS, "[switch:orders] blue-group", "is missing");
}

static void endpoints(void **state)
{
	static const char *const good[] = {"http://127.0.0.1:8080", "https://h.example:1", "http://[::1]:80",
					   "unix:/run/x.sock"};
	static const char *const bad[] = {"",           "127.0.0.1:8080", "http://",    "http:///x",
					  "http://h/x", "http://h:1?x",   "http://u@h", "unix:x",
					  "unix:",      "ftp://h",        "http://:80"};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(good); i++)
		if (!sw_endpoint_valid(good[i]))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < BG_ARRAY_SIZE(bad); i++)
		if (sw_endpoint_valid(bad[i]))
			fail_msg("taken: %s", bad[i]);
}

static void freeze_windows_are_reloaded(void **state)
{
	static const char *const texts[] = {HEAD REST, HEAD REST
					    "freeze = Mon-Fri 09:00-17:00\nfreeze = daily 00:00-01:00\n"
					    "freeze-zone = Europe/Berlin\nschedule-late = 1 h\n"};
	struct sw_cfg *cfg[2] = {NULL, NULL};

	(void)state;
	for (int i = 0; i < 2; i++) {
		_cleanup_buf_ struct bg_buf errs = {0};
		struct bg_conf *c = NULL;

		if (load(texts[i], &c, &errs) < 0)
			fail_msg("refused: %s", errs.s);
		assert_int_equal(sw_cfg_new(c, "orders", &cfg[i], NULL), 0);
		bg_conf_free(c);
	}
	assert_int_equal(cfg[0]->freeze.n, 0);
	assert_null(cfg[0]->freeze.zone);
	assert_true(cfg[0]->late_us == INT64_C(300000000));
	sw_cfg_reload(cfg[0], cfg[1]);
	sw_cfg_free(cfg[1]);
	assert_int_equal(cfg[0]->freeze.n, 2);
	assert_string_equal(cfg[0]->freeze.v[1].text, "daily 00:00-01:00");
	assert_string_equal(cfg[0]->freeze.zone, "Europe/Berlin");
	assert_true(cfg[0]->late_us == INT64_C(3600000000));
	sw_cfg_free(cfg[0]);
}

static void every_strategy_is_known_by_name(void **state)
{
	const struct sw_plan *p = NULL;
	struct bg_err err = BG_ERR_INIT;

	(void)state;
	assert_int_equal(sw_plan_find("D", &p, &err), 0);
	assert_string_equal(p->adapter, "lifecycle");
	assert_int_equal(sw_plan_find("C", &p, &err), 0);
	assert_string_equal(p->adapter, "lifecycle");
	assert_int_equal(p->groups, SW_GROUPS_SHARED);
	for (const char *s = "ABE"; *s; s++) {
		char name[2] = {*s, '\0'};

		assert_int_equal(sw_plan_find(name, &p, &err), -EINVAL);
		assert_string_equal(err.code, "strategy_later");
	}
	assert_int_equal(sw_plan_find("F", &p, &err), -EINVAL);
	assert_string_equal(err.code, "strategy_unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_right),
		cmocka_unit_test(what_is_judged_in_the_soak),
		cmocka_unit_test(what_is_wrong_is_said_with_its_place),
		cmocka_unit_test(one_group_for_c_two_for_d),
		cmocka_unit_test(endpoints),
		cmocka_unit_test(freeze_windows_are_reloaded),
		cmocka_unit_test(every_strategy_is_known_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
