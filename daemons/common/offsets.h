/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of offsets with epochs, as they travel in pause answers, resume requests, commits and snapshots:
 * {"orders":[[0,4711,7],[1,99,7]]} = topic, then [partition, next offset, epoch].
 */
#ifndef BG_COMMON_OFFSETS_H
#define BG_COMMON_OFFSETS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/err.h"

struct bg_off {
	char *topic;
	int32_t partition;
	int64_t offset; /* next to be processed; -1: none known */
	int64_t epoch;  /* under which it was reached; 0: unknown */
	int64_t floor;  /* highest epoch its writer knew (commit metadata f); 0 when not from a commit */
	bool mirrored;  /* commit metadata m=1 */
	char color[16]; /* commit metadata c; "" unknown */
};

struct bg_offs {
	struct bg_off *v; /* sorted by topic, partition */
	size_t n, cap;
};
#define BG_OFFS_INIT                                                                                         \
	{                                                                                                    \
		NULL, 0, 0                                                                                   \
	}

void bg_offs_free(struct bg_offs *o); /* leaves it empty */
#define _cleanup_offs_ __attribute__((cleanup(bg_offs_free)))
struct bg_off *bg_offs_find(const struct bg_offs *o, const char *topic, int32_t partition);
/* Find or insert (offset -1, epoch 0). Pointers into v are invalid after the next insert. */
struct bg_off *bg_offs_at(struct bg_offs *o, const char *topic, int32_t partition);
void bg_offs_set(struct bg_offs *o, const char *topic, int32_t partition, int64_t offset, int64_t epoch);
/* Rules 6 and 7: keep the better one; the higher epoch wins, then the higher offset. offset < 0 never wins.
 * Returns true when the new one was taken. */
bool bg_offs_best(struct bg_offs *o, const char *topic, int32_t partition, int64_t offset, int64_t epoch);
/* Is (offset, epoch) better than (o2, e2)? */
bool bg_off_better(int64_t offset, int64_t epoch, int64_t o2, int64_t e2);
void bg_offs_merge_best(struct bg_offs *o, const struct bg_offs *other);
void bg_offs_copy(struct bg_offs *dst, const struct bg_offs *src);
int64_t bg_offs_max_floor(const struct bg_offs *o); /* highest of all epoch and floor values */

struct json_object *bg_offs_to_json(const struct bg_offs *o); /* entries with offset -1 are left out */
/* err names topic and index. Strict: integers, partition >= 0, offset >= 0, epoch >= 0 (epoch may be left out: 0). */
int bg_offs_from_json(struct json_object *j, struct bg_offs *ret, struct bg_err *err);

#endif
