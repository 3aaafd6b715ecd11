/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/state.h"

#include <errno.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/statefile.h"

static const char *const side_names[] = {
	[CON_SIDE_NONE] = "NONE", [CON_SIDE_PAUSED] = "PAUSED", [CON_SIDE_ACTIVE] = "ACTIVE"};

static const struct bg_field fields[] = {
	{"version", BG_J_INT, true, 1, 1, NULL},
	{"switch", BG_J_STRING, true, 1, 63, NULL},
	{"instance", BG_J_STRING, true, 1, 63, NULL},
	{"epoch", BG_J_INT, true, 0, INT64_MAX, NULL},
	{"side", BG_J_STRING, true, 0, 0, "NONE|PAUSED|ACTIVE"},
	{"floor", BG_J_INT, true, 0, INT64_MAX, NULL},
	{"sure", BG_J_BOOL, true, 0, 0, NULL},
	{NULL},
};

static char *state_path(const struct con *c)
{
	return bg_xasprintf("%s/state.json", c->cfg.state_dir);
}

static void unknown(struct con *c)
{
	c->ep.floor_known = false;
	c->ep.needs_name = true;
}

static int parse(struct con *c, const char *path, const char *data, size_t len, struct bg_err *err)
{
	_cleanup_json_ struct json_object *o = NULL;
	const char *side;

	if (bg_json_parse(data, len, &o, err) || bg_json_check(o, fields, err)) {
		bg_err_prefix(err, "%s: ", path);
		return -EBADMSG;
	}
	if (strcmp(bg_json_str(o, "switch", ""), c->cfg.sw) ||
	    strcmp(bg_json_str(o, "instance", ""), c->cfg.instance))
		return bg_err_set(
			err, -EINVAL, "wrong_state",
			"%s belongs to switch %s, instance %s: every instance needs a state-dir of its own",
			path, bg_json_str(o, "switch", ""), bg_json_str(o, "instance", ""));
	c->ep.epoch = c->ep.durable = bg_json_int(o, "epoch", 0);
	side = bg_json_str(o, "side", "NONE");
	for (int i = 0; i < 3; i++)
		if (!strcmp(side, side_names[i]))
			c->ep.side = c->ep.durable_side = (enum con_side)i;
	c->ep.floor = bg_json_int(o, "floor", 0);
	/* Written before the floor was known, or before any command was carried out: no better than no file. */
	if (bg_json_bool(o, "sure", false))
		c->ep.floor_known = true;
	else
		unknown(c);
	return 0;
}

int con_state_load(struct con *c, struct bg_err *err)
{
	_cleanup_free_ char *path = state_path(c), *data = NULL;
	size_t len;
	int rc;

	rc = bg_mkdirs(c->cfg.state_dir, err);
	if (rc)
		return rc;
	rc = bg_state_read(path, &data, &len, err);
	if (!rc)
		rc = parse(c, path, data, len, err);
	if (rc == -ENOENT) {
		bg_log(BG_NOTICE, "state", "%s is not there: the epoch is read from the broker's commits",
		       path);
		unknown(c);
		return 0;
	}
	if (rc == -EBADMSG) {
		con_error(c, "state_damaged", "%s: the epoch is read from the broker's commits", err->msg);
		unknown(c);
		return 0;
	}
	return rc;
}

struct save {
	char *path, *data;
	int rc;
	struct bg_err err;
	void (*done)(void *arg, const struct bg_err *err);
	void *arg;
};

static void save_work(void *arg)
{
	struct save *s = arg;

	s->rc = bg_state_write(s->path, s->data, strlen(s->data), &s->err);
}

static void save_done(void *arg)
{
	struct save *s = arg;

	s->done(s->arg, s->rc ? &s->err : NULL);
	free(s->path);
	free(s->data);
	free(s);
}

static void save_refused(void *arg)
{
	struct save *s = arg;

	s->rc = bg_err_set(&s->err, -EAGAIN, "busy", "the worker's queue is full");
	save_done(s);
}

void con_state_save(struct con *c, void (*done)(void *arg, const struct bg_err *err), void *arg)
{
	struct save *s = bg_xcalloc(1, sizeof *s);
	_cleanup_json_ struct json_object *o = json_object_new_object();

	bg_json_add_int(o, "version", 1);
	bg_json_add_str(o, "switch", c->cfg.sw);
	bg_json_add_str(o, "instance", c->cfg.instance);
	bg_json_add_int(o, "epoch", c->ep.epoch);
	bg_json_add_str(o, "side", side_names[c->ep.side]);
	bg_json_add_int(o, "floor", c->ep.floor);
	bg_json_add_bool(o, "sure", c->ep.floor_known && !c->ep.needs_name);
	s->path = state_path(c);
	s->data = bg_xstrdup(bg_json_text(o));
	s->done = done;
	s->arg = arg;
	if (bg_worker_submit(c->worker, "write the state file", save_work, save_done, s, 0))
		bg_loop_defer(c->loop, save_refused, s);
}
