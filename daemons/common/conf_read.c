/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line reader under inih. inih as Debian builds it splits long lines, cuts values at " ;", repeats a key
 * for an indented line, takes what follows "]" for nothing, and names no lines. So each line is looked at
 * here first; one that inih would bend is said, and inih is given an empty one in its place.
 */
#include "config.h"

#include "common/conf_int.h"

#include <ini.h>
#include <stdlib.h>
#include <string.h>

#define SECTION_LIMIT  49    /* inih keeps no more of a section's name */
#define ENTRY_LIMIT    10000 /* keys in a file */
#define SECTIONS_LIMIT 1000
#define FILE_LIMIT     (16u << 20) /* bytes */
#define LINE_KEEP      512         /* more than inih's limit, less than a 10 MB line */

struct reader {
	FILE *f;
	const char *p, *end;
	struct conf_raws *raws;
	struct conf_errs *errs;
	int line;
	size_t bytes;
	bool stopped;
	char section[SECTION_LIMIT + 1];
	bool bad_section; /* keys under a refused section are not reported one by one */
};

static int next_byte(struct reader *r)
{
	int c;

	if (r->f)
		c = getc_unlocked(r->f);
	else
		c = r->p < r->end ? (unsigned char)*r->p++ : EOF;
	r->bytes += c != EOF;
	return c;
}

static bool is_text(int c)
{
	return c >= 0x20 ? c != 0x7f : c == '\t' || c == '\r';
}

/* One line without its end into buf (LINE_KEEP); of a longer one the start. False at the end of the file. */
static bool next_line(struct reader *r, char *buf, size_t *ret_len, int *ret_bad)
{
	size_t len = 0;
	int c = next_byte(r);

	*ret_bad = -1;
	if (c == EOF)
		return false;
	for (; c != EOF && c != '\n' && r->bytes <= FILE_LIMIT; c = next_byte(r)) {
		if (!is_text(c)) {
			*ret_bad = c;
			break;
		}
		if (len < LINE_KEEP - 1)
			buf[len] = (char)c;
		len++;
	}
	if (len && len < LINE_KEEP && buf[len - 1] == '\r')
		len--;
	buf[BG_MIN(len, (size_t)LINE_KEEP - 1)] = '\0';
	*ret_len = len;
	return true;
}

static bool is_utf8(const char *s)
{
	while (*s) {
		size_t n = bg_utf8_len(s);

		if (!n)
			return false;
		s += n;
	}
	return true;
}

static bool refuse(struct reader *r, const char *section, const char *what)
{
	conf_error(r->errs, r->line, section, NULL, "%s", what);
	return false;
}

static void add_section(struct conf_raws *raws, const char *name, int line)
{
	for (size_t i = 0; i < raws->nsections; i++)
		if (!strcmp(raws->sections[i].name, name))
			return;
	raws->sections =
		bg_xgrow(raws->sections, &raws->sections_cap, raws->nsections + 1, sizeof(raws->sections[0]));
	raws->sections[raws->nsections++] = (struct conf_raw_section){bg_xstrdup(name), line};
}

static bool check_section(struct reader *r, const char *line)
{
	const char *close = strchr(line, ']'), *rest;
	size_t len = close ? (size_t)(close - line) - 1 : 0;
	char msg[96];

	r->bad_section = true;
	if (!close)
		return refuse(r, NULL, "a section has no closing \"]\"; it is written [name]");
	if (!len)
		return refuse(r, NULL, "a section has no name; it is written [name]");
	if (len > SECTION_LIMIT) {
		snprintf(msg, sizeof(msg), "the section's name has %zu bytes; at most %d are allowed", len,
			 SECTION_LIMIT);
		return refuse(r, NULL, msg);
	}
	rest = close + 1 + strspn(close + 1, " \t");
	if (*rest && *rest != ';' && *rest != '#')
		return refuse(r, NULL, "text after the \"]\" of a section; a key has a line of its own");
	bg_strlcpy(r->section, line + 1, len + 1);
	r->bad_section = false;
	if (r->raws->nsections >= SECTIONS_LIMIT) {
		r->stopped = true;
		snprintf(msg, sizeof(msg), "too many sections; at most %d are allowed", SECTIONS_LIMIT);
		return refuse(r, NULL, msg);
	}
	add_section(r->raws, r->section, r->line);
	return true;
}

static bool check_key(struct reader *r, const char *line)
{
	const char *sep = strpbrk(line, "=:"), *p;
	const char *sec = *r->section ? r->section : NULL;

	if (!sep || *sep == ':')
		return refuse(
			r, sec,
			"a key without \"=\"; a line is [section], key = value, or a comment after # or ;");
	if (sep == line)
		return refuse(r, sec, "a value without a key; a line is key = value");
	for (p = line; p < sep; p++)
		if ((*p == ' ' || *p == '\t') && (p[1] == ';' || p[1] == '#'))
			return refuse(r, sec, "a comment inside a key; a comment has a line of its own");
	for (p = sep + 1; *p; p++)
		if ((*p == ' ' || *p == '\t') && (p[1] == ';' || p[1] == '#'))
			return refuse(
				r, sec,
				"a \" ;\" or \" #\" inside a value is taken for a comment; a comment has a line of "
				"its own, and a value with it goes into a file: key = file:/path");
	return true;
}

/* Is this line one that inih and we understand alike? */
static bool check_line(struct reader *r, const char *line, size_t len, size_t limit)
{
	char msg[192];

	if (len > limit) {
		snprintf(
			msg, sizeof(msg),
			"the line has %zu bytes; at most %zu are allowed, a longer value goes into a file: key = file:/path",
			len, limit);
		return refuse(r, *r->section ? r->section : NULL, msg);
	}
	if (!is_utf8(line))
		return refuse(r, *r->section ? r->section : NULL, "the line is not UTF-8");
	if (*line == ' ' || *line == '\t')
		return refuse(
			r, *r->section ? r->section : NULL,
			"an indented line; continuation lines are not allowed, a key begins at the margin");
	if (*line == '[')
		return check_section(r, line);
	return check_key(r, line);
}

/* inih's callback, in the manner of fgets. */
static char *read_line(char *str, int num, void *arg)
{
	struct reader *r = arg;
	char buf[LINE_KEEP], *line = buf;
	size_t len, limit = num > 2 ? (size_t)num - 2 : 0;
	int bad;

	if (r->stopped || !next_line(r, buf, &len, &bad))
		return NULL;
	r->line++;
	bg_strlcpy(str, "\n", (size_t)num);
	if (bad >= 0) {
		conf_error(r->errs, r->line, NULL, NULL, "not a text file: a byte of value %d", bad);
		r->stopped = true;
		return str;
	}
	if (r->bytes > FILE_LIMIT || r->raws->n >= ENTRY_LIMIT) {
		conf_error(r->errs, r->line, NULL, NULL,
			   "the file is too large; at most %u MiB and %d keys are allowed", FILE_LIMIT >> 20,
			   ENTRY_LIMIT);
		r->stopped = true;
		return str;
	}
	if (r->line == 1 && !strncmp(line, "\xef\xbb\xbf", 3)) {
		line += 3;
		len -= 3;
	}
	if (!line[strspn(line, " \t")] && len < LINE_KEEP)
		return str;
	if (strchr("#;", line[strspn(line, " \t")]) && line[strspn(line, " \t")])
		return str;
	if (check_line(r, line, len, limit) && !(r->bad_section && *line != '['))
		bg_strlcpy(str, line, (size_t)num);
	return str;
}

static int on_key(void *arg, const char *section, const char *key, const char *value)
{
	struct reader *r = arg;
	struct conf_raws *raws = r->raws;

	if (!*section) {
		conf_error(r->errs, r->line, NULL, key, "a key before the first [section]");
		return 1;
	}
	raws->v = bg_xgrow(raws->v, &raws->cap, raws->n + 1, sizeof(raws->v[0]));
	raws->v[raws->n++] = (struct conf_raw){bg_xstrdup(section), bg_xstrdup(key),
					       bg_xstrdup(value ? value : ""), r->line};
	return 1;
}

bool conf_read(FILE *f, const char *text, size_t len, struct conf_raws *raws, struct conf_errs *e)
{
	struct reader r = {.f = f, .p = text, .end = text ? text + len : NULL, .raws = raws, .errs = e};
	int rc = ini_parse_stream(read_line, &r, on_key, &r);

	if (rc != 0 && e->n == 0)
		conf_error(e, rc > 0 ? rc : 0, NULL, NULL,
			   "the line is not understood; it must be [section] or key = value");
	if (f && ferror(f))
		conf_error(e, 0, NULL, NULL, "cannot be read to its end");
	return !r.stopped && !(f && ferror(f));
}

void conf_raws_free(struct conf_raws *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->v[i].section);
		free(r->v[i].key);
		free(r->v[i].value);
	}
	for (size_t i = 0; i < r->nsections; i++)
		free(r->sections[i].name);
	free(r->v);
	free(r->sections);
	*r = (struct conf_raws){0};
}
