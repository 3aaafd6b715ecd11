/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration as text, the table as text, and what a reload changes. */
#include "config.h"

#include "common/conf_int.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LINE_MAX_INI 198 /* what the reader takes, see conf_read.c */

bool conf_is_secret(const struct conf_val *v)
{
	static const char *const words[] = {"password", "secret", "jaas", "key.pem", "token"};

	if (v->row->flags & BG_CONF_SECRET)
		return true;
	for (size_t i = 0; v->row->type == BG_CONF_PASS && i < BG_ARRAY_SIZE(words); i++)
		if (strcasestr(v->key, words[i]))
			return true;
	return false;
}

static void dump_value(const struct conf_val *v, const char *text, FILE *out)
{
	_cleanup_buf_ struct bg_buf b = {0};

	if (conf_is_secret(v)) {
		fprintf(out, "%s = (secret)\n", v->key);
		return;
	}
	for (const char *p = text; *p; p++)
		bg_buf_puts(&b, *p == '%' && v->row->type != BG_CONF_PASS ? "%%" : (char[]){*p, '\0'});
	/* What came out of a file need not fit into a line again. */
	if (v->ref && v->row->type != BG_CONF_LIST &&
	    (b.len + strlen(v->key) + 3 > LINE_MAX_INI || (b.s && (strstr(b.s, " ;") || strstr(b.s, " #")))))
		fprintf(out, "%s = %s\n", v->key, v->ref);
	else
		fprintf(out, "%s = %s\n", v->key, b.s ? b.s : "");
}

void bg_conf_dump(const struct bg_conf *c, FILE *out)
{
	bool first = true;

	for (size_t i = 0; i < c->nsections; i++) {
		const struct conf_section *s = &c->sections[i];
		bool any = s->line && strchr(s->name, ':');

		for (size_t j = 0; j < s->n; j++)
			any = any || s->v[j].text || s->v[j].nlist;
		if (!any)
			continue;
		fprintf(out, "%s[%s]\n", first ? "" : "\n", s->name);
		first = false;
		for (size_t j = 0; j < s->n; j++) {
			if (s->v[j].text)
				dump_value(&s->v[j], s->v[j].text, out);
			for (size_t k = 0; k < s->v[j].nlist; k++)
				dump_value(&s->v[j], s->v[j].list[k], out);
		}
	}
}

void bg_conf_describe(const struct bg_conf_key *const *tables, FILE *out)
{
	size_t n;
	_cleanup_free_ const struct bg_conf_key **rows = conf_rows(tables, &n);

	for (size_t i = 0; i < n; i++) {
		_cleanup_buf_ struct bg_buf range = {0};

		conf_allowed(rows[i], &range);
		fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", rows[i]->section, rows[i]->key,
			conf_type_name(rows[i]->type),
			rows[i]->dflt                       ? rows[i]->dflt
			: rows[i]->flags & BG_CONF_REQUIRED ? "(required)"
							    : "",
			range.s ? range.s : "", rows[i]->flags & BG_CONF_RELOAD ? "yes" : "no",
			rows[i]->help ? rows[i]->help : "");
	}
}

static bool same(const struct conf_val *a, const struct conf_val *b)
{
	if (!a->text != !b->text || (a->text && strcmp(a->text, b->text)) || a->nlist != b->nlist)
		return false;
	for (size_t i = 0; i < a->nlist; i++)
		if (strcmp(a->list[i], b->list[i]))
			return false;
	return true;
}

void bg_conf_diff(const struct bg_conf *old, const struct bg_conf *new,
		  void (*fn)(void *arg, const char *section, const char *key, bool reloadable), void *arg)
{
	static const struct conf_val none;

	/* What is new or differs, then what is gone. */
	for (int gone = 0; gone < 2; gone++) {
		const struct bg_conf *c = gone ? old : new, *other = gone ? new : old;

		for (size_t i = 0; i < c->nsections; i++) {
			for (size_t j = 0; j < c->sections[i].n; j++) {
				const struct conf_val *v = &c->sections[i].v[j];
				const struct conf_val *o = conf_val_find(other, v->section, v->key);

				if ((gone && o) || same(v, o ? o : &none))
					continue;
				fn(arg, v->section, v->key, v->row->flags & BG_CONF_RELOAD);
			}
		}
	}
}
