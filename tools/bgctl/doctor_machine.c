/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the machine: disk, descriptors, clock. */
#include "config.h"
#include "bgctl/doctor.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#define MIB ((unsigned long long)1 << 20)

/* ---- disk */

/* The folder, or the nearest one above it that is there. */
static int free_of(const char *path, struct statvfs *ret)
{
	_cleanup_free_ char *p = bg_xstrdup(path);
	char *slash;

	while (statvfs(p, ret) < 0) {
		slash = strrchr(p, '/');
		if (errno != ENOENT || !slash)
			return -1;
		*(slash == p ? slash + 1 : slash) = '\0';
	}
	return 0;
}

static void look_at_disk(struct doctor *d, const char *path)
{
	static const char means[] =
		"on a full disk no switch can begin, for its intent has to be on disk first; what runs goes on";
	struct statvfs v;
	unsigned long long avail, percent;

	if (free_of(path, &v) < 0 || v.f_blocks == 0)
		return;
	avail = (unsigned long long)v.f_bavail * v.f_frsize;
	percent = (unsigned long long)v.f_bavail * 100 / v.f_blocks;
	if (v.f_files && v.f_favail == 0)
		doc_say(d, DOC_BAD, means, "df -i; make room", "%s: no inode is free", path);
	else if (avail < 64 * MIB)
		doc_say(d, DOC_BAD, means, "df -h; make room", "%s: %llu MiB are free (%llu %%)", path,
			avail / MIB, percent);
	else if (avail < 512 * MIB && percent < 5)
		doc_say(d, DOC_WARN, means, "df -h; make room", "%s: %llu MiB are free (%llu %%)", path,
			avail / MIB, percent);
	else
		doc_say(d, DOC_OK, NULL, NULL, "%s: %llu MiB are free (%llu %%)", path, avail / MIB, percent);
}

void doc_disk(struct doctor *d)
{
	static const struct {
		const char *section, *key;
	} rows[] = {{"store", "dir"}, {"consumer", "state-dir"}, {"ledger", "path"}};

	for (size_t i = 0; i < DOC_DAEMONS; i++) {
		for (size_t k = 0; k < BG_ARRAY_SIZE(rows); k++) {
			_cleanup_free_ char *path = doc_value(&d->ini[i].dump, rows[k].section, rows[k].key);

			if (path && path[0] == '/')
				look_at_disk(d, path);
		}
	}
}

/* ---- descriptors */

static long limit_of(int pid)
{
	_cleanup_free_ char *path = bg_xasprintf("/proc/%d/limits", pid);
	FILE *f = fopen(path, "re");
	char line[256];
	long soft = -1;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Max open files %ld", &soft) == 1)
			break;
	if (f)
		fclose(f);
	return soft;
}

static long used_by(int pid)
{
	_cleanup_free_ char *path = bg_xasprintf("/proc/%d/fd", pid);
	DIR *dir = opendir(path);
	long n = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2; /* . and .. */
}

void doc_descriptors(struct doctor *d)
{
	static const char means[] =
		"a daemon without descriptors accepts nobody, and reconnects to no broker";
	size_t seen = 0;

	for (size_t i = 0; i < d->n_socket; i++) {
		int pid = d->socket[i].pid;
		long used = pid ? used_by(pid) : -1, limit = pid ? limit_of(pid) : -1;

		if (used < 0 || limit < 0)
			continue;
		seen++;
		if (used >= limit * 9 / 10)
			doc_say(d, DOC_BAD, means, "raise LimitNOFILE= of its unit, and see who connects",
				"%s (pid %d): %ld of %ld descriptors are used", d->socket[i].path, pid, used,
				limit);
		else if (limit < 1024)
			doc_say(d, DOC_WARN, means, "raise LimitNOFILE= of its unit to 4096 or more",
				"%s (pid %d): at most %ld descriptors", d->socket[i].path, pid, limit);
	}
	if (d->n_socket && !seen)
		doc_say(d, DOC_SKIP, NULL, "be root, and ask again",
			"the daemons' descriptors cannot be seen by this user");
}

/* ---- clock */

/* Nothing that is safe depends on it (rules go by epochs); logs, time lines and the prover do. */
void doc_clock(struct doctor *d)
{
	struct timex t = {0};
	int rc = adjtimex(&t);

	if (rc < 0)
		doc_say(d, DOC_SKIP, NULL, NULL, "adjtimex: %s", strerror(errno));
	else if (rc == TIME_ERROR || (t.status & STA_UNSYNC))
		doc_say(d, DOC_WARN,
			"no rule depends on it, but times of several hosts in logs, history and bg-verify "
			"cannot be compared",
			"timedatectl set-ntp true, or start chrony", "the clock is not synchronised");
	else if (t.maxerror > 1000000)
		doc_say(d, DOC_WARN, "times of several hosts can be compared to that only",
			"chronyc tracking", "the clock may be wrong by %ld ms", t.maxerror / 1000);
}
