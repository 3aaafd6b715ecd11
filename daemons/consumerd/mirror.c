/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/mirror.h"

#include "common/log.h"
#include "common/mem.h"
#include "consumerd/commit.h"
#include "consumerd/reading.h"
#include "consumerd/source.h"
#include "consumerd/start.h"

#define WAIT_US 2000000 /* a start waits for a write so long */

static struct {
	struct bg_timer *timer, *limit;
	bool reading, writing;
	bool failing; /* said once, until one succeeds again */
	int64_t total, last_real_us;
	size_t n; /* of the write on its way */
} m;

/* Only a member that is at rest: nothing of its own is under way or could come to be while the write is. */
static bool may_mirror(const struct con *c)
{
	return c->tun.mirror_interval_us > 0 && c->cfg.mode == CON_HANDOVER && c->state == CON_PAUSED &&
	       !c->stopping && !c->parts.in_flight && con_source_joined(c) && !con_source_rejoining(c) &&
	       !con_start_under_way(c) && !con_commit_proof_pending(c);
}

void con_mirror_select(struct con *c, const struct bg_offs *own, const struct bg_offs *peer,
		       struct bg_offs *ret)
{
	for (size_t i = 0; i < c->parts.n; i++) {
		const struct con_part *p = c->parts.v[i];
		const struct bg_off *o = bg_offs_find(own, p->topic, p->partition),
				    *f = bg_offs_find(peer, p->topic, p->partition);
		struct bg_off *to;

		if (!p->assigned || p->revoking || con_part_wants_commit(p) || !o || !f || f->offset < 0)
			continue;
		if (!bg_off_better(f->offset, f->epoch, o->offset, o->epoch) ||
		    !bg_off_better(f->offset, f->epoch, p->acked, p->epoch))
			continue;
		to = bg_offs_at(ret, p->topic, p->partition);
		to->offset = f->offset;
		to->epoch = f->epoch;
		to->floor = o->floor; /* a writer never lowers it */
		to->mirrored = true;
		/* Other software's commits say nothing of a colour; the group is the other one's. */
		bg_strlcpy(to->color, f->color[0] ? f->color : bg_color_name(bg_color_other(c->cfg.color)),
			   sizeof to->color);
	}
}

/* Which assignments the partitions are held by: one that went and came back may have got other commits. */
static uint64_t assignments(const struct con *c)
{
	uint64_t sum = con_source_generation(c);

	for (size_t i = 0; i < c->parts.n; i++)
		sum += c->parts.v[i]->assign_no;
	return sum;
}

static void trouble(const char *what, const char *why)
{
	if (!m.failing)
		bg_log(BG_WARN, "mirror", "%s: %s", what, why);
	m.failing = true;
}

static void written(void *arg, rd_kafka_resp_err_t err)
{
	struct con *c = arg;

	m.writing = false;
	bg_timer_stop(m.limit);
	if (!err) {
		if (m.failing || !m.total)
			bg_log(BG_INFO, "mirror", "%zu commits of group %s are mirrored", m.n,
			       c->cfg.peer_group);
		m.failing = false;
		m.total += (int64_t)m.n;
		m.last_real_us = bg_real_us();
	} else if (err == RD_KAFKA_RESP_ERR__DESTROY) {
		return; /* the handle is gone: whatever waits begins with the next one's join */
	} else {
		trouble("cannot write the mirrored commits", rd_kafka_err2str(err));
	}
	con_start_again(c);
}

static void commits_read(struct con_reading *r)
{
	struct con *c = r->c;
	_cleanup_offs_ struct bg_offs newer = BG_OFFS_INIT;

	m.reading = false;
	if (r->failed)
		trouble("cannot read the commits to be mirrored", r->err.msg);
	/* The state may be another one by now. */
	if (r->failed || r->gen != assignments(c) || !may_mirror(c))
		return;
	con_mirror_select(c, &r->own, &r->peer, &newer);
	m.n = newer.n;
	m.writing = newer.n && con_commit_mirror(c, &newer, written, c);
}

static void tick(void *arg)
{
	struct con *c = arg;

	con_mirror_tune(c);
	if (m.reading || m.writing || !may_mirror(c))
		return;
	m.reading = true;
	con_read_commits(c, assignments(c), commits_read);
}

/* The broker refuses a write of the old member once the new one has joined with its identity. */
static void too_long(void *arg)
{
	struct con *c = arg;

	if (!con_start_under_way(c))
		return; /* nobody waits any more */
	con_error(c, "mirror", "a mirrored commit is not answered, and a start waits for it: joining anew");
	con_source_replace(c);
}

bool con_mirror_busy(struct con *c)
{
	(void)c;
	if (m.writing && !bg_timer_pending(m.limit))
		bg_timer_start(m.limit, WAIT_US);
	return m.writing;
}

void con_mirror_tune(struct con *c)
{
	if (c->tun.mirror_interval_us <= 0)
		bg_timer_stop(m.timer);
	else
		bg_timer_start(m.timer, c->tun.mirror_interval_us);
}

void con_mirror_init(struct con *c)
{
	m.timer = bg_timer_new(c->loop, tick, c);
	m.limit = bg_timer_new(c->loop, too_long, c);
	con_mirror_tune(c);
}

void con_mirror_free(struct con *c)
{
	(void)c;
	bg_timer_free(m.timer);
	bg_timer_free(m.limit);
	m.timer = m.limit = NULL;
}

int64_t con_mirror_total(const struct con *c)
{
	(void)c;
	return m.total;
}

int64_t con_mirror_last_real_us(const struct con *c)
{
	(void)c;
	return m.last_real_us;
}
