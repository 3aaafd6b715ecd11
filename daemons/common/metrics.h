/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus metrics (text format 0.0.4). Loop thread only. Names must pass `promtool check metrics`. */
#ifndef BG_COMMON_METRICS_H
#define BG_COMMON_METRICS_H

#include <stddef.h>

enum bg_metric_type { BG_COUNTER, BG_GAUGE, BG_HISTOGRAM };
struct bg_metrics;
struct bg_metric; /* a family */
struct bg_series; /* one label set of it */

struct bg_metrics *bg_metrics_new(void);
void bg_metrics_free(struct bg_metrics *m);
/* Find or make. Strings are copied. buckets: ascending, in seconds; NULL: 1 ms .. 10 s defaults. */
struct bg_metric *bg_metric(struct bg_metrics *m, enum bg_metric_type type, const char *name,
			    const char *help);
void bg_metric_buckets(struct bg_metric *f, const double *bounds, size_t n); /* before the first series */
/* Find or make the series with these labels: name, value, …, NULL. Values are escaped when rendered. */
struct bg_series *bg_series(struct bg_metric *f, ...) __attribute__((sentinel));
void bg_series_add(struct bg_series *s, double v);
void bg_series_set(struct bg_series *s, double v);
void bg_series_observe(struct bg_series *s, double v);
double bg_series_value(const struct bg_series *s);
void bg_metric_clear(struct bg_metric *f); /* drop all series (gauges by partition, rebuilt at scrape) */
/* Called before each rendering, to set gauges. */
void bg_metrics_on_scrape(struct bg_metrics *m, void (*fn)(void *arg), void *arg);
char *bg_metrics_render(struct bg_metrics *m); /* malloc'ed; families sorted by name */

#endif
