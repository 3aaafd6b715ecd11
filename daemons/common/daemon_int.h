/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by daemon.c and daemon_args.c only. */
#ifndef BG_COMMON_DAEMON_INT_H
#define BG_COMMON_DAEMON_INT_H

#include "common/daemon.h"

struct bg_daemon_args {
	bool test, dump;
};

/* Parse the command line. -1: go on; else the exit status. */
int bg_daemon_args(struct bg_daemon *d, struct bg_daemon_args *a, int argc, char **argv);

#endif
