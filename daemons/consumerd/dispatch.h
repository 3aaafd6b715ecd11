/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From pending to the handler and back. Order is kept per partition; a slow partition is paused, not the
 * loop. Records that the handler did are acknowledged in a batch, after the ledger is written.
 */
#ifndef BG_CONSUMERD_DISPATCH_H
#define BG_CONSUMERD_DISPATCH_H

#include "consumerd/con.h"

/* Hand out what may be handed out, of one partition or of all. */
void con_dispatch_part(struct con *c, struct con_part *p);
void con_dispatch_all(struct con *c);
/* The handler has no room for any partition, and enough records wait for it: no more are needed. */
bool con_dispatch_full(struct con *c);
/* The handler is done with r: error NULL is an acknowledgement, else it is given again after a back-off. */
void con_done(struct con *c, struct con_rec *r, const char *error);
/* The handler says that r can never be done: its partition stops there and says so; nothing is skipped. */
void con_refused(struct con *c, struct con_rec *r, const char *error);
/* The handler has r no more and did not do it (its process has ended): it is given again, in order, when there is room.
 * Call con_lost_end after the last one. */
void con_lost(struct con *c, struct con_rec *r);
void con_lost_end(struct con *c);
/* The handler is new: partitions that it had refused to go on with are tried again. */
void con_dispatch_renewed(struct con *c);
/*
 * In a drain, and for partitions that are taken away: what the handler has not, and will not get any more, is not waited
 * for. The partition goes back to the lowest not acknowledged; what was acknowledged behind that is counted as repeats. `all`: also what the handler would be given again.
 */
void con_dispatch_settle(struct con *c, bool all);
/* Write the ledger and acknowledge what is done. Called at the end of a turn; safe to call at any time. */
void con_dispatch_flush(struct con *c);
void con_dispatch_free(void);

#endif
