/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Kafka side: one consumer handle, its group membership, its partitions' pause flags and positions.
 * Every librdkafka trap of facts.md 4 is met here and nowhere else.
 */
#ifndef BG_CONSUMERD_SOURCE_H
#define BG_CONSUMERD_SOURCE_H

#include "consumerd/con.h"

int con_source_start(struct con *c, struct bg_err *err);
/* Leave and destroy on the worker; done is called on the loop. */
void con_source_stop(struct con *c, void (*done)(void *arg), void *arg);
void con_source_free(struct con *c); /* after stop */

/* Member of the group, with an assignment (perhaps an empty one). */
bool con_source_joined(const struct con *c);
rd_kafka_t *con_source_handle(const struct con *c);  /* NULL while it is replaced */
uint64_t con_source_generation(const struct con *c); /* grows with every handle */

/* Between letting partitions go and the next assignment a commit would carry the old generation; the broker's refusal
 * makes librdkafka give up all partitions as lost. Bounded: true for 10 s at the most. */
bool con_source_rejoining(const struct con *c);

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

/* Drop the handle (on the worker) and make a new one; event REPLACED when it is there, after a back-off. */
void con_source_replace(struct con *c);
/* The broker refused us: event FENCED in the next turn, nothing is handed out until then. */
void con_source_fenced(struct con *c, const char *cause);
/* Subscribe with the present handle, unless it is done already. */
void con_source_join(struct con *c);
/* A revoke that waited for the handler: let go what is drained and committed. */
void con_source_try_revoke(struct con *c);
/* Handles that were replaced live until the last record of them is out of the handler: is it? */
void con_source_reap(struct con *c);

#endif
