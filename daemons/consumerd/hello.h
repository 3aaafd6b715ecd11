/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/hello to every controller: at start, after a reconnect, when fenced. Repeated with back-off until answered. */
#ifndef BG_CONSUMERD_HELLO_H
#define BG_CONSUMERD_HELLO_H

#include "consumerd/con.h"

void con_hello_init(struct con *c);
void con_hello_free(struct con *c);
void con_hello_say(struct con *c); /* to all, from now on until each has answered */

#endif
