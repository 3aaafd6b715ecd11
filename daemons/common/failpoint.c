/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "common/failpoint.h"

#ifdef BG_FAILPOINTS
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EXIT_FAILPOINT 99
#define ITEM_MAX       512

static void sleep_ms(long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

static void die(const char *name, int signo)
{
	fprintf(stderr, "failpoint %s: signal %d to myself\n", name, signo);
	raise(signo);
}

static void act(const char *name, const char *action)
{
	int fd;

	if (!strcmp(action, "kill")) {
		die(name, SIGKILL);
	} else if (!strcmp(action, "stop")) {
		die(name, SIGSTOP);
	} else if (!strcmp(action, "exit")) {
		_exit(EXIT_FAILPOINT);
	} else if (!strncmp(action, "sleep:", 6)) {
		sleep_ms(strtol(action + 6, NULL, 10));
	} else if (!strncmp(action, "once-kill:", 10)) {
		fd = open(action + 10, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0)
			return;
		close(fd);
		die(name, SIGKILL);
	} else {
		/* A misspelt action would make a test pass that tests nothing. */
		fprintf(stderr, "failpoint %s: unknown action \"%s\"\n", name, action);
		_exit(EXIT_FAILPOINT + 1);
	}
}

/* "name=action,…", without the heap: a process may end in here, and a leak checker would blame it. */
void bg_failpoint(const char *name)
{
	char item[ITEM_MAX];

	for (const char *p = getenv("BG_FAIL"); p && *p;) {
		size_t n = strcspn(p, ",");
		char *eq;

		snprintf(item, sizeof(item), "%.*s", (int)n, p);
		p += n + (p[n] == ',');
		eq = strchr(item, '=');
		if (!eq)
			continue;
		*eq = '\0';
		if (!strcmp(item, name))
			act(name, eq + 1);
	}
}
#endif
