/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parallel HTTP calls to many instances: all at once, one deadline. What an answer means is the caller's
 * (judge); this repeats, with back-off where that is due, and collects.
 */
#ifndef SW_FANOUT_H
#define SW_FANOUT_H

#include "common/http_client.h"
#include "common/mem.h"
#include "switchd/adapter.h"

enum sw_judgement {
	SW_J_END,    /* reply->verdict is set */
	SW_J_REPEAT, /* at once: a held request that answered 202 */
	SW_J_LATER,  /* with back-off */
};

struct sw_fan;
struct sw_fan_spec {
	const char *method, *path;
	/* The body for one instance, appended to *b; NULL: none. remaining_us: until the deadline. */
	void (*body)(struct sw_fan *f, struct sw_reply *r, int64_t remaining_us, struct bg_buf *b);
	/* Fill *r from an answer. Unanswered calls (status 0) are judged too. */
	enum sw_judgement (*judge)(struct sw_fan *f, struct sw_reply *r, const struct bg_httpc_answer *a);
};

struct sw_fan *sw_fan_start(const struct sw_fan_spec *spec, const struct sw_order *o, sw_fan_fn fn,
			    void *arg);
const struct sw_order *sw_fan_order(const struct sw_fan *f);
const char *sw_fan_offs_text(struct sw_fan *f);   /* the order's offsets as JSON, made once */
const char *sw_fan_reason_text(struct sw_fan *f); /* the order's reason as a JSON string, made once */
uint64_t sw_fan_id(const struct sw_fan *f);
void sw_fan_cancel(struct sw_switch *sw, uint64_t id);

#endif
