/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/restore.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "common/units.h"
#include "switchd/command.h"
#include "switchd/preflight_int.h"

int sw_restore_parse(const char *text, struct bg_offs *ret, struct bg_err *err)
{
	_cleanup_json_ struct json_object *j = NULL;
	int rc = bg_json_parse(text, strlen(text), &j, err);

	if (rc == 0 && !bg_json_get(j, "offsets"))
		rc = bg_err_set(err, -EBADMSG, "damaged", "it has no offsets");
	return rc < 0 ? rc : bg_offs_from_json(bg_json_get(j, "offsets"), ret, err);
}

/* ---- the request: the snapshot is read by the worker */

struct reading {
	struct bg_http_req *req; /* NULL: the client has left */
	struct sw_switch *sw;
	struct sw_store *store;
	char *name, *text;
	int64_t epoch;
	int rc;
	struct bg_err err;
};

static void reading_free(struct reading *r)
{
	free(r->name);
	free(r->text);
	free(r);
}

static void on_gone(void *arg)
{
	((struct reading *)arg)->req = NULL;
}

static void read_it(void *arg)
{
	struct reading *r = arg;

	r->rc = r->store->ops->read_snapshot(r->store, r->name, r->epoch, &r->text, &r->err);
}

static void go_on(struct reading *r)
{
	_cleanup_offs_ struct bg_offs offs = BG_OFFS_INIT;

	bg_http_on_gone(r->req, NULL, NULL);
	if (r->rc == -ENOENT)
		bg_http_error(r->req, 404, "unknown_snapshot", "there is no snapshot of epoch %lld",
			      (long long)r->epoch);
	else if (r->rc < 0)
		bg_http_error(r->req, 500, "store", "%s", r->err.msg);
	else if (sw_restore_parse(r->text, &offs, &r->err) < 0)
		bg_http_error(r->req, 500, "store", "the snapshot of epoch %lld is damaged: %s",
			      (long long)r->epoch, r->err.msg);
	else
		sw_cmd_restored(r->req, r->sw, r->epoch, &offs);
}

static void was_read(void *arg)
{
	struct reading *r = arg;

	if (r->req)
		go_on(r);
	reading_free(r);
}

void sw_cmd_restore(struct bg_http_req *req, void *arg)
{
	struct sw_switch *sw = sw_of_request(req, arg);
	struct reading *r;
	int64_t epoch;

	if (!sw)
		return;
	if (bg_parse_int(bg_http_param(req, "epoch"), &epoch, NULL) < 0 || epoch < 1) {
		bg_http_error(req, 400, "bad_request", "`%s` is no epoch", bg_http_param(req, "epoch"));
		return;
	}
	r = bg_xcalloc(1, sizeof(*r));
	r->req = req;
	r->sw = sw;
	r->store = sw->dm->store;
	r->name = bg_xstrdup(sw->cfg->name);
	r->epoch = epoch;
	if (bg_worker_submit(sw->dm->worker, "read a snapshot", read_it, was_read, r, 0) < 0) {
		bg_http_error(req, 503, "overloaded", "too many reads are waiting; try again");
		reading_free(r);
		return;
	}
	bg_http_on_gone(req, on_gone, r);
}

/* ---- the run */

void sw_restore_recover(struct sw_run *r)
{
	struct sw_store *st = r->sw->dm->store;
	_cleanup_free_ char *text = NULL;
	struct bg_err err = BG_ERR_INIT;

	if (r->kind != SW_KIND_SWITCH || strncmp(r->init_from, "snapshot:", 9) != 0 ||
	    bg_parse_int(r->init_from + 9, &r->restore_epoch, NULL) < 0)
		return;
	/* To may have begun there under the record's epoch: a newer one must not take it back once more. */
	r->restored_at = r->sw->rec.epoch;
	if (st->ops->read_snapshot(st, r->sw->cfg->name, r->restore_epoch, &text, &err) < 0 ||
	    sw_restore_parse(text, &r->restore, &err) < 0)
		bg_log_sw(BG_ERROR, r->sw->cfg->name, "bad_snapshot",
			  "the snapshot of epoch %lld, which was being restored, cannot be used: %s",
			  (long long)r->restore_epoch, err.msg);
}

void sw_restore_offsets(const struct sw_run *r, struct bg_offs *ret)
{
	int64_t epoch = r->restored_at ? r->restored_at : r->epoch;

	for (size_t i = 0; i < r->restore.n; i++) {
		const struct bg_off *o = &r->restore.v[i];
		const struct bg_off *log = bg_offs_find(&r->facts.ranges, o->topic, o->partition);
		int64_t at = o->offset;

		if (at < 0 || !bg_offs_find(&r->facts.topics, o->topic, o->partition))
			continue;
		if (r->force && log)
			at = BG_MIN(BG_MAX(at, log->offset), log->floor);
		bg_offs_set(ret, o->topic, o->partition, at, epoch);
	}
}

/* ---- the preflight: what would be given again, and what would never be given */

/* Where the active colour is; -1: not known. */
static int64_t position_of(const struct sw_pf_facts *f, const struct bg_off *o)
{
	enum bg_color from = bg_color_other(f->to);
	int64_t at = -1;

	SW_PF_FOR_COLOR(i, f, from)
	for (size_t k = 0; k < i->n_part; k++)
		if (i->reachable && i->part[k].partition == o->partition &&
		    strcmp(i->part[k].topic, o->topic) == 0)
			at = BG_MAX(at, i->part[k].position);
	return at;
}

enum sw_pf_verdict sw_pf_restore(const struct sw_pf_facts *f, struct bg_buf *msg)
{
	int64_t again = 0, skipped = 0, removed = 0;
	size_t beyond = 0;

	for (size_t i = 0; f->restore && f->kafka_ok && i < f->restore->n; i++) {
		const struct bg_off *o = &f->restore->v[i];
		const struct bg_off *log = bg_offs_find(f->ranges, o->topic, o->partition);
		int64_t at = position_of(f, o);

		if (!log || o->offset < 0)
			continue;
		at = at < 0 ? log->floor : at;
		again += BG_MAX(0, at - BG_MAX(o->offset, log->offset));
		skipped += BG_MAX(0, o->offset - at);
		removed += BG_MAX(0, log->offset - o->offset);
		beyond += o->offset > log->floor;
	}
	if (!f->restore)
		return SW_PF_GO;
	bg_buf_printf(msg, "about %lld records are given again", (long long)again);
	if (skipped)
		bg_buf_printf(msg, "; %lld are never given: the snapshot is ahead", (long long)skipped);
	if (removed)
		bg_buf_printf(msg, "; %lld were removed from the log and cannot be given again",
			      (long long)removed);
	if (beyond)
		bg_buf_printf(msg, "; %zu partitions are shorter than the snapshot says", beyond);
	return skipped || removed || beyond ? SW_PF_NO_GO : SW_PF_GO;
}
