/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/metrics.h"

#include <stdio.h>

#include "common/json.h"
#include "common/metrics.h"
#include "switchd/frozen.h"
#include "switchd/history.h"
#include "switchd/identity.h"
#include "switchd/run.h"
#include "switchd/soak.h"
#include "switchd/view.h"

struct sw_metrics {
	struct sw_daemon *dm;
	struct bg_metrics *reg;
	struct bg_metric *total, *duration, *gap, *worst, *epoch, *phase, *active_version, *active_color,
		*state, *lag, *group_lag, *lag_sum, *reachable, *dual, *stalled, *hold, *degraded, *window,
		*brokers, *fenced, *fencing, *identity, *automatic, *frozen, *scheduled;
};

static const double gap_buckets[] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 30};

static void set_instance(struct sw_metrics *m, const struct sw_inst *i)
{
	const char *sw = i->sw->cfg->name, *color = bg_color_name(i->color), *name = sw_inst_label(i);
	char part[16];

	bg_series_set(bg_series(m->reachable, "switch", sw, "color", color, "instance", name, NULL),
		      i->reachable);
	bg_series_set(bg_series(m->identity, "switch", sw, "color", color, "instance", name, NULL),
		      sw_identity_lost(i->sw, i));
	for (unsigned s = SW_I_STARTING; s <= SW_I_FAILED; s++)
		bg_series_set(bg_series(m->state, "switch", sw, "color", color, "instance", name, "state",
					sw_istate_name((enum sw_istate)s), NULL),
			      i->reachable && i->state == (enum sw_istate)s);
	for (size_t k = 0; i->reachable && k < i->n_part; k++) {
		if (i->part[k].lag < 0)
			continue;
		snprintf(part, sizeof(part), "%d", (int)i->part[k].partition);
		bg_series_set(bg_series(m->group_lag, "consumergroup", i->sw->cfg->group[i->color], "topic",
					i->part[k].topic, "partition", part, NULL),
			      (double)i->part[k].lag);
	}
}

static void set_switch(struct sw_metrics *m, struct sw_switch *sw)
{
	const char *name = sw->cfg->name;
	const struct sw_record *r = &sw->rec;
	char trouble[64];
	struct sw_frozen frozen;

	bg_series_set(bg_series(m->epoch, "switch", name, NULL), (double)r->epoch);
	for (unsigned s = 0; s < SW_STATES; s++) {
		if (sw_state_back((enum sw_state)s) && s != SW_BACK_INTENT)
			continue;
		bg_series_set(
			bg_series(m->phase, "switch", name, "phase", sw_phase_name((enum sw_state)s), NULL),
			s == SW_BACK_INTENT ? sw_state_back(sw->state) : sw->state == (enum sw_state)s);
	}
	for (int c = 0; c < 2; c++) {
		int64_t lag = sw_color_lag(sw, (enum bg_color)c);

		bg_series_set(bg_series(m->active_version, "switch", name, "version", sw_color_name(c), NULL),
			      r->active == c);
		bg_series_set(bg_series(m->active_color, "switch", name, "color", sw_color_name(c), NULL),
			      r->active == c);
		if (lag < 0)
			continue;
		bg_series_set(bg_series(m->lag, "switch", name, "color", sw_color_name(c), NULL),
			      (double)lag);
		bg_series_set(bg_series(m->lag_sum, "switch", name, "consumergroup", sw->cfg->group[c], NULL),
			      (double)lag);
	}
	bg_series_set(bg_series(m->dual, "switch", name, NULL), (double)sw_soak_dual_us(sw) / 1e6);
	bg_series_set(bg_series(m->stalled, "switch", name, NULL), (double)sw_stalled(sw));
	bg_series_set(bg_series(m->hold, "switch", name, NULL), r->hold);
	bg_series_set(bg_series(m->frozen, "switch", name, NULL), sw_frozen(sw, bg_real_us(), &frozen));
	if (r->schedule.id[0])
		bg_series_set(bg_series(m->scheduled, "switch", name, NULL), (double)r->schedule.at_us / 1e6);
	bg_series_set(bg_series(m->degraded, "switch", name, NULL),
		      sw_trouble(sw, trouble, sizeof(trouble))[0] != '\0');
	bg_series_set(bg_series(m->window, "switch", name, NULL),
		      r->rollback_allowed && r->rollback_until_us > bg_real_us()
			      ? (double)(r->rollback_until_us - bg_real_us()) / 1e6
			      : 0);
	for (size_t k = 0; k < sw->n_inst; k++)
		set_instance(m, &sw->inst[k]);
}

static void on_scrape(void *arg)
{
	struct sw_metrics *m = arg;

	bg_metric_clear(m->state);
	bg_metric_clear(m->reachable);
	bg_metric_clear(m->identity);
	bg_metric_clear(m->group_lag);
	bg_metric_clear(m->lag);
	bg_metric_clear(m->lag_sum);
	bg_metric_clear(m->scheduled);
	bg_series_set(bg_series(m->brokers, NULL), m->dm->brokers);
	for (size_t i = 0; i < m->dm->n_sw; i++)
		set_switch(m, m->dm->sw[i]);
}

/* What is counted when one has ended. */
static void of_runs(struct sw_metrics *m, struct bg_metrics *r)
{
	m->total = bg_metric(r, BG_COUNTER, "bg_switch_switches_total",
			     "Switches that ended, by kind and outcome");
	m->duration = bg_metric(r, BG_HISTOGRAM, "bg_switch_duration_seconds",
				"From the request to the end of a switch");
	m->gap = bg_metric(r, BG_HISTOGRAM, "bg_switch_gap_seconds",
			   "From the start of the pause to the first record of the other colour");
	m->worst = bg_metric(r, BG_HISTOGRAM, "bg_switch_worst_gap_seconds",
			     "The same for the partition that came last");
	bg_metric_buckets(m->gap, gap_buckets, BG_ARRAY_SIZE(gap_buckets));
	bg_metric_buckets(m->worst, gap_buckets, BG_ARRAY_SIZE(gap_buckets));
	m->automatic = bg_metric(
		r, BG_COUNTER, "bg_switch_auto_rollbacks_total",
		"Rollbacks in the soak that nobody asked for, by the rule that was broken and outcome");
	m->fenced = bg_metric(
		r, BG_COUNTER, "bg_switch_fenced_ids_total",
		"Static ids that were to be fenced, by instance and whether the broker gave the proof");
	m->fencing = bg_metric(
		r, BG_HISTOGRAM, "bg_switch_fencing_seconds",
		"From the first static id that was asked for to the last proof, fence-grace included");
}

struct sw_metrics *sw_metrics_new(struct sw_daemon *dm)
{
	struct sw_metrics *m = bg_xcalloc(1, sizeof(*m));
	struct bg_metrics *r = bg_metrics_new();

	m->dm = dm;
	m->reg = r;
	of_runs(m, r);
	m->epoch = bg_metric(r, BG_GAUGE, "bg_switch_epoch", "Epoch of the record of truth");
	m->phase = bg_metric(r, BG_GAUGE, "bg_switch_phase", "1 for the phase the switch is in");
	m->active_version =
		bg_metric(r, BG_GAUGE, "kafka_consumer_active_version", "1 for the colour that is active");
	m->active_color =
		bg_metric(r, BG_GAUGE, "kafka_consumer_active_color", "1 for the colour that is active");
	m->state =
		bg_metric(r, BG_GAUGE, "kafka_consumer_lifecycle_state", "1 for the state an instance is in");
	m->lag =
		bg_metric(r, BG_GAUGE, "bg_switch_lag_records", "Lag of a colour by its instances' statuses");
	m->group_lag = bg_metric(r, BG_GAUGE, "kafka_consumergroup_lag",
				 "Lag of a partition by its instance's status");
	m->lag_sum =
		bg_metric(r, BG_GAUGE, "kafka_consumer_lag_sum", "Lag of a group by its instances' statuses");
	m->reachable =
		bg_metric(r, BG_GAUGE, "bg_switch_instance_reachable", "1 when the last call was answered");
	m->dual = bg_metric(r, BG_COUNTER, "bg_switch_dual_active_seconds_total",
			    "Time in which both colours said ACTIVE");
	m->stalled = bg_metric(r, BG_GAUGE, "bg_switch_stalled_partitions",
			       "Partitions that no instance of the active colour holds");
	m->hold = bg_metric(r, BG_GAUGE, "bg_switch_hold", "1 while the switch is on hold");
	m->frozen = bg_metric(r, BG_GAUGE, "bg_switch_frozen",
			      "1 while no switch may begin, by window or command");
	m->scheduled = bg_metric(r, BG_GAUGE, "bg_switch_scheduled_timestamp_seconds",
				 "When the scheduled switch is to begin; absent: none is scheduled");
	m->degraded = bg_metric(r, BG_GAUGE, "bg_switch_degraded",
				"1 while something keeps it from going on by itself");
	m->window = bg_metric(r, BG_GAUGE, "bg_switch_rollback_window_seconds",
			      "How long a rollback is still allowed");
	m->identity = bg_metric(
		r, BG_GAUGE, "bg_switch_identity_in_use",
		"1 for an instance that should work and is fenced, for somebody else has its static id");
	m->brokers = bg_metric(r, BG_GAUGE, "kafka_brokers", "Brokers that answer, as counted last");
	bg_metrics_on_scrape(r, on_scrape, m);
	return m;
}

void sw_metrics_free(struct sw_metrics *m)
{
	if (!m)
		return;
	bg_metrics_free(m->reg);
	free(m);
}

char *sw_metrics_render(struct sw_metrics *m)
{
	return bg_metrics_render(m->reg);
}

void sw_metrics_dropped(struct sw_switch *sw)
{
	struct sw_metrics *m = sw->dm->metrics;

	if (m)
		bg_series_add(bg_series(m->total, "switch", sw->cfg->name, "kind",
					sw_kind_name(SW_KIND_SWITCH), "outcome", SW_DROPPED, NULL),
			      1);
}

static void fencing_ended(struct sw_metrics *m, const struct sw_switch *sw, struct json_object *report)
{
	struct json_object *ids = bg_json_get(report, "ids");

	for (size_t k = 0; k < json_object_array_length(ids); k++) {
		struct json_object *o = json_object_array_get_idx(ids, k);
		bool proved = bg_json_get(o, "proved_us") != NULL;

		bg_series_add(bg_series(m->fenced, "switch", sw->cfg->name, "color",
					bg_json_str(o, "color", ""), "instance",
					bg_json_str(o, "instance", ""), "outcome",
					proved ? "fenced" : "not_fenced", NULL),
			      1);
	}
	bg_series_observe(bg_series(m->fencing, "switch", sw->cfg->name, NULL),
			  (double)bg_json_int(report, "us", 0) / 1e6);
}

void sw_metrics_ended(struct sw_switch *sw, const struct sw_run *r)
{
	struct sw_metrics *m = sw->dm->metrics;
	struct json_object *gap = bg_json_get(sw->last, "gap_us"),
			   *worst = bg_json_get(sw->last, "worst_gap_us");

	if (!m)
		return;
	if (r->fencing)
		fencing_ended(m, sw, r->fencing);
	bg_series_add(bg_series(m->total, "switch", sw->cfg->name, "kind", sw_kind_name(r->kind), "outcome",
				r->outcome, NULL),
		      1);
	if (r->automatic[0])
		bg_series_add(bg_series(m->automatic, "switch", sw->cfg->name, "reason", r->automatic,
					"outcome", r->outcome, NULL),
			      1);
	bg_series_observe(bg_series(m->duration, "switch", sw->cfg->name, "outcome", r->outcome, NULL),
			  (double)(r->ended_us - r->started_us) / 1e6);
	if (gap && (r->kind == SW_KIND_SWITCH || r->kind == SW_KIND_ROLLBACK)) {
		bg_series_observe(bg_series(m->gap, "switch", sw->cfg->name, NULL),
				  (double)json_object_get_int64(gap) / 1e6);
		bg_series_observe(bg_series(m->worst, "switch", sw->cfg->name, NULL),
				  (double)json_object_get_int64(worst) / 1e6);
	}
}
