/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP interface: the route table, probes, long polls, faults. */
#ifndef BG_CONSUMERD_API_H
#define BG_CONSUMERD_API_H

#include "consumerd/con.h"

int con_api_start(struct con *c, struct bg_err *err);
void con_api_stop(struct con *c);
void con_api_reload(struct con *c, const struct bg_conf *conf);
void con_api_changed(struct con *c); /* long polls are answered */

#endif
