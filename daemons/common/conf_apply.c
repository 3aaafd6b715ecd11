/* SPDX-License-Identifier: Apache-2.0 */
/* What was read, against the table: sections, keys, overrides by instance, defaults, what is missing. */
#include "config.h"

#include "common/conf_int.h"

#include <stdlib.h>
#include <string.h>

#include "common/ids.h"

#define INSTANCE_PREFIX "instance:"

struct apply {
	struct bg_conf *c;
	const char *instance;
	struct conf_errs *e;
	bool others; /* the file has sections for instances, and none for this one */
};

/* Levenshtein's distance, cut off: names are short. */
static size_t distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b), row[64];

	if (la >= BG_ARRAY_SIZE(row) || lb >= BG_ARRAY_SIZE(row))
		return BG_ARRAY_SIZE(row);
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diag = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t change = diag + (a[i - 1] != b[j - 1]);

			diag = row[j];
			row[j] = BG_MIN(change, BG_MIN(row[j], row[j - 1]) + 1);
		}
	}
	return row[lb];
}

const char *conf_nearest(const char *name, const char *const *names, size_t n)
{
	size_t best = BG_MAX(strlen(name) / 3, (size_t)2) + 1;
	const char *near = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t d = distance(name, names[i]);

		if (d < best && d < strlen(names[i])) {
			best = d;
			near = names[i];
		}
	}
	return near;
}

static struct conf_val *add_val(struct conf_section *s, const struct bg_conf_key *row, const char *key)
{
	s->v = bg_xgrow(s->v, &s->cap, s->n + 1, sizeof(s->v[0]));
	s->v[s->n] = (struct conf_val){.row = row, .section = s->name, .key = bg_xstrdup(key)};
	return &s->v[s->n++];
}

static void add_section(struct bg_conf *c, const char *name, int line)
{
	struct conf_section *s;

	c->sections = bg_xgrow(c->sections, &c->sections_cap, c->nsections + 1, sizeof(c->sections[0]));
	s = &c->sections[c->nsections++];
	*s = (struct conf_section){.name = bg_xstrdup(name), .line = line};
	for (size_t i = 0; i < c->nrows; i++)
		if (conf_row_matches(c->rows[i], name) && c->rows[i]->type != BG_CONF_PASS)
			add_val(s, c->rows[i], c->rows[i]->key);
}

static bool section_known(const struct bg_conf *c, const char *name)
{
	for (size_t i = 0; i < c->nrows; i++)
		if (conf_row_matches(c->rows[i], name))
			return true;
	return false;
}

/* Which section may have been meant? "switch:*" is shown as switch:NAME. */
static void unknown_section(struct apply *a, const struct conf_raw_section *s)
{
	const char *colon = strchr(s->name, ':'), *near;
	_cleanup_free_ const char **names = bg_xcalloc(a->c->nrows + 1, sizeof(*names));
	_cleanup_free_ char *prefix =
		bg_xstrndup(s->name, colon ? (size_t)(colon - s->name) : strlen(s->name));
	char known[64];

	for (size_t i = 0; i < a->c->nrows; i++)
		names[i] = a->c->rows[i]->section;
	names[a->c->nrows] = INSTANCE_PREFIX "*";
	snprintf(known, sizeof(known), "%.60s:*", prefix);
	for (size_t i = 0; !colon && i <= a->c->nrows; i++) {
		if (!strcmp(names[i], known)) {
			conf_error(a->e, s->line, s->name, NULL, "the section needs a name: [%s:NAME]",
				   s->name);
			return;
		}
	}
	near = conf_nearest(s->name, names, a->c->nrows + 1);
	if (!near && colon)
		near = conf_nearest(known, names, a->c->nrows + 1);
	if (near)
		conf_error(a->e, s->line, s->name, NULL, "unknown section; did you mean [%.*s%s]?",
			   (int)strcspn(near, "*"), near, strchr(near, '*') ? "NAME" : "");
	else
		conf_error(a->e, s->line, s->name, NULL, "unknown section");
}

/* The sections of the table without a name, then those of the file with one. */
static void make_sections(struct apply *a, const struct conf_raws *raws)
{
	struct bg_conf *c = a->c;

	for (size_t i = 0; i < c->nrows; i++)
		if (!strchr(c->rows[i]->section, '*') && !conf_section_find(c, c->rows[i]->section))
			add_section(c, c->rows[i]->section, 0);
	for (size_t i = 0; a->instance && i < raws->nsections; i++) {
		const char *name = raws->sections[i].name;
		size_t len = strlen(INSTANCE_PREFIX);

		if (strncmp(name, INSTANCE_PREFIX, len) == 0) {
			a->others = strcmp(name + len, a->instance) != 0;
			if (!a->others)
				break;
		}
	}
	for (size_t i = 0; i < raws->nsections; i++) {
		const struct conf_raw_section *s = &raws->sections[i];
		struct conf_section *have = conf_section_find(c, s->name);
		const char *colon = strchr(s->name, ':');

		if (have)
			have->line = s->line;
		else if (colon && !bg_name_valid(colon + 1) &&
			 (section_known(c, s->name) ||
			  !strncmp(s->name, INSTANCE_PREFIX, strlen(INSTANCE_PREFIX))))
			conf_error(
				a->e, s->line, s->name, NULL,
				"bad name after the colon, allowed: 1 to 63 of a-z, 0-9, \".\", \"_\", \"-\", first "
				"a letter or digit");
		else if (section_known(c, s->name))
			add_section(c, s->name, s->line);
		else if (strncmp(s->name, INSTANCE_PREFIX, strlen(INSTANCE_PREFIX)))
			unknown_section(a, s);
	}
}

static const struct bg_conf_key *pass_row(const struct bg_conf *c, const char *section)
{
	for (size_t i = 0; i < c->nrows; i++)
		if (c->rows[i]->type == BG_CONF_PASS && conf_row_matches(c->rows[i], section))
			return c->rows[i];
	return NULL;
}

static struct conf_val *section_val(struct conf_section *s, const char *key)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->v[i].key, key))
			return &s->v[i];
	return NULL;
}

static void unknown_key(struct apply *a, const struct conf_raw *r, const struct conf_section *s)
{
	_cleanup_free_ const char **names = bg_xcalloc(s->n + 1, sizeof(*names));
	const char *near;

	for (size_t i = 0; i < s->n; i++)
		names[i] = s->v[i].key;
	near = conf_nearest(r->key, names, s->n);
	for (size_t i = 0; !near && i < a->c->nrows; i++) {
		if (!strcmp(a->c->rows[i]->key, r->key)) {
			conf_error(a->e, r->line, r->section, r->key, "unknown key; it belongs into [%.*s%s]",
				   (int)strcspn(a->c->rows[i]->section, "*"), a->c->rows[i]->section,
				   strchr(a->c->rows[i]->section, '*') ? "NAME" : "");
			return;
		}
	}
	if (near)
		conf_error(a->e, r->line, r->section, r->key, "unknown key; did you mean \"%s\"?", near);
	else
		conf_error(a->e, r->line, r->section, r->key, "unknown key");
}

/* May a pass-through property be given more than once? Its row's choices name those that may; none: all. */
static bool may_repeat(const struct conf_val *v)
{
	size_t len = strlen(v->key);

	if (v->row->type == BG_CONF_LIST)
		return true;
	if (v->row->type != BG_CONF_PASS)
		return false;
	for (const char *p = v->row->choices; p && *p;) {
		size_t n = strcspn(p, "|");

		if (n == len && !memcmp(p, v->key, n))
			return true;
		p += n + (p[n] == '|');
	}
	return !v->row->choices;
}

static void assign(struct apply *a, struct conf_val *v, const struct conf_raw *r, bool override)
{
	const char *shown = override ? r->section : v->section;

	if (override && !v->overridden) {
		conf_val_clear(v);
		v->overridden = true;
	}
	if (v->set && !may_repeat(v)) {
		conf_error(a->e, r->line, shown, r->key, "the key is there twice, first in line %d", v->line);
		return;
	}
	if (!v->set)
		v->line = r->line;
	v->set = true;
	conf_value_set(v, r->value, r->line, a->instance, false, a->e);
}

static void apply_raw(struct apply *a, const struct conf_raw *r)
{
	struct conf_section *s = conf_section_find(a->c, r->section);
	const struct bg_conf_key *pass;
	struct conf_val *v;

	if (!s)
		return; /* unknown: said already, once */
	v = section_val(s, r->key);
	pass = v ? NULL : pass_row(a->c, r->section);
	if (pass)
		v = add_val(s, pass, r->key);
	if (v)
		assign(a, v, r, false);
	else
		unknown_key(a, r, s);
}

/* [orders] or, as inih takes a colon for "=", switch.orders for [switch:orders]. */
static struct conf_section *named_by(const struct bg_conf *c, char *section)
{
	struct conf_section *s = conf_section_find(c, section);
	char *dot = strchr(section, '.');

	if (s || !dot)
		return s;
	*dot = ':';
	return conf_section_find(c, section);
}

/* `section.key`: both may have dots, so every dot is tried. */
static struct conf_val *find_qualified(struct apply *a, const char *name)
{
	for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
		_cleanup_free_ char *section = bg_xstrndup(name, (size_t)(dot - name));
		struct conf_section *s = named_by(a->c, section);
		struct conf_val *v = s ? section_val(s, dot + 1) : NULL;
		const struct bg_conf_key *pass = s && !v ? pass_row(a->c, s->name) : NULL;

		if (v)
			return v;
		if (pass && dot[1])
			return add_val(s, pass, dot + 1);
	}
	return NULL;
}

/* Ambiguous among the sections that have no name; the named ones count only when none of those has the key. */
static struct conf_val *find_override(struct apply *a, const struct conf_raw *r)
{
	struct conf_val *found = NULL, *v;

	for (int pass = 0; pass < 2 && !found; pass++) {
		bool named = pass == 1;

		for (size_t i = 0; i < a->c->nsections; i++) {
			v = section_val(&a->c->sections[i], r->key);
			if (!v || v->row->type == BG_CONF_PASS || (strchr(v->section, ':') != NULL) != named)
				continue;
			if (found) {
				conf_error(a->e, r->line, r->section, r->key,
					   "the key is in [%s] and [%s]; write section.key", found->section,
					   v->section);
				return NULL;
			}
			found = v;
		}
	}
	if (!found)
		found = find_qualified(a, r->key);
	if (!found)
		conf_error(a->e, r->line, r->section, r->key,
			   "unknown key, allowed: any key, or section.key");
	return found;
}

static void apply_override(struct apply *a, const struct conf_raw *r)
{
	const char *name = r->section + strlen(INSTANCE_PREFIX);
	struct conf_val *v;

	if (!bg_name_valid(name))
		return; /* said already */
	v = find_override(a, r);
	if (!v)
		return;
	if (a->instance && !strcmp(name, a->instance)) {
		assign(a, v, r, true);
	} else {
		/* Not ours, but a mistake in it is one all the same. */
		struct conf_val scratch = {.row = v->row, .section = v->section, .key = v->key};

		conf_value_set(&scratch, r->value, r->line, name, false, a->e);
		conf_val_clear(&scratch);
	}
}

static void finish_val(struct apply *a, const struct conf_section *s, struct conf_val *v)
{
	_cleanup_buf_ struct bg_buf allowed = {0};

	if (!v->set && v->row->dflt) {
		if (v->row->type != BG_CONF_LIST) {
			conf_value_set(v, v->row->dflt, 0, a->instance, true, a->e);
		} else {
			_cleanup_free_ char *copy = bg_xstrdup(v->row->dflt);
			char *save = NULL;

			for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save))
				conf_value_set(v, w + strspn(w, " "), 0, a->instance, true, a->e);
		}
	}
	if (!v->set && !v->row->dflt && v->row->flags & BG_CONF_REQUIRED) {
		conf_allowed(v->row, &allowed);
		conf_error(a->e, s->line, v->section, v->key, "is missing%s, needed: %s%s%s%s%s%s%s",
			   s->line ? "" : " (so is the section)", conf_type_name(v->row->type),
			   allowed.len ? " (" : "", allowed.len ? allowed.s : "", allowed.len ? ")" : "",
			   a->others ? "; there is no section [" INSTANCE_PREFIX : "",
			   a->others ? a->instance : "", a->others ? "]" : "");
	}
	if (v->set)
		v->where = bg_xasprintf("%s:%d: [%s] %s", a->c->file, v->line, v->section, v->key);
	else
		v->where = bg_xasprintf("%s: [%s] %s", a->c->file, v->section, v->key);
}

/* A pass-through key that only another instance's override named has no value: drop it. */
static void drop_unset_pass(struct conf_section *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].row->type == BG_CONF_PASS && !s->v[i].set) {
			conf_val_clear(&s->v[i]);
			free(s->v[i].key);
		} else {
			s->v[n++] = s->v[i];
		}
	}
	s->n = n;
}

void conf_apply(struct bg_conf *c, const struct conf_raws *raws, const char *instance, struct conf_errs *e)
{
	struct apply a = {c, instance, e};
	bool is_override;

	make_sections(&a, raws);
	for (int overrides = 0; overrides < 2; overrides++) {
		for (size_t i = 0; i < raws->n; i++) {
			is_override = !strncmp(raws->v[i].section, INSTANCE_PREFIX, strlen(INSTANCE_PREFIX));
			if (is_override && overrides)
				apply_override(&a, &raws->v[i]);
			else if (!is_override && !overrides)
				apply_raw(&a, &raws->v[i]);
		}
	}
	for (size_t i = 0; i < c->nsections; i++) {
		drop_unset_pass(&c->sections[i]);
		for (size_t j = 0; j < c->sections[i].n; j++)
			finish_val(&a, &c->sections[i], &c->sections[i].v[j]);
	}
}
