/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/ask.h"

#include <string.h>

#include "switchd/handover.h"

static void fail(struct sw_facts *f, const struct bg_err *err, const char *what)
{
	struct bg_err e = *err;

	bg_err_prefix(&e, "%s", what);
	sw_ask_cancel(f->sw, f);
	f->open = 0;
	f->done(f->arg, &e);
}

static void part_done(struct sw_facts *f)
{
	if (--f->open == 0)
		f->done(f->arg, NULL);
}

static int64_t left(const struct sw_facts *f)
{
	int64_t us = f->until_us - bg_now_us();

	return us > 1000 ? us : 1000;
}

static void on_ranges(void *arg, const struct bg_err *err, const struct bg_offs *offs)
{
	struct sw_facts *f = arg;

	if (err) {
		fail(f, err, "cannot read the ranges of the log");
		return;
	}
	bg_offs_free(&f->ranges);
	bg_offs_copy(&f->ranges, offs);
	bg_offs_free(&f->initial);
	sw_handover_initial(offs, &f->unknown, f->sw->cfg->initial == SW_INITIAL_LATEST, 0, &f->initial);
	part_done(f);
}

/* All commits are read: which partitions does nobody know? */
static void look_up_unknown(struct sw_facts *f)
{
	const struct bg_offs *committed[2] = {&f->committed[0], &f->committed[1]};

	bg_offs_free(&f->unknown);
	sw_handover_unknown(&f->topics, committed, f->no_handed ? NULL : &f->sw->handed, f->sw->cfg->initial,
			    &f->unknown);
	if (f->all_ranges || f->unknown.n) {
		f->open++;
		sw_ask_ranges(f->sw, f, f->all_ranges ? &f->topics : &f->unknown, left(f), on_ranges, f);
	}
}

static void on_commits(struct sw_facts *f, struct bg_offs *dst, const struct bg_err *err,
		       const struct bg_offs *offs, const char *group)
{
	if (err) {
		_cleanup_free_ char *what = bg_xasprintf("cannot read the commits of group %s", group);

		fail(f, err, what);
		return;
	}
	bg_offs_free(dst);
	bg_offs_copy(dst, offs);
	if (f->open == 1 && f->with_initial)
		look_up_unknown(f);
	part_done(f);
}

static void on_blue(void *arg, const struct bg_err *err, const struct bg_offs *offs)
{
	struct sw_facts *f = arg;

	on_commits(f, &f->committed[BG_BLUE], err, offs, f->sw->cfg->group[BG_BLUE]);
}

static void on_green(void *arg, const struct bg_err *err, const struct bg_offs *offs)
{
	struct sw_facts *f = arg;

	on_commits(f, &f->committed[BG_GREEN], err, offs, f->sw->cfg->group[BG_GREEN]);
}

static void on_adopted(void *arg, const struct bg_err *err, const struct bg_offs *offs)
{
	struct sw_facts *f = arg;

	on_commits(f, &f->adopted, err, offs, f->adopt_group);
}

static void ask_commits(struct sw_facts *f)
{
	bool shared = sw_cfg_shared(f->sw->cfg);

	/* One group is read once: the other colour's commits are the same, and stay empty. */
	f->open += shared ? 1 : 2;
	sw_ask_committed(f->sw, f, f->sw->cfg->group[BG_BLUE], &f->topics, left(f), on_blue, f);
	if (shared)
		return;
	sw_ask_committed(f->sw, f, f->sw->cfg->group[BG_GREEN], &f->topics, left(f), on_green, f);
}

static void on_partitions(void *arg, const struct bg_err *err, const struct bg_offs *offs)
{
	struct sw_facts *f = arg;

	if (err) {
		fail(f, err, "cannot read the partitions");
		return;
	}
	bg_offs_free(&f->topics);
	bg_offs_copy(&f->topics, offs);
	ask_commits(f);
	if (f->adopt_group) {
		f->open++;
		sw_ask_committed(f->sw, f, f->adopt_group, &f->topics, left(f), on_adopted, f);
	}
	part_done(f);
}

static void start(struct sw_facts *f, struct sw_switch *sw, int64_t deadline_us,
		  void (*done)(void *arg, const struct bg_err *err), void *arg)
{
	f->sw = sw;
	f->done = done;
	f->arg = arg;
	f->until_us = bg_now_us() + deadline_us;
}

void sw_facts_read(struct sw_facts *f, struct sw_switch *sw, int64_t deadline_us,
		   void (*done)(void *arg, const struct bg_err *err), void *arg)
{
	start(f, sw, deadline_us, done, arg);
	f->open = 1;
	sw_ask_partitions(sw, f, deadline_us, on_partitions, f);
}

void sw_facts_commits(struct sw_facts *f, struct sw_switch *sw, int64_t deadline_us,
		      void (*done)(void *arg, const struct bg_err *err), void *arg)
{
	start(f, sw, deadline_us, done, arg);
	f->open = 0;
	f->with_initial = false;
	ask_commits(f);
}

void sw_facts_cancel(struct sw_facts *f)
{
	if (f->sw)
		sw_ask_cancel(f->sw, f);
	f->open = 0;
}

void sw_facts_free(struct sw_facts *f)
{
	sw_facts_cancel(f);
	bg_offs_free(&f->topics);
	bg_offs_free(&f->committed[0]);
	bg_offs_free(&f->committed[1]);
	bg_offs_free(&f->adopted);
	bg_offs_free(&f->unknown);
	bg_offs_free(&f->initial);
	bg_offs_free(&f->ranges);
}

int64_t sw_facts_epoch(const struct sw_facts *f)
{
	int64_t a = bg_offs_max_floor(&f->committed[0]), b = bg_offs_max_floor(&f->committed[1]);

	return a > b ? a : b;
}

int64_t sw_facts_reached(const struct sw_facts *f)
{
	int64_t e = 0;

	for (int c = 0; c < 2; c++)
		for (size_t i = 0; i < f->committed[c].n; i++)
			e = BG_MAX(e, f->committed[c].v[i].epoch);
	return e;
}
