/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics (O-1) and rates. */
#ifndef BG_CONSUMERD_METERS_H
#define BG_CONSUMERD_METERS_H

#include "consumerd/con.h"

void con_meters_init(struct con *c);
void con_meters_free(struct con *c);
/* Records that were acknowledged and will be given a second time, because one before them was let go. */
void con_meters_repeats(struct con *c, size_t n);
void con_meters_latency(struct con *c, int64_t us); /* a record's time in the handler */
/* Adds records_per_s, bytes_per_s, handler_us (mean of the last second). */
void con_meters_rates(struct con *c, struct json_object *o);
void con_meters_tick(struct con *c); /* once a second */

#endif
