/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/hello.h"

#include <string.h>

#include "common/token.h"
#include "common/log.h"
#include "common/mem.h"

struct controller {
	struct con *c;
	const char *url;
	struct bg_timer *timer;
	struct bg_backoff backoff;
	uint64_t call;
	bool told_failure;
};

struct con_hello {
	struct controller *v;
	size_t n;
	char *token, *url; /* the url: where we are reached */
};

static void send_hello(void *arg);

static void answered(void *arg, const struct bg_httpc_answer *a)
{
	struct controller *k = arg;

	k->call = 0;
	if (a->status == 200) {
		bg_log(BG_INFO, "hello", "%s wants us %s at epoch %lld", k->url,
		       bg_json_str(a->json, "desired", "?"), (long long)bg_json_int(a->json, "epoch", 0));
		bg_backoff_reset(&k->backoff);
		k->told_failure = false;
		return;
	}
	if (!k->told_failure)
		bg_log(BG_WARN, "hello", "%s did not take our hello (%s); it is repeated", k->url,
		       a->status ? bg_json_str(a->json, "message", "unexpected answer") : a->err.msg);
	k->told_failure = true;
	bg_timer_start(k->timer, bg_backoff_next(&k->backoff));
}

static void send_hello(void *arg)
{
	struct controller *k = arg;
	struct con *c = k->c;
	_cleanup_json_ struct json_object *o = json_object_new_object();
	struct bg_httpc_call call = {
		.method = "POST", .base = k->url, .path = "/v1/hello", .deadline_us = 5000000};

	bg_httpc_cancel(c->httpc, k->call);
	bg_json_add_str(o, "switch", c->cfg.sw);
	bg_json_add_str(o, "color", bg_color_name(c->cfg.color));
	bg_json_add_str(o, "instance", c->cfg.instance);
	bg_json_add_str(o, "incarnation", c->incarnation);
	bg_json_add_str(o, "url", c->hello->url);
	bg_json_add_str(o, "state", con_state_wire(c->state));
	bg_json_add_int(o, "epoch", con_epochs_highest(&c->ep));
	bg_json_add_bool(o, "fenced", c->state == CON_FENCED);
	call.body = bg_json_text(o);
	call.token = c->hello->token;
	k->call = bg_httpc_send(c->httpc, &call, answered, k);
}

void con_hello_init(struct con *c)
{
	const struct bg_conf *conf = c->d->conf;
	const char *url = bg_conf_str(conf, "consumer", "url"), *listen = bg_conf_str(conf, "http", "listen");
	struct bg_err err = BG_ERR_INIT;
	struct con_hello *h = bg_xcalloc(1, sizeof *h);
	const char *token_file = bg_conf_str(conf, "controller", "token-file");

	c->hello = h;
	if (url)
		h->url = bg_xstrdup(url);
	else if (listen && strcmp(listen, "none"))
		h->url = bg_xasprintf("http://%s", listen);
	else
		h->url = bg_xasprintf("unix:%s", bg_conf_str(conf, "control", "socket"));
	if (token_file && bg_token_read(token_file, &h->token, &err))
		con_error(c, "token", "%s", err.msg);
	h->n = bg_conf_list_len(conf, "controller", "url");
	h->v = bg_xcalloc(h->n ? h->n : 1, sizeof *h->v);
	for (size_t i = 0; i < h->n; i++) {
		struct controller *k = &h->v[i];

		k->c = c;
		k->url = bg_conf_list_at(conf, "controller", "url", i);
		k->backoff = (struct bg_backoff){.min_us = 20000, .max_us = 5000000};
		k->timer = bg_timer_new(c->loop, send_hello, k);
	}
}

void con_hello_free(struct con *c)
{
	struct con_hello *h = c->hello;

	if (!h)
		return;
	for (size_t i = 0; i < h->n; i++) {
		bg_httpc_cancel(c->httpc, h->v[i].call);
		bg_timer_free(h->v[i].timer);
	}
	free(h->v);
	free(h->token);
	free(h->url);
	free(h);
	c->hello = NULL;
}

void con_hello_say(struct con *c)
{
	struct con_hello *h = c->hello;

	for (size_t i = 0; h && i < h->n; i++) {
		bg_timer_stop(h->v[i].timer);
		bg_backoff_reset(&h->v[i].backoff);
		send_hello(&h->v[i]);
	}
}
