/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/doctor.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"
#include "switchd/ask.h"
#include "switchd/command.h"
#include "switchd/switch.h"

#define ASKING_MAX 8 /* at once; each is some calls to Kafka */

struct visit {
	struct bg_http_req *req;
	struct sw_switch *sw;
	struct sw_facts facts;
	struct bg_err kafka, health;
	int brokers, under_replicated, leaderless;
	int open;
};

static int asking;

static void visit_free(struct visit *v)
{
	sw_ask_cancel(v->sw, v);
	sw_facts_free(&v->facts);
	free(v);
	asking--;
}

static void on_gone(void *arg)
{
	visit_free(arg);
}

static struct json_object *error(const struct bg_err *e)
{
	struct json_object *o;

	if (!e->msg[0])
		return NULL;
	o = json_object_new_object();
	bg_json_add_str(o, "code", e->code);
	bg_json_add_str(o, "message", e->msg);
	return o;
}

/* ---- what is known */

static struct json_object *topics(const struct visit *v)
{
	struct json_object *list = json_object_new_array();

	for (size_t t = 0; t < v->sw->cfg->n_topics; t++) {
		struct json_object *o = json_object_new_object();
		int64_t n = 0;

		for (size_t k = 0; k < v->facts.topics.n; k++)
			n += strcmp(v->facts.topics.v[k].topic, v->sw->cfg->topics[t]) == 0;
		bg_json_add_str(o, "topic", v->sw->cfg->topics[t]);
		bg_json_add_int(o, "partitions", n);
		json_object_array_add(list, o);
	}
	return list;
}

/* How far a group is, and what retention has taken before it was processed. */
static struct json_object *group(const struct visit *v, enum bg_color c)
{
	struct json_object *o = json_object_new_object();
	int64_t none = 0, lag = 0, lost = 0;
	_cleanup_free_ char *where = NULL;

	for (size_t k = 0; k < v->facts.topics.n; k++) {
		const struct bg_off *t = &v->facts.topics.v[k];
		const struct bg_off *at = bg_offs_find(&v->facts.committed[c], t->topic, t->partition);
		const struct bg_off *log = bg_offs_find(&v->facts.ranges, t->topic, t->partition);

		if (!at || at->offset < 0 || !log) {
			none++;
			continue;
		}
		lag += BG_MAX(0, log->floor - BG_MAX(at->offset, log->offset));
		if (at->offset >= log->offset)
			continue;
		lost += log->offset - at->offset;
		if (!where)
			where = bg_xasprintf("%s [%d]", t->topic, (int)t->partition);
	}
	bg_json_add_str(o, "group", v->sw->cfg->group[c]);
	bg_json_add_str(o, "color", sw_cfg_shared(v->sw->cfg) ? NULL : bg_color_name(c));
	bg_json_add_int(o, "without_commit", none);
	bg_json_add_int(o, "lag", lag);
	bg_json_add_int(o, "lost", lost);
	bg_json_add_str(o, "lost_at", where);
	return o;
}

static struct json_object *names(const struct sw_set *s)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < s->n; i++)
		json_object_array_add(list, json_object_new_string(s->v[i]));
	return list;
}

/* Members of an instance that it has not said are null. */
static struct json_object *instance(const struct sw_inst *i)
{
	struct json_object *o = json_object_new_object();
	const struct sw_member *m = &i->member;

	bg_json_add_str(o, "instance", sw_inst_label(i));
	bg_json_add_str(o, "color", bg_color_name(i->color));
	bg_json_add_str(o, "mode", m->mode[0] ? m->mode : NULL);
	bg_json_add_str(o, "group", m->group[0] ? m->group : NULL);
	bg_json_add_str(o, "assignor", m->assignor[0] ? m->assignor : NULL);
	bg_json_add(o, "topics", names(&m->topics));
	bg_json_add(o, "static_ids", names(&m->ids));
	return o;
}

static void answer(struct visit *v)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array(),
			   *groups = json_object_new_array();
	bool known = !v->kafka.msg[0];

	bg_json_add_str(o, "switch", v->sw->cfg->name);
	bg_json_add_str(o, "version", PACKAGE_VERSION);
	bg_json_add_str(o, "librdkafka", rd_kafka_version_str());
	bg_json_add(o, "kafka_error", error(&v->kafka));
	bg_json_add(o, "health_error", error(&v->health));
	bg_json_add_int(o, "brokers", v->brokers);
	bg_json_add_int(o, "under_replicated", v->under_replicated);
	bg_json_add_int(o, "leaderless", v->leaderless);
	bg_json_add(o, "topics", known ? topics(v) : json_object_new_array());
	for (int c = 0; known && c < (sw_cfg_shared(v->sw->cfg) ? 1 : 2); c++)
		json_object_array_add(groups, group(v, (enum bg_color)c));
	bg_json_add(o, "groups", groups);
	for (size_t k = 0; k < v->sw->n_inst; k++)
		json_object_array_add(list, instance(&v->sw->inst[k]));
	bg_json_add(o, "instances", list);
	bg_http_on_gone(v->req, NULL, NULL);
	bg_http_json(v->req, 200, o);
	visit_free(v);
}

/* ---- asking */

static void part_over(struct visit *v)
{
	if (--v->open == 0)
		answer(v);
}

static void on_facts(void *arg, const struct bg_err *err)
{
	struct visit *v = arg;

	if (err)
		v->kafka = *err;
	part_over(v);
}

static void on_health(void *arg, const struct bg_err *err, int brokers, int under_replicated, int leaderless)
{
	struct visit *v = arg;

	if (err)
		v->health = *err;
	v->brokers = brokers;
	v->under_replicated = under_replicated;
	v->leaderless = leaderless;
	part_over(v);
}

void sw_doctor(struct bg_http_req *req, void *arg)
{
	struct sw_switch *sw = sw_of_request(req, arg);
	struct visit *v;

	if (!sw)
		return;
	if (sw->dm->stopping || asking >= ASKING_MAX) {
		bg_http_set_header(req, "Retry-After", "2");
		bg_http_error(req, 503, "overloaded", "%d ask for the same already; try again", asking);
		return;
	}
	asking++;
	v = bg_xcalloc(1, sizeof(*v));
	v->req = req;
	v->sw = sw;
	v->open = 2;
	v->facts.all_ranges = v->facts.with_initial = true;
	bg_http_on_gone(req, on_gone, v);
	sw_facts_read(&v->facts, sw, sw->cfg->prepare_us, on_facts, v);
	sw_ask_health(sw, v, sw->cfg->prepare_us, on_health, v);
}
