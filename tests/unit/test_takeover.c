/* SPDX-License-Identifier: Apache-2.0 */
/* Mode takeover, without a broker: its configuration, and where a partition starts in the one group (rule 7). */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/mem.h"
#include "consumerd/choose.h"
#include "consumerd/con_conf.h"

#define HEAD                                                                                                 \
	"[kafka]\nbootstrap.servers = 127.0.0.1:9092\n[consumer]\nswitch = orders\ntopics = orders\ngroup = g\n"
#define TAKE HEAD "mode = takeover\n"

static int load(const char *text, const char *instance, struct bg_conf **ret, struct bg_buf *errs)
{
	int rc = bg_conf_load_mem("t.ini", text, strlen(text), con_tables, instance, ret, errs);

	if (rc < 0)
		return rc;
	rc = con_conf_check(*ret, instance, errs);
	if (rc < 0) {
		bg_conf_free(*ret);
		*ret = NULL;
	}
	return rc;
}

static void configured(struct con *c, struct bg_daemon *d, const char *text)
{
	_cleanup_buf_ struct bg_buf errs = {0};

	memset(c, 0, sizeof *c);
	memset(d, 0, sizeof *d);
	d->instance = "blue-3";
	c->d = d;
	if (load(text, d->instance, &d->conf, &errs))
		fail_msg("refused: %s", errs.s);
	con_conf_apply(c);
}

static void forget(struct con *c, struct bg_daemon *d)
{
	con_conf_free(c);
	bg_conf_free(d->conf);
}

static void the_ids_are_of_the_switch(void **state)
{
	struct bg_daemon d;
	struct con c;

	(void)state;
	configured(&c, &d, TAKE);
	assert_int_equal(c.cfg.mode, CON_TAKEOVER);
	assert_int_equal(c.cfg.nordinals, 1);
	assert_string_equal(c.cfg.static_ids[0], "orders-3"); /* of neither colour */
	assert_null(c.cfg.peer_group);
	forget(&c, &d);
	configured(&c, &d, HEAD "peer-group = h\n");
	assert_string_equal(c.cfg.static_ids[0], "orders-blue-3");
	assert_string_equal(c.cfg.peer_group, "h");
	forget(&c, &d);
}

static void several_ordinals_are_several_ids(void **state)
{
	struct bg_daemon d;
	struct con c;

	(void)state;
	configured(&c, &d, TAKE "ordinals = 0\nordinals = 7\npeer-group = g\n");
	assert_int_equal(c.cfg.nordinals, 2);
	assert_string_equal(c.cfg.static_ids[0], "orders-0");
	assert_string_equal(c.cfg.static_ids[1], "orders-7");
	assert_null(c.cfg.peer_group); /* the same: rule 3 reads one group */
	forget(&c, &d);
	configured(&c, &d, HEAD "peer-group = h\nordinals = 5\n");
	assert_string_equal(c.cfg.static_ids[0], "orders-blue-5");
	forget(&c, &d);
}

static void what_is_wrong_is_said_with_its_place(void **state)
{
	static const struct {
		const char *text, *place, *what;
	} rows[] = {
		{TAKE "peer-group = h\n", "t.ini:8: [consumer] peer-group", "share one group"},
		{TAKE "ordinals = 1\nordinals = 1\n", "[consumer] ordinals", "twice"},
		{TAKE "ordinals = x\n", "t.ini:8: [consumer] ordinals", "from 0 to 9999"},
		{TAKE "ordinals = -1\n", "t.ini:8: [consumer] ordinals", "from 0 to 9999"},
		{TAKE "ordinals = 10000\n", "t.ini:8: [consumer] ordinals", "from 0 to 9999"},
		{HEAD "peer-group = h\nordinals = 0\nordinals = 1\n", "[consumer] ordinals", "2 ordinals"},
		{TAKE "[kafka]\ngroup.protocol = consumer\n", "[kafka] group.protocol", "classic"},
		{TAKE "[kafka]\npartition.assignment.strategy = range\n", "partition.assignment.strategy",
		 "must not be set"},
		{HEAD "mode = both\n", "t.ini:7: [consumer] mode", "takeover"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		_cleanup_buf_ struct bg_buf errs = {0};
		struct bg_conf *conf = NULL;

		if (!load(rows[i].text, "blue-0", &conf, &errs))
			fail_msg("taken: %s", rows[i].text);
		if (!errs.s || !strstr(errs.s, rows[i].place) || !strstr(errs.s, rows[i].what))
			fail_msg("`%s` lacks `%s` or `%s`", errs.s ? errs.s : "", rows[i].place,
				 rows[i].what);
	}
}

static void an_ordinal_must_come_from_somewhere(void **state)
{
	_cleanup_buf_ struct bg_buf errs = {0};
	struct bg_conf *conf = NULL;

	(void)state;
	assert_true(load(TAKE, "blue", &conf, &errs) < 0);
	assert_non_null(strstr(errs.s, "no number at its end"));
	assert_int_equal(load(TAKE "ordinals = 0\n", "blue", &conf, &errs), 0);
	bg_conf_free(conf);
}

/* ---- rule 7 in the one group ---- */

static struct con c;
static struct con_part *p;
static struct bg_offs own;

static int fresh(void **state)
{
	(void)state;
	memset(&c, 0, sizeof c);
	c.cfg.mode = CON_TAKEOVER;
	con_parts_init(&c.parts);
	p = con_part_get(&c.parts, "orders", 0);
	p->assigned = true;
	return 0;
}

static int done(void **state)
{
	(void)state;
	con_parts_free(&c.parts);
	bg_offs_free(&own);
	bg_offs_free(&c.handed);
	bg_offs_free(&c.ranges);
	return 0;
}

static struct con_choice choose(int64_t epoch)
{
	return con_choose(&c, p, epoch, &own, false);
}

static void the_commit_of_any_epoch_is_a_start(void **state)
{
	(void)state;
	bg_offs_set(&own, "orders", 0, 100, 3);
	assert_int_equal(choose(7).verdict, CON_CHOICE_OK);
	assert_int_equal(choose(7).offset, 100);
	bg_offs_set(&own, "orders", 0, 100, 0); /* other software's */
	assert_int_equal(choose(7).verdict, CON_CHOICE_OK);
	c.cfg.mode = CON_HANDOVER;
	assert_int_equal(choose(7).verdict, CON_CHOICE_NONE);
}

static void nothing_at_all_is_no_start(void **state)
{
	(void)state;
	assert_int_equal(choose(7).verdict, CON_CHOICE_NONE);
	bg_offs_at(&own, "orders", 0); /* read, and there is none */
	assert_int_equal(choose(7).verdict, CON_CHOICE_NONE);
}

static void the_better_of_handed_and_commit(void **state)
{
	static const struct {
		int64_t handed, handed_epoch, commit, commit_epoch, expect;
	} rows[] = {
		{150, 6, 100, 6, 150}, /* eager: the last commit was refused or is late */
		{100, 6, 150, 6, 150}, /* it came further after all */
		{150, 6, 100, 7, 100}, /* somebody was active at 7 */
		{100, 7, 150, 6, 100},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		bg_offs_set(&c.handed, "orders", 0, rows[i].handed, rows[i].handed_epoch);
		bg_offs_set(&own, "orders", 0, rows[i].commit, rows[i].commit_epoch);
		assert_int_equal(choose(8).verdict, CON_CHOICE_OK);
		assert_int_equal(choose(8).offset, rows[i].expect);
	}
}

/* Positions of an earlier life of this process lose against what was done since. */
static void an_old_position_loses(void **state)
{
	(void)state;
	con_part_learn(p, 900, 5);
	bg_offs_set(&own, "orders", 0, 400, 6);
	assert_int_equal(choose(7).offset, 400);
	assert_false(choose(7).own);
	assert_int_equal(con_best_known(&c, p), 900);
	bg_offs_set(&c.handed, "orders", 0, 500, 6);
	assert_int_equal(con_best_known(&c, p), 500);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fresh, done)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ids_are_of_the_switch),
		cmocka_unit_test(several_ordinals_are_several_ids),
		cmocka_unit_test(what_is_wrong_is_said_with_its_place),
		cmocka_unit_test(an_ordinal_must_come_from_somewhere),
		T(the_commit_of_any_epoch_is_a_start),
		T(nothing_at_all_is_no_start),
		T(the_better_of_handed_and_commit),
		T(an_old_position_loses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
