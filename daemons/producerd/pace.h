/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Even pacing on an absolute schedule: record n is due at start + n / rate, so that errors of single timers
 * do not add up. After a stall the lost time is made up at no more than 4 times the rate; what lies further
 * back than PROD_PACE_BEHIND_US is given up and counted. No clock of its own: every call is told the time.
 */
#ifndef BG_PRODUCERD_PACE_H
#define BG_PRODUCERD_PACE_H

#include <stdint.h>

#define PROD_PACE_BEHIND_US 1000000 /* at most this much of the schedule is made up */
#define PROD_PACE_BURST_US  5000    /* at most this much of it at once */
#define PROD_PACE_TICK_US   1000    /* above 1,000 records/s they are sent in turns of this length */
#define PROD_PACE_MAKE_UP   4       /* times the rate, when behind */
#define PROD_RATE_MAX       10000000

struct prod_pace {
	double rate;      /* records/s; 0: not paced */
	int64_t start_us; /* of the schedule; a new rate begins a new one */
	int64_t n;        /* records of the schedule that are done or given up */
	int64_t last_us;  /* when the last record was due; INT64_MIN: none since the start */
	int64_t hold_us;  /* catching up: not before this */
	int64_t missed;   /* records given up, in all */
	int64_t late;     /* how often more was due than may go at once, in all */
};

/* Begin (again) at now with the first record due at once. Keeps the counters. rate in records/s, >= 0. */
void prod_pace_start(struct prod_pace *p, int64_t now_us, double rate);
/* Give up what is too far back, and return what is owed then. */
int64_t prod_pace_trim(struct prod_pace *p, int64_t now_us);
/* How many records may go now, after prod_pace_trim: at most a burst, and none while it is held. */
int64_t prod_pace_due(struct prod_pace *p, int64_t now_us);
/* k of them went. */
void prod_pace_sent(struct prod_pace *p, int64_t now_us, int64_t k);
/* When to ask again (absolute); now when something is due and not held. */
int64_t prod_pace_next_us(const struct prod_pace *p, int64_t now_us);
/* Change the rate in the run: the next record is due one new interval after the last one. */
void prod_pace_rate(struct prod_pace *p, int64_t now_us, double rate);
/* There was nothing to send: what was due is not owed. */
void prod_pace_idle(struct prod_pace *p, int64_t now_us);

#endif
