/* SPDX-License-Identifier: Apache-2.0 */
/* systemd: readiness, status, and a watchdog that is fed only while the loop makes progress. Without libsystemd, or
 * without systemd, every call does nothing. */
#ifndef BG_COMMON_NOTIFY_H
#define BG_COMMON_NOTIFY_H

#include "common/loop.h"

void bg_notify(const char *state); /* "READY=1", "STOPPING=1", … */
void bg_notify_reloading(void);    /* with the time systemd wants beside it */
/* Feeds WATCHDOG=1 at half of what systemd asks for, when the loop has turned since. NULL: no watchdog. */
struct bg_watchdog;
struct bg_watchdog *bg_watchdog_start(struct bg_loop *l);
void bg_watchdog_free(struct bg_watchdog *w);

#endif
