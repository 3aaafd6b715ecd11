/* SPDX-License-Identifier: Apache-2.0 */
/* The watch over many instances: how many polls are held at once, and that everybody has a turn. */
#include "config.h"
#include "unit.h"

#include "common/http_server.h"
#include "switchd/watch.h"
#include "switchd_fake.h"

#define MANY 300
#define HELD 256 /* as in watch.c */

struct world {
	struct fake *f;
	struct bg_http_server *http;
	struct bg_http_req *held[MANY];
	int fresh[MANY], holds[MANY], open, most; /* open: polls that are held now; most: at any time */
};

struct at { /* which instance's poll */
	struct world *w;
	int n;
};
static struct at at[MANY];

static void on_gone(void *arg)
{
	struct at *a = arg;

	a->w->held[a->n] = NULL;
	a->w->open--;
}

static void answer(struct bg_http_req *r)
{
	struct json_object *o = json_object_new_object();

	bg_json_add_str(o, "switch", "orders");
	bg_json_add_str(o, "color", "blue");
	bg_json_add_str(o, "state", "PAUSED");
	bg_json_add_int(o, "epoch", 0);
	bg_json_add_int(o, "seq", 1);
	bg_http_json(r, 200, o);
}

static void on_status(struct bg_http_req *r, void *arg)
{
	struct world *w = arg;
	int n = atoi(bg_http_param(r, "n"));

	assert_in_range(n, 0, MANY - 1);
	if (!bg_http_query(r, "since")) {
		w->fresh[n]++;
		answer(r);
		return;
	}
	assert_null(w->held[n]); /* never two for one */
	at[n] = (struct at){w, n};
	w->holds[n]++;
	w->held[n] = r;
	w->open++;
	w->most = BG_MAX(w->most, w->open);
	bg_http_on_gone(r, on_gone, &at[n]);
}

static void let_go(struct world *w, int n)
{
	struct bg_http_req *r = bg_steal_ptr(&w->held[n]);

	assert_non_null(r);
	w->open--;
	answer(r);
}

static const struct bg_route routes[] = {
	{"GET", "/{n}/lifecycle/status", on_status, BG_PRIV_READ, NULL, 0},
	{NULL},
};

/* `n` blue instances in place of those of the fake. */
static void crowd(struct world *w, size_t n)
{
	struct sw_switch *sw = w->f->sw;

	for (size_t k = 0; k < sw->n_inst; k++)
		sw_inst_clear(&sw->inst[k]);
	free(sw->inst);
	sw->inst = bg_xcalloc(n, sizeof(*sw->inst));
	sw->n_inst = n;
	for (size_t k = 0; k < n; k++) {
		_cleanup_free_ char *url =
			bg_xasprintf("http://127.0.0.1:%d/%zu", bg_http_server_port(w->http), k);

		sw_inst_init(&sw->inst[k], sw, BG_BLUE, url);
		sw->inst[k].index = k;
	}
	sw_watch_start(sw);
}

static int setup(void **state)
{
	struct world *w = bg_xcalloc(1, sizeof(*w));
	struct bg_http_opts o = {.routes = routes, .arg = w, .max_connections = 3 * MANY};
	struct bg_err err = BG_ERR_INIT;

	w->f = fake_new();
	w->f->dm.cmd = bg_httpc_new(w->f->loop);
	w->f->dm.poll = bg_httpc_new(w->f->loop);
	w->http = bg_http_server_new(w->f->loop, &o);
	assert_int_equal(bg_http_server_tcp(w->http, "127.0.0.1:0", &err), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	sw_watch_stop(w->f->sw);
	/* Nothing is left of it: neither a call nor a place in the queue. */
	assert_int_equal(w->f->dm.n_polls, 0);
	assert_null(w->f->dm.poll_first);
	assert_null(w->f->dm.poll_last);
	bg_httpc_free(w->f->dm.poll);
	bg_httpc_free(w->f->dm.cmd);
	w->f->dm.poll = w->f->dm.cmd = NULL;
	bg_http_server_free(w->http);
	fake_free(w->f);
	free(w);
	return 0;
}

/* Turn the loop until so many are held, and then long enough to see that it stays so. */
static void await_held(struct world *w, int n)
{
	for (int i = 0; i < 20000 && w->open != n; i++)
		bg_loop_run_until(w->f->loop, &(bool){false}, 1000);
	assert_int_equal(w->open, n);
	bg_loop_run_until(w->f->loop, &(bool){false}, 50000);
	assert_int_equal(w->open, n);
}

static int without_turn(const struct world *w)
{
	int n = 0;

	for (int k = 0; k < MANY; k++)
		n += !w->holds[k];
	return n;
}

static void few_are_all_held(void **state)
{
	struct world *w = *state;

	crowd(w, 20);
	await_held(w, 20);
	assert_int_equal(w->f->dm.n_polls, 20);
	/* One that ends is held again. */
	let_go(w, 7);
	await_held(w, 20);
	assert_int_equal(w->holds[7], 2);
	for (int k = 0; k < 20; k++)
		assert_int_equal(w->fresh[k], 1);
}

static void many_take_turns(void **state)
{
	struct world *w = *state;

	crowd(w, MANY);
	await_held(w, HELD);
	/* Everybody has been asked once, before anybody's place was held. */
	for (int k = 0; k < MANY; k++)
		assert_int_equal(w->fresh[k], 1);
	assert_int_equal(without_turn(w), MANY - HELD);
	/* A poll that ends gives its place to one that waits. */
	for (int k = 0, left = MANY - HELD; k < MANY && left > 0; k++) {
		if (!w->held[k])
			continue;
		let_go(w, k);
		left--;
	}
	await_held(w, HELD);
	assert_int_equal(without_turn(w), 0);
	assert_int_equal(w->most, HELD);
}

/* Who says hello is asked at once, however many wait. */
static void a_hello_does_not_wait(void **state)
{
	struct world *w = *state;
	int n = 0;

	crowd(w, MANY);
	await_held(w, HELD);
	while (w->held[n])
		n++;
	sw_watch_kick(&w->f->sw->inst[n]);
	for (int i = 0; i < 5000 && w->fresh[n] < 2; i++)
		bg_loop_run_until(w->f->loop, &(bool){false}, 1000);
	assert_int_equal(w->fresh[n], 2);
	/* One whose poll is held is asked as well; its place goes to the next. */
	n = 0;
	while (!w->held[n])
		n++;
	sw_watch_kick(&w->f->sw->inst[n]);
	for (int i = 0; i < 5000 && w->fresh[n] < 2; i++)
		bg_loop_run_until(w->f->loop, &(bool){false}, 1000);
	assert_int_equal(w->fresh[n], 2);
	await_held(w, HELD);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(few_are_all_held),
		T(many_take_turns),
		T(a_hello_does_not_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
