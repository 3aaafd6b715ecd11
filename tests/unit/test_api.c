/* SPDX-License-Identifier: Apache-2.0 */
/* Every call of protocol.md 4, over HTTP, on a switch of fakes. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "common/units.h"
#include "switchd/api.h"
#include "switchd/metrics.h"
#include "switchd/watch.h"
#include "switchd_fake.h"

struct world {
	struct fake *f;
	struct bg_http_server *http;
	struct bg_httpc *client;
	char base[64];
	/* The last answer. */
	int status;
	struct json_object *json;
	char *text;
	bool over;
};

static int setup(void **state)
{
	struct world *w = bg_xcalloc(1, sizeof(*w));
	struct bg_err err = BG_ERR_INIT;

	w->f = fake_new();
	w->f->dm.metrics = sw_metrics_new(&w->f->dm);
	w->f->dm.poll = bg_httpc_new(w->f->loop);
	w->f->dm.cmd = bg_httpc_new(w->f->loop); /* hello asks the instance at once */
	w->client = bg_httpc_new(w->f->loop);
	struct bg_http_opts o = {.routes = sw_routes, .arg = &w->f->dm};
	w->http = bg_http_server_new(w->f->loop, &o);
	assert_int_equal(bg_http_server_tcp(w->http, "127.0.0.1:0", &err), 0);
	snprintf(w->base, sizeof(w->base), "http://127.0.0.1:%d", bg_http_server_port(w->http));
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	bg_httpc_free(w->client);
	sw_watch_stop(w->f->sw);
	bg_httpc_free(w->f->dm.poll);
	bg_httpc_free(w->f->dm.cmd);
	w->f->dm.poll = w->f->dm.cmd = NULL;
	bg_http_server_free(w->http);
	sw_metrics_free(w->f->dm.metrics);
	w->f->dm.metrics = NULL;
	fake_free(w->f);
	json_object_put(w->json);
	free(w->text);
	free(w);
	return 0;
}

static void on_answer(void *arg, const struct bg_httpc_answer *a)
{
	struct world *w = arg;

	w->status = a->status;
	json_object_put(w->json);
	w->json = a->json ? json_object_get(a->json) : NULL;
	free(w->text);
	w->text = bg_xstrdup(a->body ? a->body : "");
	w->over = true;
}

static void ask(struct world *w, const char *method, const char *path, const char *body)
{
	struct bg_httpc_call c = {
		.method = method, .base = w->base, .path = path, .body = body, .deadline_us = 20000000};

	w->over = false;
	bg_httpc_send(w->client, &c, on_answer, w);
}

static void wait_answer(struct world *w)
{
	assert_true(bg_loop_run_until(w->f->loop, &w->over, 20000000));
}

static void req(struct world *w, const char *method, const char *path, const char *body, int status)
{
	ask(w, method, path, body);
	wait_answer(w);
	if (w->status != status)
		fail_msg("%s %s: %d, not %d: %s", method, path, w->status, status, w->text);
}

static void word_is(struct world *w, const char *word)
{
	assert_string_equal(bg_json_str(w->json, "error", ""), word);
	assert_true(bg_json_str(w->json, "message", "")[0]);
}

#define ORDERS "/v1/switches/orders"

static void unknown_switch(void **state)
{
	struct world *w = *state;

	req(w, "GET", "/v1/switches/none", NULL, 404);
	word_is(w, "unknown_switch");
	req(w, "POST", "/v1/switches/none/switch", "{\"to\":\"green\"}", 404);
	req(w, "GET", "/v1/switches/none/history", NULL, 404);
	req(w, "POST", "/v1/hello",
	    "{\"switch\":\"none\",\"color\":\"blue\",\"instance\":\"blue-0\",\"incarnation\":\"x\",\"state\":\"PAUSED\",\"epoch\":0}",
	    404);
}

static void bad_bodies(void **state)
{
	static const char *const bad[] = {"{}",
					  "{\"to\":\"purple\"}",
					  "{\"to\":7}",
					  "[]",
					  "{\"to\":\"green\"",
					  "not json",
					  "{\"to\":\"green\",\"expect_epoch\":\"1\"}",
					  "{\"to\":\"green\",\"force\":1}",
					  "{\"to\":\"green\",\"expect_epoch\":-1}"};
	struct world *w = *state;

	fake_active(w->f, BG_BLUE, 1);
	for (size_t i = 0; i < BG_ARRAY_SIZE(bad); i++)
		req(w, "POST", ORDERS "/switch", bad[i], 400);
	req(w, "POST", ORDERS "/init", "{\"active\":\"blue\",\"from\":\"yesterday\"}", 400);
	word_is(w, "bad_from");
	req(w, "GET", ORDERS "/history?limit=0", NULL, 400);
	req(w, "GET", ORDERS "/history?limit=x", NULL, 400);
	req(w, "GET", ORDERS "/snapshots/abc", NULL, 400);
	req(w, "GET", ORDERS "/preflight?to=red", NULL, 400);
	req(w, "GET", ORDERS "/switch", NULL, 405);
	assert_int_equal(w->f->sent, 0);
}

static void status_says_all(void **state)
{
	struct world *w = *state;
	struct json_object *i;

	fake_active(w->f, BG_BLUE, 4);
	req(w, "GET", ORDERS, NULL, 200);
	assert_string_equal(bg_json_str(w->json, "phase", ""), "IDLE");
	assert_string_equal(bg_json_str(w->json, "active", ""), "blue");
	assert_int_equal(bg_json_int(w->json, "epoch", 0), 4);
	assert_int_equal(json_object_array_length(bg_json_get(w->json, "instances")), 4);
	i = json_object_array_get_idx(bg_json_get(w->json, "instances"), 2);
	assert_string_equal(bg_json_str(i, "instance", ""), "green-0");
	assert_string_equal(bg_json_str(i, "state", ""), "PAUSED");
	assert_string_equal(bg_json_str(bg_json_get(w->json, "record"), "active", ""), "blue");
	assert_null(bg_json_get(w->json, "running"));
	req(w, "GET", "/v1/switches", NULL, 200);
	assert_int_equal(json_object_array_length(bg_json_get(w->json, "switches")), 1);
}

static void switch_and_wait(void **state)
{
	struct world *w = *state;

	fake_active(w->f, BG_BLUE, 1);
	ask(w, "POST", ORDERS "/switch?wait=1", "{\"to\":\"green\",\"reason\":\"new version\"}");
	fake_await(w->f, "prepare");
	assert_false(w->over);
	fake_all_well(w->f, SW_SOAKING);
	wait_answer(w);
	assert_int_equal(w->status, 200);
	assert_string_equal(bg_json_str(w->json, "outcome", ""), "done");
	assert_int_equal(bg_json_int(w->json, "exit", -1), 0);
	assert_string_equal(bg_json_str(w->json, "reason", ""), "new version");
	assert_string_equal(bg_json_str(w->json, "by", ""), "127.0.0.1");
	req(w, "GET", ORDERS "/history?limit=5", NULL, 200);
	assert_int_equal(json_object_array_length(bg_json_get(w->json, "entries")), 1);
}

static void active_colour_is_done_at_once(void **state)
{
	struct world *w = *state;

	fake_active(w->f, BG_BLUE, 1);
	req(w, "POST", ORDERS "/switch", "{\"to\":\"blue\"}", 200);
	assert_string_equal(bg_json_str(w->json, "outcome", ""), "done");
	assert_int_equal(bg_json_int(w->json, "exit", -1), 0);
	assert_int_equal(w->f->sent, 0);
}

static void busy_names_the_running_one(void **state)
{
	struct world *w = *state;
	char id[64];

	fake_active(w->f, BG_BLUE, 1);
	req(w, "POST", ORDERS "/switch", "{\"to\":\"green\"}", 202);
	assert_int_equal(bg_json_int(w->json, "epoch", 0), 2);
	snprintf(id, sizeof(id), "%s", bg_json_str(w->json, "id", ""));
	assert_true(id[0]);
	req(w, "POST", ORDERS "/switch", "{\"to\":\"green\"}", 409);
	word_is(w, "busy");
	assert_string_equal(bg_json_str(w->json, "id", ""), id);
	req(w, "POST", ORDERS "/rollback", "{}", 409);
	word_is(w, "busy");
	req(w, "POST", ORDERS "/init", "{\"active\":\"blue\"}", 409);
	req(w, "GET", ORDERS, NULL, 200);
	assert_string_equal(bg_json_str(bg_json_get(w->json, "running"), "id", ""), id);
	fake_all_well(w->f, SW_SOAKING);
}

static void repeated_post_starts_nothing_twice(void **state)
{
	struct world *w = *state;
	const char *body = "{\"to\":\"green\",\"expect_epoch\":1}";
	char id[64];

	fake_active(w->f, BG_BLUE, 1);
	req(w, "POST", ORDERS "/switch", body, 202);
	snprintf(id, sizeof(id), "%s", bg_json_str(w->json, "id", ""));
	req(w, "POST", ORDERS "/switch", body, 202);
	assert_string_equal(bg_json_str(w->json, "id", ""), id);
	fake_all_well(w->f, SW_SOAKING);
	int sent = w->f->sent;
	req(w, "POST", ORDERS "/switch", body, 202);
	assert_string_equal(bg_json_str(w->json, "id", ""), id);
	assert_int_equal(bg_json_int(w->json, "epoch", 0), 2);
	req(w, "POST", ORDERS "/switch?wait=1", body, 200);
	assert_string_equal(bg_json_str(w->json, "outcome", ""), "done");
	assert_int_equal(w->f->sent, sent);
	/* Another expectation is another request. */
	req(w, "POST", ORDERS "/switch", "{\"to\":\"blue\",\"expect_epoch\":1}", 409);
	word_is(w, "epoch_changed");
	assert_int_equal(bg_json_int(w->json, "epoch", 0), 2);
}

/* After a restart only the record knows. */
static void repeated_post_after_a_restart(void **state)
{
	struct world *w = *state;

	w->f->sw->rec.base_epoch = 3;
	w->f->sw->rec.to = BG_BLUE;
	w->f->sw->rec.from = BG_GREEN;
	strcpy(w->f->sw->rec.id, "abc");
	strcpy(w->f->sw->rec.outcome, "done");
	fake_active(w->f, BG_BLUE, 4);
	req(w, "POST", ORDERS "/switch", "{\"to\":\"blue\",\"expect_epoch\":3}", 202);
	assert_string_equal(bg_json_str(w->json, "id", ""), "abc");
	req(w, "POST", ORDERS "/switch?wait=1", "{\"to\":\"blue\",\"expect_epoch\":3}", 200);
	assert_string_equal(bg_json_str(w->json, "outcome", ""), "done");
}

static void no_go_may_be_asked_again(void **state)
{
	struct world *w = *state;
	const char *body = "{\"to\":\"green\",\"expect_epoch\":1}";

	fake_active(w->f, BG_BLUE, 1);
	w->f->sw->inst[0].level = 1;
	ask(w, "POST", ORDERS "/switch?wait=1", body);
	fake_await(w->f, "status");
	fake_answer(w->f, "status", NULL);
	wait_answer(w);
	assert_string_equal(bg_json_str(w->json, "outcome", ""), "no_go");
	assert_int_equal(bg_json_int(w->json, "exit", -1), 3);
	w->f->sw->inst[0].level = 3;
	ask(w, "POST", ORDERS "/switch?wait=1", body);
	fake_await(w->f, "prepare");
	fake_all_well(w->f, SW_SOAKING);
	wait_answer(w);
	assert_string_equal(bg_json_str(w->json, "outcome", ""), "done");
}

static void dry_run_changes_nothing(void **state)
{
	struct world *w = *state;

	fake_active(w->f, BG_BLUE, 1);
	ask(w, "POST", ORDERS "/switch", "{\"to\":\"green\",\"dry_run\":true}");
	fake_await(w->f, "status");
	fake_answer(w->f, "status", NULL);
	wait_answer(w);
	assert_int_equal(w->status, 200);
	assert_true(bg_json_bool(w->json, "go", false));
	assert_true(bg_json_bool(w->json, "dry_run", false));
	assert_string_equal(bg_json_str(w->json, "outcome", ""), "done");
	assert_int_equal(w->f->sw->state, SW_IDLE);
	assert_int_equal(w->f->sent, 0);
	assert_int_equal(w->f->record_writes, 0);
	ask(w, "GET", ORDERS "/preflight", NULL);
	fake_await(w->f, "status");
	w->f->sw->rec.hold = true;
	fake_answer(w->f, "status", NULL);
	wait_answer(w);
	assert_false(bg_json_bool(w->json, "go", true));
	assert_true(json_object_array_length(bg_json_get(w->json, "rules")) > 10);
}

static void hold_and_release(void **state)
{
	struct world *w = *state;

	fake_active(w->f, BG_BLUE, 1);
	req(w, "POST", ORDERS "/hold", "{\"reason\":\"maintenance\"}", 200);
	assert_true(bg_json_bool(w->json, "hold", false));
	fake_settle(w->f);
	assert_non_null(strstr(w->f->record, "\"hold\":true"));
	req(w, "POST", ORDERS "/switch", "{\"to\":\"green\"}", 409);
	word_is(w, "held");
	req(w, "POST", ORDERS "/rollback", "{}", 409);
	req(w, "POST", ORDERS "/release", "{}", 200);
	assert_false(bg_json_bool(w->json, "hold", true));
	req(w, "POST", ORDERS "/switch", "{\"to\":\"green\"}", 202);
	fake_all_well(w->f, SW_SOAKING);
}

static void freeze_and_thaw(void **state)
{
	static const char *const bad[] = {"{}",
					  "{\"reason\":\"\"}",
					  "{\"reason\":7}",
					  "{\"reason\":\"x\",\"until\":\"soon\"}",
					  "{\"reason\":\"x\",\"until\":\"2026-02-30T00:00:00Z\"}",
					  "{\"reason\":\"x\",\"until\":\"2020-01-01T00:00:00Z\"}",
					  "{\"reason\":\"x\",\"until\":\"9999-01-01T00:00:00Z\"}"};
	struct world *w = *state;

	fake_active(w->f, BG_BLUE, 1);
	for (size_t i = 0; i < BG_ARRAY_SIZE(bad); i++)
		req(w, "POST", ORDERS "/freeze", bad[i], 400);
	req(w, "GET", ORDERS, NULL, 200);
	assert_null(bg_json_get(w->json, "freeze"));
	req(w, "POST", ORDERS "/freeze", "{\"reason\":\"sale\",\"by\":\"bob\"}", 200);
	assert_true(bg_json_bool(w->json, "frozen", false));
	/* It was durable before it was answered. */
	assert_non_null(strstr(w->f->record, "\"reason\":\"sale\""));
	req(w, "GET", ORDERS, NULL, 200);
	assert_string_equal(bg_json_str(bg_json_get(w->json, "freeze"), "by", ""), "bob (127.0.0.1)");
	assert_null(bg_json_get(bg_json_get(w->json, "freeze"), "until"));
	ask(w, "GET", ORDERS "/preflight", NULL);
	fake_answer(w->f, "status", NULL);
	wait_answer(w);
	assert_false(bg_json_bool(w->json, "go", true));
	assert_non_null(strstr(w->text, "frozen until `bgctl thaw`, by bob (127.0.0.1): sale"));
	ask(w, "POST", ORDERS "/switch?wait=1", "{\"to\":\"green\"}");
	fake_answer(w->f, "status", NULL);
	wait_answer(w);
	assert_string_equal(bg_json_str(w->json, "outcome", ""), "no_go");
	assert_int_equal(w->f->sent, 0);
	ask(w, "POST", ORDERS "/switch?wait=1", "{\"to\":\"green\",\"force\":true}");
	fake_all_well(w->f, SW_SOAKING);
	wait_answer(w);
	assert_string_equal(bg_json_str(w->json, "outcome", ""), "done");
	req(w, "POST", ORDERS "/thaw", "{}", 200);
	assert_false(bg_json_bool(w->json, "frozen", true));
	assert_null(strstr(w->f->record, "sale"));
	req(w, "POST", ORDERS "/thaw", "{}", 200); /* again: nothing to do */
}

static void schedule_and_unschedule(void **state)
{
	static const char *const bad[] = {
		"{\"to\":\"green\",\"at\":\"02:00\"}",
		"{\"to\":\"green\",\"at\":7}",
		"{\"to\":\"green\",\"at\":\"\"}",
		"{\"to\":\"green\",\"at\":\"2020-01-01T00:00:00Z\"}",
		"{\"to\":\"green\",\"at\":\"9999-01-01T00:00:00Z\"}",
		"{\"to\":\"green\",\"at\":\"2020-01-01T00:00:00Z\",\"dry_run\":true}",
	};
	struct world *w = *state;
	_cleanup_free_ char *body = NULL, *other = NULL, *id = NULL;
	int64_t at = bg_real_us() + INT64_C(3600000000);
	char t[32];

	req(w, "POST", ORDERS "/switch", "{\"to\":\"green\",\"at\":\"2026-11-25T02:00:00Z\"}", 409);
	word_is(w, "uninitialised");
	fake_active(w->f, BG_BLUE, 1);
	for (size_t i = 0; i < BG_ARRAY_SIZE(bad); i++)
		req(w, "POST", ORDERS "/switch", bad[i], 400);
	req(w, "POST", ORDERS "/unschedule", "{}", 409);
	word_is(w, "nothing_scheduled");
	body = bg_xasprintf("{\"to\":\"green\",\"at\":\"%s\",\"reason\":\"at night\",\"expect_epoch\":1}",
			    bg_format_time(t, sizeof(t), at));
	req(w, "POST", ORDERS "/switch",
	    "{\"to\":\"green\",\"at\":\"2026-11-25T02:00:00Z\",\"expect_epoch\":7}", 409);
	word_is(w, "epoch_changed");
	req(w, "POST", ORDERS "/switch", body, 202);
	id = bg_xstrdup(bg_json_str(w->json, "id", ""));
	assert_int_equal(strlen(id), 16);
	assert_string_equal(bg_json_str(w->json, "at", ""), t);
	assert_int_equal(bg_json_int(w->json, "expect_epoch", 0), 1);
	assert_null(bg_json_get(w->json, "warning"));
	assert_non_null(strstr(w->f->record, id));
	assert_int_equal(w->f->sw->state, SW_IDLE);
	/* The same again is the same; another one has to wait. */
	req(w, "POST", ORDERS "/switch", body, 202);
	assert_string_equal(bg_json_str(w->json, "id", ""), id);
	other = bg_xasprintf("{\"to\":\"green\",\"at\":\"%s\"}", bg_format_time(t, sizeof(t), at + 1000000));
	req(w, "POST", ORDERS "/switch", other, 409);
	word_is(w, "already_scheduled");
	assert_string_equal(bg_json_str(w->json, "id", ""), id);
	req(w, "GET", "/v1/switches", NULL, 200);
	assert_non_null(strstr(w->text, id));
	req(w, "GET", "/metrics", NULL, 200);
	assert_non_null(strstr(w->text, "bg_switch_scheduled_timestamp_seconds{switch=\"orders\"}"));
	assert_non_null(strstr(w->text, "bg_switch_frozen{switch=\"orders\"} 0"));
	req(w, "POST", ORDERS "/unschedule", "{}", 200);
	assert_string_equal(bg_json_str(bg_json_get(w->json, "removed"), "id", ""), id);
	assert_null(strstr(w->f->record, id));
	req(w, "GET", "/metrics", NULL, 200);
	assert_null(strstr(w->text, "bg_switch_scheduled_timestamp_seconds{"));
	/* It is said beforehand that it will be frozen then; a dry run judges that time too. */
	req(w, "POST", ORDERS "/freeze", "{\"reason\":\"sale\"}", 200);
	req(w, "POST", ORDERS "/switch", other, 202);
	assert_non_null(strstr(bg_json_str(w->json, "warning", ""), "sale"));
	/* Who leaves before it is durable is no trouble. */
	w->f->hold_writes = true;
	ask(w, "POST", ORDERS "/unschedule", "{}");
	bg_loop_run_until(w->f->loop, &w->over, 50000);
	assert_false(w->over);
	bg_httpc_free(w->client);
	w->client = bg_httpc_new(w->f->loop);
	w->f->hold_writes = false;
	req(w, "GET", ORDERS, NULL, 200);
	assert_null(bg_json_get(w->json, "schedule"));
}

static void plans_that_cannot_be_written(void **state)
{
	struct world *w = *state;

	fake_active(w->f, BG_BLUE, 1);
	w->f->fail_records = 1;
	req(w, "POST", ORDERS "/freeze", "{\"reason\":\"sale\"}", 500);
	word_is(w, "store");
	/* It holds all the same, and comes to the disk when that works again. */
	req(w, "GET", ORDERS, NULL, 200);
	assert_non_null(bg_json_get(w->json, "freeze"));
	fake_settle(w->f);
	assert_non_null(strstr(w->f->record, "sale"));
}

static void abort_and_its_end(void **state)
{
	struct world *w = *state;

	fake_active(w->f, BG_BLUE, 1);
	req(w, "POST", ORDERS "/abort", "{}", 409);
	word_is(w, "nothing_to_abort");
	req(w, "POST", ORDERS "/switch", "{\"to\":\"green\"}", 202);
	fake_await(w->f, "prepare");
	req(w, "POST", ORDERS "/abort", "{\"expect_epoch\":7}", 409);
	word_is(w, "epoch_changed");
	ask(w, "POST", ORDERS "/abort?wait=1", "{\"reason\":\"second thoughts\"}");
	for (int n = 0; n < 100 && w->f->sw->state == SW_PREPARING; n++)
		bg_loop_run_until(w->f->loop, &w->over, 1000);
	fake_all_well(w->f, SW_IDLE);
	wait_answer(w);
	assert_string_equal(bg_json_str(w->json, "outcome", ""), "aborted");
	assert_int_equal(bg_json_int(w->json, "exit", -1), 5);
	assert_non_null(strstr(bg_json_str(w->json, "error", ""), "second thoughts"));
}

static void one_late(struct sw_inst *i, struct fake_say *say)
{
	if (i->color != BG_GREEN)
		return;
	say->verdict = SW_V_LATE;
	say->err = "green does not answer";
}

/* Busy, and yet nothing that a person may end: both are said as they are. */
static void an_assertion_cannot_be_aborted(void **state)
{
	struct world *w = *state;

	fake_active(w->f, BG_BLUE, 1);
	sw_run_reassert(w->f->sw, SW_KIND_REASSERT, BG_BLUE, 6, "test");
	fake_answer(w->f, "prepare", one_late);
	req(w, "POST", ORDERS "/abort", "{}", 409);
	word_is(w, "nothing_to_abort");
	if (!strstr(bg_json_str(w->json, "message", ""), "blue is active, and only brought to epoch 7") ||
	    !strstr(bg_json_str(w->json, "message", ""), "green does not answer"))
		fail_msg("%s", bg_json_str(w->json, "message", ""));
	req(w, "POST", ORDERS "/switch", "{\"to\":\"green\"}", 409);
	word_is(w, "busy");
	assert_non_null(
		strstr(bg_json_str(w->json, "message", ""), "blue is active, and being brought to epoch 7"));
	fake_all_well(w->f, SW_SOAKING);
}

static void who_waits_is_told_of_trouble(void **state)
{
	struct world *w = *state;

	fake_active(w->f, BG_BLUE, 1);
	fake_switch(w->f, BG_GREEN)->patience_us = 0;
	fake_await(w->f, "prepare");
	w->f->fail_records = 3;
	req(w, "POST", ORDERS "/abort?wait=1", "{}", 202);
	assert_int_equal(bg_json_int(w->json, "exit", -1), 6);
	assert_non_null(strstr(bg_json_str(w->json, "trouble", ""), "disk is full"));
	req(w, "GET", ORDERS, NULL, 200);
	assert_true(bg_json_bool(bg_json_get(w->json, "running"), "stuck", false));
	fake_await(w->f, "pause");
	fake_answer(w->f, "pause", NULL);
	assert_false(w->f->sw->run->in_trouble); /* it gets on */
	fake_all_well(w->f, SW_IDLE);            /* all the same */
}

/* A write that hangs cannot be given up, but nobody is held by it for ever. */
static void who_waits_for_a_disk_that_hangs_is_told(void **state)
{
	struct world *w = *state;
	struct fake *f = w->f;

	fake_active(f, BG_BLUE, 1);
	f->hold_writes = true;
	struct sw_run *r = fake_switch(f, BG_GREEN);
	r->patience_us = 0;
	r->slow_disk_us = 20000;
	fake_await_state(f, SW_INTENT);
	req(w, "POST", ORDERS "/switch?wait=1", "{\"to\":\"green\",\"expect_epoch\":1}", 202);
	assert_int_equal(bg_json_int(w->json, "exit", -1), 6);
	assert_non_null(strstr(bg_json_str(w->json, "trouble", ""), "the disk does not answer"));
	f->hold_writes = false;
	fake_await(f, "prepare");
	assert_string_equal(f->sw->degraded, "");
	f->hold_writes = true;
	r->in_trouble = false;
	req(w, "POST", ORDERS "/abort?wait=1", "{}", 202);
	assert_int_equal(bg_json_int(w->json, "exit", -1), 6);
	assert_string_equal(bg_json_str(w->json, "phase", ""), "ABORTING");
	f->hold_writes = false;
	fake_all_well(f, SW_IDLE);
	assert_string_equal(f->sw->rec.outcome, "aborted");
	assert_string_equal(f->sw->degraded, "");
}

static void rollback_within_its_window(void **state)
{
	struct world *w = *state;

	fake_active(w->f, BG_BLUE, 1);
	ask(w, "POST", ORDERS "/rollback?wait=1", "{}");
	fake_await(w->f, "status");
	fake_answer(w->f, "status", NULL);
	wait_answer(w);
	assert_string_equal(bg_json_str(w->json, "outcome", ""), "no_go");
	req(w, "POST", ORDERS "/switch", "{\"to\":\"green\"}", 202);
	fake_all_well(w->f, SW_SOAKING);
	req(w, "GET", ORDERS, NULL, 200);
	assert_true(bg_json_bool(bg_json_get(w->json, "rollback"), "allowed", false));
	ask(w, "POST", ORDERS "/rollback?wait=1", "{}");
	fake_await(w->f, "prepare");
	fake_all_well(w->f, SW_SOAKING);
	wait_answer(w);
	assert_string_equal(bg_json_str(w->json, "kind", ""), "rollback");
	assert_string_equal(bg_json_str(w->json, "to", ""), "blue");
}

static void init_once(void **state)
{
	struct world *w = *state;

	req(w, "POST", ORDERS "/switch", "{\"to\":\"green\"}", 409);
	word_is(w, "uninitialised");
	req(w, "POST", ORDERS "/rollback", "{}", 409);
	for (int p = 0; p < 4; p++)
		bg_offs_set(&w->f->ranges, "orders", p, 5, 0);
	ask(w, "POST", ORDERS "/init?wait=1", "{\"active\":\"blue\",\"from\":\"earliest\"}");
	fake_await(w->f, "prepare");
	fake_all_well(w->f, SW_SOAKING);
	wait_answer(w);
	assert_string_equal(bg_json_str(w->json, "outcome", ""), "done");
	assert_int_equal(bg_json_int(w->json, "epoch", 0), 1);
	req(w, "POST", ORDERS "/init", "{\"active\":\"green\"}", 409);
	word_is(w, "already_initialised");
	assert_string_equal(bg_json_str(w->json, "active", ""), "blue");
}

static void client_that_leaves_stops_nothing(void **state)
{
	struct world *w = *state;
	struct bg_httpc *gone = bg_httpc_new(w->f->loop);
	struct bg_httpc_call c = {.method = "POST",
				  .base = w->base,
				  .path = ORDERS "/switch?wait=1",
				  .body = "{\"to\":\"green\"}",
				  .deadline_us = 20000000};

	fake_active(w->f, BG_BLUE, 1);
	bg_httpc_send(gone, &c, on_answer, w);
	fake_await(w->f, "prepare");
	bg_httpc_free(gone);
	for (int n = 0; n < 100 && w->f->sw->run->waiters; n++)
		bg_loop_run_until(w->f->loop, &(bool){false}, 1000);
	assert_null(w->f->sw->run->waiters);
	fake_all_well(w->f, SW_SOAKING);
}

#define HELLO(url, inst, state, epoch)                                                                       \
	"{\"switch\":\"orders\",\"color\":\"blue\",\"instance\":\"" inst                                     \
	"\",\"incarnation\":\"new\",\"url\":\"" url "\",\"state\":\"" state "\",\"epoch\":" epoch            \
	",\"fenced\":false}"

static void hello_of_a_restarted_active_instance(void **state)
{
	struct world *w = *state;
	struct fake_call *c;

	fake_active(w->f, BG_BLUE, 5);
	sw_watch_start(w->f->sw);
	req(w, "POST", "/v1/hello", HELLO("http://127.0.0.1:1", "blue-0", "PAUSED", "5"), 200);
	assert_string_equal(bg_json_str(w->json, "desired", ""), "ACTIVE");
	assert_int_equal(bg_json_int(w->json, "epoch", 0), 5);
	c = fake_await(w->f, "resume");
	assert_ptr_equal(c->order.only, &w->f->sw->inst[0]);
	assert_string_equal(w->f->sw->inst[0].incarnation, "new");
	assert_int_equal(c->offs.n, 4);
	sw_watch_stop(w->f->sw);
}

static void hello_never_adds_an_instance(void **state)
{
	struct world *w = *state;

	fake_active(w->f, BG_BLUE, 5);
	req(w, "POST", "/v1/hello", HELLO("http://127.0.0.1:99", "blue-0", "PAUSED", "5"), 403);
	word_is(w, "unknown_endpoint");
	req(w, "POST", "/v1/hello", HELLO("http://127.0.0.1:3", "blue-0", "PAUSED", "5"), 403); /* green's */
	req(w, "POST", "/v1/hello", HELLO("http://127.0.0.1:1", "blue 0", "PAUSED", "5"), 400);
	req(w, "POST", "/v1/hello", "{\"switch\":\"orders\"}", 400);
	assert_int_equal(w->f->sent, 0);
}

static void probes_and_metrics(void **state)
{
	struct world *w = *state;

	fake_active(w->f, BG_BLUE, 5);
	req(w, "GET", "/health", NULL, 200);
	req(w, "GET", "/healthz", NULL, 200);
	req(w, "GET", "/readyz", NULL, 200);
	req(w, "POST", ORDERS "/switch", "{\"to\":\"green\"}", 202);
	fake_all_well(w->f, SW_SOAKING);
	req(w, "GET", "/metrics", NULL, 200);
	assert_non_null(
		strstr(w->text, "kafka_consumer_active_version{switch=\"orders\",version=\"green\"} 1"));
	assert_non_null(strstr(w->text, "bg_switch_epoch{switch=\"orders\"} 6"));
	assert_non_null(
		strstr(w->text, "bg_switch_duration_seconds_count{outcome=\"done\",switch=\"orders\"} 1"));
	assert_non_null(strstr(w->text, "bg_switch_phase{phase=\"SOAKING\",switch=\"orders\"} 1"));
	req(w, "POST", ORDERS "/snapshots/5/restore", "{}", 400); /* expect_epoch is missing */
	req(w, "GET", ORDERS "/snapshots", NULL, 200);
	req(w, "GET", ORDERS "/snapshots/5", NULL, 404);
}

/* The facts of `bgctl doctor`: of the brokers, and what they do not answer. */
static void doctor_facts(void **state)
{
	struct world *w = *state;
	struct json_object *g;

	fake_active(w->f, BG_BLUE, 5);
	req(w, "GET", ORDERS "/doctor", NULL, 200);
	assert_string_equal(bg_json_str(w->json, "version", ""), PACKAGE_VERSION);
	assert_null(bg_json_get(w->json, "kafka_error"));
	assert_int_equal(
		bg_json_int(json_object_array_get_idx(bg_json_get(w->json, "topics"), 0), "partitions", 0),
		4);
	assert_int_equal(json_object_array_length(bg_json_get(w->json, "groups")), 2);
	assert_int_equal(json_object_array_length(bg_json_get(w->json, "instances")), 4);
	/* Retention has taken what was not processed. */
	bg_offs_set(&w->f->committed[0], "orders", 1, 5, 4);
	for (int32_t p = 0; p < 4; p++) {
		bg_offs_set(&w->f->ranges, "orders", p, 25, 0);
		bg_offs_at(&w->f->ranges, "orders", p)->floor = 100;
	}
	req(w, "GET", ORDERS "/doctor", NULL, 200);
	g = json_object_array_get_idx(bg_json_get(w->json, "groups"), 0);
	assert_true(bg_json_int(g, "lost", 0) >= 20);
	assert_true(bg_json_int(g, "lag", 0) >= 75);
	assert_non_null(strstr(w->text, "orders ["));
	w->f->kafka_down = true;
	req(w, "GET", ORDERS "/doctor", NULL, 200);
	assert_true(bg_json_str(bg_json_get(w->json, "kafka_error"), "message", "")[0]);
	assert_int_equal(json_object_array_length(bg_json_get(w->json, "groups")), 0);
	req(w, "GET", "/v1/switches/none/doctor", NULL, 404);
	/* Who leaves before the answer is no trouble. */
	ask(w, "GET", ORDERS "/doctor", NULL);
	bg_httpc_free(w->client);
	w->client = bg_httpc_new(w->f->loop);
	req(w, "GET", "/health", NULL, 200);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(unknown_switch),
		T(bad_bodies),
		T(status_says_all),
		T(switch_and_wait),
		T(active_colour_is_done_at_once),
		T(busy_names_the_running_one),
		T(repeated_post_starts_nothing_twice),
		T(repeated_post_after_a_restart),
		T(no_go_may_be_asked_again),
		T(dry_run_changes_nothing),
		T(hold_and_release),
		T(freeze_and_thaw),
		T(schedule_and_unschedule),
		T(plans_that_cannot_be_written),
		T(abort_and_its_end),
		T(an_assertion_cannot_be_aborted),
		T(who_waits_is_told_of_trouble),
		T(who_waits_for_a_disk_that_hangs_is_told),
		T(rollback_within_its_window),
		T(init_once),
		T(client_that_leaves_stops_nothing),
		T(hello_of_a_restarted_active_instance),
		T(hello_never_adds_an_instance),
		T(probes_and_metrics),
		T(doctor_facts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
