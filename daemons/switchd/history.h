/* SPDX-License-Identifier: Apache-2.0 */
/* The history entry of a run (W-11): what was done, and where the milliseconds went. */
#ifndef SW_HISTORY_H
#define SW_HISTORY_H

#include "switchd/run.h"

struct json_object *sw_history_entry(struct sw_run *r);       /* the caller owns it */
struct json_object *sw_history_steps(const struct sw_run *r); /* the caller owns it */
#define SW_DROPPED "dropped"                                  /* the outcome of a schedule that never began */

int sw_outcome_exit(const char *outcome); /* exit status of protocol.md 4 */
/* Entries of a history text, newest first, at most `limit`; of lines with one id the last counts. The caller owns it. */
struct json_object *sw_history_list(const char *text, size_t limit);

#endif
