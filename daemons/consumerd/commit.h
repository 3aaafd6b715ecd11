/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commits: one at a time, so that a retry can never write an older offset over a newer one; each carries
 * the epoch in its metadata (protocol rule 3).
 */
#ifndef BG_CONSUMERD_COMMIT_H
#define BG_CONSUMERD_COMMIT_H

#include "consumerd/con.h"

/* err 0: everything acknowledged when it was asked for is committed. Else the last error; it was final. */
typedef void (*con_commit_fn)(void *arg, rd_kafka_resp_err_t err);

/* Of one seat. */
struct con_commits;
struct con_seat;
struct con_commits *con_commit_new(struct con_seat *s);
void con_commit_free(struct con_commits *m); /* detached; NULL is fine */
void con_commit_attach(struct con_commits *m, rd_kafka_t *rk);
void con_commit_detach(struct con_commits *m); /* waiting callbacks end with _DESTROY */
/*
 * Commit what was acknowledged up to now, on every seat. fn is called once, when all have answered, perhaps at once when there is nothing to do;
 * NULL: nobody waits. `force`: send the positions also when they are committed already (stall guard: the
 * broker must say that we are still ourselves). At most 64 wait; more end with _QUEUE_FULL.
 */
void con_commit_request(struct con *c, bool force, con_commit_fn fn, void *arg);
/* The same for the partitions of one seat. */
void con_commit_seat(struct con_commits *m, bool force, con_commit_fn fn, void *arg);
/*
 * Commit another colour's offsets, each with its own epoch and colour and m=1; f is never lowered. Only while nothing
 * else is committed or wants to be (false: not now), so that neither can land on the other. Tried once: fn is called
 * with the broker's answer. While it is outstanding own commits wait for it.
 */
bool con_commit_mirror(struct con *c, const struct bg_offs *offs, con_commit_fn fn, void *arg);
/* Is anything acknowledged that the broker has not confirmed? */
bool con_commit_dirty(const struct con *c);
/*
 * Is the proof of a pause at the accepted epoch still to be had? What was acknowledged must be committed, and the
 * broker must know the epoch from every partition's f: who reads it later then refuses an older command.
 */
bool con_commit_proof_pending(const struct con *c);
/* The last commit's round trip (of the seats' the longest), microseconds; 0: none yet. */
int64_t con_commit_last_us(const struct con *c);
/* For how long some seat has had a commit that is not acknowledged, tried again or not; 0: none. */
int64_t con_commit_waiting_us(const struct con *c);
/* Call now and then (timer): commits when there is something. */
void con_commit_tick(struct con *c);

#endif
