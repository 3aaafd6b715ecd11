/* SPDX-License-Identifier: Apache-2.0 */
/* bgctl as its user sees it: what it asks the daemon, what it prints, how it exits. */
#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bgctl_stand_in.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/units.h"

#define ORDERS "/v1/switches/orders"

#define INSTANCE(name, color, state)                                                                         \
	"{\"instance\":\"" name "\",\"color\":\"" color                                                      \
	"\",\"url\":\"http://127.0.0.1:18080\",\"reachable\":true,"                                          \
	"\"trouble\":null,\"state\":\"" state                                                                \
	"\",\"epoch\":8,\"lag\":12,\"in_flight\":3,\"records_total\":123456,"                                \
	"\"errors_total\":0,\"partitions\":4}"
#define ENTRY(id, outcome, exit)                                                                                  \
	"{\"id\":\"" id                                                                                           \
	"\",\"kind\":\"switch\",\"switch\":\"orders\",\"from\":\"blue\",\"to\":\"green\",\"epoch\":9,"            \
	"\"by\":\"alice\",\"reason\":\"because\",\"started\":\"2026-11-24T17:01:02.345Z\",\"outcome\":\"" outcome \
	"\","                                                                                                     \
	"\"exit\":" exit ",\"error\":null,\"duration_us\":12345,\"gap_us\":3210,\"worst_gap_us\":4567,"           \
	"\"steps\":[{\"phase\":\"PREFLIGHT\",\"at_us\":0},{\"phase\":\"PAUSING\",\"at_us\":1234},"                \
	"{\"phase\":\"RESUMING\",\"at_us\":5678,\"text\":\"2 instances\"}],"                                      \
	"\"preflight\":[{\"rule\":\"to-ready\",\"verdict\":\"no_go\",\"message\":\"green-1 does not answer\"},"   \
	"{\"rule\":\"lag\",\"verdict\":\"go\",\"message\":\"lag 5\"}]}"
#define SWITCH(running, last)                                                                                      \
	"{\"switch\":\"orders\",\"strategy\":\"D\",\"handover\":\"eager\",\"phase\":\"IDLE\",\"active\":\"blue\"," \
	"\"previous\":\"green\",\"epoch\":8,\"hold\":false,\"degraded\":null,\"lag\":{\"blue\":7,\"green\":null}," \
	"\"instances\":[" INSTANCE("blue-0", "blue", "ACTIVE") "," INSTANCE(                                       \
		"green-0", "green", "PAUSED") "],"                                                                 \
					      "\"running\":" running ",\"last\":" last                             \
					      ",\"rollback\":{\"allowed\":true,\"to\":\"green\","                  \
					      "\"until\":\"2026-11-24T18:00:00.000Z\"}}"
#define RUNNING(id, steps)                                                                                   \
	"{\"id\":\"" id                                                                                      \
	"\",\"kind\":\"switch\",\"to\":\"green\",\"phase\":\"PAUSING\",\"elapsed_us\":5,\"steps\":[" steps   \
	"]}"
#define ONE "{\"switches\":[{\"switch\":\"orders\",\"active\":\"blue\",\"epoch\":8}]}"

static int set_up(void **state)
{
	(void)state;
	stand_in_start(NULL);
	stand_in_tell("GET", "/v1/switches", 200, ONE);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stand_in_stop();
	return 0;
}

static void expect(const struct run *r, int status, const char *text)
{
	if (r->status != status)
		fail_msg("exit status %d, not %d; out: %s err: %s", r->status, status, r->out, r->err);
	if (text && !strstr(r->out, text) && !strstr(r->err, text))
		fail_msg("\"%s\" is neither in: %s nor in: %s", text, r->out, r->err);
}

/* At most 80 columns (UTF-8 counted as characters), no escape codes, every line ended. */
static void check_plain(const char *text)
{
	int columns = 0;

	assert_null(strchr(text, '\033'));
	for (const char *p = text; *p; p++) {
		columns = *p == '\n' ? 0 : columns + (((unsigned char)*p & 0xc0) != 0x80);
		if (columns > 80)
			fail_msg("more than 80 columns in:\n%s", text);
	}
	assert_true(!*text || text[strlen(text) - 1] == '\n');
}

static void test_status(void **state)
{
	(void)state;
	stand_in_tell("GET", ORDERS, 200, SWITCH("null", ENTRY("x", "done", "0")));
	_cleanup_run_ struct run r = bgctl(stand_in_url(), "status");
	expect(&r, 0, "active blue   phase IDLE   lag blue 7, green ?");
	expect(&r, 0, "strategy D eager   epoch 8");
	expect(&r, 0, "rollback to green until 11-24 18:00:00 UTC");
	expect(&r, 0, "blue-0    blue    ACTIVE      8");
	expect(&r, 0,
	       "last switch, 11-24 17:01:02 UTC\n  done: blue -> green, epoch 9, gap 3.2 ms (worst 4.6), took 12.3 ms");
	assert_string_equal(r.err, "");
	check_plain(r.out);
	_cleanup_run_ struct run by_socket = bgctl(stand_in_socket(), "-s orders status");
	expect(&by_socket, 0, "active blue");
	_cleanup_run_ struct run by_unix = bgctl("/nowhere", "status --socket unix:/nowhere-either");
	expect(&by_unix, 4, "/nowhere-either");
	_cleanup_run_ struct run json = bgctl(stand_in_url(), "status --json");
	_cleanup_json_ struct json_object *o = NULL;
	assert_int_equal(bg_json_parse(json.out, strlen(json.out), &o, NULL), 0);
	assert_string_equal(bg_json_str(o, "active", ""), "blue");
}

/* While it soaks: what is seen of the new colour. */
static void test_status_of_a_soak(void **state)
{
#define SOAKING(phase, until, more)                                                                          \
	"{\"switch\":\"orders\",\"strategy\":\"D\",\"phase\":\"" phase                                       \
	"\",\"active\":\"green\",\"epoch\":3,\"instances\":[],\"soak\":{\"until\":" until                    \
	",\"sees\":\"1 of 2 at work, lag 7\"," more "}}"
	(void)state;
	stand_in_tell("GET", ORDERS, 200,
		      SOAKING("SOAKING", "\"2026-11-24T18:00:00.000Z\"",
			      "\"auto_rollback\":true,\"rule\":\"gone\""));
	_cleanup_run_ struct run r = bgctl(stand_in_url(), "status");
	expect(&r, 0, "soaks until 11-24 18:00:00 UTC: 1 of 2 at work, lag 7; not well: gone\n");
	check_plain(r.out);
	stand_in_tell("GET", ORDERS, 200, SOAKING("IDLE", "null", "\"auto_rollback\":false,\"rule\":null"));
	_cleanup_run_ struct run over = bgctl(stand_in_url(), "status");
	expect(&over, 0, "watched: 1 of 2 at work, lag 7; auto-rollback is off\n");
}

static void test_status_in_trouble(void **state)
{
	(void)state;
	stand_in_tell(
		"GET", ORDERS, 200,
		"{\"switch\":\"orders\",\"strategy\":\"D\",\"phase\":\"UNKNOWN\",\"active\":null,\"epoch\":3,"
		"\"hold\":true,\"degraded\":\"both colours were seen active, which a person has to look at before anything "
		"is moved by itself\",\"instances\":[],\"last\":null,\"running\":" RUNNING("y", "") "}");
	_cleanup_run_ struct run r = bgctl(stand_in_url(), "status");
	expect(&r, 0, "held: nothing moves");
	expect(&r, 0, "degraded: both colours");
	expect(&r, 0, "bgctl init blue");
	expect(&r, 0, "running: switch to green, PAUSING");
	expect(&r, 0, "no instances");
	check_plain(r.out);
}

static void test_several_switches(void **state)
{
	(void)state;
	stand_in_stop();
	stand_in_start(NULL);
	stand_in_tell(
		"GET", "/v1/switches", 200,
		"{\"switches\":[{\"switch\":\"orders\",\"strategy\":\"D\",\"active\":\"blue\",\"epoch\":8,\"phase\":\"IDLE\","
		"\"lag\":{\"blue\":1,\"green\":2}},{\"switch\":\"invoices\",\"active\":null,\"epoch\":0,\"hold\":true}]}");
	_cleanup_run_ struct run r = bgctl(stand_in_url(), "status");
	expect(&r, 0, "orders    D         blue        8  IDLE");
	expect(&r, 0, "invoices  ?         none");
	check_plain(r.out);
	_cleanup_run_ struct run which = bgctl(stand_in_url(), "hold");
	expect(&which, 2, "choose one with -s: orders invoices");
}

static void test_no_switch(void **state)
{
	(void)state;
	stand_in_stop();
	stand_in_start(NULL);
	stand_in_tell("GET", "/v1/switches", 200, "{\"switches\":[]}");
	_cleanup_run_ struct run r = bgctl(stand_in_url(), "status");
	expect(&r, 0, "no switch is configured");
	_cleanup_run_ struct run h = bgctl(stand_in_url(), "rollback");
	expect(&h, 2, "has no switch");
}

static void test_switch(void **state)
{
	(void)state;
	stand_in_tell("POST", ORDERS "/switch", 202, "{\"epoch\":9,\"id\":\"abc\",\"to\":\"green\"}");
	_cleanup_run_ struct run r = bgctl(
		stand_in_url(), "switch green --reason new_release --force --resubscribe --expect-epoch 8");
	expect(&r, 0, "switch of orders accepted: to green, epoch 9, id abc");
	check_plain(r.out);
	_cleanup_json_ struct json_object *o = NULL;
	const char *body = stand_in_body("POST", ORDERS "/switch");
	assert_int_equal(bg_json_parse(body, strlen(body), &o, NULL), 0);
	assert_string_equal(bg_json_str(o, "to", ""), "green");
	assert_string_equal(bg_json_str(o, "reason", ""), "new release");
	assert_true(bg_json_bool(o, "force", false));
	assert_true(bg_json_bool(o, "resubscribe", false));
	assert_int_equal(bg_json_int(o, "expect_epoch", -1), 8);
	_cleanup_run_ struct run json = bgctl(stand_in_url(), "switch green --json");
	expect(&json, 0, "\"id\": \"abc\"");
}

/* To the active colour: done at once. */
static void test_switch_to_active(void **state)
{
	(void)state;
	stand_in_tell("POST", ORDERS "/switch", 200,
		      "{\"outcome\":\"done\",\"exit\":0,\"epoch\":8,\"message\":\"blue is active already\"}");
	_cleanup_run_ struct run r = bgctl(stand_in_url(), "switch blue --wait");
	expect(&r, 0, "blue is active already");
	check_plain(r.out);
}

/* Each step is one line, once, as it comes. */
static void test_wait(void **state)
{
	(void)state;
	stand_in_tell("POST", ORDERS "/switch", 202, "{\"epoch\":9,\"id\":\"abc\",\"to\":\"green\"}");
	stand_in_tell("GET", ORDERS, 200,
		      SWITCH(RUNNING("abc", "{\"phase\":\"PREFLIGHT\",\"at_us\":0}"), "null"));
	stand_in_tell(
		"GET", ORDERS, 200,
		SWITCH(RUNNING("abc",
			       "{\"phase\":\"PREFLIGHT\",\"at_us\":0},{\"phase\":\"PAUSING\",\"at_us\":1234}"),
		       "null"));
	stand_in_tell("GET", ORDERS, 503, "{\"error\":\"shutting_down\",\"message\":\"restarting\"}");
	stand_in_tell("GET", ORDERS, 200, SWITCH("null", ENTRY("abc", "done", "0")));
	_cleanup_run_ struct run r = bgctl(stand_in_url(), "switch green --wait");
	expect(&r, 0, NULL);
	assert_string_equal(r.out, "      0.0 ms  PREFLIGHT\n"
				   "      1.2 ms  PAUSING\n"
				   "      5.7 ms  RESUMING  2 instances\n"
				   "done: blue -> green, epoch 9, gap 3.2 ms (worst 4.6), took 12.3 ms\n");
	assert_string_equal(r.err, "");
	check_plain(r.out);
	assert_int_equal(stand_in_count("POST", ORDERS "/switch"), 1);
}

/* Its way back is tried for ever: bgctl says so, and does not wait as long. */
static void test_wait_for_one_that_is_stuck(void **state)
{
	(void)state;
	stand_in_tell("POST", ORDERS "/switch", 202, "{\"epoch\":9,\"id\":\"abc\",\"to\":\"green\"}");
	stand_in_tell("GET", ORDERS, 200,
		      SWITCH(RUNNING("abc", "{\"phase\":\"PREFLIGHT\",\"at_us\":0}"), "null"));
	stand_in_tell(
		"GET", ORDERS, 200,
		"{\"switch\":\"orders\",\"degraded\":\"green-0: no answer in time\",\"running\":{\"id\":\"abc\","
		"\"from\":\"blue\",\"to\":\"green\",\"phase\":\"ABORTING\",\"stuck\":true,\"trouble\":\"first\"}}");
	_cleanup_run_ struct run r = bgctl(stand_in_url(), "switch green --wait");
	expect(&r, 6, "not over: blue -> green, ABORTING\n  green-0: no answer in time\n  next: ");
	check_plain(r.out);
}

/* Where the daemon holds the question (member "seq"), it is asked so. */
static void test_wait_by_long_poll(void **state)
{
	(void)state;
	stand_in_tell("POST", ORDERS "/rollback", 202, "{\"epoch\":9,\"id\":\"abc\",\"to\":\"green\"}");
	stand_in_tell("GET", ORDERS, 200,
		      "{\"switch\":\"orders\",\"seq\":41,\"running\":" RUNNING(
			      "abc", "{\"phase\":\"PAUSING\",\"at_ms\":1.5}") "}");
	stand_in_tell(
		"GET", ORDERS, 200,
		"{\"switch\":\"orders\",\"seq\":42,\"running\":null,\"last\":" ENTRY("abc", "done", "0") "}");
	_cleanup_run_ struct run r = bgctl(stand_in_url(), "rollback --wait --json");
	expect(&r, 0, "\"outcome\": \"done\"");
	assert_string_equal(stand_in_query("GET", ORDERS), "limit= since=41");
	assert_int_equal(stand_in_count("GET", ORDERS), 2);
}

/* A newer switch has ended meanwhile: ours is found in the history. */
static void test_wait_finds_it_in_the_history(void **state)
{
	(void)state;
	stand_in_tell("POST", ORDERS "/switch", 202, "{\"epoch\":9,\"id\":\"abc\"}");
	stand_in_tell("GET", ORDERS, 200, SWITCH("null", ENTRY("other", "done", "0")));
	stand_in_tell("GET", ORDERS "/history", 200,
		      "{\"entries\":[" ENTRY("other", "done", "0") "," ENTRY("abc", "aborted", "5") "]}");
	_cleanup_run_ struct run r = bgctl(stand_in_url(), "switch green --wait");
	expect(&r, 5, "aborted: blue -> green");
}

static void test_wait_for_what_nobody_knows(void **state)
{
	(void)state;
	stand_in_tell("POST", ORDERS "/switch", 202, "{\"epoch\":9,\"id\":\"abc\"}");
	stand_in_tell("GET", ORDERS, 200, SWITCH("null", "null"));
	stand_in_tell("GET", ORDERS "/history", 200, "{\"entries\":[]}");
	_cleanup_run_ struct run r = bgctl(stand_in_url(), "switch green --wait");
	expect(&r, 1, "no longer knows");
}

static void test_outcomes(void **state)
{
	static const struct {
		const char *entry;
		int exit;
		const char *text;
	} rows[] = {
		{ENTRY("abc", "done", "0"), 0, "done: "},
		{ENTRY("abc", "failed", "1"), 1, "failed: "},
		{ENTRY("abc", "rolled_back", "1"), 1, "rolled_back: "},
		{ENTRY("abc", "no_go", "3"), 3, "green-1 does not answer"},
		{ENTRY("abc", "aborted", "5"), 5, "aborted: "},
		{ENTRY("abc", "needs_person", "6"), 6, "next: look at"},
	};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++) {
		stand_in_stop();
		set_up(NULL);
		stand_in_tell("POST", ORDERS "/switch", 202, "{\"epoch\":9,\"id\":\"abc\"}");
		stand_in_tell("GET", ORDERS, 200, "{\"last\":null}");
		stand_in_tell("GET", ORDERS "/history", 200, "{\"entries\":[]}");
		_cleanup_free_ char *sw =
			bg_xasprintf("{\"switch\":\"orders\",\"running\":null,\"last\":%s}", rows[i].entry);
		stand_in_tell("GET", ORDERS, 200, sw);
		_cleanup_run_ struct run r = bgctl(stand_in_url(), "switch green --wait");
		expect(&r, rows[i].exit, rows[i].text);
		check_plain(r.out);
	}
}

static void test_dry_run_and_preflight(void **state)
{
	(void)state;
	stand_in_tell(
		"POST", ORDERS "/switch", 200,
		"{\"dry_run\":true,\"outcome\":\"no_go\",\"exit\":3,\"go\":false,\"rules\":["
		"{\"rule\":\"to-ready\",\"verdict\":\"no_go\",\"message\":\"green-1 does not answer, and this is a long story "
		"that does not fit into one line of eighty columns\"},"
		"{\"rule\":\"lag\",\"verdict\":\"go\",\"message\":\"5\"}]}");
	stand_in_tell("POST", ORDERS "/switch", 200,
		      "{\"dry_run\":true,\"outcome\":\"done\",\"exit\":0,\"go\":true,\"rules\":[]}");
	_cleanup_run_ struct run no = bgctl(stand_in_url(), "switch green --dry-run");
	expect(&no, 3, "to-ready  no-go    green-1 does not answer");
	expect(&no, 3, "would not start");
	check_plain(no.out);
	assert_non_null(strstr(stand_in_body("POST", ORDERS "/switch"), "\"dry_run\""));
	_cleanup_run_ struct run go = bgctl(stand_in_url(), "switch green --dry-run");
	expect(&go, 0, "would start");
	stand_in_tell(
		"GET", ORDERS "/preflight", 200,
		"{\"go\":true,\"rules\":[{\"rule\":\"lag\",\"verdict\":\"warn\",\"message\":\"high\"}]}");
	stand_in_tell(
		"GET", ORDERS "/preflight", 200,
		"{\"go\":false,\"rules\":[{\"rule\":\"lag\",\"verdict\":\"no_go\",\"message\":\"too high\"}]}");
	_cleanup_run_ struct run p = bgctl(stand_in_url(), "preflight");
	expect(&p, 0, "lag   warn     high");
	_cleanup_run_ struct run q = bgctl(stand_in_url(), "preflight");
	expect(&q, 3, "lag   no-go    too high");
	_cleanup_run_ struct run j = bgctl(stand_in_url(), "preflight --json");
	expect(&j, 3, "\"go\": false");
}

static void test_init(void **state)
{
	(void)state;
	stand_in_tell("POST", ORDERS "/init", 202, "{\"epoch\":1,\"id\":\"abc\",\"to\":\"blue\"}");
	_cleanup_run_ struct run r = bgctl(stand_in_url(), "init blue --from group:legacy");
	expect(&r, 0, "init of orders accepted: to blue, epoch 1");
	assert_non_null(strstr(stand_in_body("POST", ORDERS "/init"), "\"from\":\"group:legacy\""));
	assert_non_null(strstr(stand_in_body("POST", ORDERS "/init"), "\"active\":\"blue\""));
}

static void test_abort_hold_release(void **state)
{
	(void)state;
	stand_in_tell("POST", ORDERS "/abort", 202, "{\"epoch\":10,\"id\":\"abc\"}");
	stand_in_tell("POST", ORDERS "/hold", 200, "{\"hold\":true}");
	stand_in_tell("POST", ORDERS "/release", 200, "{\"hold\":false}");
	_cleanup_run_ struct run a = bgctl(stand_in_url(), "abort"),
				 h = bgctl(stand_in_url(), "hold --reason disk_work");
	_cleanup_run_ struct run l = bgctl(stand_in_url(), "release"),
				 j = bgctl(stand_in_url(), "release --json");
	expect(&a, 0, "abort of orders accepted: epoch 10");
	expect(&h, 0, "orders is held");
	expect(&l, 0, "orders is released");
	expect(&j, 0, "\"hold\": false");
	assert_non_null(strstr(stand_in_body("POST", ORDERS "/hold"), "disk work"));
}

static void test_history(void **state)
{
	(void)state;
	stand_in_tell("GET", ORDERS "/history", 200,
		      "{\"switch\":\"orders\",\"entries\":[" ENTRY("b", "done", "0") "," ENTRY("a", "aborted",
											       "5") "]}");
	stand_in_tell("GET", ORDERS "/history", 200, "{\"entries\":[]}");
	_cleanup_run_ struct run r = bgctl(stand_in_url(), "history --limit 7");
	expect(&r, 0, "11-24 17:01:02");
	expect(&r, 0, "      9  green  done        3.2     12.3  alice: because\n");
	check_plain(r.out);
	assert_string_equal(stand_in_query("GET", ORDERS "/history"), "limit=7 since=");
	_cleanup_run_ struct run none = bgctl(stand_in_url(), "history");
	expect(&none, 0, "no switch yet");
	assert_string_equal(stand_in_query("GET", ORDERS "/history"), "limit=20 since=");
	_cleanup_run_ struct run j = bgctl(stand_in_url(), "history --json");
	expect(&j, 0, "\"entries\"");
}

/* What a daemon says is not trusted: neither its length nor its control bytes. */
static void test_hostile_daemon(void **state)
{
	char name[600];
	_cleanup_free_ char *sw = NULL;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	sw = bg_xasprintf(
		"{\"switch\":\"orders\",\"strategy\":\"%s\",\"phase\":\"ID\\u001b[31mLE\",\"active\":\"blue\",\"epoch\":9223372036854775807,"
		"\"instances\":[{\"instance\":\"%s\",\"color\":\"%s\",\"state\":\"\\u001b[2J\",\"epoch\":9223372036854775807,"
		"\"lag\":9223372036854775807,\"in_flight\":9223372036854775807,\"records_total\":9223372036854775807,"
		"\"url\":\"%s\",\"trouble\":\"\\n\\n\\u0007\"}]}",
		name, name, name, name);
	stand_in_tell("GET", ORDERS, 200, sw);
	_cleanup_run_ struct run i = bgctl(stand_in_url(), "instances"), s = bgctl(stand_in_url(), "status");
	expect(&i, 0, "~");
	check_plain(i.out);
	assert_null(strchr(i.out, '\007'));
	assert_int_equal(s.status, 0);
	assert_null(strchr(s.out, '\033'));
}

static void test_instances(void **state)
{
	(void)state;
	stand_in_tell(
		"GET", ORDERS, 200,
		"{\"instances\":[" INSTANCE(
			"blue-0", "blue",
			"ACTIVE") ",{\"instance\":\"green-0\",\"color\":\"green\","
				  "\"url\":\"unix:/run/kafka-bluegreen/consumerd-green-0.sock\",\"reachable\":false,\"trouble\":\"connection "
				  "refused\"}]}");
	_cleanup_run_ struct run r = bgctl(stand_in_url(), "instances");
	expect(&r, 0, "http://127.0.0.1:18080");
	expect(&r, 0, "silent");
	expect(&r, 0, "refused");
	check_plain(r.out);
	_cleanup_run_ struct run j = bgctl(stand_in_url(), "instances --json");
	expect(&j, 0, "\"reachable\": false");
}

static void test_errors(void **state)
{
	static const struct {
		int status;
		const char *body;
		int exit;
		const char *text;
	} rows[] = {
		{409, "{\"error\":\"busy\",\"message\":\"a switch is running\",\"id\":\"xyz\"}", 3,
		 "a switch is running (busy)"},
		{409, "{\"error\":\"busy\",\"message\":\"a switch is running\",\"id\":\"xyz\"}", 3,
		 "running: xyz"},
		{409, "{\"error\":\"epoch_changed\",\"message\":\"epoch is 9\",\"epoch\":9}", 3,
		 "(epoch_changed)"},
		{409, "{\"error\":\"held\",\"message\":\"on hold\"}", 3, "bgctl release"},
		{409, "{\"error\":\"uninitialised\",\"message\":\"no colour yet\"}", 3, "bgctl init"},
		{409, "{\"error\":\"something_new\",\"message\":\"no\"}", 3, "no (something_new)"},
		{404, "{\"error\":\"unknown_switch\",\"message\":\"no such switch\"}", 2, "bgctl status"},
		{400, "{\"error\":\"bad_member\",\"message\":\"to: blue or green\"}", 2,
		 "to: blue or green (bad_member)"},
		{401, "{\"error\":\"unauthorized\",\"message\":\"no token\"}", 7, "--token-file"},
		{403, "{\"error\":\"forbidden\",\"message\":\"not you\"}", 7, "not you (forbidden)"},
		{503, "{\"error\":\"not_leader\",\"message\":\"another leads\",\"leader\":\"http://h:1\"}", 4,
		 "leader: http://h:1"},
		{500, "{\"error\":\"disk_full\",\"message\":\"no space\"}", 1, "no space (disk_full)"},
		{500, "<html>oops</html>", 1, "(HTTP 500)"},
		{200, "<html>hello</html>", 4, "it is no bg-switchd"},
	};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++) {
		stand_in_stop();
		set_up(NULL);
		stand_in_tell("POST", ORDERS "/switch", rows[i].status, rows[i].body);
		_cleanup_run_ struct run r = bgctl(stand_in_url(), "switch green --wait");
		expect(&r, rows[i].exit, rows[i].text);
		assert_string_equal(r.out, "");
		check_plain(r.err);
	}
}

static void test_unreachable(void **state)
{
	(void)state;
	_cleanup_run_ struct run a = bgctl("http://127.0.0.1:1", "status"),
				 b = bgctl("/nowhere/x.sock", "status");
	_cleanup_run_ struct run c = bgctl("http://127.0.0.1:1", "switch green --wait");
	expect(&a, 4, "cannot reach bg-switchd at http://127.0.0.1:1");
	expect(&b, 4, "No such file or directory");
	expect(&c, 4, "next: is it running?");
}

static void test_denied(void **state)
{
	(void)state;
	assert_int_equal(chmod(stand_in_socket(), 0600), 0);
	if (geteuid() != 0)
		assert_int_equal(chmod(stand_in_socket(), 0), 0);
	_cleanup_run_ struct run r = bgctl_nobody(stand_in_socket(), "status");
	expect(&r, 7, "Permission denied");
	expect(&r, 7, "kafka-bluegreen");
}

static void test_token(void **state)
{
	char path[] = "/tmp/bg-test-token-XXXXXX";
	_cleanup_free_ char *with = NULL;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "0123456789abcdef0123\n", 21), 21);
	close(fd);
	stand_in_stop();
	stand_in_start("0123456789abcdef0123");
	stand_in_tell("POST", ORDERS "/hold", 200, "{\"hold\":true}");
	with = bg_xasprintf("-s orders hold --token-file %s", path);
	_cleanup_run_ struct run no = bgctl(stand_in_url(), "-s orders hold"),
				 yes = bgctl(stand_in_url(), with);
	expect(&no, 7, "--token-file");
	expect(&yes, 0, "orders is held");
	unlink(path);
	_cleanup_run_ struct run gone = bgctl(stand_in_url(), with);
	expect(&gone, 2, "token file");
	setenv("BG_TOKEN_FILE", "/nonexistent", 1);
	_cleanup_run_ struct run env = bgctl(stand_in_url(), "-s orders hold");
	expect(&env, 2, "/nonexistent");
	unsetenv("BG_TOKEN_FILE");
}

/* Colours on a terminal, none for NO_COLOR; piped output has none in every other test here. */
static void test_colours(void **state)
{
	(void)state;
	stand_in_tell("GET", ORDERS, 200, SWITCH("null", "null"));
	_cleanup_run_ struct run r = bgctl_tty(stand_in_url(), "status", false);
	_cleanup_run_ struct run n = bgctl_tty(stand_in_url(), "status", true);
	expect(&r, 0, "\033[32mACTIVE\033[0m");
	expect(&n, 0, "ACTIVE");
	assert_null(strchr(n.out, '\033'));
}

static void test_usage(void **state)
{
	static const char *const rows[] = {
		"",
		"bogus",
		"switch",
		"switch purple",
		"switch green blue",
		"status extra",
		"status --wait",
		"hold --limit 3",
		"history --limit 0",
		"history --limit many",
		"init blue",
		"init blue --from nowhere",
		"init --from earliest",
		"status --bogus",
		"-s ../x status",
		"-s",
		"switch green --expect-epoch -3",
		"history --force",
		"freeze",
		"freeze --for 1h",
		"freeze --for 1 --reason x",
		"freeze --until 25:00 --reason x",
		"freeze --until 10:00 --for 1h --reason x",
		"thaw --for 1h",
		"schedule --at 10:00",
		"switch green --at",
		"switch green --at 24:00",
		"switch green --at 2:00",
		"switch green --at 02:00:60",
		"switch green --at 2026-02-30_10:00",
		"switch green --at 2026-13-01_10:00",
		"switch green --at tomorrow",
		"switch green --in 0s",
		"switch green --in 90",
		"switch green --in 90x",
		"switch green --in 400d",
		"switch green --in 1h --at 10:00",
		"switch green --in 1h --wait",
		"rollback --in 1h",
	};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++) {
		_cleanup_run_ struct run r = bgctl(stand_in_url(), rows[i]);

		if (r.status != 2)
			fail_msg("bgctl %s: %d", rows[i], r.status);
		assert_string_equal(r.out, "");
		assert_true(*r.err != '\0');
		check_plain(r.err);
	}
	assert_int_equal(stand_in_count("POST", ORDERS "/switch"), 0);
}

static void test_help(void **state)
{
	static const char *const rows[] = {"init",    "status",  "switch",    "rollback",  "abort",
					   "hold",    "release", "preflight", "history",   "instances",
					   "version", "tail",    "snapshots", "restore",   "doctor",
					   "freeze",  "thaw",    "schedule",  "unschedule"};

	(void)state;
	_cleanup_run_ struct run all = bgctl("/nowhere", "--help"), v = bgctl("/nowhere", "version");
	_cleanup_run_ struct run big = bgctl("/nowhere", "-V"), j = bgctl("/nowhere", "version --json");
	expect(&all, 0, "Usage: bgctl [OPTION]... COMMAND");
	check_plain(all.out);
	expect(&v, 0, "bgctl " PACKAGE_VERSION "\n");
	expect(&big, 0, "bgctl " PACKAGE_VERSION "\n");
	expect(&j, 0, "\"contract\"");
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *words = bg_xasprintf("%s --help", rows[i]);
		_cleanup_free_ char *want = bg_xasprintf("Usage: bgctl %s", rows[i]),
				    *row = bg_xasprintf("\n  %s ", rows[i]);
		_cleanup_run_ struct run r = bgctl("/nowhere", words);

		expect(&r, 0, want);
		expect(&r, 0, "Needs: ");
		check_plain(r.out);
		assert_non_null(strstr(all.out, row));
	}
}

static void test_snapshots(void **state)
{
	(void)state;
	stand_in_tell(
		"GET", ORDERS "/snapshots", 200,
		"{\"switch\":\"orders\",\"snapshots\":[{\"epoch\":8,\"time\":\"2026-11-24T17:01:02.345Z\","
		"\"active\":\"green\",\"id\":\"abc\",\"partitions\":4},{\"epoch\":7,\"damaged\":\"no\\nJSON\"}]}");
	stand_in_tell("GET", ORDERS "/snapshots", 200, "{\"snapshots\":[]}");
	stand_in_tell("GET", ORDERS "/snapshots/7", 200,
		      "{\"epoch\":7,\"time\":\"2026-11-24T17:01:02.345Z\",\"active\":\"blue\","
		      "\"offsets\":{\"orders\":[[0,4711,7],[1,99]],\"odd\":7}}");
	_cleanup_run_ struct run r = bgctl(stand_in_url(), "snapshots --limit 5");
	expect(&r, 0, "    8  11-24 17:01:02  green            4  abc\n");
	expect(&r, 0, "damaged: no?JSON");
	check_plain(r.out);
	assert_string_equal(stand_in_query("GET", ORDERS "/snapshots"), "limit=5 since=");
	_cleanup_run_ struct run none = bgctl(stand_in_url(), "snapshots");
	expect(&none, 0, "no snapshot yet");
	assert_string_equal(stand_in_query("GET", ORDERS "/snapshots"), "limit=20 since=");
	_cleanup_run_ struct run one = bgctl(stand_in_url(), "snapshots 7");
	expect(&one, 0, "snapshot of epoch 7, 11-24 17:01:02 UTC, active blue");
	expect(&one, 0, "orders          0    4711      7\n");
	expect(&one, 0, "orders          1      99     -1\n");
	check_plain(one.out);
	_cleanup_run_ struct run j = bgctl(stand_in_url(), "snapshots 7 --json");
	expect(&j, 0, "\"offsets\"");
	_cleanup_run_ struct run bad = bgctl(stand_in_url(), "snapshots -- -7");
	expect(&bad, 2, "no epoch of a snapshot");
}

/* Records are given again: never without a word that says so. */
static void test_restore(void **state)
{
	(void)state;
	stand_in_tell("GET", ORDERS, 200, SWITCH("null", "null"));
	stand_in_tell("POST", ORDERS "/snapshots/7/restore", 202,
		      "{\"epoch\":9,\"id\":\"abc\",\"to\":\"green\"}");
	stand_in_tell("POST", ORDERS "/snapshots/7/restore", 202,
		      "{\"epoch\":9,\"id\":\"abc\",\"to\":\"green\"}");
	stand_in_tell("POST", ORDERS "/snapshots/7/restore", 200,
		      "{\"dry_run\":true,\"outcome\":\"no_go\",\"exit\":3,\"go\":false,\"rules\":["
		      "{\"rule\":\"restore\",\"verdict\":\"no_go\",\"message\":\"100 are never given\"}]}");
	stand_in_tell("POST", ORDERS "/snapshots/7/restore", 404,
		      "{\"error\":\"unknown_snapshot\",\"message\":\"there is no snapshot of epoch 7\"}");
	_cleanup_run_ struct run bare = bgctl(stand_in_url(), "restore 7");
	expect(&bare, 2, "--yes");
	assert_int_equal(stand_in_count("POST", ORDERS "/snapshots/7/restore"), 0);
	_cleanup_run_ struct run yes = bgctl(stand_in_url(), "restore 7 --yes --reason a_bug");
	expect(&yes, 0, "restore of orders accepted: to green, epoch 9");
	assert_non_null(strstr(stand_in_body("POST", ORDERS "/snapshots/7/restore"), "\"expect_epoch\":8"));
	_cleanup_run_ struct run given = bgctl(stand_in_url(), "restore 7 --expect-epoch 5");
	expect(&given, 0, NULL);
	assert_non_null(strstr(stand_in_body("POST", ORDERS "/snapshots/7/restore"), "\"expect_epoch\":5"));
	_cleanup_run_ struct run dry = bgctl(stand_in_url(), "restore 7 --dry-run");
	expect(&dry, 3, "100 are never given");
	expect(&dry, 3, "the restore of snapshot 7 would not start");
	assert_non_null(strstr(stand_in_body("POST", ORDERS "/snapshots/7/restore"), "\"dry_run\":true"));
	_cleanup_run_ struct run none = bgctl(stand_in_url(), "restore 7 --yes");
	expect(&none, 2, "bgctl snapshots");
	_cleanup_run_ struct run word = bgctl(stand_in_url(), "restore yesterday --yes");
	expect(&word, 2, "\"yesterday\" is no epoch");
}

#define SCHEDULE                                                                                                   \
	"{\"id\":\"abc\",\"at\":\"2026-11-25T02:00:00.000Z\",\"to\":\"green\",\"expect_epoch\":8,\"force\":false," \
	"\"by\":\"alice\",\"reason\":\"at night\"}"
#define FREEZE                                                                                                   \
	"{\"until\":\"2026-11-25T16:00:00.000Z\",\"window\":\"Mon-Fri 09:00-17:00\",\"zone\":\"Europe/Berlin\"," \
	"\"by\":null,\"reason\":null,\"since\":null}"

/* What was asked for as "at" or "until", in seconds. */
static double asked(const char *path, const char *member)
{
	_cleanup_json_ struct json_object *o = NULL;
	const char *body = stand_in_body("POST", path);
	int64_t us = 0;

	assert_non_null(body);
	assert_int_equal(bg_json_parse(body, strlen(body), &o, NULL), 0);
	assert_int_equal(bg_parse_time_us(bg_json_str(o, member, ""), &us), 0);
	return (double)us / 1e6;
}

static void test_schedule(void **state)
{
	double now = (double)time(NULL), at;

	(void)state;
	stand_in_tell("POST", ORDERS "/switch", 202, SCHEDULE);
	stand_in_tell("POST", ORDERS "/unschedule", 200, "{\"removed\":" SCHEDULE "}");
	_cleanup_run_ struct run in =
		bgctl(stand_in_url(), "switch green --in 90m --reason at_night --expect-epoch 8");
	expect(&in, 0, "switch of orders scheduled: to green at 11-25 02:00:00 UTC, by alice: at night");
	at = asked(ORDERS "/switch", "at");
	assert_true(at >= now + 5400 && at < now + 5460);
	assert_non_null(strstr(stand_in_body("POST", ORDERS "/switch"), "\"expect_epoch\":8"));
	_cleanup_run_ struct run exact = bgctl(stand_in_url(), "switch green --at 2027-11-25T02:00:00+02:00");
	expect(&exact, 0, NULL);
	assert_non_null(
		strstr(stand_in_body("POST", ORDERS "/switch"), "\"at\":\"2027-11-25T00:00:00.000Z\""));
	_cleanup_run_ struct run removed = bgctl(stand_in_url(), "unschedule");
	expect(&removed, 0, "removed: to green at 11-25 02:00:00 UTC");
	stand_in_tell(
		"GET", "/v1/switches", 200,
		"{\"switches\":[{\"switch\":\"a\",\"schedule\":null},{\"switch\":\"orders\",\"schedule\":" SCHEDULE
		"}]}");
	_cleanup_run_ struct run list = bgctl(stand_in_url(), "schedule");
	expect(&list, 0, "orders  11-25 02:00:00  green");
	check_plain(list.out);
	_cleanup_run_ struct run json = bgctl(stand_in_url(), "schedule --json");
	expect(&json, 0, "\"schedules\"");
	_cleanup_run_ struct run none = bgctl(stand_in_url(), "schedule -s a");
	expect(&none, 0, "nothing is scheduled");
	stand_in_tell(
		"POST", ORDERS "/switch", 409,
		"{\"error\":\"already_scheduled\",\"message\":\"a switch to green is scheduled\",\"id\":\"abc\"}");
	_cleanup_run_ struct run two = bgctl(stand_in_url(), "-s orders switch green --in 1h");
	expect(&two, 3, "already_scheduled");
	stand_in_tell(
		"POST", ORDERS "/switch", 202,
		"{\"id\":\"abc\",\"at\":\"2026-11-25T02:00:00.000Z\",\"to\":\"green\",\"by\":\"alice\",\"force\":"
		"false,\"warning\":\"frozen until 2026-11-25T16:00:00.000Z, by the window x\"}");
	_cleanup_run_ struct run warned = bgctl(stand_in_url(), "-s orders switch green --in 1h");
	expect(&warned, 0,
	       "warning: it will be frozen until 2026-11-25T16:00:00.000Z, by the window x: a no-go");
}

/* By the clock of whoever asks: the test is in New York. */
static void test_local_times(void **state)
{
	time_t now = time(NULL), at;
	struct tm tm;

	(void)state;
	setenv("TZ", "America/New_York", 1);
	stand_in_tell("POST", ORDERS "/switch", 202, SCHEDULE);
	_cleanup_run_ struct run day = bgctl(stand_in_url(), "switch green --at 2027-07-04_02:30");
	expect(&day, 0, NULL);
	assert_non_null(strstr(stand_in_body("POST", ORDERS "/switch"), "2027-07-04T06:30:00.000Z"));
	_cleanup_run_ struct run skipped = bgctl(stand_in_url(), "switch green --at 2027-03-14_02:30");
	expect(&skipped, 2,
	       "\"2027-03-14 02:30\" is no value for --at\n  expected: 02:00"); /* the clock is put forward */
	/* The next such time is within a day, and is that on the clock. */
	_cleanup_run_ struct run next = bgctl(stand_in_url(), "switch green --at 12:34");
	expect(&next, 0, NULL);
	at = (time_t)asked(ORDERS "/switch", "at");
	assert_in_range(at - now, 0, 25 * 3600);
	tzset();
	localtime_r(&at, &tm);
	assert_int_equal(tm.tm_hour * 100 + tm.tm_min, 1234);
	unsetenv("TZ");
	tzset();
}

static void test_freeze(void **state)
{
	double now = (double)time(NULL), until;

	(void)state;
	stand_in_tell(
		"POST", ORDERS "/freeze", 200,
		"{\"frozen\":true,\"freeze\":{\"until\":null,\"window\":null,\"by\":\"bob\",\"reason\":\"sale\"}}");
	stand_in_tell("POST", ORDERS "/thaw", 200, "{\"frozen\":false,\"freeze\":null}");
	_cleanup_run_ struct run r = bgctl(stand_in_url(), "freeze --reason sale");
	expect(&r, 0, "orders is frozen until `bgctl thaw`, by bob: sale");
	assert_null(strstr(stand_in_body("POST", ORDERS "/freeze"), "until"));
	_cleanup_run_ struct run until_then = bgctl(stand_in_url(), "freeze --reason sale --for 2d");
	expect(&until_then, 0, NULL);
	until = asked(ORDERS "/freeze", "until");
	assert_true(until >= now + 172800 && until < now + 172860);
	_cleanup_run_ struct run thaw = bgctl(stand_in_url(), "thaw");
	expect(&thaw, 0, "orders is not frozen");
	stand_in_tell("POST", ORDERS "/thaw", 200, "{\"frozen\":true,\"freeze\":" FREEZE "}");
	_cleanup_run_ struct run still = bgctl(stand_in_url(), "thaw");
	expect(&still, 0, "orders is frozen until 11-25 16:00:00 UTC, by the window Mon-Fri 09:00-17:00");
	check_plain(still.out);
	stand_in_tell("GET", ORDERS, 200,
		      "{\"switch\":\"orders\",\"phase\":\"IDLE\",\"active\":\"blue\",\"freeze\":" FREEZE
		      ",\"schedule\":" SCHEDULE "}");
	_cleanup_run_ struct run status = bgctl(stand_in_url(), "status");
	expect(&status, 0, "frozen until 11-25 16:00:00 UTC");
	expect(&status, 0, "scheduled: to green at 11-25 02:00:00 UTC, by alice: at night");
	check_plain(status.out);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_status),
		TEST(test_status_in_trouble),
		TEST(test_status_of_a_soak),
		TEST(test_several_switches),
		TEST(test_no_switch),
		TEST(test_switch),
		TEST(test_switch_to_active),
		TEST(test_wait),
		TEST(test_wait_for_one_that_is_stuck),
		TEST(test_wait_by_long_poll),
		TEST(test_wait_finds_it_in_the_history),
		TEST(test_wait_for_what_nobody_knows),
		TEST(test_outcomes),
		TEST(test_dry_run_and_preflight),
		TEST(test_init),
		TEST(test_abort_hold_release),
		TEST(test_history),
		TEST(test_snapshots),
		TEST(test_restore),
		TEST(test_schedule),
		TEST(test_local_times),
		TEST(test_freeze),
		TEST(test_hostile_daemon),
		TEST(test_instances),
		TEST(test_errors),
		TEST(test_unreachable),
		TEST(test_denied),
		TEST(test_token),
		TEST(test_colours),
		TEST(test_usage),
		TEST(test_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
