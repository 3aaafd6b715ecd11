/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Kafka side: the seats (one identity each: a consumer handle, its group membership, its partitions' pause flags
 * and positions). Hand-over and plain have one seat, takeover one for each ordinal. Every librdkafka trap of facts.md 4 is met here and nowhere else.
 */
#ifndef BG_CONSUMERD_SOURCE_H
#define BG_CONSUMERD_SOURCE_H

#include "consumerd/con.h"

int con_source_start(struct con *c, struct bg_err *err);
/* Leave and destroy on the worker; done is called on the loop. */
void con_source_stop(struct con *c, void (*done)(void *arg), void *arg);
void con_source_free(struct con *c); /* after stop */

/* Every seat is a member of the group, with an assignment (perhaps an empty one). */
bool con_source_joined(const struct con *c);
/* The handle that fetches the partition, and its number, which grows with every handle; NULL, 0: none. */
rd_kafka_t *con_part_handle(const struct con_part *p);
uint64_t con_part_generation(const struct con_part *p);
uint64_t con_source_generation(const struct con *c); /* grows with every handle that is made */
/* Some seat has let partitions go and joins anew: a commit has to wait. */
bool con_source_rejoining(const struct con *c);

/* There is room for records again: what was left in the queue is read. */
void con_source_go_on(struct con *c);

/* Add a reason to one partition, or to all that are assigned (one call to librdkafka). */
void con_source_pause(struct con *c, struct con_part *p, unsigned reason);
void con_source_pause_all(struct con *c, unsigned reason);
/* Take a reason away; when it was the last one: resume and seek to fetch_next. */
void con_source_unpause(struct con *c, struct con_part *p, unsigned reason);
/* Take a reason away from all assigned ones: one resume, then the seeks. */
void con_source_unpause_all(struct con *c, unsigned reason);
/* Fetch from p->fetch_next when it is not paused (it was fetching from elsewhere). */
void con_source_seek(struct con *c, struct con_part *p);

/* The fetcher is dead (offset out of range): assign the partition anew at fetch_next. */
void con_source_revive(struct con *c, struct con_part *p);

/* Drop the handles (on the worker) and make new ones; event REPLACED when they are there, after a back-off. */
void con_source_replace(struct con *c);
/* Subscribe with the present handles, unless it is done already. In takeover nobody joins but by con_source_take. */
void con_source_join(struct con *c);
/*
 * Takeover: every seat joins with a handle that was never a member; what it had before is destroyed. False: one could
 * not be made (said), ask again. Not from within librdkafka's callbacks.
 */
bool con_source_take(struct con *c);
/* A start begins: the handles that are there count for nothing; that they are fenced is the normal course. */
void con_source_untake(struct con *c);
bool con_source_taken(const struct con *c);
/* The handles that were marked as dead go, from the next turn on. */
void con_source_drop_fatal(struct con *c);
/* Takeover: the start was cancelled. A join under way is given up; who has joined is a paused member. */
void con_source_cancel(struct con *c);
/*
 * Takeover, asked by the resume: the seats have joined with a part of their topics, and now say them all. A member that
 * joins with a static id is given what the old one had, whatever it subscribes to; only a change makes the group share
 * out anew, new topics too. Does nothing otherwise.
 */
void con_source_resubscribe(struct con *c);
/* The stall guard in force. */
int64_t con_source_stall_guard_us(const struct con *c);
/* How often to commit, and to call the tick. */
int64_t con_source_commit_interval_us(const struct con *c);
/* Takeover: a paused member that nobody takes over lets go; one that is cut off hands out nothing. */
void con_source_tick(struct con *c);
bool con_source_busy(const struct con *c);      /* the worker uses a handle: the process cannot leave yet */
size_t con_source_members(const struct con *c); /* seats that are members of the group */
bool con_source_warm(const struct con *c);      /* a resume finds everything ready */
/* Of the properties in force. */
int64_t con_source_heartbeat_ms(const struct con *c);
int64_t con_source_session_ms(const struct con *c);
/* Revokes that waited for the handler: let go what is drained and committed. */
void con_source_try_revoke(struct con *c);
/* Handles that were replaced live until the last record of them is out of the handler: is it? */
void con_source_reap(struct con *c);

#endif
