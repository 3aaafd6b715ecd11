/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the interface: switch, rollback, init, abort, hold, release. */
#ifndef SW_COMMAND_H
#define SW_COMMAND_H

#include "common/http_server.h"
#include "common/offsets.h"

struct sw_switch;

extern const struct bg_field sw_switch_fields[], sw_init_fields[], sw_restore_fields[], sw_plain_fields[];
/* arg: struct sw_daemon. */
void sw_cmd_switch(struct bg_http_req *req, void *arg);
void sw_cmd_rollback(struct bg_http_req *req, void *arg);
/* …/snapshots/{epoch}/restore, when the snapshot has been read (restore.c). offs is copied. */
void sw_cmd_restored(struct bg_http_req *req, struct sw_switch *sw, int64_t epoch,
		     const struct bg_offs *offs);
void sw_cmd_init(struct bg_http_req *req, void *arg);
void sw_cmd_abort(struct bg_http_req *req, void *arg);
void sw_cmd_hold(struct bg_http_req *req, void *arg);
void sw_cmd_release(struct bg_http_req *req, void *arg);
void sw_cmd_preflight(struct bg_http_req *req, void *arg); /* GET */
/* Who asks: the body's "by", and the peer. */
void sw_cmd_by(struct bg_http_req *req, char *by, size_t size);
/* The switch of the path, or NULL and the request is answered. */
struct sw_switch *sw_of_request(struct bg_http_req *req, void *arg);

#endif
