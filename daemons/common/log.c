/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "common/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/units.h"

#define CTX_MAX 8
#define MSG_MAX 4096 /* longer messages are cut: a log line is for people */

static const char *const level_names[] = {"error", "warn", "notice", "info", "debug"};
static const int level_prio[] = {3, 4, 5, 6, 7};

struct ctx {
	char key[24], value[96];
};

static struct {
	pthread_mutex_t lock;
	char daemon[32];
	bool json, journal;
	enum bg_level level;
	struct ctx ctx[CTX_MAX];
	size_t nctx;
} g = {.lock = PTHREAD_MUTEX_INITIALIZER, .daemon = "bg", .level = BG_INFO};

/* systemd says in $JOURNAL_STREAM which device and inode its journal socket is. */
static bool stderr_is_journal(void)
{
	const char *env = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return env && sscanf(env, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
	       st.st_dev == (dev_t)dev && st.st_ino == (ino_t)ino;
}

void bg_log_init(const char *daemon, const char *format, enum bg_level level)
{
	bool journal = stderr_is_journal();

	pthread_mutex_lock(&g.lock);
	bg_strlcpy(g.daemon, daemon, sizeof(g.daemon));
	g.json = format && !strcmp(format, "json");
	g.journal = journal;
	g.level = level;
	pthread_mutex_unlock(&g.lock);
}

enum bg_level bg_log_level_parse(const char *name)
{
	for (int i = BG_ERROR; name && i <= BG_DEBUG; i++)
		if (!strcmp(name, level_names[i]))
			return (enum bg_level)i;
	return BG_INFO;
}

void bg_log_ctx(const char *key, const char *value)
{
	size_t i = 0;

	pthread_mutex_lock(&g.lock);
	while (i < g.nctx && strcmp(g.ctx[i].key, key))
		i++;
	if (value && i < CTX_MAX) {
		bg_strlcpy(g.ctx[i].key, key, sizeof(g.ctx[i].key));
		bg_strlcpy(g.ctx[i].value, value, sizeof(g.ctx[i].value));
		g.nctx = BG_MAX(g.nctx, i + 1);
	} else if (!value && i < g.nctx) {
		memmove(&g.ctx[i], &g.ctx[i + 1], (g.nctx - i - 1) * sizeof(g.ctx[0]));
		g.nctx--;
	}
	pthread_mutex_unlock(&g.lock);
}

/* The inside of a JSON string; what is not UTF-8 becomes U+FFFD, so that a reader never chokes. */
static void add_escaped(struct bg_buf *b, const char *s)
{
	while (*s) {
		size_t n = bg_utf8_len(s);

		if (n == 0) {
			bg_buf_puts(b, "\xef\xbf\xbd");
			s++;
		} else if (n > 1) {
			bg_buf_add(b, s, n);
			s += n;
		} else {
			unsigned char c = (unsigned char)*s++;

			if (c == '"' || c == '\\')
				bg_buf_printf(b, "\\%c", c);
			else if (c == '\n')
				bg_buf_puts(b, "\\n");
			else if (c == '\t')
				bg_buf_puts(b, "\\t");
			else if (c < 0x20 || c == 0x7f)
				bg_buf_printf(b, "\\u%04x", c);
			else
				bg_buf_add(b, &c, 1);
		}
	}
}

static bool is_bare(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f || strchr("\"=\\", *s))
			return false;
	return true;
}

static void add_field(struct bg_buf *b, bool json, const char *key, const char *value)
{
	if (json) {
		bg_buf_puts(b, b->len && b->s[b->len - 1] != '{' ? ",\"" : "\"");
		add_escaped(b, key);
		bg_buf_puts(b, "\":\"");
		add_escaped(b, value);
		bg_buf_puts(b, "\"");
		return;
	}
	if (b->len && b->s[b->len - 1] != '>')
		bg_buf_puts(b, " ");
	bg_buf_printf(b, "%s=", key);
	if (is_bare(value)) {
		bg_buf_puts(b, value);
		return;
	}
	bg_buf_puts(b, "\"");
	add_escaped(b, value);
	bg_buf_puts(b, "\"");
}

/* Under the lock. */
static void build_line(struct bg_buf *b, enum bg_level level, const char *sw, const char *ev, const char *msg)
{
	struct timespec ts;
	char when[32];

	clock_gettime(CLOCK_REALTIME, &ts);
	bg_format_time(when, sizeof(when), (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
	if (g.journal)
		bg_buf_printf(b, "<%d>", level_prio[level]);
	if (g.json)
		bg_buf_puts(b, "{");
	add_field(b, g.json, "time", when);
	add_field(b, g.json, "level", level_names[level]);
	add_field(b, g.json, "daemon", g.daemon);
	if (sw)
		add_field(b, g.json, "switch", sw);
	for (size_t i = 0; i < g.nctx; i++)
		if (!sw || strcmp(g.ctx[i].key, "switch"))
			add_field(b, g.json, g.ctx[i].key, g.ctx[i].value);
	add_field(b, g.json, "ev", ev);
	add_field(b, g.json, "msg", msg);
	bg_buf_puts(b, g.json ? "}\n" : "\n");
}

static void vlog(enum bg_level level, const char *sw, const char *ev, const char *fmt, va_list ap)
	__attribute__((format(printf, 4, 0)));

static void vlog(enum bg_level level, const char *sw, const char *ev, const char *fmt, va_list ap)
{
	_cleanup_buf_ struct bg_buf b = {0};
	char msg[MSG_MAX];
	ssize_t written;

	pthread_mutex_lock(&g.lock);
	if (level <= g.level) {
		vsnprintf(msg, sizeof(msg), fmt, ap);
		build_line(&b, level, sw, ev, msg);
		/* One write a line, so that lines of several processes never mix. There is nowhere to
		 * report a log that cannot be written. */
		written = write(STDERR_FILENO, b.s, b.len);
		(void)written;
	}
	pthread_mutex_unlock(&g.lock);
}

void bg_log(enum bg_level level, const char *ev, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vlog(level, NULL, ev, fmt, ap);
	va_end(ap);
}

void bg_log_sw(enum bg_level level, const char *sw, const char *ev, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vlog(level, sw, ev, fmt, ap);
	va_end(ap);
}

_Noreturn void bg_fatal(const char *what)
{
	bg_log(BG_ERROR, "fatal", "cannot %s: %s", what, strerror(errno));
	_exit(70); /* EX_SOFTWARE, as after a failed allocation */
}
