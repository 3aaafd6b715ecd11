/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A handler takes records and says when they are done. One vtable a handler, one row in handlers[]; adding
 * one is a file and a row.
 */
#ifndef BG_CONSUMERD_HANDLER_H
#define BG_CONSUMERD_HANDLER_H

#include "consumerd/con.h"

/* CON_ROOM_DOWN: it has nobody who could work, and none of its records is with anybody. */
enum con_room { CON_ROOM_FREE, CON_ROOM_FULL, CON_ROOM_DOWN };

struct con_handler_ops {
	const char *name;
	bool async; /* records stay with it for long: the ledger says when each went in */
	/* 0, or negative errno with err. */
	int (*start)(struct con *c, struct bg_err *err);
	void (*stop)(struct con *c);
	/* Take one record; the handler calls con_done, con_refused or con_lost exactly once for it, from inside or later. */
	void (*give)(struct con *c, struct con_rec *r);
	/* Before the records of this turn are acknowledged: write out what is buffered. False: it failed, none is. */
	bool (*flush)(struct con *c);

	/* What follows may be NULL, and is for handlers that keep records beyond give(). */
	/* The configuration was read, also before start. */
	void (*tune)(struct con *c, const struct bg_conf *conf);
	/* May a record be given? It is asked before each; who says no calls con_dispatch_all when there is room. */
	enum con_room (*room)(struct con *c);
	/* A stop: no record will come any more, finish those there are. */
	void (*finish)(struct con *c);
	/* May the daemon end? Asked until it is true, or the stop time-out is over. */
	bool (*gone)(struct con *c);
	/* The deadline of a pause is near and it still has records: does it wait for them, or let go of them now? */
	void (*on_deadline)(struct con *c);
	/* Let go of all records at once; con_lost for each that is not done, now or very soon. */
	void (*abandon)(struct con *c);
	/* For status; NULL: nothing to say. */
	struct json_object *(*json)(struct con *c);
};

extern const struct con_handler_ops con_handler_null, con_handler_log, con_handler_exec;
/* NULL: no such handler. */
const struct con_handler_ops *con_handler_find(const char *name);

#endif
