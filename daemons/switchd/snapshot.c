/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/snapshot.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "common/units.h"
#include "switchd/ask.h"
#include "switchd/handover.h"
#include "switchd/reconcile.h"

void sw_sha256_hex(const char *text, char ret[65])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (!EVP_Digest(text, strlen(text), md, &n, EVP_sha256(), NULL))
		n = 0;
	ret[0] = '\0';
	for (unsigned i = 0; i < n && i < 32; i++)
		snprintf(ret + 2 * (size_t)i, 3, "%02x", md[i]);
}

void sw_snapshot_save(struct sw_switch *sw, int64_t epoch, int active, const char *id,
		      const struct bg_offs *offs, sw_persist_fn fn)
{
	struct sw_record *rec = &sw->rec;
	_cleanup_json_ struct json_object *o = json_object_new_object();
	char now[32];

	bg_json_add_int(o, "version", 1);
	bg_json_add_str(o, "switch", sw->cfg->name);
	bg_json_add_int(o, "epoch", epoch);
	bg_json_add_str(o, "active", sw_color_name(active));
	bg_json_add_str(o, "time", bg_format_time(now, sizeof(now), bg_real_us()));
	bg_json_add_str(o, "id", id);
	bg_json_add(o, "offsets", bg_offs_to_json(offs));
	const char *text = bg_json_text(o);
	snprintf(rec->snapshot, sizeof(rec->snapshot), "%.63s-%lld", sw->cfg->name, (long long)epoch);
	rec->snapshot_epoch = epoch;
	sw_sha256_hex(text, rec->snapshot_sha256);
	sw_persist_snapshot(sw->persist, epoch, text, fn, sw);
}

/* ---- newcomers */

struct sw_newcomers {
	struct sw_facts facts;
	bool asking;
	struct bg_timer *retry;
	struct bg_backoff backoff;
};

static bool at_rest(const struct sw_switch *sw)
{
	return (sw->state == SW_IDLE || sw->state == SW_SOAKING) && sw->rec.active != SW_NO_COLOR;
}

/* Calls fn for each partition that waits for an offset which was never handed over; returns how many. */
static size_t each_waiting(struct sw_switch *sw, void (*fn)(struct sw_switch *sw, const struct sw_part *p))
{
	size_t n = 0;

	for (size_t k = 0; k < sw->n_inst; k++) {
		const struct sw_inst *i = &sw->inst[k];

		for (size_t a = 0; i->reachable && (int)i->color == sw->rec.active && a < i->n_part; a++) {
			const struct bg_off *o;

			if (!i->part[a].needs_offset)
				continue;
			/* After an abort it may be named there without an offset. */
			o = bg_offs_find(&sw->handed, i->part[a].topic, i->part[a].partition);
			if (o && o->offset >= 0)
				continue;
			n++;
			if (fn)
				fn(sw, &i->part[a]);
		}
	}
	return n;
}

static void hand_over(struct sw_switch *sw, const struct sw_part *p)
{
	struct sw_facts *f = &sw->newcomers->facts;
	_cleanup_offs_ struct bg_offs one = BG_OFFS_INIT;
	struct sw_union_in in = {
		.topics = &one, .committed = {&f->committed[0], &f->committed[1]}, .initial = &f->initial};
	struct sw_union_out out = {0};

	bg_offs_at(&one, p->topic, p->partition);
	sw_handover_unite(&in, &out);
	if (!out.n_missing) {
		bg_offs_set(&sw->handed, p->topic, p->partition, out.offs.v[0].offset, out.offs.v[0].epoch);
		bg_log_sw(BG_NOTICE, sw->cfg->name, "newcomer", "%s [%d] is new: it starts at %lld", p->topic,
			  (int)p->partition, (long long)out.offs.v[0].offset);
	} else {
		snprintf(sw->degraded, sizeof(sw->degraded),
			 "%.60s [%d] is held and nothing says where it starts; see initial-offset", p->topic,
			 (int)p->partition);
	}
	sw_union_free(&out);
}

static void on_facts(void *arg, const struct bg_err *err)
{
	struct sw_switch *sw = arg;
	struct sw_newcomers *w = sw->newcomers;
	size_t before;

	w->asking = false;
	if (!at_rest(sw))
		return;
	before = each_waiting(sw, NULL);
	if (err)
		bg_log_sw(BG_WARN, sw->cfg->name, "newcomer", "cannot see where new partitions start: %s",
			  err->msg);
	else
		each_waiting(sw, hand_over);
	if (each_waiting(sw, NULL) == before) {
		bg_timer_start(w->retry, bg_backoff_next(&w->backoff));
		return;
	}
	bg_backoff_reset(&w->backoff);
	if (!each_waiting(sw, NULL))
		sw->degraded[0] = '\0';
	sw_snapshot_save(sw, sw->rec.epoch, sw->rec.active, sw->rec.id, &sw->handed, NULL);
	sw_record_save(sw, NULL, NULL);
	sw_reconcile_all(sw);
}

static void on_retry(void *arg)
{
	sw_newcomers_look(arg);
}

void sw_newcomers_look(struct sw_switch *sw)
{
	struct sw_newcomers *w = sw->newcomers;

	if (!at_rest(sw) || !each_waiting(sw, NULL))
		return;
	if (!w) {
		w = sw->newcomers = bg_xcalloc(1, sizeof(*w));
		w->backoff = (struct bg_backoff){200000, 10000000, 0};
		w->retry = bg_timer_new(sw->dm->loop, on_retry, sw);
	}
	if (w->asking || bg_timer_pending(w->retry))
		return;
	w->asking = true;
	w->facts.with_initial = true;
	sw_facts_read(&w->facts, sw, sw->cfg->prepare_us, on_facts, sw);
}

void sw_newcomers_stop(struct sw_switch *sw)
{
	if (!sw->newcomers)
		return;
	sw_facts_free(&sw->newcomers->facts);
	bg_timer_free(sw->newcomers->retry);
	free(sw->newcomers);
	sw->newcomers = NULL;
}
