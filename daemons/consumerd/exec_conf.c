/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/exec_conf.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define SECTION "handler:exec"

extern char **environ;

static int check_command(const struct bg_conf *conf, struct bg_buf *errs)
{
	const char *line = bg_conf_str(conf, SECTION, "command");
	struct bg_err err = BG_ERR_INIT;
	char **argv = NULL, *path = NULL;
	int rc;

	if (!line) {
		bg_buf_printf(errs, "%s: handler exec needs the program that takes the records\n",
			      bg_conf_where(conf, SECTION, "command"));
		return -EINVAL;
	}
	rc = exec_split(line, &argv, &err);
	if (!rc)
		rc = exec_find(argv[0], getenv("PATH"), &path, &err);
	if (rc)
		bg_buf_printf(errs, "%s: %s\n", bg_conf_where(conf, SECTION, "command"), err.msg);
	exec_free_list(argv);
	free(path);
	return rc ? -EINVAL : 0;
}

static int check_directory(const struct bg_conf *conf, struct bg_buf *errs)
{
	const char *dir = bg_conf_str(conf, SECTION, "directory");
	struct stat st;

	if (!dir)
		return 0;
	if (stat(dir, &st) || !S_ISDIR(st.st_mode)) {
		bg_buf_printf(errs, "%s: %s is no folder\n", bg_conf_where(conf, SECTION, "directory"), dir);
		return -EINVAL;
	}
	return 0;
}

int exec_conf_check(const struct bg_conf *conf, struct bg_buf *errs)
{
	int rc = check_command(conf, errs);

	if (check_directory(conf, errs))
		rc = -EINVAL;
	for (size_t i = 0; i < bg_conf_list_len(conf, SECTION, "environment"); i++) {
		const char *pair = bg_conf_list_at(conf, SECTION, "environment", i);

		if (pair[0] && pair[0] != '=' && strchr(pair, '='))
			continue;
		bg_buf_printf(errs, "%s: expected NAME=VALUE, it is %s\n",
			      bg_conf_where(conf, SECTION, "environment"), pair);
		rc = -EINVAL;
	}
	return rc;
}

/* Set one; it takes `pair`. What was there under the same name goes. */
static void set(char ***env, size_t *n, size_t *cap, char *pair)
{
	size_t name = strcspn(pair, "=") + 1;

	for (size_t i = 0; i < *n; i++)
		if (!strncmp((*env)[i], pair, name)) {
			free((*env)[i]);
			(*env)[i] = pair;
			return;
		}
	*env = bg_xgrow(*env, cap, *n + 2, sizeof **env);
	(*env)[(*n)++] = pair;
	(*env)[*n] = NULL;
}

/* Ours, then what is ours to say, then the configuration's. What systemd told the daemon is for the daemon alone. */
static char **make_env(const struct bg_conf *conf, const char *sw, enum bg_color color, const char *instance)
{
	static const char *const ours[] = {"NOTIFY_SOCKET=", "WATCHDOG_PID=", "WATCHDOG_USEC=",
					   "LISTEN_PID=",    "LISTEN_FDS=",   "LISTEN_FDNAMES="};
	char **env = NULL;
	size_t n = 0, cap = 0;

	for (char **e = environ; e && *e; e++) {
		bool skip = false;

		for (size_t i = 0; i < BG_ARRAY_SIZE(ours); i++)
			skip |= !strncmp(*e, ours[i], strlen(ours[i]));
		if (!skip)
			set(&env, &n, &cap, bg_xstrdup(*e));
	}
	set(&env, &n, &cap, bg_xasprintf("BG_SWITCH=%s", sw));
	set(&env, &n, &cap, bg_xasprintf("BG_COLOR=%s", bg_color_name(color)));
	set(&env, &n, &cap, bg_xasprintf("BG_INSTANCE=%s", instance));
	for (size_t i = 0; i < bg_conf_list_len(conf, SECTION, "environment"); i++)
		set(&env, &n, &cap, bg_xstrdup(bg_conf_list_at(conf, SECTION, "environment", i)));
	return env;
}

int exec_conf_command(const struct bg_conf *conf, const char *sw, enum bg_color color, const char *instance,
		      struct exec_command *ret, struct bg_err *err)
{
	struct exec_command cmd = {0};
	int rc = exec_split(bg_conf_str(conf, SECTION, "command"), &cmd.argv, err);

	if (!rc)
		rc = exec_find(cmd.argv[0], getenv("PATH"), &cmd.path, err);
	if (rc) {
		exec_command_free(&cmd);
		bg_err_prefix(err, "[" SECTION "] command");
		return rc;
	}
	cmd.envp = make_env(conf, sw, color, instance);
	cmd.directory = bg_xstrdup(bg_conf_str(conf, SECTION, "directory"));
	*ret = cmd;
	return 0;
}
