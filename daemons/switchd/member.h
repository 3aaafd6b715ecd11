/* SPDX-License-Identifier: Apache-2.0 */
/* What an instance says of its membership in the group (prepare, status): a takeover needs it alike in both colours. */
#ifndef SW_MEMBER_H
#define SW_MEMBER_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/err.h"
#include "common/mem.h"

/* A sorted set of names. Zero-initialise. */
struct sw_set {
	char **v;
	size_t n, cap;
};
void sw_set_add(struct sw_set *s, const char *name);
bool sw_set_has(const struct sw_set *s, const char *name);
bool sw_set_equal(const struct sw_set *a, const struct sw_set *b);
void sw_set_merge(struct sw_set *s, const struct sw_set *from);
void sw_set_print(const struct sw_set *s, struct bg_buf *b); /* "a, b", or "nothing" */
void sw_set_free(struct sw_set *s);

struct sw_member {
	char group[256];                  /* "" not said, as everywhere here */
	char mode[16];                    /* "takeover", "handover", "plain" */
	char assignor[64];                /* "cooperative-sticky" */
	struct sw_set topics;             /* its subscription */
	struct sw_set ids;                /* its static ids, one an ordinal */
	int64_t heartbeat_us, session_us; /* 0: not said */
};

/* Take over what an answer says; what it does not say stays. -EINVAL (nothing taken) names the member that is no
 * list of names. */
int sw_member_take(struct sw_member *m, struct json_object *answer, struct bg_err *err);
void sw_member_free(struct sw_member *m); /* leaves it empty */

#endif
