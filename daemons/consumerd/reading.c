/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/reading.h"

#include "common/mem.h"

static void read_one(struct con_reading *r, const struct bg_err *err, const struct bg_offs *offs,
		     struct bg_offs *into)
{
	if (err) {
		r->failed = true;
		r->err = *err;
	} else {
		bg_offs_copy(into, offs);
	}
	if (--r->waiting)
		return;
	r->done(r);
	bg_offs_free(&r->own);
	bg_offs_free(&r->peer);
	free(r);
}

static void read_own(void *arg, const struct bg_err *err, const struct bg_offs *offs)
{
	struct con_reading *r = arg;

	read_one(r, err, offs, &r->own);
}

static void read_peer(void *arg, const struct bg_err *err, const struct bg_offs *offs)
{
	struct con_reading *r = arg;

	read_one(r, err, offs, &r->peer);
}

void con_read_commits(struct con *c, uint64_t gen, void (*done)(struct con_reading *r))
{
	struct con_reading *r = bg_xcalloc(1, sizeof *r);
	_cleanup_offs_ struct bg_offs parts = BG_OFFS_INIT;

	bg_offs_copy(&parts, &c->all);
	for (size_t i = 0; i < c->parts.n; i++)
		bg_offs_at(&parts, c->parts.v[i]->topic, c->parts.v[i]->partition);
	r->c = c;
	r->gen = gen;
	r->done = done;
	r->waiting = c->cfg.mode == CON_HANDOVER ? 2 : 1;
	if (r->waiting == 2)
		bg_aux_committed(c->aux, c->cfg.peer_group, &parts, CON_READ_DEADLINE_US, read_peer, r);
	bg_aux_committed(c->aux, c->cfg.group, &parts, CON_READ_DEADLINE_US, read_own, r);
}

int64_t con_reading_floor(const struct con_reading *r)
{
	int64_t a = bg_offs_max_floor(&r->own), b = bg_offs_max_floor(&r->peer);

	return BG_MAX(a, b);
}
