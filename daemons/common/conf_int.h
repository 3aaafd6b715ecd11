/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of conf*.c only: what the reader, the checker and the dump share. */
#ifndef BG_COMMON_CONF_INT_H
#define BG_COMMON_CONF_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "common/conf.h"

/* Errors, one a line; the last of the 20 says how many more there were. */
struct conf_errs {
	struct bg_buf *out;
	const char *file;
	int n;
	struct bg_buf last;
};
/* line 0: none; section, key NULL: none. */
void conf_error(struct conf_errs *e, int line, const char *section, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
void conf_errors_end(struct conf_errs *e);

/* What stands in the file, unjudged. */
struct conf_raw {
	char *section, *key, *value;
	int line;
};
struct conf_raw_section {
	char *name;
	int line;
};
struct conf_raws {
	struct conf_raw *v;
	size_t n, cap;
	struct conf_raw_section *sections; /* each name once, in order */
	size_t nsections, sections_cap;
};
/* From f, or when that is NULL from text. Errors go to e. False: it was not read to its end, what is missing says nothing. */
bool conf_read(FILE *f, const char *text, size_t len, struct conf_raws *raws, struct conf_errs *e);
void conf_raws_free(struct conf_raws *r);

/* One key of one section that exists. */
struct conf_val {
	const struct bg_conf_key *row;
	const char *section; /* the concrete one, of its struct conf_section */
	char *key;
	bool set;        /* in the file */
	bool overridden; /* by [instance:…] */
	int line;
	char *text; /* in canonical form; NULL: unset */
	char *ref;  /* file:/path it came from */
	char *where;
	union {
		int64_t i;
		double d;
		bool b;
	} u;
	char **list;
	size_t nlist, list_cap;
	int *lines; /* of list, where each stands */
	size_t lines_cap;
};
struct conf_section {
	char *name;
	int line; /* 0: not in the file */
	struct conf_val *v;
	size_t n, cap;
};
struct bg_conf {
	char *file;
	const struct bg_conf_key **rows; /* of all tables, each section and key once */
	size_t nrows;
	struct conf_section *sections;
	size_t nsections, sections_cap;
};

void conf_val_clear(struct conf_val *v); /* frees the value, keeps the identity */
struct conf_section *conf_section_find(const struct bg_conf *c, const char *name);
struct conf_val *conf_val_find(const struct bg_conf *c, const char *section, const char *key);
/* The row's section pattern matches: "http" itself, or "switch:*" for switch:NAME. */
bool conf_row_matches(const struct bg_conf_key *row, const char *section);
bool conf_is_secret(const struct conf_val *v);
/* Rows of all tables without those that an earlier one shadows. The caller frees it. */
const struct bg_conf_key **conf_rows(const struct bg_conf_key *const *tables, size_t *ret_n);

/* Put `text` into v, by its type: expands %i, reads file:/path, checks type and range. False: an error was said. */
bool conf_value_set(struct conf_val *v, const char *text, int line, const char *instance, bool is_default,
		    struct conf_errs *e);
/* "1 s to 1 min", "one of a, b"; "" when anything goes. */
void conf_allowed(const struct bg_conf_key *row, struct bg_buf *out);
const char *conf_type_name(enum bg_conf_type t);

/* Fill c from what was read. */
void conf_apply(struct bg_conf *c, const struct conf_raws *raws, const char *instance, struct conf_errs *e);

#endif
