/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/cfg.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/kafka.h"
#include "common/token.h"

#define SEC INT64_C(1000000)

const struct bg_conf_key sw_conf_table[] = {
	{"store", "type", BG_CONF_ENUM, "file", 0, 0, "file", 0, "where the record of truth lies"},
	{"store", "dir", BG_CONF_STRING, BG_STATEDIR "/switchd", 0, 0, NULL, 0,
	 "folder of the file store: NAME/record.json, NAME/snapshots/EPOCH.json, NAME/history.jsonl"},
	{"http", "listen", BG_CONF_STRING, "127.0.0.1:8084", 0, 0, NULL, 0,
	 "address and port of the interface; none: only the socket"},
	{"control", "socket", BG_CONF_STRING, BG_RUNDIR "/switchd.sock", 0, 0, NULL, 0,
	 "Unix socket that speaks the same HTTP; none: only TCP"},
	{"kafka", "*", BG_CONF_PASS, NULL, 0, 0, NULL, 0,
	 "properties of librdkafka; bootstrap.servers at least"},
	{"switch:*", "strategy", BG_CONF_ENUM, "D", 0, 0, "A|B|C|D|E", 0, "how the colours take turns"},
	{"switch:*", "handover", BG_CONF_ENUM, "committed", 0, 0, "committed|eager", BG_CONF_RELOAD,
	 "eager: the pause does not wait until the commit is acknowledged"},
	{"switch:*", "topics", BG_CONF_LIST, NULL, 0, 0, NULL, BG_CONF_REQUIRED,
	 "a topic that is handed over; repeat the key"},
	{"switch:*", "group", BG_CONF_STRING, NULL, 0, 0, NULL, 0, "group.id that both colours share (C)"},
	{"switch:*", "blue-group", BG_CONF_STRING, NULL, 0, 0, NULL, 0, "group.id of blue (D)"},
	{"switch:*", "green-group", BG_CONF_STRING, NULL, 0, 0, NULL, 0, "group.id of green (D)"},
	{"switch:*", "blue-endpoint", BG_CONF_LIST, NULL, 0, 0, NULL, BG_CONF_REQUIRED,
	 "an instance of blue, http://H:P or unix:/path; repeat the key"},
	{"switch:*", "green-endpoint", BG_CONF_LIST, NULL, 0, 0, NULL, BG_CONF_REQUIRED,
	 "an instance of green; repeat the key"},
	{"switch:*", "token-file", BG_CONF_STRING, NULL, 0, 0, NULL, BG_CONF_RELOAD,
	 "file whose first line is the token of the instances"},
	{"switch:*", "drain-timeout", BG_CONF_DURATION, "10 s", 1000, 60 * SEC, NULL, BG_CONF_RELOAD,
	 "how long a pause may take until the switch is aborted"},
	{"switch:*", "resume-timeout", BG_CONF_DURATION, "5 s", 1000, 60 * SEC, NULL, BG_CONF_RELOAD,
	 "how long a resume may take until the switch goes back"},
	{"switch:*", "prepare-timeout", BG_CONF_DURATION, "2 s", 1000, 60 * SEC, NULL, BG_CONF_RELOAD,
	 "how long preflight, prepare and reading offsets may take, each"},
	{"switch:*", "soak", BG_CONF_DURATION, "60 s", 0, 24 * 3600 * SEC, NULL, BG_CONF_RELOAD,
	 "how long the new colour is watched"},
	{"switch:*", "auto-rollback", BG_CONF_BOOL, "yes", 0, 0, NULL, BG_CONF_RELOAD,
	 "go back by itself when the new colour is not well while it soaks; no: only say so"},
	{"switch:*", "soak-gone", BG_CONF_DURATION, "30 s", 0, 24 * 3600 * SEC, NULL, BG_CONF_RELOAD,
	 "not well: an instance is not at work for so long, or started anew three times within twice that; 0 s: not judged"},
	{"switch:*", "soak-no-progress", BG_CONF_DURATION, "30 s", 0, 24 * 3600 * SEC, NULL, BG_CONF_RELOAD,
	 "not well: records wait at an instance, and it has done none for so long; longer than the slowest record; 0 s: not judged"},
	{"switch:*", "soak-max-error-rate", BG_CONF_DOUBLE, "10", 0, 100, NULL, BG_CONF_RELOAD,
	 "not well: more records fail, percent, and more than before the switch; 0: not judged"},
	{"switch:*", "soak-max-lag", BG_CONF_INT, "0", 0, 1000000000000, NULL, BG_CONF_RELOAD,
	 "not well: it lags by more records than this and than before the switch, and the lag does not fall; 0: not judged"},
	{"switch:*", "soak-lag-growing", BG_CONF_DURATION, "30 s", 0, 24 * 3600 * SEC, NULL, BG_CONF_RELOAD,
	 "not well: the lag grows for so long, with less done a second than before the switch; 0 s: not judged"},
	{"switch:*", "rollback-window", BG_CONF_DURATION, "1 h", 0, 365 * 24 * 3600 * SEC, NULL,
	 BG_CONF_RELOAD, "how long after a switch a rollback is allowed"},
	{"switch:*", "initial-offset", BG_CONF_ENUM, "fail", 0, 0, "fail|earliest|latest", BG_CONF_RELOAD,
	 "where a partition starts that nobody has an offset of; fail: only those newer than the last switch start, at their earliest"},
	{"switch:*", "max-lag", BG_CONF_INT, "0", 0, 1000000000000, NULL, BG_CONF_RELOAD,
	 "no-go when the active colour lags by more records; 0: no limit"},
	{"switch:*", "max-error-rate", BG_CONF_DOUBLE, "1", 0, 100, NULL, BG_CONF_RELOAD,
	 "no-go when the active colour fails at more records, percent"},
	{"switch:*", "on-unresponsive", BG_CONF_ENUM, "abort", 0, 0, "abort|fence", 0,
	 "what happens when an instance of the active colour cannot be paused: the switch is aborted, or (C) the broker is made to refuse it"},
	{"switch:*", "fence-grace", BG_CONF_DURATION, NULL, 0, 60 * SEC, NULL, BG_CONF_RELOAD,
	 "how long a fenced instance is given to notice it, at its next heartbeat; unset: the instances' heartbeat interval and 500 ms; 0 ms: a shorter gap, and more repeats"},
	{"switch:*", "reconcile-interval", BG_CONF_DURATION, "5 s", 100000, 60 * SEC, NULL, BG_CONF_RELOAD,
	 "how often the instances are compared with the record"},
	{"switch:*", "freeze", BG_CONF_LIST, NULL, 0, 0, NULL, BG_CONF_RELOAD,
	 "a window in which no switch begins, Mon-Fri 09:00-17:00 or 2026-12-20 00:00 - 2027-01-02 08:00; repeat the key"},
	{"switch:*", "freeze-zone", BG_CONF_STRING, "local", 0, 0, NULL, BG_CONF_RELOAD,
	 "time zone of the freeze windows, as Europe/Berlin; local: the machine's"},
	{"switch:*", "schedule-late", BG_CONF_DURATION, "5 min", SEC, 24 * 3600 * SEC, NULL, BG_CONF_RELOAD,
	 "how late a scheduled switch may begin; later than that it is dropped"},
	{NULL, NULL, BG_CONF_STRING, NULL, 0, 0, NULL, 0, NULL},
};

const struct bg_conf_key *const sw_conf_tables[] = {sw_conf_table, bg_conf_common_table, NULL};

bool sw_endpoint_valid(const char *url)
{
	const char *host = NULL;

	if (strncmp(url, "unix:", 5) == 0)
		return url[5] == '/' && strlen(url + 5) < 108;
	if (strncmp(url, "http://", 7) == 0)
		host = url + 7;
	else if (strncmp(url, "https://", 8) == 0)
		host = url + 8;
	return host && *host && *host != ':' && !strpbrk(host, "/ ?#@\t") && strlen(url) < 256;
}

static void check_endpoints(const struct bg_conf *c, const char *sec, const char *key, struct bg_buf *errs)
{
	for (size_t i = 0; i < bg_conf_list_len(c, sec, key); i++) {
		const char *url = bg_conf_list_at(c, sec, key, i);

		if (!sw_endpoint_valid(url))
			bg_buf_printf(
				errs,
				"%s: `%s` is no endpoint; expected http://HOST:PORT, https://HOST:PORT or unix:/path\n",
				bg_conf_where(c, sec, key), url);
		for (size_t j = 0; j < i; j++)
			if (strcmp(url, bg_conf_list_at(c, sec, key, j)) == 0)
				bg_buf_printf(errs, "%s: `%s` is there twice\n", bg_conf_where(c, sec, key),
					      url);
		if (strcmp(key, "green-endpoint") != 0)
			continue;
		for (size_t j = 0; j < bg_conf_list_len(c, sec, "blue-endpoint"); j++)
			if (strcmp(url, bg_conf_list_at(c, sec, "blue-endpoint", j)) == 0)
				bg_buf_printf(errs, "%s: `%s` is an endpoint of blue too\n",
					      bg_conf_where(c, sec, key), url);
	}
}

static void check_token(const struct bg_conf *c, const char *sec, struct bg_buf *errs)
{
	const char *file = bg_conf_str(c, sec, "token-file");
	_cleanup_free_ char *token = NULL;
	struct bg_err err = BG_ERR_INIT;

	if (file && *file && bg_token_read(file, &token, &err) < 0)
		bg_buf_printf(errs, "%s: %s\n", bg_conf_where(c, sec, "token-file"), err.msg);
}

const char *sw_cfg_group(const struct bg_conf *conf, const char *section, enum bg_color c)
{
	const char *own = bg_conf_str(conf, section, c == BG_BLUE ? "blue-group" : "green-group");

	return own ? own : bg_conf_str(conf, section, "group");
}

static void check_own_groups(const struct bg_conf *c, const char *sec, const char *strategy,
			     struct bg_buf *errs)
{
	const char *blue = bg_conf_str(c, sec, "blue-group"), *green = bg_conf_str(c, sec, "green-group");

	if (bg_conf_str(c, sec, "group"))
		bg_buf_printf(
			errs,
			"%s: strategy %s needs two groups; expected blue-group and green-group instead\n",
			bg_conf_where(c, sec, "group"), strategy);
	if (!blue)
		bg_buf_printf(errs, "%s: is missing; expected the group.id of blue\n",
			      bg_conf_where(c, sec, "blue-group"));
	if (!green)
		bg_buf_printf(errs, "%s: is missing; expected the group.id of green\n",
			      bg_conf_where(c, sec, "green-group"));
	if (blue && green && strcmp(blue, green) == 0)
		bg_buf_printf(errs, "%s: strategy %s needs two groups, `%s` is blue-group too\n",
			      bg_conf_where(c, sec, "green-group"), strategy, green);
}

static void check_shared_group(const struct bg_conf *c, const char *sec, const char *strategy,
			       struct bg_buf *errs)
{
	static const char *const keys[] = {"blue-group", "green-group"};
	const char *group = bg_conf_str(c, sec, "group"), *blue = sw_cfg_group(c, sec, BG_BLUE);

	for (size_t i = 0; i < BG_ARRAY_SIZE(keys); i++) {
		const char *own = bg_conf_str(c, sec, keys[i]), *other = group ? group : blue;

		if (own && other && strcmp(own, other) != 0)
			bg_buf_printf(
				errs,
				"%s: strategy %s has one group for both colours, not `%s` and `%s`; expected `group` alone\n",
				bg_conf_where(c, sec, keys[i]), strategy, other, own);
	}
	if (!blue || !sw_cfg_group(c, sec, BG_GREEN))
		bg_buf_printf(errs, "%s: is missing; expected the group.id that both colours share\n",
			      bg_conf_where(c, sec, "group"));
}

static void check_freeze(const struct bg_conf *c, const char *sec, struct bg_buf *errs)
{
	struct bg_err err = BG_ERR_INIT;
	struct sw_window w;

	for (size_t i = 0; i < bg_conf_list_len(c, sec, "freeze"); i++)
		if (sw_window_parse(bg_conf_list_at(c, sec, "freeze", i), &w, &err) < 0)
			bg_buf_printf(errs, "%s: %s\n", bg_conf_where_at(c, sec, "freeze", i), err.msg);
	if (sw_zone_check(bg_conf_str(c, sec, "freeze-zone"), &err) < 0)
		bg_buf_printf(errs, "%s: %s\n", bg_conf_where(c, sec, "freeze-zone"), err.msg);
}

static void check_switch(const struct bg_conf *c, const char *name, struct bg_buf *errs)
{
	const struct sw_plan *plan = NULL;
	struct bg_err err = BG_ERR_INIT;
	_cleanup_free_ char *sec = bg_xasprintf("switch:%s", name);

	if (sw_plan_find(bg_conf_str(c, sec, "strategy"), &plan, &err) < 0)
		bg_buf_printf(errs, "%s: %s\n", bg_conf_where(c, sec, "strategy"), err.msg);
	if (plan && plan->groups != SW_GROUPS_SHARED &&
	    strcmp(bg_conf_str(c, sec, "on-unresponsive"), "fence") == 0)
		bg_buf_printf(
			errs,
			"%s: fence needs strategy C, whose colours have the same static ids: with a group for each colour nothing at the broker would refuse the old one's handler; allowed is abort\n",
			bg_conf_where(c, sec, "on-unresponsive"));
	if (plan && plan->groups == SW_GROUPS_SHARED)
		check_shared_group(c, sec, plan->name, errs);
	else if (plan)
		check_own_groups(c, sec, plan->name, errs);
	check_endpoints(c, sec, "blue-endpoint", errs);
	check_endpoints(c, sec, "green-endpoint", errs);
	for (size_t i = 0; i < bg_conf_list_len(c, sec, "topics"); i++)
		for (size_t j = 0; j < i; j++)
			if (strcmp(bg_conf_list_at(c, sec, "topics", i),
				   bg_conf_list_at(c, sec, "topics", j)) == 0)
				bg_buf_printf(errs, "%s: `%s` is there twice\n",
					      bg_conf_where(c, sec, "topics"),
					      bg_conf_list_at(c, sec, "topics", i));
	check_token(c, sec, errs);
	check_freeze(c, sec, errs);
}

int sw_cfg_check(const struct bg_conf *conf, const char *instance, struct bg_buf *errs)
{
	static const char *const reserved[] = {"group.id", "group.instance.id", "enable.auto.commit", NULL};
	size_t before = errs->len;
	const char *name;
	bool bootstrap = false;

	(void)instance;
	for (size_t i = 0; (name = bg_conf_name_at(conf, "switch", i)); i++)
		check_switch(conf, name, errs);
	if (!bg_conf_name_at(conf, "switch", 0))
		bg_buf_printf(errs, "%s: there is no [switch:NAME] section; at least one is needed\n",
			      bg_conf_where(conf, "store", "type"));
	bg_kafka_check(conf, reserved, errs);
	const char *key, *value;
	int line;
	for (size_t i = 0; (key = bg_conf_pass_at(conf, "kafka", i, &value, &line)); i++)
		bootstrap = bootstrap || strcmp(key, "bootstrap.servers") == 0 ||
			    strcmp(key, "metadata.broker.list") == 0;
	if (!bootstrap)
		bg_buf_printf(
			errs,
			"[kafka] bootstrap.servers: is missing; expected HOST:PORT[,HOST:PORT…] or file:/path\n");
	return errs->len == before ? 0 : -EINVAL;
}

static char **list_dup(const struct bg_conf *c, const char *sec, const char *key, size_t *ret_n)
{
	size_t n = bg_conf_list_len(c, sec, key);
	char **v = bg_xcalloc(n + 1, sizeof(*v));

	for (size_t i = 0; i < n; i++)
		v[i] = bg_xstrdup(bg_conf_list_at(c, sec, key, i));
	*ret_n = n;
	return v;
}

static void freeze_dup(const struct bg_conf *c, const char *sec, struct sw_windows *ret)
{
	const char *zone = bg_conf_str(c, sec, "freeze-zone");

	ret->n = bg_conf_list_len(c, sec, "freeze");
	ret->v = bg_xcalloc(ret->n + 1, sizeof(*ret->v));
	ret->zone = strcmp(zone, "local") == 0 ? NULL : bg_xstrdup(zone);
	for (size_t i = 0; i < ret->n; i++)
		sw_window_parse(bg_conf_list_at(c, sec, "freeze", i), &ret->v[i], NULL); /* checked */
}

static enum sw_initial initial_parse(const char *s)
{
	if (strcmp(s, "earliest") == 0)
		return SW_INITIAL_EARLIEST;
	return strcmp(s, "latest") == 0 ? SW_INITIAL_LATEST : SW_INITIAL_FAIL;
}

int sw_cfg_new(const struct bg_conf *conf, const char *name, struct sw_cfg **ret, struct bg_err *err)
{
	_cleanup_free_ char *sec = bg_xasprintf("switch:%s", name);
	_cleanup_free_ char *token = NULL;
	const struct sw_plan *plan;
	const char *file = bg_conf_str(conf, sec, "token-file");

	int rc = sw_plan_find(bg_conf_str(conf, sec, "strategy"), &plan, err);
	if (rc < 0)
		return rc;
	if (file && *file && (rc = bg_token_read(file, &token, err)) < 0)
		return rc;
	struct sw_cfg *c = bg_xcalloc(1, sizeof(*c));
	c->name = bg_xstrdup(name);
	c->plan = plan;
	c->eager = strcmp(bg_conf_str(conf, sec, "handover"), "eager") == 0;
	c->topics = list_dup(conf, sec, "topics", &c->n_topics);
	c->group[BG_BLUE] = bg_xstrdup(sw_cfg_group(conf, sec, BG_BLUE));
	c->group[BG_GREEN] = bg_xstrdup(sw_cfg_group(conf, sec, BG_GREEN));
	c->endpoint[BG_BLUE] = list_dup(conf, sec, "blue-endpoint", &c->n_endpoint[BG_BLUE]);
	c->endpoint[BG_GREEN] = list_dup(conf, sec, "green-endpoint", &c->n_endpoint[BG_GREEN]);
	c->token = bg_steal_ptr(&token);
	c->drain_us = bg_conf_int(conf, sec, "drain-timeout");
	c->resume_us = bg_conf_int(conf, sec, "resume-timeout");
	c->prepare_us = bg_conf_int(conf, sec, "prepare-timeout");
	c->soak_us = bg_conf_int(conf, sec, "soak");
	c->rollback_us = bg_conf_int(conf, sec, "rollback-window");
	c->reconcile_us = bg_conf_int(conf, sec, "reconcile-interval");
	c->fence = strcmp(bg_conf_str(conf, sec, "on-unresponsive"), "fence") == 0;
	c->fence_grace_us =
		bg_conf_is_set(conf, sec, "fence-grace") ? bg_conf_int(conf, sec, "fence-grace") : -1;
	c->max_lag = bg_conf_int(conf, sec, "max-lag");
	c->max_error_rate = bg_conf_double(conf, sec, "max-error-rate");
	c->initial = initial_parse(bg_conf_str(conf, sec, "initial-offset"));
	c->auto_rollback = bg_conf_bool(conf, sec, "auto-rollback");
	c->soak_gone_us = bg_conf_int(conf, sec, "soak-gone");
	c->soak_no_progress_us = bg_conf_int(conf, sec, "soak-no-progress");
	c->soak_max_error_rate = bg_conf_double(conf, sec, "soak-max-error-rate");
	c->soak_max_lag = bg_conf_int(conf, sec, "soak-max-lag");
	c->soak_lag_growing_us = bg_conf_int(conf, sec, "soak-lag-growing");
	c->late_us = bg_conf_int(conf, sec, "schedule-late");
	freeze_dup(conf, sec, &c->freeze);
	*ret = c;
	return 0;
}

static void list_free(char **v)
{
	for (size_t i = 0; v && v[i]; i++)
		free(v[i]);
	free(v);
}

void sw_cfg_free(struct sw_cfg *c)
{
	if (!c)
		return;
	list_free(c->topics);
	for (int i = 0; i < 2; i++) {
		free(c->group[i]);
		list_free(c->endpoint[i]);
	}
	sw_windows_clear(&c->freeze);
	free(c->token);
	free(c->name);
	free(c);
}

void sw_cfg_reload(struct sw_cfg *c, struct sw_cfg *from)
{
	c->eager = from->eager;
	c->drain_us = from->drain_us;
	c->resume_us = from->resume_us;
	c->prepare_us = from->prepare_us;
	c->soak_us = from->soak_us;
	c->rollback_us = from->rollback_us;
	c->reconcile_us = from->reconcile_us;
	c->fence_grace_us = from->fence_grace_us;
	c->max_lag = from->max_lag;
	c->max_error_rate = from->max_error_rate;
	c->initial = from->initial;
	c->auto_rollback = from->auto_rollback;
	c->soak_gone_us = from->soak_gone_us;
	c->soak_no_progress_us = from->soak_no_progress_us;
	c->soak_max_error_rate = from->soak_max_error_rate;
	c->soak_max_lag = from->soak_max_lag;
	c->soak_lag_growing_us = from->soak_lag_growing_us;
	c->late_us = from->late_us;
	sw_windows_clear(&c->freeze);
	c->freeze = from->freeze;
	from->freeze = (struct sw_windows){0};
	free(c->token);
	c->token = bg_xstrdup(from->token);
}
