/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the fetcher of a newly assigned partition there? librdkafka drops a seek in silence before it is (a commit on its
 * way is enough to delay it), and would then fetch from where the assignment said. A seek with a time-out answers;
 * it blocks, so the worker makes it, and only for fresh partitions. Until its answer nothing of them is taken.
 */
#ifndef BG_CONSUMERD_PROBE_H
#define BG_CONSUMERD_PROBE_H

#include "consumerd/con.h"

/* Probe all fresh partitions; one job at a time. Those that are not paused are sent to fetch_next when it is done. */
void con_probe(struct con *c);
bool con_probe_busy(void);           /* the worker uses the handle: it must not be destroyed */
void con_probe_later(struct con *c); /* the same after a back-off */
void con_probe_init(struct con *c);
void con_probe_free(struct con *c);

#endif
