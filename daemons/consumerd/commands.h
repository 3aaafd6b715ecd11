/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lifecycle commands: judged, made durable when they have to be, carried out, and answered when they are
 * done or their deadline has passed. One is admitted at a time; held ones are a bounded list.
 */
#ifndef BG_CONSUMERD_COMMANDS_H
#define BG_CONSUMERD_COMMANDS_H

#include "consumerd/con.h"

void con_commands_init(struct con *c);
void con_commands_free(struct con *c);

/* HTTP handlers (arg: struct con). */
void con_cmd_prepare(struct bg_http_req *r, void *arg);
void con_cmd_pause(struct bg_http_req *r, void *arg);
void con_cmd_unpause(struct bg_http_req *r, void *arg); /* DELETE /lifecycle/pause */
void con_cmd_resume(struct bg_http_req *r, void *arg);
void con_cmd_shadow(struct bg_http_req *r, void *arg);

/* Action DRAIN: stop handing out, then wait. */
void con_commands_drain(struct con *c);
void con_commands_drain_over(struct con *c); /* a resume overtakes it */
/* Something left the handler, or a commit was acknowledged: is the drain over? */
void con_commands_check_drained(struct con *c);
void con_commands_committed(struct con *c);
/* Action PROVE: answer the held pauses. */
void con_commands_prove(struct con *c);
/* A resume ended: the start commit was acknowledged (err 0) or not; it was refused; the state forbids it. */
void con_commands_started(struct con *c, rd_kafka_resp_err_t err);
void con_commands_refused(struct con *c);
/* The state changed in a way that ends held requests (FENCED, FAILED, PAUSED). */
void con_commands_state(struct con *c);
/* The stall guard let go: carry out what waited. */
void con_commands_run_queue(struct con *c);

#endif
