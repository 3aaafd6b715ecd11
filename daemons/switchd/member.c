/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/member.h"

#include <errno.h>
#include <string.h>

#include "common/json.h"

/* Kafka's own limit for topics, groups and static ids; and enough of them for one instance. */
#define NAME_BYTES 249
#define NAMES_MAX  10000

/* Where it is, or would be. */
static size_t place(const struct sw_set *s, const char *name)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (strcmp(s->v[mid], name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool sw_set_has(const struct sw_set *s, const char *name)
{
	size_t at = place(s, name);

	return at < s->n && strcmp(s->v[at], name) == 0;
}

void sw_set_add(struct sw_set *s, const char *name)
{
	size_t at = place(s, name);

	if (at < s->n && strcmp(s->v[at], name) == 0)
		return;
	s->v = bg_xgrow(s->v, &s->cap, s->n + 1, sizeof(*s->v));
	memmove(s->v + at + 1, s->v + at, (s->n - at) * sizeof(*s->v));
	s->v[at] = bg_xstrdup(name);
	s->n++;
}

bool sw_set_equal(const struct sw_set *a, const struct sw_set *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

void sw_set_merge(struct sw_set *s, const struct sw_set *from)
{
	for (size_t i = 0; i < from->n; i++)
		sw_set_add(s, from->v[i]);
}

void sw_set_print(const struct sw_set *s, struct bg_buf *b)
{
	if (!s->n)
		bg_buf_puts(b, "nothing");
	for (size_t i = 0; i < s->n; i++) {
		if (i == 16) {
			bg_buf_printf(b, " and %zu more", s->n - i);
			return;
		}
		bg_buf_printf(b, "%s%s", i ? ", " : "", s->v[i]);
	}
}

void sw_set_free(struct sw_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
	free(s->v);
	memset(s, 0, sizeof(*s));
}

void sw_member_free(struct sw_member *m)
{
	sw_set_free(&m->topics);
	sw_set_free(&m->ids);
	memset(m, 0, sizeof(*m));
}

/* They go into messages, and into a consumer's configuration when we fence. */
static bool name_ok(const char *s)
{
	size_t n = strlen(s);

	return n && n <= NAME_BYTES &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == n;
}

static int take_names(struct sw_set *set, struct json_object *answer, const char *name, struct bg_err *err)
{
	struct json_object *list = bg_json_get(answer, name);
	struct sw_set fresh = {0};
	bool ok;

	if (!list)
		return 0;
	ok = json_object_is_type(list, json_type_array) && json_object_array_length(list) <= NAMES_MAX;
	for (size_t i = 0; ok && i < json_object_array_length(list); i++) {
		struct json_object *v = json_object_array_get_idx(list, i);

		ok = json_object_is_type(v, json_type_string) && name_ok(json_object_get_string(v));
		if (ok)
			sw_set_add(&fresh, json_object_get_string(v));
	}
	if (!ok) {
		sw_set_free(&fresh);
		return bg_err_set(err, -EINVAL, "bad_answer",
				  "`%s` is no list of names (at most %d bytes of letters, digits, . _ -)",
				  name, NAME_BYTES);
	}
	sw_set_free(set);
	*set = fresh;
	return 0;
}

static int64_t take_ms(struct json_object *answer, const char *name, int64_t us)
{
	int64_t ms = bg_json_int(answer, name, -1);

	return ms >= 0 && ms < INT64_C(86400000) ? ms * 1000 : us;
}

int sw_member_take(struct sw_member *m, struct json_object *o, struct bg_err *err)
{
	struct sw_set topics = {0}, ids = {0};
	int rc = take_names(&topics, o, "subscription", err);

	/* A status names them in the plural, a prepare says plainly what they are. */
	if (rc == 0)
		rc = take_names(&ids, o, "group_instance_ids", err);
	if (rc == 0)
		rc = take_names(&ids, o, "static_ids", err);
	if (rc < 0) {
		sw_set_free(&topics);
		sw_set_free(&ids);
		return rc;
	}
	if (topics.n) {
		sw_set_free(&m->topics);
		m->topics = topics;
	}
	if (ids.n) {
		sw_set_free(&m->ids);
		m->ids = ids;
	}
	bg_strlcpy(m->group, bg_json_str(o, "group", m->group), sizeof(m->group));
	bg_strlcpy(m->mode, bg_json_str(o, "mode", m->mode), sizeof(m->mode));
	bg_strlcpy(m->assignor, bg_json_str(o, "assignor", m->assignor), sizeof(m->assignor));
	m->heartbeat_us = take_ms(o, "heartbeat_interval_ms", m->heartbeat_us);
	m->session_us = take_ms(o, "session_timeout_ms", m->session_us);
	return 0;
}
