/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/soak.h"

#include <string.h>

#include "common/log.h"

/* Statuses of two colours are not read in one instant: shorter than this is not said. */
#define DUAL_MIN_US INT64_C(50000)

static bool any_active(const struct sw_switch *sw, enum bg_color c)
{
	for (size_t k = 0; k < sw->n_inst; k++)
		if (sw->inst[k].color == c && sw->inst[k].reachable && sw->inst[k].state == SW_I_ACTIVE)
			return true;
	return false;
}

static bool dual(const struct sw_switch *sw)
{
	return any_active(sw, BG_BLUE) && any_active(sw, BG_GREEN);
}

static void look(struct sw_switch *sw)
{
	int64_t now = bg_now_us();

	if (dual(sw)) {
		if (!sw->dual_since_us)
			sw->dual_since_us = now;
		return;
	}
	if (!sw->dual_since_us)
		return;
	int64_t us = now - sw->dual_since_us;
	sw->dual_since_us = 0;
	if (us < DUAL_MIN_US)
		return;
	sw->dual_active_us += us;
	sw->dual_seen++;
	bg_log_sw(BG_ERROR, sw->cfg->name, "dual_active", "both colours said ACTIVE for %lld ms",
		  (long long)(us / 1000));
}

void sw_soak_look_at(const struct sw_inst *i)
{
	struct sw_switch *sw = i->sw;

	/* It begins with one that works; a thousand that are paused are not counted a thousand times. */
	if (sw->dual_since_us || (i->reachable && i->state == SW_I_ACTIVE &&
				  any_active(sw, i->color == BG_BLUE ? BG_GREEN : BG_BLUE)))
		look(sw);
}

int64_t sw_soak_dual_us(const struct sw_switch *sw)
{
	int64_t us = sw->dual_since_us ? bg_now_us() - sw->dual_since_us : 0;

	return sw->dual_active_us + (us >= DUAL_MIN_US ? us : 0);
}

static int64_t errors_of_active(const struct sw_switch *sw)
{
	int64_t n = 0;

	for (size_t k = 0; k < sw->n_inst; k++)
		if ((int)sw->inst[k].color == sw->rec.active)
			n += sw->inst[k].errors;
	return n;
}

void sw_soak_count(struct sw_inst *i)
{
	struct sw_switch *sw = i->sw;

	if (sw->state == SW_SOAKING && sw->soak_errors < 0 && (int)i->color == sw->rec.active)
		sw->soak_errors = errors_of_active(sw);
}

int64_t sw_soak_errors(const struct sw_switch *sw)
{
	int64_t n = errors_of_active(sw) - sw->soak_errors;

	/* Counters of restarted processes begin anew. */
	return sw->soak_errors < 0 || n < 0 ? 0 : n;
}

int64_t sw_color_lag(const struct sw_switch *sw, enum bg_color c)
{
	int64_t sum = -1;

	/* Whoever is paused in a takeover is no member, and knows nothing of the group's lag. */
	if (sw_cfg_shared(sw->cfg) && (int)c != sw->rec.active)
		return -1;
	for (size_t k = 0; k < sw->n_inst; k++) {
		const struct sw_inst *i = &sw->inst[k];

		if (i->color == c && i->reachable && i->lag >= 0)
			sum = (sum < 0 ? 0 : sum) + i->lag;
	}
	return sum;
}

bool sw_held(const struct sw_switch *sw, enum bg_color c, const char *topic, int32_t partition)
{
	for (size_t k = 0; k < sw->n_inst; k++) {
		const struct sw_inst *i = &sw->inst[k];

		for (size_t a = 0; i->color == c && i->reachable && a < i->n_part; a++)
			if (i->part[a].partition == partition && strcmp(i->part[a].topic, topic) == 0)
				return true;
	}
	return false;
}

size_t sw_stalled(const struct sw_switch *sw)
{
	size_t n = 0;

	if (sw->rec.active == SW_NO_COLOR)
		return 0;
	for (size_t p = 0; p < sw->handed.n; p++)
		n += !sw_held(sw, (enum bg_color)sw->rec.active, sw->handed.v[p].topic,
			      sw->handed.v[p].partition);
	return n;
}
