/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/handover.h"

#include <string.h>

#include "common/mem.h"

enum source { NONE, ANSWER, COMMIT, HANDED, RESTORED, INITIAL };

static void take_one(struct bg_off *best, enum source *src, const struct bg_off *o, enum source s)
{
	if (o->offset < 0)
		return;
	if (best->offset < 0 || bg_off_better(o->offset, o->epoch, best->offset, best->epoch)) {
		best->offset = o->offset;
		best->epoch = o->epoch;
		*src = s;
	}
}

static void take(struct bg_off *best, enum source *src, const struct bg_offs *set, enum source s)
{
	const struct bg_off *o = set ? bg_offs_find(set, best->topic, best->partition) : NULL;

	if (o)
		take_one(best, src, o, s);
}

/*
 * Answer by answer, not partition by partition: a thousand instances name a thousand partitions among them, and looking
 * for each partition in each answer was half of the gap. All partitions are in *out already: nothing is inserted.
 */
static void take_answers(const struct sw_union_in *in, struct sw_union_out *out, enum source *src)
{
	for (size_t a = 0; a < in->n_answers; a++) {
		for (size_t i = 0; i < in->answers[a]->n; i++) {
			const struct bg_off *o = &in->answers[a]->v[i];
			struct bg_off *best = bg_offs_find(&out->offs, o->topic, o->partition);

			take_one(best, &src[best - out->offs.v], o, ANSWER);
		}
	}
}

static void count(struct sw_union_out *out, const struct bg_off *o, enum source src)
{
	switch (src) {
	case ANSWER:
		out->from_answers++;
		break;
	case COMMIT:
		out->from_commits++;
		break;
	case HANDED:
		out->from_handed++;
		break;
	case RESTORED:
		out->from_restored++;
		break;
	case INITIAL:
		out->from_initial++;
		break;
	case NONE:
		bg_buf_printf(&out->missing, "%s%s/%d", out->n_missing ? ", " : "", o->topic,
			      (int)o->partition);
		out->n_missing++;
		break;
	}
}

void sw_handover_unite(const struct sw_union_in *in, struct sw_union_out *out)
{
	_cleanup_free_ enum source *src = NULL;

	/* Partitions that the answers name beyond the topics' list were added a moment ago: they count too. */
	for (size_t i = 0; i < in->topics->n; i++)
		bg_offs_at(&out->offs, in->topics->v[i].topic, in->topics->v[i].partition);
	for (size_t a = 0; a < in->n_answers; a++)
		for (size_t i = 0; i < in->answers[a]->n; i++)
			bg_offs_at(&out->offs, in->answers[a]->v[i].topic, in->answers[a]->v[i].partition);

	src = bg_xcalloc(out->offs.n + 1, sizeof(*src));
	for (size_t i = 0; i < out->offs.n; i++)
		out->offs.v[i].offset = -1;
	take_answers(in, out, src);
	for (size_t i = 0; i < out->offs.n; i++) {
		struct bg_off *o = &out->offs.v[i];

		for (int c = 0; c < 2; c++)
			take(o, &src[i], in->committed[c], COMMIT);
		take(o, &src[i], in->handed, HANDED);
		take(o, &src[i], in->restored, RESTORED);
		if (src[i] == NONE)
			take(o, &src[i], in->initial, INITIAL);
		count(out, o, src[i]);
	}
}

void sw_union_free(struct sw_union_out *out)
{
	bg_offs_free(&out->offs);
	bg_buf_free(&out->missing);
	memset(out, 0, sizeof(*out));
}

bool sw_handover_exact(const struct bg_offs *topics, const struct bg_offs *const *answers, size_t n_answers,
		       int64_t epoch, const char **ret_why)
{
	_cleanup_free_ int *named = bg_xcalloc(topics->n + 1, sizeof(*named));

	for (size_t a = 0; a < n_answers; a++) {
		for (size_t i = 0; i < answers[a]->n; i++) {
			const struct bg_off *o = &answers[a]->v[i];
			const struct bg_off *t = bg_offs_find(topics, o->topic, o->partition);

			if (!t || o->offset < 0)
				continue;
			if (o->epoch < epoch) {
				*ret_why = "an answer names a partition with an older epoch";
				return false;
			}
			named[t - topics->v]++;
		}
	}
	for (size_t i = 0; i < topics->n; i++) {
		if (named[i] != 1) {
			*ret_why = named[i] ? "two answers name the same partition"
					    : "no answer names some partition";
			return false;
		}
	}
	*ret_why = "every partition is named by exactly one answer of from, reached at its own epoch";
	return topics->n > 0;
}

void sw_handover_unknown(const struct bg_offs *topics, const struct bg_offs *const committed[2],
			 const struct bg_offs *handed, enum sw_initial policy, struct bg_offs *ret)
{
	for (size_t i = 0; i < topics->n; i++) {
		struct bg_off best = {topics->v[i].topic, topics->v[i].partition, -1, 0, 0, false, ""};
		enum source src = NONE;

		for (int c = 0; c < 2; c++)
			take(&best, &src, committed[c], COMMIT);
		take(&best, &src, handed, HANDED);
		bool newer = handed && handed->n && !bg_offs_find(handed, best.topic, best.partition);
		if (src == NONE && (policy != SW_INITIAL_FAIL || newer))
			bg_offs_at(ret, best.topic, best.partition)->floor = newer;
	}
}

void sw_handover_initial(const struct bg_offs *ranges, const struct bg_offs *unknown, bool latest,
			 int64_t epoch, struct bg_offs *ret)
{
	for (size_t i = 0; i < ranges->n; i++) {
		const struct bg_off *o = &ranges->v[i];
		const struct bg_off *u = unknown ? bg_offs_find(unknown, o->topic, o->partition) : NULL;

		bg_offs_set(ret, o->topic, o->partition, latest && !(u && u->floor) ? o->floor : o->offset,
			    epoch);
	}
}
