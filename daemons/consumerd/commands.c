/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/commands.h"

#include <string.h>

#include "common/failpoint.h"
#include "common/log.h"
#include "common/mem.h"
#include "consumerd/answers.h"
#include "consumerd/commands_int.h"
#include "consumerd/commit.h"
#include "consumerd/dispatch.h"
#include "consumerd/handler.h"
#include "consumerd/source.h"
#include "consumerd/start.h"
#include "consumerd/state.h"

void con_commands_init(struct con *c)
{
	c->commands = bg_xcalloc(1, sizeof *c->commands);
}

static void unlink_cmd(struct con_commands *q, struct con_cmd *cmd)
{
	struct con_cmd **at = &q->head;

	while (*at && *at != cmd)
		at = &(*at)->next;
	if (*at)
		*at = cmd->next;
}

void con_cmd_end(struct con_cmd *cmd)
{
	unlink_cmd(cmd->c->commands, cmd);
	cmd->c->commands->n--;
	bg_timer_free(cmd->timer);
	bg_offs_free(&cmd->offsets);
	free(cmd);
}

void con_commands_free(struct con *c)
{
	if (!c->commands)
		return;
	while (c->commands->head) {
		struct con_cmd *cmd = c->commands->head;

		if (cmd->req)
			bg_http_error(cmd->req, 503, "shutting_down", "the instance is stopping");
		con_cmd_end(cmd);
	}
	free(c->commands);
	c->commands = NULL;
}

static void on_gone(void *arg)
{
	struct con_cmd *cmd = arg;

	/* The command itself stays in force: only nobody waits for its answer. */
	cmd->req = NULL;
	if (cmd->admitted)
		con_cmd_end(cmd);
}

/* So long before its deadline a pause asks the handler whether it lets go of what it has. */
static int64_t last_call_us(const struct con *c, const struct con_cmd *cmd)
{
	int64_t us = cmd->deadline_us - cmd->started_us;

	if (cmd->kind != CON_CMD_PAUSE || cmd->last_call || !c->handler->on_deadline)
		return 0;
	return BG_MIN(us / 4, 250000);
}

static void on_deadline(void *arg)
{
	struct con_cmd *cmd = arg;
	int64_t left = cmd->deadline_us - bg_now_us();

	if (left > 0 && !cmd->last_call) {
		cmd->last_call = true;
		bg_timer_start(cmd->timer, left);
		if (cmd->admitted && cmd->c->state != CON_ACTIVE && cmd->c->parts.in_flight &&
		    cmd->c->handler->on_deadline)
			cmd->c->handler->on_deadline(cmd->c);
		return;
	}
	if (!cmd->admitted) {
		if (cmd->req)
			bg_http_error(cmd->req, 503, "busy",
				      "the command could not be admitted before its deadline");
		cmd->req = NULL;
		return;
	}
	con_answer_late(cmd);
	con_cmd_end(cmd);
}

/* Command and target, before anything else. NULL: answered already. */
static struct con_cmd *new_cmd(struct con *c, struct bg_http_req *r, enum con_cmd_kind kind)
{
	struct json_object *b = bg_http_body(r);
	struct bg_err err = BG_ERR_INIT;
	struct con_cmd *cmd, **at;
	struct json_object *offsets = bg_json_get(b, "offsets");
	int64_t deadline_ms;

	if (!con_target_ok(c, r, b))
		return NULL;
	if (c->commands->n >= CON_MAX_COMMANDS) {
		bg_http_error(r, 503, "busy", "%d commands wait already", CON_MAX_COMMANDS);
		return NULL;
	}
	cmd = bg_xcalloc(1, sizeof *cmd);
	if (offsets && bg_offs_from_json(offsets, &cmd->offsets, &err)) {
		bg_http_error(r, 400, "bad_request", "offsets: %s", err.msg);
		free(cmd);
		return NULL;
	}
	cmd->c = c;
	cmd->req = r;
	cmd->kind = kind;
	cmd->epoch = bg_json_int(b, "epoch", 0);
	cmd->has_offsets = offsets != NULL;
	cmd->resubscribe = bg_json_bool(b, "resubscribe", false);
	cmd->eager = !strcmp(bg_json_str(b, "answer", "committed"), "eager");
	cmd->named = bg_json_get(b, "incarnation")
			     ? (strcmp(bg_json_str(b, "incarnation", ""), c->incarnation) ? -1 : 1)
			     : 0;
	cmd->side = kind == CON_CMD_RESUME ? CON_SIDE_ACTIVE : CON_SIDE_PAUSED;
	if (kind == CON_CMD_PREPARE && !strcmp(bg_json_str(b, "active", ""), bg_color_name(c->cfg.color)))
		cmd->side = CON_SIDE_ACTIVE;
	cmd->started_us = bg_now_us();
	deadline_ms = bg_json_int(b, "deadline_ms", BG_MIN(c->tun.drain_timeout_us / 1000, 60000));
	cmd->timer = bg_timer_new(c->loop, on_deadline, cmd);
	cmd->deadline_us = cmd->started_us + deadline_ms * 1000;
	bg_timer_start(cmd->timer, deadline_ms * 1000 - last_call_us(c, cmd));
	for (at = &c->commands->head; *at; at = &(*at)->next)
		;
	*at = cmd;
	c->commands->n++;
	bg_http_on_gone(r, on_gone, cmd);
	return cmd;
}

/* Nothing to be done that has not been: 200 at once. */
static bool resume_is_done(struct con *c, const struct con_cmd *cmd)
{
	if (c->state != CON_ACTIVE || con_start_under_way(c) || c->work_epoch != c->ep.epoch)
		return false;
	for (size_t i = 0; i < c->parts.n; i++)
		if (c->parts.v[i]->assigned && !c->parts.v[i]->started &&
		    bg_offs_find(&cmd->offsets, c->parts.v[i]->topic, c->parts.v[i]->partition))
			return false;
	return !c->commands->start_commit;
}

static void start_committed(void *arg, rd_kafka_resp_err_t err)
{
	con_commands_started(arg, err);
}

static void carry_out_resume(struct con *c, struct con_cmd *cmd)
{
	bool same_work = c->state == CON_ACTIVE && c->work_epoch == c->ep.epoch && !con_start_under_way(c);

	if (cmd->epoch)
		c->ep.needs_name = false;
	if (cmd->has_offsets) {
		/* Of the same epoch: what was handed before stays known, the better one wins. */
		if (c->commands->handed_epoch != c->ep.epoch)
			bg_offs_free(&c->handed);
		bg_offs_merge_best(&c->handed, &cmd->offsets);
		c->commands->handed_epoch = c->ep.epoch;
	} else if (c->commands->handed_epoch != c->ep.epoch) {
		bg_offs_free(&c->handed);
	}
	if (resume_is_done(c, cmd)) {
		con_answer_resumed(cmd);
		con_cmd_end(cmd);
		return;
	}
	if (same_work) {
		/* Partitions that came late have their offset now; or the start commit is still awaited. */
		con_start_assigned(c);
		con_commit_request(c, true, start_committed, c);
		return;
	}
	c->commands->start_commit = true;
	c->resubscribe = cmd->resubscribe && c->cfg.mode == CON_TAKEOVER;
	con_event(c, CON_EV_RESUME, "resume");
}

static void carry_out_pause(struct con *c, struct con_cmd *cmd)
{
	c->local_pause = !cmd->epoch;
	con_event(c, CON_EV_PAUSE, cmd->epoch ? "pause" : "local pause");
}

static void carry_out(struct con *c, struct con_cmd *cmd)
{
	cmd->admitted = true;
	if (cmd->kind == CON_CMD_PREPARE) {
		con_answer_prepared(cmd);
		return;
	}
	if (cmd->kind == CON_CMD_PAUSE)
		carry_out_pause(c, cmd);
	else
		carry_out_resume(c, cmd);
}

static void durable(void *arg, const struct bg_err *err)
{
	struct con *c = arg;
	struct con_cmd *cmd;

	if (!c->commands)
		return; /* stopped meanwhile */
	cmd = c->commands->writing;
	c->commands->writing = NULL;
	if (err) {
		con_error(c, err->code, "%s", err->msg);
		if (cmd->req)
			bg_http_error(cmd->req, 500, "not_durable", "the epoch could not be written: %s",
				      err->msg);
		con_cmd_end(cmd);
	} else {
		c->ep.durable = cmd->epoch;
		c->ep.durable_side = cmd->side;
		BG_FAILPOINT("consumer.durable.after");
		carry_out(c, cmd);
	}
	con_commands_run_queue(c);
}

static void admit(struct con *c, struct con_cmd *cmd)
{
	enum con_verdict v;

	if (c->stopping) {
		con_answer_error(cmd, 503, "shutting_down", "the instance is stopping");
		con_cmd_end(cmd);
		return;
	}
	/* Plain mode has no epochs: only the local pause is for it. */
	if (c->cfg.mode == CON_PLAIN && (cmd->epoch || cmd->kind == CON_CMD_PREPARE)) {
		con_answer_error(cmd, 409, "wrong_mode",
				 "this instance runs in mode plain: it knows no epochs");
		con_cmd_end(cmd);
		return;
	}
	v = con_epochs_judge(&c->ep, cmd->side, cmd->epoch,
			     cmd->kind == CON_CMD_PAUSE ? BG_MAX(cmd->named, 0) : cmd->named,
			     c->cfg.require_epoch && c->cfg.mode != CON_PLAIN,
			     c->state == CON_FENCED && cmd->kind == CON_CMD_RESUME ? c->fenced_epoch : 0);
	/* A prepare is a promise: it needs no name, the resume that follows does. */
	if (cmd->kind == CON_CMD_PREPARE && v == CON_WRONG_TARGET && cmd->named == 0)
		v = cmd->epoch == c->ep.epoch ? (c->ep.side == cmd->side ? CON_SAME : CON_CONFLICT) : CON_OK;
	if (v != CON_OK && v != CON_SAME) {
		con_answer_verdict(cmd, v);
		con_cmd_end(cmd);
		return;
	}
	if (con_epochs_accept(&c->ep, cmd->side, cmd->epoch)) {
		bg_log(BG_NOTICE, "epoch", "epoch %lld accepted, %s", (long long)cmd->epoch,
		       cmd->side == CON_SIDE_ACTIVE ? "active" : "paused");
		c->commands->writing = cmd;
		/*
		 * Only a resume that named this process ends the need of a name. A pause does not: one of an old epoch,
		 * taken before the floor was known, would let a late resume in (tests/model, "a pause frees from naming").
		 */
		if (cmd->kind == CON_CMD_RESUME)
			c->ep.needs_name = false;
		con_changed(c);
		con_state_save(c, durable, c);
		return;
	}
	carry_out(c, cmd);
}

void con_commands_run_queue(struct con *c)
{
	struct con_cmd *cmd, *next;

	for (cmd = c->commands->head; cmd; cmd = next) {
		if (c->commands->writing || c->held)
			return;
		next = cmd->next;
		if (cmd->admitted)
			continue;
		if (!cmd->req) {
			con_cmd_end(cmd);
			continue;
		}
		admit(c, cmd);
		next = c->commands
			       ->head; /* the list may have changed: from the head, admitted ones are passed over */
	}
}

static void command(struct bg_http_req *r, void *arg, enum con_cmd_kind kind)
{
	struct con *c = arg;

	if (c->stopping) {
		bg_http_error(r, 503, "shutting_down", "the instance is stopping");
		return;
	}
	if (new_cmd(c, r, kind))
		con_commands_run_queue(c);
}

void con_cmd_prepare(struct bg_http_req *r, void *arg)
{
	command(r, arg, CON_CMD_PREPARE);
}

void con_cmd_pause(struct bg_http_req *r, void *arg)
{
	command(r, arg, CON_CMD_PAUSE);
}

void con_cmd_resume(struct bg_http_req *r, void *arg)
{
	command(r, arg, CON_CMD_RESUME);
}

void con_cmd_shadow(struct bg_http_req *r, void *arg)
{
	struct con *c = arg;

	bg_http_error(r, 501, "not_supported", "handler %s cannot suppress its output", c->handler->name);
}

/* The local pause is over: go on at the own position, if this is the active side. */
void con_cmd_unpause(struct bg_http_req *r, void *arg)
{
	struct con *c = arg;

	if (!con_target_ok(c, r, bg_http_body(r)))
		return;
	if (c->local_pause) {
		c->local_pause = false;
		bg_log(BG_NOTICE, "local_pause", "the local pause is over");
		if (c->cfg.mode == CON_PLAIN ||
		    (c->ep.side == CON_SIDE_ACTIVE && c->work_epoch == c->ep.epoch))
			con_event(c, CON_EV_RESUME, "local pause over");
		con_changed(c);
	}
	bg_http_json(r, 200, con_status_json(c));
}
