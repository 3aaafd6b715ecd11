/* SPDX-License-Identifier: Apache-2.0 */
/* One value: %i, file:/path, type and range. */
#include "config.h"

#include "common/conf_int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/units.h"

#define FILE_VALUE_MAX 65536

static const char *const type_names[] = {
	[BG_CONF_STRING] = "string",     [BG_CONF_BOOL] = "yes or no", [BG_CONF_INT] = "whole number",
	[BG_CONF_DURATION] = "duration", [BG_CONF_SIZE] = "size",      [BG_CONF_DOUBLE] = "number",
	[BG_CONF_ENUM] = "word",         [BG_CONF_LIST] = "list",      [BG_CONF_PASS] = "passed through",
};

const char *conf_type_name(enum bg_conf_type t)
{
	return type_names[t];
}

void conf_val_clear(struct conf_val *v)
{
	for (size_t i = 0; i < v->nlist; i++)
		free(v->list[i]);
	free(v->list);
	free(v->lines);
	free(v->text);
	free(v->ref);
	v->list = NULL;
	v->text = v->ref = NULL;
	v->lines = NULL;
	v->nlist = v->list_cap = v->lines_cap = 0;
	v->set = false;
}

static void format_size(char *buf, size_t size, int64_t v)
{
	static const char *const units[] = {"", " KiB", " MiB", " GiB", " TiB"};
	size_t u = 0;

	while (v && v % 1024 == 0 && u + 1 < BG_ARRAY_SIZE(units)) {
		v /= 1024;
		u++;
	}
	snprintf(buf, size, "%" PRId64 "%s", v, units[u]);
}

static void format_num(char *buf, size_t size, enum bg_conf_type type, int64_t v)
{
	if (type == BG_CONF_DURATION)
		bg_format_duration(buf, size, v);
	else if (type == BG_CONF_SIZE)
		format_size(buf, size, v);
	else
		snprintf(buf, size, "%" PRId64, v);
}

void conf_allowed(const struct bg_conf_key *row, struct bg_buf *out)
{
	char lo[32], hi[32];

	switch (row->type) {
	case BG_CONF_ENUM:
		for (const char *p = row->choices; *p;) {
			size_t n = strcspn(p, "|");

			bg_buf_printf(out, "%s%.*s", p == row->choices ? "" : ", ", (int)n, p);
			p += n + (p[n] == '|');
		}
		break;
	case BG_CONF_INT:
	case BG_CONF_DURATION:
	case BG_CONF_SIZE:
	case BG_CONF_DOUBLE:
		if (!row->min && !row->max)
			break;
		format_num(lo, sizeof(lo), row->type, row->min);
		format_num(hi, sizeof(hi), row->type, row->max);
		bg_buf_printf(out, "%s to %s", lo, hi);
		break;
	case BG_CONF_BOOL:
		bg_buf_puts(out, "yes, no");
		break;
	default:
		break;
	}
}

/* Says `why`, then what is allowed. */
static bool refuse(const struct conf_val *v, int line, const char *why, struct conf_errs *e)
{
	_cleanup_buf_ struct bg_buf allowed = {0};

	conf_allowed(v->row, &allowed);
	if (allowed.len)
		conf_error(e, line, v->section, v->key, "%s, allowed: %s", why, allowed.s);
	else
		conf_error(e, line, v->section, v->key, "%s", why);
	return false;
}

/* %i and %%. In a default, an instance that is not there goes with the sign before it: consumerd[-%i].sock. */
static char *expand(const struct conf_val *v, const char *text, int line, const char *instance,
		    bool is_default, struct conf_errs *e)
{
	struct bg_buf b = {0};

	bg_buf_puts(&b, "");
	for (const char *p = text; *p; p++) {
		if (*p != '%') {
			bg_buf_add(&b, p, 1);
			continue;
		}
		p++;
		if (*p == '%') {
			bg_buf_add(&b, p, 1);
		} else if (*p == 'i' && instance) {
			bg_buf_puts(&b, instance);
		} else if (*p == 'i' && is_default) {
			if (b.len && strchr("-/.", b.s[b.len - 1]))
				b.s[--b.len] = '\0';
		} else {
			conf_error(e, line, v->section, v->key,
				   *p == 'i'
					   ? "%%i needs an instance name (-i)"
					   : "a percent sign is written %%%%, and %%i is the instance name");
			bg_buf_free(&b);
			return NULL;
		}
	}
	return b.s;
}

static int read_first_line(const char *path, char **ret)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_free_ char *buf = NULL;
	size_t len = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	buf = bg_xmalloc(FILE_VALUE_MAX + 1);
	for (;;) {
		ssize_t n = read(fd, buf + len, FILE_VALUE_MAX + 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		if (n == 0 || len > FILE_VALUE_MAX || memchr(buf, '\n', len))
			break;
	}
	if (len > FILE_VALUE_MAX && !memchr(buf, '\n', len))
		return -EFBIG;
	buf[len] = '\0';
	len = strcspn(buf, "\n");
	if (len && buf[len - 1] == '\r')
		len--;
	*ret = bg_xstrndup(buf, len);
	return 0;
}

/* The text itself, or the first line of the file it names. NULL: an error was said. Takes text. */
static char *from_file(struct conf_val *v, char *text, int line, struct conf_errs *e)
{
	char *content = NULL;
	int rc;

	if (strncmp(text, "file:", 5))
		return text;
	if (text[5] != '/') {
		conf_error(e, line, v->section, v->key, "file: needs an absolute path, as in file:/path");
		free(text);
		return NULL;
	}
	rc = read_first_line(text + 5, &content);
	if (rc < 0) {
		conf_error(e, line, v->section, v->key, "cannot read %s: %s", text + 5,
			   rc == -EINVAL ? "not a regular file" : strerror(-rc));
		free(text);
		return NULL;
	}
	free(v->ref);
	v->ref = text;
	return content;
}

static bool set_number(struct conf_val *v, char *text, int line, struct conf_errs *e)
{
	const struct bg_conf_key *row = v->row;
	struct bg_err err = BG_ERR_INIT;
	char canon[64];
	double d = 0;
	int64_t i = 0;
	int rc;

	if (row->type == BG_CONF_DURATION)
		rc = bg_parse_duration_us(text, &i, &err);
	else if (row->type == BG_CONF_SIZE)
		rc = bg_parse_size(text, &i, &err);
	else if (row->type == BG_CONF_INT)
		rc = bg_parse_int(text, &i, &err);
	else
		rc = bg_parse_double(text, &d, &err);
	if (rc == 0 && (row->min || row->max)) {
		bool out = row->type == BG_CONF_DOUBLE ? d < (double)row->min || d > (double)row->max
						       : i < row->min || i > row->max;
		if (out)
			rc = bg_err_set(&err, -ERANGE, "", "\"%.100s\" is out of range", text);
	}
	free(text);
	if (rc < 0)
		return refuse(v, line, err.msg, e);
	if (row->type == BG_CONF_DOUBLE) {
		v->u.d = d;
		snprintf(canon, sizeof(canon), "%.15g", d);
	} else {
		v->u.i = i;
		format_num(canon, sizeof(canon), row->type, i);
	}
	v->text = bg_xstrdup(canon);
	return true;
}

static bool set_bool(struct conf_val *v, char *text, int line, struct conf_errs *e)
{
	struct bg_err err = BG_ERR_INIT;
	int rc = bg_parse_bool(text, &v->u.b, &err);

	free(text);
	if (rc < 0)
		return refuse(v, line, err.msg, e);
	v->text = bg_xstrdup(v->u.b ? "yes" : "no");
	return true;
}

static bool set_enum(struct conf_val *v, char *text, int line, struct conf_errs *e)
{
	_cleanup_free_ char *copy = bg_xstrdup(v->row->choices);
	const char *names[64], *near;
	size_t n = 0;
	char msg[256], *save = NULL;

	for (char *w = strtok_r(copy, "|", &save); w && n < BG_ARRAY_SIZE(names);
	     w = strtok_r(NULL, "|", &save)) {
		if (!strcmp(w, text)) {
			v->text = text;
			return true;
		}
		names[n++] = w;
	}
	near = conf_nearest(text, names, n);
	snprintf(msg, sizeof(msg), "\"%.100s\" is not known%s%s%s", text, near ? " (did you mean \"" : "",
		 near ? near : "", near ? "\"?)" : "");
	free(text);
	return refuse(v, line, msg, e);
}

static void add_item(struct conf_val *v, char *text, int line)
{
	v->list = bg_xgrow(v->list, &v->list_cap, v->nlist + 1, sizeof(v->list[0]));
	v->lines = bg_xgrow(v->lines, &v->lines_cap, v->nlist + 1, sizeof(v->lines[0]));
	v->lines[v->nlist] = line;
	v->list[v->nlist++] = text;
}

/* Repeats of a property are joined by commas. */
static void add_pass(struct conf_val *v, char *text)
{
	char *joined = v->text ? bg_xasprintf("%s,%s", v->text, text) : text;

	if (v->text) {
		free(v->text);
		free(text);
	}
	v->text = joined;
}

bool conf_value_set(struct conf_val *v, const char *given, int line, const char *instance, bool is_default,
		    struct conf_errs *e)
{
	const struct bg_conf_key *row = v->row;
	char *text = row->type == BG_CONF_PASS ? bg_xstrdup(given)
					       : expand(v, given, line, instance, is_default, e);

	if (text)
		text = from_file(v, text, line, e);
	if (!text)
		return false;
	if (!*text && row->type != BG_CONF_PASS &&
	    (row->type != BG_CONF_STRING || row->flags & BG_CONF_REQUIRED)) {
		free(text);
		return refuse(v, line, "the value is empty", e);
	}
	switch (row->type) {
	case BG_CONF_BOOL:
		return set_bool(v, text, line, e);
	case BG_CONF_ENUM:
		return set_enum(v, text, line, e);
	case BG_CONF_LIST:
		add_item(v, text, line);
		return true;
	case BG_CONF_PASS:
		add_pass(v, text);
		return true;
	case BG_CONF_STRING:
		v->text = text;
		return true;
	default:
		return set_number(v, text, line, e);
	}
}
