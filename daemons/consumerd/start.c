/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/start.h"

#include <stdarg.h>
#include <string.h>

#include "common/failpoint.h"
#include "common/log.h"
#include "common/mem.h"
#include "consumerd/choose.h"
#include "consumerd/commands.h"
#include "consumerd/commit.h"
#include "consumerd/dispatch.h"
#include "consumerd/loss.h"
#include "consumerd/mirror.h"
#include "consumerd/reading.h"
#include "consumerd/source.h"
#include "consumerd/start_int.h"

static struct {
	uint64_t gen; /* of the start under way; others are void */
	bool under_way, adopt;
	bool asking, checked; /* the log ranges, for an offset that may lie outside of them */
	bool sure;            /* takeover, adopt: the broker has confirmed that we still are who we were */
	uint64_t sure_gen;
	int64_t epoch;
	struct bg_offs own;  /* commits of the own group, as read */
	struct bg_offs hint; /* the same, as read before the join (takeover) */
	struct con_start_result refused;
	struct bg_timer *retry;
	struct bg_backoff backoff;
} m = {.backoff = {.min_us = 20000, .max_us = 1000000}};

__attribute__((format(printf, 4, 5))) static void refuse(struct con *c, int status, const char *word,
							 const char *fmt, ...)
{
	va_list ap;

	m.refused.status = status;
	bg_strlcpy(m.refused.word, word, sizeof m.refused.word);
	va_start(ap, fmt);
	vsnprintf(m.refused.msg, sizeof m.refused.msg, fmt, ap);
	va_end(ap);
	m.under_way = false;
	m.gen++;
	/* What was handed with a command that was refused is not to be believed later. */
	bg_offs_free(&c->handed);
	con_error(c, word, "not started: %s", m.refused.msg);
	if (c->cfg.mode == CON_TAKEOVER && !m.adopt)
		con_source_replace(c); /* rule 3: it leaves */
	/* One at work is stopped by rule 3 only, or when it cannot be where it is told to. */
	con_event(c, m.adopt && status == 422 ? CON_EV_BROKEN : CON_EV_REFUSED, word);
	con_commands_refused(c);
}

/* What was handed, the own position, and in takeover the commit that was read before the join. */
static int64_t best_known(const struct con *c, const struct con_part *p)
{
	const struct bg_off *o = bg_offs_find(&m.hint, p->topic, p->partition),
			    *h = bg_offs_find(&c->handed, p->topic, p->partition);
	int64_t offset = con_best_known(c, p);
	int64_t epoch = h && h->offset == offset ? BG_MAX(h->epoch, p->epoch) : p->epoch;

	return o && bg_off_better(o->offset, o->epoch, offset, epoch) ? o->offset : offset;
}

int64_t con_start_ahead(const struct con *c, const struct con_part *p)
{
	if (c->cfg.mode != CON_TAKEOVER || !m.under_way || m.adopt || !con_source_taken(c))
		return -1;
	return best_known(c, p);
}

/* Fetch already from where it will very probably start; what comes waits in pending. */
static void speculate(struct con *c)
{
	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];
		int64_t offset = best_known(c, p);

		if (!p->assigned || p->out_head)
			continue;
		if (offset >= 0 && p->ahead_from == offset && !p->kpaused && !p->needs_seek)
			continue; /* it does already, since it was assigned */
		con_part_drop_pending(&c->parts, p);
		if (offset < 0) {
			p->why |= CON_WHY_NO_OFFSET;
			continue;
		}
		p->why &= ~(unsigned)CON_WHY_NO_OFFSET;
		p->fetch_next = p->ahead_from = offset;
		con_source_seek(c, p); /* one that was tried before fetches already: what came was dropped */
	}
	/* All at once: else a fetch for the first one is on its way when the others are let go, and they wait for it. */
	con_source_unpause_all(c, CON_WHY_LIFECYCLE | CON_WHY_FAULT | CON_WHY_RETRY | CON_WHY_PRESSURE);
}

static void ranges_read(void *arg, const struct bg_err *err, const struct bg_offs *offs)
{
	struct con_reading *r = arg;
	struct con *c = r->c;

	if (r->gen == m.gen && m.under_way) {
		if (err) {
			bg_timer_start(m.retry, bg_backoff_next(&m.backoff));
		} else {
			con_ranges_set(c, offs);
			m.asking = false;
			m.checked = true;
			con_start_check_moves(c);
		}
	}
	free(r);
}

static void read_ranges(struct con *c)
{
	struct con_reading *r = bg_xcalloc(1, sizeof *r);
	_cleanup_offs_ struct bg_offs held = BG_OFFS_INIT;

	for (size_t i = 0; i < c->parts.n; i++)
		if (c->parts.v[i]->assigned)
			bg_offs_at(&held, c->parts.v[i]->topic, c->parts.v[i]->partition);
	r->c = c;
	m.asking = true;
	r->gen = m.gen;
	bg_aux_ranges(c->aux, &held, CON_READ_DEADLINE_US, ranges_read, r);
}

/* Move one partition to its start. False: a record of it is still in the handler. */
static bool place(struct con *c, struct con_part *p, const struct con_choice *ch)
{
	if (p->failed && (ch->own || !p->out_head)) {
		/* The fetcher is dead since: an error that comes again is then final. */
		p->failed = false;
		con_part_drop_pending(&c->parts, p);
		p->fetch_next = p->ahead_from = ch->own ? p->position : ch->offset;
		con_source_revive(c, p);
		return true;
	}
	if (ch->own)
		return true;
	if (p->out_head) {
		con_source_pause(c, p, CON_WHY_LIFECYCLE);
		con_part_drop_pending(&c->parts, p);
		return false;
	}
	/* Fetched from elsewhere: from the choice on. What lies between the two may not exist (compaction). */
	if (p->ahead_from != ch->offset && !(p->ahead_from >= 0 && p->ahead_from < ch->offset &&
					     p->pend_head && p->pend_head->offset >= ch->offset)) {
		con_part_drop_pending(&c->parts, p);
		p->fetch_next = p->ahead_from = ch->offset;
		con_source_seek(c, p);
	}
	return true;
}

/* An instance at work is not stopped by a partition that nothing says the start of: that one waits. */
static bool left_out(const struct con_part *p, const struct con_choice *ch)
{
	return m.adopt && !p->started && ch->verdict != CON_CHOICE_OK;
}

/* Is every choice possible? 0, or the refusal was made (-1), or ranges must be read first (1). */
static int check_choices(struct con *c)
{
	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];
		struct con_choice ch;

		if (!p->assigned || p->revoking)
			continue;
		ch = con_choose(c, p, m.epoch, &m.own, m.adopt);
		if (ch.verdict == CON_CHOICE_RANGES && !m.checked)
			return 1;
		if (left_out(p, &ch)) {
			con_source_pause(c, p, CON_WHY_NO_OFFSET);
			continue;
		}
		if (ch.verdict == CON_CHOICE_OK)
			continue;
		if (ch.verdict == CON_CHOICE_NONE) {
			refuse(c, 409, "offsets_required",
			       "%s [%d]: no offset was given, and its commit is not of epoch %lld", p->topic,
			       p->partition, (long long)m.epoch);
			return -1;
		}
		bg_strlcpy(m.refused.topic, p->topic, sizeof m.refused.topic);
		m.refused.partition = p->partition;
		m.refused.low = ch.low;
		m.refused.high = ch.high;
		refuse(c, 422, "offset_out_of_range",
		       "%s [%d]: offset %lld is not in the log, which has %lld to %lld", p->topic,
		       p->partition, (long long)ch.offset, (long long)ch.low, (long long)ch.high);
		return -1;
	}
	return 0;
}

void con_start_check_moves(struct con *c)
{
	bool wait = false;
	int rc;

	if (!m.under_way || !m.own.n)
		return;
	if (c->parts.norphans)
		return; /* a record of an earlier life is in the handler: it must not be given beside itself */
	rc = check_choices(c);
	if (rc > 0 && !m.asking)
		read_ranges(c);
	if (rc)
		return;
	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];
		struct con_choice ch;

		if (!p->assigned || p->revoking)
			continue;
		ch = con_choose(c, p, m.epoch, &m.own, m.adopt);
		if (!left_out(p, &ch) && !place(c, p, &ch))
			wait = true;
	}
	if (wait)
		return;
	if (m.adopt)
		con_start_go(c);
	else
		con_event(c, CON_EV_STARTED, "positions are settled");
}

/* Rule 3. False: what was read is void, has failed (asked again), or refuses the command. */
static bool may_start(struct con_reading *r)
{
	struct con *c = r->c;
	int64_t floor;

	if (r->gen != m.gen || !m.under_way)
		return false;
	if (r->failed) {
		con_error(c, r->err.code, "cannot read the commits before the start: %s", r->err.msg);
		bg_timer_start(m.retry, bg_backoff_next(&m.backoff));
		return false;
	}
	floor = con_reading_floor(r);
	if (floor > m.epoch && c->cfg.mode != CON_PLAIN) {
		/* Somebody was made active after this command was given. */
		c->ep.floor = BG_MAX(c->ep.floor, floor);
		refuse(c, 409, "stale_epoch", "the commits know of epoch %lld, the command is of %lld",
		       (long long)floor, (long long)m.epoch);
		return false;
	}
	bg_backoff_reset(&m.backoff);
	return true;
}

static void begin_read(struct con_reading *r)
{
	if (!may_start(r))
		return;
	bg_offs_copy(&m.own, &r->own);
	con_start_check_moves(r->c);
}

/* Takeover: nobody is thrown out by a command that rule 3 refuses. */
static void join_read(struct con_reading *r)
{
	if (!may_start(r))
		return;
	bg_offs_copy(&m.hint, &r->own);
	BG_FAILPOINT("consumer.join.before");
	if (!con_source_take(r->c))
		bg_timer_start(m.retry, bg_backoff_next(&m.backoff));
}

static void identity_confirmed(void *arg, rd_kafka_resp_err_t err)
{
	struct con *c = arg;

	if (!m.under_way || m.gen != m.sure_gen)
		return;
	m.sure = !err;
	if (err)
		bg_timer_start(m.retry, bg_backoff_next(&m.backoff));
	else
		con_start_again(c);
}

/* Takeover: is everything joined that shall be? If not, what lacks is begun, and its end comes back here. */
static bool is_seated(struct con *c)
{
	if (!con_source_taken(c)) {
		con_read_commits(c, m.gen, join_read);
		return false;
	}
	if (!con_source_joined(c))
		return false;
	if (m.adopt && !m.sure) {
		/* A handle of before may be fenced and not know it: only a commit on it tells. */
		m.sure_gen = m.gen;
		con_commit_request(c, true, identity_confirmed, c);
		return false;
	}
	return true;
}

static void begin(struct con *c)
{
	m.gen++;
	m.under_way = true;
	m.asking = m.checked = false;
	memset(&m.refused, 0, sizeof m.refused);
	bg_offs_free(&m.own);
	bg_timer_stop(m.retry);
	con_source_join(c);
	if (!c->all.n)
		return; /* con_connected goes on */
	if (c->cfg.mode == CON_TAKEOVER ? !is_seated(c) : !con_source_joined(c))
		return; /* con_start_assigned goes on */
	if (con_mirror_busy(c))
		return; /* it would land on the commit of the start; its end calls con_start_again */
	/* Asked first: the answer is on its way while the partitions are set going. */
	con_read_commits(c, m.gen, begin_read);
	if (!m.adopt)
		speculate(c);
}

static void retry_begin(void *arg)
{
	if (m.under_way)
		begin(arg);
}

static void start(struct con *c, bool adopt, int64_t epoch)
{
	/* The same command again, which waits for the join: the join goes on. */
	bool same = m.under_way && !m.adopt && !adopt && m.epoch == epoch;

	if (!m.retry)
		m.retry = bg_timer_new(c->loop, retry_begin, c);
	m.adopt = adopt;
	m.epoch = epoch;
	m.sure = false;
	if (!same) {
		bg_offs_free(&m.hint);
		/* Always with a handle that was never a member: this one may be fenced. */
		if (!adopt)
			con_source_untake(c);
	}
	begin(c);
}

void con_start_begin(struct con *c)
{
	start(c, false, c->ep.epoch);
}

void con_start_adopt(struct con *c)
{
	start(c, true, c->ep.epoch);
}

void con_start_rejoin(struct con *c)
{
	/* A prepare may have named the next epoch already: that is not ours to work at. */
	if (con_start_under_way(c))
		con_start_again(c);
	else
		start(c, true, c->work_epoch);
}

void con_start_again(struct con *c)
{
	if (m.under_way)
		begin(c);
}

void con_start_stalled(struct con *c)
{
	if (!m.under_way)
		return;
	m.sure = false;
	if (!con_working(c))
		con_source_untake(c); /* rule 9: it joins anew */
	begin(c);
}

static void start_committed(void *arg, rd_kafka_resp_err_t err)
{
	con_commands_started(arg, err);
}

void con_start_part(struct con *c, struct con_part *p, const struct con_choice *ch, int64_t epoch)
{
	if (ch->lost_from >= 0)
		con_loss_count(c, p, ch->lost_from, ch->offset);
	if (p->out_head || ch->own)
		p->epoch = epoch;
	else
		con_part_confirm(p, ch->offset, epoch);
	if (!p->pend_head && !p->out_head)
		p->fetch_next = p->position;
	p->started = true;
	p->failed = p->hole = false;
	p->told_first = false;
	p->first_us = p->last_us = 0;
	p->ahead_from = -1;
	if (p->kpaused)
		con_source_unpause(c, p, CON_WHY_LIFECYCLE | CON_WHY_NO_OFFSET | CON_WHY_FAULT);
}

void con_start_go(struct con *c)
{
	m.under_way = false;
	c->work_epoch = m.epoch;
	c->local_pause = false;
	c->cause[0] = '\0';
	for (size_t i = 0; i < c->parts.n; i++) {
		struct con_part *p = c->parts.v[i];
		struct con_choice ch;

		if (!p->assigned || p->revoking)
			continue;
		ch = con_choose(c, p, m.epoch, &m.own, m.adopt);
		if (!left_out(p, &ch))
			con_start_part(c, p, &ch, m.epoch);
	}
	/* The broker learns the epoch at once; records do not wait for its answer. */
	con_commit_request(c, true, start_committed, c);
	con_changed(c);
	con_dispatch_all(c);
}

void con_start_cancel(struct con *c)
{
	m.under_way = false;
	m.gen++;
	con_source_pause_all(c, CON_WHY_LIFECYCLE);
	for (size_t i = 0; i < c->parts.n; i++)
		if (c->parts.v[i]->assigned)
			con_part_drop_pending(&c->parts, c->parts.v[i]);
	con_source_cancel(c);
}

bool con_start_under_way(const struct con *c)
{
	(void)c;
	return m.under_way;
}

const struct con_start_result *con_start_refused(const struct con *c)
{
	(void)c;
	return &m.refused;
}

void con_start_free(struct con *c)
{
	(void)c;
	con_late_free();
	bg_timer_free(m.retry);
	m.retry = NULL;
	bg_offs_free(&m.own);
	bg_offs_free(&m.hint);
}
