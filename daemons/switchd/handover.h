/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule 6, pure: per partition the best of the answers of both colours, the committed offsets of both groups
 * and what was handed over last; the higher epoch wins, then the higher offset. Checked for completeness.
 */
#ifndef SW_HANDOVER_H
#define SW_HANDOVER_H

#include <stdbool.h>
#include "common/mem.h"
#include "common/offsets.h"
#include "switchd/cfg.h"

struct sw_union_in {
	const struct bg_offs *topics;         /* every partition of the topics (offsets ignored) */
	const struct bg_offs *const *answers; /* offsets of pause answers */
	size_t n_answers;
	const struct bg_offs *committed[2]; /* by group; NULL: not read */
	const struct bg_offs *handed;       /* what was handed over last; may be NULL */
	const struct bg_offs *initial;      /* where partitions start that nobody knows; may be NULL */
	const struct bg_offs *restored;     /* of the snapshot that is gone back to; may be NULL */
};

struct sw_union_out {
	struct bg_offs offs;
	struct bg_buf missing; /* "orders/3, orders/5" when something is missing */
	size_t n_missing;
	size_t from_answers, from_commits, from_handed, from_restored,
		from_initial; /* partitions by the source that won */
};

/* Fills *out (zero-initialised; sw_union_free). */
void sw_handover_unite(const struct sw_union_in *in, struct sw_union_out *out);
void sw_union_free(struct sw_union_out *out);

/*
 * May the commits go unread? (eager hand-over.) True when every partition of `topics` is named by exactly
 * one answer, with an offset reached at `epoch` (the one from was active at) or later: the instance that
 * holds a partition processed it last, so no commit can be ahead of its answer. *ret_why gets a static text.
 */
bool sw_handover_exact(const struct bg_offs *topics, const struct bg_offs *const *answers, size_t n_answers,
		       int64_t epoch, const char **ret_why);

/*
 * The partitions of `topics` that neither commits nor hand-over know, and that may start by policy: into
 * *ret with offset -1. Those that `handed` (when it knows any partition) lacks are newer than the last
 * activation: nobody has processed them, they start at their earliest whatever the policy; they are marked
 * by .floor = 1. The others are there only when the policy is not SW_INITIAL_FAIL.
 */
void sw_handover_unknown(const struct bg_offs *topics, const struct bg_offs *const committed[2],
			 const struct bg_offs *handed, enum sw_initial policy, struct bg_offs *ret);
/* Their offsets, from the ranges of the log (low in .offset, high in .floor). `unknown` may be NULL: none is newer. */
void sw_handover_initial(const struct bg_offs *ranges, const struct bg_offs *unknown, bool latest,
			 int64_t epoch, struct bg_offs *ret);

#endif
