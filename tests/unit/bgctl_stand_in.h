/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for bg-switchd that answers as it is told, and a way to run bgctl against it. */
#ifndef TESTS_BGCTL_STAND_IN_H
#define TESTS_BGCTL_STAND_IN_H

#include <stdbool.h>
#include <stddef.h>

struct stand_in; /* one at a time */

void stand_in_start(const char *token); /* NULL: none */
void stand_in_stop(void);
/* The next answers to METHOD PATH (without its query); the last one told stays. status 0: the connection fails. */
void stand_in_tell(const char *method, const char *path, int status, const char *json);
const char *stand_in_url(void);
const char *stand_in_socket(void); /* a Unix socket's path */
/* Body and query of the last request of that method and path; NULL: there was none. */
const char *stand_in_body(const char *method, const char *path);
const char *stand_in_query(const char *method, const char *path);
int stand_in_count(const char *method, const char *path);

/* The next answer to GET /v1/events: a stream that begins with text, and stays or ends. After the last one told, streams
 * that stay silent. */
void stand_in_stream(const char *text, bool stays);

struct run {
	int status;
	char *out, *err;
};
/* Run bgctl with BG_SOCKET=where. words: the arguments, separated by blanks ('_' stands for one inside). */
struct run bgctl(const char *where, const char *words);
/* The same on a terminal, whose output is r.out; no_color: NO_COLOR=1. */
struct run bgctl_tty(const char *where, const char *words, bool no_color);
/* The same, on a terminal or not, until its output has `until` in it; then it is sent the signal (0: "q" is typed;
 * negative: the signal again and again until it ends).
 * *ret_same (tty, may be NULL): the terminal's settings are as they were. */
struct run bgctl_until(const char *where, const char *words, bool tty, const char *until, int signo,
		       bool *ret_same);
/* The same as a user who is nobody. */
struct run bgctl_nobody(const char *where, const char *words);
void run_free(struct run *r);
#define _cleanup_run_ __attribute__((cleanup(run_free)))

#endif
