/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points at which a test can kill or stop a daemon: BG_FAILPOINT("switch.intent.after"). Compiled out but
 * with --enable-failpoints. BG_FAIL="name=kill|stop|exit|sleep:MS|once-kill:PATH,…": kill is SIGKILL to
 * itself, stop is SIGSTOP, once-kill kills only when PATH does not exist and makes it first.
 */
#ifndef BG_COMMON_FAILPOINT_H
#define BG_COMMON_FAILPOINT_H

#include "config.h"

#ifdef BG_FAILPOINTS
void bg_failpoint(const char *name);
#define BG_FAILPOINT(name) bg_failpoint(name)
#else
#define BG_FAILPOINT(name) ((void)0)
#endif

#endif
