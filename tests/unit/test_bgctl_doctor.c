/* SPDX-License-Identifier: Apache-2.0 */
/* bgctl doctor: each check finds what it is for, says what to do, and is silent about what is well. */
#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "bgctl_stand_in.h"
#include "common/json.h"
#include "common/mem.h"

#define ORDERS "/v1/switches/orders"
#define ONE    "{\"switches\":[{\"switch\":\"orders\"}]}"

static char dir[64];

/* A healthy switch, and what the brokers say of it. */
static const char healthy[] =
	"{\"switch\":\"orders\",\"strategy\":\"D\",\"phase\":\"IDLE\",\"active\":\"blue\",\"epoch\":8,"
	"\"hold\":false,\"degraded\":null,\"stalled_partitions\":0,\"lag\":{\"blue\":7,\"green\":0},"
	"\"running\":null,\"soak\":{\"dual_active_us\":0},\"last\":{\"outcome\":\"done\",\"kind\":\"switch\"},"
	"\"rollback\":{\"allowed\":true,\"to\":\"green\",\"until\":\"2026-11-24T18:00:00.000Z\"},"
	"\"instances\":[{\"instance\":\"blue-0\",\"color\":\"blue\",\"url\":\"http://h:1\",\"reachable\":true,"
	"\"trouble\":null,\"state\":\"ACTIVE\",\"epoch\":8,\"incarnation\":\"a\",\"partitions\":4,"
	"\"errors_total\":0,\"in_flight\":0,\"state_for_ms\":99999,\"last_error\":null},"
	"{\"instance\":\"green-0\",\"color\":\"green\",\"url\":\"http://h:2\",\"reachable\":true,"
	"\"trouble\":null,\"state\":\"PAUSED\",\"epoch\":8,\"incarnation\":\"b\",\"partitions\":4,"
	"\"errors_total\":0,\"in_flight\":0,\"state_for_ms\":99999,\"last_error\":null}]}";
static const char facts[] =
	"{\"switch\":\"orders\",\"version\":\"" PACKAGE_VERSION
	"\",\"librdkafka\":\"2.0.2\",\"kafka_error\":null,\"health_error\":null,"
	"\"brokers\":1,\"under_replicated\":0,\"leaderless\":0,\"topics\":[{\"topic\":\"orders\",\"partitions\":4}],"
	"\"groups\":[{\"group\":\"orders-blue\",\"color\":\"blue\",\"without_commit\":0,\"lag\":7,\"lost\":0},"
	"{\"group\":\"orders-green\",\"color\":\"green\",\"without_commit\":0,\"lag\":7,\"lost\":0}],"
	"\"instances\":[{\"instance\":\"blue-0\",\"color\":\"blue\",\"mode\":\"handover\",\"assignor\":\"range\","
	"\"topics\":[\"orders\"],\"static_ids\":[]},"
	"{\"instance\":\"green-0\",\"color\":\"green\",\"mode\":\"handover\",\"assignor\":\"range\","
	"\"topics\":[\"orders\"],\"static_ids\":[]}]}";

static int set_up(void **state)
{
	(void)state;
	stand_in_start(NULL);
	stand_in_tell("GET", "/v1/switches", 200, ONE);
	strcpy(dir, "/tmp/bg-test-doctor-XXXXXX");
	assert_non_null(mkdtemp(dir));
	return 0;
}

static int tear_down(void **state)
{
	_cleanup_free_ char *cmd = bg_xasprintf("rm -rf %s", dir);

	(void)state;
	stand_in_stop();
	return system(cmd);
}

static struct run doctor(const char *where, const char *more)
{
	_cleanup_free_ char *words = bg_xasprintf("doctor --config-dir %s %s", dir, more);

	return bgctl(where, words);
}

/* text with the first `from` made `to`; the caller frees it. */
static char *with(const char *text, const char *from, const char *to)
{
	const char *hit = strstr(text, from);

	if (!hit)
		fail_msg("\"%s\" is not in the healthy document", from);
	return bg_xasprintf("%.*s%s%s", (int)(hit - text), text, to, hit + strlen(from));
}

/* The finding of that check and verdict whose text has `what`; NULL: none. Borrowed. */
static struct json_object *finding(struct json_object *o, const char *check, const char *verdict,
				   const char *what)
{
	struct json_object *l = bg_json_get(o, "findings");

	for (size_t i = 0; i < json_object_array_length(l); i++) {
		struct json_object *f = json_object_array_get_idx(l, i);

		if (strcmp(bg_json_str(f, "check", ""), check) == 0 &&
		    strcmp(bg_json_str(f, "verdict", ""), verdict) == 0 &&
		    strstr(bg_json_str(f, "what", ""), what))
			return f;
	}
	return NULL;
}

static struct json_object *parsed(const struct run *r)
{
	struct json_object *o = NULL;

	if (bg_json_parse(r->out, strlen(r->out), &o, NULL) < 0)
		fail_msg("no JSON: %s %s", r->out, r->err);
	return o;
}

static void check_plain(const char *text)
{
	int columns = 0;

	assert_null(strchr(text, '\033'));
	for (const char *p = text; *p; p++) {
		columns = *p == '\n' ? 0 : columns + (((unsigned char)*p & 0xc0) != 0x80);
		if (columns > 80)
			fail_msg("more than 80 columns in:\n%s", text);
	}
}

static void test_healthy(void **state)
{
	(void)state;
	stand_in_tell("GET", ORDERS, 200, healthy);
	stand_in_tell("GET", ORDERS "/doctor", 200, facts);
	_cleanup_run_ struct run r = doctor(stand_in_url(), "");
	if (r.status != 0 || !strstr(r.out, "\nOK: nothing to mend\n") ||
	    !strstr(r.out, "switch of orders\n"))
		fail_msg("%d: %s %s", r.status, r.out, r.err);
	check_plain(r.out);
	_cleanup_run_ struct run j = doctor(stand_in_url(), "--json");
	_cleanup_json_ struct json_object *o = parsed(&j);
	assert_int_equal(j.status, 0);
	assert_true(bg_json_bool(o, "ok", false));
	assert_non_null(finding(o, "rollback", "ok", "until 11-24 18:00:00"));
	assert_non_null(finding(o, "held", "ok", "all 4"));
	assert_non_null(finding(o, "linger", "skip", "append.linger"));
}

/* One thing is wrong: it is found, by its check, with what to do, and the exit status says so. */
static void test_each(void **state)
{
	static const struct {
		bool of_facts;
		const char *from, *to, *check, *verdict, *what, *next;
	} rows[] = {
		{false, "\"IDLE\",\"active\":\"blue\",\"epoch\":8", "\"UNKNOWN\",\"active\":null,\"epoch\":0",
		 "record", "bad", "first activation", "bgctl init"},
		{false, "\"IDLE\",\"active\":\"blue\"", "\"UNKNOWN\",\"active\":null", "record", "bad",
		 "UNKNOWN", "--from committed"},
		{false, "IDLE", "NEEDS_PERSON", "record", "bad", "a person", "bgctl init COLOUR --from"},
		{false, "\"degraded\":null", "\"degraded\":\"two hosts have it\"", "record", "bad",
		 "two hosts have it", "bgctl instances"},
		{false, "\"running\":null",
		 "\"running\":{\"kind\":\"switch\",\"to\":\"green\",\"phase\":\"PAUSING\",\"elapsed_us\":70000000}",
		 "running", "bad", "70 s, in PAUSING", "bgctl abort"},
		{false, "\"running\":null",
		 "\"running\":{\"kind\":\"switch\",\"to\":\"green\",\"phase\":\"ABORTING\",\"elapsed_us\":70000000,\"trouble\":\"late\"}",
		 "running", "bad", "in ABORTING: late", "gone for good"},
		{false, "\"running\":null",
		 "\"running\":{\"kind\":\"reassert\",\"to\":\"blue\",\"phase\":\"PAUSING\",\"elapsed_us\":70000000}",
		 "running", "bad", "70 s, in PAUSING", "every instance that it needs"},
		{false, "\"hold\":false", "\"hold\":true", "hold", "warn", "held", "bgctl release"},
		{false, "\"hold\":false", "\"freeze\":{\"until\":null,\"by\":\"bob\",\"reason\":\"sale\"}",
		 "freeze", "warn", "by bob: sale", "bgctl thaw"},
		{false, "\"hold\":false",
		 "\"freeze\":{\"until\":null,\"window\":\"daily 00:00-24:00\",\"by\":null}", "freeze", "warn",
		 "by windows: daily", "switchd.ini"},
		{false, "\"reachable\":true,\"trouble\":null",
		 "\"reachable\":false,\"trouble\":\"connection refused\"", "reachable", "bad",
		 "blue-0 at http://h:1: connection refused", "systemctl restart bg-consumerd@blue-0"},
		{false, "ACTIVE", "FENCED", "states", "bad", "blue-0 is FENCED", "find who has it"},
		{false, "ACTIVE", "FAILED", "states", "bad", "blue-0 is FAILED", "restart"},
		{false, "ACTIVE", "DRAINING", "states", "bad", "draining for 99 s", "bgctl abort"},
		{false, "ACTIVE", "PAUSED", "states", "bad", "blue-0 has been PAUSED", "bgctl status"},
		{false, "ACTIVE", "STARTING", "states", "warn", "starting", "log"},
		{false, "PAUSED", "ACTIVE", "one-colour", "bad", "1 of the colour that is not active",
		 "bgctl hold"},
		{false, "\"incarnation\":\"b\"", "\"incarnation\":\"a\"", "one-colour", "bad",
		 "two endpoints", "green-endpoint"},
		{false, "\"dual_active_us\":0", "\"dual_active_us\":5000", "one-colour", "warn", "5 ms",
		 "bg-verify"},
		{false, "\"PAUSED\",\"epoch\":8", "\"PAUSED\",\"epoch\":9", "epochs", "bad",
		 "green-0 is at epoch 9, the record at 8", "second bg-switchd"},
		{false, "\"PAUSED\",\"epoch\":8", "\"PAUSED\",\"epoch\":7", "epochs", "warn", "epoch 7",
		 "bgctl instances"},
		{false, "\"stalled_partitions\":0,",
		 "\"identity_in_use\":[{\"instance\":\"blue-0\",\"url\":\"http://h:1\",\"static_id\":\"orders-0\","
		 "\"usurper\":{\"client_id\":\"old\",\"host\":\"/10.0.0.9\",\"endpoint\":null}}],",
		 "identity", "bad",
		 "blue-0 (http://h:1): its identity orders-0 is in use by old at /10.0.0.9",
		 "client.id old at host /10.0.0.9"},
		{false, "\"stalled_partitions\":0", "\"stalled_partitions\":3", "stalled", "bad",
		 "3 partitions", "bgctl instances"},
		{false, "\"blue\":7", "\"blue\":250000", "lag", "warn", "250000", "status --watch"},
		{false, "\"outcome\":\"done\"", "\"outcome\":\"aborted\",\"error\":\"green-0 was silent\"",
		 "last", "warn", "green-0 was silent", "bgctl history"},
		{false, "\"partitions\":4", "\"partitions\":3", "held", "bad", "3 of 4", "--members"},
		{false, "\"errors_total\":0,\"in_flight\":0,\"state_for_ms\":99999,\"last_error\":null",
		 "\"errors_total\":5,\"in_flight\":0,\"state_for_ms\":99999,\"last_error\":\"exit 1\"",
		 "states", "warn", "5 errors, the last: exit 1", "log"},
		{false, "\"errors_total\":0,\"in_flight\":0,\"state_for_ms\":99999,\"last_error\":null",
		 "\"errors_total\":0,\"in_flight\":0,\"state_for_ms\":99999,"
		 "\"trouble\":\"its program does not stay up, it ended with status 1\"",
		 "states", "bad", "its program does not stay up", "ev=child"},
		{true, "\"mode\":\"handover\"", "\"mode\":\"plain\"", "alike", "bad", "blue-0 has mode plain",
		 "mode"},
		{true, "\"topics\":[\"orders\"],", "\"topics\":[\"orders\",\"more\"],", "alike", "bad",
		 "differ in topics", "alike"},
		{true, "\"assignor\":\"range\"", "\"assignor\":\"roundrobin\"", "alike", "bad",
		 "differ in assignor", "alike"},
		{true, "\"kafka_error\":null",
		 "\"kafka_error\":{\"code\":\"broker_unavailable\",\"message\":\"no broker answers\"}",
		 "brokers", "bad", "no broker answers", "bootstrap.servers"},
		{true, "\"kafka_error\":null",
		 "\"kafka_error\":{\"code\":\"unknown_topic\",\"message\":\"there is no topic orders\"}",
		 "topics", "bad", "no topic orders", "kafka-topics.sh --create"},
		{true, "\"health_error\":null",
		 "\"health_error\":{\"code\":\"no_leader\",\"message\":\"orders [1]\"}", "replicas", "bad",
		 "orders [1]", "--unavailable-partitions"},
		{true, "\"health_error\":null",
		 "\"health_error\":{\"code\":\"under_replicated\",\"message\":\"orders [2]\"}", "replicas",
		 "warn", "orders [2]", "--under-replicated-partitions"},
		{true, "\"lag\":7,\"lost\":0", "\"lag\":7,\"lost\":30,\"lost_at\":\"orders [3]\"",
		 "retention", "bad", "orders-blue by 30 records, first at orders [3]", "retention.ms"},
		{true, "\"without_commit\":0", "\"without_commit\":2", "commits", "warn", "2 partitions",
		 "committed"},
		{true, "\"version\":\"" PACKAGE_VERSION, "\"version\":\"0.0.1", "brokers", "warn", "0.0.1",
		 "restart bg-switchd"},
	};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *sw =
			rows[i].of_facts ? bg_xstrdup(healthy) : with(healthy, rows[i].from, rows[i].to);
		_cleanup_free_ char *f =
			rows[i].of_facts ? with(facts, rows[i].from, rows[i].to) : bg_xstrdup(facts);

		stand_in_stop();
		stand_in_start(NULL);
		stand_in_tell("GET", "/v1/switches", 200, ONE);
		stand_in_tell("GET", ORDERS, 200, sw);
		stand_in_tell("GET", ORDERS "/doctor", 200, f);
		_cleanup_run_ struct run r = doctor(stand_in_url(), "--json");
		_cleanup_json_ struct json_object *o = parsed(&r);
		struct json_object *hit = finding(o, rows[i].check, rows[i].verdict, rows[i].what);
		int want = strcmp(rows[i].verdict, "bad") == 0 ? 1 : 0;

		if (!hit)
			fail_msg("%s: not found: %s", rows[i].to, r.out);
		if (!strstr(bg_json_str(hit, "do", ""), rows[i].next) || !bg_json_str(hit, "means", NULL))
			fail_msg("%s: %s", rows[i].to, json_object_to_json_string(hit));
		if (r.status != want)
			fail_msg("%s: exit status %d: %s", rows[i].to, r.status, r.out);
	}
}

/* The daemon is gone, refuses, or answers garbage: the host is looked at all the same. */
static void test_no_daemon(void **state)
{
	(void)state;
	_cleanup_run_ struct run gone = doctor("/nowhere/switchd.sock", "--json");
	_cleanup_json_ struct json_object *o = parsed(&gone);
	assert_int_equal(gone.status, 4);
	assert_non_null(finding(o, "interface", "bad", "/nowhere/switchd.sock"));
	assert_non_null(finding(o, "files", "skip", dir));
	assert_false(bg_json_bool(o, "ok", true));
	stand_in_stop();
	stand_in_start(NULL);
	stand_in_tell("GET", "/v1/switches", 200, "<html>");
	_cleanup_run_ struct run garbage = doctor(stand_in_url(), "");
	assert_int_equal(garbage.status, 4);
	_cleanup_run_ struct run unknown = doctor(stand_in_url(), "-s none");
	assert_int_equal(unknown.status, 2);
	stand_in_tell("GET", ORDERS, 200, "[1,2]");
	_cleanup_run_ struct run list = doctor(stand_in_url(), "-s orders");
	assert_int_equal(list.status, 4);
}

/* An older daemon, which does not know the call: what cannot be seen is skipped, and says so. */
static void test_without_facts(void **state)
{
	(void)state;
	stand_in_tell("GET", ORDERS, 200, healthy);
	stand_in_tell("GET", ORDERS "/doctor", 404, "{\"error\":\"not_found\",\"message\":\"no such path\"}");
	_cleanup_run_ struct run r = doctor(stand_in_url(), "--json");
	_cleanup_json_ struct json_object *o = parsed(&r);
	assert_int_equal(r.status, 0);
	assert_non_null(finding(o, "brokers", "skip", "nothing"));
	assert_non_null(finding(o, "alike", "skip", ""));
	assert_non_null(finding(o, "held", "skip", "not known"));
	assert_non_null(finding(o, "replicas", "skip", "not known"));
	assert_non_null(finding(o, "retention", "skip", "not known"));
}

/* Where there are several switches, a command names its own. Escape codes of a daemon are not passed on. */
static void test_several(void **state)
{
	_cleanup_free_ char *held = with(healthy, "\"hold\":false", "\"hold\":true");
	_cleanup_free_ char *evil = with(held, "\"degraded\":null", "\"degraded\":\"\\u001b[2Jgone\"");

	(void)state;
	stand_in_stop();
	stand_in_start(NULL);
	stand_in_tell("GET", "/v1/switches", 200,
		      "{\"switches\":[{\"switch\":\"orders\"},{\"switch\":\"bills\"}]}");
	stand_in_tell("GET", ORDERS, 200, evil);
	stand_in_tell("GET", "/v1/switches/bills", 200, healthy);
	_cleanup_run_ struct run r = doctor(stand_in_url(), "");
	assert_int_equal(r.status, 1);
	assert_non_null(strstr(r.out, "bgctl -s orders release"));
	assert_non_null(strstr(r.out, "switch of bills"));
	check_plain(r.out);
}

/* ---- the host */

static void file(const char *name, const char *text)
{
	_cleanup_free_ char *path = bg_xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static char *switchd_ini(const char *more)
{
	return bg_xasprintf(
		"[store]\ndir = %s/state\n[control]\nsocket = %s/run/switchd.sock\n[http]\nlisten = none\n"
		"[kafka]\nbootstrap.servers = 127.0.0.1:9\n[switch:orders]\nstrategy = D\ntopics = orders\n"
		"blue-group = b\ngreen-group = g\nblue-endpoint = http://127.0.0.1:1\n"
		"green-endpoint = http://127.0.0.1:2\n%s",
		dir, dir, more);
}

static void make(const char *name, mode_t mode)
{
	_cleanup_free_ char *path = bg_xasprintf("%s/%s", dir, name);

	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* A socket at which somebody listens, or has listened. Returns the descriptor. */
static int a_socket(const char *name, mode_t mode, bool alive)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/run/%s", dir, name);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(chmod(sun.sun_path, mode), 0);
	if (alive)
		assert_int_equal(listen(fd, 5), 0);
	return fd;
}

static void test_host(void **state)
{
	_cleanup_free_ char *good = switchd_ini(""), *bad = switchd_ini("soak = 60\n");
	int alive, dead;

	(void)state;
	stand_in_tell("GET", ORDERS, 200, healthy);
	stand_in_tell("GET", ORDERS "/doctor", 200, facts);
	make("run", 0755);
	make("state", 0777);
	file("switchd.ini", good);
	file("consumerd.ini", "[consumer]\nswitch = orders\n[instance:blue-7]\n");
	_cleanup_run_ struct run first = doctor(stand_in_url(), "--json");
	_cleanup_json_ struct json_object *o = parsed(&first);
	assert_int_equal(first.status, 1);
	assert_non_null(finding(o, "files", "ok", "switchd.ini passes"));
	struct json_object *f = finding(o, "files", "bad", "consumerd.ini");
	assert_non_null(f);
	assert_non_null(strstr(bg_json_str(f, "do", ""), "bg-consumerd -t -c "));
	assert_non_null(strstr(bg_json_str(f, "do", ""), " -i blue-7"));
	f = finding(o, "daemons", "bad", "does not run");
	assert_non_null(f);
	assert_string_equal(bg_json_str(f, "do", ""), "systemctl start bg-switchd");
	f = finding(o, "state", "bad", "may be written by everybody");
	assert_non_null(f);
	assert_non_null(strstr(bg_json_str(f, "do", ""), "chmod o-w "));
	assert_non_null(finding(o, "disk", "ok", "MiB are free"));

	file("switchd.ini", bad);
	_cleanup_run_ struct run second = doctor(stand_in_url(), "--json");
	_cleanup_json_ struct json_object *p = parsed(&second);
	f = finding(p, "files", "bad", "switchd.ini:");
	assert_non_null(f);
	assert_non_null(strstr(bg_json_str(f, "what", ""), "soak"));

	file("switchd.ini", good);
	alive = a_socket("switchd.sock", 0666, true);
	dead = a_socket("consumerd-blue-3.sock", 0660, false);
	_cleanup_run_ struct run third = doctor(stand_in_url(), "--json");
	_cleanup_json_ struct json_object *q = parsed(&third);
	assert_null(finding(q, "daemons", "bad", "does not run"));
	f = finding(q, "daemons", "bad", "consumerd-blue-3.sock: nobody listens");
	assert_non_null(f);
	assert_non_null(strstr(bg_json_str(f, "do", ""), "systemctl restart bg-consumerd@blue-3"));
	assert_non_null(finding(q, "sockets", "bad", "mode 0666"));
	assert_non_null(finding(q, "daemons", "ok", "running here"));
	close(alive);
	close(dead);
}

/* A user who is not let in by a socket is told how he would be. */
static void test_kept_out(void **state)
{
	_cleanup_free_ char *ini = switchd_ini(""), *words = bg_xasprintf("doctor --config-dir %s", dir);
	int fd;

	(void)state;
	assert_int_equal(chmod(dir, 0755), 0);
	make("run", 0755);
	file("switchd.ini", ini);
	fd = a_socket("switchd.sock", 0, true); /* who is not root is kept out, whoever owns it */
	_cleanup_free_ char *sock = bg_xasprintf("%s/run/switchd.sock", dir);
	_cleanup_run_ struct run r = bgctl_nobody(sock, words);
	assert_int_equal(r.status, 7);
	if (!strstr(r.out, "usermod -aG kafka-bluegreen "))
		fail_msg("%s %s", r.out, r.err);
	close(fd);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_healthy), TEST(test_each), TEST(test_no_daemon), TEST(test_without_facts),
		TEST(test_several), TEST(test_host), TEST(test_kept_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
