/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exec handler, shared by handler_exec.c (the child's life) and exec_pipe.c (records in, answers out).
 *
 *              start                    ends, or is ended (ending): its records are given again
 *   (down) ────────────► up ───────────────────────────────────────────► (down), restarted after a back-off
 *                         │ finish: end of input, stop-timeout, SIGTERM, SIGKILL
 *                         └──────────────────────────────────────────────► (down) for good
 */
#ifndef BG_CONSUMERD_EXEC_INT_H
#define BG_CONSUMERD_EXEC_INT_H

#include "common/http_client.h"
#include "consumerd/con.h"
#include "consumerd/exec_answer.h"
#include "consumerd/exec_child.h"
#include "consumerd/exec_lines.h"
#include "consumerd/exec_table.h"

struct exec_meters {
	struct bg_series *up, *restarts, *hangs, *lost, *bad, *twice, *foreign, *err_lines, *err_dropped;
};

struct exec {
	struct con *c;
	struct exec_command cmd;
	struct exec_child child;
	struct exec_table table;
	struct exec_meters meters;

	/* configuration; the second line may change by a reload */
	bool raw;
	size_t max_answer;
	int64_t answer_timeout_us, stop_timeout_us;
	size_t max_in_flight;
	bool abandon; /* on-deadline */

	bool started;   /* between start and stop */
	bool finishing; /* a stop: no record comes any more */
	bool ending;    /* the child was told to go; what it says from now on is not heard */
	bool was_full;  /* the dispatcher was told to wait */
	bool lost_due;  /* con_lost_end is on its way */
	bool write_due; /* so is a write */
	int stop_stage;
	uint64_t restarts;
	unsigned fails;     /* ends in a row of a child that neither answered a record nor lived long */
	bool was_failing;   /* as it was when looked at last */
	bool answered;      /* this child has answered a record */
	bool told_silent;   /* it was said that this child answers nothing */
	bool told_foreign;  /* it was said that what is no answer belongs on standard error */
	char last_end[320]; /* how the last child ended */

	struct bg_buf out; /* records for the child; what is before out_at is written */
	size_t out_at;
	struct bg_buf in; /* the beginning of an answer */
	struct exec_lines errors, foreign;
	struct bg_timer *restart, *hang, *closed, *stop, *again;
	struct bg_backoff backoff;
};

extern struct exec exec_x;

/* exec_pipe.c */
void exec_give(struct con *c, struct con_rec *r);
enum con_room exec_room(struct con *c);
void exec_write_out(void *arg);
void exec_on_out(void *arg, const char *data, size_t len);
void exec_on_err(void *arg, const char *data, size_t len);
void exec_on_room(void *arg);

/* handler_exec.c */
/* End the child by force, and say why. */
void exec_end_child(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* It has closed one of its streams: it may just be ending; if it is not, it is ended. */
void exec_stream_closed(const char *which);

#endif
