/* SPDX-License-Identifier: Apache-2.0 */
/* Output: tables of at most 80 columns, colours on a terminal, and nothing of the daemon's that a terminal obeys. */
#ifndef BGCTL_OUT_H
#define BGCTL_OUT_H

#include "bgctl/ctl.h"

#define OUT_WIDTH 80

/* Control bytes become '?'. */
void out_clean(FILE *f, const char *s);

struct out_table;
/* titles: n of them; '>' before one aligns right. The column `flex` gives way when 80 columns are not enough:
 * as the last one it is wrapped, else cut. */
struct out_table *out_table_new(const char *const *titles, int n, int flex);
/* The next cell of the row (copied; NULL: "-"). A row begins by itself after the last one. */
void out_cell(struct out_table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Print and free. The colours of words like ACTIVE, done, no_go are known. */
void out_table_end(struct out_table *t, struct ctl *c);

/* The word with the colour that its meaning has, where colours may be. */
void out_word(struct ctl *c, const char *word);
/* Milliseconds with one decimal below 100, of microseconds; "-" for less than 0. buf of 24. */
const char *out_ms(char *buf, int64_t us);
/* "2026-11-24T17:01:02.345Z" as local-free "11-24 17:01:02"; buf of 24. */
const char *out_time(char *buf, const char *rfc3339);
/* A JSON answer, pretty. */
void out_json(struct ctl *c, struct json_object *o);
/* A line that is wrapped at 80 columns, with `indent` blanks before each further line. */
void out_wrapped(FILE *f, const char *text, int first, int indent);

#endif
