/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/initial.h"

#include <errno.h>
#include <string.h>

#include "switchd/run.h"

int sw_initial_check(const char *from, struct bg_err *err)
{
	if (!*from || strcmp(from, "committed") == 0 || strcmp(from, "earliest") == 0 ||
	    strcmp(from, "latest") == 0)
		return 0;
	if (strncmp(from, "group:", 6) == 0 && from[6] && strlen(from) < 250)
		return 0;
	return bg_err_set(err, -EINVAL, "bad_from",
			  "from is `%.200s`; expected group:NAME, earliest, latest or committed", from);
}

void sw_initial_ask(struct sw_facts *f, const char *from)
{
	bool group = strncmp(from, "group:", 6) == 0;

	f->adopt_group = group ? from + 6 : NULL;
	f->all_ranges = strcmp(from, "earliest") == 0 || strcmp(from, "latest") == 0 ||
			(group && f->sw && f->sw->cfg->initial != SW_INITIAL_FAIL);
}

void sw_initial_unite(struct sw_run *r, const struct sw_union_in *all, struct sw_union_out *out)
{
	_cleanup_offs_ struct bg_offs start = BG_OFFS_INIT;
	const struct bg_offs *named = &start;
	struct sw_union_in in = {.topics = all->topics, .answers = &named, .n_answers = 1};
	bool group = strncmp(r->init_from, "group:", 6) == 0;

	if (r->init_handed || !*r->init_from || strcmp(r->init_from, "committed") == 0) {
		in = *all;
		/* What an earlier activation handed over is no word for this one: that may have failed. */
		if (!r->init_handed)
			in.handed = NULL;
		sw_handover_unite(&in, out);
		return;
	}
	if (group) {
		bg_offs_copy(&start, &r->facts.adopted);
		for (size_t i = 0; i < start.n; i++)
			start.v[i].epoch = r->epoch;
		in.initial = r->facts.all_ranges ? &r->facts.initial : NULL;
	} else {
		sw_handover_initial(&r->facts.ranges, NULL, strcmp(r->init_from, "latest") == 0, r->epoch,
				    &start);
	}
	sw_handover_unite(&in, out);
}
