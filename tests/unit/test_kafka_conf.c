/* SPDX-License-Identifier: Apache-2.0 */
/* The [kafka] section: what is taken, what is refused and in which words. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/kafka.h"
#include "common/log.h"

static const struct bg_conf_key table[] = {
	{"kafka", "*", BG_CONF_PASS, NULL, 0, 0, NULL, 0, "passed through"},
	{0},
};
static const struct bg_conf_key *const tables[] = {table, NULL};
static const char *const reserved[] = {"group.id", "enable.auto.commit", "client.id", NULL};

static struct bg_conf *load(const char *text)
{
	_cleanup_buf_ struct bg_buf errs = {0};
	struct bg_conf *c = NULL;

	if (bg_conf_load_mem("t.ini", text, strlen(text), tables, NULL, &c, &errs))
		fail_msg("%s", errs.s);
	return c;
}

/* Check `text` and compare the messages; expect "" for a good one, else a part of each line, in order. */
static void check(const char *text, const char *const *expect)
{
	struct bg_conf *c = load(text);
	_cleanup_buf_ struct bg_buf errs = {0};
	int rc = bg_kafka_check(c, reserved, &errs);
	char *line = errs.s, *next;

	assert_int_equal(rc, *expect ? -EINVAL : 0);
	for (; *expect; expect++) {
		if (!line || !*line)
			fail_msg("missing: %s", *expect);
		next = strchr(line, '\n');
		assert_non_null(next);
		*next = 0;
		if (!strstr(line, *expect))
			fail_msg("\"%s\" lacks \"%s\"", line, *expect);
		line = next + 1;
	}
	if (line && *line)
		fail_msg("too much: %s", line);
	bg_conf_free(c);
}

#define CHECK(text, ...) check(text, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void test_good(void **state)
{
	(void)state;
	CHECK("[kafka]\nbootstrap.servers = 127.0.0.1:9092\n");
	CHECK("[kafka]\nmetadata.broker.list = a:1,b:2\n");
	/* consumer, producer and topic properties alike */
	CHECK("[kafka]\nbootstrap.servers = h:1\nsession.timeout.ms = 10000\nlinger.ms = 5\nacks = all\n"
	      "compression.type = lz4\nfetch.wait.max.ms = 10\n");
	/* repeats of a list property are joined */
	CHECK("[kafka]\nbootstrap.servers = a:1\nbootstrap.servers = b:2\n");
}

static void test_unknown(void **state)
{
	(void)state;
	CHECK("[kafka]\nbootstrap.servers = h:1\nsession.timeout = 10\n",
	      "t.ini:3: [kafka] session.timeout: librdkafka ");
	CHECK("[kafka]\nbootstrap.servers = h:1\n\nsesion.timeout.ms = 10\n",
	      "did you mean \"session.timeout.ms\"?");
	CHECK("[kafka]\nbootstrap.servers = h:1\nwhatever.is.this = 10\n",
	      "t.ini:3: [kafka] whatever.is.this: librdkafka ");
}

static void test_bad_value(void **state)
{
	(void)state;
	CHECK("[kafka]\nbootstrap.servers = h:1\nsession.timeout.ms = soon\n",
	      "t.ini:3: [kafka] session.timeout.ms: ");
	CHECK("[kafka]\nbootstrap.servers = h:1\nsession.timeout.ms = -3\n",
	      "t.ini:3: [kafka] session.timeout.ms: ");
	CHECK("[kafka]\nbootstrap.servers = h:1\nacks = 77777\nlinger.ms = x\n",
	      "t.ini:3: [kafka] acks: ", "t.ini:4: [kafka] linger.ms: ");
	/* what only code can set */
	CHECK("[kafka]\nbootstrap.servers = h:1\nlog_cb = 1\n", "t.ini:3: [kafka] log_cb: ");
}

static void test_reserved(void **state)
{
	(void)state;
	CHECK("[kafka]\nbootstrap.servers = h:1\ngroup.id = g\n",
	      "t.ini:3: [kafka] group.id: must not be set: the group is named");
	CHECK("[kafka]\nbootstrap.servers = h:1\nenable.auto.commit = true\nclient.id = x\n",
	      "t.ini:3: [kafka] enable.auto.commit: must not be set: the daemon commits",
	      "t.ini:4: [kafka] client.id: must not be set: the daemon sets it");
}

static void test_bootstrap(void **state)
{
	(void)state;
	CHECK("", "t.ini: [kafka] bootstrap.servers: must be set");
	CHECK("[kafka]\nlinger.ms = 1\n", "t.ini: [kafka] bootstrap.servers: must be set");
	CHECK("[kafka]\nbootstrap.servers =\n", "t.ini:2: [kafka] bootstrap.servers: is empty");
}

/* Contradictions and missing files are found, without a line, for librdkafka names none. */
static void test_whole(void **state)
{
	(void)state;
	CHECK("[kafka]\nbootstrap.servers = h:1\nsession.timeout.ms = 60000\nmax.poll.interval.ms = 1000\n",
	      "t.ini: [kafka]: ");
	CHECK("[kafka]\nbootstrap.servers = h:1\nsecurity.protocol = ssl\nssl.ca.location = /nonexistent/ca.pem\n",
	      "t.ini: [kafka]: ");
	/* not tried out: it would start kinit */
	CHECK("[kafka]\nbootstrap.servers = h:1\nsecurity.protocol = sasl_plaintext\n");
}

/* A bad value of a secret property is not repeated. */
static void test_secret(void **state)
{
	struct bg_conf *c = load("[kafka]\nbootstrap.servers = h:1\nssl.key.pem = hunter2\n"
				 "sasl.oauthbearer.method = hunter2\nsasl.password = hunter2\n"
				 "security.protocol = ssl\n");
	_cleanup_buf_ struct bg_buf errs = {0};

	(void)state;
	assert_int_equal(bg_kafka_check(c, reserved, &errs), -EINVAL);
	assert_non_null(strstr(errs.s, "(not shown)"));
	assert_null(strstr(errs.s, "hunter2"));
	bg_conf_free(c);
}

static void assert_prop(rd_kafka_conf_t *conf, const char *name, const char *want)
{
	char value[256] = "";
	size_t size = sizeof(value);

	assert_int_equal(rd_kafka_conf_get(conf, name, value, &size), RD_KAFKA_CONF_OK);
	assert_string_equal(value, want);
}

/* Ours below [kafka], [kafka] below the pairs of the caller; a pair without value is left out. */
static void test_conf(void **state)
{
	struct bg_conf *c = load("[kafka]\nbootstrap.servers = a:1\nbootstrap.servers = b:2\n"
				 "socket.nagle.disable = false\nsession.timeout.ms = 7000\nlinger.ms = 9\n");
	rd_kafka_conf_t *conf =
		bg_kafka_conf(c, "group.id", "g", "client.rack", NULL, "linger.ms", "0", NULL);

	(void)state;
	assert_prop(conf, "bootstrap.servers", "a:1,b:2");
	assert_prop(conf, "socket.nagle.disable", "false");
	assert_prop(conf, "reconnect.backoff.max.ms", "1000");
	assert_prop(conf, "session.timeout.ms", "7000");
	assert_prop(conf, "linger.ms", "0");
	assert_prop(conf, "group.id", "g");
	rd_kafka_conf_destroy(conf);
	bg_conf_free(c);
}

/* The warning that a producer knows consumer properties is not for people. */
static void test_quiet(void **state)
{
	struct bg_conf *c = load("[kafka]\nbootstrap.servers = 127.0.0.1:1\nsession.timeout.ms = 7000\n"
				 "linger.ms = 9\n");
	char path[] = "/tmp/kafka-log-XXXXXX", text[4096];
	int fd = mkstemp(path), err = dup(2);
	rd_kafka_conf_t *conf = bg_kafka_conf(c, "client.id", "quiet", NULL);
	char msg[256];
	rd_kafka_t *rk;
	ssize_t n;

	(void)state;
	assert_true(fd >= 0);
	dup2(fd, 2);
	rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, msg, sizeof(msg));
	assert_non_null(rk);
	/* A line that is due comes through. */
	for (int i = 0; i < 100 && lseek(fd, 0, SEEK_END) == 0; i++)
		usleep(20000);
	rd_kafka_destroy(rk);
	dup2(err, 2);
	n = pread(fd, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = 0;
	assert_non_null(strstr(text, "quiet"));
	assert_non_null(strstr(text, "Connection refused"));
	assert_null(strstr(text, "will be ignored"));
	close(fd);
	close(err);
	unlink(path);
	bg_conf_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),      cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_bad_value), cmocka_unit_test(test_reserved),
		cmocka_unit_test(test_bootstrap), cmocka_unit_test(test_whole),
		cmocka_unit_test(test_secret),    cmocka_unit_test(test_conf),
		cmocka_unit_test(test_quiet),
	};

	bg_log_init("test", "logfmt", BG_DEBUG);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
