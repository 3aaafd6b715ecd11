/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durable state: one file, replaced whole (temporary file, fsync, rename, fsync of the folder), with a
 * CRC-32C over the payload. A damaged one is refused, kept aside as NAME.damaged-<time> and said.
 * First line "bg1 crc32c=XXXXXXXX len=N\n", then the payload (JSON, so that people can read it).
 */
#ifndef BG_COMMON_STATEFILE_H
#define BG_COMMON_STATEFILE_H

#include <stddef.h>
#include <stdint.h>
#include "common/err.h"

uint32_t bg_crc32c(uint32_t crc, const void *data, size_t len); /* start with 0 */

int bg_state_write(const char *path, const void *data, size_t len, struct bg_err *err);
/* *ret_data is malloc'ed and terminated. -ENOENT: none; -EBADMSG: damaged (moved aside, err says where to). */
int bg_state_read(const char *path, char **ret_data, size_t *ret_len, struct bg_err *err);
/* Make a folder and its parents, mode 0750. */
int bg_mkdirs(const char *path, struct bg_err *err);
/* Take an exclusive lock on path (made if missing) for the life of the process. Returns the fd (held), -EWOULDBLOCK when another has it. */
int bg_lock_file(const char *path, struct bg_err *err);

#endif
