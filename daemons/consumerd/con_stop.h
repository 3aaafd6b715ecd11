/* SPDX-License-Identifier: Apache-2.0 */
/* Leaving: SIGTERM drains, commits, leaves the group, and ends within the stop time-out. */
#ifndef BG_CONSUMERD_CON_STOP_H
#define BG_CONSUMERD_CON_STOP_H

#include "consumerd/con.h"

void con_stop_begin(struct bg_daemon *d);
void con_stop_check(struct con *c); /* is it drained by now? */

#endif
