/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "common/conf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/conf_int.h"

#define ERROR_LINES 20

/* A daemon's own row for the same section and key comes first and hides the one here (other defaults). */
const struct bg_conf_key bg_conf_common_table[] = {
	{"log", "level", BG_CONF_ENUM, "info", 0, 0, "error|warn|notice|info|debug", BG_CONF_RELOAD,
	 "The least important kind of line that is written."},
	{"log", "format", BG_CONF_ENUM, "logfmt", 0, 0, "logfmt|json", BG_CONF_RELOAD,
	 "How a line is written."},
	{"http", "listen", BG_CONF_STRING, "none", 0, 0, NULL, 0,
	 "Address and port of the HTTP interface, as in 127.0.0.1:8080 or [::1]:8080; none: no TCP."},
	{"http", "token-file", BG_CONF_STRING, NULL, 0, 0, NULL, BG_CONF_RELOAD,
	 "File whose first line is the bearer token that commands need."},
	{"http", "host", BG_CONF_LIST, NULL, 0, 0, NULL, 0,
	 "Further Host name under which commands are taken; repeatable. Addresses and localhost always are."},
	{"http", "open-read", BG_CONF_BOOL, "no", 0, 0, NULL, BG_CONF_RELOAD,
	 "Reading needs no token on addresses other than loopback."},
	{"http", "max-connections", BG_CONF_INT, "1024", 1, 100000, NULL, 0,
	 "Connections at the same time; further ones wait."},
	{"control", "socket", BG_CONF_STRING, "none", 0, 0, NULL, 0,
	 "Path of the Unix control socket; none: no socket."},
	{"control", "group", BG_CONF_STRING, NULL, 0, 0, NULL, 0,
	 "Group that may use the control socket (mode 0660); unset: the daemon's own."},
	{NULL},
};

static void format_error(struct bg_buf *b, const char *file, int line, const char *section, const char *key,
			 const char *msg)
{
	bg_buf_puts(b, file);
	if (line)
		bg_buf_printf(b, ":%d", line);
	bg_buf_puts(b, ":");
	if (section)
		bg_buf_printf(b, " [%s]", section);
	if (key)
		bg_buf_printf(b, " %.100s", key);
	bg_buf_printf(b, "%s %s\n", section || key ? ":" : "", msg);
}

void conf_error(struct conf_errs *e, int line, const char *section, const char *key, const char *fmt, ...)
{
	char msg[1024];
	va_list ap;

	e->n++;
	if (e->n > ERROR_LINES)
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	format_error(e->n < ERROR_LINES ? e->out : &e->last, e->file, line, section, key, msg);
}

void conf_errors_end(struct conf_errs *e)
{
	if (e->n == ERROR_LINES)
		bg_buf_add(e->out, e->last.s, e->last.len);
	else if (e->n > ERROR_LINES)
		bg_buf_printf(e->out, "%s: and %d more errors\n", e->file, e->n - ERROR_LINES + 1);
	bg_buf_free(&e->last);
}

bool conf_row_matches(const struct bg_conf_key *row, const char *section)
{
	size_t n = strcspn(row->section, "*");

	if (!row->section[n])
		return !strcmp(row->section, section);
	return !strncmp(row->section, section, n) && section[n];
}

static bool shadowed(const struct bg_conf_key *const *rows, size_t n, const struct bg_conf_key *r)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(rows[i]->section, r->section) && !strcmp(rows[i]->key, r->key))
			return true;
	return false;
}

const struct bg_conf_key **conf_rows(const struct bg_conf_key *const *tables, size_t *ret_n)
{
	const struct bg_conf_key **rows = NULL;
	size_t n = 0, cap = 0;

	for (; *tables; tables++) {
		for (const struct bg_conf_key *r = *tables; r->section; r++) {
			if (shadowed(rows, n, r))
				continue;
			rows = bg_xgrow(rows, &cap, n + 1, sizeof(rows[0]));
			rows[n++] = r;
		}
	}
	*ret_n = n;
	return rows;
}

static int load(const char *name, FILE *f, const char *text, size_t len,
		const struct bg_conf_key *const *tables, const char *instance, struct bg_conf **ret,
		struct bg_buf *errs)
{
	struct bg_conf *c = bg_xcalloc(1, sizeof(*c));
	struct conf_errs e = {.out = errs, .file = name};
	struct conf_raws raws = {0};

	c->file = bg_xstrdup(name);
	c->rows = conf_rows(tables, &c->nrows);
	if (conf_read(f, text, len, &raws, &e))
		conf_apply(c, &raws, instance, &e);
	conf_raws_free(&raws);
	conf_errors_end(&e);
	if (e.n) {
		bg_conf_free(c);
		return -EINVAL;
	}
	*ret = c;
	return 0;
}

int bg_conf_load_mem(const char *name, const char *text, size_t len, const struct bg_conf_key *const *tables,
		     const char *instance, struct bg_conf **ret, struct bg_buf *errs)
{
	return load(name, NULL, text, len, tables, instance, ret, errs);
}

int bg_conf_load(const char *path, const struct bg_conf_key *const *tables, const char *instance,
		 struct bg_conf **ret, struct bg_buf *errs)
{
	FILE *f = fopen(path, "re");
	struct stat st;
	int rc;

	if (!f) {
		rc = -errno;
		bg_buf_printf(errs, "%s: cannot be opened: %s\n", path, strerror(-rc));
		return rc;
	}
	if (fstat(fileno(f), &st) == 0 && S_ISDIR(st.st_mode)) {
		bg_buf_printf(errs, "%s: is a folder, a file is needed\n", path);
		rc = -EISDIR;
	} else {
		rc = load(path, f, NULL, 0, tables, instance, ret, errs);
	}
	fclose(f);
	return rc;
}

void bg_conf_free(struct bg_conf *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->nsections; i++) {
		struct conf_section *s = &c->sections[i];

		for (size_t j = 0; j < s->n; j++) {
			conf_val_clear(&s->v[j]);
			free(s->v[j].key);
			free(s->v[j].where);
		}
		free(s->v);
		free(s->name);
	}
	free(c->sections);
	free(c->rows);
	free(c->file);
	free(c);
}

struct conf_section *conf_section_find(const struct bg_conf *c, const char *name)
{
	for (size_t i = 0; i < c->nsections; i++)
		if (!strcmp(c->sections[i].name, name))
			return &c->sections[i];
	return NULL;
}

struct conf_val *conf_val_find(const struct bg_conf *c, const char *section, const char *key)
{
	struct conf_section *s = conf_section_find(c, section);

	for (size_t i = 0; s && i < s->n; i++)
		if (!strcmp(s->v[i].key, key))
			return &s->v[i];
	return NULL;
}

/* A key that the table lacks, or of another type, is our bug. */
static const struct conf_val *need(const struct bg_conf *c, const char *section, const char *key,
				   unsigned types)
{
	const struct conf_val *v = conf_val_find(c, section, key);

	if (!v || !(types & 1u << v->row->type)) {
		fprintf(stderr, "bug: configuration key [%s] %s %s\n", section, key,
			v ? "has another type" : "is in no table");
		abort();
	}
	return v;
}

const char *bg_conf_str(const struct bg_conf *c, const char *section, const char *key)
{
	return need(c, section, key, 1u << BG_CONF_STRING | 1u << BG_CONF_ENUM)->text;
}

bool bg_conf_bool(const struct bg_conf *c, const char *section, const char *key)
{
	return need(c, section, key, 1u << BG_CONF_BOOL)->u.b;
}

int64_t bg_conf_int(const struct bg_conf *c, const char *section, const char *key)
{
	return need(c, section, key, 1u << BG_CONF_INT | 1u << BG_CONF_DURATION | 1u << BG_CONF_SIZE)->u.i;
}

double bg_conf_double(const struct bg_conf *c, const char *section, const char *key)
{
	return need(c, section, key, 1u << BG_CONF_DOUBLE)->u.d;
}

size_t bg_conf_list_len(const struct bg_conf *c, const char *section, const char *key)
{
	return need(c, section, key, 1u << BG_CONF_LIST)->nlist;
}

const char *bg_conf_list_at(const struct bg_conf *c, const char *section, const char *key, size_t i)
{
	const struct conf_val *v = need(c, section, key, 1u << BG_CONF_LIST);

	return i < v->nlist ? v->list[i] : NULL;
}

bool bg_conf_is_set(const struct bg_conf *c, const char *section, const char *key)
{
	const struct conf_val *v = conf_val_find(c, section, key);

	return v && v->set;
}

const char *bg_conf_name_at(const struct bg_conf *c, const char *prefix, size_t i)
{
	size_t n = strlen(prefix);

	for (size_t j = 0; j < c->nsections; j++) {
		const struct conf_section *s = &c->sections[j];

		if (s->line && !strncmp(s->name, prefix, n) && s->name[n] == ':' && i-- == 0)
			return s->name + n + 1;
	}
	return NULL;
}

const char *bg_conf_pass_at(const struct bg_conf *c, const char *section, size_t i, const char **ret_value,
			    int *ret_line)
{
	const struct conf_section *s = conf_section_find(c, section);

	for (size_t j = 0; s && j < s->n; j++) {
		if (s->v[j].row->type != BG_CONF_PASS || i-- > 0)
			continue;
		if (ret_value)
			*ret_value = s->v[j].text;
		if (ret_line)
			*ret_line = s->v[j].line;
		return s->v[j].key;
	}
	return NULL;
}

const char *bg_conf_where(const struct bg_conf *c, const char *section, const char *key)
{
	static _Thread_local char buf[512];
	const struct conf_val *v = conf_val_find(c, section, key);

	if (v)
		return v->where;
	snprintf(buf, sizeof(buf), "%s: [%s] %s", c->file, section, key);
	return buf;
}

const char *bg_conf_where_at(const struct bg_conf *c, const char *section, const char *key, size_t i)
{
	static _Thread_local char buf[512];
	const struct conf_val *v = conf_val_find(c, section, key);

	if (!v || i >= v->nlist || !v->lines[i])
		return bg_conf_where(c, section, key);
	snprintf(buf, sizeof(buf), "%s:%d: [%s] %s", c->file, v->lines[i], section, key);
	return buf;
}
