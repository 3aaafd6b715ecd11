/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the host: files, who may read and command, daemons, versions. */
#include "config.h"
#include "bgctl/doctor.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUP "kafka-bluegreen"

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* ---- INI files */

void doc_ini_files(struct doctor *d)
{
	size_t there = 0;

	for (size_t i = 0; i < DOC_DAEMONS; i++) {
		const struct doc_ini *n = &d->ini[i];
		_cleanup_free_ char *test = NULL;

		if (!n->file)
			continue;
		there++;
		test = bg_xasprintf("bg-%s -t -c %s%s%s", n->daemon, n->file, n->instance ? " -i " : "",
				    n->instance ? n->instance : "");
		if (access(n->file, R_OK) < 0)
			doc_say(d, DOC_SKIP, NULL, "be root, and ask again", "%s: %s", n->file,
				strerror(errno));
		else if (!n->program)
			doc_say(d, DOC_WARN, "the file is there, and its daemon is not installed", NULL,
				"%s: there is no bg-%s", n->file, n->daemon);
		else if (n->rc == 0)
			doc_say(d, DOC_OK, NULL, NULL, "%s passes", n->file);
		else if (n->rc < 0)
			doc_say(d, DOC_BAD, "the configuration cannot be tested", test, "bg-%s -t %s",
				n->daemon, n->rc == -2 ? "does not end" : "cannot be run");
		else
			doc_say(d, DOC_BAD, "the daemon will not start with it", test, "%.*s",
				(int)strcspn(n->said.s ? n->said.s : "", "\n"), n->said.s ? n->said.s : "");
	}
	if (!there)
		doc_say(d, DOC_SKIP, "no daemon is configured here", NULL, "no INI file in %s",
			d->c->config_dir);
}

/* ---- versions */

void doc_versions(struct doctor *d)
{
	for (size_t i = 0; i < DOC_DAEMONS; i++) {
		_cleanup_buf_ struct bg_buf said = {0};
		char *argv[] = {d->ini[i].program, (char *)"-V", NULL};
		_cleanup_free_ char *want = bg_xasprintf("bg-%s %s ", d->ini[i].daemon, PACKAGE_VERSION);

		if (!d->ini[i].program)
			continue;
		if (doc_run(argv, 5000, &said) != 0 || !said.s)
			doc_say(d, DOC_BAD, "the program is damaged, or a library of it is missing", NULL,
				"%s -V cannot be run", d->ini[i].program);
		else if (strncmp(said.s, want, strlen(want)) != 0)
			doc_say(d, DOC_WARN, "programs of one host are meant to be of one version",
				"install one version of the packages, then restart the daemons",
				"bgctl is %s, but: %.*s", PACKAGE_VERSION, (int)strcspn(said.s, "\n"),
				said.s);
		else
			doc_say(d, DOC_OK, NULL, NULL, "%.*s)", (int)strcspn(said.s, ",)\n"), said.s);
	}
}

/* ---- daemons and their sockets */

/* "consumerd-blue-0.sock" -> "bg-consumerd@blue-0", as the units are named; one that is called only "blue-0.sock" is
 * an instance's. The caller frees it. */
static char *unit_of(const char *path)
{
	_cleanup_free_ char *name = bg_xstrndup(base(path), strcspn(base(path), "."));
	char *dash = strchr(name, '-');
	bool instance = strncmp(name, "blue-", 5) == 0 || strncmp(name, "green-", 6) == 0;

	if (instance)
		return bg_xasprintf("bg-consumerd@%s", name);
	if (dash)
		*dash = '@';
	return bg_xasprintf("bg-%s", name);
}

static void silent(struct doctor *d, const struct doc_socket *s)
{
	_cleanup_free_ char *unit = unit_of(s->path);
	_cleanup_free_ char *next = bg_xasprintf("systemctl restart %s; journalctl -u %s", unit, unit);

	doc_say(d, DOC_BAD,
		"its daemon has ended without taking its socket with it: it was killed, or it crashed", next,
		"%s: nobody listens", s->path);
}

void doc_daemons(struct doctor *d)
{
	size_t running = 0;

	for (size_t i = 0; i < d->n_socket; i++) {
		if (d->socket[i].error == ECONNREFUSED)
			silent(d, &d->socket[i]);
		running += d->socket[i].error == 0;
	}
	for (size_t i = 0; i < DOC_DAEMONS; i++) {
		_cleanup_free_ char *path = doc_value(&d->ini[i].dump, "control", "socket");
		_cleanup_free_ char *unit = path ? unit_of(path) : NULL;
		_cleanup_free_ char *next = bg_xasprintf("systemctl start %s", unit ? unit : "it");

		if (path && path[0] == '/' && access(path, F_OK) < 0 && errno == ENOENT &&
		    strcmp(d->ini[i].daemon, "switchd") == 0)
			doc_say(d, DOC_BAD, "nothing can be switched, and who starts is not told its state",
				next, "bg-switchd is configured here, and does not run (%s is not there)",
				path);
	}
	if (running)
		doc_say(d, DOC_OK, NULL, NULL, "%zu running here", running);
}

void doc_sockets(struct doctor *d)
{
	for (size_t i = 0; i < d->n_socket; i++) {
		const struct doc_socket *s = &d->socket[i];
		_cleanup_free_ char *chmod = bg_xasprintf("chmod 0660 %s", s->path);

		if (s->mode & 0007)
			doc_say(d, DOC_BAD, "every user of this host may command the daemon", chmod,
				"%s has mode %04o", s->path, s->mode);
		if (s->error == ENOTSOCK)
			doc_say(d, DOC_BAD, "the daemon that wants this path cannot start", NULL,
				"%s is no socket", s->path);
	}
}

/* Whoever is neither root nor in the group is not let in by the sockets. */
void doc_group(struct doctor *d)
{
	const struct passwd *pw = getpwuid(geteuid());
	const char *user = pw ? pw->pw_name : "USER";
	_cleanup_free_ char *next = bg_xasprintf("usermod -aG %s %s, then log in anew", GROUP, user);
	const struct group *gr = getgrnam(GROUP);
	bool kept_out = false;

	for (size_t i = 0; i < d->n_socket; i++)
		kept_out = kept_out || d->socket[i].error == EACCES || d->socket[i].error == EPERM;
	if (kept_out)
		doc_say(d, DOC_BAD, "bgctl cannot command what it cannot reach", next,
			"%s may not use the sockets of the daemons", user);
	else if (!gr && d->n_socket)
		doc_say(d, DOC_OK, NULL, NULL, "%s reaches the sockets (there is no group %s)", user, GROUP);
}

/* ---- folders of state */

static void look_at_folder(struct doctor *d, const char *path)
{
	_cleanup_free_ char *next = bg_xasprintf("chmod o-w %s", path);
	struct stat st;

	if (stat(path, &st) < 0) {
		if (errno == EACCES)
			doc_say(d, DOC_SKIP, NULL, "be root, and ask again", "%s: %s", path, strerror(errno));
		else if (errno != ENOENT) /* else it is made by the first start */
			doc_say(d, DOC_BAD, "the daemon cannot start", NULL, "%s: %s", path, strerror(errno));
		return;
	}
	if (!S_ISDIR(st.st_mode))
		doc_say(d, DOC_BAD, "the daemon cannot start", NULL, "%s is no folder", path);
	else if (st.st_mode & 0002)
		doc_say(d, DOC_BAD, "any user may change the record of truth, or an instance's epoch", next,
			"%s may be written by everybody (mode %04o)", path, st.st_mode & 07777);
	else
		doc_say(d, DOC_OK, NULL, NULL, "%s", path);
}

void doc_state_dirs(struct doctor *d)
{
	static const struct {
		const char *section, *key;
	} rows[] = {{"store", "dir"}, {"consumer", "state-dir"}};

	for (size_t i = 0; i < DOC_DAEMONS; i++) {
		for (size_t k = 0; k < BG_ARRAY_SIZE(rows); k++) {
			_cleanup_free_ char *path = doc_value(&d->ini[i].dump, rows[k].section, rows[k].key);

			if (path)
				look_at_folder(d, path);
		}
	}
}
