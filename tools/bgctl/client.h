/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP call to bg-switchd over its Unix socket or TCP. It may block: this is a command line. */
#ifndef BGCTL_CLIENT_H
#define BGCTL_CLIENT_H

#include "bgctl/ctl.h"

struct curl_slist;

struct ctl_answer {
	int status;               /* HTTP; 0: none came */
	struct json_object *json; /* owned; NULL when the body was none */
	bool denied;              /* the socket's permissions kept us out */
	char why[256];            /* status 0: for people */
};

/* path: from "/v1" on. body: NULL for GET, borrowed. timeout_ms bounds the whole call. */
void ctl_call(struct ctl *c, const char *method, const char *path, struct json_object *body,
	      int64_t timeout_ms, struct ctl_answer *ret);
/*
 * A CURL handle for `path`, with address, token and the limits of connecting set, and no bound on the whole; for who
 * wants to read an answer as it comes. NULL: no memory. *ret_headers (further ones may be added with
 * curl_easy_setopt) is freed by the caller after the handle.
 */
void *ctl_easy(const struct ctl *c, const char *path, bool body, struct curl_slist **ret_headers);
/* Why a call failed (a CURLcode), into a->why and a->denied. */
void ctl_describe(void *easy, int code, const struct ctl *c, struct ctl_answer *a);
void ctl_answer_free(struct ctl_answer *a);
#define _cleanup_answer_ __attribute__((cleanup(ctl_answer_free)))

/* "/v1/switches/NAME" + tail, the name percent-encoded. The caller frees it. */
char *ctl_path(const struct ctl *c, const char *tail);
/* Reads the token file, when there is one; again, when it was read. 0, or an exit status (said why). */
int ctl_load_token(struct ctl *c);
/* 2xx: 0. Else says "message (error_word)" and what to do next, and gives the exit status. */
int ctl_check(struct ctl *c, const struct ctl_answer *a);
/*
 * The common way of a command: needs the switch's name, calls its path + tail, checks. 0, or an exit status (said why).
 * body is borrowed; ret is freed by the caller in any case.
 */
int ctl_ask(struct ctl *c, const char *method, const char *tail, struct json_object *body, int64_t timeout_ms,
	    struct ctl_answer *ret);
/* The exit status that belongs to an outcome; exit as the daemon gave it, when it is a valid one. */
int ctl_outcome_exit(struct json_object *entry);

#endif
