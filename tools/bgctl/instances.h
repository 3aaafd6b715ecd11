/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BGCTL_INSTANCES_H
#define BGCTL_INSTANCES_H

#include "bgctl/ctl.h"

enum ctl_columns {
	CTL_COUNTS, /* what each has done */
	CTL_RATES,  /* the same, with "records_per_s" in place of the records */
	CTL_PLACES, /* where each is, and what troubles it */
};
/* The table of instances of a switch. */
void ctl_print_instances(struct ctl *c, struct json_object *sw, enum ctl_columns columns);

#endif
