/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/exec_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define READ_SIZE  (256 * 1024)
#define READ_TURNS 16            /* reads in one turn: the loop stays responsive */
#define PIPE_SIZE  (1024 * 1024) /* asked for; what the kernel allows is taken */
#define WAIT_MS    1000

/* One a process: a daemon has one handler. */
static struct exec_child *the_child;

static void reap(struct exec_child *ch);

static void on_sigchld(int signo, void *arg)
{
	(void)signo;
	(void)arg;
	if (the_child)
		reap(the_child);
}

void exec_child_init(struct exec_child *ch)
{
	ch->in = ch->out = ch->err = ch->failure = -1;
	ch->pid = 0;
	ch->buf = bg_xmalloc(READ_SIZE);
	the_child = ch;
	bg_loop_signal(ch->loop, SIGCHLD, on_sigchld, NULL);
}

static void shut(int *fd, struct bg_watch **w)
{
	if (w) {
		bg_watch_free(*w);
		*w = NULL;
	}
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void shut_all(struct exec_child *ch)
{
	shut(&ch->in, &ch->w_in);
	shut(&ch->out, &ch->w_out);
	shut(&ch->err, &ch->w_err);
	shut(&ch->failure, &ch->w_failure);
}

/* ---- reading ---- */

typedef void (*tell_fn)(void *arg, const char *data, size_t len);

/* False: nothing more for now, or the stream is closed. `told` may have stopped the child. */
static bool read_once(struct exec_child *ch, int *fd, struct bg_watch **w, tell_fn tell)
{
	ssize_t n = *fd < 0 ? -1 : read(*fd, ch->buf, READ_SIZE);

	if (*fd < 0 || (n < 0 && errno == EAGAIN))
		return false;
	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0) {
		shut(fd, w);
		tell(ch->arg, NULL, 0);
		return false;
	}
	tell(ch->arg, ch->buf, (size_t)n);
	return true;
}

static void on_out(void *arg)
{
	struct exec_child *ch = arg;

	for (int i = 0; i < READ_TURNS && read_once(ch, &ch->out, &ch->w_out, ch->on_out); i++)
		;
}

static void on_err(void *arg)
{
	struct exec_child *ch = arg;

	for (int i = 0; i < READ_TURNS && read_once(ch, &ch->err, &ch->w_err, ch->on_err); i++)
		;
}

void exec_child_read_out(struct exec_child *ch)
{
	on_out(ch);
}

/* ---- the end ---- */

static void describe(char *buf, size_t size, const siginfo_t *si, int failed_errno)
{
	if (failed_errno)
		snprintf(buf, size, "cannot be run: %s", strerror(failed_errno));
	else if (si->si_code == CLD_EXITED)
		snprintf(buf, size, "ended with status %d", si->si_status);
	else
		snprintf(buf, size, "was ended by signal %d (%s)", si->si_status, strsignal(si->si_status));
}

/* The pipe of failure: an errno, or closed by an exec that succeeded. */
static void on_failure(void *arg)
{
	struct exec_child *ch = arg;
	int code;
	ssize_t n = ch->failure < 0 ? -1 : read(ch->failure, &code, sizeof code);

	if (n < 0)
		return;
	shut(&ch->failure, &ch->w_failure);
	if (n == sizeof code) {
		ch->code = code;
		return;
	}
	ch->ready = true;
	ch->on_ready(ch->arg);
}

/*
 * The process has ended. It stays a zombie while its group is cleared, so that its number, which is the group's too,
 * cannot be anybody else's yet. What it wrote before it ended counts; what its own children still write does not.
 */
static void reap(struct exec_child *ch)
{
	siginfo_t si = {0};
	char how[256];

	if (!ch->pid || waitid(P_PID, (id_t)ch->pid, &si, WEXITED | WNOHANG | WNOWAIT) || !si.si_pid)
		return;
	on_failure(ch);
	kill(-ch->pid, SIGKILL);
	for (int i = 0; i < 4 * READ_TURNS && read_once(ch, &ch->out, &ch->w_out, ch->on_out); i++)
		;
	on_err(ch);
	while (waitpid(ch->pid, NULL, 0) < 0 && errno == EINTR)
		;
	ch->pid = 0;
	shut_all(ch);
	describe(how, sizeof how, &si, ch->code);
	ch->on_end(ch->arg, ch->code != 0, how);
}

void exec_child_signal(struct exec_child *ch, int signo)
{
	if (ch->pid)
		kill(-ch->pid, signo);
}

void exec_child_free(struct exec_child *ch)
{
	if (ch->pid) {
		kill(-ch->pid, SIGKILL);
		for (int ms = 0; ms < WAIT_MS && !waitpid(ch->pid, NULL, WNOHANG); ms += 5)
			poll(NULL, 0, 5);
		ch->pid = 0;
	}
	shut_all(ch);
	free(ch->buf);
	ch->buf = NULL;
	the_child = NULL;
}

/* ---- the start ---- */

struct ends {
	int in[2], out[2], err[2], failure[2];
};

static void close_ends(struct ends *e)
{
	int *all = e->in;

	for (size_t i = 0; i < sizeof *e / sizeof(int); i++)
		if (all[i] >= 0)
			close(all[i]);
}

static int make_ends(struct ends *e)
{
	int *pipes[] = {e->in, e->out, e->err, e->failure};

	memset(e, -1, sizeof *e);
	for (size_t i = 0; i < BG_ARRAY_SIZE(pipes); i++)
		if (pipe2(pipes[i], O_CLOEXEC)) {
			int rc = -errno;

			close_ends(e);
			return rc;
		}
	/* A daemon that was started without its standard streams: those numbers are for the child. */
	for (int *fd = e->in; fd < e->failure + 2; fd++) {
		int low = *fd;

		if (low > 2)
			continue;
		*fd = fcntl(low, F_DUPFD_CLOEXEC, 3);
		close(low);
	}
	/* Ours do not block; the child's do, as a program expects. */
	fcntl(e->in[1], F_SETFL, O_NONBLOCK);
	fcntl(e->out[0], F_SETFL, O_NONBLOCK);
	fcntl(e->err[0], F_SETFL, O_NONBLOCK);
	fcntl(e->failure[0], F_SETFL, O_NONBLOCK);
	fcntl(e->in[1], F_SETPIPE_SZ, PIPE_SIZE);
	fcntl(e->out[0], F_SETPIPE_SZ, PIPE_SIZE);
	return 0;
}

/* In the new process, between fork and exec: async-signal-safe calls only. */
__attribute__((noreturn)) static void run(const struct exec_command *cmd, const struct ends *e, pid_t parent)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;
	int code;

	/* Who would take up our records does not know of it: it goes when we go. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	setpgid(0, 0);
	for (int s = 1; s < NSIG; s++)
		sigaction(s, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(e->in[0], 0) == 0 && dup2(e->out[1], 1) == 1 && dup2(e->err[1], 2) == 2 &&
	    (!cmd->directory || !chdir(cmd->directory))) {
#ifdef CLOSE_RANGE_CLOEXEC
		close_range(3, ~0U, CLOSE_RANGE_CLOEXEC); /* whatever a library has left open */
#endif
		execve(cmd->path, cmd->argv, cmd->envp);
	}
	code = errno;
	if (write(e->failure[1], &code, sizeof code) < 0)
		_exit(126);
	_exit(127);
}

static void on_writable(void *arg)
{
	struct exec_child *ch = arg;

	bg_watch_enable(ch->w_in, false);
	ch->on_room(ch->arg);
}

int exec_child_start(struct exec_child *ch, const struct exec_command *cmd, struct bg_err *err)
{
	struct ends e;
	sigset_t all, old;
	pid_t pid, self = getpid();
	int rc = make_ends(&e);

	if (rc)
		return bg_err_set(err, rc, "exec", "no pipes for %s: %s", cmd->path, strerror(-rc));
	/* No handler of ours may run in the child before it has reset them. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (!pid)
		run(cmd, &e, self);
	rc = pid < 0 ? -errno : 0;
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid < 0) {
		close_ends(&e);
		return bg_err_set(err, rc, "exec", "no process for %s: %s", cmd->path, strerror(-rc));
	}
	setpgid(pid, pid); /* here too: a signal to the group may come before it has done so itself */
	close(e.in[0]);
	close(e.out[1]);
	close(e.err[1]);
	close(e.failure[1]);
	ch->pid = pid;
	ch->in = e.in[1];
	ch->out = e.out[0];
	ch->err = e.err[0];
	ch->failure = e.failure[0];
	ch->started_us = bg_now_us();
	ch->code = 0;
	ch->ready = false;
	ch->w_failure = bg_watch_read(ch->loop, ch->failure, on_failure, ch);
	ch->w_in = bg_watch_write(ch->loop, ch->in, on_writable, ch);
	bg_watch_enable(ch->w_in, false);
	ch->w_out = bg_watch_read(ch->loop, ch->out, on_out, ch);
	ch->w_err = bg_watch_read(ch->loop, ch->err, on_err, ch);
	return 0;
}

ssize_t exec_child_write(struct exec_child *ch, const void *data, size_t len)
{
	ssize_t n;

	if (ch->in < 0)
		return -EPIPE;
	do
		n = write(ch->in, data, len);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	if (errno != EAGAIN) {
		shut(&ch->in, &ch->w_in);
		return -EPIPE;
	}
	bg_watch_enable(ch->w_in, true);
	return 0;
}

bool exec_child_deaf(const struct exec_child *ch)
{
	struct pollfd p = {.fd = ch->in};

	return ch->in < 0 || (poll(&p, 1, 0) == 1 && p.revents & POLLERR);
}

void exec_child_close_in(struct exec_child *ch)
{
	shut(&ch->in, &ch->w_in);
}
