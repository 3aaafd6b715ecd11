/* SPDX-License-Identifier: Apache-2.0 */
/* An instance that follows protocol.md well enough, with knobs for wrong behaviours. */
#ifndef FAKE_INSTANCE_H
#define FAKE_INSTANCE_H

#include "common/http_server.h"
#include "common/ids.h"
#include "common/offsets.h"

struct fake_instance {
	struct bg_http_server *http;
	char url[64], name[32], incarnation[20];
	const char *sw, *color, *state;
	int64_t epoch, work_epoch, seq;
	bool active_side;
	struct bg_offs offs; /* of its partitions */
	int prepares, pauses, resumes;
	/* Knobs: 0 or NULL is well-behaved. */
	int drain_answers;       /* so many pauses are answered 202 first */
	int silent;              /* so many commands are not answered at all */
	int status;              /* answer commands with this status … */
	int status_times;        /* … so often (0: always) */
	const char *error;       /* … and this word */
	int64_t error_epoch;     /* … and this epoch */
	const char *claim_state; /* 200, but another state */
	int64_t claim_epoch;     /* 200, but another epoch */
	const char *claim_color;
	int claim_in_flight;
	bool unconfirmed;         /* committed:false */
	const char *raw;          /* this body, whatever was asked */
	struct json_object *last; /* the last command's body */
};

struct fake_instance *fake_instance_new(struct bg_loop *l, const char *color, int ordinal);
void fake_instance_free(struct fake_instance *i);

#endif
