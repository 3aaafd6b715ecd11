/* SPDX-License-Identifier: Apache-2.0 */
/* The durable state of an instance: the epoch it accepted and its side (K-9). */
#ifndef BG_CONSUMERD_STATE_H
#define BG_CONSUMERD_STATE_H

#include "consumerd/con.h"

/* Read it at start: c->ep is filled; gone or damaged: floor_known = false, needs_name = true, and said. Another
 * instance's file is an error. */
int con_state_load(struct con *c, struct bg_err *err);
/* Write c->ep on the worker; done is called on the loop, err NULL on success. One at a time. */
void con_state_save(struct con *c, void (*done)(void *arg, const struct bg_err *err), void *arg);

#endif
