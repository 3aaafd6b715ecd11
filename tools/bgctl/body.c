/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/body.h"

#include "common/ids.h"
#include "common/json.h"

struct json_object *ctl_body(const struct ctl *c)
{
	struct json_object *o = json_object_new_object();

	if (c->expect_epoch >= 0)
		bg_json_add_int(o, "expect_epoch", c->expect_epoch);
	if (c->reason)
		bg_json_add_str(o, "reason", c->reason);
	if (c->force)
		bg_json_add_bool(o, "force", true);
	if (c->resubscribe)
		bg_json_add_bool(o, "resubscribe", true);
	return o;
}

int ctl_need_color(struct ctl *c, const char *word)
{
	enum bg_color color;

	if (bg_color_parse(word, &color))
		return 0;
	fprintf(c->err, "bgctl: \"%s\" is no colour: blue or green\n", word);
	return CTL_USAGE;
}
