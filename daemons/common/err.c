/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"

int bg_err_set(struct bg_err *err, int rc, const char *code, const char *fmt, ...)
{
	/* By way of a second buffer: the arguments may be the old message itself. */
	char msg[sizeof(err->msg)];
	va_list ap;

	if (!err)
		return rc;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	bg_strlcpy(err->code, code ? code : "error", sizeof(err->code));
	memcpy(err->msg, msg, strlen(msg) + 1);
	return rc;
}

void bg_err_prefix(struct bg_err *err, const char *fmt, ...)
{
	char prefix[sizeof(err->msg)], old[sizeof(err->msg)];
	va_list ap;

	if (!err)
		return;
	va_start(ap, fmt);
	vsnprintf(prefix, sizeof(prefix), fmt, ap);
	va_end(ap);
	bg_strlcpy(old, err->msg, sizeof(old));
	bg_strlcpy(err->msg, prefix, sizeof(err->msg));
	for (int i = 0; i < 2; i++) {
		size_t len = strlen(err->msg);

		bg_strlcpy(err->msg + len, i ? old : ": ", sizeof(err->msg) - len);
	}
}
