/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "common/offsets.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#define TOPIC_LIMIT 249 /* the broker's */

static int compare(const char *topic, int32_t partition, const struct bg_off *o)
{
	int c = strcmp(topic, o->topic);

	return c ? c : (partition > o->partition) - (partition < o->partition);
}

static int compare_qsort(const void *a, const void *b)
{
	const struct bg_off *x = a;

	return compare(x->topic, x->partition, b);
}

/* The index of the entry, or where it would stand. */
static size_t search(const struct bg_offs *o, const char *topic, int32_t partition, bool *found)
{
	size_t lo = 0, hi = o->n;

	*found = false;
	/* Sets are mostly built in order. */
	if (o->n && compare(topic, partition, &o->v[o->n - 1]) > 0)
		return o->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = compare(topic, partition, &o->v[mid]);

		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

void bg_offs_free(struct bg_offs *o)
{
	for (size_t i = 0; i < o->n; i++)
		free(o->v[i].topic);
	free(o->v);
	*o = (struct bg_offs)BG_OFFS_INIT;
}

struct bg_off *bg_offs_find(const struct bg_offs *o, const char *topic, int32_t partition)
{
	bool found;
	size_t i = search(o, topic, partition, &found);

	return found ? &o->v[i] : NULL;
}

struct bg_off *bg_offs_at(struct bg_offs *o, const char *topic, int32_t partition)
{
	bool found;
	size_t i = search(o, topic, partition, &found);

	if (found)
		return &o->v[i];
	o->v = bg_xgrow(o->v, &o->cap, o->n + 1, sizeof(o->v[0]));
	memmove(&o->v[i + 1], &o->v[i], (o->n - i) * sizeof(o->v[0]));
	o->n++;
	o->v[i] = (struct bg_off){.topic = bg_xstrdup(topic), .partition = partition, .offset = -1};
	return &o->v[i];
}

void bg_offs_set(struct bg_offs *o, const char *topic, int32_t partition, int64_t offset, int64_t epoch)
{
	struct bg_off *e = bg_offs_at(o, topic, partition);

	*e = (struct bg_off){.topic = e->topic, .partition = partition, .offset = offset, .epoch = epoch};
}

bool bg_off_better(int64_t offset, int64_t epoch, int64_t o2, int64_t e2)
{
	if (offset < 0)
		return false;
	if (o2 < 0)
		return true;
	return epoch != e2 ? epoch > e2 : offset > o2;
}

bool bg_offs_best(struct bg_offs *o, const char *topic, int32_t partition, int64_t offset, int64_t epoch)
{
	struct bg_off *e;

	if (offset < 0)
		return false;
	e = bg_offs_at(o, topic, partition);
	if (!bg_off_better(offset, epoch, e->offset, e->epoch))
		return false;
	e->offset = offset;
	e->epoch = epoch;
	e->mirrored = false;
	e->color[0] = '\0';
	return true;
}

void bg_offs_merge_best(struct bg_offs *o, const struct bg_offs *other)
{
	for (size_t i = 0; i < other->n; i++) {
		const struct bg_off *s = &other->v[i];
		struct bg_off *d;

		if (s->offset < 0)
			continue;
		d = bg_offs_at(o, s->topic, s->partition);
		if (bg_off_better(s->offset, s->epoch, d->offset, d->epoch)) {
			d->offset = s->offset;
			d->epoch = s->epoch;
			d->mirrored = s->mirrored;
			memcpy(d->color, s->color, sizeof(d->color));
		}
		/* Whoever loses still knew his epoch. */
		d->floor = BG_MAX(d->floor, s->floor);
	}
}

void bg_offs_copy(struct bg_offs *dst, const struct bg_offs *src)
{
	struct bg_offs c = BG_OFFS_INIT;

	if (src->n)
		c.v = bg_xgrow(NULL, &c.cap, src->n, sizeof(c.v[0]));
	for (; c.n < src->n; c.n++) {
		c.v[c.n] = src->v[c.n];
		c.v[c.n].topic = bg_xstrdup(src->v[c.n].topic);
	}
	bg_offs_free(dst);
	*dst = c;
}

int64_t bg_offs_max_floor(const struct bg_offs *o)
{
	int64_t max = 0;

	for (size_t i = 0; i < o->n; i++)
		max = BG_MAX(max, BG_MAX(o->v[i].epoch, o->v[i].floor));
	return max;
}

struct json_object *bg_offs_to_json(const struct bg_offs *o)
{
	struct json_object *root = json_object_new_object(), *list = NULL;
	const char *topic = NULL;

	for (size_t i = 0; i < o->n; i++) {
		const struct bg_off *e = &o->v[i];
		struct json_object *row;

		if (e->offset < 0)
			continue;
		if (!topic || strcmp(topic, e->topic)) {
			topic = e->topic;
			list = json_object_new_array();
			json_object_object_add(root, topic, list);
		}
		row = json_object_new_array_ext(3);
		json_object_array_add(row, json_object_new_int(e->partition));
		json_object_array_add(row, json_object_new_int64(e->offset));
		json_object_array_add(row, json_object_new_int64(e->epoch));
		json_object_array_add(list, row);
	}
	return root;
}

/* A whole number 0..max at position i of the row. */
static bool row_num(struct json_object *row, size_t i, int64_t max, int64_t *ret)
{
	struct json_object *v = json_object_array_get_idx(row, i);

	if (!json_object_is_type(v, json_type_int) || json_object_get_int64(v) < 0 ||
	    json_object_get_uint64(v) >= INT64_MAX || json_object_get_int64(v) > max)
		return false;
	*ret = json_object_get_int64(v);
	return true;
}

static int row_from_json(struct bg_offs *o, const char *topic, size_t i, struct json_object *row,
			 struct bg_err *err)
{
	int64_t partition = 0, offset = 0, epoch = 0;
	size_t len = json_object_is_type(row, json_type_array) ? json_object_array_length(row) : 0;

	if (len != 2 && len != 3)
		return bg_err_set(
			err, -EINVAL, "bad_offsets",
			"offsets of topic \"%.249s\", entry %zu: it must be [partition, offset, epoch]",
			topic, i);
	if (!row_num(row, 0, INT32_MAX, &partition) || !row_num(row, 1, INT64_MAX, &offset) ||
	    (len == 3 && !row_num(row, 2, INT64_MAX, &epoch)))
		return bg_err_set(
			err, -EINVAL, "bad_offsets",
			"offsets of topic \"%.249s\", entry %zu: partition, offset and epoch must be whole "
			"numbers of 0 or more",
			topic, i);
	o->v = bg_xgrow(o->v, &o->cap, o->n + 1, sizeof(o->v[0]));
	o->v[o->n++] = (struct bg_off){.topic = bg_xstrdup(topic),
				       .partition = (int32_t)partition,
				       .offset = offset,
				       .epoch = epoch};
	return 0;
}

/* Sort what was gathered in the order of the text: inserting each would be quadratic for a hostile body. */
static int sort_unique(struct bg_offs *o, struct bg_err *err)
{
	if (o->n)
		qsort(o->v, o->n, sizeof(o->v[0]), compare_qsort);
	for (size_t i = 1; i < o->n; i++)
		if (compare_qsort(&o->v[i - 1], &o->v[i]) == 0)
			return bg_err_set(err, -EINVAL, "bad_offsets",
					  "offsets of topic \"%.249s\": partition %" PRId32 " is there twice",
					  o->v[i].topic, o->v[i].partition);
	return 0;
}

int bg_offs_from_json(struct json_object *j, struct bg_offs *ret, struct bg_err *err)
{
	_cleanup_offs_ struct bg_offs o = BG_OFFS_INIT;
	int rc;

	if (!json_object_is_type(j, json_type_object))
		return bg_err_set(err, -EINVAL, "bad_offsets",
				  "offsets must be an object {\"topic\":[[partition,offset,epoch],…]}");
	json_object_object_foreach(j, topic, list)
	{
		if (!*topic || strlen(topic) > TOPIC_LIMIT)
			return bg_err_set(err, -EINVAL, "bad_offsets",
					  "offsets: a topic name must have 1 to %d bytes, not %zu",
					  TOPIC_LIMIT, strlen(topic));
		if (!json_object_is_type(list, json_type_array))
			return bg_err_set(
				err, -EINVAL, "bad_offsets",
				"offsets of topic \"%.249s\" must be an array of [partition, offset, epoch]",
				topic);
		for (size_t i = 0; i < json_object_array_length(list); i++) {
			rc = row_from_json(&o, topic, i, json_object_array_get_idx(list, i), err);
			if (rc < 0)
				return rc;
		}
	}
	rc = sort_unique(&o, err);
	if (rc < 0)
		return rc;
	*ret = o;
	o = (struct bg_offs)BG_OFFS_INIT;
	return 0;
}
