/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/hello: an instance has started, or reaches us again. */
#ifndef SW_HELLO_H
#define SW_HELLO_H

#include "common/http_server.h"

extern const struct bg_field sw_hello_fields[];
void sw_hello(struct bg_http_req *req, void *arg); /* arg: struct sw_daemon */

#endif
