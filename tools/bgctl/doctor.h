/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `bgctl doctor`: one check is one row of the table in doctor_table.c, one function, and in it what it finds, what
 * that means, and what to do. Adding one: the function, its row, its test.
 */
#ifndef BGCTL_DOCTOR_H
#define BGCTL_DOCTOR_H

#include "bgctl/ctl.h"
#include "common/mem.h"

enum doc_scope { DOC_HOST, DOC_DAEMON, DOC_SWITCH, DOC_BROKER };

enum doc_verdict {
	DOC_OK,
	DOC_SKIP, /* cannot be seen from here, or by this user */
	DOC_WARN, /* works, and may not for ever */
	DOC_BAD,  /* is to be mended */
};

#define DOC_SOCKETS 64

struct doc_socket {
	char path[108];
	int error; /* of connect: 0, or an errno */
	int pid;   /* who listens; 0: not known */
	unsigned mode, gid;
};

struct doc_ini {            /* NAME.ini of the configuration folder */
	const char *daemon; /* "switchd" */
	char *file;         /* NULL: there is none */
	char *program;      /* bg-NAME; NULL: not found */
	char *instance;     /* one of its instances, where it needs one; NULL */
	struct bg_buf dump; /* --dump-config; empty: it does not pass */
	struct bg_buf said; /* of -t */
	int rc;             /* of -t; -1: could not be run, -2: did not end */
};

#define DOC_DAEMONS 4

struct doctor {
	struct ctl *c;
	struct doc_ini ini[DOC_DAEMONS];
	struct doc_socket *socket; /* control sockets of this host */
	size_t n_socket;
	struct json_object *sw;    /* GET /v1/switches/NAME; borrowed; in DOC_SWITCH and DOC_BROKER */
	struct json_object *facts; /* GET …/doctor; borrowed; NULL: there are none */
	const char *name;          /* of the switch */
	const struct doc_check *now;
	size_t said; /* findings of this check */
	struct json_object *findings;
	size_t bad;
	bool several; /* switches: commands name theirs by -s */
};

struct doc_check {
	const char *name;
	enum doc_scope scope;
	void (*fn)(struct doctor *d);
	const char *well; /* what is said when fn says nothing; NULL: that nothing is known */
};
extern const struct doc_check doc_checks[]; /* ends with name NULL */

/* A finding. means, next: NULL when there is nothing to say or to do. next is a command where there is one. */
void doc_say(struct doctor *d, enum doc_verdict v, const char *means, const char *next, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* doctor_run.c */
/* Run argv (NULL-terminated), at most timeout_ms; what it says on both outputs into out, at most 64 KiB. Its exit
 * status; -1: it cannot be run; -2: it did not end. */
int doc_run(char *const *argv, int timeout_ms, struct bg_buf *out);
/* "bg-NAME" beside this program, in its prefix, or in the usual places; the caller frees it. NULL: nowhere. */
char *doc_program(const char *name);
/* The value of a key in a --dump-config; the caller frees it. NULL: it is not there. */
char *doc_value(const struct bg_buf *dump, const char *section, const char *key);

/* doctor_gather.c */
void doc_gather(struct doctor *d, const char *config_dir);
void doc_gather_free(struct doctor *d);

/* The rows, by file. */
void doc_ini_files(struct doctor *d);
void doc_versions(struct doctor *d);
void doc_daemons(struct doctor *d);
void doc_sockets(struct doctor *d);
void doc_group(struct doctor *d);
void doc_state_dirs(struct doctor *d);
void doc_disk(struct doctor *d);
void doc_descriptors(struct doctor *d);
void doc_clock(struct doctor *d);

void doc_record(struct doctor *d);
void doc_running(struct doctor *d);
void doc_freeze(struct doctor *d);
void doc_hold(struct doctor *d);
void doc_reachable(struct doctor *d);
void doc_states(struct doctor *d);
void doc_both_active(struct doctor *d);
void doc_identity(struct doctor *d);
void doc_epochs(struct doctor *d);
void doc_last(struct doctor *d);
void doc_window(struct doctor *d);
void doc_stalled(struct doctor *d);
void doc_lag(struct doctor *d);
void doc_alike(struct doctor *d);

void doc_brokers(struct doctor *d);
void doc_replicas(struct doctor *d);
void doc_topics(struct doctor *d);
void doc_held(struct doctor *d);
void doc_commits(struct doctor *d);
void doc_retention(struct doctor *d);
void doc_linger(struct doctor *d);

#endif
