/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a switch frozen: by a window of its configuration (freeze.h) or by command, kept in the record. Only what somebody
 * plans is frozen: rollbacks, aborts, ways back and first activations never are. Times are of the real clock.
 */
#ifndef SW_FROZEN_H
#define SW_FROZEN_H

#include "common/http_server.h"
#include "switchd/switch.h"

struct sw_frozen {
	int64_t until_us;               /* SW_NO_END: none is known */
	const struct sw_window *window; /* NULL: by command */
};

bool sw_frozen(const struct sw_switch *sw, int64_t real_us, struct sw_frozen *ret);
/* "frozen until …: Mon-Fri 09:00-17:00 (Europe/Berlin)" */
void sw_frozen_say(const struct sw_switch *sw, const struct sw_frozen *f, struct bg_buf *out);
/* For a view: {"until","window","zone","by","reason","since"}; NULL: it is not. The caller owns it. */
struct json_object *sw_frozen_json(const struct sw_switch *sw);
/* Tell when it has become frozen or is no more. */
void sw_frozen_look(struct sw_switch *sw, int64_t real_us);
/* The record was damaged: whether somebody had frozen it is not known, so it is, until somebody has looked. */
void sw_frozen_damaged(struct sw_switch *sw);

extern const struct bg_field sw_freeze_fields[];
void sw_cmd_freeze(struct bg_http_req *req, void *arg); /* arg: struct sw_daemon */
void sw_cmd_thaw(struct bg_http_req *req, void *arg);

#endif
