/* SPDX-License-Identifier: Apache-2.0 */
/* GET /lifecycle/status. */
#include "config.h"

#include "common/units.h"
#include "consumerd/answers.h"
#include "consumerd/con_conf.h"
#include "consumerd/faults.h"
#include "consumerd/handler.h"
#include "consumerd/meters.h"
#include "consumerd/mirror.h"
#include "consumerd/source.h"

/* The end of the log as far as we know without asking: from the fetches of a running one, else as last read. */
static int64_t high_of(struct con *c, const struct con_part *p)
{
	rd_kafka_t *rk = con_part_handle(p);
	const struct bg_off *r = bg_offs_find(&c->ranges, p->topic, p->partition);
	int64_t low = -1, high = -1;

	if (rk && !p->kpaused)
		rd_kafka_get_watermark_offsets(rk, p->topic, p->partition, &low, &high);
	if (r && r->floor > high)
		high = r->floor;
	return high;
}

static struct json_object *part_json(struct con *c, const struct con_part *p)
{
	struct json_object *o = json_object_new_object();
	int64_t high = high_of(c, p), reached = con_part_reached(p);

	bg_json_add_str(o, "topic", p->topic);
	bg_json_add_int(o, "partition", p->partition);
	bg_json_add_int(o, "position", p->position);
	bg_json_add_int(o, "committed", con_part_mirror_leads(p) ? p->mirrored : p->committed);
	bg_json_add_int(o, "epoch", p->epoch);
	bg_json_add_int(o, "high", high);
	bg_json_add_int(o, "lag", high >= 0 && reached >= 0 && high > reached ? high - reached : 0);
	bg_json_add_int(o, "first_record_us", p->first_us);
	bg_json_add_int(o, "last_record_us", p->last_us);
	bg_json_add_int(o, "in_flight", p->nout);
	bg_json_add_int(o, "records", (int64_t)p->records);
	bg_json_add_bool(o, "started", p->started);
	if (con_part_mirror_leads(p))
		bg_json_add_bool(o, "mirrored", true);
	if (p->why & CON_WHY_NO_OFFSET)
		bg_json_add_bool(o, "needs_offset", true);
	if (p->failed)
		bg_json_add_bool(o, "failed", true);
	if (p->why & CON_WHY_REFUSED)
		bg_json_add_bool(o, "refused", true);
	return o;
}

/* What both colours of a takeover must have alike: in every status, so that a preflight sees a difference. */
static void add_membership(struct con *c, struct json_object *o)
{
	struct json_object *topics = json_object_new_array(), *ordinals = json_object_new_array(),
			   *ids = json_object_new_array();

	for (size_t i = 0; i < c->cfg.ntopics; i++)
		json_object_array_add(topics, json_object_new_string(c->cfg.topics[i]));
	bg_json_add(o, "subscription", topics);
	bg_json_add_str(o, "assignor", c->cfg.mode == CON_PLAIN ? "configured" : "cooperative-sticky");
	for (size_t i = 0; i < c->cfg.nordinals; i++) {
		json_object_array_add(ordinals, json_object_new_int(c->cfg.ordinals[i]));
		if (c->cfg.mode != CON_PLAIN)
			json_object_array_add(ids, json_object_new_string(c->cfg.static_ids[i]));
	}
	bg_json_add(o, "ordinals", ordinals);
	bg_json_add_str(o, "group_instance_id", c->cfg.mode == CON_PLAIN ? NULL : c->cfg.static_ids[0]);
	bg_json_add(o, "group_instance_ids", ids);
	bg_json_add(o, "static_ids", json_object_get(ids));
	bg_json_add_int(o, "heartbeat_interval_ms", con_source_heartbeat_ms(c));
	bg_json_add_int(o, "session_timeout_ms", con_source_session_ms(c));
}

struct json_object *con_status_json(struct con *c)
{
	struct json_object *o = con_answer_base(c), *list = json_object_new_array();
	int64_t mirrored_us;
	char since[32];

	bg_json_add_int(o, "work_epoch", c->work_epoch);
	bg_json_add_int(o, "seq", (int64_t)c->seq);
	bg_json_add_str(o, "mode", con_mode_name(c->cfg.mode));
	bg_json_add_str(o, "group", c->cfg.group);
	add_membership(c, o);
	bg_json_add_bool(o, "connected", c->connected);
	bg_json_add_bool(o, "joined", con_source_joined(c));
	bg_json_add_bool(o, "warm", con_source_warm(c));
	bg_json_add_bool(o, "resuming", c->state == CON_RESUMING);
	bg_json_add_bool(o, "local_pause", c->local_pause);
	for (size_t i = 0; i < c->parts.n; i++)
		if (c->parts.v[i]->assigned)
			json_object_array_add(list, part_json(c, c->parts.v[i]));
	bg_json_add(o, "assignment", list);
	bg_json_add_int(o, "in_flight", c->parts.in_flight);
	bg_json_add_int(o, "records_total", (int64_t)c->records_total);
	bg_json_add_int(o, "errors_total", (int64_t)c->errors_total);
	con_meters_rates(c, o);
	bg_json_add_int(o, "records_lost_total", (int64_t)c->lost_total);
	bg_json_add_int(o, "mirrored_commits_total", con_mirror_total(c));
	mirrored_us = con_mirror_last_real_us(c);
	bg_json_add_str(o, "last_mirror",
			mirrored_us ? bg_format_time(since, sizeof since, mirrored_us) : NULL);
	if (c->handler->json)
		bg_json_add(o, "handler", c->handler->json(c));
	bg_json_add_str(o, "last_error", c->last_error[0] ? c->last_error : NULL);
	bg_json_add_str(o, "cause", c->cause[0] ? c->cause : NULL);
	bg_json_add(o, "faults", con_faults_json(c));
	bg_json_add_str(o, "since", bg_format_time(since, sizeof since, c->since_real_us));
	bg_json_add_int(o, "since_us", c->since_us);
	bg_json_add_str(o, "boot", bg_boot_id());
	bg_json_add_int(o, "mono_us", bg_now_us());
	return o;
}
