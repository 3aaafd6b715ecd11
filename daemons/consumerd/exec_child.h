/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process of the exec handler: started in a process group of its own, its three standard streams pipes of
 * ours that never block us, its end noticed and its group cleared. What flows through the pipes is not known here.
 */
#ifndef BG_CONSUMERD_EXEC_CHILD_H
#define BG_CONSUMERD_EXEC_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "common/err.h"
#include "common/loop.h"
#include "common/mem.h"

/* Where a program is and how it is called; all owned. */
struct exec_command {
	char *path; /* of the program, found in PATH */
	char **argv;
	char **envp;
	char *directory; /* NULL: that of the daemon */
};

/*
 * Split a command line into words: blanks divide, '…' and "…" keep together, a backslash takes the next
 * character as it is (inside of "…" only before " and \). No variables, no patterns, no shell. The list ends with NULL;
 * -EINVAL with err.
 */
int exec_split(const char *line, char ***ret_argv, struct bg_err *err);
void exec_free_list(char **list);
/* The program a word names: a path with a slash as it is, else searched in `path` (NULL: the usual folders). -ENOENT,
 * -EACCES, …, with err. */
int exec_find(const char *word, const char *path, char **ret, struct bg_err *err);
void exec_command_free(struct exec_command *cmd);

struct exec_child {
	struct bg_loop *loop;
	void *arg;
	/* The program runs: from here on it takes records. */
	void (*on_ready)(void *arg);
	/* Output of the child, as it comes. len 0: it has closed the stream. Not called after `ended`. */
	void (*on_out)(void *arg, const char *data, size_t len);
	void (*on_err)(void *arg, const char *data, size_t len);
	/* There may be room in the pipe again: exec_child_write had said 0. */
	void (*on_room)(void *arg);
	/* The process has ended, all its output was told, its group is cleared. `how` is for people. */
	void (*on_end)(void *arg, bool never_ran, const char *how);

	/* for exec_child.c */
	pid_t pid; /* 0: there is none */
	int in, out, err, failure;
	struct bg_watch *w_in, *w_out, *w_err, *w_failure;
	int code; /* errno of the exec that failed */
	bool ready;
	char *buf;
	int64_t started_us;
};

/* Once a loop: SIGCHLD is for this child. `loop` and the callbacks are set before. */
void exec_child_init(struct exec_child *ch);
void exec_child_free(struct exec_child *ch); /* kills what is left, and waits for it a second at most */
/* Start the process. 0, or a negative errno when there are no pipes or processes to be had. That the program cannot
 * be run is told by on_end. */
int exec_child_start(struct exec_child *ch, const struct exec_command *cmd, struct bg_err *err);
/* As much as goes in now; 0: on_room is called when more does. -EPIPE: it has closed its input. */
ssize_t exec_child_write(struct exec_child *ch, const void *data, size_t len);
bool exec_child_deaf(const struct exec_child *ch); /* it has closed its input */
void exec_child_close_in(struct exec_child *ch);   /* end of input */
/* Read what is there now. */
void exec_child_read_out(struct exec_child *ch);
void exec_child_signal(struct exec_child *ch, int signo); /* to the whole group */
/* The program itself runs. */
static inline bool exec_child_ready(const struct exec_child *ch)
{
	return ch->pid && ch->ready;
}
static inline bool exec_child_runs(const struct exec_child *ch)
{
	return ch->pid != 0;
}

#endif
