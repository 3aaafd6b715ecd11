/* SPDX-License-Identifier: Apache-2.0 */
/* What commands and status are answered with (protocol.md 3). Every con_answer_* takes a command whose client may have
 * left (req NULL) and leaves req NULL; the caller ends the command. */
#ifndef BG_CONSUMERD_ANSWERS_H
#define BG_CONSUMERD_ANSWERS_H

#include "consumerd/con.h"

struct con_cmd;

/* switch, color, instance of a body against ours; answers 404 unknown_switch or 409 wrong_target itself. */
bool con_target_ok(struct con *c, struct bg_http_req *r, struct json_object *body);
void con_answer_verdict(struct con_cmd *cmd, enum con_verdict v);
void con_answer_error(struct con_cmd *cmd, int status, const char *word, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void con_answer_paused(struct con_cmd *cmd, bool committed);
void con_answer_resumed(struct con_cmd *cmd);
void con_answer_refused(struct con_cmd *cmd);
void con_answer_late(struct con_cmd *cmd);     /* its deadline has passed */
void con_answer_prepared(struct con_cmd *cmd); /* reads the log ranges first; ends the command itself */
/* The members that every answer and the status begin with; the caller owns it. */
struct json_object *con_answer_base(struct con *c);
struct json_object *con_status_json(struct con *c);

#endif
