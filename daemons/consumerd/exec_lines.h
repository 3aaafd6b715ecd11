/* SPDX-License-Identifier: Apache-2.0 */
/* Text of a child for the log: cut into lines, of bounded length and at a bounded rate. */
#ifndef BG_CONSUMERD_EXEC_LINES_H
#define BG_CONSUMERD_EXEC_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXEC_LINE_MAX 2000 /* bytes; the rest of a longer line is left out */

struct exec_lines {
	int rate; /* lines a second */
	uint64_t lines, dropped;
	/* for exec_lines.c */
	char part[EXEC_LINE_MAX + 1];
	size_t len;
	int64_t second;
	int in_second;
	uint64_t untold; /* dropped and not said yet */
};

/* What has come; each whole line goes to the log as event `ev`. */
void exec_lines_add(struct exec_lines *l, const char *ev, const char *data, size_t len, int64_t now_us);
/* One line that is whole. */
void exec_lines_say(struct exec_lines *l, const char *ev, const char *text, size_t len, int64_t now_us);
/* The end of the stream: what is left without a newline, and how many lines were left out. */
void exec_lines_end(struct exec_lines *l, const char *ev, int64_t now_us);

#endif
