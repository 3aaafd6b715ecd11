/* SPDX-License-Identifier: Apache-2.0 */
/* What every command of bgctl shares: where the daemon is, which switch, how to write. */
#ifndef BGCTL_CTL_H
#define BGCTL_CTL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* protocol.md 4 */
enum ctl_exit {
	CTL_DONE = 0,
	CTL_FAILED = 1, /* failed, or rolled back */
	CTL_USAGE = 2,
	CTL_NO_GO = 3,       /* nothing changed */
	CTL_UNREACHABLE = 4, /* the daemon */
	CTL_ABORTED = 5,     /* from is active again */
	CTL_PERSON = 6,      /* is needed */
	CTL_DENIED = 7,
};

struct ctl {
	const char *socket; /* --socket, BG_SOCKET or the default */
	const char *token_file;
	const char *name; /* -s; ctl_need_name fills it when there is only one */
	const char *reason, *from;
	const char *config_dir; /* of the INI files */
	int64_t expect_epoch;   /* -1: not given */
	int64_t limit;          /* -1: not given */
	int64_t since;          /* the last event that was had; -1: not given */
	int64_t interval_us;
	int64_t at_us; /* of the real clock: --at, --in, --until or --for; 0: not given */
	bool json, wait, dry_run, force, watch, yes, resubscribe;
	bool color; /* of the output: escape codes may be written */
	char **args;
	int nargs;
	FILE *out, *err;
	char *token, *name_found; /* owned */
};

/* The name of the switch: -s, or the only one there is. 0, or an exit status (said why). */
int ctl_need_name(struct ctl *c);

/* GET /v1/switches/{name}; the caller owns *ret. 0, or an exit status (said why). */
int ctl_get_switch(struct ctl *c, struct json_object **ret);

#endif
