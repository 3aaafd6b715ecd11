/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/identity.h"

#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "switchd/ask.h"
#include "switchd/reconcile.h"

#define EVERY_US INT64_C(2000000)
#define STRANGER_US                                                                                          \
	INT64_C(600000000) /* a hello older than this says nothing about now; they repeat theirs */

bool sw_identity_lost(const struct sw_switch *sw, const struct sw_inst *i)
{
	return i->reachable && i->state == SW_I_FENCED && sw->rec.desired_active[i->color] &&
	       strcmp(i->cause, "identity_in_use") == 0;
}

/* Another configured instance with the same id, that is a member or says that it works. */
static const struct sw_inst *twin(const struct sw_switch *sw, const struct sw_inst *i)
{
	for (size_t k = 0; k < sw->n_inst; k++) {
		const struct sw_inst *o = &sw->inst[k];

		if (o == i || !o->reachable || sw_istate_paused(o->state) || o->state == SW_I_FENCED)
			continue;
		for (size_t n = 0; n < i->member.ids.n; n++)
			if (sw_set_has(&o->member.ids, i->member.ids.v[n]))
				return o;
	}
	return NULL;
}

void sw_identity_stranger(struct sw_switch *sw, enum bg_color c, const char *name, const char *url)
{
	if (!url)
		return;
	bg_strlcpy(sw->stranger[c].url, url, sizeof(sw->stranger[c].url));
	bg_strlcpy(sw->stranger[c].name, name, sizeof(sw->stranger[c].name));
	sw->stranger[c].at_us = bg_now_us();
}

/* Where whoever has the id of `i` is: a configured twin, or one that said hello by the same name. NULL: not known. */
static const char *endpoint_of_usurper(const struct sw_switch *sw, const struct sw_inst *i)
{
	const struct sw_inst *t = twin(sw, i);

	if (t)
		return t->url;
	if (!sw->stranger[i->color].at_us || bg_now_us() - sw->stranger[i->color].at_us > STRANGER_US ||
	    strcmp(sw->stranger[i->color].name, i->name) != 0)
		return NULL;
	return sw->stranger[i->color].url;
}

/* The same for people, as the end of a sentence; nothing when it is not known. */
static void say_endpoint(const struct sw_switch *sw, const struct sw_inst *i, char *buf, size_t size)
{
	const struct sw_inst *t = twin(sw, i);
	const char *at = endpoint_of_usurper(sw, i);

	buf[0] = '\0';
	if (t)
		snprintf(buf, size, "; configured with the same one: %.60s (%.100s)", sw_inst_label(t), at);
	else if (at)
		snprintf(buf, size, "; one at %.100s says that it is %.60s too", at, i->name);
}

static void forget(struct sw_inst *i, enum sw_usurper what)
{
	i->usurper = what;
	i->usurper_is[0] = i->usurper_id[0] = i->usurper_client[0] = i->usurper_host[0] = '\0';
}

static void found(struct sw_inst *i, const struct bg_member *m)
{
	/* The broker's own spelling has a slash before the address. */
	const char *host = m->host && *m->host == '/' ? m->host + 1 : m->host;
	bool anew = i->usurper != SW_USURPER_THERE;

	i->usurper = SW_USURPER_THERE;
	bg_strlcpy(i->usurper_id, m->instance_id, sizeof(i->usurper_id));
	bg_strlcpy(i->usurper_client, m->client_id ? m->client_id : "?", sizeof(i->usurper_client));
	bg_strlcpy(i->usurper_host, host ? host : "?", sizeof(i->usurper_host));
	/* Kafka keeps client and host of the first member that had the id, whoever took it over later (shown on 4.1). */
	snprintf(i->usurper_is, sizeof(i->usurper_is),
		 "its static id %.60s is held by client %.100s at %.60s, as the broker first knew it",
		 i->usurper_id, i->usurper_client, i->usurper_host);
	if (anew)
		bg_log_sw(BG_ERROR, i->sw->cfg->name, "identity_in_use", "%s (%s) was fenced: %s",
			  sw_inst_label(i), i->url, i->usurper_is);
}

/* Whoever was fenced has not joined again: who has one of its ids is somebody else. */
static void judge(struct sw_inst *i, const struct bg_member *v, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		if (!v[k].instance_id || !sw_set_has(&i->member.ids, v[k].instance_id))
			continue;
		found(i, &v[k]);
		return;
	}
	if (i->usurper != SW_USURPER_GONE)
		bg_log_sw(BG_NOTICE, i->sw->cfg->name, "identity_free",
			  "nobody has the static id of %s (%s) any more", sw_inst_label(i), i->url);
	forget(i, SW_USURPER_GONE);
}

static void on_members(void *arg, const struct bg_err *err, const struct bg_member *v, size_t n)
{
	struct sw_switch *sw = arg;

	for (size_t k = 0; k < sw->n_inst; k++) {
		struct sw_inst *i = &sw->inst[k];

		if ((int)i->color != sw->rec.active || !sw_identity_lost(sw, i) || !i->member.ids.n)
			continue;
		if (err)
			forget(i, SW_USURPER_UNKNOWN);
		else
			judge(i, v, n);
		sw_reconcile_one(i);
	}
	if (err)
		bg_log_sw(BG_WARN, sw->cfg->name, "identity_in_use", "the broker does not say who: %s",
			  err->msg);
}

void sw_identity_look(struct sw_switch *sw)
{
	int64_t now = bg_now_us();
	bool lost = false;

	for (size_t k = 0; k < sw->n_inst; k++)
		lost = lost || (sw_identity_lost(sw, &sw->inst[k]) && sw->inst[k].member.ids.n);
	if (!lost || (sw->identity_us && now - sw->identity_us < EVERY_US) || sw->rec.active == SW_NO_COLOR)
		return;
	sw->identity_us = now;
	sw_ask_members(sw, sw, sw->cfg->group[sw->rec.active], sw->cfg->prepare_us, on_members, sw);
}

bool sw_identity_trouble(const struct sw_switch *sw, char *buf, size_t size)
{
	for (size_t k = 0; k < sw->n_inst; k++) {
		const struct sw_inst *i = &sw->inst[k];
		char how[256];

		if (!sw_identity_lost(sw, i))
			continue;
		say_endpoint(sw, i, how, sizeof(how));
		if (i->usurper == SW_USURPER_GONE)
			snprintf(buf, size, "%.60s (%.100s) was fenced; whoever had its static id is gone",
				 sw_inst_label(i), i->url);
		else
			snprintf(buf, size, "%.60s (%.100s) is FENCED, its identity is in use: %.280s%s",
				 sw_inst_label(i), i->url,
				 i->usurper_is[0] ? i->usurper_is : "somebody else has its static id", how);
		return true;
	}
	return false;
}

struct json_object *sw_identity_json(const struct sw_switch *sw)
{
	struct json_object *a = json_object_new_array();

	for (size_t k = 0; k < sw->n_inst; k++) {
		const struct sw_inst *i = &sw->inst[k];
		struct json_object *o, *u = NULL;
		const char *at = endpoint_of_usurper(sw, i);

		if (!sw_identity_lost(sw, i))
			continue;
		o = json_object_new_object();
		bg_json_add_str(o, "instance", sw_inst_label(i));
		bg_json_add_str(o, "url", i->url);
		bg_json_add_str(o, "static_id",
				*i->usurper_id    ? i->usurper_id
				: i->member.ids.n ? i->member.ids.v[0]
						  : NULL);
		if (i->usurper == SW_USURPER_THERE || at) {
			u = json_object_new_object();
			bg_json_add_str(u, "client_id", *i->usurper_client ? i->usurper_client : NULL);
			bg_json_add_str(u, "host", *i->usurper_host ? i->usurper_host : NULL);
			bg_json_add_str(u, "endpoint", at);
		}
		bg_json_add(o, "usurper", u);
		json_object_array_add(a, o);
	}
	return a;
}
