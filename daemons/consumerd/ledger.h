/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger (design 8): JSON lines that bg-verify reads. Without `[ledger] path` every call does nothing. */
#ifndef BG_CONSUMERD_LEDGER_H
#define BG_CONSUMERD_LEDGER_H

#include "consumerd/con.h"

int con_ledger_open(struct con *c, const char *path, struct bg_err *err);
void con_ledger_close(struct con *c);
/* A record was processed. Into the buffer; con_ledger_flush writes. */
void con_ledger_record(struct con *c, const struct con_rec *r, int64_t now_us);
/* A record was given to a handler that keeps it: `in`. Into the buffer, as above. */
void con_ledger_in(struct con *c, const struct con_rec *r, int64_t now_us);
/* An event with offsets (abandon, commit, commit_ok, commit_refused; why may be NULL); written at once. */
void con_ledger_offsets(struct con *c, const char *ev, const struct bg_offs *offs, const char *why);
/* Offsets that will not be processed, and why; written at once. */
void con_ledger_skip(struct con *c, const struct con_part *p, int64_t first, int64_t last,
		     const char *reason);
void con_ledger_state(struct con *c, const char *from, const char *to);
/* One write(2) of all that is buffered. False: it failed (full disk): nothing may be acknowledged. */
bool con_ledger_flush(struct con *c);

#endif
