/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/meters.h"

#include <stdio.h>

#include "common/mem.h"
#include "consumerd/commit.h"
#include "consumerd/mirror.h"
#include "consumerd/source.h"

struct con_meters {
	struct bg_series *records, *bytes, *errors, *skipped, *repeats, *in_flight, *epoch, *active_color,
		*latency, *connected, *commit, *mirrored, *last_mirror, *deleted;
	struct bg_metric *state, *version, *lag, *position, *committed;
	struct bg_series *lag_sum;
	struct bg_series *joins, *lost, *warm, *members; /* takeover; else NULL */
	int64_t last_us;
	uint64_t last_records, last_bytes;
	double records_per_s, bytes_per_s, handler_us;
	int64_t lat_sum, lat_n;
};

static void scrape_parts(struct con *c)
{
	struct con_meters *m = c->meters;
	double sum = 0;

	bg_metric_clear(m->lag);
	bg_metric_clear(m->position);
	bg_metric_clear(m->committed);
	for (size_t i = 0; i < c->parts.n; i++) {
		const struct con_part *p = c->parts.v[i];
		const struct bg_off *r = bg_offs_find(&c->ranges, p->topic, p->partition);
		int64_t reached = con_part_reached(p);
		double lag = r && reached >= 0 && r->floor > reached ? (double)(r->floor - reached) : 0;
		char part[16];

		if (!p->assigned)
			continue;
		snprintf(part, sizeof part, "%d", p->partition);
		bg_series_set(bg_series(m->lag, "consumergroup", c->cfg.group, "topic", p->topic, "partition",
					part, NULL),
			      lag);
		bg_series_set(bg_series(m->position, "topic", p->topic, "partition", part, NULL),
			      (double)p->position);
		bg_series_set(bg_series(m->committed, "topic", p->topic, "partition", part, NULL),
			      (double)(con_part_mirror_leads(p) ? p->mirrored : p->committed));
		sum += lag;
	}
	bg_series_set(m->lag_sum, sum);
}

static void scrape_seats(struct con *c)
{
	struct con_meters *m = c->meters;

	bg_series_add(m->joins, (double)c->joins - bg_series_value(m->joins));
	bg_series_add(m->lost, (double)c->identities_lost - bg_series_value(m->lost));
	bg_series_set(m->warm, c->source && con_source_warm(c));
	bg_series_set(m->members, (double)con_source_members(c));
}

static void on_scrape(void *arg)
{
	struct con *c = arg;
	struct con_meters *m = c->meters;

	bg_series_add(m->records, (double)c->records_total - bg_series_value(m->records));
	bg_series_add(m->bytes, (double)c->bytes_total - bg_series_value(m->bytes));
	bg_series_add(m->errors, (double)c->errors_total - bg_series_value(m->errors));
	bg_series_add(m->mirrored, (double)con_mirror_total(c) - bg_series_value(m->mirrored));
	bg_series_set(m->last_mirror, (double)con_mirror_last_real_us(c) / 1e6);
	bg_series_add(m->deleted, (double)c->lost_total - bg_series_value(m->deleted));
	bg_series_set(m->in_flight, c->parts.in_flight);
	bg_series_set(m->epoch, (double)con_epochs_highest(&c->ep));
	bg_series_set(m->connected, c->connected);
	bg_series_set(m->active_color, c->state == CON_ACTIVE);
	bg_series_set(m->commit, (double)con_commit_last_us(c) / 1e6);
	for (int s = 0; s < CON_STATES; s++)
		bg_series_set(bg_series(m->state, "switch", c->cfg.sw, "color", bg_color_name(c->cfg.color),
					"instance", c->cfg.instance, "state",
					con_state_name((enum con_state)s), NULL),
			      c->state == (enum con_state)s);
	scrape_parts(c);
	if (m->joins)
		scrape_seats(c);
}

static struct bg_metric *gauge(struct con *c, const char *name, const char *help)
{
	return bg_metric(c->metrics, BG_GAUGE, name, help);
}

static struct bg_series *labelled(struct con *c, struct bg_metric *f)
{
	return bg_series(f, "switch", c->cfg.sw, "color", bg_color_name(c->cfg.color), "instance",
			 c->cfg.instance, NULL);
}

static struct bg_series *counter(struct con *c, const char *name, const char *help)
{
	return labelled(c, bg_metric(c->metrics, BG_COUNTER, name, help));
}

static void init_seats(struct con *c)
{
	struct con_meters *m = c->meters;

	m->joins = counter(c, "bg_consumer_joins_total",
			   "Joins of the group with a static id, one for each ordinal.");
	m->lost = counter(c, "bg_consumer_identities_lost_total",
			  "Static ids that another member took: the other colour at a switch, or a fencing.");
	m->warm = labelled(c, gauge(c, "bg_consumer_spare_warm", "1 while every spare handle is warm."));
	m->members = labelled(c, gauge(c, "bg_consumer_members", "Ordinals that are members of the group."));
}

void con_meters_init(struct con *c)
{
	struct con_meters *m = bg_xcalloc(1, sizeof *m);

	c->meters = m;
	c->metrics = bg_metrics_new();
	m->records = counter(c, "bg_consumer_records_total", "Records that the handler acknowledged.");
	m->bytes = counter(c, "bg_consumer_bytes_total", "Bytes of keys and values of acknowledged records.");
	m->errors = counter(c, "kafka_consumer_errors_total", "Errors of the handler.");
	m->skipped = counter(c, "bg_consumer_records_skipped_total",
			     "Records that were not processed, by policy.");
	m->repeats = counter(c, "bg_consumer_records_repeated_total",
			     "Records that were done and come again, because one before them was let go.");
	m->in_flight = labelled(c, gauge(c, "bg_consumer_in_flight_records", "Records in the handler."));
	m->epoch = labelled(c, gauge(c, "bg_consumer_epoch", "The highest epoch this instance knows."));
	m->connected = labelled(c, gauge(c, "bg_consumer_connected", "1 while a broker answers."));
	m->active_color =
		labelled(c, gauge(c, "kafka_consumer_active_color", "1 while this instance is ACTIVE."));
	m->commit =
		labelled(c, gauge(c, "bg_consumer_last_commit_seconds", "Round trip of the last commit."));
	m->deleted = bg_series(bg_metric(c->metrics, BG_COUNTER, "bg_consumer_records_lost_total",
					 "Offsets that the log deleted before they were processed."),
			       "switch", c->cfg.sw, "color", bg_color_name(c->cfg.color), "instance",
			       c->cfg.instance, "reason", "retention", NULL);
	m->mirrored = counter(
		c, "bg_consumer_mirrored_commits_total",
		"Commits of the other colour's group that were mirrored into the own one while PAUSED, one for each partition.");
	m->last_mirror = labelled(c, gauge(c, "bg_consumer_last_mirror_timestamp_seconds",
					   "When commits were last mirrored, seconds since 1970; 0: never."));
	m->latency = labelled(c, bg_metric(c->metrics, BG_HISTOGRAM, "bg_consumer_handler_seconds",
					   "Time a record spends in the handler."));
	m->state = gauge(c, "kafka_consumer_lifecycle_state", "1 for the present state.");
	m->lag =
		gauge(c, "kafka_consumergroup_lag", "Records behind the end of the log, of partitions held.");
	m->lag_sum = bg_series(gauge(c, "kafka_consumer_lag_sum", "Sum of the lag of the partitions held."),
			       "switch", c->cfg.sw, "color", bg_color_name(c->cfg.color), "instance",
			       c->cfg.instance, NULL);
	m->position = gauge(c, "bg_consumer_position_offset", "Next offset to be handed out.");
	m->committed = gauge(c, "bg_consumer_committed_offset", "Committed offset.");
	if (c->cfg.mode == CON_TAKEOVER)
		init_seats(c);
	m->last_us = bg_now_us();
	bg_metrics_on_scrape(c->metrics, on_scrape, c);
}

void con_meters_free(struct con *c)
{
	bg_metrics_free(c->metrics);
	free(c->meters);
	c->metrics = NULL;
	c->meters = NULL;
}

void con_meters_repeats(struct con *c, size_t n)
{
	bg_series_add(c->meters->repeats, (double)n);
}

void con_meters_latency(struct con *c, int64_t us)
{
	c->meters->lat_sum += us;
	c->meters->lat_n++;
	bg_series_observe(c->meters->latency, (double)us / 1e6);
}

void con_meters_tick(struct con *c)
{
	struct con_meters *m = c->meters;
	int64_t now = bg_now_us();
	double s = (double)(now - m->last_us) / 1e6;

	if (s <= 0)
		return;
	m->records_per_s = (double)(c->records_total - m->last_records) / s;
	m->bytes_per_s = (double)(c->bytes_total - m->last_bytes) / s;
	m->handler_us = m->lat_n ? (double)m->lat_sum / (double)m->lat_n : 0;
	m->last_us = now;
	m->last_records = c->records_total;
	m->last_bytes = c->bytes_total;
	m->lat_sum = m->lat_n = 0;
}

void con_meters_rates(struct con *c, struct json_object *o)
{
	bg_json_add(o, "records_per_s", json_object_new_double(c->meters->records_per_s));
	bg_json_add(o, "bytes_per_s", json_object_new_double(c->meters->bytes_per_s));
	bg_json_add_int(o, "handler_us", (int64_t)c->meters->handler_us);
}
