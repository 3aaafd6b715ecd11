/* SPDX-License-Identifier: Apache-2.0 */
/* Strategies are data: a row names its adapter, its group policy and its steps. */
#ifndef SW_PLAN_H
#define SW_PLAN_H

#include <stdbool.h>
#include "common/err.h"

enum sw_group_policy {
	SW_GROUPS_SHARED, /* both colours consume as one group */
	SW_GROUPS_OWN,    /* each colour has its own; offsets travel */
};

#define SW_STEP_PREPARE  1u
#define SW_STEP_PAUSE    2u
#define SW_STEP_TRANSFER 4u
#define SW_STEP_RESUME   8u
#define SW_STEP_VERIFY   16u

struct sw_plan {
	const char *name;    /* "D" */
	const char *summary; /* for people */
	const char *adapter; /* row of the adapter table; NULL: comes with a later version */
	enum sw_group_policy groups;
	unsigned steps;
	int min_level; /* contract level that an instance must offer */
};

/* The row of strategy `name`. -EINVAL with a message when there is none, or when it comes later. */
int sw_plan_find(const char *name, const struct sw_plan **ret, struct bg_err *err);

#endif
