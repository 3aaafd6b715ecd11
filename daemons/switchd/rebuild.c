/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/rebuild.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "switchd/run.h"

/* What a rebuild asks of Kafka; one at a time per switch. */
struct sw_rebuild {
	struct sw_facts facts;
	bool asking;
	struct bg_timer *retry;
	struct bg_backoff backoff;
};

int sw_rebuild_choose(const struct sw_switch *sw, const char **ret_why)
{
	size_t active[2] = {0, 0}, fenced[2] = {0, 0};

	for (size_t k = 0; k < sw->n_inst; k++) {
		const struct sw_inst *i = &sw->inst[k];

		if (!i->reachable || i->state == SW_I_UNKNOWN || i->state == SW_I_STARTING) {
			*ret_why = "the record of truth is gone, and not every instance has said its state";
			return SW_NO_COLOR;
		}
		active[i->color] += i->state == SW_I_ACTIVE || i->state == SW_I_DRAINING;
		fenced[i->color] += i->state == SW_I_FENCED;
	}
	/* Whoever is FENCED was active; beside a colour that works it is the one that was taken over. */
	if (!active[0] && !active[1])
		memcpy(active, fenced, sizeof(active));
	if (active[0] && active[1]) {
		*ret_why =
			"the record of truth is gone, and both colours say they are active: pause one, then `bgctl init`";
		return SW_NO_COLOR;
	}
	if (!active[0] && !active[1]) {
		*ret_why = "nothing is active: `bgctl init` makes the first activation";
		return SW_NO_COLOR;
	}
	return active[BG_BLUE] ? (int)BG_BLUE : (int)BG_GREEN;
}

static void on_facts(void *arg, const struct bg_err *err)
{
	struct sw_switch *sw = arg;
	struct sw_rebuild *b = sw->rebuild;
	const char *why;

	b->asking = false;
	if (err) {
		snprintf(sw->degraded, sizeof(sw->degraded), "the record of truth is gone; %.200s", err->msg);
		bg_timer_start(b->retry, bg_backoff_next(&b->backoff));
		return;
	}
	int color = sw_rebuild_choose(sw, &why);
	if (color == SW_NO_COLOR || sw->state != SW_UNKNOWN)
		return;
	sw->record_gone = false;
	sw_run_reassert(sw, SW_KIND_ADOPT, (enum bg_color)color, sw_facts_epoch(&b->facts),
			"the record of truth was gone, exactly one colour is active");
}

static void on_retry(void *arg)
{
	sw_rebuild_look(arg);
}

void sw_rebuild_look(struct sw_switch *sw)
{
	const char *why = "";

	if (sw->state != SW_UNKNOWN)
		return;
	if (!sw->record_gone) {
		if (!sw->degraded[0])
			bg_strlcpy(sw->degraded, "the first activation is still to be made: `bgctl init`",
				   sizeof(sw->degraded));
		return;
	}
	int color = sw_rebuild_choose(sw, &why);
	if (color == SW_NO_COLOR) {
		bg_strlcpy(sw->degraded, why, sizeof(sw->degraded));
		return;
	}
	if (!sw->rebuild) {
		sw->rebuild = bg_xcalloc(1, sizeof(*sw->rebuild));
		sw->rebuild->backoff = (struct bg_backoff){200000, 5000000, 0};
		sw->rebuild->retry = bg_timer_new(sw->dm->loop, on_retry, sw);
	}
	if (sw->rebuild->asking || bg_timer_pending(sw->rebuild->retry))
		return;
	sw->rebuild->asking = true;
	sw_facts_read(&sw->rebuild->facts, sw, sw->cfg->prepare_us, on_facts, sw);
}

void sw_rebuild_stop(struct sw_switch *sw)
{
	if (!sw->rebuild)
		return;
	sw_facts_free(&sw->rebuild->facts);
	bg_timer_free(sw->rebuild->retry);
	free(sw->rebuild);
	sw->rebuild = NULL;
}
