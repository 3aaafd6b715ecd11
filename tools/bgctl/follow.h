/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/events, followed until somebody has had enough: through lost connections and restarts of the daemon. */
#ifndef BGCTL_FOLLOW_H
#define BGCTL_FOLLOW_H

#include "bgctl/ctl.h"

struct ctl_event {
	const char *type;
	int64_t id;               /* -1: it has none */
	struct json_object *data; /* borrowed; NULL: it is no JSON object */
	const char *text;         /* as it came */
};

/* The callbacks return -1 to go on, else the exit status with which ctl_follow ends. */
struct ctl_follow {
	int (*event)(void *arg, const struct ctl_event *e);
	int (*tick)(void *arg); /* every tick_ms and at SIGWINCH; may be NULL */
	int64_t tick_ms;
	/* The connection was lost (why), or is there (again): NULL. */
	void (*connection)(void *arg, const char *why);
	int (*key)(void *arg, char key); /* typed on `keys`; may be NULL */
	int keys;                        /* descriptor; -1: none */
	void *arg;
};

/*
 * SIGINT, SIGTERM and SIGHUP end it with 0. A first connection that fails, and a refusal, end it with ctl_check's
 * status; a lost one is made again with back-off (0.2 to 5 s), from the last event on. c->since: where to begin.
 */
int ctl_follow(struct ctl *c, const struct ctl_follow *f);

#endif
