/* SPDX-License-Identifier: Apache-2.0 */
/* The child of the tests over exec_world.h: one program, each of its habits a mode. */
#include "config.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "exec_program.h"

static char line[1 << 20];

static unsigned long long number(void)
{
	unsigned long long n = 0;

	if (sscanf(line, "{\"n\":%llu", &n) != 1)
		exit(90);
	return n;
}

static long long offset(void)
{
	const char *at = strstr(line, "\"offset\":");

	return at ? atoll(at + 9) : -1;
}

__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	fflush(stdout);
}

static int echo(void)
{
	while (fgets(line, sizeof line, stdin))
		say("{\"n\":%llu,\"ok\":true}\n", number());
	return 0;
}

/* A fault that happens once: the file remembers. */
static int once(const char *file)
{
	int fd = open(file, O_CREAT | O_EXCL | O_WRONLY, 0600);

	if (fd < 0)
		return 0;
	close(fd);
	return 1;
}

static void wait_for(const char *file)
{
	while (access(file, F_OK))
		usleep(1000);
}

/* Answers some, then behaves as told. */
static void some(int n)
{
	while (n-- && fgets(line, sizeof line, stdin))
		say("{\"n\":%llu,\"ok\":true}\n", number());
}

static int batch(void)
{
	unsigned long long first = 0, last = 0;

	while (fgets(line, sizeof line, stdin)) {
		last = number();
		first = first ? first : last;
		if (last % 100)
			continue;
		say("{\"n\": [%llu, %llu], \"ok\": true}\n", first, last);
		first = 0;
	}
	if (first)
		say("{\"n\":[%llu,%llu],\"ok\":true}\n", first, last);
	return 0;
}

/* As most languages do when standard output is a pipe: what is said stays in a buffer. */
static int unflushed(void)
{
	while (fgets(line, sizeof line, stdin))
		printf("{\"n\":%llu,\"ok\":true}\n", number());
	return 0;
}

static int backwards(void)
{
	unsigned long long n[10];
	int k = 0;

	while (fgets(line, sizeof line, stdin)) {
		n[k++] = number();
		if (k < 10)
			continue;
		while (k)
			say("{\"n\":%llu,\"ok\":true}\n", n[--k]);
	}
	return 0;
}

static int raw(void)
{
	static unsigned char frame[1 << 20];
	uint32_t len;

	while (fread(&len, 4, 1, stdin) == 1) {
		unsigned char answer[21] = {0, 0, 0, 17};

		len = be32toh(len);
		if (len > sizeof frame || fread(frame, len, 1, stdin) != 1)
			return 91;
		memcpy(answer + 4, frame, 8);
		memcpy(answer + 12, frame, 8);
		fwrite(answer, sizeof answer, 1, stdout);
		fflush(stdout);
	}
	return 0;
}

/* What it was given at birth: 0 when all is right. */
static int birth(void)
{
	struct sigaction sa;
	sigset_t mask;
	const char *instance = getenv("BG_INSTANCE"), *mine = getenv("MINE");

	if (!instance || strcmp(instance, "blue-0") || !mine || strcmp(mine, "a=b c"))
		return 1;
	if (getpgrp() != getpid())
		return 2;
	for (int fd = 3; fd < 256; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return 3;
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFL) & O_NONBLOCK)
			return 4;
	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int s = 1; s < 32; s++)
		if (sigismember(&mask, s))
			return 5;
	if (sigaction(SIGPIPE, NULL, &sa) || sa.sa_handler != SIG_DFL)
		return 6;
	return 0;
}

/* The offsets that it sees, into a file. */
static int note(const char *file)
{
	while (fgets(line, sizeof line, stdin)) {
		FILE *f = fopen(file, "a");

		if (!f)
			return 92;
		fprintf(f, "%lld\n", offset());
		fclose(f);
		if (offset() == 5 && once(getenv("ONCE")))
			kill(getpid(), SIGKILL);
		say("{\"n\":%llu,\"ok\":true}\n", number());
	}
	return 0;
}

static void sleep_on(void)
{
	for (;;)
		pause();
}

static int with_errors(const char *retry)
{
	while (fgets(line, sizeof line, stdin)) {
		if (offset() == 3 && once(getenv("ONCE")))
			say("{\"n\":%llu,\"ok\":false,\"error\":\"no luck\"%s}\n", number(), retry);
		else
			say("{\"n\":%llu,\"ok\":true}\n", number());
	}
	return 0;
}

static int wrong(const char *mode)
{
	if (!once(getenv("ONCE")))
		return echo();
	some(3);
	if (!strcmp(mode, "json"))
		say("{\"n\":1,\"ok\":maybe}\n");
	else if (!strcmp(mode, "never-given"))
		say("{\"n\":[1,1000000],\"ok\":true}\n");
	else if (!strcmp(mode, "too-early"))
		say("{\"n\":[4,%d],\"ok\":true}\n", atoi(getenv("AHEAD")));
	else if (!strcmp(mode, "die"))
		return 3;
	else if (!strcmp(mode, "close-out"))
		close(1);
	else if (!strcmp(mode, "close-in"))
		close(0);
	else if (!strcmp(mode, "endless"))
		for (;;)
			say("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	else if (!strcmp(mode, "torn"))
		say("{\"n\":4,\"o"), exit(0);
	sleep_on();
	return 0;
}

/* Answers all but the records with offset 2, which it keeps. */
static int keep_one(void)
{
	while (fgets(line, sizeof line, stdin))
		if (offset() != 2)
			say("{\"n\":%llu,\"ok\":true}\n", number());
	return 0;
}

static int stubborn(void)
{
	signal(SIGTERM, SIG_IGN);
	some(1);
	sleep_on();
	return 0;
}

static int family(const char *file)
{
	pid_t pid = fork();

	if (!pid)
		sleep_on();
	if (once(file)) {
		FILE *f = fopen(file, "w");

		if (!f)
			return 93;
		fprintf(f, "%d\n", (int)pid);
		fclose(f);
	}
	some(1);
	return 0;
}

/*
 * Anything that is allowed, by dice: answers in any order, again, in error, late, in pieces; or it dies. What it says to
 * be done it has written down before, "PARTITION OFFSET" a line: more than that nobody may believe to be done.
 */
struct todo {
	unsigned long long n;
	int partition;
	long long offset;
};

static void mad_answer(int fd, const struct todo *t)
{
	char text[128];
	int len, r = rand() % 1000;

	if (r == 0)
		exit(5);
	if (r < 10) {
		say("{\"n\":%llu,\"ok\":false,\"error\":\"dice\"}\n", t->n);
		return;
	}
	len = snprintf(text, sizeof text, "%d %lld\n", t->partition, t->offset);
	if (write(fd, text, (size_t)len) != len)
		exit(94);
	for (int i = 0; i < (r < 15 ? 2 : 1); i++)
		say("{\"n\":%llu,\"ok\":true}\n", t->n);
	if (r > 995)
		usleep(20000);
}

static int mad(const char *file)
{
	static struct todo todo[1 << 16];
	int n = 0, fd = open(file, O_CREAT | O_APPEND | O_WRONLY, 0600);
	struct pollfd p = {.fd = 0, .events = POLLIN};
	size_t len = 0;
	ssize_t got = 1;

	srand((unsigned)getpid());
	while (got > 0 || n) {
		char *at = line, *nl;

		if (poll(&p, 1, n ? 0 : 100) > 0 && got > 0) {
			got = read(0, line + len, sizeof line - len);
			len += got > 0 ? (size_t)got : 0;
		}
		for (; (nl = memchr(at, '\n', len - (size_t)(at - line))); at = nl + 1) {
			*nl = '\0';
			todo[n].partition = atoi(strstr(at, "\"partition\":") + 12);
			todo[n].offset = atoll(strstr(at, "\"offset\":") + 9);
			todo[n++].n = strtoull(strchr(at, ':') + 1, NULL, 10);
		}
		len -= (size_t)(at - line);
		memmove(line, at, len);
		for (int i = n ? rand() % n + 1 : 0; i; i--) {
			int k = rand() % n;

			mad_answer(fd, &todo[k]);
			todo[k] = todo[--n];
		}
	}
	return 0;
}

int exec_program(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[2] : "", *more = argc > 3 ? argv[3] : "";
	int rc;

	if (!strcmp(mode, "echo"))
		return echo();
	if (!strcmp(mode, "later")) {
		wait_for(more);
		return echo();
	}
	if (!strcmp(mode, "batch"))
		return batch();
	if (!strcmp(mode, "unflushed"))
		return unflushed();
	if (!strcmp(mode, "backwards"))
		return backwards();
	if (!strcmp(mode, "raw"))
		return raw();
	if (!strcmp(mode, "note"))
		return note(more);
	if (!strcmp(mode, "wrong"))
		return wrong(more);
	if (!strcmp(mode, "mad"))
		return mad(more);
	if (!strcmp(mode, "retry"))
		return with_errors("");
	if (!strcmp(mode, "refuse"))
		return with_errors(",\"retry\":false");
	if (!strcmp(mode, "keep-one"))
		return keep_one();
	if (!strcmp(mode, "stubborn"))
		return stubborn();
	if (!strcmp(mode, "family"))
		return family(more);
	if (!strcmp(mode, "deaf"))
		sleep_on();
	if (!strcmp(mode, "birth")) {
		rc = birth();
		return rc ? rc : echo();
	}
	if (!strcmp(mode, "chatty")) {
		for (int i = 0; i < 100000; i++)
			fprintf(stderr, "line %d\n", i);
		say("hello, this is no answer\n");
		while (fgets(line, sizeof line, stdin))
			say("{\"n\":%llu,\"ok\":true}\n{\"n\":%llu,\"ok\":true}\n", number(), number());
		return 0;
	}
	return 0; /* "end": at once */
}
