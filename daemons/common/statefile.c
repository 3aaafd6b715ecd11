/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "common/statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/mem.h"

#define HEADER_MAX 64
#define FILE_LIMIT (256u << 20) /* a snapshot of a million partitions is 30 MB */

static int fail(struct bg_err *err, int e, const char *what, const char *path)
{
	return bg_err_set(err, -e, "state_file", "%s %s: %s", what, path, strerror(e));
}

static int write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A rename is on disk only when its folder is. */
static int sync_folder(const char *path)
{
	_cleanup_free_ char *copy = bg_xstrdup(path);
	_cleanup_fd_ int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

static int write_temp(const char *tmp, const char *header, size_t hlen, const void *data, size_t len)
{
	_cleanup_fd_ int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	int rc;

	if (fd < 0)
		return -errno;
	rc = write_all(fd, header, hlen);
	if (rc == 0)
		rc = write_all(fd, data, len);
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	return rc;
}

static int format_header(char buf[HEADER_MAX], const void *data, size_t len)
{
	return snprintf(buf, HEADER_MAX, "bg1 crc32c=%08x len=%zu\n", bg_crc32c(0, data, len), len);
}

int bg_state_write(const char *path, const void *data, size_t len, struct bg_err *err)
{
	_cleanup_free_ char *tmp = bg_xasprintf("%s.tmp", path);
	char header[HEADER_MAX];
	int hlen = format_header(header, data, len), rc;

	if (len > FILE_LIMIT - HEADER_MAX)
		return fail(err, EFBIG, "cannot write", path);
	rc = write_temp(tmp, header, (size_t)hlen, data, len);
	if (rc < 0) {
		unlink(tmp);
		return fail(err, -rc, "cannot write", tmp);
	}
	if (rename(tmp, path) < 0) {
		rc = -errno;
		unlink(tmp);
		return fail(err, -rc, "cannot replace", path);
	}
	rc = sync_folder(path);
	return rc < 0 ? fail(err, -rc, "cannot sync the folder of", path) : 0;
}

static int read_all(int fd, struct bg_buf *b)
{
	char chunk[65536];
	ssize_t n;

	for (;;) {
		n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bg_buf_add(b, chunk, (size_t)n);
		if (n == 0 || b->len > FILE_LIMIT)
			return 0;
	}
}

/* Exactly what bg_state_write would write for this payload, byte for byte; else damaged. NULL: whole. */
static const char *find_damage(const struct bg_buf *b, size_t *ret_hlen)
{
	const char *nl = b->len ? memchr(b->s, '\n', BG_MIN(b->len, (size_t)HEADER_MAX)) : NULL;
	char want[HEADER_MAX];
	size_t hlen;

	if (b->len > FILE_LIMIT)
		return "it is too long";
	if (!nl)
		return b->len ? "its first line is not a header" : "it is empty";
	hlen = (size_t)(nl - b->s) + 1;
	if (hlen != (size_t)format_header(want, b->s + hlen, b->len - hlen) || memcmp(b->s, want, hlen))
		return "length or checksum are wrong";
	*ret_hlen = hlen;
	return NULL;
}

static int set_aside(const char *path, const char *why, struct bg_err *err)
{
	_cleanup_free_ char *aside = NULL;
	long long now = (long long)time(NULL);

	for (int i = 0; i < 1000; i++) {
		free(aside);
		aside = i ? bg_xasprintf("%s.damaged-%lld-%d", path, now, i)
			  : bg_xasprintf("%s.damaged-%lld", path, now);
		if (access(aside, F_OK) < 0)
			break;
	}
	if (rename(path, aside) < 0)
		return bg_err_set(err, -EBADMSG, "state_damaged",
				  "state file %s is damaged (%s) and cannot be moved aside: %s", path, why,
				  strerror(errno));
	sync_folder(path);
	return bg_err_set(err, -EBADMSG, "state_damaged", "state file %s is damaged (%s); it was moved to %s",
			  path, why, aside);
}

int bg_state_read(const char *path, char **ret_data, size_t *ret_len, struct bg_err *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_buf_ struct bg_buf b = {0};
	const char *damage;
	size_t hlen = 0;
	int rc;

	if (fd < 0)
		return fail(err, errno, "cannot open state file", path);
	rc = read_all(fd, &b);
	if (rc < 0)
		return fail(err, -rc, "cannot read state file", path);
	damage = find_damage(&b, &hlen);
	if (damage)
		return set_aside(path, damage, err);
	*ret_len = b.len - hlen;
	*ret_data = bg_xmalloc(*ret_len + 1);
	memcpy(*ret_data, b.s + hlen, *ret_len);
	(*ret_data)[*ret_len] = '\0';
	return 0;
}

int bg_mkdirs(const char *path, struct bg_err *err)
{
	_cleanup_free_ char *copy = bg_xstrdup(path);
	struct stat st;

	for (char *p = copy + (*copy == '/');; p++) {
		char was = *p;

		if (was && was != '/')
			continue;
		*p = '\0';
		if (*copy && mkdir(copy, 0750) < 0 && errno != EEXIST &&
		    !(errno == EROFS && stat(copy, &st) == 0))
			return fail(err, errno, "cannot make folder", copy);
		*p = was;
		if (!was)
			break;
	}
	if (stat(path, &st) < 0)
		return fail(err, errno, "cannot make folder", path);
	return S_ISDIR(st.st_mode) ? 0 : fail(err, ENOTDIR, "cannot make folder", path);
}

int bg_lock_file(const char *path, struct bg_err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	char pid[24] = "";
	ssize_t n;

	if (fd < 0)
		return fail(err, errno, "cannot open lock file", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int e = errno;

		n = pread(fd, pid, sizeof(pid) - 1, 0);
		close(fd);
		pid[n > 0 ? n : 0] = '\0';
		pid[strspn(pid, "0123456789")] = '\0';
		if (e != EWOULDBLOCK)
			return fail(err, e, "cannot lock", path);
		return bg_err_set(err, -EWOULDBLOCK, "locked", "%s is held by another process%s%s", path,
				  *pid ? ", pid " : "", pid);
	}
	/* The number is for people only; the lock is what counts. */
	snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, strlen(pid), 0) < 0) {
		int e = errno;

		close(fd);
		return fail(err, e, "cannot write", path);
	}
	return fd;
}
