/* SPDX-License-Identifier: Apache-2.0 */
/* What every daemon's main has in common, tried on tiny_daemon as a process of its own. */
#include "config.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "common/loop.h"
#include "common/mem.h"

struct proc {
	pid_t pid;
	int out, err;
	struct bg_buf out_text, err_text;
};

static char binary[512], conf[128], folder[64];
static const char *notify_path, *watchdog_usec;

static void child(const char *const *argv, const int *out, const int *err)
{
	char pid[24];

	dup2(out[1], 1);
	dup2(err[1], 2);
	if (notify_path)
		setenv("NOTIFY_SOCKET", notify_path, 1);
	if (watchdog_usec) {
		snprintf(pid, sizeof(pid), "%d", (int)getpid());
		setenv("WATCHDOG_USEC", watchdog_usec, 1);
		setenv("WATCHDOG_PID", pid, 1);
	}
	execv(binary, (char *const *)argv);
	_exit(127);
}

static void start(struct proc *p, const char *const *argv)
{
	int out[2], err[2];

	memset(p, 0, sizeof(*p));
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid == 0)
		child(argv, out, err);
	close(out[1]);
	close(err[1]);
	p->out = out[0];
	p->err = err[0];
	fcntl(p->out, F_SETFL, O_NONBLOCK);
	fcntl(p->err, F_SETFL, O_NONBLOCK);
}

static bool slurp(int fd, struct bg_buf *b)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		bg_buf_add(b, buf, (size_t)n);
	return n == 0;
}

/* Wait until `want` was written to one of both (NULL: until both are closed). */
static bool await(struct proc *p, const char *want, int ms)
{
	int64_t end = bg_now_us() + ms * 1000LL;

	for (;;) {
		struct pollfd fds[] = {{.fd = p->out, .events = POLLIN}, {.fd = p->err, .events = POLLIN}};
		bool closed = slurp(p->out, &p->out_text);

		closed = slurp(p->err, &p->err_text) && closed;

		if (want && ((p->out_text.s && strstr(p->out_text.s, want)) ||
			     (p->err_text.s && strstr(p->err_text.s, want))))
			return true;
		if (closed)
			return !want;
		if (bg_now_us() > end)
			return false;
		poll(fds, 2, 20);
	}
}

/* The exit status, or 1000 + signal. */
static int finish(struct proc *p)
{
	int status;

	if (!await(p, NULL, 8000))
		kill(p->pid, SIGKILL);
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	close(p->out);
	close(p->err);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void done(struct proc *p)
{
	bg_buf_free(&p->out_text);
	bg_buf_free(&p->err_text);
}

#define ARGV(...) ((const char *const[]){binary, __VA_ARGS__, NULL})

/* Run to the end; expects the status, and the texts in either output (NULL: none is asked for). */
static void expect(const char *const *argv, int status, const char *out, const char *err)
{
	struct proc p;
	int got;

	start(&p, argv);
	got = finish(&p);
	if (got != status || (out && (!p.out_text.s || !strstr(p.out_text.s, out))) ||
	    (err && (!p.err_text.s || !strstr(p.err_text.s, err))))
		fail_msg("status %d, wanted %d; out: %s; err: %s", got, status,
			 p.out_text.s ? p.out_text.s : "", p.err_text.s ? p.err_text.s : "");
	done(&p);
}

static void write_conf(const char *text)
{
	unit_write(conf, text, strlen(text));
}

static void test_arguments(void **state)
{
	(void)state;
	write_conf("[tiny]\nname = a\nsecret = geheim\n");
	expect(ARGV("-V"), 0, "tiny-daemon " PACKAGE_VERSION " (librdkafka ", NULL);
	expect(ARGV("--version"), 0, ", libevent ", NULL);
	expect(ARGV("--help"), 0, "--fail", NULL);
	expect(ARGV("--help"), 0, "/nowhere/tiny.ini", NULL);
	expect(ARGV("--help-config"), 0, "tiny\tsize\t", NULL);
	expect(ARGV("--nonsense"), 2, NULL, "nonsense");
	expect(ARGV("-c", conf, "more"), 2, NULL, "unexpected argument: more");
	expect(ARGV("-t", "-c", conf, "-i", "a/b"), 2, NULL, "a/b");
	expect(ARGV("-c"), 2, NULL, NULL);
	expect(ARGV("-t", "-c", conf), 0, "is valid", NULL);
	expect(ARGV("-t", "-c", conf, "-i", "blue-0"), 0, "configuration ", NULL);
	expect(ARGV("-t"), 2, NULL, "/nowhere/tiny.ini");
	expect(ARGV("--dump-config", "-c", conf), 0, "name = a", NULL);
	expect(ARGV("--dump-config", "-c", conf), 0, "(secret)", NULL);
	expect(ARGV("--status", "5"), 5, NULL, NULL);
	write_conf("[tiny]\nnaem = a\nsize = 10\n");
	expect(ARGV("-t", "-c", conf), 2, NULL, ":2:");
	expect(ARGV("-t", "-c", conf), 2, NULL, ":3:");
	write_conf("[tiny]\nname = evil\n");
	expect(ARGV("-t", "-c", conf), 2, NULL, "evil is not allowed");
	expect(ARGV("-c", conf), 2, NULL, "evil is not allowed");
	/* What the start would refuse: it names the line. */
	write_conf("[tiny]\nname = a\n[http]\nlisten = 192.0.2.1:80\n");
	expect(ARGV("-t", "-c", conf), 2, NULL, ":4: [http] listen: 192.0.2.1:80 is not a loopback address");
	write_conf("[tiny]\nname = a\n[http]\nlisten = 8080\n");
	expect(ARGV("-t", "-c", conf), 2, NULL, "a listen address is ADDRESS:PORT");
	write_conf("[tiny]\nname = a\n[http]\nlisten = [::1]:8080\n");
	expect(ARGV("-t", "-c", conf), 0, "is valid", NULL);
}

static void test_modules(void **state)
{
	struct proc p;

	(void)state;
	write_conf("[tiny]\nname = a\n");
	start(&p, ARGV("-c", conf, "-i", "blue-0"));
	assert_true(await(&p, "start second blue-0\n", 5000));
	assert_non_null(strstr(p.out_text.s, "start first a\n"));
	assert_true(await(&p, "started", 5000));
	kill(p.pid, SIGUSR1);
	assert_true(await(&p, "status a\n", 5000));
	kill(p.pid, SIGTERM);
	assert_int_equal(finish(&p), 4);
	assert_non_null(strstr(p.out_text.s, "terminate \nstop second \nstop first \n"));
	done(&p);
	/* A module that fails: those before it are stopped, the reason is said. */
	start(&p, ARGV("-c", conf, "--fail"));
	assert_int_equal(finish(&p), 1);
	assert_non_null(strstr(p.err_text.s, "the second module is told to fail"));
	assert_non_null(strstr(p.out_text.s, "stop first"));
	assert_null(strstr(p.out_text.s, "start second"));
	done(&p);
}

static void test_reload(void **state)
{
	struct proc p;

	(void)state;
	write_conf("[tiny]\nname = a\n[log]\nlevel = info\n");
	start(&p, ARGV("-c", conf));
	assert_true(await(&p, "started", 5000));
	write_conf("[tiny]\nname = b\nsize = 7\n[log]\nlevel = info\n");
	kill(p.pid, SIGHUP);
	assert_true(await(&p, "reload b\n", 5000));
	assert_true(await(&p, "[tiny] size has changed", 5000));
	assert_true(await(&p, "1 keys changed, 1 need a restart", 5000));
	/* Once more without a change: what waits for a restart is still said, what was taken over is not. */
	bg_buf_reset(&p.err_text);
	kill(p.pid, SIGHUP);
	assert_true(await(&p, "0 keys changed, 1 need a restart", 5000));
	/* Bad ones change nothing. */
	bg_buf_reset(&p.err_text);
	bg_buf_reset(&p.out_text);
	write_conf("[tiny]\nname = c\nsize = zehn\n");
	kill(p.pid, SIGHUP);
	assert_true(await(&p, "nothing is changed", 5000));
	assert_true(await(&p, "size", 5000));
	bg_buf_reset(&p.err_text);
	write_conf("[tiny]\nname = evil\n");
	kill(p.pid, SIGHUP);
	assert_true(await(&p, "evil is not allowed", 5000));
	unlink(conf);
	bg_buf_reset(&p.err_text);
	kill(p.pid, SIGHUP);
	assert_true(await(&p, "nothing is changed", 5000));
	assert_true(!p.out_text.s || !strstr(p.out_text.s, "reload"));
	kill(p.pid, SIGINT);
	assert_int_equal(finish(&p), 4);
	done(&p);
}

static void test_terminate_twice(void **state)
{
	struct proc p;

	(void)state;
	write_conf("[tiny]\nname = stay\n");
	start(&p, ARGV("-c", conf));
	assert_true(await(&p, "started", 5000));
	kill(p.pid, SIGTERM);
	assert_true(await(&p, "terminate \n", 5000));
	assert_false(await(&p, "stop first", 100));
	kill(p.pid, SIGTERM);
	assert_int_equal(finish(&p), 0);
	assert_non_null(strstr(p.out_text.s, "stop first"));
	done(&p);
	/* While the modules stop, too. */
	write_conf("[tiny]\nname = slow-stop\n");
	start(&p, ARGV("-c", conf));
	assert_true(await(&p, "started", 5000));
	kill(p.pid, SIGTERM);
	assert_true(await(&p, "stop first", 5000));
	kill(p.pid, SIGTERM);
	assert_int_equal(finish(&p), 1000 + SIGTERM);
	done(&p);
}

static void test_limits(void **state)
{
	struct rlimit old, low;
	struct proc p;
	char path[64], text[4096];
	ssize_t n;
	int fd;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &old);
	low = (struct rlimit){.rlim_cur = 64, .rlim_max = old.rlim_max};
	write_conf("");
	setrlimit(RLIMIT_NOFILE, &low);
	start(&p, ARGV("-c", conf));
	setrlimit(RLIMIT_NOFILE, &old);
	assert_true(await(&p, "started", 5000));
	snprintf(path, sizeof(path), "/proc/%d/limits", (int)p.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_true(n > 0);
	text[n] = '\0';
	assert_null(strstr(text, "Max open files            64 "));
	kill(p.pid, SIGTERM);
	assert_int_equal(finish(&p), 4);
	done(&p);
}

#ifdef HAVE_SYSTEMD
/* Messages of the notify socket, one a line. */
static bool await_notify(int fd, struct bg_buf *all, const char *want, int ms)
{
	int64_t end = bg_now_us() + ms * 1000LL;
	char buf[512];

	for (;;) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		ssize_t n;

		while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
			bg_buf_add(all, buf, (size_t)n);
			bg_buf_puts(all, "\n");
		}
		if (all->s && strstr(all->s, want))
			return true;
		if (bg_now_us() > end)
			return false;
		poll(&pfd, 1, 20);
	}
}

static void test_systemd(void **state)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct bg_buf all = {0};
	struct proc p;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)state;
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/notify", folder);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	notify_path = sun.sun_path;
	watchdog_usec = "300000";
	write_conf("[tiny]\nname = hang\n");
	start(&p, ARGV("-c", conf));
	assert_true(await_notify(fd, &all, "READY=1", 5000));
	assert_true(await_notify(fd, &all, "WATCHDOG=1", 1000));
	/* While a callback hangs, the watchdog is not fed. */
	kill(p.pid, SIGUSR1);
	assert_true(await(&p, "status hang", 1000));
	await_notify(fd, &all, "none", 50);
	bg_buf_reset(&all);
	assert_false(await_notify(fd, &all, "WATCHDOG=1", 600));
	assert_true(await_notify(fd, &all, "WATCHDOG=1", 2000));
	bg_buf_reset(&all);
	kill(p.pid, SIGHUP);
	assert_true(await_notify(fd, &all, "RELOADING=1\nMONOTONIC_USEC=", 2000));
	assert_true(await_notify(fd, &all, "READY=1", 2000));
	kill(p.pid, SIGTERM);
	assert_true(await_notify(fd, &all, "STOPPING=1", 2000));
	assert_int_equal(finish(&p), 4);
	notify_path = watchdog_usec = NULL;
	bg_buf_free(&all);
	done(&p);
	close(fd);
}
#endif

static int group_setup(void **state)
{
	const char *build = getenv("top_builddir");
	ssize_t n;

	if (unit_tmpdir(state))
		return -1;
	bg_strlcpy(folder, *state, sizeof(folder));
	snprintf(conf, sizeof(conf), "%s/tiny.ini", folder);
	if (build) {
		snprintf(binary, sizeof(binary), "%s/tests/unit/tiny_daemon", build);
		return 0;
	}
	n = readlink("/proc/self/exe", binary, sizeof(binary) - 32);
	if (n < 0)
		return -1;
	binary[n] = '\0';
	strcpy(strrchr(binary, '/'), "/tiny_daemon");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments), cmocka_unit_test(test_modules),
		cmocka_unit_test(test_reload),    cmocka_unit_test(test_terminate_twice),
		cmocka_unit_test(test_limits),
#ifdef HAVE_SYSTEMD
		cmocka_unit_test(test_systemd),
#endif
	};

	return cmocka_run_group_tests(tests, group_setup, unit_tmpdir_gone);
}
