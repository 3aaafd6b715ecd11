/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the record of truth lies. All calls block and are made by the worker (persist.c), one at a time per
 * switch; or before the loop runs. A record is replaced only by compare-and-swap on its revision.
 */
#ifndef SW_STORE_H
#define SW_STORE_H

#include <stddef.h>
#include <stdint.h>
#include "common/err.h"
#include "common/mem.h"

#define SW_HISTORY_KEPT 1000

struct sw_store {
	const struct sw_store_ops *ops;
};

struct sw_store_ops {
	const char *name;
	/* *ret is malloc'ed JSON text. -ENOENT: none; -EBADMSG: damaged, moved aside, err says where to. */
	int (*read_record)(struct sw_store *s, const char *sw, char **ret, struct bg_err *err);
	/* -ESTALE: the stored revision is not `expect` (0: none stored). */
	int (*write_record)(struct sw_store *s, const char *sw, const char *json, int64_t expect,
			    struct bg_err *err);
	int (*read_snapshot)(struct sw_store *s, const char *sw, int64_t epoch, char **ret,
			     struct bg_err *err);
	int (*write_snapshot)(struct sw_store *s, const char *sw, int64_t epoch, const char *json,
			      struct bg_err *err);
	/* Epochs of the snapshots there are, ascending; the caller frees *ret. */
	int (*list_snapshots)(struct sw_store *s, const char *sw, int64_t **ret, size_t *ret_n,
			      struct bg_err *err);
	/* One JSON document a line; a line replaces an earlier one with the same id when read. */
	int (*append_history)(struct sw_store *s, const char *sw, const char *line, struct bg_err *err);
	/* Appends whole lines, oldest first, to *ret. */
	int (*read_history)(struct sw_store *s, const char *sw, struct bg_buf *ret, struct bg_err *err);
	void (*close)(struct sw_store *s);
};

/*
 * The file store: DIR/NAME/{record.json, snapshots/EPOCH.json, history.jsonl}. DIR/lock is held for life, so
 * that a second daemon does not start: -EWOULDBLOCK, and err names the folder.
 */
int sw_store_file_open(const char *dir, struct sw_store **ret, struct bg_err *err);
static inline void sw_store_close(struct sw_store *s)
{
	if (s)
		s->ops->close(s);
}

#endif
