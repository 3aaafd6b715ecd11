/* SPDX-License-Identifier: Apache-2.0 */
/* The handler that does nothing: for benchmarks, and with a ledger for proofs. */
#include "config.h"

#include "consumerd/dispatch.h"
#include "consumerd/handler.h"

static int null_start(struct con *c, struct bg_err *err)
{
	(void)c;
	(void)err;
	return 0;
}

static void null_stop(struct con *c)
{
	(void)c;
}

static void null_give(struct con *c, struct con_rec *r)
{
	con_done(c, r, NULL);
}

static bool null_flush(struct con *c)
{
	(void)c;
	return true;
}

const struct con_handler_ops con_handler_null = {
	.name = "null",
	.start = null_start,
	.stop = null_stop,
	.give = null_give,
	.flush = null_flush,
};
