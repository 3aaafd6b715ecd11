/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/events: what is told, to whom, from where on; and followers that are slow, many, or gone. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "common/log.h"
#include "raw_client.h"
#include "switchd/api.h"
#include "switchd/events.h"
#include "switchd/schedule.h"
#include "switchd/stream.h"
#include "switchd_fake.h"

/* ---- the ring and its followers */

struct plain {
	struct bg_loop *loop;
	struct bg_http_server *srv;
	struct sw_stream *s;
	int port;
	char path[64]; /* of a Unix socket: the kernel holds less for a slow reader */
};

static void h_follow(struct bg_http_req *r, void *arg)
{
	struct plain *p = arg;
	const char *since = bg_http_query(r, "since");

	sw_stream_follow(p->s, r, bg_http_query(r, "switch"), since ? atoll(since) : -1);
}

static const struct bg_route plain_routes[] = {{"GET", "/e", h_follow, BG_PRIV_READ, NULL, 0}, {NULL}};

static int set_up(void **state)
{
	struct plain *p = bg_xcalloc(1, sizeof(*p));
	struct bg_http_opts o = {.routes = plain_routes, .arg = p};
	struct bg_err err = BG_ERR_INIT;

	p->loop = bg_loop_new();
	p->srv = bg_http_server_new(p->loop, &o);
	assert_int_equal(bg_http_server_tcp(p->srv, "127.0.0.1:0", &err), 0);
	p->port = bg_http_server_port(p->srv);
	snprintf(p->path, sizeof(p->path), "/tmp/bg-test-events-%d.sock", (int)getpid());
	assert_int_equal(bg_http_server_unix(p->srv, p->path, NULL, &err), 0);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct plain *p = *state;

	bg_http_server_free(p->srv);
	sw_stream_free(p->s);
	bg_loop_free(p->loop);
	free(p);
	return 0;
}

static void ring(struct plain *p, size_t events, size_t bytes, int64_t keepalive_us)
{
	p->s = sw_stream_new(p->loop, &(struct sw_stream_opts){events, bytes, keepalive_us, 100});
}

static void happen(struct plain *p, const char *sw, int n)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();

	bg_json_add_int(o, "n", n);
	sw_stream_add(p->s, sw, "phase", o);
}

static void follow(struct plain *p, struct raw *c, const char *query)
{
	_cleanup_free_ char *text = bg_xasprintf("GET /e%s HTTP/1.1\r\nHost: x\r\n\r\n", query);

	raw_open(c, p->loop, p->port);
	raw_send(c, text);
	assert_true(raw_wait(c, ": bg-switchd", 2000));
}

static void never_comes(struct raw *c, const char *text)
{
	if (c->in.s && strstr(c->in.s, text))
		fail_msg("\"%s\" is in: %s", text, c->in.s);
}

static void told_as_it_happens(void **state)
{
	struct plain *p = *state;
	struct raw all, one;

	ring(p, 0, 0, 0);
	happen(p, "orders", 1); /* before: not told to who begins now */
	follow(p, &all, "");
	follow(p, &one, "?switch=invoices");
	assert_int_equal(sw_stream_followers(p->s), 2);
	happen(p, "orders", 2);
	happen(p, "invoices", 3);
	assert_true(raw_wait(&all, "id: 101\nevent: phase\ndata: {\"n\":2}\n\n", 2000));
	assert_true(raw_wait(&all, "id: 102\nevent: phase\ndata: {\"n\":3}\n\n", 2000));
	assert_true(raw_wait(&one, "id: 102\n", 2000));
	never_comes(&all, "\"n\":1");
	never_comes(&one, "\"n\":2");
	assert_non_null(strstr(all.in.s, "Content-Type: text/event-stream\r\n"));
	assert_non_null(strstr(all.in.s, "Transfer-Encoding: chunked\r\n"));
	assert_non_null(strstr(all.in.s, "retry: 1000"));
	raw_close(&all);
	raw_close(&one);
	for (int i = 0; i < 200 && sw_stream_followers(p->s); i++) {
		bool never = false;

		bg_loop_run_until(p->loop, &never, 10000);
	}
	assert_int_equal(sw_stream_followers(p->s), 0); /* one that leaves is noticed */
}

static void replayed_from_the_ring(void **state)
{
	struct plain *p = *state;
	struct raw c;

	ring(p, 4, 0, 0);
	for (int i = 0; i < 6; i++) /* 100 and 101 fall out */
		happen(p, i % 2 ? "invoices" : "orders", i);
	follow(p, &c, "?since=103");
	assert_true(raw_wait(&c, "id: 105\n", 2000));
	never_comes(&c, "id: 103\n");
	never_comes(&c, "event: gap");
	raw_close(&c);
	follow(p, &c, "?since=101");
	assert_true(raw_wait(&c, "id: 102\n", 2000));
	assert_true(raw_wait(&c, "id: 105\n", 2000));
	never_comes(&c, "event: gap"); /* 102 is there: nothing is missing */
	raw_close(&c);
	follow(p, &c, "?since=100&switch=invoices");
	assert_true(raw_wait(&c, "event: gap\ndata: {\"after\":100,\"next\":102,", 2000));
	assert_true(raw_wait(&c, "id: 105\n", 2000));
	never_comes(&c, "id: 104\n"); /* of the other switch */
	raw_close(&c);
	follow(p, &c, "?since=0"); /* all there is: no gap */
	assert_true(raw_wait(&c, "id: 105\n", 2000));
	assert_non_null(strstr(c.in.s, "id: 102\n"));
	never_comes(&c, "event: gap");
	raw_close(&c);
	follow(p, &c, "?since=105"); /* up to date */
	happen(p, "orders", 7);
	assert_true(raw_wait(&c, "id: 106\n", 2000));
	never_comes(&c, "id: 105\n");
	never_comes(&c, "event: gap");
	raw_close(&c);
	follow(p, &c, "?since=9999"); /* of a process whose clock was ahead */
	assert_true(raw_wait(&c, "event: gap", 2000));
	assert_true(raw_wait(&c, "id: 106\n", 2000));
	raw_close(&c);
}

/* A follower that takes nothing holds at most 64 KiB and one event of ours, and is let go when the ring passes it. */
static void slow_follower_is_let_go(void **state)
{
	struct plain *p = *state;
	_cleanup_json_ struct json_object *o = json_object_new_object();
	_cleanup_free_ char *big = bg_xmalloc(20001);
	struct raw slow, quick;

	memset(big, 'x', 20000);
	big[20000] = '\0';
	bg_json_add_str(o, "text", big);
	ring(p, 32, 0, 0);
	raw_open_unix(&slow, p->loop, p->path);
	raw_send(&slow, "GET /e HTTP/1.1\r\nHost: x\r\n\r\n");
	follow(p, &quick, "");
	for (int i = 0; i < 2000 && sw_stream_followers(p->s) == 2; i++) {
		_cleanup_free_ char *id = bg_xasprintf("id: %d\n", 100 + i);

		sw_stream_add(p->s, "orders", "phase", o);
		assert_true(raw_wait(&quick, id, 2000));
		raw_reset(&quick);
	}
	assert_int_equal(sw_stream_followers(p->s), 1); /* the quick one has had everything */
	/* What it reads at last ends with why. */
	assert_true(raw_wait(&slow, "event: closed\ndata: {\"reason\":\"too_slow\"", 5000));
	assert_true(raw_wait(&slow, "\r\n0\r\n\r\n", 5000));
	happen(p, "orders", 1);
	assert_true(raw_wait(&quick, "\"n\":1", 2000));
	raw_close(&slow);
	raw_close(&quick);
}

/* One that takes nothing at all while little happens: after four keep-alives. */
static void stuck_follower_is_let_go(void **state)
{
	struct plain *p = *state;
	_cleanup_json_ struct json_object *o = json_object_new_object();
	_cleanup_free_ char *big = bg_xmalloc(500001);
	struct raw stuck, idle;

	memset(big, 'x', 500000);
	big[500000] = '\0';
	bg_json_add_str(o, "text", big);
	ring(p, 64, (size_t)64 << 20, 20000);
	follow(p, &idle, "?switch=quiet");
	raw_open_unix(&stuck, p->loop, p->path);
	raw_send(&stuck, "GET /e HTTP/1.1\r\nHost: x\r\n\r\n");
	for (int i = 0; i < 20; i++) {
		bool never = false;

		bg_loop_run_until(p->loop, &never, 2000);
		sw_stream_add(p->s, "orders", "phase", o);
	}
	for (int i = 0; i < 300 && sw_stream_followers(p->s) == 2; i++) {
		bool never = false;

		bg_loop_run_until(p->loop, &never, 10000);
	}
	assert_int_equal(sw_stream_followers(p->s), 1);
	assert_true(raw_wait(&idle, ": keep-alive\n\n", 2000)); /* idle is not stuck */
	assert_true(raw_wait(&stuck, "too_slow", 5000));
	raw_close(&stuck);
	raw_close(&idle);
}

static void followers_are_counted(void **state)
{
	struct plain *p = *state;
	struct raw c[SW_STREAM_FOLLOWERS + 1], head;

	ring(p, 0, 0, 0);
	for (int i = 0; i < SW_STREAM_FOLLOWERS; i++)
		follow(p, &c[i], "");
	raw_open(&c[SW_STREAM_FOLLOWERS], p->loop, p->port);
	raw_send(&c[SW_STREAM_FOLLOWERS], "GET /e HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(raw_wait(&c[SW_STREAM_FOLLOWERS], "too_many_listeners", 2000));
	assert_non_null(strstr(c[SW_STREAM_FOLLOWERS].in.s, " 503 "));
	sw_stream_close(p->s, "token_changed", "why");
	assert_int_equal(sw_stream_followers(p->s), 0);
	for (int i = 0; i < SW_STREAM_FOLLOWERS; i++) {
		assert_true(raw_wait(&c[i], "event: closed\ndata: {\"reason\":\"token_changed\"", 2000));
		assert_true(raw_wait(&c[i], "\r\n0\r\n\r\n", 2000));
	}
	for (int i = 0; i <= SW_STREAM_FOLLOWERS; i++)
		raw_close(&c[i]);
	raw_open(&head, p->loop, p->port); /* HEAD: no stream, and the connection goes on */
	raw_send(&head, "HEAD /e HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(raw_wait(&head, "text/event-stream", 2000));
	raw_reset(&head);
	raw_send(&head, "GET /none HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(raw_wait(&head, "not_found", 2000));
	raw_close(&head);
}

/* A stop: the last event says why, and the stream ends as HTTP has it. */
static void a_stop_is_said(void **state)
{
	struct plain *p = *state;
	struct raw c, old;

	ring(p, 0, 0, 0);
	follow(p, &c, "");
	raw_open(&old, p->loop, p->port);
	raw_send(&old, "GET /e HTTP/1.0\r\n\r\n");
	assert_true(raw_wait(&old, ": bg-switchd", 2000));
	happen(p, "orders", 1);
	sw_stream_say(p->s, "shutting_down", "why");
	bg_http_server_free(p->srv);
	p->srv = NULL;
	assert_int_equal(sw_stream_followers(p->s), 0);
	assert_true(raw_wait(&c, NULL, 2000));
	assert_non_null(strstr(c.in.s, "\"n\":1"));
	assert_non_null(strstr(c.in.s, "event: closed\ndata: {\"reason\":\"shutting_down\""));
	assert_non_null(strstr(c.in.s, "\r\n0\r\n\r\n"));
	assert_true(raw_wait(&old, NULL, 2000));
	assert_non_null(strstr(old.in.s, "shutting_down"));
	raw_close(&c);
	raw_close(&old);
}

/* ---- of a switch */

struct world {
	struct fake *f;
	struct bg_http_server *http;
	struct raw c;
};

static int world_up(void **state)
{
	struct world *w = bg_xcalloc(1, sizeof(*w));
	struct bg_err err = BG_ERR_INIT;

	w->f = fake_new();
	struct bg_http_opts o = {.routes = sw_routes, .arg = &w->f->dm};
	w->http = bg_http_server_new(w->f->loop, &o);
	assert_int_equal(bg_http_server_tcp(w->http, "127.0.0.1:0", &err), 0);
	*state = w;
	return 0;
}

static int world_down(void **state)
{
	struct world *w = *state;

	if (w->c.loop)
		raw_close(&w->c);
	bg_http_server_free(w->http);
	fake_free(w->f);
	free(w);
	return 0;
}

static void listen_to(struct world *w, const char *query, const char *header, const char *want)
{
	_cleanup_free_ char *text =
		bg_xasprintf("GET /v1/events%s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n", query, header);

	if (w->c.loop)
		raw_close(&w->c);
	raw_open(&w->c, w->f->loop, bg_http_server_port(w->http));
	raw_send(&w->c, text);
	assert_true(raw_wait(&w->c, want, 2000));
}

/* The data of the first event from `at` on that has the text; NULL: none. The caller frees it. */
static struct json_object *event_with(const char *at, const char *text, const char **ret_end)
{
	const char *hit = strstr(at, text), *data = hit ? strstr(hit, "data: ") : NULL;
	const char *end = data ? strchr(data, '\n') : NULL;
	struct json_object *o = NULL;

	if (!end)
		return NULL;
	assert_int_equal(bg_json_parse(data + 6, (size_t)(end - data - 6), &o, NULL), 0);
	if (ret_end)
		*ret_end = end;
	return o;
}

static void a_switch_is_told_in_order(void **state)
{
	static const char *const phases[] = {"PREFLIGHT", "INTENT",   "PREPARING", "PAUSING",
					     "TRANSFER",  "RESUMING", "VERIFYING", "SOAKING"};
	struct world *w = *state;
	const char *at;

	fake_active(w->f, BG_BLUE, 4);
	listen_to(w, "?switch=orders", "", ": bg-switchd");
	fake_switch(w->f, BG_GREEN);
	fake_all_well(w->f, SW_SOAKING);
	assert_true(raw_wait(&w->c, "event: end", 2000));
	assert_true(raw_wait(&w->c, "\"SOAKING\",\"old\":\"VERIFYING\"", 2000));
	at = w->c.in.s;
	for (size_t i = 0; i < BG_ARRAY_SIZE(phases); i++) {
		_cleanup_free_ char *text = bg_xasprintf("\"phase\":\"%s\",\"old\":", phases[i]);
		const char *line = strstr(at, text);

		if (!line)
			fail_msg("%s is not told, or not in order: %s", phases[i], w->c.in.s);
		at = line;
	}
	/* The instances too, whatever told bg-switchd of their states. */
	assert_non_null(
		strstr(w->c.in.s, "\"instance\":\"green-0\",\"color\":\"green\",\"state\":\"ACTIVE\""));
	assert_non_null(strstr(w->c.in.s, "\"instance\":\"blue-1\",\"color\":\"blue\",\"state\":\"PAUSED\""));
	_cleanup_json_ struct json_object *o = event_with(w->c.in.s, "event: phase", NULL);
	assert_string_equal(bg_json_str(o, "switch", ""), "orders");
	assert_string_equal(bg_json_str(o, "from", ""), "blue");
	assert_string_equal(bg_json_str(o, "to", ""), "green");
	assert_string_equal(bg_json_str(o, "kind", ""), "switch");
	assert_true(bg_json_str(o, "id", "")[0] && bg_json_str(o, "time", "")[0]);
	assert_int_equal(bg_json_int(bg_json_get(bg_json_get(o, "instances"), "blue"), "ACTIVE", -1), 2);
	assert_int_equal(bg_json_int(bg_json_get(bg_json_get(o, "instances"), "green"), "PAUSED", -1), 2);
	_cleanup_json_ struct json_object *end = event_with(w->c.in.s, "event: end", NULL);
	assert_string_equal(bg_json_str(end, "outcome", ""), "done");
	assert_true(bg_json_bool(end, "whole", false));
	assert_non_null(bg_json_get(end, "partitions"));
}

static void instances_holds_and_troubles(void **state)
{
	struct world *w = *state;
	struct sw_inst *i = &w->f->sw->inst[0];

	fake_active(w->f, BG_BLUE, 4);
	sw_events_instance(i); /* ACTIVE, as it is told first */
	listen_to(w, "", "", ": bg-switchd");
	i->state = SW_I_FENCED;
	bg_strlcpy(i->trouble, "somebody has its identity", sizeof(i->trouble));
	sw_events_instance(i);
	w->f->sw->rec.hold = true;
	sw_events_hold(w->f->sw);
	bg_strlcpy(w->f->sw->degraded, "both are active", sizeof(w->f->sw->degraded));
	sw_events_look(w->f->sw);
	sw_events_look(w->f->sw); /* once */
	w->f->sw->degraded[0] = '\0';
	sw_events_look(w->f->sw);
	assert_true(raw_wait(&w->c, "\"degraded\":null", 2000));
	assert_non_null(strstr(w->c.in.s, "\"state\":\"FENCED\",\"old\":\"ACTIVE\",\"reachable\":true,"
					  "\"trouble\":\"somebody has its identity\""));
	assert_non_null(strstr(w->c.in.s, "event: hold\ndata: {\"switch\":\"orders\""));
	assert_non_null(strstr(w->c.in.s, "\"hold\":true"));
	const char *first = strstr(w->c.in.s, "\"degraded\":\"both are active\"");
	assert_non_null(first);
	assert_null(strstr(first + 20, "both are active"));
}

/* A freeze is told when it begins and when it is over; a schedule when it cannot begin, with the reason. */
static void freezes_and_schedules(void **state)
{
	struct world *w = *state;
	struct sw_switch *sw = w->f->sw;
	int64_t now = bg_real_us();

	fake_active(w->f, BG_BLUE, 4);
	listen_to(w, "", "", ": bg-switchd");
	sw->rec.freeze = (struct sw_freeze){now, now + 2000000, "bob", "sale"};
	sw_schedule_tick(sw, now);
	sw_schedule_tick(sw, now + 1999999); /* once */
	sw_schedule_tick(sw, now + 2000000);
	sw->rec.schedule = (struct sw_schedule){
		.id = "abc", .at_us = now, .to = BG_GREEN, .expect_epoch = 3, .by = "alice"};
	sw_schedule_tick(sw, now + 2000000);
	assert_true(raw_wait(&w->c, "\"what\":\"dropped\"", 2000));
	const char *frozen = strstr(w->c.in.s, "\"frozen\":true");
	const char *thawed = strstr(w->c.in.s, "\"frozen\":false");
	assert_non_null(strstr(w->c.in.s, "event: freeze\n"));
	assert_non_null(frozen);
	assert_non_null(strstr(frozen, "\"by\":\"bob\",\"reason\":\"sale\""));
	assert_null(strstr(frozen + 1, "\"frozen\":true"));
	assert_true(thawed > frozen);
	assert_non_null(strstr(w->c.in.s, "event: schedule\n"));
	assert_non_null(strstr(w->c.in.s, "\"why\":\"the epoch is 4, and was 3 when it was scheduled\""));
}

/* A thousand changes in one turn: told in order, a few a turn, and a stop tells what is left. */
static void many_at_once(void **state)
{
	struct world *w = *state;
	bool never = false;

	listen_to(w, "", "", ": bg-switchd");
	for (int k = 0; k < 500; k++) {
		w->f->sw->inst[0].epoch = 1000 + k;
		sw_events_instance(&w->f->sw->inst[0]);
	}
	bg_loop_run_until(w->f->loop, &never, 1);
	raw_read(&w->c);
	assert_true(raw_wait(&w->c, "\"epoch\":1499,", 5000));
	const char *at = w->c.in.s;
	for (int k = 0; k < 500; k++) {
		_cleanup_free_ char *text = bg_xasprintf("\"epoch\":%d,", 1000 + k);

		at = strstr(at, text);
		assert_non_null(at);
	}
	for (int k = 0; k < 500; k++) {
		w->f->sw->inst[0].epoch = 2000 + k;
		sw_events_instance(&w->f->sw->inst[0]);
	}
	sw_events_stop(w->f->dm.events);
	assert_true(raw_wait(&w->c, "shutting_down", 5000));
	assert_non_null(strstr(w->c.in.s, "\"epoch\":2499,"));
}

/* An entry of thousands of partitions is told without them. */
static void a_huge_end_is_cut(void **state)
{
	struct world *w = *state;
	struct json_object *o = json_object_new_object(), *parts = json_object_new_array(),
			   *steps = json_object_new_array();

	for (int k = 0; k < 5000; k++)
		json_object_array_add(parts, json_object_new_string("a partition with its offset"));
	json_object_array_add(steps, json_object_new_string("step"));
	bg_json_add_str(o, "outcome", "done");
	bg_json_add(o, "partitions", parts);
	bg_json_add(o, "steps", steps);
	json_object_put(w->f->sw->last);
	w->f->sw->last = o;
	listen_to(w, "", "", ": bg-switchd");
	sw_events_end(w->f->sw);
	assert_true(raw_wait(&w->c, "\"whole\":false", 2000));
	assert_non_null(strstr(w->c.in.s, "\"steps\":[\"step\"]"));
	never_comes(&w->c, "a partition with");
}

static void asked_for_wrongly(void **state)
{
	struct world *w = *state;

	listen_to(w, "?switch=none", "", "unknown_switch");
	assert_non_null(strstr(w->c.in.s, " 404 "));
	listen_to(w, "?since=yesterday", "", "bad_request");
	assert_non_null(strstr(w->c.in.s, " 400 "));
	listen_to(w, "?since=-5", "", "bad_request");
	listen_to(w, "", "Last-Event-ID: x\r\n", "bad_request");
	w->f->sw->rec.hold = true;
	sw_events_hold(w->f->sw);
	/* The header wins: a browser that comes back sends it with the old URL. */
	listen_to(w, "?since=yesterday", "Last-Event-ID: 0\r\n", "\"hold\":true");
}

int main(void)
{
#define P(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define W(f) cmocka_unit_test_setup_teardown(f, world_up, world_down)
	const struct CMUnitTest tests[] = {
		P(told_as_it_happens),        P(replayed_from_the_ring),
		P(slow_follower_is_let_go),   P(stuck_follower_is_let_go),
		P(followers_are_counted),     P(a_stop_is_said),
		W(a_switch_is_told_in_order), W(instances_holds_and_troubles),
		W(freezes_and_schedules),     W(many_at_once),
		W(a_huge_end_is_cut),         W(asked_for_wrongly),
	};

	bg_log_init("test", "logfmt", BG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
