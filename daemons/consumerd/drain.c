/* SPDX-License-Identifier: Apache-2.0 */
/* Pause as a proof (rule 4), and the ends of held requests: the waiting part of commands.h. */
#include "config.h"

#include "common/log.h"
#include "consumerd/answers.h"
#include "consumerd/commands.h"
#include "consumerd/commands_int.h"
#include "consumerd/commit.h"
#include "consumerd/dispatch.h"
#include "consumerd/regroup.h"
#include "consumerd/source.h"
#include "consumerd/start.h"

static bool eager_waits(const struct con *c)
{
	for (const struct con_cmd *cmd = c->commands->head; cmd; cmd = cmd->next)
		if (cmd->kind == CON_CMD_PAUSE && cmd->admitted && cmd->eager)
			return true;
	return false;
}

/* The commit that proves has ended; con_commands_committed, which is called after every commit, does the rest. */
static void proof_is_in(void *arg, rd_kafka_resp_err_t err)
{
	struct con *c = arg;

	(void)err;
	if (c->commands)
		c->commands->proof_asked = false;
}

/* Ask for what the proof of a pause lacks; again whenever a commit has ended and it still does. */
static void ask_proof(struct con *c)
{
	if (c->commands->proof_asked || !con_commit_proof_pending(c))
		return;
	c->commands->proof_asked = true;
	con_commit_request(c, true, proof_is_in, c);
}

/* Forget the times of a drain that was overtaken by a resume. */
void con_commands_drain_over(struct con *c)
{
	c->commands->drain_from_us = c->commands->drained_us = c->commands->committed_us = 0;
}

void con_commands_drain(struct con *c)
{
	if (!c->commands->drain_from_us)
		c->commands->drain_from_us = bg_now_us();
	con_start_cancel(c);
	con_dispatch_flush(c);
	con_dispatch_settle(c, false);
	con_commands_check_drained(c);
}

void con_commands_check_drained(struct con *c)
{
	struct con_commands *q = c->commands;

	con_source_reap(c);
	if (con_start_under_way(c))
		con_start_check_moves(c);
	if (!q || c->parts.in_flight)
		return;
	if (c->state == CON_PAUSED || c->state == CON_STARTING)
		con_commands_prove(c); /* a record of an earlier life has left the handler */
	if (c->state != CON_DRAINING)
		return;
	if (!q->drained_us)
		q->drained_us = bg_now_us();
	/* The commit leaves at once. */
	ask_proof(c);
	if (con_commit_proof_pending(c) && !eager_waits(c))
		return;
	con_event(c, CON_EV_DRAINED, "drained");
}

void con_commands_committed(struct con *c)
{
	struct con_commands *q = c->commands;

	if (!q)
		return;
	if (!con_commit_proof_pending(c) && q->drained_us && !q->committed_us)
		q->committed_us = bg_now_us();
	con_commands_check_drained(c);
}

/* Answer the pauses: nothing in the handler, and the commit acknowledged or, with eager, on its way. */
void con_commands_prove(struct con *c)
{
	struct con_cmd *cmd, *next;
	bool pending;

	/* A handle that was made anew while FENCED waits joined from here on. */
	if (!c->stopping)
		con_source_join(c);
	if (c->parts.in_flight)
		return; /* con_commands_check_drained comes back when it is out */
	ask_proof(c);
	pending = con_commit_proof_pending(c);
	for (cmd = c->commands->head; cmd; cmd = next) {
		next = cmd->next;
		if (cmd->kind != CON_CMD_PAUSE || !cmd->admitted || (pending && !cmd->eager))
			continue;
		con_answer_paused(cmd, !pending);
		con_cmd_end(cmd);
	}
	if (!pending)
		con_commands_drain_over(c);
}

/* All admitted resumes end in the same way. */
static void end_resumes(struct con *c, void (*answer)(struct con_cmd *cmd))
{
	struct con_cmd *cmd, *next;

	for (cmd = c->commands->head; cmd; cmd = next) {
		next = cmd->next;
		if (cmd->kind != CON_CMD_RESUME || !cmd->admitted)
			continue;
		answer(cmd);
		con_cmd_end(cmd);
	}
}

void con_commands_started(struct con *c, rd_kafka_resp_err_t err)
{
	if (!c->commands)
		return;
	if (!err)
		c->commands->start_commit = false;
	if (c->state == CON_ACTIVE && !err) {
		con_regroup_look(c);
		con_source_resubscribe(c);
	}
	if (c->state == CON_ACTIVE && !err)
		end_resumes(c, con_answer_resumed);
	else if (c->state == CON_ACTIVE)
		con_error(c, "start_commit", "the commit of the start failed: %s", rd_kafka_err2str(err));
}

void con_commands_refused(struct con *c)
{
	if (c->commands)
		end_resumes(c, con_answer_refused);
}

static void superseded(struct con_cmd *cmd)
{
	con_answer_error(cmd, 409, "stale_epoch", "a later command came before this one was done");
}

static void is_fenced(struct con_cmd *cmd)
{
	con_answer_error(cmd, 409, "stale_epoch",
			 "the broker refused this instance: it waits for a higher epoch");
}

static void is_failed(struct con_cmd *cmd)
{
	con_answer_error(cmd, 503, "failed", "%s", cmd->c->last_error);
}

void con_commands_state(struct con *c)
{
	if (!c->commands)
		return;
	switch (c->state) {
	case CON_FENCED:
		end_resumes(c, is_fenced);
		break;
	case CON_FAILED:
		end_resumes(c, is_failed);
		break;
	case CON_PAUSED:
	case CON_DRAINING:
		if (!con_start_refused(c)->status)
			end_resumes(c, superseded);
		break;
	default:
		break;
	}
}
