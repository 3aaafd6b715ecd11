/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/failpoint.h"
#include "common/json.h"
#include "common/statefile.h"
#include "common/units.h"

struct file_store {
	struct sw_store base;
	char *dir;
	int lock_fd;
};

static char *path_of(struct sw_store *s, const char *sw, const char *rest)
{
	return bg_xasprintf("%s/%s/%s", ((struct file_store *)s)->dir, sw, rest);
}

static char *snapshot_path(struct sw_store *s, const char *sw, int64_t epoch)
{
	return bg_xasprintf("%s/%s/snapshots/%lld.json", ((struct file_store *)s)->dir, sw, (long long)epoch);
}

/* The folder of a switch, with its snapshots. */
static int make_dirs(struct sw_store *s, const char *sw, struct bg_err *err)
{
	_cleanup_free_ char *dir = path_of(s, sw, "snapshots");

	return bg_mkdirs(dir, err);
}

static int read_record(struct sw_store *s, const char *sw, char **ret, struct bg_err *err)
{
	_cleanup_free_ char *path = path_of(s, sw, "record.json");
	size_t len;

	return bg_state_read(path, ret, &len, err);
}

/* The revision on disk; 0 when there is none or it is damaged (then it has been moved aside). */
static int stored_revision(struct sw_store *s, const char *sw, int64_t *ret, struct bg_err *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ struct json_object *j = NULL;
	int rc = read_record(s, sw, &text, err);

	*ret = 0;
	if (rc == -ENOENT || rc == -EBADMSG)
		return 0;
	if (rc < 0)
		return rc;
	if (bg_json_parse(text, strlen(text), &j, NULL) == 0)
		*ret = bg_json_int(j, "revision", 0);
	return 0;
}

static int write_record(struct sw_store *s, const char *sw, const char *json, int64_t expect,
			struct bg_err *err)
{
	_cleanup_free_ char *path = path_of(s, sw, "record.json");
	int64_t have;
	int rc;

	if ((rc = make_dirs(s, sw, err)) < 0 || (rc = stored_revision(s, sw, &have, err)) < 0)
		return rc;
	if (have != expect)
		return bg_err_set(err, -ESTALE, "revision_changed",
				  "%s has revision %lld, expected %lld: somebody else has written it", path,
				  (long long)have, (long long)expect);
	return bg_state_write(path, json, strlen(json), err);
}

static int read_snapshot(struct sw_store *s, const char *sw, int64_t epoch, char **ret, struct bg_err *err)
{
	_cleanup_free_ char *path = snapshot_path(s, sw, epoch);
	size_t len;

	return bg_state_read(path, ret, &len, err);
}

static int cmp_i64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static int list_snapshots(struct sw_store *s, const char *sw, int64_t **ret, size_t *ret_n,
			  struct bg_err *err)
{
	_cleanup_free_ char *dir = path_of(s, sw, "snapshots");
	int64_t *v = NULL;
	size_t n = 0, cap = 0;
	struct dirent *e;
	DIR *d = opendir(dir);

	if (!d && errno != ENOENT)
		return bg_err_set(err, -errno, "store", "cannot list %s: %s", dir, strerror(errno));
	while (d && (e = readdir(d))) {
		int64_t epoch;
		char name[32];
		size_t len = strlen(e->d_name);

		if (len < 6 || len > 24 || strcmp(e->d_name + len - 5, ".json") != 0)
			continue;
		bg_strlcpy(name, e->d_name, sizeof(name));
		name[len - 5] = '\0';
		if (bg_parse_int(name, &epoch, NULL) < 0 || epoch < 0)
			continue;
		v = bg_xgrow(v, &cap, n + 1, sizeof(*v));
		v[n++] = epoch;
	}
	if (d)
		closedir(d);
	if (n)
		qsort(v, n, sizeof(*v), cmp_i64);
	*ret = v;
	*ret_n = n;
	return 0;
}

/* The oldest snapshots go when there are more than are kept. */
static void prune_snapshots(struct sw_store *s, const char *sw)
{
	_cleanup_free_ int64_t *v = NULL;
	size_t n = 0;

	if (list_snapshots(s, sw, &v, &n, NULL) < 0)
		return;
	for (size_t i = 0; i + SW_HISTORY_KEPT < n; i++) {
		_cleanup_free_ char *path = snapshot_path(s, sw, v[i]);

		unlink(path);
	}
}

static int write_snapshot(struct sw_store *s, const char *sw, int64_t epoch, const char *json,
			  struct bg_err *err)
{
	_cleanup_free_ char *path = snapshot_path(s, sw, epoch);
	int rc = make_dirs(s, sw, err);

	if (rc < 0 || (rc = bg_state_write(path, json, strlen(json), err)) < 0)
		return rc;
	prune_snapshots(s, sw);
	return 0;
}

static int read_history(struct sw_store *s, const char *sw, struct bg_buf *ret, struct bg_err *err)
{
	_cleanup_free_ char *path = path_of(s, sw, "history.jsonl");
	size_t before = ret->len;
	char chunk[65536];
	size_t got;
	FILE *f = fopen(path, "re");

	if (!f)
		return errno == ENOENT ? 0
				       : bg_err_set(err, -errno, "store", "cannot read %s: %s", path,
						    strerror(errno));
	while ((got = fread(chunk, 1, sizeof(chunk), f)) > 0)
		bg_buf_add(ret, chunk, got);
	fclose(f);
	/* A torn last line (killed while appending) is no line. */
	while (ret->len > before && ret->s[ret->len - 1] != '\n')
		ret->s[--ret->len] = '\0';
	return 0;
}

/* Replace the file by its last SW_HISTORY_KEPT lines, whole (temporary file, fsync, rename). */
static int compact(struct sw_store *s, const char *sw, const char *path, struct bg_err *err)
{
	_cleanup_buf_ struct bg_buf all = {0};
	_cleanup_free_ char *tmp = bg_xasprintf("%s.tmp", path);
	size_t lines = 0;
	int rc = read_history(s, sw, &all, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < all.len; i++)
		lines += all.s[i] == '\n';
	if (lines <= SW_HISTORY_KEPT + SW_HISTORY_KEPT / 10)
		return 0;
	char *p = all.s;
	for (; lines > SW_HISTORY_KEPT; lines--)
		p = strchr(p, '\n') + 1;
	FILE *f = fopen(tmp, "we");
	if (!f || fputs(p, f) < 0 || fflush(f) != 0 || fsync(fileno(f)) < 0 || rename(tmp, path) < 0)
		rc = bg_err_set(err, -errno, "store", "cannot rewrite %s: %s", path, strerror(errno));
	if (f)
		fclose(f);
	return rc;
}

/* A torn last line is ended first, so that it cannot swallow the new one. */
static int append_line(int fd, const char *line)
{
	struct stat st;
	char last = '\n';
	_cleanup_buf_ struct bg_buf b = {0};

	if (fstat(fd, &st) == 0 && st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) != 1)
		return -EIO;
	if (last != '\n')
		bg_buf_puts(&b, "\n");
	bg_buf_puts(&b, line);
	bg_buf_puts(&b, "\n");
	for (size_t done = 0; done < b.len;) {
		ssize_t n = write(fd, b.s + done, b.len - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return fdatasync(fd) < 0 ? -errno : 0;
}

static int append_history(struct sw_store *s, const char *sw, const char *line, struct bg_err *err)
{
	_cleanup_free_ char *path = path_of(s, sw, "history.jsonl");
	int rc = make_dirs(s, sw, err);

	if (rc < 0)
		return rc;
	_cleanup_fd_ int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0)
		return bg_err_set(err, -errno, "store", "cannot open %s: %s", path, strerror(errno));
	if ((rc = append_line(fd, line)) < 0)
		return bg_err_set(err, rc, "store", "cannot append to %s: %s", path, strerror(-rc));
	return compact(s, sw, path, err);
}

static void file_close(struct sw_store *s)
{
	struct file_store *f = (struct file_store *)s;

	if (f->lock_fd >= 0)
		close(f->lock_fd);
	free(f->dir);
	free(f);
}

static const struct sw_store_ops file_ops = {
	.name = "file",
	.read_record = read_record,
	.write_record = write_record,
	.read_snapshot = read_snapshot,
	.write_snapshot = write_snapshot,
	.list_snapshots = list_snapshots,
	.append_history = append_history,
	.read_history = read_history,
	.close = file_close,
};

int sw_store_file_open(const char *dir, struct sw_store **ret, struct bg_err *err)
{
	_cleanup_free_ char *lock = bg_xasprintf("%s/lock", dir);
	int rc = bg_mkdirs(dir, err);

	if (rc < 0)
		return rc;
	int fd = bg_lock_file(lock, err);
	if (fd == -EWOULDBLOCK)
		return bg_err_set(err, fd, "store_locked", "another bg-switchd works on %s: it holds %s", dir,
				  lock);
	if (fd < 0)
		return fd;
	struct file_store *f = bg_xcalloc(1, sizeof(*f));
	f->base.ops = &file_ops;
	f->dir = bg_xstrdup(dir);
	f->lock_fd = fd;
	*ret = &f->base;
	return 0;
}
