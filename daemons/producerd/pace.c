/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "producerd/pace.h"
#include <math.h>

#define UNPACED_TURN 1000 /* records a turn of the loop when there is no rate */

/* When record n of the schedule is due. Exact to a microsecond for as long as a double counts them (2^53). */
static int64_t due_at(const struct prod_pace *p, int64_t n)
{
	return p->start_us + (int64_t)ceil((double)n * 1e6 / p->rate);
}

static int64_t owed(const struct prod_pace *p, int64_t now_us)
{
	if (now_us < due_at(p, p->n))
		return 0;
	int64_t total = (int64_t)((double)(now_us - p->start_us) * p->rate / 1e6) + 1;
	/* The division above and the one of due_at may round to different sides. */
	while (total > p->n && due_at(p, total - 1) > now_us)
		total--;
	while (due_at(p, total) <= now_us)
		total++;
	return total - p->n;
}

static int64_t at_least_one(double v)
{
	return v < 1 ? 1 : (int64_t)v;
}

void prod_pace_start(struct prod_pace *p, int64_t now_us, double rate)
{
	p->rate = rate;
	p->start_us = now_us;
	p->n = 0;
	p->hold_us = 0;
	p->last_us = INT64_MIN;
}

int64_t prod_pace_trim(struct prod_pace *p, int64_t now_us)
{
	if (p->rate <= 0)
		return UNPACED_TURN;
	int64_t due = owed(p, now_us);
	int64_t keep = at_least_one(p->rate * PROD_PACE_BEHIND_US / 1e6);
	if (due > keep) {
		p->missed += due - keep;
		p->n += due - keep;
		due = keep;
	}
	return due;
}

int64_t prod_pace_due(struct prod_pace *p, int64_t now_us)
{
	int64_t due = prod_pace_trim(p, now_us);
	if (p->rate <= 0)
		return due;
	if (now_us < p->hold_us)
		return 0;
	int64_t burst = at_least_one(p->rate * PROD_PACE_BURST_US / 1e6);
	if (due <= burst)
		return due;
	p->late++;
	return burst;
}

void prod_pace_sent(struct prod_pace *p, int64_t now_us, int64_t k)
{
	if (p->rate <= 0)
		return;
	p->n += k;
	p->hold_us = 0;
	if (k > 0)
		p->last_us = due_at(p, p->n - 1);
	/* Still behind: the next ones faster than the rate, but not all at once. */
	if (k > 0 && due_at(p, p->n) <= now_us)
		p->hold_us = now_us + (int64_t)ceil((double)k * 1e6 / (PROD_PACE_MAKE_UP * p->rate));
}

int64_t prod_pace_next_us(const struct prod_pace *p, int64_t now_us)
{
	if (p->rate <= 0)
		return now_us;
	int64_t at = due_at(p, p->n);
	if (at < now_us)
		at = now_us;
	if (p->rate > 1e6 / PROD_PACE_TICK_US && at < now_us + PROD_PACE_TICK_US)
		at = now_us + PROD_PACE_TICK_US;
	return at < p->hold_us ? p->hold_us : at;
}

void prod_pace_rate(struct prod_pace *p, int64_t now_us, double rate)
{
	int64_t first = now_us, last = p->last_us;
	if (last != INT64_MIN && rate > 0 && last + (int64_t)ceil(1e6 / rate) > now_us)
		first = last + (int64_t)ceil(1e6 / rate);
	prod_pace_start(p, first, rate);
	p->last_us = last;
}

void prod_pace_idle(struct prod_pace *p, int64_t now_us)
{
	if (p->rate > 0 && due_at(p, p->n) < now_us)
		prod_pace_start(p, now_us, p->rate);
}
