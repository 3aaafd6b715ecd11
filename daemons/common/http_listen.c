/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets: TCP by numeric address, Unix with mode and group set before anybody can connect. */
#include "config.h"
#include "common/http_internal.h"

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "common/mem.h"

#define BACKLOG 511

/* "1.2.3.4:80", "[::1]:80", "localhost:80", "*:80" into numeric host and port. */
static int split(const char *addr, char *host, size_t size, const char **ret_port, struct bg_err *err)
{
	const char *colon = strrchr(addr, ':');
	size_t len = colon ? (size_t)(colon - addr) : 0;
	size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;

	if (!colon || len == 0 || len >= size || digits == 0 || digits > 5 || colon[1 + digits] ||
	    atoi(colon + 1) > 65535)
		return bg_err_set(
			err, -EINVAL, "bad_address",
			"%s: a listen address is ADDRESS:PORT, such as 127.0.0.1:8080, [::1]:8080 or *:8080",
			addr);
	memcpy(host, addr, len);
	host[len] = '\0';
	if (host[0] == '[' && host[len - 1] == ']') {
		memmove(host, host + 1, len - 2);
		host[len - 2] = '\0';
	} else if (strchr(host, ':')) {
		return bg_err_set(err, -EINVAL, "bad_address",
				  "%s: an IPv6 address is written in brackets, [%s]:%s", addr, host,
				  colon + 1);
	}
	if (strcmp(host, "localhost") == 0)
		bg_strlcpy(host, "127.0.0.1", size);
	else if (strcmp(host, "*") == 0)
		bg_strlcpy(host, "::", size);
	*ret_port = colon + 1;
	return 0;
}

static int open_tcp(const struct addrinfo *ai, const char *addr, struct bg_err *err)
{
	int one = 1, rc;
	_cleanup_fd_ int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
		rc = -errno;
		return bg_err_set(err, rc, "listen_failed", "cannot listen on %s: %s", addr, strerror(-rc));
	}
	rc = fd;
	fd = -1;
	return rc;
}

/* Where addr leads, to be freed; refused is what nobody may listen on. */
static int resolve(const char *addr, bool have_token, struct addrinfo **ret, struct bg_err *err)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	char host[128];
	const char *port = NULL;
	int rc = split(addr, host, sizeof(host), &port, err);

	if (rc < 0)
		return rc;
	if (getaddrinfo(host, port, &hints, ret) != 0)
		return bg_err_set(err, -EINVAL, "bad_address",
				  "%s: %s is not a numeric IPv4 or IPv6 address, localhost or *", addr, host);
	if (have_token || http_is_loopback((*ret)->ai_addr))
		return 0;
	freeaddrinfo(*ret);
	return bg_err_set(err, -EPERM, "token_required",
			  "%s is not a loopback address: listening there needs [http] token-file", addr);
}

int bg_http_listen_check(const char *addr, bool have_token, struct bg_err *err)
{
	struct addrinfo *ai = NULL;
	int rc = resolve(addr, have_token, &ai, err);

	if (rc == 0)
		freeaddrinfo(ai);
	return rc;
}

/* Returns the descriptor, or a negative errno. */
int http_listen_tcp(const char *addr, bool have_token, int *ret_port, bool *ret_loopback, struct bg_err *err)
{
	struct addrinfo *ai = NULL;
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof(ss);
	int rc = resolve(addr, have_token, &ai, err);

	if (rc < 0)
		return rc;
	*ret_loopback = http_is_loopback(ai->ai_addr);
	rc = open_tcp(ai, addr, err);
	freeaddrinfo(ai);
	if (rc < 0)
		return rc;
	getsockname(rc, (struct sockaddr *)&ss, &len);
	*ret_port = ntohs(ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port
						   : ((struct sockaddr_in *)&ss)->sin_port);
	return rc;
}

/* Something is at the path: remove it only when it is a socket that nobody answers at. */
static int remove_stale(const struct sockaddr_un *sun, struct bg_err *err)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;
	int rc;

	if (fd < 0)
		return bg_err_set(err, -errno, "listen_failed", "cannot make a socket: %s", strerror(errno));
	if (lstat(sun->sun_path, &st) < 0 && errno == ENOENT)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return bg_err_set(err, -EEXIST, "listen_failed", "%s exists and is not a socket",
				  sun->sun_path);
	rc = connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0 ? errno : 0;
	if (rc == ENOENT)
		return 0;
	if (rc == EACCES)
		return bg_err_set(err, -EACCES, "listen_failed", "%s exists and may not be touched: %s",
				  sun->sun_path, strerror(rc));
	if (rc != ECONNREFUSED)
		return bg_err_set(err, -EADDRINUSE, "in_use", "%s is in use by another process",
				  sun->sun_path);
	if (unlink(sun->sun_path) < 0 && errno != ENOENT)
		return bg_err_set(err, -errno, "listen_failed", "cannot remove the stale socket %s: %s",
				  sun->sun_path, strerror(errno));
	return 0;
}

/* Nobody but the owner gets in (umask) until group and mode are right. */
static int bind_tight(int fd, const struct sockaddr_un *sun)
{
	mode_t old = umask(0177);
	int rc = bind(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0 ? -errno : 0;

	umask(old);
	return rc;
}

static int set_group(const char *path, const char *group, struct bg_err *err)
{
	struct group *gr;

	if (!group || !*group)
		return 0;
	gr = getgrnam(group);
	if (!gr)
		return bg_err_set(err, -ENOENT, "no_group", "[control] group: there is no group %s", group);
	if (lchown(path, (uid_t)-1, gr->gr_gid) < 0)
		return bg_err_set(err, -errno, "no_group", "cannot give %s to the group %s: %s", path, group,
				  strerror(errno));
	return 0;
}

int http_listen_unix(const char *path, const char *group, dev_t *ret_dev, ino_t *ret_ino, struct bg_err *err)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct stat st;
	int rc;

	if (strlen(path) >= sizeof(sun.sun_path))
		return bg_err_set(err, -ENAMETOOLONG, "path_too_long",
				  "%s: a socket's path may have %zu bytes, this one has %zu", path,
				  sizeof(sun.sun_path) - 1, strlen(path));
	bg_strlcpy(sun.sun_path, path, sizeof(sun.sun_path));
	if (fd < 0)
		return bg_err_set(err, -errno, "listen_failed", "cannot make a socket: %s", strerror(errno));
	rc = bind_tight(fd, &sun);
	if (rc == -EADDRINUSE) {
		rc = remove_stale(&sun, err);
		if (rc < 0)
			return rc;
		rc = bind_tight(fd, &sun);
	}
	if (rc == -ENOENT)
		return bg_err_set(err, rc, "listen_failed", "cannot listen on %s: there is no folder %.*s",
				  path, (int)BG_MAX(strrchr(path, '/') ? strrchr(path, '/') - path : 0, 1),
				  path);
	if (rc < 0)
		return bg_err_set(err, rc, "listen_failed", "cannot listen on %s: %s", path, strerror(-rc));
	rc = set_group(path, group, err);
	if (rc == 0 && (chmod(path, 0660) < 0 || listen(fd, BACKLOG) < 0 || lstat(path, &st) < 0))
		rc = bg_err_set(err, -errno, "listen_failed", "cannot listen on %s: %s", path,
				strerror(errno));
	if (rc < 0) {
		unlink(path);
		return rc;
	}
	*ret_dev = st.st_dev;
	*ret_ino = st.st_ino;
	rc = fd;
	fd = -1;
	return rc;
}
