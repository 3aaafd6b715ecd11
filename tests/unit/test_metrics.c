/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "unit.h"

#include <math.h>
#include <sys/wait.h>

#include "common/mem.h"
#include "common/metrics.h"

static void test_text(void **state)
{
	struct bg_metrics *m = bg_metrics_new();
	struct bg_metric *c, *g;
	_cleanup_free_ char *text = NULL, *empty = bg_metrics_render(m);

	(void)state;
	assert_string_equal(empty, "");
	g = bg_metric(m, BG_GAUGE, "bg_test_lag", "How far behind.");
	c = bg_metric(m, BG_COUNTER, "bg_test_records_total", "Records \\ with\na line.");
	bg_metric(m, BG_GAUGE, "bg_test_unused", "Has no series, is not shown.");
	assert_ptr_equal(bg_metric(m, BG_GAUGE, "bg_test_lag", "again"), g);
	bg_series_add(bg_series(c, "topic", "b", NULL), 2);
	bg_series_add(bg_series(c, "topic", "a", NULL), 1);
	bg_series_add(bg_series(c, "topic", "a", NULL), 0.5);
	bg_series_set(bg_series(g, NULL), -3);
	text = bg_metrics_render(m);
	assert_string_equal(text, "# HELP bg_test_lag How far behind.\n"
				  "# TYPE bg_test_lag gauge\n"
				  "bg_test_lag -3\n"
				  "# HELP bg_test_records_total Records \\\\ with\\na line.\n"
				  "# TYPE bg_test_records_total counter\n"
				  "bg_test_records_total{topic=\"a\"} 1.5\n"
				  "bg_test_records_total{topic=\"b\"} 2\n");
	bg_metrics_free(m);
	bg_metrics_free(NULL);
}

static void test_labels(void **state)
{
	struct bg_metrics *m = bg_metrics_new();
	struct bg_metric *g = bg_metric(m, BG_GAUGE, "bg_test", "x");
	struct bg_series *s = bg_series(g, "b", "2", "a", "1", NULL);
	_cleanup_free_ char *text = NULL;

	(void)state;
	assert_ptr_equal(bg_series(g, "a", "1", "b", "2", NULL), s); /* one set, whatever the order */
	assert_ptr_not_equal(bg_series(g, "a", "1", NULL), s);
	bg_series_set(bg_series(g, "v", "q\" b\\ n\n \xff \xc3\xa4", NULL), 1);
	bg_series_set(bg_series(g, "v", NULL, NULL), 2);
	text = bg_metrics_render(m);
	assert_non_null(strstr(text, "bg_test{a=\"1\",b=\"2\"} 0\n"));
	assert_non_null(strstr(text, "bg_test{v=\"q\\\" b\\\\ n\\n \xef\xbf\xbd \xc3\xa4\"} 1\n"));
	bg_metrics_free(m);
}

static void test_values(void **state)
{
	static const struct {
		double v;
		const char *text;
	} rows[] = {
		{0, " 0\n"},
		{1e15, " 1e+15\n"},
		{123456789012345, " 123456789012345\n"},
		{0.1, " 0.1\n"},
		{9007199254740991.0, " 9007199254740991\n"},
		{1.0 / 3, " 0.33333333333333331\n"},
		{1e-9, " 1e-09\n"},
		{INFINITY, " +Inf\n"},
		{-INFINITY, " -Inf\n"},
		{NAN, " NaN\n"},
	};
	struct bg_metrics *m = bg_metrics_new();
	struct bg_series *s = bg_series(bg_metric(m, BG_GAUGE, "bg_test", "x"), NULL);

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = NULL;

		bg_series_set(s, rows[i].v);
		assert_true(isnan(rows[i].v) || bg_series_value(s) == rows[i].v);
		text = bg_metrics_render(m);
		assert_string_equal(strstr(text, "\nbg_test ") + strlen("\nbg_test"), rows[i].text);
	}
	bg_metrics_free(m);
}

static void test_histogram(void **state)
{
	static const double bounds[] = {0.1, 1};
	struct bg_metrics *m = bg_metrics_new();
	struct bg_metric *h = bg_metric(m, BG_HISTOGRAM, "bg_test_seconds", "x");
	_cleanup_free_ char *text = NULL;
	struct bg_series *s;

	(void)state;
	bg_metric_buckets(h, bounds, 2);
	s = bg_series(h, "op", "pause", NULL);
	bg_series_observe(s, 0.1); /* on the bound: in it */
	bg_series_observe(s, 0.05);
	bg_series_observe(s, 0.5);
	bg_series_observe(s, 7);
	bg_series_observe(s, NAN); /* would spoil the sum for ever */
	text = bg_metrics_render(m);
	assert_string_equal(strstr(text, "bg_test_seconds_bucket"),
			    "bg_test_seconds_bucket{op=\"pause\",le=\"0.1\"} 2\n"
			    "bg_test_seconds_bucket{op=\"pause\",le=\"1\"} 3\n"
			    "bg_test_seconds_bucket{op=\"pause\",le=\"+Inf\"} 4\n"
			    "bg_test_seconds_sum{op=\"pause\"} 7.65\n"
			    "bg_test_seconds_count{op=\"pause\"} 4\n");
	bg_metrics_free(m);
}

static void test_clear(void **state)
{
	struct bg_metrics *m = bg_metrics_new();
	struct bg_metric *g = bg_metric(m, BG_GAUGE, "bg_test", "x");
	_cleanup_free_ char *text = NULL;

	(void)state;
	for (int round = 0; round < 3; round++) {
		bg_metric_clear(g);
		for (int i = 0; i < 2000; i++) {
			char p[16];

			snprintf(p, sizeof(p), "%d", i);
			bg_series_set(bg_series(g, "partition", p, NULL), i);
		}
	}
	bg_metric_clear(g);
	bg_series_set(bg_series(g, "partition", "7", NULL), 1);
	text = bg_metrics_render(m);
	assert_string_equal(strstr(text, "bg_test{"), "bg_test{partition=\"7\"} 1\n");
	bg_metrics_free(m);
}

static void hook(void *arg)
{
	bg_series_add(arg, 1);
}

static void test_hooks(void **state)
{
	struct bg_metrics *m = bg_metrics_new();
	struct bg_series *s = bg_series(bg_metric(m, BG_GAUGE, "bg_test", "x"), NULL);
	_cleanup_free_ char *one = NULL, *two = NULL;

	(void)state;
	bg_metrics_on_scrape(m, hook, s);
	bg_metrics_on_scrape(m, hook, s);
	one = bg_metrics_render(m);
	two = bg_metrics_render(m);
	assert_non_null(strstr(one, "\nbg_test 2\n"));
	assert_non_null(strstr(two, "\nbg_test 4\n"));
	bg_metrics_free(m);
}

/* promtool is the judge of the format. Its absence is a failure: a test that is skipped shows nothing. */
static int promtool(const char *text, char *said, size_t size)
{
	char path[] = "/tmp/bg-unit-metrics-XXXXXX", cmd[128];
	int fd = mkstemp(path), status;
	size_t n;
	FILE *p;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	snprintf(cmd, sizeof(cmd), "promtool check metrics < %s 2>&1", path);
	p = popen(cmd, "re");
	assert_non_null(p);
	n = fread(said, 1, size - 1, p);
	said[n] = '\0';
	status = pclose(p);
	unlink(path);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_promtool(void **state)
{
	struct bg_metrics *m = bg_metrics_new();
	struct bg_metric *c = bg_metric(m, BG_COUNTER, "bg_test_records_total", "Records \\ and\nlines."), *h,
			 *g;
	_cleanup_free_ char *text = NULL;
	char said[4096];

	(void)state;
	bg_series_add(bg_series(c, "topic", "a \"b\"\\\n\xff\xc3\xa4", "partition", "0", NULL), 1e20);
	bg_series_add(bg_series(c, "topic", "", "partition", "0", NULL), 0);
	h = bg_metric(m, BG_HISTOGRAM, "bg_test_duration_seconds", "How long.");
	bg_series_observe(bg_series(h, "op", "pause", NULL), 0.0031);
	bg_series_observe(bg_series(h, "op", "resume", NULL), 1e9);
	bg_series_observe(bg_series(h, NULL), 0);
	g = bg_metric(m, BG_GAUGE, "bg_test_lag_records", "Lag.");
	bg_series_set(bg_series(g, "x", "nan", NULL), NAN);
	bg_series_set(bg_series(g, "x", "inf", NULL), INFINITY);
	bg_series_set(bg_series(g, "x", "-inf", NULL), -INFINITY);
	text = bg_metrics_render(m);
	if (promtool(text, said, sizeof(said)) != 0)
		fail_msg("promtool: %s\n%s", said, text);
	assert_string_equal(said, "");
	/* and it is able to object */
	assert_int_not_equal(promtool("bg_test{a=\"} 1\n", said, sizeof(said)), 0);
	bg_metrics_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),     cmocka_unit_test(test_labels),
		cmocka_unit_test(test_values),   cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_clear),    cmocka_unit_test(test_hooks),
		cmocka_unit_test(test_promtool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
