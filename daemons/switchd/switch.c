/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/switch.h"

#include <errno.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "switchd/ask.h"
#include "switchd/frozen.h"
#include "switchd/history.h"
#include "switchd/known.h"
#include "switchd/rebuild.h"
#include "switchd/reconcile.h"
#include "switchd/run.h"
#include "switchd/schedule.h"
#include "switchd/snapshot.h"
#include "switchd/soak_back.h"
#include "switchd/watch.h"

int64_t sw_highest_epoch(const struct sw_switch *sw)
{
	int64_t e = sw->rec.epoch;

	for (size_t k = 0; k < sw->n_inst; k++)
		e = BG_MAX(e, sw->inst[k].epoch);
	return e;
}

struct sw_switch *sw_find(struct sw_daemon *dm, const char *name)
{
	for (size_t i = 0; i < dm->n_sw; i++)
		if (strcmp(dm->sw[i]->cfg->name, name) == 0)
			return dm->sw[i];
	return NULL;
}

/* ---- the record's writes */

struct sw_save {
	struct sw_switch *sw;
	int64_t revision, expect;
	sw_persist_fn fn;
	void *arg;
};

/* A write failed: the next one is expected to find what is there now, if that is ours. */
static void look_again(struct sw_switch *sw)
{
	int64_t there = sw_persist_found(sw->persist);

	if (there >= 0 && there <= sw->rec.revision)
		sw->stored_revision = there;
	sw->queued_revision = sw->stored_revision;
}

static void on_saved(void *arg, int rc, const struct bg_err *err)
{
	struct sw_save s = *(struct sw_save *)arg;
	struct sw_switch *sw = s.sw;

	sw->saves--;
	if (sw->newest == arg)
		sw->newest = NULL;
	free(arg);
	if (rc == 0) {
		sw->stored_revision = s.revision;
		if (sw->rewrite_backoff.tries)
			sw->degraded[0] = '\0'; /* that was the trouble */
		bg_backoff_reset(&sw->rewrite_backoff);
		bg_timer_stop(sw->rewrite);
	} else {
		look_again(sw);
		if (!s.fn) {
			bg_strlcpy(sw->degraded, err->msg, sizeof(sw->degraded));
			bg_timer_start(sw->rewrite, bg_backoff_next(&sw->rewrite_backoff));
		}
	}
	if (s.fn)
		s.fn(s.arg, rc, err);
}

/* One that waits behind a slow disk is out of date: the queue does not grow by it. */
static void drop_outdated(struct sw_switch *sw)
{
	struct sw_save *old = sw->newest;

	if (!old || !sw_persist_drop_record(sw->persist, old))
		return;
	sw->newest = NULL;
	sw->saves--;
	if (sw->queued_revision == old->revision)
		sw->queued_revision = old->expect;
	free(old);
}

void sw_record_save(struct sw_switch *sw, sw_persist_fn fn, void *arg)
{
	struct sw_save *s = bg_xcalloc(1, sizeof(*s));
	_cleanup_json_ struct json_object *j = NULL;

	drop_outdated(sw);
	sw->rec.revision = BG_MAX(sw->rec.revision, BG_MAX(sw->stored_revision, sw->queued_revision)) + 1;
	*s = (struct sw_save){sw, sw->rec.revision, sw->queued_revision, fn, arg};
	sw->newest = fn ? NULL : s;
	j = sw_record_to_json(&sw->rec, sw->cfg->name);
	if (sw->cfg->fence)
		bg_json_add(j, "members", sw_known_to_json(sw));
	sw->saves++;
	sw_persist_record(sw->persist, bg_json_text(j), sw->queued_revision, on_saved, s);
	sw->queued_revision = s->revision;
}

static void on_rewrite(void *arg)
{
	sw_record_save(arg, NULL, NULL);
}

/* ---- life */

#define A_MOMENT_US INT64_C(100000)

static void on_soak_over(void *arg)
{
	struct sw_switch *sw = arg;

	if (sw_soak_asks(sw))
		bg_timer_start(sw->soak, A_MOMENT_US);
	else
		sw_run_soak_over(sw);
}

static void on_tick(void *arg)
{
	sw_schedule_tick(arg, bg_real_us());
}

struct sw_switch *sw_switch_new(struct sw_daemon *dm, struct sw_cfg *cfg,
				const struct sw_adapter_ops *adapter)
{
	struct sw_switch *sw = bg_xcalloc(1, sizeof(*sw));

	sw->dm = dm;
	sw->cfg = cfg;
	sw->adapter = adapter;
	sw->state = SW_UNKNOWN;
	sw->soak_errors = -1;
	sw->rewrite_backoff = (struct bg_backoff){100000, 5000000, 0};
	sw->soak_backoff = (struct bg_backoff){1000000, 30000000, 0};
	sw_record_init(&sw->rec);
	sw->n_inst = cfg->n_endpoint[BG_BLUE] + cfg->n_endpoint[BG_GREEN];
	sw->inst = bg_xcalloc(sw->n_inst + 1, sizeof(*sw->inst));
	for (size_t k = 0; k < sw->n_inst; k++) {
		bool green = k >= cfg->n_endpoint[BG_BLUE];

		sw_inst_init(&sw->inst[k], sw, green ? BG_GREEN : BG_BLUE,
			     green ? cfg->endpoint[BG_GREEN][k - cfg->n_endpoint[BG_BLUE]]
				   : cfg->endpoint[BG_BLUE][k]);
		sw->inst[k].index = k;
	}
	sw->persist = sw_persist_new(dm->loop, dm->worker, dm->store, cfg->name);
	sw->soak = bg_timer_new(dm->loop, on_soak_over, sw);
	sw->rewrite = bg_timer_new(dm->loop, on_rewrite, sw);
	sw->tick = bg_timer_new(dm->loop, on_tick, sw);
	return sw;
}

void sw_switch_stop(struct sw_switch *sw)
{
	sw_schedule_stop(sw);
	sw_watch_stop(sw);
	sw_reconcile_stop(sw);
	sw_rebuild_stop(sw);
	sw_newcomers_stop(sw);
	sw_soak_stop(sw);
	if (sw->run)
		sw_run_cancel(sw->run);
	bg_timer_stop(sw->soak);
	bg_timer_stop(sw->rewrite);
}

void sw_switch_free(struct sw_switch *sw)
{
	if (!sw)
		return;
	sw_run_free(sw->run);
	sw_soak_free(sw);
	sw_ask_free_all(sw);
	sw_persist_free(sw->persist);
	for (size_t k = 0; k < sw->n_inst; k++)
		sw_inst_clear(&sw->inst[k]);
	free(sw->inst);
	bg_timer_free(sw->soak);
	bg_timer_free(sw->rewrite);
	bg_timer_free(sw->reconcile);
	bg_timer_free(sw->tick);
	bg_offs_free(&sw->handed);
	json_object_put(sw->last);
	sw_cfg_free(sw->cfg);
	free(sw);
}

/* ---- start-up: what the store has (blocking: the loop does not run yet) */

static bool load_snapshot(struct sw_switch *sw, int64_t epoch, const char *sha256)
{
	struct sw_store *st = sw->dm->store;
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ struct json_object *j = NULL;
	_cleanup_offs_ struct bg_offs offs = BG_OFFS_INIT;
	struct bg_err err = BG_ERR_INIT;
	char have[65];
	int rc = st->ops->read_snapshot(st, sw->cfg->name, epoch, &text, &err);

	if (rc == -ENOENT)
		return false;
	if (rc == 0) {
		sw_sha256_hex(text, have);
		if (sha256 && *sha256 && strcmp(sha256, have) != 0)
			rc = bg_err_set(&err, -EBADMSG, "damaged", "its hash is not the one in the record");
		else if ((rc = bg_json_parse(text, strlen(text), &j, &err)) == 0)
			rc = bg_offs_from_json(bg_json_get(j, "offsets"), &offs, &err);
	}
	if (rc < 0) {
		bg_log_sw(BG_ERROR, sw->cfg->name, "bad_snapshot",
			  "the snapshot of epoch %lld cannot be used: %s", (long long)epoch, err.msg);
		return false;
	}
	bg_offs_free(&sw->handed);
	bg_offs_copy(&sw->handed, &offs);
	sw->handed_of_record = sw->rec.id[0] && strcmp(bg_json_str(j, "id", ""), sw->rec.id) == 0;
	sw->rec.snapshot_epoch = epoch;
	return true;
}

static void load_offsets(struct sw_switch *sw)
{
	struct sw_store *st = sw->dm->store;
	_cleanup_free_ int64_t *v = NULL;
	size_t n = 0;

	/* A first activation that was cut short: its offsets were made durable before anybody was told. */
	if (sw->rec.kind == SW_KIND_INIT && sw_state_busy(sw->rec.phase) &&
	    load_snapshot(sw, sw->rec.epoch, NULL))
		return;
	if (sw->rec.snapshot_epoch && load_snapshot(sw, sw->rec.snapshot_epoch, sw->rec.snapshot_sha256))
		return;
	/* The newest that can be read: older offsets never win over commits, they only fill in. */
	if (st->ops->list_snapshots(st, sw->cfg->name, &v, &n, NULL) == 0)
		while (n-- > 0)
			if (load_snapshot(sw, v[n], NULL))
				return;
}

static void load_last(struct sw_switch *sw)
{
	struct sw_store *st = sw->dm->store;
	_cleanup_buf_ struct bg_buf b = {0};
	_cleanup_json_ struct json_object *list = NULL;

	if (st->ops->read_history(st, sw->cfg->name, &b, NULL) < 0)
		return;
	/* The last that was carried out, or tried; a few that were dropped may lie before it. */
	list = sw_history_list(b.s, 50);
	for (size_t i = 0; !sw->last && i < json_object_array_length(list); i++) {
		struct json_object *e = json_object_array_get_idx(list, i);

		if (strcmp(bg_json_str(e, "outcome", ""), SW_DROPPED) != 0)
			sw->last = json_object_get(e);
	}
}

int sw_switch_load(struct sw_switch *sw, struct bg_err *err)
{
	struct sw_store *st = sw->dm->store;
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ struct json_object *j = NULL;
	struct bg_err e = BG_ERR_INIT;
	int rc = st->ops->read_record(st, sw->cfg->name, &text, &e);

	if (rc == 0 && (rc = bg_json_parse(text, strlen(text), &j, &e)) == 0)
		rc = sw_record_from_json(j, sw->cfg->name, &sw->rec, &e);
	if (rc < 0 && rc != -ENOENT && rc != -EBADMSG && rc != -EINVAL) {
		*err = e;
		bg_err_prefix(err, "cannot read the record of switch %s", sw->cfg->name);
		return rc;
	}
	if (rc < 0 && rc != -ENOENT) {
		bg_log_sw(BG_ERROR, sw->cfg->name, "bad_record",
			  "the record of truth cannot be used, it is rebuilt: %s", e.msg);
		sw_frozen_damaged(sw);
	}
	if (j) {
		sw->stored_revision = sw->queued_revision = bg_json_int(j, "revision", 0);
		sw_known_take(sw, bg_json_get(j, "members"));
	}
	sw->record_gone = rc < 0;
	load_offsets(sw);
	load_last(sw);
	return 0;
}

void sw_switch_start(struct sw_switch *sw)
{
	sw_reconcile_start(sw);
	sw_run_recover(sw);
	sw_rebuild_look(sw);
	sw_watch_start(sw);
	sw_schedule_start(sw);
}
