/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of a child: words, and where its program is. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "consumerd/exec_child.h"

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

void exec_free_list(char **list)
{
	for (char **at = list; at && *at; at++)
		free(*at);
	free(list);
}

void exec_command_free(struct exec_command *cmd)
{
	free(cmd->path);
	exec_free_list(cmd->argv);
	exec_free_list(cmd->envp);
	free(cmd->directory);
	memset(cmd, 0, sizeof *cmd);
}

/* One word from *at on, into b; *at moves behind it. */
static int word(const char **at, struct bg_buf *b, struct bg_err *err)
{
	const char *p = *at;
	char quote = '\0';

	for (; *p && (quote || (*p != ' ' && *p != '\t')); p++) {
		if (*p == '\\' && quote != '\'' && (!quote || p[1] == '"' || p[1] == '\\')) {
			if (!p[1])
				return bg_err_set(err, -EINVAL, "command", "a backslash at the end");
			p++;
		} else if (*p == quote) {
			quote = '\0';
			continue;
		} else if (!quote && (*p == '\'' || *p == '"')) {
			quote = *p;
			continue;
		}
		bg_buf_add(b, p, 1);
	}
	if (quote)
		return bg_err_set(err, -EINVAL, "command", "a %c that is not closed", quote);
	*at = p;
	return 0;
}

int exec_split(const char *line, char ***ret_argv, struct bg_err *err)
{
	char **argv = NULL;
	size_t n = 0, cap = 0;

	for (;;) {
		_cleanup_buf_ struct bg_buf b = {0};

		line += strspn(line, " \t");
		if (!*line)
			break;
		if (word(&line, &b, err)) {
			exec_free_list(argv);
			return -EINVAL;
		}
		argv = bg_xgrow(argv, &cap, n + 2, sizeof *argv);
		argv[n++] = bg_xstrdup(b.s ? b.s : "");
		argv[n] = NULL;
	}
	if (!n || !argv[0][0]) {
		exec_free_list(argv);
		return bg_err_set(err, -EINVAL, "command", "it names no program");
	}
	*ret_argv = argv;
	return 0;
}

/* 0: a file that we may execute. */
static int executable(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return access(path, X_OK) ? -errno : 0;
}

int exec_find(const char *name, const char *path, char **ret, struct bg_err *err)
{
	int rc, seen = -ENOENT;

	if (strchr(name, '/')) {
		rc = executable(name);
		if (rc)
			return bg_err_set(err, rc, "command", "%s: %s", name, strerror(-rc));
		if (name[0] == '/') {
			*ret = bg_xstrdup(name);
		} else {
			/* The child may start in another folder. */
			_cleanup_free_ char *cwd = getcwd(NULL, 0);

			*ret = bg_xasprintf("%s/%s", cwd ? cwd : ".", name);
		}
		return 0;
	}
	if (!path || !*path)
		path = PATH_DEFAULT;
	while (*path) {
		size_t len = strcspn(path, ":");
		_cleanup_free_ char *dir = bg_xstrndup(path, len);
		char *full = bg_xasprintf("%s/%s", len ? dir : ".", name);

		rc = executable(full);
		if (!rc) {
			*ret = full;
			return 0;
		}
		free(full);
		if (rc != -ENOENT && rc != -ENOTDIR)
			seen = rc;
		path += len + (path[len] == ':');
	}
	return bg_err_set(err, seen, "command", "%s is in no folder of PATH as a program: %s", name,
			  strerror(-seen));
}
