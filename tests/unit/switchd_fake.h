/* SPDX-License-Identifier: Apache-2.0 */
/* A switch without network, disk or broker: the adapter, the store and Kafka are fakes that the test answers. */
#ifndef SWITCHD_FAKE_H
#define SWITCHD_FAKE_H

#include "switchd/run.h"

#include "switchd/fence.h"

#define FAKE_CALLS 32
#define FAKE_SEATS 256

struct fake_call {
	const char *verb; /* "prepare", "pause", "resume", "status" */
	struct sw_order order;
	struct bg_offs offs; /* of a resume */
	sw_fan_fn fn;
	void *arg;
	uint64_t id;
};

/* What an instance says when a call is answered; set by the test. */
struct fake_say {
	enum sw_verdict verdict;
	int64_t epoch;
	enum sw_istate state;
	bool was_active;
	struct bg_offs offs;
	const char *err;
};

/* A static id that was taken; the test tells what the broker says of it. */
struct fake_seat {
	char id[32], group[32];
	size_t n_topics;
	sw_seat_fn fn;
	void *arg;
	struct bg_offs assigned, commit; /* commit: the last one asked for */
	int commits;
	bool freed;
};

struct fake {
	struct bg_loop *loop;
	struct sw_daemon dm;
	struct sw_switch *sw;
	struct fake_call call[FAKE_CALLS];
	size_t n_call;
	uint64_t ids;
	int sent; /* commands (not statuses) that left so far */
	/* Store. */
	char *record;
	int64_t record_rev;
	/* read while the worker writes */
	_Atomic int record_writes, fail_records, fail_renamed, snapshot_writes, fail_snapshots;
	int64_t snapshot_epoch;
	char *snapshot_kept;  /* the last that was written, at snapshot_epoch */
	const char *snapshot; /* read for any epoch; NULL: there is none */
	/* fail_renamed: so many record writes fail, but are there all the same. */
	_Atomic bool hold_writes;     /* record writes do not end while it is set */
	struct bg_buf history, order; /* order: what happened, one word each */
	/* Kafka. */
	struct bg_offs topics, committed[2], ranges;
	int committed_reads;
	bool kafka_down;
	struct bg_member member[4]; /* of the group, as the broker tells it */
	size_t n_member;
	int members_asked;
	bool no_members; /* it does not tell */
	struct fake_seat seat[FAKE_SEATS];
	size_t n_seat;
	bool no_seats;    /* none can be made */
	bool resubscribe; /* asked for by the test */
	bool takeover;    /* partitions go with a resume to whoever has the same ordinal */
};

struct fake *fake_new(void); /* two instances a colour; 4 partitions of "orders"; record: UNKNOWN */
void fake_free(struct fake *f);
/* Strategy C from here on: the group is "blue-group", ordinal 0 and 1 in both colours. Before fake_active. */
void fake_takeover(struct fake *f);
/* Blue active at epoch 1, all instances in the states that fit. */
void fake_active(struct fake *f, enum bg_color c, int64_t epoch);
void fake_start(struct fake *f); /* recover from sw->rec */
struct sw_run *fake_switch(struct fake *f, enum bg_color to);

/* The newest seat of the id that is not freed; waits for it. */
struct fake_seat *fake_seat(struct fake *f, const char *id);
size_t fake_seats_held(const struct fake *f);
/* It is assigned partitions `from` to `to` - 1 of "orders". */
void fake_seat_joins(struct fake *f, const char *id, int from, int to);
void fake_seat_says(struct fake *f, const char *id,
		    enum sw_seat_event ev); /* waits for a commit first, but for REFUSED */
struct fake_call *fake_pending(struct fake *f, const char *verb); /* NULL: none */
/* Turn the loop until a call with this verb is there. Statuses are answered on the way when `verb` is another. */
struct fake_call *fake_await(struct fake *f, const char *verb);
/* Until the state is reached; statuses are answered. */
void fake_await_state(struct fake *f, enum sw_state s);
void fake_settle(struct fake *f); /* until the writes are over */
/* Answer with DONE from all; `change` may alter what an instance says. */
void fake_answer(struct fake *f, const char *verb, void (*change)(struct sw_inst *i, struct fake_say *say));
/* Everything answers well from here until the state. */
void fake_all_well(struct fake *f, enum sw_state until);

#endif
