/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bg-switchd --once --switch NAME --target COLOR: one switch, then the end, with the exit statuses of
 * protocol.md 4. It takes the store's lock; where a daemon holds that, it becomes the daemon's client.
 */
#ifndef SW_ONCE_H
#define SW_ONCE_H

#include <getopt.h>
#include "switchd/switch.h"

struct sw_run;

extern const struct option sw_once_options[];
extern const char sw_once_help[];
int sw_once_option(struct bg_daemon *d, int opt, const char *arg); /* of bg_daemon_spec */
bool sw_once_wanted(void);
/* Before anything starts: -EINVAL when the options do not fit together. */
int sw_once_check(const struct bg_conf *conf, struct bg_err *err);
/* The store is ours: ask for the switch, end when it has ended. */
void sw_once_own(struct sw_daemon *dm);
/* A daemon holds the store: ask it. */
void sw_once_client(struct sw_daemon *dm);
void sw_once_ended(const struct sw_run *r); /* a run has its history entry */
bool sw_once_over(void);                    /* it has set its exit status */
void sw_once_free(void);

#endif
