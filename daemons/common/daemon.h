/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every daemon's main has in common: arguments (-c FILE, -i INSTANCE, -t, -V, --help, --dump-config,
 * --help-config), configuration, log, loop, signals (SIGTERM/SIGINT stop, SIGHUP reload, SIGUSR1 status
 * to the log), RLIMIT_NOFILE to its hard limit, sd_notify READY/RELOADING/STOPPING and the watchdog fed
 * by the loop's progress. Daemons never fork.
 */
#ifndef BG_COMMON_DAEMON_H
#define BG_COMMON_DAEMON_H

#include <getopt.h>
#include <stdio.h>
#include "common/conf.h"
#include "common/loop.h"

struct bg_daemon_spec;

struct bg_daemon {
	const struct bg_daemon_spec *spec;
	struct bg_loop *loop;
	struct bg_conf *conf;   /* as at start; strings of it stay valid for the life of the daemon */
	struct bg_conf *latest; /* of the last reload; NULL: none */
	bool terminating;
	const char *instance; /* -i, or NULL */
	const char *config_path;
	void *state; /* the daemon's own */
};

/* A module: started in the listed order, stopped in reverse. start: 0 or negative errno with err. */
struct bg_module {
	const char *name; /* NULL ends the list */
	int (*start)(struct bg_daemon *d, struct bg_err *err);
	void (*stop)(struct bg_daemon *d);
};

struct bg_daemon_spec {
	const char *name;           /* "bg-consumerd" */
	const char *summary;        /* one line for --help */
	const char *default_config; /* BG_SYSCONFDIR "/consumerd.ini" */
	const struct bg_conf_key *const *tables;
	/* Further checks of a configuration (also by -t); add lines to errs and return -EINVAL. May be NULL. */
	int (*check)(const struct bg_conf *conf, const char *instance, struct bg_buf *errs);
	const struct bg_module *modules;
	/* A reload that was validated: take over reloadable keys. Cannot fail. May be NULL. */
	void (*reload)(struct bg_daemon *d, const struct bg_conf *new_conf);
	/* SIGTERM: begin to stop; call bg_daemon_exit when done. NULL: exit at once. */
	void (*terminate)(struct bg_daemon *d);
	void (*status)(struct bg_daemon *d); /* SIGUSR1 */
	/* Options of its own (bg-switchd --once …): parsed by getopt_long with these appended; may be NULL. */
	const struct option *more_options;
	int (*option)(struct bg_daemon *d, int opt, const char *arg); /* 0, or an exit status + 1 */
	const char *more_help;
};

int bg_daemon_main(const struct bg_daemon_spec *spec, int argc, char **argv); /* returns the exit status */
void bg_daemon_exit(struct bg_daemon *d, int status);
/* The reload path, for the HTTP command too. Returns a JSON answer {"reloaded":[...],"needs_restart":[...]} or an
 * {"error","message"} with rc < 0. The caller owns it. */
struct json_object *bg_daemon_reload(struct bg_daemon *d, int *ret_rc);

#endif
