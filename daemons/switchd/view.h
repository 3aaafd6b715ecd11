/* SPDX-License-Identifier: Apache-2.0 */
/* A switch as people and programs see it (shape: api.h). */
#ifndef SW_VIEW_H
#define SW_VIEW_H

#include "switchd/switch.h"

/* The caller owns it. whole: with instances, record and last entry. */
struct json_object *sw_view(struct sw_switch *sw, bool whole);

/* What keeps it from going on by itself, or from being whole; "": nothing. It may be in buf. */
const char *sw_trouble(const struct sw_switch *sw, char *buf, size_t size);

#endif
