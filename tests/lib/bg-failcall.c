/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into a daemon (LD_PRELOAD) by tests/lib/failcalls.sh: lets one call of the C library fail, once or a few times.
 * Counted and failed are calls from the program itself, libevent and libcurl (they call for us); never librdkafka's.
 *
 *   BG_FAILCALL=NAME:N:ERRNO[:TIMES]   the N-th call of NAME fails with ERRNO (a number), and those after it, TIMES in all
 *   BG_FAILCALL_LOG=PATH               what was failed, as it fails; at the end one line `count NAME N` for each name
 *
 * A failed close closes all the same, as on Linux.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* One list, which clang-format would make a staircase of. */
/* clang-format off */
#define NAMES(X) \
	X(open) X(fopen) X(read) X(pread) X(write) X(pwrite) X(writev) X(fsync) X(fdatasync) \
	X(rename) X(mkdir) X(flock) X(fstat) X(ftruncate) X(close) X(socket) X(socketpair) X(bind) \
	X(listen) X(accept4) X(connect) X(setsockopt) X(send) X(recv) X(epoll_create1) X(epoll_ctl) \
	X(eventfd) X(timerfd_create) X(pipe2) X(getrandom) X(pthread_create) X(fork) X(posix_spawn) \
	X(getrlimit)
/* clang-format on */

enum call {
#define AS_ENUM(name) CALL_##name,
	NAMES(AS_ENUM) CALLS
};
static const char *const names[] = {
#define AS_NAME(name) #name,
	NAMES(AS_NAME)};

#define RANGES 16
static struct {
	uintptr_t lo, hi;
} ours[RANGES];
static size_t n_ours, n_program; /* the program's own come first */
static atomic_int counts[CALLS];
static enum call fail_call = CALLS;
static int fail_from, fail_errno, fail_times;
static const char *log_path;

static int find_ours(struct dl_phdr_info *info, size_t size, void *arg)
{
	const char *name = info->dlpi_name;
	bool is_ours = !*name || strstr(name, "/libevent") || strstr(name, "/libcurl");

	(void)size;
	(void)arg;
	for (int i = 0; is_ours && i < info->dlpi_phnum && n_ours < RANGES; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type != PT_LOAD || !(p->p_flags & PF_X))
			continue;
		ours[n_ours].lo = info->dlpi_addr + p->p_vaddr;
		ours[n_ours].hi = ours[n_ours].lo + p->p_memsz;
		n_ours++;
	}
	if (!*name)
		n_program = n_ours;
	return 0;
}

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	char line[128];
	va_list ap;
	long fd;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	/* Past our own wrappers. */
	fd = log_path ? syscall(SYS_openat, AT_FDCWD, log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
				0644)
		      : -1;
	if (fd < 0)
		return;
	if (syscall(SYS_write, fd, line, (size_t)n) != n)
		abort();
	syscall(SYS_close, fd);
}

__attribute__((constructor)) static void begin(void)
{
	const char *what = getenv("BG_FAILCALL");
	char name[32];

	log_path = getenv("BG_FAILCALL_LOG");
	dl_iterate_phdr(find_ours, NULL);
	fail_times = 1;
	if (!what || sscanf(what, "%31[a-z0-9_]:%d:%d:%d", name, &fail_from, &fail_errno, &fail_times) < 3)
		return;
	for (int i = 0; i < CALLS; i++)
		if (strcmp(names[i], name) == 0)
			fail_call = (enum call)i;
}

__attribute__((destructor)) static void end(void)
{
	for (int i = 0; i < CALLS; i++)
		if (counts[i])
			say("count %s %d\n", names[i], counts[i]);
}

/* Is this call to fail? Then errno is set. */
static bool fails(enum call c, const void *caller)
{
	uintptr_t at = (uintptr_t)caller;
	bool is_ours = false;
	/* libevent writes to wake itself only: a pipe that never fails, and it tells nobody when it does. */
	size_t known = c == CALL_write ? n_program : n_ours;
	int n;

	for (size_t i = 0; i < known; i++)
		is_ours = is_ours || (at >= ours[i].lo && at < ours[i].hi);
	if (!is_ours)
		return false;
	n = atomic_fetch_add(&counts[c], 1) + 1;
	if (c != fail_call || n < fail_from || n >= fail_from + fail_times)
		return false;
	say("failed %s %d\n", names[c], n);
	errno = fail_errno;
	return true;
}

#define REAL(name)                                                                                           \
	static __typeof__(&name) real;                                                                       \
	if (!real)                                                                                           \
		real = (__typeof__(&name))dlsym(RTLD_NEXT, #name);

#define WRAP(ret, name, call, bad, params, args)                                                             \
	ret name params                                                                                      \
	{                                                                                                    \
		REAL(name)                                                                                   \
		return fails(CALL_##call, __builtin_return_address(0)) ? bad : real args;                    \
	}

static mode_t mode_of(int flags, va_list ap)
{
	return flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0;
}

#define WRAP_OPEN(name)                                                                                      \
	int name(const char *path, int flags, ...)                                                           \
	{                                                                                                    \
		va_list ap;                                                                                  \
		mode_t mode;                                                                                 \
		REAL(name)                                                                                   \
		va_start(ap, flags);                                                                         \
		mode = mode_of(flags, ap);                                                                   \
		va_end(ap);                                                                                  \
		return fails(CALL_open, __builtin_return_address(0)) ? -1 : real(path, flags, mode);         \
	}

WRAP_OPEN(open)
WRAP_OPEN(open64)
WRAP(FILE *, fopen, fopen, NULL, (const char *path, const char *mode), (path, mode))
WRAP(FILE *, fopen64, fopen, NULL, (const char *path, const char *mode), (path, mode))
WRAP(ssize_t, read, read, -1, (int fd, void *b, size_t n), (fd, b, n))
WRAP(ssize_t, pread, pread, -1, (int fd, void *b, size_t n, off_t at), (fd, b, n, at))
WRAP(ssize_t, write, write, -1, (int fd, const void *b, size_t n), (fd, b, n))
WRAP(ssize_t, pwrite, pwrite, -1, (int fd, const void *b, size_t n, off_t at), (fd, b, n, at))
WRAP(ssize_t, writev, writev, -1, (int fd, const struct iovec *v, int n), (fd, v, n))
WRAP(int, fsync, fsync, -1, (int fd), (fd))
WRAP(int, fdatasync, fdatasync, -1, (int fd), (fd))
WRAP(int, rename, rename, -1, (const char *a, const char *b), (a, b))
WRAP(int, mkdir, mkdir, -1, (const char *p, mode_t m), (p, m))
WRAP(int, flock, flock, -1, (int fd, int op), (fd, op))
WRAP(int, fstat, fstat, -1, (int fd, struct stat *st), (fd, st))
WRAP(int, ftruncate, ftruncate, -1, (int fd, off_t n), (fd, n))
WRAP(int, socket, socket, -1, (int d, int t, int p), (d, t, p))
WRAP(int, socketpair, socketpair, -1, (int d, int t, int p, int sv[2]), (d, t, p, sv))
WRAP(int, bind, bind, -1, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))
WRAP(int, listen, listen, -1, (int fd, int n), (fd, n))
WRAP(int, accept4, accept4, -1, (int fd, struct sockaddr *a, socklen_t *n, int f), (fd, a, n, f))
WRAP(int, connect, connect, -1, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))
WRAP(int, setsockopt, setsockopt, -1, (int fd, int l, int o, const void *v, socklen_t n), (fd, l, o, v, n))
WRAP(ssize_t, send, send, -1, (int fd, const void *b, size_t n, int f), (fd, b, n, f))
WRAP(ssize_t, recv, recv, -1, (int fd, void *b, size_t n, int f), (fd, b, n, f))
WRAP(int, epoll_create1, epoll_create1, -1, (int f), (f))
WRAP(int, epoll_ctl, epoll_ctl, -1, (int e, int op, int fd, struct epoll_event *v), (e, op, fd, v))
int eventfd(unsigned n, int f);
WRAP(int, eventfd, eventfd, -1, (unsigned n, int f), (n, f))
int timerfd_create(int clock, int f);
WRAP(int, timerfd_create, timerfd_create, -1, (int clock, int f), (clock, f))
WRAP(int, pipe2, pipe2, -1, (int p[2], int f), (p, f))
WRAP(ssize_t, getrandom, getrandom, -1, (void *b, size_t n, unsigned f), (b, n, f))
WRAP(pid_t, fork, fork, -1, (void), ())
struct rlimit;
int getrlimit(int what, struct rlimit *r);
WRAP(int, getrlimit, getrlimit, -1, (int what, struct rlimit *r), (what, r))

/* These two give the error itself. */
WRAP(int, pthread_create, pthread_create, fail_errno,
     (pthread_t * t, const pthread_attr_t *a, void *(*fn)(void *), void *arg), (t, a, fn, arg))
struct posix_spawn_file_actions;
struct posix_spawnattr;
int posix_spawn(pid_t *pid, const char *path, const void *fa, const void *attr, char *const argv[],
		char *const envp[]);
WRAP(int, posix_spawn, posix_spawn, fail_errno,
     (pid_t * pid, const char *path, const void *fa, const void *attr, char *const argv[],
      char *const envp[]),
     (pid, path, fa, attr, argv, envp))

int close(int fd)
{
	REAL(close)
	bool bad = fails(CALL_close, __builtin_return_address(0));
	int rc = real(fd);

	if (!bad)
		return rc;
	errno = fail_errno;
	return -1;
}
