/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BGCTL_HOLD_H
#define BGCTL_HOLD_H

#include "bgctl/ctl.h"

/* hold and release: tail is "/hold" or "/release". */
int ctl_set_hold(struct ctl *c, const char *tail);

#endif
