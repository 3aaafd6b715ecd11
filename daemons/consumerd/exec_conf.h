/* SPDX-License-Identifier: Apache-2.0 */
/* [handler:exec]: its keys, their check, and the command made of them. */
#ifndef BG_CONSUMERD_EXEC_CONF_H
#define BG_CONSUMERD_EXEC_CONF_H

#include "common/conf.h"
#include "common/ids.h"
#include "consumerd/exec_child.h"

/* Of a configuration whose handler is exec: every error one a line in errs; 0 or -EINVAL. */
int exec_conf_check(const struct bg_conf *conf, struct bg_buf *errs);
/* The command with its environment. 0 or negative errno with err. exec_command_free. */
int exec_conf_command(const struct bg_conf *conf, const char *sw, enum bg_color color, const char *instance,
		      struct exec_command *ret, struct bg_err *err);

#endif
