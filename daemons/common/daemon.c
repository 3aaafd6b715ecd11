/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "common/daemon.h"

#include <curl/curl.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "common/daemon_int.h"
#include "common/http_server.h"
#include "common/json.h"
#include "common/kafka.h"
#include "common/log.h"
#include "common/notify.h"

/* What the start would refuse, a test of the configuration refuses too. */
static int check_listen(const struct bg_conf *c, struct bg_buf *errs)
{
	const char *listen = bg_conf_str(c, "http", "listen"), *token = bg_conf_str(c, "http", "token-file");
	struct bg_err err = BG_ERR_INIT;
	int rc = !listen || strcmp(listen, "none") == 0 ? 0
							: bg_http_listen_check(listen, token && *token, &err);

	if (rc)
		bg_buf_printf(errs, "%s: %s\n", bg_conf_where(c, "http", "listen"), err.msg);
	return rc;
}

static int load(const struct bg_daemon_spec *spec, const char *path, const char *instance,
		struct bg_conf **ret, struct bg_buf *errs)
{
	int rc = bg_conf_load(path, spec->tables, instance, ret, errs);

	if (rc)
		return rc;
	rc = check_listen(*ret, errs);
	if (spec->check) {
		int more = spec->check(*ret, instance, errs);

		rc = rc ? rc : more;
	}
	if (rc) {
		bg_conf_free(*ret);
		*ret = NULL;
	}
	return rc;
}

static void log_init(const struct bg_daemon *d, const struct bg_conf *c)
{
	bg_log_init(d->spec->name, bg_conf_str(c, "log", "format"),
		    bg_log_level_parse(bg_conf_str(c, "log", "level")));
}

/* ---- reload ---- */

/* What differs from the last reload; of it only the reloadable keys are in force. */
static void note_reloaded(void *arg, const char *section, const char *key, bool reloadable)
{
	_cleanup_free_ char *text = bg_xasprintf("[%s] %s", section, key);

	if (reloadable)
		json_object_array_add(arg, json_object_new_string(text));
}

/* What differs from the start; the others are in force as they were then. */
static void note_needs_restart(void *arg, const char *section, const char *key, bool reloadable)
{
	_cleanup_free_ char *text = bg_xasprintf("[%s] %s", section, key);

	if (reloadable)
		return;
	json_object_array_add(arg, json_object_new_string(text));
	bg_log(BG_WARN, "reload", "%s has changed: it needs a restart, the old value stays in force", text);
}

struct json_object *bg_daemon_reload(struct bg_daemon *d, int *ret_rc)
{
	struct json_object *o = json_object_new_object();
	struct bg_conf *fresh = NULL;
	_cleanup_buf_ struct bg_buf errs = {0};
	struct json_object *reloaded, *needs_restart;

	bg_notify_reloading();
	*ret_rc = load(d->spec, d->config_path, d->instance, &fresh, &errs);
	if (*ret_rc) {
		bg_log(BG_ERROR, "reload", "nothing is changed: %s", errs.s);
		bg_json_add_str(o, "error", "bad_configuration");
		bg_json_add_str(o, "message", errs.s);
		bg_notify("READY=1");
		return o;
	}
	reloaded = json_object_new_array();
	needs_restart = json_object_new_array();
	bg_conf_diff(d->latest ? d->latest : d->conf, fresh, note_reloaded, reloaded);
	bg_conf_diff(d->conf, fresh, note_needs_restart, needs_restart);
	log_init(d, fresh);
	if (d->spec->reload)
		d->spec->reload(d, fresh);
	/* Strings of the old one may be in use where a key needs a restart: both stay, the new one is only compared. */
	bg_conf_free(d->latest);
	d->latest = fresh;
	bg_log(BG_NOTICE, "reload", "configuration read: %zu keys changed, %zu need a restart",
	       json_object_array_length(reloaded), json_object_array_length(needs_restart));
	bg_json_add(o, "reloaded", reloaded);
	bg_json_add(o, "needs_restart", needs_restart);
	bg_notify("READY=1");
	return o;
}

/* ---- signals ---- */

static void on_terminate(int signo, void *arg)
{
	struct bg_daemon *d = arg;

	bg_log(BG_NOTICE, "signal", "%s", signo == SIGTERM ? "SIGTERM" : "SIGINT");
	if (d->terminating || !d->spec->terminate) {
		bg_loop_quit(d->loop, 0);
		return;
	}
	d->terminating = true;
	bg_notify("STOPPING=1");
	d->spec->terminate(d);
}

static void on_reload(int signo, void *arg)
{
	int rc;

	(void)signo;
	json_object_put(bg_daemon_reload(arg, &rc));
}

static void on_status(int signo, void *arg)
{
	struct bg_daemon *d = arg;

	(void)signo;
	if (d->spec->status)
		d->spec->status(d);
}

void bg_daemon_exit(struct bg_daemon *d, int status)
{
	bg_loop_quit(d->loop, status);
}

/* ---- the run ---- */

static void raise_nofile(void)
{
	struct rlimit r;

	if (!getrlimit(RLIMIT_NOFILE, &r) && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &r))
			bg_log(BG_WARN, "limits", "cannot raise the limit of open files: %s",
			       strerror(errno));
	}
}

/* Start in the listed order, and stop in reverse what was started. */
static int run_modules(struct bg_daemon *d)
{
	const struct bg_module *ms = d->spec->modules;
	struct bg_err err = BG_ERR_INIT;
	struct bg_watchdog *watchdog;
	int n = 0, status = 1;

	for (; ms[n].name; n++) {
		int rc = ms[n].start(d, &err);

		if (!rc)
			continue;
		bg_log(BG_ERROR, "start", "%s: %s", ms[n].name, err.msg[0] ? err.msg : strerror(-rc));
		break;
	}
	if (!ms[n].name) {
		watchdog = bg_watchdog_start(d->loop);
		bg_log(BG_NOTICE, "started", "%s %s", d->spec->name, PACKAGE_VERSION);
		bg_notify("READY=1");
		status = bg_loop_run(d->loop);
		/* Nobody turns the loop any more: whoever insists while the modules stop ends the process. */
		signal(SIGTERM, SIG_DFL);
		signal(SIGINT, SIG_DFL);
		bg_notify("STOPPING=1");
		bg_watchdog_free(watchdog);
		n--;
	} else if (!d->state) {
		n--; /* the first module failed before it made anything */
	}
	for (; n >= 0; n--)
		if (ms[n].stop && (d->state || n == 0))
			ms[n].stop(d);
	return status;
}

static int run(struct bg_daemon *d)
{
	int status;

	log_init(d, d->conf);
	raise_nofile();
	signal(SIGPIPE, SIG_IGN);
	d->loop = bg_loop_new();
	bg_loop_signal(d->loop, SIGTERM, on_terminate, d);
	bg_loop_signal(d->loop, SIGINT, on_terminate, d);
	bg_loop_signal(d->loop, SIGHUP, on_reload, d);
	bg_loop_signal(d->loop, SIGUSR1, on_status, d);
	status = run_modules(d);
	bg_loop_free(d->loop);
	bg_log(BG_NOTICE, "ended", "status %d", status);
	return status;
}

static int with_configuration(struct bg_daemon *d, const struct bg_daemon_args *a)
{
	_cleanup_buf_ struct bg_buf errs = {0};
	int status;

	if (load(d->spec, d->config_path, d->instance, &d->conf, &errs)) {
		fputs(errs.s ? errs.s : "the configuration cannot be read\n", stderr);
		return 2;
	}
	if (a->dump) {
		bg_conf_dump(d->conf, stdout);
		status = 0;
	} else if (a->test) {
		printf("configuration %s is valid\n", d->config_path);
		status = 0;
	} else {
		status = run(d);
	}
	bg_conf_free(d->latest);
	bg_conf_free(d->conf);
	return status;
}

int bg_daemon_main(const struct bg_daemon_spec *spec, int argc, char **argv)
{
	struct bg_daemon d = {.spec = spec, .config_path = spec->default_config};
	struct bg_daemon_args a = {0};
	int status;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	status = bg_daemon_args(&d, &a, argc, argv);
	if (status < 0)
		status = with_configuration(&d, &a);
	curl_global_cleanup();
	return status;
}
