/* SPDX-License-Identifier: Apache-2.0 */
/* The [kafka] section: every property checked by librdkafka itself, and handle configurations made of it. */
#include "config.h"
#include "common/kafka.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include "common/log.h"
#include "common/mem.h"

#define SECTION "kafka"

/* Ours, unless [kafka] says otherwise. */
static const char *const defaults[][2] = {
	{"socket.nagle.disable", "true"},     /* a commit must not wait for the answer to a fetch */
	{"socket.keepalive.enable", "true"},  /* a vanished broker is noticed */
	{"log.connection.close", "false"},    /* brokers close idle connections: no news */
	{"reconnect.backoff.max.ms", "1000"}, /* the library's 10 s would be most of a broker's outage */
	{"topic.metadata.refresh.interval.ms",
	 "10000"},                             /* added partitions are found in seconds, not in 5 minutes */
	{"allow.auto.create.topics", "false"}, /* a mistyped topic is an error, not a topic */
};

/* Why the daemon keeps a property to itself; for the others see reason(). */
static const char *const reasons[][2] = {
	{"group.id", "the group is named in the daemon's own section"},
	{"group.instance.id", "it is made of the switch, the color and the ordinal"},
	{"enable.auto.commit", "the daemon commits by itself, with the epoch"},
	{"auto.commit.enable", "the daemon commits by itself, with the epoch"},
	{"auto.commit.interval.ms", "the daemon commits by itself, with the epoch"},
	{"enable.auto.offset.store", "the daemon commits by itself, with the epoch"},
	{"offset.store.method", "the daemon commits by itself, with the epoch"},
	{"auto.offset.reset", "nothing is started from a guess; see initial-offset"},
	{"partition.assignment.strategy", "the mode decides it"},
	{"transactional.id", "it is made of the switch and the partition"},
};

static const char *reason(const char *name)
{
	for (size_t i = 0; i < BG_ARRAY_SIZE(reasons); i++)
		if (!strcmp(reasons[i][0], name))
			return reasons[i][1];
	return "the daemon sets it by itself";
}

/* Values of these never get into a message; librdkafka quotes the value in its own. */
static bool is_secret(const char *name)
{
	static const char *const words[] = {"password", "secret", "pem", "token", "oauthbearer", "username"};

	for (size_t i = 0; i < BG_ARRAY_SIZE(words); i++)
		if (strstr(name, words[i]))
			return true;
	return false;
}

static bool is_reserved(const char *const *reserved, const char *name)
{
	for (; reserved && *reserved; reserved++)
		if (!strcmp(*reserved, name))
			return true;
	return false;
}

/* ---- the nearest known name ---- */

/* librdkafka lists its properties only as a table for people: "name | C/P | range | …" a line. */
static void suggest(const char *name, char *best, size_t size)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ const char **names = NULL;
	const char *near;
	size_t len = 0, n = 0, cap = 0;
	FILE *f = open_memstream(&text, &len);
	char *save = NULL;

	*best = 0;
	if (!f)
		return;
	rd_kafka_conf_properties_show(f);
	fclose(f);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		size_t end = strcspn(line, " |");

		if (end == 0 || !strchr(line + end, '|'))
			continue;
		line[end] = 0;
		names = bg_xgrow(names, &cap, n + 1, sizeof(*names));
		names[n++] = line;
	}
	near = conf_nearest(name, names, n);
	if (near)
		bg_strlcpy(best, near, size);
}

/* ---- the check ---- */

/* name NULL: about the section as a whole. */
static void complain(const struct bg_conf *c, const char *name, struct bg_buf *errs, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void complain(const struct bg_conf *c, const char *name, struct bg_buf *errs, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	const char *where;
	va_list ap;

	va_start(ap, fmt);
	text = bg_xvasprintf(fmt, ap);
	va_end(ap);
	/* Some of librdkafka's texts end in a newline. */
	for (size_t n = strlen(text); n && text[n - 1] == '\n'; n--)
		text[n - 1] = 0;
	for (char *p = text; (p = strchr(p, '\n'));)
		*p = ' ';
	where = bg_conf_where(c, SECTION, name ? name : "");
	bg_buf_printf(errs, "%.*s: %s\n", (int)(strlen(where) - (name ? 0 : 1)), where, text);
}

static bool check_one(const struct bg_conf *c, rd_kafka_conf_t *conf, const char *name, const char *value,
		      struct bg_buf *errs)
{
	char text[512] = "", near[128];

	switch (rd_kafka_conf_set(conf, name, value, text, sizeof(text))) {
	case RD_KAFKA_CONF_OK:
		return true;
	case RD_KAFKA_CONF_UNKNOWN:
		suggest(name, near, sizeof(near));
		if (*near)
			complain(c, name, errs, "librdkafka %s knows no such property, did you mean \"%s\"?",
				 rd_kafka_version_str(), near);
		else
			complain(c, name, errs, "librdkafka %s knows no such property",
				 rd_kafka_version_str());
		return false;
	case RD_KAFKA_CONF_INVALID:
	default:
		complain(c, name, errs, "%s", is_secret(name) ? "invalid value (not shown)" : text);
		return false;
	}
}

/* Some faults show only when a handle is made: contradictions, missing certificate files, features not built in. */
static void check_whole(const struct bg_conf *c, rd_kafka_conf_t *conf, struct bg_buf *errs)
{
	char text[512] = "", value[64] = "";
	size_t size = sizeof(value);
	rd_kafka_t *rk;

	/* Making a handle with SASL already acts (kinit, tokens): that is left to the real one. */
	if (rd_kafka_conf_get(conf, "security.protocol", value, &size) == RD_KAFKA_CONF_OK &&
	    !strncasecmp(value, "sasl", 4))
		return;
	conf = rd_kafka_conf_dup(conf);
	rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof(text));
	if (rk)
		return rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	rd_kafka_conf_destroy(conf);
	complain(c, NULL, errs, "%s", text);
}

static bool is_bootstrap(const char *name)
{
	return !strcmp(name, "bootstrap.servers") || !strcmp(name, "metadata.broker.list");
}

static void quiet_log(const rd_kafka_t *rk, int level, const char *fac, const char *text)
{
	(void)rk;
	(void)level;
	(void)fac;
	(void)text;
}

int bg_kafka_check(const struct bg_conf *c, const char *const *reserved, struct bg_buf *errs)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new(), *scratch = rd_kafka_conf_new();
	bool bootstrap = false, ok = true;
	const char *name, *value;
	int line;

	rd_kafka_conf_set_log_cb(conf, quiet_log);
	for (size_t i = 0; (name = bg_conf_pass_at(c, SECTION, i, &value, &line)); i++) {
		if (is_reserved(reserved, name)) {
			complain(c, name, errs, "must not be set: %s", reason(name));
			ok = false;
		} else if (is_bootstrap(name)) {
			/* Not in the trial handle, which shall connect to nobody. */
			bootstrap = true;
			ok = check_one(c, scratch, name, value, errs) && ok;
			if (!*value) {
				complain(c, name, errs, "is empty, expected host:port[,host:port…]");
				ok = false;
			}
		} else {
			ok = check_one(c, conf, name, value, errs) && ok;
		}
	}
	if (!bootstrap) {
		complain(c, "bootstrap.servers", errs,
			 "must be set: the brokers to ask first, host:port[,host:port…]");
		ok = false;
	}
	if (ok) {
		size_t before = errs->len;

		check_whole(c, conf, errs);
		ok = errs->len == before;
	}
	rd_kafka_conf_destroy(conf);
	rd_kafka_conf_destroy(scratch);
	return ok ? 0 : -EINVAL;
}

/* ---- configurations ---- */

static enum bg_level level_of(int syslog_level)
{
	if (syslog_level <= LOG_ERR)
		return BG_ERROR;
	if (syslog_level == LOG_WARNING)
		return BG_WARN;
	if (syslog_level == LOG_NOTICE)
		return BG_NOTICE;
	return syslog_level == LOG_INFO ? BG_INFO : BG_DEBUG;
}

/* From librdkafka's threads; bg_log is safe there. */
static void log_cb(const rd_kafka_t *rk, int level, const char *fac, const char *text)
{
	/* One section serves consumers and producers, so that one sees the other's properties is meant. */
	if (!strcmp(fac, "CONFWARN") && strstr(text, " property and will be ignored by"))
		return;
	bg_log(level_of(level), "kafka", "%s: %s: %s", rk ? rd_kafka_name(rk) : "librdkafka", fac, text);
}

static void must_set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char text[512] = "";

	if (rd_kafka_conf_set(conf, name, value, text, sizeof(text)) == RD_KAFKA_CONF_OK)
		return;
	bg_log(BG_ERROR, "kafka_conf", "cannot set %s: %s", name, is_secret(name) ? "invalid value" : text);
	abort();
}

rd_kafka_conf_t *bg_kafka_conf(const struct bg_conf *c, ...)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	const char *name, *value;
	int line;
	va_list ap;

	rd_kafka_conf_set_log_cb(conf, log_cb);
	for (size_t i = 0; i < BG_ARRAY_SIZE(defaults); i++)
		must_set(conf, defaults[i][0], defaults[i][1]);
	for (size_t i = 0; (name = bg_conf_pass_at(c, SECTION, i, &value, &line)); i++)
		must_set(conf, name, value);
	va_start(ap, c);
	while ((name = va_arg(ap, const char *))) {
		value = va_arg(ap, const char *);
		if (value)
			must_set(conf, name, value);
	}
	va_end(ap);
	return conf;
}
