/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by start.c and late.c only. */
#ifndef BG_CONSUMERD_START_INT_H
#define BG_CONSUMERD_START_INT_H

#include "consumerd/choose.h"

/* Let one partition go, from its choice, stamped with `epoch`. */
void con_start_part(struct con *c, struct con_part *p, const struct con_choice *ch, int64_t epoch);
void con_late_free(void);

#endif
