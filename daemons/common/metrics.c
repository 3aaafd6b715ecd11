/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "common/metrics.h"

#include <assert.h>
#include <math.h>
#include <search.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"

#define LABELS_MAX 16

struct bg_series {
	char *labels; /* `a="x",b="y"`, as rendered; the key of the tree */
	const struct bg_metric *family;
	double value;     /* histogram: the sum */
	uint64_t count;   /* of observations */
	uint64_t *bucket; /* not cumulative */
};

struct bg_metric {
	enum bg_metric_type type;
	char *name, *help;
	double *bounds;
	size_t nbounds;
	void *tree; /* tsearch by labels: families by partition have thousands of series */
	size_t nseries;
};

struct hook {
	void (*fn)(void *arg);
	void *arg;
};

struct bg_metrics {
	struct bg_metric **v; /* sorted by name */
	size_t n, cap;
	struct hook *hooks;
	size_t nhooks, hooks_cap;
};

static const double default_bounds[] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10};

struct bg_metrics *bg_metrics_new(void)
{
	return bg_xcalloc(1, sizeof(struct bg_metrics));
}

static void series_free(void *p)
{
	struct bg_series *s = p;

	free(s->labels);
	free(s->bucket);
	free(s);
}

void bg_metric_clear(struct bg_metric *f)
{
	tdestroy(f->tree, series_free);
	f->tree = NULL;
	f->nseries = 0;
}

void bg_metrics_free(struct bg_metrics *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++) {
		struct bg_metric *f = m->v[i];

		bg_metric_clear(f);
		free(f->name);
		free(f->help);
		free(f->bounds);
		free(f);
	}
	free(m->v);
	free(m->hooks);
	free(m);
}

/* Names are ours, not input: a bad one is a bug. */
static bool name_ok(const char *s)
{
	return *s && !(*s >= '0' && *s <= '9') &&
	       !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:")];
}

struct bg_metric *bg_metric(struct bg_metrics *m, enum bg_metric_type type, const char *name,
			    const char *help)
{
	struct bg_metric *f;
	size_t i = 0;

	assert(name_ok(name));
	while (i < m->n && strcmp(m->v[i]->name, name) < 0)
		i++;
	if (i < m->n && !strcmp(m->v[i]->name, name)) {
		assert(m->v[i]->type == type);
		return m->v[i];
	}
	f = bg_xcalloc(1, sizeof(*f));
	f->type = type;
	f->name = bg_xstrdup(name);
	f->help = bg_xstrdup(help);
	if (type == BG_HISTOGRAM)
		bg_metric_buckets(f, NULL, 0);
	m->v = bg_xgrow(m->v, &m->cap, m->n + 1, sizeof(m->v[0]));
	memmove(&m->v[i + 1], &m->v[i], (m->n - i) * sizeof(m->v[0]));
	m->n++;
	m->v[i] = f;
	return f;
}

void bg_metric_buckets(struct bg_metric *f, const double *bounds, size_t n)
{
	assert(f->type == BG_HISTOGRAM && f->nseries == 0);
	if (!bounds) {
		bounds = default_bounds;
		n = BG_ARRAY_SIZE(default_bounds);
	}
	for (size_t i = 1; i < n; i++)
		assert(bounds[i - 1] < bounds[i]);
	free(f->bounds);
	f->bounds = bg_xcalloc(n, sizeof(f->bounds[0]));
	memcpy(f->bounds, bounds, n * sizeof(f->bounds[0]));
	f->nbounds = n;
}

/* The text format is UTF-8, or Prometheus takes nothing of the page: other bytes become U+FFFD. */
static void add_escaped(struct bg_buf *b, const char *s, bool quotes)
{
	while (*s) {
		size_t n = bg_utf8_len(s);

		if (n == 0)
			bg_buf_puts(b, "\xef\xbf\xbd");
		else if (*s == '\\')
			bg_buf_puts(b, "\\\\");
		else if (*s == '\n')
			bg_buf_puts(b, "\\n");
		else if (*s == '"' && quotes)
			bg_buf_puts(b, "\\\"");
		else
			bg_buf_add(b, s, n);
		s += n ? n : 1;
	}
}

struct pair {
	const char *name, *value;
};

/* Sorted by name: the same set in another order is the same series. */
static char *format_labels(va_list ap)
{
	struct pair pairs[LABELS_MAX];
	struct bg_buf b = {0};
	const char *name;
	size_t n = 0;

	while ((name = va_arg(ap, const char *))) {
		const char *value = va_arg(ap, const char *);
		size_t i = n;

		assert(n < LABELS_MAX && name_ok(name));
		for (; i > 0 && strcmp(pairs[i - 1].name, name) > 0; i--)
			pairs[i] = pairs[i - 1];
		pairs[i] = (struct pair){name, value ? value : ""};
		n++;
	}
	bg_buf_puts(&b, "");
	for (size_t i = 0; i < n; i++) {
		bg_buf_printf(&b, "%s%s=\"", i ? "," : "", pairs[i].name);
		add_escaped(&b, pairs[i].value, true);
		bg_buf_puts(&b, "\"");
	}
	return b.s;
}

static int compare_series(const void *a, const void *b)
{
	return strcmp(((const struct bg_series *)a)->labels, ((const struct bg_series *)b)->labels);
}

struct bg_series *bg_series(struct bg_metric *f, ...)
{
	struct bg_series key = {0}, *s, **node;
	va_list ap;

	va_start(ap, f);
	key.labels = format_labels(ap);
	va_end(ap);
	node = tfind(&key, &f->tree, compare_series);
	if (node) {
		free(key.labels);
		return *node;
	}
	s = bg_xcalloc(1, sizeof(*s));
	s->labels = key.labels;
	s->family = f;
	if (f->type == BG_HISTOGRAM)
		s->bucket = bg_xcalloc(f->nbounds + 1, sizeof(s->bucket[0]));
	if (!tsearch(s, &f->tree, compare_series))
		bg_fatal("remember a metric");
	f->nseries++;
	return s;
}

void bg_series_add(struct bg_series *s, double v)
{
	/* A counter that goes down is taken for a restart by everyone who reads it. */
	assert(s->family->type != BG_HISTOGRAM && (s->family->type != BG_COUNTER || v >= 0));
	s->value += v;
}

void bg_series_set(struct bg_series *s, double v)
{
	assert(s->family->type != BG_HISTOGRAM);
	s->value = v;
}

void bg_series_observe(struct bg_series *s, double v)
{
	size_t i = 0;

	assert(s->family->type == BG_HISTOGRAM);
	if (isnan(v))
		return;
	while (i < s->family->nbounds && v > s->family->bounds[i])
		i++;
	s->bucket[i]++;
	s->count++;
	s->value += v;
}

double bg_series_value(const struct bg_series *s)
{
	return s->value;
}

void bg_metrics_on_scrape(struct bg_metrics *m, void (*fn)(void *arg), void *arg)
{
	m->hooks = bg_xgrow(m->hooks, &m->hooks_cap, m->nhooks + 1, sizeof(m->hooks[0]));
	m->hooks[m->nhooks++] = (struct hook){fn, arg};
}

/* The shortest text that reads back as the same number. */
static void format_value(char *buf, size_t size, double v)
{
	if (isnan(v)) {
		snprintf(buf, size, "NaN");
	} else if (isinf(v)) {
		snprintf(buf, size, v > 0 ? "+Inf" : "-Inf");
	} else {
		snprintf(buf, size, "%.15g", v);
		if (strtod(buf, NULL) != v)
			snprintf(buf, size, "%.17g", v);
	}
}

static void add_sample(struct bg_buf *b, const struct bg_series *s, const char *suffix, const char *le,
		       const char *value)
{
	const char *comma = *s->labels && le ? "," : "";

	bg_buf_puts(b, s->family->name);
	bg_buf_puts(b, suffix);
	if (*s->labels || le) {
		bg_buf_printf(b, "{%s%s", s->labels, comma);
		if (le)
			bg_buf_printf(b, "le=\"%s\"", le);
		bg_buf_puts(b, "}");
	}
	bg_buf_printf(b, " %s\n", value);
}

static void render_histogram(struct bg_buf *b, const struct bg_series *s)
{
	const struct bg_metric *f = s->family;
	char le[40], value[40];
	uint64_t below = 0;

	for (size_t i = 0; i <= f->nbounds; i++) {
		below += s->bucket[i];
		format_value(le, sizeof(le), i < f->nbounds ? f->bounds[i] : (double)INFINITY);
		snprintf(value, sizeof(value), "%llu", (unsigned long long)below);
		add_sample(b, s, "_bucket", le, value);
	}
	format_value(value, sizeof(value), s->value);
	add_sample(b, s, "_sum", NULL, value);
	snprintf(value, sizeof(value), "%llu", (unsigned long long)s->count);
	add_sample(b, s, "_count", NULL, value);
}

static void render_series(const void *node, VISIT which, void *closure)
{
	const struct bg_series *s = *(struct bg_series *const *)node;
	char value[40];

	if (which != postorder && which != leaf)
		return;
	if (s->family->type == BG_HISTOGRAM) {
		render_histogram(closure, s);
	} else {
		format_value(value, sizeof(value), s->value);
		add_sample(closure, s, "", NULL, value);
	}
}

char *bg_metrics_render(struct bg_metrics *m)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	struct bg_buf b = {0};

	for (size_t i = 0; i < m->nhooks; i++)
		m->hooks[i].fn(m->hooks[i].arg);
	bg_buf_puts(&b, "");
	for (size_t i = 0; i < m->n; i++) {
		struct bg_metric *f = m->v[i];

		if (!f->nseries)
			continue;
		bg_buf_printf(&b, "# HELP %s ", f->name);
		add_escaped(&b, f->help, false);
		bg_buf_printf(&b, "\n# TYPE %s %s\n", f->name, types[f->type]);
		twalk_r(f->tree, render_series, &b);
	}
	return b.s;
}
