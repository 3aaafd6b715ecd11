/* SPDX-License-Identifier: Apache-2.0 */
/* Going back to the offsets of a snapshot: asked for in so many words, by rules 6 and 7, and never by itself. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "common/http_client.h"
#include "switchd/api.h"
#include "switchd/restore.h"
#include "switchd_fake.h"

#define RESTORE "/v1/switches/orders/snapshots/2/restore"

/* Partition 3 is newer than the snapshot; one of a topic that is gone counts for nothing. */
static const char snapshot[] = "{\"version\":1,\"epoch\":2,\"active\":\"green\",\"offsets\":"
			       "{\"orders\":[[0,10,2],[1,11,2],[2,12,2]],\"gone\":[[0,5,2]]}}";

struct world {
	struct fake *f;
	struct bg_http_server *http;
	struct bg_httpc *client;
	char base[64];
	int status;
	struct json_object *json;
	bool over;
};

static int setup(void **state)
{
	struct world *w = bg_xcalloc(1, sizeof(*w));
	struct bg_err err = BG_ERR_INIT;

	w->f = fake_new();
	w->client = bg_httpc_new(w->f->loop);
	struct bg_http_opts o = {.routes = sw_routes, .arg = &w->f->dm};
	w->http = bg_http_server_new(w->f->loop, &o);
	assert_int_equal(bg_http_server_tcp(w->http, "127.0.0.1:0", &err), 0);
	snprintf(w->base, sizeof(w->base), "http://127.0.0.1:%d", bg_http_server_port(w->http));
	w->f->snapshot = snapshot;
	/* The log of every partition goes from 5 to 1000, and blue is at 200 and some. */
	for (int p = 0; p < 4; p++) {
		bg_offs_set(&w->f->ranges, "orders", p, 5, 0);
		bg_offs_at(&w->f->ranges, "orders", p)->floor = 1000;
	}
	for (size_t k = 0; k < 4; k++)
		for (size_t n = 0; n < 2; n++)
			w->f->sw->inst[k].part[n].position = 200 + w->f->sw->inst[k].part[n].partition;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	bg_httpc_free(w->client);
	bg_http_server_free(w->http);
	fake_free(w->f);
	json_object_put(w->json);
	free(w);
	return 0;
}

static void on_answer(void *arg, const struct bg_httpc_answer *a)
{
	struct world *w = arg;

	w->status = a->status;
	json_object_put(w->json);
	w->json = a->json ? json_object_get(a->json) : NULL;
	w->over = true;
}

/* Statuses are answered on the way: a preflight asks for them. */
static void req(struct world *w, const char *path, const char *body, int status, const char *word)
{
	struct bg_httpc_call c = {
		.method = "POST", .base = w->base, .path = path, .body = body, .deadline_us = 20000000};

	w->over = false;
	bg_httpc_send(w->client, &c, on_answer, w);
	for (int n = 0; n < 4000 && !w->over; n++) {
		if (fake_pending(w->f, "status"))
			fake_answer(w->f, "status", NULL);
		bg_loop_run_until(w->f->loop, &w->over, 1000);
	}
	if (w->status != status || (word && strcmp(bg_json_str(w->json, "error", ""), word) != 0))
		fail_msg("%s %s: %d %s", path, body, w->status, json_object_to_json_string(w->json));
}

static void expect_off(const struct fake_call *c, int32_t p, int64_t offset, int64_t epoch)
{
	const struct bg_off *o = bg_offs_find(&c->offs, "orders", p);

	assert_non_null(o);
	if (o->offset != offset || o->epoch != epoch)
		fail_msg("[%d]: %lld at epoch %lld", (int)p, (long long)o->offset, (long long)o->epoch);
}

static const char *rule_says(struct world *w, const char *verdict)
{
	struct json_object *l = bg_json_get(w->json, "rules");

	for (size_t i = 0; i < json_object_array_length(l); i++) {
		struct json_object *r = json_object_array_get_idx(l, i);

		if (strcmp(bg_json_str(r, "rule", ""), "restore") == 0 &&
		    strcmp(bg_json_str(r, "verdict", ""), verdict) == 0)
			return bg_json_str(r, "message", "");
	}
	fail_msg("no rule: %s", json_object_to_json_string(w->json));
	return NULL;
}

static void refused(void **state)
{
	struct world *w = *state;

	req(w, RESTORE, "{\"expect_epoch\":0}", 409, "uninitialised");
	fake_active(w->f, BG_BLUE, 4);
	req(w, RESTORE, "{}", 400, "missing_member");
	req(w, RESTORE, "{\"expect_epoch\":3}", 409, "epoch_changed");
	req(w, RESTORE, "{\"expect_epoch\":4,\"to\":\"blue\"}", 400, "bad_request");
	req(w, "/v1/switches/orders/snapshots/x/restore", "{\"expect_epoch\":4}", 400, "bad_request");
	req(w, "/v1/switches/none/snapshots/2/restore", "{\"expect_epoch\":4}", 404, "unknown_switch");
	w->f->snapshot = NULL;
	req(w, RESTORE, "{\"expect_epoch\":4}", 404, "unknown_snapshot");
	w->f->snapshot = "{\"offsets\":{\"orders\":[[0,-7]]}}";
	req(w, RESTORE, "{\"expect_epoch\":4}", 500, "store");
	w->f->snapshot = "{\"no\":1}";
	req(w, RESTORE, "{\"expect_epoch\":4}", 500, "store");
	w->f->snapshot = "{";
	req(w, RESTORE, "{\"expect_epoch\":4}", 500, "store");
	w->f->snapshot = snapshot;
	w->f->sw->rec.hold = true;
	req(w, RESTORE, "{\"expect_epoch\":4}", 409, "held");
	assert_int_equal(w->f->sent, 0);
}

static void dry_run_counts(void **state)
{
	struct world *w = *state;

	fake_active(w->f, BG_BLUE, 4);
	req(w, RESTORE, "{\"expect_epoch\":4,\"dry_run\":true}", 200, NULL);
	assert_true(bg_json_bool(w->json, "go", false));
	assert_string_equal(rule_says(w, "go"), "about 570 records are given again");
	/* Removed by retention: 2 of partition 0. */
	bg_offs_at(&w->f->ranges, "orders", 0)->offset = 12;
	req(w, RESTORE, "{\"expect_epoch\":4,\"dry_run\":true}", 200, NULL);
	assert_false(bg_json_bool(w->json, "go", true));
	assert_non_null(strstr(rule_says(w, "no_go"), "; 2 were removed"));
	/* A snapshot that is ahead would skip records: never silently. */
	w->f->snapshot = "{\"offsets\":{\"orders\":[[1,301,2]]}}";
	req(w, RESTORE, "{\"expect_epoch\":4,\"dry_run\":true}", 200, NULL);
	assert_non_null(strstr(rule_says(w, "no_go"), "100 are never given"));
	w->f->snapshot = "{\"offsets\":{\"orders\":[[1,5000,2]]}}";
	req(w, RESTORE, "{\"expect_epoch\":4,\"dry_run\":true,\"force\":true}", 200, "");
	assert_non_null(strstr(rule_says(w, "warn"), "shorter than the snapshot"));
	assert_int_equal(w->f->sent, 0);
}

static void ask(struct world *w, const char *body)
{
	req(w, RESTORE, body, 202, "");
	assert_string_equal(bg_json_str(w->json, "to", ""), "green");
}

static void green_begins_there(void **state)
{
	struct world *w = *state;
	struct fake_call *c;
	char id[40];

	fake_active(w->f, BG_BLUE, 4);
	ask(w, "{\"expect_epoch\":4,\"reason\":\"a bug in the handler\"}");
	bg_strlcpy(id, bg_json_str(w->json, "id", ""), sizeof(id));
	fake_answer(w->f, "prepare", NULL);
	/* Blue proves its pause first, as in any switch. */
	c = fake_await(w->f, "pause");
	assert_int_equal(c->order.colors, 1u << BG_BLUE);
	/* The same request again starts nothing twice; a plain switch is another request. */
	ask(w, "{\"expect_epoch\":4}");
	assert_string_equal(bg_json_str(w->json, "id", ""), id);
	req(w, "/v1/switches/orders/switch", "{\"to\":\"green\",\"expect_epoch\":4}", 409, "busy");
	fake_answer(w->f, "pause", NULL);
	c = fake_await(w->f, "resume");
	assert_int_equal(c->order.colors, 1u << BG_GREEN);
	for (int32_t p = 0; p < 3; p++)
		expect_off(c, p, 10 + p, 5);
	expect_off(c, 3, 203, 4); /* not in the snapshot: from blue's answer */
	assert_null(bg_offs_find(&c->offs, "gone", 0));
	fake_all_well(w->f, SW_SOAKING);
	assert_int_equal(bg_json_int(w->f->sw->last, "restored", 0), 2);
	assert_string_equal(bg_json_str(w->f->sw->last, "outcome", ""), "done");
	assert_non_null(strstr(w->f->record, "snapshot:2"));
	/* A switch back takes the place along: what green has reached since, under its epoch. */
	fake_switch(w->f, BG_BLUE);
	fake_answer(w->f, "prepare", NULL);
	fake_answer(w->f, "pause", NULL);
	c = fake_await(w->f, "resume");
	expect_off(c, 0, 200, 5);
	assert_int_equal(bg_json_int(w->f->sw->last, "restored", 0), 2);
}

static void force_keeps_to_the_log(void **state)
{
	struct world *w = *state;
	struct fake_call *c;

	fake_active(w->f, BG_BLUE, 4);
	bg_offs_at(&w->f->ranges, "orders", 0)->offset = 12;
	ask(w, "{\"expect_epoch\":4}");
	fake_await_state(w->f, SW_IDLE);
	assert_string_equal(bg_json_str(w->f->sw->last, "outcome", ""), "no_go");
	assert_int_equal(w->f->sent, 0);
	ask(w, "{\"expect_epoch\":4,\"force\":true}");
	fake_answer(w->f, "prepare", NULL);
	fake_answer(w->f, "pause", NULL);
	c = fake_await(w->f, "resume");
	expect_off(c, 0, 12, 5);
	expect_off(c, 1, 11, 5);
	fake_all_well(w->f, SW_SOAKING);
}

/* Undone before green has begun: blue goes on where it was, the snapshot counts for nothing. */
static void abort_forgets_it(void **state)
{
	struct world *w = *state;
	struct bg_err why = BG_ERR_INIT;
	struct fake_call *c;

	fake_active(w->f, BG_BLUE, 4);
	ask(w, "{\"expect_epoch\":4}");
	fake_answer(w->f, "prepare", NULL);
	fake_await(w->f, "pause");
	bg_err_set(&why, 0, "aborted", "by a person");
	sw_run_abort(w->f->sw->run, &why);
	fake_await_state(w->f, SW_BACK_PAUSING);
	fake_answer(w->f, "pause", NULL);
	c = fake_await(w->f, "resume");
	assert_int_equal(c->order.colors, 1u << BG_BLUE);
	for (int32_t p = 0; p < 4; p++)
		expect_off(c, p, 100 + p, 4); /* its commits */
	fake_all_well(w->f, SW_IDLE);
	assert_string_equal(bg_json_str(w->f->sw->last, "outcome", ""), "aborted");
}

static void stale_once(struct sw_inst *i, struct fake_say *say)
{
	if (strcmp(i->name, "green-0") == 0) {
		say->verdict = SW_V_STALE;
		say->epoch = 40;
	}
}

/* A newer epoch is met while green begins: what green has processed meanwhile is not taken back once more. */
static void a_newer_epoch_does_not_rewind_twice(void **state)
{
	struct world *w = *state;
	struct fake_call *c;

	fake_active(w->f, BG_BLUE, 4);
	ask(w, "{\"expect_epoch\":4}");
	fake_answer(w->f, "prepare", NULL);
	fake_answer(w->f, "pause", NULL);
	fake_await(w->f, "resume");
	fake_answer(w->f, "resume", stale_once);
	bg_offs_set(&w->f->committed[BG_GREEN], "orders", 2, 77, 5); /* green-1 had begun */
	fake_answer(w->f, "prepare", NULL);
	fake_answer(w->f, "pause", NULL);
	c = fake_await(w->f, "resume");
	assert_int_equal(c->order.epoch, 41);
	expect_off(c, 0, 10, 5);
	expect_off(c, 2, 77, 5);
	fake_all_well(w->f, SW_SOAKING);
}

static void record_in_mid_restore(struct world *w)
{
	struct sw_record *r = &w->f->sw->rec;

	r->epoch = 5;
	r->base_epoch = r->snapshot_epoch = 4;
	r->active = r->from = BG_BLUE;
	r->to = BG_GREEN;
	r->phase = SW_PAUSING;
	r->kind = SW_KIND_SWITCH;
	bg_strlcpy(r->init_from, "snapshot:2", sizeof(r->init_from));
	for (int p = 0; p < 4; p++)
		bg_offs_set(&w->f->committed[BG_BLUE], "orders", p, 100 + p, 4);
	for (size_t k = 0; k < 4; k++)
		w->f->sw->inst[k].epoch = 5;
}

static void a_restart_goes_on_with_it(void **state)
{
	struct world *w = *state;
	struct fake_call *c;

	record_in_mid_restore(w);
	fake_start(w->f);
	fake_answer(w->f, "prepare", NULL);
	fake_answer(w->f, "pause", NULL);
	c = fake_await(w->f, "resume");
	expect_off(c, 0, 10, 5);
	expect_off(c, 3, 103, 4);
	fake_all_well(w->f, SW_SOAKING);
	assert_int_equal(bg_json_int(w->f->sw->last, "restored", 0), 2);
}

/* The snapshot is gone: then it is not a plain switch instead, but the way back. */
static void a_restart_without_the_snapshot_goes_back(void **state)
{
	struct world *w = *state;
	struct fake_call *c;

	w->f->snapshot = NULL;
	record_in_mid_restore(w);
	fake_start(w->f);
	fake_answer(w->f, "prepare", NULL);
	fake_answer(w->f, "pause", NULL);
	fake_await_state(w->f, SW_BACK_PAUSING);
	fake_answer(w->f, "pause", NULL);
	c = fake_await(w->f, "resume");
	assert_int_equal(c->order.colors, 1u << BG_BLUE);
	fake_all_well(w->f, SW_IDLE);
	assert_non_null(strstr(bg_json_str(w->f->sw->last, "error", ""), "snapshot of epoch 2"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(refused),
		T(dry_run_counts),
		T(green_begins_there),
		T(force_keeps_to_the_log),
		T(abort_forgets_it),
		T(a_newer_epoch_does_not_rewind_twice),
		T(a_restart_goes_on_with_it),
		T(a_restart_without_the_snapshot_goes_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
