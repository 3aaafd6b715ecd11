/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A handler takes records and says when they are done. One vtable a handler, one row in handlers[]; adding
 * one is a file and a row.
 */
#ifndef BG_CONSUMERD_HANDLER_H
#define BG_CONSUMERD_HANDLER_H

#include "consumerd/con.h"

struct con_handler_ops {
	const char *name;
	/* 0, or negative errno with err. */
	int (*start)(struct con *c, struct bg_err *err);
	void (*stop)(struct con *c);
	/* Take one record; the handler calls con_done exactly once for it, from inside or later. */
	void (*give)(struct con *c, struct con_rec *r);
	/* Before the records of this turn are acknowledged: write out what is buffered. False: it failed, none is. */
	bool (*flush)(struct con *c);
};

extern const struct con_handler_ops con_handler_null, con_handler_log;
/* NULL: no such handler. */
const struct con_handler_ops *con_handler_find(const char *name);

#endif
