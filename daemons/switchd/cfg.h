/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of bg-switchd: its key table, and a [switch:NAME] section as a struct. */
#ifndef SW_CFG_H
#define SW_CFG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/conf.h"
#include "common/ids.h"
#include "switchd/freeze.h"
#include "switchd/plan.h"

enum sw_initial { SW_INITIAL_FAIL, SW_INITIAL_EARLIEST, SW_INITIAL_LATEST };

struct sw_cfg {
	char *name;
	const struct sw_plan *plan;
	bool eager;
	char **topics; /* NULL-terminated */
	size_t n_topics;
	char *group[2]; /* by enum bg_color; the same one where the strategy shares it */
	char **endpoint[2];
	size_t n_endpoint[2];
	char *token; /* for the instances; NULL: none */
	int64_t drain_us, resume_us, prepare_us, soak_us, rollback_us, reconcile_us;
	bool fence;             /* on-unresponsive = fence */
	int64_t fence_grace_us; /* -1: from the instances' heartbeat interval */
	int64_t max_lag;        /* 0: no limit */
	double max_error_rate;  /* percent */
	enum sw_initial initial;
	/* While it soaks (soak_judge.h); 0: that rule is off. */
	bool auto_rollback;
	int64_t soak_max_lag, soak_lag_growing_us, soak_no_progress_us, soak_gone_us;
	double soak_max_error_rate; /* percent */
	struct sw_windows freeze;
	int64_t late_us; /* schedule-late */
};

extern const struct bg_conf_key sw_conf_table[];
extern const struct bg_conf_key *const sw_conf_tables[];

/* Checks beyond the table (bg_daemon_spec.check). */
int sw_cfg_check(const struct bg_conf *conf, const char *instance, struct bg_buf *errs);
/* The section of switch `name` from a checked configuration; the caller owns it. -errno when a token file cannot be read. */
int sw_cfg_new(const struct bg_conf *conf, const char *name, struct sw_cfg **ret, struct bg_err *err);
void sw_cfg_free(struct sw_cfg *c);
/* Take over what may change by a reload. `from` is only fit to be freed then. */
void sw_cfg_reload(struct sw_cfg *c, struct sw_cfg *from);
/* The group.id of a colour: its own key, else `group`. NULL: neither is set. */
const char *sw_cfg_group(const struct bg_conf *conf, const char *section, enum bg_color c);
static inline bool sw_cfg_shared(const struct sw_cfg *c)
{
	return c->plan->groups == SW_GROUPS_SHARED;
}
/* "http://H:P", "https://H:P" or "unix:/path" */
bool sw_endpoint_valid(const char *url);

#endif
