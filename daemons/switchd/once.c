/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/once.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "common/token.h"
#include "switchd/history.h"
#include "switchd/run.h"

#define POLL_US     INT64_C(20000)
#define CLIENT_US   (INT64_C(3600) * 1000000)
#define STATUSES_US INT64_C(3000000)

enum { OPT_ONCE = 2000, OPT_SWITCH, OPT_TARGET, OPT_FORCE, OPT_REASON };
enum { EX_DONE = 0, EX_FAILED = 1, EX_NO_GO = 3, EX_UNREACHABLE = 4, EX_PERSON = 6, EX_DENIED = 7 };

const struct option sw_once_options[] = {
	{"once", no_argument, NULL, OPT_ONCE},           {"switch", required_argument, NULL, OPT_SWITCH},
	{"target", required_argument, NULL, OPT_TARGET}, {"force", no_argument, NULL, OPT_FORCE},
	{"reason", required_argument, NULL, OPT_REASON}, {NULL, 0, NULL, 0},
};

const char sw_once_help[] =
	"\nOne switch, then the end (exit status 0 done, 1 failed, 3 no-go, 4 no daemon, 5 aborted, 6 a person, 7 denied):\n"
	"      --once             carry out one switch; a running daemon does it when there is one\n"
	"      --switch NAME      which one (may be left out when there is only one)\n"
	"      --target COLOR     blue or green\n"
	"      --force            pass over no-go rules that may be passed over\n"
	"      --reason TEXT      noted in the history\n";

static struct {
	bool wanted, force;
	const char *name, *target, *reason;
	enum bg_color to;
	struct sw_daemon *dm;
	struct sw_switch *sw;
	char id[40];              /* of our run; "" not asked for yet */
	struct json_object *last; /* its history entry, when it has ended */
	bool over;                /* the exit status is known */
	struct bg_timer *timer;
	int64_t until_us;
	char *token;
} once;

int sw_once_option(struct bg_daemon *d, int opt, const char *arg)
{
	(void)d;
	switch (opt) {
	case OPT_ONCE:
		once.wanted = true;
		return 0;
	case OPT_SWITCH:
		once.name = arg;
		return 0;
	case OPT_TARGET:
		once.target = arg;
		return 0;
	case OPT_FORCE:
		once.force = true;
		return 0;
	case OPT_REASON:
		once.reason = arg;
		return 0;
	}
	return 3;
}

bool sw_once_wanted(void)
{
	return once.wanted;
}

int sw_once_check(const struct bg_conf *conf, struct bg_err *err)
{
	bool known = false;
	const char *n;

	if (!once.wanted)
		return once.name || once.target || once.force || once.reason
			       ? bg_err_set(err, -EINVAL, "usage",
					    "--switch, --target, --force and --reason go with --once")
			       : 0;
	if (!once.target || !bg_color_parse(once.target, &once.to))
		return bg_err_set(err, -EINVAL, "usage", "--once needs --target blue or --target green");
	if (!once.name && !bg_conf_name_at(conf, "switch", 1))
		once.name = bg_conf_name_at(conf, "switch", 0);
	if (!once.name)
		return bg_err_set(err, -EINVAL, "usage", "--once needs --switch NAME: there are several");
	for (size_t i = 0; (n = bg_conf_name_at(conf, "switch", i)); i++)
		known = known || strcmp(n, once.name) == 0;
	return known ? 0
		     : bg_err_set(err, -EINVAL, "usage", "--switch %s: there is no [switch:%s]", once.name,
				  once.name);
}

static void finish(int status, const char *text)
{
	printf("%s\n", text);
	fflush(stdout);
	once.over = true;
	bg_daemon_exit(once.dm->d, status);
}

static void finish_err(int status, const char *word, const char *msg)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();

	bg_json_add_str(o, "error", word);
	bg_json_add_str(o, "message", msg);
	finish(status, bg_json_text(o));
}

/* ---- our own store */

static void look(void *arg);

static void again(void)
{
	bg_timer_start(once.timer, POLL_US);
}

static void finish_own(void)
{
	/* What is written beside (record, snapshot, history) is still waited for. */
	if (!sw_persist_idle(once.sw->persist) || once.sw->rewrite_backoff.tries) {
		again();
		return;
	}
	finish((int)bg_json_int(once.last, "exit", EX_FAILED), bg_json_text(once.last));
}

/* What is under way cannot go on, ours or one that an earlier process left; the next start goes on with it. */
static bool in_trouble(void)
{
	const struct sw_run *r = once.sw->run;
	_cleanup_json_ struct json_object *o = NULL;

	if (!r || r->ended || !r->in_trouble || !sw_persist_idle(once.sw->persist))
		return false;
	o = sw_run_trouble(r);
	finish(EX_PERSON, bg_json_text(o));
	return true;
}

/* A re-assertion may replace the run before we look again: the entry is kept. */
void sw_once_ended(const struct sw_run *r)
{
	if (r->sw == once.sw && strcmp(r->id, once.id) == 0 && !once.last)
		once.last = json_object_get(r->sw->last);
}

bool sw_once_over(void)
{
	return once.over;
}

static bool all_known(const struct sw_switch *sw)
{
	for (size_t k = 0; k < sw->n_inst; k++)
		if (!sw->inst[k].reachable)
			return false;
	return true;
}

static void ask_own(struct sw_switch *sw)
{
	struct sw_request rq = {.kind = SW_KIND_SWITCH,
				.to = once.to,
				.force = once.force,
				.by = "bg-switchd --once",
				.reason = once.reason};

	if (sw->rec.active == (int)once.to && sw->state != SW_NEEDS_PERSON)
		finish(EX_DONE,
		       "{\"outcome\":\"done\",\"exit\":0,\"message\":\"this colour is active already, nothing was moved\"}");
	else if (sw->rec.hold)
		finish_err(EX_NO_GO, "held", "the switch is on hold; `bgctl release` ends that");
	else
		bg_strlcpy(once.id, sw_run_start(sw, &rq)->id, sizeof(once.id));
}

static void look(void *arg)
{
	struct sw_switch *sw = once.sw;

	(void)arg;
	if (once.last) {
		finish_own();
		return;
	}
	if (once.over || in_trouble())
		return;
	/* What an earlier process left behind is finished first; states are heard before anything is said to be lost. */
	if (!once.id[0] && !sw_state_busy(sw->state)) {
		bool late = bg_now_us() > once.until_us;

		if (sw->state != SW_UNKNOWN)
			ask_own(sw);
		else if (late &&
			 (!sw->record_gone || !all_known(sw) || bg_now_us() > once.until_us + STATUSES_US))
			finish_err(EX_NO_GO, "uninitialised", sw->degraded);
	}
	again();
}

void sw_once_own(struct sw_daemon *dm)
{
	once.dm = dm;
	once.sw = sw_find(dm, once.name);
	once.until_us = bg_now_us() + STATUSES_US;
	once.timer = bg_timer_new(dm->loop, look, NULL);
	again();
}

/* ---- a daemon's store */

static int status_of(const struct bg_httpc_answer *a)
{
	if (a->status == 0)
		return EX_UNREACHABLE;
	if (a->status == 401 || a->status == 403)
		return EX_DENIED;
	if (a->status == 409 || a->status == 404)
		return EX_NO_GO;
	if (a->status == 202) /* it cannot go on, and says why */
		return EX_PERSON;
	return a->status == 200 && a->json ? (int)bg_json_int(a->json, "exit", EX_FAILED) : EX_FAILED;
}

static void on_answer(void *arg, const struct bg_httpc_answer *a)
{
	(void)arg;
	if (a->status == 0)
		finish_err(EX_UNREACHABLE, a->err.code, a->err.msg);
	else
		finish(status_of(a), a->body);
}

void sw_once_client(struct sw_daemon *dm)
{
	const struct bg_conf *c = dm->d->conf;
	const char *sock = bg_conf_str(c, "control", "socket"), *listen = bg_conf_str(c, "http", "listen");
	const char *token_file = bg_conf_str(c, "http", "token-file");
	_cleanup_json_ struct json_object *body = json_object_new_object();
	_cleanup_free_ char *base = NULL, *path = bg_xasprintf("/v1/switches/%s/switch?wait=1", once.name);

	once.dm = dm;
	if (sock && strcmp(sock, "none") != 0)
		base = bg_xasprintf("unix:%s", sock);
	else
		base = bg_xasprintf("http://%s", listen ? listen : "");
	if (token_file && *token_file)
		bg_token_read(token_file, &once.token, NULL);
	bg_log(BG_NOTICE, "once", "a daemon holds the store: it is asked at %s", base);
	bg_json_add_str(body, "to", once.target);
	bg_json_add_bool(body, "force", once.force);
	bg_json_add_str(body, "reason", once.reason ? once.reason : "");
	bg_json_add_str(body, "by", "bg-switchd --once");
	struct bg_httpc_call call = {.method = "POST",
				     .base = base,
				     .path = path,
				     .body = bg_json_text(body),
				     .token = once.token,
				     .deadline_us = CLIENT_US};
	bg_httpc_send(dm->cmd, &call, on_answer, NULL);
}

void sw_once_free(void)
{
	bg_timer_free(once.timer);
	free(once.token);
	json_object_put(once.last);
	once.last = NULL;
	once.timer = NULL;
	once.token = NULL;
}
