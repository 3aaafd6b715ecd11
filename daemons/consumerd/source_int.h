/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by those that deal with seats and handles: source.c, handle.c, take.c, spare.c, rebalance.c, regroup.c and their like. */
#ifndef BG_CONSUMERD_SOURCE_INT_H
#define BG_CONSUMERD_SOURCE_INT_H

#include "consumerd/source.h"

#define CON_OLD_HANDLES 4 /* per seat */

/* A librdkafka handle and what hangs on it. */
struct con_handle {
	struct con_seat *seat;
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	struct bg_kq *kq;
	uint64_t generation;       /* grows with every handle of the process */
	bool busy;                 /* the worker warms it */
	bool polling;              /* we are inside of its poll: it cannot go now */
	bool subscribed, assigned; /* it was ever; see handle.c */
	int64_t warmed_us;         /* 0: never */
	struct con_handle *next;   /* of those that are replaced and not destroyed yet */
};

/* One identity: ordinal, static id, the handle that is (or will be) the member, its partitions and commits. */
struct con_seat {
	struct con *c;
	size_t index;
	const char *static_id;
	struct con_handle *h;     /* NULL while it is replaced; in takeover also while it is no member */
	struct con_handle *spare; /* takeover: what joins next, never a member yet */
	struct con_commits *commits;
	bool joined, subscribed, fatal;
	bool lost;       /* takeover: librdkafka says that its membership is gone: con_seat_lost */
	bool partly;     /* subscribed to a part of the topics: con_source_resubscribe */
	int64_t full_us; /* its queue is not read since; 0: it is */
	int64_t replaced_us;
	int64_t rejoin_us; /* partitions were let go and the group is joined anew since; 0: it is not */
	struct bg_timer *replace_timer;
	struct bg_backoff backoff;
	/* A revoke that waits for the handler or the commit. */
	rd_kafka_topic_partition_list_t *revoking;
	struct bg_timer *revoke_timer;
	bool revoke_commit;
};

struct con_source {
	struct con_seat *seats;
	size_t n;
	uint64_t generation;
	int64_t heartbeat_ms, session_ms; /* of the properties in force; noted with each handle */
	bool taken;     /* takeover: the seats have the handles of the start under way, or of the work */
	char cause[64]; /* of a seat that is fatal */
	struct con_handle *old; /* replaced; a record of them is still in the handler */
	size_t nold;
	/* Stop: handles that are still being destroyed. */
	size_t leaving;
	void (*left)(void *arg);
	void *left_arg;
};

/* ---- handle.c ---- */

/* Make one; it is no member. NULL and err when it failed. */
/* Of any member of our group, without a static id: [kafka], and what is ours to set. */
rd_kafka_conf_t *con_member_conf(const struct con *c);
struct con_handle *con_handle_new(struct con_seat *s, struct bg_err *err);
/* It becomes the seat's (which has none): its commits go there. */
void con_handle_seat(struct con_seat *s, struct con_handle *h);
/* Let go of the seat's handle: partitions are taken away, waiting commits end. The caller ends it. */
struct con_handle *con_handle_detach(struct con_seat *s);
/* Destroy on the worker, as soon as no record of it is held any more. It must be detached. */
void con_handle_end(struct con *c, struct con_handle *h);
/* It got its first assignment, after it was let go: it can be destroyed now. */
void con_handle_assigned(struct con *c, const rd_kafka_t *rk);
/* The same at once, and leave the group; done is called on the loop. */
void con_handle_leave(struct con *c, struct con_handle *h, bool close_first, void (*done)(void *arg),
		      void *arg);

/* At the end: those that were replaced and could not be destroyed; the process ends, and they with it. */
void con_handle_forget_old(struct con *c);

/* ---- source.c ---- */

/* Called by handle.c: the queue has something; arg is the con_handle. */
void con_source_poll(void *arg);
void con_source_on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque);
void con_seat_fatal(struct con_seat *s);
/* The broker refused this seat: event FENCED in the next turn, nothing is handed out until then. */
void con_seat_fenced(struct con_seat *s, const char *cause);
/*
 * Takeover: the membership is gone (a freeze, or no broker for longer than the session time-out). From the next turn on the
 * handle goes; who works joins anew, behind rule 3.
 */
void con_seat_lost(struct con_seat *s);
/* Takeover: losing the identity now is the normal course of a switch and no state. */
bool con_seat_loses_quietly(const struct con_seat *s);
/* Subscribe; a seat with its present handle. False: it was refused, which is said. */
bool con_subscribe(struct con *c, rd_kafka_t *rk, const char *const *names, size_t n);
bool con_seat_subscribe(struct con_seat *s, const char *const *names, size_t n);
/* The seat whose present handle this is; NULL: of an old one. */
struct con_seat *con_seat_of(const struct con *c, const rd_kafka_t *rk);
bool con_seat_rejoining(const struct con_seat *s);
rd_kafka_t *con_seat_rk(const struct con_seat *s); /* NULL: none */

#endif
