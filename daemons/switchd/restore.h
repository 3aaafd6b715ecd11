/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Going back to the offsets of a snapshot (W-7): a switch like any other, whose union (rule 6) has one more source,
 * the snapshot's offsets under the epoch of this switch. So they win by rules 6 and 7 as they are, and nothing
 * rewinds by itself: it was pause with proof, a new epoch, resume. The colour that takes over starts there; a switch
 * back takes the place that is reached along.
 */
#ifndef SW_RESTORE_H
#define SW_RESTORE_H

#include "switchd/preflight.h"
#include "switchd/run.h"

/* POST …/snapshots/{epoch}/restore: reads the snapshot, then goes on in sw_cmd_restored (command.h). */
void sw_cmd_restore(struct bg_http_req *req, void *arg);
/* The offsets of a snapshot's text. -EINVAL or -EBADMSG with err. */
int sw_restore_parse(const char *text, struct bg_offs *ret, struct bg_err *err);
/* A run that a restart found in the record: its snapshot is read again (blocks: before the loop runs). */
void sw_restore_recover(struct sw_run *r);
/* What the run hands over, partitions of the topics only; kept within the log where it is forced. */
void sw_restore_offsets(const struct sw_run *r, struct bg_offs *ret);

#endif
