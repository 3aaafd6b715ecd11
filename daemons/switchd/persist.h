/* SPDX-License-Identifier: Apache-2.0 */
/* The writes of one switch, in order, one at a time, by the worker: record, snapshots, history. */
#ifndef SW_PERSIST_H
#define SW_PERSIST_H

#include <stdbool.h>
#include <stdint.h>
#include "common/loop.h"
#include "common/worker.h"
#include "switchd/store.h"

struct sw_persist;
/* Called on the loop when the write is over: rc 0, or negative errno with err. */
typedef void (*sw_persist_fn)(void *arg, int rc, const struct bg_err *err);

struct sw_persist *sw_persist_new(struct bg_loop *l, struct bg_worker *w, struct sw_store *s, const char *sw);
/* Jobs that run are waited for by bg_worker_free; callbacks do not come any more. */
void sw_persist_free(struct sw_persist *p);
/* Text is copied. fn may be NULL. A record is written only over revision `expect`. */
void sw_persist_record(struct sw_persist *p, const char *json, int64_t expect, sw_persist_fn fn, void *arg);
void sw_persist_snapshot(struct sw_persist *p, int64_t epoch, const char *json, sw_persist_fn fn, void *arg);
void sw_persist_history(struct sw_persist *p, const char *line, sw_persist_fn fn, void *arg);
/* Take back the record write with this `arg`: true when it had not begun; its fn is not called then. */
bool sw_persist_drop_record(struct sw_persist *p, const void *arg);
/* After a record write that failed: the revision that the store has now; -1: unknown. */
int64_t sw_persist_found(const struct sw_persist *p);
bool sw_persist_idle(const struct sw_persist *p);

#endif
