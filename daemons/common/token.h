/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BG_COMMON_TOKEN_H
#define BG_COMMON_TOKEN_H

#include "common/err.h"

/* The first line of a token file (16 to 256 printable bytes without blanks). *ret is the caller's. 0 or negative errno. */
int bg_token_read(const char *path, char **ret, struct bg_err *err);

#endif
