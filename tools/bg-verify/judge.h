/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judge. It is fed the events of all ledgers in order of time, then each topic partition's records in
 * order of offset, and knows at the end what was lost, repeated, out of order, or done by two colours at once.
 *
 *   vf_judge_new
 *     vf_judge_event … vf_judge_ledgers_done
 *     for each partition: vf_judge_range, vf_judge_message …, vf_judge_partition_done   (or vf_judge_no_topic)
 *   vf_judge_finish
 *
 * Memory: 4 bytes a record, and what grows with switches, instances and partitions.
 */
#ifndef BG_VERIFY_JUDGE_H
#define BG_VERIFY_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bg-verify/map.h"
#include "bg-verify/notes.h"
#include "bg-verify/source.h"

enum vf_from { VF_FROM_START, VF_FROM_COMMITTED, VF_FROM_PROCESSED };
enum vf_upto { VF_UPTO_END, VF_UPTO_COMMITTED, VF_UPTO_PROCESSED };

struct vf_opts {
	enum vf_from from;
	enum vf_upto upto;
	int64_t clock_error_ns; /* between boots; within one boot times are exact */
	bool has_run;
	uint32_t run;                 /* only records of this bg-run are judged */
	const char *const *instances; /* a ledger of each must be there; NULL-terminated, may be NULL */
};

/* An entry of a partition's map: flags and the number + 1 of the slot that processed the record first. */
#define VF_M_DUP  0x80000000u
#define VF_M_IN   0x40000000u
#define VF_M_SKIP 0x20000000u
#define VF_M_SLOT 0x1fffffffu
#define VF_M_DONE (VF_M_SLOT | VF_M_SKIP)

enum vf_dup_class { VF_DUP_INCARNATION, VF_DUP_EPOCH, VF_DUP_COLOR, VF_DUP_ACROSS, VF_DUP_CLASSES };
extern const char *const vf_dup_names[VF_DUP_CLASSES];

#define VF_LIST_KEPT                                                                                         \
	10000 /* ranges of each kind that are kept for the report; counts are exact all the same */

struct vf_range { /* offsets first..last of one partition */
	uint32_t part;
	int64_t first, last, count;
	int64_t t;     /* of its first offset, where it has one */
	uint32_t a, b; /* duplicates: slot of the first processing, of the repeat; else slot or incarnation */
	int64_t seq;   /* lost: number of `first`, -1: none; stale effects: the epoch that was in force */
	uint32_t run;  /* lost: its bg-run */
	int32_t kind;  /* duplicates: vf_dup_class; lost: vf_why */
	bool open;     /* duplicates: not covered by an acknowledged commit of a */
	bool told;     /* duplicates: a said that it would leave them to be repeated */
	int64_t epoch; /* stale effects and commits ahead: the epoch at work */
	int64_t lineno; /* commits ahead and reordered: line of the ledger */
};
struct vf_ranges {
	struct vf_range *v;
	size_t n, cap;
	int64_t dropped; /* ranges beyond VF_LIST_KEPT */
};

enum vf_why { VF_NEVER, VF_GIVEN, VF_EXPIRED, VF_TOLD };
extern const char *const vf_why_names[];

/* One life of an instance's process. */
struct vf_inc {
	int source, boot;
	char *name;
	enum bg_color color;
	bool has_color;
	bool restarted; /* another start event of the same ledger ended it */
	bool working;   /* its last state, when it told one, is ACTIVE or DRAINING */
	bool has_state;
	int64_t last_t;
};

/* What one incarnation did in one partition at one epoch. */
struct vf_slot {
	uint32_t inc, part, ip;
	int64_t epoch;
	int64_t first_t, last_t, records;
	int64_t last_o, last_in; /* highest so far, -1: none */
	int64_t dup_open; /* repeats by others of what it processed, beyond its last acknowledged commit */
	bool taken; /* at that time the broker had refused its commit: it had lost the partition without a kill */
	int64_t dup_open_t;                      /* time of the first of dup_open */
	int64_t dup_by_class[2][VF_DUP_CLASSES]; /* [open] */
	int64_t dup_told[VF_DUP_CLASSES];        /* repeats of what it said it would leave to be repeated */
	size_t dup_range;                        /* its last range in dups as the repeater, + 1 */
};

/* What one incarnation committed in one partition. */
struct vf_ip {
	int64_t acked;  /* next offset, -1: none */
	int64_t back;   /* it went back to this offset, and has committed nothing beyond it since; -1: none */
	int64_t sent_t; /* of the last commit event, -1: none */
	bool refused; /* the broker refused a commit after the last acknowledged one: the partition was taken away */
};

struct vf_number_map { /* of one run in one partition: bitmaps by number */
	uint32_t run;
	struct vf_map seen, done;
	int64_t min, max, distinct;
};

struct vf_part {
	char *topic;
	int32_t p;
	struct vf_map map;
	int64_t base;     /* first offset known of: committed or processed first; -1: none */
	int64_t frontier; /* all in base..frontier-1 were processed, or reported */
	int64_t min_done, max_done, first_commit, max_commit; /* -1: none */
	int64_t processed, processings, skipped;
	/* of the topic */
	bool read;
	int64_t next; /* offset behind the last record that was read */
	int64_t low, high, in_topic, judged, matched, other_run, after_last, lost;
	size_t ahead_at;   /* cursor into its ranges of ahead */
	size_t lost_range; /* its last range in lost, + 1 */
	int64_t run_first, run_last;
	struct vf_number_map *numbers;
	size_t n_numbers, cap_numbers;
};

struct vf_side {
	bool used, lines, active; /* processed; has a line; said ACTIVE */
	int64_t first_t, last_t, records;
	int first_boot, last_boot;
};
struct vf_epoch {
	int64_t epoch;
	bool lines, mentioned; /* has a line in a ledger; its offsets were committed */
	struct vf_side side[2];
	bool dual; /* older colours were at work after its first record: */
	int64_t dual_records, dual_first, dual_last;
	int64_t undecided; /* the same within the clock error */
	bool conflict;     /* both colours processed at it */
};

struct vf_switch {
	int64_t epoch, prev_epoch;
	enum bg_color from, to;
	bool gap_known;
	int64_t gap, worst; /* ns; worst -1: no partition has both sides */
	uint32_t worst_part;
	int64_t dual; /* ns */
	int64_t dual_records;
	bool two_clocks;
	size_t gaps_at, gaps_n; /* per partition, in judge.gaps */
};
struct vf_gap {
	uint32_t part;
	int64_t gap;
};

struct vf_reason {
	char *text;
	int64_t n;
};

struct vf_pct {
	int64_t p50, p90, p99, max; /* ns */
};

struct vf_index;
struct vf_source_state;
struct vf_judge {
	struct vf_opts opts;
	struct vf_notes *notes;
	size_t nboots;
	struct vf_part *parts;
	size_t n_parts, cap_parts;
	struct vf_inc *incs;
	size_t n_incs, cap_incs;
	struct vf_slot *slots;
	size_t n_slots, cap_slots;
	struct vf_ip *ips;
	size_t n_ips, cap_ips;
	struct vf_epoch *epochs; /* sorted */
	size_t n_epochs, cap_epochs, last_epoch;
	struct vf_index *index;
	struct vf_source_state *src;
	size_t n_src;
	int64_t top[2]; /* highest epoch at which the colour processed, -1: none */
	int64_t now;
	/* commits beyond what was processed that wait for the clock error to pass */
	struct vf_range *pending;
	size_t n_pending, cap_pending;
	struct vf_reason *reasons;
	size_t n_reasons, cap_reasons;
	void (*on_topic)(void *arg, const char *topic); /* a topic is seen for the first time */
	void *on_topic_arg;

	/* results */
	bool topic_read;
	struct vf_ranges lost, dups, reorders, ahead, stale;
	int64_t lost_n, lost_by_why[4], dup_n, dup_distinct, dup_by_class[VF_DUP_CLASSES], in_flight,
		in_flight_by_class[VF_DUP_CLASSES], given_again, reordered, ahead_n, ahead_commits,
		stale_records, stale_commits, dual_ns, duals, dual_records, undecided, conflicts,
		produced_twice, produced_missing, excused, skipped;
	struct vf_switch *switches;
	size_t n_switches, cap_switches, n_changes; /* changes: from and to differ */
	struct vf_gap *gaps;
	size_t n_gaps, cap_gaps;
	struct vf_pct gap, worst;
};

struct vf_judge *vf_judge_new(const struct vf_opts *opts, size_t nledgers, struct vf_notes *notes);
/* How many clocks there are (vf_sources_boots), before each event: with one, nothing waits for the clock error. */
static inline void vf_judge_boots(struct vf_judge *j, size_t nboots)
{
	j->nboots = nboots;
}
void vf_judge_event(struct vf_judge *j, const struct vf_event *ev);
void vf_judge_ledgers_done(struct vf_judge *j);

/* Log start and end of a partition, before its records; again, when retention moved the start while it was
 * read. Returns its index. */
uint32_t vf_judge_range(struct vf_judge *j, const char *topic, int32_t p, int64_t low, int64_t high);
/* A record of the topic; per partition with growing offsets. seq -1: it carries no number. */
void vf_judge_message(struct vf_judge *j, uint32_t part, int64_t offset, uint32_t run, int64_t seq);
void vf_judge_partition_done(struct vf_judge *j, uint32_t part);
/* Instead of all that: without a topic, holes between processed offsets are what can be known. */
void vf_judge_no_topic(struct vf_judge *j);

void vf_judge_finish(struct vf_judge *j);
/* 0 fine, 1 lost records, two active colours, or more than `expect_duplicates` (-1: any number) repeats, 3 no
 * verdict because of an error. */
int vf_judge_status(const struct vf_judge *j, int64_t expect_duplicates);
void vf_judge_free(struct vf_judge *j);

#endif
