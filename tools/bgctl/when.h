/* SPDX-License-Identifier: Apache-2.0 */
/* Times that people write, as options. */
#ifndef BGCTL_WHEN_H
#define BGCTL_WHEN_H

#include "bgctl/ctl.h"

/* "02:00" (the next such local time), "2026-11-25 02:00" (local; seconds may follow in both) or RFC 3339, into
 * c->at_us. False: it is none, or a time was given already. */
bool ctl_when_at(struct ctl *c, const char *text);
/* "90m", "1 h": so much after now. */
bool ctl_when_in(struct ctl *c, const char *text);

/* For tests: the same of another now. 0, or -EINVAL. */
int ctl_time_at(const char *text, int64_t now_us, int64_t *ret_us);

#endif
