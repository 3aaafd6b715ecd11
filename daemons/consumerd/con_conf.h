/* SPDX-License-Identifier: Apache-2.0 */
/* The key table of bg-consumerd, its checks, and the configuration of an instance from it. */
#ifndef BG_CONSUMERD_CON_CONF_H
#define BG_CONSUMERD_CON_CONF_H

#include "consumerd/con.h"

extern const struct bg_conf_key *const con_tables[];
/* Further checks (also -t): names, mode, groups, [kafka] by librdkafka. */
int con_conf_check(const struct bg_conf *conf, const char *instance, struct bg_buf *errs);
/* Fill c->cfg and c->tun from a checked configuration. Strings are the configuration's. */
void con_conf_apply(struct con *c);
void con_conf_tune(struct con *c, const struct bg_conf *conf); /* the reloadable part */
const char *con_mode_name(enum con_mode m);
void con_conf_free(struct con *c);

#endif
