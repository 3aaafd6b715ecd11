/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/answers.h"

#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "consumerd/choose.h"
#include "consumerd/commands.h"
#include "consumerd/commands_int.h"
#include "consumerd/commit.h"
#include "consumerd/source.h"
#include "consumerd/spare.h"
#include "consumerd/start.h"

bool con_target_ok(struct con *c, struct bg_http_req *r, struct json_object *body)
{
	const char *sw = bg_json_str(body, "switch", c->cfg.sw);
	const char *color = bg_json_str(body, "color", bg_color_name(c->cfg.color));
	const char *instance = bg_json_str(body, "instance", c->cfg.instance);

	if (strcmp(sw, c->cfg.sw)) {
		bg_http_error(r, 404, "unknown_switch", "this instance belongs to switch %s", c->cfg.sw);
		return false;
	}
	if (strcmp(color, bg_color_name(c->cfg.color)) || strcmp(instance, c->cfg.instance)) {
		struct json_object *more = json_object_new_object();

		bg_json_add_int(more, "epoch", con_epochs_highest(&c->ep));
		bg_json_add_str(more, "instance", c->cfg.instance);
		bg_http_error_json(r, 409, "wrong_target", "the command is for another instance", more);
		return false;
	}
	return true;
}

struct json_object *con_answer_base(struct con *c)
{
	struct json_object *o = json_object_new_object(), *contract = json_object_new_object();

	bg_json_add_str(o, "switch", c->cfg.sw);
	bg_json_add_str(o, "color", bg_color_name(c->cfg.color));
	bg_json_add_str(o, "instance", c->cfg.instance);
	bg_json_add_str(o, "incarnation", c->incarnation);
	bg_json_add_int(contract, "version", 1);
	bg_json_add_int(contract, "level", 3);
	bg_json_add(o, "contract", contract);
	bg_json_add_str(o, "state", con_state_wire(c->state));
	bg_json_add_int(o, "epoch", con_epochs_highest(&c->ep));
	return o;
}

static void answer(struct con_cmd *cmd, int status, struct json_object *o)
{
	if (cmd->req)
		bg_http_json(cmd->req, status, o);
	else
		json_object_put(o);
	cmd->req = NULL;
}

static void answer_error(struct con_cmd *cmd, int status, const char *word, const char *msg,
			 struct json_object *more)
{
	if (cmd->req)
		bg_http_error_json(cmd->req, status, word, msg, more);
	else
		json_object_put(more);
	cmd->req = NULL;
}

void con_answer_error(struct con_cmd *cmd, int status, const char *word, const char *fmt, ...)
{
	_cleanup_free_ char *msg = NULL;
	va_list ap;

	va_start(ap, fmt);
	msg = bg_xvasprintf(fmt, ap);
	va_end(ap);
	answer_error(cmd, status, word, msg, con_answer_base(cmd->c));
}

void con_answer_verdict(struct con_cmd *cmd, enum con_verdict v)
{
	struct con *c = cmd->c;
	long long e = (long long)con_epochs_highest(&c->ep);

	switch (v) {
	case CON_STALE:
		con_answer_error(cmd, 409, "stale_epoch",
				 "epoch %lld is lower than %lld, which is known here%s",
				 (long long)cmd->epoch, e,
				 c->state == CON_FENCED ? ", or this instance was fenced at it" : "");
		break;
	case CON_CONFLICT:
		con_answer_error(cmd, 409, "epoch_conflict", "at epoch %lld this colour is on the other side",
				 e);
		break;
	case CON_WRONG_TARGET:
		con_answer_error(
			cmd, 409, "wrong_target", "%s",
			cmd->named < 0
				? "the incarnation named is another process"
				: "this instance has no state of its own: a resume must name its incarnation");
		break;
	case CON_UNKNOWN:
		con_answer_error(cmd, 503, "epoch_unknown",
				 "the epoch is not known until the broker's commits were read");
		break;
	default:
		con_answer_error(cmd, 409, "epoch_required",
				 "an epoch was accepted before (%lld): a resume needs one", e);
	}
}

/*
 * Every partition held, idle ones too, each with the epoch under which its offset was reached. And those that were
 * taken away before our commit was in: how far we came is true all the same, and the better one wins.
 */
static void held_offsets(struct con *c, struct bg_offs *ret)
{
	for (size_t i = 0; i < c->parts.n; i++) {
		const struct con_part *p = c->parts.v[i];

		if (p->acked >= 0 &&
		    (p->assigned || p->acked != p->committed || p->epoch != p->committed_epoch))
			bg_offs_set(ret, p->topic, p->partition, p->acked, p->epoch);
	}
}

void con_answer_paused(struct con_cmd *cmd, bool committed)
{
	struct con *c = cmd->c;
	struct con_commands *q = c->commands;
	struct json_object *o = con_answer_base(c);

	bg_json_add_str(o, "state",
			"PAUSED"); /* one that is still STARTING has nothing in the handler either */
	/* The same epoch, the same answer: also when the group has moved partitions since. */
	if (c->commands->pause_epoch != c->ep.epoch)
		bg_offs_free(&c->last_pause);
	c->commands->pause_epoch = c->ep.epoch;
	held_offsets(c, &c->last_pause);
	bg_json_add_int(o, "in_flight", c->parts.in_flight);
	bg_json_add_bool(o, "committed", committed);
	bg_json_add_int(o, "drain_us", q->drain_from_us ? q->drained_us - q->drain_from_us : 0);
	bg_json_add_int(o, "commit_us",
			q->committed_us && q->drained_us ? q->committed_us - q->drained_us : 0);
	bg_json_add(o, "offsets", bg_offs_to_json(&c->last_pause));
	answer(cmd, 200, o);
}

void con_answer_resumed(struct con_cmd *cmd)
{
	struct con *c = cmd->c;
	struct json_object *o = con_answer_base(c);
	struct bg_offs held = BG_OFFS_INIT;

	for (size_t i = 0; i < c->parts.n; i++)
		if (c->parts.v[i]->assigned && c->parts.v[i]->started)
			bg_offs_set(&held, c->parts.v[i]->topic, c->parts.v[i]->partition,
				    c->parts.v[i]->position, c->parts.v[i]->epoch);
	bg_json_add_int(o, "position_us",
			c->commands->positioned_us ? c->commands->positioned_us - c->commands->resume_from_us
						   : 0);
	bg_json_add_int(o, "commit_us", con_commit_last_us(c));
	bg_json_add(o, "offsets", bg_offs_to_json(&held));
	bg_offs_free(&held);
	answer(cmd, 200, o);
}

void con_answer_refused(struct con_cmd *cmd)
{
	const struct con_start_result *r = con_start_refused(cmd->c);
	struct json_object *o = con_answer_base(cmd->c);

	if (r->topic[0]) {
		bg_json_add_str(o, "topic", r->topic);
		bg_json_add_int(o, "partition", r->partition);
		bg_json_add_int(o, "low", r->low);
		bg_json_add_int(o, "high", r->high);
	}
	answer_error(cmd, r->status, r->word, r->msg, o);
}

static void answer_prepared(struct con_cmd *cmd, bool warm);

void con_answer_late(struct con_cmd *cmd)
{
	struct con *c = cmd->c;
	struct json_object *o;

	if (cmd->kind == CON_CMD_PREPARE) {
		answer_prepared(cmd, false);
		return;
	}
	if (cmd->kind == CON_CMD_PAUSE && !c->parts.in_flight) {
		con_answer_error(cmd, 503, "commit_unconfirmed",
				 "nothing more is taken, but the broker has not confirmed the commit");
		return;
	}
	o = con_answer_base(c);
	if (cmd->kind == CON_CMD_PAUSE)
		bg_json_add_str(o, "state", "DRAINING"); /* whatever life the records are of */
	bg_json_add_int(o, "in_flight", c->parts.in_flight);
	bg_json_add_bool(o, "joined", con_source_joined(c));
	answer(cmd, 202, o);
}

static struct json_object *ranges_json(struct con *c)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < c->ranges.n; i++) {
		const struct bg_off *r = &c->ranges.v[i];
		struct json_object *list = bg_json_get(o, r->topic), *row = json_object_new_array();

		if (!list) {
			list = json_object_new_array();
			bg_json_add(o, r->topic, list);
		}
		json_object_array_add(row, json_object_new_int(r->partition));
		json_object_array_add(row, json_object_new_int64(r->offset));
		json_object_array_add(row, json_object_new_int64(r->floor));
		json_object_array_add(list, row);
	}
	return o;
}

static void answer_prepared(struct con_cmd *cmd, bool warm)
{
	struct con *c = cmd->c;
	struct json_object *o = con_status_json(c), *versions = json_object_new_object();
	struct bg_offs held = BG_OFFS_INIT;

	held_offsets(c, &held);
	bg_json_add(o, "offsets", bg_offs_to_json(&held));
	bg_offs_free(&held);
	bg_json_add(o, "ranges", ranges_json(c));
	bg_json_add_str(versions, "kafka-bluegreen", PACKAGE_VERSION);
	bg_json_add_str(versions, "librdkafka", rd_kafka_version_str());
	bg_json_add(o, "versions", versions);
	bg_json_add_bool(o, "warm", warm && con_source_warm(c));
	bg_json_add_str(o, "side", cmd->side == CON_SIDE_ACTIVE ? "ACTIVE" : "PAUSED");
	answer(cmd, 200, o);
}

/* The ranges are for the command that asked; that may be gone: then only the instance learns. */
struct prepared {
	struct con *c;
	struct con_cmd *cmd;
	int64_t epoch;
	bool ranges_known;
};

static void answer_now(void *arg)
{
	struct prepared *p = arg;
	struct con *c = p->c;

	for (struct con_cmd *cmd = c->commands ? c->commands->head : NULL; cmd; cmd = cmd->next)
		if (cmd == p->cmd && cmd->kind == CON_CMD_PREPARE && cmd->epoch == p->epoch) {
			answer_prepared(cmd, p->ranges_known);
			con_cmd_end(cmd);
			break;
		}
	free(p);
}

static void ranges_read(void *arg, const struct bg_err *err, const struct bg_offs *offs)
{
	struct prepared *p = arg;
	struct con *c = p->c;

	p->ranges_known = !err;
	if (!err)
		con_ranges_set(c, offs);
	else
		con_error(c, err->code, "cannot read the log ranges: %s", err->msg);
	if (c->cfg.mode == CON_TAKEOVER)
		con_spare_refresh(c, answer_now, p);
	else
		answer_now(p);
}

static void warmed(void *arg, const struct bg_err *err, const struct bg_offs *offs)
{
	struct con *c = arg;

	(void)offs;
	if (err)
		con_error(c, err->code, "warming up: %s", err->msg);
}

/* Off the critical path: log ranges for the resume's check, and warm connections to both coordinators. */
void con_answer_prepared(struct con_cmd *cmd)
{
	struct con *c = cmd->c;
	struct prepared *p = bg_xcalloc(1, sizeof *p);
	int64_t deadline = 1500000;

	p->c = c;
	p->cmd = cmd;
	p->epoch = cmd->epoch;
	if (c->cfg.peer_group)
		bg_aux_committed(c->aux, c->cfg.peer_group, &c->all, deadline, warmed, c);
	bg_aux_committed(c->aux, c->cfg.group, &c->all, deadline, warmed, c);
	bg_aux_ranges(c->aux, &c->all, deadline, ranges_read, p);
}
