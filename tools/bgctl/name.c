/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <string.h>

#include "bgctl/client.h"
#include "bgctl/out.h"
#include "common/json.h"
#include "common/mem.h"

int ctl_need_name(struct ctl *c)
{
	_cleanup_answer_ struct ctl_answer a = {0};
	struct json_object *l;
	size_t n;
	int rc;

	if (c->name)
		return 0;
	ctl_call(c, "GET", "/v1/switches", NULL, 10000, &a);
	rc = ctl_check(c, &a);
	if (rc)
		return rc;
	l = bg_json_get(a.json, "switches");
	n = json_object_is_type(l, json_type_array) ? json_object_array_length(l) : 0;
	if (n == 1) {
		c->name_found = bg_xstrdup(bg_json_str(json_object_array_get_idx(l, 0), "switch", ""));
		c->name = c->name_found;
		return 0;
	}
	fprintf(c->err,
		n ? "bgctl: there are %zu switches, choose one with -s:" : "bgctl: the daemon has no switch",
		n);
	for (size_t i = 0; i < n; i++) {
		fputc(' ', c->err);
		out_clean(c->err, bg_json_str(json_object_array_get_idx(l, i), "switch", "?"));
	}
	fputc('\n', c->err);
	return CTL_USAGE;
}

int ctl_ask(struct ctl *c, const char *method, const char *tail, struct json_object *body, int64_t timeout_ms,
	    struct ctl_answer *ret)
{
	_cleanup_free_ char *path = NULL;
	int rc = ctl_need_name(c);

	if (rc)
		return rc;
	path = ctl_path(c, tail);
	ctl_call(c, method, path, body, timeout_ms, ret);
	return ctl_check(c, ret);
}

int ctl_get_switch(struct ctl *c, struct json_object **ret)
{
	_cleanup_answer_ struct ctl_answer a = {0};
	int rc = ctl_ask(c, "GET", "", NULL, 10000, &a);

	if (rc == 0)
		*ret = bg_steal_ptr(&a.json);
	return rc;
}
