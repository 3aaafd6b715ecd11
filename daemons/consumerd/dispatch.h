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
/* The handler is done with r: error NULL is an acknowledgement, else it is given again after a back-off. */
void con_done(struct con *c, struct con_rec *r, const char *error);
/* Write the ledger and acknowledge what is done. Called at the end of a turn; safe to call at any time. */
void con_dispatch_flush(struct con *c);
void con_dispatch_free(void);

#endif
