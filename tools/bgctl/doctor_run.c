/* SPDX-License-Identifier: Apache-2.0 */
/* Other programs, asked what they know: the daemons judge their own configuration. */
#include "config.h"
#include "bgctl/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAID_MAX ((size_t)64 * 1024)

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void become(char *const *argv, int out)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(127);
	execv(argv[0], argv);
	_exit(127);
}

/* Until it closes its outputs. False: the time is over. */
static bool listen_to(int fd, int64_t until_ms, struct bg_buf *out)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = until_ms - now_ms();
		char buf[4096];
		ssize_t n;

		if (left <= 0)
			return false;
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		n = read(fd, buf, sizeof(buf));
		if (n <= 0)
			return true;
		if (out->len < SAID_MAX)
			bg_buf_add(out, buf, BG_MIN((size_t)n, SAID_MAX - out->len));
	}
}

int doc_run(char *const *argv, int timeout_ms, struct bg_buf *out)
{
	int fds[2], status = 0;
	bool ended;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		become(argv, fds[1]);
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return -1;
	}
	ended = listen_to(fds[0], now_ms() + timeout_ms, out);
	close(fds[0]);
	if (!ended)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!ended)
		return -2;
	if (!WIFEXITED(status) || WEXITSTATUS(status) == 127)
		return -1;
	return WEXITSTATUS(status);
}

char *doc_program(const char *name)
{
	static const char *const places[] = {"/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin"};
	char self[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		if (slash)
			*slash = '\0';
		for (int up = 0; up < 2; up++) {
			char *path = bg_xasprintf("%s%s/bg-%s", self, up ? "/../sbin" : "", name);

			if (access(path, X_OK) == 0)
				return path;
			free(path);
		}
	}
	for (size_t i = 0; i < BG_ARRAY_SIZE(places); i++) {
		char *path = bg_xasprintf("%s/bg-%s", places[i], name);

		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

char *doc_value(const struct bg_buf *dump, const char *section, const char *key)
{
	const char *p = dump->s;
	size_t sl = strlen(section), kl = strlen(key);
	bool inside = false;

	while (p && *p) {
		const char *end = strchrnul(p, '\n');

		if (*p == '[')
			inside = strncmp(p + 1, section, sl) == 0 && p[1 + sl] == ']';
		else if (inside && strncmp(p, key, kl) == 0 && strncmp(p + kl, " = ", 3) == 0)
			return bg_xstrndup(p + kl + 3, (size_t)(end - p) - kl - 3);
		p = *end ? end + 1 : end;
	}
	return NULL;
}
