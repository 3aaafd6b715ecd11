/* SPDX-License-Identifier: Apache-2.0 */
/* bgctl tail and status --watch, and the parser of event streams beneath them. */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bgctl/sse.h"
#include "bgctl_stand_in.h"
#include "common/json.h"
#include "common/mem.h"

#define ORDERS "/v1/switches/orders"
#define ONE    "{\"switches\":[{\"switch\":\"orders\",\"active\":\"blue\",\"epoch\":8}]}"
#define EVENT(id, type, data)                                                                                \
	"id: " id "\nevent: " type                                                                           \
	"\ndata: {\"switch\":\"orders\",\"time\":\"2026-11-24T17:01:02.345Z\",\"epoch\":9," data "}\n\n"
#define PHASE(id, phase)                                                                                     \
	EVENT(id, "phase",                                                                                   \
	      "\"phase\":\"" phase "\",\"id\":\"x\",\"from\":\"blue\",\"to\":\"green\",\"at_us\":1234")

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

/* ---- the parser */

static int note_event(void *arg, const char *type, int64_t id, const char *data, size_t len)
{
	assert_int_equal(strlen(data), len);
	bg_buf_printf(arg, "%s %lld [%s]\n", type, (long long)id, data);
	return strcmp(data, "stop") == 0 ? 7 : 0;
}

static void check_sse(const char *text, size_t piece, const char *want)
{
	_cleanup_buf_ struct bg_buf got = {0};
	struct sse s = {.id = -1};

	bg_buf_puts(&got, "");
	for (size_t at = 0, n = strlen(text); at < n; at += piece)
		assert_int_equal(sse_feed(&s, text + at, BG_MIN(piece, n - at), note_event, &got), 0);
	if (strcmp(got.s, want) != 0)
		fail_msg("in pieces of %zu, got: %s for: %s", piece, got.s, text);
	sse_free(&s);
}

static void test_sse(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"data: a\n\n", "message -1 [a]\n"},
		{"event: phase\nid: 5\ndata: a\n\ndata:b\n\n", "phase 5 [a]\nmessage 5 [b]\n"},
		{"data: a\r\ndata: b\r\n\r\ndata: c\r\r", "message -1 [a\nb]\nmessage -1 [c]\n"},
		{"\xef\xbb\xbf"
		 "data: a\n\n",
		 "message -1 [a]\n"},
		{": comment\n\n:\n\nretry: 10\n\n", ""},
		{"id: 7\n\ndata\n\n", "message 7 []\n"}, /* an id without data counts */
		{"id: 7\nid: x\nid: -3\nid: 99999999999999999999\ndata: a\n\n", "message 7 [a]\n"},
		{"event: a\n\ndata: b\n\n", "message -1 [b]\n"}, /* a type without data is forgotten */
		{"data:  two blanks\n\n", "message -1 [ two blanks]\n"},
		{"data: cut in the mid", ""},
		{"Data: a\nfoo: b\n\n", ""},
	};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++)
		for (size_t piece = 1; piece < 40; piece++)
			check_sse(rows[i].text, piece, rows[i].want);
}

static void test_sse_limits(void **state)
{
	_cleanup_buf_ struct bg_buf got = {0};
	struct sse s = {.id = -1};
	char *much = bg_xmalloc(1 << 20);
	int rc = 0;

	(void)state;
	memset(much, 'x', 1 << 20);
	/* One line that does not end. */
	for (int i = 0; i < 9 && rc == 0; i++)
		rc = sse_feed(&s, much, 1 << 20, note_event, &got);
	assert_int_equal(rc, -E2BIG);
	sse_reset(&s);
	/* Many lines. */
	memcpy(much, "data:", 5);
	much[(1 << 20) - 1] = '\n';
	for (int i = rc = 0; i < 9 && rc == 0; i++)
		rc = sse_feed(&s, much, 1 << 20, note_event, &got);
	assert_int_equal(rc, -E2BIG);
	/* After a reset all is well, and the id is kept; a callback that has enough ends it. */
	s.id = 3;
	sse_reset(&s);
	assert_int_equal(sse_feed(&s, "data: stop\n\ndata: more\n\n", 24, note_event, &got), 7);
	assert_string_equal(got.s, "message 3 [stop]\n");
	/* The id of an event whose end never came is not the id of one that was had; of one that was left out it is. */
	sse_reset(&s);
	assert_int_equal(sse_feed(&s, "id: 4\n\nid: 5\nevent: x\ndata: y\n", 30, note_event, &got), 0);
	assert_int_equal(s.id, 4);
	sse_reset(&s);
	assert_int_equal(sse_feed(&s, "data: z\n\n", 9, note_event, &got), 0);
	assert_string_equal(got.s, "message 3 [stop]\nmessage 4 [z]\n");
	sse_reset(&s);
	assert_int_equal(sse_feed(&s, "id: 6\n", 6, note_event, &got), 0);
	memset(much, 'x', 1 << 20);
	for (int i = rc = 0; i < 9 && rc == 0; i++)
		rc = sse_feed(&s, much, 1 << 20, note_event, &got);
	assert_int_equal(rc, -E2BIG);
	assert_int_equal(s.id, 6);
	s.id = 3;
	bg_buf_reset(&got);
	/* NUL bytes end nothing. */
	sse_reset(&s);
	assert_int_equal(sse_feed(&s, "da\0ta: x\n\n", 10, note_event, &got), 0);
	assert_int_equal(got.len, 0);
	sse_free(&s);
	free(much);
}

/* ---- tail */

static void test_tail(void **state)
{
	(void)state;
	stand_in_stream(
		": bg-switchd\nretry: 1000\nid: 4\n\n" PHASE("5", "PAUSING") EVENT(
			"6", "instance",
			"\"instance\":\"blue-0\",\"state\":\"PAUSED\",\"old\":\"ACTIVE\",\"reachable\":true")
			EVENT("7", "instance",
			      "\"instance\":\"blue-1\",\"state\":\"ACTIVE\",\"old\":\"ACTIVE\",\"reachable\":false,"
			      "\"trouble\":\"no\\u001b[2Janswer\"") EVENT("8", "hold", "\"hold\":true")
				EVENT("9", "soak", "\"verdict\":\"rollback\",\"rule\":\"gone\",\"message\":\"green-0\"") EVENT(
					"9", "soak",
					"\"verdict\":\"stays\",\"rule\":\"gone\",\"message\":\"gone: green-0\"")
					EVENT("9", "soak",
					      "\"verdict\":\"well\",\"rule\":null,\"message\":null")
						EVENT("9", "degraded", "\"degraded\":\"both are active\"") EVENT(
							"10", "end",
							"\"kind\":\"switch\",\"outcome\":\"done\",\"exit\":0,\"from\":\"blue\",\"to\":\"green\","
							"\"gap_us\":3210,\"duration_us\":12345")
							EVENT("11", "of-a-later-version",
							      "\"message\":\"so it is\"")
								EVENT("12", "phase",
								      "\"phase\":\"IDLE\",\"id\":null,\"active\":\"green\""),
		true);
	_cleanup_run_ struct run r = bgctl(stand_in_url(), "-s orders tail --limit 11");
	expect(&r, 0, NULL);
	assert_string_equal(
		r.out,
		"11-24 17:01:02.345  orders  PAUSING  epoch 9  blue -> green  +1.2 ms\n"
		"11-24 17:01:02.345  orders  blue-0  PAUSED, was ACTIVE, epoch 9\n"
		"11-24 17:01:02.345  orders  blue-1  silent, epoch 9: no?[2Janswer\n"
		"11-24 17:01:02.345  orders  held: nothing moves until `bgctl release`\n"
		"11-24 17:01:02.345  orders  soak: rollback, gone: green-0\n"
		"11-24 17:01:02.345  orders  soak: stays: gone: green-0\n"
		"11-24 17:01:02.345  orders  soak: well\n"
		"11-24 17:01:02.345  orders  degraded: both are active\n"
		"11-24 17:01:02.345  orders  switch is over, done: blue -> green, epoch 9, gap 3.2 ms, took 12.3 ms\n"
		"-- of-a-later-version: so it is\n"
		"11-24 17:01:02.345  orders  IDLE  epoch 9  active green\n");
	assert_string_equal(r.err, "");
	assert_string_equal(stand_in_query("GET", "/v1/events"), "limit= since=");
}

static void test_tail_of_plans(void **state)
{
	(void)state;
	stand_in_stream(
		EVENT("5", "freeze",
		      "\"frozen\":true,\"freeze\":{\"until\":null,\"window\":null,\"by\":\"bob\",\"reason\":\"a\\u001b[2Jsale\"}")
			EVENT("6", "freeze", "\"frozen\":false,\"freeze\":null") EVENT(
				"7", "schedule",
				"\"what\":\"dropped\",\"why\":\"the epoch is 9\",\"schedule\":{\"to\":\"green\","
				"\"at\":\"2026-11-25T02:00:00.000Z\",\"by\":\"alice\",\"reason\":null}"),
		true);
	_cleanup_run_ struct run r = bgctl(stand_in_url(), "-s orders tail --limit 3");
	expect(&r, 0, NULL);
	assert_string_equal(
		r.out,
		"11-24 17:01:02.345  orders  frozen until `bgctl thaw`, by bob: a?[2Jsale\n"
		"11-24 17:01:02.345  orders  no longer frozen\n"
		"11-24 17:01:02.345  orders  schedule dropped: to green at 11-25 02:00:00 UTC, by alice\n"
		"  the epoch is 9\n");
}

static void test_tail_json(void **state)
{
	struct json_object *o = NULL;

	(void)state;
	stand_in_stream(PHASE("5", "PAUSING") "event: closed\ndata: {\"reason\":\"too_slow\"}\n\n"
					      "id: 6\nevent: odd\ndata: no json\n\n",
			true);
	_cleanup_run_ struct run r = bgctl(stand_in_socket(), "tail --json --since 3 --limit 3");
	expect(&r, 0, NULL);
	assert_string_equal(stand_in_query("GET", "/v1/events"), "limit= since=3");
	char *nl = strchr(r.out, '\n');
	assert_non_null(nl);
	assert_int_equal(bg_json_parse(r.out, (size_t)(nl - r.out), &o, NULL), 0);
	assert_string_equal(bg_json_str(o, "event", ""), "phase");
	assert_int_equal(bg_json_int(o, "event_id", 0), 5);
	assert_string_equal(bg_json_str(o, "id", ""), "x"); /* the switch's own */
	json_object_put(o);
	assert_string_equal(nl + 1, "{\"event\":\"closed\",\"reason\":\"too_slow\"}\n"
				    "{\"event\":\"odd\",\"event_id\":6,\"text\":\"no json\"}\n");
}

/* Cut in mid-event: it is not shown by halves, but whole after the reconnect, which begins at the last whole one's id. */
static void test_tail_reconnects(void **state)
{
	(void)state;
	stand_in_stream(PHASE("5", "PAUSING") "id: 6\nevent: phase\ndata: {\"switch\":\"ord", false);
	stand_in_stream("", false);
	stand_in_stream(PHASE("7", "RESUMING"), true);
	_cleanup_run_ struct run r = bgctl_until(stand_in_url(), "tail", false, "RESUMING", SIGINT, NULL);
	expect(&r, 0, "PAUSING");
	assert_null(strstr(r.out, "ord\n"));
	assert_int_equal(stand_in_count("GET", "/v1/events"), 3);
	assert_non_null(strstr(r.err, "the connection is lost"));
	assert_non_null(strstr(r.err, "connected again"));
	assert_non_null(strstr(stand_in_query("GET", "/v1/events"), "since=5"));
}

static void test_tail_ends_by_signals(void **state)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(signals); i++) {
		stand_in_stream(PHASE("5", "PAUSING"), true);
		_cleanup_run_ struct run r =
			bgctl_until(stand_in_url(), "tail", false, "PAUSING", signals[i], NULL);
		expect(&r, 0, "PAUSING");
		assert_string_equal(r.err, "");
	}
}

/* Somebody who types ^C again and again: the terminal is given back all the same. */
static void test_many_signals(void **state)
{
	bool same = false;

	(void)state;
	stand_in_tell("GET", ORDERS, 200, "{\"switch\":\"orders\",\"phase\":\"SOAKING\"}");
	for (int n = 0; n < 20; n++) {
		_cleanup_run_ struct run r = bgctl_until(stand_in_url(), "-s orders status --watch", true,
							 "SOAKING", -SIGINT, &same);
		expect(&r, 0, "\033[?25h\033[?1049l");
		assert_true(same);
	}
}

/* An event beyond all measure is left out, and what comes after it is shown. */
static void test_tail_huge_event(void **state)
{
	size_t n = 9 << 20;
	char *huge = bg_xmalloc(n + 1);

	(void)state;
	memset(huge, 'x', n);
	huge[n] = '\0';
	memcpy(huge, "id: 6\ndata: ", 12);
	stand_in_stream(PHASE("5", "PAUSING"), false);
	/* (The stand-in queues at most 1 MiB: what is cut there is cut in mid-event.) */
	stand_in_stream(huge, true);
	stand_in_stream(PHASE("7", "RESUMING"), true);
	_cleanup_run_ struct run r = bgctl_until(stand_in_url(), "tail", false, "RESUMING", SIGINT, NULL);
	expect(&r, 0, "PAUSING");
	free(huge);
}

static void test_tail_refused(void **state)
{
	(void)state;
	_cleanup_run_ struct run gone = bgctl("/nowhere/switchd.sock", "tail");
	expect(&gone, 4, "cannot reach bg-switchd at /nowhere/switchd.sock");
	stand_in_stop();
	stand_in_start("secret");
	_cleanup_run_ struct run who = bgctl(stand_in_url(), "tail --token-file /dev/null");
	expect(&who, 2, "token file");
	stand_in_stop();
	stand_in_start(NULL);
	stand_in_stream("", false); /* ends before a byte of it */
	_cleanup_run_ struct run none = bgctl(stand_in_url(), "tail");
	expect(&none, 4, "with no stream of events");
}

/* ---- watch */

#define INSTANCE(name, color, state, records)                                                                \
	"{\"instance\":\"" name "\",\"color\":\"" color "\",\"reachable\":true,\"state\":\"" state           \
	"\",\"epoch\":8,\"lag\":12,\"in_flight\":3,\"records_total\":" records                               \
	",\"errors_total\":0,\"partitions\":4,\"incarnation\":\"a\"}"
#define SWITCH(phase, active, records)                                                                       \
	"{\"switch\":\"orders\",\"strategy\":\"D\",\"handover\":\"eager\",\"phase\":\"" phase                \
	"\",\"active\":\"" active "\",\"epoch\":8,\"hold\":false,\"degraded\":null,"                         \
	"\"lag\":{\"blue\":7,\"green\":null},\"running\":null,\"last\":null,"                                \
	"\"rollback\":{\"allowed\":true,\"to\":\"green\",\"until\":\"2026-11-24T18:00:00.000Z\"},"           \
	"\"instances\":[" INSTANCE("blue-0", "blue", "ACTIVE", records) "," INSTANCE("green-0", "green",     \
										     "PAUSED", "0") "]}"

static void test_watch_lines(void **state)
{
	(void)state;
	stand_in_tell("GET", ORDERS, 200, SWITCH("IDLE", "blue", "100"));
	stand_in_tell("GET", ORDERS, 200, SWITCH("IDLE", "blue", "200"));
	stand_in_tell("GET", ORDERS, 200, SWITCH("PAUSING", "blue", "300"));
	_cleanup_run_ struct run r = bgctl_until(stand_in_url(), "status --watch --interval 100ms", false,
						 "PAUSING", SIGINT, NULL);
	expect(&r, 0, "orders  IDLE  active blue  epoch 8  blue 1 ACTIVE  green 1 PAUSED\n");
	assert_null(strchr(r.out, '\033'));
	assert_int_equal(stand_in_count("GET", "/v1/events"), 1);
	/* What did not change is not said again: two lines. */
	char *nl = strchr(r.out, '\n');
	assert_string_equal(strchr(nl + 1, '\n'), "\n");
}

/* A picture that is drawn in its place, and a terminal that is given back as it was. */
static void test_watch_terminal(void **state)
{
	bool same = false;

	(void)state;
	stand_in_tell("GET", ORDERS, 200, SWITCH("IDLE", "blue", "100"));
	stand_in_tell("GET", ORDERS, 200, SWITCH("SOAKING", "blue", "100100"));
	_cleanup_run_ struct run r =
		bgctl_until(stand_in_url(), "status --watch --interval 1s", true, "SOAKING", SIGINT, &same);
	expect(&r, 0, "\033[?1049h");
	expect(&r, 0, "records/s");
	expect(&r, 0, "rollback to green until");
	expect(&r, 0, "\033[?25h\033[?1049l");
	assert_true(same);
	_cleanup_run_ struct run q =
		bgctl_until(stand_in_url(), "-s orders status --watch", true, "SOAKING", 0, &same);
	expect(&q, 0, "\033[?1049l");
	assert_true(same);
}

/* A second later the rate is there: 100 records in about a second. */
static void test_watch_rate(void **state)
{
	const char *row;

	(void)state;
	stand_in_tell("GET", ORDERS, 200, SWITCH("IDLE", "blue", "1000"));
	stand_in_tell("GET", ORDERS, 200, SWITCH("IDLE", "blue", "1000"));
	stand_in_tell("GET", ORDERS, 200, SWITCH("SOAKING", "blue", "11000"));
	_cleanup_run_ struct run r = bgctl_until(stand_in_url(), "-s orders status --watch --interval 1s",
						 true, "SOAKING", SIGINT, NULL);
	row = strstr(r.out, "SOAKING");
	assert_non_null(row);
	row = strstr(row, "blue-0");
	assert_non_null(row);
	char name[16], color[16], st[16];
	long long epoch, parts, lag, flight, rate;
	assert_int_equal(sscanf(row, "%15s %15s %15s %lld %lld %lld %lld %lld", name, color, st, &epoch,
				&parts, &lag, &flight, &rate),
			 8);
	if (rate < 5000 || rate > 11000)
		fail_msg("%lld records/s in: %s", rate, row);
}

/* The connection is lost: it says so, keeps the old picture, and comes back. */
static void test_watch_survives(void **state)
{
	(void)state;
	stand_in_tell("GET", ORDERS, 200, SWITCH("IDLE", "blue", "100"));
	stand_in_tell("GET", ORDERS, 200, SWITCH("IDLE", "blue", "100"));
	stand_in_tell("GET", ORDERS, 503, "{\"error\":\"shutting_down\",\"message\":\"stopping\"}");
	stand_in_tell("GET", ORDERS, 200, SWITCH("PAUSING", "blue", "100"));
	stand_in_stream(": hello\n\n", false);
	_cleanup_run_ struct run r = bgctl_until(stand_in_url(), "status --watch --interval 100ms", false,
						 "PAUSING", SIGINT, NULL);
	expect(&r, 0, "no connection");
}

static void test_watch_refused(void **state)
{
	(void)state;
	_cleanup_run_ struct run gone = bgctl_tty("/nowhere/switchd.sock", "-s orders status --watch", true);
	expect(&gone, 4, "cannot reach");
	assert_null(strstr(gone.out, "1049h")); /* the screen was never taken */
	_cleanup_run_ struct run none = bgctl(stand_in_url(), "-s none status --watch");
	expect(&none, 2, "unknown_switch");
	_cleanup_run_ struct run json = bgctl(stand_in_url(), "status --watch --json");
	expect(&json, 2, "bgctl tail --json");
	_cleanup_run_ struct run alone = bgctl(stand_in_url(), "status --interval 2s");
	expect(&alone, 2, "--watch");
	_cleanup_run_ struct run bare = bgctl(stand_in_url(), "status --watch --interval 2");
	expect(&bare, 2, "is no value for --interval\n  expected: 100 ms to 1 h, with its unit");
}

static void test_watch_of_several(void **state)
{
	(void)state;
	stand_in_stop();
	stand_in_start(NULL);
	stand_in_tell(
		"GET", "/v1/switches", 200,
		"{\"switches\":[{\"switch\":\"orders\",\"active\":\"blue\",\"epoch\":8,\"phase\":\"IDLE\"},"
		"{\"switch\":\"invoices\",\"epoch\":0,\"phase\":\"UNKNOWN\",\"hold\":true}]}");
	_cleanup_run_ struct run r = bgctl_until(stand_in_url(), "status --watch --interval 100ms", false,
						 "invoices", SIGTERM, NULL);
	expect(&r, 0, "orders  IDLE  active blue  epoch 8 | invoices  UNKNOWN  active none  epoch 0  held\n");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sse),
		cmocka_unit_test(test_sse_limits),
		TEST(test_tail),
		TEST(test_tail_of_plans),
		TEST(test_tail_json),
		TEST(test_tail_reconnects),
		TEST(test_tail_ends_by_signals),
		TEST(test_many_signals),
		TEST(test_tail_huge_event),
		TEST(test_tail_refused),
		TEST(test_watch_lines),
		TEST(test_watch_terminal),
		TEST(test_watch_rate),
		TEST(test_watch_survives),
		TEST(test_watch_refused),
		TEST(test_watch_of_several),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
