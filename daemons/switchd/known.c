/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/known.h"

#include "common/json.h"
#include "common/log.h"

static struct json_object *names(const struct sw_set *s)
{
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < s->n; i++)
		json_object_array_add(a, json_object_new_string(s->v[i]));
	return a;
}

struct json_object *sw_known_to_json(const struct sw_switch *sw)
{
	struct json_object *all;

	if (!sw->cfg->fence)
		return NULL;
	all = json_object_new_object();
	for (size_t k = 0; k < sw->n_inst; k++) {
		const struct sw_inst *i = &sw->inst[k];
		const struct sw_member *m = &i->member;
		struct json_object *o;

		if (!m->ids.n)
			continue;
		o = json_object_new_object();
		bg_json_add_str(o, "instance", sw_inst_label(i));
		bg_json_add_str(o, "group", m->group);
		bg_json_add_str(o, "assignor", m->assignor);
		bg_json_add(o, "subscription", names(&m->topics));
		bg_json_add(o, "static_ids", names(&m->ids));
		bg_json_add_int(o, "heartbeat_interval_ms", m->heartbeat_us / 1000);
		bg_json_add_int(o, "session_timeout_ms", m->session_us / 1000);
		bg_json_add(all, i->url, o);
	}
	return all;
}

void sw_known_take(struct sw_switch *sw, struct json_object *known)
{
	struct bg_err err = BG_ERR_INIT;

	if (!known || !json_object_is_type(known, json_type_object))
		return;
	for (size_t k = 0; k < sw->n_inst; k++) {
		struct sw_inst *i = &sw->inst[k];
		struct json_object *o = bg_json_get(known, i->url);
		const char *name = o ? bg_json_str(o, "instance", "") : "";

		if (!o || !json_object_is_type(o, json_type_object))
			continue;
		if (sw_member_take(&i->member, o, &err) < 0)
			bg_log_sw(BG_WARN, sw->cfg->name, "bad_record", "members of the record, %s: %s",
				  i->url, err.msg);
		else if (!i->name[0] && bg_name_valid(name))
			bg_strlcpy(i->name, name, sizeof(i->name));
	}
}
