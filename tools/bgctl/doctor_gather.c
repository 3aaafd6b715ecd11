/* SPDX-License-Identifier: Apache-2.0 */
/* What the checks of the host look at: INI files and what their daemons say of them, and the control sockets. */
#include "config.h"
#include "bgctl/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RUN_MS 10000

static const char *const names[DOC_DAEMONS] = {"switchd", "consumerd", "producerd", "sidecard"};

/* The first [instance:NAME] of the file, else the usual first one where %i wants a name. The caller frees it. */
static char *instance_of(const char *file)
{
	FILE *f = fopen(file, "re");
	char line[256], *name = NULL;
	bool wants = false;

	while (f && !name && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "[instance:", 10) == 0 && strchr(line, ']'))
			name = bg_xstrndup(line + 10, strcspn(line + 10, "]"));
		wants = wants || strstr(line, "%i");
	}
	if (f)
		fclose(f);
	return name ? name : wants ? bg_xstrdup("blue-0") : NULL;
}

static void ask_daemon(struct doc_ini *i)
{
	char *argv[] = {i->program, (char *)"-t", (char *)"-c", i->file, (char *)"-i", i->instance, NULL};

	if (!i->instance)
		argv[4] = NULL;
	i->rc = doc_run(argv, RUN_MS, &i->said);
	if (i->rc == 0) {
		argv[1] = (char *)"--dump-config";
		if (doc_run(argv, RUN_MS, &i->dump) != 0)
			bg_buf_reset(&i->dump);
	}
}

static void gather_ini(struct doc_ini *i, const char *name, const char *dir)
{
	char *file = bg_xasprintf("%s/%s.ini", dir, name);

	i->daemon = name;
	i->program = doc_program(name);
	i->rc = -1;
	if (access(file, F_OK) < 0) {
		free(file);
		return;
	}
	i->file = file;
	if (!i->program || access(file, R_OK) < 0)
		return;
	i->instance = strcmp(name, "switchd") == 0 ? NULL : instance_of(file);
	ask_daemon(i);
}

/* ---- sockets */

/* Who listens. A full backlog counts as somebody: the connection is not waited for. */
static void look_at(struct doc_socket *s)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred cred;
	socklen_t len = sizeof(cred);
	struct stat st;

	if (stat(s->path, &st) < 0 || fd < 0) {
		s->error = errno;
		return;
	}
	s->mode = st.st_mode & 07777;
	s->gid = st.st_gid;
	if (!S_ISSOCK(st.st_mode)) {
		s->error = ENOTSOCK;
		return;
	}
	bg_strlcpy(sun.sun_path, s->path, sizeof(sun.sun_path));
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0 && errno != EAGAIN)
		s->error = errno;
	else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
		s->pid = cred.pid;
}

static void add_socket(struct doctor *d, const char *path)
{
	if (strlen(path) >= sizeof(d->socket->path) || d->n_socket >= DOC_SOCKETS)
		return;
	for (size_t i = 0; i < d->n_socket; i++)
		if (strcmp(d->socket[i].path, path) == 0)
			return;
	bg_strlcpy(d->socket[d->n_socket].path, path, sizeof(d->socket->path));
	look_at(&d->socket[d->n_socket++]);
}

static void add_folder(struct doctor *d, const char *socket)
{
	const char *slash = strrchr(socket, '/');
	_cleanup_free_ char *pattern =
		slash ? bg_xasprintf("%.*s/*.sock", (int)(slash - socket), socket) : bg_xstrdup("");
	glob_t g = {0};

	if (slash && glob(pattern, 0, NULL, &g) == 0)
		for (size_t i = 0; i < g.gl_pathc; i++)
			add_socket(d, g.gl_pathv[i]);
	globfree(&g);
}

void doc_gather(struct doctor *d, const char *config_dir)
{
	const char *own = strncmp(d->c->socket, "unix:", 5) == 0 ? d->c->socket + 5 : d->c->socket;

	d->socket = bg_xcalloc(DOC_SOCKETS, sizeof(*d->socket));
	for (size_t i = 0; i < DOC_DAEMONS; i++) {
		_cleanup_free_ char *path = NULL;

		gather_ini(&d->ini[i], names[i], config_dir);
		path = doc_value(&d->ini[i].dump, "control", "socket");
		if (path && path[0] == '/')
			add_folder(d, path);
	}
	add_folder(d, BG_RUNDIR "/switchd.sock");
	if (own[0] == '/' && access(own, F_OK) == 0)
		add_socket(d, own);
}

void doc_gather_free(struct doctor *d)
{
	for (size_t i = 0; i < DOC_DAEMONS; i++) {
		free(d->ini[i].file);
		free(d->ini[i].program);
		free(d->ini[i].instance);
		bg_buf_free(&d->ini[i].dump);
		bg_buf_free(&d->ini[i].said);
	}
	free(d->socket);
}
