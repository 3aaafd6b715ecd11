/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/handler.h"

#include <string.h>

static const struct con_handler_ops *const handlers[] = {&con_handler_null, &con_handler_log,
							 &con_handler_exec};

const struct con_handler_ops *con_handler_find(const char *name)
{
	for (size_t i = 0; i < BG_ARRAY_SIZE(handlers); i++)
		if (!strcmp(handlers[i]->name, name))
			return handlers[i];
	return NULL;
}
