/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/out.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"

#define COLS 12

struct out_table {
	const char *titles[COLS];
	bool right[COLS];
	int n, flex;
	char **cells;
	size_t count, cap;
};

static void clean(FILE *f, const char *s, size_t n)
{
	for (; n > 0; s++, n--)
		fputc((unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s, f);
}

void out_clean(FILE *f, const char *s)
{
	clean(f, s, strlen(s));
}

struct out_table *out_table_new(const char *const *titles, int n, int flex)
{
	struct out_table *t = bg_xcalloc(1, sizeof(*t));

	t->n = BG_MIN(n, COLS);
	t->flex = flex;
	for (int i = 0; i < t->n; i++) {
		t->right[i] = titles[i][0] == '>';
		t->titles[i] = titles[i] + t->right[i];
	}
	return t;
}

void out_cell(struct out_table *t, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = bg_xvasprintf(fmt, ap);
	va_end(ap);
	for (char *p = s; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	t->cells = bg_xgrow(t->cells, &t->cap, t->count + 1, sizeof(*t->cells));
	t->cells[t->count++] = s;
}

/* Columns on the screen: UTF-8 continuation bytes take none. */
static int width_of(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* Bytes of the first `cols` columns. */
static size_t bytes_of(const char *s, int cols)
{
	const char *p = s;

	while (*p && (cols > 0 || ((unsigned char)*p & 0xc0) == 0x80)) {
		cols -= ((unsigned char)*p & 0xc0) != 0x80;
		p++;
	}
	/* A character that began within the width is whole. */
	while (((unsigned char)*p & 0xc0) == 0x80)
		p++;
	return (size_t)(p - s);
}

static const struct {
	const char *word, *code;
} colors[] = {
	{"ACTIVE", "32"},   {"ok", "32"},           {"bad", "31"},          {"skip", "36"},
	{"done", "32"},     {"go", "32"},           {"IDLE", "32"},         {"PAUSED", "36"},
	{"DRAINING", "33"}, {"warn", "33"},         {"aborted", "33"},      {"no_go", "31"},
	{"no-go", "31"},    {"failed", "31"},       {"FAILED", "31"},       {"FENCED", "31"},
	{"silent", "31"},   {"rolled_back", "31"},  {"UNKNOWN", "31"},      {"blue", "34"},
	{"green", "32"},    {"NEEDS_PERSON", "31"}, {"needs_person", "31"},
};

static const char *code_of(const struct ctl *c, const char *word)
{
	if (c->color)
		for (size_t i = 0; i < BG_ARRAY_SIZE(colors); i++)
			if (strcmp(colors[i].word, word) == 0)
				return colors[i].code;
	return NULL;
}

void out_word(struct ctl *c, const char *word)
{
	const char *code = code_of(c, word);

	if (code)
		fprintf(c->out, "\033[%sm", code);
	out_clean(c->out, word);
	if (code)
		fputs("\033[0m", c->out);
}

static void widths(const struct out_table *t, int *w)
{
	int sum = 0;

	for (int i = 0; i < t->n; i++)
		w[i] = width_of(t->titles[i]);
	for (size_t k = 0; k < t->count; k++)
		w[k % (size_t)t->n] = BG_MAX(w[k % (size_t)t->n], width_of(t->cells[k]));
	for (int i = 0; i < t->n; i++)
		sum += w[i] + (i ? 2 : 0);
	if (sum > OUT_WIDTH)
		w[t->flex] = BG_MAX(w[t->flex] - (sum - OUT_WIDTH), 8);
	/* Still too wide: the widest gives way, so that the width holds whatever a daemon says. */
	for (;;) {
		int widest = 0;

		sum = 0;
		for (int i = 0; i < t->n; i++) {
			sum += w[i] + (i ? 2 : 0);
			widest = w[i] > w[widest] ? i : widest;
		}
		if (sum <= OUT_WIDTH || w[widest] <= 3)
			return;
		w[widest] -= BG_MIN(sum - OUT_WIDTH, w[widest] - 3);
	}
}

static void blanks(FILE *f, int n)
{
	while (n-- > 0)
		fputc(' ', f);
}

void out_wrapped(FILE *f, const char *text, int first, int indent)
{
	int room = OUT_WIDTH - first;

	while (width_of(text) > room) {
		size_t cut = bytes_of(text, room), at = cut;

		while (at > 0 && text[at] != ' ')
			at--;
		clean(f, text, at ? at : cut);
		text += at ? at + 1 : cut;
		if (!*text)
			break;
		fputc('\n', f);
		blanks(f, indent);
		room = OUT_WIDTH - indent;
	}
	out_clean(f, text);
}

static void print_cell(const struct out_table *t, struct ctl *c, const char *s, int i, const int *w, int at)
{
	int have = width_of(s);
	bool last = i == t->n - 1;

	if (last && i == t->flex) {
		out_wrapped(c->out, s, at, at);
	} else if (have > w[i]) {
		fwrite(s, 1, bytes_of(s, w[i] - 1), c->out);
		fputc('~', c->out);
	} else {
		if (t->right[i])
			blanks(c->out, w[i] - have);
		out_word(c, s);
		if (!t->right[i] && !last)
			blanks(c->out, w[i] - have);
	}
}

void out_table_end(struct out_table *t, struct ctl *c)
{
	int w[COLS] = {0};

	widths(t, w);
	for (size_t row = 0; row <= t->count / (size_t)t->n; row++) {
		int at = 0;

		for (int i = 0; i < t->n; i++) {
			const char *s = row ? t->cells[(row - 1) * (size_t)t->n + (size_t)i] : t->titles[i];

			print_cell(t, c, s, i, w, at);
			if (i < t->n - 1)
				fputs("  ", c->out);
			at += w[i] + 2;
		}
		fputc('\n', c->out);
	}
	for (size_t k = 0; k < t->count; k++)
		free(t->cells[k]);
	free(t->cells);
	free(t);
}

const char *out_ms(char *buf, int64_t us)
{
	if (us < 0)
		return strcpy(buf, "-");
	snprintf(buf, 24, us < 100000 ? "%.1f" : "%.0f", (double)us / 1000.0);
	return buf;
}

const char *out_time(char *buf, const char *s)
{
	if (s && strlen(s) >= 19 && s[10] == 'T')
		snprintf(buf, 24, "%.5s %.8s", s + 5, s + 11);
	else
		snprintf(buf, 24, "%.20s", s ? s : "-");
	return buf;
}

void out_json(struct ctl *c, struct json_object *o)
{
	fprintf(c->out, "%s\n",
		json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
							  JSON_C_TO_STRING_NOSLASHESCAPE));
}
