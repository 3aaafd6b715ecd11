/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/plan.h"

#include <errno.h>
#include <string.h>

#include "common/mem.h"

#define ALL_STEPS (SW_STEP_PREPARE | SW_STEP_PAUSE | SW_STEP_TRANSFER | SW_STEP_RESUME | SW_STEP_VERIFY)

static const struct sw_plan plans[] = {
	{"A", "one group, cooperative hand-over by scale", NULL, SW_GROUPS_SHARED, SW_STEP_VERIFY, 0},
	{"B", "own groups, offsets copied while stopped", NULL, SW_GROUPS_OWN,
	 SW_STEP_PAUSE | SW_STEP_TRANSFER | SW_STEP_RESUME | SW_STEP_VERIFY, 0},
	{"C", "one group, static membership taken over", "lifecycle", SW_GROUPS_SHARED, ALL_STEPS, 3},
	{"D", "own groups, exact offsets handed over", "lifecycle", SW_GROUPS_OWN, ALL_STEPS, 3},
	{"E", "Kafka Connect connectors", NULL, SW_GROUPS_OWN,
	 SW_STEP_PAUSE | SW_STEP_TRANSFER | SW_STEP_RESUME | SW_STEP_VERIFY, 0},
};

int sw_plan_find(const char *name, const struct sw_plan **ret, struct bg_err *err)
{
	for (size_t i = 0; i < BG_ARRAY_SIZE(plans); i++) {
		if (strcmp(plans[i].name, name) != 0)
			continue;
		if (!plans[i].adapter)
			return bg_err_set(
				err, -EINVAL, "strategy_later",
				"strategy %s (%s) comes with a later version; this one knows C and D", name,
				plans[i].summary);
		*ret = &plans[i];
		return 0;
	}
	return bg_err_set(err, -EINVAL, "strategy_unknown", "there is no strategy `%s`; known are C and D",
			  name);
}
