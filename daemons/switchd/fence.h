/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fencing (rule 5): the static ids of instances that do not answer are taken, so that the broker refuses what
 * they still commit; and a commit of ours under each id, that leaves the offsets and their epochs as they are
 * and says f=e, is the proof. The handles are kept, so that nobody but `to` takes the ids next.
 *
 *   start -> one handle an id joins -> all joined: fence-grace -> read the group's commits -> commit under each id
 *              ^                                                         | some refused         | all acknowledged
 *              +---- back-off, with a new handle for those --------------+                      v
 *                    (deadline, cannot join, nothing to commit: not fenced)                   fenced
 */
#ifndef SW_FENCE_H
#define SW_FENCE_H

#include <json-c/json.h>
#include "switchd/switch.h"

/* More would be too many threads and memory for one process. */
#define SW_FENCE_IDS_MAX 64

/* What a handle tells; always later, never from within a call. */
enum sw_seat_event {
	SW_SEAT_JOINED, /* it is assigned what belongs to the id (again, after a rebalance) */
	SW_SEAT_ACKED,  /* the commit is acknowledged */
	SW_SEAT_AGAIN, /* the commit, or something else, failed for a reason that may pass: the id is still ours */
	SW_SEAT_REFUSED, /* the broker says that the id is not ours (any more); the handle is of no use */
};

struct sw_seat_spec {
	const char *group, *id;
	const struct sw_set *topics;
	int64_t session_us; /* of the instance; 0: not known */
};
typedef void (*sw_seat_fn)(void *arg, enum sw_seat_event ev, const struct bg_err *err);

/* One member of the group; a vtable so that tests need no broker. */
struct sw_fence_ops {
	/* Make it and let it join. NULL and err: it cannot be made. */
	void *(*join)(struct sw_switch *sw, const struct sw_seat_spec *spec, sw_seat_fn fn, void *arg,
		      struct bg_err *err);
	/* What it is assigned, offsets -1, into *ret (empty). */
	void (*assignment)(void *seat, struct bg_offs *ret);
	/* One at a time; answered by ACKED, AGAIN or REFUSED. Each entry carries metadata from epoch, floor, mirrored, color. */
	void (*commit)(void *seat, const struct bg_offs *offs);
	void (*free)(void *seat); /* in the background; no more events */
};
extern const struct sw_fence_ops sw_fence_kafka;

struct sw_fence;
/* err NULL: every id is proved. Else why not; code "stale_epoch": a commit carries a newer epoch than ours. Called once,
 * later; it may free the fence. */
typedef void (*sw_fence_fn)(void *arg, const struct bg_err *err);

struct sw_fence_ask {
	struct sw_switch *sw;
	int64_t epoch;                /* f of the proving commits */
	const struct bg_offs *topics; /* every partition; must live as long as the fence */
	const struct bg_offs
		*answered;   /* offsets of pause answers: see which_commit in fence.c; as long as the fence */
	int64_t deadline_us; /* from now, for everything, the grace included */
};

struct sw_fence *sw_fence_new(const struct sw_fence_ask *ask, sw_fence_fn fn, void *arg);
/* All static ids of the instance. False: they are not known, or there are too many; err says which. */
bool sw_fence_add(struct sw_fence *f, const struct sw_inst *i, struct bg_err *err);
void sw_fence_start(struct sw_fence *f);
/* It calls back no more; what it holds it keeps holding. */
void sw_fence_hold(struct sw_fence *f);
void sw_fence_free(struct sw_fence *f);
int64_t sw_fence_seen_epoch(const struct sw_fence *f); /* the newer one that was met; 0: none */
/* For the history: {"grace_ms","us","rounds","ids":[{"instance","color","static_id","joined_us","proved_us","refused"}]};
 * *_us from the start of the fencing. The caller owns it. */
struct json_object *sw_fence_report(const struct sw_fence *f);
/* fence-grace in force: as configured, else the longest heartbeat interval of the instances' + 500 ms. */
int64_t sw_fence_grace_us(const struct sw_switch *sw);

#endif
