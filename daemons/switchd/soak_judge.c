/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/soak_judge.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "common/units.h"

#define TRIES_MIN    100
#define ERRORS_US    INT64_C(60000000) /* the window of the error rate is one to two of these */
#define FALLING_US   INT64_C(5000000)
#define RESTARTS     3
#define QUARTERS     4
#define GROWTH_MIN   100
#define SLOWER_RATIO 0.9

struct mark { /* of one instance */
	bool known;
	char incarnation[40];
	int64_t records, errors; /* as counted last */
	int64_t errors_here;     /* since the beginning */
	int64_t away_us;         /* since when it is not at work; 0: it is */
	int64_t restart_us[RESTARTS];
	int n_restart;
	int64_t still_us; /* its answer that showed the last progress; 0: nothing waits */
	int64_t done, reached;
	size_t partitions;
};

struct counted {
	int64_t us, records, errors;
};

struct quarter {
	int64_t start_us, low, records; /* low -1: no sample yet */
};

struct sw_judge {
	struct sw_baseline before;
	size_t n, at_work;
	int64_t records, errors;        /* of all, since the beginning */
	int64_t lag;                    /* -1: nobody says */
	struct counted base[2];         /* the error rate counts from the first */
	int64_t low, low_us;            /* the lowest lag since it is over max_lag; 0: it is not */
	struct quarter q[QUARTERS + 1]; /* the last one is not over */
	int n_q;
	int64_t quarter_us;
	struct mark mark[];
};

const char *sw_judge_rule_name(enum sw_judge_rule r)
{
	static const char *const names[] = {NULL, "gone", "no-progress", "error-rate", "lag", "lag-growing"};

	return names[r];
}

struct sw_judge *sw_judge_new(size_t n, const struct sw_baseline *before)
{
	struct sw_judge *j = bg_xcalloc(1, sizeof(*j) + n * sizeof(j->mark[0]));

	j->n = n;
	j->before = *before;
	j->lag = -1;
	return j;
}

void sw_judge_free(struct sw_judge *j)
{
	free(j);
}

void sw_judge_afresh(struct sw_judge *j, int64_t now_us)
{
	for (size_t i = 0; i < j->n; i++) {
		j->mark[i].away_us = j->mark[i].still_us = 0;
		j->mark[i].n_restart = 0;
	}
	j->base[0] = j->base[1] = (struct counted){now_us, j->records, j->errors};
	j->low_us = 0;
	j->n_q = 0;
}

/* ---- counting */

static void note_restart(struct mark *m, int64_t now_us)
{
	memmove(m->restart_us, m->restart_us + 1, sizeof(m->restart_us) - sizeof(m->restart_us[0]));
	m->restart_us[RESTARTS - 1] = now_us;
	m->n_restart++;
}

static void count_one(struct sw_judge *j, struct mark *m, const struct sw_judge_seen *v, int64_t now_us)
{
	int64_t records = v->records, errors = v->errors;

	if (!v->seen_us)
		return;
	bool anew =
		m->known && *m->incarnation && *v->incarnation && strcmp(m->incarnation, v->incarnation) != 0;
	if (anew)
		note_restart(m, now_us);
	/* The counters of a new process begin at zero. */
	if (!anew && m->known && v->records >= m->records && v->errors >= m->errors) {
		records -= m->records;
		errors -= m->errors;
	} else if (!m->known) {
		records = errors = 0;
	}
	j->records += records;
	j->errors += errors;
	m->errors_here += errors;
	m->known = true;
	m->records = v->records;
	m->errors = v->errors;
	if (*v->incarnation)
		bg_strlcpy(m->incarnation, v->incarnation, sizeof(m->incarnation));
}

static void count(struct sw_judge *j, const struct sw_judge_seen *v, int64_t now_us)
{
	j->lag = -1;
	j->at_work = 0;
	for (size_t i = 0; i < j->n; i++) {
		count_one(j, &j->mark[i], &v[i], now_us);
		j->at_work += !v[i].away;
		if (!v[i].away && v[i].lag >= 0)
			j->lag = BG_MAX(j->lag, 0) + v[i].lag;
	}
	if (!j->base[0].us)
		j->base[0] = j->base[1] = (struct counted){now_us, 0, 0};
	if (now_us - j->base[1].us < ERRORS_US)
		return;
	j->base[0] = j->base[1];
	j->base[1] = (struct counted){now_us, j->records, j->errors};
}

/* ---- the rules */

static bool gone(struct mark *m, const struct sw_judge_limits *l, const struct sw_judge_seen *v,
		 int64_t now_us, char *why, size_t size)
{
	char t[32];

	if (!v->away)
		m->away_us = 0;
	else if (!m->away_us)
		m->away_us = now_us;
	if (!l->gone_us)
		return false;
	if (m->away_us && now_us - m->away_us >= l->gone_us) {
		snprintf(why, size, "%s is not at work for %s: %s", v->label,
			 bg_format_duration(t, sizeof(t), l->gone_us), v->away);
		return true;
	}
	if (m->n_restart < RESTARTS || now_us - m->restart_us[0] > 2 * l->gone_us)
		return false;
	snprintf(why, size, "%s was started anew %d times within %s", v->label, RESTARTS,
		 bg_format_duration(t, sizeof(t), 2 * l->gone_us));
	return true;
}

/* By its own answers' times: one that is asked seldom has not stood still in between. */
static bool stands_still(struct mark *m, const struct sw_judge_limits *l, const struct sw_judge_seen *v,
			 char *why, size_t size)
{
	bool waits = !v->away && (v->in_flight > 0 || v->lag > (int64_t)v->partitions);
	bool moved = v->records != m->done || v->reached > m->reached || v->partitions != m->partitions;
	char t[32];

	m->done = v->records;
	m->reached = v->partitions != m->partitions ? v->reached : BG_MAX(m->reached, v->reached);
	m->partitions = v->partitions;
	if (!waits)
		m->still_us = 0;
	else if (moved || !m->still_us)
		m->still_us = v->seen_us;
	if (!l->no_progress_us || !m->still_us || v->seen_us - m->still_us < l->no_progress_us)
		return false;
	snprintf(why, size, "%s has done nothing for %s, with a lag of %lld and %lld records in its handler",
		 v->label, bg_format_duration(t, sizeof(t), l->no_progress_us), (long long)v->lag,
		 (long long)v->in_flight);
	return true;
}

/* Percent of tries that failed, as in the preflight. */
static double percent(int64_t records, int64_t errors)
{
	return 100.0 * (double)errors / (double)BG_MAX(BG_MAX(records, errors), 1);
}

static const struct sw_judge_seen *worst(const struct sw_judge *j, const struct sw_judge_seen *v)
{
	size_t at = 0;

	for (size_t i = 1; i < j->n; i++)
		if (j->mark[i].errors_here > j->mark[at].errors_here)
			at = i;
	return &v[at];
}

static bool fails(const struct sw_judge *j, const struct sw_judge_limits *l, const struct sw_judge_seen *v,
		  char *why, size_t size)
{
	int64_t records = j->records - j->base[0].records, errors = j->errors - j->base[0].errors;
	double rate = percent(records, errors);

	if (l->max_error_rate <= 0 || records + errors < TRIES_MIN || rate <= l->max_error_rate ||
	    rate <= j->before.error_rate)
		return false;
	snprintf(
		why, size,
		"%.1f %% of the records failed (%lld errors, %lld done), allowed are %g %%; most at %s: %.80s",
		rate, (long long)errors, (long long)records, l->max_error_rate, worst(j, v)->label,
		worst(j, v)->error);
	return true;
}

static const char *furthest(const struct sw_judge *j, const struct sw_judge_seen *v)
{
	size_t at = 0;

	for (size_t i = 1; i < j->n; i++)
		if (v[i].lag > v[at].lag)
			at = i;
	return v[at].label;
}

static bool lags(struct sw_judge *j, const struct sw_judge_limits *l, const struct sw_judge_seen *v,
		 int64_t now_us, char *why, size_t size)
{
	if (!l->max_lag || j->lag <= BG_MAX(l->max_lag, j->before.lag)) {
		j->low_us = 0;
		return false;
	}
	if (!j->low_us || j->lag < j->low) {
		j->low = j->lag;
		j->low_us = now_us;
	}
	if (now_us - j->low_us < FALLING_US)
		return false;
	snprintf(why, size,
		 "the lag is %lld and does not fall, allowed are %lld, before the switch it was %lld; "
		 "most at %s",
		 (long long)j->lag, (long long)l->max_lag, (long long)BG_MAX(j->before.lag, 0),
		 furthest(j, v));
	return true;
}

/* The quarters of the window, the newest last. A quarter without a sample: it begins anew. */
static void note_quarter(struct sw_judge *j, int64_t quarter_us, int64_t now_us)
{
	struct quarter *last = j->n_q ? &j->q[j->n_q - 1] : NULL;

	if (j->lag < 0 || quarter_us != j->quarter_us || (last && now_us >= last->start_us + 2 * quarter_us))
		j->n_q = 0;
	j->quarter_us = quarter_us;
	if (j->lag < 0)
		return;
	if (!j->n_q || now_us >= last->start_us + quarter_us) {
		int64_t start = j->n_q ? last->start_us + quarter_us : now_us;

		if (j->n_q == QUARTERS + 1) {
			memmove(j->q, j->q + 1, QUARTERS * sizeof(j->q[0]));
			j->n_q--;
		}
		j->q[j->n_q++] = (struct quarter){start, j->lag, j->records};
	}
	last = &j->q[j->n_q - 1];
	last->low = BG_MIN(last->low, j->lag);
}

static bool grows(struct sw_judge *j, const struct sw_judge_limits *l, const struct sw_judge_seen *v,
		  int64_t now_us, char *why, size_t size)
{
	const struct quarter *q = j->q;
	char t[32];

	if (!l->lag_growing_us) {
		j->n_q = 0;
		return false;
	}
	note_quarter(j, BG_MAX(l->lag_growing_us / QUARTERS, 1), now_us);
	if (j->n_q <= QUARTERS)
		return false;
	for (int i = 1; i < QUARTERS; i++)
		if (q[i].low <= q[i - 1].low)
			return false;
	double rate = (double)(q[QUARTERS].records - q[0].records) * 1e6 /
		      (double)(q[QUARTERS].start_us - q[0].start_us);
	if (j->lag <= q[QUARTERS - 1].low || j->lag < q[0].low + GROWTH_MIN || j->lag <= j->before.lag ||
	    j->before.records_per_s <= 0 || rate >= SLOWER_RATIO * j->before.records_per_s)
		return false;
	snprintf(
		why, size,
		"the lag grows for %s, from %lld to %lld, with %.0f records done a second; before the switch "
		"%lld, with %.0f; most at %s",
		bg_format_duration(t, sizeof(t), l->lag_growing_us), (long long)q[0].low, (long long)j->lag,
		rate, (long long)BG_MAX(j->before.lag, 0), j->before.records_per_s, furthest(j, v));
	return true;
}

enum sw_judge_rule sw_judge_take(struct sw_judge *j, const struct sw_judge_limits *l,
				 const struct sw_judge_seen *v, int64_t now_us, char *why, size_t size)
{
	enum sw_judge_rule rule = SW_JUDGE_WELL;
	char text[256]; /* every rule sees every sample, the first that is broken is named */

	count(j, v, now_us);
	*why = '\0';
#define RULE(r, broken)                                                                                      \
	if ((broken) && rule == SW_JUDGE_WELL) {                                                             \
		rule = (r);                                                                                  \
		bg_strlcpy(why, text, size);                                                                 \
	}
	for (size_t i = 0; i < j->n; i++)
		RULE(SW_JUDGE_GONE, gone(&j->mark[i], l, &v[i], now_us, text, sizeof(text)))
	for (size_t i = 0; i < j->n; i++)
		RULE(SW_JUDGE_NO_PROGRESS, stands_still(&j->mark[i], l, &v[i], text, sizeof(text)))
	RULE(SW_JUDGE_ERROR_RATE, fails(j, l, v, text, sizeof(text)))
	RULE(SW_JUDGE_LAG, lags(j, l, v, now_us, text, sizeof(text)))
	RULE(SW_JUDGE_LAG_GROWING, grows(j, l, v, now_us, text, sizeof(text)))
#undef RULE
	return rule;
}

void sw_judge_sees(const struct sw_judge *j, char *buf, size_t size)
{
	char lag[32] = "?", before[32] = "?";

	if (j->lag >= 0)
		snprintf(lag, sizeof(lag), "%lld", (long long)j->lag);
	if (j->before.lag >= 0)
		snprintf(before, sizeof(before), "%lld", (long long)j->before.lag);
	snprintf(buf, size,
		 "%zu of %zu at work, lag %s (before the switch %s), %lld errors, %lld records done",
		 j->at_work, j->n, lag, before, (long long)j->errors, (long long)j->records);
}
