/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by commands.c, drain.c and answers.c only. */
#ifndef BG_CONSUMERD_COMMANDS_INT_H
#define BG_CONSUMERD_COMMANDS_INT_H

#include "consumerd/con.h"

#define CON_MAX_COMMANDS 128

enum con_cmd_kind { CON_CMD_PREPARE, CON_CMD_PAUSE, CON_CMD_RESUME };

struct con_cmd {
	struct con *c;
	struct bg_http_req *req; /* NULL: the client has left */
	enum con_cmd_kind kind;
	enum con_side side;
	int64_t epoch; /* 0: none */
	int named;     /* incarnation: 1 ours, 0 none, -1 another's */
	bool eager, has_offsets, resubscribe, admitted;
	bool last_call; /* the handler was asked to let go */
	struct bg_offs offsets;
	int64_t started_us, deadline_us;
	struct bg_timer *timer;
	struct con_cmd *next;
};

struct con_commands {
	struct con_cmd *head; /* in order of arrival */
	int n;
	struct con_cmd *writing;                         /* waits for its epoch to be durable */
	int64_t handed_epoch, pause_epoch;               /* of c->handed and c->last_pause */
	bool proof_asked;                                /* a commit for the proof of a pause is under way */
	bool start_commit;                               /* the start's commit is awaited */
	int64_t drain_from_us, drained_us, committed_us; /* of the drain under way */
	int64_t resume_from_us, positioned_us;
};

void con_cmd_end(struct con_cmd *cmd); /* unlink and free; answered before or nobody waits */

#endif
