/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the interface: switch, rollback, init, abort, hold, release. */
#ifndef SW_COMMAND_H
#define SW_COMMAND_H

#include "common/http_server.h"

extern const struct bg_field sw_switch_fields[], sw_init_fields[], sw_plain_fields[];
/* arg: struct sw_daemon. */
void sw_cmd_switch(struct bg_http_req *req, void *arg);
void sw_cmd_rollback(struct bg_http_req *req, void *arg);
void sw_cmd_init(struct bg_http_req *req, void *arg);
void sw_cmd_abort(struct bg_http_req *req, void *arg);
void sw_cmd_hold(struct bg_http_req *req, void *arg);
void sw_cmd_release(struct bg_http_req *req, void *arg);
void sw_cmd_preflight(struct bg_http_req *req, void *arg); /* GET */
/* The switch of the path, or NULL and the request is answered. */
struct sw_switch *sw_of_request(struct bg_http_req *req, void *arg);

#endif
