/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest daemon, for test_daemon.c: it says on standard output what is asked of it. */
#include "config.h"
#include "common/daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "common/mem.h"

struct tiny {
	struct bg_timer *leave;
	bool slow_stop;
};

static bool fail_second;

static void say(const char *what, const char *more)
{
	printf("%s %s\n", what, more);
	fflush(stdout);
}

static void nap(int s)
{
	nanosleep(&(struct timespec){.tv_sec = s}, NULL);
}

static void on_leave(void *arg)
{
	bg_daemon_exit(arg, 4);
}

static int first_start(struct bg_daemon *d, struct bg_err *err)
{
	struct tiny *t = bg_xcalloc(1, sizeof(*t));

	(void)err;
	d->state = t;
	t->leave = bg_timer_new(d->loop, on_leave, d);
	say("start first", bg_conf_str(d->conf, "tiny", "name"));
	return 0;
}

static void first_stop(struct bg_daemon *d)
{
	struct tiny *t = d->state;

	say("stop first", "");
	if (strcmp(bg_conf_str(d->latest ? d->latest : d->conf, "tiny", "name"), "slow-stop") == 0)
		nap(20);
	bg_timer_free(t->leave);
	free(t);
}

static int second_start(struct bg_daemon *d, struct bg_err *err)
{
	(void)d;
	if (fail_second)
		return bg_err_set(err, -EIO, "broken", "the second module is told to fail");
	say("start second", d->instance ? d->instance : "-");
	return 0;
}

static void second_stop(struct bg_daemon *d)
{
	(void)d;
	say("stop second", "");
}

static int check(const struct bg_conf *conf, const char *instance, struct bg_buf *errs)
{
	(void)instance;
	if (strcmp(bg_conf_str(conf, "tiny", "name"), "evil") != 0)
		return 0;
	bg_buf_printf(errs, "%s: evil is not allowed\n", bg_conf_where(conf, "tiny", "name"));
	return -EINVAL;
}

static void reload(struct bg_daemon *d, const struct bg_conf *conf)
{
	(void)d;
	say("reload", bg_conf_str(conf, "tiny", "name"));
}

static void terminate(struct bg_daemon *d)
{
	struct tiny *t = d->state;

	say("terminate", "");
	if (strcmp(bg_conf_str(d->conf, "tiny", "name"), "stay") != 0)
		bg_timer_start(t->leave, 20000);
}

static void status(struct bg_daemon *d)
{
	say("status", bg_conf_str(d->conf, "tiny", "name"));
	if (strcmp(bg_conf_str(d->conf, "tiny", "name"), "hang") == 0)
		nap(1);
}

static int option(struct bg_daemon *d, int opt, const char *arg)
{
	(void)d;
	if (opt == 2001)
		return 1 + atoi(arg);
	fail_second = true;
	return 0;
}

static const struct bg_conf_key keys[] = {
	{"tiny", "name", BG_CONF_STRING, "nobody", 0, 0, NULL, BG_CONF_RELOAD, "a name"},
	{"tiny", "size", BG_CONF_INT, "1", 1, 9, NULL, 0, "a size"},
	{"tiny", "secret", BG_CONF_STRING, NULL, 0, 0, NULL, BG_CONF_SECRET, "a secret"},
	{NULL},
};
static const struct bg_conf_key *const tables[] = {keys, bg_conf_common_table, NULL};
static const struct bg_module modules[] = {
	{"first", first_start, first_stop}, {"second", second_start, second_stop}, {NULL, NULL, NULL}};
static const struct option more[] = {
	{"fail", no_argument, NULL, 2000}, {"status", required_argument, NULL, 2001}, {NULL, 0, NULL, 0}};

int main(int argc, char **argv)
{
	static const struct bg_daemon_spec spec = {
		.name = "tiny-daemon",
		.summary = "says what it does",
		.default_config = "/nowhere/tiny.ini",
		.tables = tables,
		.check = check,
		.modules = modules,
		.reload = reload,
		.terminate = terminate,
		.status = status,
		.more_options = more,
		.option = option,
		.more_help = "      --fail             fail at start\n",
	};

	return bg_daemon_main(&spec, argc, argv);
}
