/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takeover: the handle with which a seat joins next. It was never a member, so that nobody can have fenced it; it is
 * made and warmed (metadata, the coordinator, the partitions' leaders) off the critical path: at the start, after each
 * use, and again now and then, because idle connections are closed.
 */
#ifndef BG_CONSUMERD_SPARE_H
#define BG_CONSUMERD_SPARE_H

#include "consumerd/con.h"

struct con_seat;
struct con_handle;

void con_spare_init(struct con *c);
void con_spare_free(struct con *c);
/* The seat's spare, which is the caller's then; a cold one when there is none. NULL and err: it could not be made. */
struct con_handle *con_spare_take(struct con_seat *s, struct bg_err *err);
/* Make and warm what is missing, `us` from now. */
void con_spare_later(struct con *c, int64_t us);
/* Every seat has a warm one. */
bool con_spare_warm(const struct con *c);
/* Warm those anew that were not warmed lately; done(arg) is called once, later, when all are or it has failed. */
void con_spare_refresh(struct con *c, void (*done)(void *arg), void *arg);
bool con_spare_busy(void); /* the worker uses one */

#endif
