/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the new colour well? A judgement over samples of its instances' statuses: no I/O and no clock of its own, so that
 * every rule is tested in no time. What it has seen begins anew when bg-switchd is restarted, and with it all times.
 *
 * gone          an instance is not at work for as long as gone_us, or was started anew three times within twice that.
 * no-progress   records wait at an instance, and it has done none for no_progress_us. One record a partition is none that
 *               waits: the mark of a transaction counts as one, for ever.
 * error-rate    of 100 tries or more, a larger part failed than max_error_rate and than at the old colour. Since the
 *               soak began, at most of the last one to two minutes.
 * lag           over max_lag, over what it was before the switch, and not falling for 5 s.
 * lag-growing   in each quarter of lag_growing_us its lowest was higher than in the one before, and over what it was
 *               before the switch; while less is done a second than the old colour did: so it is not only that more
 *               came. Where the old colour's rate is not known, it is not judged.
 */
#ifndef SW_SOAK_JUDGE_H
#define SW_SOAK_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "switchd/record.h"

enum sw_judge_rule {
	SW_JUDGE_WELL,
	SW_JUDGE_GONE,
	SW_JUDGE_NO_PROGRESS,
	SW_JUDGE_ERROR_RATE,
	SW_JUDGE_LAG,
	SW_JUDGE_LAG_GROWING,
};
const char *sw_judge_rule_name(enum sw_judge_rule r); /* "error-rate"; NULL for WELL */

struct sw_judge_limits { /* 0: that rule is off */
	int64_t max_lag, lag_growing_us, no_progress_us, gone_us;
	double max_error_rate; /* percent */
};

struct sw_judge_seen { /* of one instance; the texts are the caller's */
	const char *label, *incarnation;
	const char *away;  /* why it is not at work; NULL: it is */
	const char *error; /* its last one; "" none */
	int64_t seen_us;   /* its last answer; 0: none yet */
	int64_t lag;       /* -1: unknown */
	int64_t reached;   /* sum of its positions */
	int64_t records, errors, in_flight;
	size_t partitions;
};

struct sw_judge;

struct sw_judge *sw_judge_new(size_t n, const struct sw_baseline *before); /* of n instances */
void sw_judge_free(struct sw_judge *j);
/* The sample at now_us, of all n instances in the same order each time. `why` says what is seen: "" when WELL. */
enum sw_judge_rule sw_judge_take(struct sw_judge *j, const struct sw_judge_limits *l,
				 const struct sw_judge_seen *v, int64_t now_us, char *why, size_t size);
/* What was seen is not the colour's fault: every time begins anew. */
void sw_judge_afresh(struct sw_judge *j, int64_t now_us);
/* In a few words, for people. */
void sw_judge_sees(const struct sw_judge *j, char *buf, size_t size);

#endif
