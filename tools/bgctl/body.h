/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BGCTL_BODY_H
#define BGCTL_BODY_H

#include "bgctl/ctl.h"

/* {"expect_epoch","reason","force","resubscribe"} as the options say; the caller owns it. */
struct json_object *ctl_body(const struct ctl *c);
/* 0, or CTL_USAGE (said why). */
int ctl_need_color(struct ctl *c, const char *word);

#endif
